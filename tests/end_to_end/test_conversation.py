"""``dbx-gateway chat``: a conversation in the terminal."""

from __future__ import annotations

import io
import json
import sys

from end_to_end.site import GEMINI, LLAMA


def test_chat_answers_each_line_and_remembers_the_ones_before(run, signed_in, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n\nAnd again\n"))
    status, out, err = run("chat", LLAMA, "--system", "Be brief.")
    assert status == 0
    assert out == "You said: Hello\nYou said: And again\n"
    assert "[stop; " in err
    assert [message["role"] for message in signed_in.posts()[1].body["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


def test_chat_answers_as_data(run, signed_in, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))
    status, out, _ = run("chat", GEMINI, "--json")
    answer = json.loads(out)
    assert status == 0
    assert (answer["text"], answer["finish"]) == ("You said: Hello", "stop")
    assert answer["usage"]["output"] >= 3


def test_a_chat_goes_on_after_an_answer_that_failed(run, signed_in, monkeypatch):
    signed_in.fail(where="/chat/completions", status=403, error_message="not now")
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\nAgain\n"))
    status, out, err = run("chat", LLAMA)
    assert status == 1
    assert "not now" in err
    assert out == "You said: Again\n"
