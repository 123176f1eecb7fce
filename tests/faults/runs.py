"""Which case runs through which front end, in which way and form; and which of these runs every check has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from faults.case import Case, Scene
from faults.catalogue import CASES
from faults.reading import Core, FrontEnd
from faults.reading_langchain import LangChain
from faults.reading_llama_index import LlamaIndex

ADAPTERS: tuple[type[FrontEnd], ...] = (LangChain, LlamaIndex)
FRONT_ENDS: tuple[type[FrontEnd], ...] = (Core, *ADAPTERS)


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


def _runs(fronts: Iterable[type[FrontEnd]]) -> Iterator[Run]:
    return (
        Run(front, case, way, streamed)
        for front in fronts
        for case in CASES
        for streamed in (True, False)
        if case.scene(streamed=streamed) is not None
        for way in ("sync", "async")
    )


def diagonal(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return few of ``runs`` that have all of: each name of a case, and each cell of api, group, front end, way and form.

    The first of these names takes its first run, the second its second, and so on around; a cell that no name has met
    takes a run of its own.
    """
    by_name: dict[tuple[str, str], list[Run]] = {}
    by_cell: dict[tuple[str, str, str, str, bool], list[Run]] = {}
    for run in runs:
        by_name.setdefault((run.case.group, run.case.name), []).append(run)
        by_cell.setdefault(run.cell, []).append(run)
    chosen = [turns[place % len(turns)] for place, turns in enumerate(by_name.values())]
    met = {run.cell for run in chosen}
    left = [turns for cell, turns in by_cell.items() if cell not in met]
    return (*chosen, *(turns[place % len(turns)] for place, turns in enumerate(left)))


CORE_RUNS = tuple(_runs((Core,)))
ADAPTER_RUNS = tuple(_runs(ADAPTERS))
RUNS = (*CORE_RUNS, *ADAPTER_RUNS)

ALWAYS = (*CORE_RUNS, *diagonal(ADAPTER_RUNS))
"""The runs that every check has; the full check has the others too."""
