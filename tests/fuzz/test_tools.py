"""The tools of the fuzzing: what hypothesis makes, what is said of a law that breaks, and what atheris is given."""

from __future__ import annotations

import json
from functools import cache

import pytest
from fuzz import corpus
from fuzz.atheris_run import shortened
from fuzz.inputs import changed
from fuzz.planted import PLANTED
from fuzz.targets import TARGETS
from hypothesis import given, settings
from hypothesis import strategies as st

STREAM = b'data: {"a": [1, 2], "b": 3}\n\ndata: {"c": 4}\n\n'


def test_a_broken_law_is_raised_with_the_line_that_keeps_its_input():
    with pytest.raises(KeyError) as caught:
        corpus.check(PLANTED, b"{[:@\xff")
    [note] = caught.value.__notes__
    name, text = json.loads(note.partition("planted-fault.jsonl: ")[2])
    assert (name, text.encode("latin-1")) == ("what-is-wrong", b"{[:@\xff")


@cache
def many_changes(name: str, known: bytes) -> list[bytes]:
    """Return ``known`` after changes of every sort, the same each time."""
    made: list[bytes] = []

    @settings(max_examples=150, derandomize=True, database=None)
    @given(changed(TARGETS[name], st.just(known)))
    def collect(data):
        made.append(data)

    collect()
    return made


def is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data == b'{"a":[]}',
        lambda data: data != b'{"a":[1]}' and data.endswith(b'":[1]}'),
        lambda data: data.count(b":[") >= 30,
        lambda data: not is_json(data),
    ],
    ids=["drop", "rename", "nest", "no JSON any more"],
)
def test_json_is_changed_in_many_ways(change):
    assert {change(data) for data in many_changes("error-body", b'{"a":[1]}')} == {True, False}


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.count(b'"a"') == 0 and data.count(b'"c"') == 1,
        lambda data: data.count(b'"c"') == 2,
        lambda data: 0 < data.find(b'"c"') < data.find(b'"a"'),
        lambda data: b"\r" in data and b"\n" not in data,
    ],
    ids=["drop", "double", "move", "end"],
)
def test_a_stream_is_changed_in_many_ways(change):
    assert {change(data) for data in many_changes("sse", STREAM)} == {True, False}


def test_an_input_is_made_shorter_as_long_as_it_fails():
    assert shortened(STREAM, lambda data: b"[" in data and b"c" in data) == b"[c"
