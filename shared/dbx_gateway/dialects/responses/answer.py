"""Reads answers of the Responses api, streamed or not, with one reader for both.

Source: docs/wire/responses.md#stream, #items-on-a-workspace.
"""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import ChatResponse, JsonObject
from dbx_gateway.dialects.responses.event_order import EventOrder
from dbx_gateway.dialects.responses.fields import CALLS, RESULTS, failure, finish_of, kind_of, usage_of, wire_extras
from dbx_gateway.dialects.responses.items import Growth, OutputItems
from dbx_gateway.errors import IncompleteStreamError
from dbx_gateway.events import Event
from dbx_gateway.json_values import (
    integer_or_none,
    nonempty_text,
    object_or_empty,
    objects_in,
    plain_text,
    text_or_empty,
)

__all__ = ["ResponsesDecoder"]

_GROWTH: Final[dict[str, tuple[str, Growth, str]]] = {
    "response.output_text": ("message", "text", "content_index"),
    "response.refusal": ("message", "refusal", "content_index"),
    "response.reasoning_summary_text": ("reasoning", "summary", "summary_index"),
    "response.reasoning_text": ("reasoning", "raw", "content_index"),
    "response.function_call_arguments": ("function_call", "arguments", ""),
    "response.custom_tool_call_input": ("custom_tool_call", "arguments", ""),
}
"""What ``<name>.delta`` adds to and ``<name>.done`` repeats: the item's type, the kind of text, the name of its index."""

_DELTAS: Final = {f"{name}.delta": row for name, row in _GROWTH.items()}
_DONES: Final = {f"{name}.done": row for name, row in _GROWTH.items()}
_LAST: Final = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.cancelled",
        "response.failed",
        "response.error",
        "error",
    }
)
_ON_EVENTS: Final = frozenset({"custom_outputs", "databricks_output", "trace_id"})
"""Fields that agents add to events (docs/wire/responses.md#agents-on-responses)."""


