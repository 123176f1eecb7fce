"""Judges bodies of the Messages api by anthropic's request types."""

from __future__ import annotations

from typing import Any

from anthropic.types import MessageCreateParams
from judges.vendor_types import violations

EXTENSIONS: dict[str, str] = {
    "temperature": "docs/wire/messages.md#request: gone from the vendor's types, taken by older models as a raw field",
    "top_p": "docs/wire/messages.md#request: gone from the vendor's types, taken by older models as a raw field",
    "top_k": "docs/wire/messages.md#request: gone from the vendor's types, taken by older models as a raw field",
}
"""Top-level fields that are sent although the vendor's types do not know them, each with its source."""


def body_violations(body: dict[str, Any]) -> list[str]:
    """Return what anthropic's types refuse in ``body``, leaving the extensions out."""
    return violations({key: value for key, value in body.items() if key not in EXTENSIONS}, MessageCreateParams)
