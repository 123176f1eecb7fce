"""Which tests run which lines: a map for each package, made once and kept in ``build/mutants``."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from checkout import Checkout, root_of
from probe import MAP, SOURCES

__all__ = ["PACKAGES", "Package", "TestMap", "merged", "package_of"]

_TELLING: Final = 5
"""Letters of a word that says something; ``option`` and ``options`` are one."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is measured by itself.

    Args:
        name: to show.
        source: the folder of its modules.
        tests: the folders whose tests are for it.
        but: folders and files within ``source`` that are not measured with it.
    """

    name: str
    source: str
    tests: tuple[str, ...]
    but: tuple[str, ...] = ()


PACKAGES: Final = (
    Package("LangChain", "langchain_dbx_gateway", ("tests/langchain",)),
    Package("LlamaIndex", "llama_index_dbx_gateway", ("tests/llama_index",)),
    Package(
        "core",
        "shared/dbx_gateway",
        ("tests/core", "tests/dialects", "tests/quirks", "tests/settings", "tests/secrets", "tests/end_to_end"),
        (
            "shared/dbx_gateway/testing",
            "shared/dbx_gateway/cli",
            "shared/dbx_gateway/models/profile_rows.py",  # facts about models, which a table of their own holds
        ),
    ),
    Package("command line", "shared/dbx_gateway/cli", ("tests/command_line", "tests/end_to_end")),
    Package("simulated workspace", "shared/dbx_gateway/testing", ("tests/simulated_workspace",)),
)


def package_of(file: str) -> Package | None:
    """Return the package that a file is measured with; None for what is not measured."""
    if not file.endswith(".py"):
        return None
    return next(
        (
            package
            for package in PACKAGES
            if _is_in(file, package.source) and not any(_is_in(file, other) for other in package.but)
        ),
        None,
    )


def _is_in(file: str, place: str) -> bool:
    return file == place or file.startswith(f"{place}/")


def _traced(package: Package, copy: Checkout, places: Sequence[str]) -> dict[str, Any]:
    """Run tests, and return which of them run which lines, with the digest and the functions of each file."""
    made = copy.path / "map.json"
    made.unlink(missing_ok=True)
    copy.pytest(places, {MAP: str(made), SOURCES: str(copy.path / package.source)})
    if not made.exists():
        raise SystemExit(f"{package.name}: its tests could not be run; try pytest {' '.join(places)}")
    told: dict[str, Any] = json.loads(made.read_text(encoding="utf-8"))
    told["sources"] = {file: _described(copy.path / file) for file in told["lines"]}
    return told


def merged(told: dict[str, Any], newer: dict[str, Any], gone: set[str]) -> dict[str, Any]:
    """Return a map with what a newer one adds, and without the tests of the files that are gone or in the newer one.

    Lines of a source that has changed between the two are looked up by their functions, as those of the older map are:
    what the newer one knows of them is put down to the older one's lines of the same function.
    """
    kept = [number for number, (test, _) in enumerate(told["tests"]) if test.partition("::")[0] not in gone]
    numbers = {number: place for place, number in enumerate(kept)}
    tests = [told["tests"][number] for number in kept]
    lines = {
        file: {line: [numbers[number] for number in of_line if number in numbers] for line, of_line in by_line.items()}
        for file, by_line in told["lines"].items()
    }
    sources = dict(told["sources"])
    for file, by_line in newer["lines"].items():
        described = newer["sources"][file]
        older = sources.setdefault(file, described)
        into = lines.setdefault(file, {})
        for line, of_line in by_line.items():
            place = line if older["digest"] == described["digest"] else _moved(int(line), described, older)
            if place is not None:
                into.setdefault(place, []).extend(len(tests) + number for number in of_line)
    return {"tests": [*tests, *newer["tests"]], "lines": lines, "sources": sources}


def _moved(line: int, source: dict[str, Any], to: dict[str, Any]) -> str | None:
    """Return a line of the function in another version of a source; None where that has no such function."""
    holding = [(end - begin, name) for name, (begin, end) in source["functions"].items() if begin <= line <= end]
    found = to["functions"].get(min(holding)[1]) if holding else None
    return str(found[1]) if found else None


class TestMap:
    """Which tests of a package run which lines.

    Args:
        told: as the plugin wrote it, and ``sources``: the digest of each file and its functions' lines.
    """

    __test__ = False

    def __init__(self, told: dict[str, Any]) -> None:
        self._tests: list[tuple[str, float]] = [(test, seconds) for test, seconds in told["tests"]]
        self._lines: dict[str, dict[str, list[int]]] = told["lines"]
        self._sources: dict[str, Any] = told["sources"]

    @classmethod
    def of(cls, package: Package, copy: Checkout, *, anew: bool) -> TestMap:
        """Return the map of a package: the one that is kept, or a new one, which takes minutes.

        Files of tests that have changed since the map was made are run again.
        """
        kept = root_of() / "build" / "mutants" / f"{package.name.replace(' ', '_')}.json"
        missing = [folder for folder in package.tests if not (copy.path / folder).is_dir()]
        if missing:
            raise SystemExit(f"{package.name}: there is no {', '.join(missing)}; see PACKAGES")
        digests = {
            path.relative_to(copy.path).as_posix(): _digest(path.read_text(encoding="utf-8"))
            for folder in package.tests
            for path in sorted((copy.path / folder).rglob("test_*.py"))
        }
        if anew or not kept.exists():
            told = _traced(package, copy, package.tests)
        else:
            told = json.loads(kept.read_text(encoding="utf-8"))
            changed = [file for file, digest in digests.items() if told["files"].get(file) != digest]
            if changed:
                told = merged(told, _traced(package, copy, changed), {*changed, *(told["files"].keys() - digests)})
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({**told, "files": digests}), encoding="utf-8")
        return cls(told)

    def tests_for(self, file: str, source: str, line: int) -> list[tuple[str, float]]:
        """Return the tests to run for a change, and the seconds each took: the most telling first.

        Those that run the line come first, then those that run its function, then those of its file; where the file has
        changed since the map was made, its lines are not known by number. Among equals the first cases of each test come
        before the others, the tests named after the module before the others, those that share words with the function
        before those that do not, and the quick before the slow. Where none runs the file, it is those that run processes
        of their own.
        """
        lines = self._lines.get(file, {})
        told = self._sources.get(file)
        same = told is not None and told["digest"] == _digest(source)
        on_line = set(lines.get(str(line), ())) if same else set()
        begin, end = told["functions"].get(_function_at(source, line), (0, 0)) if told is not None else (0, 0)
        in_function = {test for number, tests in lines.items() if begin <= int(number) <= end for test in tests}
        in_file = {test for tests in lines.values() for test in tests}
        stem = Path(file).stem
        words = _words(_text_around(source, line))
        seen: dict[str, int] = {}

        def rank(number: int) -> tuple[Any, ...]:
            test, seconds = self._tests[number]
            name = test.partition("[")[0]
            seen[name] = seen.get(name, -1) + 1
            near = 0 if number in on_line else 1 if number in in_function else 2
            return (near, seen[name] // 3, stem not in test, -len(words & _words(name.partition("::")[2])), seconds)

        ranked = sorted(((rank(number), number) for number in sorted(in_file)), key=lambda pair: pair[0])
        # A line in a function that tests run is no business of the tests that do not.
        furthest = max(ranked[0][0][0], 1) if ranked else 0
        return [self._tests[number] for key, number in ranked if key[0] <= furthest] or self._elsewhere()

    def _elsewhere(self) -> list[tuple[str, float]]:
        """Return the tests that run none of the package's lines here: they do it in a process of their own."""
        here = {test for lines in self._lines.values() for tests in lines.values() for test in tests}
        return [told for number, told in enumerate(self._tests) if number not in here]


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


