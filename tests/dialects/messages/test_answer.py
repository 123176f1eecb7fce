"""Answers of the messages api, whole and streamed, as the wire documents them and as hosts bend them."""

from __future__ import annotations

import pytest

from dbx_gateway.chat import Citation, Finish, Native, Origin, Reasoning, Segment, Text, ToolCall, Usage
from dbx_gateway.dialects.messages.dialect import MESSAGES
from dbx_gateway.errors import IncompleteStreamError, InvalidResponseError
from dbx_gateway.events import (
    End,
    PartEnd,
    ReasoningDelta,
    Start,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    fold,
)

MODEL = "databricks-claude-test"


def whole(*content, **fields):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test-1",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 31},
        **fields,
    }


def decode(*content, **fields):
    return MESSAGES.decode(whole(*content, **fields), MODEL)


START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "claude-test-1",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 100, "output_tokens": 1},
    },
}
STOP = {"type": "message_stop"}


def begin(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, **fields):
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index):
    return {"type": "content_block_stop", "index": index}


def ended(reason="end_turn", **usage):
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


def events_of(*wire):
    decoder = MESSAGES.decoder(MODEL)
    events = [event for one in wire for event in decoder.feed(one)]
    return events + decoder.close()


def folded(*wire):
    return fold(events_of(*wire))


def test_the_documented_stream_gives_one_event_for_each_of_its_own():
    usage = Usage(input=109, output=31, total=140, cache_read=100)
    thought = Reasoning(segments=(Segment("raw", "Add them."),), signature="EqQBx")
    call = ToolCall(call_id="toolu_1", name="add", arguments='{"x": 2}')
    assert events_of(
        START,
        {"type": "ping"},
        begin(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="Add them."),
        delta(0, type="signature_delta", signature="EqQBx"),
        stop(0),
        begin(1, type="tool_use", id="toolu_1", name="add", input={}),
        delta(1, type="input_json_delta", partial_json=""),
        delta(1, type="input_json_delta", partial_json='{"x": 2}'),
        stop(1),
        ended("tool_use", output_tokens=31),
        STOP,
    ) == [
        Start("msg_1", "claude-test-1", Origin("messages", MODEL)),
        ReasoningDelta(0, "raw", "Add them."),
        PartEnd(0, thought),
        ToolCallStart(1, "toolu_1", "add"),
        ToolCallDelta(1, '{"x": 2}'),
        ToolCallEnd(1, call),
        UsageUpdate(usage),
        End(Finish(reason="tool_calls", raw="tool_use"), usage),
    ]


def test_the_decoder_is_complete_at_the_stop_reason_and_done_at_message_stop():
    decoder = MESSAGES.decoder(MODEL)
    states = []
    for event in (START, begin(0, type="text", text=""), stop(0), ended(), STOP):
        decoder.feed(event)
        states.append((decoder.complete, decoder.done))
    assert states == [(False, False), (False, False), (False, False), (True, False), (True, True)]


def test_a_message_delta_without_a_stop_reason_proves_nothing():
    decoder = MESSAGES.decoder(MODEL)
    decoder.feed(START)
    decoder.feed(ended(None, output_tokens=5))
    assert not decoder.complete


def test_a_stream_that_ends_early_raises_with_what_had_arrived():
    decoder = MESSAGES.decoder(MODEL)
    for event in (
        START,
        begin(0, type="text", text=""),
        delta(0, type="text_delta", text="Let me"),
        stop(0),
        begin(1, type="tool_use", id="toolu_1", name="add", input={}),
        delta(1, type="input_json_delta", partial_json='{"x"'),
    ):
        decoder.feed(event)
    with pytest.raises(IncompleteStreamError, match="ended before the answer was complete") as caught:
        decoder.close()
    partial = caught.value.partial
    assert partial is not None
    assert partial.message.parts == (
        Text("Let me"),
        ToolCall(call_id="toolu_1", name="add", arguments='{"x"'),
    )
    assert partial.usage == Usage(input=109, output=1, total=110, cache_read=100)
    assert partial.finish == Finish(reason="error")
    assert partial.executable_tool_calls == ()


