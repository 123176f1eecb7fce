"""What a part of an answer holds that a framework's blocks have no field for, as JSON-compatible facts and back.

Signatures, the server's ids, citations, native objects and cache marks are stored beside the blocks, in the free fields that each
framework stores: ``extras`` of LangChain's blocks, ``additional_information`` of LlamaIndex's, and ``additional_kwargs``
of a message under the key :data:`KEY`. So a message that is loaded and sent again is exactly what the server wrote.

Users have stored such facts: a key may be added, but none changes its name, place or meaning.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast, get_args

from dbx_gateway.chat import (
    Audio,
    CacheHint,
    Citation,
    File,
    Image,
    JsonObject,
    Native,
    Origin,
    Part,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from dbx_gateway.surfaces import Api

__all__ = [
    "KEY",
    "Facts",
    "MessageFacts",
    "cut",
    "facts_of",
    "facts_of_call",
    "fields_of",
    "filled",
    "hidden_facts",
    "hidden_part",
    "native_facts",
    "native_of",
    "reasoning_facts",
    "reasoning_of",
    "run_facts",
    "with_facts",
]

KEY: Final = "dbx_gateway"
"""The key of a message's facts in its ``additional_kwargs``, in both frameworks."""

Facts: TypeAlias = dict[str, Any]
"""JSON-compatible facts by their keys; what is empty or false is left out."""

P = TypeVar("P", bound=Part)

_EVERY_PART: Final = {"id": "id", "cache": "cache_control", "opaque": "opaque"}

_OF_KIND: Final[Mapping[type, Mapping[str, str]]] = {
    Text: {"phase": "phase", "citations": "citations"},
    Refusal: {"category": "category", "notice": "notice"},
    Reasoning: {"signature": "signature", "encrypted": "encrypted_content", "redacted": "redacted"},
    ToolCall: {"signature": "signature", "minted": "minted", "custom": "custom"},
    Image: {"detail": "detail"},
    Audio: {"transcript": "transcript"},
    Video: {"fps": "fps"},
    File: {"filename": "filename", "title": "title", "context": "context", "citable": "citable"},
    Native: {},
    ToolResult: {},
}
"""For each kind of part the fields that are facts, beside those of every part, and their keys. All others are content."""

_KEYS: Final = {kind: {**keys, **_EVERY_PART} for kind, keys in _OF_KIND.items()}
_FIELDS: Final = {kind: {key: name for name, key in keys.items()} for kind, keys in _KEYS.items()}


def filled(**values: Any) -> Facts:
    """Return the values that are neither None, false nor empty."""
    empty: tuple[Any, ...] = ({}, [], (), "")
    return {name: value for name, value in values.items() if not (value is None or value is False or value in empty)}


# One part


def facts_of(part: Part) -> Facts:
    """Return what ``part`` holds beside its content: its text or bytes, or a call's name, id and arguments.

    Args:
        part: of a message; the facts share its ``opaque`` and other mutable values.
    """
    return filled(**{key: _written(getattr(part, name)) for name, key in _KEYS[type(part)].items()})


