"""The beginning of a body, read without taking it from whoever reads the body afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx

from dbx_gateway.transport.deadlines import Deadline
from dbx_gateway.transport.unpacking import beginning

__all__ = ["peeked", "peeked_async"]


def peeked(response: httpx.Response, size: int, deadline: Deadline) -> bytes:
    """Return about the first ``size`` bytes of a refusal's body, unpacked; all of it can still be read.

    Args:
        response: whose body nobody has read.
        size: bytes, as they come over the wire.
        deadline: no more is read after it.
    """
    if response.is_stream_consumed:  # a transport or hook of the caller's own has read all of it
        return response.content
    assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101  # a sync client's response
    again = _Again(response.stream)
    rest = iter(response.stream)
    try:
        while again.size < size and not deadline.passed:
            again.chunks.append(next(rest))
        again.rest = rest
    except StopIteration:
        pass
    except httpx.HTTPError as error:  # the one who reads the body meets it, where it happened
        again.error = error
    response.stream = again
    return _words(response, again.chunks, size)


async def peeked_async(response: httpx.Response, size: int) -> bytes:
    """Return what :func:`peeked` returns, on an event loop, whose timer keeps the deadline."""
    if response.is_stream_consumed:
        return response.content
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101  # an async client's response
    again = _AgainAsync(response.stream)
    rest = aiter(response.stream)
    try:
        while again.size < size:
            again.chunks.append(await anext(rest))
        again.rest = rest
    except StopAsyncIteration:
        pass
    except httpx.HTTPError as error:
        again.error = error
    response.stream = again
    return _words(response, again.chunks, size)


class _Peeked:
    """What was read of a body, and how it ended so far."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.error: httpx.HTTPError | None = None

    @property
    def size(self) -> int:
        return sum(map(len, self.chunks))


class _Again(_Peeked, httpx.SyncByteStream):
    """A body whose beginning was read: from its beginning."""

    def __init__(self, inner: httpx.SyncByteStream) -> None:
        super().__init__()
        self.rest: Iterator[bytes] = iter(())
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.error is not None:
            raise self.error
        yield from self.rest

    def close(self) -> None:
        self._inner.close()


class _AgainAsync(_Peeked, httpx.AsyncByteStream):
    """See :class:`_Again`."""

    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        super().__init__()
        self.rest: AsyncIterator[bytes] | None = None
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.error is not None:
            raise self.error
        if self.rest is not None:
            async for chunk in self.rest:
                yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Chunks(httpx.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


def _words(response: httpx.Response, chunks: list[bytes], size: int) -> bytes:
    packed = httpx.Response(response.status_code, headers=response.headers, stream=_Chunks(chunks))
    return beginning(packed, size)
