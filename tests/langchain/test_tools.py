"""Tools in every form that people bring along, and every spelling of a tool choice."""

from __future__ import annotations

from typing import Annotated

import pytest
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool, tool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from dbx_gateway.parts import wire_id
from langchain_dbx_gateway import ChatDbxGateway

CLAUDE, GPT, GEMINI, LLAMA = (
    "databricks-claude-sonnet-4-5",
    "databricks-gpt-5-4",
    "databricks-gemini-3-1-pro",
    "databricks-meta-llama-3-3-70b-instruct",
)
ALL = (CLAUDE, GPT, GEMINI, LLAMA)


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


@tool
def get_time(city: str) -> str:
    """Tell the time in a city."""
    return f"noon in {city}"


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: the first.
        b: the second.
    """
    return a + b


class Multiply(BaseModel):
    """Multiply two numbers."""

    a: int = Field(description="the first")
    b: int = Field(description="the second")


class Divide(TypedDict):
    """Divide two numbers."""

    a: Annotated[int, ..., "the first"]
    b: Annotated[int, ..., "the second"]


SCHEMA = {"title": "subtract", "description": "Subtract.", "type": "object", "properties": {"a": {"type": "integer"}}}
OPENAI = {"type": "function", "function": {"name": "negate", "parameters": {"type": "object", "properties": {}}}}
RESPONSES = {"type": "function", "name": "halve", "parameters": {"type": "object", "properties": {}}}
ANTHROPIC = {"name": "double", "input_schema": {"type": "object", "properties": {}}, "description": "Double it."}
EVERY_FORM = (get_weather, add, Multiply, Divide, SCHEMA, OPENAI, RESPONSES, ANTHROPIC)
NAMES = ["get_weather", "add", "Multiply", "Divide", "subtract", "negate", "halve", "double"]


def body_of(workspace):
    return workspace.ledger.model_calls()[-1].body


def test_a_tool_may_come_in_any_form(make_llm, workspace):
    make_llm().bind_tools(EVERY_FORM).invoke("Hello [no tools]")

    assert [offered["name"] for offered in body_of(workspace)["tools"]] == NAMES


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize(
    "choice",
    [
        "get_time",
        {"type": "function", "function": {"name": "get_time"}},
        {"type": "function", "name": "get_time"},
        {"type": "tool", "name": "get_time"},
        {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_time"]}},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]},
    ],
    ids=["name", "openai", "responses", "anthropic", "gemini", "allowed tools"],
)
def test_a_tool_is_forced_in_any_spelling_on_any_family(make_llm, model, choice):
    answer = make_llm(model).bind_tools([get_weather, get_time], tool_choice=choice).invoke("Hello")

    assert [call["name"] for call in answer.tool_calls] == ["get_time"]


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize(
    "choice",
    ["any", "required", True, {"type": "any"}, {"type": "required"}, {"function_calling_config": {"mode": "ANY"}}],
)
def test_some_call_is_forced_in_any_spelling_on_any_family(make_llm, model, choice):
    answer = make_llm(model).bind_tools([get_weather, get_time], tool_choice=choice).invoke("Hello [no tools]")

    assert len(answer.tool_calls) == 1


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("choice", ["none", {"type": "none"}, {"function_calling_config": {"mode": "NONE"}}])
def test_calls_are_forbidden_in_any_spelling_on_any_family(make_llm, model, choice):
    answer = make_llm(model).bind_tools([get_weather, get_time], tool_choice=choice).invoke("Hello")

    assert answer.tool_calls == []
    assert answer.text


@pytest.mark.parametrize("choice", ["auto", {"type": "auto"}, None, False])
def test_the_model_decides_where_it_is_left_to_it(make_llm, choice):
    llm = make_llm().bind_tools([get_weather], tool_choice=choice)

    assert llm.invoke("Hello [no tools]").tool_calls == []
    assert llm.invoke("The weather in Paris?").tool_calls[0]["args"] == {"city": "Paris"}


def test_an_unknown_tool_is_refused_when_it_is_bound_with_the_tools_there_are():
    llm = ChatDbxGateway(model=CLAUDE)

    with pytest.raises(
        ModelInvalidRequestError, match="'nope', which is none of the tools on offer: get_weather, get_time"
    ):
        llm.bind_tools([get_weather, get_time], tool_choice="nope")


@pytest.mark.parametrize(
    "choice", [7, {"mode": "hm"}, {"type": "allowed_tools", "mode": "auto", "tools": [{"name": "add"}]}]
)
def test_a_choice_of_no_known_form_is_refused_when_it_is_bound(choice):
    with pytest.raises(ModelInvalidRequestError, match="tool_choice"):
        ChatDbxGateway(model=CLAUDE).bind_tools([add], tool_choice=choice)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "without a name"),
        ({"type": "function"}, "no name"),
        ({"properties": {"a": {}}}, "no tool"),
        (7, "a tool of type int without a name"),
        ({"type": "function", "function": {"name": ""}}, "no name"),
    ],
)
def test_what_is_no_tool_is_refused_when_it_is_bound(wrong, message):
    with pytest.raises(ModelInvalidRequestError, match=message):
        ChatDbxGateway(model=CLAUDE).bind_tools([wrong])


def test_strict_reaches_the_server_with_a_closed_schema(make_llm, workspace):
    make_llm(GPT).bind_tools([add, ANTHROPIC], strict=True).invoke("Hello [no tools]")

    sent = body_of(workspace)["tools"]
    assert [(one["strict"], one["parameters"]["additionalProperties"]) for one in sent] == [
        (True, False),
        (True, False),
    ]


@pytest.mark.parametrize("model", [CLAUDE, GPT])
@pytest.mark.parametrize(
    "asked", [{"parallel_tool_calls": False}, {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}]
)
def test_one_call_at_a_time_in_either_spelling(make_llm, model, asked):
    llm = make_llm(model)
    both = "Call both get_weather and get_time for Paris"

    assert len(llm.bind_tools([get_weather, get_time]).invoke(both).tool_calls) == 2
    assert len(llm.bind_tools([get_weather, get_time], **asked).invoke(both).tool_calls) == 1


def test_a_server_side_tool_is_sent_as_it_is(make_llm, workspace):
    make_llm(GEMINI).bind_tools([{"google_search": {}}, get_weather]).invoke("Hello [no tools]")

    assert {"google_search": {}} in body_of(workspace)["tools"]


def test_extras_of_a_tool_go_along_with_it(make_llm, workspace):
    marked = StructuredTool.from_function(add, extras={"cache_control": {"type": "ephemeral"}, "defer_loading": True})
    make_llm().bind_tools([marked]).invoke("Hello [no tools]")

    (sent,) = body_of(workspace)["tools"]
    assert (sent["cache_control"], sent["defer_loading"]) == ({"type": "ephemeral"}, True)


def test_a_tool_that_brings_a_definition_of_its_own_is_sent_as_that(make_llm, workspace):
    own = {"type": "custom", "name": "memory", "input_schema": {"type": "object", "properties": {}}}
    made = StructuredTool.from_function(add, name="memory", extras={"provider_tool_definition": own})
    make_llm().bind_tools([made]).invoke("Hello [no tools]")

    (sent,) = body_of(workspace)["tools"]
    assert (sent["name"], sent["input_schema"]) == ("memory", own["input_schema"])


def test_a_form_of_the_answer_can_be_bound_along_with_tools(make_llm):
    llm = make_llm().bind_tools([get_weather], response_format=Multiply)
    question = HumanMessage("The weather in Paris? Then 6 and 7")
    asked = llm.invoke([question])
    final = llm.invoke([question, asked, *(ToolMessage("sunny", tool_call_id=call["id"]) for call in asked.tool_calls)])

    assert asked.tool_calls[0]["name"] == "get_weather"
    assert Multiply.model_validate_json(final.text) == Multiply(a=6, b=7)


@pytest.mark.parametrize("model", ALL)
def test_many_turns_of_tools_replay_every_call_once(make_llm, workspace, model):
    llm = make_llm(model, reasoning_effort="low").bind_tools([get_weather, get_time])
    messages = []
    for city in ("Paris", "Rome", "Oslo"):
        messages.append(HumanMessage(f"Call both get_weather and get_time for {city}"))
        answer = llm.invoke(messages)
        messages.append(answer)
        messages += [
            {"get_weather": get_weather, "get_time": get_time}[call["name"]].invoke(call) for call in answer.tool_calls
        ]
        messages.append(llm.invoke(messages))

    ids = [call["id"] for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
    sent = str(body_of(workspace))
    assert len(ids) == 6
    assert str(messages[-1].text).startswith("The tools answered")
    assert all(entry.status == 200 for entry in workspace.ledger.model_calls())
    assert [sent.count(repr(wire_id(call_id))) for call_id in ids] == [2] * 6
