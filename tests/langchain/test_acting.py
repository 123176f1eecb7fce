"""Whose token a call of LangChain is sent with: ``acting_as`` in its executors, and the token in ``configurable``."""

from __future__ import annotations

import contextvars
import logging
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from pydantic import SecretStr
from support.promises import promise
from support.secret_finding import holds

from dbx_gateway import ConfigurationError, acting_as
from dbx_gateway.testing import Workspace
from langchain_dbx_gateway import DbxGatewayEmbeddings

ANN, BOB = "dapi-s3cret-of-ann", "dapi-s3cret-of-bob"
AS_ANN = {"configurable": {"dbx_gateway_token": SecretStr(ANN)}}
BETA = "ignore:.*in beta:langchain_core._api.beta_decorator.LangChainBetaWarning"


@pytest.fixture
def workspace():
    """A workspace with two users beside its own."""
    return Workspace(tokens={ANN: "ann", BOB: "bob"})


@pytest.fixture
def users(workspace):
    """The users of all requests to a model so far."""
    return lambda: [entry.user for entry in workspace.ledger.model_calls()]


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sun in {city}"


class State(TypedDict):
    messages: Annotated[list[Any], add_messages]


def graph_of(*nodes, checkpointer=None):
    """A graph whose nodes run beside one another."""
    builder = StateGraph(State)
    for number, node in enumerate(nodes):
        builder.add_node(f"node{number}", node)
        builder.add_edge(START, f"node{number}")
    return builder.compile(checkpointer=checkpointer)


# --- acting_as in the executors ----------------------------------------------------------------------------------


@promise("acting-as-executors")
def test_the_threads_of_langchain_inherit_the_block(make_llm, users):
    llm = make_llm()
    with acting_as(ANN):
        llm.batch(["a", "b"])
        RunnableParallel(one=llm, other=llm).invoke("c")
        list(llm.batch_as_completed(["d"]))
    assert users() == ["ann"] * 5


@promise("acting-as-executors")
async def test_the_tasks_of_langchain_inherit_the_block(make_llm, users):
    llm = make_llm()
    with acting_as(ANN):
        await llm.abatch(["a", "b"])
        await RunnableParallel(one=llm, other=RunnableLambda(llm.invoke)).ainvoke("c")
    assert users() == ["ann"] * 4


@promise("acting-as-executors")
@pytest.mark.parametrize("front", ["sync", "async"])
async def test_the_nodes_of_langgraph_inherit_the_block(make_llm, users, front):
    llm = make_llm()
    graph = graph_of(*(lambda state: {"messages": [llm.invoke(state["messages"])]} for _ in range(2)))
    with acting_as(ANN):
        if front == "sync":
            graph.invoke({"messages": ["Hello"]})
        else:
            await graph.ainvoke({"messages": ["Hello"]})
    assert users() == ["ann"] * 2


@promise("acting-as-executors")
def test_an_agent_and_its_tools_inherit_the_block(make_llm, users):
    llm = make_llm()

    @tool
    def research(topic: str) -> str:
        """Researches a topic."""
        return llm.invoke(topic).text

    with acting_as(ANN):
        create_agent(llm, [research]).invoke({"messages": [("user", "research 'Rome' please")]})
    assert users() == ["ann"] * 3


@promise("acting-as-contexts")
def test_a_plain_executor_does_not_inherit_the_block_and_the_requirement_refuses_it(make_llm, users):
    llm = make_llm(acting_as_required=True)
    with acting_as(ANN), ThreadPoolExecutor(1) as pool:
        with pytest.raises(ConfigurationError, match="acting_as_required=True"):
            pool.submit(llm.invoke, "Hello").result()
        pool.submit(contextvars.copy_context().run, llm.invoke, "Hello").result()
    assert users() == ["ann"]


@promise("acting-as")
@pytest.mark.filterwarnings(BETA)
@pytest.mark.parametrize("front", ["stream", "events"])
def test_a_stream_takes_the_block_of_its_first_item_whoever_reads_on(make_llm, users, front):
    llm = make_llm()
    with acting_as(BOB):
        chunks = llm.stream("Hello") if front == "stream" else iter(llm.stream_events("Hello", version="v3"))
    with acting_as(ANN):
        next(chunks)
    read: list[Any] = []
    thread = threading.Thread(target=contextvars.Context().run, args=(lambda: read.extend(chunks),))
    thread.start()
    thread.join()
    assert read
    assert users() == ["ann"]


@promise("acting-as")
async def test_an_async_stream_takes_the_block_of_its_first_item_whoever_reads_on(make_llm, users):
    with acting_as(BOB):
        chunks = make_llm().astream("Hello")
    with acting_as(ANN):
        await anext(chunks)
    assert [chunk async for chunk in chunks]
    assert users() == ["ann"]


@promise("acting-as")
async def test_embeddings_are_the_users_of_the_block(workspace, url):
    embeddings = DbxGatewayEmbeddings(model="databricks-gte-large-en", host=url, acting_as_required=True)
    with acting_as(ANN):
        embeddings.embed_documents(["a"])
        await embeddings.aembed_query("b")
    with pytest.raises(ConfigurationError, match="acting_as_required=True"):
        embeddings.embed_query("c")
    assert {entry.user for entry in workspace.ledger.entries()} == {"ann"}


# --- the token in configurable -----------------------------------------------------------------------------------


async def call(llm, front: str, config: Any) -> None:
    match front:
        case "invoke":
            llm.invoke("Hello", config)
        case "ainvoke":
            await llm.ainvoke("Hello", config)
        case "stream":
            list(llm.stream("Hello", config))
        case "astream":
            _ = [chunk async for chunk in llm.astream("Hello", config)]
        case "batch":
            llm.batch(["Hello"], config)
        case "abatch":
            await llm.abatch(["Hello"], config)
        case "stream_events v3":
            list(llm.stream_events("Hello", config, version="v3"))
        case "astream_events v3":
            _ = [event async for event in await llm.astream_events("Hello", config, version="v3")]
        case _:
            _ = [event async for event in llm.astream_events("Hello", config, version="v2")]


