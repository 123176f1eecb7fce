"""Parses chat-completions bodies in the simulated workspace.

Source: docs/wire/chat-completions.md#request, #round-trip.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic_core import from_json

from dbx_gateway.testing.apis.generate_content.vendor_rules import SKIPPED_SIGNATURE
from dbx_gateway.testing.apis.media_labels import data_urls, is_registered, wrong_label
from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.json_values import entries, inside, is_array, is_object
from dbx_gateway.testing.model.conversation import OfferedTool, ParsedRequest, Turn
from dbx_gateway.testing.model.situation import Situation

__all__ = ["read"]

_FIELDS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""Every field of the pure dialect (docs/wire/chat-completions.md#request)."""

_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "logprobs": ("a boolean", lambda value: isinstance(value, bool)),
    "max_completion_tokens": ("a positive integer", lambda value: _is_whole(value) and value > 0),
    "max_tokens": ("a positive integer", lambda value: _is_whole(value) and value > 0),
    "n": ("an integer from 1 to 8", lambda value: _is_whole(value) and 0 < value <= 8),
    "reasoning_effort": ("a string", lambda value: isinstance(value, str)),
    "stop": ("a string or an array of strings", lambda value: isinstance(value, str) or _are_strings(value)),
    "stream": ("a boolean", lambda value: isinstance(value, bool)),
    "temperature": ("a number", lambda value: _is_whole(value) or isinstance(value, float)),
    "tools": ("an array", is_array),
    "top_p": ("a number", lambda value: _is_whole(value) or isinstance(value, float)),
}
"""The types of fields; null counts as absent."""

