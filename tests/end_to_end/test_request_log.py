"""The logging switch: DBX_GATEWAY_LOG."""

from __future__ import annotations

import logging
import re
import subprocess
import sys

import pytest
from end_to_end.site import CLAUDE, GPT, Principal

from dbx_gateway import APIConnectionError, Client, IncompleteStreamError, NotFoundError

LINE = re.compile(r"'[\w.-]+' on \S+ \S+ http\S+ status=(\S+) ms=\d+ attempt=(\d+) request_id=(\S+)(?: paced_ms=\d+)?")


@pytest.fixture
def lines(caplog):
    """What was logged by requests, in order."""
    caplog.set_level(logging.INFO, "dbx_gateway")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "dbx_gateway.requests"]


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_logged_unless_it_is_asked_for(site, monkeypatch, caplog, value):
    if value is not None:
        monkeypatch.setenv("DBX_GATEWAY_LOG", value)
    caplog.set_level(logging.DEBUG, "dbx_gateway")
    site.client().chat("Hello")
    list(site.client(GPT).stream("Hello"))
    assert [record for record in caplog.records if record.name.startswith("dbx_gateway")] == []


def test_each_request_is_one_line_of_route_status_time_attempt_and_id(site, monkeypatch, lines, quick_retries):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "requests")
    site.fail(where="/ai-gateway/anthropic/v1/messages", status=503, times=2)
    site.client(surface="ai-gateway").chat("Hello secret-prompt")
    list(site.client(GPT, surface="ai-gateway").stream("Hello"))
    found = [LINE.fullmatch(line) for line in lines()]
    assert [match and match.groups() for match in found] == [
        (str(entry.status), attempt, entry.id)
        for entry, attempt in zip(site.posts(), ["1", "2", "3", "1"], strict=True)
    ]
    assert f"'{CLAUDE}' on ai-gateway messages {site.url}/ai-gateway/anthropic/v1/messages" in lines()[0]
    assert "secret-prompt" not in "".join(lines())


def test_a_request_without_an_answer_is_logged_with_the_kind_of_failure(site, monkeypatch, lines):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "requests")
    site.fail(where="/ai-gateway/", stall=5.0)
    client = site.client(surface="ai-gateway", timeout=0.1)
    with pytest.raises(Exception, match="no byte for"):
        client.chat("Hello")
    assert [LINE.fullmatch(line)[1] for line in lines()] == ["APITimeoutError"]


async def test_requests_of_an_event_loop_are_logged_alike(site, monkeypatch, lines):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "requests")
    with pytest.raises(NotFoundError):
        await site.async_client("databricks-claude-nobody", surface="ai-gateway").chat("Hello")
    assert [LINE.fullmatch(line)[1] for line in lines()] == ["404", "404"]


@pytest.mark.parametrize("switch", ["requests", "bodies"])
def test_no_secret_is_in_the_log(open_site, monkeypatch, caplog, switch):
    site = open_site(token="dapi0123456789abcdef")
    Principal.sign_in(monkeypatch, site)
    monkeypatch.setenv("DBX_GATEWAY_LOG", switch)
    caplog.set_level(logging.DEBUG)
    site.client().chat("My token is dapi0123456789abcdef, Bearer abc.def-ghi, keep it")
    Client(model=CLAUDE).chat("Hello")
    assert "status=200" in caplog.text
    for secret in ("dapi0123456789abcdef", "abc.def-ghi", Principal.SECRET):
        assert secret not in caplog.text
    assert re.search(r"oauth-[0-9a-f]{8}", caplog.text) is None


def test_bodies_are_logged_on_request_and_that_is_said_once(site, monkeypatch, caplog, lines):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "bodies")
    client = site.client(surface="ai-gateway")
    client.chat("Hello there")
    client.chat("Hello again")
    sent = [line for line in lines() if line.startswith("sent ")]
    got = [line for line in lines() if line.startswith("got ")]
    assert "Hello there" in sent[0]
    assert "You said: Hello again" in got[1]
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert ["prompts and answers" in line for line in said] == [True]


async def test_what_is_streamed_is_logged_on_request_once_it_has_ended(site, monkeypatch, lines):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "bodies")
    list(site.client(surface="ai-gateway").stream("Hello there"))
    [event async for event in site.async_client(surface="ai-gateway").stream("Hello again")]
    got = [line for line in lines() if line.startswith("got ")]
    assert len(got) == 2
    assert all("message_stop" in line and re.search(r"\(\d+ bytes streamed\)$", line) for line in got)
    assert "event: message_start" in got[0]


async def test_what_was_streamed_until_it_was_left_or_failed_is_logged_too(site, monkeypatch, lines):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "bodies")
    stream = site.client(surface="ai-gateway").stream("Hello there")
    next(stream)
    stream.close()
    astream = site.async_client(surface="ai-gateway").stream("Hello there")
    await anext(astream)
    await astream.aclose()
    for size, error in ((700, IncompleteStreamError), (300, APIConnectionError)):
        site.fail(where="/ai-gateway/", cut_after=size)
        with pytest.raises(error):
            list(site.client(surface="ai-gateway").stream("Hello there"))
    got = [line for line in lines() if line.startswith("got ")]
    assert len(got) == 4
    assert all("event: message_start" in line for line in got)


def test_lines_are_shown_though_the_program_configures_no_logging(site):
    program = (
        "from dbx_gateway import Client\n"
        f"Client(model={CLAUDE!r}, host={site.url!r}, token={site.workspace.token!r}).chat('Hello')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"DBX_GATEWAY_LOG": "requests", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == ""
    assert done.stderr.count("status=200") == 1
    assert site.workspace.token not in done.stderr
