"""What an agent's memory makes of its second run: the whole first one is sent again, word for word, on every family."""

from __future__ import annotations

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer, Memory
from llama_index.core.workflow import Context
from support.llama_index_families import AGENT_WARNINGS, CLAUDE, GEMINI, GPT, LLAMA

from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing.model.conversation import Turn
from dbx_gateway.testing.model.situation import Situation
from dbx_gateway.testing.service.exchange import WIRES

pytestmark = AGENT_WARNINGS

MODELS = {
    "claude": (CLAUDE, {}),
    "claude that thinks": (CLAUDE, {"thinking": 1024, "max_tokens": 4000}),
    "gpt": (GPT, {}),
    "gpt that reasons": (GPT, {"reasoning_effort": "low"}),
    "gemini": (GEMINI, {}),
    "llama": (LLAMA, {}),
}


async def with_memory(agent, first, second):
    memory = Memory.from_defaults(session_id="two runs")
    for text in (first, second):
        await agent.run(text, memory=memory)


async def with_a_stored_buffer(agent, first, second):
    """As a chat store has it: each message as JSON."""
    memory = ChatMemoryBuffer.from_defaults(llm=agent.llm)
    await agent.run(first, memory=memory)
    stored = [message.model_dump_json() for message in memory.get_all()]
    history = [ChatMessage.model_validate_json(text) for text in stored]
    await agent.run(second, memory=ChatMemoryBuffer.from_defaults(history, llm=agent.llm))


async def with_a_context_and_its_memory(agent, first, second):
    """LlamaIndex hands a context from run to run without the memory in it, and says so: it has to be given again."""
    context, memory = Context(agent), Memory.from_defaults(session_id="two runs")
    for text in (first, second):
        await agent.run(text, ctx=context, memory=memory)


async def with_the_messages_before(agent, first, second):
    memory = Memory.from_defaults(session_id="two runs")
    await agent.run(first, memory=memory)
    await agent.run(second, chat_history=await memory.aget_all())


WAYS = (with_memory, with_a_stored_buffer, with_a_context_and_its_memory, with_the_messages_before)


def turns_of(call) -> list[Turn]:
    """The turns of a request, as the simulated workspace reads them from its api."""
    profile = profile_of(call.model)
    situation = Situation(call.surface, profile.family, call.api, call.model, profile)
    return list(WIRES[call.api].read(call.body, situation, None if "model" in call.body else call.model).turns)


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(("model", "settings"), MODELS.values(), ids=MODELS)
async def test_the_second_run_sends_the_first_one_again(
    make_llm, add_tool, added, workspace, model, settings, way, streaming
):
    agent = FunctionAgent(llm=make_llm(model, **settings), tools=[add_tool], streaming=streaming)

    await way(agent, "add 2 and 3", "add 4 and 5")

    assert added == [(2, 3), (4, 5)]
    asked, answered, again, ended = map(turns_of, workspace.ledger.model_calls())
    assert [turn.role for turn in again] == ["user", "assistant", "tool", "assistant", "user"]
    question, call, result, answer, next_question = again
    assert (question.text, answer.text, next_question.text) == ("add 2 and 3", "The tools answered: 5", "add 4 and 5")
    ((call_id, name),) = call.calls
    assert (name, result.results) == ("add", ((call_id, "5"),))
    assert again[:3] == answered, "what the first run sent, proofs of thinking and all"
    assert (asked, ended[:5]) == (again[:1], again)
