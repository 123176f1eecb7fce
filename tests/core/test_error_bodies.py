import email.utils
import json
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.promises import promise

from dbx_gateway.chat import ChatResponse, Finish, Message, Text
from dbx_gateway.error_bodies import RequestTarget, ServerWords, api_error, error_event, read_error_body, retry_after_of
from dbx_gateway.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)

ASKED = RequestTarget("a-model", "ai-gateway messages https://ws.example.com/ai-gateway/anthropic/v1/messages")


def failed(status, body, headers=None) -> APIError:
    return api_error(status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode(), ASKED)


# --- the shapes of bodies (docs/wire/errors.md#body-shapes) -------------


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "no", "type": "invalid_request_error", "code": None}}, "no", "invalid_request_error"),
        ({"error": {"message": "no", "type": "tokens", "code": "rate_limit_exceeded"}}, "no", "rate_limit_exceeded"),
        ({"type": "error", "code": "server_error", "message": "no", "param": None}, "no", "server_error"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, "no", "overloaded_error"),
        ({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT", "details": []}}, "no", "INVALID_ARGUMENT"),
        ([{"error": {"code": 503, "message": "no", "status": "UNAVAILABLE"}}], "no", "UNAVAILABLE"),
        ({"error_code": "BAD_REQUEST", "message": "no"}, "no", "BAD_REQUEST"),
        ({"error_code": "BAD_REQUEST", "message": '{"message":"no"}'}, "no", "BAD_REQUEST"),
        ({"error_code": "BAD_REQUEST", "message": json.dumps({"message": json.dumps({"message": "no"})})}, "no", "BAD_REQUEST"),
        ({"error_code": "BAD_REQUEST", "message": '{"error":{"message":"no"}}'}, "no", "BAD_REQUEST"),
        ({"error_code": "BAD_REQUEST", "message": '{"error":"no"}'}, "no", "BAD_REQUEST"),
        ({"message": "no"}, "no", None),
        ({"error": "no"}, "no", None),
        ({"error": "invalid_client", "error_description": "no"}, "no", None),
        ({"detail": "no"}, "no", None),
        ({"detail": {"error_code": "NOT_FOUND", "message": "no"}}, "no", "NOT_FOUND"),
        ({"detail": [{"loc": ["body"], "msg": "no"}]}, '[{"loc":["body"],"msg":"no"}]', None),
        ({"error": {"message": {"error": "no"}}}, "no", None),
        ({"error": {"code": 1305}}, '{"code":1305}', "1305"),
        ({"something": "else"}, '{"something":"else"}', None),
        ({"message": "REQUEST_LIMIT_EXCEEDED: slow down"}, "REQUEST_LIMIT_EXCEEDED: slow down", "REQUEST_LIMIT_EXCEEDED"),
        ("no", "no", None),
    ],
)  # fmt: skip
def test_the_words_and_the_code_are_found_in_every_shape(body, message, code):
    words = read_error_body(json.dumps(body).encode())
    assert (words.message, words.code) == (message, code)
    assert read_error_body(body) == words


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b"upstream connect error", "upstream connect error", None),
        (b"ENDPOINT_NOT_FOUND: there is none", "ENDPOINT_NOT_FOUND: there is none", "ENDPOINT_NOT_FOUND"),
        (b"UNAVAILABLE: try later", "UNAVAILABLE: try later", "UNAVAILABLE"),
        (b"ERROR: it broke", "ERROR: it broke", None),
        (b"<html><body><h1>x</h1><pre>Error: a &lt;b&gt;\n  c</pre></body></html>", "Error: a <b> c", None),
        (b"<!DOCTYPE html><HTML><head><TITLE> Sign in\n</TITLE></head>", "an HTML page: Sign in", None),
        ("<html><title>İİİ login</title>".encode(), "an HTML page: İİİ login", None),
        (b"<html></html>", "an HTML page", None),
        (b"<pre>unclosed", "<pre>unclosed", None),
        (b"", "", None),
        (b"  \n", "", None),
        (b"null", "", None),
        (b"[]", "[]", None),
        (b"{}", "{}", None),
        (b"{broken", "{broken", None),
        (b"caf\xff", "caf\ufffd", None),
    ],
)
def test_bodies_that_are_no_error_object_are_read_as_text(body, message, code):
    words = read_error_body(body)
    assert (words.message, words.code) == (message, code)


