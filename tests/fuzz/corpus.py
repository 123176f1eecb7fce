"""The inputs that are kept, a file for each target: a line is a name and the bytes, one character for each.

An input found by coverage is named by its content; one that failed once is named by what was wrong.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fuzz.target import Target

__all__ = ["FOLDER", "check", "digest", "line", "load", "save"]

FOLDER = Path(__file__).parent / "corpus"


def digest(data: bytes) -> str:
    """Return the name of an input that has no other."""
    return hashlib.sha256(data).hexdigest()[:12]


def line(name: str, data: bytes) -> str:
    """Return the line of a file for an input."""
    return json.dumps([name, data.decode("latin-1")], ensure_ascii=True)


def load(target: str) -> dict[str, bytes]:
    """Return the inputs kept for ``target`` by their names."""
    path = FOLDER / f"{target}.jsonl"
    if not path.exists():
        return {}
    pairs = (json.loads(text) for text in path.read_text(encoding="utf-8").splitlines())
    return {name: text.encode("latin-1") for name, text in pairs}


def save(target: str, inputs: dict[str, bytes]) -> None:
    """Keep ``inputs`` for ``target``: those with a name of their own first, then the short ones."""
    ordered = sorted(inputs.items(), key=lambda pair: (pair[0] == digest(pair[1]), len(pair[1]), pair[0]))
    text = "".join(f"{line(name, data)}\n" for name, data in ordered)
    (FOLDER / f"{target}.jsonl").write_text(text, encoding="utf-8")


def check(target: Target, data: bytes) -> bool:
    """Return whether ``target`` accepts ``data``; a law that is broken is raised with the line that keeps the input."""
    try:
        return target.accepts(data)
    except BaseException as error:
        error.add_note(
            f"To keep this input, add to tests/fuzz/corpus/{target.name}.jsonl: {line('what-is-wrong', data)}"
        )
        raise
