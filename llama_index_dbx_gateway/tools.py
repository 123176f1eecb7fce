"""LlamaIndex's tools as the core's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.tools.types import BaseTool, ToolMetadata
from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from dbx_gateway.chat import ToolSpec
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.vendor_forms import tool_of

__all__ = ["described", "schema_of", "specs_of"]


def described(tool: Any) -> dict[str, Any]:
    """Return a tool as a plain object, as it goes into a call's arguments and so into its traces.

    The name is the tool's own, whatever its characters: the core maps it for the wire and back.

    Raises:
        InvalidRequestError: its arguments have no JSON schema, or it is no tool.
    """
    if isinstance(tool, Mapping):
        return dict(tool)
    if not isinstance(tool, BaseTool):
        raise InvalidRequestError(
            f"{tool!r} is not a tool; make one with FunctionTool.from_defaults(...), or give the api's own object"
        )
    about = tool.metadata
    function = {"name": about.get_name(), "description": about.description, "parameters": _parameters(about)}
    return {"type": "function", "function": function}


def schema_of(output_cls: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a class whose objects are to be answers.

    Raises:
        InvalidRequestError: it has none.
    """
    try:
        return output_cls.model_json_schema()
    except PydanticInvalidForJsonSchema as error:
        raise InvalidRequestError(
            f"{output_cls.__name__} has no JSON schema ({error.message}); change the types of its fields"
        ) from None


def _parameters(about: ToolMetadata) -> dict[str, Any]:
    try:
        return about.get_parameters_dict()
    except PydanticInvalidForJsonSchema as error:
        raise InvalidRequestError(
            f"the arguments of tool {about.get_name()!r} have no JSON schema ({error.message}); change their types, or "
            "give the tool an fn_schema that has one"
        ) from None


def specs_of(tools: Sequence[Any] | None) -> tuple[ToolSpec, ...]:
    """Return tools as the core's: LlamaIndex tools, and tools as the vendors' apis have them.

    Raises:
        InvalidRequestError: one is none of these.
    """
    return tuple(tool if isinstance(tool, ToolSpec) else _spec(described(tool)) for tool in tools or ())


def _spec(tool: Mapping[str, Any]) -> ToolSpec:
    spec = tool_of(tool)
    if spec is None:
        raise InvalidRequestError(
            f"a tool with the fields {sorted(tool)} is none that a model takes; make one with FunctionTool.from_defaults(...)"
        )
    return spec
