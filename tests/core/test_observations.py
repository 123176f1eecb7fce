import copy
import os
import pickle
import threading

import pytest
from support.promises import promise

import dbx_gateway
from dbx_gateway import notices
from dbx_gateway.call.caller import Caller
from dbx_gateway.call.observations import (
    HOUR,
    MINUTE,
    MOST_FACTS,
    NoAnswerError,
    Observations,
    SingleFlight,
    shared_observations,
)
from dbx_gateway.call.repairs import Repair
from dbx_gateway.models.discovery import EndpointFacts
from dbx_gateway.notices import warn_once

HOST = "https://ws.example.com"
ANN, BOB = Caller(HOST, "ann"), Caller(HOST, "bob")
DROP = Repair(name="drop top_k", kind="drop", path=("top_k",))
CLAMP = Repair(name="clamp effort", kind="clamp", path=("effort",), allowed=("low",))


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def seen(clock):
    return Observations(clock)


def test_nothing_is_known_at_first(seen):
    assert seen.surface(ANN) is None
    assert seen.endpoint(ANN, "m") is None
    assert seen.route(ANN, "m") is None
    assert seen.repairs("url", "m") == ()


@pytest.mark.parametrize(("conclusive", "lifetime"), [(True, HOUR), (False, MINUTE)])
def test_a_surface_is_its_callers_alone_for_an_hour_or_for_a_minute_where_the_probe_was_inconclusive(
    seen, clock, conclusive, lifetime
):
    seen.learn_surface(ANN, "ai-gateway", "it answered", conclusive=conclusive)
    clock.now += lifetime - 0.1
    assert seen.surface(ANN) == ("ai-gateway", "it answered")
    assert seen.surface(BOB) is None
    assert seen.surface(Caller("https://other.example.com", "ann")) is None
    clock.now += 0.1
    assert seen.surface(ANN) is None


@pytest.mark.parametrize(("found", "lifetime"), [(True, HOUR), (False, MINUTE)])
def test_metadata_holds_an_hour_and_its_absence_a_minute(seen, clock, found, lifetime):
    facts = EndpointFacts(name="m", found=found)
    seen.learn_endpoint(ANN, "m", facts)
    clock.now += lifetime - 0.1
    assert seen.endpoint(ANN, "m") is facts
    assert seen.endpoint(BOB, "m") is None
    assert seen.endpoint(ANN, "n") is None
    clock.now += 0.1
    assert seen.endpoint(ANN, "m") is None


def test_a_route_that_worked_holds_for_an_hour(seen, clock):
    seen.learn_route(ANN, "m", "ai-gateway", "url")
    clock.now += HOUR - 0.1
    assert seen.route(ANN, "m") == ("ai-gateway", "url")
    assert seen.route(BOB, "m") is None
    clock.now += 0.1
    assert seen.route(ANN, "m") is None


@promise("facts-expire")
def test_what_has_expired_is_gone_without_anybody_asking_for_it(seen, clock):
    for number in range(600):
        seen.learn_surface(Caller(HOST, f"user {number}"), "ai-gateway", "it answered", conclusive=True)
    assert len(seen._surfaces) == 600
    clock.now += HOUR
    seen.learn_surface(ANN, "ai-gateway", "it answered", conclusive=True)
    assert len(seen._surfaces) == len(seen._surfaces._facts) == len(seen._surfaces._expiries) == 1


@promise("facts-expire")
def test_there_are_never_more_facts_than_the_bound_and_those_that_would_expire_first_go(seen, clock):
    for number in range(MOST_FACTS + 10):
        clock.now += 0.001
        seen.learn_endpoint(ANN, f"m{number}", EndpointFacts(name="m"))
    assert len(seen._endpoints) == MOST_FACTS
    assert seen.endpoint(ANN, "m9") is None
    assert seen.endpoint(ANN, "m10") is not None


def test_a_fact_that_is_renewed_again_and_again_leaves_no_trail(seen, clock):
    for _ in range(10 * MOST_FACTS):
        seen.learn_surface(ANN, "ai-gateway", "it answered", conclusive=True)
    assert len(seen._surfaces) == 1
    assert len(seen._surfaces._expiries) <= 4 * MOST_FACTS + 1
    clock.now += HOUR - 0.1
    assert seen.surface(ANN) is not None


def test_repairs_add_up_in_order_without_repeats_and_hold_for_an_hour(seen, clock):
    seen.learn_repair("url", "m", DROP)
    seen.learn_repair("url", "m", CLAMP)
    seen.learn_repair("url", "m", DROP)
    assert seen.repairs("url", "m") == (DROP, CLAMP)
    assert seen.repairs("url", "n") == seen.repairs("other", "m") == ()
    clock.now += HOUR
    assert seen.repairs("url", "m") == ()


