"""Tables on a terminal: with rich where it is installed, plain otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

__all__ = ["print_table"]


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]], out: TextIO | None = None) -> None:
    """Print ``rows`` under ``heads``."""
    stream = out or sys.stdout
    lines = [tuple(row) for row in rows]
    try:
        from rich.console import Console  # noqa: PLC0415  # an optional extra
        from rich.table import Table  # noqa: PLC0415  # an optional extra
    except ImportError:
        _print_plain(heads, lines, stream)
        return
    if not stream.isatty():
        _print_plain(heads, lines, stream)
        return
    table = Table(*heads, box=None, pad_edge=False)
    for line in lines:
        table.add_row(*line)
    Console(file=stream).print(table)


def _print_plain(heads: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO) -> None:
    widths = [max(len(line[column]) for line in (heads, *rows)) for column in range(len(heads))]
    stream.writelines(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in (heads, *rows)
    )
