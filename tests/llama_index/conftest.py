"""A simulated workspace behind a socket, and LlamaIndex objects that talk to it."""

from __future__ import annotations

import base64
import contextlib

import pytest
from llama_index.core import Settings
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


@pytest.fixture
def signed_in(monkeypatch):
    """Serves a workspace in which the environment is signed in, with no gateway for what is asked of model serving."""
    with contextlib.ExitStack() as open_until_the_end:

        def signed(surface="ai-gateway"):
            served = Workspace(gateway=surface == "ai-gateway")
            server = open_until_the_end.enter_context(serve(served))
            monkeypatch.setenv("DATABRICKS_HOST", server.url)
            monkeypatch.setenv("DATABRICKS_TOKEN", served.token)
            return served

        yield signed


@pytest.fixture
def settings():
    """LlamaIndex's process-wide ``Settings``, which forget what the test set."""
    names = ("_llm", "_embed_model", "_callback_manager", "_tokenizer", "_node_parser", "_prompt_helper")
    before = {name: getattr(Settings, name) for name in names}
    yield Settings
    for name, value in before.items():
        setattr(Settings, name, value)


@pytest.fixture(scope="session")
def png():
    """A picture of one pixel: its bytes, and the same in base64."""
    text = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    return base64.b64decode(text), text


@pytest.fixture
def open_workspace():
    """Serves a workspace made with the given arguments until the test ends; returns it and its address."""
    with contextlib.ExitStack() as open_until_the_end:

        def opened(**settings):
            served = Workspace(**settings)
            return served, open_until_the_end.enter_context(serve(served)).url

        yield opened
