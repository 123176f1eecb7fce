"""Requests to the models of a simulated workspace: read, check the rules, answer, write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic_core import from_json, to_json

from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing.apis import agents as wire_agents
from dbx_gateway.testing.apis import embeddings as wire_embeddings
from dbx_gateway.testing.apis.wire import Refused, Rule
from dbx_gateway.testing.faults.faults import Reply, Streamed
from dbx_gateway.testing.json_values import is_object
from dbx_gateway.testing.model import brain
from dbx_gateway.testing.model.conversation import Answer, ParsedRequest
from dbx_gateway.testing.model.situation import Situation
from dbx_gateway.testing.service.accounts import Login
from dbx_gateway.testing.service.catalog import Served
from dbx_gateway.testing.service.exchange import WIRES, WorkspaceExchange
from dbx_gateway.testing.service.paths import Place
from dbx_gateway.testing.service.permissions import Permissions

__all__ = ["Inference", "json_reply", "object_in"]

_NO_MODEL = (
    "The given endpoint does not exist, please retry after checking the specified model and version deployment exists."
)


_REFUSED_PROOF: Mapping[Api, str] = {
    "messages": "messages.1.content.0: Invalid `signature` in `thinking` block",
    "responses": "The encrypted content {start}... could not be verified.",
    "generate-content": "Corrupted thought signature.",
    "chat-completions": "Corrupted thought signature.",
}
"""The vendors' words about a proof that counts no more (docs/wire/errors.md#proofs-refused)."""


class Inference:
    """Answers for the models that each user may use.

    Args:
        permissions: the models of each user.
        plain: the vendors' wire formats, without rules and oddities.
        without: names of rules and oddities to turn off.
        enforces_model_services: a name that is not a model service's is answered by 501 (docs/wire/surfaces.md#which-surface).
    """

    def __init__(
        self,
        permissions: Permissions,
        *,
        plain: bool,
        without: frozenset[str],
        enforces_model_services: bool = False,
    ) -> None:
        self._permissions = permissions
        self._plain = plain
        self._without = without
        self._enforces_model_services = enforces_model_services
        self._memory = brain.Memory()

    def retire_proofs(self) -> None:
        """Take no proof of reasoning any more that was given so far."""
        self._memory.retire_proofs()

    def request(self, exchange: WorkspaceExchange, place: Place, login: Login) -> Reply:
        """Answer a request to a model, and record in the exchange what becomes known about it.

        Raises:
            Refused: the model is not served there, or does not take the request.
        """
        body = exchange.body = _decoded(exchange.raw)
        name = exchange.model = place.model or _name_in(body)
        if self._enforces_model_services and name.count(".") < 2:
            raise Refused(
                501,
                f"'{name}' is no longer available. Use Unity Catalog model services (v3).",
                code="NOT_IMPLEMENTED",
            )
        served = exchange.served = self._permissions.catalog(login.user).find(place.surface, name)
        if served is None:
            raise Refused(404, _NO_MODEL, code="ENDPOINT_NOT_FOUND")
        if not self._permissions.may_query(login.user, place.surface, name):
            raise Refused(403, f"{login.user} does not have the permission to query {name}.", code="PERMISSION_DENIED")
        _check_optimized(served, place, login)
        api = exchange.api = place.api or _api_of(served)
        if api == "embeddings":
            return self._embed(exchange, place, served)
        _check_api(served, api)
        situation = self._situation(place.surface, served, api, name)
        request = self._read(body, situation, served, place)
        if place.streams is not None:
            request = replace(request, stream=place.streams)
        exchange.stream = request.stream
        self._check_rules(body, situation)
        self._check_signatures(request, situation)
        answer = brain.answer(request, situation, self._memory)
        _check_window(answer.counts.input, request.max_tokens or 0, situation)
        exchange.billed = answer.counts
        if request.stream:
            return Reply(200, {"content-type": "text/event-stream"}, _stream(answer, request, situation, served, body))
        return json_reply(_whole(answer, request, situation, served, body))

    def _embed(self, exchange: WorkspaceExchange, place: Place, served: Served) -> Reply:
        if served.profile.kind != "embedding":
            raise Refused(400, f"Endpoint {exchange.model} does not serve embeddings.", code="INVALID_PARAMETER_VALUE")
        situation = self._situation(place.surface, served, "chat-completions", exchange.model or "")
        answer, exchange.billed = wire_embeddings.embed(exchange.body or {}, situation)
        return json_reply(answer)

    def _situation(self, surface: Surface, served: Served, api: Api, name: str) -> Situation:
        plain = self._plain
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
    def _read(body: dict[str, Any], situation: Situation, served: Served, place: Place) -> ParsedRequest:
        if served.task == "agent/v2/chat":
            return wire_agents.read_chat(body, situation)
        if served.is_agent:
            return wire_agents.read_responses(body, situation, place.model)
        return WIRES[situation.api].read(body, situation, place.model)

    @staticmethod
    def _check_rules(body: dict[str, Any], situation: Situation) -> None:
        for rule in WIRES[situation.api].RULES:
            if rule.check is not None and situation.enforces(rule.name):
                refused = rule.check(body, situation)
                if refused is not None:
                    raise refused

    def _check_signatures(self, request: ParsedRequest, situation: Situation) -> None:
        for turn in request.turns:
            for signature in turn.signatures:
                if brain.is_retired_signature(signature, situation, self._memory):
                    raise Refused(400, _REFUSED_PROOF[situation.api].format(start=signature[:4]))
                if not brain.is_own_signature(signature, situation, self._memory):
                    raise Refused(400, f"{situation.api}: invalid signature in a replayed turn of the assistant")


def json_reply(body: Mapping[str, object]) -> Reply:
    """Return a good answer with a JSON body."""
    return Reply(200, {"content-type": "application/json"}, to_json(body))


def object_in(raw: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a body holds; None where it holds none."""
    try:
        body: Any = from_json(raw)
    except ValueError:
        return None
    return body if is_object(body) else None


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


def _api_of(served: Served) -> Api | Literal["embeddings"]:
    """Return the wire format of an endpoint's own ``/invocations``."""
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
    """Refuse a prompt that exceeds the context window, with the message of docs/wire/errors.md#overflow."""
    window = situation.profile.context_window
    if window is None or prompt <= window:
        return
    raise Refused(400, situation.behaviour.overflow.format(prompt=prompt, reserved=reserved, window=window))


def _whole(
    answer: Answer, request: ParsedRequest, situation: Situation, served: Served, body: dict[str, Any]
) -> dict[str, Any]:
    if served.task == "agent/v2/chat":
        return wire_agents.chat_whole(answer, body)
    if served.is_agent:
        return wire_agents.responses_whole(answer, request, situation, body)
    return WIRES[situation.api].whole(answer, request, situation)


def _stream(
    answer: Answer, request: ParsedRequest, situation: Situation, served: Served, body: dict[str, Any]
) -> Streamed:
    events: Iterator[bytes]
    if served.task == "agent/v2/chat":
        events = wire_agents.chat_stream(answer, body)
    elif served.is_agent:
        events = wire_agents.responses_stream(answer, request, situation, body)
    else:
        events = WIRES[situation.api].stream(answer, request, situation)
    yield from events
