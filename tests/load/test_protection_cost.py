"""What watches over a stream does its work once for each read and once for each call, never for each event."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections import Counter

import httpx
import pytest
from support.promises import promise

from dbx_gateway import AsyncClient, Client
from dbx_gateway.events import TextDelta

FIELDS = {
    "model": "databricks-meta-llama-3-3-70b-instruct",
    "host": "http://127.0.0.1:9",
    "token": "dapi0123456789abcdef",
    "surface": "model-serving",
    "total_timeout": 300.0,
    "stream_idle_timeout": 30.0,
    "coalesce_deltas": False,
}
READS = 20
MODULES = (
    "dbx_gateway/transport/deadlines.py",
    "dbx_gateway/transport/leases.py",
    "dbx_gateway/transport/sending.py",
    "dbx_gateway/transport/watchdogs.py",
)
CHECKS = ("_check_size", "_take_checked", "wait_begins", "patience", "take", "late", "mask_error", "mask_body")
"""Of other modules: bounds of sizes, silence between events, and the masking of credentials."""


def event(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return (
        b"data: " + json.dumps({"id": "c1", "object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"
    )


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A stream of some events in a fixed number of reads.

    Args:
        events: how many.
    """

    def __init__(self, events: int) -> None:
        each = events // READS
        self._pieces = [b"".join(event({"content": "word "}) for _ in range(each)) for _ in range(READS)]
        self._pieces.append(event({}, "stop") + b"data: [DONE]\n\n")

    def __iter__(self):
        return iter(self._pieces)

    async def __aiter__(self):
        for piece in self._pieces:
            yield piece


class Host(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers every request with a stream."""

    def __init__(self, events: int) -> None:
        self._events = events

    def handle_request(self, request):
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces(self._events))

    async def handle_async_request(self, request):
        return self.handle_request(request)


def read(events):
    with httpx.Client(transport=Host(events)) as own:
        stream = Client(**FIELDS, http_client=own).stream("Hello")
        return sum(isinstance(one, TextDelta) for one in stream)


async def read_async(events):
    async with httpx.AsyncClient(transport=Host(events)) as own:
        stream = AsyncClient(**FIELDS, http_async_client=own).stream("Hello")
        return sum([isinstance(one, TextDelta) async for one in stream])


def protection(events, way):
    """How often each function of the protection is called while a stream of ``events`` events is read."""
    calls = Counter()

    def note(frame, what, _):
        code = frame.f_code
        if what == "call" and (code.co_filename.endswith(MODULES) or code.co_name in CHECKS):
            calls[code.co_qualname] += 1

    gc.disable()  # a collection is noted by one of the functions, and comes when it comes
    sys.setprofile(note)
    try:
        said = read(events) if way == "sync" else asyncio.run(read_async(events))
    finally:
        sys.setprofile(None)
        gc.enable()
    assert said == events
    return calls


@promise("watching-cost")
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_hundred_times_more_events_in_as_many_reads_cost_no_more_protection(way):
    protection(READS, way)  # what is done once in a process
    few, many = protection(READS, way), protection(100 * READS, way)
    assert many == few
    assert few["OpenStream.take"] >= READS
    assert max(few.values()) < 10 * READS
