"""Errors inside a 200 stream, in every shape in which servers write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from faults.case import Case, Fails, Group, incomplete, streamed
from faults.wires import CHAT, DONE, MESSAGES, RESPONSES, TEXTS, Frame, Wire, event_bytes, sse

from dbx_gateway.errors import (
    APIError,
    BadRequestError,
    ContextOverflowError,
    DbxGatewayError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)

GROUP = "errors in a stream"
SAYS = "The model stumbled"


@dataclass(frozen=True)
class _Shape:
    """An error as an event, and what it means."""

    value: Any
    kind: type[DbxGatewayError] = APIError
    status: int | None = None
    code: str | None = None
    event: str = ""
    words: str = SAYS


def _anthropic(code: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": code, "message": SAYS}}


def _google(code: int, status: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": SAYS, "status": status, "details": []}}


SHAPES = {
    "openai_server_error": _Shape(
        {"error": {"message": SAYS, "type": "server_error", "param": None, "code": None}},
        ServerError,
        500,
        "server_error",
    ),
    "openai_rate_limit": _Shape(
        {"error": {"message": SAYS, "type": "requests", "code": "rate_limit_exceeded"}},
        RateLimitError,
        429,
        "rate_limit_exceeded",
    ),
    "openai_overflow": _Shape(
        {"error": {"message": SAYS, "type": "invalid_request_error", "code": "context_length_exceeded"}},
        ContextOverflowError,
        400,
        "context_length_exceeded",
    ),
    "openai_without_type": _Shape({"error": {"message": SAYS}}),
    "openai_code_a_number": _Shape({"error": {"message": SAYS, "code": 503}}, ServerError, 503),
    "openai_code_digits": _Shape({"error": {"message": SAYS, "code": "429"}}, RateLimitError, 429),
    "anthropic_overloaded": _Shape(_anthropic("overloaded_error"), ServerError, 529, "overloaded_error", "error"),
    "anthropic_rate_limit": _Shape(_anthropic("rate_limit_error"), RateLimitError, 429, "rate_limit_error", "error"),
    "anthropic_api_error": _Shape(_anthropic("api_error"), ServerError, 500, "api_error", "error"),
    "anthropic_invalid_request": _Shape(
        _anthropic("invalid_request_error"), BadRequestError, 400, "invalid_request_error", "error"
    ),
    "anthropic_without_event_name": _Shape(_anthropic("overloaded_error"), ServerError, 529, "overloaded_error"),
    "google_unavailable": _Shape(_google(503, "UNAVAILABLE"), ServerError, 503, "UNAVAILABLE"),
    "google_exhausted": _Shape(_google(429, "RESOURCE_EXHAUSTED"), RateLimitError, 429, "RESOURCE_EXHAUSTED"),
    "google_invalid": _Shape(_google(400, "INVALID_ARGUMENT"), BadRequestError, 400, "INVALID_ARGUMENT"),
    "google_in_a_list": _Shape([_google(500, "INTERNAL")], ServerError, 500, "INTERNAL"),
    "databricks_internal": _Shape(
        {"error_code": "INTERNAL_ERROR", "message": SAYS}, ServerError, 500, "INTERNAL_ERROR"
    ),
    "databricks_limit": _Shape(
        {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": SAYS}, RateLimitError, 429, "REQUEST_LIMIT_EXCEEDED"
    ),
    "databricks_unavailable": _Shape(
        {"error_code": "TEMPORARILY_UNAVAILABLE", "message": SAYS}, ServerError, 503, "TEMPORARILY_UNAVAILABLE"
    ),
    "databricks_denied": _Shape(
        {"error_code": "PERMISSION_DENIED", "message": SAYS}, PermissionDeniedError, 403, "PERMISSION_DENIED"
    ),
    "databricks_not_found": _Shape(
        {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": SAYS}, NotFoundError, 404, "RESOURCE_DOES_NOT_EXIST"
    ),
    "databricks_message_is_json": _Shape(
        {"error_code": "BAD_REQUEST", "message": '{"message":"The model stumbled"}'},
        BadRequestError,
        400,
        "BAD_REQUEST",
    ),
    "databricks_unknown_code": _Shape({"error_code": "SOMETHING_NEW", "message": SAYS}, code="SOMETHING_NEW"),
    "error_is_a_string": _Shape({"error": SAYS}),
    "error_code_in_a_string": _Shape({"error": f"INTERNAL_ERROR: {SAYS}"}, ServerError, 500, "INTERNAL_ERROR"),
    "message_only": _Shape({"message": SAYS}),
    "detail_only": _Shape({"detail": SAYS}),
    "event_error_with_text": _Shape(SAYS.encode(), event="error"),
    "event_error_with_a_json_string": _Shape(f'"{SAYS}"'.encode(), event="error"),
    "event_error_with_an_object": _Shape({"status": 503, "message": SAYS}, event="error", status=None),
    "event_error_with_html": _Shape(
        b"<html><head><title>502 Bad Gateway</title></head></html>", event="error", words="502 Bad Gateway"
    ),
}


def cases(wire: Wire) -> list[Case]:
    """Return the cases of this group."""
    group = Group(GROUP, wire)
    return [
        *(_after_text(group, name, shape) for name, shape in SHAPES.items()),
        *(_at_the_start(group, name, shape) for name, shape in SHAPES.items()),
        *_own(group),
        *_stray(group),
        *_places(group),
    ]


def _fails(shape: _Shape, partial: str) -> Fails:
    return Fails(kind=shape.kind, status=shape.status, code=shape.code, words=(shape.words,), partial=partial)


def _after_text(group: Group, name: str, shape: _Shape) -> Case:
    wire = group.wire
    frames = [*wire.head(), *wire.texts(TEXTS[:2]), Frame(shape.value, shape.event)]
    return group.frames(f"{name}_after_text", frames, _fails(shape, "".join(TEXTS[:2])))


def _at_the_start(group: Group, name: str, shape: _Shape) -> Case:
    return group.frames(
        f"{name}_at_the_start", [Frame(shape.value, shape.event)], _fails(shape, ""), settings={"max_retries": 0}
    )


def _own(group: Group) -> list[Case]:
    """Return the api's own error event, alone and in company."""
    wire = group.wire
    begun = [*wire.head(), *wire.texts(TEXTS[:2])]
    frame, status, code = wire.error()
    kind = ServerError
    said = "".join(TEXTS[:2])
    expect = Fails(kind=kind, status=status, code=code, words=("Model is overloaded",), partial=said)
    cases = [
        group.frames("own_error", [*begun, frame], expect),
        group.frames("own_error_then_done", [*begun, frame, DONE], expect),
        group.frames("own_error_then_the_rest", [*begun, frame, *wire.texts()[2:], *wire.tail()], expect),
        group.stream("own_error_in_its_own_chunk", streamed(sse(begun), event_bytes(frame)), expect),
        group.stream("own_error_without_a_blank_line", streamed(sse(begun) + event_bytes(frame)[:-2]), expect),
        group.stream("own_error_then_closed", streamed(sse(begun) + event_bytes(frame))[:-1], expect),
        group.whole(
            "own_error_where_a_whole_was_asked", streamed(sse([*begun, frame])), expect, settings={"max_retries": 0}
        ),
    ]
    if wire is RESPONSES:
        error = {"code": "rate_limit_exceeded", "message": SAYS}
        failed = RESPONSES.event("response.failed", 60, response=RESPONSES.envelope("failed", error=error))
        nothing = RESPONSES.event("response.failed", 60, response=RESPONSES.envelope("failed"))
        limited = Fails(kind=RateLimitError, status=429, code="rate_limit_exceeded", words=(SAYS,), partial=said)
        cases += [
            group.frames("response_failed", [*begun, failed], limited),
            group.frames(
                "response_failed_without_words",
                [*begun, nothing],
                Fails(
                    kind=ServerError, status=500, code="response.failed", words=("no reason was given",), partial=said
                ),
            ),
            group.frames(
                "response_failed_first",
                [failed],
                Fails(kind=RateLimitError, status=429, code="rate_limit_exceeded", words=(SAYS,)),
                settings={"max_retries": 0},
            ),
        ]
    return cases


