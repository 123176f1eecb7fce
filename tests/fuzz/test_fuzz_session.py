"""The fuzzer itself: coverage leads it, what it finds it reports, and a short session over everything finds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz import corpus
from fuzz.session import Session, covering
from fuzz.shrinking import trimmed
from fuzz.target import Target
from fuzz.targets import TARGETS
from support.promises import promise

HERE = (str(Path(__file__).parent),)


def guarded(data: bytes) -> None:
    """Fail deep inside, where chance alone leads once in millions of inputs."""
    if data[:1] != b"{":
        return
    if data[1:2] != b"[":
        return
    if data[2:3] != b":":
        return
    if data[3:4] == b"@":
        raise KeyError(data)


def endless(data: bytes) -> None:
    while data[:1] == b"{":
        pass


def target_of(run, **more):
    return Target(name="toy", form="text", run=run, read=run, seeds=(b"",), **more)


def test_coverage_leads_a_session_to_what_chance_would_not_find():
    session = Session(target_of(guarded), folders=HERE)
    session.begin(())
    session.go(rounds=20_000)
    [finding] = session.found.values()
    assert finding.data.startswith(b"{[:@")
    assert finding.place.startswith("KeyError at test_fuzz_session.py:")


def test_an_error_that_may_be_raised_is_no_finding():
    session = Session(target_of(guarded, raises=(KeyError,)), folders=HERE)
    session.begin([b"{[:@"])
    assert session.found == {}


def test_a_call_that_does_not_end_is_a_finding():
    session = Session(target_of(endless), folders=HERE)
    session.begin([b"{"])
    assert [finding.data for finding in session.found.values()] == [b"{"]
    assert "OutOfSteps" in next(iter(session.found))


def test_a_session_of_so_many_rounds_is_the_same_every_time():
    def kept():
        session = Session(TARGETS["error-body"], seed=7)
        session.begin(())
        session.go(rounds=60)
        return list(session.ways)

    assert kept() == kept()


def test_few_short_inputs_cover_all_ways():
    ways = {b"aaa": frozenset({1, 2}), b"a": frozenset({1}), b"bb": frozenset({2, 3}), b"cccc": frozenset({1, 2, 3})}
    assert covering(ways) == [b"a", b"bb"]


@pytest.mark.parametrize(
    ("data", "needed", "smallest"),
    [
        (b'data: {"a": [1, 2], "b": 3}\n\ndata: {"c": 4}\n\n', b'"c"', b'"c"'),
        (b'{"a": {"b": [1, 2, {"c": 3}]}}', b'"c":', b'"c":'),
        (b"some more bytes", b"more", b"more"),
    ],
)
def test_an_input_is_trimmed_to_what_is_needed_of_it(data, needed, smallest):
    assert trimmed(data, lambda one: needed in one.replace(b": ", b":").replace(b'"c":', b'"c":'), 1000) == smallest


@promise("any-bytes")
@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_short_session_finds_nothing(name):
    session = Session(TARGETS[name], seed=1)
    session.begin(corpus.load(name).values())
    session.go(rounds=500)
    assert [(finding.place, finding.data) for finding in session.found.values()] == []
