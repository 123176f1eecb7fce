"""Chat-completions of the simulated workspace: what it answers, and how each family writes it."""

from __future__ import annotations

import json

import pytest

from tests.simulated_workspace.conftest import chunks_of

CLAUDE = "databricks-claude-sonnet-4-5"
GPT = "databricks-gpt-5-1"
GEMINI = "databricks-gemini-2-5-pro"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
OSS = "databricks-gpt-oss-20b"
GLM = "databricks-glm-5-3"
GROK = "databricks-grok-4-7"
QWEN = "databricks-qwen35-122b-a10b"
GEMMA = "databricks-gemma-3-12b"
FAMILIES = [CLAUDE, GPT, GEMINI, LLAMA, OSS, GLM, GROK, QWEN, GEMMA, "team-chat", "house-model"]
TELL_NO_FINISH = (GLM, QWEN)
"""Those whose streams on Model Serving end with ``[DONE]`` alone."""


def texts(content):
    """The visible text of a content of any shape."""
    if not isinstance(content, list):
        return content or ""
    return "".join(part["text"] for part in content if part["type"] == "text")


def thoughts(content):
    parts = content if isinstance(content, list) else []
    return "".join(segment["text"] for part in parts for segment in part.get("summary", ()))


def message(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]


def folded(chunks):
    """The message that a stream's deltas add up to: text, thoughts, arguments by call, finish reason."""
    text = thought = finish = ""
    calls = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            text += texts(delta.get("content"))
            thought += thoughts(delta.get("content"))
            thought += delta.get("reasoning_content") or delta.get("reasoning") or ""
            finish = choice["finish_reason"] or finish
            for call in delta.get("tool_calls", ()):
                started = calls.setdefault(call["index"], {"id": call.get("id"), "name": "", "arguments": ""})
                started["name"] += call["function"].get("name", "")
                started["arguments"] += call["function"].get("arguments", "")
    return text, thought, list(calls.values()), finish


def usage_of(chunks):
    return [chunk["usage"] for chunk in chunks if chunk.get("usage")]


@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_echoes_the_user_whole_and_streamed(call, model):
    answer = call.chat(model)
    assert texts(message(answer)["content"]) == "You said: Hello there"
    assert answer.json()["choices"][0]["finish_reason"] == "stop"
    text, _, _, finish = folded(call.chunks(model))
    assert (text, finish) == ("You said: Hello there", "" if model in TELL_NO_FINISH else "stop")


@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_calls_a_tool_with_the_users_numbers_whole_and_streamed(call, add_tool, model):
    fields = {"tools": [add_tool]}
    (made,) = message(call.chat(model, "What is 17 plus 25?", **fields))["tool_calls"]
    assert (made["function"]["name"], json.loads(made["function"]["arguments"])) == ("add", {"a": 17, "b": 25})
    _, _, (streamed,), finish = folded(call.chunks(model, "What is 17 plus 25?", **fields))
    arguments = streamed["arguments"]
    if model in (CLAUDE, "team-chat"):
        assert arguments.startswith("{}")
        arguments = arguments.removeprefix("{}")
    assert (streamed["name"], json.loads(arguments)) == ("add", {"a": 17, "b": 25})
    assert finish == ("" if model in TELL_NO_FINISH else "tool_calls")


def test_some_families_tell_no_finish_but_for_an_answer_that_was_cut(call):
    assert folded(call.chunks(GLM, "[long 20]", max_tokens=5))[-1] == "length"
    gateway = call.chat(GLM, stream=True, surface="ai-gateway")
    assert folded(chunks_of(gateway.text))[-1] == "stop"


@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_answers_with_the_result_of_the_tool(call, add_tool, model):
    said = {"role": "user", "content": "What is 17 plus 25?"}
    (made,) = message(call.chat(model, said["content"], tools=[add_tool]))["tool_calls"]
    opener = {"role": "assistant", "content": None, "tool_calls": [made]}
    result = {"role": "tool", "tool_call_id": made["id"], "content": "it makes 42"}
    body = {"model": model, "messages": [said, opener, result], "tools": [add_tool]}
    answer = call.post("/serving-endpoints/chat/completions", body)
    assert texts(message(answer)["content"]) == "The tools answered: it makes 42"


@pytest.mark.parametrize("model", [OSS, GEMINI])
def test_some_families_write_their_content_as_a_list(call, model):
    content = message(call.chat(model))["content"]
    assert isinstance(content, list)
    assert all(isinstance(chunk["choices"][0]["delta"].get("content", []), (list, str)) for chunk in call.chunks(model))


