"""Laws and cases of the walks over JSON Schema."""

import copy
import math

import pytest
from core.schema_like import schema_like
from hypothesis import given, settings

from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_schema import (
    check_schema,
    conjoin,
    distinct,
    drop_keywords,
    inline_refs,
    lost_reference,
    with_note,
)


@settings(max_examples=80, deadline=None)
@given(schema_like)
def test_no_walk_changes_what_it_was_given_or_shares_it(schema):
    before = copy.deepcopy(schema)
    for walk in (inline_refs, lambda given: drop_keywords(given, ["title", "properties"], note=True)):
        _clear(walk(schema))
    assert schema == before


@settings(max_examples=80, deadline=None)
@given(schema_like)
def test_inlining_twice_is_inlining_once_and_dropping_twice_is_dropping_once(schema):
    once = inline_refs(schema)
    assert inline_refs(once) == once
    dropped = drop_keywords(schema, ["title", "$ref", "pattern"], note=True)
    assert drop_keywords(dropped, ["title", "$ref", "pattern"], note=True) == dropped


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


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        # What only describes stands as it does in the first.
        ({"default": 1, "title": "A"}, {"default": 2, "title": "B"}, {"default": 1, "title": "A"}),
        ({"examples": [1]}, {"examples": [2]}, {"examples": [1]}),
        # What both allow.
        ({"enum": ["a", "b", "c"]}, {"enum": ["c", "b", "z"]}, {"enum": ["b", "c"]}),
        ({"enum": [1, True]}, {"enum": [1]}, {"enum": [1]}),
        ({"required": ["a"]}, {"required": ["b", "a"]}, {"required": ["a", "b"]}),
        ({"minimum": 1, "maximum": 9}, {"minimum": 3, "maximum": 7}, {"minimum": 3, "maximum": 7}),
        ({"minLength": 3, "maxItems": 2}, {"minLength": 1, "maxItems": 5}, {"minLength": 3, "maxItems": 2}),
        ({"allOf": [{"title": "A"}]}, {"allOf": [{"title": "B"}]}, {"allOf": [{"title": "A"}, {"title": "B"}]}),
        (
            {"properties": {"a": {"minimum": 1}, "b": {"type": "string"}}},
            {"properties": {"a": {"minimum": 2}, "c": {"type": "integer"}}},
            {"properties": {"a": {"minimum": 2}, "b": {"type": "string"}, "c": {"type": "integer"}}},
        ),
        ({"items": {"minimum": 1}}, {"items": {"maximum": 2}}, {"items": {"minimum": 1, "maximum": 2}}),
        # What no keyword can say of both.
        ({"enum": ["a"]}, {"enum": ["b"]}, {"enum": ["a"], "description": 'enum: ["b"]'}),
        ({"type": "string"}, {"type": "integer"}, {"type": "string", "description": 'type: "integer"'}),
        ({"multipleOf": 2}, {"multipleOf": 3}, {"multipleOf": 2, "description": "multipleOf: 3"}),
        ({"pattern": "a"}, {"pattern": "b"}, {"pattern": "a", "description": 'pattern: "b"'}),
        (
            {"prefixItems": [{}]},
            {"prefixItems": [{}, {}]},
            {"prefixItems": [{}], "description": "prefixItems: [{},{}]"},
        ),
    ],
)
def test_two_schemas_become_one_that_asks_for_both(first, second, both):
    before = copy.deepcopy((first, second))
    assert conjoin(first, second) == both
    assert (first, second) == before


def test_equal_values_are_said_once_and_true_is_not_one():
    values = [1, True, 1.0, 0, False, "1", [1], [True], {"a": 1}, {"a": True}, {"a": 1}, None]
    assert repr(distinct(values)) == repr([1, True, 0, False, "1", [1], [True], {"a": 1}, {"a": True}, None])


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


# Checking -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"properties": {"a": {"minimum": math.nan}}}, r"tool\['properties'\]\['a'\]\['minimum'\] is nan"),
        ({"anyOf": [{}, {"maximum": math.inf}]}, r"tool\['anyOf'\]\[1\]\['maximum'\] is inf"),
        ({"properties": {5: {}}}, r"tool\['properties'\] has the key 5; keys of JSON are strings"),
        ({"enum": {"a"}}, r"tool\['enum'\] is set, which JSON cannot hold"),
        ({"enum": ("a",)}, r"tool\['enum'\] is tuple"),
        ({"title": "\ud800"}, r"tool\['title'\] is a string with a lone surrogate"),
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


INNER = {"type": "object", "properties": {"x": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("reference", "rest"),
    [
        ("#inner", {"definitions": {"A": {**INNER, "$id": "#inner"}}}),
        ("#inner", {"definitions": {"A": {**INNER, "id": "#inner"}}}),
        ("#/$defs/A%20B", {"$defs": {"A%20B": INNER}}),
        (
            "inner.json",
            {"$id": "https://x.test/root.json", "$defs": {"A": {**INNER, "$id": "https://x.test/inner.json"}}},
        ),
        ("root.json#/$defs/A", {"$id": "https://x.test/root.json", "$defs": {"A": INNER}}),
        ("other.json#/$defs/A", {"$defs": {"O": {"$id": "other.json", "$defs": {"A": INNER}}}}),
        ("other.json#inner", {"$defs": {"O": {"$id": "other.json", "$defs": {"A": {**INNER, "$anchor": "inner"}}}}}),
    ],
)
def test_what_a_reference_names_is_found_by_every_legal_name_of_it(reference, rest):
    schema = {"type": "object", "properties": {"a": {"$ref": reference}}, **rest}
    assert lost_reference(schema) is None
    inlined = inline_refs(schema)["properties"]["a"]
    assert {key: inlined.get(key) for key in INNER} == INNER


@pytest.mark.parametrize("word", ["$id", "id"])
def test_a_path_in_a_schema_with_an_id_begins_there_or_at_the_root(word):
    other = {
        word: "other.json",
        "type": "object",
        "properties": {"here": {"$ref": "#/$defs/In"}, "root": {"$ref": "#/$defs/Out"}},
    }
    if word == "$id":
        other["$defs"] = {"In": INNER}
    schema = {"properties": {"a": {"$ref": "#/$defs/Other"}}, "$defs": {"Other": other, "Out": INNER}}
    if word == "id":
        schema["$defs"]["In"] = INNER
    assert lost_reference(schema) is None
    inlined = inline_refs(schema)["properties"]["a"]
    assert inlined["properties"] == {"here": INNER, "root": INNER}


def test_a_schema_that_is_written_out_has_no_name_left_that_several_would_have():
    cat = {"$id": "cat.json", "$anchor": "cat", "type": "object", "properties": {"kitten": {"$ref": "#cat"}}}
    schema = {"properties": {"a": {"$ref": "cat.json"}, "b": {"$ref": "#cat"}}, "$defs": {"Cat": cat}}
    inlined = inline_refs(schema, keep_cycles=True)
    (name,) = inlined["$defs"]
    kept = {"$ref": f"#/$defs/{name}"}
    assert inlined["properties"] == {"a": kept, "b": kept}
    assert inlined["$defs"][name] == {"type": "object", "properties": {"kitten": kept}}
