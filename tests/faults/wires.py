"""The answers of each api as they stand on the wire when nothing is wrong; the cases break them.

Written from the pages of docs/wire on the four formats, and with none of the package's code.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

TEXTS = ("Grüße aus ", "Zürich", ", 早安 ☕.")
"""What the model says, delta by delta."""

SAID = "".join(TEXTS)
ARGUMENTS = ('{"city": "Zü', 'rich", ', '"days": 3}')
"""What the model calls ``get_weather`` with, fragment by fragment."""

CALL = ("call_abc1", "get_weather", '{"city": "Zürich", "days": 3}')
USED = (11, 7, 18)
"""Tokens in, out and together."""


class Frame(NamedTuple):
    """One event of a stream: its object, or its data as it stands, and its type."""

    value: Any
    event: str = ""

    @property
    def data(self) -> bytes:
        """The data of the event on one line."""
        if isinstance(self.value, bytes):
            return self.value
        return json.dumps(self.value, ensure_ascii=False).encode()


DONE = Frame(b"[DONE]")


def sse(frames: Iterable[Frame]) -> bytes:
    """Return ``frames`` as server-sent events."""
    return b"".join(event_bytes(frame) for frame in frames)


def event_bytes(frame: Frame) -> bytes:
    """Return one frame as a server-sent event."""
    name = b"event: %s\n" % frame.event.encode() if frame.event else b""
    return name + b"data: " + frame.data + b"\n\n"


def dumped(value: object) -> bytes:
    """Return ``value`` as JSON."""
    return json.dumps(value, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Wire(ABC):
    """One api.

    Args:
        api: its name.
        model: a model that is asked through it.
        path: where, under a case's own path.
        event_names: whether its events have types.
    """

    api: str = ""
    model: str = ""
    path: str = ""
    event_names: bool = False
    proofs: int = 0
    """How many frames at the end of a stream prove that it is whole, or come after those."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """The api's words for why an answer ended, by ours."""

    @abstractmethod
    def head(self) -> list[Frame]:
        """Return the frames before the first text."""

    @abstractmethod
    def text(self, fragment: str, place: int = 0) -> Frame:
        """Return the frame of one text delta; ``place`` counts them."""

    @abstractmethod
    def tail(self, said: str = SAID, reason: str = "stop", usage: Any = ...) -> list[Frame]:
        """Return the frames after the last text; ``usage`` is the wire's record, None for none."""

    @abstractmethod
    def call_frames(self, fragments: Sequence[str] = ARGUMENTS) -> tuple[list[Frame], list[Frame]]:
        """Return a streamed tool call: up to its last argument, and what ends it."""

    @abstractmethod
    def whole(self, said: str = SAID, reason: str = "stop", usage: Any = ...) -> Any:
        """Return the body of a whole answer."""

    @abstractmethod
    def whole_call(self) -> Any:
        """Return the body of a whole answer that calls a tool."""

    @abstractmethod
    def usage(self, given: int = USED[0], output: int = USED[1], total: int = USED[2]) -> dict[str, Any]:
        """Return a usage record."""

    @abstractmethod
    def error(self) -> tuple[Frame, int, str]:
        """Return the api's own error event with the status and the code that it means; it says "Model is overloaded"."""

    def texts(self, fragments: Sequence[str] = TEXTS) -> list[Frame]:
        """Return the frames of text deltas."""
        return [self.text(fragment, place) for place, fragment in enumerate(fragments, 1)]

    def stream(self, fragments: Sequence[str] = TEXTS, reason: str = "stop") -> list[Frame]:
        """Return a whole streamed answer."""
        return [*self.head(), *self.texts(fragments), *self.tail("".join(fragments), reason)]


