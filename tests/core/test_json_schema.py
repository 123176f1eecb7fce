"""Laws and cases of the walks over JSON Schema."""

import copy
import json
import math

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_schema import check_schema, drop_keywords, inline_refs, with_note
from dbx_gateway.quirks.schema_gemini import for_gemini

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # google-genai 3.3 has an invalid escape in a string
    from google.genai import types

KEYWORDS = (
    "$comment $defs $id $ref $schema additionalItems additionalProperties allOf anyOf const contains default definitions "
    "deprecated description discriminator else enum example examples exclusiveMaximum exclusiveMinimum format if items "
    "maxItems maxLength maxProperties maximum minItems minLength minProperties minimum multipleOf not nullable oneOf "
    "pattern patternProperties prefixItems properties propertyNames propertyOrdering required title type uniqueItems x-y"
).split()
TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"]
REFS = [
    "#",
    "#/$defs/a",
    "#/definitions/b",
    "#/properties/a",
    "#/$defs/a/anyOf/0",
    "https://example.com/s",
    "#/no",
    "#a",
]

names = st.sampled_from(["a", "b", "title", "$schema", "$ref", "type"])
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.sampled_from(["", "a", "object", "date-time"])
)


def _schemas(inner):
    maps = st.dictionaries(names, inner, max_size=3)
    lists = st.lists(inner, max_size=3)
    likely = {
        "type": st.one_of(st.sampled_from(TYPES), st.lists(st.sampled_from(TYPES), max_size=3)),
        "$ref": st.sampled_from(REFS),
        "enum": st.lists(scalars, max_size=3),
        "required": st.lists(names, max_size=3),
        "propertyOrdering": st.lists(names, max_size=3),
        "description": st.sampled_from(["", "what it is"]),
        **dict.fromkeys(["$defs", "definitions", "properties", "patternProperties"], maps),
        **dict.fromkeys(["allOf", "anyOf", "oneOf", "prefixItems"], lists),
        **dict.fromkeys(["items", "additionalProperties", "not", "if", "contains"], st.one_of(inner, lists)),
    }
    pairs = st.sampled_from(KEYWORDS).flatmap(
        lambda key: st.tuples(st.just(key), st.one_of(likely.get(key, scalars), likely.get(key, scalars), scalars))
    )
    return st.lists(pairs, max_size=5).map(dict)


schema_like = st.recursive(st.one_of(st.booleans(), _schemas(st.booleans())), _schemas, max_leaves=12).filter(
    lambda schema: isinstance(schema, dict)
)


@settings(max_examples=150, deadline=None)
@given(schema_like)
def test_repairing_a_schema_twice_is_repairing_it_once(schema):
    once = for_gemini(schema)
    assert for_gemini(once) == once


@settings(max_examples=150, deadline=None)
@given(schema_like)
def test_google_s_own_schema_type_takes_whatever_comes_out(schema):
    types.Schema.model_validate(_upper(for_gemini(schema)))


@settings(max_examples=80, deadline=None)
@given(schema_like)
def test_no_walk_changes_what_it_was_given_or_shares_it(schema):
    before = copy.deepcopy(schema)
    for walk in (for_gemini, inline_refs, lambda given: drop_keywords(given, ["title", "properties"], note=True)):
        _clear(walk(schema))
    assert schema == before


@settings(max_examples=80, deadline=None)
@given(schema_like)
def test_inlining_twice_is_inlining_once_and_dropping_twice_is_dropping_once(schema):
    once = inline_refs(schema)
    assert inline_refs(once) == once
    dropped = drop_keywords(schema, ["title", "$ref", "pattern"], note=True)
    assert drop_keywords(dropped, ["title", "$ref", "pattern"], note=True) == dropped


def _upper(node):
    """Google's Python type knows the type names in capitals and in small letters; give it the server's own."""
    result = dict(node)
    if "type" in node:
        result["type"] = node["type"].upper()
    for key in ("anyOf",):
        if key in node:
            result[key] = [_upper(branch) for branch in node[key]]
    if "items" in node:
        result["items"] = _upper(node["items"])
    if "properties" in node:
        result["properties"] = {name: _upper(item) for name, item in node["properties"].items()}
    return result


def _clear(value):
    for item in list(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()):
        _clear(item)
    if isinstance(value, dict | list):
        value.clear()


# References -----------------------------------------------------------------------------------------------------------


