"""The simulated workspace itself: one function from a request to a reply."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic_core import from_json, to_json

from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing import (
    brain,
    listings,
    wire_agents,
    wire_chat,
    wire_embeddings,
    wire_generate_content,
    wire_messages,
    wire_responses,
)
from dbx_gateway.testing.accounts import Accounts, Login
from dbx_gateway.testing.catalog import Catalog, Served, default_models
from dbx_gateway.testing.conversation import Answer, Ask, Counts
from dbx_gateway.testing.faults import Fault, Faults, Reply, Streamed
from dbx_gateway.testing.ledger import Entry, Ledger
from dbx_gateway.testing.paths import Place, place_of
from dbx_gateway.testing.shape import is_object
from dbx_gateway.testing.wire import Refused, Rule, Situation, Wire, databricks_error

__all__ = ["WIRES", "Workspace"]

WIRES: Mapping[Api, Wire] = {
    "chat-completions": wire_chat,
    "responses": wire_responses,
    "messages": wire_messages,
    "generate-content": wire_generate_content,
}
"""The wire formats the workspace speaks."""

Mode: TypeAlias = Literal["workspace", "plain"]

_NO_MODEL = (
    "The given endpoint does not exist, please retry after checking the specified model and version deployment exists."
)
_ORG = "1234567890123456"


@dataclass
class _Exchange:
    """A request, and what becomes known of it on the way to its reply."""

    id: str
    method: str
    path: str
    query: dict[str, str]
    target: str
    headers: dict[str, str]
    raw: bytes
    login: Login | None = None
    place: Place | None = None
    served: Served | None = None
    api: Api | Literal["embeddings"] | None = None
    model: str | None = None
    stream: bool = False
    billed: Counts = field(default_factory=lambda: Counts(0, 0))
    body: dict[str, Any] | None = None

    @property
    def origin(self) -> str:
        """The workspace's own address, as the client called it."""
        return f"http://{self.headers.get('host', '127.0.0.1')}"

    def is_terminal(self, event: bytes) -> bool:
        """Whether an event belongs to the end of a stream."""
        of_agent = self.served is not None and self.served.family == "agent"
        return wire_agents.is_terminal(event) if of_agent else self.wire().is_terminal(event)

    def wire(self) -> Wire:
        """The format in which to word an error."""
        return wire_chat if self.api is None or self.api == "embeddings" else WIRES[self.api]


