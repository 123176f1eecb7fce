"""The fields of a Responses answer beside its texts: citations, usage, how it ended, why it failed.

Source: docs/wire/responses.md#answer, #usage, #errors; docs/wire/comparison.md#usage, #finish-reasons.
"""

from __future__ import annotations

from typing import Final

from dbx_gateway.chat import ChatResponse, Citation, Finish, FinishReason, JsonObject, Usage
from dbx_gateway.error_bodies import RequestTarget, api_error
from dbx_gateway.errors import APIError
from dbx_gateway.json_values import (
    arguments_text,
    count_or_none,
    has_counts,
    integer_or_none,
    nonempty_text,
    object_or_empty,
    text_or_empty,
)

__all__ = [
    "CALLS",
    "RESULTS",
    "arguments_of",
    "citation_of",
    "failure",
    "finish_of",
    "kind_of",
    "usage_of",
    "wire_extras",
]

CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that are tool calls, and the field that holds the tool's input."""

RESULTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
"""Items that hold a tool's result: agent endpoints run tools themselves.

Source: docs/wire/responses.md#agents-on-responses.
"""

_INCOMPLETE: Final[dict[str, FinishReason]] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "max_messages": "pause",
    "steered": "pause",
}

_KNOWN: Final = frozenset(
    {"type", "sequence_number", "id", "model", "object", "output", "usage", "status", "error", "incomplete_details"}
)
_ECHOES: Final = frozenset(
    {
        "background",
        "include",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    }
)
"""Fields of an answer that only repeat the request."""


def wire_extras(response: JsonObject) -> JsonObject:
    """Return the unknown fields of an answer; fields that repeat the request are left out."""
    return {
        name: value
        for name, value in response.items()
        if value is not None and name not in _KNOWN and name not in _ECHOES
    }


def kind_of(item: JsonObject) -> str:
    """Return the type of an output item; agents leave it out on messages."""
    return text_or_empty(item.get("type")) or ("message" if "role" in item else "")


def arguments_of(item: JsonObject) -> str:
    """Return the tool's input in a call item, as text."""
    return arguments_text(item.get(CALLS[kind_of(item)]))


def citation_of(annotation: JsonObject) -> Citation:
    """Return one annotation of a text as a citation."""
    return Citation(
        kind=text_or_empty(annotation.get("type")),
        url=nonempty_text(annotation.get("url")),
        title=text_or_empty(annotation.get("title")) or nonempty_text(annotation.get("filename")),
        start=integer_or_none(annotation.get("start_index")),
        end=integer_or_none(annotation.get("end_index")),
        source=annotation,
    )


def usage_of(wire: JsonObject) -> Usage | None:
    """Return the tokens in ``wire``; None where it has none, or one is no number (docs/wire/comparison.md#usage)."""
    input_tokens, output_tokens = count_or_none(wire.get("input_tokens")), count_or_none(wire.get("output_tokens"))
    total = count_or_none(wire.get("total_tokens"))
    if (input_tokens is None and output_tokens is None and total is None) or not has_counts(
        wire, "input_tokens", "output_tokens"
    ):
        return None
    of_input = object_or_empty(wire.get("input_tokens_details"))
    of_output = object_or_empty(wire.get("output_tokens_details"))
    return Usage(
        input=input_tokens or 0,
        output=output_tokens or 0,
        total=(input_tokens or 0) + (output_tokens or 0) if total is None else total,
        cache_read=count_or_none(of_input.get("cached_tokens")),
        cache_write=count_or_none(of_input.get("cache_write_tokens")),
        reasoning=count_or_none(of_output.get("reasoning_tokens")),
        audio_in=count_or_none(of_input.get("audio_tokens")),
        audio_out=count_or_none(of_output.get("audio_tokens")),
        raw=wire,
    )


def finish_of(response: JsonObject, status: str | None, *, calls: bool, refused: bool) -> Finish:
    """Return why the answer ended (docs/wire/comparison.md#finish-reasons).

    Args:
        response: the response object; empty where the stream had none.
        status: its status, None where it had none.
        calls: the answer holds a tool call that is still to be run.
        refused: the answer holds a refusal.
    """
    incomplete = response.get("incomplete_details")
    details: JsonObject = {"incomplete_details": incomplete} if incomplete else {}
    if status == "incomplete":
        raw = text_or_empty(object_or_empty(incomplete).get("reason")) or status
        return Finish(reason=_INCOMPLETE.get(raw, "unknown"), raw=raw, details=details)
    if status not in (None, "completed"):
        return Finish(reason="unknown", raw=status, details=details)
    reason: FinishReason = "content_filter" if refused else "tool_calls" if calls else "stop"
    return Finish(reason=reason, raw=status, details=details)


def failure(error: JsonObject, model: str, partial: ChatResponse | None, what: str = "failed") -> APIError:
    """Return the error for an answer that failed under HTTP 200; ``error`` holds the server's code and message.

    ``what`` says what became of the answer where the server has no words.

    Its class is the one for the code on every api; an unknown or missing code is a failure of the server.
    """
    if not nonempty_text(error.get("message")):
        error = {**error, "message": f"the answer {what}; no reason was given"}
    return api_error(None, {}, {"error": error}, RequestTarget(model, "responses"), partial=partial, otherwise=500)
