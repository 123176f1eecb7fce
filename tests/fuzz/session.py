"""A session: inputs are mutated, those that go new ways are kept, those that break a law are findings."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field

from fuzz.arcs import PACKAGE, Arc, OutOfSteps, Tracer
from fuzz.mutation import Mutator
from fuzz.target import Target

__all__ = ["Finding", "Session", "covering"]

_STEPS = 200_000
_STEPS_PER_BYTE = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that breaks a law, or raises what it may not.

    Args:
        place: the kind of the error and where it was raised; one finding is kept of each.
        trace: for a person to read.
    """

    place: str
    data: bytes
    trace: str


@dataclass
class Session:
    """Fuzzes one target.

    Args:
        target: what.
        seed: of all choices; a session of so many rounds finds the same each time.
        folders: whose lines guide it.
    """

    target: Target
    seed: int = 0
    folders: tuple[str, ...] = PACKAGE
    rounds: int = 0
    found: dict[str, Finding] = field(default_factory=dict)
    ways: dict[bytes, frozenset[Arc]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tracer = Tracer(self.folders)
        self._seen: set[Arc] = set()
        self._chance = random.Random(self.seed)
        self._mutator = Mutator(self.target.form, self.target.words, self._chance)

    def begin(self, inputs: Iterable[bytes]) -> None:
        """Take the inputs to start from."""
        for data in (*self.target.seeds, *inputs):
            self.take(data)

    def go(self, rounds: int | None = None, seconds: float | None = None) -> None:
        """Go on for so many rounds or so long."""
        end = None if seconds is None else time.monotonic() + seconds
        done = 0
        while (rounds is None or done < rounds) and (end is None or time.monotonic() < end):
            done += 1
            pool = list(self.ways)
            recent = pool[-20:] if self._chance.random() < 0.3 else pool
            data = self._mutator.mutated(self._chance.choice(recent), self._chance.choice(pool))
            self.take(data)
        self.rounds += done

    def take(self, data: bytes) -> None:
        """Run one input; keep it if it goes a new way, note it if it fails."""
        failure: BaseException | None = None
        try:
            self.tracer.arcs(lambda: self.target.accepts(data), _STEPS + _STEPS_PER_BYTE * len(data))
        except (Exception, OutOfSteps) as error:  # noqa: BLE001  # whatever it is, it is the finding
            failure = error
        ways = self.tracer.taken
        if failure is not None:
            self._note(data, failure)
        elif not ways <= self._seen or not self.ways:
            self.ways[data] = ways
        self._seen |= ways

    def ways_of(self, data: bytes) -> frozenset[Arc]:
        """Return the ways that an input goes, without keeping it."""
        known = self.ways.get(data)
        if known is not None:
            return known
        try:
            return self.tracer.arcs(lambda: self.target.accepts(data), _STEPS + _STEPS_PER_BYTE * len(data))
        except (Exception, OutOfSteps):  # noqa: BLE001  # it is a finding, and goes nowhere
            return frozenset()

    def _note(self, data: bytes, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename.startswith(self.folders)] or frames[-1:]
        place = f"{type(error).__name__} at {own[-1].filename.rpartition('/')[2]}:{own[-1].lineno} {own[-1].name}"
        if type(error) is AssertionError:
            place = f"AssertionError at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno} {frames[-1].name}"
        known = self.found.get(place)
        if known is None or len(data) < len(known.data):
            trace = "".join(traceback.format_exception(error, limit=-6))
            self.found[place] = Finding(place, data, trace)


def covering(ways: dict[bytes, frozenset[Arc]]) -> list[bytes]:
    """Return few short inputs that together go all the ways that ``ways`` goes."""
    left = set().union(*ways.values()) if ways else set()
    chosen: list[bytes] = []
    for data in sorted(ways, key=lambda data: (len(data), data)):
        if not left.isdisjoint(ways[data]):
            chosen.append(data)
            left -= ways[data]
    return chosen
