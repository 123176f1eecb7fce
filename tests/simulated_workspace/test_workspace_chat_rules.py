"""Every refusal of the simulated workspace on chat-completions: what breaks it, what it says, where it is in force."""

from __future__ import annotations

import copy

import pytest

from dbx_gateway.testing import Workspace
from dbx_gateway.testing.apis.chat_completions.wire import RULES

CLAUDE = "databricks-claude-sonnet-4-5"
GPT = "databricks-gpt-5-1"
GPT_6 = "databricks-gpt-6-astra"
GEMINI = "databricks-gemini-2-5-pro"
GEMINI_3 = "databricks-gemini-3-1-pro"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
OSS = "databricks-gpt-oss-20b"
QWEN = "databricks-qwen35-122b-a10b"
GLM = "databricks-glm-5-3"

EMPTY = '{"message":"messages: text content blocks must be non-empty"}'
USER = {"role": "user", "content": "Hello there"}
OBJECT = {"type": "object", "properties": {}}
SCHEMA_FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": OBJECT}}


def tool(parameters=None, name="ping", **function):
    shown = {} if parameters is None else {"parameters": parameters}
    return {"type": "function", "function": {"name": name, **shown, **function}}


PING = tool(OBJECT)


def made(number=1, call_id=None, **extra):
    function = {"name": "ping", "arguments": "{}"}
    return {"id": call_id or f"call_{number}", "type": "function", "function": function, **extra}


def opener(*calls, content=None):
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def result(number=1, content="done", call_id=None):
    return {"role": "tool", "tool_call_id": call_id or f"call_{number}", "content": content}


def messages(*more, **fields):
    return {"messages": [USER, *more], **fields}


def nested(schema):
    return {"type": "object", "properties": {"list": {"type": "array", "items": schema}}}


LONG = "call_" + "x" * 100

