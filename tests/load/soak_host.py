"""Many workspaces in one process of their own, each on a port, that answer chats with as little work as can be.

As a program: it prints the ports as JSON, and ends when its standard input does. A model whose name begins with ``picky``
refuses ``top_k``; one whose name begins with ``gone`` is not there. The gateway is there on every second workspace.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ANSWER = "A short answer."
_WHOLE = {
    "id": "c",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
}
_NOT_THERE = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such endpoint"}
_REFUSED = {"error_code": "BAD_REQUEST", "message": 'json: unknown field "top_k"'}
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def _chunk(delta: dict[str, str], reason: str | None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    event = json.dumps({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices})
    return b"data: " + event.encode() + b"\n\n"


_STREAM = b"".join([_chunk({"content": f"{word} "}, None) for word in ANSWER.split()]) + _chunk({}, "stop")
_STREAM += b"data: [DONE]\n\n"


class _Workspace(asyncio.Protocol):
    """One connection.

    Args:
        gateway: whether the workspace has one.
    """

    def __init__(self, *, gateway: bool) -> None:
        self._gateway = gateway
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, rest = self._data.partition(b"\r\n\r\n")
            found = _LENGTH.search(head)
            length = int(found[1]) if found else 0
            if len(rest) < length:
                return
            self._data = rest[length:]
            self._transport.write(self._answer(head, rest[:length]))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        method, path, _ = head.split(b"\r\n", 1)[0].split(b" ")
        if method == b"GET":
            listed = self._gateway and path.startswith(b"/ai-gateway")
            return _response(200, {"data": []}) if listed else _response(404, _NOT_THERE)
        asked = json.loads(body)
        if asked["model"].startswith("gone"):
            return _response(404, _NOT_THERE)
        if "top_k" in asked and asked["model"].startswith("picky"):
            return _response(400, _REFUSED)
        return _packed(200, b"text/event-stream", _STREAM) if asked.get("stream") else _response(200, _WHOLE)


def _response(status: int, value: object) -> bytes:
    return _packed(status, b"application/json", json.dumps(value).encode())


def _packed(status: int, kind: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %d x\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (status, kind, len(body), body)


@contextmanager
def soak_hosts(many: int) -> Iterator[list[str]]:
    """Run that many workspaces, and return their addresses."""
    command = [sys.executable, str(Path(__file__)), str(many)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield [f"http://127.0.0.1:{port}" for port in json.loads(process.stdout.readline())]
    finally:
        process.communicate(timeout=30)


async def main(many: int) -> None:
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda gateway=number % 2 == 0: _Workspace(gateway=gateway), "127.0.0.1", 0)
        for number in range(many)
    ]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
