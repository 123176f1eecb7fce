"""Event loops, workers and interpreters that are not the usual ones."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.promises import promise

from dbx_gateway import AsyncClient, ConfigurationError

FIELDS = {"model": "databricks-claude-sonnet-4-5", "host": "https://w.example.com", "token": "dapi-x"}


def without_asyncio(coroutine) -> None:
    """Run a coroutine as trio does: for us it is whatever runs it beside asyncio.

    trio itself is not installed for the tests: httpcore would use it wherever it is.
    """
    try:
        coroutine.send(None)
    finally:
        coroutine.close()


@promise("other-loops")
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.chat("hi"),
        lambda client: anext(client.stream("hi")),
        lambda client: client.embed(["a", "b"]),
        lambda client: client.plan(),
        lambda client: client.models(),
    ],
    ids=["chat", "stream", "embed", "plan", "models"],
)
def test_an_async_call_without_asyncio_is_one_clear_error(call):
    with pytest.raises(ConfigurationError, match=r"need an event loop of asyncio, .*trio.*to_thread"):
        without_asyncio(call(AsyncClient(**FIELDS)))


NESTED = """
import asyncio, gc, sys
import nest_asyncio
from dbx_gateway import AsyncClient
from dbx_gateway.testing import Workspace, serve
from langchain_dbx_gateway import ChatDbxGateway

nest_asyncio.apply()
with serve(Workspace()) as server:
    fields = dict(model="databricks-claude-sonnet-4-5", host=server.url, token=server.workspace.token)
    client, model = AsyncClient(**fields), ChatDbxGateway(**fields)

    async def left():
        async for _ in client.stream("[long 5]"):
            break

    async def inner(text):
        return (await client.chat(text)).text

    async def main():
        other = asyncio.create_task(inner("b"))
        await asyncio.sleep(0)
        assert asyncio.run(inner("a")) == "You said: a"
        assert await other == "You said: b"
        assert asyncio.get_running_loop().run_until_complete(model.ainvoke("c")).text == "You said: c"
        asyncio.run(left())
        await left()

    asyncio.run(main())
    asyncio.run(left())
    gc.collect()
"""


def program(text: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own."""
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=False)


@promise("other-loops")
def test_nested_runs_of_nest_asyncio_work_and_print_nothing():
    ran = program(NESTED)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


PRELOADED = """
import os, sys
from dbx_gateway import AsyncClient, Client
from dbx_gateway.testing import Workspace, serve
import asyncio

with serve(Workspace()) as server:
    fields = dict(model="databricks-claude-sonnet-4-5", host=server.url, token=server.workspace.token)
    client, on_loops = Client(**fields), AsyncClient(**fields)
    USED
    workers = []
    for number in range(3):
        worker = os.fork()
        if not worker:
            try:
                for turn in range(3):  # a prefork worker does one task after another
                    assert client.chat(f"{number} {turn}").text == f"You said: {number} {turn}"
                    assert asyncio.run(on_loops.chat("x")).text == "You said: x"
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
            os._exit(0)
        workers.append(worker)
    ended = [os.waitpid(worker, 0)[1] for worker in workers]
    assert ended == [0, 0, 0], ended
    assert client.chat("still").text == "You said: still"
"""


@promise("forked-workers")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked on POSIX only")
@pytest.mark.parametrize("used", ["pass", "client.chat('before'); asyncio.run(on_loops.chat('before'))"])
def test_workers_that_are_forked_from_a_loaded_program_work(used):
    """As gunicorn does with ``--preload``, and Celery with its pool ``prefork``."""
    ran = program(PRELOADED.replace("USED", used))
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
