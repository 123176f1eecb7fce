"""Runs a case through the core's clients, in one of the four ways to ask."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from dbx_gateway import AsyncClient, Client, fold
from dbx_gateway.chat import ChatResponse
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.events import End, Event, ReasoningDelta, Start, TextDelta, ToolCallEnd

PATIENCE = 4.0
"""Seconds after which a call counts as hung."""


@dataclass(slots=True)
class Outcome:
    """What came of a call: its answer or its error, and the events that were handed out before."""

    response: ChatResponse | None = None
    error: DbxGatewayError | None = None
    events: list[Event] = field(default_factory=list)

    @property
    def said(self) -> str:
        """The text that was handed out."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def thought(self) -> str:
        """The reasoning that was handed out."""
        return "".join(event.text for event in self.events if isinstance(event, ReasoningDelta))

    @property
    def calls(self) -> int:
        """How many calls were handed out whole."""
        return sum(isinstance(event, ToolCallEnd) for event in self.events)

    @property
    def shape(self) -> list[str]:
        """Where the stream began and ended: the names of those of its events."""
        return [type(event).__name__ for event in self.events if isinstance(event, Start | End)]


async def ask(way: str, fields: dict[str, Any], *, streamed: bool) -> Outcome:
    """Ask for an answer ``sync`` (in a thread) or ``async``, streamed or whole."""
    if way == "sync":
        return await asyncio.wait_for(asyncio.to_thread(_sync, fields, streamed), PATIENCE)
    return await asyncio.wait_for(_async(fields, streamed), PATIENCE)


def _sync(fields: dict[str, Any], streamed: bool) -> Outcome:
    outcome = Outcome()
    client = Client(**fields)
    try:
        if streamed:
            for event in client.stream("Hello"):
                outcome.events.append(event)
            outcome.response = fold(outcome.events)
        else:
            outcome.response = client.chat("Hello")
    except DbxGatewayError as error:
        outcome.error = error
    return outcome


async def _async(fields: dict[str, Any], streamed: bool) -> Outcome:
    outcome = Outcome()
    client = AsyncClient(**fields)
    try:
        if streamed:
            async for event in client.stream("Hello"):
                outcome.events.append(event)
            outcome.response = fold(outcome.events)
        else:
            outcome.response = await client.chat("Hello")
    except DbxGatewayError as error:
        outcome.error = error
    return outcome
