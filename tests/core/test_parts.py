"""What several places share about parts: data URLs, ids for the wire, the text of results, the names of calls."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_gateway.chat import Blob, Text, ToolCall, ToolResult
from dbx_gateway.parts import blob_of_url, data_url, name_of_call, result_text, wire_id


@pytest.mark.parametrize(
    ("blob", "url"),
    [
        (Blob(url="https://example.com/a.png", mime="image/png"), "https://example.com/a.png"),
        (Blob(data="QUJD", mime="image/png"), "data:image/png;base64,QUJD"),
        (Blob(data="QUJD"), "data:application/octet-stream;base64,QUJD"),
        (Blob(data="", mime="text/plain"), "data:text/plain;base64,"),
    ],
)
def test_a_blob_is_one_url(blob, url):
    assert data_url(blob) == url


def test_bytes_without_a_type_take_the_one_of_the_place():
    assert data_url(Blob(data="QUJD"), "image/jpeg") == "data:image/jpeg;base64,QUJD"


@pytest.mark.parametrize(
    ("url", "mime", "blob"),
    [
        ("data:image/png;base64,QUJD", None, Blob(data="QUJD", mime="image/png")),
        ("data:image/png;base64,QUJD", "image/gif", Blob(data="QUJD", mime="image/png")),
        ("data:text/plain;charset=utf-8;base64,QQ\n==", None, Blob(data="QQ\n==", mime="text/plain")),
        ("data:;base64,QUJD", "image/gif", Blob(data="QUJD", mime="image/gif")),
        ("data:text/plain,hello", "text/plain", Blob(url="data:text/plain,hello", mime="text/plain")),
        ("https://example.com/data:a;base64,b", None, Blob(url="https://example.com/data:a;base64,b")),
    ],
)
def test_a_data_url_is_taken_apart_and_any_other_kept(url, mime, blob):
    assert blob_of_url(url, mime) == blob


@given(st.text(max_size=100), st.integers(36, 64))
def test_any_value_becomes_an_id_that_the_wire_can_carry_and_stays_one(value, longest):
    found = wire_id(value, longest)
    assert re.fullmatch(rf"[a-zA-Z0-9_-]{{1,{longest}}}", found)
    assert wire_id(found, longest) == found
    assert wire_id(value, longest) == found


@given(st.lists(st.text(max_size=80), unique=True))
def test_two_values_never_become_one_id(values):
    assert len({wire_id(value) for value in values}) == len(values)


def test_a_value_that_must_change_keeps_a_head_to_read():
    assert re.fullmatch(r"call_of_the_weather_[0-9a-f]{32}", wire_id("call of the weather " + "x" * 90))
    assert re.fullmatch(r"id_[0-9a-f]{32}", wire_id(""))
    assert re.fullmatch(r"id_[0-9a-f]{32}", wire_id("日本"))


def test_a_result_is_the_text_of_its_parts():
    result = ToolResult(call_id="c", content=(Text("one"), Text("two")))
    assert result_text(result) == "one\ntwo"


def test_a_call_is_found_by_its_id():
    parts = (Text("c1"), ToolCall(call_id="c1", name="add", arguments="{}"))
    assert name_of_call("c1", parts) == "add"
    assert name_of_call("c2", parts) is None
