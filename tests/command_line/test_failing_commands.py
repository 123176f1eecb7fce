"""A command that cannot be carried out says why, with the right exit status, also as JSON."""

import json
import socket
import sys
import time

import pytest

import dbx_gateway.testing
from dbx_gateway.cli import main


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.fixture
def without_uvicorn(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "dbx_gateway.testing.server", raising=False)
    monkeypatch.delattr(dbx_gateway.testing, "server", raising=False)


@pytest.mark.parametrize("command", ["demo", "sim"])
def test_a_simulated_workspace_without_its_extra_gives_the_install_command(command, without_uvicorn, capsys):
    assert main([command]) == 1
    assert capsys.readouterr().err.endswith('needs uvicorn: pip install "dbx-gateway[sim]"\n')


def test_sim_on_a_port_that_is_taken_says_so(taken_port, capsys):
    assert main(["sim", "--port", str(taken_port)]) == 1
    assert f"cannot listen on port {taken_port}: " in capsys.readouterr().err


def test_sim_ends_well_when_it_is_interrupted(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    assert main(["sim", "--port", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mode"] == "workspace"


def test_a_check_that_is_interrupted_ends_as_the_shell_expects(signed_in, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dbx_gateway.cli.commands.run_check", interrupt)
    assert main(["check", "databricks-glm-5-2"]) == 130


def test_an_error_is_an_object_too_where_json_was_asked_for(capsys):
    assert main(["demo", "--json", "--family", "nonsense"]) == 1
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert error["type"] == "ConfigurationError"
    assert error["message"].startswith("the demo has no row for nonsense; it shows databricks-")
    assert "databricks-claude-sonnet-4-5, " in error["message"]
    assert err == f"dbx-gateway: {error['message']}\n"


@pytest.mark.parametrize("argument", ["--api", "--family", "--surface"])
@pytest.mark.parametrize("command", ["check", "route", "chat"])
def test_a_name_that_does_not_exist_is_a_wrong_argument(command, argument, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "databricks-glm-5-2", argument, "nonsense"])
    assert ended.value.code == 2
    assert f"argument {argument}: invalid choice: 'nonsense'" in capsys.readouterr().err


def test_a_config_profile_that_does_not_exist_is_an_error_of_route_and_not_a_note(capsys):
    assert main(["route", "--profile", "nobody", "databricks-glm-5-2"]) == 1
    assert "nobody" in capsys.readouterr().err


def test_check_denies_what_the_profile_denies_in_the_words_of_the_profile(signed_in, capsys):
    arguments = ["check", "--json", "--surface", "ai-gateway", "--front-end", "core", "databricks-gemma-3-12b"]
    assert main(arguments) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["tools"] == {
        "state": "denied",
        "ok": True,
        "ms": 0,
        "reason": "databricks-gemma-3-12b: it writes tool calls as raw text",
    }
