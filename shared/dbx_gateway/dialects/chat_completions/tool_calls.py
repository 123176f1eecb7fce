"""Joins the fragments of a stream into tool calls, whatever the server does with indices, ids and names.

By definition a fragment's ``index`` names its call, and ``id`` and ``name`` come with the first fragment only
(docs/wire/chat-completions.md#tool-calls-in-a-stream). Servers repeat both, leave out the index or the id, give every
call the index 0, or generate a new id for each fragment (docs/wire/peers.md#tool-call-identity).
"""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.events import Assembly
from dbx_gateway.json_values import arguments_text, integer_or_none, object_or_empty, text_or_empty, text_or_none

__all__ = ["ToolCalls", "with_places"]

_ENTRY_KEYS: Final = frozenset({"index", "id", "type", "function", "custom"})
_INNER_KEYS: Final = frozenset({"name", "arguments", "input"})
_KINDS: Final = frozenset({"function", "custom"})
_LEGACY: Final = -1
"""The index of ``function_call``, the single call of the api's first version."""


def with_places(message: JsonObject) -> JsonObject:
    """Return a complete message whose tool calls have their positions as indices: each is a call of its own."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    placed: list[JsonValue] = [{**call, "index": place} for place, call in enumerate(calls) if isinstance(call, dict)]
    return {**message, "tool_calls": placed}


class _Call:
    """One tool call. The assembly starts it once its name is known, and its id or its first argument."""

    __slots__ = ("buffered", "custom", "id", "key", "last", "name", "opaque", "place", "started", "unused_id")

    def __init__(self, key: tuple[str, int], place: int | None) -> None:
        self.key = key
        self.place = place
        self.id = ""
        self.name = ""
        self.custom = False
        self.started = False
        self.buffered: list[str] = []
        self.last = ""
        self.opaque: JsonObject = {}
        self.unused_id = ""

    def save_unknown(self, fields: JsonObject, known: frozenset[str], level: str | None) -> None:
        """Save fields that the call has no attribute for, under the level of the wire they came from."""
        extras = {key: fields[key] for key in fields.keys() - known if fields[key] is not None}
        if not extras:
            return
        if level is None:
            self.opaque.update(extras)
            return
        inner = self.opaque.setdefault(level, extras)
        if isinstance(inner, dict) and inner is not extras:
            inner.update(extras)


class ToolCalls:
    """The tool calls of one answer while it arrives."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._calls: list[_Call] = []
        self._started = 0
        self._last: _Call | None = None
        self._at: dict[int, _Call] = {}
        self._by_place: dict[tuple[int, str], _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._unended: _Call | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def feed_legacy(self, function: JsonObject) -> None:
        """Read ``function_call``."""
        self.feed({"index": _LEGACY, "function": function})

    def feed(self, entry: JsonObject) -> None:
        """Read one entry of ``tool_calls``: a fragment, or a complete call."""
        level = "custom" if isinstance(entry.get("custom"), dict) else "function"
        body = object_or_empty(entry.get(level))
        name, fragment = text_or_empty(body.get("name")), _arguments(body)
        name = name if name.strip() else ""
        call = self._call_of(integer_or_none(entry.get("index")), text_or_empty(entry.get("id")), name, fragment)
        if call is None:
            return
        call.name = call.name or name
        call.custom = call.custom or level == "custom"
        if entry.keys() - _ENTRY_KEYS:
            call.save_unknown(entry, _ENTRY_KEYS, None)
        if body.keys() - _INNER_KEYS:
            call.save_unknown(body, _INNER_KEYS, level)
        if (kind := text_or_none(entry.get("type"))) and kind not in _KINDS:
            call.opaque["type"] = kind
        self._add(call, fragment)

    def leave_last_open(self) -> None:
        """Note that the stream has not told the end of its last call: without any argument yet, it may lack them all."""
        self._unended = self._calls[-1] if self._calls else None

    def end(self) -> None:
        """End the answer: start the calls that still wait, and add the unknown fields of each.

        Servers write a call without arguments as ``""``, ``null`` or ``"{}"`` (docs/wire/quirks.md#no-args-empty-string):
        all become ``"{}"``, but where no argument has arrived for a call whose end was not told.
        """
        for call in self._calls:
            if not call.started:
                self._start(call)
            if call is self._unended:
                self._assembly.leave_blank(call.key)
            if call.opaque:
                self._assembly.fields(call.key)["opaque"] = call.opaque

    def _call_of(self, place: int | None, call_id: str, name: str, fragment: str) -> _Call | None:
        """Return the call that an entry belongs to, or None for an empty entry."""
        call = self._known(place, call_id)
        if call is None:
            current = self._current(place, begins=bool(call_id or name))
            if current is None:
                if not (call_id or name or fragment):
                    return None
                call = self._new(place, call_id)
            elif _is_another(current, call_id, name, fragment):
                call = self._new(place, call_id or current.unused_id)
            else:
                call = current
                self._adopt(call, place, call_id)
        self._last = call
        if place is not None:
            self._at[place] = call
        return call

    def _known(self, place: int | None, call_id: str) -> _Call | None:
        if not call_id:
            return None
        named = self._by_id.get(call_id)
        return (
            named
            if place is None or (named is not None and named.place is None)
            else self._by_place.get((place, call_id))
        )

    def _current(self, place: int | None, *, begins: bool) -> _Call | None:
        """Return the current call at ``place``; arguments at a place without a call belong to the last call."""
        if place is None or (place not in self._at and not begins):
            return self._last
        return self._at.get(place)

    def _new(self, place: int | None, call_id: str) -> _Call:
        call = _Call(("call", len(self._calls)), place)
        self._calls.append(call)
        self._adopt(call, place, call_id)
        return call

    def _adopt(self, call: _Call, place: int | None, call_id: str) -> None:
        """Set ``call_id`` as the id of a call that has none; a further id is saved for the next call, and not used here."""
        if not call_id or call.id == call_id:
            return
        if call.id or call.started:
            call.unused_id = call_id
            return
        call.id = call_id
        self._by_id[call_id] = call
        if place is not None:
            self._by_place[place, call_id] = call

    def _add(self, call: _Call, fragment: str) -> None:
        call.last = fragment.rstrip()[-1:] or call.last
        if call.started:
            self._assembly.arguments(call.key, fragment)
            return
        if fragment:
            call.buffered.append(fragment)
        self._start_ready()

    def _start_ready(self) -> None:
        """Start, in order, the calls that are ready: with a name, and an id or an argument or a later call."""
        while self._started < len(self._calls):
            call = self._calls[self._started]
            if not call.name or not (call.id or call.buffered or self._started + 1 < len(self._calls)):
                return
            self._start(call)
            self._started += 1

    def _start(self, call: _Call) -> None:
        fields = {"custom": True} if call.custom else {}
        self._assembly.call(call.key, call.id, call.name, **fields)
        for fragment in call.buffered:
            self._assembly.arguments(call.key, fragment)
        call.buffered = []
        call.started = True


def _is_another(current: _Call, call_id: str, name: str, fragment: str) -> bool:
    """Whether an entry at the place of ``current`` starts another call.

    A new id with a name does; a new id alone does not, as some servers give every fragment a new id. Without ids,
    another name does, and so does the same name where one object has ended and the next one starts.
    """
    if not name or not current.name:
        return False
    if call_id or current.unused_id:
        return bool(current.id or current.started or name != current.name)
    if name != current.name:
        return True
    return not current.id and current.last == "}" and fragment.startswith("{")


def _arguments(body: JsonObject) -> str:
    """Return the arguments as text; an object is written as compact JSON."""
    return arguments_text(body.get("input") if "input" in body else body.get("arguments"))
