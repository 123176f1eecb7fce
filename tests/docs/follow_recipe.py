"""Follows a recipe in a copy of the repository: once as it is written, and once without each of its steps.

Run as a program in a process of its own: ``python follow_recipe.py COPY``, with the recipe on stdin and what came of each
time on stdout, both as JSON. Each time the steps are taken anew and the checks run in the same process, with every module
of the copy imported again: a process for each would take most of its time to import what the copy does not change.
"""

from __future__ import annotations

import importlib
import io
import itertools
import json
import os
import runpy
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

Step = dict[str, str]
"""``path`` with ``text`` to put behind ``after``, the end of the file where that is empty; or ``script``, which writes it."""

_SECONDS = itertools.count(1_000_000_000)


def put(path: Path, text: str) -> None:
    """Write a file, with a time of its own: Python takes compiled code for that of a file by its time and size."""
    path.write_text(text, encoding="utf-8", newline="\n")
    moment = next(_SECONDS)
    os.utime(path, (moment, moment))


def taken(step: Step, copy: Path) -> None:
    """Take one step.

    Raises:
        LookupError: the place that a step names is not in its file, or is there more than once.
    """
    path = copy / step["path"]
    if "script" in step:
        runpy.run_path(str(copy / step["script"]), run_name="__main__")
        put(path, path.read_text(encoding="utf-8"))
        return
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, mark, behind = text.partition(step["after"]) if step["after"] else (text, "", "")
    if mark != step["after"] or (mark and mark in behind):
        raise LookupError(f"{step['path']} has not one place {step['after']!r}: the recipe is out of date")
    put(path, before + mark + step["text"] + behind)


def forget_modules(copy: Path) -> None:
    """Forget every module that was imported from the copy."""
    places = {
        name: [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
        for name, module in list(sys.modules.items())
    }  # all of them first: a namespace package is looked up in its parent
    for name, paths in places.items():
        if any(Path(path).is_relative_to(copy) for path in paths if path):
            del sys.modules[name]
    importlib.invalidate_caches()


def followed(steps: list[Step], checks: list[str], copy: Path) -> dict[str, Any]:
    """Take the steps and run the checks; say whether all went well, and what was printed."""
    forget_modules(copy)
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            for step in steps:
                taken(step, copy)
            good = pytest.main(["-q", "-x", "--no-header", *checks]) == 0
        except Exception:  # noqa: BLE001  # whatever went wrong is what the recipe's reader meets
            traceback.print_exc()
            good = False
    return {"good": good, "said": said.getvalue()}


def main(copy: Path, recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """Follow the recipe as it is written, then without each step that counts."""
    steps: list[Step] = recipe["steps"]
    touched = {copy / step["path"] for step in steps}
    before = {path: path.read_text(encoding="utf-8") if path.exists() else None for path in touched}
    results = []
    for left_out in (None, *range(len(steps))):
        for path, text in before.items():
            if text is None:
                path.unlink(missing_ok=True)
            else:
                put(path, text)
        remaining = [step for number, step in enumerate(steps) if number != left_out]
        results.append(followed(remaining, recipe["checks"], copy))
    return results


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.path[:0] = [str(place / "shared"), str(place / "tests"), str(place)]
    json.dump(main(place, json.load(sys.stdin)), sys.stdout)
