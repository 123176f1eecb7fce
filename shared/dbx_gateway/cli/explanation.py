"""Where a model's requests go, why, and what would be changed in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from dbx_gateway.client import Client
from dbx_gateway.errors import ConfigurationError, DbxGatewayError
from dbx_gateway.models.families import family_of
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.models.routing import Route, candidates, choose_surface
from dbx_gateway.names import check_family
from dbx_gateway.quirks.catalogue import Explanation, check_disabled, explain
from dbx_gateway.quirks.quirk import Context
from dbx_gateway.settings import Settings

__all__ = ["RouteExplanation", "explain_route"]

_NO_HOST: Final = "https://<workspace>"


@dataclass(frozen=True, slots=True)
class RouteExplanation:
    """The route of a model, explained.

    Args:
        note: why the answer rests on the name alone, where no workspace was reached.
    """

    model: str
    surface: str
    why: str
    routes: tuple[Route, ...]
    profile: Profile
    quirks: tuple[Explanation, ...]
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the explanation as plain data."""
        first = self.routes[0]
        return {
            "model": self.model,
            "surface": self.surface,
            "why": self.why,
            "family": first.family,
            "api": first.api,
            "url": first.url,
            "stream_url": first.stream_url,
            "then": [{"surface": route.surface, "api": route.api, "url": route.url} for route in self.routes[1:]],
            "profile": asdict(self.profile),
            "quirks": [asdict(quirk) for quirk in self.quirks],
            "note": self.note,
        }

    def print(self) -> None:
        """Print the explanation for a person."""
        first = self.routes[0]
        print(f"model    {self.model}")
        print(f"family   {first.family}")
        print(f"surface  {self.surface}: {self.why}")
        print(f"api      {first.api}")
        print(f"url      {first.url}")
        if first.stream_url != first.url:
            print(f"streams  {first.stream_url}")
        for route in self.routes[1:]:
            print(f"then     {route.surface} {route.api} {route.url}  (if the one before does not serve it)")
        if self.note is not None:
            print(f"note     {self.note}")
        print("\nprofile")
        denied = dict(self.profile.denied)
        for name, value in asdict(self.profile).items():
            if name not in ("model", "family", "denied"):
                why = f" ({denied[name]})" if name in denied else ""
                print(f"  {name:20} {_readable(value)}{why}")
        print("\nquirks that apply" if self.quirks else "\nno quirk applies")
        for quirk in self.quirks:
            print(f"  {quirk.name} ({quirk.kind}, {quirk.applied}; evidence {quirk.evidence})")
            print(f"      {quirk.reason}")


def explain_route(model: str, fields: Mapping[str, Any]) -> RouteExplanation:
    """Return where requests to ``model`` go; without a workspace, what the name shows.

    Raises:
        DbxGatewayError: the workspace was found and refused to answer, or the settings contradict each other.
    """
    settings = Settings.of({"model": model, **fields})
    try:
        plan = Client(settings).plan()
    except ConfigurationError as error:
        if settings.host is not None or settings.config_profile is not None:
            raise
        note = f"no workspace was reached ({error}); the surface is a guess from the name"
        return _explained(settings, *_guessed(settings), note)
    return _explained(settings, plan.routes, plan.choice.reason, plan.profile, None)


def _guessed(settings: Settings) -> tuple[tuple[Route, ...], str, Profile]:
    choice = choose_surface(settings.model, _NO_HOST, settings.surface)
    family = check_family(settings.family) if settings.family else family_of(settings.model) or "other"
    profile = profile_of(settings.model, family)
    taken = replace(choice, surface=choice.surface or "ai-gateway")
    return candidates(settings.model, _NO_HOST, taken, family, profile, api=settings.api), choice.reason, profile


def _explained(
    settings: Settings, routes: tuple[Route, ...], why: str, profile: Profile, note: str | None
) -> RouteExplanation:
    model = settings.model
    if not routes:
        raise DbxGatewayError(f"no route serves {model!r} with these settings")
    first = routes[0]
    context = Context(
        model=model, surface=first.surface, family=first.family, api=first.api, stream=True, profile=profile
    )
    quirks = explain(context, check_disabled(settings.disabled_quirks))
    return RouteExplanation(model, first.surface, why, routes, profile, quirks, note)


def _readable(value: tuple[object, ...] | float | str | None) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
