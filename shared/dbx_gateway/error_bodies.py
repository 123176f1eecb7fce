"""From what a server answered when it failed, to the typed error: every body shape of every api and host."""

from __future__ import annotations

import email.utils
import html
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Final

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from dbx_gateway.chat import ChatResponse, JsonObject
from dbx_gateway.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextOverflowError,
    DbxGatewayError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from dbx_gateway.refusals import TOKEN_PROBLEM, RefusalRow, refusal_row

__all__ = [
    "TOKEN_PATTERN",
    "RequestTarget",
    "ServerWords",
    "api_error",
    "error_event",
    "is_token_problem",
    "read_error_body",
    "request_id_of",
    "retry_after_of",
]

TOKEN_PATTERN: Final = r"(?:dapi|dose)[0-9a-f]{8,}(?:-\d+)?|eyJ(?:(?!eyJ)[\w-])*+\.[\w-]+(?:\.[\w-]*)?"  # noqa: S105  # it finds them
"""What looks like a credential wherever it stands: a Databricks token or secret, a JSON Web Token.

A token's header is sought from its last ``eyJ`` on: from each of them to the header's end would take the square of the length.
"""

_REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id", "x-databricks-request-id", "databricks-request-id")

_SECRET: Final = re.compile(TOKEN_PATTERN + r"|(?<=Bearer )(?=[\w.~+/=-]*\d)[\w.~+/=-]{8,}")
"""Servers repeat the credential they refuse; after ``Bearer`` may also stand a word ("Bearer token missing")."""

_MAX_WORDS: Final = 2000
_MAX_NAME: Final = 200
_MAX_PAGE: Final = 20_000


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """What was asked, for the message of an error."""

    model: str
    route: str

    def __str__(self) -> str:
        return f"{self.model!r} on {self.route}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWords:
    """What a server said about a failure.

    Args:
        message: its words, without markup and with anything that looks like a credential masked.
        code: its own name for the failure.
        status: the HTTP status that the body names.
        retry_after: seconds to wait, where the body says so.
        inner_codes: names of the failure further inside, which a vendor gave that stands behind the server.
        provider: whose words they are, where the endpoint only passes on what an external model's provider said.
    """

    message: str
    code: str | None = None
    status: int | None = None
    request_id: str | None = None
    retry_after: float | None = None
    inner_codes: tuple[str, ...] = ()
    provider: str | None = None

    @property
    def codes(self) -> frozenset[str]:
        """All names of the failure."""
        return frozenset((*self.inner_codes, *((self.code,) if self.code is not None else ())))


_STATUS_OF_CODE: Final[Mapping[str, int]] = {
    # Anthropic error types (docs/wire/messages.md#errors)
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    # OpenAI codes (docs/wire/responses.md#errors)
    "server_error": 500,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "model_not_found": 404,
    # OpenAI codes of an answer that failed (``ResponseError`` of openai 3.51)
    "vector_store_timeout": 504,
    "data_residency_mismatch": 400,
    "bio_policy": 400,
    "misalignment_policy_violation": 400,
    "invalid_image": 400,
    "invalid_image_format": 400,
    "invalid_base64_image": 400,
    "invalid_image_url": 400,
    "invalid_image_mode": 400,
    "image_too_large": 400,
    "image_too_small": 400,
    "image_parse_error": 400,
    "image_content_policy_violation": 400,
    "image_file_too_large": 400,
    "image_file_not_found": 400,
    "unsupported_image_media_type": 400,
    "empty_image_file": 400,
    "failed_to_download_image": 400,
    # Google RPC status names (docs/wire/comparison.md#kinds-of-errors)
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    # Databricks error codes (docs/wire/errors.md#statuses)
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "PERMISSION_DENIED": 403,
    "ENDPOINT_NOT_FOUND": 404,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "TEMPORARILY_UNAVAILABLE": 503,
}
"""The HTTP status that an error code stands for, on every api; the class of an error follows from the status."""

_KIND_OF_CODE: Final[Mapping[str, type[APIError]]] = {
    "context_length_exceeded": ContextOverflowError,
    "content_filter": ContentFilterError,
    "content_policy_violation": ContentFilterError,
    "image_content_policy_violation": ContentFilterError,
}
"""Codes with a class of their own, which derives from the class of their status."""

