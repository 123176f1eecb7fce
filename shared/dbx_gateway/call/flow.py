"""One call from start to finish, without I/O: what to ask, where, what to do when it fails.

A call is a generator. It yields what it needs done (:class:`AskPlace`, :class:`Fetch`, :class:`Send`, :class:`Pause`,
:class:`Once`) and is sent the outcome; the sync and the async client carry these out, and share all that is decided
here. A failure is an outcome like any other: it is sent in as a value.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx
from pydantic_core import to_json

from dbx_gateway.call.actions import AskPlace, Fetch, Flow, Once, Pause, Place, Send
from dbx_gateway.call.checks import check_last_turn, check_media, check_request
from dbx_gateway.call.observations import Observations
from dbx_gateway.call.open_stream import Live
from dbx_gateway.call.reading import AnswerStream, Reading, read_answer
from dbx_gateway.call.repairs import Repair, learned_quirks, repair_for
from dbx_gateway.call.request_log import log_exchange
from dbx_gateway.call.retries import is_transient, pause_before
from dbx_gateway.call.tool_names import ToolNames
from dbx_gateway.chat import ChatRequest, ChatResponse, Exchange, JsonObject
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.embeddings import Embeddings, embeddings_body, read_embeddings
from dbx_gateway.error_bodies import Asked, api_error, request_id_of
from dbx_gateway.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    BadRequestError,
    ConfigurationError,
    DbxGatewayError,
)
from dbx_gateway.models.discovery import EndpointFacts, Get, MetadataLookup, probe_request, read_probe
from dbx_gateway.models.families import Family, family_of
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.models.routing import (
    API_HEADERS,
    AUTO,
    EmbeddingsRoute,
    Route,
    SurfaceChoice,
    candidates,
    choose_surface,
    embeddings_route,
    endpoint_route,
    may_try_next,
)
from dbx_gateway.names import check_api, check_family
from dbx_gateway.notices import warn_once
from dbx_gateway.quirks.catalogue import ALL, answer_fixes, applicable, check_disabled, fix_request
from dbx_gateway.quirks.quirk import Context
from dbx_gateway.settings import Settings, timeout_of
from dbx_gateway.transport.deadlines import NO_DEADLINE, Deadline
from dbx_gateway.transport.sending import Outgoing, Reply
from dbx_gateway.transport.user_agent import user_agent

__all__ = ["Answered", "Call", "Plan", "get_of"]

MAX_REPAIRS: Final = 4
"""Different repairs in one call at most; each is one more send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The outcome of a call: a whole answer, or a stream that has begun."""

    response: ChatResponse | None = None
    live: Live | None = None
    exchange: Exchange
    default_max_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where a call would go and what would be done to it."""

    place: Place
    choice: SurfaceChoice
    family: Family
    profile: Profile
    routes: tuple[Route, ...]
    facts: EndpointFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    outgoing: Outgoing
    body: JsonObject = field(repr=False)
    context: Context
    reading: Reading
    asked: Asked


