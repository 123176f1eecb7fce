import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_gateway.call import reading as answers_module
from dbx_gateway.call.reading import AnswerStream, Reading, read_answer, replay
from dbx_gateway.call.sse import SSEReader
from dbx_gateway.call.stop_sequences import StopSequences
from dbx_gateway.call.tool_names import ToolNames, undemanding_tools
from dbx_gateway.chat import ChatRequest, Finish, Reasoning, Segment, Text, ToolCall, ToolSpec, user
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.error_bodies import RequestTarget
from dbx_gateway.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    BadRequestError,
    ContextOverflowError,
    IncompleteStreamError,
    InvalidResponseError,
    RateLimitError,
    ServerError,
)
from dbx_gateway.events import Start, TextDelta, ToolCallDelta, ToolCallEnd, ToolCallStart, fold

CHAT, MESSAGES, RESPONSES, GEMINI = "chat-completions", "messages", "responses", "generate-content"


def reading(api=CHAT, *, names=None, joined=True, undemanding=frozenset(), **more) -> Reading:
    asked = RequestTarget("m", f"ai-gateway {api} https://ws.example.com/x")
    names = names or ToolNames()
    return Reading(DIALECTS[api], lambda event: event, names, asked, undemanding=undemanding, joined=joined, **more)


def chunk(delta, finish=None, **more):
    return {"id": "r", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def item(kind, **more):
    return {"type": kind, **more}


ANSWER = {
    CHAT: [
        chunk({"role": "assistant", "content": "Grüß"}),
        chunk({"content": " \u2028Gott"}),
        chunk({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "add", "arguments": '{"x"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 2}"}}]}),
        chunk({}, "tool_calls"),
        {"id": "r", "model": "m", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}},
        "[DONE]",
    ],
    MESSAGES: [
        item("message_start", message={"id": "r", "type": "message", "role": "assistant", "content": [], "model": "m",
                                       "usage": {"input_tokens": 9, "output_tokens": 1}}),
        item("ping"),
        item("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        item("content_block_delta", index=0, delta={"type": "text_delta", "text": "Grüß"}),
        item("content_block_delta", index=0, delta={"type": "text_delta", "text": " \u2028Gott"}),
        item("content_block_stop", index=0),
        item("content_block_start", index=1, content_block={"type": "tool_use", "id": "c", "name": "add", "input": {}}),
        item("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"x": 2}'}),
        item("content_block_stop", index=1),
        item("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 5}),
        item("message_stop"),
    ],
    RESPONSES: [
        item("response.created", response={"id": "r", "model": "m", "output": [], "status": "in_progress"}),
        item("response.output_item.added", output_index=0, item={"type": "message", "id": "i", "role": "assistant", "content": []}),
        item("response.output_text.delta", output_index=0, content_index=0, item_id="i", delta="Grüß"),
        item("response.output_text.delta", output_index=0, content_index=0, item_id="i", delta=" \u2028Gott"),
        item("response.output_item.done", output_index=0, item={"type": "message", "id": "i", "role": "assistant",
             "content": [{"type": "output_text", "text": "Grüß \u2028Gott", "annotations": []}]}),
        item("response.output_item.added", output_index=1,
             item={"type": "function_call", "id": "j", "call_id": "c", "name": "add", "arguments": ""}),
        item("response.function_call_arguments.delta", output_index=1, item_id="j", delta='{"x": 2}'),
        item("response.output_item.done", output_index=1,
             item={"type": "function_call", "id": "j", "call_id": "c", "name": "add", "arguments": '{"x": 2}'}),
        item("response.completed", response={"id": "r", "model": "m", "status": "completed",
             "usage": {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}, "output": []}),
    ],
    GEMINI: [
        {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "Grüß"}]}}], "responseId": "r", "modelVersion": "m"},
        {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": " \u2028Gott"}]}}], "responseId": "r"},
        {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"functionCall": {"id": "c", "name": "add", "args": {"x": 2}}}]},
                         "finishReason": "STOP"}], "responseId": "r", "modelVersion": "m",
         "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14}},
    ],
}  # fmt: skip
"""One answer in each api: a text in two pieces and a call."""

