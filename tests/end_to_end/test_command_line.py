"""The command line, against workspaces of its own and against one that is served."""

from __future__ import annotations

import json

import pytest
from end_to_end.site import CLAUDE, GPT

from dbx_gateway.cli.check import CAPABILITIES
from dbx_gateway.cli.commands import DEMO_CUSTOM, DEMO_MODELS
from dbx_gateway.cli.targets import SURFACES
from dbx_gateway.models.profiles import known_models

FRONT_ENDS = ("core", "langchain", "llama-index")


@pytest.fixture
def closed_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


# --- demo --------------------------------------------------------------------------------------------------------


def test_demo_prints_one_object_of_rows_and_needs_no_network(run, closed_proxies):
    status, out, err = run("demo", "--json", "--family", "claude", "--front-end", "core")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["ok"] is True
    places = [(row["model"], row["surface"]) for row in found["rows"]]
    assert places == [(CLAUDE, "ai-gateway"), (CLAUDE, "model-serving")]
    for row in found["rows"]:
        assert row["family"] == "claude"
        assert row["front_end"] == "core"
        assert row["ok"] is True
        for capability in CAPABILITIES:
            assert row[capability]["state"] == "ok"
            assert row[capability]["ok"] is True


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_demo_runs_through_every_front_end(run, front_end):
    status, out, _ = run("demo", "--json", "--family", "claude-sonnet", "--family", "team", "--front-end", front_end)
    rows = json.loads(out)["rows"]
    reasons = [cell for row in rows for cell in row.values() if isinstance(cell, dict) and not cell["ok"]]
    assert reasons == []
    assert status == 0
    assert [row["model"] for row in rows] == [CLAUDE, CLAUDE, "main.ai.team_chat", "team-chat"]


def test_demo_shows_what_a_profile_denies_with_its_reason(run):
    status, out, _ = run("demo", "--json", "--family", "gemma", "--front-end", "core")
    assert status == 0
    for row in json.loads(out)["rows"]:
        assert row["tools"]["state"] == "denied"
        assert row["tools"]["reason"]


def test_demo_prints_a_table_for_people(run):
    status, out, _ = run("demo", "--family", "agent", "--front-end", "core")
    assert status == 0
    assert "support-agent" in out
    assert "–" in out
    assert out.rstrip().endswith("1 of 1 rows ok")


@pytest.mark.thorough
def test_the_whole_demo_is_green(run, closed_proxies):
    status, out, _ = run("demo", "--json")
    found = json.loads(out)
    failed = [
        f"{row['model']} {row['surface']} {row['front_end']} {name}: {row[name]['reason']}"
        for row in found["rows"]
        for name in CAPABILITIES
        if not row[name]["ok"]
    ]
    assert failed == []
    assert status == 0
    families = {row["family"] for row in found["rows"]}
    assert families == {family for family, models in DEMO_MODELS.items() if models} | {"agent"}
    shown = [model for models in DEMO_MODELS.values() for model in models]
    assert len(found["rows"]) == (len(shown) * len(SURFACES) + len(DEMO_CUSTOM)) * len(FRONT_ENDS)
    assert len(found["rows"]) >= (9 * 2 + 3) * 3


# --- check -------------------------------------------------------------------------------------------------------


def test_check_runs_against_the_workspace_that_the_environment_names(run, signed_in):
    status, out, _ = run("check", CLAUDE, "team-chat", "--front-end", "core", "--json")
    assert status == 0
    rows = json.loads(out)["rows"]
    assert [(row["model"], row["surface"]) for row in rows] == [
        (CLAUDE, "ai-gateway"),
        (CLAUDE, "model-serving"),
        ("team-chat", "model-serving"),
    ]
    assert all(row["ok"] for row in rows)
    assert len(signed_in.posts()) > 15


def test_check_takes_one_model_of_each_family_that_is_listed(run, signed_in):
    status, out, _ = run("check", "--front-end", "core", "--surface", "model-serving", "--json")
    rows = json.loads(out)["rows"]
    assert status == 0
    assert {row["family"] for row in rows} == {model.family for model in known_models() if model.kind == "chat"}
    kinds = [(row["family"], "codex" in row["model"]) for row in rows]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
def test_a_row_that_fails_says_what_was_asked_where_and_what_came_back(run, signed_in, as_json):
    signed_in.fail(where="/v1/messages", times=None, status=403, error_message="no permission for you")
    arguments = ["check", CLAUDE, "--surface", "ai-gateway", "--front-end", "core"]
    status, out, _ = run(*arguments, *(["--json"] if as_json else []))
    assert status == 1
    if as_json:
        (row,) = json.loads(out)["rows"]
        assert row["ok"] is False
        out = row["text"]["reason"]
        assert row["text"]["state"] == "failed"
    else:
        assert "FAILED" in out
    for word in (CLAUDE, "ai-gateway", "core", "asked for text", "403", "no permission for you", "/v1/messages"):
        assert word in out


def test_check_without_a_workspace_says_how_to_sign_in(run):
    status, _, err = run("check", "--json")
    assert status == 1
    assert "host=" in err or "DATABRICKS_HOST" in err


def test_a_workspace_that_is_gone_fails_every_cell(run, monkeypatch, quick_retries):
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-x")
    status, out, _ = run("check", CLAUDE, "--front-end", "core", "--json")
    assert status == 1
    for row in json.loads(out)["rows"]:
        assert ["could not connect" in row[name]["reason"] for name in CAPABILITIES] == [True] * len(CAPABILITIES)


def test_recorded_exchanges_hold_no_secret(run, open_site, monkeypatch, tmp_path):
    site = open_site(token="dapi0123456789abcdef")
    monkeypatch.setenv("DATABRICKS_HOST", site.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi0123456789abcdef")
    folder = tmp_path / "exchanges"
    status, _, _ = run("check", CLAUDE, GPT, "--front-end", "core", "--record", str(folder), "--json")
    assert status == 0
    files = sorted(folder.iterdir())
    assert len(files) >= len(site.posts())
    for file in files:
        text = file.read_text()
        assert "dapi0123456789abcdef" not in text
        assert "authorization" not in text.lower()
        record = json.loads(text)
        assert {"method", "path", "request", "status", "answer"} <= record.keys()
    paths = {json.loads(file.read_text())["path"] for file in files}
    assert {entry.path for entry in site.posts()} <= paths


# --- models --------------------------------------------------------------------------------------------------------


def test_models_are_listed_as_data(run, signed_in):
    status, out, _ = run("models", "--json")
    assert status == 0
    known = {model["name"]: model for model in json.loads(out)["models"]}
    assert known[CLAUDE]["family"] == "claude"
    assert known[CLAUDE]["surfaces"] == ["ai-gateway", "model-serving"]
    assert known["support-agent"]["family"] == "agent"


def test_models_are_listed_for_people(run, signed_in):
    status, out, _ = run("models")
    assert status == 0
    assert out.splitlines()[0].split() == ["model", "family", "surfaces", "task", "state"]
    assert any(line.startswith(CLAUDE) for line in out.splitlines())


def test_a_refused_token_is_an_error_and_exit_status_one(run, signed_in, monkeypatch):
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-wrong")
    status, out, err = run("models")
    assert (status, out) == (1, "")
    assert "401" in err
    assert "dapi-wrong" not in err
