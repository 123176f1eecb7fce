"""What ends an answer that does not end by itself in time."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Final

import httpx

from dbx_gateway.transport.deadlines import Alarm, Deadline, alarm_in

__all__ = ["GRACE", "Watchdog"]

GRACE: Final = 5.0
"""Seconds to wait for what may follow a complete answer (its usage)."""


class Watchdog:
    """Ends an answer that does not end by itself in time: shuts its socket down after a while.

    It never touches a socket that has gone back to the pool, and may serve another request by then: giving the connection
    back and shutting its socket down exclude each other.

    Args:
        response: whose connection to shut down.
        seconds: how long to wait.
    """

    def __init__(self, response: httpx.Response, seconds: float = GRACE) -> None:
        stream = response.extensions.get("network_stream")
        self._socket: socket.socket | None = stream.get_extra_info("socket") if stream is not None else None
        self._response = response
        self._alarm: Alarm | None = None
        self._seconds = seconds
        self._turn = threading.RLock()
        self._over = False

    @classmethod
    def until(cls, deadline: Deadline, response: httpx.Response) -> Watchdog:
        """Return one that ends the answer at a deadline, if there is one; it has started."""
        left = deadline.left
        watchdog = cls(response, left or 0.0)
        if left is not None:
            watchdog.start()
        return watchdog

    def start(self) -> None:
        """Start the wait; later calls do nothing."""
        if self._alarm is None and self._socket is not None and not self._response.is_closed:
            inner = self._response.stream
            if isinstance(inner, httpx.SyncByteStream):
                self._response.stream = _Watched(inner, self)
            else:
                self._response.stream = _WatchedAsync(inner, self)
            self._alarm = alarm_in(self._seconds, self._shut)

    @property
    def watches(self) -> bool:
        """Whether it has started, and can end the answer."""
        return self._alarm is not None

    def stop(self) -> None:
        """The answer has ended by itself, or its connection is about to be given back."""
        if self._alarm is not None:
            with self._turn:
                self._over = True
            self._alarm.call_off()

    def _shut(self) -> None:
        with self._turn:
            if self._over or self._socket is None:
                return
            with suppress(OSError):  # it ended in the meantime, which is what was wanted
                self._socket.shutdown(socket.SHUT_RDWR)


class _Watched(httpx.SyncByteStream):
    """The body of a watched answer: its watchdog is stopped before its connection is given back."""

    def __init__(self, inner: httpx.SyncByteStream, watchdog: Watchdog) -> None:
        self._inner = inner
        self._watchdog = watchdog

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._inner)

    def close(self) -> None:
        self._watchdog.stop()
        self._inner.close()


class _WatchedAsync(httpx.AsyncByteStream):
    """The same of an answer that an event loop reads."""

    def __init__(self, inner: httpx.AsyncByteStream, watchdog: Watchdog) -> None:
        self._inner = inner
        self._watchdog = watchdog

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._inner)

    async def aclose(self) -> None:
        self._watchdog.stop()
        await self._inner.aclose()
