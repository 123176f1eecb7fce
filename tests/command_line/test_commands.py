"""Every command, by the parser: the table of the README names it, and with ``--json`` it prints one JSON object."""

import argparse
import io
import json
import re
import sys
import time
from pathlib import Path

import pytest

from dbx_gateway.cli import main
from dbx_gateway.cli.main import parser

README = Path(__file__).parents[2] / "README.md"
MODEL = "databricks-glm-5-2"
ONE_CELL = ("--front-end", "core")

ARGUMENTS = {
    "demo": ("--family", "gemma", *ONE_CELL),
    "check": (MODEL, "--surface", "ai-gateway", *ONE_CELL),
    "models": (),
    "route": (MODEL,),
    "chat": (MODEL,),
    "sim": ("--port", "0"),
}
"""For each command what to run it with."""


def commands():
    """The names of all commands."""
    (names,) = (action.choices for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return set(names)


@pytest.fixture
def one_line_then_interrupted(monkeypatch):
    """Types one line, and interrupts a command that would run for ever."""

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))


def test_the_table_of_the_readme_has_every_command():
    named = set(re.findall(r"^\| `dbx-gateway (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert named - commands() == set(), "the table of commands in README.md has a command that is none"
    assert commands() - named == set(), "the table of commands in README.md lacks a command"


def test_every_command_is_run_here():
    assert ARGUMENTS.keys() - commands() == set(), (
        "ARGUMENTS of tests/command_line/test_commands.py has no such command"
    )
    assert commands() - ARGUMENTS.keys() == set(), "ARGUMENTS of tests/command_line/test_commands.py lacks a command"


@pytest.mark.parametrize("command", ARGUMENTS)
@pytest.mark.usefixtures("signed_in", "one_line_then_interrupted")
def test_a_command_prints_one_json_object_where_it_was_asked_for(command, capsys):
    assert main([command, "--json", *ARGUMENTS[command]]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)
