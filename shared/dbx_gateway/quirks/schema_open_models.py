"""Open models accept fewer keywords in the schema of a tool."""

from __future__ import annotations

import re

from pydantic import JsonValue
from pydantic_core import to_json

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import APIError
from dbx_gateway.json_schema import drop_keywords, inline_refs, with_note
from dbx_gateway.models.families import OPEN_FAMILIES
from dbx_gateway.quirks.body import each_function, fixed_parameters
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]

_CONSTRAINTS = ("pattern", "maxLength", "prefixItems")
_UNIONS = ("anyOf", "oneOf")
_KEYWORD = r"[\"'`]?(?:\bpattern|\banyOf|\boneOf|\ballOf|\bprefixItems|\bmaxLength|\$ref)\b[\"'`]?"
_REFUSAL = re.compile(
    rf"\b(?:keyword|field|property|attribute|constraint)s?:? {_KEYWORD}"
    rf"|{_KEYWORD} (?:(?:keyword|field|property|constraint)s? )?(?:is|are|was|were) not (?:supported|allowed|permitted)"
    rf"|(?:[Uu]nsupported|[Uu]nknown|[Ii]nvalid|does not support|do not support)[^.\n]{{0,40}}{_KEYWORD}"
)
"""Words about a keyword of a schema: that a value "does not match the expected pattern" is no refusal of one."""


def _request(body: JsonObject, context: Context) -> JsonObject:
    fixed = each_function(body, lambda function: fixed_parameters(function, _simplified))
    if fixed is not body:
        warn_changed(
            QUIRK.name,
            "parameters",
            context,
            "of a tool were simplified: the model takes no references, unions, patterns or maximum lengths. "
            "Check the arguments before you use them",
        )
    return fixed


def _simplified(schema: JsonObject) -> JsonObject:
    simple = drop_keywords(_without_unions(inline_refs(schema)), _CONSTRAINTS, note=True)
    return schema if simple == schema else simple


def _without_unions(node: JsonObject) -> JsonObject:
    """Return ``node`` with the first branch that is not null in place of each union, the others in the description."""
    for key in _UNIONS:
        branches = node.get(key)
        if isinstance(branches, list):
            node = _chosen({name: value for name, value in node.items() if name != key}, branches)
    branches = node.get("allOf")
    if isinstance(branches, list):
        node = {name: value for name, value in node.items() if name != "allOf"}
        for branch in branches:
            node = _joined(node, branch)
        return _without_unions(node)
    return {name: _walked(name, value) for name, value in node.items()}


def _walked(keyword: str, value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        return value
    if keyword == "properties":
        return {name: _without_unions(schema) if isinstance(schema, dict) else schema for name, schema in value.items()}
    return _without_unions(value) if keyword in ("items", "additionalProperties") else value


def _chosen(rest: JsonObject, branches: list[JsonValue]) -> JsonObject:
    real = [branch for branch in branches if isinstance(branch, dict) and branch.get("type") != "null"]
    if not real:
        return rest
    node = _without_unions(_joined(rest, real[0]))
    others = [branch for branch in branches if branch is not real[0]]
    return with_note(node, "or: " + ", ".join(to_json(other).decode() for other in others)) if others else node


def _joined(first: JsonObject, second: JsonValue) -> JsonObject:
    """Return one schema that requires both; of a keyword in both, the value in ``first`` counts, maps and lists joined."""
    if not isinstance(second, dict):
        return first
    joined: JsonObject = {**second, **first}
    for key in first.keys() & second.keys():
        match first[key], second[key]:
            case dict() as ours, dict() as theirs:
                joined[key] = {**theirs, **ours}
            case list() as ours, list() as theirs if key == "required":
                joined[key] = [*ours, *(name for name in theirs if name not in ours)]
            case _:
                pass
    return joined


def _on_refusal(error: APIError) -> bool:
    return _REFUSAL.search(error.message) is not None


QUIRK = Quirk(
    name="schema-open-models",
    kind="out",
    families=OPEN_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason="400 for the keywords pattern, anyOf, oneOf, allOf, prefixItems, $ref and maxLength in a tool's schema",
    source="docs/wire/quirks.md#schema-open-models: a third-party agent quoting the page on function calling; opencode#7984",
    evidence="T",
    delete_when="llama takes anyOf and $ref, and gpt-oss maxLength",
    on_refusal=_on_refusal,
    request=_request,
)
