"""What hypothesis makes for a target: small inputs out of its words, and known inputs after a few changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

from fuzz.target import Form, Target
from hypothesis import strategies as st

__all__ = ["changed", "inputs"]

LONGEST: Final = 4096
"""Bytes of an input at most: small ones are fast, and find the same."""

_ODD: Final = ("", "a", "{}", "\\", "é", "\u2028", "\ud800", "[DONE]", "error", "NaN", "1e400")
_MARKS: Final = ("[", "]", "{", "}", '"', "\\", ":", ",", " ", "\n", "\r", "\x00", "\ufeff", "@", "%", "1", "-", ".")
_TOKENS: Final = (
    "data: ",
    "event: error\n",
    "dapi0123456789abcdef",
    "Bearer eyJ0.eyJ1",
    "9" * 20,
    "[" * 300,
    "https://",
)
_HEADS: Final = (b"", b"event: error\n", b": x\n", b"\xef\xbb\xbf", b"x\n")
_ENDS: Final = (b"\n\n", b"\r\r", b"\r\n\r\n", b"\n")
_NUMBERS: Final = (0, 1, -1, 2, 429, 10**18, 10**400, -0.5, 1e308, float("nan"), float("inf"))

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]


def inputs(target: Target, kept: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return inputs of every sort: made of nothing but the words of ``target``, its seeds changed, and ``kept`` changed."""
    seeds = changed(target, st.sampled_from(target.seeds))
    return st.one_of(_made(target), seeds, seeds, changed(target, st.sampled_from(kept)))


@st.composite
def changed(draw: Draw, target: Target, known: st.SearchStrategy[bytes]) -> bytes:
    """Return a known input after a few changes that fit the form of ``target``."""
    data: bytes = draw(known)
    for _ in range(draw(st.integers(1, 3))):
        data = draw(st.sampled_from(_CHANGES[target.form]))(draw, target, data)[:LONGEST]
    return data


@cache
def _words(target: Target) -> st.SearchStrategy[str]:
    return st.sampled_from(target.words or _ODD)


@cache
def _values(target: Target) -> st.SearchStrategy[Any]:
    """Return JSON of few levels."""
    leaves = st.one_of(
        *(_words(target), st.sampled_from(_ODD), st.text(max_size=5), st.none(), st.booleans()),
        *(st.sampled_from(_NUMBERS), st.integers(), st.floats()),
    )
    values = leaves
    for _ in range(2):
        keys = _words(target) | st.text(max_size=2)
        values = st.one_of(
            leaves, st.lists(values, max_size=3), st.lists(st.tuples(keys, values), max_size=3).map(dict)
        )
    return values


def _written(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _made(target: Target) -> st.SearchStrategy[bytes]:
    values = _values(target).map(_written)
    if target.form == "json":
        return values | st.binary(max_size=40)
    if target.form == "events":
        data = values | st.just(b"[DONE]") | st.binary(max_size=10)
        event = st.tuples(st.sampled_from(_HEADS), st.just(b"data: "), data, st.sampled_from(_ENDS))
        return st.lists(event.map(b"".join), max_size=6).map(b"".join)
    pieces = _words(target) | st.sampled_from((*_ODD, *_MARKS)) | st.sampled_from(_NUMBERS).map(str)
    return st.lists(pieces, max_size=20).map(lambda parts: _raw("".join(parts))) | st.binary(max_size=40)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _bytes(draw: Draw, target: Target, data: bytes) -> bytes:
    """Leave a span out, double it, or write something else in its place."""
    start = draw(st.integers(0, len(data)))
    end = min(len(data), start + draw(st.sampled_from((0, 1, 2, 8, 64, len(data)))))
    new: bytes | None = draw(_spans(target))
    return data[:start] + (data[start:end] * 2 if new is None else new) + data[end:]


@cache
def _spans(target: Target) -> st.SearchStrategy[bytes | None]:
    """Return what is written in the place of a span; None stands for the span twice."""
    pieces = _words(target) | st.sampled_from((*_ODD, *_MARKS, *_TOKENS)) | st.sampled_from(_NUMBERS).map(str)
    return st.just(b"") | pieces.map(_raw) | st.binary(max_size=2) | st.none()


def _json(draw: Draw, target: Target, data: bytes) -> bytes:
    """Change one value of JSON, whichever."""
    try:
        holder = [json.loads(data)]
    except (ValueError, RecursionError):
        return _bytes(draw, target, data)
    places = _places(holder)
    container, key = places[draw(st.integers(0, len(places) - 1))]
    _change(draw, target, container, key)
    return _written(holder[0]) if holder else b""


def _places(holder: list[Any]) -> list[tuple[Any, Any]]:
    """Return every place of a value: what holds it, and under which key."""
    found: list[tuple[Any, Any]] = []
    stack: list[Any] = [holder]
    while stack:
        container = stack.pop()
        for key in container if isinstance(container, dict) else range(len(container)):
            found.append((container, key))
            if isinstance(container[key], dict | list):
                stack.append(container[key])
    return found


def _change(draw: Draw, target: Target, container: Any, key: Any) -> None:
    value = container[key]
    match draw(st.sampled_from(("replace", "replace", "number", "drop", "rename", "repeat", "wrap", "nest"))):
        case "number":
            container[key] = draw(st.sampled_from(_NUMBERS))
        case "drop":
            del container[key]
        case "rename" if isinstance(container, dict):
            container[draw(_words(target))] = container.pop(key)
        case "repeat" if isinstance(container, list):
            container.insert(key, value)
        case "wrap":
            container[key] = draw(st.sampled_from(([value], {draw(_words(target)): value})))
        case "nest":
            word = draw(_words(target))
            for _ in range(draw(st.sampled_from((3, 30, 90, 180)))):
                value = {word: [value]}
            container[key] = value
        case _:
            container[key] = draw(_values(target))


def _events(draw: Draw, target: Target, data: bytes) -> bytes:
    """Change, drop, double or move one server-sent event, or end all lines in another way."""
    events = data.split(b"\n\n")
    at, to = draw(st.integers(0, len(events) - 1)), draw(st.integers(0, len(events)))
    match draw(st.sampled_from(("change", "change", "change", "change", "drop", "double", "move", "end"))):
        case "drop":
            del events[at]
        case "double":
            events.insert(to, events[at])
        case "move":
            events.insert(to, events.pop(at))
        case "end":
            return data.replace(b"\n", draw(st.sampled_from((b"\r", b"\r\n"))))
        case _:
            head, mark, value = events[at].rpartition(b"data: ")
            events[at] = head + mark + _json(draw, target, value)
    return b"\n\n".join(events)


_CHANGES: Final[dict[Form, tuple[Callable[[Draw, Target, bytes], bytes], ...]]] = {
    "text": (_bytes,),
    "json": (_json, _json, _json, _bytes),
    "events": (_events, _events, _events, _bytes),
}
