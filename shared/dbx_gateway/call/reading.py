"""From the bytes of an answer to its events or its whole: framing, JSON, quirks on the way in, decoding, in that order.

Pure: bytes are fed in, events come out, sync and async alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final, Literal

from pydantic import JsonValue
from pydantic_core import from_json

from dbx_gateway.call.sse import MAX_EVENT_BYTES, ServerSentEvent, SSEReader
from dbx_gateway.call.stop_sequences import StopReader, StopSequences
from dbx_gateway.call.tool_names import ToolNames
from dbx_gateway.call.translation import Translation, translated, translated_events
from dbx_gateway.chat import ChatResponse
from dbx_gateway.dialects.dialect import Dialect
from dbx_gateway.error_bodies import RequestTarget, api_error, error_event, read_error_body
from dbx_gateway.errors import APIError, APITimeoutError, DbxGatewayError, IncompleteStreamError, InvalidResponseError
from dbx_gateway.events import (
    End,
    Event,
    Start,
    ToolCallDelta,
    ToolCallEnd,
    UsageUpdate,
    coalesce,
    fold,
    part_events,
)
from dbx_gateway.quirks.quirk import AnswerFix

__all__ = ["AnswerStream", "Reading", "read_answer", "replay"]

_DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"
_EVENT_STARTS = (b"d", b"e", b"i", b"r", b":")
"""How a stream of events begins whatever its content type says: with a field or a comment."""

_BODY_STARTS = (b"{", b"[", b"<")
"""How a body begins that is no stream of events though its content type says so."""

_LONGEST_QUOTE = 500

_CACHED: Final = "keys"
"""What the JSON parser keeps for the next event, for the whole process: names of fields, and no word of an answer."""

MAX_STREAM_BYTES = 1024 * 1024 * 1024
"""What is read of one stream at most: the answer so far is kept, so a stream without end would fill the memory."""


class Reading:
    """How one answer is to be read.

    Args:
        dialect: of the route taken.
        fix: the quirks' fixes of this answer, as one function.
        names: the tool names to map back.
        target: for errors.
        undemanding: names, as the wire has them, of the tools that can be called without arguments.
        translations: what else to translate back, in order, before the names.
        joined: join neighbouring deltas that arrived in one read.
        stop: cut the text here, before anything is translated; None where the server does.
    """

    def __init__(
        self,
        dialect: Dialect,
        fix: AnswerFix,
        names: ToolNames,
        target: RequestTarget,
        *,
        undemanding: AbstractSet[str] = frozenset(),
        joined: bool = True,
        translations: Sequence[Translation] = (),
        stop: StopSequences | None = None,
    ) -> None:
        self.dialect = dialect
        self.fix = fix
        self.names = names
        self.target = target
        self.undemanding = undemanding
        self.joined = joined
        self.translations = tuple(translations)
        self.stop = stop
        self.status = 200
        """HTTP status under which the answer came."""

    def callers(self, response: ChatResponse) -> ChatResponse:
        """Return an answer, or as much of one as arrived, in the shape and with the names of the caller's request."""
        ways = self.translations if self.stop is None else (self.stop, *self.translations)
        return self.names.answer(translated(response, ways))

    def placed(self, error: DbxGatewayError) -> DbxGatewayError:
        """Return ``error`` saying what was asked and where, with the caller's tool names in what had arrived."""
        error.model, error.route = self.target.model, self.target.route
        if error.partial is not None:
            error.partial = self.callers(error.partial)
        if self.target.route not in error.message:
            error.message = f"{self.target}: {error.message}"
            error.args = (error.message,)
        return error

    def error(self, body: JsonValue | bytes, partial: ChatResponse | None = None) -> DbxGatewayError:
        """Return the typed error for an error that came with status 200."""
        return api_error(None, {}, body, self.target, partial=partial)

    def invalid(self, what: str, partial: ChatResponse | None = None) -> InvalidResponseError:
        """Return the error for a 200 that is not an answer."""
        return InvalidResponseError(
            f"{self.target} answered {self.status} with {what}, which is not an answer. Check host= and the route; a login page or "
            "a proxy may stand in between.",
            status=self.status,
            model=self.target.model,
            route=self.target.route,
            partial=partial,
        )


