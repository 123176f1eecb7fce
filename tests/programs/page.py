"""docs/programs.md as the pinned list and the table say it. Run as ``python -m programs.page`` in ``tests/``, it writes the page."""

from __future__ import annotations

from pathlib import Path

from programs.table import LIMITS, PROGRAMS

__all__ = ["PAGE", "rendered", "versions"]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "programs.md"

HEAD = """# Programs that run on these models

The full check installs these packages beside this one, at these versions, and runs them on a Claude, a GPT, a Gemini and
a Llama model of the simulated workspace. A test asserts what each program returned and what it sent. The versions are
those of `.ci/programs.txt`; `.ci/run --step programs` runs the check. To write this page anew:
`cd tests && python -m programs.page`.
"""


def versions() -> dict[str, str]:
    """The pinned version of each package; the first line of a package that has several is for the oldest Python."""
    lines = (ROOT / ".ci" / "programs.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.partition(";")[0].strip().split("==") for line in lines if "==" in line.partition(";")[0]]
    return {name.partition("[")[0]: version for name, version in reversed(pairs)}


def rendered() -> str:
    """The page as it should be."""
    pinned = versions()
    runs = [f"| {row.package} | {pinned[row.package]} | {row.runs} | `{row.tests}` |" for row in PROGRAMS]
    limits = [f"| {row.package} | {row.version} | {row.what} |" for row in LIMITS]
    tables = [
        "| package | version | what runs | tests |\n|---|---|---|---|\n" + "\n".join(runs),
        "## What does not run because of the program itself",
        "| package | version | what does not work |\n|---|---|---|\n" + "\n".join(limits),
    ]
    return HEAD + "\n" + "\n\n".join(tables) + "\n"


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
