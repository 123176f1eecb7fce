"""Where a workspace deviates from the messages api: what it refuses beyond the vendor, and what it adds."""

from __future__ import annotations

import re
from typing import Any

from dbx_gateway.models.families import Family
from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing.apis.messages.shapes import bad_request, tag_refusal
from dbx_gateway.testing.apis.messages.vendor_rules import prompt_texts
from dbx_gateway.testing.apis.schema_soundness import is_recursive, lost_reference
from dbx_gateway.testing.apis.wire import Refused, Rule, databricks_error
from dbx_gateway.testing.json_values import entries, inside, is_array, is_object
from dbx_gateway.testing.model.situation import Situation

__all__ = ["RULES"]

_BOTH: frozenset[Surface] = frozenset({"ai-gateway", "model-serving"})
_GATEWAY: frozenset[Surface] = frozenset({"ai-gateway"})
_CLAUDE: frozenset[Family] = frozenset({"claude"})
_CLAUDE_AND_GPT: frozenset[Family] = frozenset({"claude", "gpt"})
_MESSAGES: frozenset[Api] = frozenset({"messages"})
_DATED = re.compile(r"[a-z_]+_\d{8}\Z")


def _empty_parts(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    if all(text.strip() for _, text in prompt_texts(body)):
        return None
    inner = '{"message":"messages: text content blocks must be non-empty"}'
    return Refused(400, inner, body=databricks_error("BAD_REQUEST", inner))


def _user_first(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    if body["messages"][0]["role"] != "assistant":
        return None
    return bad_request('messages: first message must use the "user" role')


def _eager_streaming(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    for at, tool in enumerate(entries(body, "tools")):
        if "eager_input_streaming" in tool:
            return bad_request(f"tools.{at}.eager_input_streaming: Extra inputs are not permitted")
    return None


def _media_url(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    for at, message in enumerate(body["messages"]):
        for inner, block in enumerate(_blocks(message.get("content"))):
            if inside(block, "source").get("type") == "url":
                where = f"messages.{at}.content.{inner}.{block['type']}.source.base64.data"
                return bad_request(f"{where}: URL sources are not supported")
    return None


def _blocks(content: Any) -> list[dict[str, Any]]:
    """Return the blocks of a content, and those of the results in it."""
    blocks: list[dict[str, Any]] = [one for one in content if is_object(one)] if is_array(content) else []
    return blocks + [inner for block in blocks for inner in _blocks(block.get("content"))]


def _server_tools(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    for at, tool in enumerate(entries(body, "tools")):
        kind = tool.get("type")
        if isinstance(kind, str) and _DATED.match(kind):
            return bad_request(tag_refusal(("tools", at, "type"), kind, ("custom",)))
    if "container" in body:
        return bad_request("container: Extra inputs are not permitted")
    return None


def _schema_limits(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    for at, tool in enumerate(entries(body, "tools")):
        schema = tool.get("input_schema")
        if lost_reference(schema) is not None:
            return bad_request(
                f"tools.{at}.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12"
            )
        if tool.get("strict") and is_recursive(schema):
            return bad_request(f"tools.{at}.custom: Circular reference detected in schema definitions")
    return None


RULES: tuple[Rule, ...] = (
    # docs/wire/quirks.md#empty-parts
    Rule("empty-parts", _BOTH, frozenset(), _MESSAGES, check=_empty_parts),
    # docs/wire/quirks.md#user-first
    Rule("user-first", _BOTH, frozenset(), _MESSAGES, check=_user_first),
    # docs/wire/quirks.md#anth-eager-streaming
    Rule("anth-eager-streaming", _GATEWAY, _CLAUDE, _MESSAGES, check=_eager_streaming),
    # docs/wire/quirks.md#schema-limits
    Rule("schema-limits", _BOTH, _CLAUDE_AND_GPT, _MESSAGES, check=_schema_limits),
    # docs/wire/quirks.md#anth-server-tools
    Rule("anth-server-tools", _BOTH, _CLAUDE, _MESSAGES, check=_server_tools),
    # docs/wire/quirks.md#anth-media-url
    Rule("anth-media-url", _BOTH, _CLAUDE, _MESSAGES, check=_media_url),
    # docs/wire/quirks.md#anth-bedrock-metrics
    Rule("anth-bedrock-metrics", _BOTH, _CLAUDE, _MESSAGES, kind="oddity"),
)
