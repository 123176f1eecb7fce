"""The login of the command line, which processes share: asked for in turns, and asked again when another broke it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest
from core.sign_in import sign_in_server
from databricks.sdk.credentials_provider import DefaultCredentials
from support.promises import promise

from dbx_gateway.auth import cli_login
from dbx_gateway.auth.cli_login import TRIES, Turns, lock_file
from dbx_gateway.auth.signing import resolve
from dbx_gateway.errors import AuthenticationError

TOKEN = {"access_token": "from-cli", "token_type": "Bearer", "expiry": "2099-01-01T00:00:00Z"}
LOST = "Error: forced token refresh: cache update: exit status 45"


def command_line(folder: Path, script: str) -> None:
    """Put a ``databricks`` into ``folder/bin`` that runs ``script`` when it is asked for a token."""
    path = folder / "bin" / "databricks"
    path.parent.mkdir(exist_ok=True)
    version = json.dumps({"Major": 1, "Minor": 0, "Patch": 0})
    padding = "#" * (1024 * 1024)  # the SDK takes a smaller file for the old command line
    path.write_text(f"#!/bin/sh\nif [ \"$1\" = version ]; then echo '{version}'; exit; fi\n{script}\nexit\n{padding}")
    path.chmod(0o755)


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "ARM_", "DBX_GATEWAY_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), "/bin", "/usr/bin"]))
    return tmp_path


@pytest.fixture
def server():
    with sign_in_server() as running:
        yield running


SIGN_IN = """
import pathlib, sys, time
from dbx_gateway.auth.signing import resolve
import databricks.sdk.core
home, host, number = sys.argv[1:]
pathlib.Path(home, f"ready-{number}").touch()
while not pathlib.Path(home, "go").exists():
    time.sleep(0.005)
print(resolve(host=host).fetch().headers["Authorization"])
"""


forced = pytest.mark.skipif(
    not hasattr(DefaultCredentials(), "_auth_providers"),
    reason="this release of databricks-sdk does not force the command line to renew, and is left as it is",
)


@promise("cli-logins")
@pytest.mark.thorough
@forced
def test_six_processes_on_one_login_all_sign_in_and_never_ask_at_the_same_time(home, server):
    command_line(
        home,
        f"if ! mkdir {home}/busy; then echo lost >> {home}/lost; echo '{LOST}' >&2; exit 1; fi\n"
        f"sleep 0.3\nrmdir {home}/busy\necho asked >> {home}/asked\necho '{json.dumps(TOKEN)}'",
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SIGN_IN, str(home), server.url, str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    while len(list(home.glob("ready-*"))) < 6:
        assert all(process.poll() is None for process in started)
        threading.Event().wait(0.01)
    (home / "go").touch()
    said = [process.communicate(timeout=60) for process in started]
    assert [out.strip() for out, _ in said] == ["Bearer from-cli"] * 6, [err[-500:] for _, err in said]
    assert len((home / "asked").read_text().split()) == 6
    assert not (home / "lost").exists()


@promise("cli-logins")
@forced
def test_a_race_that_another_program_won_is_tried_again(home, server, monkeypatch):
    monkeypatch.setattr(cli_login, "_PAUSE", 0.001)
    command_line(
        home,
        f"echo asked >> {home}/asked\n"
        f"if [ $(wc -l < {home}/asked) -lt 3 ]; then echo '{LOST}' >&2; exit 1; fi\necho '{json.dumps(TOKEN)}'",
    )
    assert resolve(host=server.url).fetch().headers["Authorization"] == "Bearer from-cli"
    assert len((home / "asked").read_text().split()) == 3


@promise("cli-logins")
@forced
def test_a_refusal_that_stays_is_an_authentication_error_in_the_words_of_the_command_line(home, server, monkeypatch):
    monkeypatch.setattr(cli_login, "_PAUSE", 0.001)
    command_line(home, f"echo asked >> {home}/asked\necho 'the refresh token is invalid' >&2\nexit 1")
    with pytest.raises(AuthenticationError, match=r"the refresh token is invalid.*databricks auth login"):
        resolve(host=server.url).fetch()
    assert len((home / "asked").read_text().split()) == TRIES


@forced
def test_a_token_that_runs_out_is_renewed_in_a_turn_too(home, server, monkeypatch):
    taken: list[int] = []
    take = Turns.take
    monkeypatch.setattr(Turns, "take", lambda turns, work: (taken.append(1), take(turns, work))[1])
    command_line(
        home,
        f"echo asked >> {home}/asked\nif [ $(wc -l < {home}/asked) -gt 1 ]; then echo '{json.dumps(TOKEN)}'; exit; fi\n"
        f"echo '{json.dumps({**TOKEN, 'access_token': 'first', 'expiry': '2020-01-01T00:00:00Z'})}'",
    )
    found = resolve(host=server.url)
    assert found.fetch().headers["Authorization"] == "Bearer from-cli"
    assert len(taken) == 2
    assert found.fetch().headers["Authorization"] == "Bearer from-cli"
    assert len(taken) == 2  # a fresh token needs no turn


# --- turns -------------------------------------------------------------------------------------------------------


class Time:
    """A clock that only goes on while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def turns(self, file: Path | None = None, chance: float = 0.5) -> Turns:
        return Turns(file, clock=lambda: self.now, sleep=self.sleep, chance=lambda: chance)


def test_the_pauses_between_tries_grow_and_differ_by_chance():
    pauses = []
    for chance in (0.0, 1.0):
        time = Time()
        with pytest.raises(OSError, match="no"):
            time.turns(chance=chance).take(fails)
        pauses.append(time.slept)
    assert pauses == [[0.5, 1.0], [1.0, 2.0]]


def fails() -> None:
    raise OSError("no")


def test_a_lock_that_another_process_does_not_give_back_is_waited_for_only_so_long(tmp_path):
    file = tmp_path / "lock"
    holds = "import fcntl, sys\nf = open(sys.argv[1], 'w')\nfcntl.lockf(f, fcntl.LOCK_EX)\nprint('held', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", holds, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        time = Time()
        assert time.turns(file).take(lambda: "done") == "done"
        other.communicate("\n", timeout=20)
    assert cli_login.LONGEST_TURN <= time.now < cli_login.LONGEST_TURN + 1
    again = Time()
    assert again.turns(file).take(lambda: "done") == "done"
    assert again.slept == []


def test_threads_of_one_process_take_turns_too(tmp_path):
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.01)
        inside.pop()

    threads = [threading.Thread(target=lambda: Turns(tmp_path / "lock").take(work)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 8


def test_a_place_without_locks_or_without_files_is_no_failure(tmp_path, monkeypatch):
    assert Time().turns(None).take(lambda: 1) == 1
    assert Time().turns(tmp_path / "missing" / "lock").take(lambda: 1) == 1

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setitem(sys.modules, "fcntl", types.SimpleNamespace(lockf=none, LOCK_EX=2, LOCK_NB=4, LOCK_UN=8))
    assert Time().turns(tmp_path / "lock").take(lambda: 1) == 1


def test_a_login_has_a_file_of_its_own_where_the_command_line_keeps_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    first, second = lock_file("https://a.example.com"), lock_file("https://b.example.com")
    assert first is not None
    assert first.parent == tmp_path / ".databricks"
    assert first != second
    monkeypatch.setenv("HOME", "/proc/nowhere")
    assert lock_file("https://a.example.com") is None
