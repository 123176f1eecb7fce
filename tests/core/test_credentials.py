"""Whose credentials are taken, what tells them apart, and what copies and pickles of them hold."""

import copy
import itertools
import os
import pickle
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest
from core.sign_in import HOST, SECRET, GivenConfig, bearer
from databricks.sdk.core import Config

from dbx_gateway.auth import sdk_chain
from dbx_gateway.auth.signing import CredentialsAuth, resolve
from dbx_gateway.errors import (
    ConfigurationError,
)

# --- whose credentials -------------------------------------------------------------------------------------------

PAT = {"DATABRICKS_HOST": "env.example.com", "DATABRICKS_TOKEN": "env-token"}
PAIR = {"DBX_GATEWAY_API_URL": "https://proxy.example.com/v1/chat", "DBX_GATEWAY_API_KEY": "key"}
CONFIG = GivenConfig("https://config.example.com", bearer("config"))
CLIENT = types.SimpleNamespace(config=CONFIG)


@pytest.mark.parametrize(
    ("given", "environ", "source", "host"),
    [
        ({"workspace_client": CLIENT}, PAT, "workspace_client=", "https://config.example.com"),
        ({"sdk_config": CONFIG, "host": "config.example.com"}, PAT, "sdk_config=", "https://config.example.com"),
        ({"token": "t", "host": HOST}, PAT, "token=", HOST),
        ({"token": "t"}, {**PAT, "DATABRICKS_CLIENT_ID": "c"}, "token=", "https://env.example.com"),
        ({"token": "t", "host": HOST}, PAIR, "token=", HOST),
        ({"token": "t", "endpoint_url": "https://one.example.com/x"}, PAT, "token=", "https://one.example.com"),
        ({"host": HOST}, PAT, "the environment", HOST),
        ({"host": HOST}, {"DATABRICKS_TOKEN": "t"}, f"databricks-sdk (host {HOST})", HOST),
        ({"host": HOST}, {"DATABRICKS_HOST": "other.example.com"}, f"databricks-sdk (host {HOST})", HOST),
        (
            {"host": "ENV.example.com/?o=1"},
            PAT,
            "databricks-sdk (host https://env.example.com)",
            "https://env.example.com",
        ),
        ({"host": HOST}, PAIR, f"databricks-sdk (host {HOST})", HOST),
        ({"config_profile": "team", "host": HOST}, PAT, f"databricks-sdk (host {HOST}, profile team)", HOST),
        ({}, PAIR | PAT, "DBX_GATEWAY_API_URL and DBX_GATEWAY_API_KEY", "https://proxy.example.com"),
        (
            {"surface": "auto", "api": "auto"},
            PAIR,
            "DBX_GATEWAY_API_URL and DBX_GATEWAY_API_KEY",
            "https://proxy.example.com",
        ),
        ({"surface": "ai-gateway"}, PAIR | PAT, "DATABRICKS_HOST and DATABRICKS_TOKEN", "https://env.example.com"),
        ({"api": "messages"}, PAIR | PAT, "DATABRICKS_HOST and DATABRICKS_TOKEN", "https://env.example.com"),
        ({"endpoint_url": HOST}, PAIR | PAT, "DATABRICKS_HOST and DATABRICKS_TOKEN", "https://env.example.com"),
        ({}, PAT, "DATABRICKS_HOST and DATABRICKS_TOKEN", "https://env.example.com"),
        (
            {},
            {**PAT, "DATABRICKS_CLIENT_ID": "c"},
            "databricks-sdk (host https://env.example.com)",
            "https://env.example.com",
        ),
        (
            {},
            {**PAT, "DATABRICKS_CONFIG_PROFILE": "p"},
            "databricks-sdk (host https://env.example.com)",
            "https://env.example.com",
        ),
    ],
)
def test_the_first_credential_of_the_order_is_taken(given, environ, source, host):
    found = resolve(**given, environ=environ)
    assert (found.source, found.host()) == (source, host)


def test_without_any_setting_the_sdks_whole_chain_is_taken():
    assert resolve(environ={}).source == "databricks-sdk"


def test_the_pair_names_the_one_url_it_is_for():
    assert resolve(environ=PAIR).endpoint_url == "https://proxy.example.com/v1/chat"
    assert resolve(environ=PAT).endpoint_url is None


@pytest.mark.parametrize(
    ("there", "missing"),
    [("DBX_GATEWAY_API_URL", "DBX_GATEWAY_API_KEY"), ("DBX_GATEWAY_API_KEY", "DBX_GATEWAY_API_URL")],
)
def test_half_of_the_pair_is_not_used_and_that_is_said_once(caplog, there, missing):
    for _ in range(2):
        assert resolve(environ={there: HOST, **PAT}).source == "DATABRICKS_HOST and DATABRICKS_TOKEN"
    assert [record.message for record in caplog.records] == [
        f"{there} is set without {missing} and is not used; set both or neither"
    ]


