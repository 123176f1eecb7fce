"""Where a request arrived, and how strict the workspace is about it."""

from __future__ import annotations

from dataclasses import dataclass

from dbx_gateway.models.families import Family
from dbx_gateway.models.profile import Profile
from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing.model.behaviour import BEHAVIOURS, Behaviour

__all__ = ["Situation"]


@dataclass(frozen=True)
class Situation:
    """Where a request arrived and how strict the workspace is about it.

    Args:
        surface: the surface of the path.
        family: the model's true family.
        api: the wire format of the path.
        model: the model's name as requested.
        profile: what the model takes and can do.
        plain: True in plain mode: the pure wire format, no rule and no oddity.
        rules: names of the refusals in force.
        oddities: names of the oddities in force.
    """

    surface: Surface
    family: Family
    api: Api
    model: str
    profile: Profile
    plain: bool = False
    rules: frozenset[str] = frozenset()
    oddities: frozenset[str] = frozenset()

    @property
    def behaviour(self) -> Behaviour:
        """How models of the family behave."""
        return BEHAVIOURS[self.family]

    def shows(self, oddity: str) -> bool:
        """Return whether an answer is written with the oddity of that name."""
        return oddity in self.oddities

    def enforces(self, rule: str) -> bool:
        """Return whether the rule of that name is enforced."""
        return rule in self.rules
