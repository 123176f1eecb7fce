import copy
import time

import pytest
from support.promises import promise

from dbx_gateway.call.repairs import Repair, learned_quirks, repair_for
from dbx_gateway.errors import BadRequestError, ContentFilterError, ContextOverflowError, NotFoundError
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import forget_notices
from dbx_gateway.quirks.quirk import Context


@pytest.fixture(autouse=True)
def _said_nothing_yet():
    forget_notices()
    yield
    forget_notices()


def at(family="other", api="chat-completions", surface="ai-gateway", **facts):
    profile = Profile(model="a-model", family=family, **facts)
    return Context(model="a-model", surface=surface, family=family, api=api, stream=False, profile=profile)


def refusal(words, status=400):
    return BadRequestError(
        f"'a-model' on ai-gateway chat-completions https://ws/x answered {status}: {words}", status=status
    )


def repaired(words, body, context=None, **options):
    """The body after the repair that the words call for; None where there is none."""
    context = context or at()
    before = copy.deepcopy(body)
    repair = repair_for(refusal(words), body, context, **options)
    if repair is None:
        return None
    result = repair.apply(body, context)
    assert body == before
    assert repair.apply(result, context) is result
    return result


ASK = {"model": "a-model", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    "words",
    [
        'json: unknown field "top_k"',
        '{"message":"json: unknown field \\"top_k\\""}',
        "top_k: Extra inputs are not permitted",
        "Unsupported parameter: 'top_k' is not supported with this model.",
        "Unknown parameter: 'top_k'.",
        "Unsupported value: 'top_k' does not support 5 with this model. Only the default (1) value is supported.",
        "Unrecognized request argument supplied: top_k",
        "`top_k` is not supported on this model.",
        "`top_k` is deprecated for this model.",
        'Invalid JSON payload received. Unknown name "top_k": Cannot find field.',
    ],
)
def test_a_field_that_the_server_names_is_left_out(words):
    assert repaired(words, {**ASK, "top_k": 5}) == ASK


def test_a_repair_says_what_it_did():
    repair = repair_for(refusal("top_k: Extra inputs are not permitted"), {**ASK, "top_k": 5}, at())
    assert repair == Repair(name="drop top_k", kind="drop", path=("top_k",))
    assert "a-model (ai-gateway, chat-completions) refuses top_k" in repair.note


@pytest.mark.parametrize(
    ("words", "given", "sent"),
    [
        ("reasoning_effort: Input should be 'low', 'medium' or 'high'", "xhigh", "high"),
        ("reasoning_effort: Input should be 'low', 'medium' or 'high'", "none", "low"),
        ("reasoning_effort: Input should be 'low', 'high' or 'max'", "medium", "low"),
        ("Invalid value: 'max'. Supported values are: 'none', 'low', 'medium', and 'high'.", "max", "high"),
        ("Unsupported value: 'minimal' is not supported. Supported values are: 'low', 'high'.", "minimal", "low"),
        ("Unsupported value: 'reasoning_effort' does not support 'max'. Supported values are: 'low'.", "max", "low"),
    ],
)
def test_an_effort_is_brought_to_the_nearest_value_the_server_names(words, given, sent):
    assert repaired(words, {**ASK, "reasoning_effort": given}) == {**ASK, "reasoning_effort": sent}


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("service_tier: Input should be 'auto' or 'standard_only'", {"service_tier": "priority"}),
        ("Invalid value: 'priority'. Supported values are: 'auto'.", {"service_tier": "priority"}),
        ("top_k: Input should be less than or equal to 4", {"top_k": 5}),
        ("temperature: Input should be less than or equal to 1", {"temperature": 1.7}),
        ("stop: Input should be a valid list", {"stop": ["a"]}),
        ("Unsupported value: 'top_k' does not support 5 with this model. Supported values are: 1 to 4.", {"top_k": 5}),
        (
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
            {"thinking": {"budget_tokens": 5}},
        ),
    ],
)
def test_a_value_out_of_range_is_the_error_of_the_user_who_set_it(words, field):
    assert repaired(words, {**ASK, **field}, at("claude", "messages")) is None