@pytest.mark.parametrize(
    "variable", ["DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_PASSWORD", "ARM_CLIENT_SECRET"]
)
@pytest.mark.parametrize("named", ["env.example.com", "https://env.example.com/?o=1", "http://not a host"])
def test_credentials_of_the_environment_are_refused_for_another_host_when_they_are_used(variable, named):
    found = resolve(host=HOST, environ={"DATABRICKS_HOST": named, variable: "s3cret"})
    with pytest.raises(ConfigurationError) as caught:
        found.fetch()
    assert f"the credentials of the environment ({variable}) are for its own host only" in caught.value.message
    assert f"give token= or config_profile= for {HOST}, or leave host= out" in caught.value.message
    assert "s3cret" not in caught.value.message


def test_a_pickle_of_what_the_environment_refuses_obeys_the_environment_that_it_is_loaded_in(monkeypatch):
    pickled = pickle.dumps(resolve(host=HOST, environ=PAT))
    monkeypatch.setenv("DATABRICKS_HOST", HOST)
    monkeypatch.setenv("DATABRICKS_TOKEN", "other")
    assert pickle.loads(pickled).source == f"databricks-sdk (host {HOST})"
    monkeypatch.setenv("DATABRICKS_HOST", "https://env.example.com")
    with pytest.raises(ConfigurationError, match="give token= or config_profile="):
        pickle.loads(pickled).fetch()


def test_a_host_that_is_an_app_is_refused_with_the_setting_to_use():
    with pytest.raises(ConfigurationError, match="give the whole URL that requests go to as endpoint_url="):
        resolve(host="my-app-1234.databricksapps.com", token="t", environ={})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"token": "t", "config_profile": "p"}, "token= and config_profile= each say who to sign in as"),
        ({"token": "t", "workspace_client": CLIENT}, "token= and workspace_client="),
        ({"workspace_client": CLIENT, "sdk_config": CONFIG}, "workspace_client= and sdk_config="),
        ({"sdk_config": CONFIG, "host": HOST}, "sdk_config= signs in at https://config.example.com; leave host= out"),
        ({"token": " ", "host": HOST}, "the token from token= is empty"),
        ({"token": "Bearer hunter2", "host": HOST}, "without 'Bearer'"),
        ({"token": "hunter2\nX-Evil: 1", "host": HOST}, "holds blanks"),
        ({"token": "hünter2", "host": HOST}, "characters no token has"),
        ({"token": "t", "endpoint_url": "http://one.example.com/x"}, "plain http"),
    ],
)
def test_contradictions_and_malformed_tokens_are_refused_at_once_without_showing_them(given, says):
    with pytest.raises(ConfigurationError) as caught:
        resolve(**given, environ={})
    assert says in caught.value.message
    assert "nter2" not in caught.value.message


def test_a_token_without_a_host_is_refused_when_it_is_used():
    found = resolve(token="t", environ={})
    with pytest.raises(ConfigurationError, match="give host=, or set DATABRICKS_HOST"):
        found.host()


def test_variables_of_other_vendors_are_never_looked_at():
    class Watched(dict):
        looked_at: ClassVar[set[str]] = set()

        def get(self, name, default=None):
            self.looked_at.add(name)
            return super().get(name, default)

        def __getitem__(self, name):
            self.looked_at.add(name)
            return super().__getitem__(name)

        def __iter__(self):
            raise AssertionError("all variables were looked at")

    for environ in (Watched(PAT), Watched(PAIR), Watched({"OPENAI_API_KEY": "k", "GOOGLE_CREDENTIALS": "g"})):
        resolve(environ=environ)
    assert not {name for name in Watched.looked_at if name.startswith(("OPENAI_", "ANTHROPIC_", "GOOGLE_"))}
    assert "DATABRICKS_TOKEN" in Watched.looked_at


def test_every_variable_that_makes_the_sdk_choose_another_credential_is_known():
    chooses = {attribute.env for attribute in Config.attributes() if attribute.auth and attribute.env}
    # An audience alone chooses nothing, though releases around 0.57 count it among the credentials.
    others = chooses - {"DATABRICKS_TOKEN", "GOOGLE_CREDENTIALS", "DATABRICKS_TOKEN_AUDIENCE"}
    assert others <= set(sdk_chain.CREDENTIAL_VARIABLES)


