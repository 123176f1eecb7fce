"""``create_agent`` over five turns, for every family on both surfaces: tools, parallel calls, reasoning, usage.

The agent has three tools, a structured response and a checkpointer, and reasons where the model can. What it recorded of
its usage is held against what the simulated workspace says it billed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import get_args

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from dbx_gateway.models.families import Family
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing import Fault

SHOWN = {"thinking": {"type": "enabled", "display": "summarized"}}
ON = {"thinking": True}
CHAT = {"api": "chat-completions"}

MODELS = [
    ("databricks-claude-sonnet-4-5", SHOWN),
    ("databricks-claude-fable-5", SHOWN),
    ("databricks-claude-sonnet-4-5", ON | CHAT),  # whose chat-completions do not count reasoning
    ("databricks-gpt-5-2", SHOWN),
    ("databricks-gpt-5-3-codex", SHOWN),
    ("databricks-gpt-5-2", {"reasoning_effort": "low"} | CHAT),  # whose chat-completions do not show reasoning
    ("databricks-gemini-2-5-pro", SHOWN),
    ("databricks-gemini-3-pro", SHOWN),
    ("databricks-gemini-3-pro", ON | CHAT),
    ("databricks-gpt-oss-120b", ON),
    ("databricks-meta-llama-3-3-70b-instruct", {}),
    ("databricks-qwen3-next-80b-a3b-instruct", {}),
    ("databricks-gemma-3-12b", {}),
    ("databricks-deepseek-v4-pro-0813", ON),
    ("databricks-glm-5-2", ON),
    ("databricks-kimi-k3", ON),
    ("databricks-grok-4-7", ON),
    ("databricks-inkling", ON),
    ("house-model", {}),
]
"""Models of every family that chats, and the settings that have them reason. ``house-model`` is on model serving only."""

UNCOUNTED = ("databricks-claude-sonnet-4-5", "chat-completions")
"""Does not tell how many tokens went into reasoning."""
UNSHOWN = ("databricks-gpt-5-2", "chat-completions")
"""Counts reasoning and does not show it."""

CASES = [
    pytest.param(model, settings, surface, id=f"{model} {settings.get('api', 'native')} {surface}")
    for model, settings in MODELS
    for surface in ("ai-gateway", "model-serving")
    if (model, surface) != ("house-model", "ai-gateway")
]

TURNS = [
    "The weather in 'Oslo', and add 2 and 3.",
    "lookup the word 'lakehouse'",
    "[no tools] Thank you.",
    "the weather in both 'Rome' and 'Lima'",
    "add 4 and 5, lookup 'sum'",
]
CALLS = Counter(
    {
        ("weather", "Oslo"): 1,
        ("add", 2, 3): 1,
        ("lookup", "lakehouse"): 1,
        ("weather", "Rome"): 1,
        ("weather", "Lima"): 1,
        ("add", 4, 5): 1,
        ("lookup", "sum"): 1,
    }
)


class Report(BaseModel):
    """The final answer to the user."""

    summary: str
    confident: bool


@dataclass
class Tools:
    """Three tools, and the calls that really ran."""

    ran: Counter = field(default_factory=Counter)

    def all(self):
        @tool
        def weather(city: str) -> str:
            """Tells the weather of a city."""
            self.ran["weather", city] += 1
            return f"sun in {city}"

        @tool
        def add(a: int, b: int) -> int:
            """Adds two numbers."""
            self.ran["add", a, b] += 1
            return a + b

        @tool
        def lookup(word: str) -> str:
            """Looks a word up in the dictionary."""
            self.ran["lookup", word] += 1
            return f"{word} is a noun"

        return [weather, add, lookup]


async def taken(way, agent, text, config):
    """The agent's state after a turn that was taken in this way."""
    given = {"messages": [("user", text)]}
    match way:
        case "invoke":
            return agent.invoke(given, config)
        case "ainvoke":
            return await agent.ainvoke(given, config)
        case "stream":
            return [state for _, state in agent.stream(given, config, stream_mode=["messages", "values"])][-1]
        case "astream":
            seen = [state async for _, state in agent.astream(given, config, stream_mode=["messages", "values"])]
            return seen[-1]


def sums(usages):
    """Usage as LangChain counts it, added up and in the workspace's own terms."""
    given = [usage.get("input_token_details", {}) for usage in usages]
    made = [usage.get("output_token_details", {}) for usage in usages]
    return {
        "input": sum(usage["input_tokens"] for usage in usages),
        "output": sum(usage["output_tokens"] for usage in usages),
        "total": sum(usage["total_tokens"] for usage in usages),
        "cache_read": sum(details.get("cache_read", 0) for details in given),
        "cache_write": sum(details.get("cache_creation", 0) for details in given),
        "reasoning": sum(details.get("reasoning", 0) for details in made),
    }


