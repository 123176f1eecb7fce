"""Serving the simulated workspace: where it listens, and how it stops."""

from __future__ import annotations

import asyncio

import httpx
import pytest

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
