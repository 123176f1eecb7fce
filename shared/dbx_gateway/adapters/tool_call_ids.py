"""Distinct ids for tool calls that share one, as in conversations from apis without ids."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dbx_gateway.chat import Message, Part, ToolCall, ToolResult

__all__ = ["with_distinct_ids"]

_NAMELESS: Final = "call"
"""The id of a call that was received without one."""


def with_distinct_ids(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return ``messages`` with an id of its own for each tool call; results follow their calls in order.

    The first call with an id keeps it; a call without one gets one. The id of a call depends only on what is before it,
    so that the ids stay the same as the conversation goes on. Needed because where an api gives calls no ids, some
    libraries use the tool's name as the id (docs/wire/peers.md#tool-call-identity), or none, and other apis reject a
    duplicate id (docs/wire/messages.md#round-trip).
    """
    received = [part.call_id for message in messages for part in message.parts if isinstance(part, ToolCall)]
    if len(set(received)) == len(received) and all(received):
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

    def _of_call(self, received: str) -> str:
        base = received or _NAMELESS
        number = self._numbers.get(base, 1)
        fresh = base if number == 1 else f"{base}_{number}"
        while fresh in self._used:
            number += 1
            fresh = f"{base}_{number}"
        self._numbers[base] = number
        self._used.add(fresh)
        self._open[received].append(fresh)
        self._latest[received] = fresh
        return fresh

    def _of_result(self, received: str) -> str:
        waiting = self._open[received]
        return waiting.popleft() if waiting else self._latest.get(received, received)
