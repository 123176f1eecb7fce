"""The simulated workspace itself: one function from a request to a reply."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic_core import to_json

from dbx_gateway.surfaces import Surface
from dbx_gateway.testing.apis.wire import Refused, databricks_error
from dbx_gateway.testing.faults.faults import Fault, Faults, Reply
from dbx_gateway.testing.faults.rates import TRANSIENT_FAULTS, FaultRates
from dbx_gateway.testing.model.conversation import Counts
from dbx_gateway.testing.service import listings
from dbx_gateway.testing.service.accounts import Accounts, Login
from dbx_gateway.testing.service.catalog import Catalog, Served, default_models
from dbx_gateway.testing.service.exchange import WorkspaceExchange
from dbx_gateway.testing.service.inference import Inference, json_reply, object_in
from dbx_gateway.testing.service.ledger import Entry, Ledger
from dbx_gateway.testing.service.paths import place_of
from dbx_gateway.testing.service.permissions import Permissions

__all__ = ["Workspace"]

Mode: TypeAlias = Literal["workspace", "plain"]

_ORG = "1234567890123456"


class Workspace:
    """A Databricks workspace that exists in this process only.

    It serves every known model on both surfaces, answers deterministically, and keeps a ledger. It refuses what a real
    workspace refuses, and its answers have the oddities of one, unless it is in plain mode.

    Example:
        >>> workspace = Workspace()
        >>> reply = workspace.handle("GET", "/ai-gateway/anthropic/v1/models", {"authorization": f"Bearer {workspace.token}"})
        >>> reply.status
        200

    Args:
        mode: ``"workspace"``, or ``"plain"``: the pure wire formats, for the vendors' own clients.
        gateway: whether the workspace has an AI Gateway; without it every path below ``/ai-gateway`` is not found.
        models: what it serves, instead of :func:`~dbx_gateway.testing.service.catalog.default_models`.
        token: the personal access token of its first user.
        tokens: more personal access tokens, and their users.
        clients: OAuth clients (service principals) and their secrets.
        token_lifetime: seconds until an OAuth token expires; also its ``expires_in``.
        revoke_after: revoke each OAuth token after this many uses; None never.
        tokens_refused_by: the status of a token that is not taken; some servers say by 400 or 403 what others say by 401.
        enforces_model_services: models have the names of their model services only; a legacy name is answered by 501.
        without: names of rules and oddities to turn off.
        clock: returns the time in seconds, for the expiry of OAuth tokens.
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
        tokens_refused_by: Literal[400, 401, 403] = 401,
        enforces_model_services: bool = False,
        without: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.mode: Mode = mode
        self.gateway = gateway
        self.token = token
        served = default_models() if models is None else models
        if not gateway:
            served = [replace(model, gateway_names=()) for model in served if model.name is not None]
        self.catalog = Catalog(served)
        self.ledger = Ledger()
        self.accounts = Accounts(
            {token: "user@example.com", **(tokens or {})},
            clients or {"simulated-client": "simulated-secret"},
            token_lifetime,
            revoke_after,
            clock,
            vendor_headers=mode == "plain",
            refused_by=tokens_refused_by,
        )
        self._permissions = Permissions(self.catalog)
        self._inference = Inference(
            self._permissions,
            plain=mode == "plain",
            without=frozenset(without),
            enforces_model_services=enforces_model_services,
        )
        self._faults = Faults()
        self._rates: FaultRates | None = None
        self._numbers = itertools.count(1)

    def allow(self, user: str, *models: str, surface: Surface | None = None) -> None:
        """Let a user query these models, and from now on no others: those do not exist for the user (404).

        A user for whom this was never called may query every model.

        Example:
            >>> workspace = Workspace(tokens={"dapi-ann": "ann@example.com"})
            >>> workspace.allow("ann@example.com", "team-chat")

        Args:
            user: of a token, or an OAuth client.
            models: their names on either surface; none takes every model away.
            surface: where this holds; None on both surfaces.

        Raises:
            ValueError: the workspace has no such model there.
        """
        self._permissions.allow(user, models, surface)

    def forbid(self, user: str, *models: str, surface: Surface | None = None) -> None:
        """Let a user see these models, in listings and metadata, but not query them (403).

        Args:
            user: of a token, or an OAuth client.
            models: their names on either surface.
            surface: where this holds; None on both surfaces.

        Raises:
            ValueError: the workspace has no such model there.
        """
        self._permissions.forbid(user, models, surface)

    def retire_proofs(self) -> None:
        """Take no proof of a model's reasoning any more that was given so far, as after a change of keys.

        A conversation that sends one back is refused, in the words of its api's vendor (docs/wire/errors.md#proofs-refused).
        """
        self._inference.retire_proofs()

    def inject(self, fault: Fault, *, times: int | None = 1, where: str = "", user: str | None = None) -> None:
        """Make the next requests fail.

        Args:
            fault: the failure.
            times: number of requests; None: all from now on.
            where: only requests whose path contains this.
            user: only requests of this user.
        """
        self._faults.add(fault, times, where, user)

    def inject_at_rate(self, rate: float, *, seed: int = 0, faults: Mapping[str, Fault] = TRANSIENT_FAULTS) -> None:
        """Make requests to models fail at random from now on, the same ones in every run.

        Example:
            >>> workspace = Workspace()
            >>> workspace.inject_at_rate(0.05, seed=7)

        Args:
            rate: the share of requests that get each fault, from 0 to 1; injected faults go first.
            seed: selects which requests fail.
            faults: the faults and their names; by default the temporary ones.

        Raises:
            ValueError: a rate below 0, or above 1 for all faults together.
        """
        self._rates = FaultRates(faults, rate, seed)

    def clear_faults(self) -> None:
        """Remove all injected faults, and those at random."""
        self._faults.clear()
        self._rates = None

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
        fault = self._faults.take(target, exchange.user) or self._drawn(exchange)
        reply = fault.refusal() if fault is not None else None
        if reply is not None:
            exchange.body = object_in(body)
        else:
            reply = self._answer(exchange)
            if fault is not None:
                reply = fault.apply(reply, exchange.failure(fault), exchange.is_terminal)
        reply.headers |= {"x-request-id": exchange.id, "x-databricks-org-id": _ORG}
        self._record(exchange, reply.status, fault)
        return reply

    def _drawn(self, exchange: WorkspaceExchange) -> Fault | None:
        if self._rates is None or exchange.method != "POST" or place_of(exchange.path) is None:
            return None
        return self._rates.draw(exchange.target, exchange.raw)

    def _exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> WorkspaceExchange:
        url = urlsplit(target)
        known = {name.lower(): value for name, value in headers.items()}
        dedicated = ".ai-gateway." in known.get("host", "")
        return WorkspaceExchange(
            id=f"req-{next(self._numbers):06d}",
            method=method.upper(),
            path=f"/ai-gateway{url.path}" if dedicated else url.path,
            query={name: values[0] for name, values in parse_qs(url.query).items()},
            target=target,
            headers=known,
            raw=body,
            user=self.accounts.user_of(known),
        )

    def _record(self, exchange: WorkspaceExchange, status: int, fault: Fault | None) -> None:
        headers = {name: value for name, value in exchange.headers.items() if name not in _SECRET_HEADERS}
        self.ledger.add(
            Entry(
                id=exchange.id,
                method=exchange.method,
                path=exchange.target,
                user=exchange.user,
                status=status,
                surface=exchange.place.surface if exchange.place else None,
                api=exchange.api,
                model=exchange.model,
                stream=exchange.stream,
                billed=exchange.billed,
                body=exchange.body,
                headers=headers,
                fault=fault,
            )
        )

    def _answer(self, exchange: WorkspaceExchange) -> Reply:
        try:
            return self._dispatch(exchange)
        except Refused as refused:
            return self._refusal(refused, exchange)

    def _refusal(self, refused: Refused, exchange: WorkspaceExchange) -> Reply:
        body = refused.body
        if body is None and self.mode == "plain" and exchange.place is not None:
            body = exchange.wire().error(refused.status, refused.code, refused.message)
        elif body is None:
            body = databricks_error(refused.code, refused.message)
        raw = to_json(body) if body else b""
        return Reply(refused.status, {"content-type": "application/json", **refused.headers}, raw)

    def _dispatch(self, exchange: WorkspaceExchange) -> Reply:
        if (public := self._public(exchange)) is not None:
            return public
        exchange.place = place_of(exchange.path)
        if exchange.place is not None:
            exchange.api = exchange.place.api
        exchange.login = self.accounts.check(exchange.headers)
        if exchange.is_for_app and not exchange.login.oauth:
            raise Refused(401, "A Databricks App takes OAuth tokens only.", code="UNAUTHENTICATED")
        if not self.gateway and _needs_gateway(exchange.path):
            raise _no_api(exchange)
        if exchange.place is not None and exchange.method == "POST":
            return self._inference.request(exchange, exchange.place, exchange.login)
        if exchange.method == "GET" and (listing := self._listing(exchange, exchange.login)) is not None:
            return json_reply(listing)
        raise _no_api(exchange)

    def _public(self, exchange: WorkspaceExchange) -> Reply | None:
        """Answer a request that needs no credential: the sign-in metadata, and signing in. None for any other."""
        match exchange.method, exchange.path:
            case "GET", "/.well-known/databricks-config":
                account = {"account_id": "00000000-0000-4000-8000-00000000acc0", "workspace_id": _ORG, "cloud": "AWS"}
                return json_reply({"oidc_endpoint": f"{exchange.origin}/oidc", **account})
            case "GET", "/oidc/.well-known/oauth-authorization-server":
                base = f"{exchange.origin}/oidc/v1"
                return json_reply({"authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token"})
            case "POST", "/oidc/v1/token":
                return json_reply(self.accounts.issue(exchange.headers, exchange.raw))
            case _:
                return None

    def _listing(self, exchange: WorkspaceExchange, login: Login) -> dict[str, Any] | None:
        catalog = self._permissions.catalog(login.user)
        if exchange.path in _LISTINGS:
            return _LISTINGS[exchange.path](catalog, exchange.query)
        parent, _, name = exchange.path.rpartition("/")
        if parent == "/api/2.0/serving-endpoints":
            return listings.serving_endpoint(catalog, unquote(name), exchange.origin)
        if parent == "/api/ai-gateway/v2/endpoints":
            return listings.gateway_endpoint(catalog, unquote(name))
        return None


_LISTINGS: Mapping[str, Callable[[Catalog, Mapping[str, str]], dict[str, Any]]] = {
    "/ai-gateway/anthropic/v1/models": lambda catalog, _: listings.anthropic_models(catalog),
    "/api/2.0/serving-endpoints": lambda catalog, _: listings.serving_endpoints(catalog),
    "/api/2.0/serving-endpoints:foundation-models": lambda catalog, _: listings.foundation_models(catalog),
    "/api/2.1/unity-catalog/model-services": listings.model_services,
    "/api/ai-gateway/v2/endpoints": listings.gateway_endpoints,
}
_SECRET_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "cookie"})


def _needs_gateway(path: str) -> bool:
    return path.startswith(("/ai-gateway", "/api/ai-gateway", "/api/2.1/unity-catalog/model-services"))


def _no_api(exchange: WorkspaceExchange) -> Refused:
    return Refused(404, f"No API found for '{exchange.method} {exchange.path}'.", code="ENDPOINT_NOT_FOUND")
