"""The two surfaces of a workspace that serve models, and the names under which a user asks for them."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["APPS_DOMAIN", "Api", "Surface"]

Surface = Literal["ai-gateway", "model-serving"]
"""Where a model is served: ``/ai-gateway`` or ``/serving-endpoints`` of the workspace."""

Api = Literal["chat-completions", "responses", "messages", "generate-content"]
"""The wire format of a request."""

APPS_DOMAIN: Final = ".databricksapps.com"
"""The end of every Databricks App's host name (docs/wire/endpoints.md#agents)."""
