"""A simulated workspace in this process, and models of both adapters that talk to it."""

from __future__ import annotations

import json

import httpx
import pytest

from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway, DbxGatewayEmbeddings
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

CLAUDE = "databricks-claude-sonnet-4-5"
GPT = "databricks-gpt-5-2"
GEMINI = "databricks-gemini-3-pro"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
EMBEDDINGS = "databricks-gte-large-en"


@pytest.fixture(params=[CLAUDE, GPT, GEMINI, LLAMA])
def model(request):
    """One model per api."""
    return request.param


@pytest.fixture
def workspace():
    return Workspace()


@pytest.fixture
def settings(workspace):
    """The settings with which a model reaches the workspace in this process."""
    transport = workspace_transport(workspace)
    return {
        "host": "https://workspace.example.com",
        "token": workspace.token,
        "surface": "ai-gateway",
        "http_client": httpx.Client(transport=transport),
        "http_async_client": httpx.AsyncClient(transport=transport),
    }


@pytest.fixture
def chat(model, settings):
    """LangChain's chat model."""
    return ChatDbxGateway(model=model, **settings)


@pytest.fixture
def chat_of(settings):
    """Makes LangChain's chat model of a name."""
    return lambda name, **more: ChatDbxGateway(model=name, **settings, **more)


@pytest.fixture
def embeddings(settings):
    """LangChain's embeddings."""
    return DbxGatewayEmbeddings(model=EMBEDDINGS, **settings)


@pytest.fixture
def llm(model, settings):
    """LlamaIndex's model."""
    return DbxGateway(model=model, **settings)


@pytest.fixture
def embedding(settings):
    """LlamaIndex's embeddings."""
    return DbxGatewayEmbedding(model=EMBEDDINGS, **settings)


@pytest.fixture
def sent(workspace):
    """The bodies that chat models answered, as text; fails where one was refused for more than a schema's form."""

    def bodies():
        calls = [call for call in workspace.ledger.model_calls() if call.model != EMBEDDINGS]
        assert {call.status for call in calls if call.model != LLAMA} <= {200}
        assert {call.status for call in calls} <= {200, 400}  # llama's repair of schemas begins with a refusal
        return [json.dumps(call.body, ensure_ascii=False) for call in calls if call.status == 200]

    return bodies
