"""The core's events as LangChain's chunks."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.utils.json import parse_partial_json

from dbx_gateway.adapters.part_facts import MessageFacts
from dbx_gateway.chat import Finish, Part, Reasoning, Refusal, Text, ToolCall, is_executable
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
    PROVIDER,
    call_facts,
    extras_of,
    finish_of,
    metadata_of,
    reason_broken,
    text_facts,
    usage_of,
    warn_of_alternatives,
)
from langchain_dbx_gateway.blocks import (
    FREE_CLOSES,
    FREE_OPENS,
    Block,
    behind_text,
    beside_text,
    blocks_of,
    free_text,
    joins_run,
    text_block,
)
from langchain_dbx_gateway.silent_parts import SilentParts

__all__ = ["Chunks", "Numbers"]


class Numbers:
    """Gives each block of a stream its index: 0, 1, 2, ... in the order in which they start."""

    def __init__(self) -> None:
        self._indexes: dict[tuple[int, int], int] = {}
        self._count = 0

    def of(self, part: int, run: int = 0) -> int:
        """Return the index of a part's block, or of one run of it."""
        if (part, run) not in self._indexes:
            self._indexes[part, run] = self._count
            self._count += 1
        return self._indexes[part, run]

    def has(self, part: int, run: int = 0) -> bool:
        """Whether the block has started."""
        return (part, run) in self._indexes

    def join(self, part: int, index: int | None) -> bool:
        """Let a new part continue the block ``index`` if that is the last one started; return whether it does."""
        if index is None or index != self._count - 1 or self.has(part):
            return False
        self._indexes[part, 0] = index
        return True


