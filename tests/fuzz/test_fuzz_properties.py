"""The laws of every target over inputs that hypothesis makes of its words, and smaller where one fails."""

from __future__ import annotations

import json

import pytest
from fuzz.target import Target
from fuzz.targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.promises import promise

ODD = ["", "a", "{}", "\\", "é", "\u2028", "[DONE]", "error"]
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.just(10**400), st.sampled_from(ODD), st.text(max_size=5)
)


def values(target: Target):
    words = st.sampled_from(target.words or ODD)
    return st.recursive(
        scalars | words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=2), inner, max_size=4),
        max_leaves=12,
    )


def changed(target: Target):
    """JSON of a seed in which some value is another."""
    return st.builds(_with, st.sampled_from(_parsed(target)), st.integers(0, 10**6), values(target))


def _parsed(target: Target):
    found = []
    for seed in target.seeds:
        for event in seed.split(b"\n\n"):
            try:
                found.append(json.loads(event.rpartition(b"data: ")[2]))
            except ValueError:
                continue
    return found or [{}]


def _with(value, place, new):
    """Return ``value`` with ``new`` at one of its places; a number chooses which."""
    if not isinstance(value, dict | list) or not value or place % 7 == 0:
        return new
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = keys[place % len(keys)]
    inner = _with(value[key], place // 2, new)
    return {**value, key: inner} if isinstance(value, dict) else [*value[:key], inner, *value[key + 1 :]]


def written(value) -> bytes:
    return json.dumps(value).encode()


def inputs(target: Target):
    if target.form == "text":
        pieces = st.sampled_from([*target.words, *ODD, "[", "]", "{", "}", '"', ":", ",", " ", "1", "."])
        return st.binary(max_size=40) | st.lists(pieces, max_size=20).map(lambda parts: "".join(parts).encode())
    if target.form == "json":
        return (values(target) | changed(target)).map(written) | st.binary(max_size=40)
    names = st.sampled_from([b"", b"event: error\n", b": x\n", b"\xef\xbb\xbf", b"x\n"])
    data = (changed(target) | values(target)).map(written) | st.just(b"[DONE]") | st.binary(max_size=10)
    event = st.tuples(names, data, st.sampled_from([b"\n\n", b"\r\r", b"\r\n\r\n", b"\n"]))
    return st.lists(event.map(lambda parts: parts[0] + b"data: " + parts[1] + parts[2]), max_size=6).map(b"".join)


@promise("any-bytes")
@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_the_laws_hold_for_inputs_of_every_sort(name, data):
    target = TARGETS[name]
    target.accepts(data.draw(inputs(target)))
