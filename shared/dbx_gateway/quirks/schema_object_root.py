"""The schema of a tool's arguments, or of the answer, gets ``type: object`` at its root."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.quirks.body import each, within
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _rooted(schema: JsonObject) -> JsonObject:
    return schema if "type" in schema else {"type": "object", **schema}


def _tool(tool: JsonObject) -> JsonObject:
    if tool.get("type") != "function":
        return tool
    flat = within(tool, "parameters", _rooted)
    return within(flat, "function", lambda function: within(function, "parameters", _rooted))


def _with_rooted_output(body: JsonObject) -> JsonObject:
    """Return ``body`` with a root type for the schema of the answer."""
    chat = within(
        body,
        "response_format",
        lambda response_format: within(response_format, "json_schema", lambda spec: within(spec, "schema", _rooted)),
    )
    return within(
        chat,
        "text",
        lambda text: within(text, "format", lambda response_format: within(response_format, "schema", _rooted)),
    )


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    return _with_rooted_output(each(body, "tools", _tool))


QUIRK = Quirk(
    name="schema-object-root",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"chat-completions", "responses"}),
    reason="a strict validator wants `type: object` at the root of a schema",
    source="docs/wire/quirks.md#schema-object-root: opencode#26510, opencode#7984",
    evidence="S",
    delete_when="a schema without a root type is accepted for GPT and open models",
    request=_request,
)
