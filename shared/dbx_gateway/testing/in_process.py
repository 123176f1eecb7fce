"""Requests of httpx clients answered by a simulated workspace without a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import httpx

from dbx_gateway.testing.faults.faults import ConnectionCut, Pause, Reply, Streamed
from dbx_gateway.testing.workspace import Workspace

__all__ = ["WorkspaceTransport", "workspace_transport"]


def workspace_transport(workspace: Workspace) -> WorkspaceTransport:
    """Return a transport for ``httpx.Client(transport=...)`` or ``httpx.AsyncClient(transport=...)``.

    Example:
        >>> workspace = Workspace()
        >>> with httpx.Client(transport=workspace_transport(workspace)) as client:
        ...     client.get("https://workspace.example.com/.well-known/databricks-config").status_code
        200
    """
    return WorkspaceTransport(workspace)


class WorkspaceTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Passes every request to a workspace, whatever its host.

    A stall longer than the request's read timeout raises :class:`httpx.ReadTimeout` at once; a broken connection is
    :class:`httpx.RemoteProtocolError`, and one that is reset :class:`httpx.ReadError`, as over a socket.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a synchronous request."""
        reply = self._reply(request, request.read())
        _sleep(reply.stall, request)
        _check_reset(reply, request)
        return httpx.Response(reply.status, headers=reply.headers, stream=_Sync(reply, request), request=request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer an asynchronous request."""
        reply = self._reply(request, await request.aread())
        await _asleep(reply.stall, request)
        _check_reset(reply, request)
        return httpx.Response(reply.status, headers=reply.headers, stream=_Async(reply, request), request=request)

    def _reply(self, request: httpx.Request, body: bytes) -> Reply:
        target = request.url.raw_path.decode("ascii")
        return self._workspace.handle(request.method, target, dict(request.headers), body)


class _Sync(httpx.SyncByteStream):
    def __init__(self, reply: Reply, request: httpx.Request) -> None:
        self._reply = reply
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        for piece in _pieces(self._reply.body, self._request):
            if isinstance(piece, Pause):
                _sleep(piece.seconds, self._request)
            else:
                yield piece


class _Async(httpx.AsyncByteStream):
    def __init__(self, reply: Reply, request: httpx.Request) -> None:
        self._reply = reply
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in _pieces(self._reply.body, self._request):
            if isinstance(piece, Pause):
                await _asleep(piece.seconds, self._request)
            else:
                await asyncio.sleep(0)
                yield piece


def _pieces(body: bytes | Streamed, request: httpx.Request) -> Streamed:
    if isinstance(body, bytes):
        yield body
        return
    try:
        yield from body
    except ConnectionCut:
        message = "peer closed connection without sending complete message body (incomplete chunked read)"
        raise httpx.RemoteProtocolError(message, request=request) from None


def _check_reset(reply: Reply, request: httpx.Request) -> None:
    if reply.reset:
        message = "Connection reset by peer"
        raise httpx.ReadError(message, request=request)


def _patience(seconds: float, request: httpx.Request) -> float:
    limit = request.extensions.get("timeout", {}).get("read")
    if limit is not None and seconds > limit:
        raise httpx.ReadTimeout("The read operation timed out", request=request)
    return seconds


def _sleep(seconds: float, request: httpx.Request) -> None:
    if seconds:
        time.sleep(_patience(seconds, request))


async def _asleep(seconds: float, request: httpx.Request) -> None:
    if seconds:
        await asyncio.sleep(_patience(seconds, request))
