"""Tools, tool choice and answer formats as LlamaIndex users write them, as the core's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.tools.types import BaseTool

from dbx_gateway.chat import OutputFormat, ToolChoice, ToolSpec
from dbx_gateway.errors import InvalidRequestError, unknown_name

__all__ = ["choice_of", "described", "format_of", "specs_of"]


def described(tool: Any) -> dict[str, Any]:
    """Return a tool as a plain object, as it goes into a call's arguments and so into its traces.

    The name is the tool's own, whatever its characters: the core maps it for the wire and back.
    """
    if not isinstance(tool, BaseTool):
        return dict(tool)
    about = tool.metadata
    function = {
        "name": about.get_name(),
        "description": about.description,
        "parameters": about.get_parameters_dict(),
    }
    return {"type": "function", "function": function}


def specs_of(tools: Sequence[Any] | None) -> tuple[ToolSpec, ...]:
    """Return tools as the core's: LlamaIndex tools, OpenAI tool objects, or server-side tools as given."""
    return tuple(tool if isinstance(tool, ToolSpec) else _spec(described(tool)) for tool in tools or ())


def _spec(tool: Mapping[str, Any]) -> ToolSpec:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        name = tool.get("name") or tool.get("type") or next(iter(tool), "")
        return ToolSpec(name=str(name), native=dict(tool))
    return ToolSpec(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {},
        strict=function.get("strict"),
    )


def choice_of(choice: Any, names: Sequence[str]) -> ToolChoice | None:
    """Return a tool choice as the core's; None leaves the choice to the model.

    Args:
        choice: ``auto``, ``none``, ``any``, ``required``, a tool's name, or an object that names one.
        names: of the tools on offer.

    Raises:
        InvalidRequestError: it names no tool on offer, or is of no known form.
    """
    match choice:
        case None | ToolChoice():
            return choice
        case "auto" | "none":
            return ToolChoice(choice)
        case "any" | "required":
            return ToolChoice("required")
        case str():
            return _forced(choice, names)
        case {"function": {"name": str(name)}} | {"name": str(name)}:
            return _forced(name, names)
        case {"type": "auto" | "none" | "any" | "required" as word}:
            return choice_of(word, names)
        case _:
            raise InvalidRequestError(
                f"tool_choice is {choice!r}; give 'auto', 'required', 'none' or the name of a tool"
            )


def _forced(name: str, names: Sequence[str]) -> ToolChoice:
    if name not in names:
        raise InvalidRequestError(f"tool_choice: {unknown_name('tool', name, names)}")
    return ToolChoice("required", (name,))


def format_of(response_format: Any) -> OutputFormat | None:
    """Return a ``response_format`` as the core's.

    Raises:
        InvalidRequestError: it is of no known form.
    """
    match response_format:
        case None | OutputFormat():
            return response_format
        case {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return OutputFormat(kind="json")
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)} as named}:
            return OutputFormat(
                kind="json_schema",
                schema=schema,
                name=named.get("name") or schema.get("title") or "answer",
                description=named.get("description"),
                strict=named.get("strict"),
            )
        case _:
            raise InvalidRequestError(
                "response_format takes {'type': 'json_object'} or {'type': 'json_schema', 'json_schema': {...}}"
            )