@dataclass(frozen=True)
class ChatCompletions(Wire):
    """docs/wire/chat-completions.md."""

    def _chunk(self, delta: Any, reason: str | None = None) -> Frame:
        return Frame(
            {
                "id": "cc-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": self.model,
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
            }
        )

    def head(self) -> list[Frame]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def text(self, fragment: str, place: int = 0) -> Frame:
        return self._chunk({"content": fragment})

    def delta(self, delta: Any, reason: str | None = None, **more: Any) -> Frame:
        """Return a chunk with any delta, and more fields beside its choices."""
        frame = self._chunk(delta, reason)
        return Frame({**frame.value, **more})

    def usage_chunk(self, usage: Any) -> Frame:
        """Return the chunk that holds usage and nothing else."""
        return Frame(
            {"id": "cc-1", "object": "chat.completion.chunk", "model": self.model, "choices": [], "usage": usage}
        )

    def tail(self, said: str = SAID, reason: str = "stop", usage: Any = ...) -> list[Frame]:
        record = self.usage() if usage is ... else usage
        counted = [self.usage_chunk(record)] if record is not None else []
        return [self._chunk({}, self.reasons[reason]), *counted, DONE]

    def call_frames(self, fragments: Sequence[str] = ARGUMENTS) -> tuple[list[Frame], list[Frame]]:
        call_id, name, _ = CALL
        opening = {"index": 0, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        frames = [*self.head(), self._chunk({"tool_calls": [opening]})]
        frames += [
            self._chunk({"tool_calls": [{"index": 0, "function": {"arguments": fragment}}]}) for fragment in fragments
        ]
        return frames, self.tail(reason="tool_calls")

    def whole(self, said: str = SAID, reason: str = "stop", usage: Any = ...) -> Any:
        body = self._body({"role": "assistant", "content": said}, self.reasons[reason])
        return {**body, "usage": self.usage() if usage is ... else usage}

    def _body(self, message: Any, reason: str | None) -> Any:
        return {
            "id": "cc-1",
            "object": "chat.completion",
            "created": 1,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": self.usage(),
        }

    def whole_message(self, message: Any, reason: str | None = "stop", **more: Any) -> Any:
        """Return a body with any message."""
        return {**self._body(message, reason), **more}

    def whole_call(self) -> Any:
        call_id, name, arguments = CALL
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        return self._body({"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")

    def usage(self, given: int = USED[0], output: int = USED[1], total: int = USED[2]) -> dict[str, Any]:
        return {"prompt_tokens": given, "completion_tokens": output, "total_tokens": total}

    def error(self) -> tuple[Frame, int, str]:
        error = {"message": "Model is overloaded", "type": "server_error", "param": None, "code": None}
        return Frame({"error": error}), 500, "server_error"


@dataclass(frozen=True)
class Messages(Wire):
    """docs/wire/messages.md."""

    def _named(self, value: Any) -> Frame:
        return Frame(value, value["type"])

    def start(self, usage: Any = ..., **more: Any) -> Frame:
        """Return ``message_start``."""
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": USED[0], "output_tokens": 1} if usage is ... else usage,
        }
        return self._named({"type": "message_start", "message": {**message, **more}})

    def block(self, content_block: Any, index: int = 0) -> Frame:
        """Return ``content_block_start``."""
        return self._named({"type": "content_block_start", "index": index, "content_block": content_block})

    def delta(self, delta: Any, index: int = 0) -> Frame:
        """Return ``content_block_delta``."""
        return self._named({"type": "content_block_delta", "index": index, "delta": delta})

    def stop(self, index: int = 0) -> Frame:
        """Return ``content_block_stop``."""
        return self._named({"type": "content_block_stop", "index": index})

    def end(self, reason: str | None = "end_turn", usage: Any = ..., **more: Any) -> list[Frame]:
        """Return ``message_delta`` and ``message_stop``."""
        record = {"output_tokens": USED[1]} if usage is ... else usage
        delta = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, **more}}
        return [self._named({**delta, "usage": record}), self._named({"type": "message_stop"})]

    def head(self) -> list[Frame]:
        return [self.start(), self.block({"type": "text", "text": ""})]

    def text(self, fragment: str, place: int = 0) -> Frame:
        return self.delta({"type": "text_delta", "text": fragment})

    def tail(self, said: str = SAID, reason: str = "stop", usage: Any = ...) -> list[Frame]:
        return [self.stop(), *self.end(self.reasons[reason], usage)]

    def call_frames(self, fragments: Sequence[str] = ARGUMENTS) -> tuple[list[Frame], list[Frame]]:
        call_id, name, _ = CALL
        frames = [self.start(), self.block({"type": "tool_use", "id": call_id, "name": name, "input": {}})]
        frames += [self.delta({"type": "input_json_delta", "partial_json": fragment}) for fragment in fragments]
        return frames, [self.stop(), *self.end("tool_use")]

    def whole(self, said: str = SAID, reason: str = "stop", usage: Any = ...) -> Any:
        body = self.whole_message([{"type": "text", "text": said}], self.reasons[reason])
        return {**body, "usage": self.usage() if usage is ... else usage}

    def whole_message(self, content: Any, reason: str | None = "end_turn", **more: Any) -> Any:
        """Return a body with any content."""
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": self.usage(),
            **more,
        }

    def whole_call(self) -> Any:
        call_id, name, arguments = CALL
        return self.whole_message(
            [{"type": "tool_use", "id": call_id, "name": name, "input": json.loads(arguments)}], "tool_use"
        )

    def usage(self, given: int = USED[0], output: int = USED[1], total: int = USED[2]) -> dict[str, Any]:
        return {"input_tokens": given, "output_tokens": output}

    def error(self) -> tuple[Frame, int, str]:
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Model is overloaded"}}
        return Frame(error, "error"), 529, "overloaded_error"


