import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.promises import promise

from dbx_gateway.call.sse import ServerSentEvent, SSEReader


def read(*chunks: bytes, limit: int = 1_000_000) -> list[tuple[str, bytes]]:
    """The events of a stream that came in these pieces."""
    reader = SSEReader(limit)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return [(event, data) for event, data in events + reader.close()]


def closed(stream: bytes) -> list[bytes]:
    """The data of the events that a blank line closed."""
    return [event.data for event in SSEReader().feed(stream)]


# --- the examples of the standard --------------------------------------------------------------------------------


def test_two_lines_of_data_are_one_event_joined_by_a_line_feed():
    assert closed(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [b"YHOO\n+2\n10"]


def test_a_comment_then_an_event_then_one_with_an_empty_id_then_a_third_with_a_leading_space():
    stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert closed(stream) == [b"first event", b"second event", b" third event"]


def test_data_without_a_colon_is_empty_data_and_blank_data_is_no_event_here():
    assert closed(b"data\n\ndata\ndata\n\ndata:") == []


def test_the_space_after_the_colon_is_optional_and_only_one_is_taken():
    assert closed(b"data:test\n\ndata: test\n\ndata:  test\n\n") == [b"test", b"test", b" test"]


# --- the parsing cases of web-platform-tests/eventsource ---------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b"\xef\xbb\xbfdata:1\n\n\xef\xbb\xbfdata:2\n\ndata:3\n\n", [b"1", b"3"]),  # format-bom
        (b"\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\ndata:3\n\n", [b"2", b"3"]),  # format-bom-2
        (
            b"data:1\r:\0\n:\r\ndata:2\n:" + b"x" * 2050 + b"\rdata:3\n:data:fail\r:" + b"x" * 2050 + b"\ndata:4\n\n",
            [b"1\n2\n3\n4"],
        ),  # format-comments
        (b"data:test1\ndata:test2\n\n", [b"test1\ntest2"]),  # format-data-before-final-empty-line, closed
        (b"data:\n\ndata\ndata\n\ndata:test\n\n", [b"test"]),  # format-field-data, without its blank events
        (b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\n\n", [b"test\n"]),  # format-field-parsing
        (b"data:\0\n data:2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
         [b"\0\n1\n3\n\n4"]),  # format-field-parsing, second form
        (b"data:\0\n\n\n\n", [b"\0"]),  # format-null-character
        (b"retry:3000\nretry:1000x\ndata:x\n\n", [b"x"]),  # format-field-retry-bogus
        (b"id:a\0b\ndata:x\n\n", [b"x"]),  # format-field-id-null
        (b"data: caf\xc3\xa9\n\n", ["café".encode()]),  # format-utf-8
        (b"data:test\r\ndata: test\r\n\r\n", [b"test\ntest"]),  # format-newlines
        (b"data:test\n\ndata\n\ndata:test", [b"test"]),  # format-field-data, its last block unclosed
    ],
)  # fmt: skip
def test_the_platform_tests_hold(stream, data):
    assert closed(stream) == data


def test_an_empty_event_name_is_no_event_name():
    assert read(b"event: \ndata: a\n\nevent\ndata: b\n\n") == [("", b"a"), ("", b"b")]


def test_an_event_name_holds_for_one_event_and_the_last_of_several_counts():
    assert read(b"event: ping\nevent: pong\ndata: a\n\ndata: b\n\n") == [("pong", b"a"), ("", b"b")]


def test_the_name_of_an_event_without_data_does_not_pass_to_the_next():
    assert read(b"event: heartbeat\n\ndata: a\n\n") == [("", b"a")]


# --- what crashes today's clients (docs/wire/peers.md#events-that-crash) --------------------------------------------


@pytest.mark.parametrize(
    "nothing", [b"retry: 10\n\n", b"id: 7\n\n", b"event: heartbeat\n\n", b"data:\n\n", b"data: \n\n", b": ping\n\n", b"\n\n"]
)  # fmt: skip
def test_blocks_that_carry_no_data_are_no_events(nothing):
    assert read(nothing + b"data: 1\n\n" + nothing) == [("", b"1")]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_only_cr_lf_and_crlf_end_a_line(separator):
    data = f'{{"text":"a{separator}b"}}'.encode()
    assert read(b"data: " + data + b"\n\n") == [("", data)]


def test_bytes_that_are_no_utf_8_pass_through_in_data_and_are_replaced_in_a_name():
    assert read(b"event: \xff\ndata: \xff\n\n") == [("\ufffd", b"\xff")]


