"""Where a call goes: the surface, the family, the profile and the routes to try, from names, settings and the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import httpx

from dbx_gateway.call.actions import Flow, ask_caller, fetch, once
from dbx_gateway.call.caller import Caller
from dbx_gateway.call.observations import Observations
from dbx_gateway.errors import APIConnectionError, APIError, APITimeoutError, ConfigurationError, DbxGatewayError
from dbx_gateway.models.discovery import (
    EndpointFacts,
    Get,
    Listing,
    MetadataLookup,
    listing_requests,
    probe_request,
    read_listing,
    read_probe,
)
from dbx_gateway.models.families import Family, family_of
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.models.routing import (
    AUTO,
    EmbeddingsRoute,
    Route,
    SurfaceChoice,
    called_for,
    candidates,
    choose_surface,
    embeddings_route,
    endpoint_route,
    further_routes,
    service_name,
)
from dbx_gateway.names import check_api, check_family
from dbx_gateway.notices import addressed_to, warn_once
from dbx_gateway.settings import Settings
from dbx_gateway.surfaces import Surface
from dbx_gateway.transport.deadlines import NO_DEADLINE, Deadline
from dbx_gateway.transport.sending import HttpRequest, HttpResponse
from dbx_gateway.transport.user_agent import user_agent

__all__ = ["Plan", "Planner", "headers_of"]

CONNECT_SECONDS = 10.0
"""Longest wait for a connection of a question about the workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where a call would go and what would be done to it.

    Args:
        caller: who calls, and the workspace's host.
        choice: the surface, and why.
        family: the model's family.
        profile: what the model accepts.
        routes: where to send the request, in the order of trying.
        facts: what the endpoint's metadata said; None where it was not asked.
    """

    caller: Caller
    choice: SurfaceChoice
    family: Family
    profile: Profile
    routes: tuple[Route, ...]
    facts: EndpointFacts | None = None


class Planner:
    """Finds out where a call goes, and asks the workspace what the settings and the model's name leave open.

    Args:
        settings: of the call.
        observations: what was learned before, and where to put what is learned now.
        product: ``name/version`` of what uses the client, for the User-Agent.

    Attributes:
        family: as the settings or the model's name tell; None where only the workspace can.
        deadline: of the call.
        caller: who calls; known once a route is.
    """

    def __init__(self, settings: Settings, observations: Observations, product: str) -> None:
        self.family: Family | None = (
            check_family(settings.family) if settings.family is not None else family_of(settings.model)
        )
        self.deadline: Deadline = NO_DEADLINE
        self.caller: Caller | None = None
        self._settings = settings
        self._observations = observations
        self._product = product

    def plan(self) -> Flow[Plan]:
        """Find out where a chat goes.

        Raises:
            DbxGatewayError: the host cannot be reached, or the settings contradict each other.
        """
        caller = yield from ask_caller(self._settings.default_headers, self.deadline)
        settings = self._settings
        if settings.endpoint_url is not None:
            return self._endpoint_plan(caller, settings.endpoint_url)
        choice = yield from self._surface(caller, known_by_metadata=True)
        facts = yield from self._facts(caller, choice)
        family = self.family or (facts.family if facts is not None else None) or "other"
        if facts is not None and facts.route_optimized:
            raise ConfigurationError(
                f"{settings.model!r} is route-optimised: it is served at {facts.endpoint_url or 'a host of its own'} only; "
                "give that URL as endpoint_url= with an OAuth token"
            )
        profile = profile_of(settings.model, family, facts.identities if facts is not None else ())
        task = facts.task if facts is not None else None
        routes = candidates(settings.model, caller.host, choice, family, profile, api=settings.api, task=task)
        if facts is not None and not facts.conclusive and choice.surface == "model-serving":
            # The workspace did not say what the endpoint is: it may be an agent.
            routes = tuple(replace(route, may_act=True) for route in routes)
        return Plan(
            caller=caller,
            choice=choice,
            family=family,
            profile=profile,
            routes=self._remembered(caller, routes, profile),
            facts=facts,
        )

    def embeddings_route(self) -> Flow[EmbeddingsRoute]:
        """Find out where texts go to be embedded.

        Raises:
            DbxGatewayError: the host cannot be reached.
        """
        caller = self.caller = yield from ask_caller(self._settings.default_headers, self.deadline)
        settings = self._settings
        if settings.endpoint_url is not None:
            route = endpoint_route(settings.endpoint_url, settings.model, "embeddings")
            return EmbeddingsRoute(
                model=settings.model, surface=route.surface, url=route.url, model_in_body=route.model_in_body
            )
        choice = yield from self._surface(caller, known_by_metadata=False)
        return embeddings_route(settings.model, caller.host, choice.surface or "model-serving")

    def listing(self) -> Flow[Listing]:
        """Find out which models the workspace serves to this user.

        Raises:
            DbxGatewayError: the workspace refuses the credentials.
        """
        caller = yield from ask_caller(self._settings.default_headers, self.deadline)
        answers: dict[str, tuple[int | None, dict[str, str], bytes]] = {}
        for what, get in listing_requests(caller.host).items():
            outcome = yield from fetch(self._question(get, f"GET {get.url}"))
            if isinstance(outcome, DbxGatewayError):
                answers[what] = (outcome.status, {}, b"")
            else:
                answers[what] = (outcome.status, dict(outcome.headers), outcome.body)
        return read_listing(answers)

    def _endpoint_plan(self, caller: Caller, endpoint_url: str) -> Plan:
        family = self.family or "other"
        api = None if self._settings.api == AUTO else check_api(self._settings.api)
        route = endpoint_route(endpoint_url, self._settings.model, family, api)
        return Plan(
            caller=caller,
            choice=SurfaceChoice(route.surface, route.reason),
            family=family,
            profile=profile_of(self._settings.model, family),
            routes=(route,),
        )

    def _surface(self, caller: Caller, *, known_by_metadata: bool) -> Flow[SurfaceChoice]:
        """Choose the surface: by the settings and the name, else by what is known of the host, else by a probe."""
        choice = choose_surface(self._settings.model, caller.host, self._settings.surface)
        if choice.surface is not None:
            return choice
        facts = self._observations.endpoint(caller, self._settings.model)
        if known_by_metadata and facts is not None and facts.found and facts.api_types:
            return SurfaceChoice("ai-gateway", "the endpoint's metadata says the gateway serves it")
        known = self._observations.surface(caller)
        if known is None:
            known = yield from once(("surface", caller), self._probe(caller), self.deadline)
        return replace(choice, surface=known[0], reason=known[1])

    def _probe(self, caller: Caller) -> Flow[tuple[Surface, str]]:
        known = self._observations.surface(caller)
        if known is not None:
            return known
        outcome = yield from fetch(self._question(probe_request(caller.host)))
        verdict = read_probe(caller.host, *_answer(outcome))
        if verdict.warning is not None:
            with addressed_to(caller.identity):
                warn_once(f"probe {caller.host}", verdict.warning)
        self._observations.learn_surface(caller, verdict.surface, verdict.reason, conclusive=verdict.conclusive)
        return verdict.surface, verdict.reason

    def _facts(self, caller: Caller, choice: SurfaceChoice) -> Flow[EndpointFacts | None]:
        if self.family is not None:
            return None
        model = self._settings.model
        facts = self._observations.endpoint(caller, model)
        if facts is None:
            facts = yield from once(("endpoint", caller, model), self._look_up(caller, choice), self.deadline)
        return facts

    def _look_up(self, caller: Caller, choice: SurfaceChoice) -> Flow[EndpointFacts]:
        model = self._settings.model
        known = self._observations.endpoint(caller, model)
        if known is not None:
            return known
        lookup = MetadataLookup(caller.host, choice.surface or "model-serving", model)
        while lookup.request is not None:
            outcome = yield from fetch(self._question(lookup.request))
            lookup.feed(*_answer(outcome))
        self._observations.learn_endpoint(caller, model, lookup.facts)
        return lookup.facts

    def _question(self, get: Get, label: str | None = None) -> HttpRequest:
        return HttpRequest(
            method="GET",
            url=get.url,
            headers=headers_of(self._settings, self._product, {"accept": "application/json"}),
            timeout=httpx.Timeout(get.timeout, connect=min(get.timeout, CONNECT_SECONDS)),
            deadline=self.deadline,
            label=label or f"{self._settings.model!r}: GET {get.url}",
        )

    def called_for(self, error: APIError, route: Route, plan: Plan) -> tuple[Route, ...]:
        """Return the routes that a refusal by ``route`` calls for, where the settings leave them open."""
        further = called_for(error, route, plan.caller.host, plan.profile) if self._is_open(route) else ()
        return tuple(one for one in further if self._may_take(one))

    def service(self, caller: Caller) -> Flow[str | None]:
        """Find out under which name the model is listed as a model service; None where it is not."""
        name = service_name(self._settings.model)
        if name is None:
            return None
        facts = self._observations.endpoint(caller, name)
        if facts is None:
            lookup = MetadataLookup(caller.host, "ai-gateway", name)
            while lookup.request is not None:
                outcome = yield from fetch(self._question(lookup.request))
                lookup.feed(*_answer(outcome))
            facts = lookup.facts
            self._observations.learn_endpoint(caller, name, facts)
        return name if facts.found else None

    def _is_open(self, route: Route) -> bool:
        """Whether the settings leave it open where the model is asked, and it is no agent that might have begun."""
        return self._settings.api == AUTO and self._settings.endpoint_url is None and not route.may_act

    def _may_take(self, route: Route) -> bool:
        return self._settings.surface in (route.surface, AUTO)

    def _remembered(self, caller: Caller, routes: tuple[Route, ...], profile: Profile) -> tuple[Route, ...]:
        """Return ``routes`` with the one first that served the model to this caller before."""
        known = self._observations.route(caller, self._settings.model)
        if known is None or not routes:
            return routes
        further = further_routes(routes[0], caller.host, profile) if self._is_open(routes[0]) else ()
        tried = (*routes, *(one for one in further if self._may_take(one)))
        first = next((route for route in tried if known == (route.surface, route.url)), None)
        return (first, *(route for route in routes if route is not first)) if first is not None else routes


def headers_of(settings: Settings, product: str, more: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request: ours, and those that the user set, which win."""
    return {"user-agent": user_agent(product), **more, **settings.default_headers}


def _answer(outcome: HttpResponse | DbxGatewayError) -> tuple[int | None, dict[str, str], bytes]:
    """Return status, headers and body of the answer to a question; of one that came too late or not at all, the status.

    Raises:
        DbxGatewayError: the host cannot be reached, which is the call's failure; a slow or an odd answer is not.
    """
    if not isinstance(outcome, DbxGatewayError):
        return outcome.status, dict(outcome.headers), outcome.body
    slow = isinstance(outcome, APITimeoutError) and outcome.error_code == "read"
    odd = isinstance(outcome, APIConnectionError) and outcome.error_code in ("redirect", "protocol")
    if not (slow or odd):
        raise outcome
    return outcome.status, {}, b""
