"""Judges a Responses request body by openai's own request types, with keys they do not know refused."""

from __future__ import annotations

from typing import Any

from judges.vendor_types import violations
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)

__all__ = ["DATABRICKS_FIELDS", "responses_violations"]

DATABRICKS_FIELDS = {
    "custom_inputs": "docs/wire/responses.md#agents-on-responses (databricks-langchain)",
}
"""Fields of the body that only Databricks knows, each with its source."""

_STATELESS = {
    "reasoning": {"id": "rs_1"},
    "message": {"id": "msg_1", "status": "completed"},
}
"""Keys the types require of items that the server has stored; with ``store: false`` the items are sent without them
(docs/wire/responses.md#round-trip)."""


def responses_violations(body: dict[str, Any]) -> list[str]:
    """Return where ``body`` departs from openai's types for a Responses request."""
    known = {name: value for name, value in body.items() if name not in DATABRICKS_FIELDS}
    known["input"] = [_stored(item) for item in body["input"]]
    kind = ResponseCreateParamsStreaming if body.get("stream") else ResponseCreateParamsNonStreaming
    return violations(known, kind)


def _stored(item: dict[str, Any]) -> dict[str, Any]:
    output = item.get("role") == "assistant" and isinstance(item["content"], list)
    return _STATELESS[item["type"]] | item if output or item["type"] == "reasoning" else item
