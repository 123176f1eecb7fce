"""The generateContent api of the simulated workspace: what it refuses, what it understands, what the vendor makes of it."""

from dataclasses import replace
from typing import Any

import pytest
from google.genai import types
from simulated_workspace.strictness import events_of

from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing.apis.generate_content import wire as wire_generate_content
from dbx_gateway.testing.apis.generate_content.workspace_rules import RULES
from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.model.brain import Memory, answer
from dbx_gateway.testing.model.conversation import Answer, Counts, ParsedRequest, TextItem
from dbx_gateway.testing.model.situation import Situation

OLD, NEW = "databricks-gemini-2-5-pro", "databricks-gemini-3-pro"
SCHEMA = {
    "type": "OBJECT",
    "properties": {"x": {"type": "INTEGER"}, "y": {"type": "INTEGER"}},
    "required": ["x", "y"],
}
ADD = {"name": "add", "parameters": SCHEMA}
CALL = {"functionCall": {"name": "add", "args": {"x": 2, "y": 3}}}
SIGNED = {**CALL, "thoughtSignature": "c2lnbmVk"}
RESULT = {"functionResponse": {"name": "add", "response": {"output": "5"}}}
MARKED = {"type": "object", "$schema": "https://json-schema.org/draft/2020-12/schema", "properties": {"x": {}}}


def situation(model: str = OLD, **profile: Any) -> Situation:
    return Situation("model-serving", "gemini", "generate-content", model, replace(profile_of(model), **profile))


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def text(words: str) -> dict[str, Any]:
    return {"text": words}


def body(*contents: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"contents": list(contents) or [user(text("Hello there"))], **fields}


def tools(*declarations: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"functionDeclarations": list(declarations)}]


def parameters(schema: dict[str, Any]) -> dict[str, Any]:
    return body(tools=tools({"name": "add", "parameters": schema}))


