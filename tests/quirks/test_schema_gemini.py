"""The quirk schema-gemini: where in a body it finds schemas, and what it leaves alone."""

import copy

import pytest

from dbx_gateway.families import Family
from dbx_gateway.profiles import Profile
from dbx_gateway.quirks.quirk import Context
from dbx_gateway.quirks.schema_gemini import QUIRK

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
