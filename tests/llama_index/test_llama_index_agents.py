"""LlamaIndex's agents at the constructor's defaults, with every family on both surfaces."""

from __future__ import annotations

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
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context
from llama_index.llama_index_families import CALLING, CLAUDE, EVERY, GEMINI, GPT, LLAMA, NATIVE
from pydantic import BaseModel

from llama_index_dbx_gateway import DbxGateway

pytestmark = pytest.mark.filterwarnings(
    "ignore::pydantic.warnings.PydanticDeprecatedSince20",
    "ignore::pydantic.warnings.PydanticDeprecatedSince211",
    "ignore:is_running called from within a step:DeprecationWarning",
)
"""LlamaIndex's agents look at every attribute of their own pydantic classes, and use their own deprecated parts."""


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
