"""One candidate of a generate-content answer, read event by event.

Sources: docs/wire/generate-content.md#answer, #stream; docs/wire/comparison.md#finish-reasons.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final, Literal

from pydantic import JsonValue
from pydantic_core import to_json

from dbx_gateway.chat import (
    Alternative,
    Audio,
    Blob,
    Citation,
    File,
    Finish,
    FinishReason,
    Image,
    JsonObject,
    Native,
    Part,
    Video,
)
from dbx_gateway.dialects.generate_content.prompt import API
from dbx_gateway.events import Assembly
from dbx_gateway.json_values import (
    arguments_text,
    integer_or_none,
    object_or_empty,
    objects_in,
    plain_text,
    text_or_none,
)

__all__ = ["Candidate"]

_REASONS: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "MODEL_ARMOR",
            "ESCALATION",
        ),
        "content_filter",
    ),
    "CONTINUATION": "pause",
    **dict.fromkeys(
        (
            "MALFORMED_FUNCTION_CALL",
            "MALFORMED_RESPONSE",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE",
            "LANGUAGE",
            "NO_IMAGE",
            "IMAGE_OTHER",
            "PUP_LIMITED_DISABLED",
        ),
        "error",
    ),
}
"""This package's reason for each ``finishReason`` (docs/wire/comparison.md#finish-reasons); others are ``unknown``."""

_UNSPECIFIED: Final = ("", "FINISH_REASON_UNSPECIFIED")
_TEXT_KEYS: Final = frozenset({"text", "thought", "thoughtSignature"})
_END_KEYS: Final = frozenset({"continuationToken", "safetyRatings"})
"""Fields of a candidate that become details of its finish; other unknown ones become extras of the answer."""

_READ_KEYS: Final = frozenset({"content", "finishMessage", "finishReason", "index"})
_PARTIAL_CALL: Final = frozenset({"partialArgs", "willContinue"})

_Run = Literal["text", "thought"]


