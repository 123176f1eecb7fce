"""One call from start to finish, without I/O: a request's life, to be read from top to bottom.

:meth:`Call.chat` is that life: check, plan the route, then for each candidate route encode, fix what the workspace departs
in, send, read, and decide what to do when it failed. A call is a generator that yields :mod:`dbx_gateway.call.actions`; the
sync and the async client carry these out and share all that is decided here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

from pydantic_core import to_json

from dbx_gateway.call.actions import Flow, Open, fetch, open_stream, together, wait
from dbx_gateway.call.caller import Caller
from dbx_gateway.call.checks import check_last_turn, check_media, check_request
from dbx_gateway.call.forms import NOT_FORCED, asked_otherwise
from dbx_gateway.call.message_parts import sendable, warn_of_parts_by_role
from dbx_gateway.call.minted_ids import MintedIds
from dbx_gateway.call.observations import Observations
from dbx_gateway.call.open_stream import OpenStream
from dbx_gateway.call.pacing import Turn, is_refusal
from dbx_gateway.call.planning import Plan, Planner, headers_of
from dbx_gateway.call.property_names import PropertyNames
from dbx_gateway.call.reading import AnswerStream, Reading, read_answer
from dbx_gateway.call.refused_proofs import proofs_in, repair_without_proofs, without, without_proofs
from dbx_gateway.call.repairs import Repair, learned_quirks, repair_for
from dbx_gateway.call.request_log import log_exchange
from dbx_gateway.call.retries import LONGEST_RETRY_AFTER, is_transient, pause_before, surely_not_taken
from dbx_gateway.call.several_answers import check_calls, combined, missing, needs_calls
from dbx_gateway.call.stop_sequences import StopSequences, unsent
from dbx_gateway.call.tool_names import ToolNames, undemanding_tools
from dbx_gateway.call.turns import check_answered, in_order
from dbx_gateway.call.unfit_settings import without_reasoning
from dbx_gateway.chat import ChatRequest, ChatResponse, Exchange, JsonObject
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.embeddings import Embeddings, embeddings_body, read_embeddings
from dbx_gateway.error_bodies import RequestTarget, api_error, request_id_of
from dbx_gateway.errors import APIError, BadRequestError, ConfigurationError, DbxGatewayError, RateLimitError
from dbx_gateway.models.discovery import Listing
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.models.routing import API_HEADERS, EmbeddingsRoute, Route, may_try_next, service_name
from dbx_gateway.notices import addressed_to, warn_once
from dbx_gateway.quirks import claude_structured_output, tool_choice_required
from dbx_gateway.quirks.catalogue import ALL, UNANSWERED_CALLS, answer_fixes, applicable, check_disabled, fix_request
from dbx_gateway.quirks.quirk import Context
from dbx_gateway.refusals import MODEL_SERVICES_ONLY
from dbx_gateway.schemas.chain import fit_schemas
from dbx_gateway.settings import Settings, timeout_of
from dbx_gateway.transport.deadlines import NO_DEADLINE, Deadline
from dbx_gateway.transport.sending import HttpRequest, HttpResponse, overdue

__all__ = ["Call", "CallResult"]

T = TypeVar("T")
H = TypeVar("H")
OutcomeT = TypeVar("OutcomeT", bound=OpenStream[Any] | HttpResponse | DbxGatewayError)

_IN_BODIES: Final = frozenset({"drop", "item", "clamp", "cap", "limit"})
"""Kinds of repairs that change a field of the body."""

MAX_REPAIRS: Final = 4
"""Different repairs in one call at most; each is one more send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult(Generic[H]):
    """The outcome of a call: a whole answer, or a stream that has begun.

    Args:
        response: the whole answer; None where a stream was asked for.
        stream: the stream; None where a whole answer was asked for.
        exchange: the route, the attempts and the server's id of the request.
        default_max_tokens: the limit of the answer that was sent because the user set none.
        identity: whose call it was, for warnings.
    """

    response: ChatResponse | None = None
    stream: OpenStream[H] | None = None
    exchange: Exchange
    default_max_tokens: int | None = None
    identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Encoded:
    """A request as it goes on the wire, and how to read its answer."""

    http: HttpRequest
    body: JsonObject = field(repr=False)
    context: Context
    reading: Reading
    target: RequestTarget
    repairs: tuple[Repair, ...]
    """Those, remembered or new, that changed the request."""


