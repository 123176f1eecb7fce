"""Schemas as OpenAI's strict mode takes them (docs/wire/schemas.md#keywords, column OpenAI strict)."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_schema import conjoin, keyword_note, map_children, with_note
from dbx_gateway.json_values import object_or_empty

__all__ = ["has_free_keys", "strictly"]

_LEFT_OUT: Final = frozenset(
    {"$anchor", "$comment", "$id", "$schema", "default", "discriminator", "example", "examples"}
)
_IN_WORDS: Final = frozenset(
    {
        *("contains", "maxContains", "maxLength", "maxProperties", "minContains", "minLength", "minProperties"),
        *("patternProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "uniqueItems"),
        *("dependentRequired", "dependentSchemas", "else", "if", "not", "then"),
    }
)
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})


def strictly(value: JsonValue) -> JsonValue:
    """Return a schema that strict mode takes: closed objects, all keys required, no ``oneOf``, nothing beside a ``$ref``.

    An object with free keys is left as it is: closed, it could hold nothing.
    """
    if not isinstance(value, dict):
        return value
    node = _in_its_words(value)
    if "$ref" in node:
        kept = {key: item for key, item in node.items() if key in ("$ref", "$defs", "definitions")}
        return map_children(kept, strictly)
    node = map_children(node, strictly)
    if (node.get("type") == "object" or "properties" in node) and not _is_free(node):
        properties = object_or_empty(node.get("properties"))
        closed: JsonObject = {"type": "object", "properties": properties, "required": [*properties]}
        node = {**node, **closed, "additionalProperties": False}
    return node


def _in_its_words(schema: JsonObject) -> JsonObject:
    node: JsonObject = {}
    notes: list[str] = []
    for key, value in schema.items():
        if key in _IN_WORDS or (key == "format" and value not in _FORMATS):
            notes.append(keyword_note(key, value))
        elif key not in _LEFT_OUT and key not in ("allOf", "oneOf"):
            node[key] = value
    for branch in _list(schema.get("allOf")):
        node = conjoin(node, _in_its_words(branch)) if isinstance(branch, dict) else node
    if (branches := _list(schema.get("oneOf"))) and "anyOf" not in node:
        node["anyOf"] = branches
    return with_note(node, *notes) if notes else node


def _list(value: JsonValue | None) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _is_free(schema: JsonObject) -> bool:
    """Whether an object has keys that its schema does not name."""
    if schema.get("patternProperties") or schema.get("additionalProperties", False) is not False:
        return True
    return schema.get("type") == "object" and schema.keys().isdisjoint(("properties", "additionalProperties", "enum"))


def has_free_keys(value: JsonValue) -> bool:
    """Whether an object with keys that are not named is anywhere in a schema."""
    return isinstance(value, dict) and (_is_free(value) or any(has_free_keys(child) for child in _within(value)))


def _within(schema: JsonObject) -> list[JsonValue]:
    found: list[JsonValue] = []

    def note(child: JsonValue) -> JsonValue:
        found.append(child)
        return child

    map_children(schema, note)
    return found
