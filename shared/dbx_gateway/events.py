"""The events of a stream, and how they add up to an answer.

Rules that hold for every decoder, because each writes through :class:`Assembly`:

* ``index`` counts the parts of the answer in order of first appearance: it is the part's place in the final message.
* Each index has exactly one end event (:class:`ToolCallEnd` for calls, :class:`PartEnd` for other parts), and the
  deltas before it add up to what it holds.
* :class:`ToolCallStart` always has an id and a name. A call without a name has only its :class:`ToolCallEnd`, with an id.
* The arguments of a call that has none are ``{}``, whatever the server wrote for them.
* :class:`UsageUpdate` is a total, never a difference.
* :class:`End` comes once, last, and only after a normal end; any other end raises.
* ``fold(events)`` equals what the whole answer decodes to.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from pydantic import JsonValue

from dbx_gateway.chat import (
    NO_ARGUMENTS,
    Alternative,
    ChatResponse,
    Exchange,
    Finish,
    JsonObject,
    Message,
    Origin,
    Part,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    Usage,
)

__all__ = [
    "Assembly",
    "End",
    "Event",
    "PartEnd",
    "ReasoningDelta",
    "RefusalDelta",
    "Start",
    "TextDelta",
    "ToolCallDelta",
    "ToolCallEnd",
    "ToolCallStart",
    "UsageUpdate",
    "coalesce",
    "fold",
    "is_visible",
    "mint_call_id",
    "part_events",
    "shows",
    "with_exchange",
    "with_late_proofs",
]

# Not frozen: one is made for each event of a stream, and a frozen one costs three times as much to make.


@dataclass(slots=True)
class Start:
    """The answer starts."""

    response_id: str | None
    model: str | None
    origin: Origin | None = None
    exchange: Exchange | None = field(default=None, compare=False)


@dataclass(slots=True)
class TextDelta:
    """More visible text."""

    index: int
    text: str


@dataclass(slots=True)
class ReasoningDelta:
    """More readable reasoning. ``segment`` is the number of the segment within the part, from 0."""

    index: int
    kind: Literal["summary", "raw"]
    text: str
    segment: int = 0


@dataclass(slots=True)
class RefusalDelta:
    """More of a refusal; of a ``notice`` all of it, see :class:`~dbx_gateway.Refusal`."""

    index: int
    text: str
    notice: bool = False

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        """Restore the values of a pickle; an older one has no ``notice``."""
        for name, value in ({"notice": False} | state[1]).items():
            setattr(self, name, value)


@dataclass(slots=True)
class ToolCallStart:
    """A tool call starts. The arguments of a ``custom`` call are plain text, not JSON."""

    index: int
    call_id: str
    name: str
    custom: bool = False


@dataclass(slots=True)
class ToolCallDelta:
    """More of a tool call's arguments."""

    index: int
    arguments: str


@dataclass(slots=True)
class ToolCallEnd:
    """A tool call is complete. Whether it may be executed is known only at the end: see ``is_executable``."""

    index: int
    call: ToolCall


@dataclass(slots=True)
class PartEnd:
    """A part other than a tool call is complete, with all its fields."""

    index: int
    part: Part


@dataclass(slots=True)
class UsageUpdate:
    """Tokens of the answer (a total, never a difference)."""

    usage: Usage


@dataclass(slots=True)
class End:
    """The answer is complete."""

    finish: Finish
    usage: Usage | None = None
    alternatives: tuple[Alternative, ...] = ()
    extras: JsonObject = field(default_factory=dict[str, JsonValue])


Event: TypeAlias = (
    Start
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | PartEnd
    | UsageUpdate
    | End
)


def mint_call_id(response_id: str | None, index: int, name: str) -> str:
    """Return an id for a tool call that has none: the same for the same answer, streamed or not."""
    if not response_id:
        return f"call_{uuid.uuid4().hex[:24]}"
    return "call_" + hashlib.sha256(f"{response_id}\n{index}\n{name}".encode()).hexdigest()[:24]


