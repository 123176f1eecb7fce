"""What a process has open: descriptors, threads, tasks."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd")
PATIENCE = 10.0


def descriptors() -> Counter[str]:
    """Return the kinds of what is open, and how many of each; sockets count together."""
    found: Counter[str] = Counter()
    for name in os.listdir(_DESCRIPTORS):
        try:
            target = os.readlink(_DESCRIPTORS / name)
        except OSError:  # it was the listing's own
            continue
        found[target.partition(":")[0]] += 1
    return found


def threads() -> set[str]:
    """Return the names of the threads that run."""
    return {thread.name for thread in threading.enumerate()}


def settled(before: Counter[str], threads_before: set[str]) -> None:
    """Wait until no more is open and nothing more runs than before; fail where that does not come."""
    patience = time.monotonic() + PATIENCE
    while True:
        more, running = descriptors() - before, threads() - threads_before
        if not more and not running:
            return
        assert time.monotonic() < patience, (more, running)
        time.sleep(0.005)


def other_tasks() -> set[asyncio.Task]:
    """Return the tasks of the running loop beside the one that asks."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def no_task_left() -> None:
    """Wait until no other task is left on the loop; fail where that does not come."""
    patience = time.monotonic() + PATIENCE
    while left := other_tasks():
        assert time.monotonic() < patience, left
        await asyncio.sleep(0.005)
