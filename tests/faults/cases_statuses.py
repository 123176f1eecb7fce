"""Every status with every shape of body; retries and how long they wait; a 401; redirects."""

from __future__ import annotations

from dataclasses import dataclass

from faults.case import ANSWERED, HTML, TEXT, Case, Fails, Group, head, ok, streamed
from faults.server import Script
from faults.wires import Wire, sse

from dbx_gateway.errors import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    BadRequestError,
    DbxGatewayError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)

STATUSES = "statuses"
RETRIES = "retries"
REDIRECTS = "redirects"
SIGNING = "401"
ONCE = {"max_retries": 0}
SAYS = "It went wrong"

KINDS: dict[int, type[DbxGatewayError]] = {
    304: APIError,
    400: BadRequestError,
    401: AuthenticationError,
    402: PermissionDeniedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: APIError,
    406: APIError,
    408: APIError,
    409: APIError,
    413: BadRequestError,
    415: APIError,
    422: BadRequestError,
    429: RateLimitError,
    451: APIError,
    499: APIError,
    500: ServerError,
    501: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
    520: ServerError,
    529: ServerError,
}
"""The class of error for each status."""

PASSING = (408, 409, 429, 500, 502, 503, 504, 529)
FINAL = (400, 401, 402, 403, 404, 405, 413, 422, 499, 501, 505, 520)


@dataclass(frozen=True)
class _Body:
    """A body of a failure: what it says, and under which code."""

    data: bytes
    words: str = SAYS
    code: str | None = None
    content_type: str = "application/json"
    request_id: str = "req-7"


BODIES = {
    "openai": _Body(
        b'{"error": {"message": "It went wrong", "type": "some_type", "param": null, "code": "some_code"}}',
        code="some_code",
    ),
    "openai_without_code": _Body(
        b'{"error": {"message": "It went wrong", "type": "some_type", "code": null}}', code="some_type"
    ),
    "anthropic": _Body(
        b'{"type": "error", "error": {"type": "some_error", "message": "It went wrong"}, "request_id": "req-9"}',
        code="some_error",
        request_id="req-9",
    ),
    "google": _Body(
        b'{"error": {"code": 418, "message": "It went wrong", "status": "SOME_STATUS"}}', code="SOME_STATUS"
    ),
    "google_in_a_list": _Body(
        b'[{"error": {"code": 418, "message": "It went wrong", "status": "SOME_STATUS"}}]', code="SOME_STATUS"
    ),
    "databricks": _Body(b'{"error_code": "SOME_CODE", "message": "It went wrong"}', code="SOME_CODE"),
    "databricks_json_in_message": _Body(
        b'{"error_code": "SOME_CODE", "message": "{\\"message\\": \\"It went wrong\\"}"}', code="SOME_CODE"
    ),
    "message_only": _Body(b'{"message": "It went wrong"}'),
    "detail_only": _Body(b'{"detail": "It went wrong"}'),
    "detail_list": _Body(b'{"detail": [{"loc": ["body"], "msg": "It went wrong"}]}'),
    "error_string": _Body(b'{"error": "It went wrong"}'),
    "json_string": _Body(b'"It went wrong"'),
    "html_pre": _Body(b"<html><body><pre>It went wrong</pre></body></html>", content_type=HTML),
    "html_title": _Body(b"<!doctype html><html><head><title>It went wrong</title></head></html>", content_type=HTML),
    "text": _Body(b"It went wrong", content_type=TEXT),
    "text_with_code": _Body(b"SOME_CODE: It went wrong", code="SOME_CODE", content_type=TEXT),
    "empty": _Body(b"", words="(the server said nothing)"),
    "null": _Body(b"null", words="(the server said nothing)"),
    "cut_json": _Body(b'{"error": {"message": "It went wrong", "ty'),
    "bytes": _Body(b"It went wrong \xff\xfe\x00", content_type="application/octet-stream"),
}
"""Source of the shapes: docs/wire/errors.md#body-shapes; docs/wire/chat-completions.md#errors;
docs/wire/responses.md#errors; docs/wire/messages.md#errors; docs/wire/generate-content.md#errors."""


