"""JSON Schema as the messages api enforces it."""

from __future__ import annotations

import copy

import pytest
from anthropic import transform_schema
from pydantic import BaseModel, Field

from dbx_gateway.dialects.messages.schema import for_anthropic_output
from dbx_gateway.notices import forget_notices


@pytest.mark.parametrize(
    ("schema", "prepared"),
    [
        ({"type": "integer"}, {"type": "integer"}),
        (
            {"type": "integer", "minimum": 1, "description": "A number."},
            {"type": "integer", "description": "A number.\nminimum: 1"},
        ),
        ({"type": "string", "pattern": "^a"}, {"type": "string", "description": 'pattern: "^a"'}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "regex"}, {"type": "string", "description": 'format: "regex"'}),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, None),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 2},
            {"type": "array", "items": {"type": "string"}, "description": "minItems: 2"},
        ),
        ({"enum": ["a", 1, None]}, None),
        ({"const": "a"}, None),
        ({"type": ["string", "null"], "enum": ["a", None]}, {"enum": ["a", None]}),
        (
            {"type": ["string", "null"], "maxLength": 3, "description": "d"},
            {
                "description": "d",
                "anyOf": [{"type": "string", "description": "maxLength: 3"}, {"type": "null"}],
            },
        ),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"$schema": "x", "$id": "y", "type": "string"}, {"type": "string"}),
        ({"$ref": "#/$defs/A", "description": "lost beside a reference"}, {"$ref": "#/$defs/A"}),
        (
            {"type": "object", "properties": {"minimum": {"type": "integer", "default": 2}}},
            {
                "type": "object",
                "properties": {"minimum": {"type": "integer", "description": "default: 2"}},
                "additionalProperties": False,
            },
        ),
    ],
)
def test_each_keyword_is_kept_rewritten_or_described(schema, prepared):
    before = copy.deepcopy(schema)
    assert for_anthropic_output(schema) == (schema if prepared is None else prepared)
    assert schema == before


def test_an_object_of_free_keys_is_closed_with_a_warning(caplog):
    forget_notices()
    closed = {"type": "object", "properties": {}, "additionalProperties": False}
    assert for_anthropic_output({"type": "object", "additionalProperties": {"type": "string"}}) == closed
    assert len(caplog.messages) == 1
    assert "list its properties" in caplog.messages[0]


class Leaf(BaseModel):
    name: str = Field(min_length=1, description="What it is called.")
    weight: float | None = None


class Tree(BaseModel):
    leaves: list[Leaf]
    first: Leaf
    size: int = Field(ge=0)


def _without_descriptions(value):
    if isinstance(value, dict):
        return {key: _without_descriptions(item) for key, item in value.items() if key != "description"}
    return [_without_descriptions(item) for item in value] if isinstance(value, list) else value


def test_a_pydantic_model_is_prepared_as_the_vendors_own_package_does():
    schema = Tree.model_json_schema()
    assert _without_descriptions(for_anthropic_output(schema)) == _without_descriptions(transform_schema(schema))
