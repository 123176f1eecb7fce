"""Tools, tool choice and answer formats in LangChain's spellings, as the core's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from dbx_gateway.chat import CacheHint, OutputFormat, ToolChoice, ToolSpec
from dbx_gateway.errors import InvalidRequestError, unknown_name

__all__ = ["choice_of", "described", "format_of", "specs_of"]


def described(tool: Any, strict: bool | None = None) -> dict[str, Any]:  # noqa: FBT001  # LangChain's own argument
    """Return a tool as a plain object that can be bound: a function, or a server-side tool as it is given."""
    if isinstance(tool, Mapping) and "type" in tool and tool["type"] != "function" and "input_schema" not in tool:
        return dict(tool)
    told = dict(convert_to_openai_tool(tool, strict=strict))
    extras = tool.extras if isinstance(tool, BaseTool) else None
    return told | ({"extras": dict(extras)} if extras else {})


def specs_of(tools: Sequence[Any] | None) -> tuple[ToolSpec, ...]:
    """Return bound tools as the core's."""
    return tuple(_spec(tool if isinstance(tool, Mapping) else described(tool)) for tool in tools or ())


def _spec(tool: Mapping[str, Any]) -> ToolSpec:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        name = tool.get("name") or tool.get("type") or next(iter(tool), "")
        return ToolSpec(name=str(name), native=dict(tool))
    extras = dict(tool.get("extras") or {})
    control = extras.pop("cache_control", None)
    return ToolSpec(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {},
        strict=function.get("strict"),
        cache=CacheHint(control.get("ttl")) if isinstance(control, Mapping) else None,
        extras=extras,
    )


def choice_of(choice: Any, names: Sequence[str]) -> ToolChoice | None:
    """Return a tool choice in any of its spellings as the core's; None leaves the choice to the model.

    Args:
        choice: a word, a tool's name, a boolean, or the object of the OpenAI, Anthropic or Gemini api.
        names: of the tools on offer.

    Raises:
        InvalidRequestError: it names no tool on offer, or is of no known form.
    """
    match choice:
        case None | False:
            return None
        case "auto":
            return ToolChoice("auto")
        case "none":
            return ToolChoice("none")
        case "any" | "required" | True:
            return ToolChoice("required")
        case str():
            return _forced(choice, names)
        case Mapping():
            return _of_object(choice, names)
        case _:
            raise InvalidRequestError(f"tool_choice is {choice!r}; give 'auto', 'any', 'none' or a tool's name")


def _of_object(choice: Mapping[str, Any], names: Sequence[str]) -> ToolChoice | None:
    match choice:
        case {"type": "function", "function": {"name": str(name)}} | {"type": "tool" | "function", "name": str(name)}:
            return _forced(name, names)
        case {"type": "auto" | "any" | "none" | "required" as word}:
            return choice_of(word, names)
        case {"function_calling_config": {"mode": str(mode)} as config}:
            allowed = config.get("allowed_function_names") or ()
            forced = ToolChoice("required", tuple(_forced(name, names).names[0] for name in allowed))
            return forced if mode.lower() == "any" else choice_of(mode.lower(), names)
        case {"name": str(name)} | {"function": {"name": str(name)}}:
            return _forced(name, names)
        case _:
            raise InvalidRequestError(f"tool_choice is {dict(choice)!r}; give 'auto', 'any', 'none' or a tool's name")


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
        case None | {"type": "text"}:
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
