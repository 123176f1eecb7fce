"""Calls in virtual time: the real flow of each call, a server that is a function, and a clock that jumps from event to event."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from dbx_gateway.call.actions import AskCaller, Fetch, Wait
from dbx_gateway.call.caller import Caller
from dbx_gateway.call.flow import Call
from dbx_gateway.call.observations import Observations
from dbx_gateway.call.pacing import PacingRules
from dbx_gateway.chat import user as said
from dbx_gateway.errors import DbxGatewayError
from dbx_gateway.settings import Settings
from dbx_gateway.transport.sending import HttpResponse

HELLO = said("Hello")
HOST = "https://ws.example.com"
MODEL = "databricks-llama"
ANSWER = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}'
REFUSAL = b'{"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Slow down"}'

Admit = Callable[[float], bool]
"""Whether a server takes a request that arrives at this time."""


@dataclass
class EachSecond:
    """Takes so many requests in each second of the clock."""

    limit: int
    taken: dict[int, int] = field(default_factory=dict)

    def __call__(self, now: float) -> bool:
        second = math.floor(now + 1e-9)
        self.taken[second] = self.taken.get(second, 0) + 1
        return self.taken[second] <= self.limit


@dataclass
class AnySecond:
    """Takes so many requests in any second: a window that slides."""

    limit: int
    taken: deque[float] = field(default_factory=deque)

    def __call__(self, now: float) -> bool:
        while self.taken and self.taken[0] <= now - 1 + 1e-9:
            self.taken.popleft()
        if len(self.taken) >= self.limit:
            return False
        self.taken.append(now)
        return True


@dataclass
class TokenBucket:
    """Takes as many requests as there are tokens: so many are added each second, up to a number."""

    limit: int
    capacity: float
    tokens: float = 0.0
    filled_at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.capacity

    def __call__(self, now: float) -> bool:
        self.tokens = min(self.capacity, self.tokens + (now - self.filled_at) * self.limit)
        self.filled_at = now
        if self.tokens < 1 - 1e-9:
            return False
        self.tokens -= 1
        return True


@dataclass
class Simulation:
    """Runs calls against a server in virtual time.

    Args:
        admit: whether the server takes a request.
        latency: seconds from a request to its answer.
        refusal_latency: seconds to its refusal.
        headers: of a refusal.
    """

    admit: Admit
    latency: float = 0.02
    refusal_latency: float = 0.02
    headers: dict[str, str] = field(default_factory=dict)
    now: float = 0.0
    sent: list[tuple[float, Any]] = field(default_factory=list)
    refused: list[tuple[float, Any]] = field(default_factory=list)
    ended: dict[Any, float] = field(default_factory=dict)
    failed: dict[Any, DbxGatewayError] = field(default_factory=dict)
    results: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.observations = Observations(lambda: self.now, PacingRules())
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.flows: dict[Any, Generator[Any, None, Any]] = {}

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._events, (when, next(self._order), act))

    def call(self, name: Any, *, at: float = 0.0, user: str = "ann", model: str = MODEL, **settings: Any) -> None:
        """Make a call at a time."""

        def begin() -> None:
            where = {} if "endpoint_url" in settings else {"host": HOST, "surface": "model-serving"}
            made = Settings.of({"model": model, **where, **settings})
            flow = Call[Any](made, self.observations).chat(made.request((HELLO,), stream=False))
            self.flows[name] = flow
            self._go_on(name, flow, user)

        self.at(at, begin)

    def give_up(self, name: Any, *, at: float) -> None:
        """Let a call end at a time, as if its task were cancelled."""
        self.at(at, lambda: self.flows[name].close())  # noqa: PLW0108  # it is not there yet

    def run(self) -> None:
        """Let the time go by until nothing is left to happen."""
        while self._events:
            when, _, act = heapq.heappop(self._events)
            self.now = max(self.now, when)
            act()

    def _go_on(self, name: Any, flow: Generator[Any, None, Any], user: str) -> None:
        try:
            while isinstance(action := next(flow), AskCaller):
                action.outcome = Caller(HOST, user)
        except StopIteration as end:
            if end.value is not None:  # else it had been given up
                self.ended[name] = self.now
                self.results[name] = end.value
            return
        except DbxGatewayError as error:
            self.failed[name] = error
            self.ended[name] = self.now
            return
        match action:
            case Wait():
                self._wait(action, lambda: self._go_on(name, flow, user))
            case Fetch():
                self._fetch(action, name, lambda: self._go_on(name, flow, user))
            case _:
                raise AssertionError(action)

    def _wait(self, action: Wait, go_on: Callable[[], None]) -> None:
        gone = False

        def once() -> None:
            nonlocal gone
            if not gone:
                gone = True
                go_on()

        if action.wakeup is not None:
            action.wakeup.on_wake(lambda: self.at(self.now, once))
        self.at(self.now + action.seconds, once)

    def _fetch(self, action: Fetch, name: Any, go_on: Callable[[], None]) -> None:
        self.sent.append((self.now, name))
        taken = self.admit(self.now)
        if not taken:
            self.refused.append((self.now + self.refusal_latency, name))
        action.outcome = HttpResponse(200, {}, ANSWER) if taken else HttpResponse(429, self.headers, REFUSAL)
        self.at(self.now + (self.latency if taken else self.refusal_latency), go_on)
