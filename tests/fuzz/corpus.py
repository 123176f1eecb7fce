"""The inputs that are kept, a file for each target: a line is a name and the bytes, one character for each.

An input found by coverage is named by its content; one that failed once is named by what was wrong.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

__all__ = ["FOLDER", "digest", "load", "save"]

FOLDER = Path(__file__).parent / "corpus"


def digest(data: bytes) -> str:
    """Return the name of an input that has no other."""
    return hashlib.sha256(data).hexdigest()[:12]


def load(target: str) -> dict[str, bytes]:
    """Return the inputs kept for ``target`` by their names."""
    path = FOLDER / f"{target}.jsonl"
    if not path.exists():
        return {}
    pairs = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {name: text.encode("latin-1") for name, text in pairs}


def save(target: str, inputs: dict[str, bytes]) -> None:
    """Keep ``inputs`` for ``target``: those with a name of their own first, then the short ones."""
    FOLDER.mkdir(exist_ok=True)
    ordered = sorted(inputs.items(), key=lambda pair: (pair[0] == digest(pair[1]), len(pair[1]), pair[0]))
    lines = [json.dumps([name, data.decode("latin-1")], ensure_ascii=True) for name, data in ordered]
    (FOLDER / f"{target}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
