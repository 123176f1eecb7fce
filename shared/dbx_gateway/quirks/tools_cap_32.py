"""Model Serving takes at most 32 tools for GPT and open models."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.families import OPEN_FAMILIES, Family
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import off_switch

__all__ = ["QUIRK"]

_MOST = 32


def _request(body: JsonObject, context: Context) -> JsonObject:
    tools = body.get("tools")
    if isinstance(tools, list) and len(tools) > _MOST:
        msg = (
            f"{len(tools)} tools for {context.model}: Model Serving takes at most {_MOST} for this family. "
            'Offer fewer, or use surface="ai-gateway", which has no such limit. '
            f"To send them all the same: {off_switch(QUIRK.name)}"
        )
        raise InvalidRequestError(msg, model=context.model)
    return body


QUIRK = Quirk(
    name="tools-cap-32",
    kind="guard",
    surfaces=frozenset({"model-serving"}),
    families=OPEN_FAMILIES | frozenset[Family]({"gpt"}),
    apis=frozenset({"chat-completions", "responses"}),
    reason="Model Serving refuses more than 32 tools; the gateway accepted 89",
    source="docs/wire/quirks.md#tools-cap-32: opencode#26510, penguiflow",
    evidence="S",
    delete_when="Model Serving accepts 64 tools for GPT and llama",
    request=_request,
)
