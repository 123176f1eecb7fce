"""What a call needs done: the actions that its flow yields, and the outcomes it is sent."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from dbx_gateway.call.reading import AnswerStream
from dbx_gateway.transport.sending import Outgoing

__all__ = ["Action", "AskPlace", "Fetch", "Flow", "Once", "Pause", "Place", "Send"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the credentials lead: the workspace's host, and who is asking (never a token)."""

    host: str
    identity: str


class AskPlace:
    """Find out the host and the identity; the outcome is a :class:`Place`."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """GET something; the outcome is a :class:`Reply` or the failure."""

    request: Outgoing


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request; the outcome is a :class:`Reply`, a :class:`Live` stream, or the failure.

    Args:
        stream: reads the answer if it is a stream; None where a whole answer is wanted.
    """

    request: Outgoing
    stream: AnswerStream | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait; the outcome is None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Once(Generic[T]):
    """Run a flow that callers of the same key share; the outcome is its result."""

    key: Hashable
    flow: Generator[Any, Any, T]


Action: TypeAlias = AskPlace | Fetch | Send | Pause | Once[Any]
Flow: TypeAlias = Generator[Action, Any, T]
