"""The marker that each setting carries: what may become of its value.

Whether pickles, reprs, traces, caches and single calls get at a setting is read from its marker, nowhere else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import cleandoc
from typing import Any, Final, TypeVar

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

__all__ = ["Setting", "documented", "names_of", "setting", "settings_of"]

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What may become of a setting's value. The defaults are those of a credential: it goes nowhere.

    Args:
        shown: it stands in reprs, dumps, traces and serialised forms.
        pickled: pickles hold it. What they leave out has to be given again, and is named in ``lost`` until then.
        per_call: one call may change it.
        in_cache_key: caches do not take the answer of a model for that of one that differs in it. Of a value that is not
            shown, the key has a fingerprint.
        shared: it may be an object of this process, which copies share and no pickle holds.
        credential: one of these is enough to sign in.
        says_where: beside it, the pair DBX_GATEWAY_API_URL and DBX_GATEWAY_API_KEY of the environment is not used.
        aliases: other names under which users of the frameworks know it.
        variable: the environment variable that holds its default.
        elsewhere: variables that are read where its value is needed and not given: when signing in, for example.
    """

    shown: bool = False
    pickled: bool = False
    per_call: bool = False
    in_cache_key: bool = False
    shared: bool = False
    credential: bool = False
    says_where: bool = False
    aliases: tuple[str, ...] = ()
    variable: str | None = None
    elsewhere: tuple[str, ...] = ()

    def __call__(self, schema: JsonDict) -> None:
        """Mark the field in the JSON schema of its class: what is not shown is written only."""
        if not self.shown:
            schema["writeOnly"] = True

    @property
    def is_secret_text(self) -> bool:
        """Whether its value, where it is a text, proves who asks."""
        return not self.shown and not self.shared


def setting(
    kind: Setting,
    default: Any = None,
    *,
    aliases: tuple[str, ...] = (),
    variable: str | None = None,
    elsewhere: tuple[str, ...] = (),
    **more: Any,
) -> Any:
    """Return a field of a pydantic class that is a setting.

    Args:
        kind: what may become of its value.
        default: its value where none is given.
        aliases: other names for it.
        variable: the environment variable that holds its default.
        elsewhere: variables that are read where its value is needed and not given.
        **more: further arguments of ``pydantic.Field``, for example ``ge=0``, or ``default_factory``.
    """
    marker = replace(kind, aliases=aliases, variable=variable, elsewhere=elsewhere)
    arguments: dict[str, Any] = {"repr": marker.shown, "exclude": None if marker.shown else True, **more}
    if "default_factory" not in more:
        arguments["default"] = default
    # Not as metadata of the type: every signature that help() and notebooks show would have the marker in it.
    return Field(**arguments, json_schema_extra=marker)


def settings_of(kind: type[BaseModel]) -> dict[str, Setting]:
    """Return the markers of the settings among the fields of a class, by their names."""
    markers = ((name, field.json_schema_extra) for name, field in kind.model_fields.items())
    return {name: marker for name, marker in markers if isinstance(marker, Setting)}


def names_of(kind: type[BaseModel], wanted: Callable[[Setting], bool]) -> tuple[str, ...]:
    """Return the names of the settings of a class whose markers ``wanted`` is true of, in the order of the fields."""
    return tuple(name for name, marker in settings_of(kind).items() if wanted(marker))


_FIELD_OR_TEXT: Final = re.compile(r'^    (\w+): |^    """(.*?)"""', re.MULTILINE | re.DOTALL)
_END_OF_CLASS: Final = re.compile(r"^\S", re.MULTILINE)


def documented(kind: type[M]) -> type[M]:
    """Give each field of a class the text under it as its description, and the class's docstring a list of its fields.

    A decorator. IDEs show such a text where a field is used, ``help()`` shows the docstring. What is described already
    stays; where a program is run without its source, fields have no description.
    """
    # pydantic's own use_attribute_docstrings does this too, but takes 20 ms of every import.
    texts = _texts_in(kind)
    fields = kind.__pydantic_fields__
    for name, field in fields.items():
        if field.description is None:
            field.description = texts.get(name)
    lines = [f"    {name}: {field.description}" for name, field in fields.items() if field.description]
    if kind.__doc__ and lines:
        kind.__doc__ = "\n".join([cleandoc(kind.__doc__), "", "Fields:", *lines])
    return kind


def _texts_in(kind: type[BaseModel]) -> dict[str, str]:
    """Return the texts under the fields of a class, as its module spells them."""
    loader: Any = getattr(sys.modules[kind.__module__], "__loader__", None)
    read: Callable[[str], str | None] | None = getattr(loader, "get_source", None)
    source = (read(kind.__module__) if read is not None else None) or ""
    _, _, rest = source.partition(f"\nclass {kind.__name__}(")
    end = _END_OF_CLASS.search(rest, 1)
    body = rest[: end.start()] if end is not None else rest
    texts: dict[str, str] = {}
    name: str | None = None
    for found in _FIELD_OR_TEXT.finditer(body):
        if found[1] is not None:
            name = found[1]
        elif name is not None:
            texts[name] = " ".join(found[2].split())
            name = None
    return texts
