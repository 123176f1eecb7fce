"""A host of one chat model whose streams begin and do not end, and that knows which connections are open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LLAMA = "databricks-meta-llama-3-3-70b-instruct"
TOKEN = "dapi0123456789abcdef"

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PATIENCE = 20.0


def event(delta: dict) -> bytes:
    """Return one chunk with one event of a chat stream."""
    told = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": LLAMA}
    data = b"data: " + json.dumps(told | {"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def whole(text: str) -> bytes:
    """Return a whole answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = json.dumps({"id": "c1", "object": "chat.completion", "model": LLAMA, "choices": [choice]}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


class Host:
    """Answers a stream with its beginning and then with silence, a whole question with its own words."""

    def __init__(self) -> None:
        self.url = ""
        self.open = 0
        """Connections that are open now."""
        self.streams = 0
        """Streams that have begun and that the client has not left."""
        self.held = 0
        """Whole answers that are being waited for: those to a question with the word ``wait`` in it."""
        self.begun = 0
        """Streams that have begun at all."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="host", daemon=True)

    def fields(self, **fields) -> dict:
        """Return the settings of a client of this host."""
        return {"model": LLAMA, "host": self.url, "token": TOKEN, "surface": "model-serving", **fields}

    def wait_for(self, name: str, count: int) -> None:
        """Wait until an attribute is ``count``; fail where it does not become so."""
        patience = time.monotonic() + PATIENCE
        while getattr(self, name) != count:
            assert time.monotonic() < patience, f"{name} is {getattr(self, name)}, not {count}"
            time.sleep(0.002)

    def start(self) -> None:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512), self._loop
        ).result(PATIENCE)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._server = server

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                await self._answer(await _request(reader), reader, writer)
        self.open -= 1
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _answer(self, asked: dict, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = f"You said: {_text(asked)}"
        if asked.get("stream"):
            writer.write(HEAD + event({"role": "assistant", "content": "You "}) + event({"content": "said: "}))
            await self._hold("streams", reader, writer)
        elif "wait" in said:
            await self._hold("held", reader, writer)
        writer.write(whole(said))
        await writer.drain()

    async def _hold(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Count one more of ``name`` until the client has gone."""
        setattr(self, name, getattr(self, name) + 1)
        self.begun += 1
        try:
            await writer.drain()
            await reader.readexactly(1)
        finally:
            setattr(self, name, getattr(self, name) - 1)


async def _request(reader: asyncio.StreamReader) -> dict:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    return json.loads(await reader.readexactly(length))


def _text(asked: dict) -> str:
    content = asked["messages"][-1]["content"]
    return content if isinstance(content, str) else content[0]["text"]


@contextmanager
def serving() -> Iterator[Host]:
    """Run a host on loopback."""
    host = Host()
    host.start()
    try:
        yield host
    finally:
        host.stop()
