"""The gate and the full check run the steps that they name, time them, and fail where one of them fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
from support.parts import TESTS

CI = TESTS.parent / ".ci"
README = TESTS.parent / "README.md"
NEEDS_BASH = pytest.mark.skipif(shutil.which("bash") is None, reason="the gate is a shell script")


def steps_of(kind: str) -> list[str]:
    """The steps that ``.ci/run`` names for the ``gate``, or in ``full``."""
    found = re.search(rf"^{kind}=\((.*?)\)", (CI / "run").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1].split()


@pytest.fixture
def check(tmp_path):
    """Runs a copy of ``.ci/run`` whose steps end with the statuses given, all others with 0."""

    def run(*arguments: str, **statuses: int) -> subprocess.CompletedProcess[str]:
        (tmp_path / ".ci" / "steps").mkdir(parents=True, exist_ok=True)
        shutil.copy(CI / "run", tmp_path / ".ci" / "run")
        (tmp_path / ".ci" / "environment").write_text("exit 0\n", encoding="utf-8")
        for step in {*steps_of("gate"), *steps_of("full")}:
            script = f"exit {statuses.get(step, 0)}\n"
            (tmp_path / ".ci" / "steps" / step).write_text(script, encoding="utf-8")
        command = ["bash", str(tmp_path / ".ci" / "run"), *arguments]
        environment = os.environ | {"PYTHON": "true"}  # no environment is made
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    return run


def table(output: str) -> dict[str, str]:
    """The results in the table at the end of an output, by step."""
    rows = (re.fullmatch(r"(\S+) +\d+ s  (\w+)", line) for line in output.splitlines())
    return {row[1]: row[2] for row in rows if row}


@NEEDS_BASH
def test_the_gate_runs_its_steps_in_order_and_says_how_long_each_and_all_took(check):
    ended = check()
    assert ended.returncode == 0
    assert list(table(ended.stdout)) == ["environment", *steps_of("gate")]
    assert set(table(ended.stdout).values()) == {"passed"}
    assert re.search(r"^all +\d+ s$", ended.stdout, re.MULTILINE)


@NEEDS_BASH
def test_the_gate_ends_with_the_step_that_fails(check):
    ended = check(types=3)
    assert ended.returncode == 1
    assert table(ended.stdout) == {"environment": "passed", "lint": "passed", "types": "FAILED"}


@NEEDS_BASH
def test_a_failed_step_of_the_full_check_keeps_no_other_from_running_and_fails_the_check(check):
    ended = check("--full", types=3, newest=77)
    assert ended.returncode == 1
    found = table(ended.stdout)
    assert list(found) == ["environment", *steps_of("full")]
    assert {step for step in found if found[step] != "passed"} == {"types", "newest"}
    assert (found["types"], found["newest"]) == ("FAILED", "skipped")


@NEEDS_BASH
def test_a_step_runs_alone(check):
    ended = check("--step", "lint", "--step", "wheel")
    assert ended.returncode == 0
    assert list(table(ended.stdout)) == ["environment", "lint", "wheel"]


@NEEDS_BASH
@pytest.mark.parametrize("arguments", [("--step", "no-such-step"), ("--step",), ("--fully",)])
def test_what_is_no_step_and_no_option_is_refused(check, arguments):
    ended = check(*arguments)
    assert ended.returncode != 0
    assert table(ended.stdout) == {}


def test_each_step_is_a_script_that_says_what_it_checks_and_each_script_is_a_step():
    named = {*steps_of("gate"), *steps_of("full")}
    scripts = {path.name: path for path in (CI / "steps").iterdir()}
    assert set(scripts) == named
    for script in scripts.values():
        first, second, *_ = script.read_text(encoding="utf-8").splitlines()
        assert first == "#!/usr/bin/env bash"
        assert re.match(r"# [A-Z]", second), script.name


@NEEDS_BASH
def test_each_command_that_a_step_takes_from_the_readme_stands_there():
    scripts = [path for path in CI.rglob("*") if path.is_file()]
    names = {
        name for path in scripts for name in re.findall(r"\.ci/readme ([a-z-]+)", path.read_text(encoding="utf-8"))
    }
    assert {"quick", "test"} <= names
    for name in names:
        command = ["bash", str(CI / "readme"), name]
        assert "python" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
