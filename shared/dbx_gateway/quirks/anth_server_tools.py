"""Anthropic's own server tools do not run on a workspace."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_values import objects_in
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import off_switch

__all__ = ["QUIRK"]

_SERVER_TOOLS = ("web_search_", "web_fetch_", "code_execution_")


def _request(body: JsonObject, context: Context) -> JsonObject:
    refused = [str(tool["type"]) for tool in objects_in(body.get("tools")) if _is_server_tool(tool)]
    if body.get("container") is not None:
        refused.append("container")
    if not refused:
        return body
    msg = (
        f"{', '.join(refused)}: a workspace does not run Anthropic's server tools for {context.model}. "
        "Remove it, or offer a function tool that you run yourself. "
        f"To send it all the same: {off_switch(QUIRK.name)}"
    )
    raise InvalidRequestError(msg, model=context.model)


def _is_server_tool(tool: JsonObject) -> bool:
    kind = tool.get("type")
    return isinstance(kind, str) and kind.startswith(_SERVER_TOOLS)


QUIRK = Quirk(
    name="anth-server-tools",
    kind="guard",
    families=frozenset({"claude"}),
    apis=frozenset({"messages"}),
    reason="400 `Input tag 'web_search_20250305' found using 'type' does not match any of the expected tags`",
    source="docs/wire/quirks.md#anth-server-tools: ucode claude.py, litellm",
    evidence="O",
    delete_when="the gateway runs web_search for Claude",
    request=_request,
)
