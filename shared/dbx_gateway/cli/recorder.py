"""Writes the exchanges of a check to files, without secrets, ready to become tests."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import httpx

from dbx_gateway.call.transcript import SECRETS
from dbx_gateway.errors import ConfigurationError
from dbx_gateway.transport.sending import Verify, new_async_client, new_client

__all__ = ["recording"]

_RECORDED_REQUEST_HEADERS: Final = frozenset({"content-type", "accept", "anthropic-version", "user-agent"})
_RECORDED_RESPONSE_HEADERS: Final = frozenset({"content-type", "retry-after", "retry-after-ms", "x-request-id"})
_CREDENTIAL_HEADERS: Final = ("authorization", "x-databricks-ai-gateway-token", "x-api-key", "x-goog-api-key")
_MASK: Final = b"***"

_ONE_LOOP_ONLY: Final = httpx.Limits(max_keepalive_connections=0)
"""A check runs one event loop after another, and a connection cannot move from one to the next."""


@contextmanager
def recording(folder: Path, verify: Verify = None) -> Generator[dict[str, Any]]:
    """Yield settings whose requests and responses are written to ``folder``, one numbered JSON file each.

    Only headers that carry no credential are written. The credential of a request is masked wherever else it occurs,
    and so is any text that looks like one. The connections are closed at the end.

    Args:
        folder: created if missing; files of earlier recordings in it stay.
        verify: the TLS setting to connect with.

    Raises:
        ConfigurationError: ``folder`` cannot be written to.
    """
    files = _Folder(folder)
    with new_client(verify) as client:
        client.event_hooks = {"response": [files.tap]}
        async_client = new_async_client(verify, _ONE_LOOP_ONLY)
        async_client.event_hooks = {"response": [files.tap_async]}
        try:
            yield {"http_client": client, "http_async_client": async_client}
        finally:
            asyncio.run(async_client.aclose())


class _Folder:
    """A folder of numbered exchanges."""

    def __init__(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
            taken = [int(file.stem) for file in path.glob("*.json") if file.stem.isdecimal()]
        except OSError as error:
            raise ConfigurationError(f"cannot record to {path}: {error.strerror}; give another folder") from error
        self._path = path
        self._numbers = itertools.count(max(taken, default=0) + 1)
        self._lock = threading.Lock()

    def tap(self, response: httpx.Response) -> None:
        """Write the exchange to a file once its response is read or closed."""
        stream = response.stream
        assert isinstance(stream, httpx.SyncByteStream)  # noqa: S101  # a sync client's
        response.stream = _Tee(stream, lambda body: self._write(response, body))

    async def tap_async(self, response: httpx.Response) -> None:
        """The same as :meth:`tap`, for an async client."""
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101  # an async client's
        response.stream = _AsyncTee(stream, lambda body: self._write(response, body))

    def _write(self, response: httpx.Response, body: bytes) -> None:
        request = response.request
        known = _credentials(request.headers)
        record = {
            "method": request.method,
            "path": _masked(request.url.raw_path, known).decode(),
            "request_headers": _selected(request.headers, _RECORDED_REQUEST_HEADERS),
            "request": _readable(_masked(request.content, known)),
            "status": response.status_code,
            "answer_headers": _selected(response.headers, _RECORDED_RESPONSE_HEADERS),
            "answer": _readable(_masked(_decoded(body, response.headers), known)),
        }
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        # A lone surrogate is valid in JSON but not in UTF-8: it is written as its escape.
        with self._new_file() as file:
            file.write(text)

    def _new_file(self) -> TextIO:
        """Open a file that was not there: no other recording is written over, and no link out of the folder is followed."""
        while True:
            with self._lock:
                number = next(self._numbers)
            try:
                path = self._path / f"{number:04d}.json"
                return path.open("x", encoding="utf-8", errors="backslashreplace", newline="\n")
            except FileExistsError:
                continue  # somebody else's, who records here at the same time


class _Tee(httpx.SyncByteStream):
    """A stream that collects the bytes read from it and passes them to ``done`` when it is closed."""

    def __init__(self, inner: httpx.SyncByteStream, done: Callable[[bytes], None]) -> None:
        self._inner, self._done, self._received = inner, done, bytearray()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            self._received += chunk
            yield chunk

    def close(self) -> None:
        self._inner.close()
        self._done(bytes(self._received))


class _AsyncTee(httpx.AsyncByteStream):
    """The same as :class:`_Tee`, for an async client."""

    def __init__(self, inner: httpx.AsyncByteStream, done: Callable[[bytes], None]) -> None:
        self._inner, self._done, self._received = inner, done, bytearray()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._received += chunk
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
        self._done(bytes(self._received))


def _decoded(body: bytes, headers: httpx.Headers) -> bytes:
    """Return ``body`` decompressed; unchanged where it is incomplete and cannot be."""
    encoding = headers.get("content-encoding")
    if encoding is None:
        return body
    try:
        return httpx.Response(200, headers={"content-encoding": encoding}, content=body).content
    except httpx.DecodingError:
        return body


def _credentials(headers: httpx.Headers) -> tuple[bytes, ...]:
    values = [headers[name].rpartition(" ")[2] for name in _CREDENTIAL_HEADERS if name in headers]
    return tuple(value.encode() for value in values if value)


def _masked(text: bytes, known: tuple[bytes, ...]) -> bytes:
    for credential in known:
        text = text.replace(credential, _MASK)
    return SECRETS.sub(_MASK, text)


def _selected(headers: httpx.Headers, names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in names}


def _readable(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")