@dataclass(frozen=True)
class Responses(Wire):
    """docs/wire/responses.md."""

    def event(self, kind: str, number: int, **fields: Any) -> Frame:
        """Return one event."""
        return Frame({"type": kind, "sequence_number": number, **fields}, kind)

    def envelope(self, status: str, output: Any = (), usage: Any = None, **more: Any) -> Any:
        """Return the answer's own object."""
        base = {"id": "resp_1", "object": "response", "created_at": 1, "model": self.model, "status": status}
        return {**base, "output": list(output), "error": None, "incomplete_details": None, "usage": usage, **more}

    def item(self, said: str = "", status: str = "in_progress", item_id: str = "msg_1") -> Any:
        """Return a message item."""
        content = [{"type": "output_text", "text": said, "annotations": []}] if said else []
        return {"type": "message", "id": item_id, "role": "assistant", "status": status, "content": content}

    def call_item(self, arguments: str = "", status: str = "in_progress", **more: Any) -> Any:
        """Return a call item."""
        call_id, name, _ = CALL
        base = {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name, "arguments": arguments}
        return {**base, "status": status, **more}

    def head(self) -> list[Frame]:
        part = {"type": "output_text", "text": "", "annotations": []}
        return [
            self.event("response.created", 0, response=self.envelope("in_progress")),
            self.event("response.output_item.added", 1, output_index=0, item=self.item()),
            self.event("response.content_part.added", 2, item_id="msg_1", output_index=0, content_index=0, part=part),
        ]

    def text(self, fragment: str, place: int = 0) -> Frame:
        return self.event(
            "response.output_text.delta", 2 + place, item_id="msg_1", output_index=0, content_index=0, delta=fragment
        )

    def tail(self, said: str = SAID, reason: str = "stop", usage: Any = ...) -> list[Frame]:
        whole = self.whole(said, reason, usage)
        last = "response.completed" if whole["status"] == "completed" else "response.incomplete"
        done = self.item(said, "completed")
        return [
            self.event("response.output_text.done", 900, item_id="msg_1", output_index=0, content_index=0, text=said),
            self.event("response.output_item.done", 901, output_index=0, item=done),
            self.event(last, 902, response=whole),
        ]

    def call_frames(self, fragments: Sequence[str] = ARGUMENTS) -> tuple[list[Frame], list[Frame]]:
        frames = [
            self.event("response.created", 0, response=self.envelope("in_progress")),
            self.event("response.output_item.added", 1, output_index=0, item=self.call_item()),
        ]
        frames += [
            self.event("response.function_call_arguments.delta", place, item_id="fc_1", output_index=0, delta=fragment)
            for place, fragment in enumerate(fragments, 2)
        ]
        arguments = "".join(fragments)
        done = self.call_item(arguments, "completed")
        return frames, [
            self.event(
                "response.function_call_arguments.done", 900, item_id="fc_1", output_index=0, arguments=arguments
            ),
            self.event("response.output_item.done", 901, output_index=0, item=done),
            self.event("response.completed", 902, response=self.envelope("completed", [done], self.usage())),
        ]

    def whole(self, said: str = SAID, reason: str = "stop", usage: Any = ...) -> Any:
        record = self.usage() if usage is ... else usage
        output = [self.item(said, "completed")]
        if reason == "stop":
            return self.envelope("completed", output, record)
        return self.envelope("incomplete", output, record, incomplete_details={"reason": self.reasons[reason]})

    def whole_call(self) -> Any:
        return self.envelope("completed", [self.call_item(CALL[2], "completed")], self.usage())

    def usage(self, given: int = USED[0], output: int = USED[1], total: int = USED[2]) -> dict[str, Any]:
        return {"input_tokens": given, "output_tokens": output, "total_tokens": total}

    def error(self) -> tuple[Frame, int, str]:
        flat = {"code": "server_error", "message": "Model is overloaded", "param": None}
        return self.event("error", 50, **flat), 500, "server_error"


