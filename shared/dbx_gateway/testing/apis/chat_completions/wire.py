"""Chat-completions as the simulated workspace writes it (docs/wire/chat-completions.md)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from pydantic_core import from_json, to_json

from dbx_gateway.testing.apis.chat_completions.reader import read
from dbx_gateway.testing.apis.chat_completions.workspace_rules import RULES
from dbx_gateway.testing.apis.wire import sse
from dbx_gateway.testing.model.conversation import Answer, CalledTool, Counts, ParsedRequest, TextItem, pieces
from dbx_gateway.testing.model.situation import Situation

__all__ = ["RULES", "error", "error_event", "failed", "is_terminal", "read", "stream", "whole"]

_CREATED = 1_767_225_600
"""Every answer has the same creation time, so that answers are the same in every run."""

_FINISH = {"stop": "stop", "calls": "tool_calls", "length": "length", "filter": "content_filter"}
_ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


# Writing


def whole(answer: Answer, request: ParsedRequest, situation: Situation) -> dict[str, Any]:
    """Write a ``chat.completion``."""
    message = _message(answer, situation)
    choices = [
        {
            "index": number,
            "message": message,
            "logprobs": _logprobs(answer, request),
            "finish_reason": _FINISH[answer.end],
        }
        for number in range(request.n)
    ]
    return {**_head(answer, "chat.completion"), "choices": choices, "usage": _usage(answer.counts, situation)}


def _head(answer: Answer, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{answer.shown_id}", "object": kind, "created": _CREATED, "model": answer.model}


def _message(answer: Answer, situation: Situation) -> dict[str, Any]:
    reasoning = _shown_reasoning(answer, situation)
    texts = [item for item in answer.items if isinstance(item, TextItem) and item.kind == "text"]
    calls = [item for item in answer.items if isinstance(item, CalledTool)]
    message: dict[str, Any] = {"role": "assistant", "content": _content(texts, reasoning, situation), "refusal": None}
    refusals = [item.text for item in answer.items if isinstance(item, TextItem) and item.kind == "refusal"]
    if refusals:
        message["refusal"] = "".join(refusals)
    where = situation.behaviour.reasoning_in
    if reasoning and where is not None and where != "content":
        message[where] = "".join(item.text for item in reasoning)
    if calls:
        message["tool_calls"] = [_written_call(call, situation) for call in calls]
    return message


def _content(texts: list[TextItem], reasoning: list[TextItem], situation: Situation) -> Any:
    if _writes_lists(bool(reasoning), situation) or any(_shows_citations(text, situation) for text in texts):
        listed = [_reasoning_part(item.text, _shown_signature(item, situation)) for item in reasoning]
        listed += [_text_part(item.text, item, situation) for item in texts]
        return listed or None
    if texts:
        return "".join(item.text for item in texts)
    return "" if situation.shows("claude-blank-content") else None


def _shown_reasoning(answer: Answer, situation: Situation) -> list[TextItem]:
    if situation.plain or situation.behaviour.reasoning_in is None:
        return []
    return [item for item in answer.items if isinstance(item, TextItem) and item.kind == "reasoning"]


def _shows_citations(item: TextItem, situation: Situation) -> bool:
    return bool(item.citations) and situation.behaviour.shows_citations and not situation.plain


def _shown_signature(item: TextItem, situation: Situation) -> str | None:
    return item.signature if situation.behaviour.shows_signatures else None


def _writes_lists(has_reasoning: bool, situation: Situation) -> bool:  # noqa: FBT001
    if not situation.shows("reasoning-list-content") and not situation.shows("gemini-list-content"):
        return False
    return situation.behaviour.text_in_lists or has_reasoning


def _reasoning_part(text: str, signature: str | None) -> dict[str, Any]:
    summary: dict[str, Any] = {"type": "summary_text", "text": text}
    if signature:
        summary["signature"] = signature
    return {"type": "reasoning", "summary": [summary]}


def _text_part(text: str, item: TextItem, situation: Situation) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "text", "text": text}
    if item.signature is not None and situation.shows("gemini-list-content"):
        part["thoughtSignature"] = item.signature
    if _shows_citations(item, situation):
        part["citations"] = list(item.citations)
    return part


def _written_call(call: CalledTool, situation: Situation) -> dict[str, Any]:
    arguments = _arguments(call, situation)
    written: dict[str, Any] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }
    if call.signature is not None and situation.shows("gemini-list-content"):
        written["thoughtSignature"] = call.signature
    return written


def _arguments(call: CalledTool, situation: Situation) -> str:
    if not call.arguments and situation.shows("no-args-empty-string"):
        return situation.behaviour.no_arguments
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


def _logprobs(answer: Answer, request: ParsedRequest) -> dict[str, Any] | None:
    if not request.logprobs:
        return None
    texts = [item.text for item in answer.items if isinstance(item, TextItem) and item.kind == "text"]
    return {"content": [_logprob(token) for text in texts for token in pieces(text)], "refusal": None}


def _logprob(token: str) -> dict[str, Any]:
    return {"token": token, "logprob": -0.25, "bytes": list(token.encode()), "top_logprobs": []}


# Streaming


def stream(answer: Answer, request: ParsedRequest, situation: Situation) -> Iterator[bytes]:
    """Write ``chat.completion.chunk`` events, then ``[DONE]`` (docs/wire/chat-completions.md#stream).

    Usage is where the family puts it: on every chunk, growing (claude); always on the last one (llama, qwen, gemma,
    gpt-oss, gemini); else on a chunk of its own, without choices, when it was requested.
    """
    head = _head(answer, "chat.completion.chunk")
    usage = _UsagePlace(answer.counts, request, situation)
    opening = {"role": "assistant", "content": ""}
    for sent, delta in enumerate(chain((opening,), _deltas(answer, situation))):
        for number in range(request.n):
            choice = {
                "index": number,
                "delta": delta,
                "logprobs": _delta_logprobs(delta, request),
                "finish_reason": None,
            }
            yield sse({**head, "choices": [choice], **usage.on_delta(sent)})
    for number in range(request.n):
        reason = None if _tells_no_finish(answer, situation) else _FINISH[answer.end]
        finish: dict[str, Any] = {"index": number, "delta": {}, "logprobs": None, "finish_reason": reason}
        yield sse({**head, "choices": [finish], **usage.on_finish()})
    if request.include_usage:
        yield sse({**head, "choices": [], "usage": _usage(answer.counts, situation)})
    yield sse("[DONE]")


def _tells_no_finish(answer: Answer, situation: Situation) -> bool:
    """Return whether ``[DONE]`` alone ends a stream; one that was cut says so everywhere, as no source shows it otherwise."""
    behaviour = situation.behaviour
    return (
        situation.shows("done-without-finish")
        and situation.surface in behaviour.tells_no_finish
        and answer.end in ("stop", "calls")
    )


class _UsagePlace:
    """Decides which chunks carry usage."""

    def __init__(self, counts: Counts, request: ParsedRequest, situation: Situation) -> None:
        self._counts = counts
        self._situation = situation
        self._nothing: dict[str, Any] = {"usage": None} if request.include_usage else {}

    def on_delta(self, sent: int) -> dict[str, Any]:
        if not self._situation.shows("usage-last-wins"):
            return self._nothing
        counts = self._counts
        so_far = Counts(counts.input, min(sent, counts.output), counts.cache_read, counts.cache_write)
        return {"usage": _usage(so_far, self._situation)}

    def on_finish(self) -> dict[str, Any]:
        by_default = not self._situation.plain and self._situation.behaviour.usage_by_default
        if by_default or self._situation.shows("usage-last-wins"):
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
            case TextItem(kind="text"):
                yield from _text_deltas(item, situation, as_list=as_list)
            case TextItem(kind="refusal", text=text):
                yield from ({"refusal": piece} for piece in pieces(text))
            case CalledTool():
                yield from _call_deltas(item, index, situation)
                index += 1
            case _:
                pass


def _reasoning_deltas(item: TextItem, situation: Situation) -> Iterator[dict[str, Any]]:
    where: str | None = situation.behaviour.reasoning_in
    if where is not None and where != "content":
        yield from ({where: piece} for piece in pieces(item.text))
        return
    yield from ({"content": [_reasoning_part(piece, None)]} for piece in pieces(item.text))
    if signature := _shown_signature(item, situation):
        yield {"content": [_reasoning_part("", signature)]}


def _text_deltas(item: TextItem, situation: Situation, *, as_list: bool) -> Iterator[dict[str, Any]]:
    for piece in pieces(item.text):
        yield {"content": [{"type": "text", "text": piece}] if as_list else piece}
    signed = item.signature is not None and situation.shows("gemini-list-content")
    if signed or _shows_citations(item, situation):
        yield {"content": [_text_part("", item, situation)]}


def _call_deltas(call: CalledTool, index: int, situation: Situation) -> Iterator[dict[str, Any]]:
    written = _written_call(call, situation)
    arguments: str = written["function"]["arguments"]
    if not situation.plain and situation.behaviour.calls_in_one_piece:
        yield {"tool_calls": [{"index": index, **written}]}
        return
    opening = {**written, "function": {"name": call.name, "arguments": ""}}
    yield {"tool_calls": [{"index": index, **opening}]}
    fragments = pieces(arguments, run=5)
    if situation.shows("claude-empty-args-delta"):
        fragments = ["{}", *(fragments if call.arguments else ())]
    for fragment in fragments:
        yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}


def _delta_logprobs(delta: dict[str, Any], request: ParsedRequest) -> dict[str, Any] | None:
    content = delta.get("content")
    if not request.logprobs or not isinstance(content, str) or not content:
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
    """Write an error as OpenAI does (docs/wire/chat-completions.md#errors)."""
    kind = _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code.lower()}}


def failed(status: int, code: str, message: str) -> dict[str, Any]:
    """Write the error that stands in place of an answer under status 200."""
    return {"error": {**error(status, code, message)["error"], "code": code}}


def error_event(status: int, code: str, message: str, *, started: bool) -> bytes:
    """Write an error inside a stream: a ``data`` line with an ``error`` object, wherever it stands."""
    del started
    return sse(failed(status, code, message))
