"""Whose token a call of LlamaIndex is sent with: ``acting_as`` in its executors, workflows and streams."""

from __future__ import annotations

import contextvars
import gc
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.async_utils import asyncio_run, run_jobs
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from support.llama_index_families import AGENT_WARNINGS
from support.promises import promise

from dbx_gateway import ConfigurationError, acting_as
from dbx_gateway.testing import Workspace

pytestmark = AGENT_WARNINGS

ANN, BOB = "dapi-ann", "dapi-bob"


@pytest.fixture(autouse=True)
def no_loop_is_left():
    """LlamaIndex's ``asyncio_run`` closes its event loop without shutting it down: its connections go with the collector."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def workspace():
    """A workspace with two users beside its own."""
    return Workspace(tokens={ANN: "ann", BOB: "bob"})


@pytest.fixture
def users(workspace):
    """The users of all requests so far."""
    return lambda: [entry.user for entry in workspace.ledger.entries()]


async def ask(llm, method: str) -> Any:
    match method:
        case "stream_complete":
            return list(llm.stream_complete("Hello"))
        case "astream_complete":
            return [item async for item in await llm.astream_complete("Hello")]
        case "acomplete":
            return await llm.acomplete("Hello")
        case _:
            return llm.complete("Hello")


METHODS = ["complete", "acomplete", "stream_complete", "astream_complete"]


@promise("acting-as")
@pytest.mark.parametrize("method", METHODS)
async def test_a_call_is_the_users_of_the_block(make_llm, users, method):
    with acting_as(ANN):
        await ask(make_llm(), method)
    assert users() == ["ann"]


@promise("acting-as-required")
@pytest.mark.parametrize("method", METHODS)
async def test_a_call_outside_of_any_block_is_refused_where_one_is_required(make_llm, users, method):
    with pytest.raises(ConfigurationError, match="acting_as_required=True"):
        await ask(make_llm(acting_as_required=True), method)
    assert users() == []


@promise("acting-as")
def test_a_stream_takes_the_block_of_its_first_item_whoever_reads_on(make_llm, users):
    with acting_as(BOB):
        stream = make_llm().stream_complete("Hello")
    with acting_as(ANN):
        next(stream)
    read: list[Any] = []
    thread = threading.Thread(target=contextvars.Context().run, args=(lambda: read.extend(stream),))
    thread.start()
    thread.join()
    assert read
    assert users() == ["ann"]


@promise("acting-as")
async def test_an_async_stream_takes_the_block_of_its_first_item_whoever_reads_on(make_llm, users):
    with acting_as(BOB):
        stream = await make_llm().astream_complete("Hello")
    with acting_as(ANN):
        await anext(stream)
    assert [item async for item in stream]
    assert users() == ["ann"]


async def sync_tools_inherit() -> bool:
    """Whether this release of LlamaIndex runs the function of a sync tool in the agent's context, as the later ones do."""
    inside = ContextVar("inside", default=False)
    inside.set(True)
    said = await FunctionTool.from_defaults(lambda: bool(inside.get()), name="look", description="Looks.").acall()
    return bool(said.raw_output)


@promise("acting-as-executors")
async def test_an_agent_and_its_tools_inherit_the_block(make_llm, users):
    llm = make_llm()

    def research(topic: str) -> str:
        """Researches a topic."""
        return llm.complete(topic).text

    async def aresearch(topic: str) -> str:
        """Researches a topic."""
        return (await llm.acomplete(topic)).text

    for function in (research, aresearch):
        agent = FunctionAgent(llm=llm, tools=[FunctionTool.from_defaults(function)])
        with acting_as(ANN):
            await agent.run(f"{function.__name__} 'Rome' please")
    of_sync_tool = "ann" if await sync_tools_inherit() else "user@example.com"
    assert users() == ["ann", of_sync_tool, "ann", *["ann"] * 3]


@promise("acting-as-executors")
async def test_the_steps_of_a_workflow_inherit_the_block(make_llm, users):
    llm = make_llm()

    class Asking(Workflow):
        @step
        async def ask(self, event: StartEvent) -> StopEvent:
            return StopEvent(result=(await llm.acomplete("Hello")).text)

    with acting_as(ANN):
        running = Asking().run()
    assert await running
    assert users() == ["ann"]


@promise("acting-as-executors")
async def test_jobs_and_coroutines_of_sync_code_inherit_the_block(make_llm, users):
    llm = make_llm()
    with acting_as(ANN):
        await run_jobs([llm.acomplete("a"), llm.acomplete("b")])
        asyncio_run(llm.acomplete("c"))  # inside a running loop: LlamaIndex runs it on a thread of its own
    assert users() == ["ann"] * 3


@promise("acting-as-executors")
async def test_indexing_and_querying_inherit_the_block(make_llm, make_embedding, users):
    documents = [Document(text=text) for text in ("Cats sleep all day.", "Tables hold rows.")]
    embedding = make_embedding(surface="model-serving")
    with acting_as(ANN):
        nodes = IngestionPipeline(transformations=[embedding]).run(documents=documents)
        engine = VectorStoreIndex(nodes, embed_model=embedding).as_query_engine(llm=make_llm())
        engine.query("What do cats do?")
        await engine.aquery("What do tables hold?")
    assert set(users()) == {"ann"}
    assert len(users()) == 5


@promise("acting-as-contexts")
def test_a_plain_executor_does_not_inherit_the_block(make_llm, users):
    llm = make_llm()
    with acting_as(ANN), ThreadPoolExecutor(1) as pool:
        pool.submit(llm.complete, "Hello").result()
        pool.submit(contextvars.copy_context().run, llm.complete, "Hello").result()
    assert users() == ["user@example.com", "ann"]
