"""Connections of answers that are being read, and what becomes of those that nobody gives back.

A client holds the connection of a stream by a :class:`Lease`, on an event loop by an :class:`AsyncLease`. Both have the
response, the chunks of its body, and ``release``, which closes it at once.

The garbage collector may run while its thread is inside the connection pool and holds the pool's lock. Whatever closes an
answer from there waits for that lock for ever. So a sync answer that the collector finds only has its socket closed, which
takes no lock, and the pool is told on the next use. The same holds in a forked process: another thread of the parent may
have held the lock. An async answer that the collector finds is closed by its event loop.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from types import AsyncGeneratorType
from typing import ClassVar

import httpx

from dbx_gateway.fork_hooks import in_child_after_fork
from dbx_gateway.transport.unpacking import unpacked, unpacked_async

__all__ = ["AsyncLease", "Lease", "settle"]


class Lease:
    """The connection of one sync answer while its body is being read.

    Args:
        response: whose body is read.
        stop: ends what watches over the answer.

    Attributes:
        chunks: the body as it comes.
        stops: what to call when the answer is closed; more may be added.
    """

    __slots__ = ("_pid", "chunks", "response", "stops")

    # Of the class, for the names of the module are gone when the interpreter takes the last streams down.
    _ending: ClassVar[bool] = False

    def __init__(self, response: httpx.Response, stop: Callable[[], None]) -> None:
        self.response = response
        self.chunks = unpacked(response)
        self.stops = [stop]
        self._pid = os.getpid()
        # Holds the HTTP library's own generators too: they close the answer when the collector finds them.
        _held.add(self)

    def release(self) -> None:
        """Close the answer, at once; what takes a lock waits for the next use where it is not safe now."""
        if self._ending or self not in _held:
            return
        if self._pid != os.getpid():
            _close_socket(self.response)
        elif threading.get_ident() in _collecting:
            _close_socket(self.response)
            _left.append(self)
        else:
            _held.discard(self)
            for stop in self.stops:
                stop()
            self.response.close()

    @classmethod
    def leave_open(cls) -> None:
        """Close nothing from now on: the process takes its connections along, and closing needs modules that are going.

        httpx notes how long an answer took as it closes it; with its datetime half gone, Python 3.13.0 crashes there.
        """
        cls._ending = True


class AsyncLease:
    """The connection of one async answer while its body is being read.

    Args:
        response: whose body is read.

    Attributes:
        chunks: the body as it comes.
    """

    __slots__ = ("chunks", "response")

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.chunks = unpacked_async(response)

    async def release(self) -> None:
        """Close the answer, at once."""
        await self.response.aclose()

    def release_later(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let ``loop`` close the answer; may be called from anywhere, the garbage collector included."""
        if not loop.is_closed():  # else its connections were closed with it
            loop.call_soon_threadsafe(_begin_to_close, self.response, self.chunks, loop)


async def _close(response: httpx.Response, chunks: AsyncIterator[bytes]) -> None:
    """Close an answer that nobody reads any more, and then the generator in which it is read.

    Not every loop closes generators that are dropped: that of nest_asyncio leaves it to the collector, which cannot wait.
    """
    await response.aclose()
    if isinstance(chunks, AsyncGeneratorType) and not chunks.ag_running:  # else the loop that ends is closing it
        await chunks.aclose()


def _begin_to_close(response: httpx.Response, chunks: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
    task = loop.create_task(_close(response, chunks))
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing: set[asyncio.Task[None]] = set()
"""Kept until they are done: a loop does not hold its tasks."""


def settle() -> None:
    """Close what the collector has found since the last use."""
    while _left:
        try:
            lease = _left.popleft()
        except IndexError:  # another thread was quicker
            return
        lease.release()


_held: set[Lease] = set()
_left: deque[Lease] = deque()
_collecting: set[int] = set()


def _close_socket(response: httpx.Response) -> None:
    stream = response.extensions.get("network_stream")
    if stream is not None:
        stream.close()


def _note_collection(phase: str, _: Mapping[str, int]) -> None:
    thread = threading.get_ident()
    _collecting.add(thread) if phase == "start" else _collecting.discard(thread)


def _start_anew() -> None:
    _left.clear()  # all of it is held, and stays so: what the parent has opened is the parent's
    _collecting.clear()


atexit.register(Lease.leave_open)
gc.callbacks.append(_note_collection)
in_child_after_fork(_start_anew)