def test_references_are_inlined_wherever_they_stand():
    point = {"type": "object", "properties": {"x": {"type": "number"}}}
    schema = {
        "type": "object",
        "properties": {
            "direct": {"$ref": "#/$defs/Point"},
            "listed": {"type": "array", "items": {"$ref": "#/$defs/Point"}},
            "either": {"anyOf": [{"$ref": "#/$defs/Point"}, {"type": "null"}]},
            "all": {"allOf": [{"$ref": "#/definitions/Old"}]},
            "nested": {"$ref": "#/$defs/Nested"},
            "mapped": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Point"}},
        },
        "$defs": {"Point": point, "Nested": {"$defs": {"Inner": point}, "$ref": "#/$defs/Nested/$defs/Inner"}},
        "definitions": {"Old": {"type": "string"}},
    }
    assert inline_refs(schema) == {
        "type": "object",
        "properties": {
            "direct": point,
            "listed": {"type": "array", "items": point},
            "either": {"anyOf": [point, {"type": "null"}]},
            "all": {"allOf": [{"type": "string"}]},
            "nested": point,
            "mapped": {"type": "object", "additionalProperties": point},
        },
    }


def test_a_cycle_is_cut_to_an_object():
    tree = {
        "$ref": "#/$defs/Tree",
        "$defs": {
            "Tree": {
                "type": "object",
                "properties": {
                    "left": {"$ref": "#/$defs/Tree", "description": "smaller ones"},
                    "all": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
                },
            }
        },
    }
    assert inline_refs(tree) == {
        "type": "object",
        "properties": {
            "left": {"type": "object", "description": "smaller ones"},
            "all": {"type": "array", "items": {"type": "object"}},
        },
    }


@pytest.mark.parametrize("reference", ["#/$defs/None", "https://example.com/other.json", 5, "#anchor/x"])
def test_a_reference_that_leads_nowhere_becomes_an_object(reference):
    assert inline_refs({"properties": {"a": {"$ref": reference}}}) == {"properties": {"a": {"type": "object"}}}


def test_the_description_beside_a_reference_stands_and_other_siblings_hold_as_well():
    schema = {
        "properties": {"age": {"$ref": "#/$defs/Age", "description": "in years", "maximum": 99}},
        "$defs": {"Age": {"type": "integer", "minimum": 0, "maximum": 150, "description": "an age"}},
    }
    assert inline_refs(schema) == {
        "properties": {"age": {"description": "in years", "maximum": 99, "type": "integer", "minimum": 0}}
    }


def test_escaped_names_in_a_reference_are_read():
    schema = {"$defs": {"a/b~c d": {"type": "string"}}, "items": {"$ref": "#/$defs/a~1b~0c%20d"}}
    assert inline_refs(schema) == {"items": {"type": "string"}}


def test_properties_called_like_keywords_stay():
    schema = {"type": "object", "properties": {"$ref": {"type": "string"}, "$defs": {"type": "string", "title": "T"}}}
    assert inline_refs(schema) == schema
    assert drop_keywords(schema, ["$ref", "title"]) == {
        "type": "object",
        "properties": {"$ref": {"type": "string"}, "$defs": {"type": "string"}},
    }


