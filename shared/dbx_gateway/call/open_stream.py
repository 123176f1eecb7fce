"""A stream that has begun: what has been read of it, and how long to wait for more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dbx_gateway.call.reading import AnswerStream
from dbx_gateway.call.transcript import Transcript
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.events import Event
from dbx_gateway.transport.deadlines import Deadline
from dbx_gateway.transport.sending import HttpRequest, overdue, silent

__all__ = ["OpenStream"]

H = TypeVar("H")


@dataclass(slots=True)
class OpenStream(Generic[H]):
    """A stream that has begun: its first events have been read, and the rest is still to come.

    Args:
        status: HTTP status of the answer.
        headers: of the answer, names in lower case.
        stream: reads the answer.
        handle: what the client holds the connection by; it has the body's chunks, and gives the connection back.
        request: that is being answered.
        first: the events read so far.
        ended: there is nothing more to read.
        grace_ends: when, by ``time.monotonic``, to stop waiting for what may follow a complete answer.
        silent_since: when, by ``time.monotonic``, the wait for the next event began.
        kept_alive: bytes have come since then, but no event.
        watched: a watchdog ends the stream when the whole call has taken too long.
        shows: something that the user can see or act on has arrived, see :func:`~dbx_gateway.events.shows`.
        transcript: what the log wants of it.
        on_end: what is to be done when nobody reads it any more; it takes no lock.
    """

    status: int
    headers: Mapping[str, str]
    stream: AnswerStream
    handle: H
    request: HttpRequest
    first: list[Event] = field(default_factory=list[Event])
    ended: bool = False
    grace_ends: float | None = None
    silent_since: float | None = None
    kept_alive: bool = False
    watched: bool = False
    shows: bool = False
    transcript: Transcript | None = None
    on_end: Callable[[], None] | None = None

    def leave(self) -> None:
        """Note that nobody reads the stream any more; later calls do nothing."""
        act, self.on_end = self.on_end, None
        if act is not None:
            act()

    def wait_begins(self) -> None:
        """Note that the next bytes are to be read; the time that the caller takes between two events does not count."""
        if self.silent_since is None:
            self.silent_since = time.monotonic()

    def patience(self) -> float | None:
        """Return for how many seconds to wait for the next bytes; None for as long as it takes.

        Silence is counted here once keep-alives have broken it; until then the read's own timeout does.
        """
        deadline: Deadline = self.request.deadline
        total = None if self.watched else deadline.ends
        if total is None and self.grace_ends is None and not self.kept_alive:
            return None
        ends = [when for when in (total, self.grace_ends) if when is not None]
        if self.kept_alive and deadline.idle is not None and self.silent_since is not None:
            ends.append(self.silent_since + deadline.idle)
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def take(self, chunk: bytes) -> list[Event]:
        """Return the events that ``chunk`` causes; a stream that has taken too long by now ends with them."""
        if self.transcript is not None:
            self.transcript.add(chunk)
        events = self.stream.feed(chunk)
        self.kept_alive = not self.stream.heard
        if self.stream.heard:
            self.silent_since = None
        late = self.late()
        if self.stream.done and self.stream.failure is None:
            events += self.stream.close()
        elif late is not None:
            events += self.stream.broke(late)
        self.ended = self.ended or self.stream.done or self.stream.failure is not None or late is not None
        return events

    def end(self, error: DbxGatewayError | None = None) -> list[Event]:
        """Return the last events of a body that has ended, or that ``error`` has broken off."""
        self.ended = True
        return self.stream.close() if error is None else self.stream.broke(error)

    def late(self) -> DbxGatewayError | None:
        """Return the error of a stream that has taken too long, in all or since its last event."""
        if self.request.deadline.passed:
            return overdue(self.request)
        if not self.kept_alive or self.silent_since is None or self.stream.complete:
            return None
        return silent(self.request) if self.request.deadline.silent_too_long(self.silent_since) else None

    @property
    def failure(self) -> DbxGatewayError | None:
        """What broke the answer off; None where nothing did. An agent that has begun to answer is not to be asked again."""
        failure = self.stream.failure
        if failure is not None and self.request.may_act:
            failure.retryable = False
        return failure

    @property
    def may_reuse(self) -> bool:
        """Whether the connection can serve another request once its body has been read to the end."""
        return self.stream.done and self.stream.failure is None and not self.stream.cut
