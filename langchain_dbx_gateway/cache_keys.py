"""The options of a call as LangChain's caches and traces get them: without the values that are not shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import SecretStr

from dbx_gateway.markers import Setting
from dbx_gateway.settings import ALIASES

__all__ = ["keyed", "traced"]

_HIDDEN: Final = "***"


def traced(options: Mapping[str, Any], markers: Mapping[str, Setting]) -> dict[str, Any]:
    """Return the options of a call as traces show them: the name alone of what is not shown."""
    return {
        name: _mixed(name, value, lambda inner: traced(inner, markers)) if _marker(name, markers).shown else _HIDDEN
        for name, value in options.items()
    }


def keyed(options: Mapping[str, Any], markers: Mapping[str, Setting]) -> dict[str, Any]:
    """Return those options of a call that are part of a cache's key.

    A value that is not shown is replaced by its fingerprint: calls with different headers have different entries, and
    whoever reads the cache does not learn the headers.
    """
    shaping = {name: value for name, value in options.items() if _marker(name, markers).in_cache_key}
    return {
        name: _mixed(name, value, lambda inner: keyed(inner, markers))
        if _marker(name, markers).shown
        else _fingerprint(value)
        for name, value in shaping.items()
    }


def _mixed(name: str, value: Any, read: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Any:
    """Return a value that is shown; of what holds settings, each as ``read`` has it."""
    return read(value) if name == "model_kwargs" and isinstance(value, Mapping) else value


_OF_LANGCHAIN: Final = Setting(shown=True, in_cache_key=True)
"""The marker of an option that is no setting, such as tools."""


def _marker(name: str, markers: Mapping[str, Setting]) -> Setting:
    return markers.get(ALIASES.get(name, name), _OF_LANGCHAIN)


def _fingerprint(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=_as_text)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _as_text(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else repr(value)
