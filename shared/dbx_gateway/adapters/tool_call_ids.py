"""Distinct ids for tool calls that share one, and results that name only a tool, as in conversations from apis without ids."""

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

    The first call with an id keeps it; a call without one gets one. A result whose id is the name of a tool, and no
    call's, is that of the first call of the tool that has none (``role="function"`` has no ids:
    docs/wire/chat-completions.md#round-trip). The id of a call depends only on what is before it,
    so that the ids stay the same as the conversation goes on. Needed because where an api gives calls no ids, some
    libraries use the tool's name as the id (docs/wire/peers.md#tool-call-identity), or none, and other apis reject a
    duplicate id (docs/wire/messages.md#round-trip).
    """
    received = [part.call_id for message in messages for part in message.parts if isinstance(part, ToolCall)]
    answered = {part.call_id for message in messages for part in message.parts if isinstance(part, ToolResult)}
    if len(set(received)) == len(received) and all(received) and answered.issubset(received):
        return tuple(messages)
    ids = _Ids()
    return tuple(replace(message, parts=tuple(map(ids.part, message.parts))) for message in messages)


class _Ids:
    def __init__(self) -> None:
        self._used: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._open: defaultdict[str, deque[str]] = defaultdict(deque)
        self._latest: dict[str, str] = {}
        self._waiting: dict[str, str] = {}
        """The tool of each call without a result, by the call's own id."""

    def part(self, part: Part) -> Part:
        match part:
            case ToolCall():
                call_id = self._of_call(part.call_id)
                self._waiting[call_id] = part.name
                return replace(part, call_id=call_id)
            case ToolResult():
                call_id = self._of_result(part.call_id, part.name)
                self._waiting.pop(call_id, None)
                return replace(part, call_id=call_id)
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

    def _of_result(self, received: str, name: str | None) -> str:
        waiting = self._open[received]
        while waiting:
            call_id = waiting.popleft()
            if call_id in self._waiting:
                return call_id
        if received not in self._latest and received == name:
            return next((call_id for call_id, tool in self._waiting.items() if tool == name), received)
        return self._latest.get(received, received)