def bill_of(workspace):
    bill = workspace.billed()
    return {
        "input": bill.input,
        "output": bill.output,
        "total": bill.input + bill.output,
        "cache_read": bill.cache_read,
        "cache_write": bill.cache_write,
        "reasoning": bill.reasoning,
    }


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize(("model", "settings", "surface"), CASES)
async def test_an_agent_completes_five_turns_and_records_what_was_billed(
    make_llm, workspace, model, settings, surface, way
):
    tools, usage = Tools(), UsageMetadataCallbackHandler()
    agent = create_agent(
        make_llm(model, surface=surface, **settings),
        tools.all(),
        system_prompt="You are a helpful assistant.",
        response_format=Report,
        checkpointer=InMemorySaver(),
    )
    config = {"configurable": {"thread_id": "1"}, "callbacks": [usage]}

    states = [await taken(way, agent, text, config) for text in TURNS]

    answers = [message for message in states[-1]["messages"] if message.type == "ai"]
    assert [type(state["structured_response"]) for state in states] == [Report] * 5
    assert tools.ran == CALLS
    assert sorted(len(answer.tool_calls) for answer in answers if len(answer.tool_calls) > 1) == [2, 2, 2]
    route = (model, settings.get("api"))
    bill = bill_of(workspace) | ({"reasoning": 0} if route == UNCOUNTED else {})
    assert sums(list(usage.usage_metadata.values())) == bill
    assert sums([answer.usage_metadata for answer in answers]) == bill
    thoughts = [block for answer in answers for block in answer.content_blocks if block["type"] == "reasoning"]
    reasons = bool(settings.keys() & {"thinking", "reasoning_effort"})
    assert (workspace.billed().reasoning > 0) is reasons
    assert bool(thoughts) is (reasons and route != UNSHOWN)


def test_every_family_that_chats_is_among_the_models():
    covered = {profile_of(model).family for model, _ in MODELS}

    assert covered == set(get_args(Family)) - {"embeddings", "agent"}


@pytest.mark.parametrize(
    "model",
    ["databricks-claude-sonnet-4-5", "databricks-gpt-5-2", "databricks-gemini-3-pro", "databricks-gpt-oss-120b"],
)
def test_the_text_an_agent_streams_is_the_text_of_its_answer(make_llm, model):
    agent = create_agent(make_llm(model), Tools().all())
    given = {"messages": [("user", "the weather in 'Oslo'")]}

    streamed = [message for message, _ in agent.stream(given, stream_mode="messages") if message.type != "tool"]

    assert "".join(message.text for message in streamed) == "The tools answered: sun in Oslo"
    assert len(streamed) > 4


def test_a_refused_request_is_sent_once_under_the_retry_middleware(make_llm, workspace):
    workspace.inject(Fault(status=400, error_code="INVALID_PARAMETER_VALUE"), times=None, where="messages")
    agent = create_agent(
        make_llm(), [], middleware=[ModelRetryMiddleware(max_retries=3, initial_delay=0, on_failure="error")]
    )

    with pytest.raises(Exception, match="INVALID_PARAMETER_VALUE"):
        agent.invoke({"messages": [("user", "hello")]})

    assert [entry.status for entry in workspace.ledger.entries("messages")] == [400]


def test_a_thread_begun_with_one_family_goes_on_with_another(make_llm, workspace):
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "1"}}
    tools = Tools()
    models = [
        "databricks-claude-sonnet-4-5",
        "databricks-gpt-5-2",
        "databricks-gemini-3-pro",
        "databricks-gpt-oss-120b",
    ]

    for model, city in zip(models, ("Oslo", "Rome", "Lima", "Bern"), strict=True):
        settings = SHOWN if model != "databricks-gpt-oss-120b" else ON
        agent = create_agent(make_llm(model, **settings), tools.all(), checkpointer=saver)
        state = agent.invoke({"messages": [("user", f"the weather in '{city}'")]}, config)

    assert state["messages"][-1].text == "The tools answered: sun in Bern"
    assert sum(tools.ran.values()) == 4
    assert {call.status for call in workspace.ledger.model_calls()} == {200}


def test_a_state_that_is_read_back_says_the_same(make_llm):
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "1"}}
    agent = create_agent(make_llm(**SHOWN), Tools().all(), checkpointer=saver)

    state = agent.invoke({"messages": [("user", "the weather in 'Oslo'")]}, config)

    assert agent.get_state(config).values["messages"] == state["messages"]
