"""An empty tool result is sent as a placeholder text."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.parts import NO_OUTPUT
from dbx_gateway.quirks.body import each_message, is_blank
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _filled(message: JsonObject) -> JsonObject:
    if message.get("role") != "tool" or not is_blank(message.get("content")):
        return message
    return {**message, "content": NO_OUTPUT}


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    return each_message(body, _filled)


QUIRK = Quirk(
    name="empty-tool-result",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason="400 for a tool message whose content is empty",
    source="docs/wire/quirks.md#empty-tool-result: litellm (_sanitize_empty_content)",
    evidence="S",
    delete_when="a tool message with empty content is accepted for Claude on both surfaces",
    request=_request,
)
