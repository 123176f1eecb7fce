"""The logging switch: ``DBX_GATEWAY_LOG=requests`` writes one line per request, ``bodies`` the bodies too."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dbx_gateway.error_bodies import TOKEN_PATTERN, request_id_of
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.notices import warn_once
from dbx_gateway.transport import Outgoing, Reply

if TYPE_CHECKING:
    from dbx_gateway.calls import Live

__all__ = ["SECRETS", "Transcript", "log_exchange"]

logger = logging.getLogger("dbx_gateway.requests")

SECRETS: Final = re.compile(f"{TOKEN_PATTERN}|(?<=Bearer )[\\w.~+/=-]+".encode())
"""What looks like a credential: a Databricks token or secret, a JSON Web Token, anything after ``Bearer``."""

_LONGEST_BODY: Final = 20_000

_HEARD: Final = _LONGEST_BODY + 8_192
"""What is kept of a stream: more than is told, so that no credential is cut before it is masked."""


def log_exchange(
    sent: Outgoing, outcome: Reply | Live | DbxGatewayError, error: DbxGatewayError | None, seconds: float, attempt: int
) -> None:
    """Log one request and what became of it, where the environment asks for it."""
    wanted = os.environ.get("DBX_GATEWAY_LOG")
    if not wanted:
        return
    if wanted not in ("requests", "bodies"):
        warn_once("log switch", f"DBX_GATEWAY_LOG is {wanted!r} and logs nothing; set it to 'requests' or 'bodies'")
        return
    _show()
    status = outcome.status if error is None else error.status or type(error).__name__
    request_id = None if isinstance(outcome, DbxGatewayError) else request_id_of(outcome.headers)
    logger.info(
        "%s status=%s ms=%.0f attempt=%d request_id=%s", sent.asked, status, seconds * 1000, attempt, request_id or "-"
    )
    if wanted == "bodies":
        warn_once(
            "log bodies", "DBX_GATEWAY_LOG=bodies writes prompts and answers to the log; secrets in them are masked"
        )
        logger.info("sent %s", _masked(sent.content or b""))
        if isinstance(outcome, Reply):
            logger.info("got %s", _masked(outcome.body))
        elif error is not None and not isinstance(outcome, DbxGatewayError) and outcome.transcript is not None:
            outcome.transcript.tell()


class Transcript:
    """What a server streams, for the log: the start of it, told once the stream has ended or is left.

    Args:
        mask: takes credentials out of what is told.
    """

    __slots__ = ("_mask", "_size", "_start")

    def __init__(self, mask: Callable[[bytes], bytes]) -> None:
        self._mask = mask
        self._start: bytearray | None = bytearray()
        self._size = 0

    @classmethod
    def if_wanted(cls, mask: Callable[[bytes], bytes]) -> Transcript | None:
        """Return a transcript where the environment asks for bodies, else None."""
        return cls(mask) if os.environ.get("DBX_GATEWAY_LOG") == "bodies" else None

    def hear(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._size += len(chunk)
        if self._start is not None and len(self._start) < _HEARD:
            self._start += chunk[: _HEARD - len(self._start)]

    def tell(self) -> None:
        """Log what was heard; once only."""
        if self._start is None:
            return
        heard, self._start = bytes(self._start), None
        logger.info("got %s (%d bytes streamed)", _masked(self._mask(heard)), self._size)


def _masked(body: bytes) -> str:
    # Masked before it is cut: half a credential is not recognised as one.
    return SECRETS.sub(b"***", body)[:_LONGEST_BODY].decode("utf-8", "replace")


def _show() -> None:
    """Whoever sets the variable wants to see the lines, also where the application configures no logging."""
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
        logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
