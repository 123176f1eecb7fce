"""Whether a value is a valid JSON Schema, as far as every vendor checks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from dbx_gateway.testing.json_values import inside, is_array, is_object

__all__ = [
    "is_recursive",
    "is_sound_schema",
    "lost_reference",
    "odd_property",
    "open_object",
    "root_union",
    "strict_excess",
]

_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")


def is_sound_schema(value: Any) -> bool:
    """Return whether every keyword of a schema has a value of the type that JSON Schema requires, at any depth.

    Args:
        value: a decoded JSON value. True and False are schemas too; unknown keywords may have any value.
    """
    if not is_object(value):
        return isinstance(value, bool)
    return all(check(value[keyword]) for keyword, check in _KEYWORDS.items() if keyword in value)


def root_union(schema: Any) -> str | None:
    """Return the keyword at the root of a schema that makes it other than one object, or None."""
    return next((word for word in ("anyOf", "oneOf", "allOf") if is_object(schema) and word in schema), None)


def lost_reference(schema: Any) -> str | None:
    """Return the first ``$ref`` of a schema that names nothing in it, read letter by letter, or None."""
    for node in _within(schema):
        reference = node.get("$ref")
        if isinstance(reference, str) and not isinstance(_named(schema, reference), dict | bool):
            return reference
    return None


def odd_property(schema: Any, pattern: re.Pattern[str]) -> str | None:
    """Return the first name of a property, at any depth, that does not match ``pattern``, or None."""
    for node in _within(schema):
        properties = node.get("properties")
        for name in properties if is_object(properties) else ():
            if pattern.fullmatch(name) is None:
                return str(name)
    return None


def open_object(schema: Any) -> bool:
    """Return whether a schema holds an object that may have keys without a name."""
    return any(
        node.get("type") == "object" and node.get("additionalProperties") is not False for node in _within(schema)
    )


def strict_excess(schema: Any) -> str | None:
    """Return what a strict schema has too much of, in the vendor's manner (docs/wire/schemas.md#limits), or None."""
    levels = _levels(schema)
    if levels > 10:
        return f"{levels} levels of nesting exceeds limit of 10."
    properties = sum(len(node["properties"]) for node in _within(schema) if is_object(node.get("properties")))
    if properties > 5000:
        return f"Expected at most 5000 object properties, found {properties}."
    values = [value for node in _within(schema) for value in node.get("enum", ())]
    if len(values) > 1000:
        return f"Expected at most 1000 enum values, found {len(values)}."
    values += [node["const"] for node in _within(schema) if "const" in node]
    names = [name for node in _within(schema) for key in ("properties", "$defs") for name in node.get(key, {})]
    length = sum(len(text) for text in (*values, *names) if isinstance(text, str))
    return f"Expected at most 120000 characters of names and values, found {length}." if length > 120_000 else None


def _levels(schema: Any) -> int:
    if not is_object(schema):
        return 0
    inner = [schema.get("items"), *schema.get("anyOf", ()), *inside(schema, "properties").values()]
    deepest = max(map(_levels, inner), default=0)
    definitions = max(map(_levels, inside(schema, "$defs").values()), default=0)
    return max(deepest + ("properties" in schema), definitions)


def is_recursive(schema: Any) -> bool:
    """Return whether a schema refers to a schema that holds the reference."""

    def leads_back(node: Any, above: tuple[str, ...]) -> bool:
        for inner in _within(node):
            reference = inner.get("$ref")
            if isinstance(reference, str):
                if reference in above:
                    return True
                if leads_back(_named(schema, reference), (*above, reference)):
                    return True
        return False

    return is_object(schema) and leads_back({key: value for key, value in schema.items() if key != "$defs"}, ())


def _within(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema and every schema inside it."""
    if not is_object(schema):
        return
    yield schema
    for keyword, value in schema.items():
        if keyword in _HOLD_NAMED and is_object(value):
            for inner in value.values():
                yield from _within(inner)
        elif keyword in _HOLD_SCHEMAS:
            for inner in value if is_array(value) else [value]:
                yield from _within(inner)


_HOLD_NAMED = ("properties", "patternProperties", "$defs", "definitions")
_HOLD_SCHEMAS = ("items", "prefixItems", "additionalProperties", "anyOf", "oneOf", "allOf", "not")


def _named(schema: Any, reference: str) -> Any:
    if not reference.startswith("#"):
        return None
    for step in reference.split("/")[1:]:
        schema = schema.get(step) if is_object(schema) else None
    return schema


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_type(value: Any) -> bool:
    return _is_text(value) or (is_array(value) and all(map(_is_text, value)))


def _are_texts(value: Any) -> bool:
    return is_array(value) and all(map(_is_text, value))


def _are_schemas(value: Any) -> bool:
    return is_array(value) and all(map(is_sound_schema, value))


def _are_named_schemas(value: Any) -> bool:
    return is_object(value) and all(map(is_sound_schema, value.values()))


_KEYWORDS: dict[str, Callable[[Any], bool]] = {
    "type": _is_type,
    "$ref": _is_text,
    "enum": is_array,
    "required": _are_texts,
    "properties": _are_named_schemas,
    "$defs": _are_named_schemas,
    "definitions": _are_named_schemas,
    "items": is_sound_schema,
    "additionalProperties": is_sound_schema,
    "prefixItems": _are_schemas,
    "anyOf": _are_schemas,
    "oneOf": _are_schemas,
    "allOf": _are_schemas,
    **dict.fromkeys(_NUMBERS, _is_number),
    **dict.fromkeys(_COUNTS, _is_count),
}
