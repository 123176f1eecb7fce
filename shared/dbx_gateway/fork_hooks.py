"""What a forked process does first: locks, threads and connections of its parent are of no use to it."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["in_child_after_fork"]


def in_child_after_fork(action: Callable[[], None]) -> None:
    """Have ``action`` called first thing in every process that is forked from this one.

    Where the platform cannot fork (Windows), nothing is to be done.

    Args:
        action: takes nothing, and must not wait for another thread: there is none.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=action)
