"""``DbxPromptCachingMiddleware``: where the marks stand on the wire, and what they save."""

from __future__ import annotations

import warnings

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware.types import ModelRequest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import StructuredTool, tool
from langgraph.checkpoint.memory import InMemorySaver

from dbx_gateway.errors import InvalidRequestError
from langchain_dbx_gateway.middleware import DbxPromptCachingMiddleware


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sun in {city}"


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def marks_in(value):
    """Every cache mark in a body, in order."""
    if isinstance(value, dict):
        own = [value["cache_control"]] if "cache_control" in value else []
        return own + [mark for part in value.values() for mark in marks_in(part)]
    return [mark for part in value for mark in marks_in(part)] if isinstance(value, list) else []


def two_turns(agent, thread="1"):
    config = {"configurable": {"thread_id": thread}}
    first = agent.invoke({"messages": [("user", "the weather in 'Rome' please")]}, config)
    second = agent.invoke({"messages": [("user", "and the weather in 'Oslo'?")]}, config)
    return [message.usage_metadata for message in second["messages"] if message.type == "ai"], first, second


@pytest.mark.parametrize("surface", ["ai-gateway", "model-serving"])
@pytest.mark.parametrize("api", ["messages", "chat-completions"])
def test_the_second_turn_reads_from_the_cache_what_the_first_one_sent(make_llm, workspace, surface, api):
    middleware = [DbxPromptCachingMiddleware()]
    agent = create_agent(
        make_llm(surface=surface, api=api),
        [weather, add],
        system_prompt="You tell the weather.",
        middleware=middleware,
        checkpointer=InMemorySaver(),
    )

    usage, *_ = two_turns(agent)

    read = [told["input_token_details"]["cache_read"] for told in usage]
    assert read[0] == 0
    assert read == sorted(read)
    assert read[2] > read[1] > 0
    assert sum(read) == workspace.billed().cache_read
    assert sum(told["input_tokens"] for told in usage) == workspace.billed().input


def test_system_tools_and_the_ends_of_two_requests_are_marked(make_llm, workspace):
    agent = create_agent(
        make_llm(api="messages"),
        [weather, add],
        system_prompt="You tell the weather.",
        middleware=[DbxPromptCachingMiddleware(ttl="1h")],
        checkpointer=InMemorySaver(),
    )
    two_turns(agent)

    body = workspace.ledger.model_calls()[2].body
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert marks_in(body["system"]) == [mark]
    assert ["cache_control" in given for given in body["tools"]] == [False, True]
    assert [bool(marks_in(turn["content"])) for turn in body["messages"]] == [False, False, True, False, True]
    assert marks_in(body) == [mark] * 4


def test_no_request_of_a_long_conversation_has_more_marks_than_are_taken(make_llm, workspace):
    agent = create_agent(
        make_llm(),
        [weather],
        system_prompt="Hi.",
        middleware=[DbxPromptCachingMiddleware()],
        checkpointer=InMemorySaver(),
    )
    for city in ("Rome", "Oslo", "Lima", "Bern"):
        agent.invoke({"messages": [("user", f"the weather in '{city}'")]}, {"configurable": {"thread_id": "1"}})

    calls = workspace.ledger.model_calls()
    assert {call.status for call in calls} == {200}
    assert max(len(marks_in(call.body)) for call in calls) == 4


async def test_async_calls_are_marked_too(make_llm, workspace):
    agent = create_agent(make_llm(), [weather], system_prompt="Hi.", middleware=[DbxPromptCachingMiddleware()])

    await agent.ainvoke({"messages": [("user", "the weather in 'Rome'")]})

    assert [len(marks_in(call.body)) for call in workspace.ledger.model_calls()] == [3, 4]


def test_what_the_caller_gave_and_what_the_agent_keeps_bear_no_mark(make_llm):
    agent = create_agent(
        make_llm(),
        [weather],
        system_prompt="Hi.",
        middleware=[DbxPromptCachingMiddleware()],
        checkpointer=InMemorySaver(),
    )

    _, first, second = two_turns(agent)

    assert marks_in([message.content for message in (*first["messages"], *second["messages"])]) == []
    assert weather.extras is None


