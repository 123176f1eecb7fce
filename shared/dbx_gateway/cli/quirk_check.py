"""Whether a workspace still needs each quirk: it is asked with the quirk off, and where that fails, with it on."""

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

_HOPELESS: Final = (AuthenticationError, PermissionDeniedError, NotFoundError, APIConnectionError, ConfigurationError)
"""Failures that the next question to the same model, surface and api would only meet again."""

_OPTIONS: Final = tuple(option.name for option in fields(ChatRequest) if option.name in CALL_OPTIONS - {"model"})
"""Fields of a request that a client takes as options of the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuirkRow:
    """What was found out about one quirk for one model on one surface by one api.

    Args:
        verdict: ``needed``, ``not needed``, or ``unclear`` where the answers do not tell.
        reason: the server's words, or what was seen.
        answered: whether the workspace accepted or refused what it was asked, rather than failing or not being asked.
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


def check_quirks(given: argparse.Namespace, settings: Mapping[str, Any]) -> int:
    """Find out which quirks the configured workspace needs, and print it.

    Args:
        given: the command line: ``model``, ``surface``, ``record``, ``front_end`` and ``json``.
        settings: to reach the workspace with.

    Returns:
        0 when the workspace could be asked, whatever was found; 1 when nothing could be asked.

    Raises:
        DbxGatewayError: the settings contradict each other, or no model is named and none is listed.
    """
    if given.front_end:
        raise ConfigurationError("--quirks asks through the plain client only; leave --front-end out")
    if not given.json:
        print("Each row is one or two calls with short answers; they cost tokens.\n")
    problems: list[str] = []
    with _connection(given.record) as client, _without_warnings():
        rows = list(_counted(quirk_rows(targets(given, settings), client, problems), shown=not given.json))
    if given.json:
        found = {"rows": [row.as_json() for row in rows], "problems": problems}
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _print_rows(rows)
    for problem in problems:
        print(f"! {problem}", file=sys.stderr)
    return 0 if any(row.answered for row in rows) else 1


def quirk_rows(asked: Iterable[Target], client: httpx.Client, problems: list[str]) -> Iterator[QuirkRow]:
    """Yield a row for each target, each api that serves it and each quirk that applies there, as they are done.

    Args:
        asked: models, and where to ask them.
        client: to send with; what it receives is listened to for the server's words.
        problems: gets one sentence for each target that could not be asked at all.
    """
    refusals = _Refusals(client)
    for target in asked:
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
            # Where one api is served, the routing knows more paths to it than the api alone tells.
            asking = {**settings, "api": context.api if len(apis) > 1 else settings.get("api", AUTO)}
            yield from _rows_of(_Desk(plan, context, asking, refusals))


def _context(target: Target, plan: Plan, api: Api) -> Context:
    return Context(
        model=target.model,
        surface=plan.routes[0].surface,
        family=plan.family,
        api=api,
        stream=False,
        profile=plan.profile,
    )


