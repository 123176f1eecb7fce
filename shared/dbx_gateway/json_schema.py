"""Walks over JSON Schema: check one, inline its references, drop keywords, rewrite it for Gemini.

Every function is pure: it returns a new schema that shares no list or object with the one it was given. A walk knows a
place that holds a schema from a map of schemas under names of the caller's choice, so a *property* called ``title`` or
``$schema`` is never taken for the keyword.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final
from urllib.parse import unquote

from pydantic import JsonValue
from pydantic_core import to_json

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import InvalidRequestError

__all__ = ["check_schema", "drop_keywords", "for_gemini", "inline_refs", "with_note"]

_DEEPEST_JSON: Final = 200
"""Levels of JSON that a schema may have; the JSON writer itself gives up a little later."""

_DEEPEST_SCHEMA: Final = 100
_LARGEST_SCHEMA: Final = 50_000
"""Schemas within schemas, once references are inlined: a few dozen lines of definitions can name billions."""

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
_DEFINITIONS: Final = frozenset({"$ref", "$defs", "definitions"})

_ANNOTATIONS: Final = frozenset(
    {"default", "deprecated", "description", "example", "examples", "nullable", "readOnly", "title", "writeOnly"}
)
_LOWER_BOUNDS: Final = frozenset({"exclusiveMinimum", "minItems", "minLength", "minProperties", "minimum"})
_UPPER_BOUNDS: Final = frozenset({"exclusiveMaximum", "maxItems", "maxLength", "maxProperties", "maximum"})


def check_schema(schema: object, where: str) -> None:
    """Refuse a schema that JSON cannot hold.

    Args:
        schema: the schema as the caller gave it.
        where: what it is, to begin the path in the error, for example ``"tools['add'].parameters"``.

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
            raise InvalidRequestError(f"{_spell(path)} {fault}")
        if isinstance(value, dict):
            stack.extend((item, (path, key), depth + 1) for key, item in value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        elif isinstance(value, list):
            stack.extend((item, (path, index), depth + 1) for index, item in enumerate(value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


_Path = tuple["_Path | None", "str | int"]


def _spell(path: _Path) -> str:
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
            return None if _is_unicode(value) else "is a string with half a character in it (a lone surrogate)"
        case float():
            return None if math.isfinite(value) else f"is {value}, which JSON cannot hold; give a finite number"
        case dict():
            wrong = [key for key in value if not isinstance(key, str)]  # pyright: ignore[reportUnknownVariableType]
            return f"has the key {wrong[0]!r}; keys of JSON are strings" if wrong else None
        case _:
            return f"is {type(value).__name__}, which JSON cannot hold; give plain lists, dicts, strings and numbers"


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def with_note(schema: JsonObject, note: str) -> JsonObject:
    """Return ``schema`` with ``note`` at the end of its description, for what no keyword can say any more."""
    description = schema.get("description")
    if not isinstance(description, str) or not description:
        return {**schema, "description": note}
    return dict(schema) if note in description.split("\n") else {**schema, "description": f"{description}\n{note}"}


def drop_keywords(schema: JsonObject, names: Collection[str], *, note: bool = False) -> JsonObject:
    """Return ``schema`` without the keywords ``names``, at any depth; properties of such a name stay.

    Args:
        note: say in the description of each schema what was taken out of it.
    """

    def drop(value: JsonValue) -> JsonValue:
        if not isinstance(value, dict):
            return _copy(value)
        kept = _map_children({key: item for key, item in value.items() if key not in names}, drop)
        if note:
            for key, item in value.items():
                if key in names:
                    kept = with_note(kept, _spoken(key, item))
        return kept

    return _as_object(drop(schema))


def inline_refs(schema: JsonObject) -> JsonObject:
    """Return ``schema`` with each ``$ref`` replaced by what it names, and without ``$defs`` and ``definitions``.

    Where a reference leads back into a schema that holds it, and where it leads nowhere, stands ``{"type": "object"}``.
    Keywords beside a ``$ref`` hold as well as the ones it names; of two descriptions the one beside it stands.

    Raises:
        InvalidRequestError: inlined, the schema would nest deeper than 100 schemas or hold more than 50,000.
    """
    return _as_object(_Inlining(schema).inlined(schema))


class _Inlining:
    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self._holders: set[int] = set()
        self._count = 0

    def inlined(self, value: JsonValue) -> JsonValue:
        if not isinstance(value, dict):
            return _copy(value)
        if id(value) in self._holders:
            return {"type": "object"}
        self._limit()
        self._holders.add(id(value))
        node = _map_children({key: item for key, item in value.items() if key not in _DEFINITIONS}, self.inlined)
        if "$ref" in value:
            target = self.inlined(self._target(value["$ref"]))
            node = _conjoin(node, target) if isinstance(target, dict) else node
        self._holders.discard(id(value))
        return node

    def _limit(self) -> None:
        self._count += 1
        if self._count > _LARGEST_SCHEMA or len(self._holders) >= _DEEPEST_SCHEMA:
            raise InvalidRequestError(
                f"with its $refs inlined, the schema holds more than {_LARGEST_SCHEMA} schemas or nests deeper than "
                f"{_DEEPEST_SCHEMA}; this model takes no $ref, so give a smaller schema"
            )

    def _target(self, reference: JsonValue) -> JsonValue:
        lost: JsonValue = {"type": "object"}
        if not isinstance(reference, str) or not reference.startswith("#"):
            return lost
        value: JsonValue = self._root
        for step in unquote(reference[1:]).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and name in value:
                value = value[name]
            elif isinstance(value, list) and name.isdecimal() and name.isascii() and int(name) < len(value):
                value = value[int(name)]
            else:
                return lost
        return value if isinstance(value, dict | bool) else lost


def _map_children(schema: Mapping[str, JsonValue], change: Callable[[JsonValue], JsonValue]) -> JsonObject:
    """Return ``schema`` with ``change`` made to every schema directly within it."""
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


def _as_object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _spoken(keyword: str, value: JsonValue) -> str:
    return f"{keyword}: {to_json(value).decode()}"


def _conjoin(first: JsonObject, second: JsonObject) -> JsonObject:
    """Return one schema that asks for both; what one keyword cannot say of both is noted in the description."""
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
                notes.append(_spoken(key, value))
    for note in notes:
        result = with_note(result, note)
    return result


def _both(key: str, first: JsonValue, second: JsonValue) -> JsonValue:
    """Return the value of ``key`` that asks for both, or None where there is none."""
    match first, second:
        case dict(), dict() if key in _HOLDS_MAP:
            names = dict.fromkeys([*first, *second])
            return {name: _both_schemas(first.get(name), second.get(name)) for name in names}
        case dict(), dict() if key in _HOLDS_SCHEMA:
            return _conjoin(first, second)
        case list(), list() if key == "required":
            return [*first, *(name for name in second if name not in first)]
        case list(), list() if key == "enum":
            return [value for value in first if value in second] or None
        case list(), list() if key == "allOf":
            return [*first, *second]
        case ((int() | float()), (int() | float())) if key in _LOWER_BOUNDS:
            return max(first, second)
        case ((int() | float()), (int() | float())) if key in _UPPER_BOUNDS:
            return min(first, second)
        case _:
            return None


def _both_schemas(first: JsonValue, second: JsonValue) -> JsonValue:
    if isinstance(first, dict) and isinstance(second, dict):
        return _conjoin(first, second)
    return second if first is None else first


# Gemini ---------------------------------------------------------------------------------------------------------------

_BELONGS_TO: Final[Mapping[str, frozenset[str]]] = {
    "enum": frozenset({"string"}),
    "format": frozenset({"string", "number", "integer"}),
    "items": frozenset({"array"}),
    "maxItems": frozenset({"array"}),
    "maxLength": frozenset({"string"}),
    "maxProperties": frozenset({"object"}),
    "maximum": frozenset({"number", "integer"}),
    "minItems": frozenset({"array"}),
    "minLength": frozenset({"string"}),
    "minProperties": frozenset({"object"}),
    "minimum": frozenset({"number", "integer"}),
    "pattern": frozenset({"string"}),
    "properties": frozenset({"object"}),
    "propertyOrdering": frozenset({"object"}),
    "required": frozenset({"object"}),
}
"""The keywords of a Gemini schema that constrain, and the types they speak of (dialects.md section 6, column GP)."""

_GEMINI_KEYWORDS: Final = frozenset(
    {*_BELONGS_TO, "anyOf", "default", "description", "example", "nullable", "title", "type"}
)
_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "integer": frozenset({"int32", "int64"}),
    "number": frozenset({"double", "float"}),
    "string": frozenset({"date-time", "enum"}),
}
_SAYS_NOTHING: Final = frozenset({"definitions", "discriminator"})


def for_gemini(schema: JsonObject) -> JsonObject:
    """Return ``schema`` as Gemini's ``parameters`` and ``responseSchema`` take it.

    References are inlined, ``allOf`` merged, ``oneOf`` becomes ``anyOf``, ``const`` an ``enum``, a list of types
    ``nullable`` or ``anyOf``, a tuple an array of any of its items. What Gemini has no keyword for is said in the
    description instead; what only names or describes the schema itself (``$schema``, ``$id``) goes without a word.
    Applied twice it changes nothing more.

    Source: dialects.md section 6, column GP, and databricks-wire.md section 5.5. That ``required`` may only name
    properties that are there, and that an array must have ``items``, is in the refusals quoted in cline/cline#7339 and
    iBUHub/AIStudioToAPI#154.

    Raises:
        InvalidRequestError: as :func:`inline_refs`.
    """
    node = _rewritten(_merged(inline_refs(schema))) or {}
    branches = _branches(node)
    if branches and all(_type(branch) == "object" for branch in branches):
        return _folded(node, branches)
    return node


def _merged(value: JsonValue) -> JsonValue:
    """Return ``value`` with every ``allOf`` merged into the schema that holds it."""
    if not isinstance(value, dict):
        return value
    node = value
    while "allOf" in node:
        branches = node["allOf"]
        node = {key: item for key, item in node.items() if key != "allOf"}
        for branch in branches if isinstance(branches, list) else []:
            node = _conjoin(node, branch) if isinstance(branch, dict) else node
    return _map_children(node, _merged)


def _rewritten(value: JsonValue) -> JsonObject | None:
    """Return ``value`` as Gemini takes it, from the leaves up; None for a schema that nothing fits."""
    if value is False:
        return None
    node = _children_rewritten(_as_object(value))
    for rewrite in (_const_to_enum, _tuple_to_items, _one_of_to_any_of, _enum_of_strings, _split_types, _join_branches):
        node = rewrite(node)
    return _supported(node)


def _children_rewritten(node: JsonObject) -> JsonObject:
    result: JsonObject = {}
    for key, value in node.items():
        if key == "properties" and isinstance(value, dict):
            properties = {name: _rewritten(item) for name, item in value.items()}
            result[key] = {name: item for name, item in properties.items() if item is not None}
        elif key in ("anyOf", "oneOf") and isinstance(value, list):
            result[key] = _all_rewritten(_of_type(branch, node) for branch in value)
        elif key in ("prefixItems", "items") and isinstance(value, list):
            result[key] = _all_rewritten(value)
        elif key == "items" and isinstance(value, dict):
            result[key] = _rewritten(value)
        else:
            result[key] = value
    return result


def _of_type(branch: JsonValue, holder: JsonObject) -> JsonValue:
    """Return ``branch`` with the type of the schema that holds it, where it has none of its own."""
    kind = holder.get("type")
    if (
        not isinstance(branch, dict)
        or not isinstance(kind, str)
        or not branch.keys().isdisjoint(("type", "anyOf", "oneOf"))
    ):
        return branch
    return {**branch, "type": kind}


def _all_rewritten(values: Iterable[JsonValue]) -> list[JsonValue]:
    rewritten = (_rewritten(value) for value in values)
    return [value for value in rewritten if value is not None]


def _const_to_enum(node: JsonObject) -> JsonObject:
    if "const" not in node:
        return node
    rest = _without(node, "const")
    if node["const"] is None:
        return {**rest, "type": "null"}
    return _conjoin({"enum": [node["const"]]}, rest)


def _tuple_to_items(node: JsonObject) -> JsonObject:
    items = node.get("items")
    first, more = (items, node.get("additionalItems")) if isinstance(items, list) else (node.get("prefixItems"), items)
    if not isinstance(first, list) or not first:
        return _without(node, "prefixItems") if "prefixItems" in node else node
    rest = _rewritten(more) if isinstance(more, dict) else None
    kinds = [item for item in (*first, rest) if isinstance(item, dict)]
    distinct = [kind for index, kind in enumerate(kinds) if kind not in kinds[:index]]
    result = _without(node, "prefixItems", "additionalItems", "items")
    result["items"] = distinct[0] if len(distinct) == 1 else _supported(_join_branches({"anyOf": [*distinct]}))
    result.setdefault("minItems", len(first))
    if rest is None:
        result.setdefault("maxItems", len(first))
    return result


def _one_of_to_any_of(node: JsonObject) -> JsonObject:
    if "oneOf" not in node:
        return node
    return _conjoin(_without(node, "oneOf"), {"anyOf": node["oneOf"]})


def _enum_of_strings(node: JsonObject) -> JsonObject:
    values = node.get("enum")
    if not isinstance(values, list):
        return _without(node, "enum") if "enum" in node else node
    result: JsonObject = {**node, "enum": [value for value in values if value is not None]}
    if None in values:
        result["nullable"] = True
    left = [value for value in values if value is not None]
    kind = _type(node)
    if left and all(isinstance(value, str) and value for value in left) and kind in (None, "string"):
        return result if "type" in node else {**result, "type": "string"}
    result = _without(result, "enum")
    if "type" not in node and (one := _one_type(left)) is not None:
        result["type"] = one
    return with_note(result, "one of: " + ", ".join(to_json(value).decode() for value in left)) if left else result


def _one_type(values: list[JsonValue]) -> str | None:
    """Return the type of all ``values``, or None where they have several."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    found = {names.get(type(value)) for value in values}
    return found.pop() if len(found) == 1 else None


def _split_types(node: JsonObject) -> JsonObject:
    kinds = node.get("type")
    if not isinstance(kinds, list):
        return node
    rest = _without(node, "type")
    names = list(dict.fromkeys(kind for kind in kinds if isinstance(kind, str) and kind.lower() in _TYPES))
    left = [name for name in names if name.lower() != "null"]
    if len(left) < len(names) and left:
        rest["nullable"] = True
    match left, names:
        case [], []:
            return rest
        case [], _:
            return {**rest, "type": "null"}
        case [kind], _:
            return {**rest, "type": kind}
        case _:
            moved = {key: rest.pop(key) for key in _BELONGS_TO if key in rest}
            branches: list[JsonValue] = [_supported({**moved, "type": kind}) for kind in left]
            return _conjoin(rest, {"anyOf": branches})


def _join_branches(node: JsonObject) -> JsonObject:
    """Settle an ``anyOf``: null becomes ``nullable``, a lone branch the schema itself, siblings go into the branches.

    Gemini takes an ``anyOf`` only without constraints beside it (anomalyco/opencode#14659).
    """
    if "anyOf" not in node:
        return node
    given = _branches(node)
    rest = _without(node, "anyOf")
    branches = [branch for branch in _spliced(given) if _type(branch) != "null"]
    if len(branches) < len(given) and any(_type(branch) == "null" for branch in given):
        rest = {**rest, "nullable": True} if branches else {**rest, "type": "null"}
    if len(branches) == 1:
        return _conjoin(rest, branches[0])
    if branches and ("properties" in rest or "items" in rest):
        return _folded({**rest, "type": rest.get("type", "object" if "properties" in rest else "array")}, branches)
    moved = {key: rest.pop(key) for key in ("type", *_BELONGS_TO) if key in rest and branches}
    branches = [branch if "anyOf" in branch else _supported(_conjoin(branch, moved)) for branch in branches]
    if branches and all("type" in branch or "anyOf" in branch for branch in branches):
        return {**rest, "anyOf": [*branches]}
    return with_note({**moved, **rest}, _spoken("anyOf", node["anyOf"])) if branches else rest


def _branches(node: JsonObject) -> list[JsonObject]:
    branches = node.get("anyOf")
    return [branch for branch in branches if isinstance(branch, dict)] if isinstance(branches, list) else []


def _spliced(branches: Iterable[JsonObject]) -> list[JsonObject]:
    """Return ``branches`` with those that are nothing but a union replaced by the branches of that union."""
    result: list[JsonObject] = []
    for branch in branches:
        result.extend(_branches(branch) if branch.keys() == {"anyOf"} else [branch])
    return [branch for index, branch in enumerate(result) if branch not in result[:index]]


def _folded(node: JsonObject, branches: list[JsonObject]) -> JsonObject:
    """Return one object (or array) for a union beside a structure: all properties optional, the choice in words."""
    result = _without(node, "anyOf")
    result.setdefault("type", "object")
    properties: JsonObject = {}
    for branch in branches:
        for name, item in _as_object(branch.get("properties")).items():
            properties.setdefault(name, item)
    if properties and _type(result) == "object":
        result["properties"] = {**properties, **_as_object(result.get("properties"))}
    return with_note(result, _spoken("anyOf", [*branches]))


def _supported(node: JsonObject) -> JsonObject:
    """Return ``node`` with only the keywords and values that Gemini knows; the others are told in the description."""
    node = _with_type(node)
    kind = _type(node)
    result: JsonObject = {}
    notes: list[str] = []
    if "default" in node:
        result["default"] = node["default"]
    for key, value in node.items():
        fitting, rest = _fitting(key, value, node) if key in _GEMINI_KEYWORDS else (None, value)
        if fitting is not None:
            result[key] = fitting
        if rest is not None and _speaks(key, rest, kind):
            notes.append(_spoken(key, rest))
    for note in notes:
        result = with_note(result, note)
    if kind == "array" and "items" not in result:
        result["items"] = {"type": "string"}
    return result


def _with_type(node: JsonObject) -> JsonObject:
    if "type" in node or "anyOf" in node:
        return node
    if isinstance(node.get("properties"), dict):
        return {**node, "type": "object"}
    return {**node, "type": "array"} if isinstance(node.get("items"), dict) else node


def _speaks(key: str, value: JsonValue, kind: str | None) -> bool:
    """Whether a keyword that Gemini does not take says something worth telling the model."""
    if key.startswith(("$", "x-")) or key in _SAYS_NOTHING or key in ("description", "title", "nullable"):
        return False
    if kind is not None and kind not in _BELONGS_TO.get(key, {kind}):
        return False
    return not (key in _HOLDS_SCHEMA and isinstance(value, bool))


def _fitting(key: str, value: JsonValue, node: JsonObject) -> tuple[JsonValue, JsonValue]:
    """Return what Gemini takes of ``value`` under ``key``, and what it does not."""
    if not _fits(key, value, node):
        return None, value
    if key not in ("required", "propertyOrdering"):
        return value, None
    names, known = list(dict.fromkeys(_names(value))), _properties(node)
    kept: list[JsonValue] = [name for name in names if name in known]
    lost: list[JsonValue] = [name for name in names if name not in known]
    return kept or None, lost or None


def _fits(key: str, value: JsonValue, node: JsonObject) -> bool:
    """Whether Gemini takes ``value`` under ``key`` beside the other keywords of ``node``."""
    kind = _type(node)
    if key in _BELONGS_TO and kind not in _BELONGS_TO[key]:
        return False
    match key:
        case "type":
            return kind in _TYPES
        case "description" | "title" | "pattern":
            return isinstance(value, str)
        case "format":
            return value in _FORMATS.get(kind or "", ())
        case "nullable":
            return isinstance(value, bool)
        case "minimum" | "maximum":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties":
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
        case "required" | "propertyOrdering":
            return isinstance(value, list)
        case "items" | "properties":
            return isinstance(value, dict)
        case _:
            return True


def _names(value: JsonValue) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _properties(node: JsonObject) -> JsonObject:
    return _as_object(node.get("properties"))


def _type(node: JsonObject) -> str | None:
    kind = node.get("type")
    return kind.lower() if isinstance(kind, str) else None


def _without(node: JsonObject, *keys: str) -> JsonObject:
    return {key: value for key, value in node.items() if key not in keys}
