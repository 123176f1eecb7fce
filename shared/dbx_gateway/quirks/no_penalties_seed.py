"""Penalties and seed are not sent on chat-completions."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]

_FIELDS = ("presence_penalty", "frequency_penalty", "seed")


def _request(body: JsonObject, context: Context) -> JsonObject:
    for field in _FIELDS:
        if body.get(field) is not None:
            warn_changed(QUIRK.name, field, context, "was left out: the workspace does not support it")
    return without(body, _FIELDS)


QUIRK = Quirk(
    name="no-penalties-seed",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason="presence_penalty, frequency_penalty and seed are not supported by the Foundation Model APIs",
    source="docs/wire/quirks.md#no-penalties-seed: Databricks' ai-sdk-provider",
    evidence="O",
    delete_when="the REST reference lists them",
    request=_request,
)
