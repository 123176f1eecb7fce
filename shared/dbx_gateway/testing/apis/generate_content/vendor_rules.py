"""What the vendor of generateContent refuses in a request of the right shape: turns out of order, lost signatures, tools.

Sources: docs/wire/generate-content.md#request, #round-trip, #gemini-on-a-workspace.
"""

from __future__ import annotations

import re
from typing import Any

from dbx_gateway.models.profiles import version_of
from dbx_gateway.testing.apis.generate_content.shapes import bad_request, schema_fault
from dbx_gateway.testing.apis.media_labels import is_registered
from dbx_gateway.testing.apis.schema_soundness import is_sound_schema
from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.json_values import entries, inside
from dbx_gateway.testing.model.signatures import is_of_another_call
from dbx_gateway.testing.model.situation import Situation

__all__ = [
    "SKIPPED_SIGNATURE",
    "check_config",
    "check_contents",
    "check_tools",
    "declarations",
    "gives_ids",
    "unfit_schema",
]

SKIPPED_SIGNATURE = "skip_thought_signature_validator"
"""Replaces the signature of a call that another model made (docs/wire/generate-content.md#round-trip)."""
_SIGNED = (3,)
"""The first version that requires its signatures back, and whose calls have ids."""
_PAYLOADS = frozenset(
    {
        "text",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
    }
)
"""What a part holds: exactly one of these."""
_NAMED = ("functionCall", "functionResponse")
"""Payloads that must carry the name of their function."""
_FUNCTION_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}\Z")


def gives_ids(situation: Situation) -> bool:
    """Return whether the model's calls have ids and it requires its signatures back: version 3 and later."""
    return version_of(situation.model) >= _SIGNED


