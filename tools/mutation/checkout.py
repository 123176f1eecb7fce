"""A copy of the working tree in which one module at a time is changed; the tree itself is never touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["Checkout", "changed_files", "checkout", "environment_of", "root_of"]

_HERE: Final = Path(__file__).resolve().parent


def root_of() -> Path:
    """Return the root of the repository."""
    return _HERE.parent.parent


def _git(*arguments: str) -> list[str]:
    told = subprocess.run(  # noqa: S603  # the arguments are ours
        ["git", *arguments, "-z"],  # noqa: S607  # whichever git is there
        cwd=root_of(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [name for name in told.split("\0") if name]


def changed_files(base: str) -> list[str]:
    """Return the files that differ from ``base``, those that are new included."""
    return sorted({*_git("diff", "--name-only", base), *_git("ls-files", "--others", "--exclude-standard")})


class Checkout:
    """A copy of the tree.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writes = 0

    @contextmanager
    def changed(self, file: str, source: str) -> Iterator[None]:
        """Let ``file`` hold ``source`` for a while."""
        place = self.path / file
        before = place.read_text(encoding="utf-8")
        self._write(place, source)
        try:
            yield
        finally:
            self._write(place, before)

    def _write(self, place: Path, source: str) -> None:
        place.write_text(source, encoding="utf-8")
        # Python takes a compiled module for current by its second and its size: no two of ours share a second.
        self._writes += 1
        later = place.stat().st_mtime + self._writes
        os.utime(place, (later, later))

    def pytest(
        self, arguments: Sequence[str], environment: Mapping[str, str], seconds: float | None = None
    ) -> int | None:
        """Run pytest in the copy, and return its exit code; None where it took longer than ``seconds``."""
        process = subprocess.Popen(  # noqa: S603  # the arguments are ours
            [sys.executable, "-P", "-m", "pytest", "-p", "probe", "-p", "no:cacheprovider", "-q", *arguments],
            cwd=self.path,
            env=environment_of(self, environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def environment_of(copy: Checkout, more: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a pytest that imports the packages from a copy."""
    places = os.pathsep.join([str(copy.path / "shared"), str(copy.path), str(_HERE)])
    return {**os.environ, "PYTHONPATH": places, "PYTHONSAFEPATH": "1", **more}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a run with all that it has started."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            return
    else:
        process.kill()
    process.wait()


@contextmanager
def checkout() -> Iterator[Checkout]:
    """Copy the tree as it stands, with what is not committed, and take the copy away in the end."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as made:
        path = Path(made).resolve()
        for name in _git("ls-files", "--cached", "--others", "--exclude-standard"):
            if (root_of() / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root_of() / name, path / name)
        yield Checkout(path)
