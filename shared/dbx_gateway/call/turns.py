"""The order of a conversation's turns: each tool result directly after its call, and no call without its result.

Every api wants that (docs/wire/comparison.md#order-of-turns), and programs often make conversations otherwise: a user who
goes on while a tool works, a run that was interrupted, messages of several agents in one list. Nothing is changed in place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from dbx_gateway.chat import Message, Part, ToolCall, ToolResult
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.quirks.catalogue import UNANSWERED_CALLS
from dbx_gateway.quirks.warning import off_switch

__all__ = ["check_answered", "in_order"]


def check_answered(messages: Sequence[Message]) -> None:
    """Check that each tool call has one result. A call that a server ran itself is no tool call and needs none.

    Raises:
        InvalidRequestError: one has none, or several; the message names its id, and how to send it all the same.
    """
    waiting: dict[str, ToolCall] = {}
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                if part.call_id in waiting:
                    raise _unanswered(part)
                waiting[part.call_id] = part
            elif isinstance(part, ToolResult) and waiting.pop(part.call_id, None) is None:
                # A result of a call that no message makes was refused before.
                raise InvalidRequestError(
                    f"tool call {part.call_id!r} has two results; keep one. {_all_the_same()}",
                )
    if waiting:
        ends = any(isinstance(part, ToolCall) for part in messages[-1].parts)
        raise _unanswered(next(iter(waiting.values())), ends=ends)


def _unanswered(call: ToolCall, *, ends: bool = False) -> InvalidRequestError:
    what = (
        "the conversation ends with tool calls; add the tools' results before asking on"
        if ends
        else "the conversation goes on without its result; add a tool message with it (of an interrupted run: one that "
        "says so), or leave the call out"
    )
    return InvalidRequestError(
        f"tool call {call.call_id!r} of {call.name!r} has no result: {what}. {_all_the_same()}",
    )


def _all_the_same() -> str:
    return f"To send it all the same: {off_switch(UNANSWERED_CALLS)}"


def in_order(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return the conversation with each tool result directly after the message of its call.

    What stands between a call and its result moves: a turn of the user or the system after the results; one of the
    assistant before its call, unless a user's turn came first. Assistant messages in a row whose results follow together
    are one turn. A conversation in order is returned as it is.
    """
    answered = frozenset(part.call_id for message in messages for part in message.parts if isinstance(part, ToolResult))
    if not answered or _is_in_order(messages, answered):
        return messages
    turns = _Turns(messages)
    return tuple(message for turn in turns.turns for message in (turn.message, *turn.results))


def _is_in_order(messages: tuple[Message, ...], answered: Collection[str]) -> bool:
    waiting: set[str] = set()
    for message in messages:
        if message.role == "assistant":
            if waiting:
                return False
            if calls := message.tool_calls:
                own = {part.call_id for part in message.parts if isinstance(part, ToolResult)}
                waiting = {call.call_id for call in calls if call.call_id in answered} - own
        elif results := [part.call_id for part in message.parts if isinstance(part, ToolResult)]:
            waiting.difference_update(results)
            first = message.parts[: len(results)]
            if not all(isinstance(part, ToolResult) for part in first) or (waiting and len(first) < len(message.parts)):
                return False
        elif waiting:
            return False
    return True


@dataclass(slots=True, eq=False)
class _Turn:
    """A message, and the results of its calls.

    Args:
        place: where the message stood in the conversation; of one that was made of several, the last of them.
        to_come: how many results of its calls are still to come.
    """

    message: Message
    place: int
    to_come: int = 0
    results: list[Message] = field(default_factory=list[Message])


class _Turns:
    """A conversation that is put in order, message by message."""

    def __init__(self, messages: tuple[Message, ...]) -> None:
        self.turns: list[_Turn] = []
        self._homes: dict[str, _Turn] = {}
        """The turn of each call so far, by its id; of several with one id, the latest."""
        self._latest: _Turn | None = None
        """The latest turn that has calls."""
        to_come = _results_of(messages)
        for place, message in enumerate(messages):
            if message.role == "assistant":
                self._add_assistant(_Turn(message, place, to_come[place]))
            elif (rest := self._without_results(message)) is not None:
                self.turns.append(_Turn(rest, place))

    def _add_assistant(self, turn: _Turn) -> None:
        message, latest = turn.message, self._latest
        waits = latest is not None and latest.to_come > 0
        if latest is not None and waits and latest.place == turn.place - 1 and _are_alike(latest.message, message):
            latest.message = replace(latest.message, parts=(*latest.message.parts, *message.parts))
            latest.place, latest.to_come = turn.place, latest.to_come + turn.to_come
            turn = latest
        elif waits and latest is self.turns[-1] and not message.tool_calls:
            self.turns.insert(-1, turn)
        else:
            self.turns.append(turn)
        for part in message.parts:
            if isinstance(part, ToolCall):
                self._homes[part.call_id] = self._latest = turn
            elif isinstance(part, ToolResult) and part.call_id in self._homes:
                self._homes[part.call_id].to_come -= 1

    def _without_results(self, message: Message) -> Message | None:
        """Give each result in ``message`` to the turn of its call, and return what is left; None for nothing."""
        rest: list[Part] = []
        results: list[tuple[_Turn, ToolResult]] = []
        for part in message.parts:
            if isinstance(part, ToolResult) and part.call_id in self._homes:
                results.append((self._homes[part.call_id], part))
            else:
                rest.append(part)
        whole = not rest and len({id(home) for home, _ in results}) == 1
        for home, result in results:
            home.to_come -= 1
            if not whole:
                home.results.append(replace(message, role="tool", parts=(result,)))
        if whole:
            results[0][0].results.append(message)
        return replace(message, parts=tuple(rest)) if rest or not message.parts else None


def _results_of(messages: Iterable[Message]) -> Counter[int]:
    """Return how many results there are of the calls of each message, by its place."""
    places: dict[str, int] = {}
    counts: Counter[int] = Counter()
    for place, message in enumerate(messages):
        for part in message.parts:
            if isinstance(part, ToolCall):
                places[part.call_id] = place
            elif isinstance(part, ToolResult) and part.call_id in places:
                counts[places[part.call_id]] += 1
    return counts


def _are_alike(one: Message, other: Message) -> bool:
    """Whether two messages can be one turn: what goes back to their server goes to the same one."""
    return one.origin == other.origin and one.name == other.name