def test_a_stop_of_nothing_is_no_answer():
    decoder = MESSAGES.decoder(MODEL)
    decoder.feed(STOP)
    with pytest.raises(IncompleteStreamError):
        decoder.close()


def test_content_that_comes_with_the_start_of_a_block_is_kept():
    answer = folded(
        START,
        begin(0, type="thinking", thinking="Hm", signature="s"),
        stop(0),
        begin(1, type="text", text="It "),
        delta(1, type="text_delta", text="is."),
        stop(1),
        begin(2, type="tool_use", id="t", name="add", input={"x": "ü"}),
        stop(2),
        begin(3, type="redacted_thinking", data="ZW5j"),
        stop(3),
        ended(),
        STOP,
    )
    assert answer.message.parts == (
        Reasoning(segments=(Segment("raw", "Hm"),), signature="s"),
        Text("It is."),
        ToolCall(call_id="t", name="add", arguments='{"x":"ü"}'),
        Reasoning(redacted="ZW5j"),
    )


def test_a_signature_is_assigned_and_not_added():
    answer = folded(
        START,
        begin(0, type="thinking", thinking="", signature="early"),
        delta(0, type="signature_delta", signature="one"),
        delta(0, type="signature_delta", signature="two"),
        stop(0),
        ended(),
        STOP,
    )
    assert answer.message.parts == (Reasoning(signature="two"),)


def test_a_call_without_arguments_has_an_empty_object():
    answer = folded(
        START,
        begin(0, type="tool_use", id="t", name="now", input={}),
        delta(0, type="input_json_delta", partial_json=""),
        stop(0),
        ended("tool_use"),
        STOP,
    )
    assert answer.tool_calls == (ToolCall(call_id="t", name="now", arguments="{}"),)
    assert decode({"type": "tool_use", "id": "t", "name": "now", "input": {}}).tool_calls == answer.tool_calls


def test_arguments_of_a_stream_stay_as_the_model_wrote_them_even_when_they_are_no_json():
    answer = folded(
        START,
        begin(0, type="tool_use", id="t", name="add", input={}),
        delta(0, type="input_json_delta", partial_json='{"x" : 1.0,'),
        delta(0, type="input_json_delta", partial_json=' "y'),
        stop(0),
        ended("tool_use"),
        STOP,
    )
    assert answer.tool_calls[0].arguments == '{"x" : 1.0, "y'
    assert answer.executable_tool_calls == ()


@pytest.mark.parametrize(
    ("source", "citation"),
    [
        (
            {
                "type": "page_location",
                "cited_text": "sky",
                "document_title": "Notes",
                "document_index": 0,
                "start_page_number": 2,
                "end_page_number": 3,
            },
            {"kind": "page_location", "cited_text": "sky", "title": "Notes", "start": 2, "end": 3},
        ),
        (
            {"type": "char_location", "cited_text": "sky", "start_char_index": 0, "end_char_index": 3},
            {"kind": "char_location", "cited_text": "sky", "start": 0, "end": 3},
        ),
        (
            {"type": "web_search_result_location", "url": "https://x.test", "title": "X", "encrypted_index": "e"},
            {"kind": "web_search_result_location", "url": "https://x.test", "title": "X"},
        ),
        (
            {"type": "search_result_location", "source": "kb/1", "start_block_index": 1, "end_block_index": 2},
            {"kind": "search_result_location", "url": "kb/1", "start": 1, "end": 2},
        ),
        ({"type": "from_the_future", "x": 1}, {"kind": "from_the_future"}),
    ],
)
def test_citations_are_read_whole_and_streamed(source, citation):
    expected = (Text("blue", citations=(Citation(**citation, source=source),)),)
    assert decode({"type": "text", "text": "blue", "citations": [source]}).message.parts == expected
    streamed = folded(
        START,
        begin(0, type="text", text="", citations=None),
        delta(0, type="text_delta", text="blue"),
        delta(0, type="citations_delta", citation=source),
        stop(0),
        ended(),
        STOP,
    )
    assert streamed.message.parts == expected


