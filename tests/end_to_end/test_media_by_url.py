"""A medium by its URL goes to the routes that take it; where one does not, an error says so before anything is sent."""

from __future__ import annotations

import json

import httpx
import pytest
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import ChatMessage, DocumentBlock, ImageBlock
from support.promises import promise

from dbx_gateway import Client
from dbx_gateway.chat import Blob, Image, user
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway
from llama_index_dbx_gateway import DbxGateway

CLAUDE, GPT, GEMINI = "databricks-claude-sonnet-4-5", "databricks-gpt-5-4", "databricks-gemini-3-1-pro"
URL = "https://example.com/a.png"
WORDS = r"on ai-gateway messages takes the bytes of an? \w+, .* give its bytes .*disabled_quirks=\[\"anth-media-url\"\]"


def connected(cls, model, api="auto", workspace=None, **settings):
    workspace = workspace or Workspace()
    client = httpx.Client(transport=workspace_transport(workspace))
    where = {"host": "https://ws.example.com", "token": workspace.token, "surface": "ai-gateway", "http_client": client}
    return cls(model=model, api=api, max_retries=0, **where, **settings), workspace


@promise("media-by-url")
@pytest.mark.parametrize(
    ("model", "api"),
    [(CLAUDE, "chat-completions"), *((model, api) for model in (GPT, GEMINI) for api in ("auto", "chat-completions"))],
)
def test_it_goes_where_it_is_taken(model, api):
    client, workspace = connected(Client, model, api)

    assert client.chat([user("See", Image(blob=Blob(url=URL)))]).text

    assert URL in json.dumps(workspace.ledger.model_calls()[0].body)


@promise("media-by-url")
@pytest.mark.parametrize("streamed", [False, True])
def test_claudes_own_api_is_not_asked_in_vain(streamed):
    client, workspace = connected(Client, CLAUDE)
    conversation = [user("See", Image(blob=Blob(url=URL)))]

    with pytest.raises(InvalidRequestError, match=WORDS):
        list(client.stream(conversation)) if streamed else client.chat(conversation)

    assert workspace.ledger.model_calls() == []


def test_it_is_sent_all_the_same_where_the_caller_says_so():
    open_to_urls = Workspace(without=["anth-media-url"])
    client, workspace = connected(Client, CLAUDE, workspace=open_to_urls, disabled_quirks=["anth-media-url"])

    assert client.chat([user("See", Image(blob=Blob(url=URL)))]).text

    assert workspace.ledger.model_calls()[0].status == 200


@promise("media-by-url")
@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "url": URL},
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "image", "source": {"type": "url", "url": URL}},
        {"type": "file", "url": "https://example.com/a.pdf", "mime_type": "application/pdf"},
    ],
    ids=str,
)
@pytest.mark.parametrize("place", ["user", "tool"])
def test_in_langchain(block, place):
    llm, workspace = connected(ChatDbxGateway, CLAUDE)
    call = AIMessage("", tool_calls=[{"name": "draw", "args": {}, "id": "1"}])
    history = [HumanMessage("See"), call, ToolMessage([block], tool_call_id="1")]

    with pytest.raises(ModelInvalidRequestError, match=WORDS):
        llm.invoke(history if place == "tool" else [HumanMessage([block])])

    assert workspace.ledger.model_calls() == []


@promise("media-by-url")
@pytest.mark.parametrize(
    "block", [ImageBlock(url=URL), DocumentBlock(url="https://example.com/a.pdf")], ids=["image", "document"]
)
def test_in_llama_index(block):
    llm, workspace = connected(DbxGateway, CLAUDE)

    with pytest.raises(InvalidRequestError, match=WORDS):
        llm.chat([ChatMessage(blocks=[block])])

    assert workspace.ledger.model_calls() == []
