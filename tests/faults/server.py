"""A server that fails as it is told: each request is answered with scripted bytes, pauses, resets and silences.

It reads and writes raw HTTP on asyncio streams in a thread of its own, so that nothing between a script and the socket
can repair what the script breaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

LONGEST_HOLD = 5.0
"""Seconds after which the server gives up a connection that it was told to hold."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Send nothing for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Trickle:
    """Send bytes one at a time."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Endless:
    """Send the same bytes again and again until the client leaves."""

    data: bytes
    every: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Send nothing more, and keep the connection until the client leaves."""


@dataclass(frozen=True, slots=True)
class Reset:
    """End the connection with a reset instead of an orderly close."""


Step: TypeAlias = bytes | Wait | Trickle | Endless | Hold | Reset
Script: TypeAlias = tuple[Step, ...]
"""What one request is answered with; at its end the connection is closed."""


@dataclass(slots=True)
class Seen:
    """One request as it arrived."""

    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.decode().lower() == name:
                return value.strip().decode()
        return None


@dataclass(slots=True)
class Stage:
    """The scripts of one case under a path of its own, and the requests that came for it."""

    url: str
    scripts: Sequence[Script]
    seen: list[Seen] = field(default_factory=list)

    def next_script(self, seen: Seen) -> Script:
        """Note a request and return its script; the last script serves all further requests."""
        self.seen.append(seen)
        return self.scripts[min(len(self.seen), len(self.scripts)) - 1]


class FaultServer:
    """Answers requests by the first segment of their path, which names a stage."""

    def __init__(self) -> None:
        self.port = 0
        self.tls_port = 0
        self._stages: dict[str, Stage] = {}
        self._numbers = itertools.count(1)
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault server", daemon=True)

    @property
    def origin(self) -> str:
        """Where the server listens."""
        return f"http://127.0.0.1:{self.port}"

    def stage(self, scripts: Sequence[Script]) -> Stage:
        """Return a fresh stage with ``scripts``."""
        name = f"s{next(self._numbers)}"
        stage = self._stages[name] = Stage(f"{self.origin}/{name}", scripts)
        return stage

    def leave(self, stage: Stage) -> None:
        """Forget a stage."""
        del self._stages[stage.url.rpartition("/")[2]]

    def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Begin to listen, with TLS on a second port where a context is given."""
        self._thread.start()
        self.port = self._listen(None)
        if tls is not None:
            self.tls_port = self._listen(tls)

    def stop(self) -> None:
        """Cut every connection and end the thread."""
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _listen(self, tls: ssl.SSLContext | None) -> int:
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _cancel_all(self) -> None:
        for server in self._servers:
            server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            seen = await _request(reader)
            stage = self._stages.get(_stage_name(seen.head))
            if stage is not None:
                async with asyncio.timeout(LONGEST_HOLD):
                    await _play(stage.next_script(seen), reader, writer)
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()


def _stage_name(head: bytes) -> str:
    return head.split(b" ", 2)[1].decode().split("/")[1]


async def _request(reader: asyncio.StreamReader) -> Seen:
    head = await reader.readuntil(b"\r\n\r\n")
    seen = Seen(head, b"")
    seen.body = await reader.readexactly(int(seen.header("content-length") or 0))
    return seen


async def _play(script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    _without_delay(writer)
    for step in script:
        match step:
            case bytes():
                writer.write(step)
                await writer.drain()
            case Wait():
                await asyncio.sleep(step.seconds)
            case Trickle():
                for value in step.data:
                    writer.write(bytes([value]))
                    await asyncio.sleep(0)
            case Endless():
                while not reader.at_eof():
                    writer.write(step.data)
                    await writer.drain()
                    await asyncio.sleep(step.every)
            case Hold():
                await reader.read()
            case Reset():
                _reset(writer)


def _without_delay(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def fault_server(tls: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    """Run a fault server on loopback."""
    server = FaultServer()
    server.start(tls)
    try:
        yield server
    finally:
        server.stop()
