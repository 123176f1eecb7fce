"""docs/settings.md says what the fields say, and where each setting goes in a request. To render it anew, run
``python -m settings.page`` in ``tests``."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from settings.page import BEGIN, END, MARKERS, PAGE, rendered, variables_of
from settings.places import APIS, EXAMPLES, FORMS, HOST, NOT_SENT, REFUSED, Asked, changes, everyone, place_of

from dbx_gateway import Client, DbxGatewayError, Observations
from dbx_gateway.notices import forget_notices
from dbx_gateway.settings import CALL_OPTIONS, Settings
from dbx_gateway.testing import Workspace, workspace_transport

ROOT = Path(__file__).parents[2]
SIMULATED = tuple({one.api: one for one in reversed(everyone()) if one.family not in ("agent", "other")}.values())
ASKED = tuple({one.api: one for one in everyone()}.values())


def test_the_page_is_what_the_fields_and_the_requests_say():
    page = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    new = [line for line in rendered().splitlines() if line not in page]
    assert page == rendered(), f"run `python -m settings.page` in tests/; new lines: {new}"


def test_every_setting_of_a_call_has_an_example_or_says_which_form_a_request_has():
    assert CALL_OPTIONS - set(EXAMPLES) - FORMS == set(), "EXAMPLES in tests/settings/places.py lacks a setting"
    assert (set(EXAMPLES) | FORMS) - CALL_OPTIONS == set(), "tests/settings/places.py has what no call may change"
    assert set(EXAMPLES) & FORMS == set()


@pytest.mark.parametrize("setting", EXAMPLES)
def test_an_example_is_no_default(setting):
    assert getattr(Settings.of({"model": "m"} | {setting: EXAMPLES[setting]}), setting) != getattr(
        Settings.of({}), setting
    )


@pytest.mark.parametrize("setting", [name for name in EXAMPLES if not MARKERS[name].in_cache_key])
@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.api)
def test_what_is_not_part_of_a_caches_key_changes_no_request(setting, asked):
    assert place_of(setting, asked) == NOT_SENT


@pytest.mark.parametrize("setting", [name for name in EXAMPLES if MARKERS[name].in_cache_key])
@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.api)
def test_what_is_not_sent_is_warned_about(setting, asked, caplog):
    forget_notices()
    with caplog.at_level(logging.WARNING, "dbx_gateway"):
        place = place_of(setting, asked)
    warned = any(setting in record.message for record in caplog.records)
    assert place != NOT_SENT or warned, f"{setting} neither goes into a {asked.api} request nor is it warned about"


@pytest.mark.parametrize("setting", [name for name in EXAMPLES if MARKERS[name].in_cache_key])
@pytest.mark.parametrize("asked", SIMULATED, ids=lambda asked: asked.api)
def test_the_simulated_workspace_knows_the_field_of_a_setting(setting, asked, caplog):
    workspace = Workspace()
    with httpx.Client(transport=workspace_transport(workspace)) as http_client:
        client = Client(
            **vars(asked), host=HOST, token=workspace.token, http_client=http_client, observations=Observations()
        )
        with caplog.at_level(logging.WARNING, "dbx_gateway"), suppress(DbxGatewayError):  # a value may be refused
            client.chat("Hello", **{setting: EXAMPLES[setting]})
    refused = [record.message for record in caplog.records if f"refuses {setting}" in record.message]
    assert refused == [], f"testing/apis/{asked.api} has no field for {setting}"


def test_every_api_is_asked_and_every_family_is():
    assert {one.api for one in everyone()} == set(APIS)
    assert {"claude", "gpt", "gemini", "llama", "agent", "other"} < {one.family for one in everyone()}


def test_a_place_is_what_two_requests_do_not_have_in_common():
    before = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1]}
    assert list(changes(before, before)) == []
    assert list(changes(before, {"a": 1, "b": {"c": 2}, "e": [2], "f": {"g": {"h": 1}}})) == [
        "`b.c`",
        "`b.d`",
        "`e`",
        "`f.g.h`",
    ]
    claude = Asked("databricks-claude-sonnet-4-5", "claude", "ai-gateway", "messages")
    assert place_of("stop", claude) == "`stop_sequences`"
    assert place_of("default_headers", claude) == "header `x-team`"
    assert place_of("custom_inputs", claude) == REFUSED
    assert HOST.startswith("https://")


@pytest.mark.parametrize("variable", sorted({name for one in MARKERS.values() for name in one.elsewhere}))
def test_every_variable_that_is_read_elsewhere_is_named_there(variable):
    package = ROOT / "shared" / "dbx_gateway"
    files = [path for folder in ("auth", "transport") for path in (package / folder).glob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in [*files, package / "settings.py"]]
    assert sum(text.count(f'"{variable}"') for text in texts) > 1  # once for the marker
    assert [name for name, one in MARKERS.items() if variable in variables_of(one)]
