"""Messages in a row of the user, or of the assistant, are merged into one."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]

_PLAIN: Final = frozenset({"role", "content", "tool_calls"})
"""The fields of a message that can be merged."""


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    merged: list[JsonValue] = []
    for message in messages:
        last = merged[-1] if merged else None
        if isinstance(last, dict) and isinstance(message, dict) and _go_together(last, message):
            merged[-1] = {**last, **message, "content": _joined(last.get("content"), message.get("content"))}
        else:
            merged.append(message)
    return {**body, "messages": merged} if len(merged) < len(messages) else body


def _go_together(one: JsonObject, other: JsonObject) -> bool:
    if one.get("role") != other.get("role") or one.get("role") not in ("user", "assistant"):
        return False
    return not one.get("tool_calls") and one.keys() <= _PLAIN and other.keys() <= _PLAIN


def _joined(one: JsonValue, other: JsonValue) -> JsonValue:
    if not one or not other:
        return one or other
    if isinstance(one, str) and isinstance(other, str):
        return f"{one}\n\n{other}"
    return [*_parts(one), *_parts(other)]


def _parts(content: JsonValue) -> list[JsonValue]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


QUIRK = Quirk(
    name="merge-turns",
    kind="out",
    families=frozenset({"llama"}),
    apis=frozenset({"chat-completions"}),
    reason="400 for two messages of the user, or of the assistant, in a row: `Chat message input roles must alternate`",
    source="docs/wire/quirks.md#merge-turns: crewAI#1454, aider#1920, litellm#6257",
    evidence="T",
    delete_when="llama accepts two user messages in a row",
    request=_request,
)
