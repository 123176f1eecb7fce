"""From what a server answered when it failed, to the typed error: every body shape of every api and host."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue
from pydantic_core import from_json

from dbx_gateway.chat import ChatResponse, JsonObject
from dbx_gateway.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    DbxGatewayError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)

__all__ = ["Asked", "ServerWords", "api_error", "error_event", "read_error_body", "retry_after_of"]

_MAX_WORDS: Final = 2000
_REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id", "x-databricks-request-id", "databricks-request-id")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, for the message of an error."""

    model: str
    route: str

    def __str__(self) -> str:
        return f"{self.model!r} on {self.route}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWords:
    """What a server said about a failure."""

    message: str
    code: str | None = None
    status: int | None = None
    request_id: str | None = None


_STATUS_OF_CODE: Final[Mapping[str, int]] = {
    # Anthropic error types (dialects.md section 3.5)
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    # OpenAI codes (dialects.md section 2.5)
    "server_error": 500,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "model_not_found": 404,
    # Google RPC status names (dialects.md section 5.6)
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    # Databricks error codes (databricks-wire.md section 5.8)
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "PERMISSION_DENIED": 403,
    "ENDPOINT_NOT_FOUND": 404,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "TEMPORARILY_UNAVAILABLE": 503,
}

_WINS_OVER_STATUS: Final = frozenset({"REQUEST_LIMIT_EXCEEDED", "TEMPORARILY_UNAVAILABLE"})

_OVERFLOW: Final = re.compile(
    r"prompt is too long|exceed(?:s|ed)? (?:the )?(?:model's )?(?:maximum )?context|context[_ ]length[_ ]exceeded"
    r"|maximum context length|input token count .* exceeds|context limit",
    re.IGNORECASE,
)

_KINDS: Final[Mapping[int, type[APIError]]] = {
    400: BadRequestError,
    413: BadRequestError,
    422: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}

_NEXT_STEPS: Final[tuple[tuple[type[APIError], str], ...]] = (
    (ContextOverflowError, "Shorten the conversation, or take a model with a larger context window."),
    (AuthenticationError, "Sign in again or renew the token; `dbx-gateway check` shows which credential is used."),
    (PermissionDeniedError, "Ask for CAN QUERY on the endpoint; an IP access list can cause this too."),
    (NotFoundError, "Check the name with `dbx-gateway models`, or set surface= to where the model is served."),
    (RateLimitError, "Wait and try again, send less at once, or ask for smaller answers (max_tokens is reserved)."),
    (ServerError, "Try again; if it stays, report the request id to Databricks."),
    (BadRequestError, "Change what the server names."),
)


def api_error(
    status: int | None,
    headers: Mapping[str, str],
    body: bytes | JsonValue,
    asked: Asked,
    *,
    partial: ChatResponse | None = None,
) -> APIError:
    """Return the typed error for an answer that reports a failure.

    Args:
        status: HTTP status; None, or 200, for an error inside a stream: the server's code then decides.
        headers: of the answer.
        body: as received, or already decoded.
        asked: what was asked.
        partial: what of an answer had arrived.
    """
    words = read_error_body(body)
    told = _status(status, words)
    kind = _kind(told, words)
    code = f" {words.code}" if words.code else ""
    said = words.message or "(the server said nothing)"
    request_id = words.request_id or next((headers[h] for h in _REQUEST_ID_HEADERS if h in headers), None)
    trace = f" [request id {request_id}]" if request_id else ""
    return kind(
        f"{asked} answered {told or 'an error'}{code}: {said}{trace} {_next_step(kind)}",
        status=told,
        error_code=words.code,
        request_id=request_id,
        retry_after=retry_after_of(headers),
        model=asked.model,
        route=asked.route,
        partial=partial,
    )


