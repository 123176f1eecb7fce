"""Compressed bodies are unpacked a piece at a time: nobody's memory pays for what a few bytes unpack to."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.promises import promise
from support.recording_host import answer, wire

from dbx_gateway import AsyncClient, AuthenticationError, Client, DbxGatewayError, InvalidResponseError, RateLimitError
from dbx_gateway.auth.signing import CredentialsAuth, resolve
from dbx_gateway.transport.unpacking import Unpacking, beginning, unpacked, unpacked_async

MIB = 1024 * 1024
HUGE = 32 * MIB


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def parts(data: bytes) -> bytes:
    """Return ``data`` as a gzip body of two parts, with the padding that some writers leave."""
    middle = len(data) // 2
    return gzip.compress(data[:middle]) + gzip.compress(data[middle:]) + bytes(7)


PACKED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": deflated,
    "GZip": parts,
    "gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
    "deflate , gzip": lambda data: gzip.compress(deflated(data)),
}


class Cut(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that arrives in pieces."""

    def __init__(self, body: bytes, size: int) -> None:
        self.pieces = [body[start : start + size] for start in range(0, len(body), size)]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece


def response(body: bytes, coding: str, size: int = 65_536) -> httpx.Response:
    sent = httpx.Request("POST", "https://ws.example/")
    return httpx.Response(200, headers={"content-encoding": coding}, stream=Cut(body, size), request=sent)


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Fail where what runs inside holds more than ``size`` bytes at once."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size


@given(
    data=st.binary(max_size=3000),
    times=st.integers(1, 60),
    coding=st.sampled_from(sorted(PACKED)),
    size=st.integers(1, 900),
)
def test_a_body_is_what_was_packed_wherever_it_is_cut(data, times, coding, size):
    packed = PACKED[coding](data * times)
    assert b"".join(unpacked(response(packed, coding, size))) == data * times


async def test_a_body_reads_the_same_on_an_event_loop():
    packed = gzip.compress(b"word " * 100_000)
    assert b"".join([piece async for piece in unpacked_async(response(packed, "gzip"))]) == b"word " * 100_000


@pytest.mark.parametrize("coding", ["", "identity", "utf-8", "aws-chunked"])
def test_a_header_that_names_no_compression_changes_nothing(coding):
    assert b"".join(unpacked(response(b"as it is", coding))) == b"as it is"


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "ZSTD, gzip", "compress", "gzip, gzip, gzip"])
async def test_a_compression_that_was_not_asked_for_is_refused_unread(coding):
    with pytest.raises(httpx.DecodingError, match="the request accepts gzip, deflate"):
        list(unpacked(response(b"\x00" * 9, coding)))
    with pytest.raises(httpx.DecodingError, match="the request accepts gzip, deflate"):
        await anext(unpacked_async(response(b"\x00" * 9, coding)))


def test_what_follows_the_end_of_a_packed_body_is_left_alone():
    assert b"".join(unpacked(response(gzip.compress(b"whole") + b"\n", "gzip", 3))) == b"whole"
    assert b"".join(unpacked(response(zlib.compress(b"whole") + b"more", "deflate", 3))) == b"whole"


@promise("unpacked-size")
@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip"])
def test_no_piece_is_larger_than_64_kib_however_well_it_was_packed(coding):
    packed = PACKED[coding](bytes(HUGE))
    total = 0
    with at_most(2 * MIB):
        for piece in unpacked(response(packed, coding, len(packed))):
            assert len(piece) <= 65_536
            total += len(piece)
    assert total == HUGE


@promise("unpacked-size")
@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * MIB, id="empty blocks"),
        pytest.param(gzip.compress(b"") * 100_000, id="empty parts"),
        pytest.param(b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 2 * MIB, id="a file name without end"),
        pytest.param(gzip.compress(b"x") + bytes(2 * MIB), id="padding without end"),
    ],
)
def test_bytes_that_unpack_to_nothing_are_not_read_for_ever(packed):
    with pytest.raises(httpx.DecodingError, match="of it unpack to nothing"):
        list(unpacked(response(packed, "gzip")))


