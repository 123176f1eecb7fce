"""Checks what a model can really do: one row per model, surface and front end, one cell per capability."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dbx_gateway.call.planning import Plan
from dbx_gateway.cli.front_ends import FRONT_ENDS, Answer, FrontEnd, Tool
from dbx_gateway.client import Client
from dbx_gateway.models.families import Family
from dbx_gateway.models.profile import Profile

__all__ = ["CAPABILITIES", "Cell", "Row", "Target", "check"]

CAPABILITIES: Final = ("text", "stream", "async_stream", "tools", "structured", "usage")

_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["city", "population"],
}

_CAPABILITY_OF_CELL: Final[Mapping[str, str]] = {"tools": "tools", "structured": "structured_output"}
"""Cells that a model's profile may deny, and the field of the profile for each."""

_NOT_PROMISED: Final[Mapping[Family, Mapping[str, str]]] = {
    "agent": {
        "tools": "an agent endpoint brings its own tools",
        "structured": "an agent endpoint answers in its own form",
        "usage": "an agent endpoint need not report usage",
    }
}
"""Cells that are not checked for a family, and why. Other families are checked for all that their profiles claim."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to check.

    Args:
        model: its name.
        surface: where it is served.
        fields: further settings, for example host and token.
    """

    model: str
    surface: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Cell:
    """One capability of one row.

    Args:
        state: ``ok``, ``failed``, or ``denied`` where the model's profile says it cannot.
        reason: what was checked, where, and the result; or why it is denied.
        ms: milliseconds it took.
    """

    state: Literal["ok", "failed", "denied"]
    reason: str = ""
    ms: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the cell as plain data."""
        return {"state": self.state, "ok": self.state != "failed", "ms": self.ms} | (
            {"reason": self.reason} if self.reason else {}
        )


@dataclass(frozen=True, slots=True)
class Row:
    """The results of one front end for one model on one surface."""

    model: str
    family: str
    surface: str
    front_end: str
    api: str
    cells: Mapping[str, Cell]

    @property
    def ok(self) -> bool:
        """Whether no cell failed."""
        return all(cell.state != "failed" for cell in self.cells.values())

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain data: its facts, and a cell per capability."""
        facts = {"model": self.model, "family": self.family, "surface": self.surface, "front_end": self.front_end}
        return {**facts, "api": self.api, "ok": self.ok, **{name: cell.as_json() for name, cell in self.cells.items()}}


def check(targets: Iterable[Target], front_ends: Iterable[str] = tuple(FRONT_ENDS)) -> Iterator[Row]:
    """Yield one row for each target and front end, each as soon as it is checked."""
    names = tuple(front_ends)
    for target in targets:
        plan = _planned(target)
        for name in names:
            yield _row(target, name, plan)


def _planned(target: Target) -> Plan | Exception:
    try:
        return Client(**_settings(target)).plan()
    except Exception as error:  # noqa: BLE001  # whatever went wrong is what the row reports
        return error


def _row(target: Target, front_end: str, plan: Plan | Exception) -> Row:
    if isinstance(plan, Exception):
        cells = {name: Cell("failed", f"{target.model} on {target.surface}: {plan}") for name in CAPABILITIES}
        return Row(target.model, "?", target.surface, front_end, "?", cells)
    api = plan.routes[0].api if plan.routes else "?"
    cells = _cells(target, front_end, plan.profile)
    return Row(target.model, plan.family, target.surface, front_end, api, cells)


def _cells(target: Target, front_end: str, profile: Profile) -> dict[str, Cell]:
    try:
        subject = FRONT_ENDS[front_end](_settings(target))
    except Exception as error:  # noqa: BLE001  # a missing extra, for example: the row says so
        return {name: Cell("failed", f"{front_end}: {error}") for name in CAPABILITIES}
    denied = _denials(profile)
    where = f"{target.model} on {target.surface} through {front_end}"
    return {
        name: Cell("denied", denied[name]) if name in denied else _run(name, subject, where) for name in CAPABILITIES
    }


def _settings(target: Target) -> dict[str, Any]:
    return {"model": target.model, "surface": target.surface, **target.fields}


def _denials(profile: Profile) -> dict[str, str]:
    whys = {name: profile.why_not(capability) for name, capability in _CAPABILITY_OF_CELL.items()}
    denied = {name: f"{profile.model}: {why}" for name, why in whys.items() if why is not None}
    return {**denied, **_NOT_PROMISED.get(profile.family, {})}


def _run(name: str, subject: FrontEnd, where: str) -> Cell:
    began = time.monotonic()
    try:
        problem = _CHECKS[name](subject)
    except Exception as error:  # noqa: BLE001  # whatever went wrong is what the cell reports
        problem = f"{type(error).__name__}: {error}"
    ms = round((time.monotonic() - began) * 1000)
    return Cell("ok", ms=ms) if problem is None else Cell("failed", f"{where}: asked for {name}: {problem}", ms)


def _text(subject: FrontEnd) -> str | None:
    answer = subject.text("Say in one sentence what a lakehouse is.")
    return None if answer.text.strip() else "the answer is empty"


def _stream(subject: FrontEnd) -> str | None:
    return _streamed(subject.stream("Say in one sentence what a lakehouse is."))


def _async_stream(subject: FrontEnd) -> str | None:
    return _streamed(subject.async_stream("Say in one sentence what a lakehouse is."))


def _streamed(answer: Answer) -> str | None:
    if not answer.text.strip():
        return "the streamed answer is empty"
    return None if answer.pieces else "the streamed answer came in no pieces"


def _tools(subject: FrontEnd) -> str | None:
    token = f"parcel-{secrets.token_hex(4)}"
    orders: list[str] = []

    def run(order: str) -> str:
        orders.append(order)
        return f"Order {order} is in {token}."

    tool = Tool("find_order", "Find the parcel of an order by its number.", "order", run)
    answer = subject.tool_round_trip(
        'Use the tool find_order for order "A-17" and tell me the parcel exactly as the tool names it.', tool
    )
    if not orders:
        return "the tool never ran"
    return None if token in answer.text else f"the tool returned {token}, the answer lacks it: {answer.text[:120]!r}"


def _structured(subject: FrontEnd) -> str | None:
    found = subject.structured("Name the largest city of Japan and its population.", _SCHEMA)
    match found:
        case {"city": str(), "population": int()}:
            return None
        case _:
            return f"not an object of the schema: {found!r}"[:200]


def _usage(subject: FrontEnd) -> str | None:
    for how, answer in (("whole", subject.text("Say hello.")), ("streamed", subject.stream("Say hello."))):
        if answer.tokens is None:
            return f"the {how} answer reports no usage"
        input_tokens, output_tokens, total = answer.tokens
        if input_tokens < 1 or output_tokens < 1 or total != input_tokens + output_tokens:
            return f"the {how} answer reports {input_tokens} + {output_tokens} = {total} tokens"
    return None


_CHECKS: Final[Mapping[str, Callable[[FrontEnd], str | None]]] = {
    "text": _text,
    "stream": _stream,
    "async_stream": _async_stream,
    "tools": _tools,
    "structured": _structured,
    "usage": _usage,
}