def test_a_server_tool_is_native_with_its_streamed_input():
    block = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "sky"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [{"type": "web_search_result"}]}
    natives = (Native(api="messages", payload=block), Native(api="messages", payload=found))
    assert decode(block, found).message.parts == natives
    streamed = folded(
        START,
        begin(0, **{**block, "input": {}}),
        delta(0, type="input_json_delta", partial_json='{"query":'),
        delta(0, type="input_json_delta", partial_json='"sky"}'),
        stop(0),
        begin(1, **found),
        stop(1),
        ended(),
        STOP,
    )
    assert streamed.message.parts == natives


@pytest.mark.parametrize(
    ("fragments", "value"), [(["", ""], {}), (['{"query": "s'], {"INVALID_JSON": '{"query": "s'})], ids=["none", "cut"]
)
def test_the_input_of_a_server_tool_is_always_an_object(fragments, value):
    block = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
    deltas = [delta(0, type="input_json_delta", partial_json=fragment) for fragment in fragments]
    answer = folded(START, begin(0, **block), *deltas, stop(0), ended(), STOP)
    assert answer.message.parts == (Native(api="messages", payload={**block, "input": value}),)


def test_deltas_of_an_unknown_block_are_kept_in_it():
    answer = folded(
        START,
        begin(0, type="compaction", content=None),
        delta(0, type="compaction_delta", content="So "),
        delta(0, type="compaction_delta", content="far.", encrypted_content="e"),
        delta(0, type="marks_delta", marks=[1]),
        stop(0),
        ended(),
        STOP,
    )
    payload = {"type": "compaction", "content": "So far.", "encrypted_content": "e", "marks": [1]}
    assert answer.message.parts == (Native(api="messages", payload=payload),)


def test_unknown_keys_and_deltas_of_a_known_block_travel_beside_it():
    answer = folded(
        START,
        begin(0, type="text", text="", shade="dark"),
        delta(0, type="text_delta", text="Hi"),
        delta(0, type="mood_delta", mood="glad"),
        stop(0),
        ended(),
        STOP,
    )
    assert answer.message.parts == (Text("Hi", opaque={"shade": "dark", "mood": "glad"}),)
    assert decode({"type": "text", "text": "Hi", "shade": "dark", "mood": "glad"}).message.parts == answer.message.parts


def test_unknown_events_and_keys_of_the_host_change_nothing():
    plain = (START, begin(0, type="text", text="Hi"), stop(0), ended(output_tokens=3), STOP)
    metrics = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9}}
    odd = (
        {"type": "ping"},
        {**START, **metrics},
        {"type": "weather", "index": 0},
        {},
        begin(0, type="text", text="Hi"),
        delta(7, type="input_json_delta", partial_json="{"),
        stop(7),
        stop(0),
        {**ended(output_tokens=3), **metrics},
        {**STOP, **metrics},
    )
    assert folded(*odd) == folded(*plain)
    assert decode({"type": "text", "text": "Hi"}, **metrics).extras == {}


def test_text_whose_start_a_host_left_out_is_not_lost():
    answer = folded(delta(0, type="text_delta", text="Hi"), stop(0), ended(), STOP)
    assert answer.message.parts == (Text("Hi"),)
    assert answer.message.origin == Origin("messages", MODEL)


def test_blocks_that_share_one_index_stay_apart():
    answer = folded(
        START,
        begin(0, type="text", text="a"),
        stop(0),
        begin(0, type="text", text="b"),
        begin(0, type="text", text="c"),
        ended(),
        STOP,
    )
    assert answer.message.parts == (Text("a"), Text("b"), Text("c"))


