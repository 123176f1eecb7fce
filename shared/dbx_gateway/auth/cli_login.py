"""The login of the Databricks command line, which the processes of a user share: one of them renews it at a time.

databricks-sdk starts ``databricks auth token --force-refresh`` in each process, and several at once break each other
(docs/wire/auth.md#several-processes-on-one-login). Other programs know nothing of our turns, so a failure may still be a
race that was lost, and passes: it is tried again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, TypeVar

from dbx_gateway.fork_hooks import in_child_after_fork

__all__ = ["TRIES", "Turns", "lock_file"]

T = TypeVar("T")

TRIES: Final = 3
"""How often the command line is asked before its refusal counts."""

LONGEST_TURN: Final = 10.0
"""Seconds to wait for another's turn to end; whoever holds the lock for longer has got stuck."""

_LOOK_AGAIN: Final = 0.05
"""Seconds between two looks at a lock that another process holds."""

_PAUSE: Final = 0.5
"""Seconds before the first new try, at least; the second is twice as far, and chance doubles either."""


def lock_file(login: str) -> Path | None:
    """Return the file that stands for a login; None where there is no place for one.

    Args:
        login: what names it, for example the host that it is for.
    """
    digest = hashlib.sha256(login.encode()).hexdigest()[:16]
    folder = Path(os.path.expanduser("~/.databricks"))  # pathlib raises where there is no home
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:  # read-only, or no home at all: such a place has no login to break either
        return None
    return folder / f"dbx-gateway-{digest}.lock"


class Turns:
    """Lets the threads and processes that share a login ask for its token one after another.

    Args:
        file: that is locked meanwhile; None locks nothing between processes.
        clock: seconds that never run backwards.
        sleep: waits for some seconds.
        chance: a number from 0 to 1, another each time.
    """

    def __init__(
        self,
        file: Path | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._file = file
        self._clock = clock
        self._sleep = sleep
        self._chance = chance

    def take(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns in a turn of its own; a failure is tried again, and raised when it stays.

        Args:
            work: what nobody else does meanwhile.
        """
        for tried in range(1, TRIES):
            try:
                return self._in_turn(work)
            except Exception:  # noqa: BLE001  # whatever the command line says, another may have made it say so
                self._sleep(_PAUSE * tried * (1 + self._chance()))
        return self._in_turn(work)

    def _in_turn(self, work: Callable[[], T]) -> T:
        with self._thread_turn(), self._process_turn():
            return work()

    @contextlib.contextmanager
    def _thread_turn(self) -> Generator[None]:
        lock = _thread_lock(self._file)
        held = lock.acquire(timeout=LONGEST_TURN)
        try:
            yield
        finally:
            if held:
                lock.release()

    @contextlib.contextmanager
    def _process_turn(self) -> Generator[None]:
        try:
            opened = None if self._file is None else os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            opened = None
        if opened is None:
            yield
            return
        try:
            held = self._locked(opened)
            try:
                yield
            finally:
                if held:
                    _unlock(opened)
        finally:
            os.close(opened)

    def _locked(self, opened: int) -> bool:
        until = self._clock() + LONGEST_TURN
        while not _try_lock(opened):
            if self._clock() >= until:
                return False
            self._sleep(_LOOK_AGAIN * (1 + self._chance()))
        return True


# Locks of a process rather than of an open file: a child that is forked meanwhile does not hold on to one.
# What only one platform has is imported where it is used: elsewhere the rest of the package needs it no more than this does.
if sys.platform == "win32":  # pragma: no cover  # the other branch is the one of this machine

    def _try_lock(opened: int) -> bool:
        import msvcrt  # noqa: PLC0415  # only Windows has it

        os.lseek(opened, 0, os.SEEK_SET)
        try:
            msvcrt.locking(opened, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(opened: int) -> None:
        import msvcrt  # noqa: PLC0415  # only Windows has it

        os.lseek(opened, 0, os.SEEK_SET)
        with contextlib.suppress(OSError):  # closing the file gives the lock back too
            msvcrt.locking(opened, msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(opened: int) -> bool:
        import fcntl  # noqa: PLC0415  # only POSIX has it

        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some network file systems have no locks: going on without one is better than not at all.
            return error.errno not in (errno.EACCES, errno.EAGAIN)
        return True

    def _unlock(opened: int) -> None:
        import fcntl  # noqa: PLC0415  # only POSIX has it

        with contextlib.suppress(OSError):  # closing the file gives the lock back too
            fcntl.lockf(opened, fcntl.LOCK_UN)


_guard = threading.Lock()
_thread_locks: dict[Path | None, threading.Lock] = {}


def _thread_lock(file: Path | None) -> threading.Lock:
    with _guard:
        return _thread_locks.setdefault(file, threading.Lock())


def _start_anew() -> None:
    global _guard, _thread_locks  # noqa: PLW0603  # threads of the parent, which held them, are not here
    _guard = threading.Lock()
    _thread_locks = {}


in_child_after_fork(_start_anew)
