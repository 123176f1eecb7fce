"""Makes small changes of the source, one after another, and says which of them no test noticed."""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from changes import Change, changes_of, is_python
from checkout import Checkout, changed_files, checkout, root_of
from forks import Forks, Outcome, forks
from tests_by_line import PACKAGES, Package, TestMap, package_of

__all__ = ["main"]

ABOUT: Final = """How many small changes of the source do the tests notice?

Makes one change after another in a copy of the tree, runs the tests that run the changed line, and prints the changes that
no test noticed. Not part of the gate.

    tools/mutants                              a sample of each package
    tools/mutants --base main                  a sample of the files that differ from main
    tools/mutants shared/dbx_gateway/call      a sample of some files
    tools/mutants --sample 0 langchain_dbx_gateway/blocks.py:120-140    every change of some lines

The first run of a package makes a map of its tests, in build/mutants, which takes as long as these tests and half of that
again; --map makes it anew. A module that has changed since is looked up by its functions, a file of tests is run again.
"""

GOAL: Final = 0.95
"""The share of the changes that tests should notice, in each package."""


_NO_TESTS_RAN: Final = 5
"""What pytest exits with where it finds no test of those that are asked for; a change of a table may take them away."""

_FIRST: Final = 12
"""Tests that are tried before all others of a change."""

_TOLD_EACH: Final = 10
"""Changes after which a line says how far it is."""

_WIDE: Final = 100
"""Characters of a change that are shown."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of a file."""

    file: str
    change: Change


def main() -> int:
    """Measure, print, and return 1 where a package stays below the goal."""
    told = _arguments()
    wanted = list(_files(told.files, told.base))
    mutants = {package: list(_mutants(package, wanted)) for package in PACKAGES}
    mutants = {package: found for package, found in mutants.items() if found}
    if not mutants:
        print("nothing to measure: no module of a package was named or has changed")
        return 0
    sampled = _sampled(mutants, told.sample, random.Random(told.seed))  # noqa: S311  # a sample, no secret
    if told.list:
        for found in sampled.values():
            print(*map(_shown, found), sep="\n")
        return 0
    with checkout() as copy:
        shares = [_measured(package, found, copy, told) for package, found in sampled.items()]
    return int(any(share < GOAL for share in shares))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/mutants", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", help="modules or folders, or lines of a module: FILE:LINE or FILE:FROM-TO")
    parser.add_argument("--base", help="measure the files that differ from this revision")
    parser.add_argument("--sample", type=int, default=60, help="changes to try, over all packages; 0 for every one")
    parser.add_argument("--seed", default="", help="another seed, another sample")
    parser.add_argument("--seconds", type=float, default=120.0, help="of tests for one change, as the map timed them")
    parser.add_argument("--map", action="store_true", help="make the map of tests anew")
    parser.add_argument("--list", action="store_true", help="print the sample and run nothing")
    return parser.parse_args()


def _files(named: Sequence[str], base: str | None) -> Iterator[tuple[str, range | None]]:
    """Yield the modules to measure, each with the lines that matter; None for all of them."""
    if base is not None:
        yield from ((file, None) for file in changed_files(base) if (root_of() / file).is_file())
    for name in named or ([] if base is not None else [package.source for package in PACKAGES]):
        place, _, lines = name.partition(":")
        path = (Path.cwd() / place).resolve() if (Path.cwd() / place).exists() else root_of() / place
        if not path.exists():
            raise SystemExit(f"there is no {place}")
        first, _, last = lines.partition("-")
        span = range(int(first), int(last or first) + 1) if first else None
        for module in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield module.relative_to(root_of()).as_posix(), span


def _mutants(package: Package, wanted: Sequence[tuple[str, range | None]]) -> Iterator[Mutant]:
    for file, span in wanted:
        if package_of(file) is package:
            for change in changes_of((root_of() / file).read_text(encoding="utf-8")):
                if span is None or change.line in span:
                    yield Mutant(file, change)


