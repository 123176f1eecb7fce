"""The core's events as the events of LangChain's ``stream_events(version="v3")``, made directly, not from chunks."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.callbacks import BaseRunManager
from langchain_core.messages import LC_ID_PREFIX

from dbx_gateway.adapters.part_facts import MessageFacts
from dbx_gateway.chat import Finish, Reasoning, Text, ToolCall, is_executable
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
from langchain_dbx_gateway.answers import (
    call_facts,
    extras_of,
    finish_of,
    metadata_of,
    reason_broken,
    usage_of,
    warn_of_alternatives,
)
from langchain_dbx_gateway.blocks import (
    FREE_CLOSES,
    FREE_OPENS,
    Block,
    beside_text,
    blocks_of,
    free_text,
    joins_run,
    text_block,
)
from langchain_dbx_gateway.chunks import Numbers

__all__ = ["MessageEvents"]

_HEAVY: Final = frozenset({"args", "base64", "data", "output", "transcript", "value", "text", "reasoning", "refusal"})
"""Keys that are left out of a block's start: its deltas and its finish hold them."""


class MessageEvents:
    """Turns the events of one answer into the events of LangChain's protocol.

    Each block starts, grows and finishes under an index of its own; a tool call finishes with the answer, because
    only then is it known whether it may be run.

    Args:
        model: the model's name in the request.
        run: LangChain's run, whose id is the message's; without one it is the id that its stream has already.
    """

    def __init__(self, model: str, run: BaseRunManager | None = None) -> None:
        self._model = model
        self._message_id = f"{LC_ID_PREFIX}-{run.run_id}" if run is not None else ""
        self._numbers = Numbers()
        self._metadata: dict[str, Any] = {}
        self._calls: dict[int, ToolCall] = {}
        self._free: set[int] = set()
        self._run: list[Text] = []
        self._run_part: int | None = None

    def of(self, event: Event) -> list[Any]:
        """Return the protocol's events for ``event``."""
        match event:
            case TextDelta():
                return [
                    *self._text_started(event.index, Text(event.text)),
                    *self._delta(event.index, 0, {"type": "text"}, {"type": "text-delta", "text": event.text}),
                ]
            case ReasoningDelta():
                delta = {"type": "reasoning-delta", "reasoning": event.text}
                return self._delta(event.index, event.segment, {"type": "reasoning"}, delta)
            case RefusalDelta():
                return self._started(event.index, 0, {"type": "non_standard"})
            case ToolCallStart():
                return self._call_started(event)
            case ToolCallDelta():
                args = free_text(event.arguments) if event.index in self._free else event.arguments
                return [self._arguments_delta(event.index, args)]
            case ToolCallEnd():
                self._calls[event.index] = event.call
                if not event.call.name:  # nothing of it has been handed out
                    started = self._call_started(ToolCallStart(event.index, event.call.call_id, ""))
                    return [*started, self._arguments_delta(event.index, event.call.arguments)]
                return [self._arguments_delta(event.index, FREE_CLOSES)] if event.index in self._free else []
            case PartEnd():
                return (
                    self._text_ended(event.index, event.part) if isinstance(event.part, Text) else self._finished(event)
                )
            case Start():
                return [self._start(event)]
            case End():
                return self._end(event)
            case _:
                return []

    def _start(self, event: Start) -> dict[str, Any]:
        self._metadata = metadata_of(self._model, event.model, event.exchange, event.response_id)
        metadata = {"provider": self._metadata["model_provider"], "model": self._model}
        return {"event": "message-start", "role": "ai", "id": self._message_id, "metadata": metadata}

    def _delta(self, index: int, run: int, block: Block, delta: dict[str, Any]) -> list[Any]:
        return [*self._started(index, run, block), self._event("delta", index, run, delta=delta)]

    def _started(self, index: int, run: int, block: Block) -> list[Any]:
        if self._numbers.has(index, run):
            return []
        empty = {block["type"]: ""} if block["type"] in ("text", "reasoning") else {}
        light = {key: value for key, value in block.items() if key not in _HEAVY}
        return [self._event("start", index, run, content=light | empty)]

    def _call_started(self, event: ToolCallStart) -> list[Any]:
        call = {"type": "tool_call_chunk", "id": event.call_id, "name": event.name, "args": ""}
        started = [self._event("start", event.index, 0, content={**call, "index": self._numbers.of(event.index)})]
        if event.custom:
            self._free.add(event.index)
            started.append(self._arguments_delta(event.index, FREE_OPENS))
        return started

    def _arguments_delta(self, index: int, args: str) -> dict[str, Any]:
        return self._event("delta", index, 0, delta={"type": "tool-call-delta", "args": args})

    def _text_started(self, index: int, text: Text) -> list[Any]:
        """Let a new text continue the block of the text before it, or finish that block."""
        if self._numbers.has(index):
            return []
        before = None if self._run_part is None else self._numbers.of(self._run_part)
        if joins_run(text, self._run) and self._numbers.join(index, before):
            return []
        return self._run_finished()

    def _text_ended(self, index: int, part: Text) -> list[Any]:
        """Add a text to its block, which may still be continued."""
        if not part.text and not beside_text(part):
            return []
        events = [*self._text_started(index, part), *self._started(index, 0, {"type": "text"})]
        self._run.append(part)
        self._run_part = index
        return events

    def _run_finished(self) -> list[Any]:
        if self._run_part is None:
            return []
        finish = self._event("finish", self._run_part, 0, content=text_block(self._run))
        self._run, self._run_part = [], None
        return [finish]

    def _finished(self, event: PartEnd) -> list[Any]:
        if event.part == Reasoning():
            return []
        events: list[Any] = []
        for run, block in enumerate(map(_known, blocks_of(event.part))):
            events += self._started(event.index, run, block)
            events.append(self._event("finish", event.index, run, content=block))
        return events

    def _end(self, event: End) -> list[Any]:
        warn_of_alternatives(self._model, event.alternatives)
        finished = self._run_finished()
        finished += [
            self._event("finish", index, 0, content=_final(call, event.finish)) for index, call in self._calls.items()
        ]
        finish: dict[str, Any] = {"event": "message-finish"}
        usage = usage_of(event.usage)
        if usage is not None:
            finish["usage"] = usage
        finish["metadata"] = self._metadata | extras_of(event.extras, self._metadata) | finish_of(event.finish)
        finish["additional_kwargs"] = MessageFacts(
            calls=call_facts(list(self._calls.values()), event.finish)
        ).keywords()
        return [*finished, finish]

    def _event(self, what: str, index: int, run: int, **fields: Any) -> dict[str, Any]:
        return {"event": f"content-block-{what}", "index": self._numbers.of(index, run), **fields}


def _known(block: Block) -> Block:
    """Return a block as langchain-core assembles it: its events know no refusals."""
    return {"type": "non_standard", "value": block} if block["type"] == "refusal" else block


def _final(call: ToolCall, finish: Finish) -> Block:
    if is_executable(call, finish):
        return blocks_of(call)[0]
    fields = {"id": call.call_id, "name": call.name, "args": call.arguments, "error": reason_broken(call, finish)}
    return {"type": "invalid_tool_call", **fields}
