"""Functions on JSON Schemas: check one, inline its references, drop keywords, join two.

Every function is pure: it returns a new schema that shares no list or object with its argument. Keywords that hold a
schema are distinguished from maps of schemas under the caller's own names, so a *property* called ``title`` or
``$schema`` is never mistaken for the keyword.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, cast
from urllib.parse import unquote, urljoin

from pydantic import JsonValue
from pydantic_core import to_json

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_values import object_or_empty

__all__ = [
    "LARGEST_SCHEMA",
    "LONGEST_NOTE",
    "check_schema",
    "check_size",
    "conjoin",
    "distinct",
    "drop_keywords",
    "inline_refs",
    "keyword_note",
    "keywords_in",
    "lost_reference",
    "map_children",
    "with_note",
]

LARGEST_SCHEMA: Final = 4_000_000
"""Characters of JSON that a schema may grow to when it is rewritten for a model. A few dozen lines of references can
expand to billions, and the schema of a tool may come from an untrusted source."""

LONGEST_NOTE: Final = 10_000
"""Characters of a keyword's value in a note: without a limit, notes that quote schemas with notes double at every level."""

_DEEPEST_JSON: Final = 200
"""Levels of JSON that a schema may have; the JSON serializer itself fails a little above that."""

_DEEPEST_SCHEMA: Final = 100
_MOST_SCHEMAS: Final = 50_000
"""Schemas within schemas, once references are inlined."""

