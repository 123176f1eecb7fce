"""The gateway does not take ``eager_input_streaming`` on a tool."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.quirks.body import each
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]

_FIELD = "eager_input_streaming"


def _request(body: JsonObject, context: Context) -> JsonObject:
    def patient(tool: JsonObject) -> JsonObject:
        if tool.get(_FIELD):
            warn_changed(
                QUIRK.name,
                _FIELD,
                context,
                "of a tool was left out: the gateway refuses it. The header anthropic-beta: "
                "fine-grained-tool-streaming-2025-05-14 does the same",
            )
        return without(tool, (_FIELD,))

    return each(body, "tools", patient)


QUIRK = Quirk(
    name="anth-eager-streaming",
    kind="out",
    surfaces=frozenset({"ai-gateway"}),
    families=frozenset({"claude"}),
    apis=frozenset({"messages"}),
    reason="400 `tools.0.eager_input_streaming: Extra inputs are not permitted`",
    source="docs/wire/quirks.md#anth-eager-streaming: ucode opencode.py and pi.py",
    evidence="O",
    delete_when="the gateway accepts the field",
    request=_request,
)