_MOST_STOPS = 4
"""Stop sequences of a request (docs/wire/chat-completions.md#request)."""

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_MEDIA = {"image_url": "image", "file": "pdf", "input_audio": "audio"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def read(body: dict[str, Any], situation: Situation, model_from_path: str | None) -> ParsedRequest:
    """Parse a chat-completions body.

    Raises:
        Refused: a field has the wrong shape; a tool result has no call, or a call no result.
    """
    _check_top_level(body, situation, model_from_path)
    _check_types(body)
    messages = _messages(body)
    _check_tool_order(messages)
    _check_pictures(messages, situation)
    tools = tuple(_tool(number, tool) for number, tool in enumerate(entries(body, "tools")))
    _check_tools(tools, body)
    choice, forced = _choice(body.get("tool_choice"), tools)
    schema, json_mode = _format(body.get("response_format"))
    stop = body.get("stop") or ()
    if not isinstance(stop, str) and len(stop) > _MOST_STOPS:
        long = f"Expected an array with maximum length {_MOST_STOPS}, but got an array with length {len(stop)} instead."
        raise Refused(400, f"Invalid 'stop': array too long. {long}")
    return ParsedRequest(
        model=situation.model,
        turns=tuple(_turn(number, message) for number, message in enumerate(messages)),
        tools=tools,
        choice=choice,
        forced=forced,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=schema,
        json_mode=json_mode,
        reasoning=_reasons(body, situation),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        stream=body.get("stream") is True,
        include_usage=bool(inside(body, "stream_options").get("include_usage")),
        n=body.get("n") or 1,
        logprobs=body.get("logprobs") is True,
    )


def _check_top_level(body: dict[str, Any], situation: Situation, model_from_path: str | None) -> None:
    if model_from_path is not None and not situation.plain and "model" in body:
        raise Refused(400, 'json: unknown field "model"')
    if model_from_path is None and not isinstance(body.get("model"), str):
        raise Refused(400, "you must provide a model parameter", code="INVALID_PARAMETER_VALUE")
    unknown = sorted(set(body) - _FIELDS) if situation.plain else []
    if unknown:
        raise Refused(400, f"Unrecognized request argument supplied: {unknown[0]}", code="unknown_parameter")
    if "stream_options" in body and not body.get("stream"):
        raise Refused(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_strings(value: Any) -> bool:
    return is_array(value) and all(isinstance(one, str) for one in value)


def _check_types(body: dict[str, Any]) -> None:
    for name, (expected, is_right) in _TYPES.items():
        if body.get(name) is not None and not is_right(body[name]):
            raise Refused(400, f"Invalid type for '{name}': expected {expected}.")


def _check_pictures(messages: list[dict[str, Any]], situation: Situation) -> None:
    """Refuse what the model's own vendor refuses of a picture's media type (docs/wire/comparison.md#media-types)."""
    for label, data in data_urls(messages):
        if situation.behaviour.refuses_unregistered_media and not is_registered(label):
            raise Refused(400, f"Unsupported MIME type: {label}")
        if situation.behaviour.looks_at_pictures and (shown := wrong_label(label, data)):
            raise Refused(
                400,
                f"The image was specified using the {label} media type, but the image appears to be a {shown} image",
            )


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    messages = entries(body, "messages")
    if not messages:
        raise Refused(400, "Invalid 'messages': expected a non-empty array.")
    for number, message in enumerate(messages):
        if not is_object(message) or str(message.get("role")) not in _ROLES:
            raise Refused(400, f"Invalid 'messages[{number}].role': supported values are: {', '.join(_ROLES)}.")
    return messages


def _check_tool_order(messages: list[dict[str, Any]]) -> None:
    """Refuse tool results that do not directly follow their calls, one for each call."""
    pending: set[str] = set()
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            call_id = message.get("tool_call_id")
            if not isinstance(call_id, str) or call_id not in pending:
                raise Refused(
                    400, "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                )
            pending.discard(call_id)
            continue
        _check_none_pending(pending)
        pending = {_call(number, call)[0] for call in entries(message, "tool_calls")}
    _check_none_pending(pending)


def _check_none_pending(pending: set[str]) -> None:
    if pending:
        raise Refused(
            400,
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(sorted(pending))}",
        )


def _tool(number: int, tool: Any) -> OfferedTool:
    if not is_object(tool) or tool.get("type") != "function":
        raise Refused(400, f"Invalid 'tools[{number}].type': supported values are: 'function'.")
    function = inside(tool, "function")
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Refused(
            400,
            f"Invalid 'tools[{number}].function.name': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]+$'.",
        )
    return OfferedTool(name, dict(inside(function, "parameters")), str(function.get("description") or ""))


def _check_tools(tools: tuple[OfferedTool, ...], body: dict[str, Any]) -> None:
    if len({tool.name for tool in tools}) < len(tools):
        raise Refused(400, "Invalid 'tools': tool names must be unique.")
    if body.get("tool_choice") is not None and not tools:
        raise Refused(400, "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")


def _choice(choice: Any, tools: tuple[OfferedTool, ...]) -> tuple[Any, str | None]:
    match choice:
        case None:
            return "auto", None
        case "auto" | "none" | "required":
            return choice, None
        case {"type": "function", "function": {"name": str(name)}} if name in {tool.name for tool in tools}:
            return "required", name
        case {"type": "allowed_tools", "allowed_tools": {"mode": "auto" | "required" as mode}}:
            return mode, None
        case _:
            raise Refused(400, "Invalid value for 'tool_choice'.")


def _format(form: Any) -> tuple[dict[str, Any] | None, bool]:
    match form:
        case None | {"type": "text"}:
            return None, False
        case {"type": "json_object"}:
            return None, True
        case {"type": "json_schema", "json_schema": {"name": str(), "schema": schema}} if is_object(schema):
            return schema, False
        case _:
            raise Refused(400, "Invalid value for 'response_format'.")


def _turn(number: int, message: dict[str, Any]) -> Turn:
    parts = _parts(number, message.get("content"))
    text = "".join(part["text"] for part in parts if part["type"] == "text")
    role: Any = _ROLES[message["role"]]
    if role == "tool":
        return Turn("tool", results=((message["tool_call_id"], text),), cached=_is_cached(parts))
    calls = entries(message, "tool_calls")
    return Turn(
        role,
        text=text,
        media=tuple(_MEDIA[part["type"]] for part in parts if part["type"] in _MEDIA),
        calls=tuple(_call(number, call) for call in calls),
        signatures=tuple(_signatures(parts, calls)),
        cached=_is_cached(parts),
    )


def _is_cached(parts: list[dict[str, Any]]) -> bool:
    return any("cache_control" in part or "prompt_cache_breakpoint" in part for part in parts)


def _parts(number: int, content: Any) -> list[dict[str, Any]]:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not is_array(content):
        raise Refused(400, f"Invalid type for 'messages[{number}].content': expected a string or an array of objects.")
    known = {"text", "refusal", "reasoning", *_MEDIA}
    for at, part in enumerate(content):
        if not is_object(part) or str(part.get("type")) not in known:
            raise Refused(
                400, f"Invalid value: 'messages[{number}].content[{at}].type'. Supported values are: {sorted(known)}."
            )
        _check_part(f"messages[{number}].content[{at}]", part)
    return content


def _check_part(where: str, part: dict[str, Any]) -> None:
    match part:
        case {"type": "text", "text": str()} | {"type": "refusal", "refusal": str()} | {"type": "reasoning"}:
            return
        case {"type": "image_url", "image_url": {"url": str()}} | {"type": "file", "file": dict()}:
            return
        case {"type": "input_audio", "input_audio": {"data": str(), "format": "wav" | "mp3"}}:
            return
        case _:
            raise Refused(400, f"Invalid value: '{where}' is not a valid {part['type']} part.")


def _call(number: int, call: Any) -> tuple[str, str]:
    match call:
        case {"id": str(call_id), "type": "function", "function": {"name": str(name), "arguments": str(arguments)}}:
            _check_arguments(number, arguments)
            return call_id, name
        case _:
            raise Refused(400, f"Invalid value: 'messages[{number}].tool_calls'.")


def _check_arguments(number: int, arguments: str) -> None:
    try:
        parsed = from_json(arguments or "{}")
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise Refused(400, f"Invalid 'messages[{number}].tool_calls': arguments must be a JSON object.")


def _signatures(parts: list[dict[str, Any]], calls: list[dict[str, Any]]) -> Iterator[str]:
    for part in parts:
        segments = filter(is_object, entries(part, "summary"))
        yield from (str(segment["signature"]) for segment in segments if segment.get("signature"))
    for signed in (*parts, *calls):
        signature = signed.get("thoughtSignature")
        if signature and signature != SKIPPED_SIGNATURE:
            yield str(signature)


def _reasons(body: dict[str, Any], situation: Situation) -> bool:
    effort = body.get("reasoning_effort")
    if effort is not None:
        return bool(effort != "none")
    thinking = inside(body, "thinking").get("type")
    if situation.profile.thinking == "always" or thinking in ("enabled", "adaptive"):
        return True
    return situation.behaviour.reasons_by_default and situation.profile.reasoning and not situation.plain
