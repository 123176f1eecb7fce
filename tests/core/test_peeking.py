"""A body whose beginning was read is still whole for the one who reads it."""

from __future__ import annotations

import gzip

import httpx
import pytest

from dbx_gateway.transport.deadlines import NO_DEADLINE, Deadline
from dbx_gateway.transport.peeking import peeked, peeked_async


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, which may break off, and knows how much of it was read and whether it was closed."""

    def __init__(self, pieces, error=None):
        self.pieces = pieces
        self.error = error
        self.read = 0
        self.closed = False

    def __iter__(self):
        for piece in self.pieces:
            self.read += 1
            yield piece
        if self.error is not None:
            raise self.error

    async def __aiter__(self):
        for piece in self:
            yield piece

    def close(self):
        self.closed = True

    async def aclose(self):
        self.closed = True


async def both(pieces, size, *, asynchronous, error=None, headers=None):
    """Peek at a body, then read all of it; returns what was seen, what was read, and the stream."""
    stream = Pieces(pieces, error)
    response = httpx.Response(403, headers=headers, stream=stream)
    if asynchronous:
        seen = await peeked_async(response, size)
        at = stream.read
        whole = await response.aread()
    else:
        seen = peeked(response, size, NO_DEADLINE)
        at = stream.read
        whole = response.read()
    return seen, whole, at, stream


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_what_was_peeked_at_is_read_again_and_no_more_is_read_than_asked_for(asynchronous):
    pieces = [b"ab", b"cd", b"ef", b"gh"]
    seen, whole, at, stream = await both(pieces, 3, asynchronous=asynchronous)
    assert (seen, whole, at) == (b"abc", b"abcdefgh", 2)
    assert stream.closed
    assert (await both(pieces, 100, asynchronous=asynchronous))[:2] == (b"abcdefgh", b"abcdefgh")


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_packed_body_is_seen_unpacked_and_stays_packed(asynchronous):
    packed = gzip.compress(b"Invalid access token.")
    headers = {"content-encoding": "gzip"}
    seen, whole, _, _ = await both([packed[:9], packed[9:]], 1000, asynchronous=asynchronous, headers=headers)
    assert (seen, whole) == (b"Invalid access token.", b"Invalid access token.")


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_body_that_breaks_off_does_so_for_the_one_who_reads_it(asynchronous):
    with pytest.raises(httpx.ReadError, match="gone"):
        await both([b"ab"], 100, asynchronous=asynchronous, error=httpx.ReadError("gone"))


def test_nothing_is_read_after_the_deadline():
    stream = Pieces([b"ab"])
    assert peeked(httpx.Response(403, stream=stream), 100, Deadline.from_now(0.0)) == b""
    assert stream.read == 0


def test_a_body_that_was_read_already_is_seen_as_it_is():
    assert peeked(httpx.Response(403, text="no"), 100, NO_DEADLINE) == b"no"
