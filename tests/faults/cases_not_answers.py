"""Answers of status 200 (or near it) that are not answers, and compression that is broken or mislabelled."""

from __future__ import annotations

import gzip
import zlib

from faults.case import (
    ANSWERED,
    EVENT_STREAM,
    HTML,
    INVALID,
    JSON,
    LAST_CHUNK,
    TEXT,
    Case,
    Fails,
    Group,
    chunk,
    head,
    incomplete,
    ok,
    opened,
    streamed,
)
from faults.server import Wait
from faults.wires import CHAT, GEMINI, MESSAGES, RESPONSES, TEXTS, Wire, dumped, sse

from dbx_gateway.errors import APIError, InvalidResponseError, RateLimitError, ServerError

GROUP = "no answer"
COMPRESSION = "compression"
ONCE = {"max_retries": 0}
PAGE = b"<!doctype html><html><head><title>Sign in to Databricks</title></head><body>hello</body></html>"


def cases(wire: Wire) -> list[Case]:
    """Return the cases of both groups."""
    return [*_bodies(Group(GROUP, wire)), *_errors(Group(GROUP, wire)), *_compressed(Group(COMPRESSION, wire))]


def _said(*words: str) -> Fails:
    return Fails(kind=InvalidResponseError, status=200, words=words)


def _bodies(group: Group) -> list[Case]:
    body = dumped(group.wire.whole())
    others = {CHAT.api: MESSAGES, MESSAGES.api: RESPONSES, RESPONSES.api: GEMINI, GEMINI.api: CHAT}
    other = dumped(others[group.wire.api].whole())
    return [
        group.both("empty", ok(b""), _said("an empty body")),
        group.both("blank", ok(b" \r\n"), _said("an empty body")),
        group.both("null", ok(b"null"), _said("NoneType")),
        group.both("true", ok(b"true"), _said("bool")),
        group.both("number", ok(b"42"), _said("int")),
        group.both("string", ok(b'"come back later"'), _said("come back later")),
        group.both("empty_list", ok(b"[]"), _said("list")),
        group.both("list_of_numbers", ok(b"[1, 2]"), _said("list")),
        group.both("empty_object", ok(b"{}"), INVALID),
        group.both("unknown_object", ok(b'{"hello": "world"}'), INVALID),
        group.both("html_login_page", ok(PAGE, HTML), _said("an HTML page", "Sign in to Databricks")),
        group.both("html_typed_as_json", ok(PAGE, JSON), _said("an HTML page", "Sign in to Databricks")),
        group.both("html_typed_as_events", ok(PAGE, EVENT_STREAM), _said("an HTML page", "Sign in to Databricks")),
        group.both("html_without_a_type", ok(PAGE, None), _said("an HTML page", "Sign in to Databricks")),
        group.both(
            "xml", ok(b"<?xml version='1.0'?><Error>AccessDenied</Error>", "application/xml"), _said("AccessDenied")
        ),
        group.both("plain_text", ok(b"no healthy upstream", TEXT), _said("no healthy upstream")),
        group.both("text_typed_as_json", ok(b"no healthy upstream"), _said("no healthy upstream")),
        group.both("cut_json", ok(body[:-30]), _said("broken JSON")),
        group.both("two_json_objects", ok(b"{}{}"), _said("broken JSON")),
        group.both("bytes", ok(b"\x89PNG\r\n\x1a\n\x00\x00", "image/png"), _said("no text")),
        group.both("another_api", ok(other), INVALID),
        group.both("json_with_a_byte_order_mark", ok(b"\xef\xbb\xbf" + body), ANSWERED),
        group.both("json_with_blanks_around_it", ok(b"\r\n  " + body + b"\n\n"), ANSWERED),
        group.both("answer_in_a_list_of_one", ok(b"[" + body + b"]"), ANSWERED),
        group.both("json_without_a_type", ok(body, None), ANSWERED),
        group.both("json_typed_as_text", ok(body, TEXT), ANSWERED),
        group.both("status_201", ok(body, status=201), ANSWERED),
        group.both("status_202", ok(body, status=202), ANSWERED),
        group.both(
            "status_204", (head(204) + b"\r\n",), Fails(kind=InvalidResponseError, status=204, words=("an empty body",))
        ),
        group.both(
            "status_205", ok(b"", status=205), Fails(kind=InvalidResponseError, status=205, words=("an empty body",))
        ),
    ]