# name of the rule: model, fields of the body, the server's words
BREAKERS = {
    "unknown-fields": (GPT, {"top_banana": 1}, 'json: unknown field "top_banana"'),
    "message-fields": (
        CLAUDE,
        {"messages": [{**USER, "mood": "good"}]},
        "messages.0.mood: Extra inputs are not permitted",
    ),
    "drop-name": (GPT, {"messages": [{**USER, "name": "ann"}]}, 'json: unknown field "messages.0.name"'),
    "drop-openai-bookkeeping": (GPT, {"store": False}, 'json: unknown field "store"'),
    "no-penalties-seed": (LLAMA, {"seed": 1}, 'json: unknown field "seed"'),
    "drop-parallel-tool-calls": (
        CLAUDE,
        {"tools": [PING], "parallel_tool_calls": True},
        "parallel_tool_calls: Extra inputs are not permitted",
    ),
    "drop-stream-options": (
        LLAMA,
        {"stream": True, "stream_options": {"include_usage": True}},
        'json: unknown field "stream_options"',
    ),
    "max-tokens-name": (
        GPT_6,
        {"max_tokens": 10},
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ),
    "oss-output-cap": (
        QWEN,
        {"max_tokens": 999_999},
        f"max_tokens: 999999 > 25000, which is the maximum allowed number of output tokens for {QWEN}",
    ),
    "gpt-no-stop": (GPT, {"stop": ["END"]}, "Unsupported parameter: 'stop' is not supported with this model."),
    "claude-one-answer": (CLAUDE, {"n": 2}, "'n' must be '1' for the Anthropic provider. Received value: '2'."),
    "gpt-no-temperature": (
        GPT,
        {"temperature": 0.2},
        "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
    ),
    "effort-enum": (GPT, {"reasoning_effort": "enormous"}, "Invalid value: 'enormous'. Supported values are: "),
    "claude-thinking-modes": (
        CLAUDE,
        {"thinking": {"type": "adaptive"}},
        "thinking.type: Input should be 'enabled' or 'disabled'",
    ),
    "empty-assistant-content": (CLAUDE, messages(opener(made(), content=""), result()), EMPTY),
    "empty-parts": (CLAUDE, messages({"role": "user", "content": [{"type": "text", "text": " "}]}), EMPTY),
    "empty-tool-result": (LLAMA, messages(opener(made()), result(content="")), EMPTY),
    "bare-assistant": (
        LLAMA,
        messages({"role": "assistant", "content": None}, USER),
        "messages.1: an assistant message must have content or tool_calls",
    ),
    "split-parallel-tool-results": (
        LLAMA,
        messages(opener(made(1), made(2)), result(1), result(2)),
        "Chat message input roles must alternate (user -> assistant -> u -> a -> ...) with an optional system at the start.",
    ),
    "merge-system": (
        LLAMA,
        {"messages": [{"role": "system", "content": "be"}, {"role": "system", "content": "brief"}, USER]},
        "Chat message input may have one system message only.",
    ),
    "merge-turns": (
        LLAMA,
        messages(USER),
        "Chat message input roles must alternate (user -> assistant -> u -> a -> ...) with an optional system at the start.",
    ),
    "late-system": (
        LLAMA,
        messages({"role": "assistant", "content": "Hi"}, {"role": "system", "content": "be brief"}, USER),
        "Chat message input roles must alternate (user -> assistant -> u -> a -> ...) with an optional system at the start.",
    ),
    "user-first": (
        CLAUDE,
        {"messages": [{"role": "assistant", "content": "Hi"}, USER]},
        "A conversation must start with a user message.",
    ),
    "trailing-assistant": (
        "databricks-claude-sonnet-4-6",
        messages({"role": "assistant", "content": "Well,"}),
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    ),
    "reasoning-replay": (
        CLAUDE,
        messages({"role": "assistant", "content": [{"type": "reasoning", "summary": []}]}, USER),
        "messages.1: Invalid data in redacted_thinking",
    ),
    "resp-id-64": (
        GPT,
        messages(opener(made(call_id=LONG)), result(call_id=LONG)),
        "Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length 64, but got a string with length 105 instead.",
    ),
    "gemini-signature": (
        GEMINI_3,
        messages(opener(made()), result()),
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly",
    ),
    "strip-strict": (
        CLAUDE,
        {"tools": [tool(OBJECT, strict=True)]},
        "tools.0.function.strict: Extra inputs are not permitted",
    ),
    "tools-with-response-format": (
        GPT,
        {"tools": [PING], "response_format": SCHEMA_FORMAT},
        "Cannot specify both response_format and tools in the same request",
    ),
    "claude-structured-output": (
        CLAUDE,
        {"response_format": SCHEMA_FORMAT},
        "response_format: Extra inputs are not permitted",
    ),
    "stream-response-format": (
        LLAMA,
        {"response_format": SCHEMA_FORMAT, "stream": True},
        "response_format is not supported while streaming",
    ),
    "params-required": (
        LLAMA,
        {"tools": [tool()]},
        'Bad request: "parameters" is a required property for "function" object in parameter "tools"',
    ),
    "schema-object-root": (
        GPT,
        {"tools": [tool({"properties": {"a": {"type": "string"}}})]},
        "Invalid schema at tools[0].function.parameters: schema must be a JSON Schema of 'type: \"object\"'",
    ),
    "tool-root-union": (
        GPT,
        {"tools": [tool({"type": "object", "anyOf": [OBJECT, OBJECT]})]},
        "Invalid schema for function 'ping': schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'",
    ),
    "tool-property-names": (
        CLAUDE,
        {"tools": [tool({"type": "object", "properties": {"$top": {"type": "integer"}}})]},
        "tools.0.custom.input_schema.properties: Property keys should match pattern",
    ),
    "schema-gemini": (
        GEMINI,
        {"tools": [tool({**OBJECT, "$schema": "https://json-schema.org/draft/2020-12/schema"})]},
        "Invalid JSON payload received. Unknown name \"$schema\" at 'tools[0].function_declarations[0].parameters': Cannot find field.",
    ),
    "schema-open-models": (
        LLAMA,
        {"tools": [tool(nested({"anyOf": [{"type": "string"}, {"type": "null"}]}))]},
        "tools[0].function.parameters: keyword 'anyOf' is not supported",
    ),
    "schema-limits": (
        GPT,
        {"tools": [tool(nested({"$ref": "#/$defs/Question"}))]},
        "Invalid schema for function 'ping': reference to component '#/$defs/Question' which was not found in the schema.",
    ),
    "tools-cap-32": (
        GPT,
        {"tools": [tool(OBJECT, name=f"tool_{number}") for number in range(33)]},
        "Invalid 'tools': 33 functions given, the maximum is 32.",
    ),
    "tool-choice-required": (
        QWEN,
        {"tools": [PING], "tool_choice": "required"},
        "tool_choice: 'required' is not supported",
    ),
    "claude-forced-tool": (
        CLAUDE,
        {
            "tools": [PING],
            "tool_choice": "required",
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "max_tokens": 2048,
        },
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    "gpt-tools-effort": (
        GPT_6,
        {"tools": [PING]},
        "Function tools with reasoning_effort are not supported for gpt-6-astra in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
    ),
}
SURFACES = {"oss-output-cap": "ai-gateway"}


def words(answer):
    """The message of an error body, in whichever shape it came."""
    body = answer.json()
    return body["message"] if "message" in body else body["error"]["message"]


def ask(call, name):
    model, fields, _ = BREAKERS[name]
    return call.chat(model, surface=SURFACES.get(name, "serving-endpoints"), **fields)


def test_every_refusal_has_a_body_that_breaks_it():
    assert set(BREAKERS) == {rule.name for rule in RULES if rule.kind == "refusal"}


def test_every_rule_has_a_name_of_its_own():
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", BREAKERS)
def test_a_rule_refuses_in_the_servers_words(call, name):
    answer = ask(call, name)
    assert answer.status_code == 400
    assert words(answer).startswith(BREAKERS[name][2])


@pytest.mark.parametrize("name", BREAKERS)
def test_the_same_body_is_answered_without_the_rule(caller, name):
    assert ask(caller(Workspace(without=[name])), name).status_code == 200


@pytest.mark.parametrize("name", BREAKERS)
def test_a_rule_leaves_the_body_as_it_was(call, name):
    before = copy.deepcopy(BREAKERS[name])
    ask(call, name)
    assert before == BREAKERS[name]


def test_a_refusal_is_in_the_ledger_and_costs_nothing(call):
    ask(call, "drop-name")
    (entry,) = call.workspace.ledger.model_calls()
    assert (entry.status, entry.model, entry.billed.input, entry.billed.output) == (400, GPT, 0, 0)


def test_plain_mode_knows_none_of_these_rules_but_the_formats_own(plain_call):
    theirs = {"unknown-fields", "reasoning-replay", "claude-thinking-modes", "claude-forced-tool"}
    for name in sorted(set(BREAKERS) - theirs):
        assert ask(plain_call, name).status_code == 200, name


def test_plain_mode_refuses_a_field_the_format_does_not_have(plain_call):
    answer = ask(plain_call, "unknown-fields")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Unrecognized request argument supplied: top_banana"


def test_the_google_families_errors_are_googles(call):
    assert ask(call, "schema-gemini").json()["error"]["status"] == "INVALID_ARGUMENT"


def test_an_error_may_be_json_inside_json(call):
    assert ask(call, "empty-parts").json() == {"error_code": "BAD_REQUEST", "message": EMPTY}


# Where a rule is not in force


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (GPT, {"tools": [tool(OBJECT, strict=True)]}),
        (CLAUDE, messages(opener(made(1), made(2)), result(1), result(2))),
        (GEMINI, messages(opener(made(1), made(2)), result(1), result(2))),
        (CLAUDE, {"messages": [{"role": "system", "content": "be"}, {"role": "system", "content": "brief"}, USER]}),
        (CLAUDE, {"stream": True, "stream_options": {"include_usage": True}}),
        (CLAUDE, messages({"role": "assistant", "content": "Well,"})),
        (GPT, {"response_format": SCHEMA_FORMAT, "stream": True}),
        (GPT, {"max_tokens": 10}),
        (GPT_6, {"max_completion_tokens": 10}),
        (GPT_6, {"tools": [PING], "reasoning_effort": "none"}),
        (GPT, {"tools": [PING]}),
        (CLAUDE, {"tools": [tool({**OBJECT, "$schema": "https://json-schema.org/draft/2020-12/schema"})]}),
        (GLM, {"tools": [tool(nested({"anyOf": [{"type": "string"}, {"type": "null"}]}))]}),
        (GLM, {"tools": [PING], "tool_choice": "required"}),
        (CLAUDE, {"tools": [PING], "tool_choice": "required"}),
        (CLAUDE, {"tools": [tool(OBJECT, name=f"tool_{number}") for number in range(33)]}),
        (CLAUDE, {"temperature": 0.2}),
        (GEMINI, messages(opener(made()), result())),
        (GEMINI_3, messages(opener(made()), result(), {"role": "assistant", "content": "Done."}, USER)),
    ],
)
def test_a_rule_is_in_force_for_its_families_only(call, model, fields):
    answer = call.chat(model, **fields)
    assert answer.status_code == 200, answer.text


