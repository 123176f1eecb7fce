"""``parallel_tool_calls`` is not sent."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    if body.get("parallel_tool_calls") is not None:
        warn_changed(
            QUIRK.name,
            "parallel_tool_calls",
            context,
            "was left out: the workspace refuses it, and the model decides. Be ready for several calls in one answer",
        )
    return without(body, ("parallel_tool_calls",))


QUIRK = Quirk(
    name="drop-parallel-tool-calls",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason='400 `parallel_tool_calls: Extra inputs are not permitted` / `json: unknown field "parallel_tool_calls"`',
    source="docs/wire/quirks.md#drop-parallel-tool-calls: dbx-tools openai-chat.ts",
    evidence="S",
    delete_when="every family accepts parallel_tool_calls",
    request=_request,
)
