"""A simulated workspace behind a socket, and LlamaIndex objects that talk to it."""

from __future__ import annotations

import pytest
from llama_index.core.tools import FunctionTool

from dbx_gateway.testing import Workspace, serve
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding


@pytest.fixture
def workspace():
    return Workspace()


@pytest.fixture
def url(workspace):
    with serve(workspace) as server:
        yield server.url


@pytest.fixture
def make_llm(workspace, url):
    """Makes a ``DbxGateway`` of the workspace: on the gateway, unless the settings say otherwise."""

    def made(model="databricks-claude-sonnet-4-5", **settings):
        return DbxGateway(**{"model": model, "host": url, "token": workspace.token, "surface": "ai-gateway"} | settings)

    return made


@pytest.fixture
def make_embedding(workspace, url):
    """Makes a ``DbxGatewayEmbedding`` of the workspace."""

    def made(model="databricks-gte-large-en", **settings):
        return DbxGatewayEmbedding(model=model, host=url, token=workspace.token, **settings)

    return made


@pytest.fixture
def added():
    """The arguments with which the tool ``add`` really ran."""
    return []


@pytest.fixture
def add_tool(added):
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        added.append((a, b))
        return a + b

    return FunctionTool.from_defaults(add)
