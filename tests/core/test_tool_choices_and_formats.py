"""Tools, tool choices and answer formats in the spellings of the vendors' apis."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from dbx_gateway.adapters.vendor_forms import choice_of, format_of, tool_of
from dbx_gateway.chat import CacheHint, OutputFormat, ToolChoice, ToolSpec
from dbx_gateway.errors import InvalidRequestError

NAMES = ("add", "sub")
ADD = ToolChoice("required", ("add",))
BOTH = ToolChoice("required", ("add", "sub"))
ONE, TWO = ({"type": "function", "function": {"name": name}} for name in NAMES)


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        (None, None),
        (False, None),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("any", ToolChoice("required")),
        ("required", ToolChoice("required")),
        (True, ToolChoice("required")),
        ("add", ADD),
        (ADD, ADD),
        ({"type": "function", "function": {"name": "add"}}, ADD),
        ({"type": "function", "name": "add"}, ADD),
        ({"type": "tool", "name": "add"}, ADD),
        ({"type": "tool", "name": "add", "disable_parallel_tool_use": True}, ADD),
        ({"function": {"name": "add"}}, ADD),
        ({"name": "add"}, ADD),
        (MappingProxyType({"name": "add"}), ADD),
        ({"type": "auto"}, ToolChoice("auto")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "none"}, ToolChoice("none")),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [ONE, TWO]}}, BOTH),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "add"}]}, ADD),
        ({"function_calling_config": {"mode": "ANY"}}, ToolChoice("required")),
        ({"function_calling_config": {"mode": "ANY", "allowed_function_names": ["add", "sub"]}}, BOTH),
        ({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["add"]}}, ADD),
        ({"functionCallingConfig": {"mode": "NONE"}}, ToolChoice("none")),
        ({"function_calling_config": {"mode": "AUTO"}}, ToolChoice("auto")),
    ],
)
def test_every_spelling_of_a_choice(choice, read):
    assert choice_of(choice, NAMES) == read


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("ad", "tool_choice is 'ad', which is none of the tools on offer: add, sub; give one of them"),
        ({"type": "tool", "name": "mul"}, "tool_choice is 'mul', which is none of the tools on offer"),
        (
            {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["mul"]}},
            "tool_choice is 'mul', which is none of the tools on offer",
        ),
        ({"function_calling_config": {"mode": "VALIDATED"}}, "tool_choice is 'validated'; give 'auto'"),
        ({"type": "allowed_tools", "mode": "required", "tools": [3]}, "tool_choice is 3; give 'auto'"),
        ({"type": "allowed_tools", "mode": "auto", "tools": [ONE]}, "offer only those, with tool_choice='auto'"),
        ({}, r"tool_choice is \{\}; give 'auto'"),
        (3, "tool_choice is 3; give 'auto'"),
    ],
)
def test_a_choice_that_cannot_be_read_is_refused_with_the_remedy(choice, told):
    with pytest.raises(InvalidRequestError, match=told):
        choice_of(choice, NAMES)


SCHEMA = {"title": "T", "type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("response_format", "read"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, OutputFormat(kind="json")),
        (OutputFormat(kind="json"), OutputFormat(kind="json")),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True, "description": "d"}},
            OutputFormat(kind="json_schema", schema=SCHEMA, name="n", strict=True, description="d"),
        ),
        (
            {"type": "json_schema", "name": "n", "schema": SCHEMA},
            OutputFormat(kind="json_schema", schema=SCHEMA, name="n"),
        ),
        (
            {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
            OutputFormat(kind="json_schema", schema=SCHEMA, name="T"),
        ),
        (
            {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
            OutputFormat(kind="json_schema", schema={"type": "object"}, name="answer"),
        ),
    ],
)
def test_every_spelling_of_an_answer_format(response_format, read):
    assert format_of(response_format) == read


@pytest.mark.parametrize("response_format", ["json", {"type": "grammar"}, {"type": "json_schema"}, str, 3])
def test_an_answer_format_that_cannot_be_read_is_refused_with_the_remedy(response_format):
    with pytest.raises(InvalidRequestError, match=r"response_format takes \{'type': 'json_object'\}"):
        format_of(response_format)


def test_a_function_with_everything():
    function = {"name": "add", "description": "Adds.", "parameters": SCHEMA, "strict": True}
    tool = {"type": "function", "function": function, "cache_control": {"type": "ephemeral", "ttl": "1h"}}

    assert tool_of(tool) == ToolSpec(
        name="add", description="Adds.", parameters=SCHEMA, strict=True, cache=CacheHint("1h")
    )


def test_a_function_with_a_name_only():
    assert tool_of({"type": "function", "function": {"name": "now"}}) == ToolSpec(name="now")


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        ({"type": "web_search_20250305", "name": "web_search"}, "web_search"),
        ({"type": "web_search_preview"}, "web_search_preview"),
        ({"google_search": {}}, "google_search"),
    ],
)
def test_a_server_side_tool_is_sent_as_it_is(tool, name):
    assert tool_of(tool) == ToolSpec(name=name, native=tool)
