"""Serving the simulated workspace: where it listens, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys

import httpx
import pytest
from support.promises import promise

from dbx_gateway import ConfigurationError
from dbx_gateway.testing import Fault, Workspace, serve
from dbx_gateway.testing import server as server_module
from dbx_gateway.testing.server import application

CHAT = "/serving-endpoints/chat/completions"
NEVER = 100_000.0
"""Seconds: whatever waits for them runs into the timeout of its test."""


@pytest.fixture
def running():
    """A server that is stopped at the end, though a test may have done so."""
    server = serve(Workspace())
    yield server
    server.stop()


@pytest.fixture
def client(running):
    headers = {"authorization": f"Bearer {running.workspace.token}"}
    with httpx.Client(base_url=running.url, headers=headers, trust_env=False, timeout=30) as client:
        yield client


def asked(client):
    """The pieces of a streamed answer, as they come."""
    body = {"model": "databricks-gpt-5-1", "messages": [{"role": "user", "content": "one two three"}], "stream": True}
    with client.stream("POST", CHAT, json=body) as answer:
        yield from answer.iter_raw()


def test_a_stopped_server_frees_its_port():
    with serve(Workspace()) as server:
        port = int(server.url.rpartition(":")[2])
    with serve(Workspace(), port) as again:
        assert again.url == server.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url, trust_env=False)


def test_a_taken_port_is_an_error():
    with serve(Workspace()) as server, pytest.raises(OSError, match="in use"):
        serve(Workspace(), int(server.url.rpartition(":")[2]))


def test_it_runs_under_any_asgi_server():
    workspace = Workspace()
    transport = httpx.ASGITransport(app=application(workspace))

    async def get():
        async with httpx.AsyncClient(transport=transport, base_url="http://workspace.test") as client:
            return await client.get("/.well-known/databricks-config")

    assert asyncio.run(get()).status_code == 200


def test_a_server_stops_without_a_look_at_the_clock_though_a_client_keeps_its_connection(running, client, monkeypatch):
    for name in ("_TICK_SECONDS", "_LAST_SECONDS"):
        monkeypatch.setattr(server_module, name, NEVER)
    assert client.get("/.well-known/databricks-config").status_code == 200
    running.stop()
    with pytest.raises(httpx.ConnectError):
        client.get("/.well-known/databricks-config")


def test_a_server_may_be_stopped_twice(running):
    running.stop()
    running.stop()


def test_a_response_that_is_under_way_arrives_whole(running, client, monkeypatch):
    monkeypatch.setattr(server_module, "_LAST_SECONDS", NEVER)
    running.workspace.inject(Fault(stall=0.2, stall_after=2))
    pieces = asked(client)
    first = next(pieces)
    running.stop()
    assert b"".join([first, *pieces]).endswith(b"data: [DONE]\n\n")


def test_a_response_that_does_not_end_is_cut(running, client, monkeypatch):
    monkeypatch.setattr(server_module, "_LAST_SECONDS", 0.05)
    running.workspace.inject(Fault(stall=NEVER, stall_after=2))
    pieces = asked(client)
    next(pieces)
    running.stop()
    with pytest.raises(httpx.RemoteProtocolError):
        list(pieces)


@promise("workspace-bounds")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_it_listens_where_other_machines_cannot_come(host):
    with pytest.raises(ConfigurationError, match="listens on this machine only"):
        serve(Workspace(), host=host)


@promise("workspace-bounds")
def test_a_request_that_is_too_large_is_refused_and_read_no_further(running, client, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_BODY_BYTES", 1000)
    sent = []

    def body():
        for _ in range(1000):
            sent.append(1)
            yield b"x" * 100_000

    # Where the connection is closed before all has been written, the answer is lost.
    with contextlib.suppress(httpx.WriteError):
        assert client.post(CHAT, content=body()).status_code == 413
    assert len(sent) < 1000
    assert client.post(CHAT, json={"model": "databricks-gpt-5-1", "messages": []}).status_code == 400
    assert len(running.workspace.ledger.entries(CHAT)) == 1


@promise("workspace-bounds")
def test_one_connection_too_many_is_closed_at_once(running, client, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 3)
    where = running.url.removeprefix("http://").rsplit(":", 1)
    with contextlib.ExitStack() as open_ones:
        held = [open_ones.enter_context(socket.create_connection((where[0], int(where[1])), 10)) for _ in range(6)]
        assert b"".join(one.recv(1) for one in held[3:]) == b""
    assert client.get("/api/2.0/serving-endpoints").status_code == 200


HOSTILE_NAMES = ["../../etc/passwd", "..", "/etc/passwd", "%2e%2e%2f", "a\\..\\b", "a\0b", "~/x", "C:\\x"]

WRITES_NOTHING = """
import sys
from urllib.parse import quote
import httpx
from dbx_gateway.testing import Workspace, serve

with serve(Workspace()) as server:
    written = []
    def watch(event, given):
        if event == "open" and given[1] is not None and any(mark in given[1] for mark in "wax+"):
            written.append(given[0])
        elif event.split(".")[0] in ("shutil", "subprocess") or event in ("os.mkdir", "os.rename", "os.remove", "os.system"):
            written.append(event)
    sys.addaudithook(watch)
    headers = {"authorization": "Bearer " + server.workspace.token}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
        for name in NAMES:
            body = {"model": name, "messages": [{"role": "user", "content": name}], "tools": [], "user": name}
            client.post("/serving-endpoints/chat/completions", json=body)
            client.post("/serving-endpoints/" + quote(name, safe="/.") + "/invocations", json=body)
    assert len(server.workspace.ledger.entries()) > len(NAMES)
print(written)
"""


@promise("workspace-bounds")
def test_it_writes_no_file_whatever_the_names_in_requests_are():
    text = WRITES_NOTHING.replace("NAMES", repr(HOSTILE_NAMES))
    # -B: a module that is imported on first use would be compiled, and kept.
    ran = subprocess.run([sys.executable, "-B", "-c", text], capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr
