"""The transport core of dbx-gateway: chat with every model family a Databricks workspace serves.

Example:
    >>> from dbx_gateway import Client  # doctest: +SKIP
    >>> Client(model="databricks-claude-sonnet-4-5").chat("What is a lakehouse?").text  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    ChatRequest,
    ChatResponse,
    Citation,
    File,
    Finish,
    Image,
    Message,
    Native,
    OutputFormat,
    Reasoning,
    ReasoningConfig,
    Refusal,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Usage,
    Video,
    assistant,
    system,
    tool_result,
    user,
)
from dbx_gateway.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFilterError,
    ContextOverflowError,
    DbxGatewayError,
    ExtractionError,
    IncompleteStreamError,
    InvalidRequestError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from dbx_gateway.events import Event, fold
from dbx_gateway.version import __version__

if TYPE_CHECKING:
    from dbx_gateway.auth.acting import acting_as
    from dbx_gateway.call.observations import Observations, forget
    from dbx_gateway.client import AsyncClient, Client
    from dbx_gateway.embeddings import Embeddings
    from dbx_gateway.extract import extract_json
    from dbx_gateway.models.profile import Profile
    from dbx_gateway.models.profiles import profile_of
    from dbx_gateway.settings import Settings

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AsyncClient",
    "Audio",
    "AuthenticationError",
    "BadRequestError",
    "Blob",
    "CacheHint",
    "ChatRequest",
    "ChatResponse",
    "Citation",
    "Client",
    "ConfigurationError",
    "ContentFilterError",
    "ContextOverflowError",
    "DbxGatewayError",
    "Embeddings",
    "Event",
    "ExtractionError",
    "File",
    "Finish",
    "Image",
    "IncompleteStreamError",
    "InvalidRequestError",
    "InvalidResponseError",
    "Message",
    "Native",
    "NotFoundError",
    "Observations",
    "OutputFormat",
    "PermissionDeniedError",
    "Profile",
    "RateLimitError",
    "Reasoning",
    "ReasoningConfig",
    "Refusal",
    "ServerError",
    "Settings",
    "Text",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "ToolSpec",
    "Usage",
    "Video",
    "__version__",
    "acting_as",
    "assistant",
    "extract_json",
    "fold",
    "forget",
    "profile_of",
    "system",
    "tool_result",
    "user",
]

_ON_FIRST_USE = {
    "AsyncClient": "client",
    "Client": "client",
    "Embeddings": "embeddings",
    "Observations": "call.observations",
    "Profile": "models.profile",
    "Settings": "settings",
    "acting_as": "auth.acting",
    "extract_json": "extract",
    "forget": "call.observations",
    "profile_of": "models.profiles",
}
"""Names whose modules are imported when they are first asked for, so that importing an adapter stays quick."""


def __getattr__(name: str) -> Any:
    home = _ON_FIRST_USE.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"dbx_gateway.{home}"), name)
    except AttributeError as error:
        # Python would take it for the want of this name, and report that instead.
        raise ImportError(f"dbx_gateway.{home} cannot be imported: {error}", name=f"dbx_gateway.{home}") from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(__all__))
