"""Where a workspace deviates from the generateContent api."""

from __future__ import annotations

from typing import Any

from dbx_gateway.models.families import Family
from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing.apis.generate_content.shapes import bad_request, canonical, unknown_name
from dbx_gateway.testing.apis.generate_content.vendor_rules import declarations, unfit_schema
from dbx_gateway.testing.apis.wire import Refused, Rule
from dbx_gateway.testing.json_values import entries, inside, is_array, is_object
from dbx_gateway.testing.model.situation import Situation

__all__ = ["RULES"]

_BOTH: frozenset[Surface] = frozenset({"ai-gateway", "model-serving"})
_GEMINI: frozenset[Family] = frozenset({"gemini"})
_GENERATE_CONTENT: frozenset[Api] = frozenset({"generate-content"})
_NAMES = ("properties", "$defs", "definitions", "patternProperties")
"""Keywords whose keys are names of the user's."""


def _schemas(body: dict[str, Any], situation: Situation) -> Refused | None:
    """Refuse a schema outside the vendor's own kind, and ``$schema`` even where any JSON Schema may stand."""
    del situation
    body = canonical(body)
    found = unfit_schema(body)
    if found is not None:
        return found
    for at, one in enumerate(declarations(body)):
        marked = _marked(one.get("parametersJsonSchema"), ("tools", 0, "functionDeclarations", at, "parameters"))
        if marked is not None:
            return marked
    return _marked(inside(body, "generationConfig").get("responseJsonSchema"), ("generationConfig", "responseSchema"))


def _user_first(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    if entries(canonical(body), "contents")[0].get("role") != "model":
        return None
    return bad_request("Please ensure that multiturn requests alternate between user and model.")


def _marked(schema: Any, path: tuple[str | int, ...]) -> Refused | None:
    if is_object(schema):
        if "$schema" in schema and path[-1] not in _NAMES:
            return unknown_name((*path, "$schema"))
        inner = [_marked(one, (*path, key)) for key, one in schema.items()]
    elif is_array(schema):
        inner = [_marked(one, (*path, at)) for at, one in enumerate(schema)]
    else:
        return None
    return next((found for found in inner if found is not None), None)


RULES: tuple[Rule, ...] = (
    # docs/wire/quirks.md#user-first
    Rule("user-first", _BOTH, frozenset(), _GENERATE_CONTENT, check=_user_first),
    # docs/wire/quirks.md#schema-gemini
    Rule("schema-gemini", _BOTH, _GEMINI, _GENERATE_CONTENT, check=_schemas),
)
