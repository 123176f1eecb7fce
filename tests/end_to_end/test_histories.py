"""Histories as programs make them, through both frameworks, to every api: whole and streamed, sync and async."""

from __future__ import annotations

import asyncio
import copy

import httpx
import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from llama_index.core.base.llms.types import MessageRole, ToolCallBlock
from llama_index.core.llms import ChatMessage as LlamaIndexMessage
from support.odd_answers import MODELS
from support.promises import promise

from dbx_gateway.call.reading import replay
from dbx_gateway.chat import ChatResponse, Finish, ToolCall, assistant
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway
from langchain_dbx_gateway.answers import answer_message
from langchain_dbx_gateway.chunks import Chunks
from llama_index_dbx_gateway import DbxGateway
from llama_index_dbx_gateway.answers import chat_response

NO_PREFILL = "databricks-claude-sonnet-4-6"
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


class LangChain:
    """LangChain's messages, and each way to send them."""

    front = ChatDbxGateway
    user = staticmethod(HumanMessage)
    system = staticmethod(SystemMessage)
    assistant = staticmethod(AIMessage)

    @staticmethod
    def calling(*ids):
        return AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1}, "id": one} for one in ids])

    @staticmethod
    def result(one):
        return ToolMessage("done", tool_call_id=one)

    @staticmethod
    def ways(llm):
        async def streamed(messages):
            return [chunk async for chunk in llm.astream(messages)]

        return {
            "invoke": llm.invoke,
            "stream": lambda messages: list(llm.stream(messages)),
            "ainvoke": lambda messages: asyncio.run(llm.ainvoke(messages)),
            "astream": lambda messages: asyncio.run(streamed(messages)),
        }


class LlamaIndex:
    """LlamaIndex's messages, and each way to send them."""

    front = DbxGateway

    @staticmethod
    def user(text):
        return LlamaIndexMessage(text, role=MessageRole.USER)

    @staticmethod
    def system(text):
        return LlamaIndexMessage(text, role=MessageRole.SYSTEM)

    @staticmethod
    def assistant(text):
        return LlamaIndexMessage(text, role=MessageRole.ASSISTANT)

    @staticmethod
    def calling(*ids):
        blocks = [ToolCallBlock(tool_call_id=one, tool_name="add", tool_kwargs={"a": 1}) for one in ids]
        return LlamaIndexMessage(role=MessageRole.ASSISTANT, blocks=blocks)

    @staticmethod
    def result(one):
        return LlamaIndexMessage("done", role=MessageRole.TOOL, additional_kwargs={"tool_call_id": one})

    @staticmethod
    def ways(llm):
        async def streamed(messages):
            return [chunk async for chunk in await llm.astream_chat(messages)]

        return {
            "invoke": llm.chat,
            "stream": lambda messages: list(llm.stream_chat(messages)),
            "ainvoke": lambda messages: asyncio.run(llm.achat(messages)),
            "astream": lambda messages: asyncio.run(streamed(messages)),
        }


each_framework = pytest.mark.parametrize("framework", [LangChain, LlamaIndex])
each_way = pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])


def connected(framework, model, workspace, **fields):
    transport = workspace_transport(workspace)
    fields = {
        "http_client": httpx.Client(transport=transport),
        "http_async_client": httpx.AsyncClient(transport=transport),
        **fields,
    }
    settings = {"host": "https://ws.example.com", "token": workspace.token, "surface": "ai-gateway", "max_retries": 0}
    return framework.front(model=model, **settings, **fields)


def sent(framework, model, messages, way="invoke", **fields):
    """The bodies that the workspace was sent, the last of which it took; the messages stay as they were."""
    workspace, before = Workspace(), copy.deepcopy(messages)
    framework.ways(connected(framework, model, workspace, **fields))[way](messages)
    assert messages == before
    return [call.body for call in workspace.ledger.model_calls()]


@promise("calls-have-results")
@each_way
@each_framework
@each_model
def test_a_call_without_its_result_is_our_own_error_with_its_id(model, framework, way):
    workspace = Workspace()
    messages = [
        framework.user("q"),
        framework.calling("call:1", "call:2"),
        framework.result("call:1"),
        framework.user("go"),
    ]
    with pytest.raises(InvalidRequestError, match="tool call 'call:2' of 'add' has no result") as caught:
        framework.ways(connected(framework, model, workspace))[way](messages)
    assert "unanswered-calls" in str(caught.value)
    assert workspace.ledger.entries() == []


@each_way
@each_framework
@each_model
def test_a_user_may_speak_between_a_call_and_its_result(model, framework, way):
    messages = [
        framework.user("q"),
        framework.calling("c1", "c2"),
        framework.result("c1"),
        framework.user("Hurry!"),
        framework.result("c2"),
    ]
    (body,) = sent(framework, model, messages, way)
    assert str(body).count("done") == 2
    assert str(body).rindex("done") < str(body).index("Hurry!")


@each_way
@each_framework
@each_model
def test_the_assistant_may_greet_and_the_system_may_speak_late(model, framework, way):
    messages = [
        framework.system("Rule."),
        framework.assistant("Welcome!"),
        framework.user("q"),
        framework.system("Late rule."),
        framework.user("Onward!"),
    ]
    body = str(sent(framework, model, messages, way)[-1])
    assert body.index("Welcome!") < body.index("Late rule.") < body.index("Onward!")


