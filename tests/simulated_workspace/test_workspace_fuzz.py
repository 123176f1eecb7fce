"""Whatever is sent, the simulated workspace answers: it never breaks on a malformed body."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_gateway.testing import Workspace

CHAT = "/serving-endpoints/chat/completions"
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "add", "arguments": '{"a":1}'},
    "thoughtSignature": "x",
}
BODY = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "add 1"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
        {"role": "assistant", "content": [{"type": "reasoning", "summary": [{"text": "t"}]}], "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "2"},
        {"role": "user", "content": "and 'two'?"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "add",
                "parameters": {
                    "type": "object",
                    "properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": ["integer", "null"]}]}},
                    "required": ["a"],
                    "$defs": {"A": {"enum": [1, 2], "minimum": 1}},
                },
            },
        }
    ],
    "tool_choice": {"type": "function", "function": {"name": "add"}},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object", "properties": {}}},
    },
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "stream_options": {"include_usage": True},
    "stream": True,
    "stop": ["x"],
    "max_tokens": 2000,
    "n": 1,
    "reasoning_effort": "low",
    "temperature": 1,
    "logprobs": True,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 99) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "id"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(value, path=()):
    """Every place inside a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def broken(body, changes, dropped):
    body = copy.deepcopy(body)
    for name in dropped:
        body.pop(name, None)
    for path, value in changes:
        target = body
        for key in path[:-1]:
            inside = isinstance(target, dict) and key in target
            inside = inside or (isinstance(target, list) and isinstance(key, int) and key < len(target))
            if not inside:
                break
            target = target[key]
        else:
            if isinstance(target, dict) or (isinstance(target, list) and path[-1] in range(len(target))):
                target[path[-1]] = value
    return body


CHANGES = st.lists(st.tuples(st.sampled_from([path for path in places(BODY) if path]), JSON), max_size=3)
DROPPED = st.sets(st.sampled_from([name for name in BODY if name != "messages"]))
MODELS = ["databricks-claude-sonnet-4-5", "databricks-gpt-5-1", "databricks-gemini-3-1-pro", "databricks-gpt-oss-20b"]


def status(workspace, path, body):
    """The status of the answer, after all of it was read."""
    headers = {"authorization": f"Bearer {workspace.token}"}
    reply = workspace.handle("POST", path, headers, json.dumps(body).encode())
    if not isinstance(reply.body, bytes):
        assert sum(len(piece) for piece in reply.body) > 0
    return reply.status


@pytest.mark.parametrize("mode", ["workspace", "plain"])
@settings(max_examples=150, deadline=None)
@given(model=st.sampled_from(MODELS), changes=CHANGES, dropped=DROPPED)
def test_a_broken_chat_body_gets_an_answer(mode, model, changes, dropped):
    body = {"model": model, **broken(BODY, changes, dropped)}
    assert status(Workspace(mode), CHAT, body) in {200, 400}


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from(["messages", "input", "custom_inputs", "stream", "databricks_options"]))
def test_a_broken_body_of_an_agent_gets_an_answer(value, name):
    body = {"messages": [{"role": "user", "content": "Hi"}], name: value}
    assert status(Workspace(), "/serving-endpoints/legacy-agent/invocations", body) in {200, 400}


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from(["input", "dimensions", "encoding_format", "model"]))
def test_a_broken_embeddings_body_gets_an_answer(value, name):
    body = {"input": "Hi", "model": "databricks-gte-large-en", name: value}
    assert status(Workspace(), "/serving-endpoints/embeddings", body) in {200, 400, 404}
