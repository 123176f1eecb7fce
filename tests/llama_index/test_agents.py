"""LlamaIndex's agents at the constructor's defaults, with every family on both surfaces."""

from __future__ import annotations

import base64
import contextlib
import io

import pytest
from llama_index.core.agent.workflow import (
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.base.llms.types import ImageBlock
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.memory import ChatMemoryBuffer, Memory
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel
from support.llama_index_families import AGENT_WARNINGS, CALLING, CLAUDE, EVERY, GEMINI, GPT, LLAMA, NATIVE

from llama_index_dbx_gateway import DbxGateway

pytestmark = AGENT_WARNINGS

PNG_TEXT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PNG = base64.b64decode(PNG_TEXT)


def surfaces_of(workspace):
    return {entry.surface for entry in workspace.ledger.model_calls() if entry.status == 200}


@pytest.mark.parametrize("place", CALLING)
async def test_a_function_agent_calls_a_tool_and_answers(signed_in, add_tool, added, place):
    surface, model = place
    workspace = signed_in(surface)

    answer = await FunctionAgent(llm=DbxGateway(model=model), tools=[add_tool]).run("add 2 and 3")

    assert str(answer) == "The tools answered: 5"
    assert added == [(2, 3)]
    assert surfaces_of(workspace) == {surface}


@pytest.mark.parametrize("place", EVERY)
async def test_a_react_agent_calls_a_tool_in_words_and_answers(signed_in, add_tool, added, place):
    surface, model = place
    workspace = signed_in(surface)

    answer = await ReActAgent(llm=DbxGateway(model=model), tools=[add_tool]).run("add 2 and 3")

    assert str(answer) == "The tools answered: 5"
    assert added == [(2, 3)]
    assert surfaces_of(workspace) == {surface}


def run_python(code: str) -> str:
    """Runs code in which ``add`` is known, and returns what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {"add": lambda a, b: a + b})
    return printed.getvalue()


@pytest.mark.parametrize("place", EVERY)
async def test_a_code_act_agent_runs_code_and_answers(signed_in, add_tool, place):
    surface, model = place
    workspace = signed_in(surface)
    agent = CodeActAgent(llm=DbxGateway(model=model), code_execute_fn=run_python, tools=[add_tool])

    answer = await agent.run("add 2 and 3")

    assert str(answer) == "The tools answered: 5"
    assert surfaces_of(workspace) == {surface}


@pytest.mark.parametrize("surface", ["ai-gateway", "model-serving"])
@pytest.mark.parametrize("second", NATIVE)
@pytest.mark.parametrize("first", NATIVE)
async def test_a_workflow_hands_over_from_one_model_to_another(signed_in, add_tool, added, first, second, surface):
    workspace = signed_in(surface)
    greeter = FunctionAgent(
        name="greeter", description="Greets.", system_prompt="You greet.", llm=DbxGateway(model=first), tools=[]
    )
    adder = FunctionAgent(
        name="adder", description="Adds.", system_prompt="You add.", llm=DbxGateway(model=second), tools=[add_tool]
    )
    workflow = AgentWorkflow(agents=[greeter, adder], root_agent="greeter")

    answer = await workflow.run('handoff to "adder" because of "sums", then add 2 and 3')

    assert answer.current_agent_name == "adder"
    assert str(answer) == "The tools answered: 5"
    assert added == [(2, 3)]
    assert [entry.model for entry in workspace.ledger.model_calls()] == [first, second, second]


@pytest.mark.parametrize("model", NATIVE)
async def test_an_agent_takes_up_the_conversation_where_it_ended(signed_in, add_tool, added, model):
    workspace = signed_in()
    agent = FunctionAgent(llm=DbxGateway(model=model), tools=[add_tool])
    memory = Memory.from_defaults(session_id="sums")

    await agent.run("add 2 and 3", memory=memory)
    answer = await agent.run("add 4 and 5", memory=memory)

    assert str(answer) == "The tools answered: 9"
    assert added == [(2, 3), (4, 5)]
    assert "The tools answered: 5" in str(workspace.ledger.model_calls()[2].body)


@pytest.mark.parametrize("model", NATIVE)
async def test_a_result_that_is_returned_directly_can_be_asked_on_about(signed_in, added, model):
    """LlamaIndex then puts an assistant message into the history that carries the id of the tool call."""
    workspace = signed_in()

    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        added.append((a, b))
        return a + b

    agent = FunctionAgent(llm=DbxGateway(model=model), tools=[FunctionTool.from_defaults(add, return_direct=True)])
    memory = Memory.from_defaults(session_id="sums")

    first = await agent.run("add 2 and 3", memory=memory)
    second = await agent.run("Hello [no tools]", memory=memory)

    assert str(first) == "5"
    assert str(second) == "You said: Hello [no tools]"
    calls = workspace.ledger.model_calls()
    assert [entry.status for entry in calls] == [200, 200]
    assert "add 2 and 3" in str(calls[1].body)


@pytest.mark.parametrize("model", NATIVE)
async def test_an_agent_that_may_not_go_on_says_what_it_knows(signed_in, add_tool, model):
    """LlamaIndex then ends the conversation with a system message."""
    signed_in()
    workflow = AgentWorkflow(
        agents=[FunctionAgent(llm=DbxGateway(model=model), tools=[add_tool])], early_stopping_method="generate"
    )

    answer = await workflow.run("add 1 and 2, then add 3 and 4, then add 5 and 6", max_iterations=2)

    assert str(answer)
    assert "The tools answered" in str(answer) or "You said" in str(answer)


class Sum(BaseModel):
    """A sum."""

    total: int


@pytest.mark.parametrize("model", NATIVE)
async def test_an_agent_with_an_output_class_ends_with_an_object(signed_in, add_tool, model):
    signed_in()
    agent = FunctionAgent(llm=DbxGateway(model=model), tools=[add_tool], output_cls=Sum)

    answer = await agent.run("add 2 and 3")

    assert isinstance(answer.get_pydantic_model(Sum), Sum)


@pytest.mark.parametrize("model", NATIVE)
async def test_the_tool_of_the_first_step_can_be_named(signed_in, add_tool, model):
    workspace = signed_in()

    def sub(a: int, b: int) -> int:
        """Subtracts."""
        return a - b

    agent = FunctionAgent(llm=DbxGateway(model=model), tools=[add_tool, sub], initial_tool_choice="sub")

    answer = await agent.run("What about 5 and 3?")

    assert str(answer) == "The tools answered: 2"
    assert len(workspace.ledger.model_calls()) == 2


@pytest.mark.parametrize("model", NATIVE)
async def test_an_agent_without_tools_just_answers(signed_in, model):
    signed_in()

    answer = await FunctionAgent(llm=DbxGateway(model=model), tools=[]).run("Hello")

    assert str(answer) == "You said: Hello"


@pytest.mark.parametrize("model", NATIVE)
async def test_a_tool_that_fails_or_returns_nothing_is_told_to_the_model(signed_in, model):
    signed_in()

    def fails(a: int) -> int:
        """Fails."""
        raise ValueError(f"no {a} today")

    def silent() -> str:
        """Says nothing."""
        return ""

    failed = await FunctionAgent(llm=DbxGateway(model=model), tools=[fails]).run("3 please")
    said = await FunctionAgent(llm=DbxGateway(model=model), tools=[silent]).run("please")

    assert "no 3 today" in str(failed)
    assert str(said).startswith("The tools answered")


@pytest.mark.parametrize("model", NATIVE)
async def test_several_calls_of_one_answer_all_run_and_are_all_answered(signed_in, add_tool, added, model):
    """The workspace refuses a conversation in which a call has no result."""
    workspace = signed_in()

    answer = await FunctionAgent(llm=DbxGateway(model=model), tools=[add_tool]).run("add both 2 and 3")

    assert len(added) == 2
    assert str(answer).startswith("The tools answered: ")
    assert [entry.status for entry in workspace.ledger.model_calls()] == [200, 200]


@pytest.mark.parametrize("model", NATIVE)
async def test_an_agent_shows_what_it_does_as_it_does_it(signed_in, add_tool, model):
    signed_in()
    agent = FunctionAgent(llm=DbxGateway(model=model, coalesce_deltas=False), tools=[add_tool])

    run = agent.run("add 2 and 3")
    events = [event async for event in run.stream_events()]
    await run

    streams = [event for event in events if isinstance(event, AgentStream)]
    assert "".join(event.delta for event in streams) == "The tools answered: 5"
    (result,) = [event for event in events if isinstance(event, ToolCallResult)]
    assert (result.tool_name, result.tool_kwargs, result.tool_output.content) == ("add", {"a": 2, "b": 3}, "5")
    outputs = [event for event in events if isinstance(event, AgentOutput)]
    assert [output.raw["choices"][0]["finish_reason"] for output in outputs] == ["tool_calls", "stop"]
    assert all(type(event.raw) is dict for event in streams)


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI, "databricks-llama-4-maverick"])
async def test_a_tool_may_return_a_picture(signed_in, model):
    workspace = signed_in()

    def photo() -> ImageBlock:
        """Takes a photo."""
        return ImageBlock(image=PNG, image_mimetype="image/png")

    answer = await FunctionAgent(llm=DbxGateway(model=model), tools=[photo]).run("Take one")

    assert str(answer)
    assert PNG_TEXT in str(workspace.ledger.model_calls()[-1].body)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("model", NATIVE)
async def test_the_usage_of_a_five_turn_agent_is_what_the_workspace_billed(
    signed_in, settings, add_tool, model, streaming
):
    workspace = signed_in()
    counter = TokenCountingHandler(tokenizer=str.split)
    llm = DbxGateway(model=model, callback_manager=CallbackManager([counter]))
    agent = FunctionAgent(llm=llm, tools=[add_tool], streaming=streaming)

    run = agent.run("add 1 and 2, then add 3 and 4, then add 5 and 6, then add 7 and 8")
    raws = [event.raw async for event in run.stream_events() if type(event) is AgentOutput]
    await run

    bills = [(entry.billed.input, entry.billed.output) for entry in workspace.ledger.model_calls()]
    assert len(bills) == 5
    assert [(raw["usage"]["prompt_tokens"], raw["usage"]["completion_tokens"]) for raw in raws] == bills
    counted = [(count.prompt_token_count, count.completion_token_count) for count in counter.llm_token_counts]
    assert counted == bills
    assert counter.total_llm_token_count == sum(map(sum, bills))


async def test_an_agent_on_a_small_model_keeps_its_memory_short(signed_in):
    signed_in()
    llm = DbxGateway(model=LLAMA)

    assert ChatMemoryBuffer.from_defaults(llm=llm).token_limit == int(llm.metadata.context_window * 0.75)


async def test_react_works_without_streaming_too(signed_in, add_tool, added):
    signed_in()

    answer = await ReActAgent(llm=DbxGateway(model=CLAUDE), tools=[add_tool], streaming=False).run("add 2 and 3")

    assert (str(answer), added) == ("The tools answered: 5", [(2, 3)])


async def test_a_model_without_tools_gets_a_react_agent_by_itself(signed_in, add_tool):
    signed_in()

    workflow = AgentWorkflow.from_tools_or_functions([add_tool], llm=DbxGateway(model="databricks-gemma-3-12b"))

    assert [type(agent) for agent in workflow.agents.values()] == [ReActAgent]
    assert str(await workflow.run("add 2 and 3")) == "The tools answered: 5"