def _errors(group: Group) -> list[Case]:
    def under_200(name: str, body: bytes, expect: Fails) -> Case:
        return group.both(name, ok(body), expect, settings=ONCE)

    failed = Fails(kind=ServerError, status=500, code="INTERNAL_ERROR", words=("It broke",))
    limited = Fails(kind=RateLimitError, status=429, code="rate_limit_exceeded", words=("Slow down",))
    told = Fails(kind=APIError, status=None, words=("It broke",))
    cases = [
        under_200("databricks_error", b'{"error_code": "INTERNAL_ERROR", "message": "It broke"}', failed),
        under_200("openai_error", b'{"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}', limited),
        under_200(
            "anthropic_error",
            b'{"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}, "request_id": "req-9"}',
            Fails(kind=ServerError, status=529, code="overloaded_error", words=("Busy",), request_id="req-9"),
        ),
        under_200(
            "google_error",
            b'{"error": {"code": 503, "message": "Busy", "status": "UNAVAILABLE"}}',
            Fails(kind=ServerError, status=503, code="UNAVAILABLE", words=("Busy",)),
        ),
        under_200(
            "google_error_in_a_list",
            b'[{"error": {"code": 503, "message": "Busy", "status": "UNAVAILABLE"}}]',
            Fails(kind=ServerError, status=503, code="UNAVAILABLE", words=("Busy",)),
        ),
        under_200("error_string", b'{"error": "It broke"}', told),
        under_200("detail", b'{"detail": "It broke"}', told),
        under_200("message", b'{"message": "It broke"}', told),
        group.both(
            "error_that_passes",
            b"",
            ANSWERED,
            scripts=(
                (ok(b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "x"}'),),
                streamed(sse(group.wire.stream())),
            ),
            sends=2,
            pauses=((1.0, 1.1),),
        ),
    ]
    if group.wire is RESPONSES:
        body = RESPONSES.envelope("failed", error={"code": "server_error", "message": "It broke"})
        cases.append(
            under_200(
                "failed_response",
                dumped(body),
                Fails(kind=ServerError, status=500, code="server_error", words=("It broke",)),
            )
        )
    return cases


def _compressed(group: Group) -> list[Case]:
    wire = group.wire
    body, events = dumped(wire.whole()), sse(wire.stream())
    begun = sse([*wire.head(), *wire.texts(TEXTS[:2])])
    raw = zlib.compressobj(wbits=-15)
    deflated = raw.compress(body) + raw.flush()
    packed, streamed_pack = gzip.compress(body), gzip.compress(events)
    broken = Fails(kind=InvalidResponseError, status=200, words=("compression is broken",))
    error = gzip.compress(b'{"error_code": "INTERNAL_ERROR", "message": "It broke"}')
    zipped = {"content_encoding": "gzip"}
    return [
        group.both("gzip", ok(packed, **zipped), ANSWERED),
        group.both("deflate", ok(zlib.compress(body), content_encoding="deflate"), ANSWERED),
        group.both("deflate_without_its_header", ok(deflated, content_encoding="deflate"), ANSWERED),
        group.both("gzip_in_capitals", ok(packed, content_encoding="GZIP"), ANSWERED),
        group.both("identity", ok(body, content_encoding="identity"), ANSWERED),
        group.both("encoding_empty", ok(body, content_encoding=""), ANSWERED),
        group.both("unknown_encoding_on_plain_json", ok(body, content_encoding="utf-8"), ANSWERED),
        group.both("gzip_twice", ok(gzip.compress(packed), content_encoding="gzip, gzip"), ANSWERED),
        group.both("gzip_without_its_label", ok(packed), _said("no text")),
        group.both("labelled_gzip_but_plain", ok(body, **zipped), broken),
        group.both("labelled_deflate_but_plain", ok(b"\x00" + body, content_encoding="deflate"), broken),
        group.both("gzip_cut", ok(packed[: len(packed) // 2], **zipped), INVALID),
        group.both("gzip_without_its_checksum", ok(packed[:-8], **zipped), ANSWERED),
        group.both("gzip_with_bytes_turned", ok(packed[:40] + b"\xff\xff\xff" + packed[43:], **zipped), INVALID),
        group.both("gzip_empty", ok(b"", **zipped), _said("an empty body")),
        group.both(
            "gzip_error",
            ok(error, status=500, **zipped),
            Fails(kind=ServerError, status=500, code="INTERNAL_ERROR", words=("It broke",)),
            settings=ONCE,
        ),
        group.stream("gzip_stream", ok(streamed_pack, EVENT_STREAM, **zipped), ANSWERED),
        group.stream(
            "gzip_stream_in_pieces",
            (opened(**zipped) + b"".join(chunk(bytes([one])) for one in streamed_pack) + LAST_CHUNK,),
            ANSWERED,
        ),
        group.stream("gzip_stream_cut", ok(_pack(begun), EVENT_STREAM, **zipped), incomplete("".join(TEXTS[:2]))),
        group.stream(
            "gzip_stream_broken",
            streamed(_pack(begun), Wait(0.05), b"\xff" * 40, **zipped),
            incomplete("".join(TEXTS[:2]), words=("compression is broken",)),
        ),
        group.whole(
            "gzip_bomb",
            ok(gzip.compress(b" " * 4_000_000), **zipped),
            _said("larger than"),
            bounds={"dbx_gateway.transport.sending._MAX_BODY": 65_536},
        ),
        group.stream(
            "gzip_bomb_in_a_stream",
            ok(gzip.compress(b"data: " + b"x" * 4_000_000), EVENT_STREAM, **zipped),
            _said("more than"),
            bounds={"dbx_gateway.call.reading.MAX_EVENT_BYTES": 65_536},
        ),
        group.stream(
            "gzip_bomb_of_json",
            ok(gzip.compress(b'{"x": "' + b"x" * 4_000_000), **zipped),
            _said("more than"),
            bounds={"dbx_gateway.call.reading.MAX_EVENT_BYTES": 65_536},
        ),
    ]


def _pack(data: bytes) -> bytes:
    """Return the beginning of a gzip stream that holds ``data`` and goes on."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
