"""Reads values of a wire object that may be of any type: the one that is due, or nothing."""

from __future__ import annotations

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject

__all__ = ["number_of", "object_of", "objects_of", "string_of"]


def objects_of(value: JsonValue) -> list[JsonObject]:
    """Return the objects of a list; none where ``value`` is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def object_of(value: JsonValue) -> JsonObject:
    """Return ``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def string_of(value: JsonValue) -> str | None:
    """Return ``value`` if it is text."""
    return value if isinstance(value, str) else None


def number_of(value: JsonValue) -> int | None:
    """Return ``value`` if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
