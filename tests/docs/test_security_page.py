"""``SECURITY.md``: each threat of its table is met by a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## Many users in one process")[2].partition("\n## ")[0]
ROWS = [line.strip("|").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_threat_of_many_users_names_what_protects_and_a_test_that_exists():
    assert len(ROWS) > 10
    for threat, protection, test in ROWS:
        assert threat.strip(), test
        assert protection.strip(), test
        found = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", test.strip())
        assert found, f"no test's id: {test}"
        assert found[2] in _functions(ROOT / found[1]), f"there is no {test}"


def test_no_threat_stands_twice():
    assert len({threat for threat, *_ in ROWS}) == len(ROWS)