def declarations(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every function declaration of a request."""
    return [one for tool in entries(body, "tools") for one in entries(tool, "functionDeclarations")]


def check_contents(body: dict[str, Any], situation: Situation) -> None:
    """Refuse contents that are empty, or whose calls, responses or signatures do not fit each other.

    Raises:
        Refused: with the vendor's message (docs/wire/generate-content.md#round-trip).
    """
    contents = entries(body, "contents")
    if not contents:
        raise bad_request("* GenerateContentRequest.contents: contents is not specified\n", "contents")
    for at, content in enumerate(contents):
        _check_parts(at, content)
    _check_calls(contents)
    _check_signed_calls(contents)
    if gives_ids(situation):
        _check_signatures(contents)


def _check_parts(at: int, content: dict[str, Any]) -> None:
    parts = entries(content, "parts")
    where = f"contents[{at}].parts"
    if not parts:
        raise bad_request(f"* GenerateContentRequest.{where}: contents.parts must not be empty.\n", where)
    for position, part in enumerate(parts):
        held = [name for name in _PAYLOADS if part.get(name) is not None]
        if not held:
            raise bad_request(
                f"* GenerateContentRequest.{where}[{position}].data: required oneof field 'data' must have one "
                "initialized field\n",
                f"{where}[{position}]",
            )
        if len(held) > 1:
            raise bad_request(
                f"Invalid value at '{where}[{position}]' (oneof), oneof field 'data' is already set. Cannot set "
                f"'{sorted(held)[1]}'",
                f"{where}[{position}]",
            )
        label = inside(part, "inlineData").get("mimeType")
        if label is not None and not is_registered(label):
            raise bad_request(f"Unsupported MIME type: {label}")
        if any(part.get(kind) is not None and not part[kind].get("name") for kind in _NAMED):
            raise bad_request(f"* GenerateContentRequest.{where}[{position}]: Name cannot be empty.\n", where)


def _held(content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [part[name] for part in entries(content, "parts") if part.get(name) is not None]


def _check_calls(contents: list[dict[str, Any]]) -> None:
    before: dict[str, Any] = {}
    for content in contents:
        calls, responses = _held(before, "functionCall"), _held(content, "functionResponse")
        if responses and not calls:
            raise bad_request("Please ensure that function response turn comes immediately after a function call turn.")
        if calls and len(calls) != len(responses):
            raise bad_request(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        if sorted(call["name"] for call in calls) != sorted(one["name"] for one in responses):
            raise bad_request("Please ensure that each function response carries the name of its function call.")
        if _held(content, "functionCall") and (not before or before.get("role") == "model"):
            raise bad_request(
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
        before = content
    if _held(before, "functionCall"):
        raise bad_request(
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            "of the function call turn."
        )


def _check_signed_calls(contents: list[dict[str, Any]]) -> None:
    """Refuse a signature on a call that is not the one it was made for (docs/wire/generate-content.md#round-trip)."""
    for part in (part for content in contents for part in entries(content, "parts")):
        call, signature = part.get("functionCall"), part.get("thoughtSignature") or ""
        signed = signature.replace("-", "+").replace("_", "/")
        if call and is_of_another_call(signed, call["name"], call.get("args") or {}, call.get("id") or ""):
            raise bad_request("Corrupted thought signature.")


def _check_signatures(contents: list[dict[str, Any]]) -> None:
    """Refuse a step since the last user text whose first call lacks its signature."""
    for content in reversed(contents):
        if content.get("role", "user") != "model":
            if not _held(content, "functionResponse"):
                return
            continue
        calls = [(number, part) for number, part in enumerate(content["parts"], start=1) if part.get("functionCall")]
        if calls and not calls[0][1].get("thoughtSignature"):
            position, name = calls[0][0], calls[0][1]["functionCall"]["name"]
            raise bad_request(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                f"data, function call `default_api:{name}` , position {position}."
            )


def check_tools(body: dict[str, Any]) -> None:
    """Refuse tools and a tool choice that contradict themselves.

    Raises:
        Refused: with the vendor's message.
    """
    declared = declarations(body)
    for at, one in enumerate(declared):
        _check_declaration(at, one)
    names = [one["name"] for one in declared]
    repeated = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if repeated is not None:
        raise bad_request(f"Duplicate function declaration found: {repeated}")
    config = inside(body, "toolConfig", "functionCallingConfig")
    if config and not declared:
        raise bad_request("Function calling config is set without function_declarations.", "tool_config")
    allowed = entries(config, "allowedFunctionNames")
    if allowed and config.get("mode") not in ("ANY", "VALIDATED"):
        raise bad_request(
            "Allowed function names should only be set when function calling mode is ANY or VALIDATED.", "tool_config"
        )
    for name in allowed:
        if name not in names:
            raise bad_request(
                f"allowed_function_names contains `{name}` which is not declared in function_declarations.",
                "tool_config",
            )


def _check_declaration(at: int, declaration: dict[str, Any]) -> None:
    where = f"tools[0].function_declarations[{at}]"
    if not _FUNCTION_NAME.match(declaration.get("name") or ""):
        raise bad_request(
            f"* GenerateContentRequest.{where}.name: Invalid function name. Must start with a letter or an underscore. "
            "Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a "
            "maximum length of 128.\n",
            f"{where}.name",
        )
    if declaration.get("parameters") is not None and declaration.get("parametersJsonSchema") is not None:
        raise bad_request("parameters and parameters_json_schema must not both be set.", where)
    if not is_sound_schema(inside(declaration, "parametersJsonSchema")):
        raise bad_request("parameters_json_schema is not valid JSON Schema.", where)
    schema = inside(declaration, "parameters")
    if str(schema.get("type", "object")).lower() == "object" and schema and not schema.get("properties"):
        raise bad_request(
            f"* GenerateContentRequest.{where}.parameters.properties: should be non-empty for OBJECT type\n",
            f"{where}.parameters",
        )


def unfit_schema(body: dict[str, Any]) -> Refused | None:
    """Return the refusal of the first schema of a request that this vendor does not take, or None.

    ``parameters`` and ``responseSchema`` take the vendor's own Schema. The JSON Schema fields beside them take any.
    """
    for number, tool in enumerate(entries(body, "tools")):
        for at, one in enumerate(entries(tool, "functionDeclarations")):
            if one.get("parameters") is not None:
                path = ("tools", number, "functionDeclarations", at, "parameters")
                found = schema_fault(one["parameters"], path)
                if found is not None:
                    return found
    schema = inside(body, "generationConfig").get("responseSchema")
    return None if schema is None else schema_fault(schema, ("generationConfig", "responseSchema"))


def check_config(body: dict[str, Any], situation: Situation) -> None:
    """Refuse settings that contradict each other or that the model does not take.

    Raises:
        Refused: with the vendor's message.
    """
    config = inside(body, "generationConfig")
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if config.get(name) is not None]
    if len(schemas) > 1:
        raise bad_request("response_schema and response_json_schema must not both be set.", "generation_config")
    if not is_sound_schema(inside(config, "responseJsonSchema")):
        raise bad_request("response_json_schema is not valid JSON Schema.", "generation_config")
    if schemas and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        raise bad_request(
            "* GenerateContentRequest.generation_config.response_schema: only allowed for response mime type "
            "application/json\n",
            "generation_config",
        )
    if config.get("responseMimeType") == "application/json" and declarations(body) and not gives_ids(situation):
        raise bad_request("Function calling with a response mime type: 'application/json' is unsupported")
    if (stops := len(entries(config, "stopSequences"))) > _MOST_STOPS:
        raise bad_request(f"The number of stop sequences must be at most {_MOST_STOPS}, but is {stops}.")
    _check_thinking(inside(config, "thinkingConfig"), situation)


_MOST_STOPS = 5
"""Stop sequences of a request (docs/wire/generate-content.md#request)."""


def _check_thinking(thinking: dict[str, Any], situation: Situation) -> None:
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if level is not None and budget is not None:
        raise bad_request("You can only set only one of thinking budget and thinking level.")
    efforts = situation.profile.efforts
    if level is not None and not efforts:
        raise bad_request("Thinking level is not supported for this model.")
    if level is not None and level.lower() not in efforts:
        raise bad_request(f"Thinking level {level.upper()} is not supported for this model.")
