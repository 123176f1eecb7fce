"""How long a call may take: in all, and without a word of its answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

import httpx

__all__ = ["NO_DEADLINE", "Deadline"]

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
        left = self.left
        return left is not None and left <= _RESOLUTION

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