class _Refusals:
    """Hears what a client is refused, also where the request is then repaired and sent again."""

    def __init__(self, client: httpx.Client) -> None:
        self._words: list[str] = []
        hooks = client.event_hooks
        client.event_hooks = {**hooks, "response": [*hooks["response"], self._hear]}

    def _hear(self, response: httpx.Response) -> None:
        if response.status_code in (400, 413, 422):
            self._words.append(read_error_body(response.read()).message)

    def start(self) -> None:
        """Forget what was heard before."""
        self._words.clear()

    def heard(self) -> tuple[str, ...]:
        """Return the server's words of each refusal since the start, in order."""
        return tuple(self._words)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An answer, perhaps after refusals that were repaired."""

    answer: ChatResponse
    refusals: tuple[str, ...]

    @property
    def repairs(self) -> dict[str, str]:
        """The repairs that were made, each with the words that called for it."""
        exchange = self.answer.exchange
        return dict(zip(exchange.repairs if exchange is not None else (), self.refusals, strict=False))


@dataclass(frozen=True, slots=True)
class _Refused:
    """A refusal that no repair could settle."""

    words: str


@dataclass(frozen=True, slots=True)
class _Failed:
    """Nothing to judge by: a failure, or a request that could not be made."""

    reason: str
    hopeless: bool = False


_Outcome: TypeAlias = _Accepted | _Refused | _Failed
_Finding: TypeAlias = tuple[Verdict, str]


@dataclass(frozen=True, slots=True)
class _Desk:
    """Puts questions to one model on one surface by one api; nothing learned by one reaches the next."""

    plan: Plan
    context: Context
    settings: Mapping[str, Any]
    refusals: _Refusals

    def ask(self, request: ChatRequest, *disabled: str) -> _Outcome:
        """Send ``request`` with the quirks ``disabled`` off and all others on."""
        self.refusals.start()
        try:
            answer = self._answer(request, disabled)
        except BadRequestError as error:
            return _Refused((self.refusals.heard() or (error.message,))[-1])
        except DbxGatewayError as error:
            return _Failed(f"{type(error).__name__}: {error}", isinstance(error, _HOPELESS))
        return _Accepted(answer, self.refusals.heard())

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
        """Return fresh ones that know of the endpoint what the plan knows, so that it is not looked up each time."""
        fresh = Observations()
        if self.plan.facts is not None:
            place = self.plan.caller
            fresh.learn_endpoint(place.host, place.identity, self.context.model, self.plan.facts)
        return fresh


def _rows_of(desk: _Desk) -> Iterator[QuirkRow]:
    hopeless: _Failed | None = None
    for quirk in QUIRKS:
        if not quirk.applies_to(desk.context):
            continue
        provocation = PROVOCATIONS[quirk.name]
        off = hopeless or _asked_without(quirk, provocation, desk)
        if isinstance(off, _Failed):
            hopeless = off if off.hopeless else None
            verdict, reason = _unclear(off.reason)
        else:
            verdict, reason = _judged(quirk, provocation, off, desk)
        yield QuirkRow(
            quirk=quirk.name,
            model=desk.context.model,
            surface=desk.context.surface,
            api=desk.context.api,
            verdict=verdict,
            reason=reason,
            answered=not isinstance(off, _Failed),
        )


def _asked_without(quirk: Quirk, provocation: Provocation, desk: _Desk) -> _Outcome:
    profile = desk.context.profile
    for capability in provocation.needs:
        why_not = profile.why_not(capability)
        if why_not is not None:
            return _Failed(f"not asked: {profile.model}: {why_not}")
    return desk.ask(provocation.request(desk.context), quirk.name)


def _judged(quirk: Quirk, provocation: Provocation, off: _Accepted | _Refused, desk: _Desk) -> _Finding:
    """Return the verdict on a quirk, from what came without it and, where that is not enough, from what comes with it."""
    if quirk.kind != "in" and isinstance(off, _Accepted) and not off.refusals:
        return _taken(provocation, off)
    request = (provocation.allowed or provocation.request)(desk.context)
    on = desk.ask(request)
    if isinstance(on, _Failed):
        return _unclear(f"with the quirk on: {on.reason}")
    if isinstance(on, _Refused):
        return _unclear(f"refused with the quirk on as well: {on.words}")
    if isinstance(off, _Refused):
        return "needed", off.words
    if quirk.kind == "in":
        return _compared(provocation, off, on)
    # Without the quirk the request was accepted too, but not at once: is it the quirk's matter that was repaired?
    repaired = [words for name, words in off.repairs.items() if name not in on.repairs]
    if quirk.name in on.repairs:
        repaired.append(on.repairs[quirk.name])
    return ("needed", repaired[0]) if repaired else _taken(provocation, off)


def _taken(provocation: Provocation, off: _Accepted) -> _Finding:
    lacks = provocation.lacks(off.answer)
    return _unclear(lacks) if lacks is not None else ("not needed", "accepted with the quirk off")


def _compared(provocation: Provocation, off: _Accepted, on: _Accepted) -> _Finding:
    readings = provocation.readings(off.answer, on.answer)
    if readings is None:
        return _unclear("the answer shows nothing of what the quirk is about")
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
    """Hold back what the quirks would say about options that only the check has set."""
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
