"""Whether a workspace still needs each quirk: one request with the quirk off and, where that fails, one with it on."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import httpx

from dbx_gateway.call.observations import Observations
from dbx_gateway.call.planning import Plan
from dbx_gateway.chat import ChatRequest, ChatResponse
from dbx_gateway.cli.check import Target
from dbx_gateway.cli.provocations import PROVOCATIONS, Provocation
from dbx_gateway.cli.recorder import recording
from dbx_gateway.cli.tables import print_table
from dbx_gateway.cli.targets import targets
from dbx_gateway.client import Client
from dbx_gateway.error_bodies import read_error_body
from dbx_gateway.errors import (
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    DbxGatewayError,
    NotFoundError,
    PermissionDeniedError,
)
from dbx_gateway.events import fold
from dbx_gateway.models.routing import AUTO
from dbx_gateway.quirks.catalogue import QUIRKS
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.settings import CALL_OPTIONS
from dbx_gateway.surfaces import Api
from dbx_gateway.transport.sending import new_client

__all__ = ["QuirkRow", "check_quirks", "quirk_rows"]

Verdict = Literal["needed", "not needed", "unclear"]

_UNRECOVERABLE: Final = (
    AuthenticationError,
    PermissionDeniedError,
    NotFoundError,
    APIConnectionError,
    ConfigurationError,
)
"""Failures that every further request to the same model, surface and api would meet as well."""

_OPTIONS: Final = tuple(option.name for option in fields(ChatRequest) if option.name in CALL_OPTIONS - {"model"})
"""Fields of a request that a client takes as options of the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuirkRow:
    """The result for one quirk, model, surface and api.

    Args:
        verdict: ``needed``, ``not needed``, or ``unclear`` where the answers do not show it.
        reason: the server's message, or what the answers show.
        answered: the workspace accepted or refused the request; False where it failed or nothing was sent.
    """

    quirk: str
    model: str
    surface: str
    api: str
    verdict: Verdict
    reason: str
    answered: bool

    def as_json(self) -> dict[str, str]:
        """Return the row as plain data."""
        return {
            "quirk": self.quirk,
            "model": self.model,
            "surface": self.surface,
            "api": self.api,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def check_quirks(options: argparse.Namespace, settings: Mapping[str, Any]) -> int:
    """Find out which quirks the configured workspace needs, and print it.

    Args:
        options: the command line: ``model``, ``surface``, ``record``, ``front_end`` and ``json``.
        settings: to reach the workspace with.

    Returns:
        0 when the workspace answered any request, whatever the verdicts; 1 when it answered none.

    Raises:
        DbxGatewayError: the settings contradict each other, or no model is named and none is listed.
    """
    if options.front_end:
        raise ConfigurationError("--quirks uses the plain client only; leave --front-end out")
    if not options.json:
        print("Each row is one or two calls with short answers; they cost tokens.\n")
    problems: list[str] = []
    with _connection(options.record) as client, _without_warnings():
        rows = list(_counted(quirk_rows(targets(options, settings), client, problems), shown=not options.json))
    if options.json:
        found = {"rows": [row.as_json() for row in rows], "problems": problems}
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _print_rows(rows)
    for problem in problems:
        print(f"! {problem}", file=sys.stderr)
    return 0 if any(row.answered for row in rows) else 1


def quirk_rows(to_check: Iterable[Target], client: httpx.Client, problems: list[str]) -> Iterator[QuirkRow]:
    """Yield a row for each target, api and quirk that applies, each as soon as it is known.

    Args:
        to_check: models and their surfaces.
        client: to send with; an event hook records the messages of refusals it receives.
        problems: gets one sentence for each target that could not be checked at all.
    """
    refusals = _RefusalLog(client)
    for target in to_check:
        settings: dict[str, Any] = {"model": target.model, "surface": target.surface, "http_client": client}
        settings |= target.fields
        try:
            plan = Client(**settings, observations=Observations()).plan()
        except DbxGatewayError as error:
            problems.append(f"{target.model} on {target.surface}: {error}")
            continue
        apis: dict[Api, None] = dict.fromkeys(r.api for r in plan.routes if r.surface == target.surface)
        contexts = [_context(target, plan, api) for api in apis]
        if not any(quirk.applies_to(context) for quirk in QUIRKS for context in contexts):
            problems.append(f"{target.model} on {target.surface}: no quirk applies to {plan.family} models there")
        for context in contexts:
            # With api="auto" the routing has more paths to the one api than with that api set.
            probe_settings = {**settings, "api": context.api if len(apis) > 1 else settings.get("api", AUTO)}
            yield from _rows_of(_Prober(plan, context, probe_settings, refusals))


def _context(target: Target, plan: Plan, api: Api) -> Context:
    return Context(
        model=target.model,
        surface=plan.routes[0].surface,
        family=plan.family,
        api=api,
        stream=False,
        profile=plan.profile,
    )


class _RefusalLog:
    """Records the messages of a client's refusals, also of those where the request was then repaired and sent again."""

    def __init__(self, client: httpx.Client) -> None:
        self._messages: list[str] = []
        hooks = client.event_hooks
        client.event_hooks = {**hooks, "response": [*hooks["response"], self._record]}

    def _record(self, response: httpx.Response) -> None:
        if response.status_code in (400, 413, 422):
            self._messages.append(read_error_body(response.read()).message)

    def start(self) -> None:
        """Forget the messages so far."""
        self._messages.clear()

    def messages(self) -> tuple[str, ...]:
        """Return the server's message of each refusal since the start, in order."""
        return tuple(self._messages)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An answer, perhaps after refusals that were repaired."""

    answer: ChatResponse
    refusals: tuple[str, ...]

    @property
    def repairs(self) -> dict[str, str]:
        """The repairs that were made, each with the server's message that caused it."""
        exchange = self.answer.exchange
        return dict(zip(exchange.repairs if exchange is not None else (), self.refusals, strict=False))


@dataclass(frozen=True, slots=True)
class _Refused:
    """A refusal that no repair could fix."""

    message: str


@dataclass(frozen=True, slots=True)
class _Failed:
    """No evidence: a failure, or a request that was not sent."""

    reason: str
    unrecoverable: bool = False


_Outcome: TypeAlias = _Accepted | _Refused | _Failed
_Finding: TypeAlias = tuple[Verdict, str]


@dataclass(frozen=True, slots=True)
class _Prober:
    """Sends requests to one model on one surface by one api; what one request learned is not used by the next."""

    plan: Plan
    context: Context
    settings: Mapping[str, Any]
    refusals: _RefusalLog

    def send(self, request: ChatRequest, *disabled: str) -> _Outcome:
        """Send ``request`` with the quirks ``disabled`` off and all others on."""
        self.refusals.start()
        try:
            answer = self._answer(request, disabled)
        except BadRequestError as error:
            return _Refused((self.refusals.messages() or (error.message,))[-1])
        except DbxGatewayError as error:
            return _Failed(f"{type(error).__name__}: {error}", isinstance(error, _UNRECOVERABLE))
        return _Accepted(answer, self.refusals.messages())

    def _answer(self, request: ChatRequest, disabled: tuple[str, ...]) -> ChatResponse:
        client = Client(**self.settings, disabled_quirks=disabled, observations=self._observations())
        options = {name: getattr(request, name) for name in _OPTIONS}
        parts: dict[str, Any] = {
            "tools": request.tools,
            "tool_choice": request.tool_choice,
            "output": request.output,
            "metadata": request.metadata,
        }
        if request.stream:
            return fold(client.stream(request.messages, **parts, **options))
        return client.chat(request.messages, **parts, **options)

    def _observations(self) -> Observations:
        """Return fresh observations that hold the endpoint's metadata, so that it is not looked up each time."""
        fresh = Observations()
        if self.plan.facts is not None:
            fresh.learn_endpoint(self.plan.caller, self.context.model, self.plan.facts)
        return fresh


def _rows_of(prober: _Prober) -> Iterator[QuirkRow]:
    unrecoverable: _Failed | None = None
    for quirk in QUIRKS:
        if not quirk.applies_to(prober.context):
            continue
        provocation = PROVOCATIONS[quirk.name]
        off = unrecoverable or _send_without(quirk, provocation, prober)
        if isinstance(off, _Failed):
            unrecoverable = off if off.unrecoverable else None
            verdict, reason = _unclear(off.reason)
        else:
            verdict, reason = _judged(quirk, provocation, off, prober)
        yield QuirkRow(
            quirk=quirk.name,
            model=prober.context.model,
            surface=prober.context.surface,
            api=prober.context.api,
            verdict=verdict,
            reason=reason,
            answered=not isinstance(off, _Failed),
        )


def _send_without(quirk: Quirk, provocation: Provocation, prober: _Prober) -> _Outcome:
    profile = prober.context.profile
    for capability in provocation.needs:
        why_not = profile.why_not(capability)
        if why_not is not None:
            return _Failed(f"not sent: {profile.model}: {why_not}")
    return prober.send(provocation.request(prober.context), quirk.name)


def _judged(quirk: Quirk, provocation: Provocation, off: _Accepted | _Refused, prober: _Prober) -> _Finding:
    """Return the verdict on a quirk from the outcome without it and, where that is not enough, the one with it."""
    if quirk.kind != "in" and isinstance(off, _Accepted) and not off.refusals:
        return _verdict_if_accepted(provocation, off)
    request = (provocation.allowed or provocation.request)(prober.context)
    on = prober.send(request)
    if isinstance(on, _Failed):
        return _unclear(f"with the quirk on: {on.reason}")
    if isinstance(on, _Refused):
        return _unclear(f"refused with the quirk on as well: {on.message}")
    if isinstance(off, _Refused):
        return "needed", off.message
    if quirk.kind == "in":
        return _compared(provocation, off, on)
    # Accepted without the quirk too, but only after repairs: was one of them for the quirk's reason?
    repaired = [message for name, message in off.repairs.items() if name not in on.repairs]
    if quirk.name in on.repairs:
        repaired.append(on.repairs[quirk.name])
    return ("needed", repaired[0]) if repaired else _verdict_if_accepted(provocation, off)


def _verdict_if_accepted(provocation: Provocation, off: _Accepted) -> _Finding:
    lacks = provocation.lacks(off.answer)
    return _unclear(lacks) if lacks is not None else ("not needed", "accepted with the quirk off")


def _compared(provocation: Provocation, off: _Accepted, on: _Accepted) -> _Finding:
    readings = provocation.readings(off.answer, on.answer)
    if readings is None:
        return _unclear("the answer does not show what the quirk changes")
    without, with_it = readings
    if without == with_it:
        return "not needed", without
    return "needed", f"with the quirk off, {without}; with it on, {with_it}"


def _unclear(reason: str) -> _Finding:
    return "unclear", reason


@contextmanager
def _connection(folder: Path | None) -> Generator[httpx.Client]:
    if folder is None:
        with new_client() as client:
            yield client
    else:
        with recording(folder) as clients:
            yield clients["http_client"]


@contextmanager
def _without_warnings() -> Generator[None]:
    """Silence the quirks' warnings about options that only the check has set."""
    logger = logging.getLogger("dbx_gateway")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _counted(rows: Iterator[QuirkRow], *, shown: bool) -> Iterator[QuirkRow]:
    for number, row in enumerate(rows, 1):
        if shown and sys.stderr.isatty():
            print(f"\r{number} rows", end="", file=sys.stderr, flush=True)
        yield row


def _print_rows(rows: list[QuirkRow]) -> None:
    heads = ("quirk", "model", "surface", "api", "verdict", "reason")
    print_table(heads, [(*tuple(row.as_json().values())[:-1], _short(row.reason)) for row in rows])
    verdicts = Counter(row.verdict for row in rows)
    print("\n" + ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())))


def _short(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= 160 else line[:159] + "…"
