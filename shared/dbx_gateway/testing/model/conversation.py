"""What the simulated workspace understands of a request, and what it decides to answer, whatever the wire format.

Written apart from the client's own model on purpose: a misreading of a wire format must not be able to agree with
itself. A *reader* of each format turns a body into an :class:`ParsedRequest`; the :mod:`~dbx_gateway.testing.model.brain` turns that
into an :class:`Answer`; a *writer* of each format turns the answer into a body or into stream events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Answer", "CalledTool", "Counts", "OfferedTool", "ParsedRequest", "TextItem", "Turn", "pieces"]


@dataclass(frozen=True)
class OfferedTool:
    """A tool the request offers."""

    name: str
    schema: dict[str, Any]
    description: str = ""


@dataclass(frozen=True)
class Turn:
    """One turn of the conversation, reduced to what an answer can depend on.

    Args:
        role: of the message.
        text: all its text.
        media: kinds of its other parts: ``image``, ``pdf``, ``audio``, ``video``.
        calls: its tool calls: id and name.
        results: its tool results: call id and text.
        signatures: the signatures in it, exactly as received.
        cached: it has a cache mark: the prompt up to its end is cached for later requests.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    media: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()
    results: tuple[tuple[str, str], ...] = ()
    signatures: tuple[str, ...] = ()
    cached: bool = False


@dataclass(frozen=True)
class ParsedRequest:
    """A request, independent of its wire format."""

    model: str
    turns: tuple[Turn, ...]
    tools: tuple[OfferedTool, ...] = ()
    choice: Literal["auto", "none", "required"] = "auto"
    forced: str | None = None
    parallel: bool = True
    schema: dict[str, Any] | None = None
    json_mode: bool = False
    reasoning: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    logprobs: bool = False


@dataclass(frozen=True)
class TextItem:
    """A part of the answer that is not a call: visible text, or reasoning with its signature."""

    kind: Literal["text", "reasoning", "refusal"]
    text: str
    signature: str | None = None
    citations: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class CalledTool:
    """A tool call of the answer."""

    id: str
    name: str
    arguments: dict[str, Any]
    signature: str | None = None


@dataclass(frozen=True)
class Counts:
    """Counts of tokens.

    ``input`` includes ``cache_read``, ``cache_write`` and ``audio``, ``output`` includes ``reasoning``.
    """

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    audio: int = 0


@dataclass(frozen=True)
class Answer:
    """An answer of the workspace.

    ``id`` is its own: its calls and items are named by it. ``shared_id`` is the one that it shows instead, which other
    answers show too. ``extras`` may hold ``stop_sequence``: the stop sequence that ended the text.
    """

    id: str
    model: str
    items: tuple[TextItem | CalledTool, ...]
    end: Literal["stop", "calls", "length", "filter"]
    counts: Counts
    extras: dict[str, Any] = field(default_factory=dict[str, Any])
    shared_id: str | None = None

    @property
    def shown_id(self) -> str:
        """The id on the wire."""
        return self.shared_id or self.id


def pieces(text: str, run: int = 16) -> list[str]:
    """Return a text in the pieces that a model would stream: word by word, with all white space.

    In the simulated workspace each piece counts as one token.

    Args:
        text: the text; the empty text has no pieces.
        run: longest piece in characters, for words that are longer (JSON without blanks). Tool arguments stream in
            shorter runs than text.
    """
    found: list[str] = []
    start = 0
    for at, char in enumerate(text):
        if at > start and (at - start >= run or (char == " " and text[at - 1] != " ")):
            found.append(text[start:at])
            start = at
    if start < len(text):
        found.append(text[start:])
    return found