def part_events(index: int, part: Part) -> Iterator[Event]:
    """Yield a complete part as the events of a stream."""
    match part:
        case ToolCall(name=""):
            yield ToolCallEnd(index, part)
            return
        case ToolCall():
            yield ToolCallStart(index, part.call_id, part.name, part.custom)
            if part.arguments:
                yield ToolCallDelta(index, part.arguments)
            yield ToolCallEnd(index, part)
            return
        case Text() if part.text:
            yield TextDelta(index, part.text)
        case Refusal() if part.text:
            yield RefusalDelta(index, part.text, part.notice)
        case Reasoning():
            for number, segment in enumerate(part.segments):
                if segment.text:
                    yield ReasoningDelta(index, segment.kind, segment.text, number)
        case _:
            pass
    yield PartEnd(index, part)


def is_visible(part: Part) -> bool:
    """Whether ``part`` is something to read or to act on; blank text and reasoning are not."""
    match part:
        case Text():
            return bool(part.text.strip())
        case Reasoning():
            return False
        case _:
            return True


def shows(event: Event) -> bool:
    """Whether ``event`` adds something to read or to act on to an answer, see :func:`is_visible`."""
    match event:
        case TextDelta():
            return bool(event.text.strip())
        case RefusalDelta() | ToolCallStart() | ToolCallEnd():
            return True
        case PartEnd():
            return is_visible(event.part)
        case _:
            return False


def fold(events: Iterable[Event]) -> ChatResponse:
    """Return the answer that the events of one stream add up to.

    Raises:
        ValueError: the events hold no :class:`End`.
    """
    start: Start | None = None
    parts: dict[int, Part] = {}
    for event in events:
        match event:
            case Start():
                start = event
            case ToolCallEnd():
                parts[event.index] = event.call
            case PartEnd():
                parts[event.index] = event.part
            case End():
                return ChatResponse(
                    message=Message(
                        role="assistant",
                        parts=with_late_proofs(parts[index] for index in sorted(parts)),
                        origin=start.origin if start else None,
                    ),
                    finish=event.finish,
                    usage=event.usage,
                    id=start.response_id if start else None,
                    model=start.model if start else None,
                    alternatives=event.alternatives,
                    extras=event.extras,
                    exchange=start.exchange if start else None,
                )
            case _:
                pass
    msg = "these events end without an End: the stream was closed early or failed"
    raise ValueError(msg)


def coalesce(events: list[Event]) -> list[Event]:
    """Join neighbouring deltas of one part into one; all other events stay as they are, in order."""
    if len(events) < 2:
        return events
    joined: list[Event] = []
    run: list[str] = []
    head: TextDelta | ReasoningDelta | ToolCallDelta | None = None
    for event in events:
        if head is not None and _continues(head, event):
            run.append(_fragment(event))
            continue
        if head is not None:
            joined.append(_joined(head, run))
            head = None
        if isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
            head, run = event, [_fragment(event)]
        else:
            joined.append(event)
    if head is not None:
        joined.append(_joined(head, run))
    return joined


def _continues(head: TextDelta | ReasoningDelta | ToolCallDelta, event: Event) -> bool:
    match event:
        case TextDelta():
            return isinstance(head, TextDelta) and head.index == event.index
        case ToolCallDelta():
            return isinstance(head, ToolCallDelta) and head.index == event.index
        case ReasoningDelta():
            return isinstance(head, ReasoningDelta) and (head.index, head.segment) == (event.index, event.segment)
        case _:
            return False


def _fragment(event: Event) -> str:
    match event:
        case TextDelta() | ReasoningDelta():
            return event.text
        case ToolCallDelta():
            return event.arguments
        case _:
            return ""


