"""What to change in a request that a server refused, so that it takes it: decided from the server's own words.

Only a refusal (400 or 422) that names an optional field of the request is repaired, by leaving that field out or by
bringing it to a value the server names. What is asked and said, the tools, the form of the answer, the model and whether the
answer is streamed are never touched (docs/wire/errors.md#refused-fields).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, assert_never

from pydantic import JsonValue

from dbx_gateway.call.forms import (
    ANSWER_BY_TOOL,
    ANSWER_BY_TOOL_IN_STREAMS,
    ANSWER_IN_WORDS,
    NOT_FORCED,
    NOT_FORCED_WHILE_THINKING,
    offers_answer,
)
from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import APIError, BadRequestError, ContentFilterError, ContextOverflowError
from dbx_gateway.quirks import oss_output_cap, tool_choice_required
from dbx_gateway.quirks.catalogue import ALL, QUIRKS, quirk_named
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["Repair", "learned_quirks", "repair_for"]

_UNTOUCHABLE: Final = frozenset(
    {
        # What is asked.
        *("model", "messages", "input", "contents", "instructions", "system", "systeminstruction", "prompt"),
        *("tools", "stream", "custominputs"),
        # The form of the answer: without it the caller would read an answer of another form.
        *("responseformat", "text.format", "outputconfig.format", "outputformat"),
        *(
            "generationconfig.responseschema",
            "generationconfig.responsejsonschema",
            "generationconfig.responsemimetype",
        ),
    }
)
"""Paths that no repair changes, nor anything inside them: letters only, in lower case."""

_CAPS: Final = frozenset({"maxtokens", "maxcompletiontokens", "maxoutputtokens"})
"""Limits that the user relies on for the length and the price of an answer: no repair takes one out."""

_WHOLE: Final = frozenset({"thinking"})
"""Objects whose fields mean something only together: they are left out whole."""

_CARRIERS: Final = frozenset({"generationconfig", "reasoning", "outputconfig", "text", "streamoptions"})
"""Objects that hold only optional fields: a field named without its path is looked for in these too."""

_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_QUOTE: Final = r"\\?[\"'`]"
_FIELD: Final = r"(?P<field>(?<![\w$.\[\]])[A-Za-z_$][\w$]*+(?:[.\[\]]++\w++)*+)"
"""A field with its path. Possessive and never begun inside a word, so that the time is linear in the length of the words."""

_NAMED: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"unknown field {_QUOTE}{_FIELD}{_QUOTE}",
        rf"{_FIELD}{_QUOTE}?: Extra inputs are not permitted",
        rf"(?:[Uu]nsupported|[Uu]nknown|[Uu]nrecognized|[Ii]nvalid) parameter:? {_QUOTE}{_FIELD}{_QUOTE}",
        rf"[Uu]nsupported value: {_QUOTE}{_FIELD}{_QUOTE} [^\n]*Only the default\b",
        rf"{_QUOTE}{_FIELD}{_QUOTE} is (?:not supported|deprecated) (?:on|for|with|by) ",
        rf"[Uu]nrecognized request argument supplied: {_FIELD}",
        rf"does not support (?:the )?{_FIELD} parameter",
        rf"does not support (?:the )?(?:parameter )?{_QUOTE}{_FIELD}{_QUOTE}(?! value)",
        rf"{_QUOTE}(?P<field>n){_QUOTE} must be {_QUOTE}?1(?!\d)",
    )
)
"""Words that name a field which the model never takes (docs/wire/errors.md#refused-fields)."""

_ONE_OF_TWO: Final = re.compile(
    rf"{_QUOTE}{_FIELD}{_QUOTE} and {_QUOTE}{_FIELD.replace('<field>', '<other>')}{_QUOTE} "
    r"(?:can ?not|may not|must not) (?:both )?be (?:specified|set|used|given)"
)
"""Words that name two fields of which the model takes one (docs/wire/errors.md#refused-fields)."""

_NO_PROOF: Final = re.compile(r"\bencrypted content is not supported\b", re.IGNORECASE)
"""Words of a model that does not reason (docs/wire/errors.md#refused-fields)."""

_INCLUDE: Final = "include"
_PROOF: Final = "reasoning.encrypted_content"

_LIMIT: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_FIELD}{_QUOTE}?: \d+ > (?P<limit>\d+), which is the maximum allowed",
        rf"{_FIELD}{_QUOTE}? is too (?:large|high): \d+\. This model supports at most (?P<limit>\d+)",
        rf"{_FIELD}{_QUOTE}? is too (?:large|high): [^\n]{{0,200}}?\(\d+ > (?P<limit>\d+) - (?P<taken>\d+)\)",
        rf"{_FIELD} value of \d+ but the supported range is from \d+ \(inclusive\) to (?P<limit>\d+) (?P<open>\(exclusive\))?",
        rf"[Ii]nvalid {_QUOTE}{_FIELD}{_QUOTE}: integer above maximum value\. Expected a value <= (?P<limit>\d+)",
        r"(?P<field>maximum tokens) you requested exceeds the model limit of (?P<limit>\d+)",
    )
)
"""Words that name the most tokens of an answer that a model gives (docs/wire/errors.md#refused-fields)."""

