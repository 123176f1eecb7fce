"""Tool calls that share an id told apart, as in conversations from apis that know no ids."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dbx_gateway.chat import Message, Part, ToolCall, ToolResult

__all__ = ["with_distinct_ids"]

_NAMELESS: Final = "call"
"""The id of a call that came without one."""


def with_distinct_ids(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return ``messages`` with an id of its own for each tool call; results follow their calls in order.

    The first call of an id keeps it; a call without one gets one. What id a call gets depends on what stands before it
    only, so that a conversation that goes on keeps its ids. Needed because where an api gives calls no ids, some
    libraries let the tool's name stand for them (docs/wire/peers.md#tool-call-identity), or nothing, and other apis
    refuse an id that is there twice (docs/wire/messages.md#round-trip).
    """
    given = [part.call_id for message in messages for part in message.parts if isinstance(part, ToolCall)]
    if len(set(given)) == len(given) and all(given):
        return tuple(messages)
    ids = _Ids()
    return tuple(replace(message, parts=tuple(map(ids.part, message.parts))) for message in messages)


class _Ids:
    def __init__(self) -> None:
        self._used: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._open: defaultdict[str, deque[str]] = defaultdict(deque)
        self._latest: dict[str, str] = {}

    def part(self, part: Part) -> Part:
        match part:
            case ToolCall():
                return replace(part, call_id=self._of_call(part.call_id))
            case ToolResult():
                return replace(part, call_id=self._of_result(part.call_id))
            case _:
                return part

    def _of_call(self, given: str) -> str:
        base = given or _NAMELESS
        number = self._numbers.get(base, 1)
        fresh = base if number == 1 else f"{base}_{number}"
        while fresh in self._used:
            number += 1
            fresh = f"{base}_{number}"
        self._numbers[base] = number
        self._used.add(fresh)
        self._open[given].append(fresh)
        self._latest[given] = fresh
        return fresh

    def _of_result(self, given: str) -> str:
        waiting = self._open[given]
        return waiting.popleft() if waiting else self._latest.get(given, given)
