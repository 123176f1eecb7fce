"""What was learned while running: which surface a host has, which route works, what an endpoint serves and refuses.

Every fact has a lifetime. One set is shared by the whole process; a client may be given its own.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Final, Generic, Self, TypeVar

from dbx_gateway.call.repairs import Repair
from dbx_gateway.fork_hooks import in_child_after_fork
from dbx_gateway.models.discovery import EndpointFacts
from dbx_gateway.notices import forget_notices
from dbx_gateway.surfaces import Surface

__all__ = ["HOUR", "MINUTE", "Observations", "SingleFlight", "forget", "shared_observations"]

HOUR: Final = 3600.0
MINUTE: Final = 60.0

T = TypeVar("T")


class _Facts(Generic[T]):
    """Facts by key, each until its moment of expiry."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._facts: dict[Hashable, tuple[float, T]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        with self._lock:
            fact = self._facts.get(key)
            if fact is None:
                return None
            if fact[0] <= self._clock():
                del self._facts[key]
                return None
            return fact[1]

    def put(self, key: Hashable, value: T, lifetime: float) -> None:
        with self._lock:
            self._facts[key] = (self._clock() + lifetime, value)

    def change(self, key: Hashable, change: Callable[[T | None], T], lifetime: float) -> None:
        """Replace a fact by what ``change`` makes of it; of two changes at once neither is lost."""
        with self._lock:
            known = self._facts.get(key)
            now = self._clock()
            value = change(known[1] if known is not None and known[0] > now else None)
            self._facts[key] = (now + lifetime, value)

    def clear(self) -> None:
        with self._lock:
            self._facts.clear()


class SingleFlight:
    """Lets one caller do a piece of work while the others of the same key wait for its result."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Future[Any]] = {}
        # Reentrant: the collector may find a caller that will not return, here, and land its flight.
        self._lock = threading.RLock()

    def join(self, key: Hashable) -> tuple[Future[Any], bool]:
        """Return the flight of ``key``, and whether the caller is the one to carry it out (and must then land it)."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Future()
            flight.set_running_or_notify_cancel()  # a waiter that is cancelled must not cancel it for the others
            return flight, True

    def land(self, key: Hashable, flight: Future[Any], result: object, error: BaseException | None = None) -> None:
        """Hand the waiting callers the result, or the error."""
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
        if error is not None:
            flight.set_exception(error)
        else:
            flight.set_result(result)

    def clear(self) -> None:
        """Forget flights that nobody will land (after a fork)."""
        with self._lock:
            self._flights.clear()


class Observations:
    """Facts learned about hosts and endpoints.

    A copy is the same observations. A pickle holds no fact, and after a fork the child knows none: it learns its own.

    Args:
        clock: seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.start_anew()
        _live.add(self)

    def start_anew(self) -> None:
        """Forget everything, locks and work under way included (after a fork: their threads are gone)."""
        self.flights = SingleFlight()
        self._surfaces: _Facts[tuple[Surface, str]] = _Facts(self._clock)
        self._endpoints: _Facts[EndpointFacts] = _Facts(self._clock)
        self._routes: _Facts[tuple[Surface, str]] = _Facts(self._clock)
        self._repairs: _Facts[tuple[Repair, ...]] = _Facts(self._clock)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Observations], tuple[()]]:
        return (Observations, ())

    def surface(self, host: str, identity: str) -> tuple[Surface, str] | None:
        """The surface that serves ``databricks-…`` models on ``host``, and how that is known."""
        return self._surfaces.get(host) or self._surfaces.get((host, identity))

    def learn_surface(self, host: str, identity: str | None, surface: Surface, reason: str) -> None:
        """Remember a surface: an hour for everybody, or a minute for one identity where the probe was inconclusive."""
        if identity is None:
            self._surfaces.put(host, (surface, reason), HOUR)
        else:
            self._surfaces.put((host, identity), (surface, reason), MINUTE)

    def endpoint(self, host: str, identity: str, model: str) -> EndpointFacts | None:
        """What the metadata of an endpoint said to this identity."""
        return self._endpoints.get((host, identity, model))

    def learn_endpoint(self, host: str, identity: str, model: str, facts: EndpointFacts) -> None:
        """Remember an endpoint's metadata for an hour (a minute where none could be read)."""
        self._endpoints.put((host, identity, model), facts, HOUR if facts.found else MINUTE)

    def route(self, key: Hashable) -> tuple[Surface, str] | None:
        """The surface and url that served a model after earlier candidates had not."""
        return self._routes.get(key)

    def learn_route(self, key: Hashable, surface: Surface, url: str) -> None:
        """Remember for an hour which candidate served a model; only call it after a success."""
        self._routes.put(key, (surface, url), HOUR)

    def repairs(self, url: str, model: str) -> tuple[Repair, ...]:
        """The repairs that made an endpoint accept a request."""
        return self._repairs.get((url, model)) or ()

    def learn_repair(self, url: str, model: str, repair: Repair) -> None:
        """Remember for an hour a repair that worked; only call it after a success."""
        self._repairs.change((url, model), lambda known: tuple(dict.fromkeys([*(known or ()), repair])), HOUR)

    def forget(self) -> None:
        """Forget everything."""
        self.flights.clear()
        for facts in (self._surfaces, self._endpoints, self._routes, self._repairs):
            facts.clear()


_live: weakref.WeakSet[Observations] = weakref.WeakSet()
_shared = Observations()


def shared_observations() -> Observations:
    """Return the observations that all clients of this process share unless they are given their own."""
    return _shared


def forget() -> None:
    """Forget everything this process has learned about hosts and endpoints, and let every warning be said again."""
    _shared.forget()
    forget_notices()


def _after_fork() -> None:
    for observations in list(_live):
        observations.start_anew()


in_child_after_fork(_after_fork)
