"""A thousand streams on one event loop, and 64 threads of them, while one request in two meets a fault.

Every call ends with the right answer or with the error that its faults lead to, it is sent as often as the workspace has
seen it, and ten rounds hold no more memory than three.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import Counter
from dataclasses import dataclass

import pytest
from lifecycles.front_ends import front_end
from lifecycles.leftovers import descriptors, no_task_left, settled, threads
from load.endings import RETRIES, problem
from load.rounds import Memory, Network, answer, calls, read_all, read_in_threads
from load.simulator import FAULTS, SignIn, simulator
from support.promises import promise

from dbx_gateway import forget
from dbx_gateway.transport.sending import close_connections

RATE = 0.05
SPARE = 1024 * 1024
"""Bytes by which the resident memory of a process that has run many tests goes up and down by itself."""
MODELS = (
    "databricks-meta-llama-3-3-70b-instruct",
    "databricks-claude-sonnet-4-5",
    "databricks-gpt-5-2",
    "databricks-gemini-3-pro",
)
"""One for each wire format."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much a test asks for.

    Args:
        front: which front end.
        streams: calls of a round.
        rounds: how many rounds.
        threads: of the sync test.
        traced: whether Python's objects are counted too, which makes all of it several times slower.
    """

    front: str
    streams: int
    rounds: int
    threads: int
    traced: bool = False

    def __str__(self) -> str:
        return f"{self.front}-{self.streams}x{self.rounds}{'-traced' if self.traced else ''}"


LOADS = [
    Load("core", 40, 3, 16),
    *(
        pytest.param(load, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])
        for load in (
            Load("core", 1000, 10, 64),
            Load("core", 60, 10, 16, traced=True),
            Load("langchain", 250, 3, 64),
            Load("llama-index", 250, 3, 64),
        )
    ),
]


@pytest.fixture
def workspace():
    with simulator(RATE, seed=5) as running:
        yield running


@pytest.fixture
def judge(workspace, monkeypatch):
    return Judge(workspace, Network().watch(monkeypatch))


@pytest.fixture
def fronts(load, workspace, judge):
    """A front end for each wire format, which has been used before: what is imported on first use is there."""
    fields = {"sdk_config": SignIn(workspace.url), "surface": "ai-gateway", "max_retries": RETRIES}
    made = [front_end(load.front, model=model, **fields) for model in MODELS]
    judge.check(read_in_threads(made, calls(0, 2 * len(made)), 1))
    if load.traced:
        tracemalloc.start(1)
    yield made
    tracemalloc.stop()


class Judge:
    """Looks at each round.

    Args:
        workspace: which knows what each call met.
        network: which knows what each call sent.
    """

    def __init__(self, workspace, network) -> None:
        self._workspace = workspace
        self._network = network
        self.faults: Counter[str | None] = Counter()
        self.memory: list[Memory] = []
        self.volume = 0

    def check(self, endings) -> None:
        """Hold each call of a round to what it met."""
        met = self._workspace.met()
        sent, self.volume = self._network.taken()
        assert sent == {call: len(names) for call, names in met.items()}
        assert {call: ending for call, ending in endings.items() if call not in met} == {}
        problems = {call: problem(ending, answer(call), met[call]) for call, ending in endings.items()}
        assert {call: (met[call], endings[call], wrong) for call, wrong in problems.items() if wrong is not None} == {}
        self.faults.update(name for names in met.values() for name in names)
        forget()  # each request has a token of its own here: what is known of so many users is bounded, but not flat yet
        self.memory.append(Memory.now())

    def check_memory(self) -> None:
        """After the third round nothing is kept that grows with the calls: far less than one round brings in."""
        third, last = self.memory[3], self.memory[-1]  # the first was before the rounds
        assert last.traced - third.traced < 0.05 * self.volume, (self.memory, self.volume)
        spare = 2 * SPARE if tracemalloc.is_tracing() else SPARE  # the tracer's own tables grow too
        assert last.resident - third.resident < 0.25 * self.volume + spare, (self.memory, self.volume)


@promise("load-endings", "load-requests", "load-flat")
@pytest.mark.parametrize("load", LOADS, ids=str)
def test_many_streams_at_once_on_one_event_loop_end_right_and_leave_nothing(load, fronts, judge):
    before, running = descriptors(), threads()

    async def run() -> None:
        for number in range(1, load.rounds + 1):
            endings, together = await read_all(fronts, calls(number, load.streams))
            await no_task_left()
            judge.check(endings)
            assert together > load.streams * 0.9

    asyncio.run(run())
    check_end(load, judge)
    settled(before, running)


@promise("load-endings", "load-requests", "load-flat")
@pytest.mark.parametrize("load", LOADS, ids=str)
def test_many_threads_of_streams_end_right_and_leave_nothing(load, fronts, judge):
    before, running = descriptors(), threads()
    for number in range(1, load.rounds + 1):
        judge.check(read_in_threads(fronts, calls(number, load.streams), load.threads))
    check_end(load, judge)
    close_connections()
    settled(before, running)


def check_end(load: Load, judge: Judge) -> None:
    assert set(judge.faults) == {None, *FAULTS}
    if load.rounds >= 10:
        judge.check_memory()
