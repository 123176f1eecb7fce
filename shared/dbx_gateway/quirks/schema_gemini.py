"""Schemas for a Gemini model use only the few keywords that its servers parse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pydantic import JsonValue
from pydantic_core import to_json

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_schema import check_size, conjoin, distinct, inline_refs, keyword_note, map_children, with_note
from dbx_gateway.json_values import object_or_empty, objects_in, strings_in
from dbx_gateway.quirks.body import each, each_function, fixed_parameters, within
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK", "for_gemini"]

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
"""The constraining keywords of a Gemini schema, and the types that each applies to.

Source: docs/wire/schemas.md#keywords, column Gemini Schema.
"""

_GEMINI_KEYWORDS: Final = frozenset(
    {*_BELONGS_TO, "anyOf", "default", "description", "example", "nullable", "title", "type"}
)
_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "integer": frozenset({"int32", "int64"}),
    "number": frozenset({"double", "float"}),
    "string": frozenset({"date-time", "enum"}),
}
_IGNORED: Final = frozenset({"definitions", "discriminator"})
_FLAGS: Final = frozenset({"deprecated", "readOnly", "uniqueItems", "writeOnly"})
"""Keywords whose value is a flag; of other keywords, true and false stand for any schema and for none."""


def for_gemini(schema: JsonObject) -> JsonObject:
    """Return ``schema`` as Gemini's ``parameters`` and ``responseSchema`` take it.

    References are inlined, ``allOf`` merged, ``oneOf`` becomes ``anyOf``, ``const`` an ``enum``, a list of types
    ``nullable`` or ``anyOf``, a tuple an array of any of its items. What Gemini has no keyword for moves into the
    description; what only names or describes the schema itself (``$schema``, ``$id``) is left out.
    Applied twice it changes nothing more.

    Source: docs/wire/schemas.md#gemini. That ``required`` may only name
    properties that are there, and that an array must have ``items``, is in the refusals quoted in cline/cline#7339 and
    iBUHub/AIStudioToAPI#154.

    Raises:
        InvalidRequestError: as :func:`inline_refs`, or what comes out is as long.
    """
    node = _rewritten(_merged(inline_refs(schema))) or {}
    branches = objects_in(node.get("anyOf"))
    if branches and all(_type(branch) == "object" for branch in branches):
        node = _folded(node, branches)
    check_size(node)
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
            node = conjoin(node, branch) if isinstance(branch, dict) else node
    return map_children(node, _merged)


def _rewritten(value: JsonValue) -> JsonObject | None:
    """Return ``value`` as Gemini takes it, from the leaves up; None for a schema that nothing fits."""
    if value is False:
        return None
    node = _children_rewritten(object_or_empty(value))
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
    return conjoin({"enum": [node["const"]]}, rest)


def _tuple_to_items(node: JsonObject) -> JsonObject:
    items = node.get("items")
    first, more = (items, node.get("additionalItems")) if isinstance(items, list) else (node.get("prefixItems"), items)
    if not isinstance(first, list) or not first:
        return _without(node, "prefixItems") if "prefixItems" in node else node
    rest = _rewritten(more) if isinstance(more, dict) else None
    kinds = [item for item in (*first, rest) if isinstance(item, dict)]
    item_schemas = [kind for kind in distinct(kinds) if isinstance(kind, dict)]
    result = _without(node, "prefixItems", "additionalItems", "items")
    result["items"] = (
        item_schemas[0] if len(item_schemas) == 1 else _supported(_join_branches({"anyOf": [*item_schemas]}))
    )
    result.setdefault("minItems", len(first))
    if rest is None:
        result.setdefault("maxItems", len(first))
    return result


def _one_of_to_any_of(node: JsonObject) -> JsonObject:
    if "oneOf" not in node:
        return node
    return conjoin(_without(node, "oneOf"), {"anyOf": node["oneOf"]})


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


def _one_type(values: Sequence[JsonValue]) -> str | None:
    """Return the type of all ``values``, or None where they have several."""
    names: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
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
            return conjoin(rest, {"anyOf": branches})


def _join_branches(node: JsonObject) -> JsonObject:
    """Simplify an ``anyOf``: null becomes ``nullable``, a lone branch the schema itself, siblings go into the branches.

    Gemini takes an ``anyOf`` only without constraints beside it (anomalyco/opencode#14659).
    """
    if "anyOf" not in node:
        return node
    original = objects_in(node.get("anyOf"))
    rest = _without(node, "anyOf")
    branches = [branch for branch in _spliced(original) if _type(branch) != "null"]
    if len(branches) < len(original) and any(_type(branch) == "null" for branch in original):
        rest = {**rest, "nullable": True} if branches else {**rest, "type": "null"}
    if len(branches) == 1:
        return conjoin(rest, branches[0])
    if branches and ("properties" in rest or "items" in rest):
        return _folded({**rest, "type": rest.get("type", "object" if "properties" in rest else "array")}, branches)
    moved = {key: rest.pop(key) for key in ("type", *_BELONGS_TO) if key in rest and branches}
    branches = [branch if "anyOf" in branch else _supported(conjoin(branch, moved)) for branch in branches]
    if branches and all("type" in branch or "anyOf" in branch for branch in branches):
        return {**rest, "anyOf": [*branches]}
    return with_note({**moved, **rest}, keyword_note("anyOf", node["anyOf"])) if branches else rest


def _spliced(branches: Iterable[JsonObject]) -> list[JsonObject]:
    """Return ``branches`` with those that are nothing but a union replaced by the branches of that union."""
    result: list[JsonObject] = []
    for branch in branches:
        result.extend(objects_in(branch.get("anyOf")) if branch.keys() == {"anyOf"} else [branch])
    return [branch for branch in distinct(result) if isinstance(branch, dict)]


def _folded(node: JsonObject, branches: list[JsonObject]) -> JsonObject:
    """Return one object (or array) for a union beside a structure: all properties optional, the union in the description."""
    result = _without(node, "anyOf")
    result.setdefault("type", "object")
    properties: JsonObject = {}
    for branch in branches:
        for name, item in object_or_empty(branch.get("properties")).items():
            properties.setdefault(name, item)
    if properties and _type(result) == "object":
        result["properties"] = {**properties, **object_or_empty(result.get("properties"))}
    return with_note(result, keyword_note("anyOf", [*branches]))


def _supported(node: JsonObject) -> JsonObject:
    """Return ``node`` with only the keywords and values that Gemini knows; the others move into the description."""
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
        if rest is not None and _is_worth_noting(key, rest, kind):
            notes.append(keyword_note(key, rest))
    if notes:
        result = with_note(result, *notes)
    if kind == "array" and "items" not in result:
        result["items"] = {"type": "string"}
    return result


def _with_type(node: JsonObject) -> JsonObject:
    if "type" in node or "anyOf" in node:
        return node
    if isinstance(node.get("properties"), dict):
        return {**node, "type": "object"}
    return {**node, "type": "array"} if isinstance(node.get("items"), dict) else node


def _is_worth_noting(key: str, value: JsonValue, kind: str | None) -> bool:
    """Whether a keyword that Gemini does not take belongs in the description."""
    if key.startswith(("$", "x-")) or key in _IGNORED or key in ("description", "title", "nullable"):
        return False
    if kind is not None and kind not in _BELONGS_TO.get(key, {kind}):
        return False
    return not isinstance(value, bool) or key in _FLAGS


def _fitting(key: str, value: JsonValue, node: JsonObject) -> tuple[JsonValue, JsonValue]:
    """Return the part of ``value`` that Gemini takes under ``key``, and the part that it does not."""
    if not _fits(key, value, node):
        return None, value
    if key not in ("required", "propertyOrdering"):
        return value, None
    names, known = list(dict.fromkeys(strings_in(value))), object_or_empty(node.get("properties"))
    known_names: list[JsonValue] = [name for name in names if name in known]
    unknown_names: list[JsonValue] = [name for name in names if name not in known]
    return known_names or None, unknown_names or None


_NUMBERS: Final = frozenset({"maximum", "minimum"})
_COUNTS: Final = frozenset({"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"})
_SHAPES: Final[Mapping[str, type]] = {
    **dict.fromkeys(("description", "pattern", "title", "type"), str),
    **dict.fromkeys(("anyOf", "enum", "propertyOrdering", "required"), list),
    **dict.fromkeys(("items", "properties"), dict),
    "nullable": bool,
}


def _fits(key: str, value: JsonValue, node: JsonObject) -> bool:
    """Whether Gemini takes ``value`` under ``key`` beside the other keywords of ``node``."""
    kind = _type(node)
    if key in _BELONGS_TO and kind not in _BELONGS_TO[key]:
        return False
    if key == "type":
        return kind in _TYPES
    if key == "format":
        return isinstance(value, str) and value in _FORMATS.get(kind or "", ())
    if key in _COUNTS:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if key in _NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, _SHAPES.get(key, object))


def _type(node: JsonObject) -> str | None:
    kind = node.get("type")
    return kind.lower() if isinstance(kind, str) else None


def _without(node: JsonObject, *keys: str) -> JsonObject:
    return {key: value for key, value in node.items() if key not in keys}


def _fixed(schema: JsonObject) -> JsonObject:
    taken = for_gemini(schema)
    return schema if taken == schema else taken


def _parameters(holder: JsonObject) -> JsonObject:
    return fixed_parameters(holder, _fixed)


def _chat(body: JsonObject) -> JsonObject:
    fixed = each_function(body, _parameters)
    return within(
        fixed,
        "response_format",
        lambda response_format: within(response_format, "json_schema", lambda spec: within(spec, "schema", _fixed)),
    )


def _declaration(declaration: JsonObject) -> JsonObject:
    """Return a function with its schema rewritten; a schema without properties moves into the description.

    ``parameters.properties: should be non-empty for OBJECT type`` is the refusal (pipecat-ai/pipecat-flows#110).
    """
    fixed = _parameters(declaration)
    schema = fixed.get("parameters")
    if not isinstance(schema, dict) or _type(schema) != "object" or schema.get("properties"):
        return fixed
    bare = _without(fixed, "parameters")
    note = schema.get("description")
    return with_note(bare, f"Arguments: {note}") if isinstance(note, str) else bare


def _generate_content(body: JsonObject) -> JsonObject:
    fixed = each(body, "tools", lambda tool: each(tool, "functionDeclarations", _declaration))
    return within(fixed, "generationConfig", lambda config: within(config, "responseSchema", _fixed))


def _request(body: JsonObject, context: Context) -> JsonObject:
    return _generate_content(body) if context.api == "generate-content" else _chat(body)


QUIRK = Quirk(
    name="schema-gemini",
    kind="out",
    families=frozenset({"gemini"}),
    apis=frozenset({"chat-completions", "generate-content"}),
    reason=(
        "400 `Invalid JSON payload received. Unknown name \"$schema\" at 'tools[0].function_declarations[31].parameters': "
        "Cannot find field.`; `Schema.ref 'QuestionOption' was set alongside unsupported fields`; `prefixItems` refused"
    ),
    source="docs/wire/quirks.md#schema-gemini: opencode#7984, dbx-tools chart.ts",
    evidence="S",
    delete_when="a workspace takes a schema with $schema, $ref, const and prefixItems for a Gemini model",
    request=_request,
)