def test_the_words_are_one_printable_line_of_bounded_length():
    words = read_error_body({"message": "a\r\n\x1b[31mb\u2028c\0d " + "x" * 5000})
    assert words.message.startswith("a [31mb c d xxx")
    assert len(words.message) == 2002


def test_markup_inside_a_sentence_stays():
    assert read_error_body({"message": "no <pre>x</pre> here"}).message == "no <pre>x</pre> here"


def test_a_request_id_in_the_body_wins_over_the_header():
    body = {"type": "error", "error": {"type": "api_error", "message": "no"}, "request_id": "req_body"}
    assert failed(500, body, {"x-request-id": "req_header"}).request_id == "req_body"


@pytest.mark.parametrize("header", ["x-request-id", "request-id", "x-databricks-request-id", "databricks-request-id"])
def test_a_request_id_is_found_in_the_headers(header):
    assert failed(500, {"message": "no"}, {header: "r-1"}).request_id == "r-1"


# --- classes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, PermissionDeniedError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (408, APIError),
        (409, APIError),
        (413, BadRequestError),
        (422, BadRequestError),
        (429, RateLimitError),
        (500, ServerError),
        (501, ServerError),
        (503, ServerError),
        (529, ServerError),
        (307, APIError),
    ],
)
def test_the_status_decides_the_class(status, kind):
    error = failed(status, {"message": "no"})
    assert (type(error), error.status) == (kind, status)


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("invalid_request_error", BadRequestError, 400),
        ("authentication_error", AuthenticationError, 401),
        ("billing_error", PermissionDeniedError, 402),
        ("permission_error", PermissionDeniedError, 403),
        ("not_found_error", NotFoundError, 404),
        ("rate_limit_error", RateLimitError, 429),
        ("timeout_error", ServerError, 504),
        ("api_error", ServerError, 500),
        ("overloaded_error", ServerError, 529),
        ("conflict_error", APIError, 409),
        ("server_error", ServerError, 500),
        ("rate_limit_exceeded", RateLimitError, 429),
        ("context_length_exceeded", ContextOverflowError, 400),
        ("RESOURCE_EXHAUSTED", RateLimitError, 429),
        ("UNAVAILABLE", ServerError, 503),
        ("PERMISSION_DENIED", PermissionDeniedError, 403),
        ("ENDPOINT_NOT_FOUND", NotFoundError, 404),
        ("never heard of", APIError, None),
    ],
)
def test_inside_a_200_the_code_decides_the_class(code, kind, status):
    for received in (None, 200):
        error = failed(received, {"error": {"message": "no", "type": code}})
        assert (type(error), error.status, error.error_code) == (kind, status, code)


@pytest.mark.parametrize("number", [429, "429"])
def test_inside_a_200_a_number_in_the_body_is_the_status_and_no_code(number):
    error = failed(200, {"error": {"message": "no", "type": "None", "code": number}})
    assert (type(error), error.status, error.error_code) == (RateLimitError, 429, "None")


def test_databricks_codes_for_limits_and_overload_win_over_the_status():
    assert type(failed(400, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "no"})) is RateLimitError
    assert failed(500, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "no"}).status == 503


@pytest.mark.parametrize(
    "words",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Your input exceeds the context window of this model.",
        "Requested token count exceeds the model's maximum context length of 8192 tokens",
    ],
)
@pytest.mark.parametrize("status", [400, 413, 422, 200])
def test_a_prompt_that_is_too_long_is_told_by_its_wording(status, words):
    error = failed(status, {"error_code": "BAD_REQUEST", "message": json.dumps({"message": words})})
    assert type(error) is ContextOverflowError
    assert "Shorten the conversation" in error.message


