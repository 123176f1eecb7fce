"""The shape that a vendor's strict validator requires of a request, as data, and the first mismatch of a body.

A shape is built of :class:`Leaf`, :class:`Words`, :class:`Many`, :class:`Fields`, :class:`Tagged` and :class:`Either`.
Each wire format reports a :class:`Mismatch` with its vendor's message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dbx_gateway.testing.json_values import is_array, is_object

__all__ = [
    "ANY",
    "BOOLEAN",
    "INTEGER",
    "NUMBER",
    "OBJECT",
    "STRING",
    "Either",
    "Fields",
    "Leaf",
    "Many",
    "Mismatch",
    "Path",
    "Shape",
    "Tagged",
    "Words",
    "first_mismatch",
]

Path = tuple[str | int, ...]
"""A place in a body: object keys and list positions from the top."""


@dataclass(frozen=True)
class Mismatch:
    """One place where a body does not have its shape.

    Args:
        kind: ``unknown``: a key that does not exist there; ``missing``: a required key is not there; ``type``: a value
            of another JSON type; ``value``: a string outside the allowed ones; ``tag``: a tagged object of no known tag.
        path: where; for ``unknown`` and ``missing`` it ends with the key.
        expected: the required JSON type, or the allowed strings.
        got: the value found.
    """

    kind: Literal["unknown", "missing", "type", "value", "tag"]
    path: Path
    expected: tuple[str, ...] = ()
    got: Any = None


@dataclass(frozen=True)
class Leaf:
    """A value of one JSON type; ``name`` is its name in a vendor's message."""

    name: str
    accepts: Callable[[Any], bool]


@dataclass(frozen=True)
class Words:
    """One of some strings."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Many:
    """A list whose entries all have one shape."""

    item: Shape


@dataclass(frozen=True)
class Fields:
    """An object.

    Args:
        fields: every key it may have. A key outside them is a fault.
        required: the keys it must have.
        nullable: the keys that may be null.
    """

    fields: Mapping[str, Shape]
    required: tuple[str, ...] = ()
    nullable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tagged:
    """An object whose shape depends on the string at ``tag``; ``default`` is used where that is absent or null."""

    tag: str
    choices: Mapping[str, Fields]
    default: str | None = None


@dataclass(frozen=True)
class Either:
    """A value of the first shape whose JSON type fits."""

    shapes: tuple[Shape, ...]


Shape = Leaf | Words | Many | Fields | Tagged | Either

ANY = Leaf("value", lambda _: True)
STRING = Leaf("string", lambda value: isinstance(value, str))
BOOLEAN = Leaf("boolean", lambda value: isinstance(value, bool))
INTEGER = Leaf("integer", lambda value: isinstance(value, int) and not isinstance(value, bool))
NUMBER = Leaf("number", lambda value: isinstance(value, int | float) and not isinstance(value, bool))
OBJECT = Leaf("object", lambda value: isinstance(value, dict))


def first_mismatch(value: Any, shape: Shape, path: Path = ()) -> Mismatch | None:
    """Return the first place where ``value`` does not have ``shape``, in the order of the body; None where it fits."""
    return next(_mismatches(value, shape, path), None)


def _mismatches(value: Any, shape: Shape, path: Path) -> Iterator[Mismatch]:
    match shape:
        case Leaf(name, accepts):
            if not accepts(value):
                yield Mismatch("type", path, (name,), value)
        case Words(values):
            if value not in values:
                yield Mismatch("value" if isinstance(value, str) else "type", path, values, value)
        case Many(item):
            yield from _entry_mismatches(value, item, path)
        case Fields():
            yield from _field_mismatches(value, shape, path)
        case Tagged():
            yield from _tag_mismatches(value, shape, path)
        case Either(shapes):
            yield from _either_mismatches(value, shapes, path)


def _entry_mismatches(value: Any, item: Shape, path: Path) -> Iterator[Mismatch]:
    if not is_array(value):
        yield Mismatch("type", path, ("array",), value)
        return
    for position, entry in enumerate(value):
        yield from _mismatches(entry, item, (*path, position))


def _either_mismatches(value: Any, shapes: tuple[Shape, ...], path: Path) -> Iterator[Mismatch]:
    chosen = next((one for one in shapes if _fits_type(value, one)), None)
    if chosen is None:
        yield Mismatch("type", path, tuple(_type_name(one) for one in shapes), value)
    else:
        yield from _mismatches(value, chosen, path)


def _field_mismatches(value: Any, shape: Fields, path: Path) -> Iterator[Mismatch]:
    if not is_object(value):
        yield Mismatch("type", path, ("object",), value)
        return
    for key in shape.required:
        if key not in value:
            yield Mismatch("missing", (*path, key))
    for key, entry in value.items():
        known = shape.fields.get(key)
        if known is None:
            yield Mismatch("unknown", (*path, key), (), entry)
        elif entry is not None or key not in shape.nullable:
            yield from _mismatches(entry, known, (*path, key))


def _tag_mismatches(value: Any, shape: Tagged, path: Path) -> Iterator[Mismatch]:
    if not is_object(value):
        yield Mismatch("type", path, ("object",), value)
        return
    tag = value.get(shape.tag)
    if tag is None:
        tag = shape.default
    if tag is None:
        yield Mismatch("missing", (*path, shape.tag))
    elif not isinstance(tag, str) or tag not in shape.choices:
        yield Mismatch("tag", (*path, shape.tag), tuple(shape.choices), tag)
    else:
        yield from _field_mismatches(value, shape.choices[tag], path)


def _fits_type(value: Any, shape: Shape) -> bool:
    match shape:
        case Leaf(_, accepts):
            return accepts(value)
        case Words():
            return isinstance(value, str)
        case Many():
            return isinstance(value, list)
        case Fields() | Tagged():
            return isinstance(value, dict)
        case Either(shapes):
            return any(_fits_type(value, one) for one in shapes)


def _type_name(shape: Shape) -> str:
    match shape:
        case Leaf(name):
            return name
        case Words():
            return "string"
        case Many():
            return "array"
        case Fields() | Tagged():
            return "object"
        case Either(shapes):
            return _type_name(shapes[0])
