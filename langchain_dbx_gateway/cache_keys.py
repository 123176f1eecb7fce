"""What LangChain's caches and traces get of the options of a call: nothing that is not shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr

from dbx_gateway.markers import Setting
from dbx_gateway.settings import ALIASES

__all__ = ["keyed", "traced"]

_HIDDEN: Final = "***"


def traced(options: Mapping[str, Any], markers: Mapping[str, Setting]) -> dict[str, Any]:
    """Return the options of a call as traces show them: the name alone of what is not shown."""
    return {name: value if _marker(name, markers).shown else _HIDDEN for name, value in options.items()}


def keyed(options: Mapping[str, Any], markers: Mapping[str, Setting]) -> dict[str, Any]:
    """Return what of the options of a call is part of a cache's key.

    Of a value that is not shown it is a fingerprint: two calls with different headers have two answers, and whoever reads
    the cache does not learn the headers.
    """
    kept = {name: value for name, value in options.items() if _marker(name, markers).in_cache_key}
    return {name: value if _marker(name, markers).shown else _fingerprint(value) for name, value in kept.items()}


_OF_LANGCHAIN: Final = Setting(shown=True, in_cache_key=True)
"""Stands for the marker of an option that is no setting: tools, for example."""


def _marker(name: str, markers: Mapping[str, Setting]) -> Setting:
    return markers.get(ALIASES.get(name, name), _OF_LANGCHAIN)


def _fingerprint(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=_spelt)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _spelt(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else repr(value)
