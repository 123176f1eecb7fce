"""Only GPT takes ``strict`` on a tool."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.quirks.body import each_function
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    def lenient(function: JsonObject) -> JsonObject:
        if function.get("strict"):
            warn_changed(
                QUIRK.name,
                "strict",
                context,
                "of a tool was left out: the workspace takes it for GPT only. Validate the arguments before you use them",
            )
        return without(function, ("strict",))

    return each_function(body, lenient)


QUIRK = Quirk(
    name="strip-strict",
    kind="out",
    families=CHAT_FAMILIES - {"gpt"},
    apis=frozenset({"chat-completions"}),
    reason="400 `tools.0.function.strict: Extra inputs are not permitted`",
    source="docs/wire/quirks.md#strip-strict: databricks-openai (_should_strip_strict), ucode databricks.py",
    evidence="O",
    delete_when="strict is accepted for every family",
    request=_request,
)
