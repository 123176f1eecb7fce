"""The Responses api of the simulated workspace: what it refuses, what it understands, what the vendor makes of it."""

from dataclasses import replace
from typing import Any

import openai.types.responses
import pytest
from pydantic import TypeAdapter
from simulated_workspace.strictness import events_of, unknown_keys

from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing.apis.responses import wire as wire_responses
from dbx_gateway.testing.apis.responses.workspace_rules import RULES
from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.model.brain import Memory, answer
from dbx_gateway.testing.model.conversation import Answer, Counts, ParsedRequest, TextItem
from dbx_gateway.testing.model.signatures import seal
from dbx_gateway.testing.model.situation import Situation

MODEL = "databricks-gpt-5-4"
SCHEMA = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
    "required": ["x", "y"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "name": "add", "parameters": SCHEMA, "strict": True}
ASKED = {"role": "user", "content": "Add 2 and 3"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": '{"x":2,"y":3}'}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "5"}
SEALED = seal(b"key", "scope", "Let me add.")
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Let me add."}],
    "encrypted_content": SEALED,
}
LONG = "call_" + "a" * 187


def situation(odd: bool = False, **profile: Any) -> Situation:
    return Situation(
        "ai-gateway",
        "gpt",
        "responses",
        MODEL,
        replace(profile_of(MODEL), **profile),
        rules=frozenset({"resp-id-64"} if odd else ()),
        oddities=frozenset({"resp-sse-id-mismatch"} if odd else ()),
    )


