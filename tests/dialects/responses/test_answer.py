"""What Responses answers and streams become."""

from __future__ import annotations

import pytest
from dialects.responses.wire import Faults, stream_of

from dbx_gateway.chat import Citation, Finish, Native, Origin, Reasoning, Refusal, Segment, Text, ToolCall, Usage
from dbx_gateway.dialects.responses.dialect import Responses
from dbx_gateway.errors import (
    APIError,
    BadRequestError,
    ContentFilterError,
    ContextOverflowError,
    IncompleteStreamError,
    InvalidResponseError,
    RateLimitError,
    ServerError,
)
from dbx_gateway.events import ReasoningDelta, Start, TextDelta, ToolCallDelta, ToolCallStart, UsageUpdate, fold

MODEL = "databricks-gpt-5"


def body(*output, **fields):
    return {"id": "resp_1", "object": "response", "model": "gpt-5", "status": "completed", "output": [*output]} | fields


def message(*content, **fields):
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": [*content]} | fields


def output_text(text, *annotations):
    return {"type": "output_text", "text": text, "annotations": [*annotations]}


def function_call(arguments="{}", **fields):
    return {"type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "add", "arguments": arguments} | fields


def decode(*output, **fields):
    return Responses().decode(body(*output, **fields), MODEL)


def feed(*events):
    decoder = Responses().decoder(MODEL)
    return decoder, [one for event in events for one in decoder.feed(event)]


def texts(events):
    return [event.text for event in events if isinstance(event, TextDelta)]


def delta(text, number=None, **fields):
    numbered = {} if number is None else {"sequence_number": number}
    return (
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text} | numbered | fields
    )


CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5", "status": "in_progress"}}
COMPLETED = {"type": "response.completed", "response": body()}


def test_a_whole_answer_is_read():
    answer = decode(
        message(output_text("Hi")),
        usage={
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 12},
            "total_tokens": 29,
        },
        service_tier="default",
        instructions="an echo",
        temperature=1.0,
    )
    assert answer.message.parts == (Text("Hi", id="msg_1"),)
    assert answer.message.origin == Origin("responses", MODEL)
    assert answer.finish == Finish(reason="stop", raw="completed")
    assert answer.usage == Usage(input=9, output=20, total=29, cache_read=4, cache_write=2, reasoning=12)
    assert (answer.id, answer.model, answer.extras) == ("resp_1", "gpt-5", {"service_tier": "default"})


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (None, None),
        ({}, None),
        ({"input_tokens": None}, None),
        ({"input_tokens": 3, "output_tokens": 4}, Usage(input=3, output=4, total=7)),
        ({"input_tokens": 3, "output_tokens": None, "input_tokens_details": None}, Usage(input=3, total=3)),
        ({"input_tokens": 3, "output_tokens": "x"}, None),
        ({"input_tokens": 3.0, "output_tokens": "4"}, Usage(input=3, output=4, total=7)),
        ({"input_tokens": 3, "output_tokens": 4, "total_tokens": 9}, Usage(input=3, output=4, total=9)),
    ],
)
def test_a_bad_usage_block_loses_no_answer(usage, read):
    answer = decode(message(output_text("Hi")), usage=usage)
    assert (answer.text, answer.usage) == ("Hi", read)


def test_reasoning_keeps_its_segments_apart_and_its_proof():
    wire = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}],
        "content": [{"type": "reasoning_text", "text": "raw"}, {"type": "output_text", "text": "too"}],
        "encrypted_content": "gAAA",
        "status": "completed",
    }
    assert decode(wire).message.parts == (
        Reasoning(
            id="rs_1",
            segments=(
                Segment("summary", "one"),
                Segment("summary", "two"),
                Segment("raw", "raw"),
                Segment("raw", "too"),
            ),
            encrypted="gAAA",
            opaque={"status": "completed"},
        ),
    )
    assert decode(wire).text == ""


def test_calls_keep_their_wire_extras_and_end_the_answer_for_tools():
    answer = decode(function_call('{"x": 1}', namespace="n", status="completed"))
    call = ToolCall(
        id="fc_1", call_id="call_a", name="add", arguments='{"x": 1}', opaque={"namespace": "n", "status": "completed"}
    )
    assert answer.message.parts == (call,)
    assert answer.finish.reason == "tool_calls"
    assert answer.executable_tool_calls == (call,)


