"""Reads a Responses stream, event by event, and a whole answer by the same steps.

Items are told apart by ``output_index`` and never by their ids, which change in mid-stream on the AI Gateway
(databricks-wire.md section 5.3). What ``.done`` events and the last event repeat only fills what the deltas left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from pydantic_core import from_json

from dbx_gateway.chat import ChatResponse, Citation, JsonObject, Native, Origin
from dbx_gateway.dialects.event_order import EventOrder
from dbx_gateway.dialects.responses_output import (
    CALLS,
    RESULTS,
    arguments_of,
    citation_of,
    failure,
    finish_of,
    kind_of,
    number_of,
    object_of,
    objects_of,
    text_of,
    usage_of,
    wire_extras,
    without,
)
from dbx_gateway.errors import IncompleteStreamError, InvalidResponseError
from dbx_gateway.events import Assembly, Event
from dbx_gateway.surfaces import Api

__all__ = ["ResponsesDecoder"]

_API: Final[Api] = "responses"
_OF_MESSAGE: Final = frozenset({"type", "id", "role", "content", "phase"})
_OF_REASONING: Final = frozenset({"type", "id", "summary", "content", "encrypted_content"})
_OF_CALL: Final = frozenset({"type", "id", "call_id", "name", "arguments", "input"})
_OF_CONTENT: Final = frozenset({"type", "text", "refusal", "annotations", "logprobs"})
_OF_ENVELOPE: Final = frozenset({"type", "sequence_number"})
_TEXTS: Final = frozenset({"output_text", "text", "input_text"})
_ON_EVENTS: Final = frozenset({"custom_outputs", "databricks_output", "trace_id"})
"""Fields that agents put beside the event's own (databricks-wire.md section 5.3)."""

_Run: TypeAlias = tuple[Literal["text", "refusal", "summary", "raw", "arguments"], int]
"""One growing text of an item: its kind, and its place among those of its kind."""


class _Item:
    """One output item, as far as it has arrived."""

    __slots__ = ("annotations", "ended", "facts", "kind", "natives", "number", "opened", "runs")

    def __init__(self, number: int, kind: str) -> None:
        self.number = number
        self.kind = kind
        self.facts: JsonObject = {}
        self.runs: dict[_Run, list[str]] = {}
        self.annotations: dict[int, list[JsonObject]] = {}
        self.natives: set[int] = set()
        self.opened = False
        self.ended = False

    @property
    def wire_id(self) -> str | None:
        return text_of(self.facts.get("id")) or None

    @property
    def call_id(self) -> str:
        return text_of(self.facts.get("call_id"))


