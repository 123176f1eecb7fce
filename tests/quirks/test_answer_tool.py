import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_gateway.quirks.answer_tool import read_answer_tool
from dbx_gateway.quirks.catalogue import quirk_named

SCHEMA = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
WANTED = {"type": "json_schema", "json_schema": {"name": "Sum", "schema": SCHEMA}}
ASK = {"messages": [{"role": "user", "content": "2 + 2?"}]}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
ANSWER = {
    "type": "function",
    "function": {
        "name": "Sum",
        "description": "Give the final answer by calling this tool, once nothing else is left to do.",
        "parameters": SCHEMA,
    },
}
FORCED = {"type": "function", "function": {"name": "Sum"}}


def test_claude_is_made_to_answer_by_a_tool(at, fixed):
    sent = fixed("claude-structured-output", {**ASK, "response_format": WANTED}, at("claude"))
    assert sent == {**ASK, "tools": [ANSWER], "tool_choice": FORCED}


@pytest.mark.parametrize("choice", [{}, {"tool_choice": "auto"}, {"tool_choice": "required"}])
def test_beside_other_tools_the_model_must_call_one_of_them(choice, at, fixed):
    body = {**ASK, "tools": [ADD], "response_format": WANTED, **choice}
    assert fixed("tools-with-response-format", body, at("llama")) == {
        **ASK,
        "tools": [ADD, ANSWER],
        "tool_choice": "required",
    }


def test_a_tool_the_caller_forces_stays_forced(at, fixed):
    forced = {"type": "function", "function": {"name": "add"}}
    body = {**ASK, "tools": [ADD], "response_format": WANTED, "tool_choice": forced}
    assert fixed("tools-with-response-format", body, at("llama"))["tool_choice"] == forced


def test_no_tools_now_means_the_answer_is_due_now(at, fixed):
    body = {**ASK, "tools": [ADD], "response_format": WANTED, "tool_choice": "none"}
    assert fixed("tools-with-response-format", body, at("llama"))["tool_choice"] == FORCED


@pytest.mark.parametrize("unforceable", ["profile", "thinking"])
def test_a_model_that_cannot_be_forced_is_asked(unforceable, at, fixed):
    body = {**ASK, "response_format": WANTED}
    if unforceable == "thinking":
        body["thinking"] = {"type": "enabled", "budget_tokens": 2048}
    context = at("claude", forced_tool_choice=unforceable == "thinking")
    assert fixed("claude-structured-output", body, context)["tool_choice"] == "auto"


def test_json_without_a_schema_is_asked_for_as_any_object(at, fixed):
    body = {**ASK, "response_format": {"type": "json_object"}}
    function = fixed("claude-structured-output", body, at("claude"))["tools"][0]["function"]
    assert (function["name"], function["parameters"]) == ("answer", {"type": "object"})


def test_plain_text_needs_no_tool(at, fixed):
    body = {**ASK, "response_format": {"type": "text"}}
    assert fixed("claude-structured-output", body, at("claude")) == ASK


def test_without_tools_a_response_format_is_left_to_the_server(at, fixed):
    body = {**ASK, "response_format": WANTED}
    assert fixed("tools-with-response-format", body, at("llama")) is body


def test_the_answer_tool_takes_a_name_that_no_other_has(at, fixed):
    body = {**ASK, "tools": [{"type": "function", "function": {"name": "Sum"}}], "response_format": WANTED}
    names = [tool["function"]["name"] for tool in fixed("tools-with-response-format", body, at("llama"))["tools"]]
    assert names == ["Sum", "Sum_2"]


def test_description_and_strictness_of_the_schema_go_with_the_tool(at, fixed):
    spec = {"name": "Sum", "schema": SCHEMA, "description": "A sum.", "strict": True}
    body = {**ASK, "tools": [ADD], "response_format": {"type": "json_schema", "json_schema": spec}}
    function = fixed("tools-with-response-format", body, at("gpt"))["tools"][1]["function"]
    assert function["strict"] is True
    assert function["description"].startswith("A sum.\n")


def fragment(index, arguments, *, name=None):
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    start = {} if name is None else {"id": f"call_{index}", "type": "function"}
    return {"index": index, **start, "function": function}


def event(*, content=None, calls=(), end=None):
    delta = {}
    if content is not None:
        delta["content"] = content
    if calls:
        delta["tool_calls"] = list(calls)
    return {"id": "cc-1", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}


def whole(*, content=None, calls=(), end="tool_calls"):
    message = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for index, (name, arguments) in enumerate(calls)
        ]
    return {"id": "cc-1", "choices": [{"index": 0, "message": message, "finish_reason": end}]}


def only_choice(answer):
    return answer["choices"][0]


def test_a_call_of_the_answer_tool_is_the_text_of_the_answer():
    read = only_choice(read_answer_tool("Sum")(whole(calls=[("Sum", '{"sum":4}')])))
    assert read == {"index": 0, "message": {"role": "assistant", "content": '{"sum":4}'}, "finish_reason": "stop"}


