"""The requests that find out what a workspace serves, and how their responses are read.

Nothing here does I/O: each request is a :class:`Get` for the client to send, each response is passed in as status,
headers and body. Source: docs/wire/discovery.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from dbx_gateway.chat import JsonObject
from dbx_gateway.error_bodies import RequestTarget, api_error, is_token_problem, read_error_body
from dbx_gateway.json_values import json_or_none, nonempty_text, object_or_empty, objects_in, strings_in, text_or_empty
from dbx_gateway.models.families import Family, family_of, family_of_task
from dbx_gateway.surfaces import Surface

__all__ = [
    "EndpointFacts",
    "Get",
    "ListedModel",
    "Listing",
    "MetadataLookup",
    "ProbeVerdict",
    "listing_requests",
    "probe_request",
    "read_listing",
    "read_probe",
]

PROBE_SECONDS: Final = 5.0
"""Seconds that the probe of a host may take; a call waits for it."""

METADATA_SECONDS: Final = 20.0

LOOKUP_SECONDS: Final = 60.0
"""How long all pages of one question may take together; after that no further page is asked for."""

_MOST_PAGES: Final = 50
"""Pages of one schema's model services: 5,000 of them, at 100 a page."""

_PAGE_SENDS: Final = 4
"""Sends of one page of model-services, which answers 499 and 504 now and then (docs/wire/discovery.md#listings)."""

_FLAKY: Final = frozenset({499, 504})

_API_FAMILIES: Final[tuple[tuple[str, Family], ...]] = (
    ("anthropic/v1/messages", "claude"),
    ("gemini/v1/generateContent", "gemini"),
    ("openai/v1/responses", "gpt"),
    ("mlflow/v1/embeddings", "embeddings"),
)
"""The family that an api implies where no name shows it. GLM, Kimi and Grok speak these too, but show in the name."""

_PROVIDER_FAMILIES: Final[Mapping[str, Family]] = {"anthropic": "claude", "openai": "gpt"}
"""Providers of external models that serve one family.

Source: docs/wire/discovery.md#providers, ``external_model.provider``.
"""


@dataclass(frozen=True, slots=True)
class Get:
    """A GET request for the client to send, with the workspace's credentials.

    Args:
        url: absolute.
        timeout: seconds for the whole exchange.
    """

    url: str
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeVerdict:
    """Which surface of a host serves ``databricks-…`` models.

    Args:
        surface: the surface.
        reason: how that is known, in one sentence.
        conclusive: the host's response showed it; otherwise it is a guess, and the probe is soon repeated.
        warning: for the user, about an inconclusive probe.
    """

    surface: Surface
    reason: str
    conclusive: bool
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFacts:
    """What the metadata of an endpoint or model service says.

    Args:
        name: the requested name.
        found: False when the workspace has no such endpoint, or did not answer.
        conclusive: the workspace answered; False when the lookup failed.
        task: for example ``llm/v1/chat`` or ``agent/v1/responses``.
        identities: names of what it serves, the most specific first.
        api_types: apis that every model it serves speaks, in the workspace's spelling.
        family: of what it serves; None where it is unknown.
        function_calling: whether it takes tools, where the workspace says so.
        route_optimized: it is served from a host of its own.
        endpoint_url: its URL on that host.
        state: its readiness, in the workspace's spelling.
    """

    name: str
    found: bool = True
    conclusive: bool = True
    task: str | None = None
    identities: tuple[str, ...] = ()
    api_types: tuple[str, ...] = ()
    family: Family | None = None
    function_calling: bool | None = None
    route_optimized: bool = False
    endpoint_url: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """One entry of the list of models.

    Args:
        name: the value for ``model=``.
        family: from the name or the metadata; ``other`` where neither shows it.
        surfaces: where it is served, according to the listings.
        task: for example ``llm/v1/chat``.
        state: its readiness, in the workspace's spelling.
        api_types: apis it speaks, in the workspace's spelling.
    """

    name: str
    family: Family
    surfaces: tuple[Surface, ...]
    task: str | None = None
    state: str | None = None
    api_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """Models of a workspace, and what could not be listed.

    Args:
        models: in the order of their names.
        problems: one sentence for each listing that failed.
    """

    models: tuple[ListedModel, ...]
    problems: tuple[str, ...] = ()


