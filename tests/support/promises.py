"""The promises of ``docs/promises.md``: which test stands for which, and the list of them at the page's end.

Run as a program (``python tests/support/promises.py``), it writes that list anew, and the table of what is sent again.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

if __package__:
    from support.sent_again import table
else:  # run as a program, from its own folder
    from sent_again import table

__all__ = ["PAGE", "marked_tests", "page_promises", "promise", "rendered"]

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "promises.md"
HEADING = "## The tests"
SENT_AGAIN, END = "<!-- what is sent again -->", "<!-- end -->"

F = TypeVar("F", bound=Callable[..., object])


def promise(*names: str) -> Callable[[F], F]:
    """Say that a test stands for the promises of these names; the page's list is made of it.

    Args:
        *names: of promises, as they stand in square brackets on the page.
    """
    assert names

    def marked(test: F) -> F:
        return test

    return marked


@cache
def marked_tests() -> Mapping[str, list[str]]:
    """Return the ids of the tests that stand for each promise, in the order of files and lines."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        if "@promise(" not in source:
            continue
        for node in ast.parse(source).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "promise":
                    for name in mark.args:
                        assert isinstance(name, ast.Constant), f"{path}: a promise is named by a text"
                        ids = found.setdefault(str(name.value), [])
                        ids.append(f"{path.relative_to(TESTS.parent).as_posix()}::{node.name}")
    return found


def page_promises(page: str) -> list[str]:
    """Return the names of the promises on the page, in its order."""
    return re.findall(r"\[`([a-z-]+)`\]", page.split(HEADING, maxsplit=1)[0])


def rendered(page: str) -> str:
    """Return the page with the table of what is sent again, and the list of tests at its end."""
    tests = marked_tests()
    lines = [f"- `{name}`: " + ", ".join(f"`{one}`" for one in tests.get(name, [])) for name in page_promises(page)]
    head = page.split(HEADING, maxsplit=1)[0].rstrip()
    head = re.sub(rf"(?s){SENT_AGAIN}.*?{END}", lambda _: f"{SENT_AGAIN}\n{table()}\n{END}", head)
    return "\n".join(
        [
            head,
            "",
            HEADING,
            "",
            "Each promise by its name, with the tests that fail where it does not hold.",
            "",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
