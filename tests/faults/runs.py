"""Which case runs through which front end, in which way and form; and which of these runs the gate has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from faults.case import Case, Scene
from faults.cases_statuses import STATUSES
from faults.catalogue import CASES
from faults.reading import Core, FrontEnd
from faults.reading_langchain import LangChain
from faults.reading_llama_index import LlamaIndex
from faults.wires import WIRES

FRONT_ENDS: tuple[type[FrontEnd], ...] = (Core, LangChain, LlamaIndex)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One case through one front end, ``sync`` or ``async``, streamed or whole."""

    front: type[FrontEnd]
    case: Case
    way: str
    streamed: bool

    @property
    def scene(self) -> Scene:
        """The case in this run's form."""
        scene = self.case.scene(streamed=self.streamed)
        assert scene is not None
        return scene

    @property
    def cell(self) -> tuple[str, str, str, str, bool]:
        """What all runs have in common that differ in their case only."""
        return self.case.wire.api, self.case.group, self.front.name, self.way, self.streamed

    def __str__(self) -> str:
        form = "stream" if self.streamed else "whole"
        return f"{self.front.name}-{self.case.wire.api}-{self.case.group}-{self.case.name}-{self.way}-{form}"


def _in_turn(cases: Iterable[Case]) -> Iterator[Case]:
    """Yield each name of a case once, on one api after another, and then what a group's api or form still lacks.

    The first name takes its first api, the second its second, and so on around. Each round begins one api later, so
    that what comes again after a multiple of four (a body under the next status) does not meet the same api again.
    """
    by_name: dict[tuple[str, str], list[Case]] = {}
    by_cell: dict[tuple[str, str, bool], list[Case]] = {}
    for case in cases:
        by_name.setdefault((case.group, case.name), []).append(case)
        for streamed in forms(case):
            by_cell.setdefault((case.group, case.wire.api, streamed), []).append(case)
    met: set[tuple[str, str, bool]] = set()
    for place, on_apis in enumerate(by_name.values()):
        case = on_apis[(place + place // len(WIRES)) % len(on_apis)]
        met |= {(case.group, case.wire.api, streamed) for streamed in forms(case)}
        yield case
    yield from (on_cell[0] for cell, on_cell in by_cell.items() if cell not in met)


def forms(case: Case) -> Iterator[bool]:
    """Yield the forms that a case is played in: ``True`` for a stream, ``False`` for a whole answer."""
    return (streamed for streamed in (True, False) if case.scene(streamed=streamed) is not None)


RUNS = tuple(
    Run(front, case, way, streamed)
    for front in FRONT_ENDS
    for case in CASES
    for streamed in forms(case)
    for way in ("sync", "async")
)

_TURNS = {case: turn for turn, case in enumerate(_in_turn(CASES))}

ALWAYS = tuple(run for run in RUNS if run.case in _TURNS)
"""The runs that the gate has; the full check has the others too."""


def _is_quick(run: Run) -> bool:
    way = ("sync", "async")[(_TURNS[run.case] + run.streamed) % 2]
    return run.front is Core and run.way == way and not (run.case.group == STATUSES and run.streamed)


QUICK = tuple(filter(_is_quick, ALWAYS))
"""The runs that the quick tests have: the core's, each form of a case once, by turns sync and async.

Of the grid of statuses they have one form.
"""
