"""Where a workspace deviates from the Responses api: what it refuses beyond the vendor, and what it adds."""

from __future__ import annotations

from typing import Any

from dbx_gateway.models.families import OPEN_FAMILIES, Family
from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing.apis.responses.shapes import bad_request
from dbx_gateway.testing.apis.responses.vendor_rules import beyond_limits, too_long_id
from dbx_gateway.testing.apis.wire import Refused, Rule
from dbx_gateway.testing.json_values import entries, is_object
from dbx_gateway.testing.model.situation import Situation

__all__ = ["RULES"]

_BOTH: frozenset[Surface] = frozenset({"ai-gateway", "model-serving"})
_GATEWAY: frozenset[Surface] = frozenset({"ai-gateway"})
_SERVING: frozenset[Surface] = frozenset({"model-serving"})
_RESPONSES: frozenset[Api] = frozenset({"responses"})
_ALL: frozenset[Family] = frozenset()
_GPT_AND_CLAUDE: frozenset[Family] = frozenset({"gpt", "claude"})
_GPT_AND_AGENT: frozenset[Family] = frozenset({"gpt", "agent"})
_CAPPED: frozenset[Family] = frozenset({"gpt", *OPEN_FAMILIES})
_MOST_TOOLS = 32


def _long_ids(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    return too_long_id(body)


def _output_only_fields(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    for at, item in enumerate(entries(body, "input")):
        for key, value in item.items() if is_object(item) else ():
            if key == "status" or value is None:
                where = f"input[{at}].{key}"
                return bad_request(f"Unknown parameter: '{where}'.", where, "unknown_parameter")
    return None


def _stateless(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    if body.get("previous_response_id") is None:
        return None
    return bad_request("Unknown parameter: 'previous_response_id'.", "previous_response_id", "unknown_parameter")


def _object_root(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    for at, tool in enumerate(entries(body, "tools")):
        schema = tool.get("parameters")
        if is_object(schema) and schema.get("type") != "object":
            return bad_request(
                f"Invalid schema for function '{tool.get('name')}': schema must be a JSON Schema of 'type: \"object\"', "
                "got 'type: \"None\"'.",
                f"tools[{at}].parameters",
                "invalid_function_parameters",
            )
    return None


def _tools_cap(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    count = len(entries(body, "tools"))
    if count <= _MOST_TOOLS:
        return None
    return bad_request(
        f"Invalid 'tools': array too long. Expected an array with maximum length {_MOST_TOOLS}, but got an array with "
        f"length {count} instead.",
        "tools",
        "array_above_max_length",
    )


def _schema_limits(body: dict[str, Any], situation: Situation) -> Refused | None:
    del situation
    return beyond_limits(body)


RULES: tuple[Rule, ...] = (
    # Such ids (docs/wire/quirks.md#resp-id-64) are refused, and sent all the same
    Rule("resp-id-64", _BOTH, _ALL, _RESPONSES, check=_long_ids),
    # docs/wire/quirks.md#resp-output-only-fields
    Rule("resp-output-only-fields", _BOTH, _GPT_AND_AGENT, _RESPONSES, check=_output_only_fields),
    # docs/wire/quirks.md#resp-stateless
    Rule("resp-stateless", _BOTH, _ALL, _RESPONSES, check=_stateless),
    # docs/wire/quirks.md#schema-object-root
    Rule("schema-object-root", _BOTH, _ALL, _RESPONSES, check=_object_root),
    # docs/wire/quirks.md#schema-limits
    Rule("schema-limits", _BOTH, _GPT_AND_CLAUDE, _RESPONSES, check=_schema_limits),
    # docs/wire/quirks.md#tools-cap-32
    Rule("tools-cap-32", _SERVING, _CAPPED, _RESPONSES, check=_tools_cap),
    # docs/wire/quirks.md#resp-sse-id-mismatch
    Rule("resp-sse-id-mismatch", _GATEWAY, _ALL, _RESPONSES, kind="oddity"),
)
