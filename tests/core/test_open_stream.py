"""How long a stream that has begun is waited for, by a clock that the test moves."""

from __future__ import annotations

import json

import httpx
import pytest

from dbx_gateway.call import open_stream
from dbx_gateway.call.open_stream import OpenStream
from dbx_gateway.call.reading import AnswerStream, Reading
from dbx_gateway.call.stop_sequences import StopSequences
from dbx_gateway.call.tool_names import ToolNames
from dbx_gateway.chat import ChatRequest, user
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.error_bodies import RequestTarget
from dbx_gateway.errors import APIConnectionError, APITimeoutError, IncompleteStreamError
from dbx_gateway.events import End, TextDelta
from dbx_gateway.transport import deadlines
from dbx_gateway.transport.deadlines import NO_DEADLINE, Deadline
from dbx_gateway.transport.sending import HttpRequest

PING = b": keep-alive\n\n"


def chunk(delta=None, end=None):
    choice = {"index": 0, "delta": {} if delta is None else {"content": delta}, "finish_reason": end}
    return b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() + b"\n\n"


class Clock:
    """Seconds that go by only when the test says so."""

    def __init__(self):
        self.seconds = 1000.0

    def monotonic(self):
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(open_stream, "time", clock)
    monkeypatch.setattr(deadlines, "time", clock)
    return clock


def opened(deadline=NO_DEADLINE, stop=None, **fields):
    """A stream of a model that is asked on chat-completions, and that has said one word."""
    names = ToolNames.of(ChatRequest(model="m", messages=(user("Hi"),)))
    reading = Reading(DIALECTS["chat-completions"], lambda body: body, names, RequestTarget("m", "a route"), stop=stop)
    stream = AnswerStream(reading)
    stream.expect("text/event-stream")
    request = HttpRequest(
        method="POST", url="https://ws.example.com/x", headers={}, deadline=deadline, timeout=httpx.Timeout(600.0)
    )
    made = OpenStream(200, {}, stream, None, request, **fields)
    made.wait_begins()
    made.take(chunk("Hi"))
    return made


def waited(stream, clock, seconds, data):
    """Let ``data`` come after some seconds of waiting, and return the events it causes."""
    stream.wait_begins()
    clock.seconds += seconds
    return stream.take(data)


def test_words_that_are_not_handed_out_break_the_silence_too(clock):
    stream = opened(Deadline(idle=10.0), StopSequences(("END",), closes=False))
    for word in ("EN", "D", " and on", " and on"):
        waited(stream, clock, 8.0, chunk(word))
        waited(stream, clock, 1.0, PING)
        assert stream.late() is None
    waited(stream, clock, 8.0, chunk(end="stop"))
    assert (isinstance(stream.end()[-1], End), stream.failure) == (True, None)


def test_a_connection_whose_stream_was_cut_here_serves_no_other_request(clock):
    stream = opened(stop=StopSequences(("END",)))
    assert isinstance(waited(stream, clock, 1.0, chunk("END"))[-1], End)
    assert (stream.ended, stream.failure, stream.may_reuse) == (True, None, False)


def test_without_limits_a_stream_is_waited_for_as_long_as_it_takes(clock):
    stream = opened()
    assert stream.patience() is None
    assert waited(stream, clock, 1e6, PING) == []
    assert stream.patience() is None
    assert waited(stream, clock, 1e6, chunk(" there")) == [TextDelta(0, " there")]
    assert not stream.ended


def test_silence_is_left_to_the_reads_own_timeout_until_a_keep_alive_breaks_it(clock):
    stream = opened(NO_DEADLINE.streaming(60.0))
    stream.wait_begins()
    assert stream.patience() is None
    waited(stream, clock, 20.0, PING)
    assert stream.patience() == 40.0
    waited(stream, clock, 15.0, PING)
    assert stream.patience() == 25.0
    waited(stream, clock, 5.0, chunk(" there"))
    assert stream.patience() is None


