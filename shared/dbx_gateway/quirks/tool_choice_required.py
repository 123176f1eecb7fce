"""Some models refuse a tool choice that forces a call."""

from __future__ import annotations

import re

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import APIError
from dbx_gateway.json_values import objects_in
from dbx_gateway.quirks.body import function_name
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    choice = body.get("tool_choice")
    if choice != "required" and not isinstance(choice, dict):
        return body
    name = _only_tool(body, choice)
    done = (
        'was sent as "auto", because the model refuses a forced tool call, so it decides whether to call one. Ask for the '
        "call in the prompt, or offer one tool only"
        if name is None
        else f"was not sent, because the model refuses a forced tool call: the call of {name!r} was asked for by the tool's "
        "schema, and is handed back as that call"
    )
    warn_changed(QUIRK.name, "tool_choice", context, done)
    return {**body, "tool_choice": "auto"}


def _only_tool(body: JsonObject, choice: JsonValue) -> str | None:
    """Return the name of the tool that ``choice`` leaves to call; None where it leaves several."""
    if isinstance(choice, dict):
        return function_name(choice)
    tools = objects_in(body.get("tools"))
    return function_name(tools[0]) if len(tools) == 1 else None


_REFUSAL = re.compile(
    r"\btool_choice\b[\"'`]?(?::|\s+(?:of|with|value))?\s*[\"'`]?(?:required|any)?[\"'`]?[^.\n]{0,40}"
    r"\b(?:not supported|unsupported|not allowed|must be|only|does not support)\b"
)
"""Words about the choice itself: a message that only holds the word is no refusal of it."""


def _on_refusal(error: APIError) -> bool:
    return _REFUSAL.search(error.message) is not None


QUIRK = Quirk(
    name="tool-choice-required",
    kind="out",
    families=frozenset({"qwen"}),
    apis=frozenset({"chat-completions"}),
    reason="400 that names tool_choice when it is `required`",
    source="docs/wire/quirks.md#tool-choice-required: a third-party agent",
    evidence="T",
    delete_when="qwen accepts tool_choice required",
    on_refusal=_on_refusal,
    request=_request,
)
