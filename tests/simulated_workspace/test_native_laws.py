"""Whatever a client sends, the three native apis of the simulated workspace understand it or refuse it, and keep it."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing.apis.generate_content import wire as wire_generate_content
from dbx_gateway.testing.apis.messages import wire as wire_messages
from dbx_gateway.testing.apis.responses import wire as wire_responses
from dbx_gateway.testing.apis.wire import Refused, Wire
from dbx_gateway.testing.model.brain import Memory, answer
from dbx_gateway.testing.model.conversation import ParsedRequest
from dbx_gateway.testing.model.signatures import call_text, seal
from dbx_gateway.testing.model.situation import Situation

SEALED = seal(b"key", "scope", "hm")
SEALED_CALL = seal(b"key", "scope", call_text("add", {"x": 2}))
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "array", "items": {}}}}
MESSAGES = {
    "model": "databricks-claude-sonnet-4-5",
    "max_tokens": 2000,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tools": [{"name": "add", "input_schema": SCHEMA}, {"type": "web_search_20250305", "name": "web_search"}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}},
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Add"},
                {"type": "image", "source": {"type": "url", "url": "https://x/y"}},
                {
                    "type": "document",
                    "citations": {"enabled": True},
                    "source": {"type": "text", "media_type": "text/plain", "data": "One. Two."},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": SEALED},
                {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"x": 2}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "5"}]},
                {"type": "text", "text": "And?"},
            ],
        },
    ],
}
RESPONSES = {
    "model": "databricks-gpt-5-4",
    "instructions": "Be brief.",
    "tools": [{"type": "function", "name": "add", "parameters": SCHEMA, "strict": False}],
    "tool_choice": {"type": "function", "name": "add"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"format": {"type": "json_schema", "name": "sum", "schema": SCHEMA}},
    "include": ["reasoning.encrypted_content"],
    "input": [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "Add"}, {"type": "input_image", "image_url": "https://x/y"}],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": SEALED,
        },
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "5"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "5", "annotations": []}]},
        {"role": "user", "content": "And?"},
    ],
}
GENERATE_CONTENT = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "tools": [{"functionDeclarations": [{"name": "add", "parameters": SCHEMA}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["add"]}},
    "generationConfig": {
        "maxOutputTokens": 99,
        "stopSequences": ["END"],
        "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"},
    },
    "contents": [
        {"role": "user", "parts": [{"text": "Add"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}]},
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"functionCall": {"id": "a", "name": "add", "args": {"x": 2}}, "thoughtSignature": SEALED_CALL},
            ],
        },
        {"role": "user", "parts": [{"functionResponse": {"id": "a", "name": "add", "response": {"output": "5"}}}]},
    ],
}
CASES: dict[str, tuple[Wire, Situation, dict[str, Any]]] = {
    "messages": (
        wire_messages,
        Situation("ai-gateway", "claude", "messages", MESSAGES["model"], profile_of(MESSAGES["model"])),
        MESSAGES,
    ),
    "responses": (
        wire_responses,
        Situation("ai-gateway", "gpt", "responses", RESPONSES["model"], profile_of(RESPONSES["model"])),
        RESPONSES,
    ),
    "generate-content": (
        wire_generate_content,
        Situation(
            "ai-gateway", "gemini", "generate-content", "databricks-gemini-3-pro", profile_of("databricks-gemini-3-pro")
        ),
        GENERATE_CONTENT,
    ),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "text", "tool_use", "object", "add"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        found += places(entry, (*path, key))
    return found


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@st.composite
def damaged(draw: st.DrawFn, body: dict[str, Any]) -> dict[str, Any]:
    """A request in which one or two values are replaced, or a key or entry is taken out."""
    broken = deepcopy(body)
    for _ in range(draw(st.integers(1, 2))):
        *parent, last = draw(st.sampled_from(places(broken)))
        if draw(st.booleans()):
            at(broken, tuple(parent))[last] = draw(JSON)
        else:
            del at(broken, tuple(parent))[last]
    return broken


def read(wire: Wire, sent: dict[str, Any], situation: Situation) -> ParsedRequest | Refused:
    try:
        return wire.read(sent, situation, None)
    except Refused as refused:
        return refused


@pytest.mark.parametrize("api", CASES)
def test_a_sound_request_is_understood_and_answered(api):
    wire, situation, body = CASES[api]
    ask = wire.read(body, situation, None)
    assert wire.whole(answer(ask, situation, Memory()), ask, situation)


@pytest.mark.parametrize("api", CASES)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_request_is_answered_or_refused_and_never_changed(api, data):
    wire, situation, body = CASES[api]
    sent = data.draw(damaged(body))
    kept = deepcopy(sent)
    match read(wire, sent, situation):
        case Refused() as refused:
            assert refused.status == 400
            assert refused.body["error"]["message"] == refused.message
        case ask:
            made = answer(ask, situation, Memory())
            assert wire.whole(made, ask, situation)
            assert list(wire.stream(made, ask, situation))
    assert sent == kept


@pytest.mark.parametrize("api", CASES)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_a_rule_copes_with_whatever_its_api_understands(api, data):
    wire, situation, body = CASES[api]
    sent = data.draw(damaged(body))
    assume(not isinstance(read(wire, sent, situation), Refused))
    for rule in wire.RULES:
        if rule.check is not None:
            assert isinstance(rule.check(sent, situation), Refused | None)
