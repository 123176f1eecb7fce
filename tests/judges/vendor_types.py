"""Judges a request body by the vendors' own request types, with keys they do not know refused.

The openai and anthropic packages describe requests as TypedDicts, which say nothing at run time. ``violations`` walks
such a type beside a JSON value and names every place where they disagree::

    assert violations(body, MessageCreateParams) == []
"""

from __future__ import annotations

import types
from collections import abc
from functools import cache
from typing import Annotated, Any, Literal, Union

import typing_extensions as te

_SEQUENCES = (list, abc.Iterable, abc.Sequence, abc.Collection)
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)


def violations(value: object, annotation: object, at: str = "body") -> list[str]:
    """Return where the JSON value ``value`` departs from ``annotation``; an empty list means it does not.

    Args:
        value: decoded JSON: dicts, lists, strings, numbers, booleans and None.
        annotation: a TypedDict, or anything that may stand in one: unions, literals, iterables, mappings, scalars.
        at: the name of the place, which every violation begins with.
    """
    annotation = _bare(annotation)
    origin = te.get_origin(annotation)
    arguments = te.get_args(annotation)
    if annotation is object or annotation is Any:
        found = []
    elif te.is_typeddict(annotation):
        found = _of_typed_dict(value, annotation, at)
    elif origin in (Union, types.UnionType):
        found = _of_union(value, arguments, at)
    elif origin in (Literal, te.Literal):
        found = _of_literal(value, arguments, at)
    elif origin in _MAPPINGS:
        found = _of_mapping(value, arguments, at)
    elif origin in _SEQUENCES or getattr(origin, "_is_protocol", False):
        found = _of_sequence(value, arguments, at)
    else:
        found = _of_class(value, annotation, at)
    return found


def _bare(annotation: object) -> object:
    """Return ``annotation`` without what does not restrict the value."""
    if annotation is None:
        return type(None)
    if isinstance(annotation, te.TypeAliasType):
        return _bare(annotation.__value__)
    if te.get_origin(annotation) in (te.Required, te.NotRequired, te.ReadOnly, Annotated):
        return _bare(te.get_args(annotation)[0])
    return annotation


@cache
def _fields(typed_dict: Any) -> tuple[dict[str, object], frozenset[str]]:
    """Return the types of the keys, and which keys must be there.

    The class's own ``__required_keys__`` is wrong for ``Required[...]`` in a module with postponed annotations.
    """
    hints = te.get_type_hints(typed_dict, include_extras=True)
    required = set(typed_dict.__required_keys__)
    for key, hint in hints.items():
        if te.get_origin(hint) is te.Required:
            required.add(key)
        elif te.get_origin(hint) is te.NotRequired:
            required.discard(key)
    return hints, frozenset(required)


def _of_typed_dict(value: object, typed_dict: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at}: {_kind(value)} where {typed_dict.__name__} is due"]
    hints, required = _fields(typed_dict)
    found = [f"{at}: lacks {key!r} of {typed_dict.__name__}" for key in sorted(required - value.keys())]
    for key, item in value.items():
        if key in hints:
            found += violations(item, hints[key], f"{at}.{key}")
        else:
            found.append(f"{at}.{key}: unknown to {typed_dict.__name__}")
    return found


def _of_union(value: object, members: tuple[object, ...], at: str) -> list[str]:
    """Return nothing if a member accepts ``value``, else the complaints of the member that comes nearest."""
    nearest: tuple[tuple[bool, int], list[str]] | None = None
    for member in members:
        found = violations(value, member, at)
        if not found:
            return []
        # A member of another "type" or "role" is not what was meant, however few its complaints.
        other = any(line.startswith((f"{at}.type:", f"{at}.role:", f"{at}: ")) for line in found)
        if nearest is None or (other, len(found)) < nearest[0]:
            nearest = ((other, len(found)), found)
    return nearest[1] if nearest else [f"{at}: nothing is allowed here"]


def _of_literal(value: object, allowed: tuple[object, ...], at: str) -> list[str]:
    if any(type(value) is type(one) and value == one for one in allowed):
        return []
    return [f"{at}: {value!r} is none of {', '.join(map(repr, allowed))}"]


def _of_mapping(value: object, arguments: tuple[object, ...], at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at}: {_kind(value)} where an object is due"]
    item_type = arguments[1] if len(arguments) == 2 else object
    return [line for key, item in value.items() for line in violations(item, item_type, f"{at}.{key}")]


def _of_sequence(value: object, arguments: tuple[object, ...], at: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{at}: {_kind(value)} where an array is due"]
    item_type = arguments[0] if arguments else object
    return [line for index, item in enumerate(value) for line in violations(item, item_type, f"{at}[{index}]")]


def _of_class(value: object, expected: object, at: str) -> list[str]:
    if expected is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    elif expected is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    else:
        fits = isinstance(expected, type) and isinstance(value, expected)
    return [] if fits else [f"{at}: {_kind(value)} where {getattr(expected, '__name__', expected)} is due"]


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
