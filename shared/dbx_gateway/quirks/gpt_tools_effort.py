"""Newer GPT models take function tools on chat-completions only without reasoning."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import APIError
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    if not body.get("tools") or body.get("reasoning_effort") == "none":
        return body
    warn_changed(
        QUIRK.name,
        "reasoning_effort",
        context,
        'was sent as "none": on chat-completions the model takes tools only without reasoning. Use api="responses" for both',
    )
    return {**body, "reasoning_effort": "none"}


def _on_refusal(error: APIError) -> bool:
    return "Function tools with reasoning_effort are not supported" in error.message


QUIRK = Quirk(
    name="gpt-tools-effort",
    kind="out",
    families=frozenset({"gpt"}),
    apis=frozenset({"chat-completions"}),
    # The endpoint's default is not "none", so leaving the field out is not enough.
    reason="400 `Function tools with reasoning_effort are not supported for gpt-6-sol in /v1/chat/completions. "
    "To use function tools, use /v1/responses or set reasoning_effort to 'none'.`",
    source="docs/wire/quirks.md#gpt-tools-effort: a third-party agent; databricks-ai-bridge fmapi.py, for gpt-5-4",
    evidence="T",
    delete_when="gpt 5.4 and newer take tools with reasoning on chat-completions",
    on_refusal=_on_refusal,
    request=_request,
)
