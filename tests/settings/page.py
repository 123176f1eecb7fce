"""docs/settings.md, rendered from the fields of the settings. Run as a script in ``tests``, this writes the page anew:
``python -m settings.page``."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from inspect import get_annotations
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from settings.places import APIS, EXAMPLES, place_in_words

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.foreign_settings import FOREIGN_SETTINGS
from dbx_gateway.markers import Setting, settings_of
from dbx_gateway.settings import ALIASES, Settings, SettingsFields, canonical_names
from langchain_dbx_gateway import ChatDbxGateway, DbxGatewayEmbeddings
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"

FRONT_ENDS: tuple[type[BaseModel], ...] = (ChatDbxGateway, DbxGatewayEmbeddings, DbxGateway, DbxGatewayEmbedding)
FIELDS = SettingsFields.model_fields
MARKERS: Mapping[str, Setting] = settings_of(SettingsFields)

GROUPS = (
    "Where requests go, and who asks",
    "What is asked",
    "How long an answer is waited for",
    "What requests are sent with",
)


def group_of(marker: Setting) -> str:
    """The heading under which a setting stands."""
    if marker.says_where:
        return GROUPS[0]
    if marker.in_cache_key:
        return GROUPS[1]
    return GROUPS[3] if marker.shared else GROUPS[2]


def rendered() -> str:
    """All of the page but its introduction."""
    parts = [section(group, [name for name, one in MARKERS.items() if group_of(one) == group]) for group in GROUPS]
    return "\n".join([*parts, places_section(), marks_section(), own_fields_section(), foreign_section()])


def section(head: str, names: Iterable[str]) -> str:
    """One group of settings."""
    rows = (
        (
            f"`{name}`",
            other_names(name),
            f"`{annotation_of(name)}`",
            default_of(FIELDS[name]),
            ", ".join(f"`{variable}`" for variable in variables_of(MARKERS[name])),
            FIELDS[name].description,
        )
        for name in names
    )
    return f"## {head}\n\n" + table(("setting", "other names", "type", "default", "environment", "what it does"), rows)


def variables_of(marker: Setting) -> tuple[str, ...]:
    """The environment variables that a setting is read from."""
    return marker.elsewhere if marker.variable is None else (marker.variable, *marker.elsewhere)


def other_names(name: str) -> str:
    """The other names of a setting, each with the front ends that do not know it."""
    names = [alias for alias, proper in ALIASES.items() if proper == name]
    given = ("https://workspace.example.com", "https://workspace.example.com/some/path")
    if name in {next(iter(canonical_names({"base_url": url}, FIELDS))) for url in given}:
        names.append("base_url")
    return ", ".join(f"`{alias}`{_not_for(alias, name)}" for alias in names)


def _not_for(alias: str, name: str) -> str:
    without = [kind.__name__ for kind in (Settings, *FRONT_ENDS) if not _knows(kind, alias, name)]
    return f" (not {', '.join(without)})" if without else ""


def _knows(kind: type[BaseModel], alias: str, name: str) -> bool:
    values: dict[str, Any] = {"host": "https://w.example.com", "endpoint_url": "https://w.example.com/some/path"}
    value = values.get(name, EXAMPLES.get(name, "a-text"))
    fields = {alias: value} | ({} if name == "model" else {"model": "m"})
    try:
        made = Settings.of(fields) if kind is Settings else kind(**fields)
    except ConfigurationError:
        return False
    return getattr(made, name) == getattr(Settings.of({"model": "m"} | {name: value}), name)


def annotation_of(name: str, kind: type[BaseModel] = SettingsFields) -> str:
    """The type of a field, as the source has it."""
    notes = [get_annotations(one) for one in kind.__mro__]
    return next(str(found[name]) for found in notes if name in found)


def default_of(field: Any) -> str:
    """The default of a field."""
    value = field.get_default(call_default_factory=True)
    return "" if value is None else f"`{value!r}`"


def places_section() -> str:
    """Where the settings of a call go in a request."""
    shown = [name for name in EXAMPLES if MARKERS[name].in_cache_key]
    rows = ((f"`{name}`", f"`{EXAMPLES[name]!r}`", *(place_in_words(name, api) for api in APIS)) for name in shown)
    return (
        "## Where they go on each api\n\n"
        "What changes in the request of a model when the setting has the value of the second column: the most common place, "
        "and the\nfamilies for which it is another. Every known model was asked by each api that serves it.\n\n"
    ) + table(("setting", "for example", *APIS), rows)


MARKS = {
    "one call may change it": lambda one: one.per_call,
    "shown": lambda one: one.shown,
    "in pickles": lambda one: one.pickled,
    "in a cache's key": lambda one: one.in_cache_key,
    "shared by copies": lambda one: one.shared,
}


def marks_section() -> str:
    """What may become of the values."""
    rows = ((f"`{name}`", *("yes" if has(one) else "" for has in MARKS.values())) for name, one in MARKERS.items())
    return (
        "## What may become of their values\n\n"
        "Shown is what stands in reprs, dumps, traces and serialised forms. A pickle of what is not in pickles says on its "
        "first use what\nto give again; of an object that copies share it holds nothing, of a path it does. The key is that "
        "of LangChain's caches; of a\nvalue that is not shown it has a fingerprint.\n\n"
    ) + table(("setting", *MARKS), rows)


def own_fields_section() -> str:
    """The fields that one front end has beside the settings."""
    rows = (
        (f"`{kind.__name__}`", f"`{name}`", f"`{annotation_of(name, kind)}`", default_of(kind.model_fields[name]),
         kind.model_fields[name].description)
        for kind in FRONT_ENDS
        for name in get_annotations(kind)
        if name in kind.model_fields
    )  # fmt: skip
    return "## What one class has beside them\n\n" + table(("class", "field", "type", "default", "what it does"), rows)


def foreign_section() -> str:
    """What to write for the names of other packages."""
    names: dict[str, list[str]] = {}
    for name, advice in FOREIGN_SETTINGS.items():
        names.setdefault(advice, []).append(f"`{name}`")
    rows = ((", ".join(several), advice) for advice, several in names.items())
    return (
        "## Names that other packages have for them\n\n"
        "Each is an error here, in constructors and calls, that says what stands beside it.\n\n"
    ) + table(("written for another package", "here"), rows)


def table(heads: Iterable[str], rows: Iterable[Iterable[str | None]]) -> str:
    """A table of Markdown."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(text: str | None) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", text or "").replace("|", "\\|")


if __name__ == "__main__":
    logging.getLogger("dbx_gateway").setLevel(logging.ERROR)  # every model is asked: its warnings are no news
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(before + BEGIN + rendered() + END + rest.split(END)[1], encoding="utf-8")
