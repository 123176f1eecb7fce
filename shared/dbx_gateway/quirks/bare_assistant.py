"""An assistant message with neither content nor tool calls is left out."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.quirks.body import each_message, is_blank
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _is_bare(message: JsonObject) -> bool:
    if message.get("role") != "assistant" or not is_blank(message.get("content")):
        return False
    return not any(value for key, value in message.items() if key not in ("role", "content", "name"))


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    return each_message(body, lambda message: None if _is_bare(message) else message)


QUIRK = Quirk(
    name="bare-assistant",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason="400 for an assistant message with neither content nor tool_calls",
    source="docs/wire/quirks.md#bare-assistant: litellm (_is_bare_assistant_message)",
    evidence="S",
    delete_when="an assistant message without content is accepted on both surfaces",
    request=_request,
)
