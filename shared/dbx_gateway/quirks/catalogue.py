"""All quirks in the order they are applied, and the functions that select and apply them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import unknown_name
from dbx_gateway.quirks import (
    anth_eager_streaming,
    anth_media_url,
    anth_server_tools,
    bare_assistant,
    claude_empty_args_delta,
    claude_structured_output,
    claude_usage_exclusive,
    drop_name,
    drop_openai_bookkeeping,
    drop_parallel_tool_calls,
    drop_stream_options,
    empty_assistant_content,
    empty_parts,
    empty_tool_result,
    gpt_tools_effort,
    max_tokens_name,
    merge_system,
    merge_turns,
    no_penalties_seed,
    oss_output_cap,
    params_required,
    resp_id_64,
    resp_output_only_fields,
    schema_gemini,
    schema_limits,
    schema_object_root,
    schema_open_models,
    split_parallel_tool_results,
    stream_response_format,
    strip_strict,
    tool_choice_required,
    tools_cap_32,
    tools_with_response_format,
    user_first,
)
from dbx_gateway.quirks.quirk import AnswerFix, Context, Evidence, Quirk

__all__ = [
    "ALL",
    "QUIRKS",
    "UNANSWERED_CALLS",
    "Explanation",
    "answer_fixes",
    "applicable",
    "check_disabled",
    "explain",
    "fix_request",
    "of_every_quirk",
    "quirk_named",
]

ALL = "all"
"""In a list of quirks to turn off: every quirk, and reactive repair too."""

UNANSWERED_CALLS = "unanswered-calls"
"""In such a list: the check that each tool call of a conversation has its result (:mod:`dbx_gateway.call.turns`)."""

_GUARDS = (UNANSWERED_CALLS,)
"""Checks of what no server takes: turned off like quirks, but no departures of a workspace."""

QUIRKS: tuple[Quirk, ...] = (
    # Parts first: a message that loses its last part is then one of the empty messages below.
    empty_parts.QUIRK,
    empty_assistant_content.QUIRK,
    empty_tool_result.QUIRK,
    # Empty messages are removed before neighbours are merged or split.
    bare_assistant.QUIRK,
    merge_system.QUIRK,
    split_parallel_tool_results.QUIRK,
    drop_name.QUIRK,
    merge_turns.QUIRK,  # names are gone, and calls stand beside their results
    # The answer's tool is added before the quirks that change tools, so that they change it too, and before
    # stream-response-format, which then finds no response_format where there are tools.
    tools_with_response_format.QUIRK,
    claude_structured_output.QUIRK,
    stream_response_format.QUIRK,
    drop_stream_options.QUIRK,
    drop_parallel_tool_calls.QUIRK,
    drop_openai_bookkeeping.QUIRK,
    no_penalties_seed.QUIRK,
    strip_strict.QUIRK,
    anth_eager_streaming.QUIRK,
    # A schema exists, has a root, and is then cut down to what the model takes.
    params_required.QUIRK,
    schema_object_root.QUIRK,
    schema_gemini.QUIRK,
    resp_output_only_fields.QUIRK,
    resp_id_64.QUIRK,
    # Reactive quirks repair the request that was refused, with the fixes above applied.
    user_first.QUIRK,
    schema_open_models.QUIRK,
    tool_choice_required.QUIRK,
    gpt_tools_effort.QUIRK,
    max_tokens_name.QUIRK,
    oss_output_cap.QUIRK,
    # Answers are fixed from the end of this table to its start: a call's arguments are corrected before the
    # answer's tool reads them.
    claude_empty_args_delta.QUIRK,
    claude_usage_exclusive.QUIRK,
    # Guards last: they check the body that would be sent.
    tools_cap_32.QUIRK,
    schema_limits.QUIRK,
    anth_server_tools.QUIRK,
    anth_media_url.QUIRK,
)
"""Every quirk, in the order in which requests are fixed; answers are fixed in the opposite one."""

_BY_NAME: dict[str, Quirk] = {quirk.name: quirk for quirk in QUIRKS}

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Whether and why a quirk applies to a request, for a person to read.

    Args:
        applied: ``always``, ``after a refusal`` (only once the server refused a request for this reason), or
            ``disabled`` by the user.
    """

    name: str
    kind: Literal["out", "in", "guard"]
    applied: Literal["always", "after a refusal", "disabled"]
    reason: str
    source: str
    evidence: Evidence
    delete_when: str


