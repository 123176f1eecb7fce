"""``docs/many_users.md``: its examples run, and each is sent as the user it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbx_gateway import ConfigurationError
from dbx_gateway.testing import Workspace, serve

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "many_users.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def workspace():
    return Workspace(tokens={"dapi-ann": "ann", "dapi-bob": "bob"})


@pytest.fixture
def page(workspace, monkeypatch):
    """The names of the page's examples, in a process whose environment is the app's own."""
    with serve(workspace) as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
        names: dict[str, object] = {}
        for example in EXAMPLES:
            exec(compile(example, "docs/many_users.md", "exec"), names)  # the page's own examples
        yield names


def users(workspace) -> list[str | None]:
    return [entry.user for entry in workspace.ledger.model_calls()]


def test_the_examples_are_sent_as_the_user_of_the_request(page, workspace):
    assert page["answer"]("Hello", "dapi-ann")
    assert page["handle"]({"x-forwarded-access-token": "dapi-bob"}, "Hello")
    assert list(page["right"]("Hello", "dapi-ann"))
    assert page["ask"]("Hello", "dapi-bob")
    assert users(workspace) == ["ann", "bob", "ann", "bob"]


def test_a_request_without_a_token_is_not_sent_as_the_app(page, workspace):
    with pytest.raises(PermissionError):
        page["handle"]({}, "Hello")
    with pytest.raises(ConfigurationError, match="acting_as_required=True"):
        page["client"].chat("Hello")
    assert users(workspace) == []


def test_what_the_page_calls_wrong_is_wrong(page, workspace):
    stream = page["wrong"]("Hello", "dapi-ann")
    next(stream)
    page["client"].chat("the consumer's own call")  # not refused: it stands in the block of the generator
    stream.close()
    assert users(workspace) == ["ann", "ann"]