_NO_GATEWAY: Final = frozenset({404, 501})
_NO_GATEWAY_CODES: Final = frozenset({"FEATURE_DISABLED", "ENDPOINT_NOT_FOUND"})
"""What a host without an AI Gateway answers, by whatever status (docs/wire/surfaces.md#which-surface)."""


def _refuses_token(status: int | None, body: bytes) -> bool:
    """Whether an answer refuses the credentials, by 401 or in words (docs/wire/errors.md#token-problems)."""
    return status is not None and (status == 401 or is_token_problem(status, body))


# --- the surface of a host ---------------------------------------------------------------------------------------


def probe_request(host: str) -> Get:
    """Return the request that shows whether ``host`` has an AI Gateway, sent once per host.

    Source: docs/wire/surfaces.md#which-surface.

    Args:
        host: ``https://…`` without a path.
    """
    return Get(f"{host}/ai-gateway/anthropic/v1/models", PROBE_SECONDS)


def read_probe(host: str, status: int | None, headers: Mapping[str, str], body: bytes) -> ProbeVerdict:
    """Return what the response to :func:`probe_request` means.

    Args:
        host: the host that was probed.
        status: of the response; None when there was none in time.
        headers: of the response.
        body: of the response.

    Raises:
        AuthenticationError: the host refuses the credentials.
    """
    if _refuses_token(status, body):
        raise api_error(status, headers, body, RequestTarget("the list of models", probe_request(host).url))
    if status == 200 and "data" in object_or_empty(json_or_none(body)):
        return ProbeVerdict(surface="ai-gateway", reason=f"{host} has an AI Gateway", conclusive=True)
    if status == 429:
        return ProbeVerdict(
            surface="ai-gateway",
            reason=f"{host} has an AI Gateway, which limits the rate of its listing",
            conclusive=True,
        )
    if status in _NO_GATEWAY or read_error_body(body).code in _NO_GATEWAY_CODES:
        return ProbeVerdict(surface="model-serving", reason=f"{host} has no AI Gateway", conclusive=True)
    what = f"did not answer within {PROBE_SECONDS:g} s" if status is None else f"answered {status}"
    if status == 200:
        what += " with something other than a list of models"
    reason = f"the probe for an AI Gateway at {host} {what}"
    return ProbeVerdict(
        surface="model-serving",
        reason=f"{reason}; model serving is used for now",
        conclusive=False,
        warning=f"{reason}; model serving is used. Set surface= (or DBX_GATEWAY_SURFACE) to choose the surface.",
    )


# --- what an endpoint serves -------------------------------------------------------------------------------------


