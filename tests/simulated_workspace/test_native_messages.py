"""The messages api of the simulated workspace: what it refuses, what it understands, and what the vendor makes of it."""

import json
from dataclasses import replace
from typing import Any

import anthropic.types
import pytest
from pydantic import TypeAdapter
from simulated_workspace.strictness import events_of, unknown_keys

from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing.apis.messages import wire as wire_messages
from dbx_gateway.testing.apis.messages.workspace_rules import RULES
from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.model.brain import Memory, answer
from dbx_gateway.testing.model.conversation import Answer, CalledTool, Counts, ParsedRequest, TextItem
from dbx_gateway.testing.model.signatures import seal
from dbx_gateway.testing.model.situation import Situation

MODEL = "databricks-claude-sonnet-4-5"
TOOL = {
    "name": "add",
    "input_schema": {
        "type": "object",
        "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
        "required": ["x", "y"],
    },
}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"x": 2, "y": 3}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "5"}


def situation(**profile: Any) -> Situation:
    return Situation(
        "ai-gateway", "claude", "messages", MODEL, replace(profile_of(MODEL), **profile), oddities=frozenset()
    )


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "model": MODEL,
        "max_tokens": 2000,
        "messages": list(messages) or [{"role": "user", "content": "Hello there"}],
        **fields,
    }


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


ASKED = {"role": "user", "content": "Add 2 and 3"}
ROUND = (ASKED, assistant(CALL), user(RESULT))
THINKING = {"type": "enabled", "budget_tokens": 1024}