@promise("repairs-harm-nobody")
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "maxOutputTokens"])
@pytest.mark.parametrize(
    "words",
    [
        "{name}: Input should be less than or equal to 9",
        "{name}: Extra inputs are not permitted",
        "Unknown parameter: '{name}'.",
        'json: unknown field "{name}"',
    ],
)
def test_a_cap_is_never_taken_out(words, name):
    assert repaired(words.format(name=name), {**ASK, name: 10}) is None


@promise("repairs-harm-nobody")
@pytest.mark.parametrize(
    "words",
    [
        "messages[0].tool_call_id: 'tool_choice_1' does not match the expected pattern",
        "the input 'anyOf the above' is not valid",
        "messages[2]: the text 'set tool_choice to required' was blocked",
        "tools[0].function.name: String does not match pattern '^[a-z]+$'",
    ],
)
@pytest.mark.parametrize("family", ["llama", "qwen", "gpt-oss"])
def test_a_word_that_only_occurs_in_a_refusal_weakens_no_request(words, family):
    schema = {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}
    body = {
        **ASK,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        "tool_choice": "required",
    }
    assert repaired(words, body, at(family)) is None


def test_a_clamp_leaves_later_values_that_are_allowed():
    words = "reasoning_effort: Input should be 'low' or 'high'"
    repair = repair_for(refusal(words), {**ASK, "reasoning_effort": "max"}, at())
    later = {**ASK, "reasoning_effort": "low"}
    assert repair.apply(later, at()) is later
    assert repair.apply(ASK, at()) is ASK


@pytest.mark.parametrize(
    ("words", "body", "sent"),
    [
        (
            "output_config.effort: Input should be 'low', 'medium', 'high' or 'max'",
            {"output_config": {"effort": "xhigh"}},
            {"output_config": {"effort": "high"}},
        ),
        (
            "Invalid JSON payload received. Unknown name \"topK\" at 'generation_config': Cannot find field.",
            {"generationConfig": {"topK": 5, "topP": 0.5}},
            {"generationConfig": {"topP": 0.5}},
        ),
        (
            "Unknown name \"thinkingLevel\" at 'generation_config.thinking_config': Cannot find field.",
            {"generationConfig": {"thinkingConfig": {"thinkingLevel": "high"}}},
            {},
        ),
        (
            "Unknown parameter: 'reasoning.summary'.",
            {"reasoning": {"effort": "low", "summary": "auto"}},
            {"reasoning": {"effort": "low"}},
        ),
        ('json: unknown field "include_usage"', {"stream_options": {"include_usage": True}}, {}),
    ],
)
def test_fields_inside_others_are_found_by_their_path(words, body, sent):
    assert repaired(words, {**ASK, **body}) == {**ASK, **sent}


@pytest.mark.parametrize(
    "words",
    [
        "thinking.type: Input should be 'adaptive'",
        '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"',
    ],
)
def test_thinking_is_left_out_whole(words):
    body = {**ASK, "thinking": {"type": "enabled", "budget_tokens": 5}}
    assert repaired(words, body, at("claude", "messages")) == ASK


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("messages.0.name: Extra inputs are not permitted", {}),
        ("model: Extra inputs are not permitted", {}),
        ("Unknown parameter: 'input[1].status'.", {"input": [{"status": "completed"}]}),
        ("Unknown parameter: 'contents'.", {"contents": []}),
        ("tools.0.function.strict: Extra inputs are not permitted", {"tools": [{"function": {"strict": True}}]}),
        ('json: unknown field "stream"', {"stream": True}),
        ("system: Extra inputs are not permitted", {"system": "Be kind."}),
        ("Unknown parameter: 'instructions'.", {"instructions": "Be kind."}),
        ('Unknown name "systemInstruction": Cannot find field.', {"systemInstruction": {"parts": []}}),
        ('Unknown name "system_instruction": Cannot find field.', {"systemInstruction": {"parts": []}}),
    ],
)
def test_what_is_asked_is_never_touched(words, extra):
    assert repaired(words, {**ASK, **extra}) is None


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("response_format: Extra inputs are not permitted", {"response_format": {"type": "json_object"}}),
        (
            "output_config.format: Extra inputs are not permitted",
            {"output_config": {"format": {"type": "json_schema"}}},
        ),
        ("Unknown parameter: 'text.format'.", {"text": {"format": {"type": "json_object"}}}),
        ("Unknown name \"responseSchema\" at 'generation_config'", {"generationConfig": {"responseSchema": {}}}),
        (
            "output_config: Extra inputs are not permitted",
            {"output_config": {"effort": "low", "format": {"type": "json_schema"}}},
        ),
        ('json: unknown field "response_format"', {"response_format": {"type": "json_schema"}}),
        ("response_format is not supported by this endpoint", {"response_format": {"type": "json_schema"}}),
    ],
)
def test_the_form_of_an_answer_is_never_touched_but_asked_for_otherwise(words, extra):
    body = {**ASK, **extra}
    repair = repair_for(refusal(words), body, at("other"))
    assert (repair.kind, repair.name, repair.apply(body, at("other"))) == ("form", "answer by tool", body)


