"""The client without its protection: what a stream costs where nobody watches over it.

Nothing here can be had by a user. Each part takes the place of one of the package for the time of a measurement, and does
what it does but for the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self
from unittest.mock import patch

import httpx

from dbx_gateway.call.drivers import AsyncDriver
from dbx_gateway.call.open_stream import OpenStream
from dbx_gateway.call.reading import AnswerStream
from dbx_gateway.call.sse import ServerSentEvent, SSEReader
from dbx_gateway.events import Event
from dbx_gateway.transport.leases import AsyncLease

__all__ = ["unprotected"]


class UnboundedReader(SSEReader):
    """Reads lines and events of any size."""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Do as the reader does, without its bound."""
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = self._ended(lines[0])
        events: list[ServerSentEvent] = []
        for line in lines:
            self._take(line, events)
        if rest:
            self._line.append(rest)
        self._count += len(events)
        return events

    def _ended(self, end: bytes) -> bytes:
        if not self._line:
            return end
        line = b"".join([*self._line, end])
        self._line = []
        return line


class UnboundedStream(AnswerStream):
    """Reads answers of any size."""

    def feed(self, chunk: bytes) -> list[Event]:
        """Do as the stream does once it is known for one, without its bound."""
        if self._form != "events":
            return super().feed(chunk)
        if self.done or self.failure is not None:
            return []
        return self._decoded(self._reader.feed(chunk))


class PatientStream(OpenStream[Any]):
    """A stream that may take any time, in all and between two events."""

    def wait_begins(self) -> None:
        """Nobody looks at the time."""

    def take(self, chunk: bytes) -> list[Event]:
        """Return the events that ``chunk`` causes."""
        events = self.stream.feed(chunk)
        if self.stream.done and self.stream.failure is None:
            events += self.stream.close()
        self.ended = self.stream.done or self.stream.failure is not None
        return events


class BareLease:
    """The connection of an answer, which nobody gives back for a reader who forgets to."""

    def __init__(self, response: httpx.Response, stop: Callable[[], None]) -> None:
        self.response = response
        self.chunks = response.iter_bytes()
        self.stops = [stop]

    def release(self) -> None:
        """Close the answer."""
        self.response.close()


class NoWatchdog:
    """Ends nothing."""

    watches = False

    def __init__(self, *_: Any) -> None: ...

    @classmethod
    def until(cls, *_: Any) -> Self:
        """Return one that does nothing."""
        return cls()

    def start(self) -> None:
        """Watch nothing."""

    def stop(self) -> None:
        """There is nothing to stop."""


async def read(_: AsyncDriver, stream: OpenStream[AsyncLease]) -> list[Event]:
    """Read on in a stream for as long as it takes."""
    try:
        chunk = await anext(stream.handle.chunks)
    except StopAsyncIteration:
        return stream.end()
    return stream.take(chunk)


_PARTS: dict[str, Any] = {
    "dbx_gateway.call.reading.SSEReader": UnboundedReader,
    "dbx_gateway.call.flow.AnswerStream": UnboundedStream,
    "dbx_gateway.call.drivers.OpenStream": PatientStream,
    "dbx_gateway.call.drivers.Lease": BareLease,
    "dbx_gateway.call.drivers.Watchdog": NoWatchdog,
    "dbx_gateway.call.drivers.AsyncDriver.read": read,
    "dbx_gateway.transport.sending.settle": lambda: None,
}


@contextmanager
def unprotected() -> Iterator[None]:
    """Put the unprotected parts in the place of the package's own, for the time of the block."""
    patches = [patch(name, part) for name, part in _PARTS.items()]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()