_BARE_WORDS: Final = frozenset({"message", "detail", "code", "status", "path", "timestamp", "request_id", "trace_id"})

_WINS_OVER_STATUS: Final = frozenset({"REQUEST_LIMIT_EXCEEDED", "TEMPORARILY_UNAVAILABLE"})

_KINDS: Final[Mapping[int, type[APIError]]] = {
    400: BadRequestError,
    413: BadRequestError,
    422: BadRequestError,
    401: AuthenticationError,
    402: PermissionDeniedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}

_PASSING: Final = (408, 409)
"""Statuses without a class of their own after which the same call may succeed (docs/wire/errors.md#retries)."""

_NEXT_STEPS: Final[tuple[tuple[type[APIError], str], ...]] = (
    (ContextOverflowError, "Shorten the conversation, or take a model with a larger context window."),
    (
        ContentFilterError,
        (
            "Take what it objects to out of the conversation, the blocked turn too: while that is in the history, every later call is "
            "blocked. Whoever administers the endpoint can change the guardrail."
        ),
    ),
    (AuthenticationError, "Sign in again or renew the token; `dbx-gateway check` shows which credential is used."),
    (PermissionDeniedError, "Ask for CAN QUERY on the endpoint; an IP access list can cause this too."),
    (NotFoundError, "Check the name with `dbx-gateway models`, or set surface= to where the model is served."),
    (RateLimitError, "Wait and try again, send less at once, or ask for smaller answers (max_tokens is reserved)."),
    (ServerError, "Try again; if it stays, report the request id to Databricks."),
    (BadRequestError, "Change what the server names."),
    (APIError, "If it stays, report what the server says to Databricks."),
)


def api_error(
    status: int | None,
    headers: Mapping[str, str],
    body: bytes | JsonValue,
    target: RequestTarget,
    *,
    partial: ChatResponse | None = None,
    otherwise: int | None = None,
) -> APIError:
    """Return the typed error for an answer that reports a failure.

    Args:
        status: HTTP status; None, or 200, for an error inside a stream: the server's code then decides.
        headers: of the answer, names in lower case.
        body: as received, or already decoded.
        target: what was asked.
        partial: what of an answer had arrived.
        otherwise: the status to assume where neither ``status`` nor the body names one and the code is unknown.
    """
    words = read_error_body(body)
    meant = _status(status, words) or otherwise
    row = refusal_row(meant, words.codes, words.message)
    kind = _kind(meant, row, words)
    code = f" {words.code}" if words.code else ""
    message = words.message or "(the server said nothing)"
    stop = "" if message.endswith((".", "!", "?", ")")) else "."
    request_id = words.request_id or request_id_of(headers)
    trace = f" [request id {request_id}]" if request_id else ""
    wait = retry_after_of(headers)
    error = kind(
        f"{target} answered {meant or 'an error'}{code}: {message}{stop}{trace} {_next_step(kind, row, words)}",
        status=meant,
        error_code=words.code,
        request_id=request_id,
        retry_after=words.retry_after if wait is None else wait,
        model=target.model,
        route=target.route,
        partial=partial,
    )
    if row is not None and row.passes is not None:
        error.retryable = row.passes
    elif meant in _PASSING:
        error.retryable = True
    return error


def is_token_problem(status: int, body: bytes) -> bool:
    """Whether an answer of this status refuses the token itself, in words, as others do by 401.

    Source: docs/wire/errors.md#token-problems.
    """
    if status not in TOKEN_PROBLEM.statuses:
        return False
    words = read_error_body(body)
    return refusal_row(status, words.codes, words.message) is TOKEN_PROBLEM


def error_event(event: JsonObject, name: str = "") -> bool:
    """Whether one wire object of a stream, or a 200 body, reports an error instead of a part of an answer.

    Args:
        event: the decoded object.
        name: the event's type where the stream names one.
    """
    if event.get("error"):
        return event.get("object") != "response"
    if name == "error" or event.get("type") == "error":
        return True
    if "error_code" in event:
        return "choices" not in event
    # Words and nothing else: docs/wire/errors.md#body-shapes, and `detail` of a proxy.
    return any(isinstance(event.get(word), str) for word in ("message", "detail")) and event.keys() <= _BARE_WORDS


