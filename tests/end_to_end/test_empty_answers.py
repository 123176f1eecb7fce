"""An answer that ends normally and has no text: it stays one, and its user is warned once."""

import asyncio
from functools import partial

import httpx
import pytest
from end_to_end.site import ADD
from langchain_core.messages import HumanMessage
from llama_index.core.llms import ChatMessage
from support.odd_answers import APIS, MODELS
from support.promises import promise

from dbx_gateway import AsyncClient, Client, acting_as
from dbx_gateway.events import fold
from dbx_gateway.notices import forget_notices
from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway
from llama_index_dbx_gateway import DbxGateway

USERS = ("dapi-ann", "dapi-bob")

each_api = pytest.mark.parametrize("api", APIS)


def connected(asks, api, **fields):
    """A client or an adapter's object whose workspace is in this process."""
    workspace = Workspace(tokens=dict.fromkeys(USERS, "somebody"))
    transport = workspace_transport(workspace)
    return asks(
        model=MODELS[api],
        host="https://ws.example.com",
        token=workspace.token,
        surface="ai-gateway",
        http_client=httpx.Client(transport=transport),
        http_async_client=httpx.AsyncClient(transport=transport),
        **fields,
    )


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if "is empty" in record.getMessage()]


def of_client(client, words):
    return client.chat(words).text


def of_client_stream(client, words):
    return fold(client.stream(words)).text


def of_langchain(model, words):
    return model.invoke([HumanMessage(words)]).text


def of_langchain_stream(model, words):
    return "".join(chunk.text for chunk in model.stream([HumanMessage(words)]))


def of_llama_index(llm, words):
    return llm.chat([ChatMessage(words)]).message.content or ""


def of_llama_index_stream(llm, words):
    return [*llm.stream_chat([ChatMessage(words)])][-1].message.content or ""


WAYS = [
    (Client, of_client),
    (Client, of_client_stream),
    (ChatDbxGateway, of_langchain),
    (ChatDbxGateway, of_langchain_stream),
    (DbxGateway, of_llama_index),
    (DbxGateway, of_llama_index_stream),
]


@promise("empty-answers")
@each_api
@pytest.mark.parametrize(("asks", "way"), WAYS, ids=lambda way: getattr(way, "__name__", ""))
def test_an_empty_answer_with_a_normal_end_stays_one_and_is_told_once(api, asks, way, caplog):
    forget_notices()
    ask = partial(way, connected(asks, api))
    assert [ask("[empty]"), ask("[empty]")] == ["", ""]
    (said,) = warnings(caplog)
    assert said.startswith(f"an answer of {MODELS[api]!r} is empty")


@each_api
@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_answer_is_told_on_event_loops_too(api, stream, caplog):
    forget_notices()
    client = connected(AsyncClient, api)

    async def ask():
        if not stream:
            return await client.chat("[empty]")
        return fold([event async for event in client.stream("[empty]")])

    assert asyncio.run(ask()).text == ""
    assert len(warnings(caplog)) == 1


@each_api
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("words", ["hi", "[refuse]", "[filter] hi there you", "add 1 and 2"])
def test_text_a_refusal_and_a_call_are_not_empty(api, words, stream, caplog):
    forget_notices()
    client = connected(Client, api)
    ask = client.stream if stream else client.chat
    answer = ask(words, tools=[ADD] if "add" in words else [])
    answer = fold(answer) if stream else answer
    assert answer.message.parts or answer.finish.reason == "content_filter"
    assert warnings(caplog) == []


@pytest.mark.parametrize("stream", [False, True])
def test_each_user_is_told_of_empty_answers(stream, caplog):
    forget_notices()
    client = connected(Client, "messages")
    for token in USERS:
        with acting_as(token):
            answer = fold(client.stream("[empty]")) if stream else client.chat("[empty]")
        assert answer.text == ""
    assert len(warnings(caplog)) == 2
