"""Which models a check is about, and on which surfaces."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from dbx_gateway.cli.check import Target
from dbx_gateway.client import Client
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.models.discovery import ListedModel
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.surfaces import Surface

__all__ = ["SURFACES", "targets"]

SURFACES: tuple[Surface, ...] = get_args(Surface)


def targets(given: argparse.Namespace, fields: Mapping[str, Any]) -> list[Target]:
    """Return the models named on the command line, or one of each family that the workspace lists.

    Args:
        given: ``model`` and ``surface`` of the command line.
        fields: settings to reach the workspace with; each target gets them, without the surface.

    Raises:
        DbxGatewayError: no model is named, and the workspace lists none that can be checked.
    """
    asked = None if given.surface in (None, "auto") else given.surface
    kept = {name: value for name, value in fields.items() if name != "surface"}
    places = _named(given.model, asked) if given.model else _listed(fields, asked)
    return [Target(model, surface, kept) for model, surface in places]


def _named(models: list[str], asked: str | None) -> Iterator[tuple[str, str]]:
    for model in dict.fromkeys(models):
        for surface in (asked,) if asked is not None else _surfaces_of(model):
            yield model, surface


def _surfaces_of(model: str) -> tuple[Surface, ...]:
    if model.count(".") >= 2:
        return ("ai-gateway",)
    return SURFACES if model.startswith("databricks-") else ("model-serving",)


def _listed(fields: Mapping[str, Any], asked: str | None) -> list[tuple[str, str]]:
    settings: dict[str, Any] = {**fields, "model": ""}
    listing = Client(**settings).models()
    found: dict[object, ListedModel] = {}
    for model in listing.models:
        profile = profile_of(model.name, model.family)
        if model.name.startswith("databricks-") and profile.kind == "chat":
            found.setdefault((model.family, profile.responses_only), model)
    places: list[tuple[str, str]] = [
        (model.name, surface) for model in found.values() for surface in model.surfaces if asked in (None, surface)
    ]
    if not places:
        where = f" on {asked}" if asked is not None else ""
        problems = "".join(f"; {problem}" for problem in listing.problems)
        raise DbxGatewayError(
            f"the workspace lists no databricks-… chat models{where}; name the models to check{problems}"
        )
    return places
