"""Parts of an answer that have no text to show, beside a content that is a plain string.

An answer of GPT begins each text and each call with reasoning that only the server can read. It goes back before what it
led to (docs/wire/responses.md#round-trip), and has no place in a string: so it is in the message's facts, with its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dbx_gateway.adapters.part_facts import Facts, hidden_facts, hidden_part
from dbx_gateway.chat import Part, Reasoning, Text, ToolCall
from langchain_dbx_gateway.blocks import Block, beside_text, blocks_of

__all__ = ["SilentParts", "is_silent", "with_silent_blocks", "with_silent_parts", "with_silent_texts"]

_AT: Final = "at"
_BEFORE: Final = "before"
_AFTER: Final = "after"
_CALLS: Final = ("tool_call", "invalid_tool_call")


def is_silent(part: Part) -> bool:
    """Whether a part is reasoning without text."""
    return isinstance(part, Reasoning) and not part.text


class SilentParts:
    """Collects the silent parts of an answer whose content is a string, in the order of the answer.

    A part waits for the text or the call that follows it, which is then its place.

    ``waiting`` holds those that have none yet; whoever gives them one elsewhere takes them out.
    """

    def __init__(self) -> None:
        self.waiting: list[Reasoning | Text] = []
        self._facts: list[Facts] = []
        self._texts = 0
        self._call: str | None = None

    def add(self, part: Part) -> bool:
        """Take ``part`` if it is silent, and return whether it is: reasoning, or behind a call a text without text."""
        if isinstance(part, Text):
            if part.text or self._call is None:
                return False
            self.waiting += [part] if beside_text(part) else []
            return True
        if not is_silent(part):
            return False
        self.waiting += [part] if part != Reasoning() else []  # type: ignore[list-item]  # what is silent is reasoning
        return True

    def text(self) -> None:
        """A text of the string begins."""
        self._place({_AT: self._texts})
        self._texts += 1

    def call(self, call_id: str) -> None:
        """A call begins that the content does not hold."""
        self._place({_BEFORE: call_id})
        self._call = call_id

    @property
    def has_call(self) -> bool:
        """Whether a call has begun."""
        return self._call is not None

    def end(self) -> list[Facts]:
        """Return the facts of all parts, each with its place."""
        self._place({_AT: self._texts} if self._call is None else {_AFTER: self._call})
        return self._facts

    def _place(self, place: Mapping[str, Any]) -> None:
        self._facts += [{**place, **hidden_facts(part)} for part in self.waiting]
        self.waiting.clear()


def with_silent_texts(texts: Sequence[Part], hidden: Iterable[Mapping[str, Any]]) -> list[Part]:
    """Return the texts of a string with the silent parts among them, each in its place."""
    placed: dict[int, list[Part]] = {}
    for facts in hidden:
        if isinstance(facts.get(_AT), int) and (part := hidden_part(facts)) is not None:
            placed.setdefault(min(facts[_AT], len(texts)), []).append(part)
    return [part for at in range(len(texts) + 1) for part in (*placed.get(at, ()), *texts[at : at + 1])]


def with_silent_parts(parts: Sequence[Part], hidden: Sequence[Mapping[str, Any]]) -> list[Part]:
    """Return the parts of an answer with the silent ones beside its calls; those whose call is gone are at the end."""
    beside = _Beside({place: _of_calls(hidden, place) for place in (_BEFORE, _AFTER)})
    return beside.joined(parts, [part.call_id if isinstance(part, ToolCall) else None for part in parts])


def with_silent_blocks(blocks: Sequence[Block], hidden: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return the blocks of an answer with those of the silent parts beside its calls, as :func:`with_silent_parts`."""
    found = {place: _of_calls(hidden, place) for place in (_BEFORE, _AFTER)}
    beside = _Beside(
        {
            place: {call_id: [block for part in parts for block in blocks_of(part)] for call_id, parts in calls.items()}
            for place, calls in found.items()
        }
    )
    return beside.joined(blocks, [block.get("id") if block["type"] in _CALLS else None for block in blocks])


def _of_calls(hidden: Iterable[Mapping[str, Any]], place: str) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for facts in hidden:
        if isinstance(facts.get(place), str) and (part := hidden_part(facts)) is not None:
            found.setdefault(facts[place], []).append(part)
    return found


class _Beside:
    """What stands before and after calls, by their ids."""

    def __init__(self, beside: Mapping[str, dict[str, list[Any]]]) -> None:
        self._before, self._after = beside[_BEFORE], beside[_AFTER]

    def joined(self, items: Sequence[Any], call_ids: Sequence[str | None]) -> list[Any]:
        """Return the items with what stands beside the calls among them; what is left over is at the end."""
        if not (self._before or self._after):
            return list(items)
        joined: list[Any] = []
        for item, call_id in zip(items, call_ids, strict=True):
            joined += self._before.pop(call_id, []) if call_id is not None else []
            joined.append(item)
            joined += self._after.pop(call_id, []) if call_id is not None else []
        return joined + [one for left in (self._before, self._after) for ones in left.values() for one in ones]