def cases(wire: Wire) -> list[Case]:
    """Return the cases of the three groups."""
    return [
        *_statuses(Group(STATUSES, wire)),
        *_passing(Group(RETRIES, wire)),
        *_waits(Group(RETRIES, wire)),
        *_refused(Group(SIGNING, wire)),
        *_redirects(Group(REDIRECTS, wire)),
    ]


def _statuses(group: Group) -> list[Case]:
    return [
        group.both(
            f"status_{status}_{name}",
            ok(body.data, body.content_type, status) if status != 304 else head(304) + b"\r\n",
            _fails(status, body if status != 304 else BODIES["empty"]),
            settings=ONCE,
        )
        for status in KINDS
        for name, body in BODIES.items()
        if status != 304 or name == "empty"
    ]


def _fails(status: int, body: _Body) -> Fails:
    return Fails(
        kind=KINDS[status], status=status, code=body.code, words=(body.words, str(status)), request_id=body.request_id
    )


def _down(status: int = 503, **headers: str) -> Script:
    return (ok(b'{"error_code": "SOME_CODE", "message": "It went wrong"}', status=status, **headers),)


REFUSALS = (429, 503)
PAUSED = (1.0, 1.1)
"""The pause after the first refusal for load; a tenth at most is added by chance."""
TURN = (1.0, 1.0)
"""What a call waits for its turn where nothing was let through in the second before: one is sent each second."""


def _passing(group: Group) -> list[Case]:
    good = streamed(sse(group.wire.stream()))
    first, second = (0.37, 0.5), (0.75, 1.0)
    cases = [
        group.both(
            f"status_{status}_once",
            b"",
            ANSWERED,
            scripts=(_down(status), good),
            sends=2,
            pauses=(PAUSED if status in REFUSALS else first,),
        )
        for status in PASSING
    ]
    cases += [group.both(f"status_{status}_is_sent_once", _down(status), _failed(status), sends=1) for status in FINAL]
    limited = (ok(b'{"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "It went wrong"}', status=403),)
    return [
        *cases,
        group.both("twice", b"", ANSWERED, scripts=(_down(500), _down(502), good), sends=3, pauses=(first, second)),
        group.both("three_times", _down(502), _failed(502), sends=3, pauses=(first, second)),
        group.both("no_retries", _down(), _failed(503), settings=ONCE),
        group.both("no_retries_of_a_limit", _down(429), _failed(429), settings=ONCE),
        group.both(
            "four_retries",
            _down(502),
            _failed(502),
            settings={"max_retries": 4},
            sends=5,
            pauses=(first, second, (1.5, 2.0), (3.0, 4.0)),
        ),
        group.both("a_limit_under_403", b"", ANSWERED, scripts=(limited, good), sends=2, pauses=(PAUSED,)),
        group.both(
            "a_final_failure_after_a_passing_one",
            b"",
            _failed(403),
            scripts=(_down(), _down(403)),
            sends=2,
            pauses=(PAUSED,),
        ),
        group.both(
            "a_break_after_a_passing_failure",
            b"",
            ANSWERED,
            scripts=(_down(502), (), good),
            sends=3,
            pauses=(first, second),
        ),
        group.both(
            "a_401_in_between", b"", _failed(401), scripts=(_down(), _down(401), good), sends=2, pauses=(PAUSED,)
        ),
        *_refused_for_load(group),
    ]


