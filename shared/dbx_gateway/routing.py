"""Where a request goes: from a model's name, the settings and what was learned, to a list of routes to try."""

from __future__ import annotations

from dataclasses import dataclass

from dbx_gateway.families import Family
from dbx_gateway.surfaces import Api, Surface

__all__ = ["Route"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One place that serves a model, and the wire format it speaks there.

    Args:
        model: the name that goes on the wire, verbatim as the user gave it.
        url: where a whole answer is asked for.
        stream_url: where a streamed one is.
        model_in_body: False where the URL names the model.
        reason: why this surface was chosen, in one sentence.
    """

    model: str
    surface: Surface
    family: Family
    api: Api
    url: str
    stream_url: str
    model_in_body: bool = True
    agent_task: str | None = None
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.surface} {self.api} {self.url}"
