"""Tools and answer formats in LangChain's spellings, as the core's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from langchain_core.tools import BaseTool, create_schema_from_function
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from dbx_gateway.adapters.vendor_forms import cache_mark_of, format_of, is_format, schema_format, tool_of
from dbx_gateway.chat import OutputFormat, ToolSpec
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.schemas.from_classes import is_form, schema_of_class, untitled

__all__ = [
    "ClassFormat",
    "Tool",
    "class_of",
    "described",
    "described_format",
    "output_of",
    "schema_of",
    "specs_of",
]

Tool: TypeAlias = dict[str, Any] | type | Callable[..., Any] | BaseTool

_OWN_DEFINITION: Final = "provider_tool_definition"
"""Key in a tool's ``extras`` that holds the complete tool in an api's form (a convention of LangChain's)."""

_SCHEMA_KEYS: Final = frozenset({"parameters", "properties", "type"})
"""Keys that mark an object as the description of a function, or as a schema, for LangChain."""

_FUNCTION_KEYS: Final = frozenset({"parameters", "toolSpec"})
"""Keys that mark an object as the description of a function, whose parameters are then the schema."""


def described(tool: Any, strict: bool | None = None) -> dict[str, Any]:  # noqa: FBT001  # LangChain's own argument
    """Return a tool as a plain object that can be bound.

    A tool in the form of an api is not changed; that includes tools that the server runs itself.

    Args:
        tool: a LangChain tool, a function, a class, a JSON schema with a title, or the object of an api.
        strict: have the server hold the model to the tool's schema.

    Raises:
        InvalidRequestError: it is none of these; the message names the tool.
    """
    if isinstance(tool, Mapping) and (spec := tool_of(tool)) is not None:
        if strict is None or spec.native is not None or spec.custom:
            return dict(tool)
        return _with_strict(tool, spec, strict=strict)
    if isinstance(tool, Mapping) and not tool.keys() & _SCHEMA_KEYS:
        raise InvalidRequestError(
            f"{_name_of(tool)} has no schema; give it one under 'parameters', of an object without properties where it "
            "takes none"
        )
    extras = dict(tool.extras or {}) if isinstance(tool, BaseTool) else {}
    if _OWN_DEFINITION in extras:
        return dict(extras[_OWN_DEFINITION])
    try:
        made = _converted(tool, strict)
    except Exception as error:
        raise InvalidRequestError(
            f"{_name_of(tool)} is no tool that a model can be offered ({_reason(error)}); give a LangChain tool, a function "
            "with annotations, a class, or the object of an api"
        ) from error
    return {**extras, **made}


def _converted(tool: Any, strict: bool | None) -> dict[str, Any]:  # noqa: FBT001  # LangChain's own argument
    """Return a tool in the form LangChain gives it, with the core's schema of its arguments.

    LangChain writes references out, and cuts a class that contains itself off; its own form of a TypedDict knows no
    ``NotRequired``.
    """
    if is_form(tool):
        schema = schema_of_class(tool)
        about = {"name": schema.get("title", tool.__name__), "description": schema.get("description", "")}
    elif isinstance(tool, BaseTool) and tool.args_schema is not None and not _is_free_text(tool):
        form = tool.tool_call_schema
        schema = dict(form) if isinstance(form, dict) else schema_of_class(form)
        about = {"name": tool.name, "description": tool.description}
    elif inspect.isfunction(tool) or inspect.ismethod(tool):
        about = convert_to_openai_tool(tool)["function"]
        schema = schema_of_class(_arguments_of(about["name"], tool))
    else:
        return convert_to_openai_tool(tool, strict=strict)
    fields = {key: value for key, value in untitled(schema).items() if key != "description"}
    held = {} if strict is None else {"strict": strict}
    return {"type": "function", "function": {**about, "parameters": fields, **held}}


def _is_free_text(tool: BaseTool) -> bool:
    """Whether a tool takes one free text, as the OpenAI apis call ``custom`` (a convention of LangChain's)."""
    return (tool.metadata or {}).get("type") == "custom_tool"


def _arguments_of(name: str, function: Callable[..., Any]) -> type:
    return create_schema_from_function(
        name, function, filter_args=(), parse_docstring=True, error_on_invalid_docstring=False, include_injected=False
    )


def _with_strict(tool: Mapping[str, Any], spec: ToolSpec, *, strict: bool) -> dict[str, Any]:
    """Return a tool in an api's form as one whose schema the server holds the model to."""
    plain = {"name": spec.name, "description": spec.description, "parameters": spec.parameters}
    return {**spec.extras, **cache_mark_of(tool), **convert_to_openai_tool(plain, strict=strict)}


def _name_of(tool: Any) -> str:
    name = tool.get("name") if isinstance(tool, Mapping) else getattr(tool, "name", getattr(tool, "__name__", None))
    return f"the tool {name!r}" if name else f"a tool of type {type(tool).__name__} without a name"


def _reason(error: Exception) -> str:
    """Return the first line of an error: what follows repeats the caller's object."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def specs_of(tools: Sequence[Any] | None) -> tuple[ToolSpec, ...]:
    """Return bound tools as the core's.

    Raises:
        InvalidRequestError: one of them is no tool.
    """
    return tuple(_spec(tool if isinstance(tool, Mapping) else described(tool)) for tool in tools or ())


def _spec(tool: Mapping[str, Any]) -> ToolSpec:
    spec = tool_of(tool) or tool_of(described(tool))
    if spec is None or not spec.name.strip():
        raise InvalidRequestError(f"{_name_of(tool)} has no name or no schema; give each tool both")
    return spec


class ClassFormat(dict[str, Any]):
    """A ``response_format`` made of a class, as a plain object that can be bound.

    Args:
        plain: the object.
        form: the class whose objects answers are to be.
    """

    def __init__(self, plain: Mapping[str, Any], form: Any) -> None:
        super().__init__(plain)
        self.form = form

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (dict(self), self.form))


def class_of(response_format: Any) -> Any:
    """Return the class whose objects answers with this ``response_format`` are to be; None where it is of none."""
    form = response_format.form if isinstance(response_format, ClassFormat) else response_format
    return form if is_basemodel_subclass(form) else None


def described_format(response_format: Any, strict: bool | None = None) -> Any:  # noqa: FBT001  # LangChain's own argument
    """Return a ``response_format`` as a plain object that can be bound.

    Args:
        response_format: the object of an api, a class, or a JSON schema.
        strict: have the server hold the model to it.

    Raises:
        InvalidRequestError: it is no form that an answer can have.
    """
    if response_format is None or (isinstance(response_format, Mapping) and is_format(response_format)):
        format_of(response_format)
        return response_format
    plain = schema_format(schema_of(response_format, strict), strict)
    return plain if (form := class_of(response_format)) is None else ClassFormat(plain, form)


def schema_of(form: Any, strict: bool | None = None) -> dict[str, Any]:  # noqa: FBT001  # LangChain's own argument
    """Return the JSON schema of a class, or of a schema in another form.

    Raises:
        InvalidRequestError: there is none, or it is one that no answer can have.
    """
    try:
        titled = _titled(form)
        if is_form(form):
            schema = _form_schema(form)
        else:
            schema = titled if _names_no_fields(titled) else convert_to_json_schema(titled, strict=strict)
    except Exception as error:
        name = getattr(form, "__name__", None) or f"a {type(form).__name__}"
        raise InvalidRequestError(
            f"{name} is no form for an answer ({_reason(error)}); give a pydantic class, a TypedDict or a JSON schema with "
            "properties"
        ) from error
    if schema.get("type", "object") != "object":
        raise InvalidRequestError(
            f"the schema {schema.get('title')!r} is of type {schema['type']!r}, and an answer is always an object; put it "
            "into a field of one"
        )
    return schema


def _form_schema(form: type) -> dict[str, Any]:
    schema = schema_of_class(form)
    named = {"title": schema.get("title", form.__name__)}
    described = {"description": schema["description"]} if "description" in schema else {}
    return {**named, **described, **untitled(schema)}


def _titled(form: Any) -> Any:
    """Return a JSON schema with a title, which LangChain's conversion requires; anything else as it is.

    A ``name`` in a schema becomes its title, and so does the one around a schema in OpenAI's ``{"name", "schema"}``:
    LangChain would take the schema of a named object for a description of a function, and lose it.
    """
    if not isinstance(form, Mapping) or form.keys() & _FUNCTION_KEYS or tool_of(form) is not None:
        return form
    named = {"title": str(form["name"])} if "name" in form else {}
    inner = form.get("schema")
    schema = inner if named and isinstance(inner, Mapping) else form
    return {"title": "answer", **{key: value for key, value in schema.items() if key != "name"}, **named}


def _names_no_fields(form: Any) -> bool:
    """Whether a form is a JSON schema that names no fields, which LangChain's conversion would lose."""
    return isinstance(form, Mapping) and not form.keys() & {"properties", *_FUNCTION_KEYS} and tool_of(form) is None


def output_of(response_format: Any) -> OutputFormat | None:
    """Return a ``response_format`` as the core's.

    Raises:
        InvalidRequestError: it is of no known form.
    """
    return format_of(described_format(response_format))