def test_a_body_that_is_too_large_is_no_context_overflow():
    assert type(failed(413, {"error": {"type": "request_too_large", "message": "over 4 MB"}})) is BadRequestError


# --- the message -------------------------------------------------------------------------------------------------


def test_the_message_says_what_was_asked_what_came_back_and_what_to_do():
    body = {"error_code": "PERMISSION_DENIED", "message": "You shall not pass"}
    assert failed(403, body, {"x-request-id": "r-7"}).message == (
        "'a-model' on ai-gateway messages https://ws.example.com/ai-gateway/anthropic/v1/messages answered 403 "
        "PERMISSION_DENIED: You shall not pass. [request id r-7] Ask for CAN QUERY on the endpoint; an IP access list "
        "can cause this too."
    )


@pytest.mark.parametrize("status", [None, 307, 400, 401, 403, 404, 408, 413, 429, 500])
def test_every_class_names_a_next_step_even_where_the_server_said_nothing(status):
    message = failed(status, b"").message
    assert "(the server said nothing)" in message
    assert message.endswith((".", ")"))
    assert not message.endswith("nothing)")


@pytest.mark.parametrize(
    "secret",
    [
        "dapi0123456789abcdef0123456789abcdef",
        "dapi0123456789abcdef0123456789abcdef-2",
        "dose0123456789abcdef0123456789abcdef",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
        "Bearer 3kf93kf93kf93",
    ],
)
def test_a_credential_that_the_server_repeats_is_masked(secret):
    error = failed(401, {"message": f"Invalid token {secret} given"})
    assert secret not in error.message
    assert "Invalid token" in error.message
    assert " given" in error.message


def test_words_about_bearer_tokens_stay():
    assert read_error_body({"message": "The Bearer token is missing"}).message == "The Bearer token is missing"


def test_no_header_gets_into_an_error():
    error = failed(500, {"message": "no"}, {"set-cookie": "session=hunter2", "x-request-id": "r"})
    assert "hunter2" not in repr(error) + repr(vars(error)) + str(pickle.dumps(error))


# --- pickles -----------------------------------------------------------------------------------------------------


def test_an_error_is_pickled_with_everything_but_the_partial_answer():
    partial = ChatResponse(message=Message(role="assistant", parts=(Text("hush"),)), finish=Finish(reason="error"))
    error = api_error(429, {"retry-after": "7", "x-request-id": "r"}, {"error_code": "X_Y", "message": "no"}, ASKED,
                      partial=partial)  # fmt: skip
    pickled = pickle.dumps(error)
    loaded = pickle.loads(pickled)
    assert type(loaded) is RateLimitError
    assert (str(loaded), loaded.message, loaded.args) == (error.message, error.message, (error.message,))
    told = ("status", "error_code", "request_id", "retry_after", "model", "route")
    assert [getattr(loaded, name) for name in told] == [429, "X_Y", "r", 7.0, "a-model", ASKED.route]
    assert (error.partial, loaded.partial) == (partial, None)
    assert b"hush" not in pickled


