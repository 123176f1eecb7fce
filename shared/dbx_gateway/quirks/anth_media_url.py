"""Claude's own api on a workspace fetches no picture or document from a URL."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_values import object_or_empty, objects_in
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import off_switch

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    for message in objects_in(body.get("messages")):
        for kind in _linked(message.get("content")):
            raise InvalidRequestError(
                f"{context.model} on {context.surface} {context.api} takes the bytes of {kind}, and the conversation holds "
                "one by its URL, which that route does not fetch. Load it and give its bytes in base64. "
                f"To send the URL all the same: {off_switch(QUIRK.name)}",
                model=context.model,
            )
    return body


def _linked(content: JsonValue) -> Iterator[str]:
    """Yield what each block of a content, or of a tool's result in it, is that stands there by its URL."""
    for block in objects_in(content):
        if "source" in block and object_or_empty(block["source"]).get("type") == "url":
            yield f"a{'n' if block.get('type') == 'image' else ''} {block.get('type')}"
        if "content" in block:
            yield from _linked(block["content"])


QUIRK = Quirk(
    name="anth-media-url",
    kind="guard",
    families=frozenset({"claude"}),
    apis=frozenset({"messages"}),
    reason="400 `messages.0.content.1.image.source.base64.data: URL sources are not supported`",
    source="docs/wire/quirks.md#anth-media-url: litellm, ai-sdk",
    evidence="S",
    delete_when="a picture by its URL is answered for Claude on both surfaces",
    request=_request,
)
