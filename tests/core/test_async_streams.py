"""Streams for event loops: each item once, closed once, whoever comes first."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from dbx_gateway.transport.async_streams import AsyncStream, Derived


class Numbers(AsyncStream[int]):
    """Reads its batches one after another, and counts how often it is closed."""

    def __init__(self, *batches: list[int] | Exception | None) -> None:
        super().__init__()
        self.batches = list(batches)
        self.closed = 0

    async def _read(self):
        batch = self.batches.pop(0) if self.batches else None
        if isinstance(batch, Exception):
            raise batch
        return batch

    async def _close(self):
        self.closed += 1


async def test_items_come_one_by_one_and_a_reading_may_bring_none_or_several():
    stream = Numbers([1], [], [2, 3])
    assert [item async for item in stream] == [1, 2, 3]
    assert stream.closed == 1


async def test_a_stream_that_is_closed_gives_nothing_more_not_even_what_was_read():
    stream = Numbers([1, 2, 3])
    assert await anext(stream) == 1
    await stream.aclose()
    await stream.aclose()
    assert [item async for item in stream] == []
    assert stream.closed == 1


async def test_an_error_of_a_reading_closes_the_stream():
    stream = Numbers([1], ValueError("broken"))
    assert await anext(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        await anext(stream)
    assert stream.closed == 1


async def test_a_stream_is_sent_to_and_thrown_at_as_a_generator_is():
    stream = Numbers([1, 2])
    assert await stream.asend(None) == 1
    with pytest.raises(KeyError):
        await stream.athrow(KeyError("from outside"))
    assert stream.closed == 1


async def test_a_derived_stream_opens_the_other_when_it_is_read_and_closes_it():
    other = Numbers([1, 2], [3])
    opened = []

    def opening():
        opened.append(other)
        return other

    stream = Derived(opening, lambda number: [number] * (number - 1))
    assert opened == []
    assert [item async for item in stream] == [2, 3, 3]
    assert (opened, other.closed) == ([other], 1)


async def test_a_derived_stream_that_was_never_read_opens_nothing():
    stream = Derived(lambda: pytest.fail("opened"), lambda item: [item])
    await stream.aclose()
    assert [item async for item in stream] == []


async def test_each_reading_of_a_derived_stream_takes_place_in_its_surroundings():
    @contextmanager
    def translated():
        try:
            yield
        except ValueError as error:
            raise KeyError(str(error)) from error

    other = Numbers([1], ValueError("broken"))
    stream = Derived(lambda: other, lambda item: [item], translated)
    assert await anext(stream) == 1
    with pytest.raises(KeyError, match="broken"):
        await anext(stream)
    assert other.closed == 1
