"""Open models do not stream a structured answer: the request is sent without ``stream``."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import without
from dbx_gateway.models.families import OPEN_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    response_format = body.get("response_format")
    if not body.get("stream") or not isinstance(response_format, dict) or response_format.get("type") in (None, "text"):
        return body
    return without(body, ("stream", "stream_options"))


QUIRK = Quirk(
    name="stream-response-format",
    kind="out",
    families=OPEN_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason="response_format is not supported while streaming",
    source="docs/wire/quirks.md#stream-response-format: litellm",
    evidence="S",
    delete_when="an open model streams an answer with response_format",
    request=_request,
)
