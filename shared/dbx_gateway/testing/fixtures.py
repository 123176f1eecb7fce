"""Pytest fixtures that give a test a simulated workspace of its own.

They are opt-in. In ``conftest.py``::

    pytest_plugins = ["dbx_gateway.testing.fixtures"]

and then::

    def test_my_agent_answers(dbx_workspace, dbx_workspace_url):
        llm = ChatDbxGateway(model="databricks-claude-sonnet-4-5", host=dbx_workspace_url, token=dbx_workspace.token)
        assert llm.invoke("Hello").text == "You said: Hello"
        assert dbx_workspace.billed().output == 3
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dbx_gateway.testing import Workspace, serve

__all__ = ["dbx_workspace", "dbx_workspace_url"]


@pytest.fixture
def dbx_workspace() -> Workspace:
    """A fresh simulated workspace in workspace mode, with its ledger and faults."""
    return Workspace()


@pytest.fixture
def dbx_workspace_url(dbx_workspace: Workspace) -> Iterator[str]:
    """The address at which :func:`dbx_workspace` is served for the time of the test; needs the extra ``sim``."""
    with serve(dbx_workspace) as server:
        yield server.url
