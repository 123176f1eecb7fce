"""Failures that a test can inject into the simulated workspace, and the replies that they produce."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_core import to_json

from dbx_gateway.testing.faults.odd_answers import OddAnswer, odd_body, odd_event

__all__ = [
    "CONSIDER_RETRYING",
    "NO_ANSWER",
    "ConnectionCut",
    "Failure",
    "Fault",
    "Faults",
    "Pause",
    "Reply",
    "Streamed",
]

NO_ANSWER = 0
"""The status of a request whose connection was reset instead of answered."""


@dataclass(frozen=True)
class Pause:
    """A pause inside a stream, in seconds: the sender of the stream waits that long."""

    seconds: float


class ConnectionCut(Exception):  # noqa: N818  # it is what happens to the client, not a failure of the simulation
    """The connection breaks here: the sender of the body must close it without ending the body."""


Streamed: TypeAlias = Iterator["bytes | Pause"]
"""A body sent in pieces; it may raise :class:`ConnectionCut`."""


@dataclass
class Reply:
    """What the workspace sends back.

    Args:
        status: HTTP status.
        headers: response headers, lower case.
        body: all of it, or its pieces.
        stall: seconds to wait before the headers are sent.
        reset: send none of this; reset the connection instead.
    """

    status: int
    headers: dict[str, str]
    body: bytes | Streamed
    stall: float = 0.0
    reset: bool = False


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error as an api reports it inside an answer of status 200.

    Args:
        body: replaces an answer that is not streamed; None where the request reached no model.
        first: as the first event of a stream.
        event: as a later event of a stream.
    """

    body: bytes | None
    first: bytes
    event: bytes


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which a request fails. Several may be combined: slow and then cut.

    Args:
        status: answer with this status instead; the model is not called and nothing is billed.
        body: the body of that answer, as JSON or as it is; by default a Databricks error body.
        headers: headers of that answer, such as ``{"Retry-After": "1"}``.
        reset: reset the connection instead of answering; the model is not called and nothing is billed.
        stall: seconds to wait before the headers.
        stall_after: send this many events first, then wait for ``stall`` seconds.
        slow: seconds to wait before each event.
        odd: the answer of a model is written oddly in this way.
        cut_after: send this many bytes of the body, then break the connection.
        end_after: send this many events, then end the stream as if it were complete, without its closing events.
        error_after: send this many events, then an error event of this api, then end the stream. An answer that is
            not streamed is replaced by a body with the same error; its status stays 200. A request that reaches no
            model is answered as usual.
        error_status: the HTTP status of such an error. It selects the vendor's error type, where the api has one, and
            is sent where the api has a number.
        error_code: code of such an error, where the api has a field for it, or of the default body; sent as it is.
        error_message: message of such an error, or of the default body.
    """

    status: int | None = None
    body: dict[str, Any] | str | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    reset: bool = False
    stall: float = 0.0
    stall_after: int | None = None
    slow: float = 0.0
    odd: OddAnswer | None = None
    cut_after: int | None = None
    end_after: int | None = None
    error_after: int | None = None
    error_status: int = 500
    error_code: str = "TEMPORARILY_UNAVAILABLE"
    error_message: str = "the simulated workspace was asked to fail"

    def refusal(self) -> Reply | None:
        """Return the reply to send instead of calling the model; None if the fault has none."""
        if self.reset:
            return Reply(NO_ANSWER, {}, b"", stall=self.stall, reset=True)
        if self.status is None:
            return None
        body = self.body
        if body is None:
            body = {"error_code": self.error_code, "message": self.error_message}
        raw = body.encode() if isinstance(body, str) else to_json(body)
        kind = "application/json" if not isinstance(self.body, str) else "text/html"
        headers = {"content-type": kind} | {name.lower(): value for name, value in self.headers.items()}
        return Reply(self.status, headers, raw, stall=self.stall)

    def apply(self, reply: Reply, failure: Failure, is_terminal: Callable[[bytes], bool]) -> Reply:
        """Return an answer as this fault changes it.

        Args:
            reply: the answer.
            failure: how its api reports an error inside an answer.
            is_terminal: whether an event belongs to the end of a stream.
        """
        body: bytes | Streamed = reply.body
        if not isinstance(body, bytes):
            body = self._events(body, failure, is_terminal)
        elif self.error_after is not None and reply.status == 200 and failure.body is not None:
            body = failure.body
        elif self.odd is not None and reply.status == 200 and failure.body is not None:
            body = odd_body(body, self.odd)
        if self.cut_after is not None:
            body = _cut(body, self.cut_after)
        stall = self.stall if self.stall_after is None else 0.0
        return Reply(reply.status, reply.headers, body, stall=stall)

    def _events(self, events: Streamed, failure: Failure, is_terminal: Callable[[bytes], bool]) -> Streamed:
        for number, event in enumerate(events):
            if number == self.stall_after:
                yield Pause(self.stall)
            if number == self.error_after:
                yield failure.event if number else failure.first
                return
            if self.end_after is not None and (number >= self.end_after or _ends(event, is_terminal)):
                return
            if self.slow:
                yield Pause(self.slow)
            written = odd_event(event, self.odd) if self.odd is not None and isinstance(event, bytes) else event
            if written:
                yield written


CONSIDER_RETRYING = Fault(
    status=400,
    error_code="BAD_REQUEST",
    error_message="Model response did not respect the required format. Please consider retrying or using a simpler prompt.",
)
"""Llama's refusal of an answer of its own, which passes (docs/wire/errors.md)."""


def _ends(event: bytes | Pause, is_terminal: Callable[[bytes], bool]) -> bool:
    return isinstance(event, bytes) and is_terminal(event)


def _cut(body: bytes | Streamed, size: int) -> Streamed:
    left = size
    for piece in (body,) if isinstance(body, bytes) else body:
        if isinstance(piece, Pause):
            yield piece
            continue
        if len(piece) >= left:
            if left:
                yield piece[:left]
            break
        left -= len(piece)
        yield piece
    raise ConnectionCut


class Faults:
    """The injected faults that are not used up."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault, times: int | None, where: str, user: str | None = None) -> None:
        """Add a fault for coming requests."""
        with self._lock:
            self._waiting.append(_Waiting(fault, times, where, user))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._waiting.clear()

    def take(self, path: str, user: str | None = None) -> Fault | None:
        """Return the first fault for a request of ``user`` to this path, and count its use."""
        with self._lock:
            for waiting in self._waiting:
                if waiting.where not in path or waiting.user not in (None, user):
                    continue
                if waiting.times is not None:
                    waiting.times -= 1
                    if waiting.times <= 0:
                        self._waiting.remove(waiting)
                return waiting.fault
        return None


@dataclass
class _Waiting:
    fault: Fault
    times: int | None
    where: str
    user: str | None
