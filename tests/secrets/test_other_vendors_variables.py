"""Variables of other vendors' clients change nothing, are not asked for, and stand on no wire."""

from __future__ import annotations

import asyncio
import os
import re

import pytest
from support.promises import promise
from support.recording_host import answer, wire

from dbx_gateway.testing import Workspace, serve

POISON = "poison"
VALUES = {
    "OPENAI_API_KEY": f"sk-{POISON}",
    "OPENAI_ORG_ID": f"org-{POISON}",
    "OPENAI_PROJECT_ID": f"proj-{POISON}",
    "OPENAI_API_TYPE": POISON,
    "OPENAI_API_VERSION": POISON,
    "OPENAI_WEBHOOK_SECRET": POISON,
    "OPENAI_LOG": "debug",
    "ANTHROPIC_API_KEY": f"sk-ant-{POISON}",
    "ANTHROPIC_AUTH_TOKEN": POISON,
    "ANTHROPIC_CUSTOM_HEADERS": f"x-{POISON}: 1",
    "ANTHROPIC_MODEL": POISON,
    "ANTHROPIC_LOG": "debug",
    "GOOGLE_API_KEY": POISON,
    "GEMINI_API_KEY": POISON,
    "GOOGLE_CLOUD_PROJECT": POISON,
    "GOOGLE_CLOUD_LOCATION": POISON,
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
}
URLS = (
    *("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_PROXY", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL"),
    *("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL", "GOOGLE_API_ENDPOINT", "GEMINI_BASE_URL"),
)
VENDORS = ("OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_")

MODELS = {
    "claude": "databricks-claude-sonnet-4-5",
    "gpt": "databricks-gpt-5-2",
    "gemini": "databricks-gemini-3-pro",
    "llama": "databricks-meta-llama-3-3-70b-instruct",
}


def talk(front, server, model: str) -> list[str]:
    """Call everything, and return what was answered."""
    one = front(model=model, host=server.url, token=server.workspace.token)

    async def main() -> list[str]:
        said = [await one.aask("Hello")]
        said.append("".join([one.said(item) async for item in await one.astream("Hello")]))
        return [*said, repr(await one.avectors(["a"]))]

    said = [one.ask("Hello"), "".join(one.said(item) for item in one.stream("Hello")), repr(one.vectors(["a"]))]
    return said + asyncio.run(main())


def sent(workspace) -> list[tuple[str, str, object, dict]]:
    """Return what was asked of a workspace, without what differs from run to run."""
    vary = ("host", "content-length")
    return [
        (one.method, re.sub(r"/\d+$", "", one.path), one.body, {k: v for k, v in one.headers.items() if k not in vary})
        for one in workspace.ledger.entries("")
    ]


@pytest.fixture
def poisoned(monkeypatch):
    """Sets every variable; those that name a place name one that notes who comes."""
    with wire(lambda request: answer(200, b"{}")) as trap:

        def set_all() -> None:
            for name, value in VALUES.items():
                monkeypatch.setenv(name, value)
            for name in URLS:
                monkeypatch.setenv(name, f"{trap.url}/{POISON}")

        yield trap, set_all


@promise("other-vendors")
@pytest.mark.parametrize("family", MODELS)
def test_the_variables_of_other_vendors_change_nothing(front, family, poisoned):
    trap, set_all = poisoned
    with serve(Workspace()) as server:
        clean, clean_sent = talk(front, server, MODELS[family]), sent(server.workspace)
    set_all()
    with serve(Workspace()) as server:
        assert talk(front, server, MODELS[family]) == clean
        assert sent(server.workspace) == clean_sent
        assert POISON not in repr(sent(server.workspace)).lower()
    assert trap.connections == 0


@promise("other-vendors")
def test_the_variables_of_other_vendors_are_never_asked_for(front, poisoned, monkeypatch):
    trap, set_all = poisoned
    set_all()
    asked: set[str] = set()

    class Watched(dict):
        def __getitem__(self, name):
            asked.add(name)
            return super().__getitem__(name)

        def get(self, name, default=None):
            asked.add(name)
            return super().get(name, default)

        def __contains__(self, name):
            asked.add(name)
            return super().__contains__(name)

    with serve(Workspace()) as server:
        monkeypatch.setattr(os, "environ", Watched(os.environ))
        for model in MODELS.values():
            talk(front, server, model)
        monkeypatch.undo()
    assert "DBX_GATEWAY_LOG" in asked
    # urllib looks for proxies in every variable that ends so; no scheme of ours is a vendor's name.
    asked = {name for name in asked if not name.endswith("_PROXY")}
    assert [name for name in asked if name.startswith(VENDORS)] == []
    assert trap.connections == 0
