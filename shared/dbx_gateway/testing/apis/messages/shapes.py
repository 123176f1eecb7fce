"""The shape of a messages request, and its vendor's messages for a mismatch.

Sources: the request types of the vendor's Python package, and docs/wire/messages.md#request, #errors.
"""

from __future__ import annotations

import re
from typing import Any

from dbx_gateway.testing.apis.shape import (
    ANY,
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
    Tagged,
    Words,
    first_mismatch,
)
from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.json_values import entries

__all__ = ["alternatives", "bad_request", "check_shape", "error", "tag_refusal"]

_TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SYNTHETIC_REQUEST_ID = "req_simulated"


def error(status: int, code: str, message: str) -> dict[str, Any]:
    """Return an error body of the messages api (docs/wire/messages.md#errors).

    Args:
        status: HTTP status, which determines the vendor's error type.
        code: not carried by this vendor's body.
        message: the server's message.
    """
    del code
    kind = _TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": _SYNTHETIC_REQUEST_ID}


def bad_request(message: str) -> Refused:
    """Return the vendor's 400 with these words."""
    return Refused(400, message, code="invalid_request_error", body=error(400, "", message))


_CACHE = Fields({"type": Words(("ephemeral",)), "ttl": Words(("5m", "1h"))}, ("type",))
_CITED = Fields({"enabled": BOOLEAN})


def _marked(fields: dict[str, Any], *required: str, nullable: tuple[str, ...] = ()) -> Fields:
    return Fields({"type": STRING, "cache_control": _CACHE, **fields}, required, ("cache_control", *nullable))


_LOCATION = {"cited_text": STRING, "document_index": INTEGER, "document_title": STRING, "type": STRING}


def _location(unit: str) -> Fields:
    spot = {f"start_{unit}": INTEGER, f"end_{unit}": INTEGER}
    return Fields({**_LOCATION, **spot}, ("cited_text", "document_index", *spot), ("document_title",))


