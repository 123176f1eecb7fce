import random

import httpx
import pytest
from support.promises import promise

from dbx_gateway.call.retries import LONGEST_RETRY_AFTER, is_transient, pause_before
from dbx_gateway.error_bodies import RequestTarget, api_error
from dbx_gateway.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ConfigurationError,
    IncompleteStreamError,
    InvalidRequestError,
    InvalidResponseError,
)
from dbx_gateway.transport.sending import HttpRequest, failure

ASKED = HttpRequest(method="POST", url="https://ws.example.com/x", headers={}, label="'m' on a route")


def answered(status, headers=None, code=None) -> APIError:
    return api_error(status, headers or {}, {"error_code": code, "message": "no"}, RequestTarget("m", "a route"))


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_passing_statuses_are_transient(status):
    assert is_transient(answered(status))


@pytest.mark.parametrize("status", [300, 307, 400, 401, 402, 403, 404, 405, 413, 422, 499, 501, 505])
def test_all_other_statuses_are_final(status):
    assert not is_transient(answered(status))


@pytest.mark.parametrize("code", ["REQUEST_LIMIT_EXCEEDED", "TEMPORARILY_UNAVAILABLE"])
@pytest.mark.parametrize("status", [200, 400, 403])
def test_databricks_codes_of_limits_and_overload_are_transient_whatever_the_status(status, code):
    assert is_transient(answered(status, code=code))


@pytest.mark.parametrize(
    ("code", "transient"),
    [("overloaded_error", True), ("rate_limit_error", True), ("UNAVAILABLE", True), ("invalid_request_error", False)],
)
def test_an_error_inside_a_200_is_judged_by_its_code(code, transient):
    assert is_transient(answered(200, code=code)) is transient


@promise("sent-once")
@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (httpx.ConnectError("refused"), True),
        (httpx.ConnectTimeout("slow"), True),
        (httpx.PoolTimeout("full"), True),
        (httpx.ProxyError("no"), True),
        (httpx.RemoteProtocolError("disconnected"), True),
        (httpx.ReadError("reset"), True),
        (httpx.ReadTimeout("silent"), False),
        (httpx.WriteTimeout("slow"), False),
        (httpx.DecodingError("gzip"), False),
        (httpx.UnsupportedProtocol("ftp"), False),
        (httpx.InvalidURL("no"), False),
    ],
)
def test_a_failure_to_get_an_answer_is_transient_unless_the_server_may_still_be_working(error, transient):
    assert is_transient(failure(error, ASKED)) is transient


@pytest.mark.parametrize(
    ("status", "transient"), [(None, True), (502, True), (503, True), (429, True), (200, False), (400, False)]
)
def test_a_connection_that_broke_inside_an_answer_is_judged_by_the_answers_status(status, transient):
    assert is_transient(APIConnectionError("x", error_code="protocol", status=status)) is transient


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequestError("x"),
        ConfigurationError("x"),
        InvalidResponseError("x", status=200),
        IncompleteStreamError("x"),
        APITimeoutError("x", error_code="auth"),
        APITimeoutError("x"),
        APIConnectionError("x", error_code="redirect"),
    ],
)
def test_what_would_only_happen_again_is_final(error):
    assert not is_transient(error)


@pytest.mark.parametrize(
    ("seconds", "transient"), [("0", True), ("120", True), ("120.5", False), ("1000000000", False)]
)
def test_a_wait_of_more_than_two_minutes_is_left_to_the_caller(seconds, transient):
    error = answered(429, {"retry-after": seconds})
    assert is_transient(error) is transient
    assert error.retry_after == float(seconds)


def test_the_servers_wait_is_taken_as_it_is():
    assert pause_before(1, answered(429, {"retry-after": "7"})) == 7.0
    assert pause_before(3, answered(429, {"retry-after-ms": "1"})) == 0.001
    assert LONGEST_RETRY_AFTER == 120.0


@pytest.mark.parametrize(
    ("retry", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (5000, 8.0)]
)
def test_pauses_double_up_to_eight_seconds_and_lose_up_to_a_quarter_by_chance(retry, longest):
    class Least(random.Random):
        def random(self):
            return 0.0

    class Most(random.Random):
        def random(self):
            return 1.0

    assert pause_before(retry, answered(500), Least()) == longest * 0.75
    assert pause_before(retry, answered(500), Most()) == longest
    drawn = {pause_before(retry, answered(500)) for _ in range(50)}
    assert longest * 0.75 <= min(drawn) < max(drawn) <= longest
