"""Lets ``langchain_core.load.load(..., allowed_objects="all")`` load this package's classes.

langchain-core keeps a table of the classes of LangChain's own packages, and has no hook for others to enter theirs. What
is changed here is that table, which is not documented: where a release has none, "all" does not mean us, and the class has
to be named: ``load(..., allowed_objects=[ChatDbxGateway], valid_namespaces=["langchain_dbx_gateway"])``, which always works.
"""

from __future__ import annotations

from importlib import import_module

from langchain_core.load.serializable import Serializable

__all__ = ["allow_loading"]


def allow_loading(kind: type[Serializable]) -> None:
    """Count ``kind`` among the classes that "all" stands for. An import from its namespace still has to be allowed."""
    table = getattr(import_module("langchain_core.load.load"), "ALL_SERIALIZABLE_MAPPINGS", None)
    if isinstance(table, dict):
        path = tuple(kind.lc_id())
        table.setdefault(path, path)
