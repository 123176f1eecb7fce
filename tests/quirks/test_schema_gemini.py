"""The quirk schema-gemini: what becomes of a schema, where in a body it finds them, and what it leaves alone."""

import copy
import warnings

import pytest
from core.schema_like import schema_like
from hypothesis import given, settings

from dbx_gateway.models.families import Family
from dbx_gateway.models.profile import Profile
from dbx_gateway.quirks.quirk import Context
from dbx_gateway.quirks.schema_gemini import QUIRK, for_gemini

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # google-genai 3.3 has an invalid escape in a string
    from google.genai import types

GIVEN = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"options": {"type": "array", "items": {"$ref": "#/$defs/Option", "description": "one"}}},
    "$defs": {"Option": {"type": "object", "properties": {"label": {"const": "yes", "$comment": "only"}}}},
}
TAKEN = {
    "type": "object",
    "properties": {
        "options": {
            "type": "array",
            "items": {
                "description": "one",
                "type": "object",
                "properties": {"label": {"enum": ["yes"], "type": "string"}},
            },
        }
    },
}


def context(api="generate-content", family: Family = "gemini", surface="ai-gateway"):
    profile = Profile(model="databricks-gemini-3-pro", family=family)
    return Context(model=profile.model, surface=surface, family=family, api=api, stream=False, profile=profile)


def test_parameters_and_answer_schema_of_generate_content_are_rewritten():
    body = {
        "contents": [],
        "tools": [{"functionDeclarations": [{"name": "ask", "parameters": GIVEN}]}, {"googleSearch": {}}],
        "generationConfig": {"responseSchema": GIVEN, "temperature": 0},
    }
    assert QUIRK.request(body, context()) == {
        "contents": [],
        "tools": [{"functionDeclarations": [{"name": "ask", "parameters": TAKEN}]}, {"googleSearch": {}}],
        "generationConfig": {"responseSchema": TAKEN, "temperature": 0},
    }


def test_parameters_and_response_format_of_chat_are_rewritten():
    body = {
        "messages": [],
        "tools": [{"type": "function", "function": {"name": "ask", "parameters": GIVEN}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": GIVEN}},
    }
    assert QUIRK.request(body, context("chat-completions")) == {
        "messages": [],
        "tools": [{"type": "function", "function": {"name": "ask", "parameters": TAKEN}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": TAKEN}},
    }


@pytest.mark.parametrize("body", [{"contents": []}, {"tools": None, "generationConfig": {}}, {"tools": [{}]}])
def test_a_body_without_schemas_stays_the_same_object(body):
    assert QUIRK.request(body, context()) is body


def test_a_json_schema_in_its_own_field_is_not_touched():
    body = {"tools": [{"functionDeclarations": [{"name": "ask", "parametersJsonSchema": GIVEN}]}]}
    assert QUIRK.request(body, context()) is body


def test_the_body_given_is_not_changed_and_a_second_pass_changes_nothing():
    body = {"tools": [{"functionDeclarations": [{"name": "ask", "parameters": GIVEN}]}]}
    before = copy.deepcopy(body)
    once = QUIRK.request(body, context())
    assert body == before
    assert QUIRK.request(once, context()) is once


def test_it_applies_to_gemini_on_both_surfaces_and_both_of_its_apis_only():
    assert QUIRK.name == "schema-gemini"
    for surface in ("ai-gateway", "model-serving"):
        assert QUIRK.applies_to(context("generate-content", surface=surface))
        assert QUIRK.applies_to(context("chat-completions", surface=surface))
    assert not QUIRK.applies_to(context("responses"))
    assert not QUIRK.applies_to(context("chat-completions", "claude"))


def test_a_schema_left_without_properties_is_told_in_the_description_of_the_function():
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    body = {"tools": [{"functionDeclarations": [{"name": "count", "description": "Counts.", "parameters": schema}]}]}
    assert QUIRK.request(body, context())["tools"][0]["functionDeclarations"] == [
        {"name": "count", "description": 'Counts.\nArguments: additionalProperties: {"type":"integer"}'}
    ]


# Schemas ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(schema_like)
def test_repairing_a_schema_twice_is_repairing_it_once(schema):
    once = for_gemini(schema)
    assert for_gemini(once) == once


@settings(max_examples=150, deadline=None)
@given(schema_like)
def test_google_s_own_schema_type_takes_whatever_comes_out(schema):
    types.Schema.model_validate(for_gemini(schema))


@settings(max_examples=80, deadline=None)
@given(schema_like)
def test_the_schema_given_stays_as_it_was(schema):
    before = copy.deepcopy(schema)
    for_gemini(schema)
    assert schema == before


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
