"""Readers of JSON values whose shape is not known: the simulated workspace's own, apart from the client's."""

from __future__ import annotations

from typing import Any, TypeGuard

__all__ = ["entries", "inside", "is_array", "is_object"]


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether a JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Return whether a JSON value is a list."""
    return isinstance(value, list)


def inside(value: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return the object under these keys, one in the other; an empty one where it is absent, null or no object."""
    for key in keys:
        found = value.get(key)
        value = found if is_object(found) else {}
    return value


def entries(value: dict[str, Any], key: str) -> list[Any]:
    """Return the list under a key; an empty one where it is absent, null or no list."""
    found = value.get(key)
    return found if is_array(found) else []