def _stray(group: Group) -> list[Case]:
    """Return errors that stand in a stream outside of its events."""
    wire = group.wire
    begun = sse([*wire.head(), *wire.texts(TEXTS[:2])])
    said = "".join(TEXTS[:2])
    bare = b'{"error": {"code": 503, "message": "The model stumbled", "status": "UNAVAILABLE"}}'
    spread = b'{\n "error": {\n  "code": 503,\n  "message": "The model stumbled",\n  "status": "UNAVAILABLE"\n }\n}\n'
    expect = Fails(kind=ServerError, status=503, code="UNAVAILABLE", words=(SAYS,), partial=said)
    first = Fails(kind=ServerError, status=503, code="UNAVAILABLE", words=(SAYS,))
    once = {"max_retries": 0}
    return [
        group.stream("bare_json_after_text", streamed(begun + bare), expect),
        group.stream("bare_json_over_lines_after_text", streamed(begun + spread), expect),
        group.stream("bare_json_in_a_list_after_text", streamed(begun + b"[" + spread + b"]\n"), expect),
        group.stream("bare_json_at_the_start", streamed(bare), first, settings=once),
        group.stream("bare_json_over_lines_at_the_start", streamed(spread), first, settings=once),
        group.stream(
            "bare_databricks_after_text",
            streamed(begun + b'{"error_code": "INTERNAL_ERROR", "message": "The model stumbled"}\n'),
            Fails(kind=ServerError, status=500, code="INTERNAL_ERROR", words=(SAYS,), partial=said),
        ),
        group.stream(
            "bare_text_after_text",
            streamed(begun + b"upstream connect error\n"),
            incomplete(said, words=("upstream connect error",)),
        ),
        group.stream(
            "bare_text_at_the_start",
            streamed(b"upstream connect error\n"),
            Fails(kind=InvalidResponseError, status=200, words=("upstream connect error",)),
        ),
        group.stream(
            "html_after_text",
            streamed(begun + b"<html><head><title>502 Bad Gateway</title></head></html>\n"),
            Fails(kind=InvalidResponseError, status=200, words=("502 Bad Gateway",), partial=said),
        ),
        group.stream(
            "html_at_the_start",
            streamed(b"<html><head><title>502 Bad Gateway</title></head></html>\n"),
            Fails(kind=InvalidResponseError, status=200, words=("502 Bad Gateway",)),
        ),
    ]


def _places(group: Group) -> list[Case]:
    """Return errors at odd moments: in a call, and after everything."""
    wire = group.wire
    shape = SHAPES["databricks_internal"]
    frame = Frame(shape.value)
    expect = _fails(shape, "".join(TEXTS))
    cases = []
    if wire in (CHAT, MESSAGES):
        cut = 2 if wire is CHAT else 1
        cases.append(group.frames("error_after_completeness", [*wire.stream()[:-cut], frame], expect))
        calling, _ = wire.call_frames()
        cases.append(
            group.frames(
                "error_in_a_call",
                [*calling, frame],
                Fails(
                    kind=ServerError,
                    status=500,
                    code="INTERNAL_ERROR",
                    words=(SAYS,),
                    calls=(("call_abc1", "get_weather", '{"city": "Zürich", "days": 3}'),),
                ),
            )
        )
    cases.append(group.frames("error_before_the_proof", [*wire.stream()[: -wire.proofs], frame], expect))
    return cases
