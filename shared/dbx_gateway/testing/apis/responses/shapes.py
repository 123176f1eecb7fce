"""The shape of a Responses request, and its vendor's messages for a mismatch.

Sources: the request types of the vendor's Python package, and docs/wire/chat-completions.md#errors;
docs/wire/responses.md#request, #errors.
"""

from __future__ import annotations

from typing import Any

from dbx_gateway.testing.apis.shape import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    Either,
    Fields,
    Many,
    Mismatch,
    Path,
    Shape,
    Tagged,
    Words,
    first_mismatch,
)
from dbx_gateway.testing.apis.wire import Refused

__all__ = ["bad_request", "check_shape", "error", "spelled", "supported_values"]

_TYPES: dict[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def error(status: int, code: str, message: str) -> dict[str, Any]:
    """Return an error body of the Responses api (docs/wire/chat-completions.md#errors).

    Args:
        status: HTTP status, which determines the vendor's error type.
        code: the vendor's code; an empty one goes as null.
        message: the server's message.
    """
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code or None}}


def bad_request(message: str, param: str | None = None, code: str = "") -> Refused:
    """Return the vendor's 400 with these words.

    Args:
        message: of the error.
        param: the parameter at fault, spelled as in the message.
        code: the vendor's code, for example ``unknown_parameter``.
    """
    body = error(400, code, message)
    body["error"]["param"] = param
    return Refused(400, message, code=code or "invalid_request_error", body=body)


