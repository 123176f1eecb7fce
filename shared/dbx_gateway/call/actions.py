"""What a call needs done: the actions that its flow yields, each with a place for its outcome.

A flow is a generator without I/O. It asks for something by one of the functions below, for example
``outcome = yield from fetch(request)``. The client carries the action out, writes the outcome into it, and resumes the
flow. A failure is an outcome like any other: it is handed over as a value.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from dbx_gateway.call.caller import Caller
from dbx_gateway.call.open_stream import OpenStream
from dbx_gateway.call.pacing import Wakeup
from dbx_gateway.call.reading import AnswerStream
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.transport.deadlines import Deadline
from dbx_gateway.transport.sending import HttpRequest, HttpResponse

__all__ = [
    "Action",
    "AskCaller",
    "Fetch",
    "Flow",
    "Once",
    "Open",
    "Together",
    "Wait",
    "ask_caller",
    "fetch",
    "left_when",
    "once",
    "open_stream",
    "together",
    "wait",
]

T = TypeVar("T")
H = TypeVar("H")
"""What the client holds a connection by: :class:`~dbx_gateway.transport.leases.Lease` or ``AsyncLease``."""


@dataclass(slots=True)
class AskCaller:
    """Find out the host and the identity, before the call's time is over.

    Args:
        headers: that the call will send beside its credentials.
        deadline: of the call.
    """

    headers: Mapping[str, str]
    deadline: Deadline
    outcome: Caller = field(init=False)


@dataclass(slots=True)
class Fetch:
    """Send a request and read its whole answer."""

    request: HttpRequest
    outcome: HttpResponse | DbxGatewayError = field(init=False)


@dataclass(slots=True)
class Open(Generic[H]):
    """Send a request and read its answer up to the first events; an answer that is a refusal is read whole.

    Args:
        request: what to send.
        stream: reads the answer.
    """

    request: HttpRequest
    stream: AnswerStream
    outcome: OpenStream[H] | HttpResponse | DbxGatewayError = field(init=False)


@dataclass(slots=True)
class Wait:
    """Do nothing for some seconds.

    Args:
        seconds: at most; infinite where only ``wakeup`` ends it.
        wakeup: may end it sooner.
    """

    seconds: float
    wakeup: Wakeup | None = None


@dataclass(slots=True)
class Once(Generic[T]):
    """Run a flow whose result callers of the same key share.

    Args:
        key: of the question; two callers with the same key get the same answer.
        flow: asks it.
        deadline: of the call, which bounds its waiting for another's answer too.
    """

    key: Hashable
    flow: Flow[T]
    deadline: Deadline
    outcome: T = field(init=False)


@dataclass(slots=True)
class Together(Generic[T]):
    """Run several flows at once. The first failure is the outcome, and the other flows are left.

    Args:
        flows: each returns its result, or the failure.
    """

    flows: Sequence[Flow[T | DbxGatewayError]]
    outcome: list[T] | DbxGatewayError = field(init=False)


Action: TypeAlias = AskCaller | Fetch | Open[Any] | Wait | Once[Any] | Together[Any]
Flow: TypeAlias = Generator[Action, None, T]


def ask_caller(headers: Mapping[str, str], deadline: Deadline) -> Flow[Caller]:
    """Find out the host and the identity, before ``deadline``, of a call that will send ``headers`` beside its credentials."""
    action = AskCaller(headers, deadline)
    yield action
    return action.outcome


def fetch(request: HttpRequest) -> Flow[HttpResponse | DbxGatewayError]:
    """Send ``request`` and return its whole answer, or the failure."""
    action = Fetch(request)
    yield action
    return action.outcome


def open_stream(action: Open[H]) -> Flow[OpenStream[H] | HttpResponse | DbxGatewayError]:
    """Send the request of ``action`` and return the stream that has begun, the whole refusal, or the failure."""
    yield action
    return action.outcome


def wait(seconds: float, wakeup: Wakeup | None = None) -> Flow[None]:
    """Let ``seconds`` pass, or fewer where ``wakeup`` comes."""
    yield Wait(seconds, wakeup)


def once(key: Hashable, flow: Flow[T], deadline: Deadline) -> Flow[T]:
    """Run ``flow``, or wait for the caller of the same key that runs it already, and return the result.

    Only an answer is shared. Where the other caller fails, is cancelled or runs out of time, ``flow`` is run after all.
    """
    action = Once(key, flow, deadline)
    yield action
    return action.outcome


def together(flows: Sequence[Flow[T | DbxGatewayError]]) -> Flow[list[T] | DbxGatewayError]:
    """Run ``flows`` at once, and return their results in order, or the first failure."""
    action = Together(flows)
    yield action
    return action.outcome


def left_when(over: Callable[[], bool], flow: Flow[T]) -> Flow[T | None]:
    """Run ``flow``; leave it before its next action, with None, once ``over`` is true."""
    try:
        while not over():
            try:
                action = next(flow)
            except StopIteration as end:
                result: T = end.value
                return result
            yield action
        return None
    finally:
        flow.close()
