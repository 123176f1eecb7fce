"""Stop sequences that the server does not apply: the text of the answer is cut here, as other apis do it.

The Responses api has no field for them, some models refuse theirs, and some words no server takes
(docs/wire/comparison.md#stop-sequences). What the sent request does not hold is cut here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import JsonValue

from dbx_gateway.call.translation import EventReader, translated_by_events
from dbx_gateway.chat import Alternative, Finish, FinishReason, JsonObject, Message, Refusal, Text
from dbx_gateway.events import (
    End,
    Event,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
)
from dbx_gateway.surfaces import Api

__all__ = ["USAGE_UNKNOWN", "StopReader", "StopSequences", "TextCut", "unsent"]

USAGE_UNKNOWN: Final = "usage_unknown"
"""The field of an answer's extras that says why its usage is None, where the server was not heard to the end."""

_CLOSED: Final = "the stream was closed at a stop sequence, before the server sent the usage"

_FIELDS: Final[Mapping[Api, tuple[str, ...]]] = {
    # Where a body has its stop sequences; an api without a row has no field for them.
    "chat-completions": ("stop",),  # docs/wire/chat-completions.md#request
    "messages": ("stop_sequences",),  # docs/wire/messages.md#request
    "generate-content": ("generationConfig", "stopSequences"),  # docs/wire/generate-content.md#request
}


def unsent(words: Sequence[str], body: JsonObject, api: Api) -> tuple[str, ...]:
    """Return the stop sequences to cut at here: none where ``body`` holds all of ``words``, else all of them."""
    if not words:
        return ()
    value: JsonValue = body if api in _FIELDS else None
    for key in _FIELDS.get(api, ()):
        value = value.get(key) if isinstance(value, dict) else None
    sent = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return () if all(word in sent for word in words) else tuple(word for word in words if word)


