"""Conversations that LlamaIndex's own integrations really hold go on here, and ours go on with those that read others'.

The integrations talk to a simulated vendor. They are no dependency of the tests: where one is not installed, it is left
out, and ``test_foreign_histories.py`` still has the messages that it makes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.memory import ChatMemoryBuffer
from support.llama_index_families import AGENT_WARNINGS, CLAUDE, GEMINI, GPT, NATIVE

from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing import Workspace, serve
from dbx_gateway.testing.service.catalog import Served

pytestmark = [
    AGENT_WARNINGS,
    pytest.mark.filterwarnings(  # the integrations' own
        "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]

EACH_MODEL = pytest.mark.parametrize("model", NATIVE)
STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def openai_chat(base, token):
    from llama_index.llms.openai import OpenAI

    return OpenAI(model="gpt-5", api_base=base, api_key=token, max_retries=0)


def openai_responses(base, token):
    from llama_index.llms.openai import OpenAIResponses

    told = {"reasoning_options": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    return OpenAIResponses(model="gpt-5", api_base=base, api_key=token, max_retries=0, **told)


def anthropic(base, token, **told):
    from llama_index.llms.anthropic import Anthropic

    return Anthropic(
        model="claude-sonnet-4-5",
        base_url=f"{base}/anthropic",
        api_key=token,
        max_retries=0,
        max_tokens=4000,
        default_headers={"authorization": f"Bearer {token}"},
        **told,
    )


def anthropic_that_thinks(base, token):
    return anthropic(base, token, thinking_dict={"type": "enabled", "budget_tokens": 1024})


def google(base, token):
    from google.genai import types
    from llama_index.llms.google_genai import GoogleGenAI

    headers = {"authorization": f"Bearer {token}"}
    options = types.HttpOptions(base_url=f"{base}/gemini", api_version="v1beta", headers=headers)
    # With both limits given, its constructor asks nobody.
    return GoogleGenAI(model="gemini-3-pro", api_key=token, http_options=options, context_window=9000, max_tokens=900)


@dataclass(frozen=True)
class Integration:
    module: str
    build: Callable[[str, str], Any]


OPENAI = pytest.param(Integration("llama_index.llms.openai", openai_chat), id="openai")
ANTHROPIC = pytest.param(Integration("llama_index.llms.anthropic", anthropic), id="anthropic")
INTEGRATIONS = [
    OPENAI,
    ANTHROPIC,
    pytest.param(Integration("llama_index.llms.openai", openai_responses), id="openai-responses"),
    pytest.param(Integration("llama_index.llms.anthropic", anthropic_that_thinks), id="anthropic-thinking"),
    pytest.param(Integration("llama_index.llms.google_genai", google), id="google"),
]
READING_OTHERS = [OPENAI, ANTHROPIC]
"""The others send what stands in ``additional_kwargs["tool_calls"]`` as it is, whichever integration put it there."""


def vendors_model(name, like):
    return Served(name=name, profile=replace(profile_of(like), model=name))


@pytest.fixture(scope="module")
def vendor():
    """All three vendors' apis, with signatures that no workspace knows."""
    models = [
        vendors_model("gpt-5", GPT),
        vendors_model("claude-sonnet-4-5", CLAUDE),
        vendors_model("gemini-3-pro", GEMINI),
    ]
    with serve(Workspace(mode="plain", models=models)) as server:
        yield server


@pytest.fixture(params=INTEGRATIONS)
def other(request, vendor):
    pytest.importorskip(request.param.module)
    return request.param.build(f"{vendor.url}/serving-endpoints", vendor.workspace.token)


def asked(llm, tool, messages, *, streamed):
    if streamed:
        return list(llm.stream_chat_with_tools([tool], chat_history=messages))[-1]
    return llm.chat_with_tools([tool], chat_history=messages)


def began(llm, tool, *, streamed):
    """A question, the model's calls, and their results."""
    question = ChatMessage("add 2 and 3", role=MessageRole.USER)
    answer = asked(llm, tool, [question], streamed=streamed)
    calls = llm.get_tool_calls_from_response(answer)
    results = [
        ChatMessage("5", role=MessageRole.TOOL, additional_kwargs={"tool_call_id": call.tool_id}) for call in calls
    ]
    return [question, answer.message, *results]


@STREAMED
@EACH_MODEL
def test_a_conversation_that_another_integration_began_goes_on_here(make_llm, add_tool, other, model, streamed):
    messages = began(other, add_tool, streamed=streamed)
    before = copy.deepcopy(messages)

    answer = asked(make_llm(model), add_tool, messages, streamed=streamed)

    assert answer.message.content == "The tools answered: 5"
    assert messages == before


@pytest.mark.parametrize("other", READING_OTHERS, indirect=True)
@STREAMED
@EACH_MODEL
def test_a_conversation_that_began_here_goes_on_with_another_integration(make_llm, add_tool, other, model, streamed):
    messages = began(make_llm(model), add_tool, streamed=streamed)

    answer = asked(other, add_tool, messages, streamed=streamed)

    assert answer.message.content == "The tools answered: 5"


@EACH_MODEL
async def test_an_agent_goes_on_with_the_memory_of_another_integrations_agent(make_llm, add_tool, added, other, model):
    memory = ChatMemoryBuffer.from_defaults(token_limit=3000)
    ours = FunctionAgent(llm=make_llm(model), tools=[add_tool])
    theirs = FunctionAgent(llm=other, tools=[add_tool])

    said = [
        str(await agent.run(f"add {number} and 1", memory=memory))
        for number, agent in enumerate([theirs, theirs, ours, ours])
    ]

    assert said == [f"The tools answered: {number + 1}" for number in range(4)]
    assert added == [(number, 1) for number in range(4)]


@EACH_MODEL
async def test_a_workflow_hands_over_between_another_integration_and_ours(make_llm, add_tool, added, other, model):
    greeter = FunctionAgent(name="greeter", description="Greets.", system_prompt="You greet.", llm=other, tools=[])
    adder = FunctionAgent(
        name="adder", description="Adds.", system_prompt="You add.", llm=make_llm(model), tools=[add_tool]
    )

    answer = await AgentWorkflow(agents=[greeter, adder], root_agent="greeter").run(
        'handoff to "adder" because of "sums", then add 2 and 3'
    )

    assert (str(answer), answer.current_agent_name, added) == ("The tools answered: 5", "adder", [(2, 3)])