class Candidate:
    """One candidate of an answer while it arrives: its parts in an assembly, its other fields beside them.

    Args:
        assembly: takes the parts; the candidate is the only one that writes to it.

    ``reason`` is the server's finish reason, and ``message`` its words about it; None until they arrive.
    """

    def __init__(self, assembly: Assembly) -> None:
        self.reason: str | None = None
        self._assembly = assembly
        self.message: str | None = None
        self._fields: JsonObject = {}
        self._citations: dict[bytes, JsonObject] = {}
        self._logprobs: dict[str, list[JsonValue]] = {}
        self._count = 0
        self._run: tuple[int, _Run] | None = None
        self._text: int | None = None
        self._behind: list[int] = []
        self._texts = 0

    def feed(self, candidate: JsonObject) -> bool:
        """Read this candidate in one wire event, and return whether it has its finish reason."""
        for part in _parts(candidate.get("content")):
            self._part(part)
        reason = text_or_none(candidate.get("finishReason"))
        if reason is not None and reason not in _UNSPECIFIED:
            self.reason = reason
        self.message = text_or_none(candidate.get("finishMessage")) or self.message
        for key, value in candidate.items():
            if key not in _READ_KEYS and value not in (None, {}, []):
                self._field(key, value)
        return self.reason is not None

    def ended(self) -> tuple[Finish, JsonObject]:
        """Return this candidate's finish and the extras of the answer, after adding the citations to the text."""
        self._cite()
        fields = self._all_fields()
        reason = self._our_reason()
        details = {key: value for key, value in fields.items() if key in _END_KEYS}
        extras = {key: value for key, value in fields.items() if key not in _END_KEYS}
        return Finish(reason=reason, raw=self.reason, message=self.message, details=details), extras

    def alternative(self) -> Alternative:
        """Return this candidate as a further answer; its other fields are details of its finish."""
        self._cite()
        finish = Finish(reason=self._our_reason(), raw=self.reason, message=self.message, details=self._all_fields())
        self._assembly.explain(finish)
        return Alternative(message=self._assembly.partial().message, finish=finish)

    def _our_reason(self) -> FinishReason:
        reason = _REASONS.get(self.reason or "", "unknown")
        return "tool_calls" if reason == "stop" and self._assembly.calls else reason

    def _all_fields(self) -> JsonObject:
        fields = dict(self._fields)
        if self._citations:
            fields["citationMetadata"] = {"citations": [*self._citations.values()]}
        if self._logprobs:
            logprobs = object_or_empty(fields.get("logprobsResult"))
            fields["logprobsResult"] = {**logprobs, **{key: [*values] for key, values in self._logprobs.items()}}
        return fields

    def _field(self, key: str, value: JsonValue) -> None:
        """Save a field of the candidate: lists that arrive in pieces are joined, of other values the last one counts."""
        if key == "citationMetadata" and isinstance(value, dict):
            for citation in objects_in(value.get("citations") or value.get("citationSources")):
                self._citations.setdefault(to_json(citation), citation)
        elif key == "logprobsResult" and isinstance(value, dict):
            self._fields[key] = {name: item for name, item in value.items() if not isinstance(item, list)}
            for name, item in value.items():
                if isinstance(item, list):
                    self._logprobs.setdefault(name, []).extend(item)
        else:
            self._fields[key] = value

    def _part(self, part: JsonObject) -> None:
        if isinstance(part.get("text"), str):
            self._text_part(part)
        elif _is_call(part):
            self._end_run()
            self._call(part)
        else:
            self._end_run()
            self._assembly.part(self._next(), _whole_part(part))

    def _text_part(self, part: JsonObject) -> None:
        """Read text or a thought. Neighbours of one kind are one run; a signed part, or one with extras, is a part by itself."""
        text = str(part["text"])
        run: _Run = "thought" if part.get("thought") is True else "text"
        if part.keys() <= {"text", "thought"}:
            if text:
                self._add(self._open_run(run), run, text)
            return
        if text:
            self._end_run()
        else:
            self._seal_run()
        key = self._next()
        self._begin_alone(key, run, part)
        self._add(key, run, text)
        if run == "text" and text:
            self._text = key
            self._texts += 1
        elif self._text is not None:
            self._behind.append(key)
        else:
            self._assembly.end(key)

    def _begin_alone(self, key: Hashable, run: _Run, part: JsonObject) -> None:
        opaque = {name: value for name, value in part.items() if name not in _TEXT_KEYS}
        signature = part.get("thoughtSignature")
        if run == "thought":
            self._assembly.open(key, "reasoning", signature=text_or_none(signature), opaque=opaque)
            return
        if signature is not None:
            opaque["thoughtSignature"] = signature
        self._assembly.open(key, "text", opaque=opaque)

    def _open_run(self, run: _Run) -> int:
        """Return the key of the open run of this kind, a new one where there is none."""
        if self._run is not None and self._run[1] == run:
            return self._run[0]
        self._end_run()
        key = self._next()
        self._run = (key, run)
        if run == "text":
            self._text = key
            self._texts += 1
        return key

    def _end_run(self) -> None:
        """End the open run and the open text, which may get citations until then, and what is behind it, in order."""
        if self._run is not None:
            self._assembly.end(self._run[0])
        if self._text is not None:
            self._assembly.end(self._text)
        for key in self._behind:
            self._assembly.end(key)
        self._run, self._text, self._behind = None, None, []

    def _seal_run(self) -> None:
        """Close the open run: a part without text separates it from what follows."""
        if self._run is not None and self._run[1] == "thought":
            self._assembly.end(self._run[0])
        self._run = None

    def _add(self, key: Hashable, run: _Run, text: str) -> None:
        if run == "thought":
            self._assembly.reasoning(key, text, kind="summary")
        else:
            self._assembly.text(key, text)

    def _call(self, part: JsonObject) -> None:
        """Read a function call, which is never split; its other fields, and those of its part, go into ``opaque``."""
        function = object_or_empty(part["functionCall"])
        key = self._next()
        opaque = {name: value for name, value in part.items() if name not in ("functionCall", "thoughtSignature")}
        more = {name: value for name, value in function.items() if name not in ("args", "id", "name")}
        if more:
            opaque["functionCall"] = more
        self._assembly.call(
            key,
            text_or_none(function.get("id")),
            text_or_none(function.get("name")) or "",
            signature=text_or_none(part.get("thoughtSignature")),
            opaque=opaque,
        )
        self._assembly.arguments(key, arguments_text(function.get("args")))
        self._assembly.end(key)

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _cite(self) -> None:
        """Add the citations to the text, where there is exactly one."""
        if self._text is None or self._texts != 1:
            return
        grounding = object_or_empty(self._fields.get("groundingMetadata"))
        citations = (*_citations(self._citations.values()), *_groundings(grounding))
        if citations:
            self._assembly.fields(self._text)["citations"] = citations


