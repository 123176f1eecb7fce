"""The JSON Schema of a class: a pydantic model of either version, or a TypedDict."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable
from typing import Annotated, Any, Final, ForwardRef, Literal, NotRequired, Required, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model
from pydantic.v1 import BaseModel as OldBaseModel
from typing_extensions import ReadOnly, get_type_hints, is_typeddict

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_schema import drop_keywords, inline_refs
from dbx_gateway.json_values import object_or_empty

__all__ = ["is_form", "schema_of_arguments", "schema_of_class", "untitled"]

_SECTION: Final = re.compile(r"^[ \t]*Args:[ \t]*$", re.MULTILINE)
_ARGUMENT: Final = re.compile(r"^(?P<indent>[ \t]*)(?P<name>\w+)(?:\s*\([^)\n]*\))?:\s*(?P<text>\S.*)$")


def is_form(value: object) -> bool:
    """Whether ``value`` is a class of which :func:`schema_of_class` makes a schema: a pydantic model or a TypedDict."""
    return isinstance(value, type) and (is_typeddict(value) or issubclass(value, BaseModel | OldBaseModel))


def schema_of_class(form: type) -> JsonObject:
    """Return the JSON Schema of the objects of ``form``, with its name as title and its docstring as description.

    References are written out, but for those to classes that contain themselves: these stand under ``$defs``. A key of
    a TypedDict is required unless it is ``NotRequired`` or ``total=False`` says so; ``Annotated[type, default, text]``
    gives a key a default (``...`` for none) and a description, and so does an ``Args:`` section of the docstring.

    Raises:
        PydanticUserError: a field's type has no JSON Schema.
        TypeError: the class is none of these.
    """
    if is_typeddict(form):
        schema: dict[str, JsonValue] = _Models().of(form).model_json_schema()
    elif issubclass(form, BaseModel):
        schema = form.model_json_schema()
    elif issubclass(form, OldBaseModel):
        schema = form.schema()
    else:
        msg = f"{form!r} is neither a pydantic model nor a TypedDict"
        raise TypeError(msg)
    return inline_refs(object_or_empty(schema), keep_cycles=True)


_OF_ARGUMENTS: Final = frozenset({"$defs", "additionalProperties", "properties", "required", "type"})


def schema_of_arguments(form: type) -> JsonObject:
    """Return what the schema of a class says about the arguments of a tool: without its name, description and examples.

    Raises:
        PydanticUserError: a field's type has no JSON Schema.
        TypeError: the class is none of those that :func:`schema_of_class` takes.
    """
    return {key: value for key, value in schema_of_class(form).items() if key in _OF_ARGUMENTS}


def untitled(schema: JsonObject) -> JsonObject:
    """Return ``schema`` without the titles that pydantic gives to everything, which tell a model nothing."""
    return drop_keywords(schema, ("title",))


class _Models:
    """Makes pydantic models of TypedDicts, and of those in the types of their keys."""

    def __init__(self) -> None:
        self._made: dict[type, type[BaseModel]] = {}
        self._begun: dict[type, str] = {}

    def of(self, form: type) -> type[BaseModel]:
        """Return the model of a TypedDict."""
        model = self._model(form)
        names = {name: self._made[one] for one, name in self._begun.items()}
        for made in self._made.values():
            made.model_rebuild(force=True, _types_namespace=names)
        return model

    def _model(self, form: type) -> type[BaseModel]:
        name = self._begun[form] = f"{form.__name__}_{len(self._begun)}" if self._begun else form.__name__
        about, texts = _described(form)
        required: list[str] = []
        # Of names of their own: some keys, such as `model_config`, are none that a model can have.
        fields: dict[str, Any] = {}
        for number, (key, hint) in enumerate(get_type_hints(form, include_extras=True).items()):
            kind, default, text, is_required = _key(hint, required=key in form.__required_keys__)  # type: ignore[attr-defined]  # of a TypedDict
            fields[f"field_{number}"] = (
                self._with_models(kind),
                _field(key, default, text or texts.get(key)),
            )
            if is_required:
                required.append(key)
        made: type[BaseModel] = create_model(
            name, __config__=ConfigDict(title=form.__name__, json_schema_extra=_requiring(required)), **fields
        )
        made.__doc__ = about
        self._made[form] = made
        return made

    def _with_models(self, hint: Any) -> Any:
        """Return a type with models in the place of TypedDicts; one that is being made is referred to by its name."""
        if is_typeddict(hint):
            if hint in self._made:
                return self._made[hint]
            return ForwardRef(self._begun[hint]) if hint in self._begun else self._model(hint)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is None or origin is Literal or not arguments:
            return hint
        if origin is Annotated:
            return Annotated[self._with_models(arguments[0]), *arguments[1:]]
        replaced = tuple(self._with_models(one) for one in arguments)
        if origin in (Union, types.UnionType):
            return Union[replaced]  # noqa: UP007  # of types found at run time
        return hint if replaced == arguments else origin[replaced]


def _field(key: str, default: Any, text: str | None) -> Any:
    return Field(default, alias=key) if text is None else Field(default, alias=key, description=text)


def _key(hint: Any, *, required: bool) -> tuple[Any, Any, str | None, bool]:
    """Return a key's type, its default (``...`` for none), its description, and whether it must be there."""
    while get_origin(hint) in (Required, NotRequired, ReadOnly):
        required = {Required: True, NotRequired: False}.get(get_origin(hint), required)
        (hint,) = get_args(hint)
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        match notes:
            case [default, str(text)]:
                return inner, default, text, required and default is ...
            case _:
                pass
    return hint, ..., None, required


def _requiring(names: list[str]) -> Callable[[dict[str, Any]], None]:
    """Return what puts the list of required keys into a schema."""

    def require(schema: dict[str, Any]) -> None:
        schema.pop("required", None)
        if names:
            schema["required"] = names

    return require


def _described(form: type) -> tuple[str | None, dict[str, str]]:
    """Return the docstring of a class without its ``Args:`` section, and the texts of that section."""
    text = inspect.getdoc(form) if form.__doc__ else None
    if text is None:
        return None, {}
    before, *sections = _SECTION.split(text, maxsplit=1)
    texts: dict[str, str] = {}
    latest, indent = "", ""
    for line in sections[0].splitlines() if sections else []:
        found = _ARGUMENT.match(line)
        if found is not None and (not latest or len(found["indent"]) <= len(indent)):
            latest, indent = found["name"], found["indent"]
            texts[latest] = found["text"].strip()
        elif not line.strip() or not line.startswith((" ", "\t")):
            if latest:
                break
        elif latest:
            texts[latest] += f" {line.strip()}"
    return before.strip() or None, texts
