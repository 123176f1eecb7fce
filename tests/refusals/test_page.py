"""docs/refusals.md says what becomes of each known refusal, and the code agrees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from refusals.page import PAGE, page
from refusals.played import ASKED
from support.promises import promise

from dbx_gateway.refusals import ROWS, refusal_row
from dbx_gateway.testing import REFUSALS, Fault, Workspace

DOCS = Path(__file__).parents[2] / "docs"


@promise("known-refusals")
def test_the_page_says_what_comes_out_and_python_m_refusals_page_writes_it_anew():
    assert PAGE.read_text() == page()


def test_each_refusal_has_a_source_that_exists():
    for refusal in REFUSALS.values():
        name, _, section = refusal.source.partition("#")
        headings = re.findall(r"^#+ (.+)$", (DOCS.parent / name).read_text(), re.MULTILINE)
        assert section in [heading.lower().replace(" ", "-") for heading in headings], refusal.source
    assert set(ASKED) <= set(REFUSALS)


def test_each_meaning_has_a_refusal_that_is_known():
    seen = {refusal_row(one.status, frozenset({str(one.code)}), one.words) for one in REFUSALS.values()}
    assert {row.name for row in ROWS} - {row.name for row in seen if row is not None} == {
        "medium-by-url"
    }  # a quirk's test has it


@pytest.mark.parametrize("name", REFUSALS)
def test_a_known_refusal_is_a_fault_in_its_own_words(name):
    refusal = REFUSALS[name]
    assert isinstance(refusal.fault, Fault)
    workspace = Workspace()
    workspace.inject(refusal.fault)
    reply = workspace.handle(
        "POST", "/serving-endpoints/chat/completions", {"authorization": f"Bearer {workspace.token}"}, b"{}"
    )
    assert reply.status == refusal.status
    assert refusal.words.replace('"', '\\"').encode() in reply.body
