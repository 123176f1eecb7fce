"""What is done to the schemas of a request before it is written for its api: one table of steps, applied in order.

The rules are of the vendors, not of a workspace, and they are data: which families, apis and uses a step is for, and
which keywords call for it. A schema without them is handed on as it is, not copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from pydantic import JsonValue
from pydantic_core import to_json

from dbx_gateway.chat import ChatRequest, JsonObject, ToolSpec
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_schema import inline_refs
from dbx_gateway.json_values import object_or_empty
from dbx_gateway.models.families import Family
from dbx_gateway.schemas.drafts import of_2020, without_nulls
from dbx_gateway.schemas.roots import UNIONS, one_object
from dbx_gateway.schemas.strict import strictly
from dbx_gateway.surfaces import Api

__all__ = ["STEPS", "Place", "SchemaStep", "fit_schemas", "fitted"]

Use: TypeAlias = Literal["tool", "answer"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a schema goes.

    Args:
        family: of the model.
        api: of the route.
        use: the arguments of a tool, or the answer.
        strict: the server holds the model to it.
    """

    family: Family
    api: Api
    use: Use
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaStep:
    """One step of the chain.

    Args:
        name: what it is called.
        why: what a server answers without it, with the source.
        families: whose models it is for; empty for all.
        apis: the apis it is for; empty for all.
        uses: what the schema is for.
        strict_only: for strict schemas only.
        at_root: keywords that call for it at the root; empty where the root alone does not tell.
        sign: what calls for it in the schema's JSON text, at any depth (a cheap look, that may be wrong by calling for
            too much); None where every schema is looked at.
        rewrite: returns the schema to send; never changes its argument.
    """

    name: str
    why: str
    families: frozenset[Family] = frozenset()
    apis: frozenset[Api] = frozenset()
    uses: frozenset[Use] = frozenset({"tool", "answer"})
    strict_only: bool = False
    at_root: frozenset[str] = frozenset()
    sign: re.Pattern[bytes] | None = None
    rewrite: Callable[[JsonObject], JsonValue]

    def is_for(self, place: Place) -> bool:
        """Whether the step is for the schemas of ``place``."""
        return (
            (not self.families or place.family in self.families)
            and (not self.apis or place.api in self.apis)
            and place.use in self.uses
            and (place.strict or not self.strict_only)
        )


_PLAIN_REFERENCE: Final = re.compile(r"#/(?:\$defs|definitions)/[a-zA-Z0-9_.-]+\Z")


def _plainly_referred(schema: JsonObject) -> JsonObject:
    """Return a schema whose references name a definition in letters and digits; others are legal, and not read by all."""
    return schema if _refers_plainly(schema) else inline_refs(schema, keep_cycles=True)


def _refers_plainly(value: JsonValue) -> bool:
    pending: list[JsonValue] = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str) and _PLAIN_REFERENCE.match(reference) is None:
                return False
            if node is not value and isinstance(node.get("$id"), str):
                return False  # paths within begin there, which not all that read them know
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return True


_NULL: Final = re.compile(rb'"(?!(?:const|default|example)")[^"]*":null')
_REFERENCE: Final = re.compile(rb'"\$(?:ref|dynamicRef|recursiveRef)":')
_OLD: Final = re.compile(rb'"(?:items":\[|dependencies":|divisibleBy":|exclusiveM(?:in|ax)imum":[tf]|required":[tf])')
_OF_ROOTS: Final = frozenset({*UNIONS, "$ref", "type"})
_VENDORS_OF_2020: Final[frozenset[Family]] = frozenset({"claude", "gpt"})

STEPS: Final[tuple[SchemaStep, ...]] = (
    SchemaStep(
        name="nulls",
        why="a keyword that is null is no JSON Schema: 'None is not of type ...' (docs/wire/schemas.md#strict-schemas)",
        sign=_NULL,
        rewrite=without_nulls,
    ),
    SchemaStep(
        name="references",
        why="`$ref` by an escaped path, an anchor or an id is legal, and not read everywhere",
        sign=_REFERENCE,
        rewrite=_plainly_referred,
    ),
    SchemaStep(
        name="drafts",
        why="`JSON schema is invalid. It must match JSON Schema draft 2020-12` (docs/wire/schemas.md#strict-schemas)",
        families=_VENDORS_OF_2020,
        sign=_OLD,
        rewrite=of_2020,
    ),
    SchemaStep(
        name="root of a tool",
        why="`input_schema does not support oneOf, allOf, or anyOf at the top level` (docs/wire/schemas.md#strict-schemas)",
        families=frozenset({"claude", "gpt", "gemini"}),
        uses=frozenset({"tool"}),
        at_root=_OF_ROOTS,
        rewrite=one_object,
    ),
    SchemaStep(
        name="root of an answer",
        why="OpenAI's strict mode and Gemini take one object (docs/wire/schemas.md#keywords, row root)",
        families=frozenset({"gpt", "gemini"}),
        uses=frozenset({"answer"}),
        at_root=_OF_ROOTS,
        rewrite=one_object,
    ),
    SchemaStep(
        name="strict",
        why="`'additionalProperties' is required to be supplied and to be false` (docs/wire/schemas.md#keywords)",
        apis=frozenset({"chat-completions", "responses"}),
        strict_only=True,
        rewrite=strictly,
    ),
)
"""The steps, in order: a schema is valid, its references plain, its words those of today, its root an object, then strict."""


def fitted(schema: JsonObject, place: Place) -> JsonObject:
    """Return ``schema`` as the models of ``place`` take it; ``schema`` itself where there is nothing to change.

    Raises:
        InvalidRequestError: it grows beyond every measure.
    """
    return _through(_steps_for(place), schema)


def _steps_for(place: Place) -> list[SchemaStep]:
    return [step for step in STEPS if step.is_for(place)]


def _through(steps: list[SchemaStep], schema: JsonObject) -> JsonObject:
    text: bytes | None = None
    for step in steps:
        if step.at_root and step.at_root.isdisjoint(schema):
            continue
        if step.sign is not None:
            text = to_json(schema) if text is None else text
            if step.sign.search(text) is None:
                continue
        rewritten = step.rewrite(schema)
        if rewritten is not schema and rewritten != schema:
            schema, text = object_or_empty(rewritten), None
    return schema


def fit_schemas(request: ChatRequest, family: Family, api: Api) -> ChatRequest:
    """Return ``request`` with the schemas of its tools and its answer as the model takes them.

    Raises:
        InvalidRequestError: a schema grows beyond every measure.
    """
    steps = {
        strict: _steps_for(Place(family, api, "tool", strict)) for strict in {bool(one.strict) for one in request.tools}
    }
    changed = [
        (number, schema)
        for number, tool in enumerate(request.tools)
        if tool.native is None and not tool.custom and (tool.parameters or tool.strict)
        if (schema := _of_tool(tool, steps[bool(tool.strict)])) is not tool.parameters
    ]
    if changed:
        tools = list(request.tools)
        for number, schema in changed:
            tools[number] = replace(tools[number], parameters=schema)
        request = replace(request, tools=tuple(tools))
    output = request.output
    if output is not None and output.schema is not None:
        schema = fitted(output.schema, Place(family, api, "answer", bool(output.strict)))
        if schema is not output.schema:
            request = replace(request, output=replace(output, schema=schema))
    return request


def _of_tool(tool: ToolSpec, steps: list[SchemaStep]) -> JsonObject:
    try:
        return _through(steps, tool.parameters or {"type": "object", "properties": {}})
    except InvalidRequestError as error:
        raise InvalidRequestError(f"tool {tool.name!r}: {error.message}") from None
