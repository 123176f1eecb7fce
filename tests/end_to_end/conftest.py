"""Workspaces behind a real socket, and clients of them."""

from __future__ import annotations

import contextlib
import logging

import pytest
from end_to_end.site import Site
from support.pacing import quick_pacing

from dbx_gateway import Observations
from dbx_gateway.cli import main
from dbx_gateway.testing import Workspace, serve


class Clock:
    """Seconds that go by only when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def open_site():
    """Serves a workspace made with the given arguments until the test ends."""
    with contextlib.ExitStack() as open_until_the_end:

        def opened(*args, **settings) -> Site:
            server = open_until_the_end.enter_context(serve(Workspace(*args, **settings)))
            return Site(server.workspace, server.url)

        yield opened


@pytest.fixture
def site(open_site):
    """A workspace with everything at its default."""
    return open_site()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def seen(clock):
    """What is learned, with a clock that the test moves."""
    return Observations(clock)


@pytest.fixture
def warned(caplog):
    """The warnings that the package has logged so far."""
    caplog.set_level(logging.WARNING, "dbx_gateway")
    return lambda: [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.fixture
def quick_retries(monkeypatch):
    """Pauses between two sends that take no time worth mentioning."""
    monkeypatch.setattr("dbx_gateway.call.retries._FIRST_PAUSE", 0.001)
    with quick_pacing():
        yield


@pytest.fixture
def run(capsys):
    """Run a command; returns its exit status and what it printed."""

    def run(*arguments: str):
        status = main(arguments)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def signed_in(site, monkeypatch):
    """A served workspace, which the environment names."""
    monkeypatch.setenv("DATABRICKS_HOST", site.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", site.workspace.token)
    return site
