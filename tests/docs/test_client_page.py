"""``docs/client.md``: its examples run, and its tables name every event and every error there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import dbx_gateway
from dbx_gateway import DbxGatewayError, chat, events
from dbx_gateway.testing import Workspace, serve

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def names_in_tables(heading: str) -> set[str]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_examples_run_in_their_order(monkeypatch, capsys):
    with serve(Workspace()) as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", server.workspace.token)
        names = {}
        for example in EXAMPLES:
            exec(compile(example, "docs/client.md", "exec"), names)  # the page's own examples
    assert len(EXAMPLES) > 8
    assert "It is sunny in" in capsys.readouterr().out
    assert {entry.status for entry in server.workspace.ledger.model_calls()} == {200, 404}


def test_every_event_is_explained():
    assert names_in_tables("Stream") == {kind.__name__ for kind in get_args(events.Event)}


def test_every_part_is_explained():
    assert names_in_tables("Ask") == {kind.__name__ for kind in get_args(chat.Part)}


def test_every_field_of_an_answer_that_stands_in_the_table_exists():
    response = chat.ChatResponse(message=dbx_gateway.assistant("Hello"), finish=chat.Finish(reason="stop"))
    assert {name for name in names_in_tables("The answer") if not hasattr(response, name)} == set()


def test_every_error_is_explained():
    kinds = {
        name
        for name in dbx_gateway.__all__
        if isinstance(kind := getattr(dbx_gateway, name), type) and issubclass(kind, DbxGatewayError)
    }
    assert names_in_tables("Errors") == kinds - {"DbxGatewayError", "APIError"}
