"""Answers of each api that hold one tool call, as servers write it rightly or oddly."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

__all__ = ["APIS", "MODELS", "answering", "call_events", "call_whole", "sse"]

APIS = ("chat-completions", "responses", "messages", "generate-content")
MODELS = {
    "chat-completions": "databricks-meta-llama-3-3-70b-instruct",
    "responses": "databricks-gpt-5-4",
    "messages": "databricks-claude-sonnet-4-5",
    "generate-content": "databricks-gemini-2-5-pro",
}


def _named(name: Any) -> dict[str, Any]:
    return {} if name is None else {"name": name}


def call_whole(api: str, name: Any, arguments: Any) -> Any:
    """Return the body of a whole answer that calls the tool ``name``; without a name where that is None."""
    match api:
        case "chat-completions":
            call = {"id": "c1", "type": "function", "function": {**_named(name), "arguments": arguments}}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
            return {"id": "a1", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
        case "responses":
            item = {"type": "function_call", "id": "f1", "call_id": "c1", **_named(name), "arguments": arguments}
            return {"id": "a1", "object": "response", "model": "m", "status": "completed", "output": [item]}
        case "messages":
            block = {"type": "tool_use", "id": "c1", **_named(name), "input": arguments}
            head = {"id": "a1", "type": "message", "role": "assistant", "model": "m"}
            return {**head, "content": [block], "stop_reason": "tool_use"}
        case _:
            part = {"functionCall": {"id": "c1", **_named(name), "args": arguments}}
            return {"responseId": "a1", "candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}


def call_events(api: str, name: Any, pieces: list[str]) -> list[Any]:
    """Return the events of a stream that calls the tool ``name``; the arguments come in ``pieces``, where the api cuts them."""
    match api:
        case "chat-completions":
            opening = {"index": 0, "id": "c1", "type": "function", "function": {**_named(name), "arguments": ""}}
            rest = [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
            deltas = [{"tool_calls": [call]} for call in (opening, *rest)]
            chunks = [(delta, None) for delta in deltas] + [({}, "tool_calls")]
            choices = [{"index": 0, "delta": delta, "finish_reason": end} for delta, end in chunks]
            return [*({"id": "a1", "choices": [choice]} for choice in choices), "[DONE]"]
        case "responses":
            item = {"type": "function_call", "id": "f1", "call_id": "c1", **_named(name), "arguments": "".join(pieces)}
            grown = [
                {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": one} for one in pieces
            ]
            return [
                {"type": "response.created", "response": {"id": "a1", "model": "m"}},
                {"type": "response.output_item.added", "output_index": 0, "item": {**item, "arguments": ""}},
                *grown,
                {"type": "response.output_item.done", "output_index": 0, "item": item},
                {"type": "response.completed", "response": {"id": "a1", "status": "completed", "output": [item]}},
            ]
        case "messages":
            block = {"type": "tool_use", "id": "c1", **_named(name), "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            return [
                {"type": "message_start", "message": {"id": "a1", "type": "message", "content": [], "model": "m"}},
                {"type": "content_block_start", "index": 0, "content_block": block},
                *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
                {"type": "message_stop"},
            ]
        case _:
            return [call_whole(api, name, "".join(pieces))]


def sse(events: list[Any]) -> str:
    """Return events as they stand in a stream."""
    return "".join(f"data: {one if isinstance(one, str) else json.dumps(one)}\n\n" for one in events)


def answering(whole: Any, events: list[Any]) -> Callable[[httpx.Request], httpx.Response]:
    """Return a handler that answers a request for a stream with ``events``, any other POST with ``whole``."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return httpx.Response(404, json={})
        streams = "stream" in request.url.path or json.loads(request.content).get("stream")
        if streams:
            return httpx.Response(200, text=sse(events), headers={"content-type": "text/event-stream"})
        return httpx.Response(200, text=whole if isinstance(whole, str) else json.dumps(whole))

    return handle
