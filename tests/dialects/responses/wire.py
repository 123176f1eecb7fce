"""Writes Responses answers as wire bodies and as streams, apart from the code under test.

A stream is written from the body it must add up to; what a host may get wrong on the way is a choice of :class:`Faults`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

Wire = dict[str, Any]


@dataclass(frozen=True)
class Faults:
    """How a stream departs from the documented one.

    Args:
        cuts: lengths at which texts are cut into deltas, used in turn.
        item_ids: ids put on deltas, used in turn; empty keeps the item's own.
        silent_from: items from this one on appear in ``response.completed`` only.
        no_added, no_deltas, no_text_done, no_item_done: numbers of items that lack these events.
        repeated: places of events that are sent twice.
        swapped: places of events that change places with the next one.
    """

    cuts: tuple[int, ...] = (3,)
    item_ids: tuple[str, ...] = ()
    silent_from: int = 1000
    no_added: frozenset[int] = frozenset()
    no_deltas: frozenset[int] = frozenset()
    no_text_done: frozenset[int] = frozenset()
    no_item_done: frozenset[int] = frozenset()
    repeated: frozenset[int] = frozenset()
    swapped: frozenset[int] = frozenset()


@dataclass
class _Writer:
    faults: Faults
    events: list[Wire] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cuts = itertools.cycle(self.faults.cuts)
        self._ids = itertools.cycle(self.faults.item_ids or ("",))

    def write(self, kind: str, **fields: Any) -> None:
        self.events.append({"type": f"response.{kind}", "sequence_number": len(self.events), **fields})

    def cut(self, text: str) -> list[str]:
        pieces = []
        while text:
            length = next(self._cuts)
            pieces.append(text[:length])
            text = text[length:]
        return pieces

    def text(self, kind: str, number: int, item: Wire, text: str, name: str = "text", **place: int) -> None:
        place = {"output_index": number, **place}
        if number not in self.faults.no_deltas:
            for piece in self.cut(text):
                self.write(f"{kind}.delta", item_id=next(self._ids) or item["id"], delta=piece, **place)
        if number not in self.faults.no_text_done:
            self.write(f"{kind}.done", item_id=next(self._ids) or item["id"], **{name: text}, **place)

    def item(self, number: int, item: Wire) -> None:
        if number not in self.faults.no_added:
            self.write("output_item.added", output_index=number, item=begun(item))
        GROWING.get(item["type"], lambda *_: None)(self, number, item)
        if number not in self.faults.no_item_done:
            self.write("output_item.done", output_index=number, item=item)


def begun(item: Wire) -> Wire:
    """Return ``item`` as it is when it begins: nothing said yet, and under an id of its own."""
    empty: Wire = {"content": [], "summary": [], "arguments": "", "input": ""}
    item = {name: empty.get(name, value) for name, value in item.items()}
    item.pop("encrypted_content", None)
    return item | {"id": "first_" + item["id"], "status": "in_progress"}


def _message(writer: _Writer, number: int, item: Wire) -> None:
    for place, part in enumerate(item["content"]):
        at = {"output_index": number, "content_index": place}
        writer.write("content_part.added", **at, part={"type": part["type"]})
        if part["type"] == "refusal":
            writer.text("refusal", number, item, part["refusal"], "refusal", content_index=place)
        elif part["type"] == "output_text":
            writer.text("output_text", number, item, part["text"], content_index=place)
            for count, annotation in enumerate(part["annotations"]):
                writer.write("output_text.annotation.added", **at, annotation_index=count, annotation=annotation)
        writer.write("content_part.done", **at, part=part)


def _reasoning(writer: _Writer, number: int, item: Wire) -> None:
    for place, part in enumerate(item["summary"]):
        writer.write("reasoning_summary_part.added", output_index=number, summary_index=place)
        writer.text("reasoning_summary_text", number, item, part["text"], summary_index=place)
        writer.write("reasoning_summary_part.done", output_index=number, summary_index=place, part=part)
    for place, part in enumerate(item.get("content", ())):
        kind = "output_text" if part["type"] == "output_text" else "reasoning_text"
        writer.text(kind, number, item, part["text"], content_index=place)


def _function(writer: _Writer, number: int, item: Wire) -> None:
    writer.text("function_call_arguments", number, item, item["arguments"], "arguments")


def _custom(writer: _Writer, number: int, item: Wire) -> None:
    writer.text("custom_tool_call_input", number, item, item["input"], "input")


GROWING = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function,
    "custom_tool_call": _custom,
}


def stream_of(body: Wire, faults: Faults = Faults()) -> list[Wire]:
    """Return the events of a stream that adds up to ``body``."""
    writer = _Writer(faults)
    started = {"id": body["id"], "object": "response", "model": body["model"], "status": "in_progress", "output": []}
    writer.write("created", response=started)
    writer.write("in_progress", response=started)
    for number, item in enumerate(body["output"][: faults.silent_from]):
        writer.item(number, item)
    writer.write(body["status"], response=body)
    events = writer.events
    for place in sorted(faults.swapped):
        if place % 2 == 0 and place + 1 < len(events):
            events[place], events[place + 1] = events[place + 1], events[place]
    return [one for place, event in enumerate(events) for one in [event] * (2 if place in faults.repeated else 1)]


def agent_stream_of(body: Wire, cuts: tuple[int, ...] = (3,)) -> list[Wire]:
    """Return what an agent endpoint sends for ``body``: no envelope, no index, no number, texts in deltas first."""
    writer = _Writer(Faults(cuts=cuts))
    events: list[Wire] = []
    for item in body["output"]:
        if item["type"] == "message":
            text = "".join(part["text"] for part in item["content"])
            events += [
                {"type": "response.output_text.delta", "item_id": item["id"], "delta": piece}
                for piece in writer.cut(text)
            ]
        events.append({"type": "response.output_item.done", "item": item})
    if body.get("custom_outputs") and events:
        events[-1] = events[-1] | {"custom_outputs": body["custom_outputs"]}
    return events
