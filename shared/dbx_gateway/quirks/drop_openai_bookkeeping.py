"""OpenAI's bookkeeping fields are not sent on chat-completions."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]

_FIELDS = ("store", "metadata", "prompt_cache_key", "safety_identifier", "user")


def _request(body: JsonObject, context: Context) -> JsonObject:
    for field in _FIELDS:
        if body.get(field) is not None:
            warn_changed(QUIRK.name, field, context, "was left out: the workspace refuses it on this api")
    return without(body, _FIELDS)


QUIRK = Quirk(
    name="drop-openai-bookkeeping",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason="400 for the unknown fields store, metadata, prompt_cache_key, safety_identifier and user",
    source="docs/wire/quirks.md#drop-openai-bookkeeping: ucode databricks.py, dbx-tools",
    evidence="O",
    delete_when="the REST reference lists them",
    request=_request,
)