def test_the_gateway_has_no_cap_on_tools(call):
    model, fields, _ = BREAKERS["tools-cap-32"]
    assert call.chat(model, surface="ai-gateway", **fields).status_code == 200


def test_model_serving_has_no_cap_on_output(call):
    model, fields, _ = BREAKERS["oss-output-cap"]
    assert call.chat(model, **fields).status_code == 200


@pytest.mark.parametrize(
    ("family", "schema", "text"),
    [
        (GEMINI, nested({"$ref": "#/$defs/Question"}), "Schema.ref 'Question' was set alongside unsupported fields"),
        (GEMINI, nested({"type": "array", "prefixItems": [{"type": "string"}]}), "must be a boolean or an object"),
        (OSS, nested({"type": "string", "maxLength": 5}), "keyword 'maxLength' is not supported"),
        (LLAMA, nested({"type": "string", "pattern": "a+"}), "keyword 'pattern' is not supported"),
        (LLAMA, nested({"$ref": "#/$defs/Question"}), "keyword '$ref' is not supported"),
    ],
)
def test_each_keyword_a_family_lacks_is_refused_at_any_depth(call, family, schema, text):
    answer = call.chat(family, tools=[tool(schema)])
    assert answer.status_code == 400
    assert text in words(answer)


def test_a_property_may_be_called_like_a_keyword(call):
    schema = {"type": "object", "properties": {"anyOf": {"type": "string"}, "pattern": {"enum": ["$ref"]}}}
    assert call.chat(LLAMA, tools=[tool(schema)]).status_code == 200


