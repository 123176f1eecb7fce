"""Reads JSON values that may be of any type: the type that is due, or nothing.

Servers leave fields out, send null for them, or send another type than they document. Each reader returns the value where
it has the expected type and the stated substitute where it has not; none raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from dbx_gateway.chat import JsonObject

__all__ = [
    "arguments_text",
    "count_or_none",
    "has_counts",
    "integer_or_none",
    "json_or_none",
    "nonempty_text",
    "object_or_empty",
    "objects_in",
    "plain_text",
    "strings_in",
    "text_or_empty",
    "text_or_none",
    "without",
]


_COUNT: Final = re.compile(r"\d{1,18}(?:\.0{1,18})?")


def json_or_none(body: bytes | str) -> JsonValue:
    """Return the value that ``body`` is the JSON text of; None where it is no JSON."""
    try:
        value: JsonValue = from_json(body)
    except ValueError:
        return None
    return value


def arguments_text(value: JsonValue) -> str:
    """Return the arguments of a tool call as text: text as it is, any other value as JSON; the empty string for null."""
    if isinstance(value, str):
        return value
    return "" if value is None else to_json(value).decode()


def object_or_empty(value: JsonValue) -> JsonObject:
    """Return ``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects_in(value: JsonValue) -> list[JsonObject]:
    """Return the objects of the list ``value``, and none of its other items; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def strings_in(value: JsonValue) -> list[str]:
    """Return the strings of the list ``value``, and none of its other items; none where it is no list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def text_or_empty(value: JsonValue) -> str:
    """Return ``value`` if it is text, else the empty string."""
    return value if isinstance(value, str) else ""


def text_or_none(value: JsonValue) -> str | None:
    """Return ``value`` if it is text, the empty string too, else None."""
    return value if isinstance(value, str) else None


def plain_text(value: JsonValue) -> str:
    """Return ``value`` as text where it is text or a number, as some hosts write an answer that is one; else nothing."""
    if isinstance(value, str):
        return value
    return to_json(value).decode() if isinstance(value, int | float) and not isinstance(value, bool) else ""


def nonempty_text(value: JsonValue) -> str | None:
    """Return ``value`` if it is text of at least one character, else None."""
    return value if isinstance(value, str) and value else None


def integer_or_none(value: JsonValue) -> int | None:
    """Return ``value`` if it is a whole number; true and false are none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count_or_none(value: JsonValue) -> int | None:
    """Return ``value`` if it is a whole number, also where it is written as ``10.0``, ``"10"`` or ``"10.0"``; else None."""
    if isinstance(value, str) and _COUNT.fullmatch(value):
        return int(value.partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return integer_or_none(value)


def has_counts(record: JsonObject, *names: str) -> bool:
    """Return whether each of the fields ``names`` that ``record`` has is a count: one that is none must not become 0."""
    return all(record.get(name) is None or count_or_none(record.get(name)) is not None for name in names)


def without(holder: JsonObject, fields: Iterable[str]) -> JsonObject:
    """Return ``holder`` without ``fields``; ``holder`` itself where it has none of them, so do not change the result."""
    present = [field for field in fields if field in holder]
    return {name: value for name, value in holder.items() if name not in present} if present else holder
