"""What stands in a Responses answer beside its texts: citations, usage, how it ended, why it failed.

Source: docs/wire/responses.md#answer, #usage, #errors; docs/wire/comparison.md#usage, #finish-reasons.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pydantic import JsonValue
from pydantic_core import to_json

from dbx_gateway.chat import ChatResponse, Citation, Finish, FinishReason, JsonObject, Usage
from dbx_gateway.error_bodies import Asked, api_error
from dbx_gateway.errors import APIError

__all__ = [
    "CALLS",
    "RESULTS",
    "arguments_of",
    "citation_of",
    "failure",
    "finish_of",
    "kind_of",
    "number_of",
    "object_of",
    "objects_of",
    "text_of",
    "usage_of",
    "wire_extras",
    "without",
]

CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that ask for a tool, and the field that holds what the tool gets."""

RESULTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
"""Items that tell what a tool gave: agent endpoints run tools themselves.

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


def text_of(value: JsonValue) -> str:
    """Return ``value`` if it is text, else nothing."""
    return value if isinstance(value, str) else ""


def number_of(value: JsonValue) -> int | None:
    """Return ``value`` if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def object_of(value: JsonValue) -> JsonObject:
    """Return ``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects_of(value: JsonValue) -> list[JsonObject]:
    """Return the objects in the list ``value``; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def without(wire: JsonObject, names: Collection[str]) -> JsonObject:
    """Return ``wire`` without the fields ``names``."""
    return {name: value for name, value in wire.items() if name not in names}


def wire_extras(response: JsonObject) -> JsonObject:
    """Return the fields of an answer that have no place of their own; what repeats the request is left out."""
    return {
        name: value
        for name, value in response.items()
        if value is not None and name not in _KNOWN and name not in _ECHOES
    }


def kind_of(item: JsonObject) -> str:
    """Return the type of an output item; agents leave it out on messages."""
    return text_of(item.get("type")) or ("message" if "role" in item else "")


def arguments_of(item: JsonObject) -> str:
    """Return what the tool of a call item is to get, as text."""
    value = item.get(CALLS[kind_of(item)])
    if isinstance(value, dict | list):
        return to_json(value).decode()
    return text_of(value)


def citation_of(annotation: JsonObject) -> Citation:
    """Return one annotation of a text as a citation."""
    return Citation(
        kind=text_of(annotation.get("type")),
        url=text_of(annotation.get("url")) or None,
        title=text_of(annotation.get("title")) or text_of(annotation.get("filename")) or None,
        start=number_of(annotation.get("start_index")),
        end=number_of(annotation.get("end_index")),
        source=annotation,
    )


def usage_of(wire: JsonObject) -> Usage | None:
    """Return the tokens in ``wire``; None where it counts nothing (docs/wire/comparison.md#usage)."""
    took, gave = number_of(wire.get("input_tokens")), number_of(wire.get("output_tokens"))
    total = number_of(wire.get("total_tokens"))
    if took is None and gave is None and total is None:
        return None
    of_input, of_output = object_of(wire.get("input_tokens_details")), object_of(wire.get("output_tokens_details"))
    return Usage(
        input=took or 0,
        output=gave or 0,
        total=(took or 0) + (gave or 0) if total is None else total,
        cache_read=number_of(of_input.get("cached_tokens")),
        cache_write=number_of(of_input.get("cache_write_tokens")),
        reasoning=number_of(of_output.get("reasoning_tokens")),
        audio_in=number_of(of_input.get("audio_tokens")),
        audio_out=number_of(of_output.get("audio_tokens")),
        raw=wire,
    )


def finish_of(response: JsonObject, status: str | None, *, calls: bool, refused: bool) -> Finish:
    """Return why the answer ended (docs/wire/comparison.md#finish-reasons).

    Args:
        response: the answer's own object; empty where the stream had none.
        status: the wire's word, None where it said none.
        calls: the answer asks for a tool that is still to be run.
        refused: the answer holds a refusal.
    """
    cut = response.get("incomplete_details")
    details: JsonObject = {"incomplete_details": cut} if cut else {}
    if status == "incomplete":
        raw = text_of(object_of(cut).get("reason")) or status
        return Finish(reason=_INCOMPLETE.get(raw, "unknown"), raw=raw, details=details)
    if status == "cancelled":
        return Finish(reason="error", raw=status, details=details)
    if status not in (None, "completed"):
        return Finish(reason="unknown", raw=status, details=details)
    reason: FinishReason = "content_filter" if refused else "tool_calls" if calls else "stop"
    return Finish(reason=reason, raw=status, details=details)


def failure(error: JsonObject, model: str, partial: ChatResponse | None) -> APIError:
    """Return the error for an answer that failed under HTTP 200; ``error`` holds the server's code and words.

    Its class is the one that the code stands for on every api; a code that is unknown, or none, is a failure of the
    server.
    """
    words = error if text_of(error.get("message")) else {**error, "message": "the answer failed; no reason was given"}
    return api_error(None, {}, {"error": words}, Asked(model, "responses"), partial=partial, otherwise=500)
