"""Write the objects of ``objects.py`` into ``files/`` as the installed version pickles them.

The files are meant to be old: do not make them again, for then they no longer show that what users have saved can be
loaded. For a new object, run ``PYTHONHASHSEED=0 python -m saved_objects.save`` in ``tests``: only what has no file yet is
written.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from saved_objects.objects import ERRORS, JSON, MODELS, OTHERS, VALUES, error_of

FILES = Path(__file__).parent / "files"
PROTOCOL = 4


def main() -> None:
    """Write a file for each object that has none."""
    made = {name: make() for name, make in (MODELS | VALUES | OTHERS).items()}
    made |= {name: error_of(kind) for name, kind in ERRORS.items()}
    written = {f"{name}.pickle": pickle.dumps(value, PROTOCOL) for name, value in made.items()}
    written |= {f"{name}.json": _json(make()) for name, make in JSON.items()}
    for name, data in written.items():
        path = FILES / name
        if not path.exists():
            path.write_bytes(data)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


if __name__ == "__main__":
    main()
