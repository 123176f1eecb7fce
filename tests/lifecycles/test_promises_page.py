"""The page of promises names tests that exist and bounds that hold."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
BOUNDS = re.findall(r"\| `(dbx_gateway[\w.]*)` = ([\d.]+) \|", PAGE)


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_a_promise_names_exists(path, name):
    assert name in functions_of(path)


def test_every_promise_names_a_test():
    rows = [line for line in PAGE.split("## Bounds")[0].splitlines() if line.startswith("| ")]
    promises = [line for line in rows if not line.startswith(("| promise |", "|---"))]
    assert len(promises) > 25
    assert [line for line in promises if "::test_" not in line] == []


def test_every_test_of_lifecycles_and_secrets_stands_for_a_promise_or_checks_a_detail_of_one():
    """Every file of them is named; a file that is not would promise something that nobody can read."""
    files = {
        f"tests/{kind}/{path.name}" for kind in ("lifecycles", "secrets") for path in (ROOT / "tests" / kind).iterdir()
    }
    tests = {path for path in files if re.search(r"/test_\w+\.py$", path) and "promises" not in path}
    assert tests - {path for path, _ in NAMED} == set()


@pytest.mark.parametrize(("name", "value"), BOUNDS)
def test_a_bound_of_the_page_is_the_codes(name, value):
    module, _, constant = name.rpartition(".")
    if module.endswith(".SettingsFields"):
        fields = import_module(module.rpartition(".")[0]).SettingsFields.model_fields
        assert fields[constant].default == float(value)
    else:
        assert getattr(import_module(module), constant) == float(value)


def test_the_pages_point_at_each_other():
    assert len(BOUNDS) > 15
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([\w./]+)\)", security) + [f"docs/{link}" for link in re.findall(r"\]\(([\w./]+)\)", PAGE)]
    assert len(links) == 3
    assert [link for link in links if not (ROOT / link).resolve().is_file()] == []