class ResponsesDecoder:
    """Reads one Responses stream.

    A stream that begins with ``response.created`` is complete at ``response.completed`` or ``response.incomplete``
    only. Agents send no such envelope: their stream is complete at ``[DONE]``, or when it ends and every item that
    started is done (at least one).

    A call that an agent has run itself, with its result in the same answer, is carried as native data, so that it is not
    run again. So a call in an agent's stream, and what follows it, waits for its result or the end of the stream.

    Args:
        model: the requested name.
    """

    def __init__(self, model: str) -> None:
        self.complete = False
        self.done = False
        self._model = model
        self._order = EventOrder()
        self._items = OutputItems(model)
        self._waiting: list[JsonObject] = []
        self._pending_calls: set[str] = set()
        self._enveloped = False
        self._status: str | None = None
        self._extras: JsonObject = {}

    def feed(self, event: JsonObject) -> list[Event]:
        """Read one wire event, and return the events it causes.

        Raises:
            APIError: the event reports that the answer failed; the error carries what had arrived.
            InvalidResponseError: a call ended with other arguments than were streamed.
        """
        due = self._order.take(event)
        if text_or_empty(event.get("type")) in _LAST:
            due = [*due, *self._order.rest()]
            due += [] if any(one is event for one in due) else [event]
        for one in due:
            self._take(one)
        return self._items.assembly.drain()

    def sentinel(self) -> list[Event]:
        """Read the ``[DONE]`` mark: it ends an agent's stream, and has no meaning in any other."""
        self._take_rest()
        if not self._enveloped:
            self.done = True
            self.complete = bool(len(self._items) or self._extras) and not self._items.open(*CALLS)
        return self._items.assembly.drain()

    def close(self) -> list[Event]:
        """Return the last events at the end of the stream, among them the one ``End``.

        Raises:
            IncompleteStreamError: the answer is not complete; the error carries what had arrived.
        """
        self._take_rest()
        if not self._enveloped and not self.done and len(self._items):
            self.complete = not self._items.open()
        if not self.complete:
            raise IncompleteStreamError(
                f"the stream of {self._model!r} ended before the answer was complete (no response.completed); "
                "what had arrived is in .partial: send the request again, and run none of its tool calls",
                model=self._model,
                partial=self.partial(),
            )
        return self._finish()

    def partial(self) -> ChatResponse:
        """Return what has arrived so far."""
        self._resume()
        return self._items.partial()

    def whole(self, body: JsonObject) -> list[Event]:
        """Return all events of an answer that was not streamed.

        Raises:
            APIError: the body reports that the answer failed.
        """
        self._conclude(body, nonempty_text(body.get("status")))
        return self._finish()

    def _take_rest(self) -> None:
        for event in self._order.rest():
            self._take(event)
        self._resume()

    def _take(self, event: JsonObject) -> None:
        if self.done:
            return
        if self._must_wait(event):
            self._waiting.append(event)
            if not self._pending_calls:
                self._resume()
        else:
            self._handle(event)

    def _must_wait(self, event: JsonObject) -> bool:
        """Whether ``event`` waits for the results of an agent's calls; records the calls and results in it."""
        if self._enveloped:
            return False
        if text_or_empty(event.get("type")) in _LAST or isinstance(event.get("output"), list):
            self._resume()
            return False
        wire = object_or_empty(event.get("item"))
        if event.get("type") == "response.output_item.done":
            kind, call_id = kind_of(wire), text_or_empty(wire.get("call_id"))
            if kind in CALLS:
                self._pending_calls.add(call_id)
                return True
            if kind in RESULTS and self._waiting:
                self._pending_calls.discard(call_id)
                self._items.with_result.add(call_id)
        return bool(self._waiting)

    def _resume(self) -> None:
        """Handle the events that waited."""
        waiting, self._waiting = self._waiting, []
        self._pending_calls.clear()
        for event in waiting:
            self._handle(event)

    def _handle(self, event: JsonObject) -> None:
        kind = event.get("type")
        if not isinstance(kind, str):
            self._untyped(event)
            return
        if not _ON_EVENTS.isdisjoint(event):
            self._extras |= {name: event[name] for name in _ON_EVENTS if event.get(name) is not None}
        if kind in _DELTAS:
            self._grow(event, *_DELTAS[kind])
        elif kind in _DONES:
            self._fill_rest(event, *_DONES[kind])
        else:
            self._dispatch(kind, event)

    def _dispatch(self, kind: str, event: JsonObject) -> None:
        index = integer_or_none(event.get("output_index"))
        place = integer_or_none(event.get("content_index")) or 0
        match kind:
            case "response.created" | "response.queued" | "response.in_progress":
                self._open(object_or_empty(event.get("response")))
            case "response.output_item.added":
                self._items.add(object_or_empty(event.get("item")), index, calls_at_once=self._enveloped)
            case "response.output_item.done":
                self._items.end(object_or_empty(event.get("item")), index)
            case "response.output_text.annotation.added":
                item = self._items.growing("message", index)
                self._items.annotate(item, place, object_or_empty(event.get("annotation")))
            case "response.content_part.done":
                part = object_or_empty(event.get("part"))
                of = "reasoning" if part.get("type") == "reasoning_text" else "message"
                self._items.content(self._items.growing(of, index), place, part)
            case "response.completed" | "response.incomplete" | "response.cancelled":
                response = object_or_empty(event.get("response"))
                self._conclude(response, _status(kind, response))
            case "response.failed" | "response.error" | "error":
                error = object_or_empty(event.get("response")).get("error") or event.get("error") or event
                raise failure(object_or_empty(error), self._model, self.partial())
            case _:
                pass

    def _grow(self, event: JsonObject, kind: str, growth: Growth, place: str) -> None:
        item = self._items.growing(kind, integer_or_none(event.get("output_index")))
        self._items.add_text(item, growth, integer_or_none(event.get(place)) or 0, text_or_empty(event.get("delta")))

    def _fill_rest(self, event: JsonObject, kind: str, growth: Growth, place: str) -> None:
        item = self._items.growing(kind, integer_or_none(event.get("output_index")))
        for field in ("text", "refusal", "arguments", "input"):
            self._items.fill_rest(item, growth, integer_or_none(event.get(place)) or 0, text_or_empty(event.get(field)))

    def _untyped(self, event: JsonObject) -> None:
        """Read an agent's event without a type: more fields of the answer, or the answer itself."""
        if isinstance(event.get("output"), list):
            self._conclude(event, nonempty_text(event.get("status")))
        else:
            self._extras |= wire_extras(event)
            self._count(event)

    def _open(self, response: JsonObject) -> None:
        self._enveloped = True
        self._items.envelope = response
        self._items.begin()
        self._count(response)

    def _count(self, wire: JsonObject) -> None:
        usage = usage_of(object_or_empty(wire.get("usage")))
        if usage is not None:
            self._items.begin()
            self._items.assembly.usage(usage)

    def _conclude(self, response: JsonObject, status: str | None) -> None:
        """Read the response object: fill what is still missing, and set how the answer ended."""
        error = object_or_empty(response.get("error"))
        if status in ("failed", "cancelled") or error:
            what = "was cancelled" if status == "cancelled" else "failed"
            raise failure(error, self._model, self.partial(), what)
        self._items.envelope = self._items.envelope | response
        self._items.begin()
        self._items.fill(objects_in(response.get("output")) or _only_text(response.get("output_text")))
        self._items.end_all()
        self._count(response)
        self._extras |= wire_extras(response)
        self._status = status
        self.complete = self.done = True

    def _finish(self) -> list[Event]:
        items = self._items
        items.begin()
        items.end_all()
        if items.logprobs:
            self._extras["logprobs"] = items.logprobs
        finish = finish_of(items.envelope, self._status, calls=items.has_pending_calls, refused=items.refused)
        items.assembly.finish(finish, extras=self._extras)
        return items.assembly.drain()


def _status(kind: str, response: JsonObject) -> str:
    """Return how the last event says that the answer ended: a host may leave the response's status as it was before."""
    named = kind.removeprefix("response.")
    return named if named == "cancelled" else text_or_empty(response.get("status")) or named


def _only_text(text: JsonValue) -> list[JsonObject]:
    """Return an answer's text as its output, where a host fills ``output_text`` only."""
    shown = plain_text(text)
    return [{"type": "message", "role": "assistant", "content": shown}] if shown else []
