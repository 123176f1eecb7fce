"""The Responses api as the simulated workspace reads and writes it (docs/wire/responses.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from pydantic_core import to_json

from dbx_gateway.models.profiles import version_of
from dbx_gateway.testing.apis.responses.events import item_events, spread
from dbx_gateway.testing.apis.responses.shapes import check_shape, error
from dbx_gateway.testing.apis.responses.vendor_rules import check_items, check_model, items_of
from dbx_gateway.testing.apis.responses.workspace_rules import RULES
from dbx_gateway.testing.apis.wire import sse
from dbx_gateway.testing.json_values import entries, inside, is_object
from dbx_gateway.testing.model.conversation import (
    Answer,
    CalledTool,
    Counts,
    OfferedTool,
    ParsedRequest,
    TextItem,
    Turn,
    pieces,
)
from dbx_gateway.testing.model.situation import Situation

__all__ = ["RULES", "ResponsesRequest", "error", "error_event", "failed", "is_terminal", "read", "stream", "whole"]

_CREATED = 1_767_225_600
"""Every answer is dated 2026-01-01, so that the same conversation has the same answers in every run."""
_LONG_ID = 192
_PHASED = (5, 3)
"""The first version whose messages have a phase (docs/wire/responses.md#answer)."""
_TERMINAL = (b"event: response.completed\n", b"event: response.incomplete\n", b"event: response.failed\n")
_INCOMPLETE = {"length": "max_output_tokens", "filter": "content_filter"}
_MEDIA = {"input_image": "image", "input_file": "pdf"}
_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_ECHOED = (
    "background",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)
"""Settings of the request that its response repeats."""
_DEFAULTS: dict[str, Any] = {
    "background": False,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}


@dataclass(frozen=True)
class ResponsesRequest(ParsedRequest):
    """A Responses request, understood, with what only an answer of this api depends on.

    Args:
        echo: settings that the response repeats.
        summarised: the request asks for a summary of the reasoning; without one only its encrypted form comes back.
    """

    echo: dict[str, Any] = field(default_factory=dict[str, Any])
    summarised: bool = False


def read(body: dict[str, Any], situation: Situation, model_from_path: str | None) -> ResponsesRequest:
    """Understand a Responses request.

    Args:
        body: the decoded body; never changed.
        situation: where it arrived.
        model_from_path: a model that the path names stands in for the body's.

    Raises:
        Refused: as the vendor refuses it.
    """
    if model_from_path is not None:
        body = {"model": model_from_path, **body}
    check_shape(body)
    check_items(body, situation)
    check_model(body, situation)
    form = inside(body, "text", "format")
    choice, forced, allowed = _choice(body.get("tool_choice"))
    tools = [tool for tool in entries(body, "tools") if tool["type"] == "function"]
    return ResponsesRequest(
        model=body["model"],
        turns=tuple(_turns(body)),
        tools=tuple(
            OfferedTool(tool["name"], tool.get("parameters") or {}, tool.get("description") or "")
            for tool in tools
            if allowed is None or tool["name"] in allowed
        ),
        choice=choice,
        forced=forced,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=form.get("schema"),
        json_mode=form.get("type") == "json_object",
        reasoning=_reasons(body, situation),
        max_tokens=body.get("max_output_tokens"),
        stream=body.get("stream") is True,
        include_usage=True,
        logprobs="message.output_text.logprobs" in entries(body, "include"),
        echo={key: body[key] for key in _ECHOED if body.get(key) is not None},
        summarised=any(inside(body, "reasoning").get(key) for key in ("summary", "generate_summary")),
    )


def _choice(choice: Any) -> tuple[Literal["auto", "none", "required"], str | None, set[str] | None]:
    """Return the kind of choice, the one forced tool, and the names that alone are allowed."""
    if is_object(choice):
        if choice["type"] == "function":
            return "required", choice["name"], None
        if choice["type"] == "allowed_tools":
            return choice["mode"], None, {tool.get("name", "") for tool in choice["tools"]}
        return "auto", None, None
    return choice or "auto", None, None


def _reasons(body: dict[str, Any], situation: Situation) -> bool:
    """Return whether the model reasons: when the request says so, and always where it cannot be switched off."""
    if not situation.profile.reasoning:
        return False
    effort = inside(body, "reasoning").get("effort")
    if effort is not None:
        return bool(effort != "none")
    return bool(inside(body, "reasoning")) or "none" not in situation.profile.efforts


def _turns(body: dict[str, Any]) -> Iterator[Turn]:
    if body.get("instructions"):
        yield Turn("system", body["instructions"])
    proofs: list[str] = []
    for item in items_of(body):
        match item.get("type", "message"):
            case "reasoning":
                proofs.append(item["encrypted_content"])
            case "function_call":
                yield Turn("assistant", calls=((item["call_id"], item["name"]),), signatures=tuple(proofs))
                proofs = []
            case "function_call_output":
                text, media = _content(item["output"])
                yield Turn("tool", media=media, results=((item["call_id"], text),))
            case _:
                text, media = _content(item["content"])
                yield Turn(_ROLES[item["role"]], text, media, signatures=tuple(proofs))
                proofs = []


def _content(content: str | list[dict[str, Any]]) -> tuple[str, tuple[str, ...]]:
    if isinstance(content, str):
        return content, ()
    texts = [part.get("text") or part.get("refusal") for part in content]
    media = tuple(_MEDIA[part["type"]] for part in content if part["type"] in _MEDIA)
    return "\n".join(text for text in texts if text), media


def whole(answer: Answer, request: ParsedRequest, situation: Situation) -> dict[str, Any]:
    """Write an answer as one response object."""
    reason = _INCOMPLETE.get(answer.end)
    return {
        **_envelope(answer, request, situation),
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [
            written
            for at, item in enumerate(answer.items)
            for written in (*_thought(answer, item, at, situation), _item(answer, item, at, request, situation))
        ],
        "usage": _usage(answer.counts),
    }


def _envelope(answer: Answer, request: ParsedRequest, situation: Situation) -> dict[str, Any]:
    echo = request.echo if isinstance(request, ResponsesRequest) else {}
    return {
        "id": _id("resp_", answer.shown_id, "", situation),
        "object": "response",
        "created_at": _CREATED,
        "model": answer.model,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
        **_DEFAULTS,
        **echo,
    }


def _id(prefix: str, start: str, rest: str, situation: Situation) -> str:
    """Return an id: short, or of about 192 characters that differ only near their end."""
    if not situation.enforces("resp-id-64"):
        return f"{prefix}{start}{rest}"
    shared = hashlib.sha512(start.encode()).hexdigest()
    own = hashlib.sha256(f"{prefix}{start}{rest}".encode()).hexdigest()
    return (prefix + shared + own)[:_LONG_ID]


def _thought(answer: Answer, item: TextItem | CalledTool, at: int, situation: Situation) -> list[dict[str, Any]]:
    """Return the reasoning that led to a call behind another one: nobody can read it, and it is for that call alone."""
    if not isinstance(item, CalledTool) or item.signature is None:
        return []
    name = _id("rs_", answer.id, f"{at:04x}", situation)
    return [{"type": "reasoning", "id": name, "summary": [], "encrypted_content": item.signature}]


def _item(
    answer: Answer, item: TextItem | CalledTool, at: int, request: ParsedRequest, situation: Situation
) -> dict[str, Any]:
    status = "incomplete" if answer.end in _INCOMPLETE and item is answer.items[-1] else "completed"
    match item:
        case CalledTool():
            return {
                "type": "function_call",
                "id": _id("fc_", answer.id, f"{at:04x}", situation),
                "call_id": _id("call_", answer.id, item.id.removeprefix("call_")[-4:], situation),
                "name": item.name,
                "arguments": to_json(item.arguments).decode(),
                "status": status,
            }
        case TextItem("reasoning"):
            summarised = not isinstance(request, ResponsesRequest) or request.summarised
            return {
                "type": "reasoning",
                "id": _id("rs_", answer.id, f"{at:04x}", situation),
                "summary": [{"type": "summary_text", "text": item.text}] if summarised else [],
                "encrypted_content": item.signature,
            }
        case _:
            phase = {"phase": "final_answer"} if version_of(situation.model) >= _PHASED else {}
            return {
                "type": "message",
                "id": _id("msg_", answer.id, f"{at:04x}", situation),
                "role": "assistant",
                "status": status,
                "content": [_part(item, request)],
                **phase,
            }


def _part(saying: TextItem, request: ParsedRequest) -> dict[str, Any]:
    if saying.kind == "refusal":
        return {"type": "refusal", "refusal": saying.text}
    return {
        "type": "output_text",
        "text": saying.text,
        "annotations": [_annotation(citation, saying.text) for citation in saying.citations],
        "logprobs": [_logprob(piece) for piece in pieces(saying.text)] if request.logprobs else [],
    }


def _annotation(citation: dict[str, Any], text: str) -> dict[str, Any]:
    return {
        "type": "url_citation",
        "start_index": 0,
        "end_index": len(text),
        "title": citation["title"],
        "url": citation["url"],
    }


def _logprob(piece: str) -> dict[str, Any]:
    return {"token": piece, "bytes": list(piece.encode()), "logprob": -0.25, "top_logprobs": []}


def _usage(counts: Counts) -> dict[str, Any]:
    """Return the counts in this vendor's arithmetic: the details are inside the totals.

    Source: docs/wire/responses.md#usage.
    """
    return {
        "input_tokens": counts.input,
        "input_tokens_details": {"cached_tokens": counts.cache_read, "cache_write_tokens": counts.cache_write},
        "output_tokens": counts.output,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.input + counts.output,
    }


def stream(answer: Answer, request: ParsedRequest, situation: Situation) -> Iterator[bytes]:
    """Write an answer as the vendor's stream (docs/wire/responses.md#stream).

    It is made from the whole body, so that both say the same.
    """
    response = whole(answer, request, situation)
    started = _envelope(answer, request, situation)
    numbers = count()
    for event in _events(response, started, situation):
        yield sse({"type": event["type"], "sequence_number": next(numbers), **event}, event["type"])


def _events(response: dict[str, Any], started: dict[str, Any], situation: Situation) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    for index, item in enumerate(response["output"]):
        announced = item["id"]
        if situation.shows("resp-sse-id-mismatch"):
            announced = announced[:-8] + hashlib.sha256(announced.encode()).hexdigest()[:8]
        yield from spread(item_events(item, announced), index)
    yield {"type": f"response.{response['status']}", "response": response}


def failed(status: int, code: str, message: str) -> dict[str, Any]:
    """Write a failed response; only its code shows the reason."""
    del status
    return {
        "id": "resp_failed",
        "object": "response",
        "created_at": _CREATED,
        "model": "",
        "status": "failed",
        "error": {"code": code, "message": message},
        "output": [],
        **_DEFAULTS,
    }


def error_event(status: int, code: str, message: str, *, started: bool) -> bytes:
    """Write an error inside a stream (docs/wire/responses.md#errors).

    A response that has started ends as a failed one; before that, the error is an event of its own.
    """
    if started:
        response = failed(status, code, message)
        return sse({"type": "response.failed", "sequence_number": 0, "response": response}, "response.failed")
    flat = {"type": "error", "sequence_number": 0, "code": code, "message": message, "param": None}
    return sse(flat, "error")


def is_terminal(event: bytes) -> bool:
    """Return whether an event is the one that holds the finished response."""
    return event.startswith(_TERMINAL)