class TextCut:
    """Cuts one text, which comes in pieces, at the first stop sequence in it.

    What may turn out to be the beginning of one is held back, and nothing else.

    Args:
        words: the stop sequences, none of them empty.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.found: str | None = None
        """The stop sequence that was met; of several that begin at one place the shortest."""
        self._words = sorted(words, key=len)
        self._longest = max(map(len, words), default=0)
        self._held = ""
        self._out: list[str] = []

    @property
    def text(self) -> str:
        """All that was handed out."""
        return "".join(self._out)

    def feed(self, piece: str) -> str:
        """Take the next piece, and return what can be handed out; nothing once a stop sequence was met."""
        if self.found is not None:
            return ""
        text = self._held + piece
        end = min(self._match(text), self._beginning(text))
        word = next((one for one in self._words if text.startswith(one, end)), None)
        self.found, self._held = word, "" if word else text[end:]
        return self._handed(text[:end])

    def close(self) -> str:
        """The text has ended: return the rest of it."""
        text, self._held = self._held, ""
        end = self._match(text)
        self.found = self.found or next((one for one in self._words if text.startswith(one, end)), None)
        return self._handed(text[:end])

    def _handed(self, text: str) -> str:
        if text:
            self._out.append(text)
        return text

    def _match(self, text: str) -> int:
        """Return where the first stop sequence begins, or the end of ``text``."""
        return min((at for word in self._words if (at := text.find(word)) >= 0), default=len(text))

    def _beginning(self, text: str) -> int:
        """Return from where on ``text`` may be the beginning of a stop sequence, or its end."""
        for at in range(max(0, len(text) - self._longest + 1), len(text)):
            rest = text[at:]
            if any(word.startswith(rest) for word in self._words):
                return at
        return len(text)


@dataclass(frozen=True, slots=True)
class StopSequences:
    """How answers are cut at stop sequences, whole and streamed to the same text.

    What comes after the cut is dropped: text, reasoning, refusals, tool calls. What came before stays. The answer then
    ends as one does that a server has stopped.

    Args:
        words: the stop sequences, none of them empty.
        closes: a stream ends at the cut; else it is read to its end, as that of an agent that may be at work.
    """

    words: tuple[str, ...]
    closes: bool = True

    def message(self, message: Message, finish: Finish) -> tuple[Message, Finish]:
        """Return a whole message, cut, and its end."""
        return translated_by_events(self.reader(), message, finish)

    def reader(self) -> EventReader:
        """Return what cuts the events of an answer that is there as a whole."""
        return StopReader(self, closes=False).feed


class StopReader:
    """Cuts the events of one answer.

    Args:
        stop: at what.
        closes: end the events at the cut.

    Attributes:
        over: the end was handed out, and nothing more is worth reading.
    """

    def __init__(self, stop: StopSequences, *, closes: bool) -> None:
        self.over = False
        self._stop = stop
        self._closes = closes
        self._texts: dict[int, TextCut] = {}
        self._open: set[int] = set()
        self._found: str | None = None
        self._reason: FinishReason = "stop"

    def feed(self, event: Event) -> list[Event]:
        """Return what to hand on after ``event``."""
        if self.over:
            return []
        match event:
            case Start() | UsageUpdate():
                return [event]
            case End():
                return [self._ended(event)]
            case _:
                events = self._of_part(event)
        if self._found is not None and self._closes and not self._open:
            self.over = True
            events.append(End(self._finish(Finish(reason="stop")), extras={USAGE_UNKNOWN: _CLOSED}))
        return events

    def _of_part(
        self,
        event: TextDelta | ReasoningDelta | RefusalDelta | ToolCallStart | ToolCallDelta | ToolCallEnd | PartEnd,
    ) -> list[Event]:
        index = event.index
        if self._found is not None and index not in self._open:
            return []
        match event:
            case TextDelta():
                self._open.add(index)
                return self._grown(index, event.text)
            case PartEnd(part=Text() as part):
                return self._whole(index, part)
            case ToolCallEnd():
                self._open.discard(index)
                if event.call.name and self._reason == "stop":
                    self._reason = "tool_calls"
            case PartEnd():
                self._open.discard(index)
                if isinstance(event.part, Refusal):
                    self._reason = "content_filter"
            case _:
                self._open.add(index)
        return [event]

    def _grown(self, index: int, piece: str) -> list[Event]:
        cut = self._texts.get(index)
        if cut is None:
            cut = self._texts[index] = TextCut(self._stop.words)
        shown = cut.feed(piece)
        events: list[Event] = [TextDelta(index, shown)] if shown else []
        if cut.found is not None and self._found is None:
            self._found = cut.found
            if self._closes:
                self._open.discard(index)
                events += _ended_text(index, Text(cut.text))
        return events

    def _whole(self, index: int, part: Text) -> list[Event]:
        self._open.discard(index)
        cut = self._texts.pop(index, None)
        if cut is None:
            return [PartEnd(index, part)]
        rest = cut.close()
        events: list[Event] = [TextDelta(index, rest)] if rest else []
        if cut.found is None:
            return [*events, PartEnd(index, part)]
        self._found = self._found or cut.found
        length = len(cut.text)
        citations = tuple(one for one in part.citations if one.start is None or one.start < length)
        return events + _ended_text(index, replace(part, text=cut.text, citations=citations))

    def _ended(self, end: End) -> End:
        others = tuple(_other(self._stop, other) for other in end.alternatives)
        finish = end.finish if self._found is None else self._finish(end.finish)
        return replace(end, finish=finish, alternatives=others)

    def _finish(self, finish: Finish) -> Finish:
        if finish.reason == "error":
            return finish
        raw = finish.raw if finish.reason == self._reason else None
        return Finish(reason=self._reason, raw=raw, stop_sequence=self._found, details=finish.details)


def _ended_text(index: int, part: Text) -> list[Event]:
    """Return the end of a text; none where nothing is left of it."""
    return [PartEnd(index, part)] if part.text else []


def _other(stop: StopSequences, other: Alternative) -> Alternative:
    message, finish = stop.message(other.message, other.finish)
    return Alternative(message=message, finish=finish)
