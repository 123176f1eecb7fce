"""Structured output and forced calls on every family, thinking or not: classes with free keys, recursion, agents."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.tools import tool
from pydantic import BaseModel
from support.promises import promise

MODELS = {
    "claude": ("databricks-claude-sonnet-4-5", {}),
    "claude that thinks": ("databricks-claude-sonnet-4-5", {"thinking": 1024, "max_tokens": 4000}),
    "claude that cannot be forced": ("databricks-claude-opus-5-5", {}),
    "claude of before": ("databricks-claude-sonnet-4", {}),
    "gpt": ("databricks-gpt-5-4", {}),
    "gemini": ("databricks-gemini-2-5-pro", {}),
    "llama": ("databricks-meta-llama-3-3-70b-instruct", {}),
    "qwen": ("databricks-qwen35-122b-a10b", {}),
}


class Bag(BaseModel):
    """A bag."""

    name: str
    props: dict[str, str]


class Node(BaseModel):
    """A tree."""

    name: str
    children: list[Node] = []


class City(BaseModel):
    """A city."""

    name: str
    people: int


@tool
def add(x: int, y: int) -> int:
    """Adds two numbers."""
    return x + y


@pytest.fixture(params=MODELS.values(), ids=MODELS)
def llm(request, make_llm):
    model, settings = request.param
    return make_llm(model, **settings)


@promise("form-that-is-carried")
@pytest.mark.parametrize("method", [None, "json_schema", "function_calling"])
@pytest.mark.parametrize("form", [Bag, Node])
def test_a_class_with_free_keys_or_of_itself_is_answered(llm, form, method):
    options = {} if method is None else {"method": method}
    model = llm.with_structured_output(form, **options)
    assert isinstance(model.invoke("The name is 'oak'."), form)
    assert isinstance([*model.stream("The name is 'oak'.")][-1], form)


async def test_async_too(llm):
    model = llm.with_structured_output(Bag)
    assert isinstance(await model.ainvoke("The name is 'oak'."), Bag)


@promise("forced-calls")
@pytest.mark.parametrize("choice", ["any", "City"])
def test_a_call_that_is_forced_is_made(llm, choice):
    bound = llm.bind_tools([City], tool_choice=choice)
    asked = 'The city "Osaka" has 19 people.'
    whole, *chunks = bound.invoke(asked), *bound.stream(asked)
    streamed = sum(chunks[1:], chunks[0])
    for message in (whole, streamed):
        (call,) = message.tool_calls
        assert (call["name"], call["args"]) == ("City", {"name": "Osaka", "people": 19})
        assert message.response_metadata["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("tools", [[], [add]], ids=["alone", "beside a tool"])
def test_an_agent_gives_its_answer_by_a_tool(llm, tools):
    agent = create_agent(llm, tools, response_format=ToolStrategy(City))
    state = agent.invoke({"messages": [("user", 'The city "Osaka" has 19 people.')]})
    assert state["structured_response"] == City(name="Osaka", people=19)
