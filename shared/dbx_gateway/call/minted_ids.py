"""Ids that were made here for tool calls, and that a conversation holds already.

Such an id is made of the answer's id, and a server may give all its answers the same one (docs/wire/comparison.md#ids).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dbx_gateway.call.translation import EventReader
from dbx_gateway.chat import Alternative, ChatRequest, Finish, Message, Part, ToolCall
from dbx_gateway.events import End, Event, ToolCallEnd, ToolCallStart, mint_call_id

__all__ = ["MintedIds"]


@dataclass(frozen=True, slots=True)
class MintedIds:
    """Gives a call another id where an earlier call of the conversation has its own: a translation of answers.

    Args:
        taken: the ids that were made here for earlier calls.
    """

    taken: frozenset[str]

    @classmethod
    def of(cls, request: ChatRequest) -> MintedIds | None:
        """Return the translation of answers to ``request``; None where no id of it was made here."""
        calling = [message for message in request.messages if message.role == "assistant"]
        taken = frozenset(call.call_id for message in calling for call in message.tool_calls if call.minted)
        return cls(taken) if taken else None

    def message(self, message: Message, finish: Finish) -> tuple[Message, Finish]:
        """Return a whole message whose calls have ids that no earlier call has."""
        parts = tuple(self._part(index, part) for index, part in enumerate(message.parts))
        return replace(message, parts=parts), finish

    def reader(self) -> EventReader:
        """Return the translation of one stream; it holds nothing back."""
        return self._events

    def _events(self, event: Event) -> Iterator[Event]:
        match event:
            case ToolCallStart() if event.call_id in self.taken:
                yield replace(event, call_id=self._fresh(event.call_id, event.index, event.name))
            case ToolCallEnd():
                yield replace(event, call=self._call(event.index, event.call))
            case End() if event.alternatives:
                others = ((self.message(one.message, one.finish), one) for one in event.alternatives)
                yield replace(
                    event, alternatives=tuple(Alternative(message=made[0], finish=one.finish) for made, one in others)
                )
            case _:
                yield event

    def _part(self, index: int, part: Part) -> Part:
        return self._call(index, part) if isinstance(part, ToolCall) else part

    def _call(self, index: int, call: ToolCall) -> ToolCall:
        if call.call_id not in self.taken:
            return call
        return replace(call, call_id=self._fresh(call.call_id, index, call.name))

    def _fresh(self, call_id: str, index: int, name: str) -> str:
        while call_id in self.taken:
            call_id = mint_call_id(call_id, index, name)
        return call_id
