"""A tool that is there for the final answer is called last, as a model does that reads the tools' descriptions."""

from __future__ import annotations

import json

import pytest

MODEL = "databricks-qwen3-next-80b-a3b-instruct"
ANSWER = {
    "type": "function",
    "function": {
        "name": "report",
        "description": "Give the final answer by calling this tool.",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
}


def called(response):
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in response.json()["choices"][0]["message"]["tool_calls"]
    ]


def test_the_other_tools_are_called_before_it(call, add_tool):
    response = call.chat(MODEL, "Please report what 2 and 3 make", tools=[ANSWER, add_tool])

    assert called(response) == [("add", {"a": 2, "b": 3})]


def test_it_is_called_with_their_results(call, add_tool):
    asked = call.chat(MODEL, "add 2 and 3", tools=[ANSWER, add_tool])
    made = asked.json()["choices"][0]["message"]["tool_calls"][0]
    messages = [
        {"role": "user", "content": "add 2 and 3"},
        {"role": "assistant", "content": "so", "tool_calls": [made]},
        {"role": "tool", "tool_call_id": made["id"], "content": "five"},
    ]

    closing = call.post(
        "/serving-endpoints/chat/completions", {"model": MODEL, "messages": messages, "tools": [ANSWER, add_tool]}
    )

    assert called(closing) == [("report", {"text": "five"})]


@pytest.mark.parametrize("text", ["[no tools] Thank you", "Hello"])
def test_it_is_called_at_once_where_nothing_else_is_to_be_called(call, add_tool, text):
    tools = [ANSWER] if text == "Hello" else [ANSWER, add_tool]

    assert [name for name, _ in called(call.chat(MODEL, text, tools=tools))] == ["report"]


def test_it_is_not_called_where_no_tool_may_be(call, add_tool):
    message = call.chat(MODEL, "Hello", tools=[ANSWER, add_tool], tool_choice="none").json()["choices"][0]["message"]

    assert message["content"] == "You said: Hello"
