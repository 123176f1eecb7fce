"""Streams for event loops that are closed once, by whoever comes first.

They are no async generators. An event loop that ends closes every async generator it knows, all at once; where one of
them is closing another at that moment, Python raises "asynchronous generator is already running". And a generator that
nobody closed can only be closed by a running loop.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, TypeVar

__all__ = ["AsyncStream", "Derived"]

T = TypeVar("T")
S = TypeVar("S")


class AsyncStream(AsyncGenerator[T, None], Generic[T]):
    """Something to read item by item with ``async for``; ``aclose`` it when leaving early."""

    def __init__(self) -> None:
        self._ready: deque[T] = deque()
        self._over = False

    @abstractmethod
    async def _read(self) -> Iterable[T] | None:
        """Return what comes next, possibly nothing yet; None at the end."""

    @abstractmethod
    async def _close(self) -> None:
        """Give back what is open; called once."""

    async def __anext__(self) -> T:
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            try:
                more = await self._read()
            except BaseException:
                await self.aclose()
                raise
            if more is None:
                await self.aclose()
            else:
                self._ready.extend(more)
        return self._ready.popleft()

    async def asend(self, value: None) -> T:  # noqa: ARG002  # there is nothing to say to a stream
        """Return the next item, as a generator does."""
        return await self.__anext__()

    async def athrow(self, typ: Any, val: Any = None, tb: Any = None) -> T:  # noqa: ARG002  # nobody waits inside
        """Close the stream and raise the error, as a generator does that does not expect it."""
        await self.aclose()
        raise typ

    async def aclose(self) -> None:
        """Close what the stream reads from, at once; later calls do nothing."""
        if not self._over:
            self._over = True
            self._ready.clear()
            await self._close()


class Derived(AsyncStream[T], Generic[S, T]):
    """A stream made of another, which it closes.

    Args:
        opened: returns the other, when the first item is asked for.
        each: what becomes of one item; may be nothing or several.
        around: in what each reading takes place, for example the translation of errors.
    """

    def __init__(
        self,
        opened: Callable[[], AsyncGenerator[S, None]],
        each: Callable[[S], Iterable[T]],
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        super().__init__()
        self._opened = opened
        self._each = each
        self._around = around
        self._source: AsyncGenerator[S, None] | None = None

    async def _read(self) -> Iterable[T] | None:
        with self._around():
            if self._source is None:
                self._source = self._opened()
            try:
                item = await anext(self._source)
            except StopAsyncIteration:
                return None
            return list(self._each(item))

    async def _close(self) -> None:
        if self._source is not None:
            await self._source.aclose()
