"""What tells one host and one caller from another in the keys of caches, found without asking anybody for anything.

A cache may be shared by processes and outlive them. So what cannot be known without signing in has the mark of this process:
its entries are found by nobody else.
"""

from __future__ import annotations

import configparser
import os
import secrets
import weakref

from dbx_gateway.errors import ConfigurationError
from dbx_gateway.fork_hooks import in_child_after_fork
from dbx_gateway.transport.hosts import normalise_host

__all__ = ["host_in_config_file", "mark_of", "mark_of_process"]

_SETTINGS = "__settings__"
_DEFAULT = "DEFAULT"


class _Marks:
    """The marks of this process and of the objects in it, made when they are first asked for."""

    def __init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        """Forget all marks (after a fork: the child is another process)."""
        self.of_process = ""
        self.of_objects: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()


_marks = _Marks()
in_child_after_fork(_marks.start_anew)


def mark_of_process() -> str:
    """Return what no other process has."""
    _marks.of_process = _marks.of_process or _new_mark()
    return _marks.of_process


def mark_of(thing: object) -> str:
    """Return what no other object has, in this process or in another."""
    return _marks.of_objects.setdefault(thing, _new_mark())


def _new_mark() -> str:
    return f"mark:{secrets.token_hex(16)}"


def host_in_config_file(profile: str | None) -> str | None:
    """Return the host of a profile as the Databricks config file has it (docs/wire/auth.md#credential-chain).

    Args:
        profile: a section of the file; None takes DATABRICKS_CONFIG_PROFILE, else the file's own default.
    """
    path = os.environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg"
    # With another name for the section of defaults, DEFAULT is a section like others.
    file = configparser.ConfigParser(interpolation=None, default_section="\0")
    try:
        file.read(os.path.expanduser(path), encoding="utf-8")  # pathlib raises where there is no home
        default = file.get(_SETTINGS, "default_profile", fallback="") or _DEFAULT
        section = profile or os.environ.get("DATABRICKS_CONFIG_PROFILE") or default
        host = file.get(section, "host", fallback="")
        return normalise_host(host) if host else None
    except (configparser.Error, UnicodeDecodeError, OSError, ConfigurationError):
        return None  # signing in says what is wrong with the file
