"""Reasoning without text is a thinking block of its own, and goes back before the call that it led to."""

from __future__ import annotations

import pytest
from llama_index.core.base.llms.types import ChatMessage, ThinkingBlock, ToolCallBlock
from llama_index.core.tools import FunctionTool


def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sun in {city}"


@pytest.mark.parametrize("stream", [False, True])
def test_each_call_goes_back_behind_its_own_reasoning(make_llm, stream):
    llm, tools = make_llm("databricks-gpt-5-2", reasoning_effort="low"), [FunctionTool.from_defaults(weather)]
    thread = [ChatMessage("the weather in both 'Rome' and 'Lima'")]
    asked = {"chat_history": thread, "allow_parallel_tool_calls": True}
    if stream:
        *_, response = llm.stream_chat_with_tools(tools, **asked)
    else:
        response = llm.chat_with_tools(tools, **asked)
    assert [type(block) for block in response.message.blocks] == [ThinkingBlock, ToolCallBlock] * 2
    assert not response.message.content
    results = [
        ChatMessage(role="tool", content="sun", additional_kwargs={"tool_call_id": call.tool_id})
        for call in llm.get_tool_calls_from_response(response)
    ]
    answer = llm.chat_with_tools(tools, chat_history=[*thread, response.message, *results])
    assert answer.message.content == "The tools answered: sun; sun"


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_whose_proofs_of_reasoning_are_refused_goes_on(make_llm, workspace, stream):
    llm = make_llm("databricks-gpt-5-2", reasoning_effort="low")
    thread = [ChatMessage("Hello")]
    thread += [llm.chat(thread).message, ChatMessage("And now?")]
    workspace.retire_proofs()
    for _ in range(2):
        answer = [*llm.stream_chat(thread)][-1] if stream else llm.chat(thread)
        assert answer.message.content == "You said: And now?"
    statuses = [entry.status for entry in workspace.ledger.entries("responses") if entry.method == "POST"]
    assert statuses == [200, 400, 200, 200]
