"""No regular expression of the packages takes more than linear time, whatever words are put before it."""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.promises import promise

import dbx_gateway
import langchain_dbx_gateway
import llama_index_dbx_gateway
from dbx_gateway.error_bodies import TOKEN_PATTERN

PACKAGES = (dbx_gateway, langchain_dbx_gateway, llama_index_dbx_gateway)
CALLS = {"compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"}

WORDS = (
    "a", "a.", ".", "[", "a[", "a[0].", "_", "$", " ", "\n", "\r\n", '"', '\\"', "'", "\\", "eyJ", "eyJa.", "eyJa-", "dapi", "dapi0",
    "dose0-", "Bearer ", "Bearer a", "<", "<a", "<pre>", "<title>", "&", "{", "0", "-", "/", "a/", "```", "```json\n", "<think>",
    'unknown field "', 'Unknown name "a" at ', "Input should be ", "prompt ", "input token count ", "a: Input should be ",
    "'a', ", 'Invalid value: "', "é", "xn--", "exceed the ", "0 tokens ", "1.", "1-", "A_", "ab ", "\t ", "a=", "a,", "(", "1e",
)  # fmt: skip
"""Words that begin what the patterns look for, and never end it."""

LENGTH = 6_000
"""Characters: the square of them takes a pattern a hundred times as long as WORTH_A_LOOK."""

WORTH_A_LOOK = 0.002
"""Seconds of the processor below which the time of that many characters cannot be their square."""


@dataclass(frozen=True)
class Use:
    """A regular expression, and whether it is only ever asked about the beginning of a text."""

    pattern: re.Pattern[Any]
    anchored: bool = False


def patterns() -> dict[str, Use]:
    """Return every regular expression in the sources of the packages, by where it stands."""
    found: dict[str, Use] = {}
    for package in PACKAGES:
        root = Path(package.__file__).parent
        for path in sorted(root.rglob("*.py")):
            name = ".".join([package.__name__, *path.relative_to(root).with_suffix("").parts]).removesuffix(".__init__")
            names = vars(importlib.import_module(name))
            tree = ast.parse(path.read_text(encoding="utf-8"))
            held = {place: Use(pattern) for place, pattern in _held(names, name)}
            for call, verbs in _calls(tree):
                pattern = _pattern(call, names)
                assert pattern is not None or held, f"{path}:{call.lineno}: made inside a function: nobody can time it"
                anchored = bool(verbs) and verbs <= {"match", "fullmatch"}
                found |= {f"{name}:{call.lineno}": Use(pattern, anchored)} if pattern is not None else held
    return found


def _held(value: object, place: str) -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield the expressions that a module holds in tables."""
    match value:
        case tuple() | list():
            for number, one in enumerate(value):
                if isinstance(one, re.Pattern):
                    yield f"{place}[{number}]", one
                else:
                    yield from _held(one, f"{place}[{number}]")
        case dict() if not place.endswith("__builtins__"):
            for key, one in value.items():
                yield from _held(one, f"{place}.{key}")


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, set[str]]]:
    """Yield the calls of the module ``re`` with what is done with their expression."""
    uses: dict[str, set[str]] = {}
    compiled: dict[ast.Call, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name != "re":
                uses.setdefault(name, set()).add(attr)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
                compiled[call] = name
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call() as call):
                compiled[call] = name
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr="compile")):
                yield node, uses.get(compiled.get(node, ""), set())
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=attr)) if attr in CALLS:
                yield node, {attr}


def _pattern(call: ast.Call, names: dict[str, Any]) -> re.Pattern[Any] | None:
    """Return the expression of a call of the module ``re``; None where a function made it."""
    if isinstance(call.args[0], ast.Name) and call.args[0].id not in names:
        return None
    given = [one for one in (*call.args[1:], *(keyword.value for keyword in call.keywords)) if _is_flags(one)]
    expression, *flags = (eval(compile(ast.Expression(one), "", "eval"), names) for one in (call.args[0], *given))
    return re.compile(expression, *flags)


def _is_flags(node: ast.expr) -> bool:
    return ast.unparse(node).startswith("re.")


def words_for(pattern: re.Pattern[Any]) -> tuple[str, ...]:
    """Return words to repeat before ``pattern``: known ones, and the plain texts in it."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    own = re.findall(r"[A-Za-z0-9_<>\"' :-]{2,}", source)
    return tuple(dict.fromkeys([*WORDS, *own[:20], *(f"{one} " for one in own[:5])]))


def cost(use: Use, word: str, length: int, runs: int) -> float:
    """Return the least processor time of this thread that a search of all of so many characters takes."""
    pattern = use.pattern
    text = word * (length // len(word))
    sought = text.encode() if isinstance(pattern.pattern, bytes) else text
    times = []
    for _ in range(runs):
        began = time.thread_time()
        if use.anchored:
            pattern.match(sought)
            pattern.fullmatch(sought)
        else:
            for _ in pattern.finditer(sought):
                pass
        times.append(time.thread_time() - began)
    return min(times)


def grows_faster_than_the_text(use: Use) -> str | None:
    """Return a word that takes an expression more time than in proportion to its repetitions; None where there is none."""
    for word in words_for(use.pattern):
        if cost(use, word, LENGTH, 1) < WORTH_A_LOOK:
            continue
        if cost(use, word, LENGTH, 3) > 8 * cost(use, word, LENGTH // 4, 3):  # the square: 16 times
            return word
    return None


FOUND = patterns()


def test_the_patterns_of_all_packages_are_found():
    assert len(FOUND) > 40
    assert any(TOKEN_PATTERN in str(use.pattern.pattern) for use in FOUND.values())
    assert {place.partition(".")[0] for place in FOUND} >= {"dbx_gateway"}


@promise("linear")
@pytest.mark.parametrize("place", FOUND)
def test_a_pattern_takes_time_in_proportion_to_the_words_before_it(place):
    assert grows_faster_than_the_text(FOUND[place]) is None


@pytest.mark.parametrize(
    "source",
    [
        r"(?:dapi|dose)[0-9a-f]{8,}(?:-\d+)?|eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?",
        r"(?P<field>[A-Za-z_$][\w$]*(?:[.\[\]]+\w+)*): Input should be ",
        r"\s+x",
        r"<title>.*</title>",
    ],
)
def test_a_pattern_that_takes_the_square_is_found_out(source):
    assert grows_faster_than_the_text(Use(re.compile(source))) is not None
