"""The output items of one Responses answer while they arrive, and the parts they become.

Items are identified by ``output_index`` and never by their ids, which change in mid-stream on the AI Gateway
(docs/wire/responses.md#items-on-a-workspace). What the server repeats at the end only fills what is missing.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from pydantic import JsonValue
from pydantic_core import from_json

from dbx_gateway.chat import NO_ARGUMENTS, ChatResponse, JsonObject, Native, Origin, Reasoning
from dbx_gateway.dialects.responses.fields import CALLS, RESULTS, arguments_of, citation_of, kind_of
from dbx_gateway.errors import InvalidResponseError
from dbx_gateway.events import Assembly
from dbx_gateway.json_values import nonempty_text, objects_in, plain_text, text_or_empty, without
from dbx_gateway.notices import warn_once
from dbx_gateway.surfaces import Api

__all__ = ["Growth", "Item", "OutputItems"]

Growth: TypeAlias = Literal["text", "refusal", "summary", "raw", "arguments"]
"""The kinds of text in an item that deltas add to."""

_API: Final[Api] = "responses"
_OF_MESSAGE: Final = frozenset({"type", "id", "role", "content", "phase"})
_OF_REASONING: Final = frozenset({"type", "id", "summary", "content", "encrypted_content"})
_OF_CALL: Final = frozenset({"type", "id", "call_id", "name", "arguments", "input"})
_OF_CONTENT: Final = frozenset({"type", "text", "refusal", "annotations", "logprobs"})
_NAMING: Final = frozenset({"id", "call_id", "name", "phase"})
_CONTENT: Final[dict[str, tuple[Growth, str]]] = {
    "output_text": ("text", "text"),
    "input_text": ("text", "text"),
    "text": ("text", "text"),
    "summary_text": ("summary", "text"),
    "reasoning_text": ("raw", "text"),
    "refusal": ("refusal", "refusal"),
}
"""Types of a content part: the kind of its text, and the field that holds it."""


class Item:
    """One output item, with what has arrived of it."""

    __slots__ = ("annotations", "encrypted", "ended", "ending", "facts", "kind", "natives", "number", "opened", "runs")

    def __init__(self, number: int, kind: str) -> None:
        self.number = number
        self.kind = kind
        self.facts: JsonObject = {}
        self.runs: dict[tuple[Growth, int], list[str]] = {}
        self.annotations: dict[int, list[JsonObject]] = {}
        self.natives: set[int] = set()
        self.opened = False
        self.ended = False
        self.ending = False
        """It has ended, but for a field that a host may send only with the end of the answer."""
        self.encrypted: str | None = None

    @property
    def id(self) -> str | None:
        """The item's id, as last sent."""
        return nonempty_text(self.facts.get("id"))

    @property
    def call_id(self) -> str:
        """The id that connects a call with its result; empty where the item has none."""
        return text_or_empty(self.facts.get("call_id"))


