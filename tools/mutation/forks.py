"""Runs tests over and over without starting anew: one pytest that has imported what others wrote, and a fork of it for each run.

What the tree itself holds (the packages, the tests, their conftest) is imported by the fork, so that a change of it counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from checkout import Checkout, environment_of
from probe import FORKS

__all__ = ["Forks", "Outcome", "forks"]

_LIMIT_OF_A_TEST: Final = 60
"""Seconds after which a test counts as one that never ends."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run.

    Args:
        code: the exit code of pytest; None where the run was ended.
        failed: the test that failed; None where none did, or where the tests could not even be collected.
    """

    code: int | None
    failed: str | None


class Forks:
    """The pytest that is forked.

    Args:
        requests: where to write what to run.
        answers: where to read what became of it.
    """

    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests = requests
        self._answers = answers

    def run(self, tests: Sequence[str], seconds: float) -> Outcome:
        """Run some tests in their order to the first that fails.

        Args:
            tests: their ids.
            seconds: how long they may take altogether.
        """
        json.dump({"tests": list(tests), "seconds": seconds}, self._requests)
        self._requests.write("\n")
        self._requests.flush()
        answer = self._answers.readline()
        if not answer:
            raise SystemExit("the pytest that runs the tests has ended by itself")
        read: dict[str, Any] = json.loads(answer)
        return Outcome(read["code"], read["failed"])


@contextmanager
def forks(copy: Checkout) -> Iterator[Forks]:
    """Start a pytest in a copy of the tree, and end it."""
    if not hasattr(os, "fork"):
        raise SystemExit("this needs os.fork(), which Linux and macOS have")
    with tempfile.TemporaryDirectory(dir=copy.path, prefix="nothing-") as nothing:
        theirs, requests = os.pipe()
        answers, ours = os.pipe()
        options = ["-x", "-o", f"timeout={_LIMIT_OF_A_TEST}", "-p", "probe", "-p", "no:cacheprovider", "-q"]
        process = subprocess.Popen(  # noqa: S603  # the arguments are ours
            # No conftest of the tree is read for a folder that holds nothing.
            [sys.executable, "-P", "-m", "pytest", *options, Path(nothing).name],
            cwd=copy.path,
            env=environment_of(copy, {FORKS: f"{theirs},{ours}"}),
            pass_fds=(theirs, ours),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(ours)
        try:
            with os.fdopen(requests, "w", encoding="utf-8") as to, os.fdopen(answers, encoding="utf-8") as back:
                yield Forks(to, back)
        finally:
            process.kill()
            process.wait()