def _refused_for_load(group: Group) -> list[Case]:
    """Return what follows refusals for load: they count as no retry, and end with the time of the call."""
    good = streamed(sse(group.wire.stream()))
    first = (0.37, 0.5)
    return [
        group.both(
            "refused_five_times_with_one_retry",
            b"",
            ANSWERED,
            scripts=(*([_down(429), _down()] * 2), _down(429), good),
            settings={"max_retries": 1},
            sends=6,
            pauses=(PAUSED, *[TURN] * 4),
        ),
        group.both(
            "refused_until_the_time_is_over",
            b"",
            _failed(503),
            scripts=(_down(429), _down()),
            settings={"total_timeout": 2.5},
            sends=3,
            pauses=(PAUSED, TURN, (0.3, 0.5)),
        ),
        group.both(
            "refused_for_two_minutes",
            b"",
            _failed(429, retry_after=70.0),
            scripts=(_down(429, retry_after="70"),),
            sends=2,
            pauses=((70.0, 77.0),),
        ),
        group.both(
            "a_failure_after_a_refusal",
            b"",
            ANSWERED,
            scripts=(_down(429), _down(502), good),
            settings={"max_retries": 1},
            sends=3,
            pauses=(PAUSED, first, (0.5, 0.63)),
        ),
        group.both(
            "a_refusal_after_the_last_retry",
            b"",
            ANSWERED,
            scripts=(_down(502), _down(429), good),
            settings={"max_retries": 1},
            sends=3,
            pauses=(first, PAUSED),
        ),
    ]


def _failed(status: int, **more) -> Fails:
    kind = KINDS.get(status, ServerError)
    return Fails(kind=kind, status=status, code="SOME_CODE", words=(SAYS,), **more)


def _waits(group: Group) -> list[Case]:
    """Return the forms in which a server says when to try again, and the pause that each means."""
    good = streamed(sse(group.wire.stream()))
    own = PAUSED
    forms = {
        "retry_after_seconds": ({"retry_after": "3"}, (3.0, 3.3)),
        "retry_after_fraction": ({"retry_after": "0.25"}, (0.25, 0.275)),
        "retry_after_zero": ({"retry_after": "0"}, None),
        "retry_after_ms": ({"retry_after_ms": "1500"}, (1.5, 1.65)),
        "retry_after_ms_wins": ({"retry_after_ms": "250", "retry_after": "7"}, (0.25, 0.275)),
        "retry_after_the_most": ({"retry_after": "120"}, (120.0, 120.0)),
        "retry_after_past_date": ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        "retry_after_old_date": ({"retry_after": "Wednesday, 21-Oct-15 07:28:00 GMT"}, None),
        "retry_after_asctime": ({"retry_after": "Wed Oct 21 07:28:00 2015"}, None),
        "retry_after_words": ({"retry_after": "soon"}, own),
        "retry_after_empty": ({"retry_after": ""}, own),
        "retry_after_negative": ({"retry_after": "-5"}, own),
        "retry_after_infinite": ({"retry_after": "inf"}, own),
        "retry_after_nan": ({"retry_after": "nan"}, own),
        "retry_after_bad_date": ({"retry_after": "Wed, 99 Foo 2015 07:28:00 GMT"}, own),
        "retry_after_ms_words": ({"retry_after_ms": "x", "retry_after": "2"}, (2.0, 2.2)),
    }
    cases = [
        group.both(
            name,
            b"",
            ANSWERED,
            scripts=(_down(429, **headers), good),
            sends=2,
            pauses=() if pause is None else (pause,),
        )
        for name, (headers, pause) in forms.items()
    ]
    cases += [
        group.both(
            f"retry_after_of_a_{status}",
            b"",
            ANSWERED,
            scripts=(_down(status, retry_after="3"), good),
            sends=2,
            pauses=(pause,),
        )
        for status, pause in {500: (3.0, 3.0), 503: (3.0, 3.3)}.items()
    ]
    limit = b'{"error": {"message": "It went wrong", "code": "SOME_CODE", "retry_after": 4}}'
    cases.append(
        group.both(
            "retry_after_in_the_body",
            b"",
            ANSWERED,
            scripts=((ok(limit, status=429),), good),
            sends=2,
            pauses=((4.0, 4.4),),
        )
    )
    for name, value in {"too_long": 121.0, "a_day": 86_400.0, "for_ever": 1e9}.items():
        expect = _failed(429, retry_after=value)
        cases.append(group.both(f"retry_after_{name}", _down(429, retry_after=f"{value:.0f}"), expect))
    return cases


