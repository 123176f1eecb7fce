"""When a failed request is sent again, and after how long."""

from __future__ import annotations

import random
from typing import Final

from dbx_gateway.errors import APIConnectionError, APITimeoutError, BadRequestError, DbxGatewayError

__all__ = ["LONGEST_RETRY_AFTER", "is_transient", "pause_before", "surely_not_taken"]

TRANSIENT_STATUSES: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
"""Answers after which the same request may succeed (docs/wire/errors.md#statuses, #retries)."""

LONGEST_RETRY_AFTER: Final = 120.0
"""Seconds; a server that asks for more gets no retry, and the caller the error with the value."""

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 8.0


def is_transient(error: DbxGatewayError) -> bool:
    """Whether the request that failed with ``error`` is worth sending again.

    A read timeout is not: the server may still be working, and billing. Nor is an answer that broke off: it has been
    billed. Nor is a redirect: it would come again.
    """
    if isinstance(error, APITimeoutError):
        return error.error_code in ("connect", "pool")
    if isinstance(error, APIConnectionError):
        return error.error_code != "redirect" and (error.status is None or error.status in TRANSIENT_STATUSES)
    may_pass = error.status in TRANSIENT_STATUSES or (isinstance(error, BadRequestError) and error.retryable)
    return may_pass and (error.retry_after or 0.0) <= LONGEST_RETRY_AFTER


def surely_not_taken(error: DbxGatewayError, answered: int | None) -> bool:
    """Whether nobody has begun to work on the request that failed with ``error``: an agent may then be asked again.

    There was no connection, or the answer itself was a refusal for now. What an agent says inside its answer, a limit of
    the model that it asks for example, comes after it has begun.

    Args:
        error: how the request failed.
        answered: the status of the refusal that the request got; None where it got no answer, or one that had begun.
    """
    if isinstance(error, APIConnectionError):
        return error.status is None and error.error_code in ("connect", "pool")
    return answered == 429 or (answered == 503 and error.retry_after is not None)


def pause_before(retry: int, error: DbxGatewayError, spread: random.Random | None = None) -> float:
    """Return the seconds to wait before retry number ``retry`` (from 1): the server's word, else growing and jittered."""
    if error.retry_after is not None:
        return error.retry_after
    pause: float = min(_FIRST_PAUSE * 2 ** min(retry - 1, 10), _LONGEST_PAUSE)
    draw: float = spread.random() if spread is not None else random.random()  # noqa: S311  # jitter, not secrecy
    return pause * (0.75 + 0.25 * draw)
