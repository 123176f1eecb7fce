"""Everything this package raises, in one tree.

DbxGatewayError
├── ConfigurationError          a setting or credential is missing, unknown or contradictory (also a ValueError)
├── InvalidRequestError         the request cannot be sent as asked; nothing was sent (also a ValueError)
├── ExtractionError             a text holds no JSON (also a ValueError)
├── APIError                    a server answered with an error
│   ├── BadRequestError         400, 413, 422: the request is at fault
│   │   ├── ContextOverflowError    the prompt is longer than the model's context window
│   │   └── ContentFilterError      a guardrail or content filter blocked the request or its answer
│   ├── AuthenticationError     401, or 400 and 403 that say so: the credential is missing, wrong or expired
│   ├── PermissionDeniedError   403
│   ├── NotFoundError           404: no such model, or not on this surface
│   ├── RateLimitError          429
│   └── ServerError             5xx and 529
├── InvalidResponseError        a 200 that is not an answer
├── APIConnectionError          no answer: refused, reset, unreachable
│   └── APITimeoutError         no answer in time
└── IncompleteStreamError       a stream ended before the answer was complete; carries what had arrived
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbx_gateway.chat import ChatResponse

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ContentFilterError",
    "ContextOverflowError",
    "DbxGatewayError",
    "ExtractionError",
    "IncompleteStreamError",
    "InvalidRequestError",
    "InvalidResponseError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "forget_frames",
    "unknown_name",
]


class DbxGatewayError(Exception):
    """The base of every error this package raises.

    The message says what was asked, what came back and what to do next. An error holds no request header, no prompt
    and no credential, so it can be logged and pickled.
    """

    retryable: bool = False
    """Whether the same call may succeed if it is simply made again later."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error_code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        model: str | None = None,
        route: str | None = None,
        partial: ChatResponse | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        """HTTP status of the answer; None when there was none."""
        self.error_code = error_code
        """The server's own code: ``error_code`` (Databricks), ``error.type`` or ``error.code`` (vendors)."""
        self.request_id = request_id
        """The server's id of the request, for support tickets."""
        self.retry_after = retry_after
        """Seconds that the server asked to wait; None when it did not say."""
        self.model = model
        self.route = route
        """``<surface> <api> <url>`` of the request; None when no route was chosen yet."""
        self.partial = partial
        """What had arrived when a stream failed; None when nothing had. Never pickled."""

    @property
    def status_code(self) -> int | None:
        """The same as ``status``, under the name that errors of vendors' packages have for it."""
        return self.status

    def __reduce__(self) -> tuple[Any, ...]:
        kept = {name: value for name, value in self.__dict__.items() if name != "partial"}
        return (_rebuild, (type(self), self.message, kept))


def _rebuild(kind: type[DbxGatewayError], message: str, state: dict[str, Any]) -> DbxGatewayError:
    error = kind(message)
    error.__dict__.update(state)
    return error


class ConfigurationError(DbxGatewayError, ValueError):
    """A setting or credential is missing, unknown or contradictory; nothing was sent."""


class InvalidRequestError(DbxGatewayError, ValueError):
    """The request cannot be sent as asked; the message says what to change. Nothing was sent."""


class ExtractionError(DbxGatewayError, ValueError):
    """A text holds no JSON value that parses."""


class APIError(DbxGatewayError):
    """A server answered with an error; ``status``, ``error_code`` and ``request_id`` say which."""


class BadRequestError(APIError):
    """The server refuses the request as it stands (400, 413, 422). Sending it again changes nothing."""


class ContextOverflowError(BadRequestError):
    """The prompt is longer than the model's context window: shorten it or take a model with a larger one."""


class ContentFilterError(BadRequestError):
    """A guardrail, a service policy or a content filter blocked the request, or the answer to it.

    A turn that stays in the history blocks every later call of the conversation.
    """


class AuthenticationError(APIError):
    """The credential is missing, wrong or expired (401, or 400 and 403 that say so), and a fresh one was refused too."""


class PermissionDeniedError(APIError):
    """The credential is valid but may not do this (403)."""


class NotFoundError(APIError):
    """There is no such model, or it is not served on this surface (404)."""


class RateLimitError(APIError):
    """A rate limit was hit (429); ``retry_after`` says how long to wait where the server said so."""

    retryable = True


class ServerError(APIError):
    """The server failed (5xx, 529)."""

    retryable = True


class InvalidResponseError(DbxGatewayError):
    """The server answered 200 with something that is not an answer."""


class APIConnectionError(DbxGatewayError):
    """The server could not be reached, or the connection broke before an answer."""

    retryable = True


class APITimeoutError(APIConnectionError):
    """The server did not answer, or fell silent, for longer than the timeout."""


class IncompleteStreamError(DbxGatewayError):
    """A stream ended before the answer was complete; ``partial`` holds what had arrived.

    A tool call in ``partial`` may be cut: never execute it.
    """

    retryable = True


def forget_frames(error: BaseException) -> None:
    """Take the frames off ``error`` and off all that it hangs on.

    Crash reporters send local variables along, and those of the frames inside hold headers, prompts and answers. What
    is raised again afterwards has the frames from there on.
    """
    one: BaseException | None = error
    seen: set[int] = set()
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        one.__traceback__ = None
        one = one.__cause__ or one.__context__


def unknown_name(what: str, name: object, known: Iterable[str]) -> ConfigurationError:
    """Return the error for a name that does not exist, naming the nearest one that does."""
    names = list(known)
    begun = [one for one in names if name and one.startswith(str(name))]
    near = begun or difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(names)
    return ConfigurationError(f"unknown {what} {name!r}; {hint}")
