"""A host that answers every request with what a function makes of it, on a connection of its own, and keeps all it got."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Reply = Callable[[bytes], bytes]

REDIRECT = "HTTP/1.1 {status} Elsewhere\r\nlocation: {target}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Wire:
    """What came to a host.

    Args:
        reply: from the bytes of one request to the bytes of its answer.
        tls: to speak TLS with.
    """

    def __init__(self, reply: Reply, tls: ssl.SSLContext | None) -> None:
        self.reply = reply
        self.requests: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with contextlib.suppress(OSError, ssl.SSLError), connection:
            spoken = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with spoken:
                if request := _request(spoken):
                    self.requests.append(request)
                    spoken.sendall(self.reply(request))


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0].split(b":")[1]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def wire(reply: Reply, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """Run a host on loopback."""
    host = Wire(reply, tls)
    try:
        yield host
    finally:
        host.stop()


def answer(status: int, body: bytes, kind: str = "application/json", **headers: str) -> bytes:
    """Return a whole response."""
    told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    framing = f"connection: close\r\ncontent-length: {len(body)}\r\n"
    head = f"HTTP/1.1 {status} Told\r\ncontent-type: {kind}\r\n{framing}{told}\r\n"
    return head.encode() + body


def redirect(status: int, target: str) -> bytes:
    """Return a redirect."""
    return REDIRECT.format(status=status, target=target).encode()


def signs_in(url: str) -> dict[bytes, dict[str, str]]:
    """Return, by path, what a workspace at ``url`` says about signing in; the token endpoint's answer is left empty."""
    endpoints = {"token_endpoint": f"{url}/oidc/v1/token", "authorization_endpoint": f"{url}/oidc/v1/authorize"}
    return {
        b"/.well-known/databricks-config": {"oidc_endpoint": f"{url}/oidc", "workspace_id": "4242"},
        b"/oidc/.well-known/oauth-authorization-server": endpoints,
        b"/oidc/v1/token": {},
    }
