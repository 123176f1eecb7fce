"""The models of a simulated workspace: every model in the table, and a few custom endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from dbx_gateway.models.families import Family
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import known_models, profile_of
from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing.model.behaviour import BEHAVIOURS

__all__ = ["Catalog", "Served", "default_models"]

_SURFACES: frozenset[Surface] = frozenset(get_args(Surface))
_TASKS: Mapping[str, str] = {
    "chat": "llm/v1/chat",
    "embedding": "llm/v1/embeddings",
    "image": "llm/v1/images",
    "evaluation": "llm/v1/evaluations",
}


@dataclass(frozen=True, kw_only=True)
class Served:
    """One model of the workspace.

    Args:
        name: its endpoint on model serving, and its name in listings; None: it is on the gateway only.
        gateway_names: its names on the gateway; empty: it is on model serving only.
        profile: what it takes and can do; its family is the true one, whatever its names.
        task: the endpoint's task.
        origin: its kind in the metadata: a ``foundation`` model of Databricks, an ``external`` one, a ``custom``
            model or agent, a ``provisioned`` copy of a foundation model.
        entity: the name of what it serves, where the endpoint's own name does not show it.
        route_optimized: served at a URL of its own, to OAuth tokens only.
    """

    name: str | None
    gateway_names: tuple[str, ...] = ()
    profile: Profile
    task: str = "llm/v1/chat"
    origin: Literal["foundation", "external", "custom", "provisioned"] = "custom"
    entity: str = ""
    route_optimized: bool = False

    @property
    def family(self) -> Family:
        """Its family."""
        return self.profile.family

    @property
    def is_agent(self) -> bool:
        """Whether it is an agent, which has its own wire format."""
        return self.task.startswith("agent/")

    @property
    def surfaces(self) -> frozenset[Surface]:
        """The surfaces it is served on."""
        return frozenset(
            surface for surface in _SURFACES if (self.gateway_names if surface == "ai-gateway" else self.name)
        )

    @property
    def apis(self) -> frozenset[Api]:
        """Its wire formats (docs/wire/models.md#native-apis)."""
        if self.task == "agent/v1/responses" or self.profile.responses_only:
            return frozenset({"responses"})
        if self.profile.kind != "chat":
            return frozenset()
        return BEHAVIOURS[self.family].apis


class Catalog:
    """The models of a workspace, by the names each surface knows them under."""

    def __init__(self, models: Iterable[Served]) -> None:
        self.models = tuple(models)
        self._by_name: dict[tuple[Surface, str], Served] = {}
        for model in self.models:
            if model.name is not None:
                self._by_name["model-serving", model.name] = model
            for name in model.gateway_names:
                self._by_name["ai-gateway", name] = model

    def find(self, surface: Surface, name: str) -> Served | None:
        """Return the model a surface serves under a name, or None."""
        return self._by_name.get((surface, name))


def default_models() -> tuple[Served, ...]:
    """Return the models that a workspace serves by default: every known model, and these custom endpoints.

    ``team-chat`` (``main.ai.team_chat`` on the gateway) is an external Claude model whose family only the metadata
    shows; ``house-model`` is of no known family; ``support-agent`` and ``legacy-agent`` are agents of both kinds;
    ``fast-model`` is route-optimized.
    """
    return (*(_foundation(profile) for profile in known_models()), *_own())


def _foundation(profile: Profile) -> Served:
    short = profile.model.removeprefix("system.ai.").removeprefix("databricks-")
    name = f"databricks-{short}"
    return Served(
        name=name,
        gateway_names=(name, f"system.ai.{short}"),
        profile=profile,
        task=_TASKS[profile.kind],
        origin="foundation",
        entity=f"system.ai.{short}",
    )


def _own() -> Iterable[Served]:
    claude = profile_of("databricks-claude-sonnet-4-5")
    llama = profile_of("databricks-meta-llama-3-3-70b-instruct")
    agent = profile_of("agent", "agent")
    yield Served(
        name="team-chat",
        gateway_names=("main.ai.team_chat",),
        profile=replace(claude, model="team-chat"),
        origin="external",
        entity="claude-sonnet-4-5",
    )
    yield Served(name="house-model", profile=profile_of("house-model"), entity="house")
    yield Served(name="support-agent", profile=agent, task="agent/v1/responses", entity="main.agents.support")
    yield Served(name="legacy-agent", profile=agent, task="agent/v2/chat", entity="main.agents.legacy")
    yield Served(
        name="fast-model",
        profile=replace(llama, model="fast-model"),
        origin="provisioned",
        entity="system.ai.llama_v3_3_70b_instruct",
        route_optimized=True,
    )
