"""In Claude's usage on chat-completions, the prompt's tokens exclude the cached ones."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.quirks.body import within
from dbx_gateway.quirks.quirk import AnswerFix, Context, Quirk

__all__ = ["QUIRK"]


def _count(usage: JsonObject, field: str) -> int:
    value = usage.get(field)
    return value if isinstance(value, int) else 0


def _inclusive(usage: JsonObject) -> JsonObject:
    """Return ``usage`` as OpenAI counts: the prompt's tokens include the cached ones."""
    if usage.get("prompt_tokens_details") is not None:
        return usage
    if usage.get("cache_read_input_tokens") is None and usage.get("cache_creation_input_tokens") is None:
        return usage
    read, written = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    prompt = _count(usage, "prompt_tokens") + read + written
    return {
        **usage,
        "prompt_tokens": prompt,
        "total_tokens": prompt + _count(usage, "completion_tokens"),
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
    }


def _answer(body: JsonObject, context: Context) -> AnswerFix:
    del body, context
    return lambda event: within(event, "usage", _inclusive)


QUIRK = Quirk(
    name="claude-usage-exclusive",
    kind="in",
    families=frozenset({"claude"}),
    apis=frozenset({"chat-completions"}),
    reason="prompt_tokens excludes cache_read_input_tokens and cache_creation_input_tokens; total_tokens is not adjusted",
    source="docs/wire/quirks.md#claude-usage-exclusive: databricks-langchain",
    evidence="O",
    delete_when="the answer carries prompt_tokens_details",
    answer=_answer,
)
