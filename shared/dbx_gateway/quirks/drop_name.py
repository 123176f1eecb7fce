"""Messages carry no ``name``."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.quirks.body import each_message
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    def nameless(message: JsonObject) -> JsonObject:
        if message.get("name") and message.get("role") != "tool":
            warn_changed(
                QUIRK.name, "name", context, "of a message was left out: the workspace refuses it. Put it in the text"
            )
        return without(message, ("name",))

    return each_message(body, nameless)


QUIRK = Quirk(
    name="drop-name",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason="`name` on messages is not supported",
    source="docs/wire/quirks.md#drop-name: databricks-langchain, litellm",
    evidence="O",
    delete_when="the REST reference lists `name` on messages",
    request=_request,
)
