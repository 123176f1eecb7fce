"""JSON Schemas that strangers wrote, a tool server's for example, made fit for each kind of model."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from fuzz.target import Target
from pydantic import JsonValue
from pydantic_core import from_json, to_json

from dbx_gateway import json_schema
from dbx_gateway.chat import JsonObject
from dbx_gateway.dialects.messages import schema as messages_schema
from dbx_gateway.dialects.messages.schema import for_anthropic_output
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_schema import check_schema, drop_keywords, inline_refs
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.notices import forget_notices
from dbx_gateway.quirks import schema_gemini, schema_object_root, schema_open_models
from dbx_gateway.quirks.quirk import Context
from dbx_gateway.quirks.schema_gemini import for_gemini

__all__ = ["SEEDS", "TARGETS"]

_GEMINI: frozenset[str] = frozenset(
    {"type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required"}
    | {"minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "default", "items"}
    | {"propertyOrdering", "minimum", "maximum"}
)
"""The fields of Google's ``Schema`` (docs/wire/schemas.md#keywords, column Gemini Schema)."""

_CLAUDE = Context(
    model="m",
    surface="ai-gateway",
    family="llama",
    api="chat-completions",
    stream=False,
    profile=profile_of("databricks-llama-4-maverick"),
)

SEEDS = tuple(
    to_json(schema)
    for schema in (
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": ["string", "null"], "default": None}},
            "required": ["a"],
            "additionalProperties": False,
            "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}},
        },
        {
            "anyOf": [
                {"type": "object", "properties": {"k": {"const": "x"}}},
                {"type": "object", "properties": {"n": {"type": "null"}}},
            ]
        },
        {
            "allOf": [
                {"properties": {"a": {"minimum": 1, "maximum": 5}}},
                {"properties": {"a": {"minimum": 2}}, "required": ["a"]},
            ]
        },
        {
            "type": "object",
            "properties": {
                "t": {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": {"type": "null"}},
                "e": {"enum": ["a", 1, None]},
                "o": {"oneOf": [{"type": "string", "format": "uri"}, {"type": "integer", "multipleOf": 2}]},
            },
        },
        {
            "$schema": "x",
            "definitions": {"a~b": {"not": {"type": "string"}}},
            "items": {"$ref": "#/definitions/a~0b"},
            "patternProperties": {"^a": {"if": {"const": 1}, "then": {"minItems": 1}}},
            "x-y": {"a": [1]},
            "uniqueItems": True,
        },
    )
)


def _given(data: bytes) -> JsonObject:
    """Return the schema in ``data`` as far as a request may hold it."""
    try:
        schema = from_json(data)
    except ValueError:
        raise InvalidRequestError("not JSON") from None
    check_schema(schema, "the schema")
    return schema


def _repaired(data: bytes, repair: Callable[[JsonObject], JsonObject]) -> JsonObject:
    """Return what ``repair`` makes of the schema in ``data``: it changes nothing it is given, and nothing twice."""
    schema = _given(data)
    before = repr(schema)
    once = repair(schema)
    assert repr(schema) == before
    assert to_json(once)
    assert repair(once) == once
    return once


def _keywords(schema: JsonValue) -> set[str]:
    """Return every keyword of a schema of Gemini's, at any depth."""
    found: set[str] = set()
    stack = [schema]
    while stack:
        node = stack.pop()
        if not isinstance(node, dict):
            continue
        found |= node.keys()
        properties, branches = node.get("properties"), node.get("anyOf")
        stack += [*properties.values()] if isinstance(properties, dict) else []
        stack += branches if isinstance(branches, list) else []
        stack.append(node.get("items"))
    return found


def _gemini(data: bytes) -> None:
    assert _keywords(_repaired(data, for_gemini)) <= _GEMINI


def _messages(data: bytes) -> None:
    forget_notices()
    schema = _given(data)
    before = repr(schema)
    assert to_json(for_anthropic_output(schema))
    assert repr(schema) == before
    flat = _repaired(data, inline_refs)
    assert {"$ref", "$defs"}.isdisjoint(drop_keywords(flat, ("pattern",), note=True))
    _repaired(data, lambda schema: drop_keywords(schema, ("pattern", "format"), note=True))


def _as_tool(schema: JsonObject) -> JsonObject:
    forget_notices()
    body: JsonObject = {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
    for quirk in (schema_object_root.QUIRK, schema_open_models.QUIRK):
        assert quirk.request is not None
        body = quirk.request(body, _CLAUDE)
    return body["tools"][0]["function"]["parameters"]  # type: ignore[index,call-overload,return-value]


def _open_models(data: bytes) -> None:
    _repaired(data, _as_tool)


def _target(
    name: str, run: Callable[[bytes], None], repair: Callable[[JsonObject], object], module: ModuleType
) -> Target:
    return Target(
        name=name,
        form="json",
        run=run,
        read=lambda data: repair(_given(data)),
        raises=(InvalidRequestError,),
        seeds=SEEDS,
        modules=(json_schema, module),
    )


TARGETS = (
    _target("schema-gemini", _gemini, for_gemini, schema_gemini),
    _target("schema-messages", _messages, for_anthropic_output, messages_schema),
    _target("schema-open-models", _open_models, _as_tool, schema_open_models),
)
