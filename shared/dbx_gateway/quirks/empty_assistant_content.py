"""The content of an assistant message that only calls tools is ``null``, never an empty text."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.quirks.body import each_message, is_blank
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _nulled(message: JsonObject) -> JsonObject:
    if message.get("role") != "assistant" or not message.get("tool_calls"):
        return message
    content = message.get("content")
    return {**message, "content": None} if content is not None and is_blank(content) else message


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    return each_message(body, _nulled)


QUIRK = Quirk(
    name="empty-assistant-content",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason='400 "messages: text content blocks must be non-empty" for an assistant turn with tool calls and content ""',
    source="docs/wire/quirks.md#empty-assistant-content: databricks-ai-bridge PR #333, databricks-langchain, litellm",
    evidence="O",
    delete_when='three Claude models accept tool calls beside content ""',
    request=_request,
)
