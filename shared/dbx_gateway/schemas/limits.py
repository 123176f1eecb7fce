"""What of a schema, or of all tools together, no rewriting can make a model take: a table of limits, each with its source.

They are checked on what would be sent. One tool beyond a limit fails every request that offers it, so whoever offers
it is told before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import Final

from pydantic import JsonValue
from pydantic_core import to_json

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_schema import lost_reference
from dbx_gateway.json_values import objects_in
from dbx_gateway.models.families import Family
from dbx_gateway.schemas.strict import has_free_keys
from dbx_gateway.surfaces import Api

__all__ = ["LIMITS", "MOST_TOOLS", "SchemaLimit", "beyond_limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaLimit:
    """One thing that a schema must not have.

    Args:
        name: what it is called.
        why: what a server answers to it, with the source.
        families: whose models have the limit.
        apis: where they have it.
        strict_only: for strict schemas only.
        sign: what every schema beyond it has in its JSON text; empty where any may be.
        fault: returns what is wrong with a schema, as the rest of a sentence, and what to do; None where nothing is.
    """

    name: str
    why: str
    families: frozenset[Family]
    apis: frozenset[Api] = frozenset({"chat-completions", "responses", "messages"})
    strict_only: bool = False
    sign: bytes = b""
    fault: Callable[[JsonObject], str | None]


MOST_TOOLS: Final[dict[Family, int]] = {"gpt": 128}
"""Functions in one request at most: `Invalid 'tools': array too long. Expected an array with maximum length 128`
(docs/wire/schemas.md#limits)."""

_STRICT_DEPTH: Final = 10
_STRICT_PROPERTIES: Final = 5_000
_STRICT_ENUM_VALUES: Final = 1_000
_STRICT_CHARACTERS: Final = 120_000
_HOLDS_SCHEMAS: Final = ("items", "prefixItems", "anyOf", "additionalProperties")
_HOLDS_NAMED: Final = ("properties", "$defs", "definitions")


def _lost(schema: JsonObject) -> str | None:
    lost = lost_reference(schema)
    return lost and f"it refers to {lost!r}, which is not in it; add what is missing, or write it out in its place"


def _free_keys(schema: JsonObject) -> str | None:
    if not has_free_keys(schema):
        return None
    return "it has an object with free keys, which strict mode cannot hold; list its properties, or leave strict out"


def _recursion(schema: JsonObject) -> str | None:
    references: dict[str, list[str]] = {}
    pending = ["#"]
    while pending:
        reference = pending.pop()
        if reference not in references:
            found = (inner.get("$ref") for inner in _within(_definition(schema, reference)))
            references[reference] = [one for one in found if isinstance(one, str)]
            pending += references[reference]
    try:
        TopologicalSorter(references).prepare()
    except CycleError:
        return "it contains itself, which strict mode does not take; leave strict out, or write the levels out"
    return None


def _definition(root: JsonObject, reference: str) -> JsonValue:
    """Return what a reference in its plain form names."""
    if reference == "#":
        return root
    home, _, name = reference.removeprefix("#/").partition("/")
    definitions = root.get(home)
    return definitions.get(name) if isinstance(definitions, dict) else None


def _within(node: JsonValue) -> Iterator[JsonObject]:
    """Yield a schema and all schemas in it, but not its definitions."""
    if isinstance(node, dict):
        yield node
        properties = node.get("properties")
        inner = [*properties.values()] if isinstance(properties, dict) else []
        for word in (*_HOLDS_SCHEMAS, "allOf"):
            held = node.get(word)
            inner += held if isinstance(held, list) else [held]
        for one in inner:
            yield from _within(one)


def _too_large(schema: JsonObject) -> str | None:
    size = _Size()
    size.add(schema, 0)
    for what, count, most in (
        ("levels of objects", size.depth, _STRICT_DEPTH),
        ("properties", size.properties, _STRICT_PROPERTIES),
        ("values of enums", size.enum_values, _STRICT_ENUM_VALUES),
        ("characters of names and values", size.characters, _STRICT_CHARACTERS),
    ):
        if count > most:
            return f"it has {count} {what}, and strict mode takes {most}; make it smaller, or leave strict out"
    return None


class _Size:
    """What a vendor counts of a strict schema."""

    def __init__(self) -> None:
        self.depth = self.properties = self.enum_values = self.characters = 0

    def add(self, node: JsonValue, depth: int) -> None:
        """Count a schema within ``depth`` objects."""
        if not isinstance(node, dict):
            return
        depth += "properties" in node
        self.depth = max(self.depth, depth)
        constants = [node["const"]] if "const" in node else []
        values = node.get("enum")
        if isinstance(values, list):
            self.enum_values += len(values)
            constants += values
        self.characters += sum(len(value) for value in constants if isinstance(value, str))
        for word in _HOLDS_NAMED:
            named = node.get(word)
            if isinstance(named, dict):
                self.properties += len(named) if word == "properties" else 0
                self.characters += sum(map(len, named))
                for inner in named.values():
                    self.add(inner, depth if word == "properties" else 0)
        for word in _HOLDS_SCHEMAS:
            held = node.get(word)
            for inner in held if isinstance(held, list) else [held]:
                self.add(inner, depth)


_GPT: Final[frozenset[Family]] = frozenset({"gpt"})
_OPENAIS: Final[frozenset[Api]] = frozenset({"chat-completions", "responses"})

_REFERENCE: Final = b'"$ref":'

LIMITS: Final[tuple[SchemaLimit, ...]] = (
    SchemaLimit(
        name="lost reference",
        why="`reference to component '…' which was not found in the schema` (docs/wire/schemas.md#strict-schemas)",
        families=frozenset({"claude", "gpt"}),
        sign=_REFERENCE,
        fault=_lost,
    ),
    SchemaLimit(
        name="free keys",
        why="`'additionalProperties' is required to be supplied and to be false` (docs/wire/schemas.md#keywords)",
        families=_GPT,
        apis=_OPENAIS,
        strict_only=True,
        fault=_free_keys,
    ),
    SchemaLimit(
        name="size",
        why="10 levels, 5,000 properties, 1,000 values, 120,000 characters (docs/wire/schemas.md#limits)",
        families=_GPT,
        apis=_OPENAIS,
        strict_only=True,
        fault=_too_large,
    ),
    SchemaLimit(
        name="recursion",
        why="`Circular reference detected in schema definitions` (docs/wire/schemas.md#keywords, column Anthropic strict)",
        families=frozenset({"claude"}),
        apis=frozenset({"messages"}),
        strict_only=True,
        sign=_REFERENCE,
        fault=_recursion,
    ),
)


def beyond_limits(body: JsonObject, family: Family, api: Api) -> str | None:
    """Return why a model takes no request with these tools and this form of an answer, by the name of the tool; or None.

    Args:
        body: the request, as it would be sent.
        family: of the model.
        api: of the route.
    """
    count, most = len(objects_in(body.get("tools"))), MOST_TOOLS.get(family)
    if most is not None and count > most:
        return f"{count} tools are offered, and at most {most} are taken; offer fewer"
    if count == 0 and _FORMS.isdisjoint(body):
        return None
    text = b"".join(to_json(body.get(field)) for field in ("tools", *_FORMS))
    limits = [limit for limit in _limits_of(family, api) if limit.sign in text]
    if not limits:
        return None
    for what, schema, strict in _schemas(body, api):
        for limit in limits:
            fault = limit.fault(schema) if strict or not limit.strict_only else None
            if fault is not None:
                return f"the schema of {what} is not taken: {fault}"
    return None


@cache
def _limits_of(family: Family, api: Api) -> tuple[SchemaLimit, ...]:
    return tuple(one for one in LIMITS if family in one.families and api in one.apis)


_FORMS: Final = frozenset({"response_format", "text", "output_config"})


def _schemas(body: JsonObject, api: Api) -> Iterator[tuple[str, JsonObject, bool]]:
    """Yield whose each schema of a request is, the schema, and whether the server holds the model to it."""
    for tool in objects_in(body.get("tools")):
        function = tool.get("function", tool)
        if isinstance(function, dict):
            schema = function.get("input_schema" if api == "messages" else "parameters")
            if isinstance(schema, dict):
                yield f"tool {function.get('name')!r}", schema, function.get("strict") is True
    for path in (("response_format", "json_schema"), ("text", "format"), ("output_config", "format")):
        form: JsonValue = body
        for key in path:
            form = form.get(key) if isinstance(form, dict) else None
        schema = form.get("schema") if isinstance(form, dict) else None
        if isinstance(form, dict) and isinstance(schema, dict):
            name = f"the answer {form['name']!r}" if "name" in form else "the answer"
            yield name, schema, form.get("strict") is True or api == "messages"
