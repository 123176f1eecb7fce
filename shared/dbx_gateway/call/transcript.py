"""What a server streams, for the log, with its secrets masked."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from typing import Final

from dbx_gateway.error_bodies import TOKEN_PATTERN

__all__ = ["SECRETS", "Transcript", "beginning_masked", "masked"]

logger = logging.getLogger("dbx_gateway.requests")

SECRETS: Final = re.compile(f"{TOKEN_PATTERN}|(?<=Bearer )[\\w.~+/=-]+".encode())
"""What looks like a credential: a Databricks token or secret, a JSON Web Token, anything after ``Bearer``."""

_LONGEST_BODY: Final = 20_000

_BUFFERED: Final = _LONGEST_BODY + 8_192
"""What is looked at of a body: more than is written, so that no credential is cut before it is masked."""


class Transcript:
    """What a server streams, for the log: the start of it, written once the stream has ended or is left.

    Args:
        mask: takes credentials out of what is written.
    """

    __slots__ = ("_mask", "_size", "_start")

    def __init__(self, mask: Callable[[bytes], bytes]) -> None:
        self._mask = mask
        self._start: bytearray | None = bytearray()
        self._size = 0

    @classmethod
    def if_enabled(cls, mask: Callable[[bytes], bytes]) -> Transcript | None:
        """Return a transcript where the environment asks for bodies, else None."""
        return cls(mask) if os.environ.get("DBX_GATEWAY_LOG") == "bodies" else None

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._size += len(chunk)
        if self._start is not None and len(self._start) < _BUFFERED:
            self._start += chunk[: _BUFFERED - len(self._start)]

    def write(self) -> None:
        """Log what was streamed; once only."""
        if self._start is None:
            return
        start, self._start = bytes(self._start), None
        logger.info("got %s (%d bytes streamed)", beginning_masked(start, self._mask), self._size)


def beginning_masked(body: bytes, mask: Callable[[bytes], bytes]) -> str:
    """Return the start of a body as text, without what ``mask`` takes out of it and what looks like a credential."""
    return masked(mask(body[:_BUFFERED]))


def masked(body: bytes) -> str:
    """Return the start of a body as text, without what looks like a credential."""
    # Masked before it is cut: half a credential is not recognised as one.
    return SECRETS.sub(b"***", body)[:_LONGEST_BODY].decode("utf-8", "replace")