@pytest.mark.parametrize(
    "words", ['json: unknown field "top_k"', "messages: text content blocks must be non-empty", ""]
)
def test_words_that_name_nothing_we_sent_call_for_no_repair(words):
    assert repaired(words, ASK) is None


@pytest.mark.parametrize("piece", ["a", "a.", "a]", "aa.b", "_$", "tools.0."])
def test_hostile_words_take_time_in_proportion_to_their_length(piece):
    def seconds(length):
        words = (piece * length)[:length]
        readings = []
        for _ in range(5):
            began = time.process_time()
            repaired(words, ASK)
            readings.append(time.process_time() - began)
        return min(readings)

    # Quadratic, sixteen times as much would take 256 times as long.
    assert seconds(64_000) < 80 * max(seconds(4_000), 0.0005)


def test_a_value_that_stands_in_two_places_is_not_guessed_at():
    words = "Invalid value: 'max'. Supported values are: 'low'."
    assert repaired(words, {**ASK, "reasoning_effort": "max", "service_tier": "max"}) is None


def test_a_value_is_looked_for_three_levels_deep_and_no_deeper():
    words = "Invalid value: 'max'. Supported values are: 'low'."
    third, fourth = {"a": {"b": {"effort": "max"}}}, {"a": {"b": {"c": {"effort": "max"}}}}
    assert repaired(words, {**ASK, **third}) == {**ASK, "a": {"b": {"effort": "low"}}}
    assert repaired(words, {**ASK, **fourth}) is None
    # One that lies too deep to be found does not make another ambiguous.
    assert repaired(words, {**ASK, **fourth, "reasoning_effort": "max"}) == {**ASK, **fourth, "reasoning_effort": "low"}


def test_what_the_caller_put_into_extra_body_is_not_repaired():
    body = {**ASK, "top_k": 5}
    assert repaired("top_k: Extra inputs are not permitted", body, protected=frozenset({"top_k"})) is None
    words = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    assert repaired(words, {**ASK, "max_tokens": 5}, at("gpt"), protected=frozenset({"max_tokens"})) is None


def test_only_a_refusal_of_the_request_is_repaired():
    body, words = {**ASK, "top_k": 5}, "top_k: Extra inputs are not permitted"
    assert repair_for(refusal(words, 422), body, at()) is not None
    assert repair_for(refusal(words, 413), body, at()) is None
    assert repair_for(NotFoundError(words, status=404), body, at()) is None
    assert repair_for(ContextOverflowError(words, status=400), body, at()) is None
    assert repair_for(ContentFilterError(words, status=400), body, at()) is None


def test_all_quirks_off_means_no_repair_either():
    body, words = {**ASK, "top_k": 5}, "top_k: Extra inputs are not permitted"
    assert repair_for(refusal(words), body, at(), disabled=frozenset({"all"})) is None


TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
TOOLS_EFFORT = (
    "Function tools with reasoning_effort are not supported for gpt-6-sol in /v1/chat/completions. To use function "
    "tools, use /v1/responses or set reasoning_effort to 'none'."
)
UNION = {"type": "object", "properties": {"x": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}


@pytest.mark.parametrize(
    ("name", "family", "words", "before", "after"),
    [
        (
            "max-tokens-name",
            "gpt",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            {"max_tokens": 5},
            {"max_completion_tokens": 5},
        ),
        (
            "tool-choice-required",
            "qwen",
            "tool_choice: 'required' is not supported",
            {"tools": TOOLS, "tool_choice": "required"},
            {"tools": TOOLS, "tool_choice": "auto"},
        ),
        (
            "gpt-tools-effort",
            "gpt",
            TOOLS_EFFORT,
            {"tools": TOOLS},
            {"tools": TOOLS, "reasoning_effort": "none"},
        ),
        (
            "schema-open-models",
            "llama",
            "tools[0].function.parameters: keyword 'anyOf' is not supported",
            {"tools": [{"type": "function", "function": {"name": "add", "parameters": UNION}}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "name": "add",
                            "parameters": {
                                "type": "object",
                                "properties": {"x": {"type": "string", "description": 'or: {"type":"null"}'}},
                            },
                        },
                    }
                ]
            },
        ),
    ],
)
def test_a_reactive_quirk_that_knows_the_words_comes_first(name, family, words, before, after):
    body = {**ASK, **before}
    assert repaired(words, body, at(family)) == {**ASK, **after}
    repair = repair_for(refusal(words), body, at(family))
    assert (repair.kind, repair.name) == ("quirk", name)
    assert learned_quirks((repair,)) == {name}


def test_a_disabled_reactive_quirk_is_not_used():
    words = "tool_choice: 'required' is not supported"
    body = {**ASK, "tools": TOOLS, "tool_choice": "required"}
    assert repaired(words, body, at("qwen"), disabled=frozenset({"tool-choice-required"})) is None


def test_output_is_capped_at_the_number_the_server_names():
    words = "max_tokens: 99999 > 25000, which is the maximum allowed number of output tokens for a-model"
    repair = repair_for(refusal(words), {**ASK, "max_tokens": 99_999}, at("glm", max_output=20_000))
    assert repair == Repair(name="oss-output-cap", kind="cap", path=("max_tokens",), limit=25_000)
    assert repair.apply({**ASK, "max_tokens": 99_999}, at("glm"))["max_tokens"] == 25_000
    assert repair.apply({**ASK, "max_tokens": 8}, at("glm"))["max_tokens"] == 8


def test_output_is_capped_at_what_is_known_where_the_server_names_no_number():
    words = "max_tokens is above the maximum for this model"
    assert repaired(words, {**ASK, "max_tokens": 99_999}, at("glm", max_output=25_000))["max_tokens"] == 25_000


def test_repairs_can_be_remembered_and_compared():
    words = "top_k: Extra inputs are not permitted"
    first = repair_for(refusal(words), {**ASK, "top_k": 5}, at())
    second = repair_for(refusal(words), {**ASK, "top_k": 7}, at())
    assert {first, second} == {first}


# --- one of two settings, a limit that is named, encrypted reasoning ------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "Model us.anthropic.claude-opus-5 does not support the temperature parameter.",
        "BAD_REQUEST: Model eu.anthropic.claude-opus-5 does not support the `temperature` parameter.",
        "This model does not support the parameter 'temperature'",
        "The model does not support 'temperature'",
    ],
)
def test_a_setting_that_a_model_does_not_support_is_left_out(words):
    assert repaired(words, {**ASK, "temperature": 0.2}) == ASK


@promise("repairs-harm-nobody")
@pytest.mark.parametrize(
    "words",
    [
        "Model m does not support the tools parameter.",
        "Model m does not support the messages parameter.",
        "Model m does not support the response_format parameter.",
        "Model m does not support the max_tokens parameter.",
        "'tools' and 'temperature' cannot both be specified",
        "`output_config` and `messages` cannot both be set",
        "`tool_choice` and `tools` cannot be used",
        "tools.0.input_schema does not support oneOf at the top level",
    ],
)
def test_no_wording_takes_a_tool_a_message_a_cap_or_the_answers_schema(words):
    form = {
        "response_format": {"type": "json_schema", "json_schema": {}},
        "output_config": {"format": {"type": "json_schema"}},
    }
    tools = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "tool_choice": "auto"}
    body = {**ASK, **form, **tools, "max_tokens": 9, "temperature": 0.2}
    repair = repair_for(refusal(words), body, at())
    after = body if repair is None else repair.apply(body, at())
    assert {name: after.get(name) for name in body if name != "temperature"} == {
        name: value for name, value in body.items() if name != "temperature"
    }


