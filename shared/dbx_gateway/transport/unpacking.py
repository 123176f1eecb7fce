"""Bodies without the compression they came in, unpacked a piece at a time.

A few KiB can unpack to gigabytes. httpx unpacks each chunk whole before anyone can count it, so bodies are read as they
came and unpacked here: whoever reads gets pieces of bounded size, counts them, and stops where it has enough.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

import httpx

__all__ = ["ACCEPTED", "Unpacking", "beginning", "beginning_async", "unpacked", "unpacked_async"]

ACCEPTED: Final = "gzip, deflate"
"""The compressions that requests ask for: those that the standard library unpacks within a bound on every Python."""

_PIECE: Final = 65_536
"""Bytes that one step unpacks to, at most."""

_TAKEN: Final = 8_192
"""Bytes that are handed to zlib at once: it copies what it has not consumed at each step."""

_MOST_WITHOUT_CONTENT: Final = 1_048_576
"""Bytes in a row that may unpack to nothing; compressed blocks can be empty, so that counting what comes out never ends."""

_MOST_CODINGS: Final = 2
"""Compressions of one body, one inside the other: a proxy sometimes packs what was packed."""

_UNPACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_REFUSED: Final = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})
"""Any other word in the header is no compression (``identity``, ``utf-8``): the body is read as it is."""


class Unpacking:
    """Takes one compression off a body.

    Args:
        coding: ``gzip``, ``x-gzip`` or ``deflate``.
    """

    def __init__(self, coding: str) -> None:
        self._gzip = coding != "deflate"
        # With a header of its own or without: servers send both as deflate, and the first byte tells.
        self._packer = zlib.decompressobj(zlib.MAX_WBITS | 16) if self._gzip else None
        self._without_content = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what ``chunk`` unpacks to, in pieces of at most 64 KiB.

        Raises:
            httpx.DecodingError: it is not packed as the server says, or goes on and on without content.
        """
        for start in range(0, len(chunk), _TAKEN):
            taken = chunk[start : start + _TAKEN]
            self._without_content += len(taken)
            for piece in self._pieces(taken):
                self._without_content = 0
                yield piece
            if self._without_content > _MOST_WITHOUT_CONTENT:
                raise httpx.DecodingError(f"{self._without_content} bytes of it unpack to nothing")

    def _pieces(self, left: bytes) -> Iterator[bytes]:
        try:
            while True:
                packer = self._for_next(left)
                if packer is None:
                    return
                piece = packer.decompress(left, _PIECE)
                if piece:
                    yield piece
                left = packer.unused_data if packer.eof else packer.unconsumed_tail
                if not left and len(piece) < _PIECE:  # a full piece may have more behind it, all input being taken
                    return
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error

    def _for_next(self, data: bytes) -> zlib._Decompress | None:  # pyright: ignore[reportPrivateUsage]  # the type has no other name
        """Return what unpacks ``data``; None where it is nothing, or what follows the end."""
        packer = self._packer
        if packer is None and data:
            wbits = zlib.MAX_WBITS if data[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
            packer = self._packer = zlib.decompressobj(wbits)
        if packer is None or not packer.eof:
            return packer
        # A gzip body may have several parts (RFC 1952, section 2.2); anything else after the end is left alone.
        if self._gzip and data.lstrip(b"\0")[:1] == b"\x1f":
            self._packer = zlib.decompressobj(zlib.MAX_WBITS | 16)
            return self._packer
        return None


def unpacked(response: httpx.Response) -> Iterator[bytes]:
    """Return the body of ``response`` as it comes, without its compression, in pieces of bounded size.

    Raises:
        httpx.HTTPError: the body broke off, is not packed as the server says, or in a way that was not asked for.
    """
    if response.is_stream_consumed:  # a transport or hook of the caller's own has read all of it
        return response.iter_bytes()
    codings = _codings(response)
    return _through(response, codings) if codings else response.iter_raw()


def unpacked_async(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return what :func:`unpacked` returns, to be read on an event loop."""
    if response.is_stream_consumed:
        return response.aiter_bytes()
    codings = _codings(response)
    return _through_async(response, codings) if codings else response.aiter_raw()


def beginning(response: httpx.Response, size: int) -> bytes:
    """Return the first ``size`` bytes of a refusal's body; less where it cannot be unpacked.

    Raises:
        httpx.HTTPError: the body broke off.
    """
    start = bytearray()
    try:
        for piece in unpacked(response):
            start += piece
            if len(start) >= size:
                break
    except httpx.DecodingError:
        pass  # the status says more than the words
    return bytes(start[:size])


async def beginning_async(response: httpx.Response, size: int) -> bytes:
    """Return what :func:`beginning` returns, on an event loop."""
    start = bytearray()
    try:
        async for piece in unpacked_async(response):
            start += piece
            if len(start) >= size:
                break
    except httpx.DecodingError:
        pass  # the status says more than the words
    return bytes(start[:size])


def _codings(response: httpx.Response) -> list[str]:
    """Return the compressions of ``response``, the innermost first."""
    words = response.headers.get("content-encoding", "").lower().split(",")
    return [word for part in words if (word := part.strip()) in _UNPACKED | _REFUSED]


def _steps(codings: list[str]) -> list[Unpacking]:
    """Return what takes ``codings`` off, the outermost first.

    Raises:
        httpx.DecodingError: one was not asked for, or there are too many.
    """
    if len(codings) > _MOST_CODINGS or not _UNPACKED.issuperset(codings):
        raise httpx.DecodingError(f"it is {', '.join(codings)[:100]}, and the request accepts {ACCEPTED}")
    return [Unpacking(coding) for coding in reversed(codings)]


def _through(response: httpx.Response, codings: list[str]) -> Iterator[bytes]:
    steps = _steps(codings)
    for chunk in response.iter_raw():
        yield from _unpack(chunk, steps)


async def _through_async(response: httpx.Response, codings: list[str]) -> AsyncIterator[bytes]:
    steps = _steps(codings)
    async for chunk in response.aiter_raw():
        for piece in _unpack(chunk, steps):
            yield piece


def _unpack(chunk: bytes, steps: list[Unpacking]) -> Iterator[bytes]:
    first, *others = steps
    for piece in first.feed(chunk):
        if others:
            yield from _unpack(piece, others)
        else:
            yield piece