def read_error_body(body: bytes | JsonValue) -> ServerWords:
    """Return the server's words in ``body``, whichever of the known shapes it has (docs/wire/errors.md#body-shapes)."""
    value = _decoded(body) if isinstance(body, bytes) else body
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        words = _of_object(value)
        return words if words.provider is None else replace(words, message=f"{words.provider}: {words.message}")
    text = "" if value is None else str(value)
    return ServerWords(message=_tidy(text), code=_leading_code(text))


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the server's id of a request; None when it does not say."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if name in headers), None)


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
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # such dates are in GMT, whether or not they say so
        moment = moment.replace(tzinfo=UTC)
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


_ENVELOPES: Final = ("external_model_message", "external_model_error")
"""Where what an external model's provider said stands (docs/wire/errors.md#external-models)."""

_FROM: Final = re.compile(r"Received error from (?P<provider>[\w.-]{1,80})")
_DEPTH: Final = 4
"""How many bodies inside one another are read."""


def _of_object(value: JsonObject, depth: int = _DEPTH) -> ServerWords:
    inner = value.get("error")
    source = inner if isinstance(inner, dict) else value
    external = _first(value, *_ENVELOPES) or _first(source, *_ENVELOPES)
    if external is not None and depth:
        return _of_envelope(value | source, external, depth - 1)
    message = _first(source, "message", "detail", "error_description", "description") or inner
    nested = ServerWords(message="")
    held = _object_in(message) if depth else None
    if held is not None:
        nested = _of_object(held, depth - 1)
        message = nested.message
    else:
        message = message if isinstance(message, str) else _as_text(message)
    number = _status_number(source.get("code")) or _status_number(source.get("http_status_code"))
    own = _code(source, is_vendors=source is inner)
    return ServerWords(
        message=_tidy(message or _as_text(value)),
        code=own or nested.code or _leading_code(message),
        status=number or nested.status,
        request_id=_name(value.get("request_id")) or nested.request_id,
        retry_after=_seconds(source.get("retry_after")) or nested.retry_after,
        inner_codes=nested.inner_codes if own is None or nested.code is None else (nested.code, *nested.inner_codes),
        provider=nested.provider,
    )


def _of_envelope(value: JsonObject, external: JsonValue, depth: int) -> ServerWords:
    """Read what the provider of an external model said; the envelope says whose words they are.

    A token that is refused in there is the endpoint's own, and none that the caller could renew.
    """
    held = _object_in(external)
    words = _of_object(held, depth) if held is not None else ServerWords(message=_tidy(_plain(external)))
    said = next((text for name in ("error", "message") if isinstance(text := value.get(name), str)), "")
    found = _FROM.search(said)
    provider = _name(value.get("external_model_provider")) or (found["provider"] if found else None) or words.provider
    return ServerWords(
        message=words.message or _tidy(said),
        code=words.code or _code(value, is_vendors=False),
        status=words.status,
        request_id=_name(value.get("request_id")) or words.request_id,
        retry_after=words.retry_after,
        inner_codes=words.inner_codes,
        provider=provider or "the external model",
    )


def _object_in(value: JsonValue) -> JsonObject | None:
    """Return the object that ``value`` is, alone in a list, or as the JSON text of one (docs/wire/errors.md#body-shapes)."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        value = _decoded(value.encode())
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    says_something = value.keys() & {"error", "message", "detail", "error_code", *_ENVELOPES}
    return value if says_something else None


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else _as_text(value)


def _code(source: JsonObject, *, is_vendors: bool) -> str | None:
    """Return the server's name for the failure: Databricks' own, a vendor's code, else its status or type."""
    names = ("error_code", "code", "status", "type") if is_vendors else ("error_code", "code")
    for name in names:
        found = source.get(name)
        if isinstance(found, str | int) and found and not isinstance(found, bool) and _status_number(found) is None:
            return _tidy(str(found))[:_MAX_NAME]
    return None