def _described(path: Path) -> dict[str, Any]:
    source = path.read_text(encoding="utf-8")
    return {
        "digest": _digest(source),
        "functions": {name: (begin, end) for name, begin, end in _functions(ast.parse(source))},
    }


def _functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, int, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{child.name}"
            if not isinstance(child, ast.ClassDef):
                yield name, child.lineno, child.end_lineno or child.lineno
            yield from _functions(child, f"{name}.")
        else:
            yield from _functions(child, prefix)


def _function_at(source: str, line: int) -> str:
    """Return the innermost function that holds a line; an empty text where none does."""
    return _innermost(source, line)[0]


def _innermost(source: str, line: int) -> tuple[str, int, int]:
    holding: Sequence[tuple[str, int, int]] = [
        (name, begin, end) for name, begin, end in _functions(ast.parse(source)) if begin <= line <= end
    ]
    return min(holding, key=lambda found: found[2] - found[1]) if holding else ("", line, line)


def _text_around(source: str, line: int) -> str:
    """Return the text of the innermost function that holds a line, or that line."""
    _, begin, end = _innermost(source, line)
    return "\n".join(source.splitlines()[begin - 1 : end])


def _words(text: str) -> set[str]:
    """Return the words of a text or of its names that say something, each by its first letters."""
    return {word[:_TELLING] for word in re.findall("[a-z]+", text.lower()) if len(word) >= _TELLING}