class ResponsesDecoder:
    """Reads one Responses stream.

    A stream that begins with ``response.created`` is complete at ``response.completed`` or ``response.incomplete``,
    and nowhere else. Agents send no such envelope: theirs is complete at ``[DONE]``, or when the stream ends and every
    item that began is done (at least one).

    A call that an agent has run itself, so that its result is in the same answer, is carried as :class:`Native` data:
    nobody is to run it again. Agents' calls are therefore handed out when what follows them is known.

    Args:
        model: the name that was asked.
    """

    def __init__(self, model: str) -> None:
        self.complete = False
        self.done = False
        self._model = model
        self._order = EventOrder()
        self._assembly = Assembly(Origin(_API, model))
        self._items: list[_Item] = []
        self._by_index: dict[int, _Item] = {}
        self._by_kind: dict[str, _Item] = {}
        self._by_id: dict[tuple[str, str], _Item] = {}
        self._held: list[tuple[_Item, JsonObject]] = []
        self._called: set[str] = set()
        self._answered: set[str] = set()
        self._response: JsonObject = {}
        self._status: str | None = None
        self._enveloped = False
        self._refused = False
        self._logprobs: list[JsonObject] = []
        self._extras: JsonObject = {}

    def feed(self, event: JsonObject) -> list[Event]:
        """Take one wire event, and return the events it causes.

        Raises:
            APIError: the event says that the answer failed; the error carries what had arrived.
            InvalidResponseError: the arguments of a call differ from what was streamed of them.
        """
        due = self._order.take(event)
        if event.get("type") in _LAST_EVENTS:
            due = due or [event]
            due += self._order.rest()
        for one in due:
            self._take(one)
        return self._assembly.drain()

    def sentinel(self) -> list[Event]:
        """Take the ``[DONE]`` mark: the end of an agent's stream, and nothing in any other."""
        self._take_rest()
        if not self._enveloped:
            self.done = True
            self.complete = not any(item.kind in CALLS and not item.ended for item in self._items)
        return self._assembly.drain()

    def close(self) -> list[Event]:
        """The stream has ended: return the last events, among them the one ``End``.

        Raises:
            IncompleteStreamError: the answer is not complete; the error carries what had arrived.
        """
        self._take_rest()
        if not self._enveloped and not self.done and self._items:
            self.complete = all(item.ended for item in self._items)
        if not self.complete:
            raise IncompleteStreamError(
                f"the stream of {self._model!r} ended before the answer was complete (no response.completed); "
                "what had arrived is in .partial: ask again, and run none of its tool calls",
                model=self._model,
                partial=self.partial(),
            )
        return self._finish()

    def partial(self) -> ChatResponse:
        """Return what has arrived so far."""
        self._release()
        return self._assembly.partial()

    def whole(self, body: JsonObject) -> list[Event]:
        """Return all events of an answer that came whole.

        Raises:
            APIError: the body says that the answer failed.
        """
        self._conclude(body, text_of(body.get("status")) or None)
        return self._finish()

    def _take_rest(self) -> None:
        for event in self._order.rest():
            self._take(event)

    def _take(self, event: JsonObject) -> None:
        if self.done:
            return
        kind = event.get("type")
        if not isinstance(kind, str):
            self._untyped(event)
            return
        self._extras.update({name: value for name, value in event.items() if name in _ON_EVENTS and value is not None})
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, event)

    def _untyped(self, event: JsonObject) -> None:
        """Take what an agent adds without saying what it is: more fields of the answer, or the answer itself."""
        if isinstance(event.get("output"), list):
            self._conclude(event, text_of(event.get("status")) or None)
        else:
            self._extras.update(wire_extras(without(event, _OF_ENVELOPE)))
            self._count(event)

    def _envelope(self, event: JsonObject) -> None:
        self._enveloped = True
        self._response = object_of(event.get("response"))
        self._count(self._response)
        self._begin()

    def _begin(self) -> None:
        """Make sure that the answer has begun, before anything is said in it."""
        if not self._assembly.started:
            response = self._response
            self._assembly.start(text_of(response.get("id")) or None, text_of(response.get("model")) or None)

    def _count(self, wire: JsonObject) -> None:
        usage = usage_of(object_of(wire.get("usage")))
        if usage is not None:
            self._assembly.usage(usage)

    def _added(self, event: JsonObject) -> None:
        wire = object_of(event.get("item"))
        kind, index = kind_of(wire), number_of(event.get("output_index"))
        item = self._open_item(kind, index)
        if item is None:
            item = self._new(kind, index)
        self._learn(item, wire)
        if kind == "reasoning":
            self._say(item, ("summary", 0), "")
        elif kind in CALLS and self._enveloped:
            self._open_call(item)

    def _open_item(self, kind: str, index: int | None) -> _Item | None:
        """Return the item of ``kind`` that is growing at ``index``; agents leave the index out."""
        item = self._by_kind.get(kind) if index is None else self._by_index.get(index)
        return item if item is not None and item.kind == kind and not item.ended else None

    def _new(self, kind: str, index: int | None) -> _Item:
        item = _Item(len(self._items), kind)
        self._items.append(item)
        if index is None:
            self._by_kind[kind] = item
        else:
            self._by_index[index] = item
        return item

    def _learn(self, item: _Item, wire: JsonObject) -> None:
        """Keep what ``wire`` says about ``item``; a later word replaces an earlier one."""
        item.facts = item.facts | without(wire, ("content", "summary", "arguments", "input", "encrypted_content"))
        for name in ("id", "call_id"):
            value = text_of(wire.get(name))
            if value:
                self._by_id[item.kind, value] = item

    def _growing(self, event: JsonObject, kind: str) -> _Item:
        """Return the item that a delta belongs to; one whose beginning got lost begins here."""
        index = number_of(event.get("output_index"))
        item = self._by_index.get(index) if index is not None else self._open_item(kind, None)
        return item if item is not None else self._new(kind, index)

    def _text(self, event: JsonObject) -> None:
        self._grow(event, "message", "text", number_of(event.get("content_index")))

    def _refusal(self, event: JsonObject) -> None:
        self._grow(event, "message", "refusal", number_of(event.get("content_index")))

    def _summary(self, event: JsonObject) -> None:
        self._grow(event, "reasoning", "summary", number_of(event.get("summary_index")))

    def _thought(self, event: JsonObject) -> None:
        self._grow(event, "reasoning", "raw", number_of(event.get("content_index")))

    def _arguments(self, event: JsonObject) -> None:
        kind = "custom_tool_call" if "custom" in text_of(event.get("type")) else "function_call"
        self._grow(event, kind, "arguments", 0)

    def _grow(
        self,
        event: JsonObject,
        kind: str,
        run: Literal["text", "refusal", "summary", "raw", "arguments"],
        position: int | None,
    ) -> None:
        """Take one ``.delta`` or ``.done`` event of a growing text."""
        item = self._growing(event, kind)
        if "delta" in event:
            self._say(item, (run, position or 0), text_of(event.get("delta")))
            return
        part = object_of(event.get("part"))
        for field in ("text", "refusal", "arguments", "input"):
            self._settle(item, (run, position or 0), text_of(event.get(field, part.get(field))))

    def _say(self, item: _Item, run: _Run, fragment: str) -> None:
        """Add ``fragment`` to a text of ``item``. Text inside a reasoning item is reasoning."""
        kind, position = run
        if item.kind == "reasoning" and kind == "text":
            kind = "raw"
        if item.ended or not (fragment or kind == "summary"):
            return
        item.runs.setdefault((kind, position), []).append(fragment)
        if kind == "arguments" and not item.opened:
            return
        self._release()
        self._begin()
        match kind:
            case "text":
                self._open_content(item, position, "text")
                self._assembly.text((item.number, position), fragment)
            case "refusal":
                self._refused = True
                self._open_content(item, position, "refusal")
                self._assembly.refusal((item.number, position), fragment)
            case "summary" | "raw":
                self._assembly.open((item.number, "reasoning"), "reasoning", id=item.wire_id)
                self._assembly.reasoning((item.number, "reasoning"), fragment, kind=kind, segment=(kind, position))
            case "arguments":
                self._assembly.arguments((item.number, "call"), fragment)

    def _open_content(self, item: _Item, position: int, kind: Literal["text", "refusal"]) -> None:
        key = (item.number, position)
        if not self._assembly.is_open(key):
            self._assembly.open(key, kind, id=item.wire_id)

    def _settle(self, item: _Item, run: _Run, final: str) -> None:
        """Fill what the deltas of one text left out. What was handed out already stands; only a call may not differ."""
        if item.ended or not final:
            return
        kind, position = run
        if item.kind == "reasoning" and kind == "text":
            kind = "raw"
        streamed = "".join(item.runs.get((kind, position), ()))
        if final.startswith(streamed):
            self._say(item, (kind, position), final[len(streamed) :])
        elif kind == "arguments" and item.opened and not _same_json(streamed, final):
            raise InvalidResponseError(
                f"{self._model!r} streamed other arguments of tool call {item.call_id!r} than it ended with; "
                "the call cannot be trusted: ask again",
                model=self._model,
                partial=self.partial(),
            )

    def _annotation(self, event: JsonObject) -> None:
        item = self._growing(event, "message")
        annotation = object_of(event.get("annotation"))
        if annotation:
            item.annotations.setdefault(number_of(event.get("content_index")) or 0, []).append(annotation)

    def _content_done(self, event: JsonObject) -> None:
        item = self._growing(event, "message")
        self._content(item, number_of(event.get("content_index")) or 0, object_of(event.get("part")))

    def _content(self, item: _Item, position: int, wire: JsonObject) -> None:
        """Take one finished content part of a message or of a reasoning item."""
        kind = text_of(wire.get("type"))
        if kind in _TEXTS or kind == "reasoning_text":
            self._settle(item, ("text" if kind in _TEXTS else "raw", position), text_of(wire.get("text")))
        elif kind == "refusal":
            self._settle(item, ("refusal", position), text_of(wire.get("refusal")))
        elif item.kind == "message" and position not in item.natives and not item.ended and wire:
            item.natives.add(position)
            self._whole_part(item, position, {"type": "message", "role": "assistant", "content": [wire]})

    def _whole_part(self, item: _Item, place: int | str, payload: JsonObject) -> None:
        self._begin()
        native = Native(api=_API, payload=payload, id=text_of(payload.get("id")) or item.wire_id)
        self._assembly.part((item.number, "native", place), native)

    def _item_done(self, event: JsonObject) -> None:
        wire, index = object_of(event.get("item")), number_of(event.get("output_index"))
        kind = kind_of(wire)
        item = self._open_item(kind, index)
        if item is None and index is not None:
            item = self._by_index.get(index)
            if item is None or item.kind != kind:
                item = self._known(wire)
        self._end_item(item or self._new(kind, index), wire)

    def _known(self, wire: JsonObject) -> _Item | None:
        """Return the item that ``wire`` is by its ids: a host may give it another index at its end."""
        kind = kind_of(wire)
        known = (self._by_id.get((kind, text_of(wire.get(name)))) for name in ("call_id", "id"))
        return next((item for item in known if item is not None), None)

    def _end_item(self, item: _Item, wire: JsonObject) -> None:
        """End ``item`` with its last word, which is empty where the wire had none."""
        if item.ended:
            return
        self._learn(item, wire)
        match item.kind:
            case "message":
                self._end_message(item, wire)
            case "reasoning":
                self._end_reasoning(item, wire)
            case kind if kind in CALLS:
                self._end_call(item, wire)
            case kind if kind in RESULTS and self._held:
                self._answered.add(item.call_id)
                self._held.append((item, wire))
            case kind if wire and kind:
                self._answered.add(item.call_id)
                self._release()
                self._whole_part(item, 0, wire)
            case _:
                pass
        item.ended = True

    def _end_message(self, item: _Item, wire: JsonObject) -> None:
        content = wire.get("content")
        parts = [{"type": "output_text", "text": content}] if isinstance(content, str) else objects_of(content)
        for position, part in enumerate(parts):
            self._content(item, position, part)
        extras = without(item.facts, _OF_MESSAGE)
        phase = text_of(item.facts.get("phase")) or None
        for kind, position in sorted(item.runs, key=lambda run: run[1]):
            part = parts[position] if position < len(parts) else {}
            fields: dict[str, Any] = {"id": item.wire_id}
            opaque = without(part, _OF_CONTENT)
            if kind == "text":
                fields |= {"phase": phase, "citations": _citations(item, position, part)}
                self._logprobs += objects_of(part.get("logprobs"))
            elif phase:
                extras = {"phase": phase, **extras}
            if extras:
                opaque["message"], extras = extras, {}
            self._assembly.end((item.number, position), **fields, opaque=opaque)

    def _end_reasoning(self, item: _Item, wire: JsonObject) -> None:
        self._say(item, ("summary", 0), "")
        for position, part in enumerate(objects_of(wire.get("summary"))):
            self._settle(item, ("summary", position), text_of(part.get("text")))
        for position, part in enumerate(objects_of(wire.get("content"))):
            self._content(item, position, part)
        self._assembly.end(
            (item.number, "reasoning"),
            id=item.wire_id,
            encrypted=text_of(wire.get("encrypted_content")) or None,
            opaque=without(item.facts, _OF_REASONING),
        )

    def _open_call(self, item: _Item) -> None:
        name = text_of(item.facts.get("name"))
        if item.opened or not (name and item.call_id):
            return
        self._release()
        self._begin()
        item.opened = True
        self._called.add(item.call_id)
        self._assembly.call(
            (item.number, "call"), item.call_id, name, id=item.wire_id, custom=item.kind == "custom_tool_call"
        )

    def _end_call(self, item: _Item, wire: JsonObject) -> None:
        """End a call; one that was not handed out yet waits for what follows, in case it is its result."""
        self._settle(item, ("arguments", 0), arguments_of(wire) if wire else "")
        if item.opened:
            self._assembly.end((item.number, "call"), id=item.wire_id, opaque=without(item.facts, _OF_CALL))
        else:
            self._held.append((item, wire))

    def _release(self) -> None:
        """Hand out the calls that waited, and the results that came with them."""
        held, self._held = self._held, []
        for item, wire in held:
            if item.kind in RESULTS or item.call_id in self._answered:
                self._whole_part(item, 0, wire)
            else:
                self._hand_out(item)

    def _hand_out(self, item: _Item) -> None:
        self._begin()
        key, name = (item.number, "call"), text_of(item.facts.get("name"))
        self._assembly.call(key, item.call_id or None, name, id=item.wire_id, custom=item.kind == "custom_tool_call")
        self._called.add(item.call_id)
        self._assembly.arguments(key, "".join(item.runs.get(("arguments", 0), ())))
        self._assembly.end(key, opaque=without(item.facts, _OF_CALL))

    def _terminal(self, event: JsonObject) -> None:
        response = object_of(event.get("response"))
        said = text_of(event.get("type")).removeprefix("response.")
        self._conclude(response, text_of(response.get("status")) or said)

    def _conclude(self, response: JsonObject, status: str | None) -> None:
        """Take the answer's own object: fill what is still missing, and know how it ended."""
        self._response = self._response | response
        error = object_of(response.get("error"))
        if status == "failed" or error:
            raise failure(error, self._model, self.partial())
        self._begin()
        self._fill(objects_of(response.get("output")))
        for item in self._items:
            self._end_item(item, {})
        self._release()
        self._count(response)
        self._extras.update(wire_extras(response))
        self._status = status
        self.complete = self.done = True

    def _fill(self, output: list[JsonObject]) -> None:
        """End the items that are still open, and add those that never came."""
        in_step = [item.kind for item in self._items] == [kind_of(wire) for wire in output]
        for index, wire in enumerate(output):
            item = self._items[index] if in_step else self._by_index.get(index)
            if item is None or item.kind != kind_of(wire):
                item = self._known(wire)
            self._end_item(item or self._new(kind_of(wire), index), wire)

    def _failed(self, event: JsonObject) -> None:
        """Raise what ``response.failed``, ``response.error`` and the flat ``error`` event report."""
        error = object_of(event.get("response")).get("error") or event.get("error") or event
        raise failure(object_of(error), self._model, self.partial())

    def _finish(self) -> list[Event]:
        for item in self._items:
            self._end_item(item, {})
        self._release()
        self._begin()
        if self._logprobs:
            self._extras["logprobs"] = list(self._logprobs)
        finish = finish_of(
            self._response, self._status, calls=bool(self._called - self._answered), refused=self._refused
        )
        self._assembly.finish(finish, extras=self._extras)
        return self._assembly.drain()


