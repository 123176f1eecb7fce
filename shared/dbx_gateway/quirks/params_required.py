"""A function without arguments still declares its parameters."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.quirks.body import each_function
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _declared(function: JsonObject) -> JsonObject:
    if function.get("parameters"):
        return function
    return {**function, "parameters": {"type": "object", "properties": {}}}


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    return each_function(body, _declared)


QUIRK = Quirk(
    name="params-required",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason='400 `Bad request: "parameters" is a required property for "function" object in parameter "tools"`',
    source="docs/wire/quirks.md#params-required: posit-dev/querychat #273",
    evidence="T",
    delete_when="llama accepts a function without parameters",
    request=_request,
)
