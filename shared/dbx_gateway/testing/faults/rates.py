"""Failures at random, as under load, but reproducible."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from dbx_gateway.testing.faults.faults import Fault

__all__ = ["TRANSIENT_FAULTS", "FaultRates"]

TRANSIENT_FAULTS: Final[Mapping[str, Fault]] = {
    "rate-limited": Fault(
        status=429,
        headers={"Retry-After": "1"},
        error_code="REQUEST_LIMIT_EXCEEDED",
        error_message="Exceeded the workspace's limit of queries per second.",
    ),
    "internal-error": Fault(status=500, error_code="INTERNAL_ERROR", error_message="The server failed."),
    "bad-gateway": Fault(status=502, body="<html><head><title>502 Bad Gateway</title></head></html>"),
    "unavailable": Fault(status=503, error_message="The endpoint is scaling up."),
    "reset": Fault(reset=True),
    "cut": Fault(cut_after=4000),
    "early-end": Fault(end_after=8),
    "late-headers": Fault(stall=0.2),
    "silence": Fault(stall=0.2, stall_after=8),
}
"""Temporary faults by name: refusals, broken connections, incomplete answers, and pauses of a fifth of a second."""

_DRAWS: Final = 2**64


class FaultRates:
    """Makes requests to models fail at random, each kind of failure at the same rate.

    The fault of a request depends only on the seed, the request and how often it was sent before: neither on the time
    nor on the order in which concurrent requests arrive. So a retry may get another fault, and a second run gets the
    same ones.

    Args:
        faults: the failures and their names.
        rate: the share of requests that get each failure, from 0 to 1.
        seed: selects which requests fail.

    Raises:
        ValueError: a rate below 0, or above 1 for all failures together.
    """

    def __init__(self, faults: Mapping[str, Fault], rate: float, seed: int = 0) -> None:
        if rate < 0 or rate * len(faults) > 1:
            message = f"{len(faults)} kinds of faults cannot each come at a rate of {rate}"
            raise ValueError(message)
        self._faults = list(faults.values())
        self._rate = rate
        self._seed = seed.to_bytes(16, "big", signed=True)
        self._times: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    def draw(self, target: str, body: bytes) -> Fault | None:
        """Return the fault of a request, or None, and count the request."""
        hashed = blake2b(self._seed + target.encode() + b"\n" + body, digest_size=16)
        with self._lock:
            count = self._times[hashed.digest()]
            self._times[hashed.digest()] += 1
        hashed.update(count.to_bytes(8, "big"))
        drawn = int.from_bytes(hashed.digest()[:8], "big") / _DRAWS
        number = int(drawn / self._rate) if self._rate else len(self._faults)
        return self._faults[number] if number < len(self._faults) else None
