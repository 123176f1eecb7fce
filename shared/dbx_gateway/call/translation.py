"""What an answer has to be translated back from, because its request was sent in another shape than it was made in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

from dbx_gateway.chat import Alternative, ChatResponse, Finish, Message
from dbx_gateway.events import End, Event, fold, part_events

__all__ = ["EventReader", "Translation", "translated", "translated_by_events", "translated_events"]

EventReader: TypeAlias = Callable[[Event], Iterable[Event]]
"""Takes the events of one stream in order, and returns those to hand on; it may hold some back."""


class Translation(Protocol):
    """How answers to one request are translated, whole and streamed to the same result."""

    def message(self, message: Message, finish: Finish) -> tuple[Message, Finish]:
        """Return a whole message, or as much of one as arrived, and its end, in the shape of the caller's request."""
        ...

    def reader(self) -> EventReader:
        """Return a fresh translation of one stream."""
        ...


def translated(response: ChatResponse, translations: Sequence[Translation]) -> ChatResponse:
    """Return ``response`` after all ``translations``, its alternatives too."""
    for one in translations:
        message, finish = one.message(response.message, response.finish)
        alternatives = tuple(
            Alternative(message=other, finish=end)
            for other, end in (one.message(other.message, other.finish) for other in response.alternatives)
        )
        response = replace(response, message=message, finish=finish, alternatives=alternatives)
    return response


def translated_events(events: list[Event], readers: Sequence[EventReader]) -> list[Event]:
    """Return ``events`` after all ``readers``."""
    for reader in readers:
        events = [new for event in events for new in reader(event)]
    return events


def translated_by_events(feed: EventReader, message: Message, finish: Finish) -> tuple[Message, Finish]:
    """Return a whole message as the translation of its events by a fresh ``feed``, so that both come out the same."""
    events = [*(event for index, part in enumerate(message.parts) for event in part_events(index, part)), End(finish)]
    whole = fold(new for event in events for new in feed(event))
    return replace(message, parts=whole.message.parts), whole.finish
