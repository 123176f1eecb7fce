"""Light histories: an attached file is sent in full once, and stored as a note."""

from __future__ import annotations

import base64
import warnings

import pytest
from langchain.agents import create_agent
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.checkpoint.memory import InMemorySaver

from langchain_dbx_gateway import LightChatMessageHistory, without_attachments
from langchain_dbx_gateway.middleware import DbxLightHistoryMiddleware

DATA = base64.b64encode(b"hello").decode()
PDF = {"type": "file", "base64": DATA, "mime_type": "application/pdf", "extras": {"filename": "report.pdf"}}


@pytest.fixture
def llm(make_llm):
    return make_llm()


class Kept(BaseChatMessageHistory):
    """A history in memory, as a user would write one."""

    def __init__(self):
        self.messages = []

    def add_messages(self, messages):
        self.messages = [*self.messages, *messages]

    def clear(self):
        self.messages = []


def sent(workspace):
    return [str(call.body) for call in workspace.ledger.model_calls()]


@pytest.mark.parametrize(
    ("block", "note"),
    [
        (
            {"type": "image", "base64": DATA, "mime_type": "image/png", "extras": {"filename": "a.png"}},
            "[attached image: a.png, image/png, 5 bytes]",
        ),
        (
            {"type": "image", "url": "https://example.com/a.png"},
            "[attached image: https://example.com/a.png]",
        ),
        (PDF, "[attached file: report.pdf, application/pdf, 5 bytes]"),
        ({"type": "audio", "base64": DATA, "mime_type": "audio/wav"}, "[attached audio: audio/wav, 5 bytes]"),
        ({"type": "video", "file_id": "v-1", "mime_type": "video/mp4"}, "[attached video: v-1, video/mp4]"),
        (
            {"type": "text-plain", "text": "hällo", "title": "notes", "mime_type": "text/plain"},
            "[attached file: notes, text/plain, 6 bytes]",
        ),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
            "[attached image: image/png, 5 bytes]",
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{DATA}"}},
            "[attached file: a.pdf, application/pdf, 5 bytes]",
        ),
        (
            {
                "type": "document",
                "title": "Report",
                "source": {"type": "base64", "media_type": "application/pdf", "data": DATA},
            },
            "[attached file: Report, application/pdf, 5 bytes]",
        ),
        (
            {
                "type": "file",
                "source_type": "base64",
                "data": DATA,
                "mime_type": "application/pdf",
                "filename": "f.pdf",
            },
            "[attached file: f.pdf, application/pdf, 5 bytes]",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_in_any_spelling_becomes_a_note(block, note):
    message = HumanMessage([{"type": "text", "text": "look"}, block], id="m-1")

    (light,) = without_attachments([message])

    assert light.content == [{"type": "text", "text": "look"}, {"type": "text", "text": note}]
    assert light.id == "m-1"
    assert message.content == [{"type": "text", "text": "look"}, block]


def test_files_in_tool_results_and_answers_become_notes_too():
    image = {"type": "image", "base64": DATA, "mime_type": "image/png", "index": 0}
    result, answer = ToolMessage([image], tool_call_id="c"), AIMessage([image])

    assert [light.content[0]["text"] for light in without_attachments([result, answer])] == [
        "[attached image: image/png, 5 bytes]"
    ] * 2


def test_a_message_without_files_is_the_same_object():
    messages = [
        HumanMessage("hello"),
        AIMessage([{"type": "reasoning", "reasoning": "so", "extras": {"signature": "s"}}, "text"]),
    ]

    assert all(light is heavy for light, heavy in zip(without_attachments(messages), messages, strict=True))


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_with_message_history_a_file_is_sent_once_and_never_stored(llm, workspace, way):
    kept = Kept()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain prefers checkpointers by now, and says so
        chat = RunnableWithMessageHistory(llm, lambda: LightChatMessageHistory(kept), history_factory_config=[])
    turns = [[HumanMessage([{"type": "text", "text": "Read this"}, PDF])], [HumanMessage("What was its name?")]]

    for turn in turns:
        answer = chat.invoke(turn) if way == "sync" else await chat.ainvoke(turn)

    first, second = sent(workspace)
    assert DATA in first
    assert DATA not in second
    assert "[attached file: report.pdf, application/pdf, 5 bytes]" in second
    assert [message.type for message in kept.messages] == ["human", "ai", "human", "ai"]
    assert DATA not in str(kept.messages)
    assert kept.messages[-1].content == answer.content


def test_a_light_history_is_cleared_and_read_through():
    kept = Kept()
    history = LightChatMessageHistory(kept)

    history.add_user_message("hello")
    assert history.messages == kept.messages == [HumanMessage("hello")]

    history.clear()
    assert kept.messages == []


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_with_a_checkpointer_a_file_is_sent_once_and_never_kept(llm, workspace, way):
    agent = create_agent(llm, [], middleware=[DbxLightHistoryMiddleware()], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    turns = [HumanMessage([{"type": "text", "text": "Read this"}, PDF]), HumanMessage("What was its name?")]

    for turn in turns:
        given = {"messages": [turn]}
        state = agent.invoke(given, config) if way == "sync" else await agent.ainvoke(given, config)

    first, second = sent(workspace)
    assert DATA in first
    assert DATA not in second
    assert DATA not in str(agent.get_state(config).values)
    assert [message.type for message in state["messages"]] == ["human", "ai", "human", "ai"]
