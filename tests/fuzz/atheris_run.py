"""Fuzzes by coverage, with atheris: ``cd tests && python -m fuzz.atheris_run sse --seconds 60``; all targets without a name.

A target (:mod:`fuzz.targets`) is a function of bytes that checks laws of its own. Each runs in a process of its own
(:mod:`fuzz.atheris_target`), from its seeds and its kept inputs. An input that breaks a law ends that process; it is made
shorter and printed as the line that keeps it in ``corpus/<target>.jsonl``. With ``--extend`` the inputs that went new ways
are kept there too, the shortest of the few that go all those ways.

The tests replay the corpus (``test_replay.py``), check the laws on what hypothesis makes (``test_properties.py``),
and count lines and memory for inputs made to be expensive (``test_cost.py``).
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Final

from fuzz import corpus
from fuzz.inputs import LONGEST
from fuzz.planted import PLANTED
from fuzz.target import Target
from fuzz.targets import TARGETS

__all__ = ["shortened"]

_OPTIONS: Final = (f"-max_len={LONGEST}", "-timeout=25", "-rss_limit_mb=3000", "-report_slow_units=1000")
_MOST_ADDED, _LONGEST_ADDED = 10, 1000
"""Inputs that one run adds to a corpus, and bytes of one."""


def shortened(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """Return ``data`` without the spans that it ``fails`` without."""
    span = len(data)
    while span:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + span :]
            if fails(shorter):
                data = shorter
            else:
                at += span
        span //= 2
    return data


def _failure(target: Target, data: bytes) -> tuple[object, ...]:
    """Return the kind of error that ``data`` leads to and where it is raised; nothing where it leads to none."""
    try:
        target.accepts(data)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what was found
        last = traceback.extract_tb(error.__traceback__)[-1]
        return type(error), last.filename, last.lineno
    return ()


def _report(target: Target, output: str, folder: Path) -> str:
    """Return what a person reads of a run that failed: the trace, and the line that keeps the input."""
    trace = output.partition("=== Uncaught Python exception: ===")[2].partition("\n==")[0] or output[-4000:]
    lines = [_line(target, path) for path in folder.glob("broken-by-*")]
    return "\n".join([f"{target.name}: FAILED{trace}", *lines])


def _line(target: Target, path: Path) -> str:
    data = path.read_bytes()
    failure = _failure(target, data) if "crash" in path.name else ()  # else it takes too long, or too much memory
    if failure:
        data = shortened(data, lambda one: _failure(target, one) == failure)
    return corpus.line(path.name, data)


def _kept(target: Target, folder: Path) -> dict[str, bytes]:
    """Return the kept inputs, and the shortest of those in the folder that are new."""
    kept = corpus.load(target.name)
    new = {path.read_bytes() for path in folder.iterdir()} - {*kept.values(), *target.seeds}
    short = sorted((data for data in new if len(data) <= _LONGEST_ADDED), key=lambda data: (len(data), data))
    return kept | {corpus.digest(data): data for data in short[:_MOST_ADDED]}


def _fuzz(target: Target, seconds: int, *, extend: bool) -> bool:
    """Fuzz one target and print what came of it; return whether its laws held."""
    with tempfile.TemporaryDirectory() as name:
        folder, known, new = Path(name), Path(name, "known"), Path(name, "new")
        known.mkdir()
        new.mkdir()
        for data in (*target.seeds, *corpus.load(target.name).values()):
            (known / corpus.digest(data)).write_bytes(data)

        def process(*options: object) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "fuzz.atheris_target", target.name, *_OPTIONS, *map(str, options)]
            tests = Path(__file__).parents[1]
            return subprocess.run(
                command, cwd=tests, stdout=PIPE, stderr=STDOUT, text=True, errors="replace", check=False
            )

        done = process(f"-max_total_time={seconds}", f"-artifact_prefix={folder}/broken-by-", new, known)
        branches, runs = re.search(r"DONE +cov: (\d+)", done.stdout), re.search(r"\nDone (\d+) runs", done.stdout)
        held = done.returncode == 0 and branches is not None and runs is not None
        summary = (
            f"{target.name}: {runs[1]} runs, {branches[1]} branches"
            if held
            else _report(target, f"{done.stdout}ended with {done.returncode}", folder)
        )
        sys.stdout.write(f"{summary}\n")
        if held and extend:
            process("-set_cover_merge=1", known, new).check_returncode()
            corpus.save(target.name, _kept(target, known))
    return held


def main() -> int:
    """Fuzz the targets that are named; 1 where a law was broken."""
    choice = TARGETS | {PLANTED.name: PLANTED}
    parser = argparse.ArgumentParser(prog="python -m fuzz.atheris_run", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(choice)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--extend", action="store_true", help="keep the inputs that go new ways")
    options = parser.parse_args()
    if unknown := [name for name in options.targets if name not in choice]:
        parser.error(f"there is no target {unknown[0]!r}; the targets are {', '.join(choice)}")
    logging.disable()
    targets = [choice[name] for name in options.targets or TARGETS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        held = list(pool.map(lambda target: _fuzz(target, options.seconds, extend=options.extend), targets))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
