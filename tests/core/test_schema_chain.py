"""Schemas fitted to a model: each step is what stands between a request and a refusal, and changes nothing else."""

import copy

import httpx
import pytest
from core.schema_like import schema_like
from hypothesis import example, given
from support.promises import promise

from dbx_gateway import BadRequestError, Client, OutputFormat, ToolSpec, user
from dbx_gateway.json_schema import keywords_in
from dbx_gateway.schemas import chain
from dbx_gateway.schemas.chain import STEPS, Place, fitted
from dbx_gateway.schemas.limits import beyond_limits
from dbx_gateway.testing import Workspace
from dbx_gateway.testing.in_process import workspace_transport

CLAUDE, GPT, GEMINI = "databricks-claude-sonnet-4-5", "databricks-gpt-5-4", "databricks-gemini-2-5-pro"
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
CAT = {"type": "object", "properties": {"kind": {"const": "cat"}, "lives": NUMBER}, "required": ["kind", "lives"]}
DOG = {"type": "object", "properties": {"kind": {"const": "dog"}, "name": TEXT}, "required": ["kind", "name"]}


def of(**properties):
    return {"type": "object", "properties": properties}


BREAKING = {
    # step: model, api, the schema that is refused without it, whether strict, whether an answer's
    "nulls": (GPT, of(a={"type": "string", "enum": None, "description": None}), False, "tool"),
    "references": (GPT, {**of(a={"$ref": "#/$defs/One%5Bint%5D"}), "$defs": {"One[int]": TEXT}}, False, "tool"),
    "drafts": (CLAUDE, of(a={"type": "array", "items": [TEXT, NUMBER]}), False, "tool"),
    "root of a tool": (CLAUDE, {"oneOf": [CAT, DOG]}, False, "tool"),
    "root of an answer": (GPT, {"anyOf": [CAT, {"type": "null"}]}, True, "answer"),
    "strict": (GPT, of(pet={"oneOf": [CAT, DOG], "discriminator": {"propertyName": "kind"}}), True, "tool"),
}


def ask(model, schema, strict, use):
    workspace = Workspace()
    http = httpx.Client(transport=workspace_transport(workspace))
    options = {
        "host": "https://ws.test",
        "token": workspace.token,
        "surface": "ai-gateway",
        "max_retries": 0,
        "disabled_quirks": ["schema-limits"],
    }
    with http, Client(model=model, http_client=http, **options) as llm:
        if use == "answer":
            return llm.chat("Hello", output=OutputFormat(kind="json_schema", schema=schema, strict=strict or None))
        return llm.chat("Hello", tools=(ToolSpec(name="look", parameters=schema, strict=strict or None),))


def test_every_step_has_a_schema_that_needs_it():
    assert BREAKING.keys() == {step.name for step in STEPS}


@promise("fitted-schemas")
@pytest.mark.parametrize("name", BREAKING)
def test_a_schema_is_taken_with_a_step_and_refused_without(name, monkeypatch):
    ask(*BREAKING[name])
    monkeypatch.setattr(chain, "STEPS", tuple(step for step in STEPS if step.name != name))
    with pytest.raises(BadRequestError):
        ask(*BREAKING[name])


PLACES = [Place(family, api, use, strict) for family, api in (
    ("claude", "messages"), ("claude", "chat-completions"), ("gpt", "responses"), ("gpt", "chat-completions"),
    ("gemini", "generate-content"), ("llama", "chat-completions"),
) for use in ("tool", "answer") for strict in (False, True)]  # fmt: skip


@given(schema_like)
@example({"exclusiveMinimum": True, "minimum": False})
def test_a_step_changes_nothing_of_the_callers_and_nothing_a_second_time(schema):
    before = copy.deepcopy(schema)
    for place in PLACES:
        once = fitted(schema, place)
        assert fitted(once, place) == once
    assert schema == before


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_schema_that_every_model_takes_is_sent_as_it_is(place):
    if not place.strict:
        schema = {**of(a=TEXT, b={"type": "array", "items": NUMBER}), "required": ["a"]}
        assert fitted(schema, place) is schema


