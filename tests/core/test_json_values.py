"""The readers of JSON values: the value where it has the type that is due, the substitute where it has not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_gateway import json_values
from dbx_gateway.json_values import (
    integer_or_none,
    json_or_none,
    nonempty_text,
    object_or_empty,
    objects_in,
    strings_in,
    text_or_empty,
    text_or_none,
    without,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
)
OBJECTS = st.dictionaries(st.sampled_from("abcdef"), SCALARS)

NOTHING = {
    object_or_empty: {},
    objects_in: [],
    strings_in: [],
    text_or_empty: "",
    text_or_none: None,
    nonempty_text: None,
    integer_or_none: None,
}
"""What each reader returns where the value has another type."""


@pytest.mark.parametrize(
    ("reader", "value", "read"),
    [
        (object_or_empty, {"a": 1}, {"a": 1}),
        (objects_in, [{"a": 1}, "b", None, [{}], {}], [{"a": 1}, {}]),
        (strings_in, ["a", "", 1, None, ["b"]], ["a", ""]),
        (text_or_empty, "a", "a"),
        (text_or_empty, "", ""),
        (text_or_none, "a", "a"),
        (text_or_none, "", ""),
        (nonempty_text, " ", " "),
        (nonempty_text, "", None),
        (integer_or_none, 0, 0),
        (integer_or_none, -7, -7),
    ],
)
def test_a_value_of_the_type_that_is_due_is_returned(reader, value, read):
    assert reader(value) == read


@pytest.mark.parametrize("value", [None, True, False, 1.0, 7, "7", [], ["a"], [{}], {}, {"a": 1}], ids=repr)
@pytest.mark.parametrize("reader", NOTHING, ids=lambda reader: reader.__name__)
def test_any_other_value_is_nothing(reader, value):
    due = {
        object_or_empty: dict,
        objects_in: list,
        strings_in: list,
        text_or_empty: str,
        text_or_none: str,
        nonempty_text: str,
        integer_or_none: int,
    }[reader]
    read, nothing = reader(value), NOTHING[reader]
    if not isinstance(value, due) or isinstance(value, bool):
        assert read == nothing
        assert type(read) is type(nothing)


@given(VALUES)
def test_no_reader_ever_raises_or_returns_another_type(value):
    types = {
        object_or_empty: dict,
        objects_in: list,
        strings_in: list,
        text_or_empty: str,
        text_or_none: str | None,
        nonempty_text: str | None,
        integer_or_none: int | None,
    }
    for reader, kind in types.items():
        read = reader(value)
        assert isinstance(read, kind)
        assert not isinstance(read, bool)
    assert all(isinstance(item, dict) for item in objects_in(value))
    assert all(isinstance(item, str) for item in strings_in(value))


@given(VALUES)
def test_what_is_json_text_is_read_from_text_and_from_bytes(value):
    text = json.dumps(value)
    assert json_or_none(text) == json_or_none(text.encode()) == value


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"{}{}", b"<html>", b"\xff", "nope"])
def test_what_is_no_json_is_none(body):
    assert json_or_none(body) is None


@given(OBJECTS, st.frozensets(st.sampled_from("abcdef")))
def test_fields_are_left_out_of_a_copy(holder, fields):
    before = dict(holder)
    rest = without(holder, fields)
    assert rest == {name: value for name, value in before.items() if name not in fields}
    assert [*rest] == [name for name in before if name not in fields]
    assert holder == before


@given(OBJECTS)
def test_an_object_without_any_of_the_fields_is_returned_itself(holder):
    assert without(holder, ("x", "y")) is holder
    assert without(holder, iter(("x", "y"))) is holder


def test_every_reader_is_public_and_described():
    for name in json_values.__all__:
        assert getattr(json_values, name).__doc__