def test_the_silence_of_a_stream_counts_from_its_last_event_whatever_keeps_it_alive(clock):
    stream = opened(NO_DEADLINE.streaming(60.0))
    for _ in range(5):
        assert waited(stream, clock, 11.0, PING) == []
        assert not stream.ended
    assert waited(stream, clock, 11.0, PING) == []
    assert stream.ended
    failure = stream.stream.failure
    assert (type(failure), failure.error_code) == (APITimeoutError, "idle")
    assert failure.partial.text == "Hi"


def test_the_time_that_the_caller_takes_between_two_events_is_no_silence(clock):
    stream = opened(NO_DEADLINE.streaming(60.0))
    clock.seconds += 600.0
    waited(stream, clock, 50.0, PING)
    assert not stream.ended
    assert stream.patience() == 10.0


def test_an_event_in_time_begins_the_silence_anew(clock):
    stream = opened(NO_DEADLINE.streaming(60.0))
    for _ in range(5):
        waited(stream, clock, 30.0, PING)
        waited(stream, clock, 25.0, chunk("."))
    assert not stream.ended
    assert stream.late() is None


def test_the_total_ends_a_stream_that_says_something_all_the_time(clock):
    stream = opened(Deadline.from_now(100.0))
    assert stream.patience() == 100.0
    assert waited(stream, clock, 60.0, chunk(".")) == [TextDelta(0, ".")]
    assert stream.patience() == 40.0
    assert waited(stream, clock, 60.0, chunk("!")) == [TextDelta(0, "!")]
    assert stream.patience() == 0.0
    assert stream.ended
    assert stream.stream.failure.error_code == "total"


def test_of_two_limits_the_nearer_one_is_waited_for(clock):
    stream = opened(Deadline.from_now(100.0).streaming(60.0))
    stream.wait_begins()
    assert stream.patience() == 100.0  # the silence is the read's own timeout's as yet
    waited(stream, clock, 10.0, PING)
    assert stream.patience() == 50.0
    waited(stream, clock, 49.0, chunk("."))
    waited(stream, clock, 1.0, PING)
    assert stream.patience() == 40.0


def test_a_watched_stream_leaves_the_total_to_its_watchdog(clock):
    stream = opened(Deadline.from_now(100.0).streaming(60.0), watched=True)
    assert stream.patience() is None
    waited(stream, clock, 10.0, PING)
    assert stream.patience() == 50.0


def test_after_a_complete_answer_only_the_grace_is_waited_for(clock):
    stream = opened(NO_DEADLINE.streaming(60.0))
    waited(stream, clock, 1.0, chunk(end="stop"))
    assert stream.stream.complete
    stream.grace_ends = clock.seconds + 5.0
    assert stream.patience() == 5.0
    waited(stream, clock, 2.0, PING)
    assert stream.patience() == 3.0
    waited(stream, clock, 300.0, PING)  # what comes after the end is no silence
    assert stream.late() is None
    (end,) = [event for event in stream.end() if isinstance(event, End)]
    assert end.finish.reason == "stop"
    assert stream.stream.failure is None


def test_an_answer_that_was_complete_when_the_total_was_over_is_an_answer(clock):
    stream = opened(Deadline.from_now(100.0))
    waited(stream, clock, 1.0, chunk(end="stop"))
    (end,) = [event for event in waited(stream, clock, 100.0, PING) if isinstance(event, End)]
    assert end.finish.reason == "stop"
    assert stream.ended
    assert stream.stream.failure is None


@pytest.mark.parametrize("complete", [True, False])
def test_a_connection_is_used_again_only_after_an_answer_that_did_not_fail(clock, complete):
    stream = opened()
    assert not stream.may_reuse
    if complete:
        waited(stream, clock, 1.0, chunk(end="stop") + b"data: [DONE]\n\n")
    else:
        stream.end(APIConnectionError("cut"))
    assert stream.ended
    assert stream.may_reuse is complete
    assert isinstance(stream.stream.failure, IncompleteStreamError) is not complete


def test_an_error_after_the_end_of_an_answer_keeps_its_connection_from_being_used_again(clock):
    stream = opened()
    bare = b'{"error_code": "INTERNAL_ERROR", "message": "no"}\n\n'
    waited(stream, clock, 1.0, chunk(end="stop") + bare + b"data: [DONE]\n\n")
    assert stream.stream.done
    assert stream.stream.failure is not None
    assert not stream.may_reuse
