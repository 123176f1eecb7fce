"""Chunks, usage and tool calls that are oddly shaped but legal, or as real servers write them: all apis."""

from __future__ import annotations

from typing import Any

from faults.case import ANSWERED, CALLED, SAID, Answer, Case, Group, streamed
from faults.wires import CALL, GEMINI, MESSAGES, TEXTS, Frame, Wire, sse

CHUNKS = "chunks"
USAGE = "usage"
CALLS = "tool calls"

ID, NAME, WRITTEN = CALL
SECOND = ("call_xyz2", "get_time", '{"zone": "CET"}')
TWO = Answer(text="", calls=(CALL, SECOND), reason="tool_calls")


def cases(wire: Wire) -> list[Case]:
    """Return the cases that all apis share, of three groups."""
    chunks, usage, calls = (Group(name, wire) for name in (CHUNKS, USAGE, CALLS))
    cut, unknown = Answer(reason="length"), Answer(usage=None)
    large = (2**40, 2**41, 2**40 + 2**41)
    called, rest = wire.call_frames()
    return [
        chunks.odd("plain", wire.stream(), wire.whole()),
        chunks.odd("one_delta", wire.stream([SAID]), wire.whole()),
        chunks.odd("a_delta_for_each_letter", wire.stream(list(SAID)), wire.whole()),
        chunks.odd("empty_deltas", wire.stream(["", SAID, "", ""]), wire.whole()),
        chunks.odd("no_text_at_all", [*wire.head(), *wire.tail("")], wire.whole(""), Answer(text="")),
        chunks.odd("cut_by_length", wire.stream(reason="length"), wire.whole(reason="length"), cut),
        chunks.odd("unknown_fields_everywhere", [_more(frame) for frame in wire.stream()], _more_in(wire.whole())),
        chunks.frames("each_event_in_its_own_chunk", wire.stream()),
        chunks.stream("events_cut_in_two", streamed(*_halves(sse(wire.stream()))), ANSWERED),
        chunks.frames("long_answer", wire.stream(["word "] * 5000), Answer(text="word " * 5000)),
        chunks.odd("deltas_not_joined", wire.stream(), wire.whole(), settings={"coalesce_deltas": False}),
        usage.odd("no_usage", _stream(wire, None), wire.whole(usage=None), unknown),
        usage.odd("usage_empty", _stream(wire, {}), wire.whole(usage={}), unknown),
        usage.odd("usage_a_string", _stream(wire, "11"), wire.whole(usage="11"), unknown),
        usage.odd("usage_a_list", _stream(wire, [1]), wire.whole(usage=[1]), unknown),
        usage.odd(
            "usage_large", _stream(wire, wire.usage(*large)), wire.whole(usage=wire.usage(*large)), Answer(usage=large)
        ),
        calls.odd("one_call", [*called, *rest], wire.whole_call(), CALLED),
    ]


def _stream(wire: Wire, usage: Any) -> list[Frame]:
    texts = wire.texts()
    if wire is GEMINI:
        texts = [GEMINI.chunk([{"text": text}]) for text in TEXTS]
    head = [MESSAGES.start(usage), MESSAGES.block({"type": "text", "text": ""})] if wire is MESSAGES else wire.head()
    return [*head, *texts, *wire.tail(usage=usage)]


def _halves(data: bytes) -> list[bytes]:
    return [data[place : place + 37] for place in range(0, len(data), 37)]


def _more(frame: Frame) -> Frame:
    return Frame(_more_in(frame.value), frame.event) if isinstance(frame.value, dict) else frame


def _more_in(value: Any) -> Any:
    """Return a wire object with fields that nobody knows at each level of its main path."""
    if isinstance(value, list):
        return [_more_in(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _more_in(one) if key in ("choices", "delta", "candidates", "message") else one
        for key, one in value.items()
    }
    return {**kept, "x_new_field": {"nested": [1, None]}, "x_null": None}