@dataclass(frozen=True, slots=True)
class _ByCalls:
    """What a route does not answer in one request, and is asked for by several calls; and the repairs that led there."""

    repairs: tuple[Repair, ...]


class Call(Generic[H]):
    """One call: a conversation, a list of texts or a question about the workspace, under given settings.

    Args:
        settings: with the options of this call merged in.
        observations: what was learned before, and where to put what is learned now.
        product: ``name/version`` of what uses the client, for the User-Agent.
        deadline: of the call that this one is a part of; a call that starts by itself has its own.
    """

    def __init__(
        self, settings: Settings, observations: Observations, product: str = "", deadline: Deadline = NO_DEADLINE
    ) -> None:
        self._settings = settings
        self._observations = observations
        self._product = product
        self._planner = Planner(settings, observations, product)
        self._disabled = check_disabled(settings.disabled_quirks)
        self._attempts: list[str] = []
        self._repaired: list[Repair] = []
        self._deadline = deadline
        self._answered: int | None = None
        """The status of the refusal that the latest request got; None where it got no answer, or one that had begun."""
        self._turn: Turn | None = None
        self._refusal: DbxGatewayError | None = None
        """The last refusal for load that this call has met."""

    def plan(self) -> Flow[Plan]:
        """Find out where a chat would go; see :meth:`Planner.plan`."""
        return self._planner.plan()

    def listing(self) -> Flow[Listing]:
        """Find out which models the workspace serves; see :meth:`Planner.listing`."""
        return self._planner.listing()

    def chat(self, request: ChatRequest) -> Flow[CallResult[H]]:
        """Ask for an answer, whole or streamed as ``request.stream`` says.

        Raises:
            DbxGatewayError: every candidate failed; of several "not served here" the first is raised.
        """
        self._start_clock()
        given = request
        request = sendable(given)
        check_request(request)
        if UNANSWERED_CALLS not in self._disabled:
            check_answered(request.messages)
        messages = in_order(request.messages)
        if messages is not request.messages:
            request = replace(request, messages=messages)
        if self._planner.family is not None:  # what the name alone shows to be wrong costs no question
            _check_for(request, profile_of(request.model, self._planner.family))
        plan = yield from self._planner.plan()
        if request.messages is not given.messages:
            with addressed_to(plan.caller.identity):
                warn_of_parts_by_role(given)
        _check_for(request, plan.profile)
        with addressed_to(plan.caller.identity):
            request = without_reasoning(request, plan.profile)
        names = ToolNames.of(request)
        request = names.outward(request)
        first_error: APIError | None = None
        tried: list[Route] = []
        waiting = list(plan.routes)
        while waiting:
            route = waiting.pop(0)
            outcome = yield from self._try_route(request, route, plan, names)
            if isinstance(outcome, CallResult):
                if tried:
                    self._observations.learn_route(plan.caller, route.model, route.surface, route.url)
                return replace(outcome, identity=plan.caller.identity)
            if not isinstance(outcome, APIError):
                raise outcome
            tried.append(route)
            further = self._planner.called_for(outcome, route, plan)
            if not further and not self._may_try_next(outcome, route):
                raise outcome
            seen = {(one.api, one.url) for one in (*tried, *waiting)}
            waiting = [*(one for one in further if (one.api, one.url) not in seen), *waiting]
            first_error = first_error or outcome
        if first_error is None:
            raise self._no_route(plan)
        raise (yield from self._with_service(first_error, plan.caller))

    def embed(self, texts: tuple[str, ...], dimensions: int | None) -> Flow[Embeddings]:
        """Ask for the vectors of a batch of texts.

        Raises:
            DbxGatewayError: the batch failed.
        """
        self._start_clock()
        route = yield from self._planner.embeddings_route()
        turn = self._turn_at(self._planner.caller, route)
        target = RequestTarget(route.model, str(route))
        body = embeddings_body(route, texts, dimensions) | self._settings.extra_body
        http = self._post(route.url, body, {}, self._deadline, target)

        def attempt() -> Flow[Embeddings | DbxGatewayError]:
            outcome = yield from self._exchange_of(fetch(http), http, "embeddings", target, turn)
            if isinstance(outcome, DbxGatewayError):
                return outcome
            try:
                return read_embeddings(outcome.body, len(texts), target)
            except DbxGatewayError as unreadable:
                unreadable.request_id = unreadable.request_id or request_id_of(outcome.headers)
                return unreadable

        embeddings = yield from self._with_retries(attempt, turn)
        if isinstance(embeddings, APIError) and self._planner.caller is not None:
            raise (yield from self._with_service(embeddings, self._planner.caller))
        if isinstance(embeddings, DbxGatewayError):
            raise embeddings
        return embeddings

    def _with_service(self, error: APIError, caller: Caller) -> Flow[APIError]:
        """Return ``error`` with the name of the model service, where that is what the workspace asks for."""
        name = service_name(self._settings.model)
        codes = frozenset({error.error_code} if error.error_code else ())
        if name is None or not MODEL_SERVICES_ONLY.means(error.status, codes, error.message):
            return error
        try:
            listed = yield from self._planner.service(caller)
        except DbxGatewayError:  # it is only about a name: the refusal is what the user has to see
            listed = None
        known = f"Its model service is {listed!r}." if listed else f"Its model service is probably {name!r}."
        named = type(error)(f"{error.message} {known}")
        named.__dict__.update(error.__dict__ | {"message": named.message})
        return named

    # --- one candidate route: retries around repairs around one exchange -----------------------------------------

    def _try_route(
        self, request: ChatRequest, route: Route, plan: Plan, names: ToolNames
    ) -> Flow[CallResult[H] | DbxGatewayError]:
        repairs: list[Repair] = []
        turn = self._turn_at(plan.caller, route)

        def attempt() -> Flow[CallResult[H] | _ByCalls | DbxGatewayError]:
            while True:
                with addressed_to(plan.caller.identity):
                    proofs = self._refused_proofs(request, route, plan)
                    encoded = self._encode(request, route, plan.profile, names, [*repairs, *proofs])
                if needs_calls(request, encoded.body | request.extra_body, route.api):
                    return _ByCalls(encoded.repairs)
                outcome = yield from self._send(encoded, request, route, turn)
                if isinstance(outcome, CallResult):
                    self._learn(repairs, route, plan)
                    with addressed_to(plan.caller.identity):
                        _warn_of(encoded.repairs, route)
                    return outcome
                with addressed_to(plan.caller.identity):
                    repair = self._repair(outcome, encoded, request)
                if repair is None or repair in self._repaired:
                    return outcome
                self._repaired.append(repair)
                repairs.append(repair)

        outcome = yield from self._with_retries(attempt, turn, may_act=route.may_act)
        if isinstance(outcome, _ByCalls):
            check_calls(request, may_act=route.may_act)
            first, number, applied = [], request.n or 1, outcome.repairs
        elif isinstance(outcome, CallResult) and (number := missing(request, outcome.response)):
            if route.may_act:
                with addressed_to(plan.caller.identity):
                    warn_once(
                        f"{route.model}: n",
                        f"{route.model!r} left out {number} of {request.n} answers; it may be an agent, "
                        "which is not asked again",
                    )
                return outcome
            first, applied = [outcome], ()
        else:
            return outcome
        results = yield from self._single_answers(number, request, route, plan, names)
        if isinstance(results, DbxGatewayError):
            return results
        self._learn(repairs, route, plan)
        with addressed_to(plan.caller.identity):
            _warn_of(applied, route)
        answers = [*first, *results]
        exchange = self._exchange_of_all(answers[0].exchange, applied, [one.exchange for one in results])
        response = combined([one.response for one in answers if one.response is not None])
        return replace(answers[0], response=replace(response, exchange=exchange), exchange=exchange)

    def _single_answers(
        self, number: int, request: ChatRequest, route: Route, plan: Plan, names: ToolNames
    ) -> Flow[list[CallResult[H]] | DbxGatewayError]:
        """Ask for one answer, ``number`` times at once; the first failure is that of all."""
        single = replace(request, n=None)
        calls = [Call[H](self._settings, self._observations, self._product, self._deadline) for _ in range(number)]
        return together([call._try_route(single, route, plan, names) for call in calls])  # noqa: SLF001  # of this class

    def _exchange_of_all(self, first: Exchange, repairs: tuple[Repair, ...], others: list[Exchange]) -> Exchange:
        """Return how several answers were obtained: as the first of them, with what was tried and repaired for any.

        Args:
            first: that of the first answer.
            repairs: that led to calls for single answers.
            others: those of these calls.
        """
        names = [
            *(repair.name for repair in repairs),
            *first.repairs,
            *(name for one in others for name in one.repairs),
        ]
        return replace(
            first,
            attempts=(*self._attempts, *(attempt for one in others for attempt in one.attempts)),
            repairs=tuple(dict.fromkeys(names)),
            paced=max(one.paced for one in (first, *others)),
        )

    def _with_retries(self, attempt: Callable[[], Flow[T]], turn: Turn, *, may_act: bool = False) -> Flow[T]:
        """Make attempts until one succeeds, or fails for good, or there is no time or no retry left.

        A refusal for load is no reason to count a retry: the call waits with the others of the endpoint, and first.

        Args:
            attempt: sends the request once, and again with repairs.
            turn: the call's place among the callers of the endpoint.
            may_act: it goes to what may be an agent, which is asked again only where it has surely not begun.
        """
        retry = 0
        while True:
            outcome = yield from attempt()
            if not isinstance(outcome, DbxGatewayError):
                return outcome
            self._note_refusal(outcome, turn)
            if may_act and not surely_not_taken(outcome, self._answered):
                outcome.retryable = False  # for frameworks that make a failed call again by themselves
                return outcome
            if not is_transient(outcome):
                return outcome
            if is_refusal(outcome.status) and turn.paced:
                continue
            if retry >= self._settings.max_retries:
                return outcome
            retry += 1
            pause = pause_before(retry, outcome)
            if not self._deadline.allows(pause):
                return outcome
            yield from wait(pause)

    def _encode(
        self, request: ChatRequest, route: Route, profile: Profile, names: ToolNames, fresh: list[Repair]
    ) -> _Encoded:
        """Write the request as the route's api wants it: the dialect, the quirks on the way out, the known repairs."""
        refused = frozenset[str]().union(*(repair.proofs for repair in fresh))
        request = without_proofs(request, refused)
        dialect = DIALECTS[route.api]
        context = Context(
            model=route.model,
            surface=route.surface,
            family=route.family,
            api=route.api,
            stream=request.stream,
            profile=profile,
        )
        repairs = [] if ALL in self._disabled else [*self._observations.repairs(route.url, route.model), *fresh]
        quirks = applicable(context, self._disabled, learned_quirks(tuple(repairs)))
        forms = frozenset(repair.name for repair in repairs if repair.kind == "form")
        if tool_choice_required.QUIRK in quirks:
            forms |= {NOT_FORCED}
        asked, form = asked_otherwise(
            request, profile, route.api, forms, by_quirk=claude_structured_output.QUIRK in quirks
        )
        fit = fit_schemas(asked, route.family, route.api)
        keys = PropertyNames.of(fit, profile.property_names)
        encoded = dialect.encode(keys.outward(fit), profile)
        if not route.model_in_body:
            encoded.pop("model", None)
        applied = _changed_before(encoded, repairs, context, asked_otherwise=asked is not request)
        applied += [repair for repair in fresh if repair.kind == "proofs"][:1]
        body, changed = _repaired(fix_request(encoded, context, quirks), repairs, context)
        sent = body | request.extra_body
        target = RequestTarget(route.model, str(route))
        http = self._post(
            route.stream_url if request.stream else route.url,
            sent,
            API_HEADERS.get(route.api, {}),
            self._deadline.streaming(self._longest_silence()) if request.stream else self._deadline,
            target,
            may_act=route.may_act,
        )
        reading = Reading(
            dialect,
            answer_fixes(encoded, context, quirks),
            names,
            target,
            undemanding=undemanding_tools(request),
            joined=self._settings.coalesce_deltas,
            translations=tuple(one for one in (keys or None, form, MintedIds.of(request)) if one is not None),
            stop=_stop_here(request, sent, route),
        )
        return _Encoded(
            http=http, body=body, context=context, reading=reading, target=target, repairs=(*applied, *changed)
        )

    def _send(
        self, encoded: _Encoded, request: ChatRequest, route: Route, turn: Turn
    ) -> Flow[CallResult[H] | DbxGatewayError]:
        """Send the request once and read its answer: a stream as far as its first events, else the whole."""
        sending: Flow[OpenStream[H] | HttpResponse | DbxGatewayError] = (
            open_stream(Open[H](encoded.http, AnswerStream(encoded.reading))) if request.stream else fetch(encoded.http)
        )
        outcome = yield from self._exchange_of(sending, encoded.http, route.api, encoded.target, turn)
        if isinstance(outcome, DbxGatewayError):
            return outcome
        exchange = self._described(route, encoded, outcome)
        default = None if request.max_tokens is not None else encoded.body.get("max_tokens")
        default_max_tokens = default if isinstance(default, int) else None
        if isinstance(outcome, OpenStream):
            return CallResult(stream=outcome, exchange=exchange, default_max_tokens=default_max_tokens)
        encoded.reading.status = outcome.status
        try:
            response = read_answer(outcome.body, outcome.headers.get("content-type", ""), encoded.reading)
        except DbxGatewayError as unreadable:
            if unreadable.status is None and not isinstance(unreadable, APIError):
                unreadable.status = outcome.status
            unreadable.request_id = unreadable.request_id or request_id_of(outcome.headers)
            return unreadable
        return CallResult(
            response=replace(response, exchange=exchange), exchange=exchange, default_max_tokens=default_max_tokens
        )

    def _exchange_of(
        self, sending: Flow[OutcomeT], http: HttpRequest, api: str, target: RequestTarget, turn: Turn
    ) -> Flow[OutcomeT | DbxGatewayError]:
        """Send a request when its turn comes, and return the answer or the typed error of whatever failed.

        The attempt is noted and logged. The call is in flight until its whole answer is there, or its stream is left.
        """
        waited = turn.waited
        in_flight = False
        try:
            yield from self._wait_for(turn, http, target)
            began = time.monotonic()
            outcome = yield from sending
            error = _error_in(outcome, target)
            self._answered = outcome.status if isinstance(outcome, HttpResponse) and outcome.status >= 300 else None
            self._attempts.append(f"{api} {http.url} {outcome.status or type(outcome).__name__}")
            log_exchange(http, outcome, error, time.monotonic() - began, len(self._attempts), turn.waited - waited)
            if error is not None:
                self._note_refusal(error, turn)
            elif isinstance(outcome, OpenStream):
                outcome.on_end = turn.leave
                in_flight = True
        finally:
            if not in_flight:
                turn.leave()
        return outcome if error is None else error

    # --- turns: after a refusal for load, and under max_in_flight -----------------------------------------------------

    def _turn_at(self, caller: Caller | None, route: Route | EmbeddingsRoute) -> Turn:
        """Return the call's place among the callers of the endpoint that ``route`` leads to."""
        assert caller is not None  # noqa: S101  # whoever has a route was asked
        settings = self._settings
        endpoint = (route.url if settings.endpoint_url is not None else route.surface, route.model)
        pacer = self._observations.pacer(caller, endpoint)
        if self._turn is None or self._turn.pacer is not pacer:
            self._turn = pacer.turn(settings.max_in_flight, paced=settings.max_retries > 0, left=self._deadline.left)
        return self._turn

    def _wait_for(self, turn: Turn, http: HttpRequest, target: RequestTarget) -> Flow[None]:
        """Wait until the request may be sent.

        Raises:
            DbxGatewayError: there is no time left, or none that suffices.
        """
        while (pause := turn.ask()) is not None:
            if turn.over:
                raise self._impatient(turn, http, target)
            yield from wait(pause, turn.wakeup)

    def _impatient(self, turn: Turn, http: HttpRequest, target: RequestTarget) -> DbxGatewayError:
        """Return the error of a call whose turn does not come in time."""
        if not turn.in_storm:
            return overdue(http)
        return self._refusal or RateLimitError(
            f"{target}: not sent within {turn.waited:.1f} s, because the endpoint refuses calls for load and others were "
            "before this one. Send less at once, or set a longer total_timeout=.",
            status=429,
            error_code="paced",
            model=target.model,
            route=target.route,
        )

    def _note_refusal(self, error: DbxGatewayError, turn: Turn) -> None:
        """Let the other callers of the endpoint know where ``error`` is a refusal for load."""
        if is_refusal(error.status):
            self._refusal = error
            wanted = error.retry_after
            # Of a wait beyond all patience the one who asked is told; nobody else is to be held up for so long.
            turn.refuse(wanted if wanted is None or wanted <= LONGEST_RETRY_AFTER else None)

    # --- what failed, and what is learned ------------------------------------------------------------------------

    def _repair(self, error: DbxGatewayError, encoded: _Encoded, request: ChatRequest) -> Repair | None:
        if (
            not isinstance(error, BadRequestError)
            or error.retryable
            or ALL in self._disabled
            or len(self._repaired) >= MAX_REPAIRS
        ):
            return None
        if encoded.http.may_act:  # agents answer 400 for what goes wrong while they work, too
            return None
        protected = frozenset(self._settings.extra_body)
        return repair_without_proofs(error, request, encoded.body, protected) or repair_for(
            error, encoded.body, encoded.context, protected=protected, disabled=self._disabled
        )

    def _refused_proofs(self, request: ChatRequest, route: Route, plan: Plan) -> list[Repair]:
        """Return what leaves out the proofs of this conversation that were refused before."""
        if not self._observations.knows_refused_proofs or ALL in self._disabled:
            return []
        known = self._observations.refused_proofs(plan.caller, route.url, route.model, proofs_in(request))
        return [without(known, route.model)] if known else []

    def _may_try_next(self, error: APIError, route: Route) -> bool:
        return self._answered == 404 if route.may_act else may_try_next(error)

    def _learn(self, repairs: list[Repair], route: Route, plan: Plan) -> None:
        for proofs in (one.proofs for one in repairs if one.proofs):
            self._observations.learn_refused_proofs(plan.caller, route.url, route.model, proofs)
        for repair in (one for one in repairs if one.is_of_the_model):
            self._observations.learn_repair(route.url, route.model, repair)

    def _described(self, route: Route, encoded: _Encoded, outcome: OpenStream[Any] | HttpResponse) -> Exchange:
        return Exchange(
            surface=route.surface,
            family=route.family,
            api=route.api,
            url=route.url,
            status=outcome.status,
            request_id=request_id_of(outcome.headers),
            attempts=tuple(self._attempts),
            repairs=tuple(repair.name for repair in encoded.repairs),
            paced=self._turn.waited if self._turn is not None else 0.0,
        )

    # --- what every request has ----------------------------------------------------------------------------------

    def _start_clock(self) -> None:
        self._deadline = self._planner.deadline = Deadline.from_now(self._settings.total_timeout)

    def _post(
        self,
        url: str,
        body: JsonObject,
        headers: Mapping[str, str],
        deadline: Deadline,
        target: RequestTarget,
        *,
        may_act: bool = False,
    ) -> HttpRequest:
        # Of these headers a user can set only those of API_HEADERS, and then means it.
        return HttpRequest(
            method="POST",
            url=url,
            headers=headers_of(self._settings, self._product, {"content-type": "application/json", **headers}),
            content=to_json(body),
            timeout=timeout_of(self._settings.timeout),
            deadline=deadline,
            label=str(target),
            may_act=may_act,
        )

    def _longest_silence(self) -> float | None:
        idle = self._settings.stream_idle_timeout
        return idle if idle is not None else timeout_of(self._settings.timeout).read

    def _no_route(self, plan: Plan) -> ConfigurationError:
        return ConfigurationError(
            f"no route serves {self._settings.model!r} ({plan.family}) on {plan.choice.surface} with api={self._settings.api!r}; "
            "leave api= at 'auto' or choose another surface"
        )