_CITATION = Tagged(
    "type",
    {
        "char_location": _location("char_index"),
        "page_location": _location("page_number"),
        "content_block_location": _location("block_index"),
        "search_result_location": Fields(
            {
                "type": STRING,
                "cited_text": STRING,
                "search_result_index": INTEGER,
                "source": STRING,
                "title": STRING,
                "start_block_index": INTEGER,
                "end_block_index": INTEGER,
            },
            ("cited_text", "search_result_index", "source"),
            ("title",),
        ),
    },
)
_TEXT = _marked({"text": STRING, "citations": Many(_CITATION)}, "text", nullable=("citations",))
_IMAGE = _marked(
    {
        "source": Tagged(
            "type",
            {
                "base64": Fields(
                    {
                        "type": STRING,
                        "media_type": Words(("image/jpeg", "image/png", "image/gif", "image/webp")),
                        "data": STRING,
                    },
                    ("media_type", "data"),
                ),
                "url": Fields({"type": STRING, "url": STRING}, ("url",)),
                "file": Fields({"type": STRING, "file_id": STRING}, ("file_id",)),
            },
        )
    },
    "source",
)
_DOCUMENT = _marked(
    {
        "source": Tagged(
            "type",
            {
                "base64": Fields(
                    {"type": STRING, "media_type": Words(("application/pdf",)), "data": STRING}, ("media_type", "data")
                ),
                "text": Fields(
                    {"type": STRING, "media_type": Words(("text/plain",)), "data": STRING}, ("media_type", "data")
                ),
                "url": Fields({"type": STRING, "url": STRING}, ("url",)),
                "file": Fields({"type": STRING, "file_id": STRING}, ("file_id",)),
                "content": Fields(
                    {
                        "type": STRING,
                        "content": Either((STRING, Many(Tagged("type", {"text": _TEXT, "image": _IMAGE})))),
                    },
                    ("content",),
                ),
            },
        ),
        "citations": _CITED,
        "context": STRING,
        "title": STRING,
    },
    "source",
    nullable=("citations", "context", "title"),
)
_SEARCH_RESULT = _marked(
    {"content": Many(Tagged("type", {"text": _TEXT})), "source": STRING, "title": STRING, "citations": _CITED},
    "content",
    "source",
    "title",
)
_RESULT_BLOCK = Tagged("type", {"text": _TEXT, "image": _IMAGE, "search_result": _SEARCH_RESULT, "document": _DOCUMENT})
_BLOCK = Tagged(
    "type",
    {
        "text": _TEXT,
        "image": _IMAGE,
        "document": _DOCUMENT,
        "search_result": _SEARCH_RESULT,
        "thinking": Fields({"type": STRING, "thinking": STRING, "signature": STRING}, ("thinking", "signature")),
        "redacted_thinking": Fields({"type": STRING, "data": STRING}, ("data",)),
        "tool_use": _marked(
            {"id": STRING, "name": STRING, "input": OBJECT, "caller": OBJECT, "toolset_name": STRING},
            "id",
            "name",
            "input",
            nullable=("toolset_name",),
        ),
        "tool_result": _marked(
            {
                "tool_use_id": STRING,
                "content": Either((STRING, Many(_RESULT_BLOCK))),
                "is_error": BOOLEAN,
                "toolset_name": STRING,
            },
            "tool_use_id",
            nullable=("toolset_name",),
        ),
    },
)
_TOOL = _marked(
    {
        "name": STRING,
        "description": STRING,
        "input_schema": OBJECT,
        "strict": BOOLEAN,
        "eager_input_streaming": BOOLEAN,
        "input_examples": Many(OBJECT),
        "defer_loading": BOOLEAN,
        "allowed_callers": Many(STRING),
    },
    "name",
    "input_schema",
    nullable=("type", "eager_input_streaming"),
)
_PARALLEL = {"type": STRING, "disable_parallel_tool_use": BOOLEAN}
_DISPLAY = Words(("summarized", "omitted"))
_REQUEST = Fields(
    {
        "model": STRING,
        "messages": Many(
            Tagged(
                "role",
                {
                    role: Fields({"role": STRING, "content": Either((STRING, Many(_BLOCK)))}, ("content",))
                    for role in ("user", "assistant", "system")
                },
            )
        ),
        "max_tokens": INTEGER,
        "system": Either((STRING, Many(Tagged("type", {"text": _TEXT})))),
        "cache_control": _CACHE,
        "container": ANY,
        "inference_geo": STRING,
        "metadata": Fields({"user_id": STRING}, nullable=("user_id",)),
        "output_config": Fields(
            {
                "effort": STRING,
                "format": Tagged("type", {"json_schema": Fields({"type": STRING, "schema": OBJECT}, ("schema",))}),
            },
            nullable=("effort", "format"),
        ),
        "service_tier": Words(("auto", "standard_only")),
        "speed": Words(("standard", "fast")),
        "stop_sequences": Many(STRING),
        "stream": BOOLEAN,
        "temperature": NUMBER,
        "top_p": NUMBER,
        "top_k": INTEGER,
        "thinking": Tagged(
            "type",
            {
                "enabled": Fields(
                    {"type": STRING, "budget_tokens": INTEGER, "display": _DISPLAY}, ("budget_tokens",), ("display",)
                ),
                "adaptive": Fields({"type": STRING, "display": _DISPLAY}, (), ("display",)),
                "between_tools": Fields({"type": STRING}),
                "disabled": Fields({"type": STRING}),
            },
        ),
        "tool_choice": Tagged(
            "type",
            {
                "auto": Fields(_PARALLEL),
                "any": Fields(_PARALLEL),
                "tool": Fields({**_PARALLEL, "name": STRING}, ("name",)),
                "none": Fields({"type": STRING}),
            },
        ),
        "tools": Many(OBJECT),
    },
    ("model", "max_tokens", "messages"),
    ("cache_control", "container", "inference_geo", "speed"),
)
_CUSTOM_TOOL = Tagged("type", {"custom": _TOOL}, default="custom")
_SERVER_TOOL_NAME = Fields({"name": STRING}, ("name",))
_SERVER_TOOL = re.compile(r"[a-z_]+_\d{8}\Z")
"""The dated types of the vendor's own tools (``web_search_20250305``): understood as offered and never called."""


def check_shape(body: dict[str, Any]) -> None:
    """Refuse a body with a key, a type or a tag that the vendor's request types do not have.

    Raises:
        Refused: naming the first such place.
    """
    fault = first_mismatch(body, _REQUEST)
    for position, tool in enumerate(entries(body, "tools")) if fault is None else ():
        kind = tool.get("type")
        if isinstance(kind, str) and _SERVER_TOOL.match(kind):
            named = {key: value for key, value in tool.items() if key == "name"}
            fault = fault or first_mismatch(named, _SERVER_TOOL_NAME, ("tools", position))
        else:
            fault = fault or first_mismatch(tool, _CUSTOM_TOOL, ("tools", position))
    if fault is not None:
        raise bad_request(_worded(fault))


def _worded(fault: Mismatch) -> str:
    at = ".".join(map(str, fault.path))
    match fault.kind:
        case "unknown":
            return f"{at}: Extra inputs are not permitted"
        case "missing":
            return f"{at}: Field required"
        case "type":
            return f"{at}: Input should be a valid {' or '.join(fault.expected)}"
        case "value":
            return f"{at}: Input should be {alternatives(fault.expected)}"
        case "tag":
            return tag_refusal(fault.path, fault.got, fault.expected)


def alternatives(values: tuple[str, ...]) -> str:
    """Return the allowed strings as the vendor lists them: ``'a', 'b' or 'c'``."""
    quoted = [f"'{value}'" for value in values]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def tag_refusal(path: Path, got: object, expected: tuple[str, ...]) -> str:
    """Return the vendor's words for an object whose tag is unknown; ``path`` ends with the tag's key."""
    at = ".".join(map(str, path[:-1]))
    tags = ", ".join(f"'{value}'" for value in expected)
    return f"{at}: Input tag '{got}' found using '{path[-1]}' does not match any of the expected tags: {tags}"
