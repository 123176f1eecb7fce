"""Where a request goes: the list of routes to try, from the model's name, the settings and the endpoint's metadata.

Sources of the table: docs/wire/surfaces.md#model-serving, #ai-gateway, #routing-table; docs/wire/models.md#native-apis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from dbx_gateway.errors import APIError, ConfigurationError, InvalidRequestError, NotFoundError
from dbx_gateway.models.families import Family, acts, native_api_of
from dbx_gateway.models.profile import Profile
from dbx_gateway.refusals import MODEL_SERVICES_ONLY, RESPONSES_ONLY
from dbx_gateway.surfaces import APPS_DOMAIN, Api, Surface

__all__ = [
    "API_HEADERS",
    "AUTO",
    "EmbeddingsRoute",
    "Route",
    "SurfaceChoice",
    "api_of_url",
    "called_for",
    "candidates",
    "choose_surface",
    "embeddings_route",
    "endpoint_route",
    "further_routes",
    "is_gateway_host",
    "may_try_next",
    "service_name",
]

AUTO: Final = "auto"

API_HEADERS: Final[Mapping[Api, Mapping[str, str]]] = {"messages": {"anthropic-version": "2023-06-01"}}
"""Headers that an api requires (docs/wire/messages.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One place that serves a model, and the wire format it speaks there.

    Args:
        model: the name that is sent, exactly as the user set it.
        url: of requests that do not stream.
        stream_url: of requests that stream.
        model_in_body: False where the URL names the model.
        reason: why this surface was chosen, in one sentence.
        may_act: what it serves is an agent, or may be one: a request that it may have taken is not sent again.
    """

    model: str
    surface: Surface
    family: Family
    api: Api
    url: str
    stream_url: str
    model_in_body: bool = True
    reason: str = ""
    may_act: bool = False

    def __str__(self) -> str:
        return f"{self.surface} {self.api} {self.url}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsRoute:
    """One place that serves an embedding model."""

    model: str
    surface: Surface
    url: str
    model_in_body: bool

    def __str__(self) -> str:
        return f"{self.surface} embeddings {self.url}"


@dataclass(frozen=True, slots=True)
class SurfaceChoice:
    """The surface for a model.

    Args:
        surface: None when a probe of the host must decide.
        reason: why, in one sentence.
        try_gateway_too: the model may also be on the gateway if model serving does not know it.
    """

    surface: Surface | None
    reason: str
    try_gateway_too: bool = False


@dataclass(frozen=True, slots=True)
class _Cell:
    """One candidate of the routing table: a path below the surface's prefix."""

    api: Api
    path: str
    stream_path: str | None = None
    model_in_body: bool = True


_CHAT: Final = "chat-completions"
_GATEWAY_CHAT: Final = _Cell(_CHAT, "mlflow/v1/chat/completions")
_SERVING_CHAT: Final = _Cell(_CHAT, "chat/completions")
_MESSAGES: Final = _Cell("messages", "anthropic/v1/messages")
_GEMINI: Final = _Cell(
    "generate-content",
    "gemini/v1beta/models/{model}:generateContent",
    "gemini/v1beta/models/{model}:streamGenerateContent?alt=sse",
    model_in_body=False,
)
_INVOCATIONS: Final = "{model}/invocations"

_TABLE: Final[Mapping[tuple[Surface, Api], tuple[_Cell, ...]]] = {
    ("ai-gateway", "messages"): (_MESSAGES, _GATEWAY_CHAT),
    ("ai-gateway", "responses"): (
        _Cell("responses", "openai/v1/responses"),
        _Cell("responses", "codex/v1/responses"),
        _GATEWAY_CHAT,
    ),
    ("ai-gateway", "generate-content"): (_GEMINI, _GATEWAY_CHAT),
    ("ai-gateway", "chat-completions"): (_GATEWAY_CHAT,),
    ("model-serving", "messages"): (_MESSAGES, _SERVING_CHAT),
    ("model-serving", "responses"): (_Cell("responses", "responses"), _SERVING_CHAT),
    ("model-serving", "generate-content"): (_GEMINI, _SERVING_CHAT),
    ("model-serving", "chat-completions"): (_SERVING_CHAT,),
}
"""By the native api of the model's family: that api first, then what to fall back to.

Source: docs/wire/surfaces.md#routing-table.
"""

_OF_TASK: Final[Mapping[tuple[Surface, Family, str | None], tuple[_Cell, ...]]] = {
    ("model-serving", "agent", None): (
        _Cell("responses", "responses"),
        _Cell("responses", _INVOCATIONS, model_in_body=False),
    ),
    ("model-serving", "agent", "agent/v2/chat"): (_Cell(_CHAT, _INVOCATIONS, model_in_body=False),),
    ("model-serving", "agent", "agent/v1/chat"): (_Cell(_CHAT, _INVOCATIONS, model_in_body=False),),
}
"""By the task of the endpoint, None for every other, where a family has no native api (docs/wire/endpoints.md#agents)."""

_NOT_HERE_CODES: Final = frozenset({"ENDPOINT_NOT_FOUND", "RESOURCE_DOES_NOT_EXIST"})


def is_gateway_host(host: str) -> bool:
    """Whether ``host`` is the gateway's own: ``<workspace-id>.ai-gateway.…``.

    Source: docs/wire/surfaces.md#dedicated-gateway-host.
    """
    return ".ai-gateway." in (urlsplit(host).hostname or "")


def choose_surface(model: str, host: str, surface: str = AUTO) -> SurfaceChoice:
    """Return the surface that serves ``model``, as far as the name, the host and the setting show it.

    Args:
        model: the model's name.
        host: ``https://…`` of the workspace.
        surface: the setting: a surface, or ``"auto"``.

    Raises:
        ConfigurationError: the host serves one route-optimised endpoint only, or not the surface that is set.
        InvalidRequestError: the model is a Databricks App, or has no name, or one that a URL cannot hold.
    """
    _refuse_other_services(model, host)
    if is_gateway_host(host):
        if surface == "model-serving":
            raise ConfigurationError(
                f"surface is 'model-serving', but {urlsplit(host).hostname} is the gateway's own host; set host= to the "
                "workspace, or leave surface= out"
            )
        return SurfaceChoice("ai-gateway", f"{urlsplit(host).hostname} is the gateway's own host")
    if surface == "ai-gateway":
        return SurfaceChoice("ai-gateway", "surface='ai-gateway' was set")
    if surface == "model-serving":
        return SurfaceChoice("model-serving", "surface='model-serving' was set")
    if model.count(".") >= 2:
        return SurfaceChoice("ai-gateway", "a name of three parts is a Unity Catalog model service")
    if not model.startswith("databricks-"):
        return SurfaceChoice(
            "model-serving", "a name without dots or 'databricks-' is a serving endpoint", try_gateway_too=True
        )
    return SurfaceChoice(None, "a 'databricks-' model is on the gateway where the workspace has one")


def candidates(
    model: str,
    host: str,
    choice: SurfaceChoice,
    family: Family,
    profile: Profile,
    *,
    api: str = AUTO,
    task: str | None = None,
) -> tuple[Route, ...]:
    """Return the routes to try for a chat, in order.

    Args:
        model: the model's name, sent as it is.
        host: ``https://…`` of the workspace.
        choice: the surface, which must be known by now.
        family: of the model.
        profile: of the model.
        api: the setting: an api, which leaves one candidate, or ``"auto"``.
        task: of the endpoint, where its metadata has it.
    """
    surface = choice.surface or "model-serving"
    routes = [_route(cell, model, host, surface, family, choice.reason) for cell in _cells(surface, family, api, task)]
    if profile.responses_only and api == AUTO:
        routes = [route for route in routes if route.api == "responses"] or routes
    if choice.try_gateway_too and api == AUTO and profile.on_gateway and not is_gateway_host(host):
        reason = "model serving does not know this name; the gateway may"
        routes.append(_route(_cells("ai-gateway", family, api)[0], model, host, "ai-gateway", family, reason))
    return tuple(routes)


def endpoint_route(endpoint_url: str, model: str, family: Family, api: Api | None = None) -> Route:
    """Return the one route of full-URL mode: exactly ``endpoint_url``, with ``api``, or the one that its path names."""
    path = urlsplit(endpoint_url).path
    hinted = api_of_url(endpoint_url)
    api = api or hinted
    # Only where the path is that of generate-content is there another for its streams.
    stream_url = _streamed(endpoint_url) if api == hinted == "generate-content" else endpoint_url
    return Route(
        model=model,
        surface="ai-gateway" if "/ai-gateway/" in path or is_gateway_host(endpoint_url) else "model-serving",
        family=family,
        api=api,
        url=endpoint_url,
        stream_url=stream_url,
        model_in_body=api != "generate-content" and not path.endswith("/invocations"),
        reason="endpoint_url is set: requests go exactly there",
        may_act=_is_at_app(endpoint_url)
        or (path.endswith(_PATHS_OF_AGENTS) if acts(family) is None else bool(acts(family))),
    )


def _is_at_app(url: str) -> bool:
    """Whether ``url`` is a Databricks App's (docs/wire/endpoints.md#agents)."""
    return (urlsplit(url).hostname or "").endswith(APPS_DOMAIN)


_PATHS_OF_AGENTS: Final = ("/invocations", "/responses")
"""Ends of URLs at which agents are served, as models are too: only the family tells one from the other."""


def api_of_url(url: str) -> Api:
    """Return the api that the path of ``url`` names: chat-completions unless it ends otherwise."""
    path = urlsplit(url).path
    if path.endswith("/responses"):
        return "responses"
    if path.endswith("/v1/messages"):
        return "messages"
    return "generate-content" if path.endswith(":generateContent") else "chat-completions"


def _streamed(url: str) -> str:
    """Return the streaming counterpart of a ``:generateContent`` URL, with the same query."""
    parts = urlsplit(url)
    path = parts.path.removesuffix(":generateContent") + ":streamGenerateContent"
    has_alt = any(name == "alt" for name, _ in parse_qsl(parts.query))
    query = parts.query if has_alt else "&".join(filter(None, (parts.query, "alt=sse")))
    return parts._replace(path=path, query=query).geturl()


def embeddings_route(model: str, host: str, surface: Surface) -> EmbeddingsRoute:
    """Return the route for embeddings."""
    if surface == "ai-gateway":
        url = _url(host, surface, "mlflow/v1/embeddings", model)
        return EmbeddingsRoute(model=model, surface=surface, url=url, model_in_body=True)
    return EmbeddingsRoute(
        model=model, surface=surface, url=_url(host, surface, _INVOCATIONS, model), model_in_body=False
    )


def may_try_next(error: APIError) -> bool:
    """Whether ``error`` means that this route does not serve the model, so that the next candidate may."""
    return isinstance(error, NotFoundError) or error.status == 501 or error.error_code in _NOT_HERE_CODES


def called_for(error: APIError, route: Route, host: str, profile: Profile) -> tuple[Route, ...]:
    """Return the routes that the words of a refusal by ``route`` call for, beyond the candidates: none for most refusals.

    A server may say that a model is on the Responses api only, or that it has the names of model services only, which are the
    gateway's (docs/wire/errors.md#another-api, docs/wire/surfaces.md#which-surface).
    """
    codes = frozenset({error.error_code} if error.error_code else ())
    if RESPONSES_ONLY.means(error.status, codes, error.message):
        return _on_responses(route, host)
    if MODEL_SERVICES_ONLY.means(error.status, codes, error.message):
        return _on_gateway(route, host, profile)
    return ()


def further_routes(route: Route, host: str, profile: Profile) -> tuple[Route, ...]:
    """Return every route that :func:`called_for` may return."""
    return _on_responses(route, host) + _on_gateway(route, host, profile)


def _on_responses(route: Route, host: str) -> tuple[Route, ...]:
    if route.api == "responses":
        return ()
    reason = "the server says that the model is served on the Responses api"
    cells = _TABLE[route.surface, "responses"][:1]
    return tuple(_route(cell, route.model, host, route.surface, route.family, reason) for cell in cells)


def _on_gateway(route: Route, host: str, profile: Profile) -> tuple[Route, ...]:
    if route.surface != "model-serving" or not profile.on_gateway or is_gateway_host(host):
        return ()
    reason = "model serving knows no names of endpoints any more; the gateway may"
    cells = _cells("ai-gateway", route.family, AUTO)
    return tuple(_route(cell, route.model, host, "ai-gateway", route.family, reason) for cell in cells)


def service_name(model: str) -> str | None:
    """Return the name that a model of Databricks has as a model service, as far as its own name shows it.

    Source: docs/wire/surfaces.md#model-names.
    """
    rest = model.removeprefix("databricks-")
    return f"system.ai.{rest}" if rest and rest != model else None


_STEPS_OF_PATHS: Final = frozenset({".", ".."})
"""Names that no escape protects in a path: ``/serving-endpoints/./invocations`` is another endpoint's URL (RFC 3986, 5.2.4)."""


def _refuse_other_services(model: str, host: str) -> None:
    if not model.strip():
        raise InvalidRequestError(
            "the model name is empty; give model= the name of a serving endpoint or model service"
        )
    if model in _STEPS_OF_PATHS:
        raise InvalidRequestError(
            f"the model name is {model!r}, which in a URL means another folder; give model= the name of a serving endpoint "
            "or model service"
        )
    if model.startswith("apps/"):
        raise InvalidRequestError(
            f"{model!r} is a Databricks App, which has a host of its own; give its URL as endpoint_url= "
            "(https://<app>.databricksapps.com/responses) and an OAuth token as token="
        )
    name = urlsplit(host).hostname or ""
    if ".serving." in name:
        raise ConfigurationError(
            f"{name} serves one route-optimised endpoint; give its whole URL as endpoint_url= "
            "(the endpoint_url field of the endpoint) with an OAuth token, or set host= to the workspace"
        )


def _cells(surface: Surface, family: Family, api: str, task: str | None = None) -> tuple[_Cell, ...]:
    if api != AUTO:
        forced = next((cells for place, cells in _TABLE.items() if place == (surface, api)), ())
        return forced[:1]
    of_task = _OF_TASK.get((surface, family, task)) or _OF_TASK.get((surface, family, None))
    return of_task or _TABLE[surface, native_api_of(family) or _CHAT]


def _route(cell: _Cell, model: str, host: str, surface: Surface, family: Family, reason: str) -> Route:
    url = _url(host, surface, cell.path, model)
    return Route(
        model=model,
        surface=surface,
        family=family,
        api=cell.api,
        url=url,
        stream_url=_url(host, surface, cell.stream_path, model) if cell.stream_path else url,
        model_in_body=cell.model_in_body,
        reason=reason,
        may_act=bool(acts(family)),
    )


def _url(host: str, surface: Surface, path: str, model: str) -> str:
    prefix = "serving-endpoints/" if surface == "model-serving" else "" if is_gateway_host(host) else "ai-gateway/"
    return f"{host}/{prefix}{path.replace('{model}', quote(model, safe='.-_'))}"
