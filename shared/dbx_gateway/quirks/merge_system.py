"""System messages in a row are merged into one, with the role of the first."""

from __future__ import annotations

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.quirks.gates import ALL_BUT_CLAUDE
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    merged: list[JsonValue] = []
    run: list[JsonObject] = []
    for message in messages:
        if isinstance(message, dict) and message.get("role") in ("system", "developer"):
            run.append(message)
            continue
        merged += _joined(run)
        run = []
        merged.append(message)
    merged += _joined(run)
    return {**body, "messages": merged} if len(merged) < len(messages) else body


def _joined(run: list[JsonObject]) -> list[JsonObject]:
    if len(run) < 2:
        return run
    contents = [message.get("content") for message in run]
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) == len(contents):
        return [{**run[0], "content": "\n\n".join(texts)}]
    parts: list[JsonValue] = []
    for content in contents:
        if isinstance(content, list):
            parts.extend(content)
        else:
            parts.append({"type": "text", "text": content or ""})
    return [{**run[0], "content": parts}]


QUIRK = Quirk(
    name="merge-system",
    kind="out",
    families=ALL_BUT_CLAUDE,
    apis=frozenset({"chat-completions"}),
    reason="400 for several system messages in a row",
    source="docs/wire/quirks.md#merge-system: litellm",
    evidence="S",
    delete_when="llama, qwen and gpt accept two system messages in a row",
    request=_request,
)