BEGUN = {CHAT: 2, MESSAGES: 5, RESPONSES: 4, GEMINI: 2}
"""How many events it takes to have said the text."""

APIS = list(ANSWER)
each_api = pytest.mark.parametrize("api", APIS)


def sse(*events, end=b"\n\n") -> bytes:
    texts = [event if isinstance(event, str) else json.dumps(event, ensure_ascii=False) for event in events]
    return b"".join(b"data: " + text.encode() + end for text in texts)


def heard(stream: AnswerStream, *chunks: bytes) -> list:
    return [event for piece in chunks for event in stream.feed(piece)]


def opened(api, content_type="text/event-stream", **more) -> AnswerStream:
    stream = AnswerStream(reading(api, **more))
    stream.expect(content_type, "req-1")
    return stream


def begun(api) -> tuple[AnswerStream, list]:
    """A stream that has said its text, and the events so far."""
    stream = opened(api)
    return stream, heard(stream, sse(*ANSWER[api][: BEGUN[api]]))


def said(events) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@each_api
@given(data=st.data())
def test_an_answer_that_is_cut_at_a_stop_sequence_is_the_same_wherever_the_bytes_are_cut(api, data):
    body = sse(*ANSWER[api])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    stream = opened(api, stop=StopSequences(("ß \u2028Go",)))
    events = heard(stream, *(body[start:end] for start, end in pairwise([0, *cuts, len(body)])))
    answer = fold(events + stream.close())
    assert (answer.text, answer.tool_calls, answer.finish.stop_sequence) == ("Grü", (), "ß \u2028Go")
    assert (stream.cut, stream.failure) == (True, None)


class Marked:
    """A translation that marks each text it sees."""

    def message(self, message, finish):
        return message, finish

    def reader(self):
        return lambda event: [TextDelta(event.index, f"<{event.text}") if isinstance(event, TextDelta) else event]


@each_api
@pytest.mark.parametrize("rest", [b"data: {broken\n\n", b""], ids=["broken", "cut"])
def test_what_was_handed_out_before_a_failure_is_translated_once(api, rest):
    stream = opened(api, translations=(Marked(),), joined=False)
    events = heard(stream, sse(*ANSWER[api][: BEGUN[api]])[:-2] + b"\n\n" + rest) + stream.close()
    assert stream.failure is not None
    assert said(events) == "<Grüß< \u2028Gott"


@each_api
def test_the_last_event_of_a_cut_stream_that_no_blank_line_closes_is_translated_once(api):
    stream = opened(api, translations=(Marked(),), joined=False)
    events = heard(stream, sse(*ANSWER[api][: BEGUN[api]])[:-2]) + stream.close()
    assert stream.failure is not None
    assert said(events) == "<Grüß< \u2028Gott"


# --- a whole stream ----------------------------------------------------------------------------------------------


@each_api
@pytest.mark.parametrize("content_type", ["text/event-stream", "Text/Event-Stream; charset=utf-8", "", "text/plain"])
def test_a_stream_adds_up_to_the_answer(api, content_type):
    stream = opened(api, content_type)
    response = fold(heard(stream, sse(*ANSWER[api])) + stream.close())
    assert stream.failure is None
    assert response.text == "Grüß \u2028Gott"
    (call,) = response.tool_calls
    assert (call.call_id, call.name, call.parsed()) == ("c", "add", {"x": 2})
    assert response.finish.reason == "tool_calls"
    assert (response.usage.input, response.usage.output) == (9, 5)
    assert read_answer(sse(*ANSWER[api]), "text/event-stream", reading(api)) == response


