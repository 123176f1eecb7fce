"""``dbx-gateway route``: where a model's requests go, and why."""

from __future__ import annotations

import json

import pytest

from dbx_gateway.cli import main

EXPLAINED = "databricks-gemini-2-5-pro"
PATH = f"/gemini/v1beta/models/{EXPLAINED}:generateContent"


@pytest.mark.parametrize("asked", [True, False], ids=["with a workspace", "without one"])
def test_route_explains_itself_as_data(run, site, monkeypatch, asked):
    if asked:
        monkeypatch.setenv("DATABRICKS_HOST", site.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", site.workspace.token)
    status, out, _ = run("route", EXPLAINED, "--json")
    assert status == 0
    found = json.loads(out)
    host = site.url if asked else "https://<workspace>"
    assert found["url"] == f"{host}/ai-gateway{PATH}"
    assert found["stream_url"].endswith(":streamGenerateContent?alt=sse")
    assert (found["surface"], found["family"], found["api"]) == ("ai-gateway", "gemini", "generate-content")
    assert found["why"]
    assert [then["api"] for then in found["then"]] == ["chat-completions"]
    assert found["profile"]["family"] == "gemini"
    assert found["profile"]["context_window"] > 100_000
    names = {quirk["name"] for quirk in found["quirks"]}
    assert any("gemini" in name for name in names)
    assert all(quirk["reason"] and quirk["evidence"] for quirk in found["quirks"])
    assert (found["note"] is None) is asked
    assert site.posts() == []


@pytest.mark.parametrize("asked", [True, False], ids=["with a workspace", "without one"])
def test_route_explains_itself_in_words(run, site, monkeypatch, asked):
    if asked:
        monkeypatch.setenv("DATABRICKS_HOST", site.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", site.workspace.token)
    status, out, _ = run("route", EXPLAINED)
    assert status == 0
    for word in ("surface  ai-gateway", "api      generate-content", PATH, "profile", "quirks that apply", "evidence"):
        assert word in out
    assert ("no workspace was reached" in out) is not asked


def test_route_names_the_surface_that_a_workspace_without_a_gateway_gives(run, open_site, monkeypatch):
    site = open_site(gateway=False)
    monkeypatch.setenv("DATABRICKS_HOST", site.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", site.workspace.token)
    status, out, _ = run("route", EXPLAINED, "--json")
    found = json.loads(out)
    assert status == 0
    assert found["url"] == f"{site.url}/serving-endpoints{PATH}"
    assert found["why"] == f"{site.url} has no AI Gateway"


def test_route_refuses_a_surface_it_does_not_know(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["route", EXPLAINED, "--surface", "gateway"])
    assert ended.value.code == 2
    assert "ai-gateway" in capsys.readouterr().err