def test_a_repair_learned_after_the_others_expired_stands_alone(seen, clock):
    seen.learn_repair("url", "m", DROP)
    clock.now += HOUR
    seen.learn_repair("url", "m", CLAMP)
    assert seen.repairs("url", "m") == (CLAMP,)


def test_repairs_that_many_threads_learn_at_once_are_all_kept(seen):
    repairs = [Repair(name=f"drop {number}", kind="drop", path=(str(number),)) for number in range(50)]
    threads = [threading.Thread(target=seen.learn_repair, args=("url", "m", repair)) for repair in repairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen.repairs("url", "m")) == set(repairs)


def fill(seen: Observations) -> None:
    seen.learn_surface(ANN, "ai-gateway", "x", conclusive=True)
    seen.learn_endpoint(ANN, "m", EndpointFacts(name="m", found=True))
    seen.learn_route(ANN, "m", "ai-gateway", "url")
    seen.learn_repair("url", "m", DROP)
    seen.flights.join("flight")


def knows(seen: Observations) -> list[bool]:
    leads = seen.flights.join("flight")[1]
    return [
        seen.surface(ANN) is not None,
        seen.endpoint(ANN, "m") is not None,
        seen.route(ANN, "m") is not None,
        seen.repairs("url", "m") != (),
        not leads,
    ]


def test_forgetting_leaves_nothing(seen):
    fill(seen)
    assert all(knows(seen))
    seen.forget()
    assert not any(knows(seen))


def test_forget_empties_what_the_process_shares_and_lets_warnings_be_said_again(caplog):
    fill(shared_observations())
    warn_once("a thing", "said")
    warn_once("a thing", "said")
    dbx_gateway.forget()
    warn_once("a thing", "said")
    assert not any(knows(shared_observations()))
    assert [record.message for record in caplog.records] == ["said", "said"]


def test_a_copy_is_the_same_and_a_pickle_holds_nothing(seen):
    fill(seen)
    assert copy.copy(seen) is seen
    assert copy.deepcopy({"a": seen})["a"] is seen
    assert not any(knows(pickle.loads(pickle.dumps(seen))))


# --- single flight -----------------------------------------------------------------------------------------------


def test_of_many_threads_one_does_the_work_and_all_have_its_result():
    flights, joined, leaders, results = SingleFlight(), threading.Semaphore(0), [], []

    def call():
        flight, leads = flights.join("key")
        joined.release()
        if leads:
            leaders.append(flight)
            for _ in range(20):
                assert joined.acquire(timeout=5)
            flights.land("key", flight, "result")
        results.append(flight.result(5))

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leaders) == 1
    assert results == ["result"] * 20


def test_who_joins_before_the_landing_waits_and_who_comes_after_leads_anew():
    flights = SingleFlight()
    flight, leads = flights.join("key")
    follower, follows = flights.join("key")
    assert (leads, follows, follower is flight) == (True, False, True)
    assert flights.join("other")[1]
    flights.land("key", flight, 42)
    assert follower.result(0) == 42
    assert flights.join("key")[1]


@pytest.mark.parametrize("failed", [True, False])
def test_who_waits_for_one_that_gives_up_hears_that_there_is_no_answer_and_the_next_leads_anew(failed):
    flights = SingleFlight()
    flight, _ = flights.join("key")
    follower, _ = flights.join("key")
    flights.give_up("key", flight, failed=failed)
    with pytest.raises(NoAnswerError) as caught:
        follower.result(0)
    assert caught.value.failed is failed
    assert flights.join("key")[1]


def test_nobody_joins_a_flight_that_a_waiter_has_left():
    flights = SingleFlight()
    flight, _ = flights.join("key")
    flights.leave("key", flight)
    assert flights.join("key")[1]


def test_a_waiter_that_is_cancelled_cancels_nobody_elses_flight():
    flights = SingleFlight()
    flight, _ = flights.join("key")
    assert not flights.join("key")[0].cancel()
    flights.land("key", flight, 1)
    assert flight.result(0) == 1


def test_landing_a_flight_that_was_forgotten_does_not_end_its_successor():
    flights = SingleFlight()
    old, _ = flights.join("key")
    flights.clear()
    new, leads = flights.join("key")
    flights.land("key", old, "old")
    assert leads
    assert old.result(0) == "old"
    assert flights.join("key") == (new, False)


# --- fork --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_knows_nothing_and_waits_for_no_lock_of_its_parent(seen):
    shared = shared_observations()
    fill(seen)
    fill(shared)
    with seen._surfaces._lock, shared.flights._lock, notices._lock:
        child = os.fork()
        if child == 0:
            try:
                warn_once("in the child", "said")
                os._exit(0 if not any(knows(seen) + knows(shared)) and shared is shared_observations() else 1)
            finally:
                os._exit(2)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert all(knows(seen) + knows(shared))
