import pytest

from dbx_gateway.quirks.catalogue import applicable, quirk_named

ASK = {"model": "m", "messages": [{"role": "user", "content": "2 + 2?"}]}


def tool(name="add", **fields):
    return {"type": "function", "function": {"name": name, **fields}}


def test_stream_options_are_left_out_for_families_that_refuse_them(at, fixed):
    body = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    assert fixed("drop-stream-options", body, at("llama", stream=True)) == {**ASK, "stream": True}


def test_stream_options_go_for_five_families_only(at):
    assert quirk_named("drop-stream-options").families == {"llama", "qwen", "gemma", "gpt-oss", "gemini"}
    for family in ("claude", "gpt", "glm", "other"):
        assert "drop-stream-options" not in {quirk.name for quirk in applicable(at(family))}


@pytest.mark.parametrize("value", [True, False])
def test_parallel_tool_calls_is_left_out_with_a_warning(value, at, fixed, caplog):
    assert fixed("drop-parallel-tool-calls", {**ASK, "parallel_tool_calls": value}, at("gpt")) == ASK
    assert "parallel_tool_calls was left out" in caplog.text
    assert "DBX_GATEWAY_DISABLED_QUIRKS=drop-parallel-tool-calls" in caplog.text


def test_openai_bookkeeping_is_left_out_with_a_warning_for_each_field(at, fixed, caplog):
    kept = {"store": False, "metadata": {"a": "b"}, "prompt_cache_key": "k", "safety_identifier": "s", "user": "u"}
    assert fixed("drop-openai-bookkeeping", {**ASK, **kept}, at("gpt")) == ASK
    assert [record.message.split(": ")[1].split()[0] for record in caplog.records] == list(kept)


def test_a_warning_is_said_once_for_each_field(at, fixed, caplog):
    for _ in range(3):
        fixed("drop-openai-bookkeeping", {**ASK, "user": "u"}, at("gpt"))
    assert len(caplog.records) == 1


def test_strict_of_a_tool_is_left_out_with_a_warning(at, fixed, caplog):
    body = {**ASK, "tools": [tool(strict=True, description="Adds."), tool("sub")]}
    assert fixed("strip-strict", body, at("llama")) == {**ASK, "tools": [tool(description="Adds."), tool("sub")]}
    assert "strict of a tool was left out" in caplog.text


def test_strict_false_is_left_out_without_a_word(at, fixed, caplog):
    assert fixed("strip-strict", {**ASK, "tools": [tool(strict=False)]}, at("llama"))["tools"] == [tool()]
    assert caplog.text == ""


def test_gpt_keeps_strict(at):
    assert "strip-strict" not in {quirk.name for quirk in applicable(at("gpt"))}


def test_penalties_and_seed_are_left_out_with_a_warning_each(at, fixed, caplog):
    body = {**ASK, "presence_penalty": 0.5, "frequency_penalty": 0.0, "seed": 7}
    assert fixed("no-penalties-seed", body, at("claude")) == ASK
    assert [record.message.split(": ")[1].split()[0] for record in caplog.records] == [
        "presence_penalty",
        "frequency_penalty",
        "seed",
    ]


@pytest.mark.parametrize("kind", ["json_schema", "json_object"])
def test_a_structured_answer_is_asked_for_whole(kind, at, fixed):
    wanted = {"response_format": {"type": kind}}
    body = {**ASK, **wanted, "stream": True, "stream_options": {"include_usage": True}}
    assert fixed("stream-response-format", body, at("glm", stream=True)) == {**ASK, **wanted}


def test_a_plain_answer_streams(at, fixed):
    body = {**ASK, "stream": True, "response_format": {"type": "text"}}
    assert fixed("stream-response-format", body, at("glm", stream=True)) is body


@pytest.mark.parametrize("parameters", [{}, {"parameters": None}, {"parameters": {}}])
def test_a_function_without_parameters_gets_an_empty_object(parameters, at, fixed):
    body = {**ASK, "tools": [tool(**parameters)]}
    assert fixed("params-required", body, at("llama"))["tools"] == [
        tool(parameters={"type": "object", "properties": {}})
    ]


def test_eager_streaming_of_tools_is_left_out_with_a_warning(at, fixed, caplog):
    body = {**ASK, "tools": [{"name": "add", "input_schema": {"type": "object"}, "eager_input_streaming": True}]}
    assert fixed("anth-eager-streaming", body, at("claude", "messages"))["tools"] == [
        {"name": "add", "input_schema": {"type": "object"}}
    ]
    assert "fine-grained-tool-streaming" in caplog.text


def test_eager_streaming_is_left_to_model_serving(at):
    names = {quirk.name for quirk in applicable(at("claude", "messages", surface="model-serving"))}
    assert "anth-eager-streaming" not in names


def test_max_tokens_takes_its_newer_name(at, fixed):
    body = {"model": "m", "max_tokens": 9, "stream": True}
    sent = fixed("max-tokens-name", body, at("gpt"))
    assert list(sent.items()) == [("model", "m"), ("max_completion_tokens", 9), ("stream", True)]


def test_max_tokens_is_capped_at_what_the_model_gives_with_a_warning(at, fixed, caplog):
    sent = fixed("oss-output-cap", {**ASK, "max_tokens": 99_999}, at("glm", max_output=25_000))
    assert sent == {**ASK, "max_tokens": 25_000}
    assert "99999 was sent as 25000" in caplog.text


def test_max_tokens_under_the_cap_or_without_one_stays(at, fixed):
    body = {**ASK, "max_tokens": 100}
    assert fixed("oss-output-cap", body, at("glm", max_output=25_000)) is body
    assert fixed("oss-output-cap", body, at("glm")) is body


NAMED = {"type": "function", "function": {"name": "add"}}


@pytest.mark.parametrize(
    ("choice", "tools", "words"),
    [
        ("required", 2, 'tool_choice was sent as "auto", because the model refuses a forced tool call'),
        ("required", 1, "the call of 'add' was asked for by the tool's schema, and is handed back as that call"),
        (NAMED, 2, "the call of 'add' was asked for by the tool's schema, and is handed back as that call"),
    ],
)
def test_a_forced_tool_choice_becomes_auto_with_a_warning(choice, tools, words, at, fixed, caplog):
    body = {**ASK, "tools": [tool()] * tools, "tool_choice": choice}
    assert fixed("tool-choice-required", body, at("qwen"))["tool_choice"] == "auto"
    assert words in caplog.text


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_other_tool_choices_stay(choice, at, fixed):
    body = {**ASK, "tools": [tool()], "tool_choice": choice}
    assert fixed("tool-choice-required", body, at("qwen")) is body


def test_reasoning_is_switched_off_where_tools_are_offered(at, fixed, caplog):
    body = {**ASK, "tools": [tool()], "reasoning_effort": "high"}
    assert fixed("gpt-tools-effort", body, at("gpt"))["reasoning_effort"] == "none"
    assert fixed("gpt-tools-effort", {**ASK, "tools": [tool()]}, at("gpt"))["reasoning_effort"] == "none"
    assert 'api="responses"' in caplog.text


def test_reasoning_stays_where_no_tools_are_offered(at, fixed):
    body = {**ASK, "reasoning_effort": "high"}
    assert fixed("gpt-tools-effort", body, at("gpt")) is body
