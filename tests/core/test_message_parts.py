"""Reasoning and refusals that programs put where no model speaks are not sent, and nothing else is lost."""

from __future__ import annotations

import json

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock
from support.promises import promise

from dbx_gateway import Client
from dbx_gateway.call.message_parts import sendable
from dbx_gateway.chat import (
    ChatRequest,
    Message,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    user,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway
from llama_index_dbx_gateway import DbxGateway

MODELS = (
    "databricks-claude-sonnet-4-5",
    "databricks-gpt-5-4",
    "databricks-gemini-3-1-pro",
    "databricks-meta-llama-3-3-70b-instruct",
)
THOUGHT = Reasoning(segments=(Segment("raw", "secret thought"),), signature="proof", encrypted="proof")
DECLINED = Refusal("secret refusal")
CALL = ToolCall(call_id="c1", name="look", arguments="{}")


def connected(cls, model, **settings):
    """A front end of an own workspace, and the workspace."""
    workspace = Workspace()
    client = httpx.Client(transport=workspace_transport(workspace))
    where = {"host": "https://ws.example.com", "token": workspace.token, "surface": "ai-gateway"}
    return cls(model=model, http_client=client, max_retries=0, **where, **settings), workspace


def test_each_user_is_told_once_what_is_not_sent(caplog):
    users = {"dapi-ann": "ann", "dapi-bob": "bob"}
    transport = httpx.Client(transport=workspace_transport(Workspace(tokens=users)))
    where = {"host": "https://ws.example.com", "surface": "ai-gateway", "http_client": transport}
    for token in (*users, *users):
        Client(model=MODELS[0], token=token, **where).chat([user(THOUGHT, "Hello")])
    assert caplog.text.count("only an assistant's message holds them") == len(users)


def asking(*messages):
    return ChatRequest(model="m", messages=messages)


@promise("parts-by-role")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("api", ["auto", "chat-completions"])
def test_what_only_a_model_writes_is_sent_of_no_other_role(model, api, caplog):
    client, workspace = connected(Client, model, api=api)
    result = ToolResult(call_id="c1", content=(THOUGHT, Text("visible result"), DECLINED))
    conversation = [
        Message(role="system", parts=(THOUGHT, Text("visible system"), DECLINED)),
        user(DECLINED, "visible user", THOUGHT),
        assistant(CALL),
        Message(role="tool", parts=(result,)),
        user(THOUGHT, DECLINED),
        user("visible end"),
    ]

    assert client.chat(conversation).text

    (call,) = workspace.ledger.model_calls()
    sent = json.dumps(call.body)
    assert call.status == 200
    assert [word in sent for word in ("visible system", "visible user", "visible result", "visible end")] == [True] * 4
    assert ("secret" in sent, "proof" in sent) == (False, False)
    assert "only an assistant's message holds them" in caplog.text


@promise("parts-by-role")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("role", ["system", "user"])
def test_it_is_the_same_from_langchain(model, role):
    llm, workspace = connected(ChatDbxGateway, model)
    blocks = [
        {"type": "reasoning", "reasoning": "secret thought"},
        {"type": "thinking", "thinking": "secret too", "signature": "s"},
        {"type": "refusal", "refusal": "secret refusal"},
        {"type": "text", "text": "visible"},
    ]
    history = [{"role": role, "content": blocks}, {"role": "user", "content": "Go on"}]

    llm.invoke(history)

    (call,) = workspace.ledger.model_calls()
    assert (call.status, "visible" in json.dumps(call.body), "secret" in json.dumps(call.body)) == (200, True, False)


@promise("parts-by-role")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("role", ["system", "user"])
def test_it_is_the_same_from_llama_index(model, role):
    llm, workspace = connected(DbxGateway, model)
    blocks = [ThinkingBlock(content="secret thought"), TextBlock(text="visible")]

    llm.chat([ChatMessage(role=role, blocks=blocks), ChatMessage("Go on")])

    (call,) = workspace.ledger.model_calls()
    assert (call.status, "visible" in json.dumps(call.body), "secret" in json.dumps(call.body)) == (200, True, False)


def test_an_assistants_own_parts_stay():
    request = asking(user("a"), assistant(THOUGHT, DECLINED, "b"), user("c"))

    assert sendable(request) is request


def test_a_result_that_holds_nothing_else_stays_without_content():
    request = asking(
        user("a"), assistant(CALL), Message(role="tool", parts=(ToolResult(call_id="c1", content=(THOUGHT,)),))
    )

    assert sendable(request).messages[2].parts == (ToolResult(call_id="c1"),)
    assert request.messages[2].parts == (ToolResult(call_id="c1", content=(THOUGHT,)),)


def test_a_conversation_of_nothing_else_is_refused():
    client, workspace = connected(Client, MODELS[0])

    with pytest.raises(InvalidRequestError, match="conversation is empty"):
        client.chat([user(THOUGHT)])

    assert workspace.ledger.model_calls() == []