class Workspace:
    """A Databricks workspace that exists in this process only.

    It serves every known model on both surfaces, answers deterministically, and keeps a ledger. It holds requests to
    the strictness of a real workspace, and shows its oddities, unless it is in plain mode.

    Example:
        >>> workspace = Workspace()
        >>> reply = workspace.handle("GET", "/ai-gateway/anthropic/v1/models", {"authorization": f"Bearer {workspace.token}"})
        >>> reply.status
        200

    Args:
        mode: ``"workspace"``, or ``"plain"``: the pure wire formats, for the vendors' own clients.
        gateway: whether the workspace has an AI Gateway; without it every path below ``/ai-gateway`` is not found.
        models: what it serves, instead of :func:`~dbx_gateway.testing.catalog.default_models`.
        token: the personal access token of its first user.
        tokens: more personal access tokens, and their users.
        clients: OAuth clients (service principals) and their secrets.
        token_lifetime: seconds that an OAuth token lives, and says that it lives.
        revoke_after: revoke each OAuth token after this many uses; None never.
        without: names of rules and oddities that are not in force.
        clock: a clock in seconds, by which OAuth tokens expire.
    """

    def __init__(  # noqa: PLR0913  # each is a setting of the workspace
        self,
        mode: Mode = "workspace",
        *,
        gateway: bool = True,
        models: Iterable[Served] | None = None,
        token: str = "dapi-simulated",  # noqa: S107  # the simulation's own
        tokens: Mapping[str, str] | None = None,
        clients: Mapping[str, str] | None = None,
        token_lifetime: float = 3600.0,
        revoke_after: int | None = None,
        without: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.mode: Mode = mode
        self.gateway = gateway
        self.token = token
        self.catalog = Catalog(default_models() if models is None else models)
        self.ledger = Ledger()
        self.accounts = Accounts(
            {token: "user@example.com", **(tokens or {})},
            clients or {"simulated-client": "simulated-secret"},
            token_lifetime,
            revoke_after,
            clock,
            vendor_headers=mode == "plain",
        )
        self._without = frozenset(without)
        self._memory = brain.Memory()
        self._faults = Faults()
        self._numbers = itertools.count(1)

    def inject(self, fault: Fault, *, times: int | None = 1, where: str = "") -> None:
        """Let the next requests fail.

        Args:
            fault: how.
            times: how many requests; None: all from now on.
            where: only requests whose path contains this.
        """
        self._faults.add(fault, times, where)

    def clear_faults(self) -> None:
        """Drop the faults that still wait for a request."""
        self._faults.clear()

    def billed(self, user: str | None = None) -> Counts:
        """Return the tokens billed so far, in all or to one user."""
        return self.ledger.billed(user)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Answer a request.

        Args:
            method: the HTTP method.
            target: path and query.
            headers: the request's headers, in any case.
            body: the whole body.
        """
        exchange = self._exchange(method, target, headers, body)
        fault = self._faults.take(target)
        reply = fault.refusal() if fault is not None else None
        if reply is None:
            reply = self._answer(exchange)
            if fault is not None:
                event = exchange.wire().error_event(500, fault.error_code, fault.error_message)
                reply = fault.apply(reply, event, exchange.is_terminal)
        reply.headers |= {"x-request-id": exchange.id, "x-databricks-org-id": _ORG}
        self._record(exchange, reply.status)
        return reply

    def _exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> _Exchange:
        url = urlsplit(target)
        known = {name.lower(): value for name, value in headers.items()}
        dedicated = ".ai-gateway." in known.get("host", "")
        return _Exchange(
            id=f"req-{next(self._numbers):06d}",
            method=method.upper(),
            path=f"/ai-gateway{url.path}" if dedicated else url.path,
            query={name: values[0] for name, values in parse_qs(url.query).items()},
            target=target,
            headers=known,
            raw=body,
        )

    def _record(self, exchange: _Exchange, status: int) -> None:
        kept = {name: value for name, value in exchange.headers.items() if name not in _SECRET_HEADERS}
        self.ledger.add(
            Entry(
                id=exchange.id,
                method=exchange.method,
                path=exchange.target,
                user=exchange.login.user if exchange.login else None,
                status=status,
                surface=exchange.place.surface if exchange.place else None,
                api=exchange.api,
                model=exchange.model,
                stream=exchange.stream,
                billed=exchange.billed,
                body=exchange.body,
                headers=kept,
            )
        )

    def _answer(self, exchange: _Exchange) -> Reply:
        try:
            return self._dispatch(exchange)
        except Refused as refused:
            return self._refusal(refused, exchange)

    def _refusal(self, refused: Refused, exchange: _Exchange) -> Reply:
        body = refused.body
        if body is None and self.mode == "plain" and exchange.place is not None:
            body = exchange.wire().error(refused.status, refused.code, refused.message)
        elif body is None:
            body = databricks_error(refused.code, refused.message)
        raw = to_json(body) if body else b""
        return Reply(refused.status, {"content-type": "application/json", **refused.headers}, raw)

    def _dispatch(self, exchange: _Exchange) -> Reply:
        if (public := self._public(exchange)) is not None:
            return public
        exchange.place = place_of(exchange.path)
        if exchange.place is not None:
            exchange.api = exchange.place.api
        exchange.login = self.accounts.check(exchange.headers)
        if not self.gateway and _needs_gateway(exchange.path):
            raise _no_api(exchange)
        if exchange.place is not None and exchange.method == "POST":
            return self._ask(exchange, exchange.place, exchange.login)
        if exchange.method == "GET" and (listing := self._listing(exchange)) is not None:
            return _json(listing)
        raise _no_api(exchange)

    def _public(self, exchange: _Exchange) -> Reply | None:
        """What needs no credential: how to sign in, and signing in."""
        match exchange.method, exchange.path:
            case "GET", "/.well-known/databricks-config":
                account = {"account_id": "00000000-0000-4000-8000-00000000acc0", "workspace_id": _ORG, "cloud": "AWS"}
                return _json({"oidc_endpoint": f"{exchange.origin}/oidc", **account})
            case "GET", "/oidc/.well-known/oauth-authorization-server":
                base = f"{exchange.origin}/oidc/v1"
                return _json({"authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token"})
            case "POST", "/oidc/v1/token":
                return _json(self.accounts.issue(exchange.headers, exchange.raw))
            case _:
                return None

    def _listing(self, exchange: _Exchange) -> dict[str, Any] | None:
        if exchange.path in _LISTINGS:
            return _LISTINGS[exchange.path](self.catalog, exchange.query)
        parent, _, name = exchange.path.rpartition("/")
        if parent == "/api/2.0/serving-endpoints":
            return listings.serving_endpoint(self.catalog, unquote(name), exchange.origin)
        if parent == "/api/ai-gateway/v2/endpoints":
            return listings.gateway_endpoint(self.catalog, unquote(name))
        return None

    # Requests to a model

    def _ask(self, exchange: _Exchange, place: Place, login: Login) -> Reply:
        body = exchange.body = _decoded(exchange.raw)
        name = exchange.model = place.model or _name_in(body)
        served = exchange.served = self.catalog.find(place.surface, name)
        if served is None:
            raise Refused(404, _NO_MODEL, code="ENDPOINT_NOT_FOUND")
        _check_optimized(served, place, login)
        api = exchange.api = place.api or _api_of(served)
        if api == "embeddings":
            return self._embed(exchange, place, served)
        _check_api(served, api)
        situation = self._situation(place.surface, served, api, name)
        ask = self._read(body, situation, served, place)
        if place.streams is not None:
            ask = replace(ask, stream=place.streams)
        exchange.stream = ask.stream
        self._check_rules(body, situation)
        self._check_signatures(ask, situation)
        answer = brain.answer(ask, situation, self._memory)
        _check_window(answer.counts.input, ask.max_tokens or 0, situation)
        exchange.billed = answer.counts
        if ask.stream:
            return Reply(200, {"content-type": "text/event-stream"}, _stream(answer, ask, situation, served, body))
        return _json(_whole(answer, ask, situation, served, body))

    def _embed(self, exchange: _Exchange, place: Place, served: Served) -> Reply:
        if served.profile.kind != "embedding":
            raise Refused(400, f"Endpoint {exchange.model} does not serve embeddings.", code="INVALID_PARAMETER_VALUE")
        situation = self._situation(place.surface, served, "chat-completions", exchange.model or "")
        answer, exchange.billed = wire_embeddings.embed(exchange.body or {}, situation)
        return _json(answer)

    def _situation(self, surface: Surface, served: Served, api: Api, name: str) -> Situation:
        plain = self.mode == "plain"
        rules: Iterable[Rule] = () if plain else WIRES[api].RULES
        active = [
            rule for rule in rules if rule.applies(surface, served.family, api) and rule.name not in self._without
        ]
        return Situation(
            surface=surface,
            family=served.family,
            api=api,
            model=name,
            profile=served.profile,
            plain=plain,
            rules=frozenset(rule.name for rule in active if rule.kind == "refusal"),
            oddities=frozenset(rule.name for rule in active if rule.kind == "oddity"),
        )

    @staticmethod
    def _read(body: dict[str, Any], situation: Situation, served: Served, place: Place) -> Ask:
        if served.task == "agent/v2/chat":
            return wire_agents.read_chat(body, situation)
        if served.family == "agent":
            return wire_agents.read_responses(body, situation, place.model)
        return WIRES[situation.api].read(body, situation, place.model)

    @staticmethod
    def _check_rules(body: dict[str, Any], situation: Situation) -> None:
        for rule in WIRES[situation.api].RULES:
            if rule.check is not None and situation.enforces(rule.name):
                refused = rule.check(body, situation)
                if refused is not None:
                    raise refused

    def _check_signatures(self, ask: Ask, situation: Situation) -> None:
        for turn in ask.turns:
            for signature in turn.signatures:
                if not brain.is_own_signature(signature, situation, self._memory):
                    raise Refused(400, f"{situation.api}: invalid signature in a replayed turn of the assistant")


_LISTINGS: Mapping[str, Callable[[Catalog, Mapping[str, str]], dict[str, Any]]] = {
    "/ai-gateway/anthropic/v1/models": lambda catalog, _: listings.anthropic_models(catalog),
    "/api/2.0/serving-endpoints": lambda catalog, _: listings.serving_endpoints(catalog),
    "/api/2.0/serving-endpoints:foundation-models": lambda catalog, _: listings.foundation_models(catalog),
    "/api/2.1/unity-catalog/model-services": listings.model_services,
    "/api/ai-gateway/v2/endpoints": listings.gateway_endpoints,
}
_SECRET_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "cookie"})


def _json(body: Mapping[str, object]) -> Reply:
    return Reply(200, {"content-type": "application/json"}, to_json(body))


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        body: Any = from_json(raw)
    except ValueError as error:
        raise Refused(400, f"Could not parse request object: {error}", code="MALFORMED_REQUEST") from error
    if not is_object(body):
        raise Refused(400, "Could not parse request object: expected an object.", code="MALFORMED_REQUEST")
    return body


def _name_in(body: dict[str, Any]) -> str:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refused(400, "you must provide a model parameter", code="INVALID_PARAMETER_VALUE")
    return name


def _needs_gateway(path: str) -> bool:
    return path.startswith(("/ai-gateway", "/api/ai-gateway", "/api/2.1/unity-catalog/model-services"))


def _no_api(exchange: _Exchange) -> Refused:
    return Refused(404, f"No API found for '{exchange.method} {exchange.path}'.", code="ENDPOINT_NOT_FOUND")


def _api_of(served: Served) -> Api | Literal["embeddings"]:
    """What an endpoint speaks at its own ``/invocations``."""
    if served.profile.kind == "embedding":
        return "embeddings"
    return "responses" if served.task == "agent/v1/responses" else "chat-completions"


def _check_optimized(served: Served, place: Place, login: Login) -> None:
    if served.route_optimized != place.optimized:
        raise Refused(400, "This endpoint is route optimized: send requests to its endpoint_url.")
    if served.route_optimized and not login.oauth:
        raise Refused(403, "A route-optimized endpoint takes OAuth tokens only.", code="PERMISSION_DENIED")


def _check_api(served: Served, api: Api) -> None:
    if api in served.apis:
        return
    if api != "chat-completions":
        raise Refused(404, f"{served.name or served.entity} is not served at this path.", code="ENDPOINT_NOT_FOUND")
    if served.profile.responses_only:
        text = "This model is only supported in v1/responses and not in v1/chat/completions."
        raise Refused(400, text, code="INVALID_PARAMETER_VALUE")
    raise Refused(400, f"Endpoint with task {served.task} does not serve chat.", code="INVALID_PARAMETER_VALUE")


def _check_window(prompt: int, reserved: int, situation: Situation) -> None:
    """Hold a prompt to the context window, in the words of databricks-wire.md section 5.4."""
    window = situation.profile.context_window
    if window is None or prompt <= window:
        return
    if situation.family == "claude":
        raise Refused(400, f"prompt is too long: {prompt} tokens > {window} maximum")
    raise Refused(400, f"input length and `max_tokens` exceed context limit: {prompt} + {reserved} > {window}")


def _whole(answer: Answer, ask: Ask, situation: Situation, served: Served, body: dict[str, Any]) -> dict[str, Any]:
    if served.task == "agent/v2/chat":
        return wire_agents.chat_whole(answer, body)
    if served.family == "agent":
        return wire_agents.responses_whole(answer, ask, situation, body)
    return WIRES[situation.api].whole(answer, ask, situation)


def _stream(answer: Answer, ask: Ask, situation: Situation, served: Served, body: dict[str, Any]) -> Streamed:
    events: Iterator[bytes]
    if served.task == "agent/v2/chat":
        events = wire_agents.chat_stream(answer, body)
    elif served.family == "agent":
        events = wire_agents.responses_stream(answer, ask, situation, body)
    else:
        events = WIRES[situation.api].stream(answer, ask, situation)
    yield from events
