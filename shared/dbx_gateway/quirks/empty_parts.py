"""Blank text parts are not sent, nor messages that hold nothing else."""

from __future__ import annotations

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.quirks.body import each, each_message, is_blank, is_blank_part
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]

_UNMARKABLE = frozenset({"thinking", "redacted_thinking"})


def _request(body: JsonObject, context: Context) -> JsonObject:
    def full(message: JsonObject) -> JsonObject | None:
        return _full(message, context)

    return _full_system(each_message(body, full), context)


def _full(message: JsonObject, context: Context) -> JsonObject | None:
    content = message.get("content")
    holds_content_only = message.keys() <= {"role", "content", "name"}
    if isinstance(content, str):
        return None if holds_content_only and not content.strip() else message
    if not isinstance(content, list):
        return message
    parts = _full_parts(content, context)
    if not parts and holds_content_only:
        return None
    return message if parts is content else {**message, "content": parts}


def _full_parts(parts: list[JsonValue], context: Context) -> list[JsonValue]:
    """Return ``parts`` without the blank ones; a blank part's cache mark moves to the part before it."""
    remaining: list[JsonValue] = []
    changed = False
    for part in parts:
        if not is_blank_part(part):
            inner = _full_result(part, context)
            changed = changed or inner is not part
            remaining.append(inner)
            continue
        changed = True
        if isinstance(part, dict) and "cache_control" in part:
            _move_mark(part["cache_control"], remaining, context)
    return remaining if changed else parts


def _full_result(part: JsonValue, context: Context) -> JsonValue:
    if not isinstance(part, dict) or part.get("type") != "tool_result":
        return part
    content = part.get("content")
    if not isinstance(content, list):
        return part
    full = _full_parts(content, context)
    if not full:
        return without(part, ("content",))
    return part if full is content else {**part, "content": full}


def _move_mark(mark: JsonValue, remaining: list[JsonValue], context: Context) -> None:
    last = remaining[-1] if remaining else None
    if isinstance(last, dict) and last.get("type") not in _UNMARKABLE:
        remaining[-1] = {"cache_control": mark, **last}
    else:
        warn_changed(
            QUIRK.name, "cache_control", context, "on a text part that says nothing was left out with the part"
        )


def _full_system(body: JsonObject, context: Context) -> JsonObject:
    """Return a messages body without blank ``system`` parts, and without ``system`` where nothing else is left."""
    if "system" not in body:
        return body
    if is_blank(body["system"]):
        return {key: value for key, value in body.items() if key != "system"}
    return each(body, "system", lambda part: None if _blank_system(part, context) else part)


def _blank_system(part: JsonObject, context: Context) -> bool:
    blank = is_blank_part(part)
    if blank and "cache_control" in part:
        warn_changed(
            QUIRK.name, "cache_control", context, "on a text part that says nothing was left out with the part"
        )
    return blank


QUIRK = Quirk(
    name="empty-parts",
    kind="out",
    families=CHAT_FAMILIES,
    apis=frozenset({"chat-completions", "messages"}),
    reason='400 "messages: text content blocks must be non-empty" for an empty or blank text part anywhere',
    source="docs/wire/quirks.md#empty-parts: litellm #20384, databricks-ai-bridge PR #333",
    evidence="O",
    delete_when="an empty text part is accepted for Claude on both surfaces",
    request=_request,
)
