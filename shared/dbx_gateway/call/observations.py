"""What was learned while running: which surface a host has, which route works, what an endpoint serves and refuses.

Every fact has a lifetime. One set is shared by the whole process; a client may be given its own.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Final, Generic, Self, TypeVar

from dbx_gateway.auth.identities import proven_tokens
from dbx_gateway.call.caller import Caller
from dbx_gateway.call.pacing import Pacer, Pacers, PacingRules
from dbx_gateway.call.repairs import Repair
from dbx_gateway.fork_hooks import in_child_after_fork
from dbx_gateway.models.discovery import EndpointFacts
from dbx_gateway.notices import forget_notices
from dbx_gateway.surfaces import Surface

__all__ = [
    "HOUR",
    "MINUTE",
    "MOST_FACTS",
    "IdentityFacts",
    "ModelFacts",
    "NoAnswerError",
    "Observations",
    "SingleFlight",
    "forget",
    "shared_observations",
]

HOUR: Final = 3600.0
MINUTE: Final = 60.0

MOST_FACTS: Final = 4096
"""Facts of one kind at most; a process with more users than that asks again for those it has lost."""

T = TypeVar("T")


class _Facts(Generic[T]):
    """Facts by key, each until its moment of expiry, and never more than a number of them.

    What has expired is taken out by whoever comes next; where there are too many, what would expire first goes.
    """

    def __init__(self, clock: Callable[[], float], most: int) -> None:
        self._clock = clock
        self._most = most
        self._facts: dict[Hashable, tuple[float, T]] = {}
        self._expiries: list[tuple[float, int, Hashable]] = []
        self._count = itertools.count()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            self._sweep()
            return len(self._facts)

    def clear(self) -> None:
        """Forget every fact."""
        with self._lock:
            self._facts.clear()
            self._expiries.clear()

    def _get(self, key: Hashable) -> T | None:
        with self._lock:
            self._sweep()
            fact = self._facts.get(key)
            return None if fact is None else fact[1]

    def _put(self, key: Hashable, value: T, lifetime: float) -> None:
        with self._lock:
            self._store(key, value, lifetime)

    def _change(self, key: Hashable, change: Callable[[T | None], T], lifetime: float) -> None:
        """Replace a fact by what ``change`` makes of it; of two changes at once neither is lost."""
        with self._lock:
            self._sweep()
            known = self._facts.get(key)
            self._store(key, change(None if known is None else known[1]), lifetime)

    def _store(self, key: Hashable, value: T, lifetime: float) -> None:
        expiry = self._clock() + lifetime
        self._facts[key] = (expiry, value)
        heapq.heappush(self._expiries, (expiry, next(self._count), key))
        self._sweep()

    def _sweep(self) -> None:
        """Take out what has expired, and what is too much; an entry of a fact that was renewed since counts for nothing."""
        now = self._clock()
        while self._expiries and (self._expiries[0][0] <= now or len(self._facts) > self._most):
            expiry, _, key = heapq.heappop(self._expiries)
            fact = self._facts.get(key)
            if fact is not None and fact[0] == expiry:
                del self._facts[key]
        if len(self._expiries) > 4 * self._most:  # renewed again and again: as many entries as facts are enough
            self._expiries = [(fact[0], next(self._count), key) for key, fact in self._facts.items()]
            heapq.heapify(self._expiries)


class IdentityFacts(_Facts[T]):
    """Facts that depend on who asks: each belongs to one identity on one host, and no other ever sees it."""

    def get(self, caller: Caller, name: Hashable) -> T | None:
        """Return what ``caller`` knows under ``name``."""
        return self._get((caller, name))

    def put(self, caller: Caller, name: Hashable, value: T, lifetime: float) -> None:
        """Remember something for ``caller``, for ``lifetime`` seconds."""
        self._put((caller, name), value, lifetime)


class ModelFacts(_Facts[T]):
    """Facts that depend on an endpoint and its model alone, whoever asks: all callers share them."""

    def get(self, url: str, model: str) -> T | None:
        """Return what is known about ``model`` at ``url``."""
        return self._get((url, model))

    def change(self, url: str, model: str, change: Callable[[T | None], T], lifetime: float) -> None:
        """Replace what is known about ``model`` at ``url`` by what ``change`` makes of it."""
        self._change((url, model), change, lifetime)


class NoAnswerError(Exception):
    """The caller that asked for others too has no answer: they have to ask themselves.

    Args:
        failed: the question failed, as it may for the others; False where only that caller was cancelled or out of time.
    """

    def __init__(self, *, failed: bool) -> None:
        super().__init__("the caller that asked for others too has no answer")
        self.failed = failed


class SingleFlight:
    """Lets one caller do a piece of work while the others of the same key wait for its result.

    Only a result is shared: the limits of the one who works, its errors and its end are its own.
    """

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

    def land(self, key: Hashable, flight: Future[Any], result: object) -> None:
        """Hand the waiting callers the result."""
        self.leave(key, flight)
        flight.set_result(result)

    def give_up(self, key: Hashable, flight: Future[Any], *, failed: bool) -> None:
        """Tell the waiting callers that there is no result, by a :class:`NoAnswerError`."""
        self.leave(key, flight)
        flight.set_exception(NoAnswerError(failed=failed))

    def leave(self, key: Hashable, flight: Future[Any]) -> None:
        """Let nobody else wait for ``flight``: the next caller of its key begins anew."""
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]

    def clear(self) -> None:
        """Forget flights that nobody will land (after a fork)."""
        with self._lock:
            self._flights.clear()


class Observations:
    """Facts learned about hosts and endpoints.

    A fact is either an identity's own (:class:`IdentityFacts`: a permission, a 404, a probe's answer, a route that worked)
    or the model's (:class:`ModelFacts`: a field that it never takes). Both are bounded, and expire by themselves. A copy is
    the same observations. A pickle holds no fact, and after a fork the child knows none: it learns its own.

    Args:
        clock: seconds that never run backwards.
        pacing: how callers are paced after a refusal for load.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        pacing: PacingRules = PacingRules(),  # noqa: B008  # frozen
    ) -> None:
        self._clock = clock
        self._pacing = (clock, pacing)
        self.start_anew()
        _live.add(self)

    def start_anew(self) -> None:
        """Forget everything, locks and work under way included (after a fork: their threads are gone)."""
        self.flights = SingleFlight()
        self._surfaces: IdentityFacts[tuple[Surface, str]] = IdentityFacts(self._clock, MOST_FACTS)
        self._endpoints: IdentityFacts[EndpointFacts] = IdentityFacts(self._clock, MOST_FACTS)
        self._routes: IdentityFacts[tuple[Surface, str]] = IdentityFacts(self._clock, MOST_FACTS)
        self._repairs: ModelFacts[tuple[Repair, ...]] = ModelFacts(self._clock, MOST_FACTS)
        self._proofs: IdentityFacts[bool] = IdentityFacts(self._clock, MOST_FACTS)
        self._pacers = Pacers(*self._pacing)

    def pace(self, clock: Callable[[], float], pacing: PacingRules) -> None:
        """Pace callers by another clock and other rules from now on (for tests)."""
        self._pacing = (clock, pacing)
        self._pacers = Pacers(clock, pacing)

    def pacer(self, caller: Caller, endpoint: Hashable) -> Pacer:
        """Return who says when this caller's calls of an endpoint may be sent."""
        return self._pacers.of((caller, endpoint))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Observations], tuple[()]]:
        return (Observations, ())

    def surface(self, caller: Caller) -> tuple[Surface, str] | None:
        """The surface that serves ``databricks-…`` models to this caller, and how that is known."""
        return self._surfaces.get(caller, "")

    def learn_surface(self, caller: Caller, surface: Surface, reason: str, *, conclusive: bool) -> None:
        """Remember a surface for an hour, or for a minute where the probe was inconclusive."""
        self._surfaces.put(caller, "", (surface, reason), HOUR if conclusive else MINUTE)

    def endpoint(self, caller: Caller, model: str) -> EndpointFacts | None:
        """What the metadata of an endpoint said to this caller."""
        return self._endpoints.get(caller, model)

    def learn_endpoint(self, caller: Caller, model: str, facts: EndpointFacts) -> None:
        """Remember an endpoint's metadata for an hour (a minute where none could be read)."""
        self._endpoints.put(caller, model, facts, HOUR if facts.found else MINUTE)

    def route(self, caller: Caller, model: str) -> tuple[Surface, str] | None:
        """The surface and url that served a model to this caller after earlier candidates had not."""
        return self._routes.get(caller, model)

    def learn_route(self, caller: Caller, model: str, surface: Surface, url: str) -> None:
        """Remember for an hour which candidate served a model; only call it after a success."""
        self._routes.put(caller, model, (surface, url), HOUR)

    def repairs(self, url: str, model: str) -> tuple[Repair, ...]:
        """The repairs that made an endpoint accept a request."""
        return self._repairs.get(url, model) or ()

    def learn_repair(self, url: str, model: str, repair: Repair) -> None:
        """Remember for an hour a repair that worked; only call it after a success."""
        self._repairs.change(url, model, lambda known: tuple(dict.fromkeys([*(known or ()), repair])), HOUR)

    @property
    def knows_refused_proofs(self) -> bool:
        """Whether any proof of reasoning was refused to anybody."""
        return len(self._proofs) > 0

    def refused_proofs(self, caller: Caller, url: str, model: str, digests: frozenset[str]) -> frozenset[str]:
        """Those of ``digests`` whose proofs an endpoint has refused to this caller."""
        return frozenset(one for one in digests if self._proofs.get(caller, (url, model, one)))

    def learn_refused_proofs(self, caller: Caller, url: str, model: str, digests: frozenset[str]) -> None:
        """Remember for an hour proofs without which an endpoint took a conversation."""
        for digest in digests:
            self._proofs.put(caller, (url, model, digest), value=True, lifetime=HOUR)

    def forget(self) -> None:
        """Forget everything."""
        self.flights.clear()
        self._pacers.forget()
        for facts in (self._surfaces, self._endpoints, self._routes, self._repairs, self._proofs):
            facts.clear()


_live: weakref.WeakSet[Observations] = weakref.WeakSet()
_shared = Observations()


def shared_observations() -> Observations:
    """Return the observations that all clients of this process share unless they are given their own."""
    return _shared


def forget() -> None:
    """Forget everything this process has learned about hosts and endpoints, and let every warning be said again."""
    _shared.forget()
    proven_tokens().forget()
    forget_notices()


def _after_fork() -> None:
    for observations in list(_live):
        observations.start_anew()


in_child_after_fork(_after_fork)
