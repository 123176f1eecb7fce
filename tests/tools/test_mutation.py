"""``tools/mutants``: which changes it makes, which tests it runs for them, and what it says of the outcome."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "mutation"


@pytest.fixture
def module(monkeypatch):
    """Imports a module of the tool."""
    monkeypatch.syspath_prepend(str(TOOL))
    return import_module


@pytest.fixture
def made(module):
    """Returns the changes of a source: the kind of each, and the line as it then is."""
    changes_of = module("changes").changes_of

    def changes(source):
        return {(change.what, change.source.splitlines()[change.line - 1].strip()) for change in changes_of(source)}

    return changes


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {("the comparison is another", "x = (a <= b)")}),
        ("x = a is not None", {("the comparison is another", "x = (a is None)")}),
        (
            "x = a and b",
            {
                ("and becomes or", "x = (a or b)"),
                ("a condition is left out", "x = (a)"),
                ("a condition is left out", "x = (b)"),
            },
        ),
        ("x = not a", {("not is left out", "x = (a)")}),
        ("x = a if b else c", {("always the first of two", "x = (a)"), ("always the second of two", "x = (c)")}),
        ("x = f(True)", {("the truth is another", "x = f((False))")}),
        ("x = f(20)", {("the number is another", "x = f((21))")}),
        (
            "x = a + b",
            {
                ("the operation is another", "x = (a - b)"),
                ("only the left of two", "x = (a)"),
                ("only the right of two", "x = (b)"),
            },
        ),
        ("x = f(a, b=c)", {("b= is left out", "x = (f(a))")}),
        (
            "x = {'a': b, 'c': d}",
            {("an entry is left out", "x = ({'a': b})"), ("an entry is left out", "x = ({'c': d})")},
        ),
        ("x = [a for a in b if c]", {("a condition is left out", "x = ([a for a in b])")}),
        ("x = {'a', 'b'}", {("an element is left out", "x = ({'a'})"), ("an element is left out", "x = ({'b'})")}),
    ],
)
def test_an_expression_is_changed_in_each_of_its_ways(made, source, expected):
    assert made(source) == expected


FUNCTION = """
def f(a):
    "What it does."
    for b in a:
        if b.c:
            continue
        a.d = b
        a = a[1:]
        g(b)
        raise ValueError(f"{b} is wrong")
    return a
"""


def test_a_statement_is_left_out_or_turned(made):
    assert made(FUNCTION) == {
        ("the condition always holds", "if (True):"),
        ("the condition never holds", "if (False):"),
        ("continue becomes break", "break"),
        ("the assignment is left out", "pass"),
        ("the number is another", "a = a[(2):]"),
        ("the statement is left out", "pass"),
        ("the error is not raised", "pass"),
        ("nothing is returned", "return None"),
    }


@pytest.mark.parametrize(
    "source",
    [
        '"""About."""\nimport a\nfrom b import c\n__all__ = ["a", "c"]',
        "def f(a: dict[str, int] | None) -> tuple[int, str]: ...",
        "if TYPE_CHECKING:\n    x = 1",
        "Kind: TypeAlias = A | B",
        "x: Callable[[int, str], bool]",
        "@dataclass(frozen=True)\nclass A: ...",
        "assert a is not None",
        "def f():\n    return None",
        "warn_once('key', f'{a} is not {b}')",
        "x = f'{a + b} and {c or d}'",
        "a, b = c",
    ],
)
def test_words_types_and_imports_are_left_alone(made, source):
    assert made(source) == set()


def test_every_change_of_a_module_is_python_and_changes_one_place(module):
    source = (ROOT / "shared" / "dbx_gateway" / "call" / "sse.py").read_text(encoding="utf-8")
    changes = module("changes").changes_of(source)
    assert len(changes) > 100
    assert len({change.source for change in changes}) > 0.9 * len(changes)
    for change in changes:
        ast.parse(change.source)
        assert change.source != source
        assert source.replace(change.before, "", 1) != source
        lines = zip(source.splitlines(), change.source.splitlines(), strict=False)
        assert next(number for number, (one, other) in enumerate(lines, 1) if one != other) >= change.line


def test_each_module_of_the_packages_is_measured_with_one_package_and_tests_with_none(module):
    tests = module("tests_by_line")
    assert tests.package_of("langchain_dbx_gateway/blocks.py").name == "LangChain"
    assert tests.package_of("shared/dbx_gateway/call/sse.py").name == "core"
    assert tests.package_of("shared/dbx_gateway/cli/main.py").name == "command line"
    assert tests.package_of("shared/dbx_gateway/testing/workspace.py").name == "simulated workspace"
    for other in ("tests/core/test_sse.py", "README.md", "shared/dbx_gateway/models/profile_rows.py", "tools/mutants"):
        assert tests.package_of(other) is None
    for package in tests.PACKAGES:
        assert [
            folder for folder in (package.source, *package.tests, *package.but) if not (ROOT / folder).exists()
        ] == []


SOURCE = """
LIMIT = 3


def near(a):
    return a + 1


def far(a):
    return a - 1