def _error_in(
    outcome: OpenStream[Any] | HttpResponse | DbxGatewayError, target: RequestTarget
) -> DbxGatewayError | None:
    if isinstance(outcome, DbxGatewayError):
        outcome.model, outcome.route = outcome.model or target.model, outcome.route or target.route
        return outcome
    if isinstance(outcome, OpenStream):
        return outcome.stream.failure if not outcome.first else None
    if outcome.status >= 300:
        return api_error(outcome.status, outcome.headers, outcome.body, target)
    return None


def _changed_before(
    encoded: JsonObject, repairs: Iterable[Repair], context: Context, *, asked_otherwise: bool
) -> list[Repair]:
    """Return the repairs that act in other ways than on the finished body: by a quirk, or by the form of the question."""
    return [
        one
        for one in repairs
        if (one.kind == "quirk" and one.apply(encoded, context) is not encoded)
        or (asked_otherwise and (one.kind == "form" or one.name == tool_choice_required.QUIRK.name))
    ]


def _repaired(body: JsonObject, repairs: Iterable[Repair], context: Context) -> tuple[JsonObject, list[Repair]]:
    """Return the body with what is known to be refused changed, and the repairs that changed something."""
    applied: list[Repair] = []
    for repair in repairs:
        repaired = repair.apply(body, context) if repair.kind in _IN_BODIES else body
        if repaired is not body:
            body = repaired
            applied.append(repair)
    return body, applied


def _stop_here(request: ChatRequest, sent: JsonObject, route: Route) -> StopSequences | None:
    """Return the stop sequences to cut the answer at, those that the server was not sent; None where there are none.

    An agent may take no notice of those that it was sent. It is left to finish its work, as further answers are to end.
    """
    words = unsent(request.stop, {} if route.may_act else sent, route.api)
    return StopSequences(words, closes=not route.may_act and request.n in (None, 1)) if words else None


def _warn_of(repairs: tuple[Repair, ...], route: Route) -> None:
    for repair in repairs:
        if repair.note:
            warn_once(f"{route.model}: repair {repair.name}", repair.note)


def _check_for(request: ChatRequest, profile: Profile) -> None:
    check_last_turn(request, profile)
    check_media(request, profile)
