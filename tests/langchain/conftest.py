"""A simulated workspace behind a socket, models that talk to it, and the check of what LangChain's suites skip."""

from __future__ import annotations

import pytest

from dbx_gateway.testing import Workspace, serve
from langchain_dbx_gateway import ChatDbxGateway


@pytest.fixture(scope="session")
def standing_workspace():
    """One workspace for all tests that only need answers, and its address."""
    workspace = Workspace()
    with serve(workspace) as server:
        yield workspace, server.url


@pytest.fixture
def workspace():
    """A workspace of the test's own, with an empty ledger."""
    return Workspace()


@pytest.fixture
def url(workspace):
    with serve(workspace) as server:
        yield server.url


@pytest.fixture
def make_llm(workspace, url):
    """Makes a ``ChatDbxGateway`` of the test's workspace: on the gateway, unless the settings say otherwise."""

    def made(model="databricks-claude-sonnet-4-5", **settings):
        return ChatDbxGateway(
            **{"model": model, "host": url, "token": workspace.token, "surface": "ai-gateway"} | settings
        )

    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A test of a class that says what it skips is skipped if, and only if, the class says so."""
    report = yield
    may_skip = getattr(item.cls, "may_skip", None)
    if may_skip is None or report.when != "call":
        return report
    expected = may_skip(item.originalname)
    if report.skipped and not expected:
        report.outcome, report.longrepr = "failed", "this test was skipped, but the table of flags does not say so"
    elif expected and not report.skipped:
        report.outcome, report.longrepr = "failed", "the table of flags says that this test is skipped, but it ran"
    return report