FRONTS = [
    *("invoke", "ainvoke", "stream", "astream", "batch", "abatch"),
    *("stream_events v3", "astream_events v3", "astream_events v2"),
]


@promise("configurable-token")
@pytest.mark.filterwarnings(BETA)
@pytest.mark.parametrize("front", FRONTS)
async def test_a_token_in_configurable_is_the_users_of_that_call_and_of_no_other(make_llm, users, front):
    llm = make_llm()
    bound = llm.bind_tools([weather]).with_config(tags=["x"])
    await call(llm, front, AS_ANN)
    await call(bound, front, AS_ANN)
    await call(llm, front, None)
    assert users() == ["ann", "ann", "user@example.com"]


@promise("configurable-token")
@pytest.mark.filterwarnings(BETA)
@pytest.mark.parametrize("front", FRONTS)
async def test_it_is_the_innermost_block_and_is_enough_where_one_is_required(make_llm, users, front):
    llm = make_llm(acting_as_required=True)
    with acting_as(BOB):
        await call(llm, front, AS_ANN)
    await call(llm, front, AS_ANN)
    assert users() == ["ann", "ann"]


@promise("configurable-token")
@pytest.mark.filterwarnings(BETA)
@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("given", [ANN, None, 7, b"x"])
async def test_a_token_that_is_no_secret_is_refused_with_the_remedy_before_anything_is_sent(
    make_llm, users, front, given
):
    with pytest.raises(ConfigurationError, match=r"SecretStr\(token\)") as caught:
        await call(make_llm(), front, {"configurable": {"dbx_gateway_token": given}})
    assert ANN not in str(caught.value)
    assert users() == []


@promise("configurable-token")
def test_the_consumer_of_a_stream_keeps_its_own_user_between_two_chunks(make_llm, users):
    llm = make_llm()
    chunks = llm.stream("Hello", AS_ANN)
    next(chunks)
    llm.invoke("the consumer's own call")
    chunks.close()
    assert users() == ["ann", "user@example.com"]


@promise("configurable-token")
async def test_the_consumer_of_an_async_stream_keeps_its_own_user_between_two_chunks(make_llm, users):
    llm = make_llm()
    chunks = llm.astream("Hello", AS_ANN)
    await anext(chunks)
    await llm.ainvoke("the consumer's own call")
    await chunks.aclose()
    assert users() == ["ann", "user@example.com"]


@promise("configurable-token")
@pytest.mark.parametrize("front", ["sync", "async"])
async def test_a_token_in_a_graphs_configurable_is_the_users_in_every_node(make_llm, users, front):
    llm = make_llm()

    async def node(state):
        return {"messages": [await llm.ainvoke(state["messages"])]}

    agent = create_agent(llm, [weather], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1", **AS_ANN["configurable"]}}
    if front == "sync":
        graph_of(lambda state: {"messages": [llm.invoke(state["messages"])]}).invoke({"messages": ["Hello"]}, config)
        agent.invoke({"messages": [("user", "the weather in 'Rome' please")]}, config)
    else:
        await graph_of(node).ainvoke({"messages": ["Hello"]}, config)
        await agent.ainvoke({"messages": [("user", "the weather in 'Rome' please")]}, config)
    assert users() == ["ann"] * 3


class Listener(BaseCallbackHandler):
    """Keeps whatever callbacks are given, as a tracer would."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            return lambda *args, **kwargs: self.heard.append(repr((name, args, kwargs)))
        return super().__getattribute__(name)


@promise("configurable-secret")
def test_the_secret_is_in_no_checkpoint_trace_cache_key_or_repr(make_llm, users, caplog):
    caplog.set_level(logging.DEBUG)
    listener, cache, saver = Listener(), InMemoryCache(), InMemorySaver()
    llm = make_llm(cache=cache)
    config = {
        "configurable": {"thread_id": "1", **AS_ANN["configurable"]},
        "callbacks": [listener],
        "metadata": {"team": "x"},
    }
    agent = create_agent(llm, [weather], checkpointer=saver)

    agent.invoke({"messages": [("user", "the weather in 'Rome' please")]}, config)
    found = llm.invoke("Hello", config)

    assert users() == ["ann"] * 3
    assert len(cache._cache) == 3
    assert any("on_chat_model_start" in heard for heard in listener.heard)
    state = agent.get_state(config)
    seen = {
        "checkpoints": repr(list(saver.list(None))) + repr(saver.storage) + repr(saver.blobs) + repr(saver.writes),
        "pickled checkpoints": pickle.dumps(
            (dict(saver.blobs), {key: dict(value) for key, value in saver.writes.items()})
        ),
        "traces": "".join(listener.heard),
        "cache keys": repr(list(cache._cache)),
        "reprs": repr((llm, config, found, state.values, state.metadata, state.config)),
        "serialised": dumps(llm) + dumps(found),
        "logs": caplog.text,
    }
    for where, text in seen.items():
        assert not holds(text, ANN), where


@promise("configurable-secret")
def test_what_is_plain_would_stand_in_a_checkpoint(make_llm):
    """The premise of the refusal: LangGraph writes plain values of ``configurable`` into checkpoints."""
    saver = InMemorySaver()
    graph = graph_of(lambda _: {"messages": ["x"]}, checkpointer=saver)
    graph.invoke({"messages": ["Hello"]}, {"configurable": {"thread_id": "1", "plain": ANN}})
    assert ANN in repr(list(saver.list(None)))
