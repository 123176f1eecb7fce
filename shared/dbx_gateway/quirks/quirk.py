"""What a quirk is: one way in which a workspace deviates from the api it offers, and the fix for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import APIError
from dbx_gateway.models.families import Family
from dbx_gateway.models.profile import Profile
from dbx_gateway.surfaces import Api, Surface

__all__ = ["AnswerFix", "Context", "Evidence", "Quirk", "RequestFix"]

Evidence = Literal["O", "S", "T"]
"""How good the evidence is: O official code or documentation, S shipping third-party client, T one person's report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The request a quirk looks at."""

    model: str
    surface: Surface
    family: Family
    api: Api
    stream: bool
    profile: Profile


RequestFix: TypeAlias = Callable[[JsonObject, Context], JsonObject]
"""Takes a request body and returns the body to send; never changes its argument."""

AnswerFix: TypeAlias = Callable[[JsonObject], JsonObject]
"""Takes one wire object (a stream event, or the whole answer) and returns the one to decode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """One deviation of a workspace from the api it offers, and the fix for it.

    Args:
        name: the same as of its module, its test and the simulated workspace's rule.
        kind: ``out`` changes the request, ``in`` changes the answer, ``guard`` refuses the request before it is sent.
        surfaces, families, apis: where it applies; all three must match.
        reason: what the server does or answers, quoted where its message is known.
        source: where that is documented or reported.
        evidence: how good the source is.
        delete_when: the observation after which this quirk can be deleted.
        on_refusal: None for a fix that is always applied. Else the fix is applied only after the server refused a
            request and this function recognised the refusal; that is then remembered for the endpoint.
        request: the fix of the request.
        answer: makes the fix of one answer from the body, as it was before any quirk's ``request``, and the context.
            Each answer gets a new fix, which may hold the state of its stream. None when there is nothing to fix.
    """

    name: str
    kind: Literal["out", "in", "guard"]
    surfaces: frozenset[Surface] = frozenset({"ai-gateway", "model-serving"})
    families: frozenset[Family] = frozenset()
    apis: frozenset[Api] = frozenset()
    reason: str
    source: str
    evidence: Evidence
    delete_when: str
    on_refusal: Callable[[APIError], bool] | None = None
    request: RequestFix | None = None
    answer: Callable[[JsonObject, Context], AnswerFix | None] | None = None

    def applies_to(self, context: Context) -> bool:
        """Whether this quirk applies to ``context``."""
        return context.surface in self.surfaces and context.family in self.families and context.api in self.apis
