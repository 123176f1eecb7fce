"""Chat-completions as the simulated workspace reads and writes it (dialects.md section 1, databricks-wire.md section 5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from pydantic_core import from_json, to_json

from dbx_gateway.testing.conversation import Answer, Ask, AskedTool, Call, Counts, Saying, Turn
from dbx_gateway.testing.rules_chat import RULES
from dbx_gateway.testing.shape import entries, is_array, is_object
from dbx_gateway.testing.wire import Refused, Situation, object_under, pieces, sse

__all__ = ["RULES", "error", "error_event", "is_terminal", "read", "stream", "whole"]

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
"""Every field of the pure dialect (dialects.md section 1.1)."""

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_MEDIA = {"image_url": "image", "file": "pdf", "input_audio": "audio"}
_CREATED = 1_767_225_600
"""Every answer was made at one moment, so that answers are the same from run to run."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FINISH = {"stop": "stop", "calls": "tool_calls", "length": "length", "filter": "content_filter"}
_REASONS_UNASKED = frozenset({"gpt-oss", "qwen", "glm", "deepseek", "kimi", "grok", "inkling"})
_USAGE_UNASKED = frozenset({"llama", "qwen", "gemma", "gpt-oss", "gemini"})
_CALLS_IN_ONE_PIECE = frozenset({"gemini", "llama"})
_TEXT_IN_LISTS = frozenset({"gpt-oss", "gemini"})
_REASONING_IN_LISTS = frozenset({"claude", "gpt-oss", "gemini", "qwen"})
_REASONING_KEY = {
    "glm": "reasoning_content",
    "deepseek": "reasoning_content",
    "kimi": "reasoning_content",
    "grok": "reasoning",
    "inkling": "reasoning",
}
_ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


# Reading


