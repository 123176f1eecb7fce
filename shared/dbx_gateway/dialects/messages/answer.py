"""Reads answers of the Messages api, streamed or not, with one reader for both.

An answer that is not streamed has the form of ``message_start`` with its content, so the same methods read both. Source:
docs/wire/messages.md.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from pydantic import JsonValue
from pydantic_core import from_json

from dbx_gateway.chat import ChatResponse, Citation, Finish, FinishReason, JsonObject, Native, Origin, Usage
from dbx_gateway.errors import IncompleteStreamError, InvalidResponseError
from dbx_gateway.events import Assembly, Event, fold
from dbx_gateway.json_values import (
    arguments_text,
    count_or_none,
    has_counts,
    integer_or_none,
    nonempty_text,
    object_or_empty,
    plain_text,
    text_or_empty,
    text_or_none,
)
from dbx_gateway.parts import INVALID_JSON

__all__ = ["MessagesDecoder", "decode_message"]

_FINISH: Final[dict[str, FinishReason]] = {
    # docs/wire/comparison.md#finish-reasons
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "pause_turn": "pause",
}

_Kind: TypeAlias = Literal["text", "thinking", "redacted_thinking", "tool_use"]

_PART_KEYS: Final[dict[_Kind, frozenset[str]]] = {
    # Keys that parts have fields for; every other key of a block goes into ``opaque``.
    "text": frozenset({"type", "text", "citations"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input"}),
}

_IMPLIED_BLOCKS: Final[dict[str | None, _Kind]] = {
    # The block that a delta belongs to when a host leaves its start out.
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}

_MESSAGE_KEYS: Final = frozenset(
    {"id", "type", "role", "content", "model", "stop_reason", "stop_sequence", "stop_details", "usage", "delta"}
)
_HOST_KEYS: Final = frozenset({"amazon-bedrock-invocationMetrics"})
"""Keys of the host below the gateway (docs/wire/quirks.md#anth-bedrock-metrics)."""

_POSITIONS: Final[dict[str, tuple[str, str]]] = {
    "char_location": ("start_char_index", "end_char_index"),
    "page_location": ("start_page_number", "end_page_number"),
    "content_block_location": ("start_block_index", "end_block_index"),
    "search_result_location": ("start_block_index", "end_block_index"),
}


def decode_message(body: JsonObject, model: str) -> ChatResponse:
    """Return the answer in ``body``.

    Args:
        body: an answer of the Messages api (docs/wire/messages.md#answer).
        model: the requested name.

    Raises:
        InvalidResponseError: the body is no message.
    """
    kind, content = body.get("type", "message"), _blocks(body.get("content"))
    if kind != "message" or content is None:
        raise InvalidResponseError(
            f"{model!r} answered with something other than a message: type {kind!r}, fields {sorted(body)}; "
            "check that the endpoint speaks the messages api, or choose another with api=",
            model=model,
        )
    decoder = MessagesDecoder(model)
    events = decoder.feed({"type": "message_start", "message": {**body, "content": content}})
    events += decoder.feed({"type": "message_stop"})
    return fold([*events, *decoder.close()])


class _Block:
    """A block that is not complete yet: what the assembly has no field for.

    Args:
        key: its key in the assembly.
        kind: None for a block this package has no part for.
        block: the block of the start event.
    """

    __slots__ = ("block", "citations", "fragments", "input", "key", "kind", "streamed", "values")

    def __init__(self, key: int, kind: _Kind | None, block: JsonObject) -> None:
        self.key = key
        self.kind: _Kind | None = kind
        self.block = block
        self.citations: list[Citation] = []
        self.streamed = False
        self.input: list[str] = []
        self.fragments: dict[str, list[str]] = {}
        self.values: JsonObject = {}

    def save(self, delta: JsonObject) -> None:
        """Save a delta that no part has a field for: text is appended, any other value replaces the one before."""
        for name, value in delta.items():
            if isinstance(value, str) and name != "type":
                self.fragments.setdefault(name, [text_or_empty(self.block.get(name))]).append(value)
            elif name != "type" and value is not None:
                self.values[name] = value

    def values_so_far(self) -> JsonObject:
        return {**self.values, **{name: "".join(fragments) for name, fragments in self.fragments.items()}}

    def opaque(self) -> JsonObject:
        """The fields of a known block that its part has no field for."""
        read = _PART_KEYS[self.kind] if self.kind else frozenset[str]()
        return {**{name: value for name, value in self.block.items() if name not in read}, **self.values_so_far()}

    def native(self) -> Native:
        payload = {**self.block, **self.values_so_far()}
        if text := "".join(self.input):
            payload["input"] = _parsed(text)
        return Native(api="messages", payload=payload)


class MessagesDecoder:
    """Reads one stream of the Messages api (docs/wire/messages.md#stream).

    A ``message_delta`` with a stop reason shows that the content is complete; ``message_stop`` ends the stream.
    """

    def __init__(self, model: str) -> None:
        self.complete = False
        self.done = False
        self._model = model
        self._assembly = Assembly(Origin("messages", model))
        self._open: dict[JsonValue, _Block] = {}
        self._count = 0
        self._usage: JsonObject = {}
        self._extras: JsonObject = {}
        self._stop: JsonObject = {}

    def feed(self, event: JsonObject) -> list[Event]:
        """Read one wire event, and return the events it causes; ``ping`` and unknown events cause none."""
        match event.get("type"):
            case "content_block_delta":
                self._delta(_place(event), object_or_empty(event.get("delta")))
            case "content_block_start":
                self._start(_place(event), object_or_empty(event.get("content_block")))
            case "content_block_stop":
                self._end(_place(event))
            case "message_start":
                self._message(object_or_empty(event.get("message")))
            case "message_delta":
                self._message_delta(event)
            case "message_stop":
                self.done = True
                self.complete = self._assembly.started
            case _:
                pass
        return self._assembly.drain()

    def sentinel(self) -> list[Event]:
        """Ignore a ``[DONE]`` mark, which is not part of this api."""
        return []

    def close(self) -> list[Event]:
        """Return the last events, among them the one ``End``.

        Raises:
            IncompleteStreamError: there was neither a stop reason nor ``message_stop``; the error carries what had arrived.
        """
        if not self.complete:
            raise IncompleteStreamError(
                f"the stream from {self._model!r} ended before the answer was complete (no stop_reason, no "
                "message_stop); send the request again, and run no tool call of this answer",
                model=self._model,
                partial=self.partial(),
            )
        for index in list(self._open):
            self._end(index)
        details = object_or_empty(self._stop.get("stop_details"))
        self._assembly.finish(self._finish(), extras=self._extras, category=nonempty_text(details.get("category")))
        return self._assembly.drain()

    def partial(self) -> ChatResponse:
        """Return what has arrived so far."""
        return self._assembly.partial()

    def _message(self, message: JsonObject) -> None:
        self._assembly.start(nonempty_text(message.get("id")), nonempty_text(message.get("model")))
        self._take_end(message)
        self._take_usage(message)
        content = message.get("content")
        for block in content if isinstance(content, list) else []:
            self._start(None, object_or_empty(block))
            self._end(None)

    def _message_delta(self, event: JsonObject) -> None:
        self._ensure_started()
        self._take_end(event)
        self._take_end(object_or_empty(event.get("delta")))
        self._take_usage(event)
        if self._stop.get("stop_reason") is not None:
            self.complete = True

    def _ensure_started(self) -> None:
        """Start the answer if it has not started: some hosts leave ``message_start`` out."""
        if not self._assembly.started:
            self._assembly.start(None, None)

    def _take_end(self, fields: JsonObject) -> None:
        for name, value in fields.items():
            if value is None or name in _HOST_KEYS:
                continue
            if name in ("stop_reason", "stop_sequence", "stop_details"):
                self._stop[name] = value
            elif name not in _MESSAGE_KEYS:
                self._extras[name] = value

    def _take_usage(self, fields: JsonObject) -> None:
        """Merge token counts: a later count replaces an earlier one, an absent one changes nothing.

        Source: docs/wire/messages.md#stream.
        """
        usage = fields.get("usage")
        if isinstance(usage, dict) and usage:
            self._usage.update((name, value) for name, value in usage.items() if value is not None)
            self._assembly.usage(_usage(self._usage))

    def _start(self, index: JsonValue, block: JsonObject) -> None:
        self._ensure_started()
        self._end(index)
        # Keys are counted here: a host may give several blocks one index.
        key, self._count = self._count, self._count + 1
        match block.get("type"):
            case "text":
                kind: _Kind | None = "text"
                self._assembly.open(key, "text")
                self._assembly.text(key, text_or_empty(block.get("text")))
            case "thinking":
                kind = "thinking"
                self._assembly.open(key, "reasoning", signature=nonempty_text(block.get("signature")))
                self._assembly.reasoning(key, text_or_empty(block.get("thinking")))
            case "redacted_thinking":
                kind = "redacted_thinking"
                self._assembly.open(key, "reasoning", redacted=text_or_empty(block.get("data")))
            case "tool_use":
                kind = "tool_use"
                self._assembly.call(key, text_or_empty(block.get("id")), text_or_empty(block.get("name")))
            case _:
                kind = None
        opened = self._open[index] = _Block(key, kind, block)
        citations = block.get("citations")
        if isinstance(citations, list):
            opened.citations += [_citation(object_or_empty(citation)) for citation in citations]

    def _delta(self, index: JsonValue, delta: JsonObject) -> None:
        kind = text_or_none(delta.get("type"))
        opened = self._open.get(index)
        if opened is None:
            if kind not in _IMPLIED_BLOCKS:
                return
            self._start(index, {"type": _IMPLIED_BLOCKS[kind]})
            opened = self._open[index]
        match opened.kind, kind:
            case "text", "text_delta":
                self._assembly.text(opened.key, text_or_empty(delta.get("text")))
            case "tool_use", "input_json_delta":
                fragment = text_or_empty(delta.get("partial_json"))
                opened.streamed = opened.streamed or bool(fragment)
                self._assembly.arguments(opened.key, fragment)
            case "thinking", "thinking_delta":
                self._assembly.reasoning(opened.key, text_or_empty(delta.get("thinking")))
            case "thinking", "signature_delta":
                self._assembly.fields(opened.key)["signature"] = nonempty_text(delta.get("signature"))
            case "text", "citations_delta":
                opened.citations.append(_citation(object_or_empty(delta.get("citation"))))
            case None, "input_json_delta":
                opened.input.append(text_or_empty(delta.get("partial_json")))
            case _:
                opened.save(delta)

    def _end(self, index: JsonValue) -> None:
        opened = self._open.pop(index, None)
        if opened is None:
            return
        if opened.kind is None:
            self._assembly.part(opened.key, opened.native())
            return
        if opened.kind == "tool_use" and not opened.streamed:
            self._assembly.arguments(opened.key, arguments_text(opened.block.get("input")))
        if opened.kind == "text":
            self._assembly.fields(opened.key)["citations"] = tuple(opened.citations)
        self._assembly.end(opened.key, opaque=opened.opaque())

    def _finish(self) -> Finish:
        raw = nonempty_text(self._stop.get("stop_reason"))
        details = self._stop.get("stop_details")
        return Finish(
            reason=_FINISH.get(raw or "", "unknown"),
            raw=raw,
            stop_sequence=nonempty_text(self._stop.get("stop_sequence")),
            message=nonempty_text(object_or_empty(details).get("explanation")),
            details={} if details is None else {"stop_details": details},
        )


def _blocks(content: JsonValue) -> list[JsonValue] | None:
    """Return the content as a list of blocks, also where a host writes one block, or its text alone; None for anything else."""
    if isinstance(content, str | int | float) and not isinstance(content, bool):
        return [{"type": "text", "text": plain_text(content)}]
    blocks: list[JsonValue] = content if isinstance(content, list) else [content]
    return blocks if all(isinstance(block, dict) for block in blocks) else None


def _place(event: JsonObject) -> JsonValue:
    """Return the index of an event's block; None where it is a list or an object."""
    index = event.get("index")
    return None if isinstance(index, list | dict) else index


def _usage(raw: JsonObject) -> Usage | None:
    """Return the counts as this package defines them; None where one is no number.

    The api's input excludes the cached tokens (docs/wire/comparison.md#usage).
    """
    if not has_counts(raw, "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
        return None
    read = count_or_none(raw.get("cache_read_input_tokens"))
    write = count_or_none(raw.get("cache_creation_input_tokens"))
    input_tokens = (count_or_none(raw.get("input_tokens")) or 0) + (read or 0) + (write or 0)
    output_tokens = count_or_none(raw.get("output_tokens")) or 0
    return Usage(
        input=input_tokens,
        output=output_tokens,
        total=input_tokens + output_tokens,
        cache_read=read,
        cache_write=write,
        reasoning=count_or_none(object_or_empty(raw.get("output_tokens_details")).get("thinking_tokens")),
        raw=raw,
    )


def _citation(source: JsonObject) -> Citation:
    start, end = _POSITIONS.get(text_or_empty(source.get("type")), ("", ""))
    return Citation(
        kind=text_or_empty(source.get("type")),
        cited_text=nonempty_text(source.get("cited_text")),
        url=text_or_empty(source.get("url")) or nonempty_text(source.get("source")),
        title=text_or_empty(source.get("title")) or nonempty_text(source.get("document_title")),
        start=integer_or_none(source.get(start)),
        end=integer_or_none(source.get(end)),
        source=source,
    )


def _parsed(text: str) -> JsonValue:
    """Return the input of a server tool's call; text that does not parse is wrapped in an object, as the api requires one."""
    try:
        value: JsonValue = from_json(text)
    except ValueError:
        return {INVALID_JSON: text}
    return value
