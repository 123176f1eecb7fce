"""Judges a generateContent body by google-genai's own types, which refuse keys they do not know."""

from __future__ import annotations

import json
import warnings

from pydantic import ValidationError, create_model

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # google-genai 3.3 has an invalid escape in a string
    from google.genai import types

_Request = create_model(
    "GenerateContentRequest",
    __config__={**types.Content.model_config},
    system_instruction=(types.Content | None, None),
    contents=(list[types.Content], ...),
    tools=(list[types.Tool] | None, None),
    tool_config=(types.ToolConfig | None, None),
    safety_settings=(list[types.SafetySetting] | None, None),
    cached_content=(str | None, None),
    labels=(dict[str, str] | None, None),
    service_tier=(types.ServiceTier | None, None),
    store=(bool | None, None),
    continuation_token=(bytes | None, None),
    generation_config=(types.GenerationConfig | None, None),
)
"""The request of ``models.generateContent``: docs/wire/generate-content.md#request gives the fields, the package their
types."""


def body_violations(body: object) -> list[str]:
    """Return where ``body`` departs from the vendor's types; an empty list means it does not."""
    try:
        _Request.model_validate_json(json.dumps(body))
    except ValidationError as error:
        return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return []
