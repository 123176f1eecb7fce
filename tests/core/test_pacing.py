"""Pacing after refusals for load, and limits of calls in flight: in virtual time, with the real flow of each call."""

from __future__ import annotations

import gc
import itertools
import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.promises import promise
from support.virtual_time import AnySecond, EachSecond, Simulation, TokenBucket

from dbx_gateway.call.pacing import MOST_IDLE, Pacer, Pacers, PacingRules, is_refusal
from dbx_gateway.errors import APITimeoutError, RateLimitError

SERVERS = {
    "each-second": EachSecond,
    "any-second": AnySecond,
    "tokens": lambda limit: TokenBucket(limit, limit),
}
LATENCIES = (0.02, 1.0, 5.0)


def storm(server, count, *, latency=0.02, refusal_latency=0.02, **settings) -> Simulation:
    """Return what became of so many calls that were made at once."""
    simulation = Simulation(server, latency, refusal_latency)
    for number in range(count):
        simulation.call(number, **settings)
    simulation.run()
    return simulation


def sends_a_success(simulation: Simulation) -> float:
    """Return how many requests were sent for each answer from one second after the first refusal."""
    since = min(when for when, _ in simulation.refused) + 1 - 1e-9
    sent = [(when, name) for when, name in simulation.sent if when >= since]
    return len(sent) / len({name for _, name in sent})


def in_order(names) -> bool:
    found = list(names)
    return found == sorted(found)