def test_resolving_credentials_imports_no_sdk_starts_no_thread_and_opens_no_socket():
    code = """
import socket, sys, threading
from dbx_gateway.auth.signing import CredentialsAuth, resolve
def refuse(*a, **k): raise AssertionError("a socket was opened")
socket.socket = refuse
for given in ({}, {"host": "https://dead.invalid"}, {"config_profile": "p"}, {"token": "t", "host": "https://h"}):
    CredentialsAuth(resolve(**given))
static = resolve(token="t", host="https://h")
assert static.fetch().headers == {"Authorization": "Bearer t"} and static.host() == "https://h"
assert threading.active_count() == 1
assert not [name for name in sys.modules if name.startswith("databricks")]
"""
    environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environ)


# --- identity, copies and pickles --------------------------------------------------------------------------------


def test_identities_tell_users_apart_and_never_hold_a_secret(monkeypatch):
    first = resolve(token="token-of-ann", host=HOST)
    assert first.identity == resolve(token="token-of-ann", host=HOST).identity
    assert first.identity != resolve(token="token-of-bob", host=HOST).identity
    assert resolve(sdk_config=CONFIG).identity == resolve(workspace_client=CLIENT).identity
    assert resolve(sdk_config=CONFIG).identity != resolve(sdk_config=GivenConfig(HOST, bearer("x"))).identity
    assert resolve(config_profile="a", environ={}).identity != resolve(config_profile="b", environ={}).identity
    ann = resolve(environ={"DATABRICKS_CLIENT_ID": "ann", "DATABRICKS_CLIENT_SECRET": SECRET})
    bob = resolve(environ={"DATABRICKS_CLIENT_ID": "bob", "DATABRICKS_CLIENT_SECRET": SECRET})
    assert ann.identity != bob.identity
    assert "token-of-ann" not in first.identity
    assert SECRET not in ann.identity


@pytest.mark.parametrize(
    "found",
    [
        resolve(token="hunter2", host=HOST, environ={}),
        resolve(sdk_config=GivenConfig(HOST, bearer("hunter2")), environ={}),
        resolve(environ={"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": "hunter2"}),
        resolve(environ={"DBX_GATEWAY_API_URL": f"{HOST}/x", "DBX_GATEWAY_API_KEY": "hunter2"}),
    ],
)
def test_a_secret_is_in_no_repr_and_no_pickle_and_a_copy_keeps_it(found):
    assert found.fetch().headers == bearer("hunter2")
    assert copy.copy(found).fetch().headers == bearer("hunter2")
    assert copy.deepcopy([found])[0].fetch().headers == bearer("hunter2")
    assert b"hunter2" not in pickle.dumps(found)
    assert "hunter2" not in repr(found) + repr(found.fetch()) + repr(CredentialsAuth(found))


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (resolve(token="hunter2", host=HOST, environ={}), "token="),
        (resolve(sdk_config=CONFIG, environ={}), "sdk_config="),
        (resolve(workspace_client=CLIENT, environ={}), "workspace_client="),
    ],
)
def test_a_loaded_pickle_of_given_credentials_says_what_to_give_again(found, what):
    loaded = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(found))))
    with pytest.raises(ConfigurationError, match=f"{what} is never part of a pickle; give {what} again"):
        loaded.fetch()


def test_a_loaded_pickle_of_credentials_from_the_environment_reads_the_environment_it_is_in(monkeypatch):
    pickled = pickle.dumps(resolve(environ=PAT))
    monkeypatch.setenv("DATABRICKS_HOST", "other.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "other")
    loaded = pickle.loads(pickled)
    assert (loaded.host(), loaded.fetch().headers) == ("https://other.example.com", bearer("other"))


def test_a_loaded_pickle_keeps_the_names_it_was_found_by():
    loaded = pickle.loads(pickle.dumps(resolve(host=HOST, config_profile="team", environ={})))
    assert loaded.source == f"databricks-sdk (host {HOST}, profile team)"


def test_threads_that_sign_at_once_with_ever_new_tokens_never_disturb_each_other():
    numbers = itertools.count()
    config = types.SimpleNamespace(
        host=HOST, authenticate=lambda: {"Authorization": f"Bearer dapi-{next(numbers):08d}"}
    )
    credentials = resolve(sdk_config=config)

    def sign() -> set[str]:
        return {credentials.fetch().headers["Authorization"] for _ in range(300)}

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # seconds: threads take turns within the comparison of two secrets
    try:
        with ThreadPoolExecutor(8) as pool:
            signed = [one.result() for one in [pool.submit(sign) for _ in range(8)]]
    finally:
        sys.setswitchinterval(interval)
    assert len(set().union(*signed)) == 2400
