"""A person edits a call before it runs: it goes back as edited, without the proof of what it was."""

from __future__ import annotations

import json

import httpx
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.tools import FunctionTool
from support.promises import promise

from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway
from llama_index_dbx_gateway import DbxGateway

GEMINI, CLAUDE, GPT = "databricks-gemini-3-1-pro", "databricks-claude-sonnet-4-5", "databricks-gpt-5-4"
ROUTES = [(GEMINI, "auto"), (GEMINI, "chat-completions"), (CLAUDE, "auto"), (GPT, "auto")]
STAND_IN = "skip_thought_signature_validator"


def look(city: str) -> str:
    """Look at a city."""
    return city


def connected(cls, model, api):
    workspace = Workspace()
    client = httpx.Client(transport=workspace_transport(workspace))
    where = {"host": "https://ws.example.com", "token": workspace.token, "surface": "ai-gateway", "http_client": client}
    return cls(model=model, api=api, max_retries=0, reasoning_effort="low", max_tokens=9000, **where), workspace


def last_body(workspace):
    (*_, call) = workspace.ledger.model_calls()
    assert call.status == 200
    return json.dumps(call.body)


@promise("edited-calls")
@pytest.mark.parametrize("edit", [None, "in place", "a copy"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("blocks", [None, "v1"])
@pytest.mark.parametrize(("model", "api"), ROUTES)
def test_in_langchain(model, api, blocks, streamed, edit):
    llm, workspace = connected(ChatDbxGateway, model, api)
    llm = (
        llm.bind_tools([look])
        if blocks is None
        else llm.model_copy(update={"output_version": blocks}).bind_tools([look])
    )
    history = [HumanMessage("Look at 'Paris'")]
    answer = None
    for chunk in llm.stream(history) if streamed else [llm.invoke(history)]:
        answer = chunk if answer is None else answer + chunk
    (call,) = answer.tool_calls
    if edit == "in place":
        call["args"]["city"] = "Rome"
    elif edit == "a copy":
        answer = answer.model_copy(update={"tool_calls": [{**call, "args": {"city": "Rome"}}]})

    assert llm.invoke([*history, answer, ToolMessage("nice", tool_call_id=call["id"])]).text

    body = last_body(workspace)
    assert ("Rome" in body) == (edit is not None)
    assert (STAND_IN in body) == (model == GEMINI and edit is not None)


@promise("edited-calls")
@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize(("model", "api"), ROUTES)
def test_in_llama_index(model, api, edited):
    llm, workspace = connected(DbxGateway, model, api)
    tool = FunctionTool.from_defaults(look)
    history = [ChatMessage("Look at 'Paris'")]
    answer = llm.chat_with_tools([tool], chat_history=history).message
    (call,) = [block for block in answer.blocks if isinstance(block, ToolCallBlock)]
    if edited:
        call.tool_kwargs["city"] = "Rome"
    result = ChatMessage("nice", role="tool", additional_kwargs={"tool_call_id": call.tool_call_id})

    llm.chat_with_tools([tool], chat_history=[*history, answer, result])

    body = last_body(workspace)
    assert ("Rome" in body, STAND_IN in body) == (edited, edited and model == GEMINI)
