"""How many lines of the package a call goes over: its time, without a clock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import dbx_gateway
import langchain_dbx_gateway
import llama_index_dbx_gateway

__all__ = ["PACKAGE", "steps_of"]

PACKAGE = tuple(
    str(Path(str(module.__file__)).parent) for module in (dbx_gateway, langchain_dbx_gateway, llama_index_dbx_gateway)
)
"""The folders whose lines count."""


class _OutOfSteps(BaseException):
    """No ``except Exception`` in the way of a call takes this for an error of its own."""


def steps_of(call: Callable[[], object], *, limit: float = float("inf"), folders: tuple[str, ...] = PACKAGE) -> int:
    """Return how many lines ``call`` goes over.

    Args:
        call: what is counted.
        limit: how many lines it may take.
        folders: whose lines count.

    Raises:
        AssertionError: it went over more lines than ``limit``.
    """
    steps = 0

    def entered(frame: FrameType, _event: str, _arg: object) -> Callable[..., object] | None:
        return stepped if frame.f_code.co_filename.startswith(folders) else None

    def stepped(_frame: FrameType, event: str, _arg: object) -> Callable[..., object]:
        nonlocal steps
        steps += event == "line"
        if steps > limit:
            raise _OutOfSteps
        return stepped

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        call()
    except _OutOfSteps:
        msg = f"more than {limit:,.0f} lines"
        raise AssertionError(msg) from None
    finally:
        sys.settrace(before)
    return steps
