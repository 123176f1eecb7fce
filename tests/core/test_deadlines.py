"""How the limits of a call in time are counted."""

from __future__ import annotations

import gc
import os
import threading
import time
import types
import weakref

import httpx
import pytest
from support.promises import promise

from dbx_gateway import ConfigurationError
from dbx_gateway.settings import Settings
from dbx_gateway.transport import deadlines
from dbx_gateway.transport.deadlines import NO_DEADLINE, Deadline, alarm_in


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


@promise("total-timeout")
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


# --- alarms ----------------------------------------------------------------------------------------------------------


def alarm_threads():
    return [thread for thread in threading.enumerate() if thread.name == "dbx-gateway-alarms"]


def no_alarm_thread_left():
    patience = time.monotonic() + 10
    while alarm_threads():
        assert time.monotonic() < patience
        time.sleep(0.01)


def test_alarms_ring_in_the_order_of_their_times():
    rung = []
    done = threading.Event()
    alarm_in(0.15, lambda: (rung.append("last"), done.set()))
    alarm_in(0.01, lambda: rung.append("first"))
    alarm_in(0.05, lambda: rung.append("second"))
    assert done.wait(10)
    assert rung == ["first", "second", "last"]


def test_an_alarm_that_is_called_off_does_not_ring():
    rung = []
    done = threading.Event()
    alarm_in(0.01, lambda: rung.append("called off")).call_off()
    alarm_in(0.05, done.set)
    assert done.wait(10)
    assert rung == []


@promise("one-timer")
def test_all_alarms_share_one_thread_that_ends_when_none_is_set():
    no_alarm_thread_left()
    alarms = [alarm_in(60.0 + number, lambda: None) for number in range(100)]
    assert len(alarm_threads()) == 1
    for alarm in alarms:
        alarm.call_off()
    no_alarm_thread_left()
    done = threading.Event()
    alarm_in(0.0, done.set)
    assert done.wait(10)


def test_an_alarm_that_is_called_off_is_let_go_long_before_its_time():
    class Held:
        """Something that an alarm would keep."""

        def act(self):
            """Do nothing."""

    held = Held()
    gone = weakref.ref(held)
    alarm_in(3600.0, held.act).call_off()
    del held
    gc.collect()
    assert gone() is None


class Slept:
    """A condition in the place of one that is waited for: each wait lets the clock run on."""

    def __init__(self, now):
        self.now = now
        self.waits = []
        self.turns = 0

    def __enter__(self):
        self.turns += 1
        assert self.turns < 100, "the thread spins"
        return self

    def __exit__(self, *_):
        pass

    def wait(self, seconds):
        self.waits.append(round(seconds, 6))
        self.now.seconds += seconds

    def notify(self):
        pass


@pytest.fixture
def alarms(now):
    """Alarms whose thread is the test itself, and that wait by the test's clock."""
    made = deadlines._Alarms()
    made._changed = Slept(now)
    made._thread = types.SimpleNamespace(is_alive=lambda: True)
    return made


def test_the_thread_of_the_alarms_wakes_ten_times_a_second_and_no_more(alarms, now):
    rung = []
    alarms.add(deadlines.Alarm(now.seconds + 2.05, lambda: rung.append(now.seconds)))
    alarms._run()
    assert rung == [pytest.approx(1002.05)]
    # In the end it lingers once more for alarms that may be set, and finds none.
    assert alarms._changed.waits == [0.1] * 20 + [0.05, 0.1]


@pytest.mark.parametrize("late", [0.0, 5.0])
def test_an_alarm_whose_time_has_come_rings_without_a_wait(alarms, now, late):
    rung = []
    alarms.add(deadlines.Alarm(now.seconds - late, lambda: rung.append("due")))
    alarms._run()
    assert rung == ["due"]
    assert alarms._changed.waits == [0.1]


def test_alarms_of_many_threads_all_ring():
    left = threading.Semaphore(0)

    def set_some():
        for number in range(50):
            alarm_in(0.001 * (number % 7), left.release)

    setting = [threading.Thread(target=set_some) for _ in range(8)]
    for thread in setting:
        thread.start()
    for thread in setting:
        thread.join()
    assert all(left.acquire(timeout=10) for _ in range(400))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_after_a_fork_the_child_has_alarms_of_its_own():
    kept = alarm_in(60.0, lambda: None)
    child = os.fork()
    if child == 0:
        done = threading.Event()
        alarm_in(0.01, done.set)
        os._exit(0 if done.wait(10) and kept.is_set else 1)
    assert os.waitpid(child, 0)[1] == 0
    kept.call_off()