_HOLDS_SCHEMA: Final = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_HOLDS_LIST: Final = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_HOLDS_MAP: Final = frozenset(
    {"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)
_DEFINITIONS: Final = frozenset(
    {
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "$defs",
        "definitions",
        "$anchor",
        "$dynamicAnchor",
        "$recursiveAnchor",
        "$id",
    }
)
"""What serves references alone. Written out several times, a name would be of several schemas, and turn paths in it."""
_NAMES: Final = ("$anchor", "$dynamicAnchor", "$id", "id")
"""Keywords by which a schema has a name; before ``$anchor``, an id of nothing but ``#name`` was one (drafts 4 to 7)."""

_ANNOTATIONS: Final = frozenset(
    {"default", "deprecated", "description", "example", "examples", "nullable", "readOnly", "title", "writeOnly"}
)
_LOWER_BOUNDS: Final = frozenset({"exclusiveMinimum", "minItems", "minLength", "minProperties", "minimum"})
_UPPER_BOUNDS: Final = frozenset({"exclusiveMaximum", "maxItems", "maxLength", "maxProperties", "maximum"})


def check_schema(schema: object, where: str) -> None:
    """Refuse a schema that JSON cannot hold.

    Args:
        schema: the caller's schema.
        where: its own path, with which the path in the error begins, for example ``"tools['add'].parameters"``.

    Raises:
        InvalidRequestError: it is no object, or holds NaN, an infinity, a key that is no string, a value that is no
            JSON, or more than 200 levels; the message gives the path.
    """
    if not isinstance(schema, dict):
        raise InvalidRequestError(f"{where} is {type(schema).__name__}; a JSON Schema here is an object (dict)")
    stack: list[tuple[object, _Path, int]] = [(schema, (None, where), 0)]  # pyright: ignore[reportUnknownVariableType]
    while stack:
        value, path, depth = stack.pop()
        fault = _fault(value, depth)
        if fault is not None:
            raise InvalidRequestError(f"{_path_text(path)} {fault}")
        if isinstance(value, dict | list):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            items = cast("Iterable[tuple[str | int, object]]", pairs)
            # Most of a schema is plain text, which takes half of the time unless it is passed over here.
            stack += [
                (item, (path, key), depth + 1) for key, item in items if type(item) is not str or not item.isascii()
            ]


_Path = tuple["_Path | None", "str | int"]


def _path_text(path: _Path) -> str:
    steps: list[str] = []
    parent, step = path
    while parent is not None:
        steps.append(f"[{step!r}]")
        parent, step = parent
    return str(step) + "".join(reversed(steps))


def _fault(value: object, depth: int) -> str | None:
    if depth > _DEEPEST_JSON:
        return f"lies deeper than {_DEEPEST_JSON} levels, or holds itself; give a flatter schema"
    match value:
        case None | bool() | int() | list():
            return None
        case str():
            return None if _is_unicode(value) else "is a string with a lone surrogate (half of a character) in it"
        case float():
            return None if math.isfinite(value) else f"is {value}, which JSON cannot hold; give a finite number"
        case dict():
            wrong = [key for key in value if not isinstance(key, str)]  # pyright: ignore[reportUnknownVariableType]
            return f"has the key {wrong[0]!r}; keys of JSON are strings" if wrong else None
        case _:
            return f"is {type(value).__name__}, which JSON cannot hold; give plain lists, dicts, strings and numbers"


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def with_note(schema: JsonObject, *notes: str) -> JsonObject:
    """Return ``schema`` with ``notes`` at the end of its description, in place of keywords that were removed.

    Each note is a line of its own; a line that is there already is not repeated.
    """
    description = schema.get("description")
    lines = description.split("\n") if isinstance(description, str) and description else []
    known = set(lines)
    new = [note for note in dict.fromkeys(notes) if note not in known]
    return {**schema, "description": "\n".join([*lines, *new])} if new else dict(schema)


def check_size(schema: JsonObject) -> None:
    """Refuse a schema that has become too large.

    Raises:
        InvalidRequestError: it is longer than 4,000,000 characters.
    """
    size = 0
    stack: list[JsonValue] = [schema]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            size += sum(len(key) + 4 for key in value)
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        size += len(value) + 2 if isinstance(value, str) else 2
        if size > LARGEST_SCHEMA:
            raise _too_large()


def _too_large() -> InvalidRequestError:
    return InvalidRequestError(
        f"with its $refs inlined and its unions written out, the schema holds more than {_MOST_SCHEMAS} schemas or "
        f"{LARGEST_SCHEMA} characters, or nests deeper than {_DEEPEST_SCHEMA}; this model takes no $ref, so give a "
        "smaller schema"
    )


def distinct(values: Iterable[JsonValue]) -> list[JsonValue]:
    """Return ``values`` in order, without repeats."""
    firsts: dict[object, JsonValue] = {}
    for value in values:
        firsts.setdefault(_frozen(value), value)
    return [*firsts.values()]


def _frozen(value: JsonValue) -> object:
    """Return a hashable value that is equal for equal values; in JSON ``true`` is not 1."""
    if isinstance(value, dict):
        return frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, bool):
        return (bool, value)
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def drop_keywords(schema: JsonObject, names: Collection[str], *, note: bool = False) -> JsonObject:
    """Return ``schema`` without the keywords ``names``, at any depth; properties of such a name stay.

    Args:
        schema: the schema to copy.
        names: keywords.
        note: note in the description of each schema which keywords were removed from it.
    """

    def drop(value: JsonValue) -> JsonValue:
        if not isinstance(value, dict):
            return _copy(value)
        rest = map_children({key: item for key, item in value.items() if key not in names}, drop)
        return with_note(rest, *(keyword_note(key, value[key]) for key in value if key in names)) if note else rest

    return object_or_empty(drop(schema))


def inline_refs(schema: JsonObject, *, keep_cycles: bool = False) -> JsonObject:
    """Return ``schema`` with each ``$ref`` replaced by what it names, and without ``$defs`` and ``definitions``.

    A reference to a schema that contains it, and one to nothing, become ``{"type": "object"}``. Keywords beside a
    ``$ref`` apply together with those of the schema it names; of two descriptions the one beside it is used.

    Args:
        schema: the schema to copy.
        keep_cycles: keep references to schemas that contain themselves, as ``#/$defs/<name>``, with these schemas under
            ``$defs``; the root itself is never a reference.

    Raises:
        InvalidRequestError: inlined, the schema would nest deeper than 100 schemas, hold more than 50,000, or be longer
            than 4,000,000 characters.
    """
    return _Inlining(schema, keep_cycles=keep_cycles).whole()


def lost_reference(schema: JsonObject) -> str | None:
    """Return the first ``$ref`` of ``schema`` that names nothing in it, or None; one to another document is none of them."""
    inlining = _Inlining(schema, keep_cycles=False)
    pending: list[JsonValue] = [schema]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict):
            continue
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#") and inlining.names_nothing(reference, node):
            return reference
        pending.extend(_children(node))
    return None


_ANY_OBJECT: Final[JsonValue] = {"type": "object"}
"""What a reference to nothing stands for."""

_OF_DYNAMIC: Final = ("$dynamicRef", "$recursiveRef")


