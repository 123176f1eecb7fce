"""Connections that are refused, cut, reset, garbled or silent."""

from __future__ import annotations

from types import EllipsisType

from faults.case import (
    ANSWERED,
    JSON,
    LAST_CHUNK,
    Answer,
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
from faults.server import Endless, Hold, Reset, Trickle, Wait
from faults.wires import ARGUMENTS, CALL, SAID, TEXTS, USED, Wire, dumped, event_bytes, sse

from dbx_gateway.errors import APIConnectionError, APITimeoutError, InvalidResponseError, ServerError

GROUP = "connection"
ONCE = {"max_retries": 0}
SILENCE = {"timeout": 0.19}


def cases(wire: Wire) -> list[Case]:
    """Return the cases of this group."""
    group = Group(GROUP, wire)
    return [
        *_before_headers(group),
        *_in_headers(group),
        *_in_the_body(group),
        *_in_a_stream(group),
        *_silences(group),
        *_unharmed(group),
    ]


def _broke(*words: str, code: str = "protocol", status: int | None = None, **more) -> Fails:
    request_id = None if status is None else "req-7"
    return Fails(kind=APIConnectionError, status=status, code=code, words=words, request_id=request_id, **more)


def _silent(status: int | None = None, partial: str | EllipsisType = "", code: str = "read") -> Fails:
    request_id = None if status is None else "req-7"
    return Fails(kind=APITimeoutError, status=status, code=code, request_id=request_id, partial=partial)


def _good(group: Group) -> tuple[bytes, ...]:
    """Return a script that is sound in the mode that it is asked in: an event stream is read whole as well."""
    return streamed(sse(group.wire.stream()))


def _before_headers(group: Group) -> list[Case]:
    good = _good(group)
    gone = _broke("the connection broke")
    return [
        group.both(
            "refused", b"", _broke("could not connect", code="connect"), place="refused", settings=ONCE, sends=0
        ),
        group.both("closed_before_headers", (), gone, settings=ONCE),
        group.both("closed_before_headers_each_time", (), gone, sends=3, pauses=((0.37, 0.5), (0.75, 1.0))),
        group.both("closed_before_headers_once", (), ANSWERED, scripts=((), good), sends=2, pauses=((0.37, 0.5),)),
        group.both("reset_before_headers", (Reset(),), gone, settings=ONCE),
        group.both(
            "reset_before_headers_once", (), ANSWERED, scripts=((Reset(),), good), sends=2, pauses=((0.37, 0.5),)
        ),
        group.both("not_http", b"SSH-2.0-OpenSSH_9.6\r\n", gone, settings=ONCE),
        group.both("http_0_9", b"<html>hello</html>\r\n\r\n", gone, settings=ONCE),
        group.both("empty_lines_only", b"\r\n\r\n\r\n", gone, settings=ONCE),
        group.both("early_hints_first", (b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", *good), ANSWERED),
        group.both("continue_first", (b"HTTP/1.1 100 Continue\r\n\r\n", *good), ANSWERED),
    ]


def _in_headers(group: Group) -> list[Case]:
    gone = _broke("the connection broke")
    return [
        group.both("cut_in_status_line", b"HTTP/1.1 20", gone, settings=ONCE),
        group.both("cut_in_headers", b"HTTP/1.1 200 OK\r\ncontent-ty", gone, settings=ONCE),
        group.both("reset_in_headers", (b"HTTP/1.1 200 OK\r\ncontent-ty", Wait(0.02), Reset()), gone, settings=ONCE),
        group.both("status_no_number", b"HTTP/1.1 abc OK\r\n\r\n", gone, settings=ONCE),
        group.both("header_without_colon", b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", gone, settings=ONCE),
        group.both("headers_without_end", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000, gone, settings=ONCE),
        group.both("length_no_number", head() + b"content-length: seven\r\n\r\n", gone, settings=ONCE),
        group.both("length_negative", head() + b"content-length: -1\r\n\r\n", gone, settings=ONCE),
        group.both("two_lengths", head() + b"content-length: 3\r\ncontent-length: 5\r\n\r\n", gone, settings=ONCE),
        group.both("unknown_transfer_coding", head() + b"transfer-encoding: rot13\r\n\r\n", gone, settings=ONCE),
    ]


def _in_the_body(group: Group) -> list[Case]:
    body = dumped(group.wire.whole())
    good = ok(body)
    framed = head() + b"transfer-encoding: chunked\r\n\r\n"
    gone = _broke("the connection broke", status=200)
    return [
        group.whole("closed_after_headers", head() + b"content-length: 100\r\n\r\n", gone, settings=ONCE),
        group.whole("cut_in_a_body_with_length", good[:-20], gone, settings=ONCE),
        group.whole("cut_in_a_body_and_not_asked_again", b"", gone, scripts=((good[:-20],), (good,))),
        group.whole("reset_in_a_body", (good[:-20], Wait(0.02), Reset()), gone, settings=ONCE),
        group.whole("cut_in_a_chunk", framed + chunk(body)[:-20], gone, settings=ONCE),
        group.whole("cut_before_the_last_chunk", framed + chunk(body), gone, settings=ONCE),
        group.whole("cut_in_a_chunk_size", framed + b"1f", gone, settings=ONCE),
        group.whole("chunk_size_no_number", framed + b"zz\r\n" + body, gone, settings=ONCE),
        group.whole("chunk_longer_than_its_size", framed + b"5\r\n" + body + b"\r\n", gone, settings=ONCE),
        group.whole("ended_by_close", head() + b"\r\n" + body, ANSWERED),
        group.whole(
            "body_too_large",
            ok(dumped(group.wire.whole("x" * 70_000))),
            Fails(kind=InvalidResponseError, status=200, words=("larger than",)),
            bounds={"dbx_gateway.transport.sending._MAX_BODY": 65_536},
        ),
        group.both(
            "error_body_without_end",
            (head(500) + b"transfer-encoding: chunked\r\n\r\n", Endless(chunk(b"x" * 8192), 0.0)),
            Fails(kind=ServerError, status=500, words=("xxxxxxxx",)),
            bounds={"dbx_gateway.transport.sending._MAX_ERROR_BODY": 65_536},
            settings=ONCE,
        ),
    ]


def _in_a_stream(group: Group) -> list[Case]:
    wire = group.wire
    first = [*wire.head(), *wire.texts(TEXTS[:2])]
    begun = chunk(sse(first))
    said = "".join(TEXTS[:2])
    cut_call, rest = wire.call_frames(ARGUMENTS[:2]) if wire.api != "generate-content" else wire.call_frames()
    call = (CALL[0], CALL[1], "".join(ARGUMENTS[:2]) if wire.api != "generate-content" else CALL[2])
    called = incomplete("", calls=(call,))
    complete = [*wire.head(), *wire.texts(), *wire.tail()]
    return [
        group.stream("closed_after_stream_headers", opened(), _broke("broke", status=200), settings=ONCE),
        group.stream(
            "closed_after_stream_headers_and_not_asked_again",
            b"",
            _broke("broke", status=200),
            scripts=((opened(),), _good(group)),
        ),
        group.stream(
            "reset_after_stream_headers", (opened(), Wait(0.02), Reset()), _broke("broke", status=200), settings=ONCE
        ),
        group.stream("stream_with_nothing_in_it", streamed(), incomplete()),
        group.stream("closed_in_mid_stream", opened() + begun, incomplete(said, "protocol")),
        group.stream("reset_in_mid_stream", (opened() + begun, Wait(0.05), Reset()), incomplete(said, "protocol")),
        group.stream("cut_in_a_stream_chunk", opened() + begun + b"40\r\ndata: {", incomplete(said, "protocol")),
        group.stream("cut_in_a_stream_chunk_size", opened() + begun + b"1f", incomplete(said, "protocol")),
        group.stream("stream_chunk_size_no_number", opened() + begun + b"xyz\r\n", incomplete(said, "protocol")),
        group.stream("clean_end_without_the_terminal_event", opened() + begun + LAST_CHUNK, incomplete(said)),
        group.stream("clean_end_by_close", head(200, "text/event-stream") + b"\r\n" + sse(first), incomplete(said)),
        group.stream("clean_end_before_the_first_text", streamed(sse(wire.head())), incomplete()),
        group.stream(
            "clean_end_in_an_event",
            opened() + begun + chunk(event_bytes(wire.text("lost"))[:-9]) + LAST_CHUNK,
            incomplete(said),
        ),
        group.stream("clean_end_after_the_last_text", streamed(sse(complete[: -wire.proofs])), incomplete(SAID)),
        group.stream("clean_end_in_a_call", streamed(sse(cut_call)), called),
        group.stream("closed_in_a_call", (opened() + chunk(sse(cut_call)),), incomplete("", "protocol", calls=(call,))),
        group.stream("call_whole_but_the_turn_is_not", streamed(sse([*cut_call, *rest[: -wire.proofs]])), called),
        group.stream("ended_by_close_and_complete", head(200, "text/event-stream") + b"\r\n" + sse(complete), ANSWERED),
        group.stream("closed_without_the_last_chunk_but_complete", opened() + chunk(sse(complete)), ANSWERED),
        group.stream("reset_after_the_end", (opened() + chunk(sse(complete)), Wait(0.05), Reset()), ANSWERED),
        group.whole("stream_cut_where_a_whole_was_asked", streamed(sse(first)), incomplete(said)),
    ]


def _silences(group: Group) -> list[Case]:
    wire = group.wire
    begun = chunk(sse([*wire.head(), *wire.texts(TEXTS[:2])]))
    said = "".join(TEXTS[:2])
    pings = Endless(chunk(b": keep-alive\n\n"), 0.02)
    idle = {"stream_idle_timeout": 0.15}
    length = head() + b"content-length: 100\r\n\r\n"
    return [
        group.both("silent_before_headers", (Hold(),), _silent(), settings=SILENCE),
        group.both("silent_in_headers", (b"HTTP/1.1 200 OK\r\nx: ", Hold()), _silent(), settings=SILENCE),
        group.whole("silent_after_headers", (length, Hold()), _silent(200), settings=SILENCE),
        group.whole("silent_in_the_body", (length + b"{", Hold()), _silent(200), settings=SILENCE),
        group.stream("silent_after_stream_headers", (opened(), Hold()), _silent(200), settings=SILENCE),
        group.stream("silent_in_mid_stream", (opened() + begun, Hold()), _silent(200, said), settings=SILENCE),
        group.stream("pings_for_ever_from_the_start", (opened(), pings), _silent(200, code="idle"), settings=idle),
        group.stream(
            "pings_for_ever_in_mid_stream", (opened() + begun, pings), _silent(200, said, "idle"), settings=idle
        ),
        group.stream(
            "blank_lines_for_ever",
            (opened() + begun, Endless(chunk(b"\n"), 0.02)),
            _silent(200, said, "idle"),
            settings=idle,
        ),
        group.stream(
            "ping_events_for_ever",
            (opened() + begun, Endless(chunk(b'event: ping\ndata: {"type": "ping"}\n\n'), 0.02)),
            _silent(200, said, "idle"),
            settings=idle,
        ),
        group.stream(
            "an_event_that_never_ends",
            (opened() + begun + chunk(b'data: {"x": "'), Endless(chunk(b"x"), 0.02)),
            _silent(200, said, "idle"),
            settings=idle,
        ),
        group.stream(
            "words_for_ever",
            (opened() + chunk(sse(wire.head()) or b":\n\n"), Endless(chunk(event_bytes(wire.text("x"))), 0.02)),
            _silent(200, ..., "total"),
            settings={"total_timeout": 0.2},
        ),
        group.stream(
            "pings_against_the_total",
            (opened() + begun, pings),
            _silent(200, said, "total"),
            settings={"total_timeout": 0.2},
        ),
        group.both("silence_against_the_total", (Hold(),), _silent(code="total"), settings={"total_timeout": 0.1}),
        group.whole(
            "a_body_that_drips",
            (head() + b"content-length: 100000\r\n\r\n", Endless(b" ", 0.02)),
            _silent(200, code="total"),
            settings={"total_timeout": 0.2},
        ),
        group.both(
            "retries_against_the_total",
            ok(b"{}", status=503, retry_after="100"),
            Fails(kind=ServerError, status=503, retry_after=100),
            settings={"total_timeout": 60},
        ),
        group.stream(
            "head_then_silence_then_the_rest",
            (
                opened() + chunk(sse(wire.head()) or b":\n\n"),
                Wait(0.1),
                chunk(sse(wire.texts() + wire.tail())),
                LAST_CHUNK,
            ),
            ANSWERED,
            settings={"stream_idle_timeout": 1.0},
        ),
        group.stream(
            "a_ping_and_then_silence",
            (opened() + chunk(sse(wire.head()) + b": keep-alive\n\n") + chunk(b":\n"), Hold()),
            _silent(200, code="idle"),
            settings=SILENCE,
        ),
    ]


def _unharmed(group: Group) -> list[Case]:
    wire = group.wire
    body, events = dumped(wire.whole()), sse(wire.stream())
    plain = head(200, "text/event-stream") + b"\r\n"
    extended = b"%x;name=value\r\n%s\r\n" % (len(events), events)
    trailers = b"0\r\nx-trailer: 1\r\n\r\n"
    each = [chunk(bytes([value])) for value in events]
    return [
        group.stream("one_byte_at_a_time", (Trickle(plain + events),), ANSWERED),
        group.whole("whole_one_byte_at_a_time", (Trickle(ok(body)),), ANSWERED),
        group.stream("one_byte_in_each_chunk", (opened() + b"".join(each) + LAST_CHUNK,), ANSWERED),
        group.stream("chunk_extensions", opened() + extended + LAST_CHUNK, ANSWERED),
        group.stream("trailers", opened() + chunk(events) + trailers, ANSWERED),
        group.stream(
            "bytes_after_the_end", opened() + chunk(events) + LAST_CHUNK + b"HTTP/1.1 500 X\r\n\r\n", ANSWERED
        ),
        group.stream("all_in_one_packet", opened() + chunk(events) + LAST_CHUNK, ANSWERED),
        group.whole("chunked_whole", streamed(body[:50], body[50:], content_type=JSON), ANSWERED),
        group.stream("stream_with_a_length", ok(events, "text/event-stream"), ANSWERED),
        group.both(
            "status_without_a_reason",
            (b"HTTP/1.1 200\r\n" + _good(group)[0].split(b"\r\n", 1)[1], *_good(group)[1:]),
            ANSWERED,
        ),
        group.both(
            "http_1_0",
            (b"HTTP/1.0 200 OK\r\nx-request-id: req-7\r\ncontent-type: text/event-stream\r\n\r\n" + events,),
            ANSWERED,
        ),
        group.stream(
            "pauses_between_events",
            streamed(*_paused([event_bytes(frame) for frame in wire.stream()])),
            ANSWERED,
            settings={"timeout": 2.0},
        ),
        group.stream(
            "usage_after_a_pause",
            streamed(sse(wire.stream()[:-1]), Wait(0.05), sse(wire.stream()[-1:])),
            Answer(usage=USED),
        ),
    ]


def _paused(pieces: list[bytes]) -> list[bytes | Wait]:
    return [step for piece in pieces for step in (piece, Wait(0.01))]
