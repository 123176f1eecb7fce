"""LlamaIndex's tools as the core's, and the calls of an answer that may be executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool, ToolMetadata
from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from dbx_gateway.adapters.part_facts import MessageFacts
from dbx_gateway.adapters.vendor_forms import schema_tool, tool_of
from dbx_gateway.chat import ToolCall, ToolSpec
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.schemas.from_classes import schema_of_arguments, schema_of_class
from llama_index_dbx_gateway.messages import listed_calls

__all__ = ["described", "executable_calls", "finish_reason", "schema_of", "specs_of"]


def described(tool: Any) -> dict[str, Any]:
    """Return a tool as a plain object, which is what a call's arguments and its traces hold.

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
    return schema_tool({**_parameters(about), "title": about.get_name(), "description": about.description})


def schema_of(output_cls: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a class whose objects are to be answers.

    Raises:
        InvalidRequestError: it has none.
    """
    try:
        return schema_of_class(output_cls)
    except PydanticUserError as error:
        raise InvalidRequestError(
            f"{output_cls.__name__} has no JSON schema ({error.message}); change the types of its fields"
        ) from None


def _parameters(about: ToolMetadata) -> dict[str, Any]:
    try:
        if about.fn_schema is None:
            return about.get_parameters_dict()
        return schema_of_arguments(about.fn_schema)
    except PydanticUserError as error:
        raise InvalidRequestError(
            f"the arguments of tool {about.get_name()!r} have no JSON schema ({error.message}); change their types, or "
            "give the tool an fn_schema that has one"
        ) from None


def specs_of(tools: Sequence[Any] | None) -> tuple[ToolSpec, ...]:
    """Return tools as the core's: LlamaIndex tools, and tools in the forms of the vendors' apis.

    Raises:
        InvalidRequestError: one of them is of no such form.
    """
    return tuple(tool if isinstance(tool, ToolSpec) else _spec(described(tool)) for tool in tools or ())


def _spec(tool: Mapping[str, Any]) -> ToolSpec:
    spec = tool_of(tool)
    if spec is None:
        raise InvalidRequestError(
            f"a tool with the fields {sorted(tool)} is none that a model accepts; make one with FunctionTool.from_defaults(...)"
        )
    return spec


def executable_calls(message: ChatMessage) -> tuple[list[ToolSelection], int]:
    """Return the tool calls of an answer that may be executed, and how many others it holds.

    Others are those of an answer that is still streaming or was cut, and those whose arguments are not one JSON object.
    """
    withheld = MessageFacts.beside(message.additional_kwargs).withheld
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    listed = [(block.tool_call_id or block.tool_name, block.tool_name, block.tool_kwargs) for block in blocks]
    listed = listed or [(call.call_id, call.name, call.arguments) for call in listed_calls(message)]
    found = [
        ToolSelection(tool_id=call_id, tool_name=name, tool_kwargs=arguments)
        for call_id, name, raw_arguments in listed
        if call_id not in withheld and name.strip() and (arguments := _arguments(raw_arguments)) is not None
    ]
    return found, len(listed) - len(found)


def finish_reason(response: ChatResponse) -> str | None:
    """Return why the answer of this client ended; None for one that is still streaming, or is another's."""
    choices = response.raw.get("choices") if isinstance(response.raw, dict) else None
    reason = choices[0].get("finish_reason") if choices else None
    return str(reason) if reason else None


def _arguments(raw: dict[str, Any] | str) -> dict[str, Any] | None:
    """Return a call's arguments as an object; None where they are not one."""
    if isinstance(raw, dict):
        return dict(raw)
    try:
        return dict(ToolCall(call_id="", name="", arguments=raw).parsed())
    except ValueError:
        return None
