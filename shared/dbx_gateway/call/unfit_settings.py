"""Settings that a model is known to have no use for: they are left out, with a warning."""

from __future__ import annotations

from dataclasses import replace

from dbx_gateway.chat import ChatRequest
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once

__all__ = ["without_reasoning"]


def without_reasoning(request: ChatRequest, profile: Profile) -> ChatRequest:
    """Return ``request`` without ``reasoning_effort`` and ``thinking`` where a source says that the model does not reason.

    Only a model with a row of its own is known well enough: an endpoint of the family may serve one that does. To switch
    reasoning off there is nothing to warn about.

    Args:
        request: the request.
        profile: of its model.
    """
    config = request.reasoning
    if config is None or not profile.known or (why := dict(profile.denied).get("reasoning")) is None:
        return request
    if not config.is_off:
        warn_once(
            f"{request.model}: reasoning",
            f"{request.model!r} does not reason ({why}), so reasoning_effort and thinking are not sent; to send one all the same, "
            "put it into extra_body",
        )
    return replace(request, reasoning=None)