def fields_of(kind: type, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`facts_of` returned of a part of ``kind`` as arguments of its class.

    Args:
        kind: a class of :data:`dbx_gateway.chat.Part`, for example ``Text``.
        facts: keys that are no facts of such a part are ignored.
    """
    names = _FIELDS[kind]
    return {
        names[key]: _READ[key](value) if key in _READ else value
        for key, value in facts.items()
        if key in names and value is not None
    }


def with_facts(part: P, facts: Mapping[str, Any]) -> P:
    """Return ``part`` with what :func:`facts_of` returned; what the facts leave out stays as it is."""
    changes = fields_of(type(part), facts) if facts else {}
    return replace(part, **changes) if changes else part


def _written(value: Any) -> Any:
    match value:
        case CacheHint():
            return {"type": "ephemeral"} | filled(ttl=value.ttl)
        case (Citation(), *_):
            return [filled(**asdict(citation)) for citation in value]
        case _:
            return value


def _cache(value: Any) -> CacheHint | None:
    return CacheHint(_object(value).get("ttl")) if isinstance(value, Mapping) else None


def _opaque(value: Any) -> JsonObject:
    return dict(_object(value))


def _citations(value: Any) -> tuple[Citation, ...]:
    return tuple(_citation(_object(facts)) for facts in _items(value) if isinstance(facts, Mapping))


def _citation(facts: Mapping[str, Any]) -> Citation:
    known: dict[str, Any] = {"kind": ""}
    known |= {each.name: facts[each.name] for each in fields(Citation) if each.name in facts}
    return Citation(**known)


def _object(value: Any) -> Mapping[str, Any]:
    """Return ``value`` if it is an object, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _items(value: Any) -> Sequence[Any]:
    """Return ``value`` if it is a list, else an empty one."""
    return cast("Sequence[Any]", value) if isinstance(value, list | tuple) else ()


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {"cache_control": _cache, "opaque": _opaque, "citations": _citations}
"""Readers of the facts that are not stored as they are."""


def native_facts(part: Native) -> Facts:
    """Return all of a wire object that no framework has a block for."""
    return {"api": part.api, "payload": part.payload} | facts_of(part)


def native_of(facts: Any) -> Native | None:
    """Return the wire object that :func:`native_facts` described; None where ``facts`` describe none."""
    known = _object(facts)
    api = _api(known.get("api"))
    if api is None or not isinstance(known.get("payload"), Mapping):
        return None
    return Native(api=api, payload=dict(_object(known["payload"])), **fields_of(Native, known))


def _api(name: object) -> Api | None:
    return next((api for api in get_args(Api) if api == name), None)


# Calls whose proof is about their arguments

_PROOF: Final = "proof"
"""Key of the digest of what a call's proof was made for: its tool and arguments."""
_PROVEN: Final = frozenset({"signature", "opaque"})
"""Facts of a call that hold for it only as the model wrote it."""


def facts_of_call(call: ToolCall) -> Facts:
    """Return the facts of a call, with a digest of what it was called with where something proves it.

    A person may edit the call before it runs. Its proof is then another call's.
    """
    facts = facts_of(call)
    return facts | {_PROOF: _call_digest(call)} if facts.keys() & _PROVEN else facts


def _unproven(call: ToolCall, facts: Mapping[str, Any]) -> bool:
    return _PROOF in facts and facts[_PROOF] != _call_digest(call)


def _call_digest(call: ToolCall) -> str:
    """Return a digest of a call that does not hang on the order of its arguments, which some stores change."""
    try:
        text = call.arguments if call.custom else json.dumps(call.parsed(), sort_keys=True)
    except ValueError:
        text = call.arguments
    return _digest(f"{call.name} {text}")


# Texts that are joined to one


def cut(text: str, lengths: Iterable[int]) -> list[str]:
    """Return ``text`` cut into pieces of these lengths; nothing where they do not add up to it: it was edited."""
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return [text[start:end] for start, end in pairwise(ends)] if ends[-1] == len(text) else []


def run_facts(parts: Sequence[Text | Refusal], nth: int) -> Facts | None:
    """Return the facts of neighbouring texts that are joined to one text; None where there are none.

    Args:
        parts: neighbours.
        nth: how many runs of the same text are before it in the message.
    """
    pieces = [_piece_facts(part) for part in parts]
    if all(piece.keys() == {"length"} for piece in pieces):
        return None
    return {"digest": _digest("".join(part.text for part in parts)), "pieces": pieces} | filled(nth=nth or None)


def _piece_facts(part: Text | Refusal) -> Facts:
    kind = {"kind": "refusal"} if isinstance(part, Refusal) else {}
    return {"length": len(part.text)} | kind | facts_of(part)


def _piece(text: str, facts: Mapping[str, Any]) -> Text | Refusal:
    if facts.get("kind") == "refusal":
        return Refusal(text, **fields_of(Refusal, facts))
    return Text(text, **fields_of(Text, facts))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


# Reasoning whose runs are joined to one text


def reasoning_facts(part: Reasoning) -> Facts:
    """Return the facts of reasoning beside its text: its signatures, and the lengths of its runs."""
    segments = [[segment.kind, len(segment.text)] for segment in part.segments if segment.text]
    plain = len(segments) == 1 and segments[0][0] == "raw"
    return facts_of(part) | filled(segments=[] if plain else segments)


def reasoning_of(text: str | None, facts: Mapping[str, Any]) -> Reasoning:
    """Return the reasoning that :func:`reasoning_facts` described, or as much of another integration's as can be read."""
    return Reasoning(segments=_segments(text or "", facts.get("segments")), **fields_of(Reasoning, facts))


def _segments(text: str, runs: Any) -> tuple[Segment, ...]:
    """Return the runs of reasoning in ``text``; one where they are not known, or the text was edited."""
    gap = len("\n\n")
    known: Sequence[tuple[str, int]] = _items(runs)
    if known and sum(length for _, length in known) + gap * (len(known) - 1) == len(text):
        segments: list[Segment] = []
        start = 0
        for kind, length in known:
            segments.append(Segment(_kind(kind), text[start : start + length]))
            start += length + gap
        return tuple(segments)
    return (Segment("raw", text),) if text else ()


def _kind(value: object) -> Literal["summary", "raw"]:
    return "summary" if value == "summary" else "raw"


# Parts that get no block


def hidden_facts(part: Native | Text | Refusal | Reasoning) -> Facts:
    """Return all of a part that gets no block: a wire object, an empty text that has facts, or reasoning without text."""
    match part:
        case Native():
            return native_facts(part)
        case Reasoning():
            return {"reasoning": reasoning_facts(part)}
        case Text() | Refusal():
            return {"text": _piece_facts(part)}


def hidden_part(facts: Mapping[str, Any]) -> Part | None:
    """Return the part that :func:`hidden_facts` described; None where ``facts`` describe none."""
    if "reasoning" in facts:
        return reasoning_of(None, _object(facts["reasoning"]))
    return _piece("", facts["text"]) if "text" in facts else native_of(facts)


# One message

_LISTS: Final = ("texts", "runs", "hidden", "media")
_STORED: Final = ("calls", "withheld", *_LISTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """The facts of a message that are stored beside its content; empty for messages from elsewhere.

    Args:
        origin: who produced it.
        calls: facts of tool calls by call id.
        withheld: ids of calls that must not be executed.
        texts: for content that is one string, each text it was joined from: its ``length`` in characters, and its facts
            as the framework's blocks hold them.
        runs: for content of several blocks, the runs of text that are more than text, in order (:func:`run_facts`).
        hidden: parts that have no block, each with its place: the number of blocks before it (``at``), or for content
            that is one string the number of texts before it, or the id of the call that it is ``before`` or ``after``.
        media: facts of images, audio and files, each with the number of its block (``at``).
    """

    origin: Origin | None = None
    calls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    withheld: Sequence[str] = ()
    texts: Sequence[Mapping[str, Any]] = ()
    runs: Sequence[Mapping[str, Any]] = ()
    hidden: Sequence[Mapping[str, Any]] = ()
    media: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def beside(cls, additional_kwargs: Mapping[str, Any]) -> MessageFacts:
        """Return the facts of the message that has these ``additional_kwargs``."""
        facts = _object(additional_kwargs.get(KEY))
        if not facts:
            return _NO_FACTS
        stored: dict[str, Any] = {name: facts[name] for name in _STORED if facts.get(name)}
        return cls(origin=_origin(facts.get("origin")), **stored)

    def plain(self) -> Facts:
        """Return them as JSON-compatible data: new objects, without empty ones."""
        return filled(
            origin=asdict(self.origin) if self.origin is not None else None,
            calls={call_id: dict(facts) for call_id, facts in self.calls.items()},
            withheld=list(self.withheld),
            **{name: [dict(facts) for facts in getattr(self, name)] for name in _LISTS},
        )

    def keywords(self) -> dict[str, Facts]:
        """Return them as ``additional_kwargs`` of a message; nothing where there are none."""
        return filled(**{KEY: self.plain()})

    def call(self, call: ToolCall) -> ToolCall:
        """Return ``call`` with the facts stored under its id; itself where there are none.

        A call that was edited since has no proof any more.
        """
        facts = self.calls.get(call.call_id)
        if facts and _unproven(call, facts):
            facts = {key: value for key, value in facts.items() if key not in _PROVEN} | {"signature": ""}
        return with_facts(call, facts) if facts else call

    def pieces(self, text: str, nth: int) -> tuple[Text | Refusal, ...]:
        """Return the parts that the text of a block was joined from; one plain text where there are no facts.

        Args:
            text: of the block, as it is now: one that was edited is the caller's own.
            nth: how many blocks of the same text are before it in the message.
        """
        digest = _digest(text) if self.runs else ""
        for run in self.runs:
            if (run.get("digest"), run.get("nth", 0)) == (digest, nth):
                pieces = run["pieces"]
                texts = cut(text, (piece["length"] for piece in pieces))
                if texts:
                    return tuple(_piece(piece, facts) for piece, facts in zip(texts, pieces, strict=True))
        return (Text(text),) if text else ()


_NO_FACTS: Final = MessageFacts()


def _origin(facts: Any) -> Origin | None:
    known = _object(facts)
    api = _api(known.get("api"))
    return Origin(api, str(known.get("model"))) if api is not None else None
