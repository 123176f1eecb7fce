"""The models that a check covers, and their surfaces."""

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


def targets(options: argparse.Namespace, fields: Mapping[str, Any]) -> list[Target]:
    """Return the models named on the command line, or one of each family that the workspace lists.

    Args:
        options: ``model`` and ``surface`` of the command line.
        fields: settings to reach the workspace with; each target gets them, without the surface.

    Raises:
        DbxGatewayError: no model is named, and the workspace lists none that can be checked.
    """
    only_surface = None if options.surface in (None, "auto") else options.surface
    settings = {name: value for name, value in fields.items() if name != "surface"}
    places = _named(options.model, only_surface) if options.model else _listed(fields, only_surface)
    return [Target(model, surface, settings) for model, surface in places]


def _named(models: list[str], only_surface: str | None) -> Iterator[tuple[str, str]]:
    for model in dict.fromkeys(models):
        for surface in (only_surface,) if only_surface is not None else _surfaces_of(model):
            yield model, surface


def _surfaces_of(model: str) -> tuple[Surface, ...]:
    if model.count(".") >= 2:
        return ("ai-gateway",)
    return SURFACES if model.startswith("databricks-") else ("model-serving",)


def _listed(fields: Mapping[str, Any], only_surface: str | None) -> list[tuple[str, str]]:
    settings: dict[str, Any] = {**fields, "model": ""}
    listing = Client(**settings).models()
    found: dict[object, ListedModel] = {}
    for model in listing.models:
        profile = profile_of(model.name, model.family)
        if model.name.startswith("databricks-") and profile.kind == "chat":
            found.setdefault((model.family, profile.responses_only), model)
    places: list[tuple[str, str]] = [
        (model.name, surface)
        for model in found.values()
        for surface in model.surfaces
        if only_surface in (None, surface)
    ]
    if not places:
        where = f" on {only_surface}" if only_surface is not None else ""
        problems = "".join(f"; {problem}" for problem in listing.problems)
        raise DbxGatewayError(
            f"the workspace lists no databricks-… chat models{where}; name the models to check{problems}"
        )
    return places
