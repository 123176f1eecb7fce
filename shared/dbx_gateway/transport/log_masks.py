"""Credentials out of what the HTTP library logs: a server can repeat one in a header, a URL or a broken body."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import Final, Protocol

from dbx_gateway.fork_hooks import in_child_after_fork

__all__ = ["LOGGERS", "Masks", "mask_in_logs"]

LOGGERS: Final = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
"""The loggers of httpx and httpcore. A filter acts on its own logger only, not on those below it."""


class Masks(Protocol):
    """What knows credentials, and can take them out of a text."""

    def mask(self, text: str) -> str:
        """Return ``text`` without them."""
        ...


class _Filter(logging.Filter):
    """Masks the credentials that are in use in each record that is logged at all."""

    def filter(self, record: logging.LogRecord) -> bool:
        with _lock:
            in_use = list(_in_use)
        said = text = record.getMessage()
        for credentials in in_use:
            text = credentials.mask(text)
        if text != said:
            record.msg, record.args = text, ()
        return True


def mask_in_logs(credentials: Masks) -> None:
    """Mask ``credentials`` in what the HTTP library logs, for as long as they live."""
    with _lock:
        _in_use.add(credentials)


_in_use: weakref.WeakSet[Masks] = weakref.WeakSet()
_lock = threading.RLock()
"""Of one thread more than once: the collector may run while it is held, and what it closes is logged."""


def _start_anew() -> None:
    global _lock  # noqa: PLW0603  # another thread of the parent may have held it
    _lock = threading.RLock()


in_child_after_fork(_start_anew)

for _name in LOGGERS:
    logging.getLogger(_name).addFilter(_Filter())