@promise("paced")
@pytest.mark.parametrize("prompt", [True, False], ids=["refused-at-once", "refused-as-slowly"])
@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("limit", [5, 20, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("server", SERVERS)
def test_ten_times_as_many_callers_as_are_admitted_each_second_all_succeed(server, limit, latency, prompt):
    refusal_latency = 0.02 if prompt else latency
    simulation = storm(SERVERS[server](limit), 10 * limit, latency=latency, refusal_latency=refusal_latency)
    assert simulation.failed == {}
    assert len(simulation.ended) == 10 * limit
    ideal = 9 + latency  # so many at once, and as many in each of the nine seconds that follow
    assert max(simulation.ended.values()) <= 1.3 * ideal + latency
    assert sends_a_success(simulation) <= 1.2


@promise("paced")
@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("server", SERVERS)
def test_small_limits_are_not_probed_with_every_other_request(server, limit):
    simulation = storm(SERVERS[server](limit), 30 * limit)
    assert len(simulation.ended) == 30 * limit
    assert simulation.failed == {}
    assert sends_a_success(simulation) <= 1.2


def test_a_server_that_saved_up_for_a_burst_is_found_out():
    simulation = storm(TokenBucket(20, 100), 300)
    assert simulation.failed == {}
    assert len(simulation.ended) == 300
    assert max(simulation.ended.values()) <= 1.3 * 10
    assert sends_a_success(simulation) <= 1.2


def test_bursts_over_time_are_paced_by_one_measure():
    simulation = Simulation(EachSecond(20), 1.0)
    for number in range(150):
        simulation.call(number, at=5.0 * (number // 50))
    simulation.run()
    assert simulation.failed == {}
    assert len(simulation.ended) == 150
    assert max(simulation.ended.values()) <= 10 + 1.3 * 3 + 2 * 1.0
    assert sends_a_success(simulation) <= 1.4


@promise("paced")
def test_after_the_first_refusal_nobody_is_sent_for_a_second():
    simulation = Simulation(EachSecond(20))
    for number in range(60):
        simulation.call(number, at=0.0 if number < 30 else 0.01 * number)
    simulation.run()
    first = min(when for when, _ in simulation.refused)
    assert not [when for when, _ in simulation.sent if first < when < first + 1]
    assert simulation.failed == {}


@promise("paced")
def test_the_first_rate_is_what_was_sent_in_the_second_before_and_not_refused():
    simulation = storm(EachSecond(20), 200)
    first = min(when for when, _ in simulation.refused)
    resumed = min(when for when, _ in simulation.sent if when > first)
    assert first + 1 <= resumed <= first + 1.1
    assert len([when for when, _ in simulation.sent if resumed <= when < resumed + 1 - 1e-6]) == 20


@promise("paced")
def test_a_limit_that_rises_is_found_and_one_that_falls_is_kept():
    limits = itertools.chain([20] * 5, [60] * 25, itertools.repeat(10))
    each_second = [next(limits) for _ in range(200)]
    taken: dict[int, int] = {}

    def admit(now):
        second = math.floor(now + 1e-9)
        taken[second] = taken.get(second, 0) + 1
        return taken[second] <= each_second[second]

    simulation = storm(admit, 1500, total_timeout=1000.0)
    assert simulation.failed == {}
    sends = [sum(second <= when < second + 1 for when, _ in simulation.sent) for second in range(60)]
    assert max(sends[20:30]) >= 50
    assert all(count <= 15 for count in sends[34:50])


@promise("paced")
def test_callers_go_in_the_order_of_their_arrival_and_who_is_refused_is_first_again():
    simulation = storm(EachSecond(20), 200)
    since = min(when for when, _ in simulation.refused)
    paced = [name for when, name in simulation.sent if when > since]
    last = {name: number for number, name in enumerate(paced)}
    assert in_order(sorted(last, key=last.get))


@promise("paced")
def test_a_retry_after_is_everybodys_pause():
    simulation = Simulation(EachSecond(5), headers={"retry-after": "7"})
    for number in range(10):
        simulation.call(number, at=0.1 * number)
    simulation.run()
    first = min(when for when, _ in simulation.refused)
    assert not [when for when, _ in simulation.sent if first < when < first + 7]
    assert simulation.failed == {}


def test_a_retry_after_beyond_two_minutes_holds_nobody_else_up():
    answers = iter([False])
    simulation = Simulation(lambda _: next(answers, True), headers={"retry-after": "1000000000"})
    simulation.call("first")
    simulation.call("second", at=0.1)
    simulation.run()
    assert simulation.failed["first"].retry_after == 1e9
    assert simulation.ended["second"] < 1.3


@promise("paced")
def test_no_retry_is_counted_for_a_refusal():
    answers = iter([False] * 30)
    simulation = Simulation(lambda _: next(answers, True))
    simulation.call(0, max_retries=1)
    simulation.run()
    assert simulation.failed == {}
    assert len(simulation.sent) == 31
    assert len(simulation.results[0].exchange.attempts) == 31


@promise("paced")
@pytest.mark.parametrize(("settings", "patience"), [({}, 120.0), ({"total_timeout": 300.0}, 300.0)])
def test_the_error_comes_when_patience_ends(settings, patience, monkeypatch):
    simulation = Simulation(lambda _: False)
    monkeypatch.setattr("dbx_gateway.transport.deadlines.time.monotonic", lambda: simulation.now)
    for number in range(3):
        simulation.call(number, **settings)
    simulation.run()
    assert {type(error) for error in simulation.failed.values()} == {RateLimitError}
    assert all(patience <= when <= patience + 1 for when in simulation.ended.values())
    assert len(simulation.sent) < patience + 10


def test_a_caller_that_was_never_sent_gets_the_error_of_a_limit_too():
    simulation = Simulation(EachSecond(1))
    for number in range(200):
        simulation.call(number)
    simulation.call("late", at=0.5)
    simulation.run()
    error = simulation.failed["late"]
    assert (type(error), error.status, error.error_code) == (RateLimitError, 429, "paced")
    assert "not sent within 120.0 s" in error.message
    assert simulation.ended["late"] == pytest.approx(120.5)


def test_a_pause_that_the_time_does_not_allow_for_is_not_waited_for():
    simulation = Simulation(lambda _: False, headers={"retry-after": "60"})
    simulation.call(0, total_timeout=30.0)
    simulation.run()
    assert simulation.failed[0].retry_after == 60.0
    assert simulation.ended[0] == pytest.approx(0.02)


@promise("paced")
def test_who_wants_no_retries_is_not_paced():
    simulation = Simulation(EachSecond(20))
    for number in range(50):
        simulation.call(number)
    simulation.call("once", at=0.5, max_retries=0)
    simulation.run()
    assert (0.5, "once") in simulation.sent
    assert simulation.ended["once"] == pytest.approx(0.52)
    assert isinstance(simulation.failed["once"], RateLimitError)


@promise("paced-apart")
def test_other_identities_and_other_endpoints_are_not_paced():
    simulation = Simulation(lambda now: now > 0.01 or len(simulation.sent) > 50)
    for number in range(50):
        simulation.call(number)
    simulation.call("bob", at=0.5, user="bob")
    simulation.call("other model", at=0.5, model="databricks-qwen")
    simulation.call("other url", at=0.5, endpoint_url="https://ws.example.com/mine/invocations")
    simulation.call("ann", at=0.5)
    simulation.run()
    at_once = {name for when, name in simulation.sent if when == 0.5}
    assert at_once == {"bob", "other model", "other url"}
    assert simulation.failed == {}


@promise("paced-cancelled")
def test_a_caller_that_gives_up_while_it_waits_leaves_its_place_to_the_next():
    simulation = Simulation(EachSecond(20))
    for number in range(200):
        simulation.call(number)
    for number in range(20, 200, 2):
        simulation.give_up(number, at=0.9)
    simulation.run()
    assert simulation.failed == {}
    assert len(simulation.ended) == 110
    assert max(simulation.ended.values()) < 6.5
    assert in_order(name for when, name in simulation.sent if when > 0.9 and name >= 40)


@promise("paced-cancelled")
def test_a_caller_that_gives_up_at_the_head_of_the_queue_holds_nobody_up():
    simulation = Simulation(EachSecond(20))
    for number in range(60):
        simulation.call(number)
    for number in range(20, 30):
        simulation.give_up(number, at=1.0)  # just before it would be sent
    simulation.run()
    assert len(simulation.ended) == 50
    assert max(simulation.ended.values()) < 3.3


def test_a_caller_that_does_not_take_its_turn_is_passed_over_and_first_when_it_is_back():
    clock = Clock()
    pacer = Pacer(clock, chance=lambda: 0.0)
    asleep, awake = pacer.turn(), pacer.turn()
    assert (asleep.ask(), awake.ask()) == (None, None)
    for turn in (asleep, awake):
        turn.refuse(None)
        turn.leave()
    assert asleep.ask() == 1.0
    assert awake.ask() > 1.0
    clock.now += 1.0  # the turn of the one that sleeps
    assert awake.ask() > 0
    clock.now += 2.1
    assert awake.ask() is None
    awake.leave()
    clock.now += 1.0
    assert asleep.ask() is None


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


# Calls in flight


@promise("in-flight")
@pytest.mark.parametrize("retries", [0, 2])
def test_no_more_calls_are_in_flight_than_the_limit(retries):
    simulation = Simulation(lambda _: True, latency=1.0)
    for number in range(20):
        simulation.call(number, max_in_flight=4, max_retries=retries)
    simulation.run()
    assert [when for when, _ in simulation.sent] == [float(number // 4) for number in range(20)]
    assert in_order(name for _, name in simulation.sent)


@promise("in-flight")
def test_each_caller_waits_until_its_own_limit_holds_for_all_calls_of_the_endpoint():
    simulation = Simulation(lambda _: True, latency=1.0)
    for number in range(3):
        simulation.call(number)
    simulation.call("two", at=0.1, max_in_flight=2)
    simulation.call("ten", at=0.2, max_in_flight=10)
    simulation.call("any", at=0.3)
    simulation.call("bob", at=0.3, user="bob", max_in_flight=1)
    simulation.run()
    sent = {name: when for when, name in simulation.sent}
    assert (sent["any"], sent["bob"]) == (0.3, 0.3)
    assert sent["two"] == pytest.approx(1.0)
    assert sent["ten"] == pytest.approx(1.0)  # behind the one that came before: nobody is overtaken for ever


@promise("in-flight")
def test_a_limit_is_waited_for_as_long_as_the_call_has_time(monkeypatch):
    simulation = Simulation(lambda _: True, latency=500.0)
    monkeypatch.setattr("dbx_gateway.transport.deadlines.time.monotonic", lambda: simulation.now)
    for name in ("first", "patient"):
        simulation.call(name, max_in_flight=1)
    simulation.call("hurried", max_in_flight=1, total_timeout=30.0)
    simulation.run()
    assert simulation.ended["patient"] == pytest.approx(1000.0)
    assert simulation.ended["hurried"] == pytest.approx(30.0)
    assert isinstance(simulation.failed["hurried"], APITimeoutError)


def test_a_call_that_is_given_up_in_flight_makes_room():
    simulation = Simulation(lambda _: True, latency=100.0)
    simulation.call("gone", max_in_flight=1)
    simulation.call("next", max_in_flight=1)
    simulation.give_up("gone", at=5.0)
    simulation.run()
    assert (5.0, "next") in simulation.sent


def test_a_limit_holds_in_a_storm_too():
    simulation = Simulation(EachSecond(20), latency=2.0)
    for number in range(100):
        simulation.call(number, max_in_flight=30)
    simulation.run()
    assert simulation.failed == {}
    flying = sorted([(when, 1) for when, _ in simulation.sent] + [(when, -1) for when in simulation.ended.values()])
    flying += [(when, -1) for when, _ in simulation.refused]
    assert max(itertools.accumulate(step for _, step in sorted(flying))) <= 30


# What it tells


def test_an_answer_says_how_long_it_was_paced():
    answers = iter([False])
    simulation = Simulation(lambda _: next(answers, True))
    simulation.call("refused")
    simulation.call("behind", at=0.5)
    simulation.call("free", at=50.0)
    simulation.run()
    paced = {name: result.exchange.paced for name, result in simulation.results.items()}
    assert 1.0 <= paced["refused"] <= 1.1
    assert 0.5 <= paced["behind"] <= 1.7
    assert paced["free"] == 0.0


# Its own laws


@promise("paced-cancelled")
@given(st.lists(st.tuples(st.sampled_from(["ask", "refuse", "leave", "tick"]), st.integers(0, 7)), max_size=80))
def test_whatever_callers_do_none_is_lost_and_the_limits_hold(steps):
    clock = Clock()
    pacer = Pacer(clock, chance=lambda: 0.0)
    limits = [None, None, 1, 2, 3, None, 2, 1]
    turns = [pacer.turn(limit, paced=number % 3 > 0) for number, limit in enumerate(limits)]
    flying = set()
    for act, number in steps:
        turn = turns[number]
        if act == "tick":
            clock.now += 0.3 * number
        elif act == "ask" and turn not in flying and not turn.over:
            if turn.ask() is None:
                assert turn.limit is None or len(flying) < turn.limit
                flying.add(turn)
        elif act == "refuse" and turn in flying:
            turn.refuse(None)
            turn.leave()
            flying.discard(turn)
        elif act == "leave":
            turn.leave()
            flying.discard(turn)
        assert pacer.in_flight == len(flying)
    for turn in turns:
        turn.leave()
    assert (pacer.in_flight, pacer.waiting) == (0, 0)
    clock.now += 60
    assert pacer.turn().ask() is None


def test_a_place_may_be_given_up_while_the_collector_holds_the_lock():
    pacer = Pacer()
    first, second = pacer.turn(1), pacer.turn(1)
    assert first.ask() is None
    assert second.ask() is not None
    woken = []
    second.wakeup.on_wake(lambda: woken.append(True))
    with pacer._lock:
        first.leave()  # as a finalizer would, in the middle of another's turn
        assert woken == []
    assert pacer.in_flight == 0
    assert woken == [True]
    assert second.ask() is None


@promise("paced-expires")
def test_pacers_go_by_themselves_and_those_in_use_stay():
    clock = Clock()
    pacers = Pacers(clock, PacingRules())
    busy = pacers.of("busy").turn()
    assert busy.ask() is None
    for number in range(600):
        turn = pacers.of(number).turn()
        assert turn.ask() is None
        turn.leave()
    assert len(pacers) == 601
    clock.now += 61
    for number in range(400):
        pacers.of(("new", number))
    assert pacers.of("busy").in_flight == 1
    assert len(pacers) == 401
    for number in range(2 * MOST_IDLE):
        pacers.of(("more", number))
    assert len(pacers) <= MOST_IDLE + 1
    assert pacers.of("busy").in_flight == 1


def test_forgetting_ends_the_pacing_and_keeps_what_is_in_flight():
    pacers = Pacers(Clock(), PacingRules())
    idle, busy = pacers.of("idle").turn(), pacers.of("busy").turn()
    for turn in (idle, busy):
        assert turn.ask() is None
    idle.leave()
    busy.refuse(None)
    waiting = pacers.of("busy").turn()
    assert waiting.ask() is not None
    pacers.forget()
    assert len(pacers) == 1
    assert pacers.of("busy") is busy.pacer
    assert waiting.ask() is None
    assert pacers.of("busy").in_flight == 2


@promise("paced-expires")
def test_a_long_storm_takes_no_memory_of_its_own():
    clock = Clock()
    pacer = Pacer(clock)
    for _ in range(6_000):
        turn = pacer.turn()
        while (pause := turn.ask()) is not None:
            clock.now += pause
        turn.refuse(None)
        turn.leave()
    assert len(pacer._sends) <= 100
    assert len(pacer._refused) <= 4096
    assert len(gc.get_referrers(pacer)) < 100


def test_ten_seconds_without_a_refusal_end_the_pacing():
    simulation = Simulation(EachSecond(20))
    for number in range(40):
        simulation.call(number)
    for number in range(40, 60):
        simulation.call(number, at=30.0)
    simulation.run()
    assert [when for when, name in simulation.sent if name >= 40] == [30.0] * 20


@pytest.mark.parametrize(("status", "refused"), [(429, True), (503, True), (502, False), (529, False), (None, False)])
def test_two_statuses_say_that_an_endpoint_is_asked_too_much(status, refused):
    assert is_refusal(status) is refused


def test_many_threads_at_once_are_all_counted_once():
    pacer = Pacer()
    most = []

    def work():
        for _ in range(200):
            turn = pacer.turn(3)
            gate = threading.Semaphore(0)
            while (pause := turn.ask()) is not None:
                turn.wakeup.on_wake(gate.release)
                gate.acquire(timeout=min(pause, 1.0))
            most.append(len(pacer._in_flight))
            turn.leave()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 1600
    assert max(most) <= 3
    assert (pacer.in_flight, pacer.waiting) == (0, 0)
