import pytest

from dbx_gateway.testing import Workspace, serve


@pytest.fixture(scope="module")
def workspace():
    return Workspace()


@pytest.fixture(scope="module")
def server(workspace):
    with serve(workspace) as running:
        yield running


@pytest.fixture
def signed_in(server, workspace, monkeypatch):
    """The environment of a user of the workspace."""
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    return server
