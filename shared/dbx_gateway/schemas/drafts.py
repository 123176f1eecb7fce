"""Schemas in the words of older drafts, and with keywords that hold nothing, in the words of draft 2020-12."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_schema import map_children
from dbx_gateway.json_values import object_or_empty, strings_in

__all__ = ["of_2020", "without_nulls"]

_MAY_BE_NULL: Final = frozenset({"const", "default", "example"})
"""Keywords whose value is data."""

_EXCLUSIVE: Final = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


def without_nulls(value: JsonValue) -> JsonValue:
    """Return a schema without the keywords that are null: a program writes them where it has nothing to say."""
    if not isinstance(value, dict):
        return value
    there = {key: item for key, item in value.items() if item is not None or key in _MAY_BE_NULL}
    for key in ("properties", "$defs", "definitions"):
        if isinstance(named := there.get(key), dict):
            there[key] = {name: item for name, item in named.items() if item is not None}
    return map_children(there, without_nulls)


def of_2020(value: JsonValue) -> JsonValue:
    """Return a schema with the keywords of draft 2020-12 in place of those of older drafts, as deep as it goes.

    A list as ``items`` becomes ``prefixItems``, a boolean ``exclusiveMinimum`` makes ``minimum`` exclusive,
    ``dependencies`` are split in two, and a property that is ``required: true`` is named by the object that holds it.

    Source: docs/wire/schemas.md#strict-schemas.
    """
    if not isinstance(value, dict):
        return value
    node = map_children(_of_object(_of_tuple(value)), of_2020)
    for exclusive, bound in _EXCLUSIVE:
        if isinstance(flag := node.get(exclusive), bool):
            del node[exclusive]
            if flag and bound in node and not isinstance(node[bound], bool):
                node[exclusive] = node.pop(bound)
    if "divisibleBy" in node:
        node.setdefault("multipleOf", node.pop("divisibleBy"))
    return node


def _of_tuple(schema: JsonObject) -> JsonObject:
    items = schema.get("items")
    if not isinstance(items, list):
        return schema
    node = {key: item for key, item in schema.items() if key not in ("items", "additionalItems")}
    if items:
        node["prefixItems"] = items
    if "additionalItems" in schema:
        node["items"] = schema["additionalItems"]
    return node


def _of_object(schema: JsonObject) -> JsonObject:
    node = dict(schema)
    properties = object_or_empty(schema.get("properties"))
    flagged = [name for name, item in properties.items() if isinstance(item, dict) and item.get("required") is True]
    if isinstance(schema.get("required"), bool):
        del node["required"]
    if flagged:
        known = strings_in(schema.get("required"))
        node["required"] = [*known, *(name for name in flagged if name not in known)]
    if isinstance(dependencies := node.pop("dependencies", None), dict):
        names = {key: item for key, item in dependencies.items() if isinstance(item, list)}
        schemas = {key: item for key, item in dependencies.items() if not isinstance(item, list)}
        if names:
            node["dependentRequired"] = {**names, **object_or_empty(node.get("dependentRequired"))}
        if schemas:
            node["dependentSchemas"] = {**schemas, **object_or_empty(node.get("dependentSchemas"))}
    return node
