"""A workspace reduced to signing in: where to do it, the token endpoint, and one thing to fetch with the token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

SECRET = "s3cret-of-the-service-principal"
HOST = "https://ws.example.com"
"""A workspace that nobody asks."""


class SignIn:
    """What the server does and what it saw; tests set and read it."""

    def __init__(self) -> None:
        self.url = ""
        self.lives = 3600
        """Seconds that a token says it lives."""
        self.uses: int | None = None
        """Requests after which a token is revoked; None for never."""
        self.now = lambda: 0.0
        self.gate = threading.Event()
        """Tokens are handed out while this is set."""
        self.gate.set()
        self.asked = threading.Event()
        """Set when a token is asked for."""
        self.refuse_secret = False
        self.metadata = True
        """Whether the host says where to sign in."""
        self.tokens: dict[str, tuple[float, int]] = {}
        """Tokens given: when, and how often used."""
        self.token_requests: list[dict[str, str]] = []
        self.requests: list[dict[str, str]] = []
        """Headers of the requests that were to be signed."""
        self.statuses: list[int] = []
        self.lock = threading.Lock()

    def token(self, form: dict[str, str]) -> tuple[int, dict]:
        self.asked.set()
        assert self.gate.wait(30)
        with self.lock:
            self.token_requests.append(form)
            if self.refuse_secret:
                return 401, {"error": "invalid_client", "error_description": "Client authentication failed"}
            token = f"token-{len(self.token_requests)}"
            self.tokens[token] = (self.now(), 0)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.lives}

    def serve(self, headers: dict[str, str]) -> tuple[int, dict]:
        with self.lock:
            self.requests.append(headers)
            token = headers.get("authorization", "").removeprefix("Bearer ")
            given, used = self.tokens.get(token, (0.0, -1))
            good = used >= 0 and self.now() - given <= self.lives and (self.uses is None or used < self.uses)
            if good:
                self.tokens[token] = (given, used + 1)
            self.statuses.append(200 if good else 401)
        return (200, {"ok": True}) if good else (401, {"error_code": "401", "message": "Credential was not accepted"})

    def answer(self, path: str, headers: dict[str, str], form: dict[str, str]) -> tuple[int, dict]:
        if path == "/.well-known/databricks-config" and self.metadata:
            return 200, {"oidc_endpoint": f"{self.url}/oidc", "workspace_id": "4242"}
        if path == "/oidc/.well-known/oauth-authorization-server" and self.metadata:
            return 200, {"token_endpoint": f"{self.url}/oidc/v1/token", "authorization_endpoint": f"{self.url}/oidc/a"}
        if path == "/oidc/v1/token" or path.endswith("/oauth2/token"):
            return self.token(form)
        return self.serve(headers) if path == "/thing" else (404, {})


@contextmanager
def sign_in_server() -> Iterator[SignIn]:
    """Run the server on loopback."""
    state = SignIn()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, value = state.answer(self.path, headers, form)
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.send_header("x-request-id", "request-7")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_one  # noqa: N815  # names of the standard library

        def log_message(self, *_) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


class GivenConfig:
    """Stands for a ``databricks.sdk.core.Config`` that the caller has made."""

    def __init__(self, host: str, *answers: dict[str, str]) -> None:
        self.host = host
        self.answers = list(answers)
        self.asked = 0

    def authenticate(self) -> dict[str, str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
