"""Waiting that takes no time: pacing in small units, or by a clock that goes by only where a call waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dbx_gateway.call import flow
from dbx_gateway.call.observations import shared_observations
from dbx_gateway.call.pacing import PacingRules


class Clock:
    """Seconds that go by only when somebody says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def quick_pacing(second: float = 0.001) -> Iterator[None]:
    """Pace callers with a second that is so short."""
    observations = shared_observations()
    observations.pace(time.monotonic, PacingRules(second=second))
    try:
        yield
    finally:
        observations.pace(time.monotonic, PacingRules())


@contextmanager
def noted_pauses(
    monkeypatch: pytest.MonkeyPatch, longest: float = 0.0, rules: PacingRules | None = None
) -> Iterator[list[float]]:
    """Give the pauses that calls make; no more than ``longest`` of one is waited for, but the pacing sees all of it.

    For one call at a time: what a second one waits lets the time of the first go by, too.
    """
    made: list[float] = []
    clock = Clock()
    observations = shared_observations()
    wait = flow.wait

    def noted(seconds, wakeup=None):
        made.append(seconds)
        clock.now += seconds
        return wait(min(seconds, longest), wakeup)

    observations.pace(clock, PacingRules(jitter=0.0) if rules is None else rules)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(flow, "wait", noted)
            yield made
    finally:
        observations.pace(time.monotonic, PacingRules())