def _parts(content: JsonValue) -> list[JsonObject]:
    """Return the parts of a candidate's content, also where a host writes one part, or its text alone."""
    parts = content.get("parts", content) if isinstance(content, dict) else content
    if isinstance(parts, list):
        return objects_in(parts)
    if isinstance(parts, dict):
        return [parts] if parts.keys() - {"role"} else []
    text = plain_text(parts)
    return [{"text": text}] if text else []


def _is_call(part: JsonObject) -> bool:
    """Whether ``part`` is a complete function call. Streamed arguments, which only some requests turn on, are not read."""
    function = part.get("functionCall")
    return isinstance(function, dict) and function.keys().isdisjoint(_PARTIAL_CALL)


def _whole_part(part: JsonObject) -> Part:
    """Return media as the part of its type, anything else as native data."""
    inline, linked = part.get("inlineData"), part.get("fileData")
    rest = {name: value for name, value in part.items() if name not in ("inlineData", "fileData")}
    if isinstance(inline, dict) and inline.keys() <= {"mimeType", "data"} and isinstance(inline.get("data"), str):
        return _media(Blob(data=text_or_none(inline["data"]), mime=text_or_none(inline.get("mimeType"))), rest)
    if isinstance(linked, dict) and linked.keys() <= {"mimeType", "fileUri"} and isinstance(linked.get("fileUri"), str):
        return _media(Blob(url=text_or_none(linked["fileUri"]), mime=text_or_none(linked.get("mimeType"))), rest)
    return Native(api=API, payload=part)


def _media(blob: Blob, opaque: JsonObject) -> Part:
    match (blob.mime or "").partition("/")[0]:
        case "image":
            return Image(blob=blob, opaque=opaque)
        case "audio":
            return Audio(blob=blob, opaque=opaque)
        case "video":
            return Video(blob=blob, opaque=opaque)
        case _:
            return File(blob=blob, opaque=opaque)


def _citations(sources: Iterable[JsonObject]) -> list[Citation]:
    """Return the recitations of ``citationMetadata``; offsets count bytes, and a start of 0 is left out on the wire."""
    return [
        Citation(
            kind="citation",
            url=text_or_none(source.get("uri")),
            title=text_or_none(source.get("title")),
            start=integer_or_none(source.get("startIndex", 0)),
            end=integer_or_none(source.get("endIndex")),
            source=source,
        )
        for source in sources
    ]


def _groundings(grounding: JsonObject) -> list[Citation]:
    """Return one citation for each source of each supported segment of the answer; offsets count bytes."""
    chunks = [(chunk, _source_of(chunk)) for chunk in objects_in(grounding.get("groundingChunks"))]
    citations: list[Citation] = []
    for support in objects_in(grounding.get("groundingSupports")):
        numbers = support.get("groundingChunkIndices")
        citations += [
            _grounding(support, *chunks[number])
            for number in (numbers if isinstance(numbers, list) else ())
            if isinstance(number, int) and 0 <= number < len(chunks)
        ]
    return citations


def _source_of(chunk: JsonObject) -> JsonObject:
    """Return the source of a chunk, which is under a key that names its kind."""
    return next(iter(objects_in([*chunk.values()])), JsonObject())


def _grounding(support: JsonObject, chunk: JsonObject, source: JsonObject) -> Citation:
    segment = object_or_empty(support.get("segment"))
    return Citation(
        kind="grounding",
        cited_text=text_or_none(source.get("text")),
        url=text_or_none(source.get("uri")) or text_or_none(source.get("sourceUri")),
        title=text_or_none(source.get("title")),
        start=integer_or_none(segment.get("startIndex", 0)),
        end=integer_or_none(segment.get("endIndex")),
        source={"groundingChunk": chunk, "groundingSupport": support},
    )