class Chunks:
    """Turns the events of one answer into chunks that add up to its message.

    Text is sent as plain strings until something else has arrived; from then on all is sent as standard blocks. The
    metadata of a text that was sent as a string is in the last chunk, beside the content, and so is reasoning without text,
    which does not end the strings. No chunk has an id: LangChain gives all of an answer its own
    (:func:`langchain_dbx_gateway.answers.answer_messages`).

    Args:
        model: the model's name in the request.
        blocks: standard blocks from the start.
    """

    def __init__(self, model: str, *, blocks: bool = False) -> None:
        self._model = model
        self._numbers = Numbers()
        self._metadata: dict[str, Any] = {}
        self._blocks = blocks
        self._standard = blocks
        self._started = False
        self._texts: list[Text] = []
        self._silent = SilentParts()
        self._shown = 0
        self._due: list[ChatGenerationChunk] = []
        self._run: list[Text] = []
        self._run_index: int | None = None
        self._calls: dict[int, ToolCall] = {}
        self._free: set[int] = set()

    def of(self, event: Event) -> list[ChatGenerationChunk]:
        """Return the chunks that ``event`` makes."""
        chunks = self._chunks_of(event)
        if not self._due:
            return chunks
        due, self._due = self._due, []
        return [*due, *chunks]

    def _chunks_of(self, event: Event) -> list[ChatGenerationChunk]:
        match event:
            case TextDelta():
                return [self._text(event)]
            case ToolCallDelta():
                args = free_text(event.arguments) if event.index in self._free else event.arguments
                return [self._call(event.index, args=args)]
            case ReasoningDelta():
                return [self._reasoning(event)]
            case RefusalDelta():
                return [self._block(event.index, {"type": "refusal", "refusal": event.text})]
            case ToolCallStart():
                if event.custom:
                    self._free.add(event.index)
                args = FREE_OPENS if event.custom else ""
                return [self._call(event.index, name=event.name, call_id=event.call_id, args=args)]
            case ToolCallEnd():
                self._calls[event.index] = event.call
                if not event.call.name:  # nothing of it has been handed out
                    return [self._call(event.index, name="", call_id=event.call.call_id, args=event.call.arguments)]
                return [self._call(event.index, args=FREE_CLOSES)] if event.call.custom else []
            case PartEnd():
                return self._rest(event.index, event.part)
            case Start():
                self._metadata = metadata_of(self._model, event.model, event.exchange, event.response_id)
                return []
            case End():
                return self._end(event)
            case _:
                return []

    def _text(self, event: TextDelta) -> ChatGenerationChunk:
        if not self._numbers.has(event.index):
            if not self._blocks:
                self._silent.text()
            self._join_run(event.index, Text(event.text))
        self._run_index = self._numbers.of(event.index)
        if self._blocks:
            return self._block(event.index, {"type": "text", "text": event.text})
        return self._chunk(event.text)

    def _reasoning(self, event: ReasoningDelta) -> ChatGenerationChunk:
        block: Block = {"type": "reasoning", "reasoning": event.text}
        if not self._numbers.has(event.index, event.segment):
            block["extras"] = {"kind": event.kind} | ({"continues": True} if event.segment else {})
        return self._block(event.index, block, event.segment)

    def _rest(self, index: int, part: Part) -> list[ChatGenerationChunk]:
        """Return what the deltas of a part did not hold: signatures, citations, or all of it."""
        if isinstance(part, Text):
            return self._rest_of_text(index, part)
        if not self._standard and self._silent.add(part):
            return []
        if not self._numbers.has(index):
            blocks = [] if part == Reasoning() else blocks_of(part)
            return [self._block(index, block, run) for run, block in enumerate(blocks)]
        facts = beside_text(part) if isinstance(part, Refusal | Reasoning) else {}
        kind = type(part).__name__.lower()
        return [self._block(index, {"type": kind, kind: ""} | facts)] if facts else []

    def _rest_of_text(self, index: int, part: Text) -> list[ChatGenerationChunk]:
        if not self._blocks:
            if not self._numbers.has(index):
                if self._silent.add(part):
                    return []
                self._silent.text()
            self._texts.append(part)
            return []
        facts = beside_text(part)
        if not self._numbers.has(index):
            if not facts:
                return []
            self._join_run(index, part)
        self._run_index = self._numbers.of(index)
        is_behind = bool(self._run) and bool(beside_text(self._run[-1]))
        self._run.append(part)
        late = behind_text(part) if is_behind else text_block(self._run) | {"text": ""}
        return [self._block(index, late)] if facts else []

    def _join_run(self, index: int, text: Text) -> None:
        """Let a new text continue the block of the texts before it, or begin another."""
        may_join = not self._silent.waiting and joins_run(text, self._run)
        if not (may_join and self._numbers.join(index, self._run_index)):
            self._run = []

    def _end(self, event: End) -> list[ChatGenerationChunk]:
        warn_of_alternatives(self._model, event.alternatives)
        broken = {index: call for index, call in self._calls.items() if not is_executable(call, event.finish)}
        spoilers = {index: _spoiler(call, event.finish) for index, call in broken.items()}
        chunks = [self._call(index, args=spoiler) for index, spoiler in spoilers.items() if spoiler]
        if self._blocks and not self._silent.has_call:
            self._show_silent()
        hidden = self._silent.end()
        last = AIMessageChunk(
            content=[] if self._blocks else "",
            usage_metadata=usage_of(event.usage),
            response_metadata=self._chunk_metadata()
            | extras_of(event.extras, self._metadata)
            | finish_of(event.finish),
            additional_kwargs=MessageFacts(
                calls=call_facts(list(self._calls.values()), event.finish),
                texts=text_facts(self._texts, apart=bool(hidden)),
                hidden=hidden,
            ).keywords(),
            chunk_position="last",
        )
        return [*chunks, ChatGenerationChunk(message=last)]

    def _block(self, index: int, block: Block, run: int = 0) -> ChatGenerationChunk:
        if not self._blocks:
            self._blocks, self._standard, self._run_index = True, not self._started, None
        if self._silent.waiting:
            self._show_silent()
        return self._chunk([block | {"index": self._numbers.of(index, run)}])

    def _show_silent(self) -> None:
        """Let the silent parts that wait be blocks, before the next one."""
        for block in [block for part in self._silent.waiting for block in blocks_of(part)]:
            self._shown += 1
            self._due.append(self._chunk([block | {"index": self._numbers.of(-1, self._shown)}]))
        self._silent.waiting.clear()

    def _call(
        self, index: int, *, args: str, name: str | None = None, call_id: str | None = None
    ) -> ChatGenerationChunk:
        if call_id is not None and not self._standard:
            self._silent.call(call_id)
        piece = tool_call_chunk(name=name, args=args, id=call_id, index=self._numbers.of(index))
        if not self._standard:
            return self._chunk("" if not self._blocks else [], tool_call_chunks=[piece])
        block = {key: value for key, value in piece.items() if value is not None}
        return self._chunk([{**block, "type": "tool_call_chunk"}], tool_call_chunks=[piece])

    def _chunk(self, content: str | list[Any], **more: Any) -> ChatGenerationChunk:
        message = AIMessageChunk(content=content, response_metadata=self._chunk_metadata(), **more)
        return ChatGenerationChunk(message=message)

    def _chunk_metadata(self) -> dict[str, Any]:
        """Return the metadata of a chunk: its provider and the form of its content, and all else on the first one."""
        read = {"model_provider": PROVIDER} | ({"output_version": "v1"} if self._standard else {})
        if self._started:
            return read
        self._started = True
        return self._metadata | read


def _spoiler(call: ToolCall, finish: Finish) -> str:
    """Return a text that makes a call's arguments invalid for langchain-core, with the reason in it.

    When langchain-core adds chunks up, it completes cut arguments to a valid object, and the call would be run. It gives
    up at a bracket that closes nothing. Arguments that it gives up by itself stay as the model wrote them.
    """
    arguments = FREE_OPENS + free_text(call.arguments) + FREE_CLOSES if call.custom else call.arguments
    if not _would_run(arguments):
        return ""
    inside, escaped = False, False
    closers: list[str] = []
    for char in arguments:
        if inside:
            inside, escaped = char != '"' or escaped, char == "\\" and not escaped
        elif char == '"':
            inside = True
        elif char in "{[":
            closers.append("}" if char == "{" else "]")
        elif closers and char == closers[-1]:
            closers.pop()
    quote = ("\\" if escaped else "") + '"' if inside else ""
    wrong = "}" if closers and closers[-1] == "]" else "]"
    return f"{quote}{wrong} ({reason_broken(call, finish)})"


def _would_run(arguments: str) -> bool:
    """Whether langchain-core makes an object of ``arguments``, whole or cut."""
    try:
        return not arguments or isinstance(parse_partial_json(arguments), dict)
    except Exception:  # noqa: BLE001  # langchain-core takes any for the sign of an invalid call
        return False
