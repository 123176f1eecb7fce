"""Which models each user of a simulated workspace may use."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

from dbx_gateway.surfaces import Surface
from dbx_gateway.testing.service.catalog import Catalog, Served

__all__ = ["Permissions"]

_SURFACES: tuple[Surface, ...] = get_args(Surface)


class Permissions:
    """Which models each user may see and query; a user of whom nothing was said may query all.

    Args:
        catalog: the models of the workspace.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._allowed: dict[tuple[str, Surface], set[str]] = {}
        self._forbidden: dict[tuple[str, Surface], set[str]] = {}
        self._catalogs: dict[str, Catalog] = {}
        self._lock = threading.Lock()

    def allow(self, user: str, models: Iterable[str], surface: Surface | None) -> None:
        """Let ``user`` query these models, and from now on no others, on one surface or on both.

        Raises:
            ValueError: the workspace has no such model there.
        """
        with self._lock:
            self._grant(self._allowed, user, models, surface)
            for place in _places(surface):
                self._forbidden.get((user, place), set()).difference_update(self._allowed[user, place])
            self._catalogs[user] = Catalog(self._visible(user))

    def forbid(self, user: str, models: Iterable[str], surface: Surface | None) -> None:
        """Let ``user`` see these models, but not query them, on one surface or on both.

        Raises:
            ValueError: the workspace has no such model there.
        """
        with self._lock:
            self._grant(self._forbidden, user, models, surface)
            self._catalogs[user] = Catalog(self._visible(user))

    def catalog(self, user: str) -> Catalog:
        """Return the models that ``user`` sees."""
        with self._lock:
            return self._catalogs.get(user, self._catalog)

    def may_query(self, user: str, surface: Surface, model: str) -> bool:
        """Whether ``user`` may send requests to a model that the user sees."""
        with self._lock:
            return model not in self._forbidden.get((user, surface), ())

    def _grant(
        self, rights: dict[tuple[str, Surface], set[str]], user: str, models: Iterable[str], surface: Surface | None
    ) -> None:
        wanted = list(models)
        places = _places(surface)
        found: dict[Surface, list[Served | None]] = {
            place: [self._catalog.find(place, name) for name in wanted] for place in places
        }
        missing = [name for number, name in enumerate(wanted) if not any(served[number] for served in found.values())]
        if missing:
            message = f"the workspace does not serve {', '.join(missing)} on {surface or 'any surface'}"
            raise ValueError(message)
        for place, models_there in found.items():
            names = rights.setdefault((user, place), set())
            names.update(name for served in models_there if served is not None for name in _names(served, place))

    def _visible(self, user: str) -> Iterable[Served]:
        for served in self._catalog.models:
            name = served.name if served.name is None or self._sees(user, "model-serving", served.name) else None
            names = tuple(name for name in served.gateway_names if self._sees(user, "ai-gateway", name))
            if name is not None or names:
                yield replace(served, name=name, gateway_names=names)

    def _sees(self, user: str, surface: Surface, name: str) -> bool:
        allowed = self._allowed.get((user, surface))
        return allowed is None or name in allowed or name in self._forbidden.get((user, surface), ())


def _places(surface: Surface | None) -> tuple[Surface, ...]:
    return _SURFACES if surface is None else (surface,)


def _names(served: Served, surface: Surface) -> tuple[str, ...]:
    """Return every name of a model on a surface: a right to one of them is a right to the model."""
    if surface == "ai-gateway":
        return served.gateway_names
    return () if served.name is None else (served.name,)
