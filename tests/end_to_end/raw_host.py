"""A host that speaks bytes: it answers each request with what the test gives it, and notes when the client leaves."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Return ``data`` as one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class RawHost:
    """What the host did.

    Args:
        script: given a way to send bytes, answers one request.
    """

    def __init__(self, script: Callable[[Callable[[bytes], None], threading.Event], None]) -> None:
        self.script = script
        self.url = ""
        self.requests: list[bytes] = []
        self.asked = threading.Event()
        """Set when a request has come."""
        self.left = threading.Event()
        """Set when the client has closed its side of the connection."""
        self.open: list[socket.socket] = []

    def serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.open.append(connection)
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(20)
        self.requests.append(_request(connection))
        self.asked.set()
        watcher = threading.Thread(target=self._watch, args=(connection,))
        watcher.start()
        try:
            self.script(connection.sendall, self.left)
            self.left.wait(20)
        except OSError:
            self.left.set()
        _shut(connection)
        watcher.join()

    def _watch(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass
        self.left.set()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def raw_host(script: Callable[[Callable[[bytes], None], threading.Event], None]) -> Iterator[RawHost]:
    """Run a host on loopback that answers requests one after another with ``script``."""
    host = RawHost(script)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        host.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=host.serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield host
        finally:
            host.left.set()
            _shut(listening)
            for connection in host.open:
                _shut(connection)
            thread.join(20)