class OutputItems:
    """The items of one answer.

    Args:
        model: the requested name.
    """

    def __init__(self, model: str) -> None:
        self.assembly = Assembly(Origin(_API, model))
        self.envelope: JsonObject = {}
        """The response object so far: its id and the model's name."""
        self.with_result: set[str] = set()
        """Ids of calls whose result is in the same answer: an agent ran them, so they must not be run again."""
        self.refused = False
        self.logprobs: list[JsonValue] = []
        self._model = model
        self._items: list[Item] = []
        self._at: dict[tuple[str, int | None], Item] = {}
        self._by_id: dict[tuple[str, str], Item] = {}

    def __len__(self) -> int:
        return len(self._items)

    def open(self, *kinds: str) -> bool:
        """Whether an item of one of ``kinds`` (of any kind, without ``kinds``) has started and not ended."""
        return any(not (item.ended or item.ending) and (not kinds or item.kind in kinds) for item in self._items)

    @property
    def has_pending_calls(self) -> bool:
        """Whether the answer holds a tool call that is still to be run."""
        calls = self.assembly.partial().tool_calls
        return any(call.minted or call.call_id not in self.with_result for call in calls)

    def begin(self) -> None:
        """Start the answer, if it has not started."""
        if not self.assembly.started:
            envelope = self.envelope
            self.assembly.start(nonempty_text(envelope.get("id")), nonempty_text(envelope.get("model")))

    def partial(self) -> ChatResponse:
        """Return what has arrived so far."""
        return self.assembly.partial()

    def add(self, wire: JsonObject, index: int | None, *, calls_at_once: bool) -> None:
        """Start an item.

        Args:
            wire: the item so far.
            index: its ``output_index``; agents leave it out.
            calls_at_once: hand out a call now, before it is known whether the answer holds its result.
        """
        kind = kind_of(wire)
        item = self._at.get((kind, index))
        if item is None or item.ended:
            item = self._new(kind, index)
        self._learn(item, wire)
        if kind == "reasoning":
            self._open_reasoning(item)
        elif kind in CALLS and calls_at_once and item.call_id and item.facts.get("name"):
            self._open_call(item)

    def growing(self, kind: str, index: int | None) -> Item:
        """Return the item of ``kind`` that a delta at ``index`` belongs to; starts it if its start event was lost.

        Text at the index of a reasoning item is reasoning: some hosts send it that way
        (docs/wire/peers.md#other-servers).
        """
        item = self._at.get((kind, index))
        if item is None and kind == "message" and index is not None:
            item = self._at.get(("reasoning", index))
        if item is None or (index is None and item.ended):
            item = self._new(kind, index)
        return item

    def add_text(self, item: Item, growth: Growth, place: int, fragment: str) -> None:
        """Add ``fragment`` to one text of ``item``."""
        if item.ended or not fragment:
            return
        if growth == "text" and item.kind == "reasoning":
            growth = "raw"
        item.runs.setdefault((growth, place), []).append(fragment)
        if growth == "arguments":
            if item.opened:
                self.assembly.arguments((item.number, "call"), fragment)
            return
        self.begin()
        match growth:
            case "summary" | "raw":
                self._open_reasoning(item)
                self.assembly.reasoning((item.number, "reasoning"), fragment, kind=growth, segment=(growth, place))
            case "refusal":
                self.refused = True
                self.assembly.refusal(self._content_key(item, growth, place), fragment)
            case "text":
                self.assembly.text(self._content_key(item, growth, place), fragment)

    def fill_rest(self, item: Item, growth: Growth, place: int, final: str) -> None:
        """Add the rest of ``final`` that the deltas of one text left out. What was handed out is not changed.

        Raises:
            InvalidResponseError: the arguments of a call differ from those that were streamed.
        """
        if item.ended or not final:
            return
        if growth == "text" and item.kind == "reasoning":
            growth = "raw"
        streamed = self._so_far(item, growth, place)
        if final.startswith(streamed):
            self.add_text(item, growth, place, final[len(streamed) :])
        elif growth == "arguments" and not _same_json(streamed, final):
            raise InvalidResponseError(
                f"{self._model!r} ended tool call {item.call_id!r} with other arguments than it had streamed; "
                "the call cannot be trusted: send the request again",
                model=self._model,
                partial=self.partial(),
            )

    def _so_far(self, item: Item, growth: Growth, place: int) -> str:
        """Return one text so far; its pieces are joined, as a host may repeat the end of a text."""
        pieces = item.runs.get((growth, place))
        if pieces is None:
            return ""
        pieces[:] = ["".join(pieces)]
        return pieces[0]

    def annotate(self, item: Item, place: int, annotation: JsonObject) -> None:
        """Save a citation of one text; the end of the item may replace it."""
        if annotation:
            item.annotations.setdefault(place, []).append(annotation)

    def content(self, item: Item, place: int, wire: JsonObject) -> None:
        """Read one complete content part; one of an unknown type is carried as native data."""
        if item.ended or not wire:
            return
        known = _CONTENT.get(text_or_empty(wire.get("type")))
        if known is not None:
            growth, field = known
            self.refused = self.refused or growth == "refusal"
            self.fill_rest(item, growth, place, text_or_empty(wire.get(field)))
        elif item.kind == "message" and place not in item.natives:
            item.natives.add(place)
            self._native(item, ("content", place), {"type": "message", "role": "assistant", "content": [wire]})

    def end(self, wire: JsonObject, index: int | None) -> None:
        """End an item; ``wire`` is its final form."""
        kind = kind_of(wire)
        item = self._at.get((kind, index))
        if item is None and index is not None:
            item = self._known(wire)
        if item is None or (index is None and item.ended):
            item = self._new(kind, index)
        if kind == "reasoning" and self.envelope and not item.ended:
            self._learn(item, wire)
            self._fill_reasoning(item, wire)
            if item.encrypted is None and item.runs:  # without text, nothing of it has its place before what follows
                item.ending = True
                return
        self._end(item, wire)

    def fill(self, output: list[JsonObject]) -> None:
        """Read all items again, as the answer's last event repeats them: end the open ones, add the missing ones."""
        self.with_result.update(text_or_empty(wire.get("call_id")) for wire in output if kind_of(wire) in RESULTS)
        kinds = [kind_of(wire) for wire in output]
        placed = all((kind, index) in self._at for index, kind in enumerate(kinds))
        arrived = list(self._items)
        in_step = not placed and [item.kind for item in arrived] == kinds
        for index, wire in enumerate(output):
            item = arrived[index] if in_step else self._at.get((kind_of(wire), index)) or self._known(wire)
            if item is not None and item.kind == "message":
                self._check_text(item, wire)
            if item is not None:
                self._take_late_proof(item, wire)
                self._end(item, wire)
            else:
                self.end(wire, index)

    def _take_late_proof(self, item: Item, wire: JsonObject) -> None:
        """Hand out the proof of reasoning without text that has ended, as a part of its own that goes back with it."""
        proof = nonempty_text(wire.get("encrypted_content"))
        if not item.ended or item.kind != "reasoning" or item.encrypted is not None or proof is None:
            return
        if item.id is not None:
            self.assembly.part((item.number, "proof"), Reasoning(id=item.id, encrypted=proof))
        else:
            warn_once(
                f"{self._model}: late proof of reasoning",
                f"a stream of {self._model!r} sent the proof of its reasoning only with its last event, after what followed "
                "had been handed out: it is not sent back on the next turn; whole answers have it",
            )

    def _check_text(self, item: Item, wire: JsonObject) -> None:
        """Compare the text of a message with what the answer's last event repeats of it.

        Raises:
            InvalidResponseError: it is another text, or longer than what can still be added.
        """
        for place, part in enumerate(_content_parts(wire.get("content"))):
            growth, field = _CONTENT.get(text_or_empty(part.get("type")), ("raw", ""))
            final, streamed = text_or_empty(part.get(field)).strip(), self._so_far(item, growth, place).strip()
            if growth == "raw" or not final or not streamed or streamed.startswith(final):
                continue
            if item.ended or not final.startswith(streamed):
                raise InvalidResponseError(
                    f"{self._model!r} ended its answer with another text than it had streamed; what was streamed is in "
                    ".partial, and the call may be made again",
                    model=self._model,
                    partial=self.partial(),
                )

    def end_all(self) -> None:
        """End the items that are still open, as they are."""
        for item in self._items:
            self._end(item, {})

    def _new(self, kind: str, index: int | None) -> Item:
        item = self._at[kind, index] = Item(len(self._items), kind)
        self._items.append(item)
        return item

    def _known(self, wire: JsonObject) -> Item | None:
        """Return the item with the ids of ``wire``: a host may give it another index at its end."""
        kind = kind_of(wire)
        known = (self._by_id.get((kind, text_or_empty(wire.get(name)))) for name in ("call_id", "id"))
        return next((item for item in known if item is not None), None)

    def _learn(self, item: Item, wire: JsonObject) -> None:
        """Save the fields of ``wire`` for ``item``: they replace earlier ones, but for the ids and names of the item."""
        item.encrypted = nonempty_text(wire.get("encrypted_content")) or item.encrypted
        named = {name: value for name, value in item.facts.items() if name in _NAMING}
        item.facts = (named if wire else item.facts) | without(
            wire, ("content", "summary", "arguments", "input", "encrypted_content")
        )
        for name in ("id", "call_id"):
            value = text_or_empty(wire.get(name))
            if value:
                self._by_id[item.kind, value] = item

    def _end(self, item: Item, wire: JsonObject) -> None:
        if item.ended:
            return
        self._learn(item, wire)
        if item.kind == "message":
            self._end_message(item, wire)
        elif item.kind == "reasoning":
            self._end_reasoning(item, wire)
        elif item.kind in CALLS:
            self._end_call(item, wire)
        elif item.kind and wire:
            if item.kind in RESULTS:
                self.with_result.add(item.call_id)
            self._native(item, "item", wire)
        item.ended = True

    def _end_message(self, item: Item, wire: JsonObject) -> None:
        parts = _content_parts(wire.get("content"))
        for place, part in enumerate(parts):
            self.content(item, place, part)
        extras = without(item.facts, _OF_MESSAGE)
        for growth, place in sorted(item.runs, key=lambda run: run[1]):
            part = parts[place] if place < len(parts) else {}
            fields = self._text_fields(item, growth, place, part)
            opaque = without(part, _OF_CONTENT)
            if growth == "refusal" and item.facts.get("phase"):
                extras = {"phase": item.facts["phase"], **extras}
            if extras:
                opaque, extras = {**opaque, "message": extras}, {}
            self.assembly.end((item.number, growth, place), **fields, opaque=opaque)

    def _text_fields(self, item: Item, growth: Growth, place: int, part: JsonObject) -> dict[str, Any]:
        if growth == "refusal":
            return {"id": item.id}
        annotations = objects_in(part.get("annotations")) or item.annotations.get(place, [])
        self.logprobs += objects_in(part.get("logprobs"))
        return {
            "id": item.id,
            "phase": nonempty_text(item.facts.get("phase")),
            "citations": tuple(citation_of(annotation) for annotation in annotations),
        }

    def _content_key(self, item: Item, growth: Literal["text", "refusal"], place: int) -> tuple[int, Growth, int]:
        """Return the key of one content part, after opening it with its item's id."""
        key = (item.number, growth, place)
        if not self.assembly.is_open(key):
            self.assembly.open(key, growth, id=item.id)
        return key

    def _open_reasoning(self, item: Item) -> None:
        self.begin()
        if not item.opened:
            item.opened = True
            self.assembly.open((item.number, "reasoning"), "reasoning", id=item.id)

    def _end_reasoning(self, item: Item, wire: JsonObject) -> None:
        self._fill_reasoning(item, wire)
        self.assembly.end(
            (item.number, "reasoning"),
            id=item.id,
            encrypted=item.encrypted,
            opaque=without(item.facts, _OF_REASONING),
        )

    def _fill_reasoning(self, item: Item, wire: JsonObject) -> None:
        self._open_reasoning(item)
        for field in ("summary", "content"):
            for place, part in enumerate(objects_in(wire.get(field))):
                self.content(item, place, part)

    def _open_call(self, item: Item) -> None:
        if item.opened:
            return
        self.begin()
        item.opened = True
        custom = item.kind == "custom_tool_call"
        key, name = (item.number, "call"), text_or_empty(item.facts.get("name"))
        self.assembly.call(key, item.call_id or None, name, id=item.id, custom=custom)
        for fragment in item.runs.get(("arguments", 0), ()):
            self.assembly.arguments(key, fragment)

    def _end_call(self, item: Item, wire: JsonObject) -> None:
        if not item.opened and item.call_id in self.with_result:
            if wire:
                self._native(item, "item", wire)
            return
        self.fill_rest(item, "arguments", 0, arguments_of(wire) if wire else "")
        self._open_call(item)
        self.assembly.end((item.number, "call"), id=item.id, opaque=without(item.facts, _OF_CALL))

    def _native(self, item: Item, place: object, payload: JsonObject) -> None:
        self.begin()
        native = Native(api=_API, payload=payload, id=nonempty_text(payload.get("id")))
        self.assembly.part((item.number, "native", place), native)


def _content_parts(content: JsonValue) -> list[JsonObject]:
    """Return the parts of a message, also where a host writes one part, or its text alone."""
    if isinstance(content, dict):
        return [content]
    text = plain_text(content)
    return [{"type": "output_text", "text": text}] if text else objects_in(content)


def _same_json(streamed: str, final: str) -> bool:
    streamed, final = ("{}" if text.strip() in NO_ARGUMENTS else text for text in (streamed, final))
    try:
        return bool(from_json(streamed) == from_json(final))
    except ValueError:
        return False
