"""The two surfaces of a workspace that serve models, and the names under which a user asks for them."""

from __future__ import annotations

from typing import Literal, get_args

from dbx_gateway.errors import unknown_name

__all__ = ["Api", "Surface", "check_api", "check_surface"]

Surface = Literal["ai-gateway", "model-serving"]
"""Where a model is served: ``/ai-gateway`` or ``/serving-endpoints`` of the workspace."""

Api = Literal["chat-completions", "responses", "messages", "generate-content"]
"""The wire format of a request."""


def check_surface(name: str) -> Surface:
    """Return ``name`` as a surface.

    Raises:
        ConfigurationError: there is no surface of that name; the message names the nearest one.
    """
    for surface in get_args(Surface):
        if surface == name:
            return surface  # type: ignore[no-any-return]  # get_args is typed as Any
    raise unknown_name("surface", name, ("auto", *get_args(Surface)))


def check_api(name: str) -> Api:
    """Return ``name`` as an api.

    Raises:
        ConfigurationError: there is no api of that name; the message names the nearest one.
    """
    for api in get_args(Api):
        if api == name:
            return api  # type: ignore[no-any-return]  # get_args is typed as Any
    raise unknown_name("api", name, ("auto", *get_args(Api)))