def _sampled(mutants: dict[Package, list[Mutant]], size: int, chance: random.Random) -> dict[Package, list[Mutant]]:
    """Return as many of each package; each line has the same chance, however much can be changed in it."""
    if size == 0:
        return {package: [mutant for mutant in found if is_python(mutant.change)] for package, found in mutants.items()}
    each = max(1, size // len(mutants))
    sampled: dict[Package, list[Mutant]] = {}
    for package, found in mutants.items():
        by_line: dict[tuple[str, int], list[Mutant]] = {}
        for mutant in found:
            by_line.setdefault((mutant.file, mutant.change.line), []).append(mutant)
        lines = chance.sample(sorted(by_line), min(each, len(by_line)))
        possible = [[mutant for mutant in by_line[line] if is_python(mutant.change)] for line in lines]
        sampled[package] = [chance.choice(of_line) for of_line in possible if of_line]
    return sampled


def _measured(package: Package, mutants: list[Mutant], copy: Checkout, told: argparse.Namespace) -> float:
    """Try all changes of a package, print what became of each, and return the share that was noticed."""
    print(f"\n{package.name}: {len(mutants)} changes")
    tests = TestMap.of(package, copy, anew=told.map)
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    with forks(copy) as runs:
        for number, mutant in enumerate(mutants, 1):
            outcome, tried = _tried(mutant, tests, copy, runs, told.seconds)
            outcomes[outcome] += 1
            if outcome != "noticed":
                print(f"  {number}/{len(mutants)} {outcome} by {tried} tests  {_shown(mutant)}", flush=True)
            elif number % _TOLD_EACH == 0:
                print(f"  {number}/{len(mutants)} after {time.monotonic() - began:.0f} s", flush=True)
    noticed = len(mutants) - outcomes["not noticed"]
    share = noticed / len(mutants)
    print(
        f"{package.name}: {noticed} of {len(mutants)} noticed, {share:.0%} (goal {GOAL:.0%}), "
        f"{time.monotonic() - began:.0f} s"
    )
    return share


def _tried(mutant: Mutant, tests: TestMap, copy: Checkout, runs: Forks, seconds: float) -> tuple[str, int]:
    """Return what the tests made of a change, and how many of them ran for it at most."""
    source = (copy.path / mutant.file).read_text(encoding="utf-8")
    chosen = [
        (test, took)
        for test, took in tests.tests_for(mutant.file, source, mutant.change.line)
        if (copy.path / test.partition("::")[0]).is_file()  # it may have moved since the map was made
    ]
    # Most changes are noticed by the first few tests, whose files are soon collected.
    first, others = _within(chosen[:_FIRST], seconds), _within(chosen[_FIRST:], seconds)
    tried = 0
    for batch in (first, others):
        if batch:
            tried += len(batch)
            outcome = _run(mutant, batch, copy, runs, 120 + 5 * seconds)
            if outcome.code is None:
                return "noticed (it never ended)", tried
            if outcome.code not in (0, _NO_TESTS_RAN):
                return "noticed", tried
    return "not noticed", tried


def _within(chosen: Sequence[tuple[str, float]], seconds: float) -> list[str]:
    """Return the first of some tests that take so long altogether; at least one."""
    within: list[str] = []
    spent = 0.0
    for test, took in chosen:
        if within and spent + took > seconds:
            break
        within.append(test)
        spent += took
    return within


def _run(mutant: Mutant, batch: list[str], copy: Checkout, runs: Forks, seconds: float) -> Outcome:
    """Run tests with a change made; a test that fails without the change as well does not count."""
    while True:
        with copy.changed(mutant.file, mutant.change.source):
            outcome = runs.run(batch, seconds)
        if outcome.code == _NO_TESTS_RAN and runs.run(batch, seconds).code == _NO_TESTS_RAN:
            raise SystemExit(f"the tests for {mutant.file} are not those of the map any more; give --map")
        if outcome.failed is None or runs.run([outcome.failed], seconds).code == 0:
            return outcome
        print(f"  {outcome.failed} fails without any change, and is left out", flush=True)
        batch = [test for test in batch if test != outcome.failed]
        if not batch:
            return Outcome(0, None)


def _shown(mutant: Mutant) -> str:
    change = mutant.change

    def short(text: str) -> str:
        line = " ".join(text.split())
        return line if len(line) <= _WIDE else line[: _WIDE - 1] + "…"

    return f"{mutant.file}:{change.line} {change.what}: {short(change.before)}  ->  {short(change.after)}"
