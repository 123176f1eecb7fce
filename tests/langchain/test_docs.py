"""``docs/langchain.md``: its examples run, and the tests that its table of features names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "langchain.md").read_text(encoding="utf-8")
TABLE = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 6]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE[1:]]
FEATURES = [row for row in ROWS if any(row[1:])]


def known_tests():
    own = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    return own | {name for suite in (ChatModelUnitTests, ChatModelIntegrationTests) for name in dir(suite)}


@pytest.mark.parametrize("row", FEATURES, ids=lambda row: row[0])
def test_every_feature_we_claim_names_tests_that_exist(row):
    named = set(re.findall(r"`(test_\w+)`", row[4]))

    assert named <= known_tests()
    assert bool(named) is not row[4].startswith("no")


def test_every_row_of_the_table_speaks_of_all_four():
    assert len(FEATURES) > 50
    assert [row for row in FEATURES if not all(row)] == []


def test_the_examples_run_in_their_order(workspace, url, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names = {}

    for example in examples:
        exec(compile(example, "docs/langchain.md", "exec"), names)  # the page's own examples

    assert len(examples) > 10
    assert names["answer"].text.endswith("What is the capital of France?")
    assert names["state"]["structured_response"].name
    assert {call.status for call in workspace.ledger.model_calls()} == {200, 404}  # the last is the one that fails