def _refused(group: Group) -> list[Case]:
    """Return what follows a 401: one more send where there may be a fresh credential, and never two."""
    good = streamed(sse(group.wire.stream()))
    first = PAUSED
    return [
        group.both("fixed_token", _down(401), _failed(401)),
        group.both("renewed", b"", ANSWERED, scripts=(_down(401), good), sends=2, place="renewed"),
        group.both("renewed_and_refused_again", _down(401), _failed(401), sends=2, place="renewed"),
        group.both("nothing_new_to_send", _down(401), _failed(401), place="unchanged"),
        group.both(
            "renewed_and_then_down",
            b"",
            ANSWERED,
            scripts=(_down(401), _down(), good),
            sends=3,
            pauses=(first,),
            place="renewed",
        ),
        group.both(
            "refused_once_for_each_send",
            b"",
            ANSWERED,
            scripts=(_down(401), _down(), _down(401), good),
            sends=4,
            pauses=(first,),
            place="renewed",
        ),
        group.both("forbidden_is_not_refused", _down(403), _failed(403), place="renewed"),
    ]


def _moved(status: int, location: str) -> Script:
    return (ok(b"", None, status, location=location),)


def _redirects(group: Group) -> list[Case]:
    good = streamed(sse(group.wire.stream()))
    path = "moved"
    loop = Fails(kind=APIConnectionError, code="redirect", words=("more than 3 redirects",), request_id=None)
    cases = [
        group.both(
            f"redirect_{status}_to_the_same_origin", b"", ANSWERED, scripts=(_moved(status, path), good), sends=2
        )
        for status in (301, 302, 307, 308)
    ]
    places = {
        "another_host": "{other-host}/x",
        "another_port": "http://127.0.0.1:9/x",
        "no_scheme": "//evil.example/x",
        "https": "https://evil.example/x",
        "another_scheme": "ftp://evil.example/x",
        "a_file": "file:///etc/passwd",
        "a_user_before_the_host": "http://127.0.0.1@evil.example/x",
    }
    cases += [group.both(f"redirect_to_{name}", _moved(307, place), _elsewhere(307)) for name, place in places.items()]
    cases += [
        group.both(f"redirect_{status}_to_another_host", _moved(status, "{other-host}/x"), _elsewhere(status))
        for status in (301, 302, 303, 308)
    ]
    three = (_moved(307, path),) * 3
    return [
        *cases,
        group.both("redirect_from_https_to_http", _moved(307, "{elsewhere}"), _elsewhere(307), place="tls"),
        group.both(
            "redirect_to_no_url",
            _moved(307, "http://[::1"),
            Fails(kind=APIConnectionError, code="protocol", words=("Invalid URL",), request_id=None),
            settings=ONCE,
        ),
        group.both("https", good, ANSWERED, place="tls"),
        group.both("redirect_three_times", b"", ANSWERED, scripts=(*three, good), sends=4),
        group.both("redirect_loop", _moved(307, path), loop, sends=4),
        group.both("redirect_303", _moved(303, path), Fails(kind=InvalidResponseError, status=303, words=("303",))),
        group.both("redirect_without_location", ok(b"", None, 307), Fails(kind=APIError, status=307, words=("307",))),
        group.both("redirect_300", ok(b"It went wrong", TEXT, 300), Fails(kind=APIError, status=300, words=(SAYS,))),
        group.both(
            "redirect_then_503",
            b"",
            ANSWERED,
            scripts=(_moved(307, path), _down(), good),
            sends=3,
            pauses=(PAUSED,),
        ),
    ]


def _elsewhere(status: int) -> Fails:
    return Fails(kind=APIConnectionError, status=status, code="redirect", words=("another origin",))