def test_claude_lists_its_content_only_while_it_thinks(call):
    assert isinstance(message(call.chat(CLAUDE))["content"], str)
    thinking = {"type": "enabled", "budget_tokens": 1024}
    content = message(call.chat(CLAUDE, thinking=thinking, max_tokens=2000))["content"]
    assert [part["type"] for part in content] == ["reasoning", "text"]
    (segment,) = content[0]["summary"]
    assert segment["text"] == "The user wants an answer to: Hello there"
    assert segment["signature"]


def test_a_streamed_thought_and_its_signature_are_those_of_the_whole_answer(call):
    fields = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}
    whole = message(call.chat(CLAUDE, **fields))["content"][0]["summary"][0]
    chunks = call.chunks(CLAUDE, **fields)
    assert folded(chunks)[1] == whole["text"]
    parts = [
        part for chunk in chunks for part in chunk["choices"][0]["delta"].get("content") or () if isinstance(part, dict)
    ]
    signatures = [segment.get("signature") for part in parts for segment in part.get("summary", ())]
    assert [signature for signature in signatures if signature] == [whole["signature"]]


@pytest.mark.parametrize(("model", "key"), [(GLM, "reasoning_content"), (GROK, "reasoning")])
def test_some_families_reason_beside_their_content(call, model, key):
    assert message(call.chat(model))[key] == "The user wants an answer to: Hello there"
    assert folded(call.chunks(model))[1] == "The user wants an answer to: Hello there"


def test_gemini_signs_its_text_and_its_first_call(call, add_tool):
    assert message(call.chat(GEMINI))["content"][0]["thoughtSignature"]
    calls = message(call.chat(GEMINI, "add 1 and 2, and 3 and 4, both", tools=[add_tool]))["tool_calls"]
    assert ["thoughtSignature" in made for made in calls] == [True, False]


def test_claude_blanks_the_content_of_a_turn_that_only_calls(call, add_tool):
    assert message(call.chat(CLAUDE, "1 and 2", tools=[add_tool]))["content"] == ""
    assert message(call.chat(GPT, "1 and 2", tools=[add_tool]))["content"] is None


def test_gpt_reasons_in_secret(call):
    answer = call.chat(GPT, reasoning_effort="low").json()
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert "reasoning" not in json.dumps(answer["choices"])


def test_usage_stands_where_each_family_puts_it(call):
    assert len(usage_of(call.chunks(CLAUDE))) == len(call.chunks(CLAUDE))
    for model in (GEMINI, LLAMA, OSS, QWEN, GEMMA):
        chunks = call.chunks(model)
        assert usage_of(chunks) == [chunks[-1]["usage"]]
        assert chunks[-1]["choices"][0]["finish_reason"] == (None if model == QWEN else "stop")
    assert usage_of(call.chunks(GPT)) == []
    asked = call.chunks(GPT, stream_options={"include_usage": True})
    assert usage_of(asked) == [asked[-1]["usage"]]
    assert asked[-1]["choices"] == []


def test_usage_grows_to_that_of_the_whole_answer(call):
    whole = call.chat(CLAUDE).json()["usage"]
    grown = [usage["completion_tokens"] for usage in usage_of(call.chunks(CLAUDE))]
    assert grown == sorted(grown)
    assert usage_of(call.chunks(CLAUDE))[-1] == whole


def test_claude_counts_cached_tokens_apart(call):
    text = {"type": "text", "text": "a long manual", "cache_control": {"type": "ephemeral"}}
    messages = [{"role": "system", "content": [text]}, {"role": "user", "content": "Hello there"}]
    body = {"model": CLAUDE, "messages": messages}
    first = call.post("/serving-endpoints/chat/completions", body).json()["usage"]
    again = call.post("/serving-endpoints/chat/completions", body).json()["usage"]
    assert first == {
        "prompt_tokens": 2,
        "completion_tokens": 4,
        "total_tokens": 6,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 3,
    }
    assert again == {**first, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 0}
    assert call.workspace.billed().cache_read == 3


def test_a_call_without_arguments_is_written_in_each_familys_way(call):
    tool = {"type": "function", "function": {"name": "ping", "parameters": {"type": "object", "properties": {}}}}
    for model, written in ((LLAMA, ""), (QWEN, "null"), (GPT, "{}"), (CLAUDE, "{}")):
        (made,) = message(call.chat(model, "Do ping", tools=[tool]))["tool_calls"]
        assert made["function"]["arguments"] == written
        _, _, (streamed,), _ = folded(call.chunks(model, "Do ping", tools=[tool]))
        assert streamed["arguments"] == written


def test_some_families_stream_a_call_in_one_piece(call, add_tool):
    def pieces(model):
        chunks = call.chunks(model, "1 and 2", tools=[add_tool])
        return sum(len(chunk["choices"][0]["delta"].get("tool_calls", ())) for chunk in chunks)

    assert pieces(LLAMA) == pieces(GEMINI) == 1
    assert pieces(GPT) > 2


