"""Writes the exchanges of a check to files, without secrets, ready to become tests."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx

__all__ = ["recording_clients"]

_KEPT_REQUEST_HEADERS: Final = frozenset({"content-type", "accept", "anthropic-version", "user-agent"})
_KEPT_ANSWER_HEADERS: Final = frozenset({"content-type", "retry-after", "retry-after-ms", "x-request-id"})


class _Folder:
    """A folder of numbered exchanges."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def write(self, request: httpx.Request, content: bytes, response: httpx.Response, body: bytes) -> None:
        with self._lock:
            number = next(self._numbers)
        record = {
            "method": request.method,
            "path": request.url.raw_path.decode(),
            "request_headers": _kept(request.headers, _KEPT_REQUEST_HEADERS),
            "request": _readable(content),
            "status": response.status_code,
            "answer_headers": _kept(response.headers, _KEPT_ANSWER_HEADERS),
            "answer": _readable(body),
        }
        file = self._path / f"{number:04d}.json"
        file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


class _Tee(httpx.SyncByteStream):
    def __init__(self, inner: httpx.SyncByteStream, done: Any) -> None:
        self._inner, self._done, self._seen = inner, done, bytearray()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            self._seen += chunk
            yield chunk

    def close(self) -> None:
        self._inner.close()
        self._done(bytes(self._seen))


class _AsyncTee(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, done: Any) -> None:
        self._inner, self._done, self._seen = inner, done, bytearray()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._seen += chunk
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
        self._done(bytes(self._seen))


class _Recording(httpx.HTTPTransport):
    def __init__(self, folder: _Folder) -> None:
        super().__init__()
        self._folder = folder

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        response = super().handle_request(request)
        stream = response.stream
        assert isinstance(stream, httpx.SyncByteStream)  # noqa: S101  # a sync transport answers with one
        tee = _Tee(stream, lambda body: self._folder.write(request, content, response, body))
        return httpx.Response(
            response.status_code, headers=response.headers, stream=tee, extensions=response.extensions
        )


class _AsyncRecording(httpx.AsyncHTTPTransport):
    def __init__(self, folder: _Folder) -> None:
        super().__init__()
        self._folder = folder

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        response = await super().handle_async_request(request)
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101  # an async transport answers with one
        tee = _AsyncTee(stream, lambda body: self._folder.write(request, content, response, body))
        return httpx.Response(
            response.status_code, headers=response.headers, stream=tee, extensions=response.extensions
        )


def recording_clients(folder: Path) -> dict[str, Any]:
    """Return settings whose requests and answers are written to ``folder``, one JSON file each.

    Only headers that carry no credential are kept.
    """
    files = _Folder(folder)
    return {
        "http_client": httpx.Client(transport=_Recording(files)),
        "http_async_client": httpx.AsyncClient(transport=_AsyncRecording(files)),
    }


def _kept(headers: httpx.Headers, names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in names}


def _readable(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")
