"""LangChain's ``create_agent`` with each of its middlewares that needs no network of its own."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    FilesystemFileSearchMiddleware,
    HumanInTheLoopMiddleware,
    LLMToolEmulator,
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRefusalMiddleware,
    ModelRetryMiddleware,
    PIIMiddleware,
    ProviderToolSearchMiddleware,
    ShellToolMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    ToolCallLimitMiddleware,
    ToolErrorMiddleware,
    ToolRetryMiddleware,
    wrap_tool_call,
)
from langchain_core.exceptions import ModelRefusalError
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from dbx_gateway.testing import Fault


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sun in {city}"


def asked(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def run(agent: Any, given: Any, config: Any = None) -> Any:
    """A run that cannot go round for long."""
    return agent.invoke(given, {"recursion_limit": 25, **(config or {})})


def last(state: dict[str, Any]) -> str:
    return state["messages"][-1].text


def test_a_todo_list_is_written_by_the_model(chat, sent):
    agent = create_agent(chat, [add], middleware=[TodoListMiddleware()])

    state = run(agent, asked("write_todos: 'add the numbers'"))

    assert state["todos"][0]["content"] == "add the numbers"
    assert last(state).startswith("The tools answered: ")
    assert all("write_todos" in body for body in sent())


def test_a_long_conversation_is_summarized_by_the_same_model(chat, sent):
    middleware = SummarizationMiddleware(chat, trigger=("messages", 5), keep=("messages", 1))
    agent = create_agent(chat, [], middleware=[middleware])
    before = [HumanMessage("add 1 and 1"), AIMessage("two"), HumanMessage("and again?"), AIMessage("still two")]

    state = run(agent, {"messages": [*before, HumanMessage("Thank you")]})

    assert last(state).endswith("Thank you")
    summary, answer = sent()
    assert "still two" in summary
    assert "summary of the conversation" in answer


def test_a_tool_call_waits_for_a_human_and_goes_on_as_edited(chat, sent):
    agent = create_agent(
        chat, [add], middleware=[HumanInTheLoopMiddleware(interrupt_on={"add": True})], checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "1"}}

    waiting = run(agent, asked("add 2 and 3"), config)
    assert len(sent()) == 1
    assert waiting["__interrupt__"][0].value["action_requests"][0]["args"] == {"a": 2, "b": 3}
    edited = {"type": "edit", "edited_action": {"name": "add", "args": {"a": 20, "b": 30}}}
    state = run(agent, Command(resume={"decisions": [edited]}), config)

    assert last(state).endswith("50")
    assert len(sent()) == 2


def test_a_tool_call_that_a_human_refuses_is_answered_with_the_reason(chat, sent):
    agent = create_agent(
        chat, [add], middleware=[HumanInTheLoopMiddleware(interrupt_on={"add": True})], checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "1"}}

    run(agent, asked("add 2 and 3"), config)
    run(agent, Command(resume={"decisions": [{"type": "reject", "message": "not on a Sunday"}]}), config)

    assert "not on a Sunday" in sent()[1]


def test_the_limit_of_model_calls_ends_the_run(chat, sent):
    agent = create_agent(chat, [add], middleware=[ModelCallLimitMiddleware(run_limit=1, exit_behavior="end")])

    state = run(agent, asked("add 2 and 3"))

    assert "limit" in last(state).lower()
    assert len(sent()) == 1


def test_the_limit_of_tool_calls_is_told_to_the_model(chat, sent):
    agent = create_agent(chat, [add], middleware=[ToolCallLimitMiddleware(run_limit=1)])

    run(agent, asked("add 1 and 2, then add 3 and 4"))

    assert "limit" in sent()[-1].lower()


def test_another_model_takes_over_where_one_fails(chat, chat_of, workspace):
    failing = chat_of("databricks-claude-haiku-4-5", max_retries=0)
    workspace.inject(Fault(status=500))
    agent = create_agent(failing, [add], middleware=[ModelFallbackMiddleware(chat)])

    state = run(agent, asked("add 2 and 3"))

    assert last(state) == "The tools answered: 5"


def test_a_failed_model_call_is_tried_again(model, chat_of, workspace):
    workspace.inject(Fault(status=500))
    agent = create_agent(
        chat_of(model, max_retries=0), [add], middleware=[ModelRetryMiddleware(initial_delay=0, jitter=False)]
    )

    state = run(agent, asked("add 2 and 3"))

    assert last(state) == "The tools answered: 5"


def test_a_refusal_is_an_error(chat):
    agent = create_agent(chat, [], middleware=[ModelRefusalMiddleware()])

    with pytest.raises(ModelRefusalError):
        run(agent, asked("[refuse] How?"))


def test_personal_data_is_not_sent(chat, sent):
    agent = create_agent(chat, [], middleware=[PIIMiddleware("email", strategy="redact")])

    state = run(agent, asked("Write to ann@example.com"))

    assert "[REDACTED_EMAIL]" in last(state)
    assert "ann@example.com" not in sent()[0]


def test_the_model_selects_the_tools_that_are_offered(chat, sent):
    agent = create_agent(chat, [add, weather], middleware=[LLMToolSelectorMiddleware(max_tools=1)])

    state = run(agent, asked("add 2 and 3"))

    selections, offers = sent()[::2], sent()[1::2]
    assert len(offers) == 2
    assert all("Tells the weather" in body for body in selections)
    assert all("Tells the weather" not in body for body in offers)
    assert last(state) == "The tools answered: 5"


def test_the_model_plays_a_tool(chat, sent):
    agent = create_agent(chat, [weather], middleware=[LLMToolEmulator(model=chat)])

    state = run(agent, asked("weather in 'Oslo'"))

    assert len(sent()) == 3
    assert "sun in" not in last(state)
    assert "You said" in last(state)


def test_old_tool_results_are_cleared(chat, sent):
    edit = ClearToolUsesEdit(trigger=1, keep=1, placeholder="(cleared)")
    agent = create_agent(chat, [add], middleware=[ContextEditingMiddleware(edits=[edit])])

    run(agent, asked("add 111 and 222, then add 3 and 4"))

    assert "333" not in sent()[-1]
    assert "(cleared)" in sent()[-1]


def test_tokens_are_counted_by_the_model_where_the_middleware_asks_for_it(chat, sent):
    edit = ClearToolUsesEdit(trigger=1, keep=1, placeholder="(cleared)")
    agent = create_agent(chat, [add], middleware=[ContextEditingMiddleware(edits=[edit], token_count_method="model")])

    run(agent, asked("add 111 and 222, then add 3 and 4"))

    assert "(cleared)" in sent()[-1]


def failing_tool():
    runs = []

    @tool
    def fetch(page: str) -> str:
        """Fetches a page."""
        runs.append(page)
        if len(runs) == 1:
            raise TimeoutError("too slow")
        return f"{page} it is"

    return fetch, runs


def test_a_failed_tool_is_run_again(chat, sent):
    fetch, runs = failing_tool()
    agent = create_agent(chat, [fetch], middleware=[ToolRetryMiddleware(initial_delay=0, jitter=False)])

    state = run(agent, asked("fetch 'home'"))

    assert runs == ["home", "home"]
    assert last(state) == "The tools answered: home it is"
    assert len(sent()) == 2


def test_the_error_of_a_tool_is_told_to_the_model(chat, sent):
    fetch, _ = failing_tool()
    agent = create_agent(chat, [fetch], middleware=[ToolErrorMiddleware(lambda error, _: f"failed: {error}")])

    state = run(agent, asked("fetch 'home'"))

    assert "failed: too slow" in sent()[1]
    assert [message.status for message in state["messages"] if isinstance(message, ToolMessage)] == ["error"]


def test_files_are_searched(chat, sent, tmp_path):
    (tmp_path / "notes.txt").write_text("the lakehouse opens at nine", encoding="utf-8")
    middleware = FilesystemFileSearchMiddleware(root_path=str(tmp_path), use_ripgrep=False)
    agent = create_agent(chat, [], middleware=[middleware])

    state = run(agent, asked("glob_search with '*.txt'"))

    assert "notes.txt" in last(state)
    assert len(sent()) == 2


def test_a_shell_runs_what_the_model_asks_for(chat, sent, tmp_path):
    @wrap_tool_call
    def without_restart(request, handler):
        """The simulated model fills in every argument; the shell takes a command or a restart."""
        command = {"command": request.tool_call["args"]["command"]}
        return handler(request.override(tool_call=request.tool_call | {"args": command}))

    agent = create_agent(chat, [], middleware=[without_restart, ShellToolMiddleware(workspace_root=str(tmp_path))])

    state = run(agent, asked("shell: 'echo lake-$((40+2))'"))

    assert "lake-42" in last(state)
    assert len(sent()) == 2


def test_a_vendors_own_search_of_tools_is_not_offered(chat, sent):
    agent = create_agent(chat, [add, weather], middleware=[ProviderToolSearchMiddleware(searchable_tools=["weather"])])

    with pytest.raises(ValueError, match="provider"):
        run(agent, asked("add 2 and 3"))

    assert sent() == []