def _joined(head: TextDelta | ReasoningDelta | ToolCallDelta, run: list[str]) -> Event:
    if len(run) == 1:
        return head
    text = "".join(run)
    match head:
        case TextDelta():
            return TextDelta(head.index, text)
        case ReasoningDelta():
            return ReasoningDelta(head.index, head.kind, text, head.segment)
        case ToolCallDelta():
            return ToolCallDelta(head.index, text)


_Kind: TypeAlias = Literal["text", "refusal", "reasoning", "call"]


_NOTICE: Final = object()
"""The key of the refusal that the end of an answer tells: no decoder's key equals it."""


_ANSWERED: Final = frozenset({"stop", "completed"})
"""Servers' names for a normal end, which are no reason of a refusal without words."""


class _Open:
    """A part that is not complete yet: fragments in a list, joined once at its end."""

    __slots__ = ("call_id", "fields", "fragments", "held", "index", "kind", "name", "segment", "segments")

    def __init__(self, index: int, kind: _Kind) -> None:
        self.index = index
        self.kind: _Kind = kind
        self.fragments: list[str] = []
        self.fields: dict[str, Any] = {}
        self.segments: list[tuple[Literal["summary", "raw"], list[str]]] = []
        self.segment: Hashable = None
        self.call_id = ""
        self.name = ""
        self.held = False
        """Its arguments may still turn out to be none, so that nothing of them has been handed out."""

    def part(self) -> Part:
        text = "".join(self.fragments)
        match self.kind:
            case "text":
                return Text(text, **self.fields)
            case "refusal":
                return Refusal(text, **self.fields)
            case "reasoning":
                segments = tuple(Segment(kind, "".join(fragments)) for kind, fragments in self.segments)
                return Reasoning(segments=segments, **self.fields)
            case "call":
                return ToolCall(call_id=self.call_id, name=self.name, arguments=text, **self.fields)