"""
TOLD = {
    "tests": [
        ["tests/test_other.py::test_slow", 2.0],
        ["tests/test_other.py::test_quick[1]", 0.1],
        ["tests/test_other.py::test_quick[2]", 0.1],
        ["tests/test_mod.py::test_named", 1.0],
        ["tests/test_other.py::test_far", 0.1],
        ["tests/test_import.py::test_in_a_process_of_its_own", 1.0],
    ],
    "lines": {"p/mod.py": {"2": [], "6": [0, 1, 2, 3], "10": [4]}},
}


@pytest.fixture
def ranked(module):
    """Returns the tests for a line of a source, the most telling first."""
    tests = module("tests_by_line")
    told = {"digest": tests._digest(SOURCE), "functions": {"near": (5, 6), "far": (9, 10)}}
    kept = tests.TestMap({**TOLD, "sources": {"p/mod.py": told}})

    def of(source, line, file="p/mod.py"):
        return [test.partition("::")[2] for test, _ in kept.tests_for(file, source, line)]

    return of


def test_the_tests_that_run_a_line_come_first_those_named_after_the_module_before_others(ranked):
    assert ranked(SOURCE, 6) == ["test_named", "test_quick[1]", "test_quick[2]", "test_slow"]
    assert ranked(SOURCE, 10) == ["test_far"]


def test_a_file_that_has_changed_since_is_looked_up_by_its_functions(ranked):
    moved = "\n\n" + SOURCE
    assert ranked(moved, 8) == ["test_named", "test_quick[1]", "test_quick[2]", "test_slow"]
    assert ranked(moved, 12) == ["test_far"]


def test_what_is_read_at_import_is_for_all_tests_of_the_file(ranked):
    assert set(ranked(SOURCE, 2)) == {"test_named", "test_quick[1]", "test_quick[2]", "test_slow", "test_far"}


def test_a_file_that_no_test_runs_is_for_those_that_run_processes_of_their_own(ranked):
    assert ranked("raise ImportError", 1, "p/__init__.py") == ["test_in_a_process_of_its_own"]


def test_a_map_takes_in_the_tests_that_were_written_since_and_gives_up_those_that_are_gone(module):
    tests = module("tests_by_line")
    moved = "\n\n" + SOURCE
    older = {"p/mod.py": {"digest": tests._digest(SOURCE), "functions": {"near": (5, 6), "far": (9, 10)}}}
    newer = {"p/mod.py": {"digest": tests._digest(moved), "functions": {"near": (7, 8), "far": (11, 12)}}}
    written = {
        "tests": [["tests/test_mod.py::test_new", 0.1]],
        "lines": {"p/mod.py": {"2": [], "12": [0]}},
        "sources": newer,
    }

    both = tests.merged({**TOLD, "sources": older}, written, {"tests/test_mod.py", "tests/test_import.py"})
    kept = tests.TestMap(both)

    assert [test for test, _ in kept.tests_for("p/mod.py", SOURCE, 10)] == [
        "tests/test_mod.py::test_new",
        "tests/test_other.py::test_far",
    ]
    assert "tests/test_mod.py::test_named" not in {test for test, _ in kept.tests_for("p/mod.py", SOURCE, 6)}
    assert [test for test, _ in both["tests"]] == [
        test for test, _ in [*TOLD["tests"][:3], TOLD["tests"][4], *written["tests"]]
    ]


@pytest.fixture
def tree(tmp_path, module):
    """Returns a tree with a module, and a pytest that runs its tests in forks."""
    (tmp_path / "mod.py").write_text("ONE = 1\n", encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text("import mod", encoding="utf-8")
    (tmp_path / "tests" / "test_a.py").write_text(
        "import colorsys, mod, pathlib, pytest, time\n"
        "def ran(what):\n"
        "    with pathlib.Path('ran.txt').open('a') as file: print(what, file=file)\n"
        "@pytest.mark.parametrize('x', [1, 2])\n"
        "def test_one(x):\n"
        "    ran(f'one {x}')\n"
        "    assert mod.ONE == 1\n"
        "def test_two(): ran('two')\n"
        "def test_three(): ran('three')\n"
        "def test_never_ends(): time.sleep(1000)\n",
        encoding="utf-8",
    )
    copy = module("checkout").Checkout(tmp_path)
    with module("forks").forks(copy) as runs:
        yield copy, runs


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the tool needs os.fork()")
def test_the_tests_of_a_list_run_in_its_order_and_no_others_with_the_source_as_it_is_now(tree):
    copy, runs = tree
    tests = [f"tests/test_a.py::test_{name}" for name in ("three", "one[2]", "gone", "two")]
    first = runs.run(tests, 60)
    assert (first.code, first.failed) == (0, None)
    assert (copy.path / "ran.txt").read_text(encoding="utf-8").split("\n") == ["three", "one 2", "two", ""]
    with copy.changed("mod.py", "ONE = 2\n"):
        changed = runs.run(tests, 60)
    assert (changed.code, changed.failed) == (1, "tests/test_a.py::test_one[2]")
    with copy.changed("mod.py", "ONE =\n"):
        broken = runs.run(tests, 60)
    assert (broken.code, broken.failed) == (4, None)  # the conftest cannot be imported
    assert runs.run(tests, 60) == first
    assert runs.run(["tests/test_a.py::test_gone"], 60).code == 5
    assert runs.run(["tests/test_a.py::test_never_ends"], 0.5).code is None
    assert runs.run(tests, 60) == first


def test_the_command_lists_the_changes_of_some_lines():
    listed = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "mutants"), "--list", "--sample", "0", "shared/dbx_gateway/version.py:5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert listed.strip() == "nothing to measure: no module of a package was named or has changed"