@pytest.mark.parametrize("given", [{}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}])
def test_a_mark_of_the_callers_own_is_kept(make_llm, workspace, given):
    own = {"type": "ephemeral", "ttl": "1h"}
    system = SystemMessage([{"type": "text", "text": "Hi.", "cache_control": own}])
    offered = {"name": "weather", "description": "w", "input_schema": {"type": "object", "properties": {}}} | given
    agent = create_agent(
        make_llm(api="messages"), [offered], system_prompt=system, middleware=[DbxPromptCachingMiddleware()]
    )

    agent.invoke({"messages": [HumanMessage("[no tools] hello")]})

    body = workspace.ledger.model_calls()[0].body
    assert marks_in(body["system"]) == [own]
    assert marks_in(body["tools"]) == [given.get("cache_control", {"type": "ephemeral", "ttl": "5m"})]


def test_what_a_tool_says_beside_its_schema_goes_along_with_the_mark(make_llm, workspace):
    deferred = StructuredTool.from_function(weather.func, extras={"defer_loading": True})
    agent = create_agent(make_llm(api="messages"), [add, deferred], middleware=[DbxPromptCachingMiddleware()])

    agent.invoke({"messages": [("user", "[no tools] hello")]})

    (_, sent) = workspace.ledger.model_calls()[0].body["tools"]
    assert (sent["defer_loading"], sent["cache_control"]) == (True, {"type": "ephemeral", "ttl": "5m"})
    assert deferred.extras == {"defer_loading": True}


def test_a_short_conversation_can_be_left_alone(make_llm, workspace):
    agent = create_agent(make_llm(), [weather], middleware=[DbxPromptCachingMiddleware(min_messages=3)])

    agent.invoke({"messages": [("user", "the weather in 'Rome'")]})

    assert [len(marks_in(call.body)) for call in workspace.ledger.model_calls()] == [0, 3]


@pytest.mark.parametrize("model", ["databricks-gpt-5-2", "databricks-gemini-3-pro", "databricks-gpt-oss-120b"])
def test_a_model_that_takes_no_marks_is_asked_without_any(make_llm, workspace, model):
    agent = create_agent(make_llm(model), [weather], middleware=[DbxPromptCachingMiddleware(unsupported="ignore")])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent.invoke({"messages": [("user", "the weather in 'Rome'")]})

    assert [marks_in(call.body) for call in workspace.ledger.model_calls()] == [[], []]


def test_such_a_model_can_be_warned_about_or_refused(make_llm, workspace):
    llm = make_llm("databricks-gpt-5-2")
    warned = create_agent(llm, [], middleware=[DbxPromptCachingMiddleware()])
    refused = create_agent(llm, [], middleware=[DbxPromptCachingMiddleware(unsupported="raise")])

    with pytest.warns(UserWarning, match="'databricks-gpt-5-2' accepts no cache marks"):
        warned.invoke({"messages": [("user", "hello")]})
    with pytest.raises(InvalidRequestError, match="leave DbxPromptCachingMiddleware out"):
        refused.invoke({"messages": [("user", "hello")]})

    assert len(workspace.ledger.model_calls()) == 1


async def test_a_warning_names_the_line_that_called_the_middleware():
    middleware = DbxPromptCachingMiddleware()
    request = ModelRequest(model=FakeListChatModel(responses=["hi"]), messages=[HumanMessage("hello")])

    async def handler(request):
        return request

    with pytest.warns(UserWarning, match="without cache marks") as caught:
        middleware.wrap_model_call(request, lambda request: request)
    with pytest.warns(UserWarning, match="without cache marks") as caught_async:
        await middleware.awrap_model_call(request, handler)
    assert [warning.filename for warning in (*caught, *caught_async)] == [__file__, __file__]


def test_another_vendors_model_is_asked_without_marks():
    agent = create_agent(FakeListChatModel(responses=["hi"]), [], middleware=[DbxPromptCachingMiddleware()])

    with pytest.warns(UserWarning, match="FakeListChatModel is not a ChatDbxGateway"):
        agent.invoke({"messages": [("user", "hello")]})


def test_a_family_that_is_given_says_whether_marks_are_taken(make_llm, workspace):
    agent = create_agent(
        make_llm("team-chat", family="claude", surface="model-serving"), [], middleware=[DbxPromptCachingMiddleware()]
    )

    agent.invoke({"messages": [("user", "hello")]})

    assert len(marks_in(workspace.ledger.model_calls()[0].body)) == 1