def test_a_field_of_a_large_case_is_another_field():
    assert read(b"DATA: a\nData: b\n\n") == []


# --- the end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n", b"\n\n"])
def test_the_last_event_is_returned_whether_or_not_a_blank_line_closed_it(end):
    assert read(b"data: 1\n\ndata: 2" + end) == [("", b"1"), ("", b"2")]


def test_closing_twice_returns_nothing_the_second_time():
    reader = SSEReader()
    reader.feed(b"data: 1")
    assert reader.close() == [ServerSentEvent("", b"1")]
    assert reader.close() == []


# --- stray text --------------------------------------------------------------------------------------------------


def test_bare_json_in_a_stream_is_kept_as_stray_text():
    reader = SSEReader()
    reader.feed(b'data: 1\n\n{\n  "error": {\n    "code": 503\n  }\n}\n')
    assert bytes(reader.stray) == b'{\n  "error": {\n    "code": 503\n  }\n}\n'


def test_stray_text_is_bounded():
    reader = SSEReader()
    for _ in range(100):
        reader.feed(b"x" * 1000 + b"\n")
    assert 60_000 < len(reader.stray) <= 65_536


# --- size and cost -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_an_event_larger_than_the_limit_ends_the_reading_and_keeps_what_came_before(piece):
    stream = b"data: 1\n\ndata: " + b"x" * 200 + b"\n\ndata: 3\n\n"
    reader = SSEReader(limit=100)
    events = [event for at in range(0, len(stream), piece) for event in reader.feed(stream[at : at + piece])]
    assert reader.overflowed
    assert [event.data for event in events + reader.close()] == [b"1"]


def test_the_limit_counts_all_lines_of_one_event_and_starts_anew_with_the_next():
    line = b"data: " + b"x" * 30 + b"\n"
    several, one = SSEReader(limit=100), SSEReader(limit=100)
    assert len(several.feed((line + line + b"\n") * 50)) == 50
    one.feed(line * 4)
    assert (several.overflowed, one.overflowed) == (False, True)


@promise("bounded-size")
def test_a_line_that_never_ends_is_bounded_too():
    reader = SSEReader(limit=100)
    for _ in range(50):
        reader.feed(b": keep alive ")
    assert reader.overflowed
    assert reader._line == []


def test_an_event_of_eight_megabytes_in_small_pieces_is_copied_once():
    class Piece(bytes):
        """A piece that must not be added to another by ``+``, which would copy all that came before it."""

        def __add__(self, other):
            raise AssertionError

        __radd__ = __add__

    reader = SSEReader(limit=10_000_000)
    piece = Piece(b"x" * 64)
    reader.feed(b"data: ")
    for _ in range(131_072):
        reader.feed(piece)
    assert len(reader._line) == 131_073
    (event,) = reader.feed(b"\n\n")
    assert len(event.data) == 8_388_608
    assert reader._line == []


LINES = st.lists(
    st.sampled_from(
        [
            b"data: {}",
            b"data:a",
            b"data",
            b"data:",
            b"event: x",
            b"event",
            b": c",
            b"id: 1",
            b"retry: 5",
            b"{",
            b"\xef\xbb\xbfdata: b",
            "data: \u2028é\0".encode(),
            b"",
            b"",
            b"data: " + b"y" * 60,
        ]
    ),
    max_size=12,
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])


@st.composite
def streams(draw) -> bytes:
    text = b"".join(line + draw(ENDS) for line in draw(LINES))
    return text + draw(st.sampled_from([b"", b"data: tail", b"\r"]))


def test_a_line_feed_that_comes_after_its_carriage_return_ends_no_line_of_its_own():
    reader = SSEReader()
    pieces = [b"data: a\r", b"\n", b"data: b\r", b"\n", b"\n", b"data: c\r", b"", b"\n", b"data: d\r"]
    assert [event.data for piece in pieces for event in reader.feed(piece)] == [b"a\nb"]
    assert [event.data for event in reader.close()] == [b"c\nd"]


@settings(max_examples=200, deadline=None)
@given(streams(), st.data())
def test_cutting_the_bytes_anywhere_changes_nothing(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole, cut = SSEReader(limit=70), SSEReader(limit=70)
    expected = whole.feed(stream) + whole.close()
    found = [event for piece in pieces for event in cut.feed(piece)] + cut.close()
    assert found == expected
    assert (cut.stray, cut.overflowed) == (whole.stray, whole.overflowed)
