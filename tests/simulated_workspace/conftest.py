from __future__ import annotations

import json

import httpx
import pytest

from dbx_gateway.testing import Workspace, serve, workspace_transport

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


class Caller:
    """Sends requests to a workspace, without a socket."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.client = httpx.Client(base_url="http://workspace.test", transport=workspace_transport(workspace))

    def get(self, path, token=None, **headers):
        return self.client.get(path, headers=self._headers(token, headers))

    def post(self, path, body, token=None, **headers):
        return self.client.post(path, json=body, headers=self._headers(token, headers))

    def chat(self, model, text="Hello there", surface="serving-endpoints", **fields):
        prefix = "/serving-endpoints" if surface == "serving-endpoints" else "/ai-gateway/mlflow/v1"
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return self.post(f"{prefix}/chat/completions", body)

    def chunks(self, model, text="Hello there", **fields):
        """The decoded chunks of a streamed chat, without ``[DONE]``."""
        return chunks_of(self.chat(model, text, stream=True, **fields).text)

    def _headers(self, token, headers):
        return {"authorization": f"Bearer {token or self.workspace.token}", **headers}


def chunks_of(text):
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [json.loads(line) for line in data[:-1]]


@pytest.fixture
def add_tool():
    return ADD


@pytest.fixture
def workspace():
    return Workspace()


@pytest.fixture
def call(workspace):
    return Caller(workspace)


@pytest.fixture
def plain_call():
    return Caller(Workspace("plain"))


@pytest.fixture
def caller():
    """Makes a caller of a workspace of one's own."""
    return Caller


@pytest.fixture
def server(workspace):
    with serve(workspace) as running:
        yield running


@pytest.fixture
def socket_client(server):
    """A client of the served workspace, through a real socket."""
    headers = {"authorization": f"Bearer {server.workspace.token}"}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=5) as client:
        yield client