class _Inlining:
    def __init__(self, root: JsonObject, *, keep_cycles: bool) -> None:
        self._root = root
        self._holders: set[int] = set()
        self._count = 0
        self._size = 0
        self._lengths: dict[int, int] = {}
        self._anchors: dict[str, JsonObject] | None = None
        self._resources: dict[int, JsonObject] = {}
        """The nearest schema with an ``$id`` around each schema, else the root: paths begin there."""
        self._recursive = self._cycles() if keep_cycles else {}
        self._kept: dict[int, str] = {}
        self._definitions: JsonObject = {}

    def whole(self) -> JsonObject:
        """Return the root with everything inlined, and the definitions that were kept."""
        root: JsonValue = self._root
        result = object_or_empty(self._expanded(root))
        return {**result, "$defs": self._definitions} if self._definitions else result

    def _cycles(self) -> dict[int, str]:
        """Return the schemas that refer to themselves, by identity, with the last step of a reference that names them."""
        edges: dict[int, set[int]] = {}
        names: dict[int, str] = {}
        pending: list[JsonObject] = [self._root]
        while pending:
            node = pending.pop()
            if id(node) in edges:
                continue
            followed: list[JsonObject] = [child for child in _children(node) if isinstance(child, dict)]
            if isinstance(reference := _reference(node), str):
                target = self._target(reference, node)
                if isinstance(target, dict):
                    names.setdefault(id(target), reference.rpartition("/")[2])
                    followed.append(target)
            edges[id(node)] = {id(child) for child in followed}
            pending.extend(followed)
        return {found: name for found, name in names.items() if _leads_back(found, edges)}

    def inlined(self, value: JsonValue) -> JsonValue:
        """Return a copy of a schema within the root, with its references inlined."""
        if isinstance(value, dict) and id(value) in self._recursive:
            return {"$ref": f"#/$defs/{self._name_of(value)}"}
        return self._expanded(value)

    def _name_of(self, value: JsonObject) -> str:
        """Return the name of a schema that contains itself, among the definitions; written down at its first mention."""
        if id(value) not in self._kept:
            base = _NOT_IN_A_DEFINITION.sub("_", unquote(self._recursive[id(value)])) or "root"
            name, number = base, 2
            while name in self._definitions:
                name, number = f"{base}_{number}", number + 1
            self._kept[id(value)] = name
            self._definitions[name] = {}  # its place, in the order of mention
            holders, self._holders = self._holders, set()
            self._definitions[name] = self._expanded(value)
            self._holders = holders
        return self._kept[id(value)]

    def _expanded(self, value: JsonValue) -> JsonValue:
        if not isinstance(value, dict):
            return _copy(value)
        if id(value) in self._holders:
            return {"type": "object"}
        self._limit()
        self._holders.add(id(value))
        node = map_children({key: item for key, item in value.items() if key not in _DEFINITIONS}, self.inlined)
        reference = _reference(value)
        if reference is not None:
            found = self._measured(self._target(reference, value))
            at_root = value is self._root
            target = self._expanded(found) if at_root else self.inlined(found)
            node = conjoin(node, target) if isinstance(target, dict) else node
        self._holders.discard(id(value))
        return node

    def _limit(self) -> None:
        self._count += 1
        if self._count > _MOST_SCHEMAS or len(self._holders) >= _DEEPEST_SCHEMA:
            raise _too_large()

    def _measured(self, target: JsonValue) -> JsonValue:
        """Return what a reference names, after adding its size to the total; a cycle is not inlined and adds nothing."""
        if id(target) not in self._holders and id(target) not in self._kept:
            if id(target) not in self._lengths:
                self._lengths[id(target)] = len(to_json(target))
            self._size += self._lengths[id(target)]
            if self._size > LARGEST_SCHEMA:
                raise _too_large()
        return target

    def names_nothing(self, reference: str, holder: JsonObject) -> bool:
        """Whether a reference in ``holder`` names no schema of the root."""
        return self._target(reference, holder) is _ANY_OBJECT

    def _target(self, reference: JsonValue, holder: JsonObject) -> JsonValue:
        """Return the schema that a reference names: by its path, its ``$anchor``, or its ``$id``; else any object."""
        if not isinstance(reference, str):
            return _ANY_OBJECT
        names = self._index()
        base, _, fragment = reference.partition("#")
        around = self._resources.get(id(holder), self._root)
        if base:
            other = names.get(urljoin(_id_of(around), base), names.get(base))
            if other is None:
                return _ANY_OBJECT
            around = other
        if fragment and not fragment.startswith("/"):
            return names.get(unquote(fragment), _ANY_OBJECT)
        for start in (around, self._root):  # a path that passes over an id is read by many from the root
            if (found := _at(start, fragment)) is not None:
                return found
        return _ANY_OBJECT

    def _index(self) -> dict[str, JsonObject]:
        """Return the schemas that have a name, by it, and note which are within one that has an ``$id``."""
        if self._anchors is None:
            self._anchors = {}
            pending: list[tuple[JsonValue, JsonObject]] = [(self._root, self._root)]
            while pending:
                node, around = pending.pop()
                if not isinstance(node, dict):
                    continue
                for key in _NAMES:
                    if isinstance(name := node.get(key), str):
                        self._anchors.setdefault(name.removeprefix("#"), node)
                if name := _id_of(node):
                    self._anchors.setdefault(urljoin(_id_of(around), name).removesuffix("#"), node)
                    around = node
                self._resources[id(node)] = around
                pending.extend((child, around) for child in _children(node))
        return self._anchors


