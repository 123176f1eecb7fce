"""JSON Schema as the Messages api takes it where it enforces a schema.

That is ``output_config.format`` and strict tools (docs/wire/schemas.md#keywords, column Anthropic strict); the plain
``input_schema`` of a tool is JSON Schema of draft 2020-12 and needs none of this.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_schema import keyword_note, with_note
from dbx_gateway.notices import warn_once

__all__ = ["for_anthropic_output"]

_META: Final = frozenset({"$schema", "$id", "$anchor", "$comment", "discriminator"})
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_UNCHANGED: Final = frozenset({"title", "description", "required"})


def for_anthropic_output(schema: JsonObject) -> JsonObject:
    """Return ``schema`` in the form that the server can enforce; ``schema`` itself is not changed.

    Every object is closed (``additionalProperties: false``), ``oneOf`` becomes ``anyOf``, a list of types becomes
    ``anyOf``, and a keyword the server does not enforce moves into the ``description``, where the model reads it.
    Objects with free keys are not possible: they stay empty in the answer, and one warning says so.
    """
    node = _single_typed(schema)
    prepared: JsonObject = {}
    for container in ("$defs", "definitions"):
        if isinstance(definitions := node.get(container), dict):
            prepared[container] = {name: _prepared(definition) for name, definition in definitions.items()}
    if "$ref" in node:
        return {**prepared, "$ref": node["$ref"]}
    notes: JsonObject = {}
    for keyword, value in node.items():
        _place(keyword, value, node, prepared, notes)
    if _is_object(node):
        _close(node, prepared)
    note = ", ".join(keyword_note(keyword, value) for keyword, value in notes.items())
    return with_note(prepared, note) if note else prepared


def _prepared(value: JsonValue) -> JsonValue:
    return for_anthropic_output(value) if isinstance(value, dict) else value


def _each(values: Iterable[JsonValue]) -> list[JsonValue]:
    return [_prepared(value) for value in values]


def _single_typed(schema: JsonObject) -> JsonObject:
    """Return ``schema`` with a list of types written as ``anyOf``; beside an enum or ``anyOf`` the list is left out."""
    types = schema.get("type")
    if not isinstance(types, list):
        return schema
    if "enum" in schema or "anyOf" in schema:
        return {name: value for name, value in schema.items() if name != "type"}
    outer = {
        name: value
        for name, value in schema.items()
        if name in _UNCHANGED - {"required"} or name in ("$defs", "default")
    }
    inner = {name: value for name, value in schema.items() if name not in outer and name != "type"}
    branches: list[JsonValue] = [{"type": "null"} if kind == "null" else {**inner, "type": kind} for kind in types]
    return {**outer, "anyOf": branches}


def _place(keyword: str, value: JsonValue, node: JsonObject, prepared: JsonObject, notes: JsonObject) -> None:
    """Add one keyword to the schema or to the notes, or leave it out."""
    match keyword, value:
        case (("$defs" | "definitions" | "additionalProperties"), _):
            pass
        case _ if keyword in _META:
            pass
        case "properties", dict():
            prepared["properties"] = {name: _prepared(item) for name, item in value.items()}
        case "items", dict():
            prepared["items"] = _prepared(value)
        case (("anyOf" | "allOf"), list()):
            prepared[keyword] = _each(value)
        case "oneOf", list() if "anyOf" not in node:
            prepared["anyOf"] = _each(value)
        case _ if _is_enforced(keyword, value):
            prepared[keyword] = value
        case _:
            notes[keyword] = value


def _is_enforced(keyword: str, value: JsonValue) -> bool:
    match keyword:
        case "type":
            return True
        case "enum":
            return isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)
        case "const":
            return not isinstance(value, dict | list)
        case "format":
            return isinstance(value, str) and value in _FORMATS
        case "minItems":
            return value in (0, 1)
        case _:
            return keyword in _UNCHANGED


def _is_object(node: JsonObject) -> bool:
    return node.get("type") == "object" or ("type" not in node and "properties" in node)


def _close(node: JsonObject, prepared: JsonObject) -> None:
    if not node.get("properties") and node.get("additionalProperties", True) is not False:
        warn_once(
            "messages: open object in a schema",
            "an object with free keys in a schema is empty in every answer, because the messages api closes all "
            "objects; list its properties, or use an array of key and value",
        )
    prepared["type"] = "object"
    prepared.setdefault("properties", {})
    prepared["additionalProperties"] = False