def error_event(event: JsonObject, name: str = "") -> bool:
    """Whether one wire object of a stream, or a 200 body, reports an error instead of a part of an answer.

    Args:
        event: the decoded object.
        name: the event's type where the stream names one.
    """
    if event.get("error"):
        return event.get("object") != "response"
    return name == "error" or event.get("type") == "error" or ("error_code" in event and "choices" not in event)


def read_error_body(body: bytes | JsonValue) -> ServerWords:
    """Return the server's words in ``body``, whichever of the known shapes it has (databricks-wire.md section 5.8)."""
    value = _decoded(body) if isinstance(body, bytes) else body
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        return _of_object(value)
    text = "" if value is None else str(value)
    code = re.match(r"\s*([A-Z][A-Z0-9_]{4,}): ", text)
    return ServerWords(message=_tidy(text), code=code[1] if code else None)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the server asks to wait: milliseconds, seconds or a date; None when it does not say."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < float("inf") else None


def _decoded(body: bytes) -> JsonValue:
    try:
        value: JsonValue = from_json(body)
    except ValueError:
        return body.decode("utf-8", "replace")
    return value


def _of_object(value: JsonObject) -> ServerWords:
    inner = value.get("error")
    source = inner if isinstance(inner, dict) else value
    message = _first(source, "message", "detail", "description") or (inner if isinstance(inner, str) else None)
    code = (
        _first(source, "error_code", "status", "type", "code")
        if source is inner
        else _first(value, "error_code", "code")
    )
    if source is inner and isinstance(source.get("code"), str):
        code = _first(source, "error_code", "code")
    number = source.get("code", source.get("http_status_code"))
    words = ServerWords(
        message=_tidy(_unwrapped(message) if isinstance(message, str) else _as_text(message)),
        code=code if code is None or isinstance(code, str) else str(code),
        status=number if isinstance(number, int) and 400 <= number < 600 else None,
        request_id=_text(value.get("request_id")),
    )
    if not words.message:
        return ServerWords(message=_tidy(_as_text(value)), code=words.code, status=words.status)
    return words


def _first(source: JsonObject, *names: str) -> JsonValue:
    return next((source[name] for name in names if source.get(name)), None)


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _as_text(value: JsonValue) -> str:
    return "" if value is None else str(value)


def _unwrapped(message: str, depth: int = 2) -> str:
    """Take apart a message that is itself the JSON text of an error (databricks-wire.md section 5.8, item 4)."""
    if depth == 0 or not message.lstrip().startswith("{"):
        return message
    value = _decoded(message.encode())
    if not isinstance(value, dict):
        return message
    inner = value.get("error")
    found = _first(inner if isinstance(inner, dict) else value, "message", "detail")
    return _unwrapped(found, depth - 1) if isinstance(found, str) else message


def _tidy(text: str) -> str:
    pre = re.search(r"<pre>(.*?)</pre>", text, re.DOTALL | re.IGNORECASE)
    if pre is not None:
        text = pre[1]
    elif re.match(r"\s*<(!doctype|html)", text, re.IGNORECASE):
        title = re.search(r"<title>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
        text = f"an HTML page{': ' + title[1].strip() if title else ''}"
    text = " ".join(text.split())
    return text if len(text) <= _MAX_WORDS else text[:_MAX_WORDS] + " …"


def _status(status: int | None, words: ServerWords) -> int | None:
    if words.code in _WINS_OVER_STATUS:
        return _STATUS_OF_CODE[words.code]
    if status is not None and status >= 400:
        return status
    return words.status or _STATUS_OF_CODE.get(words.code or "")


def _kind(status: int | None, words: ServerWords) -> type[APIError]:
    if status is None:
        return APIError
    kind = _KINDS.get(status, ServerError if status >= 500 else APIError)
    overflow = words.code == "context_length_exceeded" or _OVERFLOW.search(words.message)
    return ContextOverflowError if kind is BadRequestError and overflow else kind


def _next_step(kind: type[DbxGatewayError]) -> str:
    return next((step for error, step in _NEXT_STEPS if issubclass(kind, error)), "")
