"""How long a call may take: in all, and without a word of its answer; and what rings when the time is over."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import httpx

from dbx_gateway.fork_hooks import in_child_after_fork

__all__ = ["NO_DEADLINE", "Alarm", "Deadline", "alarm_in"]

_RESOLUTION: Final = 0.002
"""Seconds by which a timer may end too early."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The two limits of a call that keep-alives do not reset.

    Args:
        total: seconds from the start of the call to the end of its answer, retries and pauses included.
        ends: when those are over, by ``time.monotonic``.
        idle: seconds to the first event of a stream, and between two of its events.
    """

    total: float | None = None
    ends: float | None = None
    idle: float | None = None

    @classmethod
    def from_now(cls, total: float | None) -> Deadline:
        """Return the deadline of a call that begins now."""
        return cls(total, None if total is None else time.monotonic() + total)

    def streaming(self, idle: float | None) -> Deadline:
        """Return the deadline of a stream that may be silent for ``idle`` seconds."""
        return replace(self, idle=idle)

    @property
    def left(self) -> float | None:
        """Seconds that are left, never fewer than none; None where there is no limit."""
        return None if self.ends is None else max(0.0, self.ends - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether the call has taken too long."""
        return self.ends is not None and self.ends - time.monotonic() <= _RESOLUTION

    def allows(self, pause: float) -> bool:
        """Whether there is time for a pause."""
        left = self.left
        return left is None or pause < left

    def silent_too_long(self, since: float) -> bool:
        """Whether a stream whose last event came at ``since`` (by ``time.monotonic``) has fallen silent."""
        return self.idle is not None and time.monotonic() - since >= self.idle - _RESOLUTION

    def within(self, timeout: httpx.Timeout) -> httpx.Timeout:
        """Return ``timeout`` with no step longer than what is left, and no read longer than a stream may be silent."""
        left = self.left
        if left is None and self.idle is None:
            return timeout
        return httpx.Timeout(
            connect=_least(timeout.connect, left),
            read=_least(timeout.read, left, self.idle),
            write=_least(timeout.write, left),
            pool=_least(timeout.pool, left),
        )


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


NO_DEADLINE: Final = Deadline()


class Alarm:
    """Something that is done at a given time, unless it is called off before.

    Args:
        at: when, by ``time.monotonic``.
        act: what; it must not wait for anything.
    """

    __slots__ = ("_act", "at")

    def __init__(self, at: float, act: Callable[[], object]) -> None:
        self.at = at
        self._act: Callable[[], object] | None = act

    def __lt__(self, other: Alarm) -> bool:
        return self.at < other.at

    @property
    def is_set(self) -> bool:
        """Whether it is still to ring."""
        return self._act is not None

    def call_off(self) -> None:
        """Let it not ring."""
        self._act = None

    def ring(self) -> None:
        """Do what it is for."""
        act, self._act = self._act, None
        if act is not None:
            act()


class _Alarms:
    """Rings all alarms of a process from one thread, which is there only while one is set.

    A thread for each would cost a short stream a fifth of its time.
    """

    def __init__(self) -> None:
        self._waiting: list[Alarm] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wakes = 0.0

    def add(self, alarm: Alarm) -> None:
        """Let ``alarm`` ring when its time comes."""
        with self._changed:
            heapq.heappush(self._waiting, alarm)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="dbx-gateway-alarms", daemon=True)
                self._thread.start()
            elif alarm.at < self._wakes:
                self._changed.notify()

    def _run(self) -> None:
        while (due := self._due()) is not None:
            for alarm in due:
                alarm.ring()

    def _due(self) -> list[Alarm] | None:
        """Wait a while, and return the alarms whose time has come; None when none has been set meanwhile."""
        with self._changed:
            first = self._waiting[0].at - time.monotonic() if self._waiting else _LINGER
            if first > 0:
                wait = min(first, _LINGER)
                self._wakes = time.monotonic() + wait
                self._changed.wait(wait)
            now = time.monotonic()
            due = [alarm for alarm in self._waiting if alarm.at <= now]
            self._waiting = [alarm for alarm in self._waiting if alarm.at > now and alarm.is_set]
            heapq.heapify(self._waiting)
            if due or self._waiting:
                return due
            self._thread = None
            return None


_LINGER: Final = 0.1
"""Seconds after which the thread looks for alarms that were called off, and ends when there are no others."""

_alarms = _Alarms()


def alarm_in(seconds: float, act: Callable[[], object]) -> Alarm:
    """Return an alarm that rings in ``seconds``, from another thread."""
    alarm = Alarm(time.monotonic() + seconds, act)
    _alarms.add(alarm)
    return alarm


def _start_anew() -> None:
    global _alarms  # noqa: PLW0603  # what a fork copied belongs to the parent
    _alarms = _Alarms()


in_child_after_fork(_start_anew)
