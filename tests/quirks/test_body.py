"""Walks over bodies: what nothing changes stays the same object, and what changes leaves the original alone."""

from __future__ import annotations

import copy

import pytest

from dbx_gateway.quirks.body import (
    each,
    each_function,
    each_message,
    function_name,
    is_blank,
    is_blank_part,
    within,
)

BODY = {
    "messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}, "odd", None],
    "tools": [{"type": "function", "function": {"name": "add", "strict": True}}, {"type": "web_search"}],
}


@pytest.fixture
def body():
    found = copy.deepcopy(BODY)
    yield found
    assert found == BODY


def test_where_nothing_changes_the_same_object_comes_back(body):
    assert each(body, "messages", lambda message: message) is body
    assert each_message(body, lambda message: message) is body
    assert each_function(body, lambda function: function) is body
    assert within(body, "messages", lambda inner: {}) is body
    assert each(body, "nothing", lambda item: None) is body


def test_what_is_changed_is_a_copy_and_what_is_no_object_stays(body):
    fixed = each_message(body, lambda message: {**message, "name": "x"})
    assert fixed["messages"] == [
        {"role": "system", "content": "a", "name": "x"},
        {"role": "user", "content": "b", "name": "x"},
        "odd",
        None,
    ]
    assert fixed["tools"] is body["tools"]


def test_an_object_may_be_left_out_but_not_the_last_message(body):
    assert each(body, "messages", lambda message: None)["messages"] == ["odd", None]
    only = {"messages": [{"role": "user"}]}
    assert each_message(only, lambda message: None) is only


def test_the_function_of_each_tool_is_changed(body):
    fixed = each_function(body, lambda function: {"name": function["name"]})
    assert fixed["tools"] == [{"type": "function", "function": {"name": "add"}}, {"type": "web_search"}]


@pytest.mark.parametrize(
    ("value", "blank"),
    [
        (None, True),
        (" \n", True),
        ([], True),
        ([{"type": "text", "text": " "}], True),
        ([{"type": "text", "text": ""}, {"type": "text", "text": "x"}], False),
        ("x", False),
        (0, False),
        ({}, False),
    ],
)
def test_a_value_is_blank_that_shows_nothing(value, blank):
    assert is_blank(value) is blank


@pytest.mark.parametrize(
    ("part", "blank"),
    [
        ({"type": "text", "text": ""}, True),
        ({"type": "text", "text": " ", "cache_control": {"type": "ephemeral"}}, True),
        ({"type": "text", "text": "", "citations": []}, False),
        ({"type": "text"}, False),
        ({"type": "image", "text": ""}, False),
        ("", False),
    ],
)
def test_a_part_is_blank_that_holds_nothing_but_a_cache_mark(part, blank):
    assert is_blank_part(part) is blank


@pytest.mark.parametrize(
    ("holder", "name"),
    [
        ({"function": {"name": "add"}}, "add"),
        ({"function": {"name": 3}}, None),
        ({"function": "add"}, None),
        ({}, None),
    ],
)
def test_the_name_of_a_function_is_a_text_or_none(holder, name):
    assert function_name(holder) == name
