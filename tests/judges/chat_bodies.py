"""Judges bodies of chat-completions by openai's request types."""

from __future__ import annotations

from typing import Any

from judges.vendor_types import violations
from openai.types.chat import CompletionCreateParams

EXTENSIONS: dict[str, str] = {
    "top_k": "docs/wire/chat-completions.md#accepted-fields",
    "thinking": "docs/wire/chat-completions.md#accepted-fields: of Claude, and of Gemini 2.5",
    "output_config": "docs/wire/chat-completions.md#accepted-fields: of Claude",
    "custom_inputs": "docs/wire/chat-completions.md#accepted-fields: of agents",
}
"""Top-level fields of Databricks that openai's types do not know, each with its source."""

NESTED_EXTENSIONS: dict[str, str] = {
    "cache_control": "docs/wire/chat-completions.md#claude, cache_control: in content parts and tools, for Claude",
    "thoughtSignature": "docs/wire/quirks.md#gemini-signature: in tool calls and text parts",
    "extra_content": "docs/wire/chat-completions.md#gemini: in tool calls, on Google's own compatibility surface",
}
"""Fields within messages and tools, likewise."""


def body_violations(body: dict[str, Any]) -> list[str]:
    """Return what openai's types refuse in ``body``, leaving the extensions out."""
    known = {key: value for key, value in body.items() if key not in EXTENSIONS}
    for key in ("messages", "tools"):
        if key in known:
            known[key] = _without_extensions(known[key])
    return violations(known, CompletionCreateParams)


def _without_extensions(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_extensions(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_extensions(item) for key, item in value.items() if key not in NESTED_EXTENSIONS}
    return value
