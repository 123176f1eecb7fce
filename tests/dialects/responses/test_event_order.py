"""Events by their number: repeats are dropped, swapped ones put in order, and a gap holds one event back at most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbx_gateway.dialects.responses.event_order import EventOrder


def numbered(*numbers):
    """An event for each number, with something of its own."""
    return [{"sequence_number": number, "delta": f"text {number}"} for number in numbers]


def taken(events):
    """What comes out when ``events`` go in, and what waits at the end."""
    order = EventOrder()
    out = [due for event in events for due in order.take(event)]
    return [*out, *order.rest()]


def numbers(events):
    return [event["sequence_number"] for event in events]


@given(first=st.integers(0, 5), count=st.integers(0, 30), data=st.data())
def test_events_that_arrive_twice_or_swapped_with_their_neighbour_come_out_once_and_in_order(first, count, data):
    sound = numbered(*range(first, first + count))
    arriving = list(sound)
    # The first event says where the numbers begin.
    for place in data.draw(st.sets(st.integers(1, max(count - 2, 1)))) if count > 2 else ():
        if numbers(arriving[place - 1 : place]) == [first + place - 1]:
            arriving[place : place + 2] = reversed(arriving[place : place + 2])
    for place in sorted(data.draw(st.sets(st.integers(0, max(count - 1, 0)))) if count else (), reverse=True):
        arriving.insert(place + 1, arriving[place])
    assert taken(arriving) == sound


@given(st.lists(st.integers(0, 9)))
def test_events_whose_numbers_are_missing_come_out_as_they_went_in(texts):
    events = [{"delta": str(text)} for text in texts]
    assert taken(events) == events


def test_a_gap_holds_one_event_back_until_the_next_one():
    order = EventOrder()
    one, three, four, five = numbered(1, 3, 4, 5)
    assert order.take(one) == [one]
    assert order.take(three) == []
    assert order.take(four) == [three, four]
    assert order.take(five) == [five]


def test_an_event_that_a_gap_left_out_is_taken_late_and_once():
    one, two, three, four = numbered(1, 2, 3, 4)
    assert numbers(taken([one, three, four, two, two])) == [1, 3, 4, 2]


def test_a_gap_without_bounds_is_not_remembered():
    far = numbered(1, 100_000, 100_001, 2)
    assert numbers(taken(far)) == [1, 100_000, 100_001]


def test_different_events_of_one_number_end_the_trust_in_numbers():
    first, other, third = numbered(0), [{"sequence_number": 0, "delta": "other"}], numbered(0)
    assert taken([*first, *other, *third]) == [*first, *other, *third]


@pytest.mark.parametrize("number", [None, "3", 3.0])
def test_an_event_whose_number_is_none_lets_out_what_waits_before_it(number):
    one, three = numbered(1, 3)
    odd = {"sequence_number": number, "delta": "odd"}
    assert taken([one, three, odd]) == [one, three, odd]
