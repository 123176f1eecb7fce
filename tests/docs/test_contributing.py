"""``CONTRIBUTING.md``: every file it names is there, and its map names every room."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "shared" / "dbx_gateway"
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = PAGE.split("\n## Recipes\n")[1]
LIFE = PAGE.split("\n## A request's life\n")[1].split("```")[1]
ROOMS = PAGE.split("\n## Rooms\n")[1].split("\n## ")[0]
SOMETHING = {"<api>": "*", "<name>": "*"}


def files_named(text: str) -> list[str]:
    return sorted(set(re.findall(r"`([\w.<>*/-]+(?:\.(?:py|md|csv|toml)|/))`", text)))


def is_there(name: str) -> bool:
    for placeholder, pattern in SOMETHING.items():
        name = name.replace(placeholder, pattern)
    return any(any(place.glob(name.rstrip("/"))) for place in (ROOT, CORE, ROOT / "tests" / "quirks"))


@pytest.mark.parametrize("name", files_named(RECIPES))
def test_a_file_that_a_recipe_names_is_there(name):
    assert is_there(name)


def test_a_file_that_is_not_there_is_noticed():
    assert not is_there("call/somewhere.py")
    assert len(files_named(RECIPES)) > 40


def test_the_files_of_a_requests_life_are_there():
    names = [name.replace("<api>", "messages") for name in re.findall(r"[\w/<>]+\.py", LIFE)]
    rooms = (
        CORE,
        CORE / "models",
        CORE / "auth",
        CORE / "call",
        CORE / "dialects" / "messages",
        ROOT / "langchain_dbx_gateway",
    )
    places = (*rooms, ROOT / "llama_index_dbx_gateway")
    assert [name for name in names if not any((place / name).is_file() for place in places)] == []
    assert len(names) > 25


def test_the_map_names_every_room():
    folders = {path.name for path in CORE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(re.findall(r"`…/(\w+)/", ROOMS)) == folders


def test_the_import_contract_names_every_room_and_file_of_the_core():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract for contract in contracts if contract["type"] == "layers")
    named = {name.strip() for layer in layers["layers"] for name in layer.split("|")}
    here = {path.stem for path in CORE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert named == here - {"__init__"}
