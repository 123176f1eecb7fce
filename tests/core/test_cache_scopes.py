"""What keys of caches tell apart without asking anybody: hosts, workspaces, users of blocks, and client objects."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
from core.sign_in import HOST, GivenConfig, bearer
from support.promises import promise

from dbx_gateway import Client, acting_as
from dbx_gateway.auth.cache_scopes import _marks, mark_of, mark_of_process
from dbx_gateway.auth.sdk_chain import host_in_config_file

OTHER = "https://other.example.com"


@pytest.fixture(autouse=True)
def config_file(tmp_path, monkeypatch):
    """Writes the Databricks config file of this test; there is none before."""
    path = tmp_path / "databrickscfg"
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(path))
    return path.write_text


def scope(**fields) -> str:
    return Client(**{"model": "m"} | fields).cache_scope()


@promise("cache-keys")
def test_hosts_are_told_apart_wherever_they_come_from(config_file, monkeypatch):
    config_file(f"[DEFAULT]\nhost = {HOST}\n[a]\nhost = {HOST}/\n[b]\nhost = {OTHER}\n")
    assert scope() == scope(config_profile="a") == scope(host=HOST, token="t") == HOST
    assert scope(config_profile="b") == scope(host=OTHER, token="t") == OTHER
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "b")
    assert scope() == OTHER
    monkeypatch.delenv("DATABRICKS_CONFIG_PROFILE")
    monkeypatch.setenv("DATABRICKS_HOST", OTHER)
    assert scope() == OTHER
    monkeypatch.setenv("DATABRICKS_TOKEN", "t")
    assert scope() == OTHER


@promise("cache-keys")
def test_the_pair_of_a_url_and_a_key_is_its_url(monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_API_KEY", "s3cret")
    found = []
    for url in (f"{HOST}/one", f"{HOST}/two"):
        monkeypatch.setenv("DBX_GATEWAY_API_URL", url)
        found.append(scope())
    assert found[0] != found[1]
    assert "s3cret" not in "".join(found)


@promise("cache-keys")
def test_workspaces_of_one_host_are_told_apart(monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", HOST)
    monkeypatch.setenv("DATABRICKS_TOKEN", "t")
    found = [scope()]
    for workspace in ("1", "2"):
        monkeypatch.setenv("DATABRICKS_WORKSPACE_ID", workspace)
        found.append(scope())
    assert len(set(found)) == 3


def test_the_default_of_the_config_file_is_the_one_that_it_names(config_file):
    config_file(f"[__settings__]\ndefault_profile = b\n[DEFAULT]\nhost = {HOST}\n[b]\nhost = {OTHER}\n")
    assert host_in_config_file(None) == OTHER


@pytest.mark.parametrize(
    "text", ["", "[a\nhost", "[a]\ntoken = x\n", "[a]\nhost = http://elsewhere.example.com\n", "\x00"]
)
def test_a_host_that_is_not_known_is_this_process_alone(config_file, text):
    config_file(text)
    assert host_in_config_file("a") is None
    assert scope(config_profile="a") == mark_of_process()


@promise("cache-keys")
def test_client_objects_are_told_apart_by_a_random_mark_and_are_not_asked():
    one, other = GivenConfig(HOST, bearer("s3cret")), GivenConfig(HOST, bearer("s3cret"))
    assert scope(sdk_config=one) == scope(sdk_config=one) == f"{HOST} {mark_of(one)}"
    assert scope(sdk_config=one) != scope(sdk_config=other) != scope(host=HOST, token="s3cret")
    assert (one.asked, other.asked) == (0, 0)


@promise("cache-keys")
def test_two_processes_never_have_the_same_marks():
    code = (
        "from dbx_gateway.auth.cache_scopes import mark_of, mark_of_process; print(mark_of(print), mark_of_process())"
    )
    found = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout for _ in range(2)]
    assert len({mark for line in found for mark in line.split()}) == 4


@promise("cache-keys")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_marks_of_its_own():
    config = GivenConfig(HOST, bearer("t"))
    client = Client(model="m", sdk_config=config)
    before = client.cache_scope(), mark_of_process()
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=lambda: answers.put((client.cache_scope(), mark_of_process())))
    child.start()
    after = answers.get()
    child.join()
    assert len({*before, *after}) == 4


@promise("cache-keys")
def test_users_of_blocks_are_told_apart_and_from_the_object_itself():
    fields = {"host": HOST, "token": "own"}
    found = [scope(**fields)]
    for token, user in (("s3cret-1", None), ("s3cret-2", None), ("s3cret-1", "ann")):
        with acting_as(token, user=user):
            assert scope(**fields) == scope(**fields | {"token": "another"})
            found.append(scope(**fields))
    assert len(set(found)) == 3  # a name counts once the token has been taken
    assert found[1] == found[3]
    assert "s3cret" not in "".join(found)


@promise("cache-keys-tokens")
def test_two_tokens_of_one_host_are_not_told_apart():
    assert scope(host=HOST, token="one") == scope(host=HOST, token="other")


@dataclass
class _Equal:
    """Signs in, and is equal to others like it, so that it has no hash."""

    host: str = HOST
    auth_type: str = "own"

    def authenticate(self) -> dict[str, str]:
        return {"Authorization": "Bearer t"}


@promise("cache-keys")
def test_objects_that_are_equal_are_told_apart_all_the_same():
    one, other = _Equal(), _Equal()
    assert one == other
    assert scope(sdk_config=one) == scope(sdk_config=one) != scope(sdk_config=other)


def test_the_mark_of_an_object_goes_with_it():
    marks = _marks.of_objects
    one = _Equal()
    mark_of(one)
    before = len(marks)
    del one
    assert len(marks) == before - 1


def test_an_object_without_weak_references_has_a_mark_of_its_own():
    assert mark_of(object()) != mark_of(object())
