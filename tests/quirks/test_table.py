"""docs/quirks.md is complete and true. Run as a script, this writes the page's table of quirks anew."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from dbx_gateway.quirks.catalogue import QUIRKS
from dbx_gateway.quirks.gates import CHAT_FAMILIES, OPEN_FAMILIES
from dbx_gateway.testing.service.exchange import WIRES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "quirks.md"
BEGIN, END = "<!-- quirks: begin -->\n", "<!-- quirks: end -->\n"

DEPARTURES = "docs/wire/quirks.md"
ROWS = frozenset(re.findall(r'<a id="([a-z0-9-]+)"></a>', (ROOT / DEPARTURES).read_text()))
"""The known departures of a workspace: the rows of docs/wire/quirks.md."""

HOMES = {"Quirks", "Dialect", "Profile", "Route", "Auth and discovery", "Documented only", "Out of scope"}


def rendered() -> str:
    """The table of quirks, from the quirks themselves."""
    head = "| quirk | kind | applied | surfaces | families | apis | reason | source | evidence | can go when |\n"
    return head + "|---|---|---|---|---|---|---|---|---|---|\n" + "".join(map(line, QUIRKS))


def line(quirk) -> str:
    applied = "always" if quirk.on_refusal is None else "after a refusal"
    surfaces = "both" if len(quirk.surfaces) == 2 else ", ".join(sorted(quirk.surfaces))
    cells = (
        quirk.name,
        quirk.kind,
        applied,
        surfaces,
        families(quirk.families),
        ", ".join(sorted(quirk.apis)),
        quirk.reason,
        linked(quirk.source),
        quirk.evidence,
        quirk.delete_when,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def linked(source) -> str:
    """A citation of a page in docs/ as a link from this one."""
    return re.sub(r"\bdocs/(wire/[\w-]+\.md#([\w-]+))", r"[\2](\1)", source)


def families(names) -> str:
    """The families by the shortest name for the set of them."""
    missing = sorted(CHAT_FAMILIES - names)
    if len(missing) <= 2:
        return "all but " + ", ".join(missing) if missing else "all"
    if names >= OPEN_FAMILIES:
        return ", ".join(["open models", *sorted(names - OPEN_FAMILIES)])
    return ", ".join(sorted(names))


def homes():
    """(section, row, home, tests) of each line of the page's tables of homes."""
    section = ""
    for text in PAGE.read_text().split(BEGIN)[0].splitlines():
        if text.startswith("## "):
            section = text.removeprefix("## ")
        elif text.startswith("| ") and not text.startswith("| row"):
            row, home, tests = (cell.strip() for cell in text.strip("| ").split(" | "))
            yield section, row, home, tests


@cache
def functions_of(path) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_row_has_one_home():
    rows = [row for _, row, _, _ in homes()]
    assert sorted(rows) == sorted(ROWS)
    assert {section for section, _, _, _ in homes()} == HOMES


@pytest.mark.parametrize(("section", "row", "home", "tests"), [one for one in homes() if "::" in one[3]])
def test_every_home_and_every_test_named_exists(section, row, home, tests):
    assert (ROOT / "shared" / home).is_file()
    for test in tests.split():
        path, _, name = test.partition("::")
        assert name in functions_of(path), f"{row}: {test}"


def test_every_home_but_the_last_two_sections_names_a_test():
    for section, row, _, tests in homes():
        assert ("::" in tests) is (section not in {"Documented only", "Out of scope"}), row


def test_the_quirks_of_the_page_are_the_quirks_there_are():
    assert {row for section, row, _, _ in homes() if section == "Quirks"} == {quirk.name for quirk in QUIRKS}


def test_the_table_of_quirks_is_what_the_quirks_say():
    assert PAGE.read_text().split(BEGIN)[1].split(END)[0] == rendered(), "run tests/quirks/test_table.py"


def test_every_module_that_holds_a_quirk_is_in_the_catalogue():
    folder = ROOT / "shared" / "dbx_gateway" / "quirks"
    modules = {path.stem for path in folder.glob("*.py") if "QUIRK = Quirk(" in path.read_text(encoding="utf-8")}
    assert modules - {quirk.name.replace("-", "_") for quirk in QUIRKS} == set()


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
def test_a_quirk_has_a_module_of_its_name_and_says_all_about_itself(quirk):
    module = importlib.import_module("dbx_gateway.quirks." + quirk.name.replace("-", "_"))
    assert module.QUIRK is quirk
    assert quirk.families
    assert quirk.apis
    assert (quirk.answer if quirk.kind == "in" else quirk.request) is not None
    for words in (quirk.reason, quirk.source, quirk.delete_when):
        assert words.strip() == words != ""
    assert quirk.source.startswith(f"{DEPARTURES}#{quirk.name}: ")


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
def test_a_quirk_has_a_rule_of_its_name_in_the_simulated_workspace_wherever_it_applies(quirk):
    for api in quirk.apis:
        rules = [rule for rule in WIRES[api].RULES if rule.name == quirk.name]
        assert rules, f"{quirk.name} on {api}"
        for surface in quirk.surfaces:
            for family in quirk.families:
                assert any(rule.applies(surface, family, api) for rule in rules), (api, surface, family)


WARNS = re.compile(r"\bwarn_changed\(")


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.name)
def test_what_a_user_asked_for_is_taken_on_good_evidence_or_after_a_refusal_only(quirk):
    source = (ROOT / "shared/dbx_gateway/quirks" / (quirk.name.replace("-", "_") + ".py")).read_text()
    takes = WARNS.search(source) is not None or quirk.kind == "guard"
    assert not takes or quirk.evidence in ("O", "S") or quirk.on_refusal is not None


if __name__ == "__main__":
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + rendered() + END + rest.split(END)[1])
