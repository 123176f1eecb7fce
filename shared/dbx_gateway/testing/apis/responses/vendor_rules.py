"""What the vendor of the Responses api refuses in a well-shaped request: ids, unpaired items, what a model does not take.

Sources: docs/wire/responses.md#request, #round-trip, #items-on-a-workspace.
"""

from __future__ import annotations

import re
from typing import Any

from dbx_gateway.testing.apis.responses.shapes import bad_request, supported_values
from dbx_gateway.testing.apis.schema_soundness import is_sound_schema, lost_reference, root_union, strict_excess
from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.json_values import entries, inside, is_array, is_object
from dbx_gateway.testing.model.signatures import is_of
from dbx_gateway.testing.model.situation import Situation

__all__ = ["beyond_limits", "check_items", "check_model", "items_of", "too_long_id"]

_LONGEST_ID = 64
_MOST_TOOLS = 128
_PREFIXES: dict[str, str] = {"message": "msg", "function_call": "fc", "reasoning": "rs"}
"""The prefix of an input item's id, by its type (docs/wire/responses.md#items-on-a-workspace, row id prefixes)."""
_ID = re.compile(r"[A-Za-z0-9_-]+\Z")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]+\Z")


def items_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the input as items, a plain string as one user message."""
    items = body["input"]
    return [{"type": "message", "role": "user", "content": items}] if isinstance(items, str) else items


def too_long_id(body: dict[str, Any]) -> Refused | None:
    """Return the refusal of the first id of an input item over 64 characters, or None."""
    for at, item in enumerate(entries(body, "input")):
        for key in ("id", "call_id"):
            name = item.get(key)
            if isinstance(name, str) and len(name) > _LONGEST_ID:
                where = f"input[{at}].{key}"
                return bad_request(
                    f"Invalid '{where}': string too long. Expected a string with maximum length {_LONGEST_ID}, but got "
                    f"a string with length {len(name)} instead.",
                    where,
                    "string_above_max_length",
                )
    return None


def check_items(body: dict[str, Any], situation: Situation) -> None:
    """Refuse input whose ids, calls, outputs or reasoning do not fit each other.

    Raises:
        Refused: with the vendor's message (docs/wire/responses.md#round-trip).
    """
    items = items_of(body)
    if not items:
        raise bad_request("Invalid 'input': empty array. Expected a non-empty array.", "input", "empty_array")
    long = None if situation.enforces("resp-id-64") else too_long_id(body)
    if long is not None:
        raise long
    stored = None if situation.enforces("resp-stateless") else body.get("previous_response_id")
    if stored is not None:
        raise bad_request(
            f"Previous response with id '{stored}' not found.", "previous_response_id", "previous_response_not_found"
        )
    for at, item in enumerate(items):
        _check_id(at, item)
    _check_texts(items)
    _check_pairs(items)
    _check_reasoning(items)


def _check_id(at: int, item: dict[str, Any]) -> None:
    kind, name = item.get("type", "message"), item.get("id")
    if kind == "item_reference":
        raise bad_request(f"Item with id '{name}' not found.", "input")
    for key in ("id", "call_id"):
        value = item.get(key)
        if isinstance(value, str) and not _ID.match(value):
            raise bad_request(
                f"Invalid 'input[{at}].{key}': '{value}'. Expected an ID that contains letters, numbers, underscores, "
                "or dashes, but this value contained additional characters.",
                f"input[{at}].{key}",
                "invalid_value",
            )
    prefix = _PREFIXES.get(kind)
    if name is not None and prefix is not None and not name.startswith(prefix + "_"):
        raise bad_request(
            f"Invalid 'input[{at}].id': '{name}'. Expected an ID that begins with '{prefix}'.",
            f"input[{at}].id",
            "invalid_value",
        )


def _check_texts(items: list[dict[str, Any]]) -> None:
    """Refuse a blank text beside other content (docs/wire/responses.md#round-trip)."""
    for at, item in enumerate(items):
        for key in ("content", "output"):
            parts = item.get(key)
            for inner, part in enumerate(parts if is_array(parts) and len(parts) > 1 else ()):
                if part.get("type") == "input_text" and not part["text"].strip():
                    where = f"input[{at}].{key}[{inner}].text"
                    raise bad_request(
                        f"Invalid '{where}': empty string. Expected a string with minimum length 1, but got an empty "
                        "string instead.",
                        where,
                        "empty_string",
                    )


def _check_pairs(items: list[dict[str, Any]]) -> None:
    open_calls: dict[str, None] = {}
    for item in items:
        kind, call_id = item.get("type"), item.get("call_id", "")
        if kind == "function_call":
            open_calls[call_id] = None
        elif kind == "function_call_output":
            if call_id not in open_calls:
                raise bad_request(f"No tool call found for function call output with call_id {call_id}.", "input")
            del open_calls[call_id]
    for call_id in open_calls:
        raise bad_request(f"No tool output found for function call {call_id}.", "input")


def _check_reasoning(items: list[dict[str, Any]]) -> None:
    for item, following in zip(items, [*items[1:], None], strict=True):
        if item.get("type") != "reasoning":
            continue
        name = item.get("id")
        if following is None or not _follows(following) or _is_of_another(item, following, items):
            raise bad_request(
                f"Item '{name}' of type 'reasoning' was provided without its required following item.", "input"
            )
        sealed = item.get("encrypted_content")
        if sealed is None:
            raise bad_request(
                f"Item with id '{name}' not found. Items are not persisted when `store` is set to false. Try again with "
                "`store` set to true, or remove this item from your input.",
                "input",
            )
        summary = "".join(part["text"] for part in item["summary"])
        if summary and not is_of(sealed, summary):
            raise bad_request(
                f"The encrypted content for item {name} could not be verified.", None, "invalid_encrypted_content"
            )


def _is_of_another(item: dict[str, Any], following: dict[str, Any], items: list[dict[str, Any]]) -> bool:
    """Return whether a reasoning item stands before a call, and was made for another one of the input."""
    sealed = item.get("encrypted_content") or ""
    made_for = [call for call in items if call.get("type") == "function_call" and _is_for(sealed, call)]
    return bool(made_for) and not _is_for(sealed, following)


def _is_for(sealed: str, call: dict[str, Any]) -> bool:
    return is_of(sealed, f"{call.get('name')} {call.get('arguments')}")


def _follows(item: dict[str, Any]) -> bool:
    return item.get("type") in ("function_call", "reasoning") or item.get("role") == "assistant"


def check_model(body: dict[str, Any], situation: Situation) -> None:
    """Refuse what the model does not take, by its profile, and tools that contradict each other.

    Raises:
        Refused: with the vendor's message.
    """
    if not situation.profile.sampling:
        for name in ("temperature", "top_p"):
            if body.get(name) not in (None, 1):
                raise bad_request(
                    f"Unsupported parameter: '{name}' is not supported with this model.", name, "unsupported_parameter"
                )
    if not situation.profile.reasoning and "reasoning.encrypted_content" in (body.get("include") or ()):
        raise bad_request("Encrypted content is not supported with this model.", "include", "invalid_request_error")
    effort = inside(body, "reasoning").get("effort")
    efforts = situation.profile.efforts
    if effort is not None and efforts and effort not in efforts:
        raise bad_request(supported_values(effort, efforts), "reasoning.effort", "unsupported_value")
    _check_tools(body)
    _check_format(body)
    beyond = beyond_limits(body) if situation.plain else None
    if beyond is not None:
        raise beyond


def _check_tools(body: dict[str, Any]) -> None:
    tools = [tool for tool in entries(body, "tools") if tool["type"] == "function"]
    names = [tool["name"] for tool in tools]
    for at, name in enumerate(names):
        if not _TOOL_NAME.match(name):
            raise bad_request(
                f"Invalid 'tools[{at}].name': string does not match pattern. Expected a string that matches the "
                "pattern '^[a-zA-Z0-9_-]+$'.",
                f"tools[{at}].name",
                "invalid_value",
            )
    for at, tool in enumerate(tools):
        _check_parameters(at, tool)
    choice = body.get("tool_choice")
    if choice == "required" and not entries(body, "tools"):
        raise bad_request("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice")
    if is_object(choice) and choice["type"] == "function" and choice["name"] not in names:
        raise bad_request(f"Tool choice '{choice['name']}' not found in 'tools' parameter.", "tool_choice")


def beyond_limits(body: dict[str, Any]) -> Refused | None:
    """Return the refusal of too many tools, or of a schema that is beyond a limit (docs/wire/schemas.md#limits), or None."""
    tools = entries(body, "tools")
    if len(tools) > _MOST_TOOLS:
        return bad_request(
            f"Invalid 'tools': array too long. Expected an array with maximum length {_MOST_TOOLS}, but got an array with "
            f"length {len(tools)} instead.",
            "tools",
            "array_above_max_length",
        )
    for at, tool in enumerate(tools):
        if (fault := _fault(tool.get("parameters"), strict=tool.get("strict"))) is not None:
            where = f"tools[{at}].parameters"
            return bad_request(
                f"Invalid schema for function '{tool['name']}': {fault}", where, "invalid_function_parameters"
            )
    form = inside(body, "text", "format")
    if (fault := _fault(form.get("schema"), strict=form.get("strict"))) is not None:
        return bad_request(
            f"Invalid schema for response_format '{form['name']}': {fault}", "text.format.schema", "invalid_json_schema"
        )
    return None


def _fault(schema: Any, *, strict: Any) -> str | None:
    if (lost := lost_reference(schema)) is not None:
        return f"reference to component '{lost}' which was not found in the schema."
    return strict_excess(schema) if strict else None


_ROOT = "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."


def _check_parameters(at: int, tool: dict[str, Any]) -> None:
    schema = tool.get("parameters")
    if schema is None:
        return
    where = f"tools[{at}].parameters"
    start = f"Invalid schema for function '{tool['name']}':"
    if not is_sound_schema(schema):
        raise bad_request(f"{start} it is not valid JSON Schema.", where, "invalid_function_parameters")
    if "type" in schema and schema["type"] != "object":
        raise bad_request(
            f"{start} schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema['type']}\"'.",
            where,
            "invalid_function_parameters",
        )
    if root_union(schema) is not None:
        raise bad_request(f"{start} {_ROOT}", where, "invalid_function_parameters")
    if tool.get("strict"):
        fault = _strict_fault(schema, ())
        if fault is not None:
            raise bad_request(f"{start} {fault}", where, "invalid_function_parameters")


def _check_format(body: dict[str, Any]) -> None:
    form = inside(body, "text", "format")
    if not is_sound_schema(inside(form, "schema")):
        raise bad_request(
            f"Invalid schema for response_format '{form['name']}': it is not valid JSON Schema.",
            "text.format.schema",
            "invalid_json_schema",
        )
    if form.get("type") == "json_schema" and form.get("strict"):
        fault = _strict_fault(form["schema"], ())
        if fault is not None:
            raise bad_request(
                f"Invalid schema for response_format '{form['name']}': {fault}",
                "text.format.schema",
                "invalid_json_schema",
            )


def _strict_fault(schema: dict[str, Any], path: tuple[str, ...]) -> str | None:
    """Return why a schema does not do for strict mode: every object closed, every property required.

    Source: docs/wire/schemas.md#keywords.
    """
    if not path and root_union(schema) is not None:
        return _ROOT
    if "$ref" in schema and (beside := schema.keys() - {"$ref", "$defs", "definitions"}):
        return f"In context={path}, $ref cannot have keywords {sorted(beside)}."
    for keyword in ("oneOf", "allOf", "not", "default"):
        if keyword in schema:
            return f"In context={path}, '{keyword}' is not permitted."
    properties = inside(schema, "properties")
    if schema.get("type") == "object" or properties:
        where = f"In context={path}, "
        if schema.get("additionalProperties") is not False:
            return where + "'additionalProperties' is required to be supplied and to be false."
        missing = [name for name in properties if name not in entries(schema, "required")]
        if missing:
            return (
                where + "'required' is required to be supplied and to be an array including every key in properties. "
                f"Missing '{missing[0]}'."
            )
    inner = {"properties": properties, "$defs": inside(schema, "$defs")}
    for keyword, named in inner.items():
        for name, one in named.items():
            fault = _strict_fault(one, (*path, keyword, name)) if is_object(one) else None
            if fault is not None:
                return fault
    for at, one in enumerate(entries(schema, "anyOf")):
        fault = _strict_fault(one, (*path, "anyOf", str(at))) if is_object(one) else None
        if fault is not None:
            return fault
    items = schema.get("items")
    return _strict_fault(items, (*path, "items")) if is_object(items) else None