def read(body: dict[str, Any], situation: Situation, model_from_path: str | None) -> Ask:
    """Understand a chat-completions body.

    Raises:
        Refused: a field is of the wrong shape; a tool result stands without its call, or a call without its result.
    """
    _check_top_level(body, situation, model_from_path)
    messages = _messages(body)
    _check_tool_order(messages)
    tools = tuple(_tool(number, tool) for number, tool in enumerate(entries(body, "tools")))
    _check_tools(tools, body)
    choice, forced = _choice(body.get("tool_choice"), tools)
    schema, json_mode = _format(body.get("response_format"))
    stop = body.get("stop") or ()
    return Ask(
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
        include_usage=bool(object_under(body, "stream_options").get("include_usage")),
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


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    messages = entries(body, "messages")
    if not messages:
        raise Refused(400, "Invalid 'messages': expected a non-empty array.")
    for number, message in enumerate(messages):
        if not is_object(message) or message.get("role") not in _ROLES:
            raise Refused(400, f"Invalid 'messages[{number}].role': supported values are: {', '.join(_ROLES)}.")
    return messages


def _check_tool_order(messages: list[dict[str, Any]]) -> None:
    """Hold tool results to their calls: directly after them, every one, and no other."""
    pending: set[str] = set()
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in pending:
                raise Refused(
                    400, "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                )
            pending.discard(message["tool_call_id"])
            continue
        _check_answered(pending)
        pending = {_call(number, call)[0] for call in entries(message, "tool_calls")}
    _check_answered(pending)


def _check_answered(pending: set[str]) -> None:
    if pending:
        raise Refused(
            400,
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(sorted(pending))}",
        )


def _tool(number: int, tool: Any) -> AskedTool:
    if not is_object(tool) or tool.get("type") != "function":
        raise Refused(400, f"Invalid 'tools[{number}].type': supported values are: 'function'.")
    function = object_under(tool, "function")
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Refused(
            400,
            f"Invalid 'tools[{number}].function.name': string does not match pattern. Expected a string that matches "
            "the pattern '^[a-zA-Z0-9_-]+$'.",
        )
    return AskedTool(name, dict(object_under(function, "parameters")))


def _check_tools(tools: tuple[AskedTool, ...], body: dict[str, Any]) -> None:
    if len({tool.name for tool in tools}) < len(tools):
        raise Refused(400, "Invalid 'tools': tool names must be unique.")
    if body.get("tool_choice") is not None and not tools:
        raise Refused(400, "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")


def _choice(choice: Any, tools: tuple[AskedTool, ...]) -> tuple[Any, str | None]:
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
        if not is_object(part) or part.get("type") not in known:
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
        case {"id": str(made), "type": "function", "function": {"name": str(name), "arguments": str(arguments)}}:
            _check_arguments(number, arguments)
            return made, name
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
        for segment in entries(part, "summary"):
            if segment.get("signature"):
                yield segment["signature"]
        if part.get("thoughtSignature"):
            yield part["thoughtSignature"]
    for call in calls:
        if call.get("thoughtSignature"):
            yield call["thoughtSignature"]


def _reasons(body: dict[str, Any], situation: Situation) -> bool:
    effort = body.get("reasoning_effort")
    if effort is not None:
        return bool(effort != "none")
    thinking = object_under(body, "thinking").get("type")
    if situation.profile.thinking == "always" or thinking in ("enabled", "adaptive"):
        return True
    unasked = situation.family in _REASONS_UNASKED and (situation.profile.reasoning or situation.family == "gpt-oss")
    return unasked and not situation.plain


# Writing


def whole(answer: Answer, ask: Ask, situation: Situation) -> dict[str, Any]:
    """Write a ``chat.completion``."""
    message = _message(answer, situation)
    choices = [
        {"index": number, "message": message, "logprobs": _logprobs(answer, ask), "finish_reason": _FINISH[answer.end]}
        for number in range(ask.n)
    ]
    return {**_head(answer, "chat.completion"), "choices": choices, "usage": _usage(answer.counts, situation)}


def _head(answer: Answer, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{answer.id}", "object": kind, "created": _CREATED, "model": answer.model}


def _message(answer: Answer, situation: Situation) -> dict[str, Any]:
    reasoning = _shown_reasoning(answer, situation)
    texts = [item for item in answer.items if isinstance(item, Saying) and item.kind == "text"]
    calls = [item for item in answer.items if isinstance(item, Call)]
    message: dict[str, Any] = {"role": "assistant", "content": _content(texts, reasoning, situation), "refusal": None}
    refusals = [item.text for item in answer.items if isinstance(item, Saying) and item.kind == "refusal"]
    if refusals:
        message["refusal"] = "".join(refusals)
    if reasoning and not _lists_reasoning(situation):
        message[_REASONING_KEY[situation.family]] = "".join(item.text for item in reasoning)
    if calls:
        message["tool_calls"] = [_written_call(call, situation) for call in calls]
    return message


def _content(texts: list[Saying], reasoning: list[Saying], situation: Situation) -> Any:
    if _writes_lists(bool(reasoning), situation) or any(_shows_citations(text, situation) for text in texts):
        listed = [_reasoning_part(item.text, _shown_signature(item, situation)) for item in reasoning]
        listed += [_text_part(item.text, item, situation) for item in texts]
        return listed or None
    if texts:
        return "".join(item.text for item in texts)
    return "" if situation.shows("claude-blank-content") else None


def _shown_reasoning(answer: Answer, situation: Situation) -> list[Saying]:
    if situation.plain or (situation.family not in _REASONING_IN_LISTS and situation.family not in _REASONING_KEY):
        return []
    return [item for item in answer.items if isinstance(item, Saying) and item.kind == "reasoning"]


def _shows_citations(item: Saying, situation: Situation) -> bool:
    return bool(item.citations) and situation.family == "claude" and not situation.plain


def _shown_signature(item: Saying, situation: Situation) -> str | None:
    return item.signature if situation.family == "claude" else None


def _lists_reasoning(situation: Situation) -> bool:
    return situation.family in _REASONING_IN_LISTS


def _writes_lists(has_reasoning: bool, situation: Situation) -> bool:  # noqa: FBT001
    if not situation.shows("reasoning-list-content") and not situation.shows("gemini-list-content"):
        return False
    return situation.family in _TEXT_IN_LISTS or has_reasoning


def _reasoning_part(text: str, signature: str | None) -> dict[str, Any]:
    summary: dict[str, Any] = {"type": "summary_text", "text": text}
    if signature:
        summary["signature"] = signature
    return {"type": "reasoning", "summary": [summary]}


def _text_part(text: str, item: Saying, situation: Situation) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "text", "text": text}
    if item.signature is not None and situation.shows("gemini-list-content"):
        part["thoughtSignature"] = item.signature
    if _shows_citations(item, situation):
        part["citations"] = list(item.citations)
    return part


def _written_call(call: Call, situation: Situation) -> dict[str, Any]:
    arguments = _arguments(call, situation)
    written: dict[str, Any] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }
    if call.signature is not None and situation.shows("gemini-list-content"):
        written["thoughtSignature"] = call.signature
    return written


def _arguments(call: Call, situation: Situation) -> str:
    if not call.arguments and situation.shows("no-args-empty-string"):
        return ""
    return to_json(call.arguments).decode()