ASKED = user(text("Add 2 and 3"))
UNKNOWN = "Invalid JSON payload received. Unknown name "
UNEQUAL = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)
REFUSALS = [
    (body(frobnicate=1), OLD, UNKNOWN + '"frobnicate": Cannot find field.'),
    (
        body(tools=tools({**ADD, "strict": True})),
        OLD,
        UNKNOWN + "\"strict\" at 'tools[0].function_declarations[0]': Cannot find field.",
    ),
    (
        body(generationConfig={"temperature": "hot"}),
        OLD,
        "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\"",
    ),
    (
        body({"role": "assistant", "parts": [text("a")]}),
        OLD,
        "Please use a valid role: user, model.",
    ),
    (
        parameters(MARKED),
        OLD,
        UNKNOWN + "\"$schema\" at 'tools[0].function_declarations[0].parameters': Cannot find field.",
    ),
    (
        parameters({"type": "object", "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}}}),
        OLD,
        UNKNOWN
        + "\"exclusiveMinimum\" at 'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.",
    ),
    (
        parameters({"type": "object", "properties": {"n": {"type": "array", "prefixItems": []}}}),
        OLD,
        UNKNOWN
        + "\"prefixItems\" at 'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.",
    ),
    (
        parameters({"type": "object", "properties": {"n": {"type": ["string", "null"]}}}),
        OLD,
        UNKNOWN + "\"type\" at 'tools[0].function_declarations[0].parameters.properties[0].value': "
        "Proto field is not repeating, cannot start list.",
    ),
    (
        parameters({"type": "object", "properties": {"n": {"enum": [1]}}}),
        OLD,
        "Invalid value at 'tools[0].function_declarations[0].parameters.properties[0].value.enum[0]' (TYPE_STRING), 1",
    ),
    (
        parameters({"type": "object", "properties": {"n": {"$ref": "#/$defs/Size", "type": "object"}}}),
        OLD,
        "Schema.ref 'Size' was set alongside unsupported fields.",
    ),
    (
        parameters({"type": "object"}),
        OLD,
        (
            "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties: should be non-empty for "
            "OBJECT type"
        ),
    ),
    (
        body(tools=tools({"name": "add", "parametersJsonSchema": {"type": 3}})),
        OLD,
        "parameters_json_schema is not valid JSON Schema.",
    ),
    (
        body(generationConfig={"responseMimeType": "application/json", "responseJsonSchema": {"enum": 3}}),
        OLD,
        "response_json_schema is not valid JSON Schema.",
    ),
    (
        body(ASKED, model({"functionCall": {"args": {}}}), user(RESULT)),
        OLD,
        "Name cannot be empty.",
    ),
    (body(user({"inlineData": {"mimeType": "image/jpg", "data": "AAAA"}})), OLD, "Unsupported MIME type: image/jpg"),
    (body(user({"inlineData": {"mimeType": "IMAGE/PNG", "data": "AAAA"}})), OLD, "Unsupported MIME type: IMAGE/PNG"),
    (body(contents=[]), OLD, "contents is not specified"),
    (body(user()), OLD, "contents.parts must not be empty"),
    (body(user({"thought": True})), OLD, "required oneof field 'data' must have one initialized field"),
    (body(user({**text("a"), **CALL})), OLD, "oneof field 'data' is already set"),
    (body(ASKED, model(CALL), user(text("well?"))), OLD, UNEQUAL),
    (body(ASKED, model(CALL, CALL), user(RESULT)), OLD, UNEQUAL),
    (body(ASKED, model(CALL)), OLD, UNEQUAL),
    (
        body(ASKED, model(text("hm")), user(RESULT)),
        OLD,
        "function response turn comes immediately after a function call turn",
    ),
    (body(model(CALL), user(RESULT)), OLD, "function call turn comes immediately after a user turn"),
    (
        body(ASKED, model(text("hm")), model(CALL), user(RESULT)),
        OLD,
        "function call turn comes immediately after a user turn",
    ),
    (
        body(ASKED, model(CALL), user({"functionResponse": {"name": "sub", "response": {}}})),
        OLD,
        "carries the name of its function call",
    ),
    (
        body(ASKED, model(CALL), user(RESULT)),
        NEW,
        (
            "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
            "correctly"
        ),
    ),
    (
        body(ASKED, model(SIGNED), user(RESULT), model(text("Once more."), CALL), user(RESULT)),
        NEW,
        "`default_api:add` , position 2.",
    ),
    (
        body(toolConfig={"functionCallingConfig": {"mode": "ANY"}}),
        OLD,
        "Function calling config is set without function_declarations.",
    ),
    (
        body(tools=tools(ADD), toolConfig={"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["add"]}}),
        OLD,
        "Allowed function names should only be set when function calling mode is ANY or VALIDATED.",
    ),
    (
        body(tools=tools(ADD), toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["sub"]}}),
        OLD,
        "allowed_function_names contains `sub` which is not declared",
    ),
    (body(tools=tools(ADD, ADD)), OLD, "Duplicate function declaration found: add"),
    (body(tools=tools({"name": "1st"})), OLD, "Invalid function name."),
    (
        body(tools=tools({**ADD, "parametersJsonSchema": {"type": "object"}})),
        OLD,
        "parameters and parameters_json_schema must not both be set.",
    ),
    (
        body(generationConfig={"responseSchema": SCHEMA}),
        OLD,
        "only allowed for response mime type application/json",
    ),
    (
        body(tools=tools(ADD), generationConfig={"responseMimeType": "application/json"}),
        OLD,
        "Function calling with a response mime type: 'application/json' is unsupported",
    ),
    (
        body(generationConfig={"thinkingConfig": {"thinkingLevel": "LOW"}}),
        OLD,
        "Thinking level is not supported for this model.",
    ),
    (
        body(generationConfig={"thinkingConfig": {"thinkingLevel": "XHIGH"}}),
        NEW,
        "Thinking level XHIGH is not supported for this model.",
    ),
    (
        body(generationConfig={"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 9}}),
        NEW,
        "only one of thinking budget and thinking level",
    ),
]


@pytest.mark.parametrize(
    ("request_body", "name", "words"),
    REFUSALS,
    ids=[f"{number} {case[2][-50:]}" for number, case in enumerate(REFUSALS)],
)
def test_the_vendor_refuses_it_in_its_own_words(request_body, name, words):
    with pytest.raises(Refused) as refused:
        wire_generate_content.read(request_body, situation(name), name)
    assert words in refused.value.message
    error = refused.value.body["error"]
    assert (error["code"], error["status"], error["message"]) == (400, "INVALID_ARGUMENT", refused.value.message)


SCHEMAS = next(rule for rule in RULES if rule.name == "schema-gemini")


def test_the_rules_are_about_the_first_turn_and_schemas():
    assert [(rule.name, rule.kind) for rule in RULES] == [("user-first", "refusal"), ("schema-gemini", "refusal")]


def test_a_conversation_that_begins_with_the_model_is_refused():
    rule = next(rule for rule in RULES if rule.name == "user-first")
    asked = {"role": "user", "parts": [{"text": "Hi"}]}
    refused = rule.check({"contents": [{"role": "model", "parts": [{"text": "Hi"}]}, asked]}, situation())
    assert refused.message == "Please ensure that multiturn requests alternate between user and model."
    assert rule.check({"contents": [asked]}, situation()) is None


@pytest.mark.parametrize(
    ("broken", "at"),
    [
        (parameters(MARKED), "tools[0].function_declarations[0].parameters"),
        (
            body(tools=tools({"name": "add", "parametersJsonSchema": {"type": "object", "properties": {"x": MARKED}}})),
            "tools[0].function_declarations[0].parameters.properties.x",
        ),
        (body(generationConfig={"responseSchema": MARKED}), "generation_config.response_schema"),
        (body(generationConfig={"responseJsonSchema": MARKED}), "generation_config.response_schema"),
    ],
)
def test_the_rule_refuses_a_schema_mark_wherever_it_stands(broken, at):
    refused = SCHEMAS.check(broken, situation())
    assert refused is not None
    assert refused.message == f"{UNKNOWN}\"$schema\" at '{at}': Cannot find field."


def test_a_property_may_be_called_like_the_schema_mark():
    schema = {"type": "object", "properties": {"$schema": {"type": "string"}}}
    assert SCHEMAS.check(parameters(schema), situation()) is None
    assert SCHEMAS.check(body(tools=tools({"name": "add", "parametersJsonSchema": schema})), situation()) is None


def test_everything_in_a_request_is_understood():
    request = body(
        user(
            text("Look and add"),
            {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
            {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
            {"fileData": {"mimeType": "audio/wav", "fileUri": "gs://a/b"}},
        ),
        model({"text": "Hm.", "thought": True}, {"text": "Adding."}, SIGNED, CALL),
        user(RESULT, {"functionResponse": {"name": "add", "response": {"error": "no"}}}),
        systemInstruction={"parts": [text("Be brief.")]},
        tools=tools(ADD, {"name": "sub"}),
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["add"]}},
        generationConfig={
            "maxOutputTokens": 99,
            "stopSequences": ["END"],
            "candidateCount": 2,
            "thinkingConfig": {"includeThoughts": True},
        },
    )
    ask = wire_generate_content.read(request, situation(), OLD)
    assert [(turn.role, turn.text, turn.media, turn.calls, turn.results, turn.signatures) for turn in ask.turns] == [
        ("system", "Be brief.", (), (), (), ()),
        ("user", "Look and add", ("image", "pdf", "audio"), (), (), ()),
        ("assistant", "Adding.", (), (("1.2", "add"), ("1.3", "add")), (), ("c2lnbmVk",)),
        ("tool", "", (), (), (("1.2", "5"), ("1.3", "Error: no")), ()),
    ]
    assert (ask.choice, ask.forced, [tool.name for tool in ask.tools]) == ("required", "add", ["add"])
    assert (ask.max_tokens, ask.stop, ask.n, ask.reasoning) == (99, ("END",), 2, True)


def test_responses_find_their_calls_by_id_where_they_have_one():
    calls = [{"functionCall": {"id": name, "name": "add", "args": {}}} for name in ("a", "b")]
    results = [{"functionResponse": {"id": name, "name": "add", "response": {"output": name}}} for name in ("b", "a")]
    ask = wire_generate_content.read(body(ASKED, model(*calls), user(*results)), situation(), OLD)
    assert ask.turns[-1].results == (("b", "b"), ("a", "a"))


def test_structured_output_is_understood_in_both_of_its_fields():
    config = {"responseMimeType": "application/json"}
    for key in ("responseSchema", "responseJsonSchema"):
        ask = wire_generate_content.read(body(generationConfig={**config, key: SCHEMA}), situation(), OLD)
        assert (ask.schema, ask.json_mode) == (SCHEMA, False)
    ask = wire_generate_content.read(body(generationConfig=config), situation(), OLD)
    assert (ask.schema, ask.json_mode) == (None, True)


def test_fields_are_understood_under_their_original_names_too_and_names_of_the_users_stay():
    schema = {"type": "OBJECT", "properties": {"max_items": {"type": "ARRAY", "max_items": 3}}}
    request = {
        "contents": [user(text("Look"), {"inline_data": {"mime_type": "image/png", "data": "aGk="}})],
        "tools": [{"function_declarations": [{"name": "add", "parameters": schema}]}],
        "generation_config": {"max_output_tokens": 3},
    }
    ask = wire_generate_content.read(request, situation(), OLD)
    assert (ask.turns[0].media, ask.max_tokens) == (("image",), 3)
    assert ask.tools[0].schema["properties"] == {"max_items": {"type": "ARRAY", "maxItems": 3}}


def test_a_signature_of_another_model_may_be_stood_in_for():
    call = {**CALL, "thoughtSignature": "skip_thought_signature_validator"}
    ask = wire_generate_content.read(body(ASKED, model(call), user(RESULT)), situation(NEW), NEW)
    assert ask.turns[1].signatures == ()


def test_calls_before_the_users_last_words_need_no_signature():
    request = body(ASKED, model(CALL), user(RESULT), model(text("5")), user(text("And 4?")))
    assert len(wire_generate_content.read(request, situation(NEW), NEW).turns) == 5


# Writing

THOUGHTS = {"thinkingConfig": {"includeThoughts": True}}
ASKS = {
    "text": body(generationConfig={"thinkingConfig": {"thinkingBudget": 0}}),
    "thoughts": body(generationConfig=THOUGHTS),
    "hidden thoughts": body(),
    "a call": body(ASKED, tools=tools(ADD), generationConfig=THOUGHTS),
    "two calls": body(user(text("Add 2 and 3 both ways")), tools=tools(ADD)),
    "a call without arguments": body(ASKED, tools=tools({"name": "now"})),
    "length": body(generationConfig={"maxOutputTokens": 1}),
    "filter": body(user(text("Hello there [filter]"))),
    "blocked": body(user(text("Hello there [refuse]"))),
    "citation": body(user(text("Hello there [cite]"))),
    "two candidates": body(generationConfig={"candidateCount": 2}),
    "logprobs": body(generationConfig={"responseLogprobs": True}),
    "json": body(generationConfig={"responseMimeType": "application/json", "responseSchema": SCHEMA}),
}


def exchange(name: str, of: str = OLD) -> tuple[ParsedRequest, Answer]:
    ask = wire_generate_content.read(ASKS[name], situation(of), of)
    return ask, answer(ask, situation(of), Memory())


@pytest.mark.parametrize("of", [OLD, NEW])
@pytest.mark.parametrize("name", ASKS)
def test_the_vendor_takes_whole_answers_and_chunks_as_its_own(name, of):
    ask, made = exchange(name, of)
    written = [wire_generate_content.whole(made, ask, situation(of))]
    written += events_of(list(wire_generate_content.stream(made, ask, situation(of))))
    for one in written:
        types.GenerateContentResponse.model_validate(one)  # this vendor's types forbid extra keys


def merged(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The response a stream tells, put together by the reading rules of docs/wire/generate-content.md#stream."""
    told: dict[str, Any] = {}
    for chunk in chunks:
        candidates = told.get("candidates", [{"content": {"role": "model", "parts": []}} for _ in chunk["candidates"]])
        for candidate, fresh in zip(candidates, chunk["candidates"], strict=True):
            parts = candidate["content"]["parts"]
            for part in fresh["content"]["parts"]:
                if part == {"text": ""}:
                    continue
                same = (
                    parts and "text" in part and "text" in parts[-1] and parts[-1].get("thought") == part.get("thought")
                )
                if same and not {"thoughtSignature"} & {*parts[-1], *part}:
                    parts[-1] = {**part, "text": parts[-1]["text"] + part["text"]}
                else:
                    parts.append(part)
            candidate.update({key: value for key, value in fresh.items() if key != "content"})
        told = {**chunk, "candidates": candidates}
    return told


@pytest.mark.parametrize("of", [OLD, NEW])
@pytest.mark.parametrize("name", [name for name in ASKS if name != "blocked"])
def test_a_stream_tells_the_whole_answer(name, of):
    ask, made = exchange(name, of)
    chunks = events_of(list(wire_generate_content.stream(made, ask, situation(of))))
    assert merged(chunks) == wire_generate_content.whole(made, ask, situation(of))


@pytest.mark.parametrize(
    ("name", "reason"), [("text", "STOP"), ("a call", "STOP"), ("length", "MAX_TOKENS"), ("filter", "SAFETY")]
)
def test_an_answer_has_the_reason_of_its_end(name, reason):
    ask, made = exchange(name)
    assert wire_generate_content.whole(made, ask, situation())["candidates"][0]["finishReason"] == reason


def test_a_blocked_prompt_has_no_candidates():
    ask, made = exchange("blocked")
    written = wire_generate_content.whole(made, ask, situation())
    assert written["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert "candidates" not in written
    assert events_of(list(wire_generate_content.stream(made, ask, situation()))) == [written]


@pytest.mark.parametrize(("of", "has_id"), [(OLD, False), (NEW, True)])
def test_calls_have_ids_from_version_3_on_and_only_the_first_is_signed(of, has_id):
    ask, made = exchange("two calls", of)
    first, second = wire_generate_content.whole(made, ask, situation(of))["candidates"][0]["content"]["parts"]
    assert ("id" in first["functionCall"], "id" in second["functionCall"]) == (has_id, has_id)
    assert ("thoughtSignature" in first, "thoughtSignature" in second) == (True, False)


def test_thoughts_are_shown_only_when_asked_for():
    for name, thoughts in (("thoughts", 1), ("hidden thoughts", 0), ("text", 0)):
        ask, made = exchange(name)
        parts = wire_generate_content.whole(made, ask, situation())["candidates"][0]["content"]["parts"]
        assert sum(part.get("thought", False) for part in parts) == thoughts


def test_the_signature_of_a_text_comes_with_the_end_in_a_part_without_text():
    ask, made = exchange("text")
    chunks = events_of(list(wire_generate_content.stream(made, ask, situation())))
    signed = ["thoughtSignature" in part for one in chunks for part in one["candidates"][0]["content"]["parts"]]
    assert signed == [False] * (len(signed) - 1) + [True]
    assert chunks[-1]["candidates"][0]["content"]["parts"][0]["text"] == ""
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


def test_the_reason_of_the_end_comes_in_a_later_chunk_with_an_empty_text():
    ask, made = exchange("a call")
    *before, last = list(wire_generate_content.stream(made, ask, situation()))
    assert [wire_generate_content.is_terminal(event) for event in before] == [False] * len(before)
    assert wire_generate_content.is_terminal(last)
    assert events_of([last])[0]["candidates"][0]["content"]["parts"] == [{"text": ""}]


def test_usage_runs_and_thoughts_are_outside_of_the_candidates_tokens():
    said = (TextItem("reasoning", "hm hm"), TextItem("text", "one two three"))
    made = Answer("id", OLD, said, "stop", Counts(100, 10, cache_read=60, reasoning=4))
    ask = ParsedRequest(OLD, ())
    usage = wire_generate_content.whole(made, ask, situation())["usageMetadata"]
    assert usage == {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 6,
        "thoughtsTokenCount": 4,
        "totalTokenCount": 110,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
    }
    running = [one["usageMetadata"] for one in events_of(list(wire_generate_content.stream(made, ask, situation())))]
    assert [one["totalTokenCount"] for one in running] == [100, 101, 103, 105, 107, 110]
    assert running[-1] == usage


def test_what_was_answered_can_be_replayed():
    ask, made = exchange("a call", NEW)
    content = wire_generate_content.whole(made, ask, situation(NEW))["candidates"][0]["content"]
    call = content["parts"][-1]["functionCall"]
    result = {"functionResponse": {"id": call["id"], "name": "add", "response": {"output": "5"}}}
    again = wire_generate_content.read(body(ASKED, content, user(result), tools=tools(ADD)), situation(NEW), NEW)
    assert again.turns[1].signatures == (made.items[-1].signature,)
    assert again.turns[2].results == ((call["id"], "5"),)


def test_the_url_safe_alphabet_of_the_vendors_client_is_the_same_signature():
    call = {**CALL, "thoughtSignature": "a-_b"}
    ask = wire_generate_content.read(body(ASKED, model(call), user(RESULT)), situation(NEW), NEW)
    assert ask.turns[1].signatures == ("a+/b",)


@pytest.mark.parametrize(("status", "name"), [(404, "NOT_FOUND"), (429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL")])
def test_an_error_has_the_vendors_status(status, name):
    expected = {"error": {"code": status, "message": "no", "status": name}}
    assert wire_generate_content.error(status, "", "no") == expected
    assert wire_generate_content.failed(status, "", "no") == expected
    for started in (False, True):
        assert events_of([wire_generate_content.error_event(status, "", "no", started=started)]) == [expected]
