"""Agent endpoints as the simulated workspace reads and writes them: ChatAgent bodies and Responses bodies.

An agent takes ``custom_inputs`` and returns them as ``custom_outputs`` (docs/wire/responses.md#agents-on-responses;
docs/wire/chat-completions.md#chat-agents).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from dbx_gateway.testing.apis.responses import wire as wire_responses
from dbx_gateway.testing.apis.wire import Refused, sse
from dbx_gateway.testing.json_values import entries, inside
from dbx_gateway.testing.model.conversation import Answer, ParsedRequest, TextItem, Turn, pieces
from dbx_gateway.testing.model.situation import Situation

__all__ = [
    "chat_stream",
    "chat_whole",
    "is_terminal",
    "read_chat",
    "read_responses",
    "responses_stream",
    "responses_whole",
]

_OWN = ("custom_inputs", "databricks_options", "context")


# agent/v2/chat


def read_chat(body: dict[str, Any], situation: Situation) -> ParsedRequest:
    """Parse the body of a ChatAgent.

    Raises:
        Refused: ``messages`` is not a list of messages.
    """
    messages = entries(body, "messages")
    if not messages:
        raise Refused(400, "Model is missing inputs ['messages'].")
    turns = tuple(_turn(message) for message in messages)
    return ParsedRequest(model=situation.model, turns=turns, stream=body.get("stream") is True)


def _turn(message: Any) -> Turn:
    match message:
        case {"role": "tool", "tool_call_id": str(message_id), "content": str(content)}:
            return Turn("tool", results=((message_id, content),))
        case {"role": "system" | "user" | "assistant" as role, "content": str(content)}:
            return Turn(role, text=content)
        case {"role": "assistant", "content": None, "tool_calls": [_, *_]}:
            return Turn("assistant")
        case _:
            raise Refused(400, "Invalid 'messages': a message of a ChatAgent has a role and a text as its content.")


def chat_whole(answer: Answer, body: dict[str, Any]) -> dict[str, Any]:
    """Write an answer as a ChatAgent does: messages, no choices."""
    message = {"role": "assistant", "content": _text(answer), "id": f"msg-{answer.shown_id}"}
    return {"messages": [message], "finish_reason": _finish(answer), "usage": _usage(answer), **_outputs(body)}


def chat_stream(answer: Answer, body: dict[str, Any]) -> Iterator[bytes]:
    """Write an answer as a ChatAgent streams: chunks with a delta at their top level."""
    message_id = f"msg-{answer.shown_id}"
    for piece in pieces(_text(answer)):
        yield sse({"delta": {"role": "assistant", "content": piece, "id": message_id}})
    last = {"role": "assistant", "content": "", "id": message_id}
    yield sse({"delta": last, "finish_reason": _finish(answer), "usage": _usage(answer), **_outputs(body)})
    yield sse("[DONE]")


def _finish(answer: Answer) -> str:
    return "length" if answer.end == "length" else "stop"


def _usage(answer: Answer) -> dict[str, int]:
    counts = answer.counts
    return {
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": counts.input + counts.output,
    }


def _text(answer: Answer) -> str:
    return "".join(item.text for item in answer.items if isinstance(item, TextItem) and item.kind != "reasoning")


def _outputs(body: dict[str, Any]) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    if "custom_inputs" in body:
        outputs["custom_outputs"] = body["custom_inputs"]
    if inside(body, "databricks_options").get("return_trace"):
        outputs["databricks_output"] = {"trace": {"info": {"state": "OK"}}}
    return outputs


# agent/v1/responses


def read_responses(body: dict[str, Any], situation: Situation, model_from_path: str | None) -> ParsedRequest:
    """Parse the body of a Responses agent: a Responses body with the fields that only agents take."""
    plain = {name: value for name, value in body.items() if name not in _OWN}
    return wire_responses.read(plain, situation, model_from_path)


def responses_whole(
    answer: Answer, request: ParsedRequest, situation: Situation, body: dict[str, Any]
) -> dict[str, Any]:
    """Write an answer as a Responses agent does."""
    return {**wire_responses.whole(answer, request, situation), **_outputs(body)}


def responses_stream(
    answer: Answer, request: ParsedRequest, situation: Situation, body: dict[str, Any]
) -> Iterator[bytes]:
    """Write an answer as a Responses agent streams: text deltas, done items, an event without a type, ``[DONE]``."""
    items: list[dict[str, Any]] = wire_responses.whole(answer, request, situation)["output"]
    for number, item in enumerate(items):
        for piece in pieces(_item_text(item)):
            yield sse({"type": "response.output_text.delta", "item_id": item["id"], "delta": piece})
        last = number == len(items) - 1
        done: dict[str, Any] = {"type": "response.output_item.done", "item": item}
        yield sse({**done, **(_outputs(body) if last else {})})
    yield sse({"trace_id": f"tr-{answer.id}"})
    yield sse("[DONE]")


def is_terminal(event: bytes) -> bool:
    """Return whether an event of an agent's stream, of either kind, is part of its end."""
    data = event.partition(b"data: ")[2].strip()
    if data == b"[DONE]":
        return True
    chunk = from_json(data)
    return "finish_reason" in chunk or "trace_id" in chunk or chunk.get("type") == "response.output_item.done"


def _item_text(item: dict[str, Any]) -> str:
    if item["type"] != "message":
        return ""
    return "".join(part["text"] for part in item["content"] if part["type"] == "output_text")