@each_api
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_cutting_the_bytes_anywhere_changes_nothing(api, data):
    raw = b"\xef\xbb\xbf: hello\r\n\r\n" + sse(
        *ANSWER[api], end=data.draw(st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"]))
    )
    content_type = data.draw(st.sampled_from(["text/event-stream", ""]))
    raw = raw[: data.draw(st.integers(len(raw) // 2, len(raw)))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    whole, cut = opened(api, content_type, joined=False), opened(api, content_type, joined=False)
    expected = heard(whole, raw) + whole.close()
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    found = heard(cut, *pieces) + cut.close()
    assert found == expected
    assert (type(cut.failure), str(cut.failure)) == (type(whole.failure), str(whole.failure))
    if whole.failure is not None:
        assert cut.failure.partial == whole.failure.partial


@each_api
def test_one_byte_at_a_time_adds_up_too(api):
    stream = opened(api, "")
    raw = b"  \r\n" + sse(*ANSWER[api])
    events = heard(stream, *(raw[at : at + 1] for at in range(len(raw)))) + stream.close()
    assert fold(events).text == "Grüß \u2028Gott"


def test_neighbouring_deltas_of_one_read_are_joined_unless_the_caller_wants_them_apart():
    stream, apart = opened(CHAT), opened(CHAT, joined=False)
    raw = sse(*ANSWER[CHAT])
    joined = heard(stream, raw) + stream.close()
    single = heard(apart, raw) + apart.close()
    assert [event.text for event in joined if isinstance(event, TextDelta)] == ["Grüß \u2028Gott"]
    assert [event.text for event in single if isinstance(event, TextDelta)] == ["Grüß", " \u2028Gott"]
    assert [event.arguments for event in joined if isinstance(event, ToolCallDelta)] == ['{"x": 2}']
    assert fold(joined) == fold(single)


def test_tool_names_come_back_in_events_answers_and_what_had_arrived():
    names = ToolNames.of(ChatRequest(model="m", messages=(user("x"),), tools=(ToolSpec(name="a b"),)))
    raw = sse(*ANSWER[CHAT]).replace(b'"add"', f'"{names.to_wire["a b"]}"'.encode())
    stream = opened(CHAT, names=names)
    events = heard(stream, raw) + stream.close()
    assert [event.name for event in events if isinstance(event, ToolCallStart)] == ["a b"]
    assert [event.call.name for event in events if isinstance(event, ToolCallEnd)] == ["a b"]
    lost = opened(CHAT, names=names)
    heard(lost, raw.partition(b'"finish_reason": "tool_calls"')[0].rpartition(b"data: ")[0])
    lost.close()
    assert [call.name for call in lost.failure.partial.tool_calls] == ["a b"]


# --- errors inside a 200 -----------------------------------------------------------------------------------------

ERRORS = {
    "OpenAI": (sse({"error": {"message": "no", "type": "server_error", "code": None}}), ServerError, "server_error"),
    "OpenAI with a number": (sse({"error": {"message": "no", "code": "429"}}), RateLimitError, None),
    "Responses": (sse(item("error", code="rate_limit_exceeded", message="no", param=None)), RateLimitError, "rate_limit_exceeded"),
    "Anthropic": (
        b"event: error\n" + sse({"type": "error", "error": {"type": "overloaded_error", "message": "no"}}),
        ServerError,
        "overloaded_error",
    ),
    "Google": (sse({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}), BadRequestError, "INVALID_ARGUMENT"),
    "Google in a list": (sse([{"error": {"code": 503, "message": "no", "status": "UNAVAILABLE"}}]), ServerError, "UNAVAILABLE"),
    "Databricks": (sse({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "no"}), RateLimitError, "REQUEST_LIMIT_EXCEEDED"),
    "Databricks, JSON in JSON": (sse({"error_code": "BAD_REQUEST", "message": '{"message": "no"}'}), BadRequestError, "BAD_REQUEST"),
    "a string": (sse({"error": "no"}), APIError, None),
    "detail": (sse({"detail": "no"}), APIError, None),
    "a JSON string": (b'event: error\ndata: "no"\n\n', APIError, None),
    "plain text": (b"event: error\ndata: no\n\n", APIError, None),
    "plain text with its code": (b"event: error\ndata: INTERNAL_ERROR: no\n\n", ServerError, "INTERNAL_ERROR"),
    "plain text, unclosed": (b"event: error\ndata: no", APIError, None),
    "bare JSON": (b'{\n  "error": {\n    "code": 503,\n    "message": "no",\n    "status": "UNAVAILABLE"\n  }\n}\n', ServerError, "UNAVAILABLE"),
    "bare JSON in a list": (b'[{"error": {"code": 503, "message": "no"}}]\r\n', ServerError, None),
    "bare JSON of Databricks, unclosed": (b'{"error_code": "INTERNAL_ERROR", "message": "no"}', ServerError, "INTERNAL_ERROR"),
    "too long": (sse({"error": {"message": "prompt is too long: 2 > 1", "type": "x"}}), ContextOverflowError, "x"),
}  # fmt: skip


@each_api
@pytest.mark.parametrize("shape", ERRORS)
def test_an_error_inside_a_stream_raises_with_what_had_arrived_which_is_handed_out_first(api, shape):
    raw, kind, code = ERRORS[shape]
    stream = opened(api)
    events = heard(stream, sse(*ANSWER[api][: BEGUN[api]]) + raw) + stream.close()
    error = stream.failure
    assert said(events) == "Grüß \u2028Gott"
    assert (type(error), error.error_code) == (kind, code)
    assert error.partial.text == "Grüß \u2028Gott"
    assert "no" in error.message or "prompt is too long" in error.message
    assert "https://ws.example.com/x" in error.message
    assert (error.model, error.route, error.request_id) == ("m", f"ai-gateway {api} https://ws.example.com/x", "req-1")


@each_api
@pytest.mark.parametrize("shape", ERRORS)
def test_an_error_first_thing_in_a_stream_raises_too(api, shape):
    raw, kind, code = ERRORS[shape]
    stream = opened(api)
    assert heard(stream, raw) + stream.close() == []
    assert (type(stream.failure), stream.failure.error_code) == (kind, code)


def test_an_error_wins_over_done():
    stream, _ = begun(CHAT)
    heard(stream, sse({"error": {"message": "no", "type": "server_error"}}, "[DONE]"))
    assert type(stream.failure) is ServerError


@pytest.mark.parametrize("late", ["OpenAI", "Databricks", "bare JSON"])
def test_an_error_after_completeness_still_raises(late):
    stream = opened(CHAT)
    heard(stream, sse(*ANSWER[CHAT][:5]))
    assert stream.complete
    heard(stream, ERRORS[late][0])
    stream.close()
    assert isinstance(stream.failure, APIError)


@pytest.mark.parametrize("late", [b'{"ok": true}\n', b'[{"ok": true}]\n', b"[]\n", b"7\n", b"null\n"])
def test_json_after_completeness_that_reports_no_error_is_no_failure(late):
    stream = opened(CHAT)
    events = heard(stream, sse(*ANSWER[CHAT][:5]) + late) + stream.close()
    assert stream.complete
    assert stream.failure is None
    assert said(events) == "Grüß \u2028Gott"


def test_what_follows_done_is_not_read():
    stream = opened(CHAT)
    heard(stream, sse(*ANSWER[CHAT]) + sse({"error": "late"}))
    assert stream.done
    assert heard(stream, sse({"error": "later"})) == []
    assert fold([*heard(opened(CHAT), sse(*ANSWER[CHAT])), *stream.close()]).text == "Grüß \u2028Gott"
    assert stream.failure is None


def test_what_follows_a_failure_is_not_read():
    stream, _ = begun(CHAT)
    heard(stream, sse({"error": "no"}))
    failure = stream.failure
    assert heard(stream, sse(*ANSWER[CHAT])) == []
    assert stream.close() == []
    assert stream.broke(APIConnectionError("cut")) == []
    assert stream.failure is failure


@each_api
@pytest.mark.parametrize("data", ["not json", "[1, 2]", "null", "7", '"text"', '{"a":'])
def test_an_event_that_is_no_object_is_no_answer(api, data):
    stream, events = begun(api)
    assert heard(stream, sse(data)) == []
    assert type(stream.failure) is InvalidResponseError
    assert (stream.failure.status, stream.failure.partial.text) == (200, said(events))


def test_bytes_that_are_no_utf_8_are_replaced():
    stream = opened(CHAT)
    raw = sse(chunk({"content": "caf?"}, "stop")).replace(b"?", b"\xff")
    assert fold(heard(stream, raw) + stream.close()).text == "caf\ufffd"


def test_an_event_without_end_is_told(monkeypatch):
    stream, _ = begun(CHAT)
    monkeypatch.setattr(answers_module, "MAX_EVENT_BYTES", 100)
    stream._reader = SSEReader(100)
    events = heard(
        stream, sse(chunk({"content": "!"})).replace(b', "finish_reason": null', b"") + b"data: " + b"x" * 200
    )
    assert type(stream.failure) is InvalidResponseError
    assert "an event of more than 100 bytes" in stream.failure.message
    assert stream.failure.partial.text == "Grüß \u2028Gott" + said(events)


# --- truncation --------------------------------------------------------------------------------------------------

PROOF = {CHAT: 5, MESSAGES: 10, RESPONSES: 9, GEMINI: 3}
"""How many events prove a normal end."""


@each_api
def test_a_stream_that_ends_before_its_proof_of_a_normal_end_is_incomplete(api):
    for count in range(PROOF[api]):
        stream = opened(api)
        events = heard(stream, sse(*ANSWER[api][:count])) + stream.close()
        assert type(stream.failure) is IncompleteStreamError, count
        assert stream.failure.partial.text == said(events)
        assert f"ai-gateway {api}" in stream.failure.message
        assert not stream.failure.partial.executable_tool_calls


@each_api
def test_a_stream_that_ends_inside_an_event_is_incomplete(api):
    raw = sse(*ANSWER[api][: PROOF[api]]).rstrip()
    stream = opened(api)
    events = heard(stream, raw[:-3]) + stream.close()
    assert type(stream.failure) is IncompleteStreamError
    assert said(events) == "Grüß \u2028Gott"


@each_api
def test_the_last_event_counts_though_no_blank_line_closes_it(api):
    stream = opened(api)
    events = heard(stream, sse(*ANSWER[api][: PROOF[api]]).rstrip()) + stream.close()
    assert stream.failure is None
    assert fold(events).finish.reason == "tool_calls"


@pytest.mark.parametrize(
    "tail", [b"data: [DONE", b"data: [DO", b'data: {"id": "r", "choices": [], "usa', b"dat", b": ping"]
)
def test_what_is_cut_after_completeness_is_no_failure(tail):
    for broken in (False, True):
        stream = opened(CHAT)
        events = heard(stream, sse(*ANSWER[CHAT][:5]) + tail)
        events += stream.broke(APIConnectionError("cut")) if broken else stream.close()
        assert stream.failure is None
        assert fold(events).text == "Grüß \u2028Gott"


@each_api
@pytest.mark.parametrize("nothing", [b"", b": ping\n\n", b"\r\n", b"event: ping\n\n"])
def test_an_empty_stream_is_incomplete(api, nothing):
    stream = opened(api)
    assert heard(stream, nothing) + stream.close() == []
    assert type(stream.failure) is IncompleteStreamError


@each_api
@pytest.mark.parametrize("nothing", [b"", b"\r\n"])
def test_an_empty_body_of_no_type_is_no_answer(api, nothing):
    stream = opened(api, "")
    assert heard(stream, nothing) + stream.close() == []
    assert "200 with an empty body" in stream.failure.message


def test_done_without_a_finish_reason_ends_the_answer_and_without_a_choice_it_does_not():
    stream, events = begun(CHAT)
    answer = fold([*events, *heard(stream, sse("[DONE]")), *stream.close()])
    assert (stream.failure, answer.text, answer.finish) == (None, said(events), Finish(reason="unknown"))
    empty = opened(CHAT)
    heard(empty, sse("[DONE]"))
    empty.close()
    assert type(empty.failure) is IncompleteStreamError


@pytest.mark.parametrize(
    ("schema", "runs"),
    [
        ({"type": "object", "properties": {}}, True),
        ({}, True),
        ({"properties": {"x": {}}, "required": ["x"]}, False),
    ],
)
def test_a_call_without_arguments_before_a_bare_done_runs_where_its_tool_requires_none(schema, runs):
    request = ChatRequest(model="m", messages=(user("hi"),), tools=(ToolSpec(name="now then", parameters=schema),))
    names = ToolNames.of(request)
    stream = opened(CHAT, names=names, undemanding=undemanding_tools(names.outward(request)))
    function = {"name": names.to_wire["now then"], "arguments": ""}
    call = chunk({"tool_calls": [{"index": 0, "id": "c", "function": function}]})
    answer = fold([*heard(stream, sse(call, "[DONE]")), *stream.close()])
    assert [call.name for call in answer.tool_calls] == ["now then"]
    assert [call.parsed() for call in answer.executable_tool_calls] == ([{}] if runs else [])


# --- a broken connection -----------------------------------------------------------------------------------------


@each_api
def test_a_connection_that_breaks_before_completeness_is_told_with_what_had_arrived(api):
    stream, events = begun(api)
    assert stream.broke(APIConnectionError("the connection broke.", error_code="protocol")) == []
    assert type(stream.failure) is IncompleteStreamError
    assert (stream.failure.partial.text, stream.failure.error_code) == (said(events), "protocol")
    assert (stream.failure.model, stream.failure.request_id) == ("m", "req-1")
    assert stream.failure.message.startswith(f"'m' on ai-gateway {api} https://ws.example.com/x: the connection broke.")


@each_api
def test_a_silence_before_completeness_is_a_timeout_with_what_had_arrived(api):
    stream, events = begun(api)
    stream.broke(APITimeoutError("no byte for 5 s.", error_code="read"))
    assert type(stream.failure) is APITimeoutError
    assert (stream.failure.partial.text, stream.failure.error_code) == (said(events), "read")


@each_api
def test_a_connection_that_breaks_after_completeness_is_no_failure(api):
    stream = opened(api)
    events = heard(stream, sse(*ANSWER[api][: PROOF[api]]))
    events += stream.broke(APIConnectionError("cut"))
    assert stream.failure is None
    assert fold(events).text == "Grüß \u2028Gott"


@each_api
def test_the_last_event_counts_though_the_connection_broke_before_its_blank_line(api):
    stream = opened(api)
    events = heard(stream, sse(*ANSWER[api][: PROOF[api]]).rstrip())
    events += stream.broke(APIConnectionError("cut"))
    assert stream.failure is None
    assert fold(events).finish.reason == "tool_calls"


def test_an_error_event_is_what_counts_where_the_connection_breaks_right_after_it():
    stream, _ = begun(CHAT)
    heard(stream, sse({"error": {"message": "no", "type": "server_error"}}).rstrip())
    stream.broke(APIConnectionError("cut"))
    assert type(stream.failure) is ServerError


# --- a whole body where a stream was asked for -------------------------------------------------------------------

WHOLE = {
    CHAT: {"id": "r", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}]},
    MESSAGES: {"id": "r", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
               "content": [{"type": "text", "text": "Hi"}], "usage": {"input_tokens": 1, "output_tokens": 1}},
    RESPONSES: {"id": "r", "object": "response", "model": "m", "status": "completed", "error": None,
                "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}]},
    GEMINI: {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]},
}  # fmt: skip


@each_api
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "", "text/plain"])
def test_a_whole_body_is_replayed_however_it_is_cut(api, content_type):
    raw = b"\n " + json.dumps(WHOLE[api]).encode()
    for size in (1, 7, len(raw)):
        stream = opened(api, content_type)
        events = heard(stream, *(raw[at : at + size] for at in range(0, len(raw), size)))
        assert events == []
        events = stream.close()
        assert stream.failure is None
        assert isinstance(events[0], Start)
        assert said(events) == "Hi"
        assert fold(events) == read_answer(raw, "application/json", reading(api))


