"""Failures that come by chance, as they do under load, and yet the same ones every time."""

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
"""What passes by itself, by name: refusals, broken connections, answers that break off, and silences of a fifth of a second."""

_DRAWS: Final = 2**64


class FaultRates:
    """Lets requests to models fail by chance, each kind of failure as often as every other.

    What a request meets depends on the seed, the request and how often it came before, and on nothing else: neither on
    the time nor on the order in which requests that run at once arrive. So a retry may meet something else, and a second
    run meets the same.

    Args:
        faults: the failures and their names.
        rate: how often each of them comes, from 0 to 1.
        seed: another one makes other requests fail.

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
        """Return what befalls a request, and count it."""
        asked = blake2b(self._seed + target.encode() + b"\n" + body, digest_size=16)
        with self._lock:
            time = self._times[asked.digest()]
            self._times[asked.digest()] += 1
        asked.update(time.to_bytes(8, "big"))
        drawn = int.from_bytes(asked.digest()[:8], "big") / _DRAWS
        number = int(drawn / self._rate) if self._rate else len(self._faults)
        return self._faults[number] if number < len(self._faults) else None
