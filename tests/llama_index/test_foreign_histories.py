"""Conversations that LlamaIndex's other integrations began go on here.

The messages are built as llama-index-llms-openai 0.8, llama-index-llms-anthropic 0.12 and llama-index-llms-google-genai
0.11 build them: their blocks, and what they leave in ``additional_kwargs``.
"""

from __future__ import annotations

import copy

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import (
    CitationBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.llm import ToolSelection
from openai.types.chat.chat_completion_message_tool_call import ChatCompletionMessageToolCall, Function
from support.llama_index_families import AGENT_WARNINGS, CLAUDE, EVERY, GEMINI, GPT, LLAMA, NATIVE

from llama_index_dbx_gateway import DbxGateway

USER = ChatMessage("add 2 and 3", role=MessageRole.USER)


def said(*blocks, **told):
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=list(blocks), additional_kwargs=told)


def result(text, call_id):
    return ChatMessage(text, role=MessageRole.TOOL, additional_kwargs={"tool_call_id": call_id})


def openai_call(call_id, arguments):
    return ChatCompletionMessageToolCall(
        id=call_id, type="function", function=Function(name="add", arguments=arguments)
    )


def openai_chat():
    """OpenAI's chat completions: arguments as text, the SDK's own objects beside the blocks."""
    call = openai_call("call_abc", '{"a": 2, "b": 3}')
    block = ToolCallBlock(tool_call_id="call_abc", tool_name="add", tool_kwargs='{"a": 2, "b": 3}')
    return [USER, said(TextBlock(text="Let me add."), block, tool_calls=[call]), result("5", "call_abc")]


def openai_before_blocks():
    """OpenAI's integration before tool calls were blocks: the SDK's objects only."""
    return [USER, said(tool_calls=[openai_call("call_abc", '{"a": 2, "b": 3}')]), result("5", "call_abc")]


def openai_responses():
    """OpenAI's Responses: a thought that only OpenAI can read, calls, and lists of what was done and of usage."""
    thought = ThinkingBlock(
        content="adding",
        additional_information={
            "id": "rs_68",
            "type": "reasoning",
            "encrypted_content": "gAAAAAB-of-another-account",
            "status": None,
        },
    )
    block = ToolCallBlock(tool_call_id="call_abc", tool_name="add", tool_kwargs='{"a": 2, "b": 3}')
    told = {"built_in_tool_calls": [], "annotations": [], "usage": {"input_tokens": 5}}
    return [USER, said(thought, block, **told), result("5", "call_abc")]


def anthropic_thinking():
    """Anthropic's: a thought with a signature of another account, arguments as an object, the stop reason."""
    thought = ThinkingBlock(
        content="I should add.", additional_information={"signature": "EqQBCgIYAhIM-foreign", "type": "thinking"}
    )
    block = ToolCallBlock(tool_call_id="toolu_01A", tool_name="add", tool_kwargs={"a": 2, "b": 3})
    told = {"stop_reason": "tool_use", "usage": {"input_tokens": 5, "output_tokens": 6}, "thinking_delta": None}
    return [USER, said(thought, TextBlock(text="Let me add."), block, **told), result("5", "toolu_01A")]


def anthropic_streamed():
    """Anthropic's streamed: an empty signature, arguments as text, several calls and several result messages."""
    thought = ThinkingBlock(content="Both.", additional_information={"signature": ""})
    blocks = [
        ToolCallBlock(tool_call_id=f"toolu_0{n}", tool_name="add", tool_kwargs='{"a": 2, "b": 3}') for n in (1, 2)
    ]
    return [
        USER,
        said(thought, *blocks, usage=None, stop_reason=None),
        result("4", "toolu_01"),
        result("5", "toolu_02"),
    ]


def anthropic_cited():
    """Anthropic's: a text with a citation, then a call."""
    citation = CitationBlock(
        cited_content=TextBlock(text="Sums are easy."),
        source="book",
        title="Sums",
        additional_location_info={"start_block_index": 0, "end_block_index": 1, "search_result_index": 0},
    )
    block = ToolCallBlock(tool_call_id="toolu_01A", tool_name="add", tool_kwargs={"a": 2, "b": 3})
    return [USER, said(TextBlock(text="Sums are easy."), citation, block), result("5", "toolu_01A")]


def google_thinking():
    """Google's: all fields of a part, with a thought signature in bytes, beside a thought and once more in a list."""
    thought = ThinkingBlock(
        content="Adding.",
        additional_information={
            "thought": True,
            "thought_signature": b"\x0a\xff\x01",
            "inline_data": None,
            "function_call": None,
        },
        num_tokens=7,
    )
    block = ToolCallBlock(tool_call_id="call_9", tool_name="add", tool_kwargs={"a": 2, "b": 3})
    told = {"thought_signatures": [b"\x0a\xff\x01", None], "prompt_tokens": 3}
    return [USER, said(thought, block, **told), result("5", "call_9")]


