"""Some GPT models take ``max_tokens`` under its newer name only."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import APIError
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    if "max_tokens" not in body:
        return body
    # In its old place, so that the body reads the same.
    return {("max_completion_tokens" if key == "max_tokens" else key): value for key, value in body.items()}


def _on_refusal(error: APIError) -> bool:
    return "Unsupported parameter: 'max_tokens'" in error.message and "'max_completion_tokens'" in error.message


QUIRK = Quirk(
    name="max-tokens-name",
    kind="out",
    families=frozenset({"gpt"}),
    apis=frozenset({"chat-completions"}),
    reason="400 `Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead.`",
    source="docs/wire/quirks.md#max-tokens-name: goose; litellm does the opposite",
    evidence="S",
    delete_when="every GPT model accepts max_tokens",
    on_refusal=_on_refusal,
    request=_request,
)
