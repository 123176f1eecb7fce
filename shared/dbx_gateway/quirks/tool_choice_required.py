"""Some models refuse a tool choice that forces a call."""

from __future__ import annotations

import re

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import APIError
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    choice = body.get("tool_choice")
    if choice != "required" and not isinstance(choice, dict):
        return body
    warn_changed(
        QUIRK.name,
        "tool_choice",
        context,
        'was sent as "auto": the model refuses a forced tool call. Ask for the call in the prompt',
    )
    return {**body, "tool_choice": "auto"}


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