def of_every_quirk(name: str, table: Mapping[str, _Entry]) -> Mapping[str, _Entry]:
    """Return ``table`` after checking that it has an entry for every quirk and no other.

    Args:
        name: of the table, for the error.
        table: an entry for each quirk, by its name.

    Raises:
        LookupError: a quirk has no entry, or an entry no quirk.
    """
    missing, unknown = sorted(_BY_NAME.keys() - table.keys()), sorted(table.keys() - _BY_NAME.keys())
    if missing:
        raise LookupError(f"{name} has no entry for the quirk {', '.join(missing)}")
    if unknown:
        raise LookupError(f"{name} has an entry for {', '.join(unknown)}, and there is no such quirk")
    return table


def quirk_named(name: str) -> Quirk:
    """Return the quirk called ``name``.

    Raises:
        ConfigurationError: there is none; the message names the nearest one.
    """
    quirk = _BY_NAME.get(name)
    if quirk is None:
        raise unknown_name("quirk", name, _BY_NAME)
    return quirk


def check_disabled(names: Iterable[str]) -> frozenset[str]:
    """Return ``names`` as a set of quirks to turn off.

    Args:
        names: names of quirks and of checks, or ``all``, which stands for every name and stays in the result beside them.

    Raises:
        ConfigurationError: a name is neither; the message names the nearest one.
    """
    requested = frozenset(names)
    known = (*_BY_NAME, *_GUARDS, ALL)
    for name in sorted(requested):
        if name not in known:
            raise unknown_name("quirk", name, known)
    return requested.union(known) if ALL in requested else requested


def applicable(
    context: Context, disabled: frozenset[str] = frozenset(), learned: frozenset[str] = frozenset()
) -> tuple[Quirk, ...]:
    """Return the quirks to apply to a request, in order.

    Args:
        context: of the request.
        disabled: names the user turned off (see :func:`check_disabled`).
        learned: names of reactive quirks that this endpoint is known to need.
    """
    return tuple(
        quirk
        for quirk in QUIRKS
        if quirk.name not in disabled
        and (quirk.on_refusal is None or quirk.name in learned)
        and quirk.applies_to(context)
    )


def fix_request(body: JsonObject, context: Context, quirks: Sequence[Quirk]) -> JsonObject:
    """Return the body to send: ``body`` itself where no quirk changes it, else a changed copy.

    Raises:
        InvalidRequestError: a guard refuses the request; the message says what to change and how to turn the guard off.
    """
    for quirk in quirks:
        if quirk.request is not None:
            body = quirk.request(body, context)
    return body


def answer_fixes(body: JsonObject, context: Context, quirks: Sequence[Quirk]) -> AnswerFix:
    """Return the fix of one answer: for its whole body, or for each of its events in order.

    Args:
        body: the request's body before :func:`fix_request`.
        context: of the request.
        quirks: those that were applied to the request.
    """
    found = [quirk.answer(body, context) for quirk in reversed(quirks) if quirk.answer is not None]
    fixes = tuple(fix for fix in found if fix is not None)
    match fixes:
        case ():
            return _unchanged
        case (only,):
            return only
        case _:
            return _chained(fixes)


def _unchanged(answer: JsonObject) -> JsonObject:
    return answer


def _chained(fixes: Sequence[AnswerFix]) -> AnswerFix:
    def fixed(answer: JsonObject) -> JsonObject:
        for fix in fixes:
            answer = fix(answer)
        return answer

    return fixed


def explain(context: Context, disabled: frozenset[str] = frozenset()) -> tuple[Explanation, ...]:
    """Return one row for each quirk whose gate lets ``context`` through, in order."""
    return tuple(
        Explanation(
            name=quirk.name,
            kind=quirk.kind,
            applied=_applied(quirk, disabled),
            reason=quirk.reason,
            source=quirk.source,
            evidence=quirk.evidence,
            delete_when=quirk.delete_when,
        )
        for quirk in QUIRKS
        if quirk.applies_to(context)
    )


def _applied(quirk: Quirk, disabled: frozenset[str]) -> Literal["always", "after a refusal", "disabled"]:
    if quirk.name in disabled:
        return "disabled"
    return "always" if quirk.on_refusal is None else "after a refusal"
