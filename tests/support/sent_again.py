"""What is sent again, and what never: the one table of both pages, each row of which has its test.

The tests are those of ``tests/end_to_end/test_sent_again.py``; ``docs/promises.md`` and ``docs/faults.md`` show the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["ROWS", "STATUSES_SENT_AGAIN", "Row", "table"]

Sends = Literal["again", "once more", "once", "on the next route", "followed"]

STATUSES_SENT_AGAIN: Final = (408, 409, 500, 502, 504, 529)
"""Passing statuses that may come after the work has been done."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way to fail.

    Args:
        key: for the test.
        what: in words.
        model: what becomes of a model's request.
        agent: what becomes of an agent's.
    """

    key: str
    what: str
    model: Sends
    agent: Sends


ROWS: Final = (
    Row("no connection", "no connection: refused, not made in time, no place in the pool", "again", "again"),
    Row("429", "429, unless it asks to wait for more than 120 s", "again", "again"),
    Row("503 with a wait", "503 with `Retry-After`, of at most 120 s", "again", "again"),
    Row("503", "503 without", "again", "once"),
    *(Row(str(status), str(status), "again", "once") for status in STATUSES_SENT_AGAIN),
    Row("broken before the headers", "the connection breaks before the headers", "again", "once"),
    Row("a limit inside an answer", "a passing failure that a 200 reports in place of an answer", "again", "once"),
    Row("400 of a model's failure", "400 that says to consider retrying", "again", "once"),
    Row("401", "401, where there is a fresh credential", "once more", "once more"),
    Row(
        "token by words",
        "400 or 403 that says that the token is not taken, where there is a fresh credential",
        "once more",
        "once",
    ),
    Row("400 of a field", "400 or 422 that names a field which can be repaired", "once more", "once"),
    Row("404", "404", "on the next route", "on the next route"),
    Row("501", "501, or a code of Databricks that says there is no such endpoint", "on the next route", "once"),
    Row("307", "307 or 308 within the origin", "followed", "followed"),
    Row("302", "301 or 302 within the origin", "followed", "once"),
    Row("silence", "no byte for as long as `timeout`", "once", "once"),
    Row("broken after the headers", "an answer that breaks off, or is none", "once", "once"),
    Row("any other", "any other status", "once", "once"),
)


def table() -> str:
    """Return the table, as both pages show it."""
    lines = ["| what happens | a model's request is sent | an agent's is sent |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {row.what} | {row.model} | {row.agent} |" for row in ROWS)])