def test_a_gemini_call_that_brings_its_signature_back_is_accepted_and_an_altered_one_refused(call):
    fields = {"tools": [PING]}
    (own,) = call.chat(GEMINI_3, **fields).json()["choices"][0]["message"]["tool_calls"]
    good = messages(opener(own), result(call_id=own["id"]), **fields)
    assert call.chat(GEMINI_3, **good).status_code == 200
    altered = {**own, "thoughtSignature": "A" + own["thoughtSignature"][1:-4] + "AAA="}
    bad = messages(opener(altered), result(call_id=own["id"]), **fields)
    answer = call.chat(GEMINI_3, **bad)
    assert (answer.status_code, "signature" in words(answer)) == (400, True)
    assert call.chat("databricks-gemini-3-flash", **good).status_code == 400


# What the format itself refuses, in both modes


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"messages": []}, "expected a non-empty array"),
        ({"messages": "hi"}, "expected a non-empty array"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}, "image_url part"),
        (messages(result()), "must be a response to a preceeding message with 'tool_calls'"),
        (messages(opener(made()), USER), "did not have response messages: call_1"),
        (messages(opener(made())), "did not have response messages: call_1"),
        (messages(opener({"id": "x"})), "messages[1].tool_calls"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "does not match pattern"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
        ({"tools": [PING, PING]}, "tool names must be unique"),
        ({"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
        ({"tools": [PING], "tool_choice": {"type": "function", "function": {"name": "nobody"}}}, "'tool_choice'"),
        ({"response_format": {"type": "json_schema"}}, "'response_format'"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
    ],
)
def test_a_malformed_body_is_refused_in_both_modes(call, plain_call, fields, text):
    for each in (call, plain_call):
        answer = each.chat(GPT, **fields)
        assert answer.status_code == 400
        assert text in words(answer)


def test_arguments_that_are_no_json_object_are_refused(call):
    broken = {"id": "call_1", "type": "function", "function": {"name": "ping", "arguments": '{"a":'}}
    assert "arguments must be a JSON object" in words(call.chat(GPT, **messages(opener(broken), result())))
