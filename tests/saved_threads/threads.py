"""Threads as users of LangChain and LlamaIndex store them, one of each family, and what the core reads out of them.

``files/`` holds what ``save.py`` made of them when each adapter still had code of its own for what a block has no field for.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from typing import Any, Final

import httpx
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage, message_to_dict, messages_from_dict
from llama_index.core.base.llms.types import ChatMessage

from dbx_gateway import chat
from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway
from langchain_dbx_gateway.answers import answer_message
from langchain_dbx_gateway.messages import to_core as of_langchain
from llama_index_dbx_gateway import DbxGateway
from llama_index_dbx_gateway.answers import chat_response
from llama_index_dbx_gateway.messages import to_core as of_llama_index

__all__ = [
    "ANSWERS",
    "FORMER",
    "FRAMEWORKS",
    "MODELS",
    "STREAMED",
    "core",
    "loaded",
    "message_of",
    "model_of",
    "stored",
    "thread",
]

MODELS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "claude": ("databricks-claude-sonnet-4-5", {"thinking": True, "max_tokens": 4000}),
    "gpt": ("databricks-gpt-5-2", {"reasoning_effort": "low"}),
    "gemini": ("databricks-gemini-3-pro", {"reasoning_effort": "low"}),
    "gpt-oss": ("databricks-gpt-oss-120b", {"reasoning_effort": "low"}),
    "llama": ("databricks-meta-llama-3-3-70b-instruct", {}),
    "qwen": ("databricks-qwen35-122b-a10b", {}),
    "gemma": ("databricks-gemma-3-12b", {}),
    "agent-responses": ("support-agent", {}),
    "agent-chat": ("legacy-agent", {}),
}
"""A model of each family, and how it is asked."""

STREAMED: Final = ("claude", "gpt", "gemini", "llama")
"""One family for each api, whose answers are streamed into a thread too."""

FRAMEWORKS: Final = ("langchain", "llama_index")
QUESTIONS: Final = ("[cite] The capital of Italy", "Add 2 and 3, and both 4 and 5")
REFUSED: Final = "[refuse] please"
REFUSING: Final = ("claude", "gpt", "gemini", "agent-responses")
"""Families on whose apis a turn may be a refusal and nothing else."""


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def _langchain(model: ChatDbxGateway, questions: Iterable[str], *, tools: bool, stream: bool) -> list[BaseMessage]:
    asked = model.bind_tools([add]) if tools else model
    messages: list[BaseMessage] = []
    for question in questions:
        messages.append(HumanMessage(question))
        while True:
            if stream:
                first, *rest = asked.stream(messages)
                for chunk in rest:
                    first += chunk
                messages.append(first)
            else:
                messages.append(asked.invoke(messages))
            calls = messages[-1].tool_calls
            messages += [ToolMessage(str(add(**call["args"])), tool_call_id=call["id"], name="add") for call in calls]
            if not calls:
                break
    return messages


def _llama_index(model: DbxGateway, questions: Iterable[str], *, tools: bool, stream: bool) -> list[ChatMessage]:
    from llama_index.core.tools import FunctionTool

    given = [FunctionTool.from_defaults(add)] if tools else []
    messages: list[ChatMessage] = []
    for question in questions:
        messages.append(ChatMessage(role="user", content=question))
        while True:
            asked: dict[str, Any] = {"chat_history": messages, "allow_parallel_tool_calls": True}
            if not given:
                response = [*model.stream_chat(messages)][-1] if stream else model.chat(messages)
            elif stream:
                response = [*model.stream_chat_with_tools(given, **asked)][-1]
            else:
                response = model.chat_with_tools(given, **asked)
            messages.append(response.message)
            calls = model.get_tool_calls_from_response(response, error_on_no_tool_call=False)
            messages += [
                ChatMessage(
                    role="tool",
                    content=str(add(**call.tool_kwargs)),
                    additional_kwargs={"tool_call_id": call.tool_id, "name": "add"},
                )
                for call in calls
            ]
            if not calls:
                break
    return messages


def _offline() -> dict[str, Any]:
    workspace = Workspace()
    return {
        "host": "https://example.cloud.databricks.com",
        "token": workspace.token,
        "http_client": httpx.Client(transport=workspace_transport(workspace)),
    }


def model_of(framework: str, family: str) -> ChatDbxGateway | DbxGateway:
    """Return a model of ``family`` in a simulated workspace of its own."""
    name, settings = MODELS[family]
    kind = ChatDbxGateway if framework == "langchain" else DbxGateway
    return kind(model=name, **settings, **_offline())


def thread(framework: str, family: str, *, stream: bool) -> list[Any]:
    """Return a conversation with a model of ``family``, as ``framework`` has it."""
    model = model_of(framework, family)
    tools = not family.startswith("agent")
    talk = _langchain if isinstance(model, ChatDbxGateway) else _llama_index
    questions = (*QUESTIONS, REFUSED) if family in REFUSING else QUESTIONS
    return talk(model, questions, tools=tools, stream=stream)


def _answer(api: str, *parts: chat.Part, reason: str = "tool_calls") -> chat.ChatResponse:
    origin = chat.Origin(api, "databricks-a-model")  # type: ignore[arg-type]  # one of the four
    return chat.ChatResponse(
        message=chat.Message(role="assistant", parts=parts, origin=origin),
        finish=chat.Finish(reason=reason),  # type: ignore[arg-type]  # one of its reasons
        id="answer_1",
        exchange=chat.Exchange(
            surface="ai-gateway",
            family="other",
            api=api,  # type: ignore[arg-type]  # one of the four
            url="https://example.cloud.databricks.com/x",
        ),
    )


_CITED: Final = chat.Text(
    "Rome is warm.",
    (
        chat.Citation(
            kind="url_citation",
            cited_text="warm",
            url="https://example.com/rome",
            title="Rome",
            start=8,
            end=12,
            source={"type": "url_citation", "start_index": 8},
        ),
        chat.Citation(kind="page_location", title="A", source={"type": "page_location"}),
    ),
    id="msg_1",
)
_CALL: Final = chat.ToolCall(call_id="call_1", name="add", arguments='{"a": 2,"b": 3}')

ANSWERS: Final[dict[str, Callable[[], chat.ChatResponse]]] = {
    "texts": lambda: _answer(
        "responses",
        chat.Text("First, ", phase="commentary", id="msg_0", opaque={"message": {"status": "completed"}}),
        chat.Text("then "),
        chat.Text("last.", phase="final_answer", opaque={"thoughtSignature": "c2ln"}),
        reason="stop",
    ),
    "citations": lambda: _answer("messages", chat.Text("As said: "), _CITED, chat.Text("The end."), reason="stop"),
    "refusal": lambda: _answer(
        "responses", chat.Refusal("I cannot ", category="policy", id="msg_1", opaque={"n": 1}), chat.Refusal("say.")
    ),
    "reasoning": lambda: _answer(
        "messages",
        chat.Reasoning(segments=(chat.Segment("raw", "So"),), signature="c2ln", opaque={"index": 0}),
        chat.Reasoning(redacted="cmVk"),
        chat.Text("Yes."),
        reason="stop",
    ),
    "reasoning_in_runs": lambda: _answer(
        "responses",
        chat.Reasoning(
            segments=(
                chat.Segment("summary", "in short"),
                chat.Segment("summary", "again"),
                chat.Segment("raw", "long"),
            ),
            encrypted="ZW5j",
            id="rs_1",
            opaque={"status": "completed"},
        ),
        _CALL,
    ),
    "calls": lambda: _answer(
        "generate-content",
        dataclasses.replace(_CALL, signature="c2ln", minted=True),
        dataclasses.replace(_CALL, call_id="call_2", id="fc_2", opaque={"function": {"x": 1}}),
        dataclasses.replace(_CALL, call_id="call_3", arguments=" "),
        chat.ToolCall(call_id="call_4", name="shell", arguments='ls "a"', custom=True),
    ),
    "cut_call": lambda: _answer(
        "chat-completions",
        dataclasses.replace(_CALL, arguments='{"a": 2', signature="c2ln", id="fc_1"),
        reason="length",
    ),
    "native": lambda: _answer(
        "messages",
        chat.Text("Let me look."),
        chat.Native(
            api="messages",
            payload={"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Rome"}},
        ),
        chat.Native(api="messages", payload={"type": "odd", "value": [1, None]}, id="odd_1", opaque={"n": 1}),
        _CITED,
        reason="stop",
    ),
    "media": lambda: _answer(
        "chat-completions",
        chat.Image(blob=chat.Blob(data="iVBORw0KGgo=", mime="image/png"), id="img_1", opaque={"x": 1}),
        chat.Audio(blob=chat.Blob(data="aGVsbG8=", mime="audio/wav"), transcript="hello"),
        chat.Video(blob=chat.Blob(url="https://example.com/film.mp4", mime="video/mp4")),
        chat.File(blob=chat.Blob(data="aGVsbG8=", mime="application/pdf"), filename="a.pdf", opaque={"y": 2}),
        reason="stop",
    ),
    "silent_reasoning": lambda: _answer(
        "responses",
        chat.Reasoning(encrypted="ZW5j", id="rs_1", opaque={"status": "completed"}),
        dataclasses.replace(_CALL, id="fc_1"),
        chat.Reasoning(encrypted="b3RoZXI=", id="rs_2"),
        dataclasses.replace(_CALL, call_id="call_2", id="fc_2"),
    ),
    "silent_reasoning_before_text": lambda: _answer(
        "responses",
        chat.Reasoning(encrypted="ZW5j", id="rs_1"),
        chat.Text("Let me think. ", phase="commentary", id="msg_1"),
        chat.Reasoning(encrypted="b3RoZXI=", id="rs_2"),
        chat.Text("Yes.", phase="final_answer", id="msg_2"),
        reason="stop",
    ),
    "signature_without_text": lambda: _answer(
        "generate-content", chat.Text("All. "), chat.Text("", opaque={"thoughtSignature": "c2ln"}), reason="stop"
    ),
}
"""Answers with everything that a part can hold beside what the frameworks have fields for."""


FORMER: Final = ("silent_reasoning", "silent_reasoning_before_text")
"""Answers that were stored as blocks when reasoning without text made a list of the content, whole and streamed."""


def message_of(framework: str, answer: chat.ChatResponse, *, blocks: bool = False) -> Any:
    """Return an answer as a message of ``framework``, for LangChain also as standard blocks alone."""
    if framework == "langchain":
        return answer_message(answer, "databricks-a-model", blocks=blocks)
    return chat_response(answer, "databricks-a-model").message


def stored(framework: str, messages: list[Any]) -> Any:
    """Return messages as they are stored as JSON."""
    if framework == "langchain":
        return json.loads(json.dumps([message_to_dict(message) for message in messages]))
    return [json.loads(message.model_dump_json()) for message in messages]


def loaded(framework: str, messages: Any) -> list[Any]:
    """Return messages that were stored as JSON."""
    if framework == "langchain":
        return messages_from_dict(messages)
    return [ChatMessage.model_validate(message) for message in messages]


def core(framework: str, messages: list[Any]) -> Any:
    """Return what would be sent for ``messages``, as plain data."""
    return plain(of_langchain(messages) if framework == "langchain" else of_llama_index(messages))


def plain(value: Any) -> Any:
    """Return a value of the core as plain data: what differs from a field's default, and the name of the class."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: plain(set_)
            for field in dataclasses.fields(value)
            if (set_ := getattr(value, field.name)) not in (None, (), {}, False, "")
        }
        return {"is": type(value).__name__, **fields}
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
