"""Streams to measure with, and the server that replays them: each as the simulated workspace writes it, in pieces of 16 KiB.

As a program it serves until its standard input ends, in a process of its own, so that none of its time is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbx_gateway.testing import Workspace

EVENTS = 2000
"""Words of an answer, each an event of its own."""

PIECE = 16 * 1024
TOKEN = "dapi-simulated"  # noqa: S105  # the simulated workspace's own

MODELS = {
    "chat-completions": "databricks-meta-llama-3-3-70b-instruct",
    "messages": "databricks-claude-sonnet-4-5",
    "responses": "databricks-gpt-5-2",
    "generate-content": "databricks-gemini-3-pro",
}
"""One model for each dialect that its family speaks before any other."""

QUESTION = f"[long {EVENTS}]"
"""Asks the simulated workspace for a long answer."""


def recorded(method: str, target: str, body: bytes) -> bytes:
    """Return the streamed answer of a simulated workspace, as one HTTP response."""
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    reply = Workspace().handle(method, target, headers, body)
    if reply.status != 200 or isinstance(reply.body, bytes):
        message = f"{target} answered {reply.status}"
        raise RuntimeError(message)
    stream = b"".join(piece for piece in reply.body if isinstance(piece, bytes))
    pieces = [stream[start : start + PIECE] for start in range(0, len(stream), PIECE)]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@contextmanager
def replaying() -> Iterator[str]:
    """Run the server, and give its address."""
    command = [sys.executable, str(Path(__file__))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        yield json.loads(_first_line(process))
    finally:
        process.communicate(timeout=30)


def _first_line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline() if process.stdout is not None else ""


async def _serve() -> None:
    kept: dict[str, bytes] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = next(line for line in head.lower().split("\r\n") if line.startswith("content-length"))
                body = await reader.readexactly(int(size.partition(":")[2]))
                method, target, _ = head.split(" ", 2)
                if target not in kept:
                    kept[target] = recorded(method, target, body)
                writer.write(kept[target])
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(json.dumps(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
