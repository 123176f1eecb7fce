"""Server-sent events in every form that the standard allows, and in some that it does not.

Source: WHATWG HTML, "Server-sent events", and the parsing tests of web-platform-tests under ``eventsource/``.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from faults.case import ANSWERED, EVENT_STREAM, INVALID, SAID, Answer, Case, Group, incomplete, ok, streamed
from faults.server import Trickle
from faults.wires import DONE, TEXTS, Frame, Wire, event_bytes, sse

GROUP = "framing"
LARGE = 8 * 1024 * 1024


def cases(wire: Wire) -> list[Case]:
    """Return the cases of this group."""
    group = Group(GROUP, wire)
    return [
        *_lines(group),
        *_fields(group),
        *_blocks(group),
        *_ends(group),
        *_text(group),
        *_data(group),
        *_types(group),
    ]


def _rewritten(group: Group, name: str, change: Callable[[bytes], bytes]) -> Case:
    """Return a case whose bytes are changed as a whole, and whose answer stays the same."""
    return group.stream(name, streamed(change(sse(group.wire.stream()))), ANSWERED)


def _each(group: Group, name: str, change: Callable[[bytes], bytes]) -> Case:
    """Return a case each of whose events is changed, and whose answer stays the same."""
    return group.stream(name, streamed(b"".join(change(event_bytes(frame)) for frame in group.wire.stream())), ANSWERED)


def _lines(group: Group) -> list[Case]:
    events = sse(group.wire.stream())
    return [
        _rewritten(group, "lines_end_with_cr", lambda data: data.replace(b"\n", b"\r")),
        _rewritten(group, "lines_end_with_crlf", lambda data: data.replace(b"\n", b"\r\n")),
        _each(group, "lines_end_in_three_ways", lambda event: event.replace(b"\n", b"\r\n", 1)[:-1] + b"\r"),
        group.stream(
            "crlf_cut_between_its_two", streamed(*_cut_after(events.replace(b"\n", b"\r\n"), b"\r")), ANSWERED
        ),
        group.stream("cut_inside_letters", streamed(*_cut_after(events, b"\xc3")), ANSWERED),
        group.stream("cut_after_each_colon", streamed(*_cut_after(events, b":")), ANSWERED),
        group.stream(
            "dripped_with_cr", (*streamed()[:1], *streamed(*_bytes(events.replace(b"\n", b"\r")))[1:]), ANSWERED
        ),
        _rewritten(group, "byte_order_mark", lambda data: b"\xef\xbb\xbf" + data),
        group.stream("byte_order_mark_cut", streamed(b"\xef", b"\xbb", b"\xbf" + events), ANSWERED),
        _rewritten(group, "byte_order_mark_twice", lambda data: b"\xef\xbb\xbf\xef\xbb\xbf: x\n\n" + data),
        _rewritten(group, "blank_lines_first", lambda data: b"\n\n\r\n\r" + data),
        _each(group, "many_blank_lines_between", lambda event: event + b"\n" * 5),
    ]


def _cut_after(data: bytes, mark: bytes) -> list[bytes]:
    first, *rest = data.split(mark)
    pieces = [first + mark, *(piece + mark for piece in rest[:-1]), rest[-1]]
    return [piece for piece in pieces if piece]


def _bytes(data: bytes) -> list[bytes]:
    return [bytes([value]) for value in data]


def _fields(group: Group) -> list[Case]:
    return [
        _each(group, "no_space_after_the_colon", lambda event: event.replace(b"data: ", b"data:")),
        _each(group, "two_spaces_after_the_colon", lambda event: event.replace(b"data: ", b"data:  ")),
        _each(group, "tab_after_the_colon", lambda event: event.replace(b"data: ", b"data:\t")),
        _each(group, "comment_before_each_event", lambda event: b": keep-alive\n" + event),
        _each(group, "empty_comment_inside_each_event", lambda event: event[:-1] + b":\n\n"),
        _each(group, "comment_that_looks_like_data", lambda event: b':data: {"error": "no"}\n' + event),
        _each(group, "comment_block", lambda event: b": ping - 2026-11-20 10:00:00\n\n" + event),
        _each(group, "id_on_each_event", lambda event: b"id: 7\n" + event),
        _each(group, "id_with_nul", lambda event: b"id: 7\x008\n" + event),
        _each(group, "id_without_colon", lambda event: b"id\n" + event),
        _each(group, "retry_on_each_event", lambda event: b"retry: 1000\n" + event),
        _each(group, "retry_bogus", lambda event: b"retry: soon\n" + event),
        _each(group, "unknown_field", lambda event: b"topic: words\n" + event),
        _each(group, "unknown_field_without_colon", lambda event: b"words\n" + event),
        _each(group, "field_with_space_before_its_name", lambda event: b" data: not this\n" + event),
        _each(group, "field_in_capitals_is_another", lambda event: b'DATA: {"error": "no"}\n' + event),
        _each(group, "data_before_the_event_name", _name_last),
        _each(group, "empty_event_name", lambda event: event if b"event:" in event else b"event:\n" + event),
        _each(group, "event_name_message", lambda event: event if b"event:" in event else b"event: message\n" + event),
        group.stream("no_event_names", streamed(sse(Frame(frame.value) for frame in group.wire.stream())), ANSWERED),
    ]


def _name_last(event: bytes) -> bytes:
    *lines, _, _ = event.split(b"\n")
    return b"\n".join(reversed(lines)) + b"\n\n"


def _blocks(group: Group) -> list[Case]:
    return [
        _each(group, "block_with_only_an_id", lambda event: b"id: 1\n\n" + event),
        _each(group, "block_with_only_retry", lambda event: b"retry: 3000\n\n" + event),
        _each(group, "block_with_only_a_name", lambda event: b"event: heartbeat\n\n" + event),
        _each(group, "block_with_empty_data", lambda event: b"data:\n\n" + event),
        _each(group, "block_with_data_without_colon", lambda event: b"data\n\n" + event),
        _each(group, "block_with_blank_data", lambda event: b"data:   \n\n" + event),
        _each(group, "heartbeat_with_empty_data", lambda event: b"event: heartbeat\ndata:\n\n" + event),
        _each(group, "ping_event", lambda event: b'event: ping\ndata: {"type": "ping"}\n\n' + event),
        _each(group, "unknown_event", lambda event: b'event: x\ndata: {"type": "x.y", "sequence": 1}\n\n' + event),
        _each(group, "empty_object", lambda event: b"data: {}\n\n" + event),
    ]


def _ends(group: Group) -> list[Case]:
    wire = group.wire
    events = sse(wire.stream())
    begun = sse([*wire.head(), *wire.texts(TEXTS[:2])])
    last = event_bytes(wire.texts()[2])
    said = "".join(TEXTS[:2])
    return [
        group.stream("last_event_without_its_blank_line", streamed(events[:-1]), ANSWERED),
        group.stream("last_line_without_its_end", streamed(events[:-2]), ANSWERED),
        group.stream("comment_after_the_end", streamed(events + b": bye\n\n"), ANSWERED),
        group.stream("blank_lines_after_the_end", streamed(events + b"\n\n\n"), ANSWERED),
        group.stream("cut_in_the_json_of_an_event", streamed(begun + last[:-6]), incomplete(said)),
        group.stream("cut_in_a_letter", streamed(begun + last[: last.index(b"\xe6") + 1]), incomplete(said)),
        group.stream("cut_in_a_field_name", streamed(begun + b"dat"), incomplete(said)),
        group.stream("cut_after_a_field_name", streamed(begun + b"data:"), incomplete(said)),
        group.stream("done_after_the_end", streamed(events + b"data: [DONE]\n\n"), ANSWERED),
        group.stream("done_twice", streamed(events + b"data: [DONE]\n\ndata: [DONE]\n\n"), ANSWERED),
        group.stream("done_with_spaces", streamed(sse(wire.stream()[:-1]) + _last(wire)), ANSWERED),
        group.stream(
            "done_too_early",
            streamed(begun + event_bytes(DONE)),
            Answer(text=said, reason="unknown", usage=None) if wire.api == "chat-completions" else incomplete(said),
        ),
        group.stream("done_and_nothing_else", streamed(event_bytes(DONE)), incomplete()),
    ]


def _last(wire: Wire) -> bytes:
    last = wire.stream()[-1]
    return b"data:   [DONE]  \n\n" if last == DONE else event_bytes(last) + b"data:   [DONE]  \n\n"


def _text(group: Group) -> list[Case]:
    said = {
        "text_with_line_separators": ("a\u2028b", "\u2029c", "\u0085d\x0be\x0cf"),
        "text_with_line_ends": ("a\nb", "\r\nc", "\n\nd"),
        "text_that_looks_like_an_event": ("data: [DONE]\n\n", "event: error\n", "\n:x"),
        "text_with_emoji": ("👩‍👩‍👧", "🇨🇭", "é\u0301"),
        "text_with_replacement_characters": ("\ufffd", "a\ufffd", "\ufffdb"),
        "text_with_nul_and_controls": ("a\x00b", "\x1bc", "\x7f"),
        "text_of_blanks": (" ", "\t", "  "),
        "text_with_quotes_and_escapes": ('"', "\\", "\\u0041\\n"),
        "text_of_json": ('{"error": {"message": "no"}}', "[]", "null"),
        "text_right_to_left": ("שלום", " ", "مرحبا"),
    }
    cases = [
        group.frames(name, group.wire.stream(fragments), Answer(text="".join(fragments)))
        for name, fragments in said.items()
    ]
    escaped = [json.dumps(frame.value).encode() if frame != DONE else frame.data for frame in group.wire.stream()]
    frames = [Frame(data, frame.event) for data, frame in zip(escaped, group.wire.stream(), strict=True)]
    return [*cases, group.frames("text_in_ascii_escapes", frames)]


def _data(group: Group) -> list[Case]:
    wire = group.wire
    head, texts, tail = wire.head(), wire.texts(), wire.tail()
    said = "".join(TEXTS[:2])
    large = ("x" * LARGE, "y")
    wrong = event_bytes(texts[1]).replace("ü".encode(), b"\xfc")
    replaced = TEXTS[0] + TEXTS[1].replace("ü", "\ufffd")
    return [
        _pretty(group),
        group.stream("event_of_8_mb", streamed(sse(wire.stream(large))), Answer(text="".join(large))),
        group.stream(
            "event_of_8_mb_in_small_chunks", ok(sse(wire.stream(large)), EVENT_STREAM), Answer(text="".join(large))
        ),
        group.stream(
            "event_too_large",
            streamed(sse([*head, *texts[:2]]), b"data: " + b"x" * 100_000),
            _too_large(said),
            bounds={"dbx_gateway.call.reading.MAX_EVENT_BYTES": 65_536},
        ),
        group.stream(
            "bytes_that_are_no_utf_8",
            streamed(sse([*head, texts[0]]) + wrong),
            incomplete(replaced),
        ),
        group.frames(
            "bad_json_in_one_event", [*head, *texts[:2], Frame(b'{"broken": '), texts[2], *tail], _no_json(said)
        ),
        group.frames("text_in_one_event", [*head, *texts[:2], Frame(b"hello"), texts[2], *tail], _no_json(said)),
        group.frames("json_with_a_comma_too_many", [*head, *texts[:2], Frame(b'{"a": 1,}'), *tail], _no_json(said)),
        group.frames("json_number_as_event", [*head, *texts[:2], Frame(b"42"), *tail], _no_object(said, "int")),
        group.frames("json_null_as_event", [*head, *texts[:2], Frame(b"null"), *tail], _no_object(said, "NoneType")),
        group.frames("json_list_as_event", [*head, *texts[:2], Frame(b"[1, 2]"), *tail], _no_object(said, "list")),
        group.frames(
            "json_string_as_event", [*head, *texts[:2], Frame(b'"overloaded"'), *tail], _no_object(said, "overloaded")
        ),
        group.frames(
            "json_in_a_list_of_one",
            [Frame([frame.value], frame.event) if frame != DONE else frame for frame in wire.stream()],
        ),
        group.frames("json_too_deep", [*head, *texts[:2], Frame(b"[" * 100_000), *tail], _no_json(said)),
        group.frames("json_with_nan", [*head, *texts[:2], Frame(b'{"x": NaN}'), texts[2], *tail]),
        group.frames(
            "json_with_a_huge_number", [*head, *texts[:2], Frame(b'{"x": ' + b"9" * 400 + b"}"), texts[2], *tail]
        ),
        group.frames("json_with_a_key_twice", [*head, *texts[:2], Frame(b'{"x": 1, "x": 2}'), texts[2], *tail]),
        group.stream(
            "dripped_after_the_head",
            (streamed()[0], Trickle(b"%x\r\n" % len(sse(wire.stream()))), sse(wire.stream()), b"\r\n0\r\n\r\n"),
            ANSWERED,
        ),
    ]


def _pretty(group: Group) -> Case:
    def spread(frame: Frame) -> bytes:
        if frame == DONE:
            return event_bytes(frame)
        lines = json.dumps(frame.value, indent=1).encode().split(b"\n")
        name = b"event: %s\n" % frame.event.encode() if frame.event else b""
        return name + b"".join(b"data: %s\n" % line for line in lines) + b"\n"

    return group.stream(
        "data_over_many_lines", streamed(b"".join(spread(frame) for frame in group.wire.stream())), ANSWERED
    )


def _too_large(said: str):
    return _invalid(said, "an event of more than")


def _no_json(said: str):
    return _invalid(said, "no JSON")


def _no_object(said: str, word: str):
    return _invalid(said, word)


def _invalid(said: str, *words: str):
    return type(INVALID)(kind=INVALID.kind, status=200, words=words, partial=said)


def _types(group: Group) -> list[Case]:
    events = sse(group.wire.stream())
    types = {
        "type_with_charset": "text/event-stream; charset=utf-8",
        "type_in_capitals": "Text/Event-Stream",
        "type_with_charset_and_blank": "text/event-stream ;charset=UTF-8",
        "type_plain_text": "text/plain",
        "type_binary": "application/octet-stream",
        "type_json_on_a_stream": "application/json",
        "type_html_on_a_stream": "text/html",
        "type_ndjson_on_a_stream": "application/x-ndjson",
        "type_missing": None,
        "type_empty": "",
    }
    cases = [group.both(name, streamed(events, content_type=kind), ANSWERED) for name, kind in types.items()]
    body = json.dumps(group.wire.whole()).encode()
    more = {"json_where_a_stream_was_asked": "application/json", "json_typed_as_a_stream": EVENT_STREAM}
    return cases + [group.both(name, ok(body, kind), Answer(text=SAID)) for name, kind in more.items()]
