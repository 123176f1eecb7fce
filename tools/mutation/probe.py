"""A pytest plugin for the measure: notes which test runs which lines, or runs a chosen few in a chosen order.

It reads two environment variables: ``MUTANTS_MAP``, a file to write the map to, and ``MUTANTS_TESTS``, a file with the ids
of the tests to run, the most telling first.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

MAP: Final = "MUTANTS_MAP"
TESTS: Final = "MUTANTS_TESTS"
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
    if TESTS in os.environ:
        wanted = Path(os.environ[TESTS]).read_text(encoding="utf-8").splitlines()
        config.pluginmanager.register(_Selection(wanted))