def _leading_code(text: str) -> str | None:
    found = re.match(r"\s*([A-Z][A-Z0-9_]{4,}): ", text)
    return found[1] if found and ("_" in found[1] or found[1] in _STATUS_OF_CODE) else None


def _status_number(value: JsonValue) -> int | None:
    """Return an HTTP status that reports a failure; some proxies write it as text."""
    if isinstance(value, str) and re.fullmatch(r"[45]\d\d", value):
        return int(value)
    return value if isinstance(value, int) and 400 <= value < 600 else None


def _seconds(value: JsonValue) -> float | None:
    return _number(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _first(source: JsonObject, *names: str) -> JsonValue:
    return next((source[name] for name in names if source.get(name)), None)


def _name(value: JsonValue) -> str | None:
    return _tidy(value)[:_MAX_NAME] or None if isinstance(value, str) else None


def _as_text(value: JsonValue) -> str:
    return "" if value is None else to_json(value).decode()


def _tidy(text: str) -> str:
    """Return ``text`` as one printable line of bounded length: no markup, no control characters, no credential."""
    text = text[:_MAX_PAGE].strip()
    if text.startswith("<"):
        text = _of_page(text)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    text = _SECRET.sub("***", text)
    return text if len(text) <= _MAX_WORDS else text[:_MAX_WORDS] + " …"


def _of_page(page: str) -> str:
    """Return what an HTML page says: its ``<pre>`` text, else its title, else the words of its body."""
    text = _between(page, *_PRE)
    if text is None and _PAGE.match(page):
        said = _between(page, *_TITLE) or _words_of(page)
        text = f"an HTML page{': ' + said if said else ''}"
    return page if text is None else text


_PAGE: Final = re.compile(r"<(!doctype|html|head|body|center|div|h[1-6]|p)\b", re.IGNORECASE)
_TAG: Final = re.compile(r"<(/?)(script|style|title)?[^<>]*>", re.IGNORECASE)


def _words_of(page: str) -> str:
    """Return the text of a page between its tags, without its scripts and styles."""
    words: list[str] = []
    at, hidden = 0, ""
    for tag in _TAG.finditer(page):
        if not hidden:
            words.append(page[at : tag.start()])
        name = (tag[2] or "").lower()
        if name and not tag[1]:
            hidden = hidden or name
        elif name == hidden:
            hidden = ""
        at = tag.end()
    if not hidden:
        words.append(page[at:])
    return " ".join(html.unescape(" ".join(words)).split())


_PRE: Final = (re.compile("<pre>", re.IGNORECASE), re.compile("</pre>", re.IGNORECASE))
_TITLE: Final = (re.compile("<title>", re.IGNORECASE), re.compile("</title>", re.IGNORECASE))


def _between(page: str, start: re.Pattern[str], end: re.Pattern[str]) -> str | None:
    begin = start.search(page)
    until = end.search(page, begin.end()) if begin else None
    return html.unescape(page[begin.end() : until.start()]).strip() if begin and until else None


def _status(status: int | None, words: ServerWords) -> int | None:
    if words.code in _WINS_OVER_STATUS:
        return _STATUS_OF_CODE[words.code]
    if status is not None and status >= 300:
        return status
    return words.status or _STATUS_OF_CODE.get(words.code or "")


def _kind(status: int | None, row: RefusalRow | None, words: ServerWords) -> type[APIError]:
    if row is not None and row.error is not None:
        return row.error
    narrower = next((kind for code, kind in _KIND_OF_CODE.items() if code in words.codes), None)
    if status is None:
        return narrower or APIError
    kind = _KINDS.get(status, ServerError if status >= 500 else APIError)
    return narrower if narrower is not None and kind in narrower.__bases__ else kind


def _next_step(kind: type[DbxGatewayError], row: RefusalRow | None, words: ServerWords) -> str:
    if words.provider is not None and issubclass(kind, AuthenticationError | PermissionDeniedError | NotFoundError):
        return (
            f"It is {words.provider} that refuses the endpoint: its key, permissions or model name have to be put right in the "
            "endpoint's configuration, by whoever administers it."
        )
    if row is not None and row.advice:
        return row.advice
    return next((step for error, step in _NEXT_STEPS if issubclass(kind, error)), "")