def _id_of(schema: JsonObject) -> str:
    """Return the address of a schema within which paths begin anew; empty where it has none."""
    name = schema.get("$id")
    return name if isinstance(name, str) and not name.startswith("#") else ""


def _at(start: JsonObject, path: str) -> JsonValue:
    """Return the schema at a path of a reference; None where there is none."""
    value: JsonValue = start
    for step in path.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and (name in value or step in value):
            value = value[name if name in value else step]
        elif isinstance(value, list) and name.isdecimal() and name.isascii() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value if isinstance(value, dict | bool) else None


_NOT_IN_A_DEFINITION: Final = re.compile(r"[^a-zA-Z0-9_.-]+")


def _reference(node: JsonObject) -> JsonValue:
    """Return the reference that a schema is or holds; None where there is none."""
    return next((node[key] for key in ("$ref", *_OF_DYNAMIC) if node.get(key) is not None), None)


def _leads_back(start: int, edges: Mapping[int, set[int]]) -> bool:
    seen: set[int] = set()
    pending = list(edges.get(start, ()))
    while pending:
        node = pending.pop()
        if node == start:
            return True
        if node not in seen:
            seen.add(node)
            pending.extend(edges.get(node, ()))
    return False


def _children(schema: JsonObject) -> Iterator[JsonValue]:
    """Yield every schema directly within ``schema``."""
    for key, value in schema.items():
        if key in _HOLDS_MAP and isinstance(value, dict):
            yield from value.values()
        elif key in _HOLDS_LIST and isinstance(value, list):
            yield from value
        elif key in _HOLDS_SCHEMA:
            yield value


def keywords_in(schema: JsonObject) -> frozenset[str]:
    """Return the keywords of ``schema`` and of every schema within it; names of properties are none."""
    found: set[str] = set()
    pending: list[JsonValue] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            found.update(node)
            pending.extend(_children(node))
    return frozenset(found)


def map_children(schema: Mapping[str, JsonValue], change: Callable[[JsonValue], JsonValue]) -> JsonObject:
    """Return ``schema`` with ``change`` applied to every schema directly within it."""
    result: JsonObject = {}
    for key, value in schema.items():
        if key in _HOLDS_MAP and isinstance(value, dict):
            result[key] = {name: change(item) for name, item in value.items()}
        elif key in _HOLDS_LIST and isinstance(value, list):
            result[key] = [change(item) for item in value]
        elif key in _HOLDS_SCHEMA:
            result[key] = change(value)
        else:
            result[key] = _copy(value)
    return result


def _copy(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def keyword_note(keyword: str, value: JsonValue) -> str:
    """Return a keyword and its value as a note for :func:`with_note`; a long value is cut."""
    text = to_json(value).decode()
    return f"{keyword}: {text if len(text) <= LONGEST_NOTE else text[:LONGEST_NOTE] + ' …'}"


def conjoin(first: JsonObject, second: JsonObject) -> JsonObject:
    """Return one schema that requires both; where a keyword cannot express both, the description notes the second."""
    result = dict(first)
    notes: list[str] = []
    for key, value in second.items():
        if key not in result:
            result[key] = value
        elif result[key] != value:
            both = _both(key, result[key], value)
            if both is not None:
                result[key] = both
            elif key not in _ANNOTATIONS:
                notes.append(keyword_note(key, value))
    return with_note(result, *notes) if notes else result


def _both(key: str, first: JsonValue, second: JsonValue) -> JsonValue:
    """Return the value of ``key`` that requires both, or None where there is none."""
    match first, second:
        case dict(), dict() if key in _HOLDS_MAP:
            return {**first, **{name: _both_schemas(first.get(name), item) for name, item in second.items()}}
        case dict(), dict() if key in _HOLDS_SCHEMA:
            return conjoin(first, second)
        case list(), list():
            return _both_lists(key, first, second)
        case ((int() | float()), (int() | float())):
            return _both_numbers(key, first, second)
        case _:
            return None


def _both_lists(key: str, first: list[JsonValue], second: list[JsonValue]) -> JsonValue:
    match key:
        case "required":
            return distinct([*first, *second])
        case "enum":
            others = set(map(_frozen, second))
            return [value for value in first if _frozen(value) in others] or None
        case "allOf":
            return [*first, *second]
        case _:
            return None


def _both_numbers(key: str, first: float, second: float) -> float | None:
    if key in _LOWER_BOUNDS:
        return max(first, second)
    return min(first, second) if key in _UPPER_BOUNDS else None


def _both_schemas(first: JsonValue, second: JsonValue) -> JsonValue:
    if isinstance(first, dict) and isinstance(second, dict):
        return conjoin(first, second)
    return second if first is None else first
