import logging

import pytest

from dbx_gateway.call.request_log import log_exchange
from dbx_gateway.errors import APITimeoutError, RateLimitError
from dbx_gateway.transport.sending import HttpRequest, HttpResponse

SENT = HttpRequest(
    method="POST",
    url="https://ws.example.com/x",
    headers={"authorization": "Bearer hunter2"},
    content=b'{"messages":"hush","key":"dapi0123456789abcdef"}',
    label="'m' on a route",
)
REPLY = HttpResponse(200, {"request-id": "r-1"}, b'{"token":"Bearer abc.def","text":"hello"}')


@pytest.fixture(autouse=True)
def _logger(caplog, monkeypatch):
    caplog.set_level(logging.INFO, "dbx_gateway")


def lines(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "dbx_gateway.requests"]


def test_nothing_is_logged_unless_the_environment_asks_for_it(caplog):
    log_exchange(SENT, REPLY, None, 0.5, 1)
    assert caplog.records == []


def test_requests_are_one_line_each(caplog, monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "requests")
    log_exchange(SENT, REPLY, None, 0.5, 1)
    limited = RateLimitError("no", status=429)
    log_exchange(SENT, HttpResponse(429, {}, b"no"), limited, 0.0123, 2)
    silent = APITimeoutError("silent")
    log_exchange(SENT, silent, silent, 5, 3)
    assert lines(caplog) == [
        "'m' on a route status=200 ms=500 attempt=1 request_id=r-1",
        "'m' on a route status=429 ms=12 attempt=2 request_id=-",
        "'m' on a route status=APITimeoutError ms=5000 attempt=3 request_id=-",
    ]


def test_bodies_are_logged_with_secrets_masked_and_that_is_said_once(caplog, monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "bodies")
    for _ in range(2):
        log_exchange(SENT, REPLY, None, 0.5, 1)
    assert lines(caplog)[:3] == [
        "'m' on a route status=200 ms=500 attempt=1 request_id=r-1",
        'sent {"messages":"hush","key":"***"}',
        'got {"token":"Bearer ***","text":"hello"}',
    ]
    assert sum("writes prompts and answers" in record.getMessage() for record in caplog.records) == 1
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("lead", range(19_980, 20_001, 4))
def test_a_secret_at_the_place_where_a_long_body_is_cut_is_masked(caplog, monkeypatch, lead):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "bodies")
    secret = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2ln"
    log_exchange(SENT, HttpResponse(200, {}, b"x" * (lead - 1) + b" " + secret), None, 0.5, 1)
    got = lines(caplog)[2]
    assert len(got) <= 20_004
    assert "eyJ" not in got


def test_a_wrong_word_is_warned_about_once(caplog, monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "everything")
    for _ in range(2):
        log_exchange(SENT, REPLY, None, 0.5, 1)
    (record,) = caplog.records
    assert record.getMessage() == "DBX_GATEWAY_LOG is 'everything' and logs nothing; set it to 'requests' or 'bodies'"


def test_an_application_without_logging_sees_the_lines(monkeypatch, capsys):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "requests")
    logger, root = logging.getLogger("dbx_gateway.requests"), logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    log_exchange(SENT, REPLY, None, 0.5, 1)
    log_exchange(SENT, REPLY, None, 0.5, 2)
    shown = capsys.readouterr().err
    assert shown.count("status=200") == 2