def body(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": list(items) or "Hello there", **fields}


REFUSALS = [
    (body(frobnicate=1), "frobnicate", "unknown_parameter", "Unknown parameter: 'frobnicate'."),
    (body(stop=["END"]), "stop", "unknown_parameter", "Unknown parameter: 'stop'."),
    (
        body({**ASKED, "colour": "red"}),
        "input[0].colour",
        "unknown_parameter",
        "Unknown parameter: 'input[0].colour'.",
    ),
    (
        body({"role": "user", "content": [{"type": "input_text", "text": "a", "b": 1}]}),
        "input[0].content[0].b",
        "unknown_parameter",
        "Unknown parameter: 'input[0].content[0].b'.",
    ),
    ({"model": MODEL}, "input", "missing_required_parameter", "Missing required parameter: 'input'."),
    (
        body({"type": "function_call", "name": "add", "arguments": "{}"}),
        "input[0].call_id",
        "missing_required_parameter",
        "Missing required parameter: 'input[0].call_id'.",
    ),
    (
        body(max_output_tokens="many"),
        "max_output_tokens",
        "invalid_type",
        "Invalid type for 'max_output_tokens': expected an integer, but got a string instead.",
    ),
    (
        body({"role": "user", "content": [{"type": "text", "text": "a"}]}),
        "input[0].content[0].type",
        "invalid_value",
        "Invalid value: 'text'. Supported values are: 'input_text', 'input_image', and 'input_file'.",
    ),
    (
        body({"type": "function_call", **CALL, "call_id": LONG}),
        "input[0].call_id",
        "string_above_max_length",
        (
            "Invalid 'input[0].call_id': string too long. Expected a string with maximum length 64, but got a string with "
            "length 192 instead."
        ),
    ),
    (
        body({**CALL, "id": "call_9"}, RESULT),
        "input[0].id",
        "invalid_value",
        "Invalid 'input[0].id': 'call_9'. Expected an ID that begins with 'fc'.",
    ),
    (
        body({"type": "message", "id": "x", "role": "assistant", "content": "hi"}),
        "input[0].id",
        "invalid_value",
        "Invalid 'input[0].id': 'x'. Expected an ID that begins with 'msg'.",
    ),
    (body(ASKED, CALL), "input", None, "No tool output found for function call call_1."),
    (body(ASKED, RESULT), "input", None, "No tool call found for function call output with call_id call_1."),
    (
        body(ASKED, THOUGHT),
        "input",
        None,
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
    ),
    (
        body(THOUGHT, ASKED),
        "input",
        None,
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
    ),
    (
        body(ASKED, {**THOUGHT, "encrypted_content": None}, CALL, RESULT),
        "input",
        None,
        (
            "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false. Try again with `store` "
            "set to true, or remove this item from your input."
        ),
    ),
    (
        body(ASKED, {**THOUGHT, "summary": [{"type": "summary_text", "text": "Else."}]}, CALL, RESULT),
        None,
        "invalid_encrypted_content",
        "The encrypted content for item rs_1 could not be verified.",
    ),
    (body({"type": "item_reference", "id": "msg_1"}), "input", None, "Item with id 'msg_1' not found."),
    (
        body(previous_response_id="resp_1"),
        "previous_response_id",
        "previous_response_not_found",
        "Previous response with id 'resp_1' not found.",
    ),
    (
        body(temperature=0.5),
        "temperature",
        "unsupported_parameter",
        "Unsupported parameter: 'temperature' is not supported with this model.",
    ),
    (
        body(reasoning={"effort": "max"}),
        "reasoning.effort",
        "unsupported_value",
        "Invalid value: 'max'. Supported values are: 'none', 'low', 'medium', 'high', and 'xhigh'.",
    ),
    (
        body(tool_choice="required"),
        "tool_choice",
        None,
        "Tool choice 'required' must be specified with 'tools' parameter.",
    ),
    (
        body(tools=[TOOL], tool_choice={"type": "function", "name": "sub"}),
        "tool_choice",
        None,
        "Tool choice 'sub' not found in 'tools' parameter.",
    ),
    (
        body(tools=[{**TOOL, "parameters": {"type": "string"}}]),
        "tools[0].parameters",
        "invalid_function_parameters",
        "Invalid schema for function 'add': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"string\"'.",
    ),
    (
        body(tools=[{**TOOL, "parameters": {"type": "object", "required": "x"}}]),
        "tools[0].parameters",
        "invalid_function_parameters",
        "Invalid schema for function 'add': it is not valid JSON Schema.",
    ),
    (
        body(text={"format": {"type": "json_schema", "name": "sum", "schema": {"anyOf": {}}}}),
        "text.format.schema",
        "invalid_json_schema",
        "Invalid schema for response_format 'sum': it is not valid JSON Schema.",
    ),
    (
        body(tools=[{**TOOL, "parameters": {**SCHEMA, "required": ["x"]}}]),
        "tools[0].parameters",
        "invalid_function_parameters",
        (
            "Invalid schema for function 'add': In context=(), 'required' is required to be supplied and to be an array "
            "including every key in properties. Missing 'y'."
        ),
    ),
    (
        body(text={"format": {"type": "json_schema", "name": "sum", "strict": True, "schema": {"type": "object"}}}),
        "text.format.schema",
        "invalid_json_schema",
        (
            "Invalid schema for response_format 'sum': In context=(), 'additionalProperties' is required to be supplied "
            "and to be false."
        ),
    ),
]


@pytest.mark.parametrize(("request_body", "param", "code", "words"), REFUSALS, ids=[case[3][:70] for case in REFUSALS])
def test_the_vendor_refuses_it_in_its_own_words(request_body, param, code, words):
    with pytest.raises(Refused) as refused:
        wire_responses.read(request_body, situation(), None)
    assert refused.value.status == 400
    assert refused.value.body == {
        "error": {"message": words, "type": "invalid_request_error", "param": param, "code": code}
    }


RULE_BREAKERS = {
    "resp-id-64": (
        body(ASKED, CALL, {**RESULT, "call_id": LONG}),
        (
            "Invalid 'input[2].call_id': string too long. Expected a string with maximum length 64, but got a string with "
            "length 192 instead."
        ),
    ),
    "resp-output-only-fields": (
        body(ASKED, {**CALL, "status": "completed"}, RESULT),
        "Unknown parameter: 'input[1].status'.",
    ),
    "resp-stateless": (body(previous_response_id="resp_1"), "Unknown parameter: 'previous_response_id'."),
    "schema-object-root": (
        body(tools=[{**TOOL, "strict": False, "parameters": {"properties": {}}}]),
        "Invalid schema for function 'add': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.",
    ),
    "schema-limits": (
        body(tools=[{**TOOL, "parameters": {"type": "object", "properties": {"x": {"$ref": "#/$defs/X"}}}}]),
        "Invalid schema for function 'add': reference to component '#/$defs/X' which was not found in the schema.",
    ),
    "tools-cap-32": (
        body(tools=[{**TOOL, "name": f"tool_{number}"} for number in range(33)]),
        (
            "Invalid 'tools': array too long. Expected an array with maximum length 32, but got an array with length 33 "
            "instead."
        ),
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
    assert refused.message == words
    assert rule.check(body(ASKED, THOUGHT, CALL, RESULT, tools=[TOOL]), situation()) is None


def test_a_null_field_of_an_item_is_unknown_too():
    rule = next(rule for rule in RULES if rule.name == "resp-output-only-fields")
    refused = rule.check(body(ASKED, {**CALL, "namespace": None}, RESULT), situation())
    assert refused is not None
    assert refused.message == "Unknown parameter: 'input[1].namespace'."


def test_the_tool_cap_holds_on_model_serving_only():
    rule = next(rule for rule in RULES if rule.name == "tools-cap-32")
    assert rule.applies("model-serving", "gpt", "responses")
    assert not rule.applies("ai-gateway", "gpt", "responses")
    assert not rule.applies("model-serving", "claude", "responses")


def test_everything_in_a_request_is_understood():
    request = body(
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look and add"},
                {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
            ],
        },
        THOUGHT,
        CALL,
        {
            **RESULT,
            "output": [
                {"type": "input_text", "text": "5"},
                {"type": "input_image", "image_url": "https://x/y", "detail": "low"},
            ],
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "It is 5.", "annotations": []}]},
        {"role": "user", "content": "Again"},
        instructions="Be brief.",
        tools=[TOOL, {**TOOL, "name": "sub"}, {"type": "web_search"}],
        tool_choice={"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "sub"}]},
        parallel_tool_calls=False,
        max_output_tokens=99,
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": {"type": "json_schema", "name": "sum", "schema": {"type": "object"}}},
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        stream=True,
    )
    ask = wire_responses.read(request, situation(), None)
    assert [(turn.role, turn.text, turn.media, turn.calls, turn.results, turn.signatures) for turn in ask.turns] == [
        ("system", "Be brief.", (), (), (), ()),
        ("user", "Look and add", ("image", "pdf"), (), (), ()),
        ("assistant", "", (), (("call_1", "add"),), (), (SEALED,)),
        ("tool", "", ("image",), (), (("call_1", "5"),), ()),
        ("assistant", "It is 5.", (), (), (), ()),
        ("user", "Again", (), (), (), ()),
    ]
    assert [tool.name for tool in ask.tools] == ["sub"]
    assert (ask.choice, ask.forced, ask.parallel, ask.max_tokens) == ("required", None, False, 99)
    assert (ask.schema, ask.reasoning, ask.logprobs, ask.stream) == ({"type": "object"}, True, True, True)


@pytest.mark.parametrize(
    ("fields", "efforts", "reasons"),
    [
        ({"reasoning": {"effort": "low"}}, ("none", "low"), True),
        ({"reasoning": {"effort": "none"}}, ("none", "low"), False),
        ({}, ("none", "low"), False),
        ({}, ("minimal", "low"), True),
    ],
)
def test_a_model_reasons_when_asked_or_when_it_cannot_be_switched_off(fields, efforts, reasons):
    assert wire_responses.read(body(**fields), situation(efforts=efforts), None).reasoning is reasons


def test_a_forced_function_is_understood():
    ask = wire_responses.read(body(tools=[TOOL], tool_choice={"type": "function", "name": "add"}), situation(), None)
    assert (ask.choice, ask.forced) == ("required", "add")


# Writing

EVENTS = TypeAdapter(openai.types.responses.ResponseStreamEvent)
REASONING = {"effort": "low", "summary": "auto"}
ASKS = {
    "text": body(),
    "reasoning": body(reasoning=REASONING),
    "reasoning without a summary": body(reasoning={"effort": "low"}),
    "a call": body(ASKED, tools=[TOOL], reasoning=REASONING),
    "two calls": body({"role": "user", "content": "Add 2 and 3 both ways"}, tools=[TOOL]),
    "a call without arguments": body(ASKED, tools=[{"type": "function", "name": "now"}]),
    "length": body(max_output_tokens=1),
    "filter": body({"role": "user", "content": "Hello there [filter]"}),
    "refusal": body({"role": "user", "content": "Hello there [refuse]"}),
    "citation": body({"role": "user", "content": "Hello there [cite]"}),
    "logprobs": body(include=["message.output_text.logprobs"]),
    "json": body(text={"format": {"type": "json_schema", "name": "sum", "strict": True, "schema": SCHEMA}}),
}


def exchange(name: str) -> tuple[ParsedRequest, Answer]:
    ask = wire_responses.read(ASKS[name], situation(), None)
    return ask, answer(ask, situation(), Memory())


@pytest.mark.parametrize("odd", [False, True], ids=["plain", "odd"])
@pytest.mark.parametrize("name", ASKS)
def test_the_vendor_takes_a_whole_answer_as_its_own(name, odd):
    ask, made = exchange(name)
    written = wire_responses.whole(made, ask, situation(odd))
    response = TypeAdapter(openai.types.responses.Response).validate_python(written)
    assert unknown_keys(response) == []


@pytest.mark.parametrize("odd", [False, True], ids=["plain", "odd"])
@pytest.mark.parametrize("name", ASKS)
def test_the_vendor_takes_every_event_of_a_stream_as_its_own(name, odd):
    ask, made = exchange(name)
    raw = list(wire_responses.stream(made, ask, situation(odd)))
    written = events_of(raw)
    assert [event["sequence_number"] for event in written] == list(range(len(written)))
    for line, event in zip(raw, written, strict=True):
        assert line.startswith(f"event: {event['type']}\n".encode())
        assert unknown_keys(EVENTS.validate_python(event)) == []


def told(events: list[dict[str, Any]]) -> dict[int, str]:
    """What the deltas of each output say, put together by output index."""
    texts: dict[int, str] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            texts[event["output_index"]] = texts.get(event["output_index"], "") + event["delta"]
    return texts


def said(item: dict[str, Any]) -> str:
    match item["type"]:
        case "function_call":
            return str(item["arguments"])
        case "reasoning":
            return "".join(part["text"] for part in item["summary"])
        case _:
            return "".join(part.get("text") or part["refusal"] for part in item["content"])


@pytest.mark.parametrize("odd", [False, True], ids=["plain", "odd"])
@pytest.mark.parametrize("name", ASKS)
def test_a_stream_tells_the_whole_answer(name, odd):
    ask, made = exchange(name)
    whole = wire_responses.whole(made, ask, situation(odd))
    written = events_of(list(wire_responses.stream(made, ask, situation(odd))))
    assert written[-1]["type"] == f"response.{whole['status']}"
    assert written[-1]["response"] == whole
    done = [event["item"] for event in written if event["type"] == "response.output_item.done"]
    assert done == whole["output"]
    assert told(written) == {at: said(item) for at, item in enumerate(whole["output"]) if said(item)}


@pytest.mark.parametrize(
    ("name", "kinds", "status", "reason"),
    [
        ("text", ["message"], "completed", None),
        ("reasoning", ["reasoning", "message"], "completed", None),
        ("a call", ["reasoning", "function_call"], "completed", None),
        ("two calls", ["function_call", "function_call"], "completed", None),
        ("length", ["message"], "incomplete", {"reason": "max_output_tokens"}),
        ("filter", ["message"], "incomplete", {"reason": "content_filter"}),
    ],
)
def test_an_answer_has_the_items_and_the_status_of_its_end(name, kinds, status, reason):
    ask, made = exchange(name)
    written = wire_responses.whole(made, ask, situation())
    assert [item["type"] for item in written["output"]] == kinds
    assert (written["status"], written["incomplete_details"]) == (status, reason)


def test_a_refusal_is_a_part_of_a_completed_answer():
    ask, made = exchange("refusal")
    written = wire_responses.whole(made, ask, situation())
    assert written["status"] == "completed"
    assert written["output"][0]["content"] == [{"type": "refusal", "refusal": "I cannot help with that."}]


def test_reasoning_without_a_summary_comes_encrypted_only():
    ask, made = exchange("reasoning without a summary")
    item = wire_responses.whole(made, ask, situation())["output"][0]
    assert item["summary"] == []
    assert item["encrypted_content"] == made.items[0].signature


def test_encrypted_content_is_not_whole_before_its_item_is_done():
    ask, made = exchange("reasoning")
    events = events_of(list(wire_responses.stream(made, ask, situation())))
    added, done = (
        next(event["item"]["encrypted_content"] for event in events if event["type"] == f"response.output_item.{kind}")
        for kind in ("added", "done")
    )
    assert done.startswith(added)
    assert len(added) < len(done)


def test_short_ids_have_their_prefixes():
    ask, made = exchange("a call")
    thought, call = wire_responses.whole(made, ask, situation())["output"]
    assert thought["id"].startswith("rs_")
    assert call["id"].startswith("fc_")
    assert call["call_id"].startswith("call_")
    assert max(map(len, (thought["id"], call["id"], call["call_id"]))) <= 64


def test_long_ids_are_192_characters_that_differ_near_their_end():
    ask, made = exchange("two calls")
    first, second = (item["call_id"] for item in wire_responses.whole(made, ask, situation(odd=True))["output"])
    assert (len(first), len(second)) == (192, 192)
    assert first[:64] == second[:64]
    assert first != second


def test_on_the_gateway_an_item_is_announced_under_another_id():
    ask, made = exchange("text")
    events = events_of(list(wire_responses.stream(made, ask, situation(odd=True))))
    announced = next(event["item"]["id"] for event in events if event["type"] == "response.output_item.added")
    used = {event["item_id"] for event in events if "item_id" in event}
    assert len(used) == 1
    assert announced not in used


def test_cached_and_reasoning_tokens_are_inside_the_totals():
    made = Answer("id", MODEL, (TextItem("text", "hi"),), "stop", Counts(100, 10, cache_read=60, reasoning=4))
    assert wire_responses.whole(made, ParsedRequest(MODEL, ()), situation())["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 0},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 110,
    }


def test_what_was_answered_can_be_replayed():
    ask, made = exchange("a call")
    output = wire_responses.whole(made, ask, situation())["output"]
    result = {"type": "function_call_output", "call_id": output[-1]["call_id"], "output": "5"}
    again = wire_responses.read(body(ASKED, *output, result, tools=[TOOL]), situation(), None)
    assert again.turns[1].signatures == (made.items[0].signature,)
    assert again.turns[1].calls[0][0] == again.turns[2].results[0][0]


def test_the_event_of_the_end_is_told_from_the_others():
    ask, made = exchange("length")
    written = list(wire_responses.stream(made, ask, situation()))
    assert [wire_responses.is_terminal(event) for event in written].index(True) == len(written) - 1


def test_an_error_ends_a_response_that_has_begun_and_stands_alone_before_that():
    code = "rate_limit_exceeded"
    failed, flat = (
        events_of([wire_responses.error_event(429, code, "no", started=started)])[0] for started in (True, False)
    )
    assert failed["type"] == "response.failed"
    assert failed["response"] == wire_responses.failed(429, code, "no")
    assert failed["response"]["error"] == {"code": code, "message": "no"}
    assert flat == {"type": "error", "sequence_number": 0, "code": code, "message": "no", "param": None}
    for event in (failed, flat):
        assert unknown_keys(EVENTS.validate_python(event)) == []
