"""``docs/llama_index.md``: its examples run, and the tests that its table of features names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.llama_index_families import AGENT_WARNINGS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "llama_index.md").read_text(encoding="utf-8")
TABLE = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 6]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE[1:]]
FEATURES = [row for row in ROWS if any(row[1:])]


def our_tests():
    return {
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


@pytest.mark.parametrize("row", FEATURES, ids=lambda row: row[0])
def test_every_feature_of_the_llama_index_page_names_tests_that_exist(row):
    named = set(re.findall(r"`(test_\w+)`", row[4]))

    assert named <= our_tests()
    assert bool(named) is not row[4].startswith("no:")


def test_every_row_of_the_llama_index_table_speaks_of_all_four():
    assert len(FEATURES) > 70
    assert [row for row in FEATURES if not all(row)] == []


@AGENT_WARNINGS
def test_the_examples_of_the_llama_index_page_run_in_their_order(signed_in, settings, capsys):
    workspace = signed_in()
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names = {}

    for example in examples:
        exec(compile(example, "docs/llama_index.md", "exec"), names)  # the page's own examples

    said = capsys.readouterr().out
    assert len(examples) == 10
    assert names["answer"].message.content == "You said: What is the capital of France?"
    assert "get_weather {'city': 'Paris'}" in said
    assert "The tools answered: It is sunny in Oslo." in said
    assert "The tools answered: It is sunny in Lima." in said
    assert "NotFoundError 404" in said
    assert {call.status for call in workspace.ledger.model_calls()} == {200, 404}  # the last is the one that fails
