"""No call made from an event loop blocks it: not while signing in, asking the workspace, waiting or failing.

blockbuster raises where a function that blocks (a socket, a file, ``time.sleep``, a lock that is taken) is called on a thread
whose event loop is running, from this package's code.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from blockbuster import BlockingError, blockbuster_ctx
from lifecycles.front_ends import FRONT_ENDS, front_end
from lifecycles.test_event_loops_and_threads import talk
from support.pacing import quick_pacing
from support.promises import promise

from dbx_gateway import DbxGatewayError
from dbx_gateway.testing import Fault, Workspace, serve

MODEL = "databricks-claude-sonnet-4-5"
PACKAGES = ["dbx_gateway", "langchain_dbx_gateway", "llama_index_dbx_gateway"]


@pytest.fixture
def watched():
    with blockbuster_ctx(PACKAGES, excluded_modules=["dbx_gateway.testing"]):
        yield


@pytest.fixture
def server():
    """A workspace that no call of the process has learned anything of."""
    with serve(Workspace()) as running:
        yield running


def token(server, monkeypatch, tmp_path):
    return {"host": server.url, "token": server.workspace.token}


def variables(server, monkeypatch, tmp_path):
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", server.workspace.token)
    return {}


def principal(server, monkeypatch, tmp_path):
    """OAuth: databricks-sdk asks the workspace for a token, with a client of its own that blocks."""
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "simulated-client")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "simulated-secret")
    return {}


def profile(server, monkeypatch, tmp_path):
    """A section of the Databricks config file, which has to be read."""
    path = Path(tmp_path) / "databrickscfg"
    path.write_text(f"[mine]\nhost = {server.url}\ntoken = {server.workspace.token}\n", encoding="utf-8")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(path))
    return {"config_profile": "mine"}


@promise("no-blocking")
@pytest.mark.parametrize("sign_in", [token, variables, principal, profile], ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_signing_in_probing_and_answering_block_no_event_loop(name, sign_in, server, monkeypatch, tmp_path, request):
    one = front_end(name, model=MODEL, **sign_in(server, monkeypatch, tmp_path))
    own = front_end(name, model="team-chat", **sign_in(server, monkeypatch, tmp_path))
    request.getfixturevalue("watched")

    async def main() -> None:
        await asyncio.gather(talk(one, "Hello"), talk(one, "Hello again"), talk(own, "Hello"))

    asyncio.run(main())


@promise("no-blocking")
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_waiting_retrying_failing_and_leaving_block_no_event_loop(name, server, request):
    settings = token(server, None, None) | {"model": MODEL, "max_in_flight": 1, "total_timeout": 30.0}
    one = front_end(name, **settings)
    request.getfixturevalue("watched")
    server.workspace.inject(Fault(status=429, headers={"Retry-After": "0"}), times=2, where="messages")
    server.workspace.inject(Fault(status=500, headers={"Retry-After": "0"}), times=1, where="messages")
    server.workspace.inject(Fault(status=401), times=1, where="messages")

    async def main() -> None:
        with quick_pacing():
            await asyncio.gather(*(one.aask(f"Hello {number}") for number in range(3)), return_exceptions=True)
        async with aclosing(await one.astream("Hello")) as stream:
            await anext(aiter(stream))
        server.workspace.inject(Fault(status=403, error_code="PERMISSION_DENIED"), times=None, where="messages")
        with pytest.raises(DbxGatewayError):
            await one.aask("Hello")

    asyncio.run(main())


def test_what_blocks_would_be_noticed(server, request):
    """The sync client in an event loop blocks it, so the watch sees the kinds of calls that it is there for."""
    one = front_end("core", model=MODEL, **token(server, None, None))
    one.ask("Hello")  # so that there is a connection, which is closed where its use fails
    request.getfixturevalue("watched")

    async def main() -> None:
        one.ask("Hello")

    with pytest.raises(BlockingError):
        asyncio.run(main())
