"""The laws of every target over inputs that hypothesis makes, and makes smaller where one fails."""

from __future__ import annotations

import pytest
from fuzz import corpus
from fuzz.inputs import inputs
from fuzz.steps import steps_of
from fuzz.targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.promises import promise

INPUTS = {name: inputs(target, [*corpus.load(name).values()]) for name, target in TARGETS.items()}
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@promise("any-bytes")
@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_the_laws_hold_for_inputs_of_every_sort(name, data):
    corpus.check(TARGETS[name], data.draw(INPUTS[name]))


@promise("any-bytes", "linear")
@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=1500, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_the_laws_hold_for_many_inputs_and_none_takes_more_lines_than_it_is_worth(name, data):
    one = data.draw(INPUTS[name])
    steps_of(lambda: corpus.check(TARGETS[name], one), limit=200_000 + 2_000 * len(one))