def test_the_beginning_of_a_refusal_is_cut_by_what_it_unpacks_to():
    packed = gzip.compress(b"x" * HUGE)
    with at_most(2 * MIB):
        assert beginning(response(packed, "gzip"), 1000) == b"x" * 1000
    assert beginning(response(b"no gzip", "gzip"), 1000) == b""
    assert beginning(response(b"short", "identity"), 1000) == b"short"


def test_nothing_in_a_chunk_is_nothing():
    assert list(Unpacking("deflate").feed(b"")) == []


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_refused_sign_in_reads_no_more_than_its_words_of_what_unpacks_to_many(asynchronous):
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, headers={"content-encoding": "gzip"}, stream=Cut(packed, 65_536))

    packed = gzip.compress(b'{"message": "go away", "more": "' + b"x" * HUGE)
    auth = CredentialsAuth(resolve(sdk_config=_SameToken()))

    async def get() -> None:
        if asynchronous:
            async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
                await client.get("https://ws.example.com/x", auth=auth)
        else:
            with httpx.Client(transport=httpx.MockTransport(refuse)) as client:
                client.get("https://ws.example.com/x", auth=auth)

    with at_most(4 * MIB), pytest.raises(AuthenticationError, match="answered 401"):
        await get()


class _SameToken:
    """What databricks-sdk calls a Config, with one token for ever."""

    host = "https://ws.example.com"

    def authenticate(self) -> dict[str, str]:
        return {"Authorization": "Bearer t"}


def fields(url: str) -> dict:
    return {"model": "databricks-llama-x", "host": url, "token": "dapi-x", "surface": "model-serving", "max_retries": 0}


async def ask(url: str, *, asynchronous: bool, streamed: bool) -> None:
    if asynchronous and streamed:
        async for _ in AsyncClient(**fields(url)).stream("Hello"):
            pass
    elif asynchronous:
        await AsyncClient(**fields(url)).chat("Hello")
    elif streamed:
        for _ in Client(**fields(url)).stream("Hello"):
            pass
    else:
        Client(**fields(url)).chat("Hello")


@promise("unpacked-size")
@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip", "br", "zstd"])
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_few_bytes_that_unpack_to_many_cost_no_memory(monkeypatch, asynchronous, streamed, status, coding):
    monkeypatch.setattr("dbx_gateway.transport.sending._MAX_BODY", MIB)
    monkeypatch.setattr("dbx_gateway.call.sse.MAX_EVENT_BYTES", MIB)
    monkeypatch.setattr("dbx_gateway.call.reading.MAX_EVENT_BYTES", MIB)
    packed = PACKED.get(coding, gzip.compress)(b" " * HUGE)
    kind = "text/event-stream" if streamed and status == 200 else "application/json"
    with wire(lambda request: answer(status, packed, kind, content_encoding=coding)) as host:
        await _warmed_up(host.url)
        with at_most(12 * MIB), pytest.raises(DbxGatewayError) as caught:
            await ask(host.url, asynchronous=asynchronous, streamed=streamed)
    assert caught.value.status == status
    assert b"\r\naccept-encoding: gzip, deflate\r\n" in host.requests[-1].lower()
    if status == 200:
        assert isinstance(caught.value, InvalidResponseError)


async def _warmed_up(url: str) -> None:
    """Make the clients that the process shares, which are no answer's cost."""
    for asynchronous in (False, True):
        with pytest.raises(DbxGatewayError):
            await ask(url, asynchronous=asynchronous, streamed=False)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_refusal_is_what_its_status_says_whatever_it_is_packed_in(asynchronous):
    with (
        wire(lambda request: answer(429, b"\x0b\x02\x80", content_encoding="br", retry_after="7")) as host,
        pytest.raises(RateLimitError) as caught,
    ):
        await ask(host.url, asynchronous=asynchronous, streamed=False)
    assert caught.value.retry_after == 7


async def test_the_compressions_that_the_user_asks_for_are_asked_for():
    with wire(lambda request: answer(400, b"{}")) as host, pytest.raises(DbxGatewayError):
        Client(**fields(host.url), default_headers={"Accept-Encoding": "identity"}).chat("Hello")
    assert [line for line in host.requests[-1].lower().split(b"\r\n") if line.startswith(b"accept-encoding")] == [
        b"accept-encoding: identity"
    ]
