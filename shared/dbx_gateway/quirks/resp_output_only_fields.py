"""Output-only fields are removed from items that are sent back."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.quirks.body import each
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _without_nulls(holder: JsonObject) -> JsonObject:
    return without(holder, [key for key, value in holder.items() if value is None])


def _item(item: JsonObject) -> JsonObject:
    return each(_without_nulls(without(item, ("status",))), "content", _without_nulls)


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    return each(body, "input", _item)


QUIRK = Quirk(
    name="resp-output-only-fields",
    kind="out",
    families=frozenset({"gpt", "agent"}),
    apis=frozenset({"responses"}),
    reason="400 `Unknown parameter: 'input[1].status'.`: status and null fields of input items are refused",
    source="docs/wire/quirks.md#resp-output-only-fields: databricks-langchain",
    evidence="O",
    delete_when="an answer's items are accepted as input unchanged",
    request=_request,
)
