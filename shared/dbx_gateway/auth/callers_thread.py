"""The thread of a caller whose call is carried out by several: what must happen on it can still be done there.

An object that signs requests may find its user by the thread (thread-locals), so it is asked on the caller's own. While a
call's batches are sent from threads of a pool, the caller's thread waits for them, and does meanwhile what they ask of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import Context, ContextVar, copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

from dbx_gateway.errors import DbxGatewayError

__all__ = ["CallersThread", "callers_thread"]

T = TypeVar("T")


class CallersThread:
    """The thread that makes one of these, for other threads that work for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: SimpleQueue[_Errand | None] = SimpleQueue()
        self._gone = False

    def context(self) -> Context:
        """Return a copy of the caller's context, for a thread that works for it: there, ``callers_thread`` is this one."""
        context = copy_context()
        context.run(_current.set, self)
        return context

    def have_done(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns on the caller's thread, or raise what it raises; for the other threads.

        Raises:
            DbxGatewayError: the caller has left meanwhile.
        """
        errand = _Errand(work)
        with self._lock:
            if self._gone:
                errand.refuse()
            else:
                self._asked.put(errand)
        result: T = errand.result.result()
        return result

    def serve(self, until: Sequence[Future[Any]]) -> None:
        """Do what the other threads ask for, until all that they work at is done; the first failure cancels the rest."""

        def done(one: Future[Any]) -> None:
            if not one.cancelled() and one.exception() is not None:
                for other in until:
                    other.cancel()
            self._asked.put(None)

        for one in until:
            one.add_done_callback(done)
        try:
            while not all(one.done() for one in until):
                if (errand := self._asked.get()) is not None:
                    errand.run()
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._gone = True
        while not self._asked.empty():
            if (errand := self._asked.get()) is not None:
                errand.refuse()


class _Errand:
    """Something to do on the caller's thread, and its result."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self.result: Future[Any] = Future()

    def run(self) -> None:
        """Do it."""
        try:
            self.result.set_result(self._work())
        except Exception as error:  # noqa: BLE001  # it is raised where it was asked for
            self.result.set_exception(error)
        except BaseException:
            self.refuse()
            raise

    def refuse(self) -> None:
        """Say that nobody will do it."""
        self.result.set_exception(DbxGatewayError("the call was left by its caller before it was signed"))


_current: ContextVar[CallersThread | None] = ContextVar("dbx_gateway_callers_thread", default=None)


def callers_thread() -> CallersThread | None:
    """Return the thread that the running thread works for; None where it works for itself."""
    return _current.get()