def _citations(item: _Item, position: int, part: JsonObject) -> tuple[Citation, ...]:
    annotations = objects_of(part.get("annotations")) or item.annotations.get(position, [])
    return tuple(citation_of(annotation) for annotation in annotations)


def _same_json(streamed: str, final: str) -> bool:
    try:
        return bool(from_json(streamed) == from_json(final))
    except ValueError:
        return False


_LAST_EVENTS: Final = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.cancelled",
        "response.failed",
        "response.error",
        "error",
    }
)

_HANDLERS: Final[dict[str, Callable[[ResponsesDecoder, JsonObject], None]]] = {
    "response.created": ResponsesDecoder._envelope,
    "response.queued": ResponsesDecoder._envelope,
    "response.in_progress": ResponsesDecoder._envelope,
    "response.output_item.added": ResponsesDecoder._added,
    "response.output_text.delta": ResponsesDecoder._text,
    "response.output_text.done": ResponsesDecoder._text,
    "response.output_text.annotation.added": ResponsesDecoder._annotation,
    "response.content_part.done": ResponsesDecoder._content_done,
    "response.refusal.delta": ResponsesDecoder._refusal,
    "response.refusal.done": ResponsesDecoder._refusal,
    "response.reasoning_summary_text.delta": ResponsesDecoder._summary,
    "response.reasoning_summary_text.done": ResponsesDecoder._summary,
    "response.reasoning_summary_part.done": ResponsesDecoder._summary,
    "response.reasoning_text.delta": ResponsesDecoder._thought,
    "response.reasoning_text.done": ResponsesDecoder._thought,
    "response.function_call_arguments.delta": ResponsesDecoder._arguments,
    "response.function_call_arguments.done": ResponsesDecoder._arguments,
    "response.custom_tool_call_input.delta": ResponsesDecoder._arguments,
    "response.custom_tool_call_input.done": ResponsesDecoder._arguments,
    "response.output_item.done": ResponsesDecoder._item_done,
    "response.completed": ResponsesDecoder._terminal,
    "response.incomplete": ResponsesDecoder._terminal,
    "response.cancelled": ResponsesDecoder._terminal,
    "response.failed": ResponsesDecoder._failed,
    "response.error": ResponsesDecoder._failed,
    "error": ResponsesDecoder._failed,
}