class Assembly:
    """The parts of one answer while it arrives; every decoder builds its answer through one of these.

    A decoder names parts by a key of its own (any hashable value: the wire's index, for example). Each method adds the
    events it causes to a list, which :meth:`drain` returns.

    Args:
        origin: the api and model that answer; set on the message.
    """

    def __init__(self, origin: Origin | None = None) -> None:
        self.origin = origin
        self.response_id: str | None = None
        self.model: str | None = None
        self.latest_usage: Usage | None = None
        self.started = False
        self._out: list[Event] = []
        self._open: dict[Hashable, _Open] = {}
        self._ended: dict[Hashable, int] = {}
        self._parts: dict[int, Part] = {}
        self._count = 0

    def drain(self) -> list[Event]:
        """Return the events since the last call."""
        out, self._out = self._out, []
        return out

    def start(self, response_id: str | None, model: str | None) -> None:
        """Start the answer; later calls are ignored."""
        if not self.started:
            self.started = True
            self.response_id, self.model = response_id, model
            self._out.append(Start(response_id, model, self.origin))

    def is_open(self, key: Hashable) -> bool:
        """Whether the part at ``key`` has started and not ended."""
        return key in self._open

    def has(self, key: Hashable) -> bool:
        """Whether a part at ``key`` has started, ended or not."""
        return key in self._open or key in self._ended

    def text(self, key: Hashable, fragment: str) -> None:
        """Add visible text to the part at ``key``, opening it if it is new. Empty text does nothing."""
        if fragment:
            part = self._open.get(key) or self._begin(key, "text")
            part.fragments.append(fragment)
            self._out.append(TextDelta(part.index, fragment))

    def refusal(self, key: Hashable, fragment: str) -> None:
        """Add to the refusal at ``key``, opening it if it is new. Empty text does nothing."""
        if fragment:
            part = self._open.get(key) or self._begin(key, "refusal")
            part.fragments.append(fragment)
            self._out.append(RefusalDelta(part.index, fragment))

    def reasoning(
        self, key: Hashable, fragment: str, *, kind: Literal["summary", "raw"] = "raw", segment: Hashable = None
    ) -> None:
        """Add reasoning to the part at ``key``; a new ``segment`` or ``kind`` starts a new segment of it."""
        if fragment:
            part = self._open.get(key) or self._begin(key, "reasoning")
            if not part.segments or part.segment != segment or part.segments[-1][0] != kind:
                part.segments.append((kind, []))
                part.segment = segment
            part.segments[-1][1].append(fragment)
            self._out.append(ReasoningDelta(part.index, kind, fragment, len(part.segments) - 1))

    def call(self, key: Hashable, call_id: str | None, name: str, **fields: Any) -> None:
        """Open a tool call at ``key``; a missing id is generated, and the call marked as ``minted``.

        One without a name, which nobody can execute, is not handed out before its end.
        """
        part = self._begin(key, "call")
        part.name = name = name if name.strip() else ""
        part.held = not fields.get("custom", False)
        if call_id:
            part.call_id = call_id
        else:
            part.call_id = mint_call_id(self.response_id, part.index, name)
            part.fields["minted"] = True
        part.fields.update(fields)
        if name:
            self._out.append(ToolCallStart(part.index, part.call_id, name, fields.get("custom", False)))

    def arguments(self, key: Hashable, fragment: str) -> None:
        """Add to the arguments of the call at ``key``, which must be open. Empty text does nothing."""
        if fragment:
            part = self._open[key]
            part.fragments.append(fragment)
            if part.held:
                fragment = "".join(part.fragments)
                if _may_be_nothing(fragment):
                    return
                part.held = False
            if part.name:
                self._out.append(ToolCallDelta(part.index, fragment))

    def open(self, key: Hashable, kind: Literal["text", "refusal", "reasoning"], **fields: Any) -> None:
        """Open an empty part (a signature may arrive without text), or set fields of the open one."""
        part = self._open.get(key) or self._begin(key, kind)
        part.fields.update(fields)

    def fields(self, key: Hashable) -> dict[str, Any]:
        """The fields so far of the open part at ``key``, to read or to change."""
        return self._open[key].fields

    def argument_text(self, key: Hashable) -> str:
        """The arguments so far of the open call at ``key``; joins them, so not for use once per delta."""
        return "".join(self._open[key].fragments)

    def leave_blank(self, key: Hashable) -> None:
        """Let the open call at ``key`` have no arguments at all, where none have arrived: some may be missing."""
        part = self._open[key]
        if part.held and not "".join(part.fragments).strip():
            part.held, part.fragments = False, []

    def end(self, key: Hashable, **fields: Any) -> None:
        """End the part at ``key``; a key that is not open is ignored."""
        opened = self._open.pop(key, None)
        if opened is None:
            return
        opened.fields.update(fields)
        self._close(key, opened)

    def part(self, key: Hashable, part: Part) -> None:
        """Add a complete part other than a call, with the deltas it is made of."""
        index = self._next(key)
        self._ended[key] = index
        self._parts[index] = part
        self._out.extend(part_events(index, part))

    def usage(self, usage: Usage | None) -> None:
        """Set the total so far, None where it is unknown.

        One event reports it, before the end, as some servers send a total with each word.
        """
        self.latest_usage = usage

    def end_parts(self) -> None:
        """End every open part, in order."""
        for key in list(self._open):
            self.end(key)

    def explain(self, finish: Finish, category: str | None = None) -> None:
        """End every open part, and add the refusal of an answer that was refused or filtered without one.

        Args:
            finish: why the answer ended.
            category: what the refusal is about, where the server says so; else it is the server's name for the end.
        """
        self.end_parts()
        parts = self._parts.values()
        if finish.reason == "content_filter" and not any(
            isinstance(one, Refusal) and one.text.strip() for one in parts
        ):
            self.part(
                _NOTICE, _notice(finish, category, begun=any(isinstance(one, Text) and one.text for one in parts))
            )

    def finish(
        self,
        finish: Finish,
        *,
        alternatives: tuple[Alternative, ...] = (),
        extras: JsonObject | None = None,
        category: str | None = None,
    ) -> None:
        """Complete the answer: end every open part, :meth:`explain` a refused answer, and add the :class:`End`."""
        self.explain(finish, category)
        if self.latest_usage is not None:
            self._out.append(UsageUpdate(self.latest_usage))
        self._out.append(End(finish, self.latest_usage, alternatives, extras or {}))

    def partial(self, reason: Finish | None = None) -> ChatResponse:
        """Return what has arrived so far, as a failed answer."""
        parts = dict(self._parts)
        parts.update({opened.index: opened.part() for opened in self._open.values()})
        return ChatResponse(
            message=Message(role="assistant", parts=tuple(parts[index] for index in sorted(parts)), origin=self.origin),
            finish=reason or Finish(reason="error"),
            usage=self.latest_usage,
            id=self.response_id,
            model=self.model,
        )

    @property
    def is_empty(self) -> bool:
        """Whether the answer holds no part yet, complete or not."""
        return self._count == 0

    @property
    def calls(self) -> int:
        """How many tool calls the answer holds so far."""
        ended = sum(isinstance(part, ToolCall) for part in self._parts.values())
        return ended + sum(opened.kind == "call" for opened in self._open.values())

    def _next(self, key: Hashable) -> int:
        if self.has(key):
            msg = f"a part at {key!r} has ended already"
            raise KeyError(msg)
        index = self._count
        self._count += 1
        return index

    def _begin(self, key: Hashable, kind: _Kind) -> _Open:
        opened = self._open[key] = _Open(self._next(key), kind)
        return opened

    def _close(self, key: Hashable, opened: _Open) -> None:
        if opened.held:
            text = "".join(opened.fragments)
            opened.fragments = ["{}" if text.strip() in NO_ARGUMENTS else text]
            if opened.name:
                self._out.append(ToolCallDelta(opened.index, opened.fragments[0]))
        part = opened.part()
        self._ended[key] = opened.index
        self._parts[opened.index] = part
        self._out.append(ToolCallEnd(opened.index, part) if isinstance(part, ToolCall) else PartEnd(opened.index, part))