REFUSALS = [
    (body(frobnicate=1), {}, "frobnicate: Extra inputs are not permitted"),
    (
        body(user({**text("hi"), "color": "red"})),
        {},
        "messages.0.content.0.color: Extra inputs are not permitted",
    ),
    ({k: v for k, v in body().items() if k != "max_tokens"}, {}, "max_tokens: Field required"),
    (body(max_tokens="many"), {}, "max_tokens: Input should be a valid integer"),
    (body(max_tokens=-1), {}, "max_tokens: Input should be greater than or equal to 0"),
    (body(user({"type": "audio", "data": "x"})), {}, "Input tag 'audio' found using 'type'"),
    (body(thinking={"type": "deep"}), {}, "thinking: Input tag 'deep' found using 'type'"),
    (body(messages=[]), {}, "at least one message is required"),
    (body({"role": "user", "content": ""}), {}, "text content blocks must be non-empty"),
    (body(user(text("  "))), {}, "text content blocks must contain non-whitespace text"),
    (body(user()), {}, "messages.0: all messages must have non-empty content"),
    (
        body(ASKED, assistant(CALL), user(text("well?"))),
        {},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
    ),
    (body(ASKED, assistant(CALL)), {"prefill": True}, "`tool_use` ids were found without `tool_result` blocks"),
    (
        body(user(RESULT)),
        {},
        "unexpected `tool_use_id` found in `tool_result` blocks: toolu_1",
    ),
    (
        body(ASKED, assistant(CALL), user(text("so"), RESULT)),
        {},
        "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
    ),
    (body(ASKED, assistant(CALL), user(RESULT, RESULT)), {}, "each tool_use must have a single result"),
    (body(ASKED, assistant(CALL), user({**RESULT, "content": []})), {}, "must not be an empty list"),
    (
        body(ASKED, assistant({**CALL, "id": "a.b"}), user({**RESULT, "tool_use_id": "a.b"})),
        {},
        "String should match pattern '^[a-zA-Z0-9_-]+$'",
    ),
    (body(user(CALL)), {}, "`tool_use` blocks can only be in `assistant` messages"),
    (
        body(ASKED, assistant({"type": "thinking", "thinking": "hm", "signature": ""}, CALL), user(RESULT)),
        {},
        "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified",
    ),
    (
        body(ASKED, assistant({"type": "thinking", "thinking": "hm", "signature": "Zm9v"}, CALL), user(RESULT)),
        {},
        "cannot be modified",
    ),
    (
        body(user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "/9j/AAAA"}})),
        {},
        (
            "messages.0.content.0.image.source.base64: The image was specified using the image/png media type, but the image "
            "appears to be a image/jpeg image"
        ),
    ),
    (
        body(*ROUND, thinking=THINKING),
        {},
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    ),
    (body(thinking={**THINKING, "budget_tokens": 10}), {}, "Input should be greater than or equal to 1024"),
    (body(thinking={**THINKING, "budget_tokens": 2000}), {}, "must be greater than `thinking.budget_tokens`"),
    (body(thinking=THINKING), {"thinking": "adaptive"}, '"thinking.type.enabled" is not supported for this model'),
    (body(thinking={"type": "adaptive"}), {"thinking": "budget"}, "adaptive thinking is not supported"),
    (body(thinking={"type": "disabled"}), {"thinking": "always"}, '"thinking.type.disabled" is not supported'),
    (
        body(thinking=THINKING, tools=[TOOL], tool_choice={"type": "any"}),
        {},
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    (
        body(tools=[TOOL], tool_choice={"type": "tool", "name": "add"}),
        {"forced_tool_choice": False},
        'tool_choice: "tool" is not supported for this model.',
    ),
    (body(tools=[TOOL], tool_choice={"type": "tool", "name": "sub"}), {}, "Tool 'sub' not found"),
    (body(tool_choice={"type": "auto"}), {}, "may only be specified while providing `tools`"),
    (body(tools=[TOOL, TOOL]), {}, "Tool names must be unique"),
    (body(tools=[{**TOOL, "name": "a b"}]), {}, "tools.0.custom.name: String should match pattern"),
    (body(tools=[{**TOOL, "input_schema": {}}]), {}, "tools.0.custom.input_schema.type: Field required"),
    (
        body(tools=[{**TOOL, "input_schema": {"type": "object", "anyOf": []}}]),
        {},
        "does not support oneOf, allOf, or anyOf at the top level",
    ),
    (
        body(tools=[{**TOOL, "input_schema": {"type": "object", "properties": []}}]),
        {},
        "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12",
    ),
    (
        body(output_config={"format": {"type": "json_schema", "schema": {"items": 3}}}),
        {},
        "output_config.format.schema: Invalid schema",
    ),
    (
        body(output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
        {},
        "output_config.format.schema: For 'object' type, 'additionalProperties' must be",
    ),
    (
        body(
            output_config={
                "format": {
                    "type": "json_schema",
                    "schema": {"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}},
                }
            }
        ),
        {},
        "output_config.format.schema: Circular reference",
    ),
    (body(tools=[{"type": "web_search_20250305"}]), {}, "tools.0.name: Field required"),
    (body(temperature=0.2), {"sampling": False}, "`temperature` is not supported on this model."),
    (body(top_p=0.2), {"sampling": False}, "`top_p` is not supported on this model."),
    (body(temperature=1.5), {}, "temperature: range: 0..1"),
    (body(temperature=0.5, thinking=THINKING), {}, "may only be set to 1 when thinking is enabled"),
    (
        body(ASKED, assistant(text("It is"))),
        {"prefill": False},
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    ),
    (body(ASKED, assistant(text("It is "))), {}, "final assistant content cannot end with trailing whitespace"),
    (body(ASKED, {"role": "system", "content": "Be brief"}, ASKED), {}, "messages.1.role: Input should be 'user'"),
    (
        body({"role": "system", "content": "Be brief"}, ASKED),
        {"mid_system": True},
        "messages.0: a system message must follow a user message",
    ),
    (
        body(output_config={"effort": "xhigh"}),
        {"efforts": ("low", "medium", "high")},
        "output_config.effort: Input should be 'low', 'medium' or 'high'",
    ),
    (
        body(user(*[{**text("hi"), "cache_control": {"type": "ephemeral"}}] * 5)),
        {},
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    (body(stop_sequences=[" "]), {}, "each stop sequence must contain non-whitespace"),
]


@pytest.mark.parametrize(("request_body", "profile", "words"), REFUSALS, ids=[case[2][:60] for case in REFUSALS])
def test_the_vendor_refuses_it_in_its_own_words(request_body, profile, words):
    with pytest.raises(Refused) as refused:
        wire_messages.read(request_body, situation(**profile), None)
    assert words in refused.value.message
    assert refused.value.status == 400
    assert refused.value.body["type"] == "error"
    assert refused.value.body["error"] == {"type": "invalid_request_error", "message": refused.value.message}


RULE_BREAKERS = {
    "user-first": (body(assistant(text("hi")), ASKED), 'messages: first message must use the "user" role'),
    "empty-parts": (body(user(text(" "))), 'messages: text content blocks must be non-empty"}'),
    "anth-eager-streaming": (
        body(tools=[{**TOOL, "eager_input_streaming": True}]),
        "tools.0.eager_input_streaming: Extra inputs are not permitted",
    ),
    "schema-limits": (
        body(tools=[{**TOOL, "input_schema": {"type": "object", "properties": {"x": {"$ref": "#/$defs/X"}}}}]),
        "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12",
    ),
    "anth-media-url": (
        body(user(text("See"), {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}})),
        "messages.0.content.1.image.source.base64.data: URL sources are not supported",
    ),
    "anth-server-tools": (
        body(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
        "tools.0: Input tag 'web_search_20250305' found using 'type' does not match any of the expected tags: 'custom'",
    ),
}


def test_every_refusal_rule_has_a_body_that_breaks_it():
    assert {rule.name for rule in RULES if rule.kind == "refusal"} == set(RULE_BREAKERS)


@pytest.mark.parametrize("name", RULE_BREAKERS)
def test_a_rule_refuses_what_breaks_it_and_nothing_else(name):
    rule = next(rule for rule in RULES if rule.name == name)
    broken, words = RULE_BREAKERS[name]
    refused = rule.check(broken, situation())
    assert refused is not None
    assert words in refused.message
    assert rule.check(body(*ROUND, tools=[TOOL]), situation()) is None


def test_server_tools_are_offered_to_the_vendor_and_never_called():
    tools = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}, TOOL]
    assert [tool.name for tool in wire_messages.read(body(tools=tools), situation(), None).tools] == ["add"]


def test_everything_in_a_request_is_understood():
    request = body(
        user(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
            {**text("Look and add"), "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ),
        assistant(text("Adding."), CALL),
        user({**RESULT, "content": [text("5"), {"type": "image", "source": {"type": "url", "url": "https://x/y"}}]}),
        system=[text("Be brief.")],
        tools=[TOOL],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        output_config={"format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}},
        stream=True,
    )
    ask = wire_messages.read(request, situation(), None)
    assert [(turn.role, turn.text, turn.media, turn.calls, turn.results, turn.cached) for turn in ask.turns] == [
        ("system", "Be brief.", (), (), (), False),
        ("user", "Look and add", ("image", "pdf"), (), (), True),
        ("assistant", "Adding.", (), (("toolu_1", "add"),), (), False),
        ("tool", "", ("image",), (), (("toolu_1", "5\n[image]"),), False),
    ]
    assert (ask.choice, ask.forced, ask.parallel) == ("required", None, False)
    assert (ask.schema, ask.stop) == ({"type": "object", "additionalProperties": False}, ("END",))
    assert (ask.max_tokens, ask.stream) == (2000, True)


def test_a_failed_tool_says_so():
    ask = wire_messages.read(
        body(ASKED, assistant(CALL), user({**RESULT, "content": "no such number", "is_error": True})), situation(), None
    )
    assert ask.turns[-1].results == (("toolu_1", "Error: no such number"),)


def test_words_after_a_result_are_a_turn_of_their_own():
    ask = wire_messages.read(body(ASKED, assistant(CALL), user(RESULT, text("And now?"))), situation(), None)
    assert [(turn.role, turn.text) for turn in ask.turns[-2:]] == [("tool", ""), ("user", "And now?")]


def test_proofs_are_handed_on_as_received():
    signature = seal(b"key", "scope", "hm")
    request = body(
        ASKED,
        assistant(
            {"type": "thinking", "thinking": "hm", "signature": signature},
            {"type": "redacted_thinking", "data": "opaque"},
            CALL,
        ),
        user(RESULT),
        thinking=THINKING,
    )
    assert wire_messages.read(request, situation(), None).turns[1].signatures == (signature, "opaque")


# Writing

EVENTS = TypeAdapter(anthropic.types.RawMessageStreamEvent)


def accumulated(written: list[dict[str, Any]]) -> dict[str, Any]:
    """The message a stream tells, put together by the reading rules of docs/wire/messages.md#stream."""
    message: dict[str, Any] = {}
    arguments: dict[int, str] = {}
    for event in written:
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"])
            case "content_block_delta":
                block, delta = message["content"][event["index"]], event["delta"]
                match delta["type"]:
                    case "input_json_delta":
                        arguments[event["index"]] = arguments.get(event["index"], "") + delta["partial_json"]
                    case "signature_delta":
                        block["signature"] = delta["signature"]
                    case "citations_delta":
                        block["citations"].append(delta["citation"])
                    case kind:
                        block[kind.removesuffix("_delta")] += delta[kind.removesuffix("_delta")]
            case "content_block_stop" if event["index"] in arguments:
                message["content"][event["index"]]["input"] = json.loads(arguments[event["index"]])
            case "message_delta":
                message.update(event["delta"])
                message["usage"].update(event["usage"])
    return message


CITABLE = {
    "type": "document",
    "title": "Rivers",
    "citations": {"enabled": True},
    "source": {"type": "text", "media_type": "text/plain", "data": "The Rhine is long. The Main is short."},
}
PDF = {**CITABLE, "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}}
BLOCKS = {**CITABLE, "source": {"type": "content", "content": [text("The Rhine is long.")]}}
ASKS = {
    "text": body(),
    "thinking": body(thinking=THINKING),
    "hidden thinking": body(thinking={**THINKING, "display": "omitted"}),
    "redacted thinking": body(user(text("Think [redacted]")), thinking=THINKING),
    "a call": body(ASKED, tools=[TOOL], thinking=THINKING),
    "two calls": body({"role": "user", "content": "Add 2 and 3 both ways"}, tools=[TOOL]),
    "a call without arguments": body(ASKED, tools=[{"name": "now", "input_schema": {"type": "object"}}]),
    "length": body(max_tokens=1),
    "filter": body(user(text("Hello there [filter]"))),
    "refusal": body(user(text("Hello there [refuse]"))),
    "stop sequence": body(stop_sequences=["there"]),
    "citation of a text": body(user(CITABLE, text("Which is long?"))),
    "citation of a PDF": body(user(PDF, text("Which is long?"))),
    "citation of blocks": body(user(BLOCKS, text("Which is long?"))),
    "citation of a search result": body(user(text("Which is long? [cite]"))),
    "json": body(
        output_config={
            "format": {"type": "json_schema", "schema": {**TOOL["input_schema"], "additionalProperties": False}}
        }
    ),
}


def exchange(name: str, **profile: Any) -> tuple[ParsedRequest, Answer]:
    ask = wire_messages.read(ASKS[name], situation(**profile), None)
    return ask, answer(ask, situation(), Memory())


@pytest.mark.parametrize("name", ASKS)
def test_the_vendor_takes_a_whole_answer_as_its_own(name):
    ask, made = exchange(name)
    written = wire_messages.whole(made, ask, situation())
    assert unknown_keys(TypeAdapter(anthropic.types.Message).validate_python(written, strict=True)) == []


@pytest.mark.parametrize("name", ASKS)
def test_the_vendor_takes_every_event_of_a_stream_as_its_own(name):
    ask, made = exchange(name)
    written = list(wire_messages.stream(made, ask, situation()))
    for raw, event in zip(written, events_of(written), strict=True):
        assert raw.startswith(f"event: {event['type']}\n".encode())
        if event["type"] != "ping":
            assert unknown_keys(EVENTS.validate_python(event, strict=True)) == []


@pytest.mark.parametrize("name", ASKS)
def test_a_stream_tells_the_whole_answer(name):
    ask, made = exchange(name)
    told = accumulated(events_of(list(wire_messages.stream(made, ask, situation()))))
    assert told == wire_messages.whole(made, ask, situation())


@pytest.mark.parametrize(
    ("name", "kinds", "reason"),
    [
        ("text", ["text"], "end_turn"),
        ("thinking", ["thinking", "text"], "end_turn"),
        ("redacted thinking", ["redacted_thinking", "text"], "end_turn"),
        ("a call", ["thinking", "tool_use"], "tool_use"),
        ("two calls", ["tool_use", "tool_use"], "tool_use"),
        ("length", ["text"], "max_tokens"),
        ("filter", ["text"], "refusal"),
        ("refusal", ["text"], "refusal"),
        ("stop sequence", ["text"], "stop_sequence"),
    ],
)
def test_an_answer_has_the_blocks_and_the_reason_of_its_end(name, kinds, reason):
    ask, made = exchange(name)
    written = wire_messages.whole(made, ask, situation())
    assert ([block["type"] for block in written["content"]], written["stop_reason"]) == (kinds, reason)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("citation of a text", "char_location"),
        ("citation of a PDF", "page_location"),
        ("citation of blocks", "content_block_location"),
        ("citation of a search result", "search_result_location"),
    ],
)
def test_a_citable_document_is_cited(name, kind):
    ask, made = exchange(name)
    (block,) = wire_messages.whole(made, ask, situation())["content"]
    assert [citation["type"] for citation in block["citations"]] == [kind]


def test_no_tokens_make_no_content():
    request = body(max_tokens=0)
    ask = wire_messages.read(request, situation(), None)
    written = wire_messages.whole(answer(ask, situation(), Memory()), ask, situation())
    assert (written["content"], written["stop_reason"]) == ([], "max_tokens")


def test_hidden_thinking_keeps_its_signature_and_loses_its_text():
    ask, made = exchange("hidden thinking")
    block = wire_messages.whole(made, ask, situation())["content"][0]
    assert block["thinking"] == ""
    assert block["signature"] == made.items[0].signature


def test_input_tokens_leave_cache_out():
    made = Answer("id", MODEL, (TextItem("text", "hi"),), "stop", Counts(100, 10, cache_read=60, cache_write=30))
    usage = wire_messages.whole(made, ParsedRequest(MODEL, ()), situation())["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (
        10,
        60,
        30,
    )


def test_arguments_come_in_several_fragments_and_none_when_there_are_none():
    calls = (CalledTool("call_1", "add", {"x": 2, "y": 3}), CalledTool("call_2", "now", {}))
    made = Answer("id", MODEL, calls, "calls", Counts(1, 1))
    written = events_of(list(wire_messages.stream(made, ParsedRequest(MODEL, ()), situation())))
    pieces = [
        (event["index"], event["delta"]["partial_json"]) for event in written if "delta" in event and "index" in event
    ]
    assert pieces == [(0, ""), (0, '{"x":2,'), (0, '"y":3}')]


def test_what_was_answered_can_be_replayed_and_an_altered_thought_cannot():
    ask, made = exchange("a call")
    content = wire_messages.whole(made, ask, situation())["content"]
    result = {"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "5"}
    wire_messages.read(
        body(ASKED, assistant(*content), user(result), tools=[TOOL], thinking=THINKING), situation(), None
    )
    content[0]["thinking"] += " Or not."
    with pytest.raises(Refused, match="cannot be modified"):
        wire_messages.read(
            body(ASKED, assistant(*content), user(result), tools=[TOOL], thinking=THINKING), situation(), None
        )


def test_an_oddity_adds_metrics_to_the_last_event():
    ask, made = exchange("text")
    odd = replace(situation(), oddities=frozenset({"anth-bedrock-metrics"}))
    plain = events_of(list(wire_messages.stream(made, ask, situation())))
    shown = events_of(list(wire_messages.stream(made, ask, odd)))
    assert plain[-1] == {"type": "message_stop"}
    assert shown[-1].keys() == {"type", "amazon-bedrock-invocationMetrics"}


def test_the_events_of_the_end_are_told_from_the_others():
    ask, made = exchange("a call")
    written = list(wire_messages.stream(made, ask, situation()))
    assert [
        event["type"] for raw, event in zip(written, events_of(written), strict=True) if wire_messages.is_terminal(raw)
    ] == [
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "authentication_error"), (429, "rate_limit_error"), (500, "api_error"), (529, "overloaded_error")],
)
def test_an_error_has_the_vendors_type(status, kind):
    assert wire_messages.error(status, "", "no")["error"] == {"type": kind, "message": "no"}
    assert wire_messages.failed(status, "", "no")["error"] == {"type": kind, "message": "no"}
    for started in (False, True):
        assert events_of([wire_messages.error_event(status, "", "no", started=started)])[0]["error"]["type"] == kind


def test_a_profile_of_an_unknown_model_refuses_no_effort():
    unknown = replace(situation(), profile=Profile(model="x", family="claude", prefill=True))
    ask = wire_messages.read(body(output_config={"effort": "max"}), unknown, None)
    assert ask.max_tokens == 2000
