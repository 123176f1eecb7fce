"""A schema whose root is one object: what a tool is called with."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_schema import conjoin, distinct, inline_refs, keyword_note, keywords_in, with_note
from dbx_gateway.json_values import object_or_empty, objects_in, strings_in

__all__ = ["UNIONS", "one_object"]

UNIONS: Final = ("anyOf", "oneOf", "allOf")
_ROOT_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


def one_object(schema: JsonObject) -> JsonObject:
    """Return ``schema`` with one object at its root, ``schema`` itself where it has one.

    A reference at the root is written out, ``allOf`` merged, and a root that may be null is none. Of a union's branches
    every property is there, required where every branch requires it, and the description tells the branches; a
    property that they describe differently may be any of these.

    Source: docs/wire/schemas.md#strict-schemas.
    """
    root = schema
    if not root.keys().isdisjoint(_ROOT_REFERENCES) or (
        not root.keys().isdisjoint(UNIONS) and not keywords_in(root).isdisjoint(_ROOT_REFERENCES)
    ):
        root = inline_refs(root, keep_cycles=True)
    return _one(root, object_or_empty(root.get("$defs")))


def _one(schema: JsonObject, definitions: JsonObject) -> JsonObject:
    node = schema
    kinds = node.get("type")
    if isinstance(kinds, list) and "object" in kinds:
        node = {**node, "type": "object"}
    if isinstance(parts := node.get("allOf"), list):
        node = {key: item for key, item in node.items() if key != "allOf"}
        for part in objects_in(parts):
            node = conjoin(node, _branch(part, definitions))
        return _one(node, definitions)
    for keyword in ("anyOf", "oneOf"):
        if isinstance(node.get(keyword), list):
            node = _joined(node, keyword, definitions)
    return node


def _branch(branch: JsonObject, definitions: JsonObject) -> JsonObject:
    """Return a branch with one object at its root; a reference that was kept is written out once."""
    reference = branch.get("$ref")
    if isinstance(reference, str):
        named = object_or_empty(definitions.get(reference.rpartition("/")[2]))
        branch = conjoin({key: item for key, item in branch.items() if key != "$ref"}, named)
    return _one(branch, definitions)


def _joined(schema: JsonObject, keyword: str, definitions: JsonObject) -> JsonObject:
    rest = {key: item for key, item in schema.items() if key not in (keyword, "discriminator")}
    branches = [
        _branch(branch, definitions) for branch in objects_in(schema.get(keyword)) if branch.get("type") != "null"
    ]
    if not branches:
        return rest
    if len(branches) == 1:
        return _one(conjoin(rest, branches[0]), definitions)
    joined: JsonObject = {}
    if properties := _properties(branches):
        joined["properties"] = properties
    if required := _required(branches):
        joined["required"] = required
    if all(branch.get("additionalProperties") is False for branch in branches):
        joined["additionalProperties"] = False
    told = [{key: item for key, item in branch.items() if key != "title"} for branch in branches]
    note = keyword_note("one of these" if keyword == "oneOf" else "any of these", [*told])
    return with_note(conjoin({"type": "object", **rest}, joined), note)


def _properties(branches: list[JsonObject]) -> JsonObject:
    kinds: dict[str, list[JsonValue]] = {}
    for branch in branches:
        for name, item in object_or_empty(branch.get("properties")).items():
            kinds.setdefault(name, []).append(item)
    return {name: _any_of(distinct(found)) for name, found in kinds.items()}


def _any_of(schemas: list[JsonValue]) -> JsonValue:
    """Return one schema for what is one of ``schemas``: constants as an enum."""
    if len(schemas) == 1:
        return schemas[0]
    values: list[JsonValue] = []
    for schema in schemas:
        if not isinstance(schema, dict) or not schema.keys() <= {"const", "enum", "type", "title", "default"}:
            return {"anyOf": schemas}
        match schema:
            case {"const": value}:
                values.append(value)
            case {"enum": [*several]}:
                values.extend(several)
            case _:
                return {"anyOf": schemas}
    kinds = distinct(schema["type"] for schema in objects_in(schemas) if "type" in schema)
    one: JsonObject = {"type": kinds[0]} if len(kinds) == 1 else {}
    return {**one, "enum": distinct(values)}


def _required(branches: list[JsonObject]) -> list[JsonValue]:
    first, *others = (strings_in(branch.get("required")) for branch in branches)
    return [name for name in first if all(name in other for other in others)]
