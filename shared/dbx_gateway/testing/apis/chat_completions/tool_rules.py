"""What a workspace refuses in the tools, schemas and answer format of a chat request (docs/wire/quirks.md)."""

from __future__ import annotations

import re
from typing import Any

from dbx_gateway.testing.apis.chat_completions.bodies import (
    Body,
    Verdict,
    bad,
    functions_of,
    google,
    is_reasoning_gpt,
    keywords_of,
    schemas_of,
    short_name,
)
from dbx_gateway.testing.apis.schema_soundness import lost_reference, odd_property, root_union, strict_excess
from dbx_gateway.testing.json_values import entries, inside
from dbx_gateway.testing.model.situation import Situation

__all__ = [
    "claude_forcing",
    "claude_format",
    "format_streaming",
    "function_parameters",
    "gemini_schema",
    "object_root",
    "open_schema",
    "required_choice",
    "schema_limits",
    "strict_functions",
    "tool_property_names",
    "tool_root_union",
    "tools_and_format",
    "tools_cap",
    "tools_effort",
]


def strict_functions(body: Body, _situation: Situation) -> Verdict:
    """Refuse ``strict`` on a function (row strip-strict)."""
    for number, function in enumerate(functions_of(body)):
        if "strict" in function:
            return bad(f"tools.{number}.function.strict: Extra inputs are not permitted")
    return None


def tools_and_format(body: Body, _situation: Situation) -> Verdict:
    """Refuse tools beside an answer format (row tools-with-response-format)."""
    if body.get("tools") and body.get("response_format"):
        return bad("Cannot specify both response_format and tools in the same request")
    return None


def claude_format(body: Body, _situation: Situation) -> Verdict:
    """Refuse an answer format (row claude-structured-output)."""
    return bad("response_format: Extra inputs are not permitted") if body.get("response_format") else None


def format_streaming(body: Body, _situation: Situation) -> Verdict:
    """Refuse an answer format on a stream (row stream-response-format)."""
    form = inside(body, "response_format")
    if body.get("stream") and form.get("type") in ("json_schema", "json_object"):
        return bad("response_format is not supported while streaming")
    return None


def function_parameters(body: Body, _situation: Situation) -> Verdict:
    """Refuse a function without parameters (row params-required)."""
    if all("parameters" in function for function in functions_of(body)):
        return None
    return bad('Bad request: "parameters" is a required property for "function" object in parameter "tools"')


def object_root(body: Body, _situation: Situation) -> Verdict:
    """Refuse a schema without ``type: object`` at its root (row schema-object-root)."""
    for where, schema in schemas_of(body):
        if schema and schema.get("type") != "object":
            kind = schema.get("type")
            return bad(
                f"Invalid schema at {where}: schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
            )
    return None


def tool_root_union(body: Body, _situation: Situation) -> Verdict:
    """Refuse a union at the root of a tool's schema (docs/wire/schemas.md#strict-schemas)."""
    for function in functions_of(body):
        if root_union(function.get("parameters")) is not None:
            return bad(
                f"Invalid schema for function '{function['name']}': schema must have type 'object' and not have "
                "'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."
            )
    return None


_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def tool_property_names(body: Body, _situation: Situation) -> Verdict:
    """Refuse names of properties that Claude does not take (docs/wire/schemas.md#strict-schemas)."""
    for number, function in enumerate(functions_of(body)):
        if odd_property(function.get("parameters"), _PROPERTY) is not None:
            return bad(
                f"tools.{number}.custom.input_schema.properties: Property keys should match pattern "
                "'^[a-zA-Z0-9_.-]{1,64}$'"
            )
    return None


def gemini_schema(body: Body, _situation: Situation) -> Verdict:
    """Refuse the keywords that Gemini's protobuf parser does not know (row schema-gemini)."""
    for number, (_, schema) in enumerate(schemas_of(body)):
        where = f"tools[0].function_declarations[{number}].parameters"
        for keyword, value in keywords_of(schema):
            if keyword == "$schema":
                return google(
                    f"Invalid JSON payload received. Unknown name \"$schema\" at '{where}': Cannot find field."
                )
            if keyword == "$ref":
                name = str(value).rsplit("/", 1)[-1]
                return google(f"Schema.ref '{name}' was set alongside unsupported fields.")
            if keyword == "prefixItems":
                return google(f"Invalid value at '{where}': items must be a boolean or an object.")
    return None


def open_schema(body: Body, situation: Situation) -> Verdict:
    """Refuse the keywords that an open family lacks (row schema-open-models)."""
    refused = situation.behaviour.refused_keywords
    for where, schema in schemas_of(body):
        for keyword, _ in keywords_of(schema):
            if keyword in refused and where.startswith("tools"):
                return bad(f"{where}: keyword '{keyword}' is not supported")
    return None


def schema_limits(body: Body, situation: Situation) -> Verdict:
    """Refuse too many functions, and schemas beyond a limit of the vendor (row schema-limits)."""
    most, count = situation.behaviour.most_functions, len(functions_of(body))
    if most is not None and count > most:
        return bad(f"Invalid 'tools': array too long. Expected an array with maximum length {most}, but got {count}.")
    forms = [inside(body, "response_format", "json_schema")]
    for one in (*functions_of(body), *forms):
        schema = one.get("parameters", one.get("schema"))
        if (lost := lost_reference(schema)) is not None:
            return bad(
                f"Invalid schema for function '{one['name']}': reference to component '{lost}' which was not found in the "
                "schema."
            )
        if (
            situation.behaviour.limits_strict_schemas
            and one.get("strict")
            and (excess := strict_excess(schema)) is not None
        ):
            return bad(f"Invalid schema for function '{one['name']}': {excess}")
    return None


def tools_cap(body: Body, _situation: Situation) -> Verdict:
    """Refuse more than 32 functions (row tools-cap-32)."""
    count = len(entries(body, "tools"))
    return bad(f"Invalid 'tools': {count} functions given, the maximum is 32.") if count > 32 else None


def _is_forcing(choice: Any) -> bool:
    return choice == "required" or isinstance(choice, dict)


def required_choice(body: Body, _situation: Situation) -> Verdict:
    """Refuse a choice that forces a call (row tool-choice-required)."""
    return bad("tool_choice: 'required' is not supported") if _is_forcing(body.get("tool_choice")) else None


def claude_forcing(body: Body, situation: Situation) -> Verdict:
    """Refuse a choice that forces a call, beside thinking or at all (docs/wire/models.md#forced-tool-choice)."""
    if not _is_forcing(body.get("tool_choice")):
        return None
    if not situation.profile.forced_tool_choice:
        return bad("tool_choice: this model does not support a tool choice that forces a call; use 'auto'")
    thinking = inside(body, "thinking").get("type") in ("enabled", "adaptive")
    return bad("Thinking may not be enabled when tool_choice forces tool use.") if thinking else None


def tools_effort(body: Body, situation: Situation) -> Verdict:
    """Refuse functions unless the effort is none (row gpt-tools-effort)."""
    if not body.get("tools") or not is_reasoning_gpt(situation) or body.get("reasoning_effort") == "none":
        return None
    return bad(
        f"Function tools with reasoning_effort are not supported for {short_name(situation)} in /v1/chat/completions. "
        "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
    )