class MetadataLookup:
    """Finds out what one endpoint or model service serves.

    Send :attr:`request` and :meth:`feed` its response, until it is None; then read :attr:`facts`::

        while (get := lookup.request) is not None:
            lookup.feed(*perform(get))

    Args:
        host: ``https://…`` without a path.
        surface: where the model is served.
        model: its name: an endpoint's, or ``catalog.schema.model`` on the gateway.
        clock: seconds that only ever grow; the pages have :data:`LOOKUP_SECONDS` from now on.
    """

    def __init__(self, host: str, surface: Surface, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._model = model
        self._is_service = surface == "ai-gateway" and model.count(".") >= 2
        self._sends = 0
        self._tokens: set[str] = set()
        self._clock = clock
        self._ends = clock() + LOOKUP_SECONDS
        self.facts = EndpointFacts(name=model, found=False, conclusive=False)
        """What is known so far; ``found`` is False until a response shows the endpoint."""
        self.request: Get | None = self._services("") if self._is_service else self._endpoint()
        """The next request; None when there is none left."""

    def feed(self, status: int | None, headers: Mapping[str, str], body: bytes) -> None:
        """Take the response to :attr:`request`.

        Args:
            status: of the response; None when there was none.
            headers: of the response.
            body: of the response.

        Raises:
            AuthenticationError: the workspace refuses the credentials.
        """
        sent, self.request = self.request, None
        if sent is not None and _refuses_token(status, body):
            raise api_error(status, headers, body, RequestTarget(f"metadata of {self._model!r}", sent.url))
        if self._is_service and status in _FLAKY:
            if self._sends < _PAGE_SENDS and self._clock() < self._ends:
                self._sends += 1
                self.request = sent
        elif status == 404:
            self.facts = replace(self.facts, conclusive=True)
        elif status == 200 and self._is_service:
            self._read_page(object_or_empty(json_or_none(body)))
        elif status == 200:
            self.facts = _endpoint_facts(self._model, object_or_empty(json_or_none(body)))

    def _endpoint(self) -> Get:
        return Get(f"{self._host}/api/2.0/serving-endpoints/{quote(self._model, safe='')}", METADATA_SECONDS)

    def _services(self, page_token: str) -> Get:
        # Without a parent the server walks the metastore for most of a minute; with a larger page it answers 499
        # (docs/wire/discovery.md#listings).
        self._sends = 1
        schema = ".".join(self._model.split(".")[:2])
        query = f"parent=schemas/{quote(schema, safe='.')}&page_size=100&view=FULL"
        if page_token:
            query += f"&page_token={quote(page_token, safe='')}"
        return Get(f"{self._host}/api/2.1/unity-catalog/model-services?{query}", METADATA_SECONDS)

    def _read_page(self, page: JsonObject) -> None:
        for service in objects_in(page.get("model_services")):
            name = text_or_empty(service.get("name"))
            if name.removeprefix("model-services/").lower() == self._model.lower():
                self.facts = _service_facts(self._model, service)
                return
        token = nonempty_text(page.get("next_page_token"))
        if token is None or token in self._tokens:
            self.facts = replace(self.facts, conclusive=True)
            return
        if len(self._tokens) + 1 >= _MOST_PAGES or self._clock() >= self._ends:
            return  # not found, and not settled either: the model is sent as one of which nothing is known
        self._tokens.add(token)
        self.request = self._services(token)


def _endpoint_facts(name: str, body: JsonObject) -> EndpointFacts:
    """Read a serving endpoint.

    Source: docs/wire/discovery.md#fields, ServingEndpointDetailed and the fields only raw JSON has.
    """
    if "name" not in body:
        return EndpointFacts(name=name, found=False)
    config = object_or_empty(body.get("config")) or object_or_empty(body.get("pending_config"))
    entities = objects_in(config.get("served_entities"))
    task = nonempty_text(body.get("task")) or _first_text(entities, "external_model", "task")
    identities = _identities(entities)
    models = [object_or_empty(entity.get("foundation_model")) for entity in entities]
    types = _common_types([strings_in(model.get("api_types")) for model in models])
    calling = object_or_empty(body.get("capabilities")).get("function_calling")
    return EndpointFacts(
        name=name,
        task=task,
        identities=identities,
        api_types=types,
        family=_family(task, identities, types, _first_text(entities, "external_model", "provider")),
        function_calling=calling if isinstance(calling, bool) else None,
        route_optimized=body.get("route_optimized") is True,
        endpoint_url=nonempty_text(body.get("endpoint_url")),
        state=nonempty_text(object_or_empty(body.get("state")).get("ready")),
    )


def _service_facts(name: str, service: JsonObject) -> EndpointFacts:
    """Read a model service (docs/wire/discovery.md#listings, ``view=FULL``)."""
    config = object_or_empty(service.get("config"))
    routing = object_or_empty(config.get("routing"))
    destinations = objects_in(routing.get("destinations")) or objects_in(config.get("destinations"))
    models = [object_or_empty(each.get("external_model_config")) for each in destinations]
    targets = [object_or_empty(model.get("target")) for model in models]
    identities = _identities([*targets, *models, *destinations])
    types = _common_types([strings_in(target.get("native_api_types")) for target in targets])
    types = types or tuple(strings_in(service.get("supported_api_types")))
    task = nonempty_text(service.get("task"))
    provider = next((text for target in targets if (text := nonempty_text(target.get("provider")))), None)
    return EndpointFacts(
        name=name,
        task=task,
        identities=identities,
        api_types=types,
        family=_family(task, identities, types, provider),
    )


_NAMING_OBJECTS: Final = ("foundation_model", "external_model")
_NAMING_FIELDS: Final = ("entity_name", "model", "model_name", "name")


def _identities(entities: list[JsonObject]) -> tuple[str, ...]:
    """Return the names of what the entities serve: the models they name first, their own names last."""
    found: dict[str, None] = {}
    for key in _NAMING_OBJECTS:
        for entity in entities:
            inner = object_or_empty(entity.get(key))
            found |= dict.fromkeys(
                text for name in ("name", "display_name") if (text := nonempty_text(inner.get(name)))
            )
    for key in _NAMING_FIELDS:
        found |= dict.fromkeys(text for entity in entities if (text := nonempty_text(entity.get(key))))
    return tuple(found)


def _common_types(each: list[list[str]]) -> tuple[str, ...]:
    """Return the api types that all of several models have: requests may go to any of them.

    Source: docs/wire/surfaces.md#which-surface.
    """
    if not each:
        return ()
    return tuple(kind for kind in each[0] if all(kind in others for others in each[1:]))


def _family(
    task: str | None, identities: tuple[str, ...], api_types: tuple[str, ...], provider: str | None
) -> Family | None:
    """Return the family: from the task, else a name, else the provider, else the apis."""
    family = family_of_task(task) or family_of(*identities) or _PROVIDER_FAMILIES.get((provider or "").lower())
    if family is not None:
        return family
    return next((family for kind, family in _API_FAMILIES if kind in api_types), None)


# --- the list of models ------------------------------------------------------------------------------------------


def listing_requests(host: str) -> dict[str, Get]:
    """Return the requests that together list the models of a workspace, by what each lists.

    Args:
        host: ``https://…`` without a path.
    """
    return {
        "serving endpoints": Get(f"{host}/api/2.0/serving-endpoints", METADATA_SECONDS),
        "foundation models": Get(f"{host}/api/2.0/serving-endpoints:foundation-models", METADATA_SECONDS),
        "gateway models": Get(f"{host}/ai-gateway/anthropic/v1/models", METADATA_SECONDS),
    }


def read_listing(answers: Mapping[str, tuple[int | None, Mapping[str, str], bytes]]) -> Listing:
    """Return the models in the responses to :func:`listing_requests`.

    Args:
        answers: status (None when there was no response), headers and body, by the key of the request.

    Raises:
        AuthenticationError: the workspace refuses the credentials.
    """
    models: dict[str, ListedModel] = {}
    problems: list[str] = []
    for what, (status, headers, body) in answers.items():
        if _refuses_token(status, body):
            raise api_error(status, headers, body, RequestTarget(what, "the workspace"))
        if status == 200:
            for model in _READERS[what](object_or_empty(json_or_none(body))):
                known = models.get(model.name)
                models[model.name] = model if known is None else _merged(known, model)
        elif not (what == "gateway models" and status == 404):
            problems.append(f"{what} could not be listed: {'no answer' if status is None else f'HTTP {status}'}")
    return Listing(tuple(models[name] for name in sorted(models)), tuple(problems))


def _listed_endpoints(body: JsonObject) -> Iterator[ListedModel]:
    for endpoint in objects_in(body.get("endpoints")):
        name = nonempty_text(endpoint.get("name"))
        if name is None:
            continue
        facts = _endpoint_facts(name, endpoint)
        family = family_of_task(facts.task) or family_of(name) or facts.family or "other"
        entities = objects_in(object_or_empty(endpoint.get("config")).get("served_entities"))
        models = [object_or_empty(entity.get("foundation_model")) for entity in entities]
        on_gateway = bool(models) and all(model.get("ai_gateway_v2_supported") is True for model in models)
        yield ListedModel(
            name=name,
            family=family,
            surfaces=("ai-gateway", "model-serving") if on_gateway else ("model-serving",),
            task=facts.task,
            state=facts.state,
            api_types=facts.api_types,
        )


def _listed_gateway_models(body: JsonObject) -> Iterator[ListedModel]:
    for model in objects_in(body.get("data")):
        name = nonempty_text(model.get("id"))
        # Duplicates with this suffix are not endpoints of their own (docs/wire/discovery.md#listings).
        if name is not None and not name.endswith("-anthropic"):
            yield ListedModel(name=name, family=family_of(name) or "other", surfaces=("ai-gateway",))


_READERS: Final = {
    "serving endpoints": _listed_endpoints,
    "foundation models": _listed_endpoints,
    "gateway models": _listed_gateway_models,
}


def _merged(known: ListedModel, more: ListedModel) -> ListedModel:
    """Return one entry from two listings of the same model."""
    return ListedModel(
        name=known.name,
        family=known.family if known.family != "other" else more.family,
        surfaces=tuple(sorted({*known.surfaces, *more.surfaces})),
        task=known.task or more.task,
        state=known.state or more.state,
        api_types=known.api_types or more.api_types,
    )


def _first_text(entities: list[JsonObject], key: str, name: str) -> str | None:
    holders = (object_or_empty(entity.get(key)) for entity in entities)
    return next((text for holder in holders if (text := nonempty_text(holder.get(name)))), None)