NO_ANSWERS = {
    b"<html><title>Sign in</title></html>": "an HTML page",
    b"<!DOCTYPE html>": "an HTML page",
    b"{broken": "broken JSON",
    b"null": "JSON of type NoneType",
    b"[]": "JSON of type list",
    b"[1, 2]": "JSON of type list",
    b"7": "JSON of type int",
}


@each_api
@pytest.mark.parametrize("body", NO_ANSWERS)
def test_a_200_that_is_no_answer_is_told_streamed_or_whole(api, body):
    for content_type in ("application/json", "text/html", ""):
        stream = opened(api, content_type)
        assert heard(stream, body) + stream.close() == []
        assert type(stream.failure) is InvalidResponseError
        assert f"200 with {NO_ANSWERS[body]}" in stream.failure.message
    with pytest.raises(InvalidResponseError, match=NO_ANSWERS[body]) as caught:
        read_answer(body, "application/json", reading(api))
    assert (caught.value.status, caught.value.model) == (200, "m")


@each_api
def test_a_page_called_a_stream_is_told(api):
    stream = opened(api)
    heard(stream, b"<html>\n<title>Sign in</title>\n</html>")
    stream.close()
    assert "200 with an HTML page" in stream.failure.message


@each_api
@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_empty_body_is_told(api, body):
    with pytest.raises(InvalidResponseError, match="200 with an empty body"):
        read_answer(body, "application/json", reading(api))


