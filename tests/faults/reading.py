"""Runs a case through a front end, in one of the four ways to ask, and reads what came of it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

from faults.case import Answer

from dbx_gateway import AsyncClient, Client, fold
from dbx_gateway.chat import ChatResponse, Refusal
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.events import End, Event, ReasoningDelta, Start, TextDelta, ToolCallDelta, ToolCallEnd, ToolCallStart

PATIENCE = 30.0
"""Seconds after which a call counts as hung."""


class Given(NamedTuple):
    """What a stream has handed out, piece by piece: its deltas, not what it says at the end.

    Args:
        calls: id, name and arguments, as far as they came.
        ended: whether it said that the answer is whole.
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str, Any], ...] = ()
    ended: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of a call: its whole answer, or the pieces of its stream, and its error."""

    whole: Any = None
    pieces: list[Any] = field(default_factory=list)
    error: DbxGatewayError | None = None


class FrontEnd(ABC):
    """One way to talk to a model, and how its answers are read.

    Args:
        fields: the settings of its object.
    """

    name: ClassVar[str]

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    @abstractmethod
    def whole(self) -> Any:
        """Return a whole answer."""

    @abstractmethod
    async def awhole(self) -> Any:
        """Return a whole answer, from an event loop."""

    @abstractmethod
    def stream(self) -> Iterator[Any]:
        """Return a stream."""

    @abstractmethod
    async def astream(self) -> AsyncIterator[Any]:
        """Return a stream on an event loop."""

    @abstractmethod
    def sum(self, pieces: list[Any]) -> Any:
        """Return the answer that the pieces of a stream add up to."""

    @abstractmethod
    def given(self, pieces: list[Any]) -> Given:
        """Return what the pieces of a stream said, and check what must hold for each of them."""

    @abstractmethod
    def shown(self, answer: Any) -> Answer:
        """Return a whole answer as its reader sees it."""

    def expected(self, answer: Answer, *, streamed: bool) -> Answer:
        """Return what of an expected answer the framework has a place for."""
        return answer

    def check(self, outcome: Outcome) -> None:  # noqa: B027  # not every framework tells more
        """Check what else the framework tells of a call."""


def kind_of(error: DbxGatewayError) -> type[DbxGatewayError]:
    """Return the class of the core's tree that an error belongs to: of a framework's error the one it is made from."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ == DbxGatewayError.__module__)


def with_objects(answer: Answer) -> Answer:
    """Return ``answer`` with an empty object where a call has no arguments: a framework hands a tool an object."""
    return replace(answer, calls=tuple((call_id, name, given or "{}") for call_id, name, given in answer.calls))


async def ask(front: FrontEnd, way: str, *, streamed: bool) -> Outcome:
    """Ask for an answer ``sync`` (in a thread) or ``async``, streamed or whole."""
    outcome = Outcome()
    asked = asyncio.to_thread(_sync, front, outcome, streamed) if way == "sync" else _async(front, outcome, streamed)
    try:
        await asyncio.wait_for(asked, PATIENCE)
    except DbxGatewayError as error:
        outcome.error = error
    return outcome


def _sync(front: FrontEnd, outcome: Outcome, streamed: bool) -> None:
    if streamed:
        for piece in front.stream():
            outcome.pieces.append(piece)
    else:
        outcome.whole = front.whole()


async def _async(front: FrontEnd, outcome: Outcome, streamed: bool) -> None:
    if streamed:
        async for piece in await front.astream():
            outcome.pieces.append(piece)
    else:
        outcome.whole = await front.awhole()


class Core(FrontEnd):
    """``Client`` and ``AsyncClient``."""

    name = "core"

    def whole(self) -> ChatResponse:
        return Client(**self.fields).chat("Hello")

    async def awhole(self) -> ChatResponse:
        return await AsyncClient(**self.fields).chat("Hello")

    def stream(self) -> Iterator[Event]:
        return Client(**self.fields).stream("Hello")

    async def astream(self) -> AsyncIterator[Event]:
        return AsyncClient(**self.fields).stream("Hello")

    def sum(self, pieces: list[Event]) -> ChatResponse:
        return fold(pieces)

    def given(self, pieces: list[Event]) -> Given:
        calls: dict[int, tuple[str, str, str]] = {}
        for event in pieces:
            match event:
                case ToolCallStart():
                    calls[event.index] = (event.call_id, event.name, "")
                case ToolCallDelta():
                    call_id, name, arguments = calls[event.index]
                    calls[event.index] = (call_id, name, arguments + event.arguments)
                case ToolCallEnd():
                    calls.setdefault(event.index, (event.call.call_id, event.call.name, event.call.arguments))
        bounds = [type(event) for event in pieces if isinstance(event, Start | End)]
        assert bounds in ([], [Start], [Start, End])
        assert not pieces or isinstance(pieces[0], Start)
        return Given(
            text="".join(event.text for event in pieces if isinstance(event, TextDelta)),
            reasoning="".join(event.text for event in pieces if isinstance(event, ReasoningDelta)),
            calls=tuple(calls.values()),
            ended=End in bounds and isinstance(pieces[-1], End),
        )

    def shown(self, answer: ChatResponse) -> Answer:
        usage = answer.usage
        return Answer(
            text=answer.text,
            reasoning=answer.message.reasoning,
            refusal="".join(part.text for part in answer.message.parts if isinstance(part, Refusal)),
            calls=tuple((call.call_id, call.name, call.arguments) for call in answer.tool_calls),
            executable=len(answer.executable_tool_calls),
            reason=answer.finish.reason,
            usage=usage and (usage.input, usage.output, usage.total),
            alternatives=tuple(other.message.text for other in answer.alternatives),
        )