class Call:
    """One call: a conversation or a list of texts, under given settings.

    Args:
        settings: with the options of this call merged in.
        observations: what was learned before, and where to put what is learned now.
    """

    def __init__(self, settings: Settings, observations: Observations, product: str = "") -> None:
        self._settings = settings
        self._seen = observations
        self._product = product
        self._disabled = check_disabled(settings.disabled_quirks)
        self._attempts: list[str] = []
        self._repaired: list[Repair] = []
        self._deadline = NO_DEADLINE

    # --- where ---------------------------------------------------------------------------------------------------

    def plan(self) -> Flow[Plan]:
        """Find out where a chat goes.

        Raises:
            DbxGatewayError: the host cannot be reached, or the settings contradict each other.
        """
        place: Place = yield AskPlace()
        settings = self._settings
        if settings.endpoint_url is not None:
            return self._endpoint_plan(place, settings.endpoint_url)
        choice = choose_surface(settings.model, place.host, settings.surface)
        if choice.surface is None:
            choice = yield from self._probed(place, choice)
        facts = yield from self._facts(place, choice)
        family = self._family(facts)
        if facts is not None and facts.route_optimized:
            raise ConfigurationError(
                f"{settings.model!r} is route-optimised: it is served at {facts.endpoint_url or 'a host of its own'} only; "
                "give that URL as endpoint_url= with an OAuth token"
            )
        profile = profile_of(settings.model, family, facts.identities if facts is not None else ())
        task = facts.task if facts is not None else None
        routes = candidates(settings.model, place.host, choice, family, profile, api=settings.api, task=task)
        return Plan(
            place=place, choice=choice, family=family, profile=profile, routes=self._remembered(routes), facts=facts
        )

    def _endpoint_plan(self, place: Place, endpoint_url: str) -> Plan:
        family = self._family(None)
        route = endpoint_route(endpoint_url, self._settings.model, family)
        if self._settings.api != AUTO:
            route = replace(route, api=check_api(self._settings.api))
        return Plan(
            place=place,
            choice=SurfaceChoice(route.surface, route.reason),
            family=family,
            profile=profile_of(self._settings.model, family),
            routes=(route,),
        )

    def _probed(self, place: Place, choice: SurfaceChoice) -> Flow[SurfaceChoice]:
        facts = self._seen.endpoint(place.host, place.identity, self._settings.model)
        if facts is not None and facts.found and facts.api_types:
            return SurfaceChoice("ai-gateway", "the endpoint's metadata says the gateway serves it")
        known = self._seen.surface(place.host, place.identity)
        if known is None:
            known = yield Once(("surface", place.host, place.identity), self._probe(place))
        return replace(choice, surface=known[0], reason=known[1])

    def _probe(self, place: Place) -> Flow[tuple[Any, str]]:
        known = self._seen.surface(place.host, place.identity)
        if known is not None:
            return known
        reply: Reply | DbxGatewayError = yield Fetch(self._get(probe_request(place.host)))
        if isinstance(reply, DbxGatewayError):
            _raise_unless_slow(reply)
            verdict = read_probe(place.host, reply.status, {}, b"")
        else:
            verdict = read_probe(place.host, reply.status, reply.headers, reply.body)
        if verdict.warning is not None:
            warn_once(f"probe {place.host}", verdict.warning)
        identity = None if verdict.conclusive else place.identity
        self._seen.learn_surface(place.host, identity, verdict.surface, verdict.reason)
        return verdict.surface, verdict.reason

    def _facts(self, place: Place, choice: SurfaceChoice) -> Flow[EndpointFacts | None]:
        model = self._settings.model
        if self._settings.family is not None or family_of(model) is not None:
            return None
        facts = self._seen.endpoint(place.host, place.identity, model)
        if facts is None:
            key = ("endpoint", place.host, place.identity, model)
            facts = yield Once(key, self._look_up(place, choice))
        return facts

    def _look_up(self, place: Place, choice: SurfaceChoice) -> Flow[EndpointFacts]:
        model = self._settings.model
        known = self._seen.endpoint(place.host, place.identity, model)
        if known is not None:
            return known
        lookup = MetadataLookup(place.host, choice.surface or "model-serving", model)
        while lookup.request is not None:
            reply: Reply | DbxGatewayError = yield Fetch(self._get(lookup.request))
            if isinstance(reply, DbxGatewayError):
                _raise_unless_slow(reply)
                lookup.feed(reply.status, {}, b"")
            else:
                lookup.feed(reply.status, reply.headers, reply.body)
        self._seen.learn_endpoint(place.host, place.identity, model, lookup.facts)
        return lookup.facts

    def _family(self, facts: EndpointFacts | None) -> Family:
        if self._settings.family is not None:
            return check_family(self._settings.family)
        return family_of(self._settings.model) or (facts.family if facts is not None else None) or "other"

    def _remembered(self, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        if len(routes) < 2:
            return routes
        known = self._seen.route(_route_key(routes[0]))
        first = next((route for route in routes if known == (route.surface, route.url)), None)
        return (first, *(route for route in routes if route is not first)) if first is not None else routes

    # --- a chat --------------------------------------------------------------------------------------------------

    def chat(self, request: ChatRequest) -> Flow[Answered]:
        """Ask for an answer, whole or streamed as ``request.stream`` says.

        Raises:
            DbxGatewayError: every candidate failed; of several "not served here" the first is raised.
        """
        self._deadline = Deadline.from_now(self._settings.total_timeout)
        check_request(request)
        family = self._settings.family or family_of(request.model)
        if family is not None:
            _check_for(request, profile_of(request.model, check_family(family)))
        plan = yield from self.plan()
        _check_for(request, plan.profile)
        names = ToolNames.of(request)
        request = names.outward(request)
        first: APIError | None = None
        for number, route in enumerate(plan.routes):
            outcome = yield from self._try(request, route, plan.profile, names)
            if isinstance(outcome, Answered):
                if number:
                    self._seen.learn_route(_route_key(route), route.surface, route.url)
                return outcome
            if not (isinstance(outcome, APIError) and may_try_next(outcome)):
                raise outcome
            first = first or outcome
        raise first if first is not None else self._no_route(plan)

    def _try(
        self, request: ChatRequest, route: Route, profile: Profile, names: ToolNames
    ) -> Flow[Answered | DbxGatewayError]:
        retry = 0
        fresh: list[Repair] = []
        while True:
            prepared = self._prepare(request, route, profile, names, fresh)
            outcome = yield from self._send(prepared, request, route)
            if isinstance(outcome, Answered):
                self._learn(fresh, route)
                return outcome
            repair = self._repair(outcome, prepared)
            if repair is not None and repair not in self._repaired:
                self._repaired.append(repair)
                fresh.append(repair)
                continue
            if not is_transient(outcome) or retry >= self._settings.max_retries:
                return outcome
            retry += 1
            pause = pause_before(retry, outcome)
            if not self._deadline.allows(pause):
                return outcome
            yield Pause(pause)

    def _prepare(
        self, request: ChatRequest, route: Route, profile: Profile, names: ToolNames, fresh: list[Repair]
    ) -> _Prepared:
        dialect = DIALECTS[route.api]
        context = Context(
            model=route.model,
            surface=route.surface,
            family=route.family,
            api=route.api,
            stream=request.stream,
            profile=profile,
        )
        repairs = [*self._seen.repairs(route.url, route.model), *fresh]
        if ALL in self._disabled:
            repairs = []
        quirks = applicable(context, self._disabled, learned_quirks(tuple(repairs)))
        encoded = dialect.encode(request, profile)
        if not route.model_in_body:
            encoded.pop("model", None)
        body = fix_request(encoded, context, quirks)
        for repair in repairs:
            if repair.kind != "quirk":
                body = repair.apply(body, context)
        asked = Asked(route.model, str(route))
        outgoing = Outgoing(
            method="POST",
            url=route.stream_url if request.stream else route.url,
            headers=self._headers({"content-type": "application/json", **API_HEADERS.get(route.api, {})}),
            content=to_json(body | request.extra_body),
            timeout=timeout_of(self._settings.timeout),
            deadline=self._deadline.streaming(self._idle()) if request.stream else self._deadline,
            asked=str(asked),
        )
        fix = answer_fixes(encoded, context, quirks)
        reading = Reading(dialect, fix, names, asked, joined=self._settings.coalesce_deltas)
        return _Prepared(outgoing=outgoing, body=body, context=context, reading=reading, asked=asked)

    def _send(self, prepared: _Prepared, request: ChatRequest, route: Route) -> Flow[Answered | DbxGatewayError]:
        stream = AnswerStream(prepared.reading) if request.stream else None
        began = time.monotonic()
        outcome: Reply | Live | DbxGatewayError = yield Send(prepared.outgoing, stream)
        error = _error_in(outcome, prepared.asked)
        status = outcome.status if error is None or not isinstance(outcome, DbxGatewayError) else error.status
        self._attempts.append(f"{route.api} {prepared.outgoing.url} {status or type(error).__name__}")
        log_exchange(prepared.outgoing, outcome, error, time.monotonic() - began, len(self._attempts))
        if error is not None:
            return error
        exchange = self._exchange(route, outcome)
        default = None if request.max_tokens is not None else prepared.body.get("max_tokens")
        default_max_tokens = default if isinstance(default, int) else None
        if isinstance(outcome, Live):
            return Answered(live=outcome, exchange=exchange, default_max_tokens=default_max_tokens)
        assert isinstance(outcome, Reply)  # noqa: S101  # an error has been returned above
        prepared.reading.status = outcome.status
        try:
            response = read_answer(outcome.body, outcome.headers.get("content-type", ""), prepared.reading)
        except DbxGatewayError as unreadable:
            if unreadable.status is None and not isinstance(unreadable, APIError):
                unreadable.status = outcome.status
            unreadable.request_id = unreadable.request_id or request_id_of(outcome.headers)
            return unreadable
        return Answered(
            response=replace(response, exchange=exchange), exchange=exchange, default_max_tokens=default_max_tokens
        )

    def _repair(self, error: DbxGatewayError, prepared: _Prepared) -> Repair | None:
        if not isinstance(error, BadRequestError) or ALL in self._disabled or len(self._repaired) >= MAX_REPAIRS:
            return None
        protected = frozenset(self._settings.extra_body)
        return repair_for(error, prepared.body, prepared.context, protected=protected, disabled=self._disabled)

    def _learn(self, repairs: list[Repair], route: Route) -> None:
        for repair in repairs:
            self._seen.learn_repair(route.url, route.model, repair)
            if repair.note:
                warn_once(f"{route.model}: repair {repair.name}", repair.note)

    def _exchange(self, route: Route, outcome: Reply | Live | DbxGatewayError) -> Exchange:
        headers: Mapping[str, str] = {} if isinstance(outcome, DbxGatewayError) else outcome.headers
        return Exchange(
            surface=route.surface,
            family=route.family,
            api=route.api,
            url=route.url,
            status=outcome.status,
            request_id=request_id_of(headers),
            attempts=tuple(self._attempts),
            repairs=tuple(repair.name for repair in self._repaired),
        )

    # --- embeddings ----------------------------------------------------------------------------------------------

    def embed(self, texts: tuple[str, ...], dimensions: int | None) -> Flow[Embeddings]:
        """Ask for the vectors of a batch of texts.

        Raises:
            DbxGatewayError: the batch failed.
        """
        self._deadline = Deadline.from_now(self._settings.total_timeout)
        route = yield from self._embeddings_route()
        asked = Asked(route.model, str(route))
        body = embeddings_body(route, texts, dimensions) | self._settings.extra_body
        outgoing = Outgoing(
            method="POST",
            url=route.url,
            headers=self._headers({"content-type": "application/json"}),
            content=to_json(body),
            timeout=timeout_of(self._settings.timeout),
            deadline=self._deadline,
            asked=str(asked),
        )
        retry = 0
        while True:
            began = time.monotonic()
            outcome: Reply | DbxGatewayError = yield Send(outgoing)
            error = _error_in(outcome, asked)
            log_exchange(outgoing, outcome, error, time.monotonic() - began, retry + 1)
            if error is None and isinstance(outcome, Reply):
                return read_embeddings(outcome.body, len(texts), asked)
            assert error is not None  # noqa: S101  # what is no reply is an error
            if not is_transient(error) or retry >= self._settings.max_retries:
                raise error
            retry += 1
            pause = pause_before(retry, error)
            if not self._deadline.allows(pause):
                raise error
            yield Pause(pause)

    def _embeddings_route(self) -> Flow[EmbeddingsRoute]:
        place: Place = yield AskPlace()
        settings = self._settings
        if settings.endpoint_url is not None:
            route = endpoint_route(settings.endpoint_url, settings.model, "embeddings")
            return EmbeddingsRoute(
                model=settings.model, surface=route.surface, url=route.url, model_in_body=route.model_in_body
            )
        choice = choose_surface(settings.model, place.host, settings.surface)
        if choice.surface is None:
            choice = yield from self._probed(place, choice)
        return embeddings_route(settings.model, place.host, choice.surface or "model-serving")

    # --- shared --------------------------------------------------------------------------------------------------

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        # Of these names a user can set only those of API_HEADERS, and then means it.
        return {"user-agent": user_agent(self._product), **more, **self._settings.default_headers}

    def _idle(self) -> float | None:
        given = self._settings.stream_idle_timeout
        return given if given is not None else timeout_of(self._settings.timeout).read

    def _get(self, get: Get) -> Outgoing:
        wait = min(get.timeout, 10.0)
        return Outgoing(
            method="GET",
            url=get.url,
            headers=self._headers({"accept": "application/json"}),
            timeout=httpx.Timeout(get.timeout, connect=wait),
            deadline=self._deadline,
            asked=f"{self._settings.model!r}: GET {get.url}",
        )

    def _no_route(self, plan: Plan) -> ConfigurationError:
        return ConfigurationError(
            f"no route serves {self._settings.model!r} ({plan.family}) on {plan.choice.surface} with api={self._settings.api!r}; "
            "leave api= at 'auto' or choose another surface"
        )


def get_of(get: Get, settings: Settings, product: str = "") -> Outgoing:
    """Return the request of a discovery question that stands alone."""
    return Outgoing(
        method="GET",
        url=get.url,
        headers={"user-agent": user_agent(product), **settings.default_headers, "accept": "application/json"},
        timeout=httpx.Timeout(get.timeout, connect=min(get.timeout, 10.0)),
        asked=f"GET {get.url}",
    )


def _route_key(route: Route) -> tuple[str, str]:
    host = route.url.split("/", 3)[2]
    return (host, route.model)


def _error_in(outcome: Reply | Live | DbxGatewayError, asked: Asked) -> DbxGatewayError | None:
    if isinstance(outcome, DbxGatewayError):
        outcome.model, outcome.route = outcome.model or asked.model, outcome.route or asked.route
        return outcome
    if isinstance(outcome, Live):
        return outcome.stream.failure if not outcome.first else None
    if outcome.status >= 300:
        return api_error(outcome.status, outcome.headers, outcome.body, asked)
    return None


def _check_for(request: ChatRequest, profile: Profile) -> None:
    check_last_turn(request, profile)
    check_media(request, profile)


def _raise_unless_slow(error: DbxGatewayError) -> None:
    """A question that got no answer: a host that cannot be reached is the call's failure, a slow one is not."""
    slow = isinstance(error, APITimeoutError) and error.error_code == "read"
    odd = isinstance(error, APIConnectionError) and error.error_code in ("redirect", "protocol")
    if not (slow or odd):
        raise error
