"""Names that a user writes: checked against the names there are, with the nearest one in the error."""

from __future__ import annotations

from typing import get_args

from dbx_gateway.errors import unknown_name
from dbx_gateway.models.families import Family
from dbx_gateway.surfaces import Api, Surface

__all__ = ["check_api", "check_family", "check_surface"]


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


def check_family(name: str) -> Family:
    """Return ``name`` as a family.

    Raises:
        ConfigurationError: there is no family of that name; the message names the nearest one.
    """
    for family in get_args(Family):
        if family == name:
            return family  # type: ignore[no-any-return]  # get_args is typed as Any
    raise unknown_name("family", name, get_args(Family))