def google_without_ids():
    """Google's on Vertex: a call has no id, so its tool's name stands for it, twice for two calls."""
    blocks = [
        ToolCallBlock(tool_call_id="add", tool_name="add", tool_kwargs=given)
        for given in ({"a": 1, "b": 2}, {"a": 2, "b": 3})
    ]
    return [USER, said(*blocks, thought_signatures=[None]), result("3", "add"), result("5", "add")]


def selections():
    """Any integration's calls as LlamaIndex's own ``ToolSelection``, which agents keep."""
    call = ToolSelection(tool_id="c1", tool_name="add", tool_kwargs={"a": 2, "b": 3})
    return [USER, said(tool_calls=[call]), result("5", "c1")]


def returned_directly():
    """What an agent leaves when a tool's result is the answer: an assistant message with the id of the call."""
    block = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 2, "b": 3})
    direct = ChatMessage("5", role=MessageRole.ASSISTANT, additional_kwargs={"tool_call_id": "c1"})
    return [USER, said(block), result("5", "c1"), direct, ChatMessage("add 2 and 3"), said(block), result("5", "c1")]


HISTORIES = (
    openai_chat,
    openai_before_blocks,
    openai_responses,
    anthropic_thinking,
    anthropic_streamed,
    anthropic_cited,
    google_thinking,
    google_without_ids,
    selections,
    returned_directly,
)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", [*NATIVE, "databricks-gpt-oss-120b"])
@pytest.mark.parametrize("history", HISTORIES)
def test_a_conversation_of_another_integration_goes_on(make_llm, add_tool, history, model, streamed):
    llm, messages = make_llm(model), history()
    before = copy.deepcopy(messages)

    if streamed:
        answer = list(llm.stream_chat_with_tools([add_tool], chat_history=messages))[-1]
    else:
        answer = llm.chat_with_tools([add_tool], chat_history=messages)

    assert answer.message.content.startswith("The tools answered: ")
    assert answer.message.content.endswith("5")
    assert messages == before


@pytest.mark.parametrize("model", NATIVE)
@pytest.mark.parametrize("history", HISTORIES)
def test_what_another_account_signed_is_not_sent(make_llm, workspace, add_tool, history, model):
    make_llm(model).chat_with_tools([add_tool], chat_history=history())

    sent = str(workspace.ledger.model_calls()[0].body)
    assert "foreign" not in sent
    assert "another-account" not in sent


@pytest.mark.parametrize("second", NATIVE)
@pytest.mark.parametrize("first", NATIVE)
def test_a_conversation_of_one_family_goes_on_with_another(make_llm, add_tool, first, second):
    """With thoughts, which the second model did not sign."""
    thinking = {
        CLAUDE: {"thinking": 1024, "max_tokens": 4000},
        GPT: {"reasoning_effort": "high"},
        GEMINI: {},
        LLAMA: {},
    }
    one, two = make_llm(first, **thinking[first]), make_llm(second, **thinking[second])
    asked = one.chat_with_tools([add_tool], "add 2 and 3")
    (call,) = one.get_tool_calls_from_response(asked)
    history = [USER, asked.message, result("5", call.tool_id)]

    answer = two.chat_with_tools([add_tool], chat_history=history)
    again = one.chat_with_tools(
        [add_tool], chat_history=[*history, answer.message], user_msg=ChatMessage("Bye [no tools]")
    )

    assert answer.message.content == "The tools answered: 5"
    assert again.message.content == "You said: Bye [no tools]"


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI, "databricks-llama-4-maverick"])
def test_an_image_in_a_result_of_another_integration_is_shown(make_llm, workspace, add_tool, png, model):
    picture = ChatMessage(
        role=MessageRole.TOOL,
        blocks=[TextBlock(text="5"), ImageBlock(image=png[0], image_mimetype="image/png")],
        additional_kwargs={"tool_call_id": "call_abc"},
    )

    answer = make_llm(model).chat_with_tools([add_tool], chat_history=[*openai_chat()[:2], picture])

    assert png[1] in str(workspace.ledger.model_calls()[0].body)
    assert answer.message.content.startswith("The tools answered: 5")


@AGENT_WARNINGS
@pytest.mark.parametrize("place", EVERY[:4])
async def test_an_agent_takes_up_another_integrations_history(signed_in, add_tool, added, place):
    signed_in(place[0])
    agent = FunctionAgent(llm=DbxGateway(model=place[1]), tools=[add_tool])
    history = [*anthropic_thinking(), ChatMessage("It is 5.", role=MessageRole.ASSISTANT)]

    answer = await agent.run("add 4 and 5", chat_history=history)

    assert str(answer) == "The tools answered: 9"
    assert added == [(4, 5)]
