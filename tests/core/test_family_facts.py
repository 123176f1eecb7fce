"""What a family is or takes is a field of its profile or a row of a table: no code asks for a family by its name."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from support.source_words import ROOT

from dbx_gateway.models.families import Family

PACKAGES = ("shared/dbx_gateway", "langchain_dbx_gateway", "llama_index_dbx_gateway")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
UNKNOWN = "other"
"""The one name that may be asked for: it stands for a family that nothing tells."""
NAMES = frozenset(get_args(Family)) - {UNKNOWN}


def questions(source: str) -> Iterator[str]:
    """Each comparison of a family with the name of one, with a table of names, or with a pattern, as it is written."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(left=left, comparators=others):
                if any(map(is_family, (left, *others))) and any(names_families(one) for one in (left, *others)):
                    yield ast.unparse(node)
            case ast.Match(subject=subject) if is_family(subject):
                yield f"match {ast.unparse(subject)}"
            case ast.MatchClass(kwd_attrs=attributes) if "family" in attributes:
                yield ast.unparse(node)
            case _:
                pass


def is_family(node: ast.expr) -> bool:
    return getattr(node, "attr", getattr(node, "id", "")).endswith("family")


def names_families(node: ast.expr) -> bool:
    """Whether an operand holds the name of a family, or is a constant of a module, which may."""
    inside = list(ast.walk(node))
    constants = {one.value for one in inside if isinstance(one, ast.Constant)}
    names = [getattr(one, "attr", getattr(one, "id", "")) for one in inside]
    return bool(constants & NAMES) or any(name.isupper() for name in names)


def test_there_are_modules_to_look_at():
    assert {"dialect.py", "check.py", "brain.py", "llm.py"} <= {path.name for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_code_asks_for_a_family_by_its_name(path: Path):
    assert list(questions(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        'profile.family == "agent"',
        'if self._profile.family != "claude" and thinks: pass',
        'x = situation.family in ("claude", "gemini")',
        'x = family in {"gpt"}',
        "x = context.family not in _OPEN",
        'match profile.family:\n    case "claude": pass',
        'match profile:\n    case Profile(family="claude"): pass',
    ],
)
def test_a_question_for_a_name_is_found(code):
    assert len(list(questions(code))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "family_of(origin.model) in (None, self._profile.family)",
        "rows = [row for row in rows if row.family == family]",
        'known.family if known.family != "other" else more.family',
        "context.family in self.families",
        '{"claude": 1}.get(profile.family)',
        'api == "embeddings"',
    ],
)
def test_what_asks_for_no_name_is_let_through(code):
    assert list(questions(code)) == []
