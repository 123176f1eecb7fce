"""The same work in many threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def in_threads(count: int, work: Callable[[int], object]) -> list[object]:
    """Run ``work(number)`` in as many threads, all starting together, and return what they return; a failure is raised."""
    together = threading.Barrier(count)

    def begin(number: int) -> object:
        together.wait(30)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count), timeout=60))
