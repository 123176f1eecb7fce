"""New inputs out of old ones: bytes, values of JSON and server-sent events are changed, moved, doubled and left out."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any, Final

from fuzz.target import Form

__all__ = ["Mutator", "places"]

LONGEST: Final = 4096
"""Bytes of an input at most: small ones are fast, and find the same."""

_TEXTS: Final = (
    *("{", "}", "[", "]", '"', "\\", ",", ":", "\n", "\r", "\r\n", "\n\n", " ", "@", "/", "%", "?", "#", "id"),
    *("0", "-1", "1e400", "NaN", "null", "true", "\\ud800", "\ufeff", "\u2028", "\x00", "é", "\ud800"),
    *("data:", "data: ", "event: error\n", "data: [DONE]\n\n", ": x\n", "<html>", "https://"),
    *("dapi0123456789abcdef", "Bearer eyJ0.eyJ1", "9" * 20, "+" + "9" * 20, "[" * 300, '{"a":' * 300),
)
_PIECES: Final = tuple(text.encode("utf-8", "surrogatepass") for text in _TEXTS)
_SCALARS: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2, 400, 429, 10**18, 10**400, -0.5, 1e308, float("nan"), float("inf")),
    *("", " ", "a", "0", "{", "{}", '{"a": 1}', "null", "\ud800", "\u0000", "é", "😀", "x" * 300, "[DONE]", "error"),
)
_SHAPES: Final[tuple[Any, ...]] = ([], {}, [[]], [{}], [None], {"": None}, {"a": {}}, ["a", "a"])


class Mutator:
    """Changes inputs of one form.

    Args:
        form: how inputs are built.
        words: names and values worth writing into them.
        chance: where every choice comes from.
    """

    def __init__(self, form: Form, words: Sequence[str], chance: random.Random) -> None:
        self._form = form
        self._words = words or ("a",)
        self._chance = chance

    def mutated(self, data: bytes, other: bytes) -> bytes:
        """Return ``data`` after a few changes; ``other`` is where pieces are borrowed."""
        for _ in range(self._chance.choice((1, 1, 1, 2, 2, 3, 5))):
            data = self._changed(data, other)[:LONGEST]
        return data

    def _changed(self, data: bytes, other: bytes) -> bytes:
        draw = self._chance.random()
        if self._form == "events" and draw < 0.85:
            return self._events(data, other)
        if self._form == "json" and draw < 0.85:
            return self._json(data, other)
        return self._bytes(data, other)

    def _bytes(self, data: bytes, other: bytes) -> bytes:
        start, end = self._span(len(data))
        match self._chance.randrange(7):
            case 0:
                return data[:start] + data[end:]
            case 1:
                return data[:end] + data[start:end] + data[end:]
            case 2:
                return data[:start] + self._chance.choice(_PIECES) + data[start:]
            case 3:
                return data[:start] + self._chance.choice(self._words).encode() + data[end:]
            case 4:
                first, last = self._span(len(other))
                return data[:start] + other[first:last] + data[end:]
            case 5:
                return data[:start] + bytes([self._chance.randrange(256)]) + data[start + 1 :]
            case _:
                return data[:start]

    def _span(self, size: int) -> tuple[int, int]:
        start = self._chance.randint(0, size)
        return start, min(size, start + self._chance.choice((1, 2, 4, 8, 16, 64, size)))

    def _events(self, data: bytes, other: bytes) -> bytes:
        """Change, double, move, drop or borrow one event, or how the lines end."""
        events, more = data.split(b"\n\n"), other.split(b"\n\n")
        at = self._chance.randrange(len(events))
        match self._chance.randrange(9):
            case 0:
                del events[at]
            case 1:
                events.insert(self._chance.randint(0, len(events)), events[at])
            case 2:
                events.insert(self._chance.randint(0, len(events)), events.pop(at))
            case 3:
                events.insert(at, self._chance.choice(more))
            case 4 if self._chance.random() < 0.2:
                return data.replace(b"\n", self._chance.choice((b"\r", b"\r\n", b"\n")))
            case _:
                events[at] = self._event(events[at], self._chance.choice(more))
        return b"\n\n".join(events)

    def _event(self, event: bytes, other: bytes) -> bytes:
        head, mark, value = event.partition(b"data: ")
        if not mark:
            return self._bytes(event, other)
        return head + mark + self._json(value, other.partition(b"data: ")[2])

    def _json(self, data: bytes, other: bytes) -> bytes:
        try:
            holder = [json.loads(data)]
        except (ValueError, RecursionError):
            return self._bytes(data, other)
        try:
            donor = [json.loads(other)]
        except (ValueError, RecursionError):
            donor = [None]
        container, key = self._chance.choice(places(holder))
        self._change(container, key, donor)
        return json.dumps(holder[0], ensure_ascii=self._chance.random() < 0.5, separators=(",", ":")).encode(
            "utf-8", "surrogatepass"
        )

    def _change(self, container: Any, key: Any, donor: list[Any]) -> None:
        value = container[key]
        match self._chance.randrange(11):
            case 0 | 1:
                container[key] = self._chance.choice(_SCALARS)
            case 2:
                container[key] = json.loads(json.dumps(self._chance.choice(_SHAPES)))
            case 3:
                container[key] = self._chance.choice(self._words)
            case 4:
                giver, place = self._chance.choice(places(donor))
                container[key] = giver[place]
            case 5 if isinstance(container, dict):
                del container[key]
            case 6 if isinstance(container, dict):
                container[self._chance.choice(self._words)] = container.pop(key)
            case 7 if isinstance(value, dict):
                value[self._chance.choice(self._words)] = self._chance.choice(_SCALARS + _SHAPES)
            case 8 if isinstance(value, list) and value:
                value.insert(self._chance.randint(0, len(value)), self._chance.choice(value))
            case 9:
                container[key] = [value] if self._chance.random() < 0.5 else {self._chance.choice(self._words): value}
            case 10:
                container[key] = self._nested(value)
            case _:
                container[key] = self._chance.choice(_SCALARS)

    def _nested(self, value: Any) -> Any:
        """Return ``value`` under many levels."""
        word = self._chance.choice(self._words)
        for _ in range(self._chance.choice((3, 30, 90, 180))):
            value = [value] if self._chance.random() < 0.5 else {word: value}
        return value


def places(holder: list[Any]) -> list[tuple[Any, Any]]:
    """Return every place of a value: what holds it, and under which key."""
    found: list[tuple[Any, Any]] = []
    stack: list[Any] = [holder]
    while stack:
        container = stack.pop()
        keys = container if isinstance(container, dict) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], dict | list):
                stack.append(container[key])
    return found
