"""Ids longer than the server accepts are shortened, in the same way on a call and on its result."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.parts import wire_id
from dbx_gateway.quirks.body import each
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]

_LONGEST = 64


def _short(holder: JsonObject, *keys: str) -> JsonObject:
    for key in keys:
        value = holder.get(key)
        if isinstance(value, str) and len(value) > _LONGEST:
            holder = {**holder, key: wire_id(value, _LONGEST)}
    return holder


def _item(item: JsonObject) -> JsonObject:
    # A reference has to name what the server stored, letter for letter.
    return item if item.get("type") == "item_reference" else _short(item, "id", "call_id")


def _message(message: JsonObject) -> JsonObject:
    return each(_short(message, "tool_call_id"), "tool_calls", lambda call: _short(call, "id"))


def _request(body: JsonObject, context: Context) -> JsonObject:
    if context.api == "responses":
        return each(body, "input", _item)
    return each(body, "messages", _message)


QUIRK = Quirk(
    name="resp-id-64",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"responses", "chat-completions"}),
    reason="the server answers with ids of up to 192 characters and refuses more than 64 on the next turn",
    source="docs/wire/quirks.md#resp-id-64: databricks-openai (_truncate_*), databricks-langchain",
    evidence="O",
    delete_when="no id longer than 64 characters was seen for a month",
    request=_request,
)
