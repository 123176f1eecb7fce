"""Makes small changes of the source, one after another, and says which of them no test noticed."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from changes import Change, changes_of
from checkout import Checkout, changed_files, checkout, root_of
from probe import TESTS
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
again; --map makes it anew. A file that has changed since is looked up by its functions.
"""

GOAL: Final = 0.95
"""The share of the changes that tests should notice, in each package."""


_NO_TESTS_RAN: Final = (4, 5)
"""What pytest exits with where it finds no test of those that are asked for."""

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
        return mutants
    each = max(1, size // len(mutants))
    sampled: dict[Package, list[Mutant]] = {}
    for package, found in mutants.items():
        by_line: dict[tuple[str, int], list[Mutant]] = {}
        for mutant in found:
            by_line.setdefault((mutant.file, mutant.change.line), []).append(mutant)
        lines = chance.sample(sorted(by_line), min(each, len(by_line)))
        sampled[package] = [chance.choice(by_line[line]) for line in lines]
    return sampled


def _measured(package: Package, mutants: list[Mutant], copy: Checkout, told: argparse.Namespace) -> float:
    """Try all changes of a package, print what became of each, and return the share that was noticed."""
    print(f"\n{package.name}: {len(mutants)} changes")
    tests = TestMap.of(package, copy, anew=told.map)
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    for number, mutant in enumerate(mutants, 1):
        outcome, tried = _tried(mutant, tests, copy, told.seconds)
        outcomes[outcome] += 1
        if outcome != "noticed":
            print(f"  {number}/{len(mutants)} {outcome} by {tried} tests  {_shown(mutant)}", flush=True)
    noticed = len(mutants) - outcomes["not noticed"]
    share = noticed / len(mutants)
    print(
        f"{package.name}: {noticed} of {len(mutants)} noticed, {share:.0%} (goal {GOAL:.0%}), "
        f"{time.monotonic() - began:.0f} s"
    )
    return share


def _tried(mutant: Mutant, tests: TestMap, copy: Checkout, seconds: float) -> tuple[str, int]:
    """Return what the tests made of a change, and how many of them ran for it at most."""
    source = (copy.path / mutant.file).read_text(encoding="utf-8")
    chosen: list[str] = []
    spent = 0.0
    for test, took in tests.tests_for(mutant.file, source, mutant.change.line):
        if not (copy.path / test.partition("::")[0]).is_file():
            continue  # it has moved since the map was made
        if chosen and spent + took > seconds:
            break
        chosen.append(test)
        spent += took
    if not chosen:
        return "not noticed", 0
    with copy.changed(mutant.file, mutant.change.source), tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(chosen))
        listed.flush()
        files = sorted({test.partition("::")[0] for test in chosen})
        code = copy.pytest(["-x", "-o", "timeout=60", *files], {TESTS: listed.name}, 120 + 5 * seconds)
    if code is None:
        return "noticed (it never ended)", len(chosen)
    if code in _NO_TESTS_RAN:
        raise SystemExit(f"the tests for {mutant.file} are not those of the map any more; give --map")
    return ("not noticed" if code == 0 else "noticed"), len(chosen)


def _shown(mutant: Mutant) -> str:
    change = mutant.change

    def short(text: str) -> str:
        line = " ".join(text.split())
        return line if len(line) <= _WIDE else line[: _WIDE - 1] + "…"

    return f"{mutant.file}:{change.line} {change.what}: {short(change.before)}  ->  {short(change.after)}"
