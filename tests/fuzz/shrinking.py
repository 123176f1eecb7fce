"""Inputs made smaller without losing what they are kept for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from fuzz.mutation import places

__all__ = ["trimmed"]


def trimmed(data: bytes, still: Callable[[bytes], bool], tries: int) -> bytes:
    """Return ``data`` with what ``still`` does not need left out: events, values of JSON, then bytes.

    Args:
        data: the input.
        still: whether a smaller one is as good.
        tries: how often to ask that, at most.
    """
    for smaller in (_without_an_event, _without_a_value, _without_a_span):
        data, tries = _smallest(data, still, smaller, tries)
    return data


def _smallest(
    data: bytes, still: Callable[[bytes], bool], smaller: Callable[[bytes], Iterator[bytes]], tries: int
) -> tuple[bytes, int]:
    better = True
    while better and tries > 0:
        better = False
        for candidate in smaller(data):
            tries -= 1
            if len(candidate) < len(data) and still(candidate):
                data, better = candidate, True
                break
            if tries <= 0:
                break
    return data, tries


def _without_an_event(data: bytes) -> Iterator[bytes]:
    events = data.split(b"\n\n")
    for at in range(len(events) if len(events) > 1 else 0):
        yield b"\n\n".join(events[:at] + events[at + 1 :])


def _without_a_value(data: bytes) -> Iterator[bytes]:
    events = data.split(b"\n\n")
    for at, event in enumerate(events):
        head, mark, text = event.rpartition(b"data: ")
        for shorter in _shorter_json(text):
            yield b"\n\n".join([*events[:at], head + mark + shorter, *events[at + 1 :]])


def _shorter_json(text: bytes) -> Iterator[bytes]:
    try:
        count = len(places([json.loads(text)]))
    except (ValueError, RecursionError):
        return
    for number in range(1, count):
        holder: list[Any] = [json.loads(text)]
        container, key = places(holder)[number]
        del container[key]
        yield json.dumps(holder[0], separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _without_a_span(data: bytes) -> Iterator[bytes]:
    size = max(1, len(data) // 2)
    while size >= 1:
        for at in range(0, len(data), size):
            yield data[:at] + data[at + size :]
        size //= 2
