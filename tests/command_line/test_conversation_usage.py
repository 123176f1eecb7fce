"""What the chat of the command line says of tokens that the workspace was not heard to count."""

from __future__ import annotations

import io
import json

import pytest

from dbx_gateway import Client
from dbx_gateway.cli.conversation import converse
from dbx_gateway.testing import Workspace, serve


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_an_answer_that_was_cut_says_why_its_tokens_are_unknown(monkeypatch, capsys, as_json):
    monkeypatch.setattr("sys.stdin", io.StringIO("one two three\n"))
    with serve(Workspace()) as server:
        client = Client(model="databricks-gpt-5-2", host=server.url, token=server.workspace.token, stop="two")
        assert converse(client, None, as_json=as_json) == 0
    out, err = capsys.readouterr()
    if as_json:
        shown = json.loads(out)
        assert (shown["text"], shown["finish"], shown["usage"]) == ("You said: one ", "stop", None)
        assert "closed at a stop sequence" in shown["usage_unknown"]
    else:
        assert out == "You said: one \n"
        assert "[stop; usage unknown: the stream was closed at a stop sequence" in err
