"""docs/programs.md says what the pinned list and the table say, and each row's tests exist."""

from __future__ import annotations

import tomllib

from programs.page import PAGE, ROOT, rendered, versions
from programs.table import LIMITS, PROGRAMS

BESIDE = {"pytest", "pytest-asyncio", "pytest-socket", "pytest-timeout", "hypothesis"}


def test_the_page_is_what_the_list_and_the_table_say():
    assert PAGE.read_text(encoding="utf-8") == rendered(), "run: cd tests && python -m programs.page"


def test_each_program_that_is_installed_has_a_row():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    assert {name for name in groups["programs"] if "<" not in name} - BESIDE <= {
        row.package for row in (*PROGRAMS, *LIMITS)
    }


def test_each_row_names_tests_that_exist():
    assert {row.tests for row in PROGRAMS} <= {path.name for path in (ROOT / "tests" / "programs").glob("test_*.py")}


def test_a_limit_is_of_the_version_that_is_pinned():
    assert {(row.package, row.version) for row in LIMITS} <= set(versions().items())
