"""How the limits of a call in time are counted."""

from __future__ import annotations

import httpx
import pytest

from dbx_gateway import ConfigurationError, deadlines
from dbx_gateway.deadlines import NO_DEADLINE, Deadline
from dbx_gateway.settings import Settings


class Now:
    """Seconds that go by only when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def now(monkeypatch):
    clock = Now()
    monkeypatch.setattr(deadlines, "time", clock)
    return clock


def test_without_limits_there_is_time_for_everything():
    assert NO_DEADLINE.left is None
    assert not NO_DEADLINE.passed
    assert NO_DEADLINE.allows(1e9)
    assert not NO_DEADLINE.silent_too_long(0.0)


def test_the_total_counts_from_the_start_of_the_call(now):
    deadline = Deadline.from_now(10.0)
    now.seconds += 4.0
    assert (deadline.left, deadline.passed) == (6.0, False)
    now.seconds += 7.0
    assert (deadline.left, deadline.passed) == (0.0, True)


def test_a_pause_is_allowed_only_if_time_is_left_after_it(now):
    deadline = Deadline.from_now(2.0)
    assert deadline.allows(1.9)
    assert not deadline.allows(2.0)


def test_silence_counts_from_the_last_event(now):
    deadline = NO_DEADLINE.streaming(5.0)
    assert not deadline.silent_too_long(996.0)
    assert deadline.silent_too_long(995.0)


def test_a_timeout_is_left_as_it_is_where_there_is_no_limit():
    timeout = httpx.Timeout(600.0, connect=10.0)
    assert NO_DEADLINE.within(timeout) is timeout


def test_no_step_may_take_longer_than_what_is_left(now):
    timeout = Deadline.from_now(3.0).within(httpx.Timeout(None, connect=10.0))
    assert timeout == httpx.Timeout(3.0)


def test_a_read_may_not_take_longer_than_a_stream_may_be_silent(now):
    timeout = Deadline.from_now(30.0).streaming(5.0).within(httpx.Timeout(600.0, connect=10.0))
    assert timeout == httpx.Timeout(connect=10.0, read=5.0, write=30.0, pool=30.0)


@pytest.mark.parametrize("name", ["total_timeout", "stream_idle_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_limit_is_a_positive_number_of_seconds(name, value):
    with pytest.raises(ConfigurationError, match=name):
        Settings.of({"model": "m", name: value})


@pytest.mark.parametrize("name", ["total_timeout", "stream_idle_timeout"])
def test_a_limit_may_be_set_for_one_call(name):
    assert getattr(Settings.of({"model": "m"}).with_options({name: 3}), name) == 3.0
