import copy
import os
import pickle
import threading

import pytest

import dbx_gateway
from dbx_gateway import notices
from dbx_gateway.call.observations import HOUR, MINUTE, Observations, SingleFlight, shared_observations
from dbx_gateway.call.repairs import Repair
from dbx_gateway.models.discovery import EndpointFacts
from dbx_gateway.notices import warn_once

HOST = "https://ws.example.com"
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
    assert seen.surface(HOST, "ann") is None
    assert seen.endpoint(HOST, "ann", "m") is None
    assert seen.route("key") is None
    assert seen.repairs("url", "m") == ()


def test_a_conclusive_surface_holds_for_everybody_for_an_hour(seen, clock):
    seen.learn_surface(HOST, None, "ai-gateway", "it answered")
    clock.now += HOUR - 0.1
    assert seen.surface(HOST, "ann") == seen.surface(HOST, "bob") == ("ai-gateway", "it answered")
    assert seen.surface("https://other.example.com", "ann") is None
    clock.now += 0.1
    assert seen.surface(HOST, "ann") is None


def test_an_inconclusive_surface_holds_for_its_identity_for_a_minute(seen, clock):
    seen.learn_surface(HOST, "ann", "model-serving", "403")
    assert seen.surface(HOST, "ann") == ("model-serving", "403")
    assert seen.surface(HOST, "bob") is None
    clock.now += MINUTE
    assert seen.surface(HOST, "ann") is None


@pytest.mark.parametrize(("found", "lifetime"), [(True, HOUR), (False, MINUTE)])
def test_metadata_holds_an_hour_and_its_absence_a_minute(seen, clock, found, lifetime):
    facts = EndpointFacts(name="m", found=found)
    seen.learn_endpoint(HOST, "ann", "m", facts)
    clock.now += lifetime - 0.1
    assert seen.endpoint(HOST, "ann", "m") is facts
    assert seen.endpoint(HOST, "bob", "m") is None
    assert seen.endpoint(HOST, "ann", "n") is None
    clock.now += 0.1
    assert seen.endpoint(HOST, "ann", "m") is None


def test_a_route_that_worked_holds_for_an_hour(seen, clock):
    seen.learn_route(("h", "m"), "ai-gateway", "url")
    clock.now += HOUR - 0.1
    assert seen.route(("h", "m")) == ("ai-gateway", "url")
    clock.now += 0.1
    assert seen.route(("h", "m")) is None


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
    seen.learn_surface(HOST, None, "ai-gateway", "x")
    seen.learn_endpoint(HOST, "ann", "m", EndpointFacts(name="m", found=True))
    seen.learn_route("key", "ai-gateway", "url")
    seen.learn_repair("url", "m", DROP)
    seen.flights.join("flight")


def knows(seen: Observations) -> list[bool]:
    leads = seen.flights.join("flight")[1]
    return [
        seen.surface(HOST, "ann") is not None,
        seen.endpoint(HOST, "ann", "m") is not None,
        seen.route("key") is not None,
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


def test_an_error_lands_with_everybody():
    flights = SingleFlight()
    flight, _ = flights.join("key")
    follower, _ = flights.join("key")
    flights.land("key", flight, None, ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        follower.result(0)


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
