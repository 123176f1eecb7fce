"""A simulated workspace behind a real socket, for clients of any kind and language."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Final, Self

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.testing.faults.faults import ConnectionCut, Pause, Reply
from dbx_gateway.testing.workspace import Workspace

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as missing:
    raise ImportError('serving the simulated workspace needs uvicorn: pip install "dbx-gateway[sim]"') from missing

__all__ = ["RunningServer", "application", "serve"]

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

_START_SECONDS = 20.0

_TICK_SECONDS = 1.0
"""Seconds between updates of the server's date header."""

_LAST_SECONDS = 1.0
"""Seconds that open responses may take to end when the server stops."""

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""The largest request; a workspace takes less (docs/wire/errors.md)."""

MAX_CONNECTIONS: Final = 4096
"""Connections at the same time; one more is closed at once."""

_RESET = "dbx_gateway.reset"
"""The extension by which the server lets the application reset the connection of a request."""

_KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections: none of them sends a request on one that is about to be closed."""


def application(workspace: Workspace) -> Application:
    """Return the workspace as an ASGI application, to run under any server.

    A server that cannot reset a connection answers a reset in its own way, most likely with a status 500.
    """

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = await _body(receive)
        if body is None:
            await _refuse_body(send)
            return
        query = scope["query_string"].decode("ascii")
        target = scope["raw_path"].decode("ascii") + (f"?{query}" if query else "")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        reply = workspace.handle(scope["method"], target, headers, body)
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await _wait(reply.stall, gone)
            if not reply.reset:
                await _send(reply, send, gone)
            elif (reset := scope.get("extensions", {}).get(_RESET)) is not None:
                reset()
                await gone
        finally:
            gone.cancel()

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _body(receive: Receive) -> bytes | None:
    """Return the body of a request; None where it is too large, of which no more is read."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


async def _refuse_body(send: Send) -> None:
    """Answer 413; the connection is closed then, for nobody reads the rest."""
    words = f'{{"error_code": "BAD_REQUEST", "message": "The request is larger than {MAX_BODY_BYTES} bytes."}}'.encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers.append((b"content-length", str(len(words)).encode()))
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": words})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(reply: Reply, send: Send, gone: asyncio.Future[None]) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    if isinstance(reply.body, bytes):
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await _send_body(reply, send, gone)


async def _send_body(reply: Reply, send: Send, gone: asyncio.Future[None]) -> None:
    if isinstance(reply.body, bytes):
        await send({"type": "http.response.body", "body": reply.body})
        return
    try:
        for piece in reply.body:
            if gone.done():
                return
            if isinstance(piece, Pause):
                await _wait(piece.seconds, gone)
            else:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    except ConnectionCut:
        return  # the server closes a connection whose answer was left unfinished
    await send({"type": "http.response.body", "body": b""})


async def _wait(seconds: float, gone: asyncio.Future[None]) -> None:
    """Wait, or until the client is gone."""
    if seconds:
        await asyncio.wait([gone], timeout=seconds)


class RunningServer:
    """A workspace that is being served; leave the ``with`` block, or call :meth:`stop`, to end it.

    Args:
        workspace: what is served.
        host: the address to listen on.
        port: the port; 0 takes a free one.
    """

    def __init__(self, workspace: Workspace, host: str, port: int) -> None:
        self.workspace = workspace
        self._socket = _listening(host, port)
        bound = self._socket.getsockname()
        self.url = f"http://{bound[0]}:{bound[1]}"
        """The workspace's address, without a slash at its end."""
        config = uvicorn.Config(
            application(workspace),
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            http=_Protocol,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, name="simulated workspace", daemon=True)
        self._thread.start()
        if not self._server.ready.wait(_START_SECONDS):
            self.stop()
            message = f"the server did not start within {_START_SECONDS:.0f} s"
            raise RuntimeError(message)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Stop serving at once and wait until the port is free.

        Idle connections are closed. A response that is under way has one second to end; then its connection is cut.
        """
        self._server.stop()
        self._thread.join()
        self._socket.close()

    def wait(self) -> None:
        """Serve until the server is stopped from elsewhere."""
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Protocol(H11Protocol):
    """Speaks HTTP, and lets the application reset a connection."""

    closed: asyncio.Future[None]
    """Done as soon as the connection is closed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class does
        super().connection_made(transport)
        self.closed = asyncio.get_running_loop().create_future()
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        answering: Application = self.app

        async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
            extensions = scope.get("extensions", {}) | {_RESET: lambda: _reset(transport)}
            await answering({**scope, "extensions": extensions}, receive, send)

        self.app = app

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.closed.set_result(None)


def _reset(transport: asyncio.Transport) -> None:
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Server(uvicorn.Server):
    """Stops at once: uvicorn itself checks only every tenth of a second whether it should stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Ask the server to stop, from any thread."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has stopped already
                self._loop.call_soon_threadsafe(self._stopped.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        connections, tasks = self.server_state.connections, self.server_state.tasks
        for connection in list(connections):
            connection.shutdown()
        if ending := [*tasks, *(one.closed for one in connections if isinstance(one, _Protocol))]:
            await asyncio.wait(ending, timeout=_LAST_SECONDS)
        for task in list(tasks):
            task.cancel()
        for connection in list(connections):
            connection.transport.abort()
        await self.lifespan.shutdown()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the program that runs the workspace."""
        yield


def _listening(host: str, port: int) -> socket.socket:
    if not _is_loopback(host):
        message = (
            f"the simulated workspace listens on this machine only, and {host!r} may be reached from others: it has tokens that "
            "everybody knows. Give 127.0.0.1 or ::1."
        )
        raise ConfigurationError(message)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small writes at once only on sockets that say they are TCP; else every answer waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # Windows would let a second server take the same port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(workspace: Workspace, port: int = 0, *, host: str = "127.0.0.1") -> RunningServer:
    """Serve a workspace from a thread of this process.

    Example:
        >>> with serve(Workspace()) as server:
        ...     server.url.startswith("http://127.0.0.1:")
        True

    Args:
        workspace: what to serve; its ledger and faults stay usable meanwhile.
        port: the port; 0 takes a free one.
        host: the address to listen on: one of this machine's own, which no other can reach.

    Raises:
        ConfigurationError: other machines could reach ``host``.
        ImportError: uvicorn is not installed.
        OSError: the port is taken.
    """
    return RunningServer(workspace, host, port)
