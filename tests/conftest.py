"""What holds for every test: no network but loopback, no settings of the machine, nothing left from the test before."""

from __future__ import annotations

import gc
import os

import hypothesis
import pytest
from pytest_socket import socket_allow_hosts
from support.parts import is_program, is_quick, is_thorough

from dbx_gateway import forget
from dbx_gateway.transport.sending import close_connections

# How long an example takes says nothing of the code: machines are loaded.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

_QUICK = "quick"
_PROGRAMS = "programs"
_SETTINGS = ("DATABRICKS_", "DBX_GATEWAY_", "ARM_", "AZURE_", "GOOGLE_", "OPENAI_", "ANTHROPIC_", "IS_IN_D")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def pytest_ignore_collect(collection_path, config):
    """Do not even import what the quick part leaves out, and real programs but where they are installed."""
    part = config.getoption("markexpr")
    left_out = (part == _QUICK and is_thorough(collection_path)) or (part != _PROGRAMS and is_program(collection_path))
    return left_out or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what is quick: ``-m quick`` takes the place of ``-m "not slow"``, so the mark alone must say enough."""
    for item in items:
        if is_quick(item.path, {mark.name for mark in item.iter_markers()}):
            item.add_marker(_QUICK)
        if is_program(item.path):
            item.add_marker(_PROGRAMS)


def pytest_collection_finish():
    """Keep the garbage collector off the tests themselves: many tests force it, and so many take a second each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item):
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def _empty_home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch, _empty_home):
    for name in list(os.environ):
        if name.startswith(_SETTINGS) or name.upper() in (*_PROXIES, *_CERTIFICATES, "PYTEST_ADDOPTS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(_empty_home))
    monkeypatch.setenv("USERPROFILE", str(_empty_home))


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    forget()
    yield
    forget()
    close_connections()