def test_a_custom_call_holds_plain_text():
    wire = {"type": "custom_tool_call", "id": "ct_1", "call_id": "call_b", "name": "sh", "input": "ls"}
    assert decode(wire).message.parts == (
        ToolCall(id="ct_1", call_id="call_b", name="sh", arguments="ls", custom=True),
    )


def test_a_call_without_an_id_gets_the_same_one_whole_and_streamed():
    wire = function_call()
    del wire["call_id"]
    (call,) = decode(wire).tool_calls
    assert call.minted
    decoder, events = feed(*stream_of(body(wire)))
    assert fold(events + decoder.close()).tool_calls == (call,)


def test_a_call_without_a_name_is_kept_and_not_executable():
    answer = decode(function_call(name=None))
    assert [(call.call_id, call.name) for call in answer.tool_calls] == [("call_a", "")]
    assert answer.executable_tool_calls == ()


def test_built_in_tools_are_native():
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    assert decode(search, message(output_text("x"))).message.parts == (
        Native(api="responses", payload=search, id="ws_1"),
        Text("x", id="msg_1"),
    )


def test_annotations_are_citations():
    url = {"type": "url_citation", "url": "u", "title": "t", "start_index": 1, "end_index": 4}
    file = {"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 3}
    (text,) = decode(message(output_text("abcde", url, file))).message.parts
    assert text.citations == (
        Citation(kind="url_citation", url="u", title="t", start=1, end=4, source=url),
        Citation(kind="file_citation", title="a.pdf", source=file),
    )


def test_a_refusal_is_a_filtered_answer():
    answer = decode(message({"type": "refusal", "refusal": "I cannot"}))
    assert answer.message.parts == (Refusal("I cannot", id="msg_1"),)
    assert answer.finish == Finish(reason="content_filter", raw="completed")


def test_phase_and_item_extras_are_kept():
    answer = decode(message(output_text("x"), phase="commentary", status="completed"))
    assert answer.message.parts == (
        Text("x", id="msg_1", phase="commentary", opaque={"message": {"status": "completed"}}),
    )


def test_log_probabilities_are_beside_the_answer():
    logprobs = [{"token": "x", "logprob": -0.1, "bytes": [120], "top_logprobs": []}]
    answer = decode(message(output_text("x") | {"logprobs": logprobs}))
    assert answer.extras == {"logprobs": logprobs}
    assert answer.message.parts == (Text("x", id="msg_1"),)


@pytest.mark.parametrize(
    ("status", "details", "reason", "raw"),
    [
        ("incomplete", {"reason": "max_output_tokens"}, "length", "max_output_tokens"),
        ("incomplete", {"reason": "content_filter"}, "content_filter", "content_filter"),
        ("incomplete", {"reason": "max_messages"}, "pause", "max_messages"),
        ("incomplete", {"reason": "steered"}, "pause", "steered"),
        ("incomplete", {"reason": "new"}, "unknown", "new"),
        ("incomplete", None, "unknown", "incomplete"),
        ("queued", None, "unknown", "queued"),
    ],
)
def test_each_way_to_end_early_has_its_reason(status, details, reason, raw):
    finish = decode(function_call('{"x": '), status=status, incomplete_details=details).finish
    assert (finish.reason, finish.raw) == (reason, raw)
    assert finish.details == ({"incomplete_details": details} if details else {})


def test_a_call_in_a_cut_answer_is_not_executable():
    assert (
        decode(
            function_call(), status="incomplete", incomplete_details={"reason": "max_output_tokens"}
        ).executable_tool_calls
        == ()
    )


@pytest.mark.parametrize("wire", [{}, {"choices": []}, {"output": "text"}, {"object": "response"}])
def test_a_body_of_another_api_is_refused(wire):
    with pytest.raises(InvalidResponseError, match="not a Responses answer"):
        Responses().decode(wire, MODEL)


def test_an_answer_without_output_is_empty():
    assert Responses().decode({"status": "completed", "output": None}, MODEL).message.parts == ()


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("server_error", ServerError, 500),
        ("something_new", ServerError, 500),
        ("rate_limit_exceeded", RateLimitError, 429),
        ("invalid_prompt", BadRequestError, 400),
        ("image_content_policy_violation", ContentFilterError, 400),
        ("context_length_exceeded", ContextOverflowError, 400),
    ],
)
def test_a_failed_answer_raises_what_fits_its_code(code, kind, status):
    error = {"code": code, "message": "the words"}
    failed = body(status="failed", error=error)
    with pytest.raises(APIError, match="the words") as whole:
        Responses().decode(failed, MODEL)
    with pytest.raises(APIError, match="the words") as streamed:
        feed(CREATED, delta("half"), {"type": "response.failed", "response": failed})
    for caught in (whole.value, streamed.value):
        assert (type(caught), caught.error_code, caught.status, caught.model) == (kind, code, status, MODEL)
    assert streamed.value.partial.text == "half"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "the words", "param": None},
        {"type": "response.error", "error": {"code": "server_error", "message": "the words"}},
    ],
)
def test_an_error_event_raises_with_what_had_arrived(event):
    with pytest.raises(ServerError, match="the words") as caught:
        feed(CREATED, delta("half"), event)
    assert caught.value.error_code == "server_error"
    assert caught.value.partial.text == "half"


