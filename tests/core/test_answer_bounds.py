"""A stream without end costs bounded memory."""

from __future__ import annotations

import pytest
from support.promises import promise
from support.recording_host import answer, wire

from dbx_gateway import AsyncClient, Client, InvalidResponseError

WORD = b'data: {"choices": [{"index": 0, "delta": {"content": "and "}}]}\n\n'


@promise("bounded-size")
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_no_more_is_read_of_a_stream_than_the_bound(monkeypatch, asynchronous):
    monkeypatch.setattr("dbx_gateway.call.reading.MAX_STREAM_BYTES", 100_000)
    with wire(lambda request: answer(200, WORD * 10_000, "text/event-stream")) as host:
        fields = {"model": "databricks-llama-x", "host": host.url, "token": "dapi-x", "surface": "model-serving"}
        read = 0

        async def read_on() -> None:
            nonlocal read
            if asynchronous:
                async for _ in AsyncClient(**fields, coalesce_deltas=False).stream("Hello"):
                    read += 1
            else:
                for _ in Client(**fields, coalesce_deltas=False).stream("Hello"):
                    read += 1

        with pytest.raises(InvalidResponseError, match="a stream of more than 100000 bytes") as caught:
            await read_on()
    assert 0 < read <= 100_000 // len(WORD) + 1
    assert caught.value.partial.text.startswith("and and ")
