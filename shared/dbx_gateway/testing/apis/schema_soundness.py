"""Whether a value is a valid JSON Schema, as far as every vendor checks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dbx_gateway.testing.json_values import is_array, is_object

__all__ = ["is_sound_schema"]

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
