"""How a call ends, and how it has to end after what its requests met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbx_gateway import (
    APIConnectionError,
    AuthenticationError,
    DbxGatewayError,
    IncompleteStreamError,
    ServerError,
)

RETRIES = 2
"""What the clients of these tests have for ``max_retries``."""

AGAIN: dict[str, tuple[type[DbxGatewayError], int | None]] = {
    "internal-error": (ServerError, 500),
    "bad-gateway": (ServerError, 502),
    "reset": (APIConnectionError, None),
}
"""After these a request is sent again; and what the caller gets when it was sent as often as is allowed."""

REFUSED = ("rate-limited", "unavailable")
"""After these a request is sent again, too, and no retry is counted."""

BROKEN: dict[str, tuple[type[DbxGatewayError], int | None]] = {
    "cut": (IncompleteStreamError, 200),
    "early-end": (IncompleteStreamError, 200),
}
"""After these a stream has begun and cannot go on."""

WHOLE = (None, "late-headers", "silence")
"""After these the answer is there."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended.

    Args:
        text: what the caller has read.
        error: what was raised.
        status: the error's status.
        partial: the text that the error carries.
    """

    text: str
    error: type[BaseException] | None = None
    status: int | None = None
    partial: str | None = None

    @classmethod
    def of(cls, text: str, error: BaseException) -> Ending:
        """Return the ending of a call that raised ``error`` after ``text``."""
        if not isinstance(error, DbxGatewayError):
            return cls(text, type(error))
        partial = error.partial.text if error.partial is not None else None
        return cls(text, type(error), error.status, partial)


def problem(ending: Ending, answer: str, met: Sequence[str | None]) -> str | None:
    """Return what is wrong with the ending of a call whose requests ``met`` these faults; None where it is as it must be.

    Args:
        ending: how the call ended.
        answer: the whole right answer.
        met: the fault of each request, in the order in which they came.
    """
    sends = list(met)
    for retry in range(RETRIES + 1):
        name = _next(sends)
        if name not in AGAIN or retry == RETRIES:
            break
    if sends:
        return f"sent {len(sends)} times too often"
    if name == "expired":
        return _failed(ending, (AuthenticationError, 401), began=False, answer=answer)
    if name in AGAIN:
        return _failed(ending, AGAIN[name], began=False, answer=answer)
    if name in BROKEN:
        return _failed(ending, BROKEN[name], began=True, answer=answer)
    if name not in WHOLE:
        return "not sent again"
    return None if ending == Ending(answer) else f"not the answer, but {ending}"


def _next(sends: list[str | None]) -> str | None:
    """Take the sends away that count as one try, and return what the last of them met."""
    while True:
        name = sends.pop(0) if sends else "nothing"
        if name == "expired":  # signed anew, and sent once more
            name = sends.pop(0) if sends else "nothing"
        if name not in REFUSED:
            return name


def _failed(ending: Ending, due: tuple[type[DbxGatewayError], int | None], *, began: bool, answer: str) -> str | None:
    kind, status = due
    if ending.error is None or not issubclass(ending.error, kind) or ending.status != status:
        return f"not {kind.__name__} with status {status}, but {ending}"
    if not began:
        return None if ending.text == "" else f"text before {kind.__name__}"
    if not ending.text or ending.partial != ending.text:
        return f"other text in the error than the caller has read: {ending}"
    return None if answer.startswith(ending.text) and answer != ending.text else f"wrong text: {ending}"
