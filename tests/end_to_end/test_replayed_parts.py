"""What servers put into answers goes back where requests have it, and blank texts beside others go nowhere."""

from __future__ import annotations

import json

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ToolCallBlock
from support.promises import promise

from dbx_gateway import Client
from dbx_gateway.chat import Message, Native, Origin, Text, ToolCall, ToolResult, user
from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway
from llama_index_dbx_gateway import DbxGateway

CLAUDE, GPT, GEMINI = "databricks-claude-sonnet-4-5", "databricks-gpt-5-4", "databricks-gemini-3-1-pro"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SEARCHED = {"type": "server_tool_use", "id": "s1", "name": "hologram", "input": {}}

UNKNOWN = [
    (CLAUDE, "messages", [{"type": "hologram", "data": 1}]),
    (CLAUDE, "messages", [SEARCHED, {"type": "hologram_tool_result", "tool_use_id": "s1", "content": []}]),
    (GPT, "responses", [{"type": "hologram_call", "id": "h1"}]),
    (GPT, "responses", [{"type": "message", "role": "assistant", "content": [{"type": "hologram"}]}]),
    (GEMINI, "generate-content", [{"hologram": {"data": 1}}]),
    (GEMINI, "chat-completions", [{"type": "hologram", "data": 1}]),
    (LLAMA, "chat-completions", [{"type": "hologram", "data": 1}]),
    (CLAUDE, "chat-completions", [{"type": "hologram", "data": 1}]),
]


def connected(cls, model, api="auto"):
    """A front end of an own workspace, and a function that returns the body of the one request it got."""
    workspace = Workspace()
    client = httpx.Client(transport=workspace_transport(workspace))
    where = {"host": "https://ws.example.com", "token": workspace.token, "surface": "ai-gateway", "http_client": client}

    def sent():
        (call,) = workspace.ledger.model_calls()
        assert call.status == 200
        return call.body

    return cls(model=model, api=api, max_retries=0, **where), sent


@promise("unknown-blocks")
@pytest.mark.parametrize(("model", "api", "payloads"), UNKNOWN, ids=str)
def test_a_block_that_requests_do_not_have_is_not_sent_back(model, api, payloads, caplog):
    natives = [Native(api=api, payload=payload) for payload in payloads]
    answer = Message(role="assistant", parts=(Text("before"), *natives, Text("behind")), origin=Origin(api, model))
    client, sent = connected(Client, model, api)

    assert client.chat([user("Go"), answer, user("Go on")]).text

    body = json.dumps(sent())
    assert ("before" in body, "behind" in body, "hologram" in body) == (True, True, False)
    assert "requests of the" in caplog.text


@pytest.mark.parametrize(("model", "api", "payloads"), UNKNOWN, ids=str)
def test_neither_is_an_answer_of_nothing_else(model, api, payloads):
    natives = tuple(Native(api=api, payload=payload) for payload in payloads)
    answer = Message(role="assistant", parts=natives, origin=Origin(api, model))
    client, sent = connected(Client, model, api)

    assert client.chat([user("Go"), answer, user("Go on")]).text

    assert "hologram" not in json.dumps(sent())


@promise("unknown-blocks")
@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI, LLAMA])
def test_in_langchain_a_stored_thread_with_such_a_block_goes_on(model):
    native = {"api": "messages", "payload": {"type": "hologram"}}
    answer = AIMessage(
        [{"type": "text", "text": "seen"}, {"type": "non_standard", "value": {"native": native}}],
        response_metadata={
            "model_provider": "databricks",
            "api": "messages",
            "model_name": CLAUDE,
            "output_version": "v1",
        },
    )
    llm, sent = connected(ChatDbxGateway, model)

    assert llm.invoke([HumanMessage("Go"), answer, HumanMessage("Go on")]).text

    body = json.dumps(sent())
    assert ("seen" in body, "hologram" in body) == (True, False)


@pytest.mark.parametrize("blank", ["", " \n"], ids=repr)
@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI, LLAMA])
def test_a_blank_text_beside_a_full_one_is_left_out(model, blank):
    call = ToolCall(call_id="c1", name="look", arguments="{}")
    result = ToolResult(call_id="c1", content=(Text(blank), Text("found"), Text(blank)))
    client, sent = connected(Client, model)
    answer = Message(role="assistant", parts=(call,))

    assert client.chat(
        [user(blank, "Go", blank), answer, Message(role="tool", parts=(result,)), user("on", blank)]
    ).text

    body = json.dumps(sent())
    assert ("Go" in body, "found" in body) == (True, True)


@pytest.mark.parametrize("blank", ["", "  "], ids=repr)
def test_on_responses_nothing_of_it_is_left(blank):
    client, sent = connected(Client, GPT)

    client.chat([user(blank, "a", blank), user("b", blank, "c"), user(blank)])

    assert sent()["input"] == [
        {"type": "message", "role": "user", "content": "a"},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "b"}, {"type": "input_text", "text": "c"}],
        },
        {"type": "message", "role": "user", "content": blank},
    ]


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI])
def test_beside_a_picture_too_in_every_front_end(model):
    call = {"name": "draw", "args": {}, "id": "1"}
    picture = {"type": "image", "base64": PNG, "mime_type": "image/png"}
    blank = {"type": "text", "text": ""}
    llm, sent = connected(ChatDbxGateway, model)
    result = ToolMessage([blank, picture], tool_call_id="1")
    assert llm.invoke([HumanMessage(["See", blank]), AIMessage("", tool_calls=[call]), result]).text
    assert json.dumps(sent()).count(PNG) == 1

    index, sent = connected(DbxGateway, model)
    assert index.chat([ChatMessage(blocks=[TextBlock(text=" "), ImageBlock(url=f"data:image/png;base64,{PNG}")])])
    assert json.dumps(sent()).count(PNG) == 1


BROKEN = ['{"city": "Pa', "[1]", "words", '{"a": 1e999}']


@pytest.mark.parametrize("arguments", BROKEN)
@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI, LLAMA, "databricks-gpt-oss-120b"])
def test_a_call_with_broken_arguments_and_its_result_go_back_on_every_family(model, arguments):
    call = {"name": "look", "args": arguments, "id": "c1", "error": "cut", "type": "invalid_tool_call"}
    failed = ToolMessage("not valid JSON", tool_call_id="c1", status="error")
    llm, sent = connected(ChatDbxGateway, model)
    assert llm.invoke(
        [HumanMessage("Go"), AIMessage("", invalid_tool_calls=[call]), failed, HumanMessage("Again")]
    ).text
    assert "not valid JSON" in json.dumps(sent())

    index, sent = connected(DbxGateway, model)
    asked = ChatMessage(
        role="assistant", blocks=[ToolCallBlock(tool_call_id="c1", tool_name="look", tool_kwargs=arguments)]
    )
    result = ChatMessage("not valid JSON", role="tool", additional_kwargs={"tool_call_id": "c1"})
    assert index.chat([ChatMessage("Go"), asked, result, ChatMessage("Again")]).message.content
    assert "not valid JSON" in json.dumps(sent())
