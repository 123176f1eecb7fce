"""The requests to a simulated workspace, and the tokens billed for each."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from dbx_gateway.surfaces import Api, Surface
from dbx_gateway.testing.faults.faults import Fault
from dbx_gateway.testing.model.conversation import Counts

__all__ = ["Entry", "Ledger"]

_NOTHING = Counts(0, 0)


@dataclass(frozen=True)
class Entry:
    """One request.

    Args:
        id: the request id, as in the ``x-request-id`` header of the answer.
        method: the HTTP method.
        path: path and query as received.
        user: of the credential; None when it is not taken.
        status: HTTP status of the answer; 0 where the connection was reset instead.
        surface: for a request to a model, where it arrived; else None.
        api: for a request to a model, its wire format; else None.
        model: for a request to a model, the requested name.
        stream: whether a streamed answer was requested.
        billed: the tokens the answer cost, at its full length even when the connection broke; zero for a refusal.
        body: the body as received, decoded; None when there was none or it was no JSON object.
        headers: the request's headers, lower case, without the credential.
        fault: the injected or random fault of the request.
    """

    id: str
    method: str
    path: str
    user: str | None
    status: int
    surface: Surface | None = None
    api: Api | Literal["embeddings"] | None = None
    model: str | None = None
    stream: bool = False
    billed: Counts = _NOTHING
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    fault: Fault | None = None


class Ledger:
    """The entries of a workspace in the order the requests ended; may be read while requests run."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._entries.clear()

    def entries(self, where: str = "") -> list[Entry]:
        """Return the entries whose path contains ``where``."""
        with self._lock:
            return [entry for entry in self._entries if where in entry.path]

    def model_calls(self) -> list[Entry]:
        """Return the requests to a model, whatever their status."""
        return [entry for entry in self.entries() if entry.surface is not None]

    def billed(self, user: str | None = None) -> Counts:
        """Return the tokens billed in all, or to one user."""
        bills = [entry.billed for entry in self.entries() if user is None or entry.user == user]
        return Counts(
            input=sum(bill.input for bill in bills),
            output=sum(bill.output for bill in bills),
            cache_read=sum(bill.cache_read for bill in bills),
            cache_write=sum(bill.cache_write for bill in bills),
            reasoning=sum(bill.reasoning for bill in bills),
            audio=sum(bill.audio for bill in bills),
        )

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)