def _notice(finish: Finish, category: str | None, *, begun: bool) -> Refusal:
    reason = "refusal" if finish.raw in _ANSWERED else finish.raw or finish.reason
    what = "The answer was stopped" if begun else "No answer was given"
    return Refusal(finish.message or f"{what}: {reason}.", category or reason, notice=True)


def _may_be_nothing(arguments: str) -> bool:
    """Whether ``arguments`` can still become one of :data:`NO_ARGUMENTS`."""
    so_far = arguments.strip()
    return any(word.startswith(so_far) for word in NO_ARGUMENTS)


def with_exchange(event: Event, exchange: Exchange) -> Event:
    """Return ``event`` with ``exchange`` set, if it is the :class:`Start` of an answer; else unchanged."""
    return replace(event, exchange=exchange) if isinstance(event, Start) else event


def with_late_proofs(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return parts with each proof of reasoning that came late, as a part of its own, on the reasoning of the same id.

    A stream may send the proof after what followed the reasoning has been handed out, and the two are one part again
    once all are there.
    """
    joined: list[Part] = []
    for part in parts:
        proven = _proven(part, joined)
        if proven is None:
            joined.append(part)
        else:
            at, whole = proven
            joined[at] = whole
    return tuple(joined)


def _proven(part: Part, before: list[Part]) -> tuple[int, Reasoning] | None:
    """Return which of the parts ``before`` a late proof belongs to, and that part with it; None where ``part`` is none."""
    if not isinstance(part, Reasoning) or part.encrypted is None or part.id is None or part.segments:
        return None
    for at, other in enumerate(before):
        if isinstance(other, Reasoning) and other.id == part.id and other.encrypted is None:
            return at, replace(other, encrypted=part.encrypted)
    return None
