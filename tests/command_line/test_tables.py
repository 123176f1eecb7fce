"""Tables: plain where nobody looks or rich is not there, else with rich."""

from __future__ import annotations

import io
import sys

import pytest

from dbx_gateway.cli.tables import print_table

HEADS = ("model", "family")
ROWS = (("databricks-claude-sonnet-4-5", "claude"), ("x", ""))
PLAIN = "model                         family\ndatabricks-claude-sonnet-4-5  claude\nx\n"


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_a_table_in_a_file_is_plain_columns():
    out = io.StringIO()
    print_table(HEADS, ROWS, out)
    assert out.getvalue() == PLAIN


def test_a_table_goes_to_the_standard_output(capsys):
    print_table(HEADS, iter(ROWS))
    assert capsys.readouterr().out == PLAIN


def test_a_terminal_without_rich_gets_the_plain_columns(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    out = Terminal()
    print_table(HEADS, ROWS, out)
    assert out.getvalue() == PLAIN


def test_a_terminal_with_rich_gets_the_same_cells(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    print_table(HEADS, ROWS, out)
    for cell in ("model", "family", "databricks-claude-sonnet-4-5", "claude"):
        assert cell in out.getvalue()


def test_a_table_without_rows_shows_its_heads():
    out = io.StringIO()
    print_table(HEADS, (), out)
    assert out.getvalue() == "model  family\n"
