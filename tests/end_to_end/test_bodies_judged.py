"""Every body that the core sends in a wide set of conversations, judged by the vendors' own request types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from end_to_end.wide_scenario import MODELS, TALKS
from judges import chat_bodies, generate_content_bodies, messages_bodies, responses_bodies

from dbx_gateway import Client, DbxGatewayError, Message, ToolCall, tool_result, user
from dbx_gateway.chat import Origin
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing import Entry, Workspace, serve

SURFACES = ("ai-gateway", "model-serving")
FORCED = (
    ("databricks-claude-sonnet-4-5", "chat-completions"),
    ("databricks-claude-opus-4-6", "chat-completions"),
    ("databricks-gpt-5-2", "chat-completions"),
    ("databricks-gemini-2-5-pro", "chat-completions"),
    ("databricks-gemini-3-pro", "chat-completions"),
)
"""Families that have an api of their own, on the one that all have."""

PLACES = [(model, surface, "auto") for model in MODELS for surface in SURFACES]
PLACES += [(model, surface, api) for model, api in FORCED for surface in SURFACES]
AGENTS = ("support-agent", "legacy-agent")


class Sent:
    """What was sent in all conversations, and which of them failed."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, Entry]] = []
        self.failures: dict[str, str] = {}


@pytest.fixture(scope="module")
def sent() -> Sent:
    """Hold all conversations once."""
    sent = Sent()
    with serve(Workspace()) as server:
        fields = {"host": server.url, "token": server.workspace.token, "max_retries": 0}
        for model, surface, api in PLACES:
            client = Client(model=model, surface=surface, api=api, **fields)
            for name, talk in TALKS.items():
                label = f"{model} {surface} {api} {name}"
                try:
                    talk(client, profile_of(model))
                except (DbxGatewayError, AssertionError) as error:
                    sent.failures[label] = f"{type(error).__name__}: {error}"
                take(sent, label, server.workspace)
        for agent in AGENTS:
            Client(model=agent, **fields).chat("Hello", custom_inputs={"customer": "c-1"})
            list(Client(model=agent, **fields).stream("Hello", custom_inputs={"customer": "c-1"}))
            take(sent, f"{agent} model-serving", server.workspace)
        google_compatible(fields)
        take(sent, "extra_content", server.workspace)
    return sent


def take(sent: Sent, label: str, workspace: Workspace) -> None:
    sent.bodies += [(label, entry) for entry in workspace.ledger.model_calls()]
    workspace.ledger.clear()


def google_compatible(fields) -> None:
    """Continue a conversation whose calls carry the signature of Google's own chat-completions surface."""
    model = "databricks-gemini-2-5-pro"
    extra = {"google": {"thought_signature": "c2lnbmF0dXJl"}}
    call = ToolCall(call_id="call_1", name="now", arguments="{}", opaque={"extra_content": extra})
    said = Message(role="assistant", parts=(call,), origin=Origin("chat-completions", model))
    client = Client(model=model, surface="ai-gateway", api="chat-completions", **fields)
    client.chat([user("What is the time?"), said, tool_result(call, "noon")])


def violations(entry: Entry) -> list[str]:
    """Return what the vendor's types refuse in a body."""
    body = entry.body
    assert body is not None
    if entry.path.endswith("/invocations"):
        assert "model" not in body
        body = {"model": entry.model, **body}  # which the path names
    match entry.api:
        case "chat-completions":
            return chat_bodies.body_violations(body)
        case "messages":
            return messages_bodies.body_violations(body)
        case "responses":
            return responses_bodies.responses_violations(body)
        case "generate-content":
            return generate_content_bodies.body_violations(body)
    raise AssertionError(entry.api)


@pytest.mark.parametrize(("model", "surface", "api"), PLACES)
def test_every_conversation_comes_to_its_end(sent, model, surface, api):
    label = f"{model} {surface} {api} "
    assert {name: told for name, told in sent.failures.items() if name.startswith(label)} == {}


@pytest.mark.parametrize(("model", "surface", "api"), PLACES)
def test_every_body_is_of_the_vendors_type(sent, model, surface, api):
    label = f"{model} {surface} {api} "
    judged = [(name, entry) for name, entry in sent.bodies if name.startswith(label)]
    assert len(judged) > 10
    wrong = {f"{name}: {line}" for name, entry in judged for line in violations(entry)}
    assert sorted(wrong) == []


def test_every_body_to_an_agent_is_of_the_vendors_type(sent):
    judged = [entry for name, entry in sent.bodies if name.split(maxsplit=1)[0] in AGENTS]
    assert [entry.api for entry in judged] == ["responses", "responses", "chat-completions", "chat-completions"]
    assert [violations(entry) for entry in judged] == [[]] * 4


LISTS = [
    ("chat-completions", chat_bodies.EXTENSIONS),
    ("chat-completions", chat_bodies.NESTED_EXTENSIONS),
    ("messages", messages_bodies.EXTENSIONS),
    ("responses", responses_bodies.DATABRICKS_FIELDS),
]


@pytest.mark.parametrize(
    ("api", "field"), [(api, field) for api, extensions in LISTS for field in extensions], ids=lambda value: value
)
def test_every_extension_that_the_judges_leave_out_is_really_sent(sent, api, field):
    assert any(entry.api == api and field in keys_of(entry.body) for _, entry in sent.bodies)


def test_the_judges_refuse_a_field_that_no_vendor_knows(sent):
    for api in ("chat-completions", "messages", "responses", "generate-content"):
        entry = next(entry for _, entry in sent.bodies if entry.api == api and "/invocations" not in entry.path)
        foreign = Entry(**{**vars(entry), "body": {**entry.body, "databricks_only": 1}})
        assert violations(entry) == []
        assert any("databricks_only" in line or "databricksOnly" in line for line in violations(foreign))


def test_bodies_hold_all_that_was_asked_for(sent):
    """A body without its picture or its schema would please every judge."""
    for model in ("databricks-claude-sonnet-4-5", "databricks-gpt-5-2", "databricks-gemini-3-pro"):
        texts = {name: json.dumps(entry.body) for name, entry in sent.bodies}
        assert "iVBORw0KGgo" in texts_of(sent, f"{model} ai-gateway auto pictures_and_papers")
        assert "population" in texts[f"{model} ai-gateway auto an_answer_in_a_schema"]
        assert "JVBERi0xLjc" in texts_of(sent, f"{model} ai-gateway auto pictures_and_papers")


def texts_of(sent: Sent, label: str) -> str:
    return "".join(json.dumps(entry.body) for name, entry in sent.bodies if name == label)


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {*value, *(key for inner in value.values() for key in keys_of(inner))}
    if isinstance(value, list):
        return {key for inner in value for key in keys_of(inner)}
    return set()
