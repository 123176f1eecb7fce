"""How many cases the catalogue has, and that the documentation says so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from faults.case import Answer
from faults.cases_statuses import BODIES, KINDS, STATUSES
from faults.catalogue import CASES
from faults.page import page, runs_table, table
from faults.runs import ALWAYS, FRONT_ENDS, RUNS, forms
from faults.wires import WIRES

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.api)
def test_each_api_has_at_least_150_cases_beside_the_grid_of_statuses(wire, capsys):
    with capsys.disabled():
        if wire is WIRES[0]:
            print(f"\n{table()}\n\n{runs_table()}")  # noqa: T201  # the counts are to be seen in every run
    names = [case.name for case in CASES if case.wire is wire and case.group != STATUSES]
    assert len(names) >= 150


def test_each_case_has_a_name_of_its_own_in_its_group():
    names = Counter((case.wire.api, case.group, case.name) for case in CASES)
    assert [name for name, times in names.items() if times > 1] == []


def test_each_case_is_played_in_some_mode_and_both_outcomes_occur_in_each_api():
    assert all(case.stream or case.whole for case in CASES)
    for wire in WIRES:
        scenes = [scene for case in CASES if case.wire is wire for scene in (case.stream, case.whole) if scene]
        answers = sum(isinstance(scene.expect, Answer) for scene in scenes)
        assert 100 < answers < len(scenes) - 100


def test_every_case_has_a_run_in_each_of_its_forms_through_each_front_end():
    played = sum((case.stream is not None) + (case.whole is not None) for case in CASES)
    fronts = ["core", "ChatDbxGateway", "DbxGateway"]
    assert Counter(run.front.name for run in RUNS) == dict.fromkeys(fronts, 2 * played)
    assert len({str(run) for run in RUNS}) == len(RUNS)


def test_the_gate_runs_each_name_of_a_case_on_one_api_in_all_its_modes():
    runs = Counter(run.case for run in ALWAYS)
    assert set(ALWAYS) <= set(RUNS)
    assert all(times == len(FRONT_ENDS) * 2 * len(list(forms(case))) for case, times in runs.items())
    names = Counter((case.group, case.name) for case in runs)
    assert set(names) == {(case.group, case.name) for case in CASES}
    assert sum(names.values()) - len(names) < 10


def test_the_gate_leaves_out_no_api_group_front_end_way_and_form_that_the_full_check_has():
    assert {run.cell for run in ALWAYS} == {run.cell for run in RUNS}


def test_the_gate_spreads_the_cases_of_the_status_grid_over_all_apis():
    cases = {run.case for run in ALWAYS if run.case.group == STATUSES}
    met = {(part, case.wire.api) for case in cases for part in case.name.removeprefix("status_").split("_", 1)}
    parts = {part for part, _ in met} - {"304"}
    assert len(parts) == len(KINDS) - 1 + len(BODIES)
    assert {(part, wire.api) for part in parts for wire in WIRES} <= met


def test_the_page_of_the_documentation_is_made_from_the_catalogue():
    assert PAGE.read_text(encoding="utf-8") == page()
