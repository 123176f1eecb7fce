"""Warnings that are worth saying once: a thing the caller set that could not be honoured as asked."""

from __future__ import annotations

import logging
import threading

from dbx_gateway.fork_hooks import in_child_after_fork

__all__ = ["forget_notices", "warn_once"]

logger = logging.getLogger("dbx_gateway")

_said: set[str] = set()
_lock = threading.Lock()


def warn_once(subject: str, message: str) -> None:
    """Log ``message`` as a warning the first time this process has something to say about ``subject``.

    Args:
        subject: what the warning is about, for example ``"claude-x: top_k"``; never text of a prompt or an answer.
        message: one sentence that names the thing, what became of it and how to change that.
    """
    with _lock:
        if subject in _said:
            return
        _said.add(subject)
    logger.warning(message)


def forget_notices() -> None:
    """Let every warning be said again."""
    with _lock:
        _said.clear()


def _after_fork() -> None:
    global _lock  # noqa: PLW0603  # a thread of the parent may hold the copied one for ever
    _lock = threading.Lock()


in_child_after_fork(_after_fork)