TOOL_OF_CLAUDE = Place("claude", "messages", "tool")
TOOL_OF_GPT = Place("gpt", "responses", "tool")


@pytest.mark.parametrize("place", [TOOL_OF_CLAUDE, TOOL_OF_GPT, Place("gemini", "generate-content", "tool")], ids=str)
def test_a_union_at_the_root_becomes_an_object_of_all_its_properties(place):
    root = fitted({"oneOf": [CAT, DOG], "description": "A pet."}, place)
    assert root.keys() == {"type", "properties", "required", "description"}
    assert root["properties"] == {"kind": {"enum": ["cat", "dog"]}, "lives": NUMBER, "name": TEXT}
    assert root["required"] == ["kind"]
    assert root["description"].startswith("A pet.\none of these: [")


def test_what_the_branches_describe_differently_may_be_any_of_it():
    root = fitted({"type": "object", "anyOf": [of(a=TEXT), of(a=NUMBER, b=TEXT)]}, TOOL_OF_GPT)
    assert root["properties"] == {"a": {"anyOf": [TEXT, NUMBER]}, "b": TEXT}


def test_branches_that_only_require_leave_the_properties_alone():
    schema = {**of(a=TEXT, b=TEXT, c=TEXT), "required": ["a"], "anyOf": [{"required": ["b"]}, {"required": ["c"]}]}
    root = fitted(schema, TOOL_OF_CLAUDE)
    assert (root["properties"], root["required"]) == (schema["properties"], ["a"])
    assert '{"required":["b"]}' in root["description"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["object", "null"], **{key: value for key, value in CAT.items() if key != "type"}},
        {"anyOf": [CAT, {"type": "null"}]},
        {"allOf": [of(kind={"const": "cat"}), {**of(lives=NUMBER), "required": ["kind", "lives"]}]},
        {"$ref": "#/$defs/Cat", "$defs": {"Cat": CAT}},
        {"$ref": "#cat", "definitions": {"Cat": {**CAT, "$anchor": "cat"}}},
        {"$id": "https://x.test/s", "$ref": "https://x.test/s#/definitions/a~1b", "definitions": {"a/b": CAT}},
    ],
    ids=["list of types", "nullable", "allOf", "reference", "anchor", "id and escapes"],
)
def test_a_root_that_stands_for_one_object_becomes_it(schema):
    root = fitted(schema, TOOL_OF_CLAUDE)
    assert {key: root[key] for key in CAT} == CAT
    assert root.keys() - CAT.keys() <= {"$anchor", "$id"}


TREE = {
    "$ref": "#/$defs/Node",
    "$defs": {"Node": of(value=TEXT, children={"type": "array", "items": {"$ref": "#/$defs/Node"}})},
}


@promise("fitted-schemas")
@pytest.mark.parametrize("place", [TOOL_OF_CLAUDE, TOOL_OF_GPT], ids=str)
def test_recursion_stays_where_a_model_takes_it(place):
    root = fitted(TREE, place)
    assert root["properties"]["children"] == {"type": "array", "items": {"$ref": "#/$defs/Node"}}
    assert root["$defs"]["Node"] == TREE["$defs"]["Node"]


def test_a_property_that_is_called_like_a_keyword_is_none():
    schema = of(**{"$ref": TEXT, "anyOf": NUMBER, "items": TEXT, "default": TEXT})
    assert fitted(schema, TOOL_OF_CLAUDE) is schema


