"""Schemas for a Gemini model are written in the few keywords that its servers parse."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_schema import for_gemini
from dbx_gateway.quirks.body import each, each_function, within
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _fixed(schema: JsonObject) -> JsonObject:
    taken = for_gemini(schema)
    return schema if taken == schema else taken


def _parameters(holder: JsonObject) -> JsonObject:
    return within(holder, "parameters", _fixed)


def _chat(body: JsonObject) -> JsonObject:
    fixed = each_function(body, _parameters)
    return within(
        fixed,
        "response_format",
        lambda wanted: within(wanted, "json_schema", lambda spec: within(spec, "schema", _fixed)),
    )


def _generate_content(body: JsonObject) -> JsonObject:
    fixed = each(body, "tools", lambda tool: each(tool, "functionDeclarations", _parameters))
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
    source="databricks-wire.md section 5.5: the opencode client the project comes from (seed002) and dbx-tools chart.ts",
    evidence="S",
    delete_when="a workspace takes a schema with $schema, $ref, const and prefixItems for a Gemini model",
    request=_request,
)
