"""A stream that has begun: what has been read of it, and how long to wait for more."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbx_gateway.call.reading import AnswerStream
from dbx_gateway.call.transcript import Transcript
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.events import Event
from dbx_gateway.transport.deadlines import Deadline
from dbx_gateway.transport.sending import Outgoing, overdue, silent

__all__ = ["Live"]


@dataclass(slots=True)
class Live:
    """A stream that has begun: its first events have been read, and the rest is still to come.

    Args:
        source: the client's own handle on the connection.
        first: the events read so far.
        ended: there is nothing more to read.
        patience_ends: when, by ``time.monotonic``, to stop waiting for what may follow a complete answer.
        silent_since: when, by ``time.monotonic``, the wait for the next event began.
        kept_alive: bytes have come since then, but no event.
        watched: a watchdog ends the stream when the whole call has taken too long.
        transcript: what the log wants of it.
    """

    status: int
    headers: Mapping[str, str]
    stream: AnswerStream
    source: Any
    first: list[Event] = field(default_factory=list[Event])
    ended: bool = False
    patience_ends: float | None = None
    silent_since: float | None = None
    kept_alive: bool = False
    watched: bool = False
    transcript: Transcript | None = None

    def wait_begins(self) -> None:
        """The next bytes are to be read; the time that the caller takes between two events does not count."""
        if self.silent_since is None:
            self.silent_since = time.monotonic()

    def patience(self, deadline: Deadline) -> float | None:
        """Return for how many seconds to wait for the next bytes; None for as long as it takes.

        Silence is counted here once keep-alives have broken it; until then the read's own timeout does.
        """
        total = None if self.watched else deadline.ends
        if total is None and self.patience_ends is None and not self.kept_alive:
            return None
        ends = [when for when in (total, self.patience_ends) if when is not None]
        if self.kept_alive and deadline.idle is not None and self.silent_since is not None:
            ends.append(self.silent_since + deadline.idle)
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def take(self, chunk: bytes, request: Outgoing) -> list[Event]:
        """Return the events that ``chunk`` causes; a stream that has taken too long by now ends with them."""
        if self.transcript is not None:
            self.transcript.hear(chunk)
        events = self.stream.feed(chunk)
        self.kept_alive = not events
        if events:
            self.silent_since = None
        late = self.late(request)
        if self.stream.done and self.stream.failure is None:
            events += self.stream.close()
        elif late is not None:
            events += self.stream.broke(late)
        self.ended = self.ended or self.stream.done or self.stream.failure is not None or late is not None
        return events

    def late(self, request: Outgoing) -> DbxGatewayError | None:
        """Return the error of a stream that has taken too long, in all or since its last event."""
        if request.deadline.passed:
            return overdue(request)
        if not self.kept_alive or self.silent_since is None or self.stream.complete:
            return None
        return silent(request) if request.deadline.silent_too_long(self.silent_since) else None