def test_definitions_that_would_inline_to_billions_are_refused():
    defs = {
        f"d{n}": {"properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}, "b": {"$ref": f"#/$defs/d{n + 1}"}}}
        for n in range(40)
    }
    with pytest.raises(InvalidRequestError, match="give a smaller schema"):
        inline_refs({"$ref": "#/$defs/d0", "$defs": {**defs, "d40": {"type": "string"}}})


def test_dropped_keywords_are_told_in_the_description_when_asked():
    schema = {"properties": {"name": {"type": "string", "maxLength": 5, "description": "Who."}}}
    assert drop_keywords(schema, {"maxLength"}, note=True) == {
        "properties": {"name": {"type": "string", "description": "Who.\nmaxLength: 5"}}
    }


def test_a_note_is_not_said_twice():
    assert with_note(with_note({"type": "string"}, "short"), "short") == {"type": "string", "description": "short"}


# Gemini ---------------------------------------------------------------------------------------------------------------


def gemini(**schema):
    return for_gemini({"type": "object", "properties": {"v": schema}})["properties"]["v"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"$schema": "x", "$id": "y", "$comment": "z", "type": "string"}, {"type": "string"}),
        ({"type": "string", "title": "T", "default": None}, {"type": "string", "title": "T", "default": None}),
        ({"type": ["string", "null"]}, {"nullable": True, "type": "string"}),
        ({"type": ["null"]}, {"type": "null"}),
        (
            {"type": ["integer", "string"], "minimum": 1, "pattern": "a", "description": "d"},
            {"description": "d", "anyOf": [{"minimum": 1, "type": "integer"}, {"pattern": "a", "type": "string"}]},
        ),
        ({"const": "a"}, {"enum": ["a"], "type": "string"}),
        ({"const": 5}, {"type": "integer", "description": "one of: 5"}),
        ({"enum": ["a", None]}, {"enum": ["a"], "nullable": True, "type": "string"}),
        ({"enum": [1, 2], "type": "integer"}, {"type": "integer", "description": "one of: 1, 2"}),
        ({"enum": ["a", ""], "type": "string"}, {"type": "string", "description": 'one of: "a", ""'}),
        ({"enum": ["a", 1]}, {"description": 'one of: "a", 1'}),
        (
            {"oneOf": [{"type": "string"}, {"type": "integer"}]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        ),
        (
            {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}], "default": None, "title": "T"},
            {"default": None, "title": "T", "nullable": True, "type": "string", "maxLength": 3},
        ),
        (
            {"type": "string", "anyOf": [{"minLength": 3}, {"pattern": "^x"}], "description": "d"},
            {"description": "d", "anyOf": [{"minLength": 3, "type": "string"}, {"pattern": "^x", "type": "string"}]},
        ),
        (
            {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                       {"properties": {"b": {"type": "string"}}, "required": ["b"]}]},
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]},
        ),
        ({"allOf": [{"minimum": 1}, {"minimum": 3, "type": "integer"}]}, {"minimum": 3, "type": "integer"}),
        (
            {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
            {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "minItems": 2, "maxItems": 2},
        ),
        (
            {"type": "array", "items": [{"type": "string"}, {"type": "string"}]},
            {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        ),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}}),
        (
            {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5, "description": "How many."},
            {"type": "integer", "description": "How many.\nexclusiveMinimum: 0\nmultipleOf: 5"},
        ),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": "string", "format": "email"}, {"type": "string", "description": 'format: "email"'}),
        ({"type": "object", "additionalProperties": False}, {"type": "object"}),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            {"type": "object", "description": 'additionalProperties: {"type":"integer"}'},
        ),
        (
            {"type": "object", "properties": {"a": True, "b": False}, "required": ["a", "c"]},
            {"type": "object", "properties": {"a": {}}, "required": ["a"], "description": 'required: ["c"]'},
        ),
        ({"type": "string", "minimum": 3}, {"type": "string"}),
        ({"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "string"}}, "type": "object"}),
    ],
)  # fmt: skip
def test_each_keyword_becomes_what_gemini_takes(given, expected):
    result = gemini(**given)
    assert result == expected
    assert json.dumps(result) == json.dumps({key: result[key] for key in result})


def test_properties_called_like_refused_keywords_survive():
    schema = {
        "type": "object",
        "$schema": "s",
        "properties": {"$schema": {"type": "string"}, "title": {"type": "string"}},
    }
    assert for_gemini(schema) == {
        "type": "object",
        "properties": {"$schema": {"type": "string"}, "title": {"type": "string"}},
    }


def test_a_choice_beside_properties_becomes_optional_properties_and_a_note():
    branches = [
        {"properties": {"id": {"type": "string"}}, "required": ["id"]},
        {"properties": {"name": {"type": "string"}}},
    ]
    assert for_gemini({"type": "object", "properties": {"x": {"type": "string"}}, "anyOf": branches}) == {
        "type": "object",
        "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "x": {"type": "string"}},
        "description": 'anyOf: [{"properties":{"id":{"type":"string"}},"required":["id"],"type":"object"},'
        '{"properties":{"name":{"type":"string"}},"type":"object"}]',
    }


def test_a_choice_of_objects_at_the_root_becomes_one_object():
    schema = {
        "anyOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"b": {"type": "string"}}},
        ]
    }
    assert for_gemini(schema)["type"] == "object"
    assert for_gemini(schema)["properties"] == {"a": {"type": "string"}, "b": {"type": "string"}}


# Checking -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"properties": {"a": {"minimum": math.nan}}}, r"tool\['properties'\]\['a'\]\['minimum'\] is nan"),
        ({"anyOf": [{}, {"maximum": math.inf}]}, r"tool\['anyOf'\]\[1\]\['maximum'\] is inf"),
        ({"properties": {5: {}}}, r"tool\['properties'\] has the key 5; keys of JSON are strings"),
        ({"enum": {"a"}}, r"tool\['enum'\] is set, which JSON cannot hold"),
        ({"enum": ("a",)}, r"tool\['enum'\] is tuple"),
        ({"title": "\ud800"}, r"tool\['title'\] is a string with half a character"),
        (["object"], r"tool is list; a JSON Schema here is an object"),
    ],
)
def test_a_schema_that_json_cannot_hold_is_refused_with_its_path(schema, message):
    with pytest.raises(InvalidRequestError, match=message):
        check_schema(schema, "tool")


def test_a_schema_that_holds_itself_is_refused():
    schema = {"properties": {}}
    schema["properties"]["self"] = schema
    with pytest.raises(InvalidRequestError, match="holds itself"):
        check_schema(schema, "tool")


def test_a_good_schema_passes():
    check_schema({"type": "object", "properties": {"a": {"enum": ["é", 1, None, 1.5, True]}}}, "tool")