def test_a_streamed_call_of_the_answer_tool_is_streamed_text():
    fix = read_answer_tool("Sum")
    events = [
        event(calls=[fragment(0, "", name="Sum")]),
        event(calls=[fragment(0, '{"sum"')]),
        event(calls=[fragment(0, ":4}")]),
        event(end="tool_calls"),
    ]
    assert [(choice["delta"], choice["finish_reason"]) for choice in map(only_choice, map(fix, events))] == [
        ({}, None),
        ({"content": '{"sum"'}, None),
        ({"content": ":4}"}, None),
        ({}, "stop"),
    ]


def test_calls_of_other_tools_stay_calls():
    answer = whole(content="Let me add.", calls=[("add", "{}")])
    assert read_answer_tool("Sum")(answer) is answer


def test_reasoning_beside_the_answer_stays():
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Easy."}]}
    answer = whole(content=[thought, {"type": "text", "text": "Here:"}], calls=[("Sum", '{"sum":4}')])
    assert only_choice(read_answer_tool("Sum")(answer))["message"]["content"] == [
        thought,
        {"type": "text", "text": '{"sum":4}'},
    ]


def test_an_answer_cut_by_its_length_is_still_cut():
    read = only_choice(read_answer_tool("Sum")(whole(calls=[("Sum", '{"su')], end="length")))
    assert (read["message"]["content"], read["finish_reason"]) == ('{"su', "length")


def test_usage_events_pass_untouched():
    usage = {"id": "cc-1", "choices": [], "usage": {"prompt_tokens": 1}}
    assert read_answer_tool("Sum")(usage) is usage


def test_the_name_on_the_way_in_is_the_one_that_was_sent(at):
    body = {**ASK, "tools": [{"type": "function", "function": {"name": "Sum"}}], "response_format": WANTED}
    fix = quirk_named("tools-with-response-format").answer(body, at("llama"))
    assert only_choice(fix(whole(calls=[("Sum_2", "{}")])))["message"]["content"] == "{}"
    assert only_choice(fix(whole(calls=[("Sum", "{}")])))["message"]["content"] is None


@pytest.mark.parametrize("name", ["tools-with-response-format", "claude-structured-output"])
def test_an_answer_is_not_touched_where_no_structure_was_asked_for(name, at):
    assert quirk_named(name).answer({**ASK, "tools": [ADD]}, at("claude")) is None


CALLS = st.lists(st.tuples(st.sampled_from(["add", "sub", "Sum"]), st.sampled_from(["", '{"sum":4}'])), max_size=3)


def cut(text, at):
    return [piece for piece in (text[:at], text[at:]) if piece]


def streamed(text, calls, end, at):
    yield event(content="")
    for piece in cut(text, at):
        yield event(content=piece)
    for index, (name, arguments) in enumerate(calls):
        yield event(calls=[fragment(index, "", name=name)])
        for piece in cut(arguments, at):
            yield event(calls=[fragment(index, piece)])
    yield event(end=end)


def added_up(events):
    text, calls, end = "", {}, None
    for one in events:
        choice = only_choice(one)
        text += choice["delta"].get("content") or ""
        for call in choice["delta"].get("tool_calls", ()):
            entry = calls.setdefault(call["index"], ["", ""])
            entry[0] = call["function"].get("name") or entry[0]
            entry[1] += call["function"]["arguments"]
        end = choice["finish_reason"] or end
    return text, [tuple(entry) for entry in calls.values()], end


def taken_apart(answer):
    message = only_choice(answer)["message"]
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]
    return message["content"] or "", calls, only_choice(answer)["finish_reason"]


@settings(max_examples=200, deadline=None)
@given(text=st.sampled_from(["", "Here it is: "]), calls=CALLS, at=st.integers(0, 9))
def test_streamed_and_whole_answers_read_the_same(text, calls, at):
    end = "tool_calls" if calls else "stop"
    events = list(streamed(text, calls, end, at))
    before = copy.deepcopy(events)
    fix = read_answer_tool("Sum")
    assert added_up([fix(one) for one in events]) == taken_apart(
        read_answer_tool("Sum")(whole(content=text or None, calls=calls, end=end))
    )
    assert events == before


@settings(max_examples=50, deadline=None)
@given(at=st.integers(0, 20))
def test_the_text_of_a_structured_answer_parses_wherever_its_stream_is_cut(at):
    fix = read_answer_tool("Sum")
    text, calls, end = added_up(
        [fix(one) for one in streamed("Sure! ", [("Sum", json.dumps({"sum": 4}))], "tool_calls", at)]
    )
    assert (json.loads(text), calls, end) == ({"sum": 4}, [], "stop")


@pytest.mark.parametrize("empty", [{}, {"message": None}])
def test_a_choice_without_a_message_passes_untouched(empty):
    answer = {"id": "cc-1", "choices": [{"index": 0, "finish_reason": "stop", **empty}]}
    assert read_answer_tool("Sum")(answer) is answer
