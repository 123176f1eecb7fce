"""Puts numbered stream events back into order and drops repeats."""

from __future__ import annotations

from bisect import bisect_right

from dbx_gateway.chat import JsonObject

__all__ = ["EventOrder"]

_LONGEST_GAP = 1000


class EventOrder:
    """Corrects events that a gateway sent twice, or in swapped places, by their ``sequence_number``.

    Clients that ignore the numbers repeat or reorder text (docs/wire/peers.md#order-of-events). An event that is too
    early waits for one more event and no longer, so a gap in the numbers delays nothing else. Where different events
    have the same number, the numbers are ignored from there on.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self._last: JsonObject = {}
        self._waiting: tuple[int, JsonObject] | None = None
        self._gaps: list[range] = []
        self._filled: set[int] = set()
        self._trusted = True

    def take(self, event: JsonObject) -> list[JsonObject]:
        """Return the events that are due after ``event``, in order; none for a repeat."""
        number = event.get("sequence_number")
        if not self._trusted or not isinstance(number, int):
            return [*self.rest(), event]
        if self._next is None or number == self._next:
            return self._due(number, event)
        if number < self._next:
            return self._late(number, event)
        return self._early(number, event)

    def rest(self) -> list[JsonObject]:
        """Return the event that still waits, if there is one: the events before it are lost."""
        if self._waiting is None:
            return []
        (number, event), self._waiting = self._waiting, None
        self._skip_to(number)
        return self._due(number, event)

    def _due(self, number: int, event: JsonObject) -> list[JsonObject]:
        self._next, self._last = number + 1, event
        if self._waiting is not None and self._waiting[0] == self._next:
            (number, waited), self._waiting = self._waiting, None
            return [event, *self._due(number, waited)]
        return [event]

    def _late(self, number: int, event: JsonObject) -> list[JsonObject]:
        if self._is_missing(number):
            self._filled.add(number)
            return [event]
        if number + 1 == self._next and event != self._last:
            self._trusted = False
            return [*self.rest(), event]
        return []

    def _early(self, number: int, event: JsonObject) -> list[JsonObject]:
        if self._waiting is None:
            self._waiting = (number, event)
            return []
        if number == self._waiting[0]:
            return []
        first, second = sorted((self._waiting, (number, event)), key=lambda numbered: numbered[0])
        self._waiting = None
        self._skip_to(first[0])
        due = self._due(*first)
        self._skip_to(second[0])
        return due + self._due(*second)

    def _skip_to(self, number: int) -> None:
        if self._next is not None and 0 < number - self._next <= _LONGEST_GAP:
            self._gaps.append(range(self._next, number))

    def _is_missing(self, number: int) -> bool:
        """Whether ``number`` lies in a gap and has not arrived since."""
        place = bisect_right(self._gaps, number, key=lambda gap: gap.start) - 1
        return place >= 0 and number in self._gaps[place] and number not in self._filled