@each_way
@each_framework
def test_a_history_that_ends_with_the_assistant_is_our_own_error_where_no_prefill_is_taken(framework, way):
    workspace = Workspace()
    for end in ([framework.assistant("Once upon")], [framework.assistant("Once upon"), framework.assistant("")]):
        with pytest.raises(InvalidRequestError, match=r"no prefill.*; end with a user message"):
            framework.ways(connected(framework, NO_PREFILL, workspace))[way]([framework.user("q"), *end])
    assert workspace.ledger.entries() == []


# --- a call that was cut ---------------------------------------------------------------------------------------------


CUT = ChatResponse(
    message=assistant("Let me add.", ToolCall(call_id="c1", name="add", arguments='{"a": 1}')),
    finish=Finish(reason="length"),
)
"""An answer that ended at its limit: a sibling of its call may be missing, so none of it may be executed."""


def of_langchain(model, *, blocks, streamed):
    if not streamed:
        return answer_message(CUT, model, blocks=blocks)
    chunks = Chunks(model, blocks=blocks)
    first, *others = [chunk.message for event in replay(CUT) for chunk in chunks.of(event)]
    return first.__add__(others)


@promise("cut-calls-left-out")
@each_model
@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_cut_call_of_langchain_is_left_out_and_one_with_a_result_is_sent(model, blocks, streamed):
    answer = of_langchain(model, blocks=blocks, streamed=streamed)
    go_on = HumanMessage("Go on.")
    (body,) = sent(LangChain, model, [HumanMessage("q"), answer, go_on])
    assert "'add'" not in str(body)
    assert "Let me add." in str(body)
    (body,) = sent(LangChain, model, [HumanMessage("q"), answer, ToolMessage("cut", tool_call_id="c1"), go_on])
    assert "'add'" in str(body)


@promise("cut-calls-left-out")
@each_model
def test_a_cut_call_of_llama_index_is_left_out_and_one_with_a_result_is_sent(model):
    answer, go_on = chat_response(CUT, model).message, LlamaIndexMessage("Go on.")
    (body,) = sent(LlamaIndex, model, [LlamaIndexMessage("q"), answer, go_on])
    assert "'add'" not in str(body)
    assert "Let me add." in str(body)
    (body,) = sent(LlamaIndex, model, [LlamaIndexMessage("q"), answer, LlamaIndex.result("c1"), go_on])
    assert "'add'" in str(body)


# --- the older form of calls and results -----------------------------------------------------------------------------


def older_langchain(arguments='{"a": 1}'):
    call = {"name": "add", "arguments": arguments}
    return [
        HumanMessage("q"),
        AIMessage("", additional_kwargs={"function_call": call}),
        FunctionMessage("first", name="add"),
        AIMessage("So.", additional_kwargs={"function_call": call}),
        ChatMessage("second", role="function", name="add"),
        HumanMessage("go"),
    ]


def older_llama_index(arguments='{"a": 1}'):
    call = {"name": "add", "arguments": arguments}
    return [
        LlamaIndexMessage("q"),
        LlamaIndexMessage("", role=MessageRole.ASSISTANT, additional_kwargs={"function_call": call}),
        LlamaIndexMessage("first", role=MessageRole.FUNCTION, additional_kwargs={"name": "add"}),
        LlamaIndexMessage("So.", role=MessageRole.ASSISTANT, additional_kwargs={"function_call": call}),
        LlamaIndexMessage("second", role=MessageRole.FUNCTION, additional_kwargs={"name": "add"}),
        LlamaIndexMessage("go"),
    ]


OLDER = {LangChain: older_langchain, LlamaIndex: older_llama_index}


@promise("older-calls")
@each_framework
@each_model
@pytest.mark.parametrize("arguments", ['{"a": 1}', {"a": 1}, "", "null"])
def test_calls_and_results_without_ids_in_their_older_form_are_sent_as_pairs(model, framework, arguments):
    body = str(sent(framework, model, OLDER[framework](arguments))[-1])
    assert body.count("'add'") >= 2
    assert body.index("first") < body.index("So.") < body.index("second")


@promise("older-calls")
@each_framework
@each_model
def test_a_result_in_the_older_form_answers_a_call_that_has_an_id(model, framework):
    older = OLDER[framework]()
    messages = [older[0], framework.calling("c1", "c2"), older[2], older[4], older[5]]
    body = str(sent(framework, model, messages)[-1])
    assert body.index("first") < body.index("second")


@each_framework
@each_model
def test_an_older_call_without_its_result_is_our_own_error_with_its_name(model, framework):
    older = OLDER[framework]()
    with pytest.raises(InvalidRequestError, match="tool call 'add' of 'add' has no result"):
        sent(framework, model, [*older[:2], *older[5:]])


def test_a_result_without_a_name_is_refused_with_the_remedy():
    with pytest.raises(InvalidRequestError, match=r"names no call.*tool_call_id="):
        sent(LangChain, NO_PREFILL, [HumanMessage("q"), ChatMessage("r", role="tool")])
