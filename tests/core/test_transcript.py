"""What a server streams, in the log: its start, once, and no credential."""

from __future__ import annotations

import logging

import pytest

from dbx_gateway.call.transcript import SECRETS, Transcript, masked

TOKEN = "dapi" + "0123456789abcdef" * 2


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "dbx_gateway")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("value", [None, "", "requests", "bodies"])
def test_there_is_a_transcript_only_where_bodies_are_asked_for(monkeypatch, value):
    if value is not None:
        monkeypatch.setenv("DBX_GATEWAY_LOG", value)
    assert (Transcript.if_enabled(bytes) is not None) is (value == "bodies")


def test_chunks_are_written_together_and_once(lines):
    transcript = Transcript(bytes)
    for chunk in (b"data: one\n\n", b"data: two\n\n"):
        transcript.add(chunk)
    assert lines() == []
    transcript.write()
    transcript.add(b"data: late\n\n")
    transcript.write()
    assert lines() == ["got data: one\n\ndata: two\n\n (22 bytes streamed)"]


def test_of_a_long_stream_the_start_is_written_with_the_size_of_all(lines):
    transcript = Transcript(bytes)
    for _ in range(1000):
        transcript.add(b"x" * 100)
    transcript.write()
    assert lines() == [f"got {'x' * 20_000} (100000 bytes streamed)"]


def test_a_credential_is_masked_wherever_a_chunk_ends(lines):
    transcript = Transcript(lambda body: body.replace(b"own-secret", b"***"))
    for at in range(0, len(TOKEN), 7):
        transcript.add(TOKEN[at : at + 7].encode())
    transcript.add(b" Bearer abc.def own-secret")
    transcript.write()
    assert lines() == [f"got *** Bearer *** *** ({len(TOKEN) + 26} bytes streamed)"]


def test_a_credential_at_the_cut_is_masked_whole():
    body = b"x" * 19_990 + b" " + TOKEN.encode()
    assert masked(body) == "x" * 19_990 + " ***"
    assert SECRETS.search(body) is not None


def test_bytes_that_are_no_text_are_shown_as_such():
    assert masked(b"\xff\xfe ok") == "\ufffd\ufffd ok"
