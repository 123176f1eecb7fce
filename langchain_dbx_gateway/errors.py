"""The core's errors for LangChain: each is also one of langchain-core's ``ModelError`` classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from langchain_core import exceptions

from dbx_gateway import errors

if TYPE_CHECKING:
    from langchain_core.exceptions import ModelRefusalError as Refused
    from langchain_core.messages import BaseMessage
else:
    Refused = getattr(exceptions, "ModelRefusalError", exceptions.ModelError)  # langchain-core has it from 1.7.5 on

__all__ = ["translated"]


class ChatAuthenticationError(errors.AuthenticationError, exceptions.ModelAuthenticationError):
    """The credential is missing, wrong or expired."""


class ChatPermissionDeniedError(errors.PermissionDeniedError, exceptions.ModelPermissionDeniedError):
    """The credential may not do this."""


class ChatNotFoundError(errors.NotFoundError, exceptions.ModelNotFoundError):
    """There is no such model, or not here."""


class ChatRateLimitError(errors.RateLimitError, exceptions.ModelRateLimitError):
    """A rate limit was hit."""


class ChatServerError(errors.ServerError, exceptions.ModelAPIError):
    """The server failed."""


class ChatContextOverflowError(errors.ContextOverflowError, exceptions.ContextOverflowError):
    """The prompt is longer than the model's context window."""


class ChatContentFilterError(errors.ContentFilterError, exceptions.ModelInvalidRequestError, Refused):
    """A guardrail or content filter blocked the request or its answer: it is handled where refusals of models are."""

    raw_message: BaseMessage | None = None
    """There is no message of a model."""


class ChatAPIError(errors.APIError, exceptions.ModelError):
    """The server returned an error that has no class of its own."""


class ChatBadRequestError(errors.BadRequestError, exceptions.ModelInvalidRequestError):
    """The server rejects the request as it is."""


class ChatConfigurationError(errors.ConfigurationError, exceptions.ModelInvalidRequestError):
    """A setting is missing, unknown or contradictory; nothing was sent."""


class ChatInvalidResponseError(errors.InvalidResponseError, exceptions.ModelError):
    """The server returned something that is no valid response."""


class ChatInvalidRequestError(errors.InvalidRequestError, exceptions.ModelInvalidRequestError):
    """The request is invalid; nothing was sent."""


class ChatTimeoutError(errors.APITimeoutError, exceptions.ModelTimeoutError):
    """The server did not answer in time."""


class ChatConnectionError(errors.APIConnectionError, exceptions.ModelConnectionError):
    """The server could not be reached, or the connection broke."""


class ChatIncompleteStreamError(errors.IncompleteStreamError, exceptions.ModelConnectionError):
    """The stream ended before the answer was complete; ``partial`` holds what was received."""


_KINDS: Final[tuple[type[errors.DbxGatewayError], ...]] = (
    ChatAuthenticationError,
    ChatPermissionDeniedError,
    ChatNotFoundError,
    ChatRateLimitError,
    ChatServerError,
    ChatContextOverflowError,
    ChatContentFilterError,
    ChatBadRequestError,
    ChatAPIError,
    ChatConfigurationError,
    ChatInvalidRequestError,
    ChatInvalidResponseError,
    ChatTimeoutError,
    ChatConnectionError,
    ChatIncompleteStreamError,
)
"""The most specific first: a context overflow before a bad request, any of these before an api error, a timeout before a failed connection."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise the core's errors as LangChain's."""
    try:
        yield
    except errors.DbxGatewayError as error:
        kind = next((kind for kind in _KINDS if isinstance(error, kind.__mro__[1])), None)
        if kind is None or isinstance(error, kind):
            raise
        framework_error = kind(error.message)
        framework_error.__dict__.update(error.__dict__, is_retryable=error.retryable)
        raise framework_error from error
