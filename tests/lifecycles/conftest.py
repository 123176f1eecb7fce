"""Hosts to talk to, and programs that run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lifecycles.front_ends import FRONT_ENDS, front_end
from lifecycles.host import serving

from dbx_gateway.testing import Workspace, serve

TESTS = Path(__file__).resolve().parents[1]
LONGEST_RUN = 60


@pytest.fixture
def host():
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def workspace():
    """One workspace for all tests of a module: its address and a token."""
    with serve(Workspace()) as server:
        yield server


@pytest.fixture
def fields(workspace):
    """The settings of a model of the workspace."""
    return {
        "model": "databricks-claude-sonnet-4-5",
        "host": workspace.url,
        "token": workspace.workspace.token,
        "surface": "ai-gateway",
    }


@pytest.fixture(params=FRONT_ENDS)
def front(request):
    """Makes the front end of the test's parameter."""
    return lambda objects=None, **fields: front_end(request.param, objects, **fields)


@pytest.fixture
def run():
    """Runs a program in a Python of its own, within a time; what it prints and its exit status are returned."""

    def ran(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "PYTHONPATH": path, **variables},
            capture_output=True,
            text=True,
            timeout=LONGEST_RUN,
            check=False,
        )

    return ran
