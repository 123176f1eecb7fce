"""A pytest plugin for the measure: notes which test runs which lines, or runs a chosen few in a chosen order, in forks.

It reads two environment variables: ``MUTANTS_MAP``, a file to write the map to, and ``MUTANTS_FORKS``, the descriptors of
two pipes: requests come through the first, each with the ids of the tests to run, the most telling first, and what became
of them goes into the second.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

MAP: Final = "MUTANTS_MAP"
FORKS: Final = "MUTANTS_FORKS"
SOURCES: Final = "MUTANTS_SOURCES"


class _Selection:
    """Runs the tests of a list and no others, in its order."""

    def __init__(self, wanted: list[str]) -> None:
        self._rank = {test: place for place, test in enumerate(wanted)}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep what is on the list."""
        others = [item for item in items if item.nodeid not in self._rank]
        items[:] = sorted(
            (item for item in items if item.nodeid in self._rank), key=lambda item: self._rank[item.nodeid]
        )
        config.hook.pytest_deselected(items=others)


class _Told:
    """Writes down which test of a run failed, and which modules of others it imported."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failed: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if report.failed:
            self._failed = report.nodeid

    def pytest_sessionfinish(self) -> None:
        """Write it down."""
        told = {"failed": self._failed, "modules": list(_modules_of_others(Path.cwd()))}
        self._path.write_text(json.dumps(told), encoding="utf-8")


def _modules_of_others(tree: Path) -> Iterator[str]:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not Path(file).is_relative_to(tree) and name != "__main__":
            yield name


class _Forking:
    """Runs the tests of each request in a fork, which goes on as an ordinary pytest.

    What a fork imports of other packages is imported here too, before the next is made.
    """

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = os.fdopen(requests, encoding="utf-8")
        self._answers = os.fdopen(answers, "w", encoding="utf-8")
        self._told = Path.cwd() / "told.json"

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Serve the requests; in a fork, let the tests of one of them be collected."""
        for line in self._requests:
            request = json.loads(line)
            self._told.unlink(missing_ok=True)
            gc.collect()
            gc.freeze()
            fork = os.fork()
            if fork == 0:
                os.setsid()
                self._requests.close()
                self._answers.close()
                random.seed()
                wanted: list[str] = request["tests"]
                session.config.args[:] = sorted({test.partition("::")[0] for test in wanted})
                session.config.pluginmanager.register(_Selection(wanted))
                session.config.pluginmanager.register(_Told(self._told))
                return
            code = _ended(fork, request["seconds"])
            told = json.loads(self._told.read_text(encoding="utf-8")) if self._told.exists() else {}
            json.dump({"code": code, "failed": told.get("failed")}, self._answers)
            self._answers.write("\n")
            self._answers.flush()
            _import(told.get("modules", []))
        pytest.exit("there are no more requests", returncode=0)


def _import(modules: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in modules:
            if name not in sys.modules:
                with suppress(ImportError):  # a name that its package made up
                    importlib.import_module(name)


def _ended(fork: int, seconds: float) -> int | None:
    """Wait for a fork, end all that it has started, and return its exit code; None where it took too long."""
    last = time.monotonic() + seconds
    done, status = os.waitpid(fork, os.WNOHANG)
    while not done and time.monotonic() < last:
        time.sleep(0.01)
        done, status = os.waitpid(fork, os.WNOHANG)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(fork, signal.SIGKILL)
    if done:
        return os.waitstatus_to_exitcode(status)
    os.waitpid(fork, 0)
    return None


class _Tracing:
    """Notes the lines that each test runs, and how long it takes; a test that fails is not noted."""

    def __init__(self, path: Path, sources: list[str]) -> None:
        from coverage import Coverage  # noqa: PLC0415  # only for a map

        self._path = path
        self._coverage = Coverage(data_file=None, source=sources, config_file=False, branch=False)
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Put what runs meanwhile down to one test."""
        began = time.monotonic()
        self._coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._coverage.switch_context("")
            self._seconds[item.nodeid] = time.monotonic() - began

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write the map."""
        self._coverage.stop()
        data = self._coverage.get_data()
        kept = {test: seconds for test, seconds in self._seconds.items() if test not in self._failed}
        numbers = {test: number for number, test in enumerate(kept)}
        lines: dict[str, Mapping[int, list[int]]] = {}
        for file in data.measured_files():
            by_line = data.contexts_by_lineno(file)
            lines[os.path.relpath(file)] = {
                line: sorted(numbers[test] for test in tests if test in numbers) for line, tests in by_line.items()
            }
        told = {"tests": [[test, round(seconds, 3)] for test, seconds in kept.items()], "lines": lines}
        self._path.write_text(json.dumps(told), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Do what the environment asks for."""
    if MAP in os.environ:
        sources = os.environ[SOURCES].split(os.pathsep)
        config.pluginmanager.register(_Tracing(Path(os.environ[MAP]), sources))
    if FORKS in os.environ:
        requests, answers = os.environ[FORKS].split(",")
        config.pluginmanager.register(_Forking(int(requests), int(answers)))