def _usage(counts: Counts, situation: Situation) -> dict[str, Any]:
    if situation.shows("claude-usage-exclusive"):
        prompt = counts.input - counts.cache_read - counts.cache_write
        return {
            "prompt_tokens": prompt,
            "completion_tokens": counts.output,
            "total_tokens": prompt + counts.output,
            "cache_read_input_tokens": counts.cache_read,
            "cache_creation_input_tokens": counts.cache_write,
        }
    return {
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": counts.input + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cache_read},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


def _logprobs(answer: Answer, ask: Ask) -> dict[str, Any] | None:
    if not ask.logprobs:
        return None
    texts = [item.text for item in answer.items if isinstance(item, Saying) and item.kind == "text"]
    return {"content": [_logprob(token) for text in texts for token in pieces(text)], "refusal": None}


def _logprob(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.25, "bytes": list(token.encode()), "top_logprobs": []}


# Streaming


def stream(answer: Answer, ask: Ask, situation: Situation) -> Iterator[bytes]:
    """Write ``chat.completion.chunk`` events, then ``[DONE]`` (dialects.md section 1.4).

    Usage stands where the family puts it: on every chunk, growing (claude); on the last one unasked (llama, qwen,
    gemma, gpt-oss, gemini); else on a chunk of its own, without choices, when it was asked for.
    """
    head = _head(answer, "chat.completion.chunk")
    usage = _UsagePlace(answer.counts, ask, situation)
    opening = {"role": "assistant", "content": ""}
    for spoken, delta in enumerate(chain((opening,), _deltas(answer, situation))):
        for number in range(ask.n):
            choice = {"index": number, "delta": delta, "logprobs": _delta_logprobs(delta, ask), "finish_reason": None}
            yield sse({**head, "choices": [choice], **usage.on_delta(spoken)})
    for number in range(ask.n):
        finish: dict[str, Any] = {"index": number, "delta": {}, "logprobs": None, "finish_reason": _FINISH[answer.end]}
        yield sse({**head, "choices": [finish], **usage.on_finish()})
    if ask.include_usage:
        yield sse({**head, "choices": [], "usage": _usage(answer.counts, situation)})
    yield sse("[DONE]")


class _UsagePlace:
    """Says which chunks carry usage."""

    def __init__(self, counts: Counts, ask: Ask, situation: Situation) -> None:
        self._counts = counts
        self._situation = situation
        self._nothing: dict[str, Any] = {"usage": None} if ask.include_usage else {}

    def on_delta(self, spoken: int) -> dict[str, Any]:
        if not self._situation.shows("usage-last-wins"):
            return self._nothing
        counts = self._counts
        so_far = Counts(counts.input, min(spoken, counts.output), counts.cache_read, counts.cache_write)
        return {"usage": _usage(so_far, self._situation)}

    def on_finish(self) -> dict[str, Any]:
        unasked = not self._situation.plain and self._situation.family in _USAGE_UNASKED
        if unasked or self._situation.shows("usage-last-wins"):
            return {"usage": _usage(self._counts, self._situation)}
        return self._nothing


def _deltas(answer: Answer, situation: Situation) -> Iterator[dict[str, Any]]:
    reasoning = _shown_reasoning(answer, situation)
    as_list = _writes_lists(bool(reasoning), situation)
    for thought in reasoning:
        yield from _reasoning_deltas(thought, situation)
    index = 0
    for item in answer.items:
        match item:
            case Saying(kind="text"):
                yield from _text_deltas(item, situation, as_list=as_list)
            case Saying(kind="refusal", text=text):
                yield from ({"refusal": piece} for piece in pieces(text))
            case Call():
                yield from _call_deltas(item, index, situation)
                index += 1
            case _:
                pass


def _reasoning_deltas(item: Saying, situation: Situation) -> Iterator[dict[str, Any]]:
    if not _lists_reasoning(situation):
        yield from ({_REASONING_KEY[situation.family]: piece} for piece in pieces(item.text))
        return
    yield from ({"content": [_reasoning_part(piece, None)]} for piece in pieces(item.text))
    if signature := _shown_signature(item, situation):
        yield {"content": [_reasoning_part("", signature)]}


def _text_deltas(item: Saying, situation: Situation, *, as_list: bool) -> Iterator[dict[str, Any]]:
    for piece in pieces(item.text):
        yield {"content": [{"type": "text", "text": piece}] if as_list else piece}
    signed = item.signature is not None and situation.shows("gemini-list-content")
    if signed or _shows_citations(item, situation):
        yield {"content": [_text_part("", item, situation)]}


def _call_deltas(call: Call, index: int, situation: Situation) -> Iterator[dict[str, Any]]:
    written = _written_call(call, situation)
    arguments: str = written["function"]["arguments"]
    if not situation.plain and situation.family in _CALLS_IN_ONE_PIECE:
        yield {"tool_calls": [{"index": index, **written}]}
        return
    opening = {**written, "function": {"name": call.name, "arguments": ""}}
    yield {"tool_calls": [{"index": index, **opening}]}
    fragments = pieces(arguments, run=5)
    if situation.shows("claude-empty-args-delta"):
        fragments = ["{}", *(fragments if call.arguments else ())]
    for fragment in fragments:
        yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}


def _delta_logprobs(delta: dict[str, Any], ask: Ask) -> dict[str, Any] | None:
    content = delta.get("content")
    if not ask.logprobs or not isinstance(content, str) or not content:
        return None
    return {"content": [_logprob(content)], "refusal": None}


def is_terminal(event: bytes) -> bool:
    """Return whether an event carries a finish reason, the usage after it, or ``[DONE]``."""
    data = event.partition(b"data: ")[2].strip()
    if data == b"[DONE]":
        return True
    choices: list[dict[str, Any]] = from_json(data).get("choices") or []
    return not choices or any(choice.get("finish_reason") for choice in choices)


# Errors


def error(status: int, code: str, message: str) -> dict[str, Any]:
    """Write an error as OpenAI does (dialects.md section 1.5)."""
    kind = _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code.lower()}}


def error_event(status: int, code: str, message: str) -> bytes:
    """Write an error inside a stream: a ``data`` line with an ``error`` object."""
    return sse(error(status, code, message))
