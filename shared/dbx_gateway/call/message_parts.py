"""Which parts of a conversation are sent at all, whatever the api: those that a message of their role may hold."""

from __future__ import annotations

from dataclasses import replace

from dbx_gateway.chat import ChatRequest, Message, Part, Reasoning, Refusal, ToolResult
from dbx_gateway.notices import warn_once

__all__ = ["sendable"]


def sendable(request: ChatRequest) -> ChatRequest:
    """Return ``request`` without the reasoning and refusals in messages that are not an assistant's.

    Programs copy a model's answer into a system prompt, a user's turn or a tool's result (an agent as a tool). What it
    thought or declined is no one else's, and no api has a place for it there (docs/wire/comparison.md#parts-by-role). A
    message that holds nothing else is left out; the result of a tool stays.
    """
    messages = [_sendable(message) for message in request.messages]
    if all(new is old for new, old in zip(messages, request.messages, strict=True)):
        return request
    return replace(request, messages=tuple(message for message in messages if message is not None))


def _sendable(message: Message) -> Message | None:
    parts = tuple(_with_content(part) for part in message.parts)
    if message.role != "assistant":
        parts = _of_no_model(parts)
    if len(parts) == len(message.parts) and all(new is old for new, old in zip(parts, message.parts, strict=True)):
        return message
    return replace(message, parts=parts) if parts else None


def _with_content(part: Part) -> Part:
    if not isinstance(part, ToolResult):
        return part
    content = _of_no_model(part.content)
    return part if len(content) == len(part.content) else replace(part, content=content)


def _of_no_model(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return ``parts`` without those that only a model writes."""
    others = tuple(part for part in parts if not isinstance(part, Reasoning | Refusal))
    if len(others) < len(parts):
        warn_once(
            "parts by role",
            "reasoning or a refusal in a system, user or tool message is not sent: only an assistant's message holds them; "
            "put its words into a text if the model should read them",
        )
    return others