ONE_OF_TWO = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."


@promise("repairs-harm-nobody")
def test_of_two_settings_the_second_goes_and_only_where_both_are_there():
    repair = repair_for(refusal(ONE_OF_TWO), {**ASK, "temperature": 0.2, "top_p": 0.9}, at())
    assert repair.apply({**ASK, "temperature": 0.2, "top_p": 0.9}, at()) == {**ASK, "temperature": 0.2}
    for alone in ({"top_p": 0.9}, {"temperature": 0.2}, {}):
        body = {**ASK, **alone}
        assert repair.apply(body, at()) is body


def test_of_two_settings_the_one_that_the_caller_put_into_extra_body_stays():
    body = {**ASK, "temperature": 0.2, "top_p": 0.9}
    assert repaired(ONE_OF_TWO, body, protected=frozenset({"top_p"})) == {**ASK, "top_p": 0.9}
    assert repaired(ONE_OF_TWO, body, protected=frozenset({"top_p", "temperature"})) is None


@pytest.mark.parametrize(
    ("words", "name", "limit"),
    [
        (
            "max_tokens: 9000 > 4096, which is the maximum allowed number of output tokens for claude-3-opus",
            "max_tokens",
            4096,
        ),
        ("max_tokens is too large: 9000. This model supports at most 4096 completion tokens", "max_tokens", 4096),
        (
            "max_tokens is too large: 9000. This model supports at most 4096 completion tokens",
            "max_completion_tokens",
            None,
        ),
        (
            (
                "'max_tokens' is too large: 9000. This model's maximum context length is 8192 tokens and your request has 500 input "
                "tokens (9000 > 8192 - 500)."
            ),
            "max_tokens",
            7692,
        ),
        (
            "Invalid 'max_output_tokens': integer above maximum value. Expected a value <= 4096, but got 9000.",
            "max_output_tokens",
            4096,
        ),
        ("The maximum tokens you requested exceeds the model limit of 4096. Try again with less.", "max_tokens", 4096),
        ("max_tokens: 9000 > 99999, which is the maximum allowed number", "max_tokens", None),
        ("max_tokens: 9000 > 0, which is more", "max_tokens", None),
        ("top_k: 9000 > 500, which is the maximum allowed", "top_k", None),
    ],
)
def test_a_limit_that_is_named_is_what_is_asked_for(words, name, limit):
    body = {**ASK, name: 9000}
    assert repaired(words, body) == (None if limit is None else {**ASK, name: limit})
    assert repaired(words, body, protected=frozenset({name})) is None


def test_geminis_limit_is_found_where_it_stands():
    words = (
        "Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is from 1 "
        "(inclusive) to 65537 (exclusive). Update the value and try again."
    )
    body = {"contents": [], "generationConfig": {"maxOutputTokens": 100_000, "topK": 3}}
    fixed = repaired(words, body, at("gemini", "generate-content"))
    assert fixed == {"contents": [], "generationConfig": {"maxOutputTokens": 65_536, "topK": 3}}


@promise("repairs-harm-nobody")
def test_a_limit_is_of_that_call_alone_and_leaves_room_for_the_thinking_that_was_asked_for():
    words = "max_tokens: 9000 > 4096, which is the maximum allowed number of output tokens for a-model"
    repair = repair_for(refusal(words), {**ASK, "max_tokens": 9000}, at("claude", "messages"))
    assert not repair.is_of_the_model
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 5000}}
    assert repaired(words, {**ASK, "max_tokens": 9000, **thinking}, at("claude", "messages")) is None


@pytest.mark.parametrize(
    ("included", "left"),
    [
        (["reasoning.encrypted_content"], {}),
        (["reasoning.encrypted_content", "x.logprobs"], {"include": ["x.logprobs"]}),
        (["x.logprobs"], None),
        (None, None),
    ],
)
def test_encrypted_reasoning_alone_is_left_out_of_what_is_included(included, left):
    body = {"model": "m", "input": [], **({"include": included} if included is not None else {})}
    words = "Encrypted content is not supported with this model."
    assert repaired(words, body, at("gpt", "responses")) == (
        None if left is None else {"model": "m", "input": [], **left}
    )