def test_words_of_older_drafts_become_those_of_today():
    old = {
        "type": "object",
        "properties": {
            "point": {"type": "array", "items": [NUMBER, NUMBER], "additionalItems": False},
            "share": {
                "type": "number",
                "minimum": 0,
                "exclusiveMinimum": True,
                "maximum": 1,
                "exclusiveMaximum": False,
            },
            "name": {"type": "string", "required": True},
        },
        "dependencies": {"share": ["point"], "name": of(point=TEXT)},
    }
    new = fitted(old, TOOL_OF_CLAUDE)
    assert new["properties"]["point"] == {"type": "array", "prefixItems": [NUMBER, NUMBER], "items": False}
    assert new["properties"]["share"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    assert new["properties"]["name"] == TEXT
    assert new["required"] == ["name"]
    assert (new["dependentRequired"], new["dependentSchemas"]) == ({"share": ["point"]}, {"name": of(point=TEXT)})


def test_strict_schemas_are_closed_but_for_free_keys():
    schema = of(
        pet={"oneOf": [CAT, DOG]}, more={"type": "object", "additionalProperties": TEXT}, when={**TEXT, "default": ""}
    )
    strict = fitted(schema, Place("gpt", "responses", "answer", True))
    assert strict["required"] == ["pet", "more", "when"]
    assert [branch["additionalProperties"] for branch in strict["properties"]["pet"]["anyOf"]] == [False, False]
    assert strict["properties"]["more"]["additionalProperties"] == TEXT
    assert strict["properties"]["when"] == TEXT
    assert keywords_in(strict).isdisjoint({"oneOf", "default", "discriminator"})


def offered(model, schema, *, strict, **settings):
    """The tools that a workspace as strict as a real one was sent."""
    workspace = Workspace()
    transport = workspace_transport(workspace)
    fields = {"host": "https://ws.example.com", "token": workspace.token, "surface": "ai-gateway", "max_retries": 0}
    with httpx.Client(transport=transport) as http:
        tool = ToolSpec(name="look", description="Look.", parameters=schema, strict=strict)
        Client(model=model, http_client=http, **fields | settings).chat([user("Look.")], tools=(tool,))
    return workspace.ledger.model_calls()[-1].body["tools"]


WHOSE = {
    "claude": {"model": "databricks-claude-sonnet-4-6"},
    "claude on chat": {"model": "databricks-claude-sonnet-4-6", "api": "chat-completions"},
    "gpt": {"model": "databricks-gpt-5-4"},
    "gpt on chat": {"model": "databricks-gpt-5-1", "api": "chat-completions"},
    "gemini": {"model": "databricks-gemini-2-5-pro"},
    "llama": {"model": "databricks-meta-llama-3-3-70b-instruct"},
    "qwen": {"model": "databricks-qwen35-122b-a10b"},
}
LEGAL = {
    "no schema": {},
    "no properties": of(),
    "an id within, where paths begin": {
        **of(a={"$ref": "#/definitions/A"}),
        "definitions": {
            "A": {"$id": "https://x.test/a", **of(q={"$ref": "#/definitions/In"}), "definitions": {"In": CAT}}
        },
    },
    "an old id": {**of(a={"$ref": "#cat"}), "definitions": {"Cat": {"$id": "#cat", **CAT}}},
    "a relative address": {
        "$id": "https://x.test/root.json",
        **of(a={"$ref": "cat.json"}),
        "$defs": {"Cat": {"$id": "https://x.test/cat.json", **CAT}},
    },
}


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("name", LEGAL)
@pytest.mark.parametrize("strict", [None, True])
def test_a_legal_schema_is_taken_by_every_family(whose, name, strict):
    tools = offered(schema=LEGAL[name], strict=strict, **WHOSE[whose])
    assert ("lives" in str(tools)) is (not name.startswith("no "))


@pytest.mark.parametrize("whose", [one for one in WHOSE if one != "gemini"])
def test_a_boolean_is_a_definition_too(whose):
    assert offered(schema={**of(a={"$ref": "#/$defs/Any"}), "$defs": {"Any": True}}, strict=None, **WHOSE[whose])


@pytest.mark.parametrize(("steps", "width"), [(60, 2), (2000, 1)])
def test_definitions_that_are_named_often_are_looked_at_once_each(steps, width):
    def names(at):
        return of(**{f"p{one}": {"$ref": f"#/$defs/d{at + 1}"} for one in range(width)})

    schema = {**names(-1), "$defs": {f"d{at}": names(at) for at in range(steps)} | {f"d{steps}": TEXT}}
    body = {"tools": [{"name": "look", "input_schema": schema, "strict": True}]}
    assert beyond_limits(body, "claude", "messages") is None
    schema["$defs"][f"d{steps}"] = {"$ref": "#/$defs/d0"}
    assert "contains itself" in beyond_limits(body, "claude", "messages")
