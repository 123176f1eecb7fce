"""Warnings that are worth saying once to each user: a setting that could not be honoured as it was set."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from dbx_gateway.fork_hooks import in_child_after_fork

__all__ = ["MOST_REMEMBERED", "addressed_to", "forget_notices", "warn_once"]

logger = logging.getLogger("dbx_gateway")

MOST_REMEMBERED: Final = 10_000
"""Warnings that are remembered at most; the oldest is forgotten first, and would be said again."""

_reader: ContextVar[str] = ContextVar("dbx_gateway_notice_reader", default="")
_written: dict[tuple[str, str], None] = {}
_lock = threading.Lock()


def warn_once(subject: str, message: str) -> None:
    """Log ``message`` as a warning, once for each subject and each identity that calls.

    Args:
        subject: what the warning is about, for example ``"claude-x: top_k"``; never text of a prompt or an answer.
        message: one sentence that names the setting, what was done with it and how to change that.
    """
    key = (_reader.get(), subject)
    with _lock:
        if key in _written:
            return
        _written[key] = None
        while len(_written) > MOST_REMEMBERED:
            del _written[next(iter(_written))]
    logger.warning(message)


@contextmanager
def addressed_to(identity: str) -> Generator[None]:
    """Within the block, warnings are for the user of this identity: another user gets them too, once."""
    token = _reader.set(identity)
    try:
        yield
    finally:
        _reader.reset(token)


def forget_notices() -> None:
    """Let every warning be said again."""
    with _lock:
        _written.clear()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  # a thread of the parent may hold the copied one for ever
    _lock = threading.Lock()


in_child_after_fork(_after_fork)
