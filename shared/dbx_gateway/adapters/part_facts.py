"""What an answer holds that LlamaIndex's blocks have no field for, as plain data beside them.

It travels in ``ChatMessage.additional_kwargs["dbx_gateway"]`` and in ``ThinkingBlock.additional_information``, which
both survive being stored as JSON, and puts the message together again exactly when it is sent back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal, get_args

from llama_index.core.base.llms.types import ChatMessage

from dbx_gateway.chat import Citation, Native, Origin, Part, Reasoning, Refusal, Segment, Text, ToolCall
from dbx_gateway.surfaces import Api

__all__ = [
    "KEY",
    "Provenance",
    "call_facts",
    "hidden_facts",
    "hidden_part",
    "reasoning_facts",
    "reasoning_of",
    "run_facts",
]

KEY: Final = "dbx_gateway"
"""Where it stands in a message's ``additional_kwargs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is known about a message beside its blocks; nothing of a message that came from elsewhere.

    Args:
        origin: who produced it.
        calls: facts of tool calls by call id.
        withheld: ids of calls that may not be executed.
        runs: facts of runs of text that are more than text, in order.
        hidden: parts that have no block, each with the number of blocks before it (``at``).
        media: facts of pictures, sounds and files, each with its block (``at``).
    """

    origin: Origin | None = None
    calls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    runs: Sequence[Mapping[str, Any]] = ()
    hidden: Sequence[Mapping[str, Any]] = ()
    media: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, message: ChatMessage) -> Provenance:
        """Return what ``message`` carries."""
        told = message.additional_kwargs.get(KEY)
        if not isinstance(told, Mapping):
            return cls()
        return cls(
            origin=_origin(told.get("origin")),
            calls=told.get("calls") or {},
            withheld=tuple(told.get("withheld") or ()),
            runs=told.get("runs") or (),
            hidden=told.get("hidden") or (),
            media=told.get("media") or (),
        )

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, small: without what is empty."""
        return _set(
            origin=asdict(self.origin) if self.origin is not None else None,
            calls={call_id: dict(facts) for call_id, facts in self.calls.items()},
            withheld=list(self.withheld),
            runs=[dict(run) for run in self.runs],
            hidden=[dict(part) for part in self.hidden],
            media=[dict(facts) for facts in self.media],
        )

    def pieces(self, text: str, nth: int) -> tuple[Text | Refusal, ...]:
        """Return the parts that a run of ``text`` was made of; one plain text where nothing else is known.

        Args:
            text: of a block, as it is now: one that was edited is the caller's own.
            nth: how many blocks of the same text stand before it.
        """
        digest = _digest(text) if self.runs else ""
        for run in self.runs:
            if (run.get("digest"), run.get("nth", 0)) == (digest, nth):
                return _split(text, run["pieces"])
        return (Text(text),) if text else ()


def run_facts(parts: Sequence[Text | Refusal], nth: int) -> dict[str, Any] | None:
    """Return what a run of text parts is beside its text; None where that says it all.

    Args:
        parts: neighbours.
        nth: how many runs of the same text stand before it.
    """
    pieces = [_piece_facts(part) for part in parts]
    if all(piece.keys() == {"length"} for piece in pieces):
        return None
    told = {"digest": _digest("".join(part.text for part in parts)), "pieces": pieces}
    return told | {"nth": nth} if nth else told


def call_facts(call: ToolCall) -> dict[str, Any]:
    """Return what a tool call is beside its id, name and arguments."""
    return _set(id=call.id, signature=call.signature, minted=call.minted, custom=call.custom, opaque=call.opaque)


def reasoning_facts(part: Reasoning) -> dict[str, Any]:
    """Return what reasoning is beside its text: the proofs, and where one run of it ends and the next begins."""
    segments = [[segment.kind, len(segment.text)] for segment in part.segments if segment.text]
    plain = len(segments) == 1 and segments[0][0] == "raw"
    return _set(
        id=part.id,
        signature=part.signature,
        encrypted_content=part.encrypted,
        redacted=part.redacted,
        opaque=part.opaque,
        segments=[] if plain else segments,
    )


def reasoning_of(content: str | None, facts: Mapping[str, Any]) -> Reasoning:
    """Return the reasoning that :func:`reasoning_facts` told, or what can be read of another integration's."""
    return Reasoning(
        id=facts.get("id"),
        segments=_segments(content or "", facts.get("segments")),
        signature=facts.get("signature"),
        encrypted=facts.get("encrypted_content"),
        redacted=facts.get("redacted"),
        opaque=dict(facts.get("opaque") or {}),
    )


def hidden_facts(part: Native | Text | Refusal) -> dict[str, Any]:
    """Return all of a part that gets no block."""
    if isinstance(part, Native):
        return {"api": part.api, "payload": part.payload} | _set(id=part.id, opaque=part.opaque)
    return {"text": _piece_facts(part)}


def hidden_part(facts: Mapping[str, Any]) -> Part:
    """Return the part that :func:`hidden_facts` told."""
    if "text" in facts:
        return _piece("", facts["text"])
    opaque = dict(facts.get("opaque") or {})
    return Native(api=facts["api"], payload=facts["payload"], id=facts.get("id"), opaque=opaque)


def _piece_facts(part: Text | Refusal) -> dict[str, Any]:
    told: dict[str, Any] = {"length": len(part.text)} | _set(id=part.id, opaque=part.opaque)
    if isinstance(part, Refusal):
        return told | {"kind": "refusal"} | _set(category=part.category)
    return told | _set(phase=part.phase, citations=[_set(**asdict(citation)) for citation in part.citations])


def _piece(text: str, facts: Mapping[str, Any]) -> Text | Refusal:
    opaque = dict(facts.get("opaque") or {})
    if facts.get("kind") == "refusal":
        return Refusal(text, facts.get("category"), id=facts.get("id"), opaque=opaque)
    citations = tuple(Citation(**{"kind": "", **citation}) for citation in facts.get("citations") or ())
    return Text(text, citations, facts.get("phase"), id=facts.get("id"), opaque=opaque)


def _split(text: str, pieces: Sequence[Mapping[str, Any]]) -> tuple[Text | Refusal, ...]:
    ends = [0]
    for piece in pieces:
        ends.append(ends[-1] + piece["length"])
    return tuple(_piece(text[start:end], piece) for (start, end), piece in zip(pairwise(ends), pieces, strict=True))


def _segments(content: str, told: Any) -> tuple[Segment, ...]:
    """Return the runs of reasoning in ``content``; one where they are not told, or the content was edited."""
    gap = len("\n\n")
    if isinstance(told, list) and told and sum(length for _, length in told) + gap * (len(told) - 1) == len(content):
        segments: list[Segment] = []
        start = 0
        for kind, length in told:
            segments.append(Segment(_kind(kind), content[start : start + length]))
            start += length + gap
        return tuple(segments)
    return (Segment("raw", content),) if content else ()


def _kind(value: object) -> Literal["summary", "raw"]:
    return "summary" if value == "summary" else "raw"


def _origin(told: Any) -> Origin | None:
    if not isinstance(told, Mapping):
        return None
    api = next((api for api in get_args(Api) if api == told.get("api")), None)
    return Origin(api, str(told.get("model"))) if api is not None else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _set(**values: Any) -> dict[str, Any]:
    nothing: tuple[Any, ...] = ({}, [], (), "")
    return {name: value for name, value in values.items() if not (value is None or value is False or value in nothing)}