@dataclass(frozen=True)
class GenerateContent(Wire):
    """docs/wire/generate-content.md."""

    def chunk(self, parts: Any = None, usage: Any = None, **candidate: Any) -> Frame:
        """Return one chunk with one candidate."""
        content = {"content": {"role": "model", "parts": parts}} if parts is not None else {}
        body = {"candidates": [{"index": 0, **content, **candidate}], "modelVersion": self.model, "responseId": "r1"}
        return Frame({**body, "usageMetadata": usage} if usage is not None else body)

    def head(self) -> list[Frame]:
        return []

    def text(self, fragment: str, place: int = 0) -> Frame:
        return self.chunk([{"text": fragment}], self.usage(USED[0], place, USED[0] + place))

    def tail(self, said: str = SAID, reason: str = "stop", usage: Any = ...) -> list[Frame]:
        record = self.usage() if usage is ... else usage
        return [self.chunk([{"text": ""}], record, finishReason=self.reasons[reason])]

    def call_frames(self, fragments: Sequence[str] = ARGUMENTS) -> tuple[list[Frame], list[Frame]]:
        call_id, name, _ = CALL
        call = {"id": call_id, "name": name, "args": json.loads("".join(fragments))}
        return [self.chunk([{"functionCall": call}])], self.tail()

    def whole(self, said: str = SAID, reason: str = "stop", usage: Any = ...) -> Any:
        record = self.usage() if usage is ... else usage
        return self.chunk([{"text": said}], record, finishReason=self.reasons[reason]).value

    def whole_call(self) -> Any:
        call_id, name, arguments = CALL
        call = {"functionCall": {"id": call_id, "name": name, "args": json.loads(arguments)}}
        return self.chunk([call], self.usage(), finishReason="STOP").value

    def usage(self, given: int = USED[0], output: int = USED[1], total: int = USED[2]) -> dict[str, Any]:
        return {"promptTokenCount": given, "candidatesTokenCount": output, "totalTokenCount": total}

    def error(self) -> tuple[Frame, int, str]:
        return (
            Frame({"error": {"code": 503, "message": "Model is overloaded", "status": "UNAVAILABLE"}}),
            503,
            "UNAVAILABLE",
        )


CHAT = ChatCompletions(
    api="chat-completions",
    model="databricks-llama-4-maverick",
    path="/chat/completions",
    proofs=3,
    reasons={"stop": "stop", "length": "length", "tool_calls": "tool_calls"},
)
MESSAGES = Messages(
    api="messages",
    model="databricks-claude-sonnet-4-5",
    path="/v1/messages",
    event_names=True,
    proofs=2,
    reasons={"stop": "end_turn", "length": "max_tokens"},
)
RESPONSES = Responses(
    api="responses",
    model="databricks-gpt-5-2",
    path="/responses",
    event_names=True,
    proofs=1,
    reasons={"stop": "completed", "length": "max_output_tokens"},
)
GEMINI = GenerateContent(
    api="generate-content",
    model="databricks-gemini-2-5-pro",
    path="/v1beta/models/m:generateContent",
    proofs=1,
    reasons={"stop": "STOP", "length": "MAX_TOKENS"},
)
WIRES: tuple[Wire, ...] = (CHAT, MESSAGES, RESPONSES, GEMINI)
