"""How many cases the catalogue has, and that the documentation says so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from faults.case import Answer
from faults.cases_statuses import STATUSES
from faults.catalogue import CASES
from faults.page import page, runs_table, table
from faults.runs import ADAPTER_RUNS, ALWAYS, CORE_RUNS, RUNS
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
    forms = sum((case.stream is not None) + (case.whole is not None) for case in CASES)
    assert Counter(run.front.name for run in RUNS) == dict.fromkeys(["core", "ChatDbxGateway", "DbxGateway"], 2 * forms)
    assert len({str(run) for run in RUNS}) == len(RUNS)


def test_every_check_has_the_cores_runs_and_a_part_of_the_adapters_that_leaves_out_no_cell_and_no_name():
    assert set(CORE_RUNS) <= set(ALWAYS) <= set(RUNS)
    part = [run for run in ALWAYS if run not in set(CORE_RUNS)]
    assert len(set(part)) == len(part) < 1500
    assert {run.cell for run in part} == {run.cell for run in ADAPTER_RUNS}
    names = {(run.case.group, run.case.name) for run in part}
    assert names == {(case.group, case.name) for case in CASES}


def test_the_page_of_the_documentation_is_made_from_the_catalogue():
    assert PAGE.read_text(encoding="utf-8") == page()
