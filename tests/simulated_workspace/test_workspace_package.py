"""What importing the simulated workspace costs, and how tests take it up."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import httpx

import dbx_gateway.testing
from dbx_gateway.testing import workspace_transport


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_it_loads_neither_server_nor_pytest():
    code = (
        "import sys, dbx_gateway.testing\n"
        "print(sorted({'uvicorn', 'starlette', 'pytest', 'openai'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    assert run(code).stdout.strip() == "[]"


def imported(source):
    """The modules of the package that a source file imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dbx_gateway"):
            yield node.module
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("dbx_gateway"))


def test_it_knows_nothing_of_the_client():
    allowed = ("testing", "errors", "surfaces", "models.families", "models.profile", "models.profiles")
    paths = list(Path(dbx_gateway.testing.__file__).parent.rglob("*.py"))
    assert len(paths) > 20
    for path in paths:
        found = {name.partition(".")[2] for name in imported(path.read_text(encoding="utf-8"))}
        assert [name for name in found if not f"{name}.".startswith(tuple(f"{one}." for one in allowed))] == [], path


def test_serving_without_uvicorn_names_the_command_that_installs_it():
    code = (
        "import sys\n"
        "sys.modules['uvicorn'] = None\n"
        "from dbx_gateway.testing import Workspace, serve\n"
        "serve(Workspace())"
    )
    assert 'pip install "dbx-gateway[sim]"' in run(code).stderr


def test_one_transport_serves_several_clients(workspace):
    transport = workspace_transport(workspace)
    for host in ("http://one.test", "http://other.test"):
        client = httpx.Client(base_url=host, transport=transport)
        assert client.get("/.well-known/databricks-config").json()["oidc_endpoint"] == f"{host}/oidc"


OWN_CONFTEST = 'pytest_plugins = ["dbx_gateway.testing.fixtures"]'
OWN_TEST = """
import httpx

def test_a_workspace(dbx_workspace, dbx_workspace_url):
    headers = {"authorization": f"Bearer {dbx_workspace.token}"}
    answer = httpx.get(dbx_workspace_url + "/api/2.0/serving-endpoints", headers=headers, trust_env=False)
    assert answer.status_code == 200
    assert len(dbx_workspace.ledger) == 1

def test_each_test_has_its_own(dbx_workspace):
    assert len(dbx_workspace.ledger) == 0
"""


def test_the_fixtures_are_opt_in(tmp_path):
    (tmp_path / "conftest.py").write_text(OWN_CONFTEST)
    (tmp_path / "test_own.py").write_text(OWN_TEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert "2 passed" in ended.stdout, ended.stdout
