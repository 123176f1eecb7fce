"""The model, surface and wire format of a path of the workspace (docs/wire/surfaces.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from dbx_gateway.surfaces import Api, Surface

__all__ = ["Place", "place_of"]

_FIXED: dict[str, tuple[Surface, Api | Literal["embeddings"]]] = {
    "/ai-gateway/mlflow/v1/chat/completions": ("ai-gateway", "chat-completions"),
    "/ai-gateway/mlflow/v1/embeddings": ("ai-gateway", "embeddings"),
    "/ai-gateway/openai/v1/responses": ("ai-gateway", "responses"),
    "/ai-gateway/codex/v1/responses": ("ai-gateway", "responses"),
    "/ai-gateway/anthropic/v1/messages": ("ai-gateway", "messages"),
    "/serving-endpoints/chat/completions": ("model-serving", "chat-completions"),
    "/serving-endpoints/embeddings": ("model-serving", "embeddings"),
    "/serving-endpoints/responses": ("model-serving", "responses"),
    "/serving-endpoints/anthropic/v1/messages": ("model-serving", "messages"),
}
_GEMINI = re.compile(
    r"/(ai-gateway|serving-endpoints)/gemini/v1beta/models/([^/:]+):(generateContent|streamGenerateContent)"
)
_INVOCATIONS = re.compile(r"/serving-endpoints/([^/]+)/invocations")
_OPTIMIZED = re.compile(r"/optimized/([^/]+)/invocations")


@dataclass(frozen=True)
class Place:
    """Where a request to a model arrived.

    Args:
        surface: the surface of the path.
        api: the wire format of the path; None where the model decides (``/invocations``).
        model: the model, where the path names it.
        streams: True for a path that always streams, False for one that never does, None where the body decides.
        optimized: the URL of a route-optimized endpoint.
    """

    surface: Surface
    api: Api | Literal["embeddings"] | None = None
    model: str | None = None
    streams: bool | None = None
    optimized: bool = False


def place_of(path: str) -> Place | None:
    """Return the model, surface and wire format of a path, or None for a path of no model."""
    if path in _FIXED:
        surface, api = _FIXED[path]
        return Place(surface, api)
    if found := _GEMINI.fullmatch(path):
        surface = "ai-gateway" if found[1] == "ai-gateway" else "model-serving"
        return Place(surface, "generate-content", unquote(found[2]), streams=found[3] == "streamGenerateContent")
    if found := _INVOCATIONS.fullmatch(path):
        return Place("model-serving", None, unquote(found[1]))
    if found := _OPTIMIZED.fullmatch(path):
        return Place("model-serving", None, unquote(found[1]), optimized=True)
    return None