_OF_VALUE: Final = tuple(
    re.compile(pattern)
    for pattern in (rf"{_FIELD}{_QUOTE}?: Input should be ", rf"[Uu]nsupported value: {_QUOTE}{_FIELD}{_QUOTE}")
)
"""Words that name a field whose value is refused: another value would be taken."""

_ONE_CANDIDATE: Final = re.compile(r"[Mm]ultiple candidates (?:is|are) not|[Oo]nly one candidate can be")
"""Google's words about ``candidateCount``, which do not name it (docs/wire/errors.md#refused-fields)."""

_UNKNOWN_NAME: Final = re.compile(
    rf"[Uu]nknown name {_QUOTE}{_FIELD}{_QUOTE}(?: at {_QUOTE}(?P<parent>[\w.\[\]]+){_QUOTE})?"
)
"""Google's words: the field, and the path it stands at (docs/wire/errors.md#refused-fields)."""

_NAMED_VALUE: Final = re.compile(rf"(?:[Ii]nvalid|[Uu]nsupported) value: {_QUOTE}(?P<value>[^\"'`\\]+){_QUOTE}")
"""Words that name the value only (docs/wire/quirks.md#effort-enum)."""

_ALLOWED: Final = re.compile(r"(?:Input should be|[Ss]upported values are:?|[Mm]ust be one of:?)\s+(?P<allowed>[^\n]*)")
_QUOTED: Final = re.compile(r"\\?(?P<quote>[\"'`])(?P<value>[^\"'`\\]*)\\?(?P=quote)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A change that made, or may make, an endpoint take a request; it applies to later requests as well.

    Args:
        name: what it is called in ``Exchange.repairs``, and the quirk's name where it is one.
        kind: ``quirk`` applies the quirk ``name``; ``drop`` leaves the field out; ``item`` takes what is ``allowed`` nowhere
            out of a list; ``clamp`` brings the field to the nearest of ``allowed``; ``cap`` and ``limit`` to at most
            ``limit``; ``form`` asks for the answer or the call in another form (:mod:`dbx_gateway.call.forms`), and
            ``proofs`` leaves proofs of reasoning out of what is sent back (:mod:`dbx_gateway.call.refused_proofs`):
            both change nothing in the body.
        path: the wire's names that lead to the field.
        allowed: the values the server names; of an ``item``, those it refuses.
        limit: the most the server gives.
        beside: a field without which ``path`` stays: the model takes one of the two.
        proofs: of ``proofs``, what is left out.
        note: a sentence for the user, to be logged once after the repair worked; empty where the quirk says it.
    """

    name: str
    kind: Literal["quirk", "drop", "item", "clamp", "cap", "limit", "form", "proofs"]
    path: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    limit: int | None = None
    beside: tuple[str, ...] = ()
    proofs: frozenset[str] = frozenset()
    note: str = field(default="", compare=False)

    @property
    def is_of_the_model(self) -> bool:
        """Whether the model alone explains the refusal.

        A value out of range is the affair of the call that set it, and a proof of its conversation.
        """
        return self.kind not in ("clamp", "limit", "proofs")

    def apply(self, body: JsonObject, context: Context) -> JsonObject:
        """Return ``body`` repaired; ``body`` itself where it has nothing to repair. Nothing is changed in place."""
        match self.kind:
            case "quirk":
                request = quirk_named(self.name).request
                return body if request is None else request(body, context)
            case "form" | "proofs":
                return body
            case "limit":
                value = _value_at(body, self.path)
                if not isinstance(value, int) or self.limit is None or value <= self.limit:
                    return body
                return _replaced(body, self.path, self.limit)
            case "item":
                held = body.get(self.path[0])
                if not isinstance(held, list) or not any(one in self.allowed for one in held):
                    return body
                return _replaced(body, self.path, [one for one in held if one not in self.allowed] or None)
            case "cap":
                return body if self.limit is None else oss_output_cap.capped(body, context, self.limit)
            case "drop":
                if self.beside and _value_at(body, self.beside) is None:
                    return body
                return _replaced(body, self.path, None)
            case "clamp":
                value = _value_at(body, self.path)
                if not isinstance(value, str) or value in self.allowed:
                    return body
                return _replaced(body, self.path, _nearest(value, self.allowed))
            case _:
                assert_never(self.kind)


def learned_quirks(repairs: tuple[Repair, ...]) -> frozenset[str]:
    """Return the names of the reactive quirks among ``repairs``."""
    return frozenset(repair.name for repair in repairs if repair.kind == "quirk")


def repair_for(
    error: APIError,
    body: JsonObject,
    context: Context,
    *,
    protected: frozenset[str] = frozenset(),
    disabled: frozenset[str] = frozenset(),
) -> Repair | None:
    """Return the repair that the server's words call for, or None where there is none.

    A reactive quirk that knows the words comes first, else a field that they name is left out or clamped. A prompt that
    is too long, or that a guardrail blocks, is never repaired.

    Args:
        error: the refusal.
        body: the request that was refused, without the caller's ``extra_body``.
        context: of that request.
        protected: the top-level keys of the caller's ``extra_body``: they are sent as given.
        disabled: quirks the caller turned off; ``all`` among them turns every repair off.
    """
    refused = isinstance(error, BadRequestError) and error.status in (400, 422)
    if not refused or isinstance(error, ContextOverflowError | ContentFilterError) or ALL in disabled:
        return None
    for quirk in QUIRKS:
        if quirk.name not in disabled and _recognises(quirk, error, context):
            repair = _of_quirk(quirk, error)
            fixed = repair.apply(body, context)
            if fixed is not body and not _changes(body, fixed) & protected:
                return repair
    form = _of_form(error.message, body, context, protected)
    unforces = form is not None and form.name in (NOT_FORCED, NOT_FORCED_WHILE_THINKING)
    if form is not None and not (unforces and tool_choice_required.QUIRK.name in disabled):
        return form
    return _generic(error.message, body, context, protected)


_FORM_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    # The field that holds the form of an answer, in lower case letters: where it is in a body.
    "responseformat": ("response_format", ""),
    "textformat": ("text", "format"),
    "text": ("text", "format"),
    "outputconfig": ("output_config", "format"),
    "outputconfigformat": ("output_config", "format"),
    "outputformat": ("output_config", "format"),
    "responseschema": ("generationConfig", "responseSchema"),
    "responsejsonschema": ("generationConfig", "responseSchema"),
    "responsemimetype": ("generationConfig", "responseMimeType"),
}
_NOT_WITH: Final = r"(?:not (?:supported|permitted|allowed|available)|unsupported|does not support|do not support)"
_FORM: Final = re.compile(
    r"\b(?P<field>response[_ ]?format|text\.format|output_config(?:\.format)?|output_format"
    r"|response_?(?:json_?)?schema|response_?mime_?type)\b(?![\w.])",
    re.IGNORECASE,
)
_REFUSED: Final = re.compile(
    rf"unknown (?:field|name|parameter)|unrecognized|extra inputs are not permitted|{_NOT_WITH}|cannot specify both",
    re.IGNORECASE,
)
_FORCED: Final = re.compile(
    r"tool_choice forces tool use|tool_choice\b[^.\n]{0,60}\b(?:not supported|unsupported|not allowed|incompatible)"
    r"|thinking\b[^.\n]{0,60}\b(?:forced?|forces|forcing)\b[^.\n]{0,20}\btool",
    re.IGNORECASE,
)
"""Words that refuse a call that is forced, at all or beside thinking (docs/wire/models.md#forced-tool-choice)."""

_ASKED_BY_TOOL: Final = re.compile(r"\b(?:tools?|functions?|tool_choice)\b", re.IGNORECASE)


def _of_form(words: str, body: JsonObject, context: Context, protected: frozenset[str]) -> Repair | None:
    """Return the repair that asks in another form, where the words refuse the field of the answer's form, or forcing."""
    if _REFUSED.search(words):
        for match in _FORM.finditer(words):
            place = _FORM_FIELDS.get(re.sub(r"[^a-z]", "", match["field"].lower()))
            if place is None or place[0] in protected or not _holds(body, place):
                continue
            streams = context.stream and "stream" in words.lower()
            return _form(ANSWER_BY_TOOL_IN_STREAMS if streams else ANSWER_BY_TOOL, context)
    if "tools" not in protected and _REFUSED.search(words) and _ASKED_BY_TOOL.search(words) and offers_answer(body):
        forced = _is_forced(body) and "tool_choice" in words
        return _form(_not_forced(words, body) if forced else ANSWER_IN_WORDS, context)
    if _is_forced(body) and not protected & {"tool_choice", "toolConfig", "thinking"} and _FORCED.search(words):
        return _form(_not_forced(words, body), context)
    return None


def _not_forced(words: str, body: JsonObject) -> str:
    """Return which calls cannot be forced: those of a request that thinks, where the words blame the thinking, or all.

    One user's thinking must not take the forced calls of those who do not think.
    """
    thinks = any(key in body for key in ("thinking", "reasoning", "reasoning_effort"))
    return NOT_FORCED_WHILE_THINKING if thinks and "think" in words.lower() else NOT_FORCED


def _holds(body: JsonObject, place: tuple[str, str]) -> bool:
    holder = body.get(place[0])
    return holder is not None if not place[1] else isinstance(holder, dict) and place[1] in holder


def _is_forced(body: JsonObject) -> bool:
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        return choice.get("type") not in ("auto", "none")
    return choice == "required"


_FORM_NOTES: Final[Mapping[str, str]] = {
    ANSWER_BY_TOOL: "takes no form of an answer: it was asked for by a tool, and so will later ones be",
    ANSWER_BY_TOOL_IN_STREAMS: "takes no form of an answer while it streams: it was asked for by a tool, and so will later "
    "streams be",
    ANSWER_IN_WORDS: "takes neither a form of an answer nor a tool for it: the schema was sent in words, and will be",
    NOT_FORCED: "refuses a forced call: a single tool's call was asked for by its schema, and so will later ones be",
    NOT_FORCED_WHILE_THINKING: "refuses a forced call while it thinks: a single tool's call was asked for by its schema, "
    "and so will later ones be that think",
}


def _form(name: str, context: Context) -> Repair:
    note = f"{context.model} ({context.surface}, {context.api}) {_FORM_NOTES[name]}"
    return Repair(name=name, kind="form", note=note)


def _recognises(quirk: Quirk, error: APIError, context: Context) -> bool:
    return quirk.on_refusal is not None and quirk.applies_to(context) and quirk.on_refusal(error)


def _of_quirk(quirk: Quirk, error: APIError) -> Repair:
    if quirk is oss_output_cap.QUIRK:
        cap = oss_output_cap.named_cap(error)
        if cap is not None:
            return Repair(name=quirk.name, kind="cap", path=(oss_output_cap.FIELD,), limit=cap)
    return Repair(name=quirk.name, kind="quirk")


def _changes(before: JsonObject, after: JsonObject) -> frozenset[str]:
    """Return the top-level keys whose values differ."""
    return frozenset(
        key
        for key in before.keys() | after.keys()
        if before.get(key) is not after.get(key) or (key in before) != (key in after)
    )


def _generic(words: str, body: JsonObject, context: Context, protected: frozenset[str]) -> Repair | None:
    """Return the repair of a field that the words name.

    A field that the model never takes is left out. A value out of range is brought to the nearest that the server names,
    where there is one; else it is the error of the user who set it, and stays everybody's to set.
    """
    if _NO_PROOF.search(words) and _INCLUDE not in protected and _PROOF in _list_at(body, _INCLUDE):
        return _without_proof(context)
    one_of_two = _one_of_two(words, body, context, protected) or _limited(words, body, context, protected)
    if one_of_two is not None:
        return one_of_two
    for path in _refused_fields(words, body):
        if _may_change(path, protected) and _folded(path[-1]) not in _CAPS and not _holds_untouchable(path, body):
            return _drop(path[:1] if path[0] in _WHOLE else path, context)
    allowed = _allowed(words)
    for path in _refused_values(words, body):
        value = _value_at(body, path)
        if _may_change(path, protected) and isinstance(value, str) and allowed and value not in allowed:
            if _nearest(value, allowed) is not None:
                return _clamp(path, allowed, value, context)
            if path[0] in _WHOLE:  # its form is this client's choice, not the user's value
                return _drop(path[:1], context)
    return None


def _list_at(body: JsonObject, key: str) -> list[JsonValue]:
    held = body.get(key)
    return held if isinstance(held, list) else []


def _without_proof(context: Context) -> Repair:
    note = (
        f"{context.model} ({context.surface}, {context.api}) refuses {_INCLUDE} {_PROOF}: it does not reason. The request was sent "
        "without it, and so will later ones be"
    )
    return Repair(name=f"drop {_INCLUDE} {_PROOF}", kind="item", path=(_INCLUDE,), allowed=(_PROOF,), note=note)


def _one_of_two(words: str, body: JsonObject, context: Context, protected: frozenset[str]) -> Repair | None:
    """Return the repair that leaves out one of two settings of which the model takes one: the second that is named."""
    for match in _ONE_OF_TWO.finditer(words):
        first, second = (next(_found(match[name], body), ()) for name in ("field", "other"))
        for path, beside in ((second, first), (first, second)):
            if path and beside and _may_change(path, protected) and _is_setting(path, body):
                return _drop(path, context, beside=beside)
    return None


def _is_setting(path: tuple[str, ...], body: JsonObject) -> bool:
    """Whether a number, a word or a switch stands there, and none that bounds the answer or decides about tools."""
    folded = _folded(path[-1])
    return folded not in _CAPS and folded != "toolchoice" and isinstance(_value_at(body, path), str | int | float)


def _limited(words: str, body: JsonObject, context: Context, protected: frozenset[str]) -> Repair | None:
    """Return the repair that asks for as many tokens as the words say there may be.

    It holds for this call alone, and for none whose thinking needs more than that.
    """
    for pattern in _LIMIT:
        for match in pattern.finditer(words):
            for path in _caps_named(match["field"], body):
                groups = match.groupdict()
                limit = int(match["limit"]) - int(groups.get("taken") or 0) - bool(groups.get("open"))
                value = _value_at(body, path)
                if path[0] in protected or not isinstance(value, int) or not 0 < limit < value:
                    continue
                if limit > _budget(body):
                    return _limit(path, limit, value, context)
    return None


def _caps_named(named: str, body: JsonObject) -> Iterator[tuple[str, ...]]:
    """Yield where ``body`` bounds its answer, if that is what is named."""
    folded = _folded(named.rpartition(".")[2].replace(" ", ""))
    for name in _CAPS if folded == "maximumtokens" else {folded} & _CAPS:
        yield from _found(name, body)


def _budget(body: JsonObject) -> int:
    """Return how many tokens of the answer are for thinking."""
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return budget if isinstance(budget, int) else 0


def _limit(path: tuple[str, ...], limit: int, value: int, context: Context) -> Repair:
    name = ".".join(path)
    note = (
        f"{context.model} ({context.surface}, {context.api}) refuses {name} {value}: {limit} was sent, the most it gives. "
        "Set no more than that"
    )
    return Repair(name=f"limit {name}", kind="limit", path=path, limit=limit, note=note)


def _may_change(path: tuple[str, ...], protected: frozenset[str]) -> bool:
    return path[0] not in protected and not _is_untouchable(path)


def _holds_untouchable(path: tuple[str, ...], body: JsonObject) -> bool:
    """Whether what must not be touched is inside the field at ``path``."""
    value = _value_at(body, path)
    return isinstance(value, dict) and any(_is_untouchable((*path, key)) for key in value)


_MADE_GOOD: Final[Mapping[str, str]] = {
    # What becomes of fields that this client makes good for, where an endpoint refuses them.
    "stop": "Answers are cut here instead",
    "stop_sequences": "Answers are cut here instead",
    "stopSequences": "Answers are cut here instead",
    "n": "As many calls are made instead",
    "candidateCount": "As many calls are made instead",
}


def _drop(path: tuple[str, ...], context: Context, beside: tuple[str, ...] = ()) -> Repair:
    name, other = ".".join(path), ".".join(beside)
    refused = f"{name} beside {other}" if other else name
    note = (
        f"{context.model} ({context.surface}, {context.api}) refuses {refused}: the request was sent without it, "
        f"and so will later ones be. {_MADE_GOOD.get(path[-1], 'Set one of the two' if other else 'Do not set it for this model')}"
    )
    return Repair(name=f"drop {name}", kind="drop", path=path, beside=beside, note=note)


def _clamp(path: tuple[str, ...], allowed: tuple[str, ...], value: str, context: Context) -> Repair:
    name, nearest = ".".join(path), _nearest(value, allowed)
    note = (
        f"{context.model} ({context.surface}, {context.api}) refuses {name} {value!r}: {nearest!r} was sent, "
        f"the nearest of {', '.join(allowed)}. Set one of these"
    )
    return Repair(name=f"clamp {name}", kind="clamp", path=path, allowed=allowed, note=note)


def _refused_fields(words: str, body: JsonObject) -> Iterator[tuple[str, ...]]:
    """Yield the paths in ``body`` of fields that the words refuse whatever their value, in the body's own spelling."""
    if _ONE_CANDIDATE.search(words):
        yield from _found("generationConfig.candidateCount", body)
    for match in _UNKNOWN_NAME.finditer(words):
        parent = match["parent"]
        yield from _found(f"{parent}.{match['field']}" if parent else match["field"], body)
    for pattern in _NAMED:
        for match in pattern.finditer(words):
            yield from _found(match["field"], body)


def _refused_values(words: str, body: JsonObject) -> Iterator[tuple[str, ...]]:
    """Yield the paths in ``body`` of values that the words refuse, in the body's own spelling."""
    for pattern in _OF_VALUE:
        for match in pattern.finditer(words):
            yield from _found(match["field"], body)
    for match in _NAMED_VALUE.finditer(words):
        paths = [path for path in _strings(body, match["value"]) if not _is_untouchable(path)]
        if len(paths) == 1:
            yield paths[0]


def _found(named: str, body: JsonObject) -> Iterator[tuple[str, ...]]:
    segments = [segment for segment in re.split(r"[.\[\]]+", named) if segment]
    path = _resolved(segments, body)
    if path:
        yield path
    elif len(segments) == 1:
        carriers = [(key, value) for key, value in body.items() if _folded(key) in _CARRIERS]
        for key, value in carriers:
            deeper = _resolved(segments, value)
            if deeper:
                yield (key, *deeper)


def _resolved(segments: list[str], value: JsonValue) -> tuple[str, ...]:
    """Return the keys of ``value`` that ``segments`` name, as deep as they lead; camel and snake case are one.

    A refusal may name more than the body has (the tag of a union: ``thinking.enabled.budget_tokens``), but for one
    segment or more the start of the path must be there.
    """
    if not segments or not isinstance(value, dict):
        return ()
    for key, inner in value.items():
        if _folded(key) == _folded(segments[0]):
            deeper = _resolved(segments[1:], inner)
            if segments[1:] and not deeper and key not in _WHOLE:
                return ()
            return (key, *deeper)
    return ()


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _strings(value: JsonValue, sought: str, depth: int = 3) -> Iterator[tuple[str, ...]]:
    """Yield the paths, through objects only, at which ``sought`` stands."""
    if isinstance(value, dict) and depth:
        for key, inner in value.items():
            if inner == sought:
                yield (key,)
            for rest in _strings(inner, sought, depth - 1):
                yield (key, *rest)


def _is_untouchable(path: tuple[str, ...]) -> bool:
    folded = [_folded(key) for key in path]
    return any(".".join(folded[: length + 1]) in _UNTOUCHABLE for length in range(len(folded)))


def _allowed(words: str) -> tuple[str, ...]:
    match = _ALLOWED.search(words)
    return tuple(quoted["value"] for quoted in _QUOTED.finditer(match["allowed"])) if match else ()


def _nearest(value: str, allowed: tuple[str, ...]) -> str | None:
    """Return the allowed effort next to ``value``, the lower of two; None where these are no efforts."""
    ranks = {word: _EFFORTS.index(word.lower()) for word in allowed if word.lower() in _EFFORTS}
    if value.lower() not in _EFFORTS or not ranks:
        return None
    sought = _EFFORTS.index(value.lower())
    return min(ranks, key=lambda word: (abs(ranks[word] - sought), ranks[word]))


def _value_at(body: JsonObject, path: tuple[str, ...]) -> JsonValue:
    value: JsonValue = body
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _replaced(body: JsonObject, path: tuple[str, ...], value: JsonValue) -> JsonObject:
    """Return ``body`` with ``value`` at ``path``; None takes the field out, and objects that are then empty."""
    key = path[0]
    if key not in body:
        return body
    inner = body[key]
    if len(path) > 1:
        if not isinstance(inner, dict):
            return body
        fixed = _replaced(inner, path[1:], value)
        if fixed is inner:
            return body
        value = fixed or None
    if value is None:
        return {name: item for name, item in body.items() if name != key}
    return {**body, key: value}
