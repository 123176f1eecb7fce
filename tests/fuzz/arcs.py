"""Which steps of the package a call takes: the ways between its lines, and how many lines in all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import TypeAlias

import dbx_gateway
import langchain_dbx_gateway
import llama_index_dbx_gateway

__all__ = ["PACKAGE", "Arc", "OutOfSteps", "Tracer", "steps_of"]

PACKAGE = tuple(
    str(Path(str(module.__file__)).parent) for module in (dbx_gateway, langchain_dbx_gateway, llama_index_dbx_gateway)
)
"""The folders whose lines count."""

Arc: TypeAlias = tuple[int, int, int]
"""A line, the one after it, and how often that was: once, up to 3 times, up to 7, or more."""

_LINES = 1 << 16
_OFTEN = 4


class OutOfSteps(BaseException):
    """A call went over more lines than it may; no ``except Exception`` in its way takes this for an error of its own."""


class Tracer:
    """Follows calls line by line, with ``sys.settrace``.

    Args:
        folders: whose lines count.
    """

    def __init__(self, folders: tuple[str, ...] = PACKAGE) -> None:
        self._folders = folders
        self._numbers: dict[CodeType, int | None] = {}
        self._arcs: dict[tuple[int, int], int] = {}
        self._last = 0
        self._steps = 0
        self._limit: float = 0

    def arcs(self, call: Callable[[], object], limit: float = float("inf")) -> frozenset[Arc]:
        """Return the pairs of lines that ``call`` went over one after the other, each with how often, roughly.

        Raises:
            OutOfSteps: there were more than ``limit``.
        """
        try:
            self._follow(call, limit)
        finally:
            self.taken = frozenset(
                (before, after, min(count.bit_length(), _OFTEN)) for (before, after), count in self._arcs.items()
            )
        return self.taken

    def steps(self, call: Callable[[], object]) -> int:
        """Return how many lines ``call`` went over."""
        self._follow(call, float("inf"))
        return self._steps

    def _follow(self, call: Callable[[], object], limit: float) -> None:
        self._arcs = {}
        self._last, self._steps, self._limit = 0, 0, limit
        before = sys.gettrace()
        sys.settrace(self._entered)
        try:
            call()
        finally:
            sys.settrace(before)

    def _entered(self, frame: FrameType, _event: str, _arg: object) -> Callable[..., object] | None:
        code = frame.f_code
        number = self._numbers.get(code, -1)
        if number == -1:
            mine = code.co_filename.startswith(self._folders)
            number = self._numbers[code] = len(self._numbers) * _LINES if mine else None
        return self._stepped if number is not None else None

    def _stepped(self, frame: FrameType, event: str, _arg: object) -> Callable[..., object]:
        if event == "line":
            here = (self._numbers[frame.f_code] or 0) + frame.f_lineno
            arc = (self._last, here)
            self._arcs[arc] = self._arcs.get(arc, 0) + 1
            self._last = here
            self._steps += 1
            if self._steps > self._limit:
                msg = f"more than {self._limit:,.0f} lines"
                raise OutOfSteps(msg)
        return self._stepped


def steps_of(call: Callable[[], object]) -> int:
    """Return how many lines of the package ``call`` goes over: its time, without a clock."""
    return Tracer().steps(call)