@each_api
@pytest.mark.parametrize("body", [{}, {"choices": []}, {"something": 1}])
def test_an_object_that_is_no_answer_of_the_api_is_told_with_model_and_route(api, body):
    with pytest.raises(InvalidResponseError) as caught:
        read_answer(json.dumps(body).encode(), "application/json", reading(api))
    assert (caught.value.model, caught.value.route) == ("m", f"ai-gateway {api} https://ws.example.com/x")
    assert "https://ws.example.com/x" in caught.value.message


@each_api
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "no", "type": "rate_limit_error"}}, RateLimitError),
        ([{"error": {"code": 503, "message": "no"}}], ServerError),
        ({"error_code": "BAD_REQUEST", "message": "no"}, BadRequestError),
        ({"detail": "no"}, APIError),
        ({"error": "no"}, APIError),
    ],
)
def test_an_error_in_a_whole_200_raises_streamed_or_not(api, body, kind):
    raw = json.dumps(body).encode()
    with pytest.raises(kind, match="no"):
        read_answer(raw, "application/json", reading(api))
    stream = opened(api, "application/json")
    heard(stream, raw)
    stream.close()
    assert type(stream.failure) is kind


def test_a_responses_body_that_failed_raises():
    body = {
        "id": "r",
        "object": "response",
        "status": "failed",
        "output": [],
        "error": {"code": "server_error", "message": "no"},
    }
    with pytest.raises(ServerError, match=r"https://ws.example.com/x.*no"):
        read_answer(json.dumps(body).encode(), "application/json", reading(RESPONSES))


def test_replayed_events_have_no_empty_deltas_and_every_part():
    answer = read_answer(json.dumps(WHOLE[CHAT]).encode(), "application/json", reading())
    parts = (
        Reasoning(segments=(Segment("summary", ""), Segment("raw", "hm")), signature="s"),
        Text("Hi"),
        Text(""),
        ToolCall(call_id="c", name="add"),
    )
    message = type(answer.message)(role="assistant", parts=parts)
    whole = type(answer)(message=message, finish=answer.finish)
    events = list(replay(whole))
    assert fold(events) == whole
    assert not any(getattr(event, "text", "x") == "" or getattr(event, "arguments", "x") == "" for event in events)