def test_no_oddity_shows_in_plain_mode(plain_call, add_tool):
    for model in FAMILIES:
        said = message(plain_call.chat(model))
        assert said == {"role": "assistant", "content": "You said: Hello there", "refusal": None}
        assert plain_call.chat(model).json()["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}
        assert usage_of(plain_call.chunks(model)) == []
        _, _, (made,), _ = folded(plain_call.chunks(model, "1 and 2", tools=[add_tool]))
        assert made["arguments"] == '{"a":1,"b":2}'


# What is answered


def test_max_tokens_cuts_after_so_many_words(call):
    answer = call.chat(GPT, "one two three", max_tokens=3)
    assert message(answer)["content"] == "You said: one"
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    assert answer.json()["usage"]["completion_tokens"] == 3


def test_a_stop_sequence_ends_the_text_before_itself(call):
    assert message(call.chat(LLAMA, "one two three", stop="two"))["content"] == "You said: one "
    assert message(call.chat(LLAMA, "one two three", stop=["three", "one"]))["content"] == "You said: "


def test_more_stop_sequences_than_the_format_takes_are_refused(call):
    answer = call.chat(LLAMA, "one two three", stop=["a", "b", "c", "d", "e"])
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Invalid 'stop': array too long.")


def test_a_content_filter_ends_the_answer_half_way(call):
    answer = call.chat(GPT, "[filter] something bad")
    assert answer.json()["choices"][0]["finish_reason"] == "content_filter"
    assert message(answer)["content"] == "You said:"


def test_a_refusal_has_its_own_field(call):
    said = message(call.chat(GPT, "[refuse] this"))
    assert (said["content"], said["refusal"]) == (None, "I cannot help with that.")
    deltas = [chunk["choices"][0]["delta"] for chunk in call.chunks(GPT, "[refuse] this")]
    assert "".join(delta.get("refusal", "") for delta in deltas) == "I cannot help with that."


def test_a_long_text_is_as_long_as_asked(call):
    assert len(message(call.chat(GPT, "[long 1000]"))["content"].split()) == 1000


def test_a_schema_is_obeyed(call):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    said = message(call.chat(GPT, "She is called 'Ada' and is 36", response_format=form))
    assert json.loads(said["content"]) == {"name": "Ada", "age": 36}


def test_a_schema_told_in_the_system_turn_is_obeyed_too(call):
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    told = {
        "role": "system",
        "content": f"Answer with JSON that follows this schema: {json.dumps(schema)}. Nothing else.",
    }
    idle = {"role": "system", "content": "Schemas {like this} are nothing to follow."}
    for system, expected in ((told, '{"age":36}'), (idle, "You said: She is 36")):
        body = {"model": GPT, "messages": [system, {"role": "user", "content": "She is 36"}]}
        assert message(call.post("/serving-endpoints/chat/completions", body))["content"] == expected


def test_tools_told_in_words_are_called_in_words(call):
    pytest.importorskip("llama_index.core")
    from llama_index.core.agent.react import ReActChatFormatter, ReActOutputParser
    from llama_index.core.agent.react.types import ObservationReasoningStep
    from llama_index.core.llms import ChatMessage
    from llama_index.core.tools import FunctionTool

    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        return a + b

    def ask(reasoning):
        tools = [FunctionTool.from_defaults(add)]
        history = [ChatMessage(role="user", content="What is 17 plus 25?")]
        shown = ReActChatFormatter().format(tools, history, current_reasoning=reasoning)
        messages = [{"role": one.role.value, "content": one.content} for one in shown]
        answer = call.post("/serving-endpoints/chat/completions", {"model": GPT, "messages": messages})
        return ReActOutputParser().parse(message(answer)["content"])

    acted = ask([])
    assert (acted.action, acted.action_input) == ("add", {"a": 17, "b": 25})
    done = ask([acted, ObservationReasoningStep(observation="42")])
    assert (done.is_done, done.response) == (True, "The tools answered: 42")


def test_json_mode_gives_an_object(call):
    said = message(call.chat(GPT, response_format={"type": "json_object"}))
    assert json.loads(said["content"]) == {"answer": "Hello there"}


def test_several_calls_come_when_the_user_asks_for_several(call, add_tool):
    calls = message(call.chat(GPT, "add 1 and 2 and also 3 and 4, in parallel", tools=[add_tool]))["tool_calls"]
    assert [json.loads(made["function"]["arguments"]) for made in calls] == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert len({made["id"] for made in calls}) == 2


def test_parallel_calls_may_be_forbidden(plain_call, add_tool):
    fields = {"tools": [add_tool], "parallel_tool_calls": False}
    assert len(message(plain_call.chat(GPT, "both: 1 and 2, 3 and 4", **fields))["tool_calls"]) == 1


def test_the_user_names_the_tool(call, add_tool):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    weather = {"type": "function", "function": {"name": "get_weather", "parameters": schema}}
    fields = {"tools": [add_tool, weather]}
    (made,) = message(call.chat(GPT, "Please get the weather in Oslo", **fields))["tool_calls"]
    assert (made["function"]["name"], made["function"]["arguments"]) == ("get_weather", '{"city":"Oslo"}')
    both = message(call.chat(GPT, "get_weather and add, please", **fields))["tool_calls"]
    assert [one["function"]["name"] for one in both] == ["add", "get_weather"]


def test_tool_choice_is_obeyed(call, add_tool):
    ping = {"type": "function", "function": {"name": "ping", "parameters": {"type": "object", "properties": {}}}}
    fields = {"tools": [add_tool, ping]}
    named = {"type": "function", "function": {"name": "ping"}}
    (made,) = message(call.chat(GPT, "add 1", tool_choice=named, **fields))["tool_calls"]
    assert made["function"]["name"] == "ping"
    assert "tool_calls" not in message(call.chat(GPT, "add 1", tool_choice="none", **fields))
    assert message(call.chat(GPT, "hello [no tools]", tool_choice="required", **fields))["tool_calls"]
    assert "tool_calls" not in message(call.chat(GPT, "hello [no tools]", **fields))


def test_a_forced_choice_after_results_goes_on_to_the_next_tool(call, add_tool):
    ping = {"type": "function", "function": {"name": "ping", "parameters": {"type": "object", "properties": {}}}}
    made = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":1,"b":2}'}}
    body = {
        "model": GPT,
        "tools": [add_tool, ping],
        "tool_choice": "required",
        "messages": [
            {"role": "user", "content": "add 1 and 2"},
            {"role": "assistant", "content": None, "tool_calls": [made]},
            {"role": "tool", "tool_call_id": "call_1", "content": "3"},
        ],
    }
    (second,) = message(call.post("/serving-endpoints/chat/completions", body))["tool_calls"]
    assert second["function"]["name"] == "ping"


def test_a_new_question_after_results_is_a_new_question(call, add_tool):
    made = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":1,"b":2}'}}
    messages = [
        {"role": "user", "content": "add 1 and 2"},
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "call_1", "content": "3"},
        {"role": "assistant", "content": "It is 3."},
        {"role": "user", "content": "and 5 and 6?"},
    ]
    body = {"model": GPT, "tools": [add_tool], "messages": messages}
    (again,) = message(call.post("/serving-endpoints/chat/completions", body))["tool_calls"]
    assert again["function"]["arguments"] == '{"a":5,"b":6}'