@pytest.mark.parametrize(
    ("fields", "finish"),
    [
        ({"stop_reason": "end_turn"}, Finish(reason="stop", raw="end_turn")),
        ({"stop_reason": "tool_use"}, Finish(reason="tool_calls", raw="tool_use")),
        ({"stop_reason": "max_tokens"}, Finish(reason="length", raw="max_tokens")),
        (
            {"stop_reason": "model_context_window_exceeded"},
            Finish(reason="length", raw="model_context_window_exceeded"),
        ),
        ({"stop_reason": "pause_turn"}, Finish(reason="pause", raw="pause_turn")),
        (
            {"stop_reason": "stop_sequence", "stop_sequence": "END"},
            Finish(reason="stop", raw="stop_sequence", stop_sequence="END"),
        ),
        (
            {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio", "explanation": "No."}},
            Finish(
                reason="content_filter",
                raw="refusal",
                message="No.",
                details={"stop_details": {"type": "refusal", "category": "bio", "explanation": "No."}},
            ),
        ),
        ({"stop_reason": "moonrise"}, Finish(reason="unknown", raw="moonrise")),
        ({"stop_reason": None}, Finish(reason="unknown")),
    ],
)
def test_each_ending_has_one_reason_and_keeps_its_own_word(fields, finish):
    assert decode({"type": "text", "text": "x"}, **fields).finish == finish


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({"input_tokens": 9, "output_tokens": 31}, Usage(input=9, output=31, total=40)),
        (
            {
                "input_tokens": 9,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 50,
                "output_tokens": 31,
                "output_tokens_details": {"thinking_tokens": 20},
            },
            Usage(input=159, output=31, total=190, cache_read=100, cache_write=50, reasoning=20),
        ),
        (
            {"input_tokens": 9, "cache_read_input_tokens": 0, "cache_creation_input_tokens": None, "output_tokens": 1},
            Usage(input=9, output=1, total=10, cache_read=0),
        ),
        (None, None),
    ],
)
def test_input_counts_the_cache_and_output_the_thoughts(wire, usage):
    answer = decode({"type": "text", "text": "x"}, usage=wire)
    assert answer.usage == usage
    assert wire is None or answer.usage.raw == {key: value for key, value in wire.items() if value is not None}


def test_usage_of_a_stream_is_merged_field_by_field():
    answer = folded(
        START,
        begin(0, type="text", text="x"),
        stop(0),
        ended(None, output_tokens=20, cache_read_input_tokens=None),
        ended(output_tokens=31, output_tokens_details={"thinking_tokens": 4}),
        STOP,
    )
    assert answer.usage == Usage(input=109, output=31, total=140, cache_read=100, reasoning=4)


def test_other_fields_of_the_answer_are_extras():
    container = {"id": "c_1", "expires_at": "later"}
    assert decode({"type": "text", "text": "x"}, container=container, diagnostics=None).extras == {
        "container": container
    }
    last = ended()
    streamed = folded(
        START, {**last, "delta": {**last["delta"], "container": container}, "context_management": {"a": 1}}, STOP
    )
    assert streamed.extras == {"container": container, "context_management": {"a": 1}}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "error", "error": {"type": "api_error"}},
        {"id": "x", "choices": [{"message": {"content": "hi"}}]},
        {"type": "message", "content": None},
        {"type": "message", "content": True},
        {"type": "message", "content": ["hi"]},
    ],
)
def test_a_body_that_is_no_message_is_refused(body):
    with pytest.raises(InvalidResponseError, match="something other than a message"):
        MESSAGES.decode(body, MODEL)


def test_an_error_about_a_body_holds_nothing_of_its_content():
    with pytest.raises(InvalidResponseError) as caught:
        MESSAGES.decode({"type": "message", "content": ["a secret"]}, MODEL)
    assert "secret" not in str(caught.value)
