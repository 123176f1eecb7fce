"""Who of an endpoint's callers may send, and when: after a refusal for load, and under a limit of calls in flight.

A :class:`Pacer` belongs to one endpoint and one identity. After the first 429 or 503 nobody is sent for a second, or for as
long as the server asked. Then those who wait are sent in the order of their arrival, at first as many a second as were sent
in the second before the refusal and not refused, a few more each second. A further refusal sets the rate to the same measure
again. Ten seconds without a refusal and without anybody waiting end it.

Nothing here waits: :meth:`Turn.ask` says for how long to, and :class:`Wakeup` when to ask again sooner. Threads and event
loops wait around it, each in its own way, in one queue.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

__all__ = ["MOST_IDLE", "PATIENCE", "Pacer", "Pacers", "PacingRules", "Turn", "Wakeup", "is_refusal"]

REFUSALS: Final = frozenset({429, 503})
"""Statuses by which a server says that it is asked too much (docs/wire/errors.md#retries)."""

PATIENCE: Final = 120.0
"""Seconds that a call without a ``total_timeout`` waits for its turn after a refusal, at most."""

MOST_IDLE: Final = 4096
"""Endpoints and identities that are remembered without a call in progress, at most."""

_IDLE_SECONDS: Final = 60.0
"""Seconds after which an endpoint without calls is forgotten."""

_MOST_SENDS: Final = 4096
"""Sends of an endpoint whose times are remembered at most; a second that had more counts as one of so many."""

_REMEMBERED: Final = 60.0
"""For how many units of time they are remembered."""

_STORM_ENDS_AFTER: Final = 10.0
"""Units of time without a refusal and without anybody waiting."""

_GROWTH: Final = 1.05
_LEAST_GROWTH: Final = 1.0
"""By what the rate grows each second where more has never been proven: by a share, and by one at least."""

_FAST_GROWTH: Final = 2.0
"""By what it grows up to what has been proven."""

_DISPROVEN: Final = 1.25
"""How far above a limit that was met it takes to believe that it is gone. Up to there each attempt may cost a refusal: the
rate grows by the share alone, after some more sends, and only where enough callers wait to gain by it."""

_SENDS_BETWEEN_ATTEMPTS: Final = 10

_LONGEST_LAG: Final = 10.0
"""Units of time that a refusal is expected to take, at most."""

_FULL: Final = 0.8
"""Share of the rate that was used in a second whose outcome says what the server takes, not what was asked of it."""

_SLACK: Final = 0.05
"""Seconds by which a sender may be late without the next ones being later: timers are not exact."""

_SLEEPER: Final = 2.0
"""Seconds after which a caller that does not take its turn is passed over: its event loop may stand still."""

_LOOK_EVERY: Final = 0.02
"""Seconds, for each caller that waits, after which one looks whether another has failed to take its turn."""

_ROUNDING: Final = 1e-9


def is_refusal(status: int | None) -> bool:
    """Whether an answer says that the endpoint is asked too much."""
    return status in REFUSALS


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingRules:
    """The lengths of time by which callers are paced.

    Args:
        second: seconds in the unit of time: the pause after the first refusal, and what rates are counted over.
        patience: seconds that a caller without a ``total_timeout`` waits for its turn after a refusal, at most.
        jitter: what is added to a pause by chance, as a share of it: several processes shall not return as one.
    """

    second: float = 1.0
    patience: float = PATIENCE
    jitter: float = 0.1


class Wakeup:
    """Tells a caller that waits to ask again. It takes no lock, so it may be used from the garbage collector."""

    __slots__ = ("_act", "_rung")

    def __init__(self) -> None:
        self._act: Callable[[], object] | None = None
        self._rung = False

    def wake(self) -> None:
        """Let the caller ask again."""
        self._rung = True
        act = self._act
        if act is not None:
            act()

    def on_wake(self, act: Callable[[], object]) -> None:
        """Have ``act`` called at the next wake-up, or at once where it has come already; it may be called twice."""
        self._act = act
        if self._rung:
            act()

    def clear(self) -> None:
        """Forget what was to be called, and what has come."""
        self._act = None
        self._rung = False


class Turn:
    """The place of one call among the callers of an endpoint.

    Args:
        pacer: of the endpoint.
        number: counts the calls in the order of their arrival.
        limit: calls of the endpoint in flight with which this one may be sent, itself included; None for any number.
        paced: it takes part in the pacing after a refusal.
        ends: when the call has no time left, by the pacer's clock.

    Attributes:
        wakeup: says when to ask again before the time that :meth:`ask` returned.
        waited: seconds that the call has waited for its turns.
        over: its time does not suffice to wait for its turn; it is not to ask again.
        in_storm: its last wait was for others after a refusal, not for a limit of its own.
    """

    __slots__ = (
        "ends",
        "in_storm",
        "limit",
        "number",
        "offered_at",
        "over",
        "paced",
        "pacer",
        "queued",
        "rate",
        "refusal_counted",
        "sent_at",
        "storm_since",
        "waited",
        "waiting_since",
        "wakeup",
    )

    def __init__(self, pacer: Pacer, number: int, limit: int | None, *, paced: bool, ends: float = math.inf) -> None:
        self.pacer = pacer
        self.number = number
        self.limit = limit
        self.paced = paced
        self.ends = ends
        self.wakeup = Wakeup()
        self.waited = 0.0
        self.over = False
        self.in_storm = False
        # What follows is the pacer's.
        self.queued = False
        self.sent_at = -math.inf
        self.rate: float | None = None
        self.refusal_counted = True
        self.storm_since: float | None = None
        self.waiting_since: float | None = None
        self.offered_at = -math.inf

    def ask(self) -> float | None:
        """Take the turn, or return for how many seconds to wait before asking again.

        Returns:
            None where the call is to be sent now; it is in flight then, until :meth:`leave`.
        """
        return self.pacer.ask(self)

    def refuse(self, retry_after: float | None) -> None:
        """Note that the server has refused what was sent, and after how many seconds it wants to be asked again."""
        self.pacer.refuse(self, retry_after)

    def leave(self) -> None:
        """Give up the place, in flight or waiting. It may be called twice, and from the garbage collector."""
        self.pacer.leave(self)


_ARRIVALS = itertools.count()
_by_arrival = attrgetter("number")


_NOBODY: Final[list[Turn]] = []


def _wake(turns: list[Turn]) -> None:
    for turn in turns:
        turn.wakeup.wake()


class _Storm:
    """What is known about an endpoint between its first refusal and the end of the pacing.

    Args:
        now: when it began.

    Attributes:
        paused_until: nobody is sent before.
        counted: the refused turn whose second is still to be counted, and the rate at which it was sent.
        set_at: when a refusal last set the rate.
        last_refusal: when the last one came.
        last_send: when the last of those who take part was sent.
        rate: sends in a unit of time.
        best: the highest rate that the server has been seen to take.
        limit: the rate that was refused when it was made use of in full; None where there is none.
        lag: how long the last refusal took: a second without one is known to be so only after that.
        next_at: when the next one may be sent.
        second_began: since when the rate is what it is, without a refusal.
        sent: how many were sent since then.
    """

    __slots__ = (
        "best",
        "counted",
        "lag",
        "last_refusal",
        "last_send",
        "limit",
        "next_at",
        "paused_until",
        "rate",
        "second_began",
        "sent",
        "set_at",
    )

    def __init__(self, now: float) -> None:
        self.paused_until = now
        self.counted: tuple[float, float | None] | None = None
        self.set_at = -math.inf
        self.last_refusal = now
        self.last_send = -math.inf
        self.rate = 1.0
        self.best = 0.0
        self.limit: float | None = None
        self.lag = 0.0
        self.next_at = now
        self.second_began = now
        self.sent = 0


class Pacer:
    """Says who of the callers of one endpoint and identity may send, and when.

    Args:
        clock: seconds that never run backwards.
        rules: how long things take.
        chance: a number from 0 to 1, for jitter.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        rules: PacingRules = PacingRules(),  # it is frozen
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.used_at = clock()
        self._clock = clock
        self._rules = rules
        self._chance = chance
        self._lock = threading.Lock()
        self._in_flight: set[Turn] = set()
        self._paced: list[Turn] = []
        self._limited: list[Turn] = []
        """Those that wait for a limit of their own alone."""
        self._sends: deque[float] = deque(maxlen=_MOST_SENDS)
        self._refused: deque[float] = deque(maxlen=_MOST_SENDS)
        """When those were sent that were refused."""
        self._storm: _Storm | None = None
        self._moved = False
        """Whether there is news for the first of a queue: it has become the first, a place is free, a refusal came."""
        # The collector may find a caller that will not return while its thread holds the lock: then it is noted here.
        self._left: deque[Turn] = deque()

    def turn(self, limit: int | None = None, *, paced: bool = True, left: float | None = None) -> Turn:
        """Return the place of a call that arrives now.

        Args:
            limit: calls in flight with which it may be sent, itself included.
            paced: it takes part in the pacing after a refusal.
            left: seconds that the call has; None for no limit.
        """
        ends = math.inf if left is None else self._clock() + left
        return Turn(self, next(_ARRIVALS), limit, paced=paced, ends=ends)

    @property
    def in_flight(self) -> int:
        """Calls that were sent and have not ended."""
        self._settle()
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        self._settle()
        return len(self._paced) + len(self._limited)

    @property
    def is_busy(self) -> bool:
        """Whether a call is in flight or waits."""
        self._settle()
        return bool(self._in_flight or self._paced or self._limited)

    def forget(self) -> None:
        """Forget refusals; those who wait for them alone are sent."""
        with self._lock:
            self._storm = None
            self._sends.clear()
            self._refused.clear()
            waiting = [*self._paced, *self._limited]
        _wake(waiting)
        self._settle()

    def ask(self, turn: Turn) -> float | None:
        """See :meth:`Turn.ask`."""
        with self._lock:
            turn.wakeup.clear()
            self._end_all()
            now = self._clock()
            pause = self._pause(turn, now)
            if pause is None:
                self._send(turn, now)
            heads = self._heads_to_wake(but=turn)
        _wake(heads)
        self._settle()
        return pause

    def refuse(self, turn: Turn, retry_after: float | None) -> None:
        """See :meth:`Turn.refuse`. It counts once for each time that the turn was taken."""
        with self._lock:
            if not turn.refusal_counted:
                turn.refusal_counted = True
                self._count_refusal(turn, retry_after)
            heads = self._heads_to_wake()
        _wake(heads)
        self._settle()

    def leave(self, turn: Turn) -> None:
        """See :meth:`Turn.leave`."""
        if turn in self._in_flight or turn.queued:
            self._left.append(turn)
            self._settle()

    # --- all that follows, but for _settle, is done under the lock ------------------------------------------------

    def _settle(self) -> None:
        """Let those go that have left; whoever holds the lock does it when giving the lock back."""
        while self._left and self._lock.acquire(blocking=False):
            try:
                self._end_all()
                heads = self._heads_to_wake()
            finally:
                self._lock.release()
            _wake(heads)

    def _end_all(self) -> None:
        while self._left:
            turn = self._left.popleft()
            if turn in self._in_flight:
                self._in_flight.discard(turn)
                self._moved = True
            self._unqueue(turn)

    def _pause(self, turn: Turn, now: float) -> float | None:
        """Return for how long ``turn`` has to wait; None where it may be sent now."""
        storm = self._current_storm(now) if self._storm is not None else None
        if turn.limit is None and (storm is None or not turn.paced):
            self._stop_waiting(turn, now)
            return None
        self._queue(turn)
        self._pass_over_sleepers(turn, now)
        if self._next(now) is turn:
            self._stop_waiting(turn, now)
            return None
        turn.in_storm = storm is not None and turn.paced
        if turn.waiting_since is None:
            turn.waiting_since = now
        turn.offered_at = now
        ends = self._ends(turn, now)
        resumes = storm.paused_until if storm is not None and turn.paced else now
        if now >= ends or resumes > ends + _ROUNDING:
            turn.over = True
            self._stop_waiting(turn, now)
            return 0.0
        return min(self._next_look(turn, now), ends - now)

    def _stop_waiting(self, turn: Turn, now: float) -> None:
        self._unqueue(turn)
        if turn.waiting_since is not None:
            turn.waited += now - turn.waiting_since
            turn.waiting_since = None

    def _ends(self, turn: Turn, now: float) -> float:
        """Return when the patience of ``turn`` ends: with its own time, or after the rules' where it has no limit."""
        if not turn.in_storm or turn.ends < math.inf:
            return turn.ends
        if turn.storm_since is None:
            turn.storm_since = now
        return turn.storm_since + self._rules.patience

    def _next_look(self, turn: Turn, now: float) -> float:
        """Return the seconds until the turn may have come: exact for the one that is next, who wakes the one after it."""
        if self._paced and turn is self._paced[0] and self._has_room(turn):
            return self._rate_pause(now)
        return _SLEEPER + _LOOK_EVERY * (len(self._paced) + len(self._limited))

    def _queue(self, turn: Turn) -> None:
        if not turn.queued:
            insort(self._lane(turn), turn, key=_by_arrival)
            turn.queued = True

    def _unqueue(self, turn: Turn) -> None:
        if turn.queued:
            lane = self._lane(turn)
            place = bisect_left(lane, turn.number, key=_by_arrival)
            del lane[place]
            turn.queued = False
            self._moved = self._moved or place == 0

    def _lane(self, turn: Turn) -> list[Turn]:
        return self._paced if turn.paced else self._limited

    def _heads_to_wake(self, but: Turn | None = None) -> list[Turn]:
        """Return the first of each queue, where there is news for them."""
        if not self._moved:
            return _NOBODY
        self._moved = False
        heads = [lane[0] for lane in (self._paced, self._limited) if lane and lane[0] is not but]
        if heads:
            now = self._clock()
            for head in heads:
                head.offered_at = now
        return heads

    def _has_room(self, turn: Turn) -> bool:
        return turn.limit is None or len(self._in_flight) < turn.limit

    def _next(self, now: float) -> Turn | None:
        """Return the one that may be sent now: the first that no limit of its own and no pause holds."""
        blocked = False
        for turn in sorted((lane[0] for lane in (self._paced, self._limited) if lane), key=_by_arrival):
            if not self._has_room(turn) or (blocked and turn.limit is not None):
                blocked = True
            elif not turn.paced or self._rate_pause(now) <= 0.0:
                return turn
        return None

    def _pass_over_sleepers(self, asking: Turn, now: float) -> None:
        """Take those out of the queue who could have gone and have not; when they wake up they are first again."""
        while (turn := self._next(now)) is not None and turn is not asking:
            storm = self._storm
            due = turn.offered_at if storm is None or not turn.paced else max(turn.offered_at, storm.next_at)
            if now - due < _SLEEPER:
                return
            self._unqueue(turn)

    def _send(self, turn: Turn, now: float) -> None:
        self._in_flight.add(turn)
        turn.sent_at = now
        turn.rate = None
        turn.refusal_counted = False
        sends = self._sends
        horizon = now - _REMEMBERED * self._rules.second
        while sends and sends[0] < horizon:
            sends.popleft()
        sends.append(now)
        storm = self._storm
        if storm is not None and turn.paced:
            turn.rate = storm.rate
            interval = self._rules.second / storm.rate
            storm.next_at = max(storm.next_at, now - max(interval, _SLACK * self._rules.second)) + interval
            storm.sent += 1
            storm.last_send = now

    # --- storms ---------------------------------------------------------------------------------------------------

    def _current_storm(self, now: float) -> _Storm | None:
        storm = self._storm
        if storm is None or self._paced:
            return storm
        over = max(storm.last_refusal, storm.paused_until) + _STORM_ENDS_AFTER * self._rules.second
        if now >= over:
            self._storm = None
        return self._storm

    def _count_refusal(self, turn: Turn, retry_after: float | None) -> None:
        now = self._clock()
        self._moved = True
        self._refused.append(turn.sent_at)
        storm = self._current_storm(now)
        if storm is None:
            storm = self._storm = _Storm(now)
            retry_after = self._rules.second if retry_after is None else retry_after
        storm.last_refusal = storm.second_began = now
        storm.sent = 0
        storm.lag = min(now - turn.sent_at, _LONGEST_LAG * self._rules.second)
        if turn.paced and turn.storm_since is None:
            turn.storm_since = now
        if retry_after is not None:
            storm.paused_until = max(storm.paused_until, now + self._with_jitter(retry_after))
        if now - storm.set_at >= self._rules.second - _ROUNDING:
            storm.set_at = now
            storm.counted = (turn.sent_at, turn.rate)

    def _with_jitter(self, pause: float) -> float:
        """Return ``pause`` or a little more, but no more than anybody's patience."""
        return max(pause, min(pause * (1.0 + self._rules.jitter * self._chance()), self._rules.patience))

    def _rate_pause(self, now: float) -> float:
        """Return the seconds until one more may be sent; none or fewer where it is time."""
        storm = self._storm
        if storm is None:
            return 0.0
        if storm.paused_until - now > _ROUNDING:
            return storm.paused_until - now
        if storm.counted is not None:
            self._set_rate(storm, now, *storm.counted)
        elif now - storm.second_began >= self._rules.second + storm.lag - _ROUNDING:
            self._grow(storm, now)
        pause = storm.next_at - now
        return pause if pause > _ROUNDING else 0.0

    def _set_rate(self, storm: _Storm, now: float, sent_at: float, rate: float | None) -> None:
        """Set the rate to what was sent in the second before a refused one, by the times of sending, and not refused."""
        sent = self._in_second_before(sent_at, self._sends)
        refused = self._in_second_before(sent_at, self._refused)
        passed = max(0, sent - refused)
        was_full = rate is None or sent >= _FULL * rate
        storm.best = passed if was_full else max(storm.best, passed)
        storm.rate = max(1.0, passed)
        storm.limit = storm.rate if was_full and passed and (rate is not None or refused > 1) else None
        storm.counted = None
        storm.second_began, storm.sent = now, 0
        storm.next_at = max(storm.next_at, storm.paused_until, storm.last_send + self._rules.second / storm.rate)

    def _in_second_before(self, end: float, times: deque[float]) -> int:
        begin = end - self._rules.second
        return sum(begin + _ROUNDING < time <= end + _ROUNDING for time in times)

    def _grow(self, storm: _Storm, now: float) -> None:
        """Let the rate grow after a second without a refusal; above what was proven only where it was made use of."""
        if storm.rate < storm.best:
            storm.rate = min(storm.best, storm.rate * _FAST_GROWTH)
        elif storm.limit is not None and storm.rate <= storm.limit * _DISPROVEN:
            until_known = storm.rate * (1.0 + storm.lag / self._rules.second)
            if storm.sent < _SENDS_BETWEEN_ATTEMPTS or len(self._paced) <= until_known:
                return
            storm.rate *= _GROWTH
        elif storm.sent + 1 >= storm.rate:
            storm.rate = max(storm.rate * _GROWTH, storm.rate + _LEAST_GROWTH)
        storm.second_began, storm.sent = now, 0


class Pacers:
    """The pacers of a process, by endpoint and identity; those that nobody needs go by themselves.

    Args:
        clock: seconds that never run backwards.
        rules: how long things take.
    """

    def __init__(self, clock: Callable[[], float], rules: PacingRules) -> None:
        self._clock = clock
        self._rules = rules
        self._pacers: dict[Hashable, Pacer] = {}
        """In the order of their last use."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            for _ in range(len(self._pacers)):
                self._expire(self._clock())
            return len(self._pacers)

    def of(self, key: Hashable) -> Pacer:
        """Return the pacer of an endpoint and identity."""
        with self._lock:
            now = self._clock()
            pacer = self._pacers.pop(key, None)
            if pacer is None:
                pacer = Pacer(self._clock, self._rules)
                self._expire(now)
                self._expire(now)
            pacer.used_at = now
            self._pacers[key] = pacer
            return pacer

    def forget(self) -> None:
        """Forget all refusals; calls in flight stay counted."""
        with self._lock:
            self._pacers = {key: pacer for key, pacer in self._pacers.items() if pacer.is_busy}
            pacers = list(self._pacers.values())
        for pacer in pacers:
            pacer.forget()

    def _expire(self, now: float) -> None:
        """Look at the one that was used longest ago: forget it, or, where calls still need it, count that as a use."""
        if not self._pacers:
            return
        key = next(iter(self._pacers))
        pacer = self._pacers[key]
        if pacer.is_busy:
            pacer.used_at = now
            self._pacers[key] = self._pacers.pop(key)
        elif now - pacer.used_at >= _IDLE_SECONDS or len(self._pacers) >= MOST_IDLE:
            del self._pacers[key]
