"""The vendors' own clients against the simulated workspace as strict as it is: who fails, and at which rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from judges import vendor_clients
from judges.vendor_clients import USES, Use
from judges.vendor_clients_table import EXPECTED, page

from dbx_gateway.surfaces import Surface
from dbx_gateway.testing.server import RunningServer, serve
from dbx_gateway.testing.workspace import Workspace

SURFACES: tuple[Surface, ...] = ("ai-gateway", "model-serving")
PAGE = Path(__file__).parents[2] / "docs" / "vendor-clients.md"

Served = Callable[..., RunningServer]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A workspace without some rules, started once for each set of them."""
    running: dict[tuple[str, frozenset[str]], RunningServer] = {}
    with ExitStack() as stack:

        def start(*without: str, mode: str = "workspace") -> RunningServer:
            key = (mode, frozenset(without))
            if key not in running:
                running[key] = stack.enter_context(serve(Workspace(mode, without=without)))
            return running[key]

        yield start


def outcome(use: Use, server: RunningServer, surface: Surface) -> str | None:
    """Return how a use failed, or None when it worked; a client's own warnings are no failure."""
    try:
        with warnings.catch_warnings(action="ignore"):
            use.run(vendor_clients.Workspace(server.url, server.workspace.token, surface))
    except Exception as error:  # noqa: BLE001  # each client has its own errors, and the table is about any of them
        return f"{type(error).__name__}: {error}"
    return None


def named(use: Use) -> str:
    return f"{use.client} {use.model} {use.what}"


def test_the_table_has_a_row_for_every_use():
    assert list(EXPECTED) == [(use.client, use.model, use.what) for use in USES]


@pytest.mark.parametrize("use", USES, ids=named)
def test_in_plain_mode_every_use_works(use, served):
    assert outcome(use, served(mode="plain"), "model-serving") is None


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("use", USES, ids=named)
def test_a_use_runs_into_exactly_its_rules_one_after_the_other(use, surface, served):
    rules = EXPECTED[use.client, use.model, use.what][SURFACES.index(surface)]
    seen = [outcome(use, served(*rules[:met]), surface) for met in range(len(rules) + 1)]
    assert seen[-1] is None
    assert None not in seen[:-1]
    assert len(set(seen)) == len(seen), "a rule out of the way changed nothing"


def test_the_page_of_the_documentation_is_made_from_the_table():
    assert PAGE.read_text(encoding="utf-8") == page()
