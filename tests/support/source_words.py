"""What stands in the source of a module: its texts that are no docstrings, and its numbers."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "numbers_in", "texts_in", "words_of_the_wire"]

ROOT = Path(__file__).resolve().parents[2]


def texts_in(path: Path) -> set[str]:
    """Return the string constants of a module that are neither docstrings nor names it exports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    listed = {
        id(item)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        for item in ast.walk(node)
    }
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in told | listed)
    return {node.value for node in constants if isinstance(node.value, str)}


def numbers_in(path: Path) -> set[int]:
    """Return the whole numbers in a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is int}


@cache
def words_of_the_wire() -> frozenset[str]:
    """Return the words that stand in the modules that write and read the wire."""
    core = ROOT / "shared" / "dbx_gateway"
    modules = [path for place in ("dialects", "quirks") for path in sorted((core / place).rglob("*.py"))]
    return frozenset(text for module in modules for text in texts_in(module) if text.isidentifier())