def test_a_failure_without_words_says_so():
    with pytest.raises(ServerError, match="no reason was given"):
        feed(CREATED, {"type": "response.failed", "response": {"status": "failed"}})


def test_a_stream_hands_out_one_event_per_wire_event():
    decoder = Responses().decoder(MODEL)
    assert decoder.feed(CREATED) == [Start("resp_1", "gpt-5", Origin("responses", MODEL))]
    assert decoder.feed(delta("It ")) == [TextDelta(0, "It ")]
    assert decoder.feed(delta("is")) == [TextDelta(0, "is")]
    assert decoder.feed({"type": "response.output_item.added", "output_index": 1, "item": function_call("")}) == [
        ToolCallStart(1, "call_a", "add")
    ]
    grown = {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{}"}
    assert decoder.feed(grown) == [ToolCallDelta(1, "{}")]


def test_reasoning_streams_by_kind():
    summary = {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "a"}
    raw = {"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "b"}
    _, events = feed(CREATED, summary, raw)
    assert events[1:] == [ReasoningDelta(0, "summary", "a"), ReasoningDelta(0, "raw", "b", 1)]


def test_the_proof_of_reasoning_is_taken_from_the_end_of_its_item():
    wire = {"type": "reasoning", "id": "rs_1", "summary": []}
    added = {"type": "response.output_item.added", "output_index": 0, "item": wire | {"encrypted_content": "half"}}
    done = {"type": "response.output_item.done", "output_index": 0, "item": wire | {"encrypted_content": "whole"}}
    decoder, events = feed(CREATED, added, done, COMPLETED)
    assert fold(events + decoder.close()).message.parts == (Reasoning(id="rs_1", encrypted="whole"),)


def test_item_ids_that_change_in_mid_stream_double_nothing():
    whole = body(message(output_text("It is four.")))
    decoder, events = feed(*stream_of(whole, Faults(item_ids=("other", "third"))))
    assert "".join(texts(events)) == "It is four."
    assert fold(events + decoder.close()) == Responses().decode(whole, MODEL)


def test_repeated_numbers_are_dropped_and_swapped_ones_put_in_order():
    _, events = feed(
        CREATED | {"sequence_number": 0}, delta("a", 1), delta("a", 1), delta("c", 3), delta("b", 2), delta("a", 1)
    )
    assert texts(events) == ["a", "b", "c"]


def test_a_gap_in_the_numbers_holds_one_event_back_and_no_more():
    decoder, _ = feed(CREATED | {"sequence_number": 0})
    assert decoder.feed(delta("a", 5)) == []
    assert texts(decoder.feed(delta("b", 6))) == ["a", "b"]
    assert texts(decoder.feed(delta("c", 7))) == ["c"]


def test_numbers_that_are_all_alike_lose_nothing():
    _, events = feed(CREATED | {"sequence_number": 0}, delta("a", 0), delta("a", 0), delta("b", 0))
    assert texts(events) == ["a", "a", "b"]


def test_the_last_event_is_taken_at_once_and_after_what_waited():
    decoder, events = feed(CREATED | {"sequence_number": 0}, delta("a", 5), COMPLETED | {"sequence_number": 9})
    assert texts(events) == ["a"]
    assert decoder.done


def test_text_that_only_its_end_tells_is_handed_out_once():
    done = {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"}
    end = {"type": "response.output_item.done", "output_index": 0, "item": message(output_text("Hello"))}
    _, events = feed(
        CREATED, done, end, {"type": "response.completed", "response": body(message(output_text("Hello")))}
    )
    assert texts(events) == ["Hello"]


def test_the_end_of_a_text_fills_what_the_deltas_lost():
    end = {"type": "response.output_item.done", "output_index": 0, "item": message(output_text("Hello"))}
    _, events = feed(CREATED, delta("Hel"), end)
    assert texts(events) == ["Hel", "lo"]


def test_other_text_at_the_end_repeats_nothing():
    end = {"type": "response.output_item.done", "output_index": 0, "item": message(output_text("Bye"))}
    _, events = feed(CREATED, delta("Hello"), end)
    assert texts(events) == ["Hello"]


def test_an_end_under_another_index_belongs_to_its_item():
    added = {"type": "response.output_item.added", "output_index": 2, "item": function_call("")}
    grown = {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{}"}
    done = {"type": "response.output_item.done", "output_index": 4, "item": function_call()}
    decoder, events = feed(
        CREATED, added, grown, done, {"type": "response.completed", "response": body(function_call())}
    )
    assert [call.arguments for call in fold(events + decoder.close()).tool_calls] == ["{}"]


ADDED_CALL = {"type": "response.output_item.added", "output_index": 0, "item": function_call("")}
ARGUMENTS = {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"x": 1}'}


def test_a_call_that_ends_with_other_arguments_is_not_trusted():
    done = {"type": "response.output_item.done", "output_index": 0, "item": function_call('{"x": 2}')}
    with pytest.raises(InvalidResponseError, match="other arguments") as caught:
        feed(CREATED, delta("Let me see", output_index=1), ADDED_CALL, ARGUMENTS, done)
    partial = caught.value.partial
    assert partial.text == "Let me see"
    assert [call.arguments for call in partial.tool_calls] == ['{"x": 1}']
    assert partial.executable_tool_calls == ()
    assert caught.value.model == MODEL


def test_arguments_that_are_only_spaced_otherwise_are_the_same():
    done = {"type": "response.output_item.done", "output_index": 0, "item": function_call('{"x":1}')}
    decoder, events = feed(CREATED, ADDED_CALL, ARGUMENTS, done, COMPLETED)
    assert fold(events + decoder.close()).tool_calls[0].arguments == '{"x": 1}'


def test_an_early_end_raises_with_what_had_arrived():
    for events in ([], [CREATED], [CREATED, delta("half")], [CREATED, ADDED_CALL, ARGUMENTS]):
        decoder, _ = feed(*events)
        assert not decoder.complete
        with pytest.raises(IncompleteStreamError, match="before the answer was complete"):
            decoder.close()
    assert decoder.partial().tool_calls[0].arguments == '{"x": 1}'
    assert decoder.partial().executable_tool_calls == ()


def test_done_items_and_the_done_mark_complete_no_stream_that_began_with_an_envelope():
    end = {"type": "response.output_item.done", "output_index": 0, "item": message(output_text("Hello"))}
    decoder, _ = feed(CREATED, end)
    assert decoder.sentinel() == []
    assert not decoder.complete
    with pytest.raises(IncompleteStreamError):
        decoder.close()


def test_nothing_is_read_after_the_last_event():
    decoder, _ = feed(CREATED, delta("a"), COMPLETED)
    assert decoder.complete
    assert decoder.done
    assert decoder.feed(delta("b")) == []


def test_usage_comes_with_the_last_event():
    usage = {"input_tokens": 3, "output_tokens": 4}
    decoder, events = feed(CREATED, {"type": "response.completed", "response": body(usage=usage)})
    events += decoder.close()
    assert [event for event in events if isinstance(event, UsageUpdate)] == [
        UsageUpdate(Usage(input=3, output=4, total=7))
    ]
    assert events[-1].usage == Usage(input=3, output=4, total=7)


def test_unknown_events_are_ignored():
    decoder, events = feed(CREATED, {"type": "response.novelty", "x": 1}, {"type": "keepalive"}, COMPLETED)
    assert len(events) == 1
    assert fold(events + decoder.close()).message.parts == ()


# Agent endpoints


def agent_delta(text):
    return {"type": "response.output_text.delta", "item_id": "m", "delta": text}


def item_done(item, **fields):
    return {"type": "response.output_item.done", "item": item} | fields


RESULT = {"type": "function_call_output", "call_id": "call_a", "output": "4"}


def test_an_agents_stream_is_complete_when_its_items_are_done():
    decoder, events = feed(agent_delta("Hel"), agent_delta("lo"), item_done(message(output_text("Hello"))))
    assert texts(events) == ["Hel", "lo"]
    answer = fold(events + decoder.close())
    assert (answer.text, answer.finish) == ("Hello", Finish(reason="stop"))


def test_an_agents_stream_is_complete_at_the_done_mark():
    decoder, events = feed(agent_delta("Hello"))
    events += decoder.sentinel()
    assert decoder.complete
    assert decoder.done
    assert fold(events + decoder.close()).text == "Hello"


@pytest.mark.parametrize("events", [[], [agent_delta("Hel")], [item_done(message(output_text("a"))), agent_delta("b")]])
def test_an_agents_stream_that_ends_in_mid_item_is_not_complete(events):
    decoder, _ = feed(*events)
    with pytest.raises(IncompleteStreamError):
        decoder.close()


def test_the_done_mark_completes_no_half_call_of_an_agent():
    decoder, _ = feed(ADDED_CALL, ARGUMENTS)
    decoder.sentinel()
    with pytest.raises(IncompleteStreamError):
        decoder.close()


def test_a_call_the_agent_ran_itself_is_native_and_asks_for_nothing():
    output = (function_call(), message(output_text("wait")), RESULT, message(output_text("4"), id="msg_2"))
    decoder, events = feed(*map(item_done, output))
    answer = fold(events + decoder.close())
    assert answer.message.parts == (
        Native(api="responses", payload=function_call(), id="fc_1"),
        Text("wait", id="msg_1"),
        Native(api="responses", payload=RESULT),
        Text("4", id="msg_2"),
    )
    assert answer.finish.reason == "stop"
    assert Responses().decode({"output": [*output]}, MODEL).message == answer.message


def test_a_call_the_agent_leaves_to_the_caller_is_a_call():
    decoder, events = feed(item_done(function_call()), item_done(message(output_text("run it"))))
    answer = fold(events + decoder.close())
    assert [type(part) for part in answer.message.parts] == [ToolCall, Text]
    assert answer.finish.reason == "tool_calls"


def test_what_waits_for_a_result_is_in_the_partial_answer():
    decoder, _ = feed(item_done(function_call()), agent_delta("run"))
    assert decoder.partial().text == "run"
    assert len(decoder.partial().tool_calls) == 1


def test_untyped_events_of_an_agent_are_beside_the_answer():
    decoder, events = feed(
        item_done(message(output_text("a")), custom_outputs={"session": 1}),
        {"trace_id": "tr_1", "databricks_output": {"trace": {}}},
    )
    answer = fold(events + decoder.close())
    assert answer.extras == {"custom_outputs": {"session": 1}, "trace_id": "tr_1", "databricks_output": {"trace": {}}}


def test_an_untyped_event_may_be_the_whole_answer():
    decoder, events = feed({"object": "response", "output": [message(output_text("a"))], "custom_outputs": {"b": 1}})
    answer = fold(events + decoder.close())
    assert (answer.text, answer.extras) == ("a", {"custom_outputs": {"b": 1}})
    assert answer.finish.reason == "stop"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "completed"}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
    ],
)
def test_an_untyped_answer_of_an_agent_ends_as_its_status_says(fields, reason):
    whole = body(message(output_text("a"))) | fields
    decoder, events = feed(whole)
    assert fold(events + decoder.close()).finish.reason == reason
    assert fold(events + decoder.close()).finish == Responses().decode(whole, MODEL).finish


def test_an_untyped_answer_of_an_agent_that_failed_raises():
    with pytest.raises(ServerError, match="the words"):
        feed(body(status="failed", error={"code": "server_error", "message": "the words"}))


def test_a_message_of_plain_text_without_a_type_is_read():
    assert Responses().decode({"output": [{"role": "assistant", "content": "Hi"}]}, MODEL).message.parts == (
        Text("Hi"),
    )