def test_an_image_sent_after_its_tool_result_is_part_of_the_result(call, add_tool):
    made = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":1,"b":2}'}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [
        {"role": "user", "content": "add 1 and 2"},
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "call_1", "content": "see the picture"},
        {"role": "user", "content": [image]},
    ]
    body = {"model": GPT, "tools": [add_tool], "messages": messages}
    answer = call.post("/serving-endpoints/chat/completions", body)
    assert message(answer)["content"] == "The tools answered: see the picture"


def test_several_choices_are_given_when_asked_for(call):
    answer = call.chat(GPT, n=2).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert answer["usage"]["completion_tokens"] == 8
    chunks = call.chunks(GPT, n=2)
    assert {choice["index"] for chunk in chunks for choice in chunk["choices"]} == {0, 1}


def test_logprobs_are_those_of_the_text(call):
    choice = call.chat(GPT, logprobs=True).json()["choices"][0]
    assert "".join(token["token"] for token in choice["logprobs"]["content"]) == choice["message"]["content"]
    chunks = call.chunks(GPT, logprobs=True)
    streamed = [
        token["token"] for chunk in chunks for token in (chunk["choices"][0]["logprobs"] or {}).get("content", ())
    ]
    assert streamed == ["You", " said:", " Hello", " there"]


def test_claude_cites_in_a_part_of_its_own(call):
    (part,) = message(call.chat(CLAUDE, "[cite] this"))["content"]
    assert part["citations"][0]["title"] == "Echo"
    content = [chunk["choices"][0]["delta"].get("content") for chunk in call.chunks(CLAUDE, "[cite] this")]
    assert [one for one in content if isinstance(one, list)] == [[{**part, "text": ""}]]


def test_a_prompt_longer_than_the_window_overflows(call):
    long = "word " * 130_000 + "word"
    answer = call.chat(LLAMA, long, max_tokens=10)
    assert answer.status_code == 400
    assert answer.json()["message"] == "input length and `max_tokens` exceed context limit: 130001 + 10 > 128000"
    assert call.workspace.billed().input == 0


def test_answers_are_the_same_from_workspace_to_workspace(caller):
    from dbx_gateway.testing import Workspace

    first, second = (caller(Workspace()).chat(CLAUDE).content for _ in range(2))
    assert first == second