def read_answer(body: bytes, content_type: str, reading: Reading) -> ChatResponse:
    """Return the whole answer in ``body``.

    Raises:
        DbxGatewayError: it reports an error, or is no answer.
    """
    if _is_events(content_type, body):
        return _read_streamed(body, content_type, reading)
    value = _json(body, reading)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise reading.invalid(_described(value))
    if error_event(value):
        raise reading.error(value)
    try:
        return reading.callers(reading.dialect.decode(reading.fix(value), reading.target.model))
    except DbxGatewayError as error:
        reading.placed(error)
        raise


def replay(response: ChatResponse) -> Iterator[Event]:
    """Yield a whole answer as the events of a stream."""
    yield Start(response.id, response.model, response.message.origin, response.exchange)
    for index, part in enumerate(response.message.parts):
        yield from part_events(index, part)
    if response.usage is not None:
        yield UsageUpdate(response.usage)
    yield End(response.finish, response.usage, response.alternatives, response.extras)


class AnswerStream:
    """Reads one streamed answer.

    Args:
        reading: how to read it.
        whole: all of it is there already, so that nothing is saved by reading less.

    Attributes:
        complete: the wire has proved a normal end; what may follow is usage.
        done: nothing more is worth reading.
        heard: the latest bytes held some of the answer, whether or not it was handed out.
        failure: why the answer cannot go on; raise it once the events returned so far are handed out.
    """

    def __init__(self, reading: Reading, *, whole: bool = False) -> None:
        self.failure: DbxGatewayError | None = None
        self.done = False
        self.heard = False
        self._reading = reading
        self._form: Literal["events", "json", "unknown"] = "unknown"
        self._content_type = ""
        self._started = False
        self._blank = True
        self._decoder = reading.dialect.decoder(reading.target.model)
        self._readers = [one.reader() for one in reading.translations]
        stop = reading.stop
        self._stop = None if stop is None else StopReader(stop, closes=stop.closes and not whole)
        self._reader = SSEReader(MAX_EVENT_BYTES)
        self._body: list[bytes] = []
        self._body_size = 0
        self._size = 0
        self._taken = 0
        self._request_id: str | None = None

    @property
    def complete(self) -> bool:
        """Whether the answer has ended normally, as far as the wire has told."""
        return self._decoder.complete

    @property
    def cut(self) -> bool:
        """Whether it was ended here, at a stop sequence, while the server may still be writing."""
        return self._stop is not None and self._stop.over

    def expect(self, content_type: str, request_id: str | None = None, status: int = 200) -> None:
        """Take the answer's content type, and the server's id of the request and the status, for errors.

        A host may answer with one JSON body where a stream was asked for: it is read whole and replayed.
        """
        self._content_type = content_type
        self._request_id = request_id
        self._reading.status = status

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes, and return the events they cause; once nothing more is worth reading, there are none."""
        self.heard = False
        if self.done or self.failure is not None:
            return []
        self._size += len(chunk)
        if self._size > MAX_STREAM_BYTES:
            return self._fail(
                self._reading.invalid(f"a stream of more than {MAX_STREAM_BYTES} bytes", self._partial()), []
            )
        if self._form != "events":
            self._body.append(chunk)
            self._body_size += len(chunk)
            self._blank = self._blank and not chunk.strip()
            if self._form == "unknown" and not self._blank:
                self._form = self._form_of(b"".join(self._body))
            if self._body_size > MAX_EVENT_BYTES:
                return self._fail(self._reading.invalid(f"a body of more than {MAX_EVENT_BYTES} bytes"), [])
            if self._form != "events":
                return []
            chunk, self._body = b"".join(self._body), []
        events = self._decoded(self._reader.feed(chunk))
        if self._reader.overflowed and self.failure is None and not self.done:
            error = self._reading.invalid(f"an event of more than {MAX_EVENT_BYTES} bytes", self._partial())
            return self._fail(error, events)
        return events

    def close(self) -> list[Event]:
        """The bytes have ended: return the last events."""
        if self.failure is not None or self.cut:
            return []
        if self._form == "json" or (self._form == "unknown" and not _is_event_stream(self._content_type)):
            return self._whole()
        events = self._rest()
        try:
            if self.failure is None:
                self._check_stray()
                events += self._mapped(_with_arguments(self._decoder.close(), self._reading.undemanding))
        except IncompleteStreamError as error:
            error.message += self._text_between_events()
            error.args = (error.message,)
            return self._fail(error, events)
        except DbxGatewayError as error:
            return self._fail(error, events)
        return events

    def broke(self, error: DbxGatewayError) -> list[Event]:
        """The connection failed: return the last events if the answer was complete, else note the failure."""
        events = self._rest() if self._form == "events" and self.failure is None else []
        if self.failure is not None:
            return events
        if self.complete:
            return events + self.close()
        if not self._started:
            return self._fail(error, events)
        kind = APITimeoutError if isinstance(error, APITimeoutError) else IncompleteStreamError
        failure = kind(
            f"{error.message} The answer was not complete; what had arrived is in `partial`.",
            error_code=error.error_code,
            partial=self._partial(),
        )
        return self._fail(failure, events)

    def _form_of(self, start: bytes) -> Literal["events", "json", "unknown"]:
        if start in (_BOM[:1], _BOM[:2], _BOM):
            return "unknown"
        return "events" if _is_events(self._content_type, start) else "json"

    def _rest(self) -> list[Event]:
        """Return the events of what no blank line closed. What is no whole JSON was cut, and counts as not arrived."""
        if self.done:
            return []
        whole = [frame for frame in self._reader.close() if frame.event == "error" or _is_whole(frame.data)]
        return self._decoded(whole)

    def _decoded(self, frames: list[ServerSentEvent]) -> list[Event]:
        events: list[Event] = []
        for frame in frames:
            self._taken += 1
            try:
                events += self._decode(frame)
            except DbxGatewayError as error:
                return self._fail(error, self._mapped(events))
            if self._decoder.done:
                self.done = True
                break
        return self._mapped(events)

    def _decode(self, frame: ServerSentEvent) -> list[Event]:
        if frame.data.strip() == _DONE:
            return self._decoder.sentinel()
        value = self._json_of(frame)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            if frame.event == "error":
                raise self._reading.error(value, self._partial())
            raise self._reading.invalid(f"a stream event that is {_described(value)}", self._partial())
        if error_event(value, frame.event):
            raise self._reading.error(value, self._partial())
        return self._decoder.feed(self._reading.fix(value))

    def _json_of(self, frame: ServerSentEvent) -> JsonValue:
        try:
            value: JsonValue = from_json(frame.data, cache_strings=_CACHED)
        except ValueError:
            pass
        else:
            return value
        try:
            value = from_json(frame.data.decode("utf-8", "replace"), cache_strings=_CACHED)
        except ValueError:
            if frame.event == "error":
                raise self._reading.error(frame.data, self._partial()) from None
            raise self._reading.invalid("a stream event that is no JSON", self._partial()) from None
        return value

    def _outside(self) -> bytes:
        """Return what stood between the events of the answer."""
        return (self._reader.stray_before(self._taken) if self.done else bytes(self._reader.stray)).strip()

    def _check_stray(self) -> None:
        """Raise the error that a host wrote into the stream as bare JSON, or the page that stood there instead of it."""
        stray = self._outside()
        try:
            value: JsonValue = from_json(stray)
        except ValueError:
            if stray and not self.complete and (stray.startswith(b"<") or not self._started):
                raise self._reading.invalid(_described_text(stray), self._partial()) from None
            return  # not an error body; the decoder reports a missing end
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict) and error_event(value):
            raise self._reading.error(value, self._partial())

    def _text_between_events(self) -> str:
        stray = self._outside()
        return f" Outside of its events stood {_described_text(stray)}." if stray else ""

    def _whole(self) -> list[Event]:
        try:
            response = read_answer(b"".join(self._body), "", self._reading)
        except DbxGatewayError as error:
            return self._fail(error, [])
        self.done = True
        return list(replay(response))

    def _mapped(self, events: list[Event]) -> list[Event]:
        if events:
            self._started = self.heard = True
        if self._stop is not None:
            events = translated_events(events, (self._stop.feed,))
            self.done = self.done or self._stop.over
        if self._readers:
            events = translated_events(events, self._readers)
        if self._reading.names.from_wire:
            events = [self._reading.names.inward(event) for event in events]
        return coalesce(events) if self._reading.joined else events

    def _partial(self) -> ChatResponse:
        return self._decoder.partial()

    def _fail(self, error: DbxGatewayError, events: list[Event]) -> list[Event]:
        """Note why the answer cannot go on, and return the ``events`` before that; one that was cut has ended already."""
        if self.cut:
            return events
        if error.partial is None and self._form == "events":
            error.partial = self._decoder.partial()
        error.request_id = error.request_id or self._request_id
        if error.status is None and not isinstance(error, APIError):
            error.status = self._reading.status
        self.failure = self._reading.placed(error)
        return events


def _with_arguments(events: list[Event], undemanding: AbstractSet[str]) -> list[Event]:
    """Return the last events of a stream, with ``{}`` as the arguments of calls that have none and need none."""
    whole: list[Event] = []
    for event in events:
        if isinstance(event, ToolCallEnd) and not event.call.arguments and event.call.name in undemanding:
            whole += [ToolCallDelta(event.index, "{}"), ToolCallEnd(event.index, replace(event.call, arguments="{}"))]
        else:
            whole.append(event)
    return whole


def _is_event_stream(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "text/event-stream"


def _is_events(content_type: str, body: bytes) -> bool:
    """Whether an answer is a stream of events: as it begins, for hosts and proxies give wrong content types."""
    start = body.removeprefix(_BOM).lstrip()
    if _is_event_stream(content_type):
        return not start.startswith(_BODY_STARTS)
    return start.startswith(_EVENT_STARTS)


def _is_whole(data: bytes) -> bool:
    if data.strip() == _DONE:
        return True
    try:
        from_json(data.decode("utf-8", "replace"), cache_strings=_CACHED)
    except ValueError:
        return False
    return True


def _read_streamed(body: bytes, content_type: str, reading: Reading) -> ChatResponse:
    stream = AnswerStream(reading, whole=True)
    stream.expect(content_type, status=reading.status)
    events = stream.feed(body) + stream.close()
    if stream.failure is not None:
        raise stream.failure
    return fold(events)


def _json(body: bytes, reading: Reading) -> JsonValue:
    try:
        value: JsonValue = from_json(body.removeprefix(_BOM), cache_strings=_CACHED)
    except ValueError:
        raise reading.invalid(_described_text(body)) from None
    return value


def _described(value: JsonValue) -> str:
    return _described_text(value.encode()) if isinstance(value, str) else f"JSON of type {type(value).__name__}"


def _described_text(body: bytes) -> str:
    """Say what a body is that is no JSON object. Broken JSON may be part of an answer, and is not repeated."""
    start = body.lstrip()[:1]
    if not start:
        return "an empty body"
    if start in (b"{", b"["):
        return "broken JSON"
    try:
        body.decode()
    except UnicodeDecodeError:
        return "bytes that are no text"
    words = read_error_body(body).message[:_LONGEST_QUOTE]
    return words if words.startswith("an HTML page") else f"the text {words!r}"
