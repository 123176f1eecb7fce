"""The core's events as LangChain's chunks."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from dbx_gateway.chat import Finish, Text, ToolCall, is_executable
from dbx_gateway.events import (
    End,
    Event,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from langchain_dbx_gateway.messages import block_of, call_facts, finish_of, metadata_of, usage_of

__all__ = ["Chunks"]

_UNPARSABLE: Final = '"' + "}]" * 64 + '"' + "}]" * 64
"""Closes no open JSON value: a cut call's arguments with this behind them parse to nothing, in or out of a string.

langchain-core completes cut arguments to a valid call when it adds chunks up; this is what keeps it from doing so.
"""


class Chunks:
    """Turns the events of one answer into chunks that add up to its message.

    Text comes as plain strings until something else than text has come; then as standard blocks.

    Args:
        model: the name that was asked.
        blocks: standard blocks from the start.
    """

    def __init__(self, model: str, *, blocks: bool = False) -> None:
        self._model = model
        self._blocks = blocks
        self._v1 = blocks
        self._calls: dict[int, ToolCall] = {}
        self._told: set[int] = set()
        self._id: str | None = None

    def of(self, event: Event) -> list[ChatGenerationChunk]:
        """Return the chunks that ``event`` makes."""
        match event:
            case TextDelta():
                return [self._chunk(self._text(event))]
            case ToolCallDelta():
                return [self._call_chunk(event.index, args=event.arguments)]
            case ReasoningDelta():
                self._blocks = True
                self._told.add(event.index)
                return [self._chunk([{"type": "reasoning", "reasoning": event.text, "index": event.index}])]
            case RefusalDelta():
                self._blocks = True
                self._told.add(event.index)
                return [self._chunk([{"type": "refusal", "refusal": event.text, "index": event.index}])]
            case ToolCallStart():
                return [self._call_chunk(event.index, name=event.name, call_id=event.call_id, args="")]
            case ToolCallEnd():
                self._calls[event.index] = event.call
                return []
            case PartEnd():
                return self._rest(event)
            case Start():
                self._id = event.response_id
                told = metadata_of(self._model, event.exchange, None, {}, event.response_id)
                return [self._chunk("", response_metadata=told | ({"output_version": "v1"} if self._v1 else {}))]
            case End():
                return self._end(event)
            case _:
                return []

    def _text(self, event: TextDelta) -> str | list[Any]:
        self._told.add(event.index)
        return [{"type": "text", "text": event.text, "index": event.index}] if self._blocks else event.text

    def _rest(self, event: PartEnd) -> list[ChatGenerationChunk]:
        """Hand out what the deltas of a part did not say: signatures, citations, or the whole of it."""
        blocks = block_of(event.part)
        if event.index in self._told:
            blocks = [_without_text(block) for block in blocks if len(_without_text(block)) > 1]
        elif isinstance(event.part, Text) and not event.part.text and not event.part.opaque:
            return []
        if not blocks:
            return []
        if not self._blocks and isinstance(event.part, Text):
            return []
        self._blocks = True
        return [self._chunk([block | {"index": event.index} for block in blocks])]

    def _end(self, event: End) -> list[ChatGenerationChunk]:
        cut = [index for index, call in self._calls.items() if not _whole(call, event.finish)]
        chunks = [self._call_chunk(index, args=_UNPARSABLE) for index in cut]
        last = AIMessageChunk(
            content="" if not self._blocks else [],
            id=self._id,
            usage_metadata=usage_of(event.usage),
            response_metadata=finish_of(event.finish) | event.extras,
            additional_kwargs=call_facts(list(self._calls.values())),
            chunk_position="last",
        )
        return [*chunks, ChatGenerationChunk(message=last)]

    def _chunk(self, content: str | list[Any], **more: Any) -> ChatGenerationChunk:
        return ChatGenerationChunk(message=AIMessageChunk(content=content, id=self._id, **more))

    def _call_chunk(
        self, index: int, *, args: str, name: str | None = None, call_id: str | None = None
    ) -> ChatGenerationChunk:
        piece = tool_call_chunk(name=name, args=args, id=call_id, index=index)
        return ChatGenerationChunk(message=AIMessageChunk(content="", id=self._id, tool_call_chunks=[piece]))


def _whole(call: ToolCall, finish: Finish) -> bool:
    return call.custom or is_executable(call, finish)


def _without_text(block: dict[str, Any]) -> dict[str, Any]:
    said = {"text": "text", "reasoning": "reasoning", "refusal": "refusal"}.get(block["type"])
    return {name: value for name, value in block.items() if name != said and not (name == "extras" and not value)}