def spelled(path: Path) -> str:
    """Return a place as the vendor spells it: ``input[1].status``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


_STATUS = Words(("in_progress", "completed", "incomplete"))
_BREAKPOINT = {"prompt_cache_breakpoint": OBJECT}
_INPUT_PART = Tagged(
    "type",
    {
        "input_text": Fields({"type": STRING, "text": STRING, **_BREAKPOINT}, ("text",), tuple(_BREAKPOINT)),
        "input_image": Fields(
            {
                "type": STRING,
                "detail": Words(("low", "high", "auto", "original")),
                "image_url": STRING,
                "file_id": STRING,
                **_BREAKPOINT,
            },
            (),
            ("detail", "image_url", "file_id", *_BREAKPOINT),
        ),
        "input_file": Fields(
            {
                "type": STRING,
                "detail": Words(("auto", "low", "high")),
                "file_data": STRING,
                "file_id": STRING,
                "file_url": STRING,
                "filename": STRING,
                **_BREAKPOINT,
            },
            (),
            ("file_data", "file_id", "file_url", "filename", *_BREAKPOINT),
        ),
    },
)
_OUTPUT_PART = Tagged(
    "type",
    {
        "output_text": Fields(
            {"type": STRING, "text": STRING, "annotations": Many(OBJECT), "logprobs": Many(OBJECT)},
            ("text",),
            ("logprobs",),
        ),
        "refusal": Fields({"type": STRING, "refusal": STRING}, ("refusal",)),
    },
)


def _message(part: Tagged, extra: dict[str, Shape]) -> Fields:
    fields: dict[str, Shape] = {
        "type": STRING,
        "role": STRING,
        "content": Either((STRING, Many(part))),
        "status": _STATUS,
        "id": STRING,
        **extra,
    }
    return Fields(fields, ("content",), ("id", "status", *extra))


_PHASE: dict[str, Shape] = {"phase": Words(("commentary", "final_answer"))}
_PARAMS = _message(_INPUT_PART, {})
_MESSAGE = Tagged(
    "role",
    {
        "user": _PARAMS,
        "system": _PARAMS,
        "developer": _PARAMS,
        "assistant": _message(Tagged("type", {**_INPUT_PART.choices, **_OUTPUT_PART.choices}), _PHASE),
    },
)
_ITEM_EXTRA: dict[str, Shape] = {"id": STRING, "status": _STATUS, "namespace": STRING, "caller": OBJECT}
_ITEM = Tagged(
    "type",
    {
        "function_call": Fields(
            {
                "type": STRING,
                "call_id": STRING,
                "name": STRING,
                "arguments": STRING,
                "async": BOOLEAN,
                **_ITEM_EXTRA,
            },
            ("call_id", "name", "arguments"),
            ("async", *_ITEM_EXTRA),
        ),
        "function_call_output": Fields(
            {
                "type": STRING,
                "call_id": STRING,
                "name": STRING,
                "output": Either((STRING, Many(_INPUT_PART))),
                **_ITEM_EXTRA,
            },
            ("call_id", "output"),
            ("name", *_ITEM_EXTRA),
        ),
        "reasoning": Fields(
            {
                "type": STRING,
                "id": STRING,
                "summary": Many(Fields({"type": Words(("summary_text",)), "text": STRING}, ("type", "text"))),
                "content": Many(Fields({"type": Words(("reasoning_text",)), "text": STRING}, ("type", "text"))),
                "encrypted_content": STRING,
                "status": _STATUS,
            },
            ("summary",),
            ("id", "content", "encrypted_content", "status"),
        ),
        "item_reference": Fields({"type": STRING, "id": STRING}, ("id",)),
    },
)
_TOOL = Fields(
    {
        "type": STRING,
        "name": STRING,
        "description": STRING,
        "parameters": OBJECT,
        "strict": BOOLEAN,
        "async": BOOLEAN,
        "defer_loading": BOOLEAN,
        "allowed_callers": Many(STRING),
        "output_schema": OBJECT,
    },
    ("name",),
    ("description", "parameters", "strict", "allowed_callers", "output_schema"),
)
_FORMAT = Tagged(
    "type",
    {
        "text": Fields({"type": STRING}),
        "json_object": Fields({"type": STRING}),
        "json_schema": Fields(
            {"type": STRING, "name": STRING, "schema": OBJECT, "strict": BOOLEAN, "description": STRING},
            ("name", "schema"),
            ("strict", "description"),
        ),
    },
)
_FIELDS: dict[str, Shape] = {
    "background": BOOLEAN,
    "context_management": Many(OBJECT),
    "conversation": Either((STRING, OBJECT)),
    "include": Many(STRING),
    "input": Either((STRING, Many(OBJECT))),
    "instructions": STRING,
    "max_output_tokens": INTEGER,
    "max_tool_calls": INTEGER,
    "metadata": OBJECT,
    "model": STRING,
    "moderation": OBJECT,
    "parallel_tool_calls": BOOLEAN,
    "previous_response_id": STRING,
    "prompt": OBJECT,
    "prompt_cache_key": STRING,
    "prompt_cache_options": OBJECT,
    "prompt_cache_retention": Words(("in_memory", "24h")),
    "reasoning": Fields(
        {
            "context": Words(("auto", "current_turn", "all_turns")),
            "effort": STRING,
            "generate_summary": Words(("auto", "concise", "detailed")),
            "mode": STRING,
            "summary": Words(("auto", "concise", "detailed")),
        },
        (),
        ("context", "effort", "generate_summary", "summary"),
    ),
    "safety_identifier": STRING,
    "service_tier": Words(("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")),
    "store": BOOLEAN,
    "stream": BOOLEAN,
    "stream_options": Fields({"include_obfuscation": BOOLEAN}),
    "temperature": NUMBER,
    "text": Fields({"format": _FORMAT, "verbosity": Words(("low", "medium", "high"))}, (), ("verbosity",)),
    "tool_choice": Either(
        (
            Words(("none", "auto", "required")),
            Tagged(
                "type",
                {
                    "function": Fields({"type": STRING, "name": STRING}, ("name",)),
                    "allowed_tools": Fields(
                        {"type": STRING, "mode": Words(("auto", "required")), "tools": Many(OBJECT)}, ("mode", "tools")
                    ),
                    "custom": Fields({"type": STRING, "name": STRING}, ("name",)),
                },
            ),
        )
    ),
    "tools": Many(OBJECT),
    "top_logprobs": INTEGER,
    "top_p": NUMBER,
    "truncation": Words(("auto", "disabled")),
    "user": STRING,
}
_REQUEST = Fields(_FIELDS, ("model", "input"), tuple(key for key in _FIELDS if key not in ("model", "input")))
_BUILT_IN = Fields({"type": STRING}, ("type",))


def check_shape(body: dict[str, Any]) -> None:
    """Refuse a body with a key, a type or a value that the vendor's request types do not have.

    Raises:
        Refused: naming the first such place.
    """
    fault = first_mismatch(body, _REQUEST)
    fault = fault or next(filter(None, (_item_fault(item, at) for at, item in enumerate(_list(body, "input")))), None)
    fault = fault or next(filter(None, (_tool_fault(tool, at) for at, tool in enumerate(_list(body, "tools")))), None)
    if fault is not None:
        raise _worded(fault)


def _list(body: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = body.get(key)
    return [] if value is None or isinstance(value, str) else value


def _item_fault(item: dict[str, Any], at: int) -> Mismatch | None:
    shape = _MESSAGE if "role" in item and item.get("type") in (None, "message") else _ITEM
    return first_mismatch(item, shape, ("input", at))


def _tool_fault(tool: dict[str, Any], at: int) -> Mismatch | None:
    """Only functions are looked into: a built-in tool is taken as offered and never called."""
    if tool.get("type") == "function":
        return first_mismatch(tool, _TOOL, ("tools", at))
    return first_mismatch({"type": tool["type"]} if "type" in tool else {}, _BUILT_IN, ("tools", at))


def _worded(fault: Mismatch) -> Refused:
    at = spelled(fault.path)
    match fault.kind:
        case "unknown":
            return bad_request(f"Unknown parameter: '{at}'.", at, "unknown_parameter")
        case "missing":
            return bad_request(f"Missing required parameter: '{at}'.", at, "missing_required_parameter")
        case "type":
            expected = " or ".join(_with_article(name) for name in fault.expected)
            got = _with_article(_JSON_TYPES[type(fault.got)])
            return bad_request(
                f"Invalid type for '{at}': expected {expected}, but got {got} instead.", at, "invalid_type"
            )
        case "value" | "tag":
            return bad_request(supported_values(fault.got, fault.expected), at, "invalid_value")


def supported_values(got: object, expected: tuple[str, ...]) -> str:
    """Return the vendor's words for a value outside the allowed ones."""
    quoted = [f"'{value}'" for value in expected]
    listed = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
    return f"Invalid value: '{got}'. Supported values are: {listed}."


def _with_article(name: str) -> str:
    if name == "null":
        return name
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


_JSON_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "decimal",
    str: "string",
    list: "array",
    dict: "object",
}