# --- how long to wait --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1000000000"}, 1e9),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Wed, 99 Foo 2015 99:99:99 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_in_every_form_and_garbage_is_none(headers, seconds):
    assert retry_after_of(headers) == seconds


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000", ""])
def test_a_date_is_in_gmt_whatever_the_machine_s_zone(zone, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    now = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    text = email.utils.formatdate(now + 60, usegmt=True).removesuffix("GMT") + zone
    try:
        assert retry_after_of({"retry-after": text.strip()}) == 60.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_wait_in_a_body_counts_where_no_header_says_it():
    body = {"error": {"message": "no", "limit_type": "ITPM", "limit": 1, "current": 2, "retry_after": 12}}
    assert failed(429, body).retry_after == 12.0
    assert failed(429, body, {"retry-after": "3"}).retry_after == 3.0
    assert failed(429, {"error": {"message": "no", "retry_after": "soon"}}).retry_after is None


# --- errors among answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"error": {"message": "no"}}, ""),
        ({"error": "no"}, ""),
        ({"type": "error", "error": {"type": "overloaded_error"}}, ""),
        ({"type": "error", "code": "server_error", "message": "no"}, ""),
        ({"error_code": "INTERNAL_ERROR", "message": "no"}, ""),
        ({"choices": [], "error": {"message": "no"}}, ""),
        ({"anything": 1}, "error"),
        ({"detail": "no"}, ""),
        ({"message": "no", "request_id": "r"}, ""),
        ({"timestamp": "2026-11-03T10:00:00Z", "status": 500, "path": "/x", "message": "no"}, ""),
    ],
)
def test_an_object_that_reports_an_error_is_told_from_an_answer(event, name):
    assert error_event(event, name)


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [], "error": None},
        {"object": "response", "status": "completed", "error": None},
        {"object": "response", "status": "failed", "error": {"code": "server_error"}},
        {"type": "response.failed", "response": {"error": {"code": "server_error"}}},
        {"type": "message_start", "message": {}},
        {"message": {"role": "assistant"}},
        {"messages": [{"role": "assistant", "content": "x"}]},
        {"detail": "high", "choices": []},
        {"timestamp": "2026-11-03T10:00:00Z"},
        {"path": "/serving-endpoints", "timestamp": "2026-11-03T10:00:00Z"},
        {"message": None, "timestamp": "2026-11-03T10:00:00Z"},
        {},
    ],
)
def test_an_answer_is_no_error(event):
    assert not error_event(event)


def test_what_a_server_said_is_a_value():
    assert read_error_body({"message": "no"}) == ServerWords(message="no")


@promise("linear")
@pytest.mark.parametrize("word", ["eyJ", "eyJa-", "dapi0", "Bearer a", "Bearer "])
def test_a_refusal_full_of_what_begins_like_a_token_is_read_in_linear_time(word):
    """Eight times the words take eight times the processor's time; sixty-four times where it grows with the square. More is not read."""

    def cost(size: int) -> float:
        body = (word * (size // len(word))).encode()
        times = []
        for _ in range(3):
            began = time.thread_time()
            read_error_body(body)
            times.append(time.thread_time() - began)
        return min(times)

    assert cost(20_000) < 24 * cost(2_500) + 0.01


@given(st.from_regex(r"eyJ[A-Za-z0-9_-]{4,40}\.eyJ[A-Za-z0-9_-]{4,40}\.[A-Za-z0-9_-]{4,40}", fullmatch=True))
def test_the_payload_and_signature_of_a_json_web_token_are_masked_whatever_its_letters(token):
    said = read_error_body(json.dumps({"message": f"refused {token} today"}).encode()).message
    _, payload, signature = token.split(".")
    assert payload not in said
    assert said.startswith("refused ")
    assert said.endswith("*** today")
    assert signature not in said


@pytest.mark.parametrize(
    "message",
    [
        "messages.0.content.1.image.source.base64.data: URL sources are not supported",
        "external image URLs are not supported",
        "Invalid or unsupported file uri: https://e.com/a.jpg",
    ],
)
def test_a_refused_url_says_to_give_the_bytes(message):
    assert failed(400, {"error": {"message": message}}).message.endswith(
        "Give the bytes of the picture or file in base64 instead of its URL."
    )


@pytest.mark.parametrize(
    ("status", "message"), [(400, "Invalid URL (POST /v1)"), (403, "URL sources are not supported")]
)
def test_other_failures_keep_their_own_next_step(status, message):
    assert "base64" not in failed(status, {"error": {"message": message}}).message
