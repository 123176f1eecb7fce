"""Answers of chat-completions, whole and streamed: what each shape of the wire becomes."""

from __future__ import annotations

import pytest

from dbx_gateway.chat import (
    Audio,
    Blob,
    ChatResponse,
    Citation,
    Finish,
    Image,
    Message,
    Native,
    Origin,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    Usage,
)
from dbx_gateway.dialects.chat_completions.dialect import ChatCompletions
from dbx_gateway.errors import IncompleteStreamError, InvalidResponseError
from dbx_gateway.events import (
    End,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    fold,
)

HERE = Origin("chat-completions", "asked")
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


def whole(message, finish="stop", usage=None, **body):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return ChatCompletions().decode(
        {"id": "cc-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        | body,
        "asked",
    )


def chunk(delta=None, finish=None, **body):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "cc-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices} | body


def read(*chunks, done=True):
    decoder = ChatCompletions().decoder("asked")
    seen = []
    for one in chunks:
        seen += decoder.feed(one)
    if done:
        seen += decoder.sentinel()
    return seen + decoder.close()


def streamed(*deltas, finish="stop"):
    return fold(read(*(chunk(delta) for delta in deltas), chunk({}, finish)))


def parts(*deltas):
    return streamed(*deltas).message.parts


def summary(text, **more):
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": text, **more}]}


def text(value, **more):
    return {"type": "text", "text": value, **more}


# ---- whole


def test_a_whole_answer_is_read():
    assert whole({"content": "hi"}, usage=USAGE, system_fingerprint="fp", service_tier=None) == ChatResponse(
        message=Message(role="assistant", parts=(Text("hi"),), origin=HERE),
        finish=Finish(reason="stop", raw="stop"),
        usage=Usage(input=9, output=5, total=14),
        id="cc-1",
        model="m",
        extras={"system_fingerprint": "fp"},
    )


def test_an_answer_that_names_no_model_is_of_the_one_that_was_asked():
    answer = ChatCompletions().decode({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}, "asked")
    assert (answer.model, answer.id, answer.usage) == ("asked", None, None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        ("hi", (Text("hi"),)),
        (["h", None, True, {"text": "i"}], (Text("hi"),)),
        (["h", 3, 0.5], (Text("h30.5"),)),
        (42, (Text("42"),)),
        (True, ()),
        ({"type": "text", "text": "hi"}, (Text("hi"),)),
        ({"text": "hi"}, (Text("hi"),)),
        ({"type": "widget", "w": 1}, (Native(api="chat-completions", payload={"type": "widget", "w": 1}),)),
        ([text("hi")], (Text("hi"),)),
        ([text("a"), text("b")], (Text("ab"),)),
        ([text("hi", thoughtSignature="s")], (Text("hi", opaque={"thoughtSignature": "s"}),)),
        ([text("hi"), text("", thoughtSignature="s")], (Text("hi", opaque={"thoughtSignature": "s"}),)),
        ([text("", thoughtSignature="s")], (Text("", opaque={"thoughtSignature": "s"}),)),
        ([text("a", thoughtSignature="s"), text("b")], (Text("a", opaque={"thoughtSignature": "s"}), Text("b"))),
        ([summary("hm"), text("hi")], (Reasoning(segments=(Segment("summary", "hm"),)), Text("hi"))),
        (
            [summary("hm", signature="s"), summary("so", signature="t"), text("hi")],
            (
                Reasoning(segments=(Segment("summary", "hm"),), signature="s"),
                Reasoning(segments=(Segment("summary", "so"),), signature="t"),
                Text("hi"),
            ),
        ),
        ([summary("", signature="s")], (Reasoning(signature="s"),)),
        (
            [{"type": "reasoning", "summary": [{"type": "summary_encrypted_text", "data": "xyz"}]}, text("hi")],
            (Reasoning(redacted="xyz"), Text("hi")),
        ),
        (
            [{"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "a"}]}],
            (Reasoning(segments=(Segment("summary", "a"),), opaque={"id": "r"}),),
        ),
        (
            [{"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "a", "signature": "s"}]}],
            (Reasoning(segments=(Segment("summary", "a"),), signature="s", opaque={"id": "r"}),),
        ),
        (
            [{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "raw"}]}],
            (Reasoning(segments=(Segment("raw", "raw"),)),),
        ),
        ([{"type": "reasoning", "text": "raw"}], (Reasoning(segments=(Segment("raw", "raw"),)),)),
        (
            [text("a"), {"type": "widget", "w": 1}, text("b")],
            (Text("a"), Native(api="chat-completions", payload={"type": "widget", "w": 1}), Text("b")),
        ),
        (
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
            (Image(blob=Blob(data="AA==", mime="image/png")),),
        ),
        ([{"type": "refusal", "refusal": "no"}], (Refusal("no"),)),
    ],
)
def test_content_is_read_the_same_whole_and_streamed(content, expected):
    assert whole({"content": content}).message.parts == expected
    assert parts({"content": content}) == expected


def test_citations_inside_a_text_part_are_kept_with_their_source():
    wire = {
        "type": "page_location",
        "cited_text": "four",
        "document_title": "Sums",
        "start_page_number": 2,
        "end_page_number": 3,
    }
    cited = Citation(kind="page_location", cited_text="four", title="Sums", start=2, end=3, source=wire)
    assert whole({"content": [text("4", citations=[wire]), text(".")]}).message.parts == (
        Text("4", citations=(cited,)),
        Text("."),
    )
    assert parts({"content": "4"}, {"content": [{"type": "text", "citations": [wire]}]}, {"content": "."}) == (
        Text("4", citations=(cited,)),
        Text("."),
    )


def test_annotations_are_citations_of_the_text():
    wire = {
        "type": "url_citation",
        "url_citation": {"start_index": 0, "end_index": 2, "url": "https://e.org", "title": "E"},
    }
    cited = Citation(kind="url_citation", url="https://e.org", title="E", start=0, end=2, source=wire)
    assert whole({"content": "hi", "annotations": [wire]}).message.parts == (Text("hi", citations=(cited,)),)
    assert parts({"annotations": [wire]}, {"content": "hi"}) == (Text("hi", citations=(cited,)),)
    assert whole({"content": None, "annotations": [wire]}).extras == {"message": {"annotations": [wire]}}


@pytest.mark.parametrize(
    "message",
    [{"reasoning_content": "hm"}, {"reasoning": "hm"}, {"reasoning_content": "hm", "reasoning": "hm"}],
    ids=["reasoning_content", "reasoning", "both"],
)
def test_reasoning_beside_the_content_is_reasoning(message):
    expected = (Reasoning(segments=(Segment("raw", "hm"),)), Text("hi"))
    assert whole({"content": "hi", **message}).message.parts == expected
    assert parts(message, {"content": "hi"}) == expected


def test_details_of_reasoning_are_kept():
    detail = {"type": "reasoning.encrypted", "data": "x"}
    assert whole({"content": "hi", "reasoning": "hm", "reasoning_details": [detail]}).message.parts[0] == Reasoning(
        segments=(Segment("raw", "hm"),), opaque={"reasoning_details": [detail]}
    )


def test_a_refusal_is_a_refusal_whatever_the_finish_reason():
    answer = whole({"content": None, "refusal": "no"})
    assert answer.message.parts == (Refusal("no"),)
    assert answer.finish == Finish(reason="content_filter", raw="stop")


def test_sound_is_put_together():
    audio = {"id": "audio_1", "data": "AAAABBBB", "transcript": "hello", "expires_at": 7}
    expected = (Audio(blob=Blob(data="AAAABBBB"), transcript="hello", id="audio_1", opaque={"expires_at": 7}),)
    assert whole({"content": None, "audio": audio}).message.parts == expected
    fragments = ({"id": "audio_1"}, {"data": "AAAA", "transcript": "hel"}, {"data": "BBBB", "transcript": "lo"})
    assert parts(*({"audio": one} for one in fragments), {"audio": {"expires_at": 7}}) == expected


def test_fields_of_a_message_that_have_no_part_are_kept_beside_the_answer():
    message = {"content": "hi", "provider_specific_fields": {"a": 1}, "function_call": None}
    assert whole(message).extras == {"message": {"provider_specific_fields": {"a": 1}}}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("error", "error"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "unknown"),
        ("STOP", "unknown"),
    ],
)
def test_a_finish_reason_is_translated_and_kept(raw, reason):
    assert whole({"content": "hi"}, finish=raw).finish == Finish(reason=reason, raw=raw)
    assert streamed({"content": "hi"}, finish=raw).finish == Finish(reason=reason, raw=raw)


@pytest.mark.parametrize(("raw", "reason"), [("stop", "tool_calls"), ("length", "length"), ("odd", "unknown")])
def test_stop_with_calls_is_a_wish_for_their_results(raw, reason):
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    assert streamed({"tool_calls": [call]}, finish=raw).finish == Finish(reason=reason, raw=raw)
    assert whole({"tool_calls": [call]}, finish=raw).finish == Finish(reason=reason, raw=raw)


def test_a_whole_answer_that_does_not_say_why_it_ended_makes_nothing_up():
    assert whole({"content": "hi"}, finish=None).finish == Finish(reason="unknown", raw=None)


def test_what_a_choice_says_beside_its_message_is_kept_with_its_end():
    choice = {"message": {"content": "hi"}, "finish_reason": "stop", "stop_reason": "END", "matched": 2}
    finish = ChatCompletions().decode({"choices": [choice]}, "m").finish
    assert finish == Finish(
        reason="stop", raw="stop", stop_sequence="END", details={"stop_reason": "END", "matched": 2}
    )


def test_further_choices_are_alternatives():
    def choice(index, content, **more):
        return {"index": index, "message": {"content": content}, "finish_reason": "stop", **more}

    logprobs = {"content": [{"token": "b"}], "refusal": None}
    body = {"id": "x", "choices": [choice(1, "b", logprobs=logprobs), choice(0, "a"), choice(2, "c")]}
    answer = ChatCompletions().decode(body, "asked")
    assert answer.text == "a"
    assert [(other.message.text, other.finish.details) for other in answer.alternatives] == [
        ("b", {"logprobs": logprobs}),
        ("c", {}),
    ]
    assert answer.alternatives[0].message.origin == HERE


def test_streamed_choices_may_come_in_any_order():
    def one(index, content, finish=None):
        return {"id": "x", "choices": [{"index": index, "delta": {"content": content}, "finish_reason": finish}]}

    answer = fold(read(one(1, "b"), one(0, "a"), one(1, "B", "length"), one(0, "A", "stop")))
    assert (answer.text, answer.finish.reason) == ("aA", "stop")
    assert [(other.message.text, other.finish.reason) for other in answer.alternatives] == [("bB", "length")]


def test_a_stream_whose_only_choice_has_another_number_is_an_answer():
    answer = fold(read({"choices": [{"index": 1, "delta": {"content": "hi"}, "finish_reason": "stop"}]}))
    assert (answer.text, answer.alternatives) == ("hi", ())


def test_log_probabilities_are_kept_and_add_up():
    tokens = [{"token": "a", "logprob": -1.0}, {"token": "b", "logprob": -2.0}]
    choices = [
        {"index": 0, "delta": {"content": token["token"]}, "logprobs": {"content": [token], "refusal": None}}
        for token in tokens
    ]
    answer = fold(read(*({"choices": [choice]} for choice in choices), chunk({}, "stop")))
    assert answer.extras == {"logprobs": {"content": tokens, "refusal": None}}


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        (USAGE, Usage(input=9, output=5, total=14)),
        ({"prompt_tokens": 9, "completion_tokens": 5}, Usage(input=9, output=5, total=14)),
        ({"input_tokens": 9, "output_tokens": 5}, Usage(input=9, output=5, total=14)),
        (
            {
                **USAGE,
                "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0},
            },
            Usage(input=9, output=5, total=14, cache_read=3, cache_write=2, reasoning=4, audio_in=1, audio_out=0),
        ),
        ({**USAGE, "prompt_tokens_details": None}, Usage(input=9, output=5, total=14)),
        ({"prompt_tokens": "many", "completion_tokens": 5, "total_tokens": 5}, None),
        ({"prompt_tokens": 9.5, "completion_tokens": 5}, None),
        ({"prompt_tokens": "9", "completion_tokens": 5.0, "total_tokens": "14.0"}, Usage(input=9, output=5, total=14)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": True}, Usage(input=9, output=5, total=14)),
        (None, None),
        ({}, None),
        ("bad", None),
    ],
)
def test_usage_is_read_in_one_arithmetic_and_never_costs_the_answer(wire, usage):
    answer = whole({"content": "hi"}, usage=wire)
    assert (answer.text, answer.usage) == ("hi", usage)
    if usage is not None:
        assert answer.usage.raw == wire


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": None},
        {"choices": [None]},
        {"choices": [{"finish_reason": "stop"}]},
        {"choices": [{"message": "hi", "finish_reason": "stop"}]},
        {"messages": []},
        {"messages": ["hi"]},
        {"candidates": [{}]},
    ],
)
def test_a_body_that_is_no_answer_is_refused(body):
    with pytest.raises(InvalidResponseError, match="other than a chat completion") as caught:
        ChatCompletions().decode(body, "asked")
    assert caught.value.model == "asked"


# ---- streams


def test_a_stream_tells_each_thing_as_it_comes():
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert read(
        chunk({"role": "assistant", "content": ""}, usage=None),
        chunk({"reasoning_content": "hm"}),
        chunk({"content": "It"}),
        chunk({"content": " is"}),
        chunk({"tool_calls": [call]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        chunk({}, "tool_calls"),
        chunk(usage=USAGE),
    ) == [
        Start("cc-1", "m", HERE),
        ReasoningDelta(0, "raw", "hm"),
        TextDelta(1, "It"),
        TextDelta(1, " is"),
        ToolCallStart(2, "a", "f"),
        ToolCallDelta(2, "{}"),
        PartEnd(0, Reasoning(segments=(Segment("raw", "hm"),))),
        PartEnd(1, Text("It is")),
        ToolCallEnd(2, ToolCall(call_id="a", name="f", arguments="{}")),
        UsageUpdate(Usage(input=9, output=5, total=14)),
        End(Finish(reason="tool_calls", raw="tool_calls"), Usage(input=9, output=5, total=14)),
    ]


def test_a_refusal_is_streamed():
    events = read(chunk({"refusal": "n"}), chunk({"refusal": "o"}), chunk({}, "stop"))
    assert events[1:3] == [RefusalDelta(0, "n"), RefusalDelta(0, "o")]
    assert fold(events).finish == Finish(reason="content_filter", raw="stop")


def test_reasoning_that_comes_in_tiny_list_parts_is_one_part():
    assert parts(
        {"content": [summary("I ")]},
        {"content": [summary("think")]},
        {"content": [summary("", signature="s")]},
        {"content": [text("so")]},
        {"content": "."},
    ) == (Reasoning(segments=(Segment("summary", "I think"),), signature="s"), Text("so."))


def test_text_after_a_call_goes_on_with_the_text_before_it():
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    assert parts({"content": "a"}, {"tool_calls": [call]}, {"content": "b"}) == (
        Text("ab"),
        ToolCall(call_id="a", name="f", arguments="{}"),
    )


@pytest.mark.parametrize(
    "chunks",
    [
        (chunk({"content": "hi"}), chunk({}, "stop"), chunk(usage=USAGE)),
        (chunk({"content": "hi"}), chunk({}, "stop", usage=USAGE)),
        (chunk({"content": "hi"}, usage=USAGE), chunk({}, "stop", usage=None)),
        (
            chunk({"content": "hi"}, usage={**USAGE, "completion_tokens": 1, "total_tokens": 10}),
            chunk({}, "stop", usage=USAGE),
            chunk(usage=USAGE),
        ),
        (chunk({"content": "hi"}), chunk({}, "stop", usage=USAGE), chunk(usage="bad")),
    ],
    ids=["own chunk", "finish chunk", "early", "every chunk", "then a bad one"],
)
def test_the_last_usage_counts_wherever_it_stands(chunks):
    assert fold(read(*chunks)).usage == Usage(input=9, output=5, total=14)


def test_the_same_usage_is_told_once():
    events = read(chunk({"content": "hi"}, usage=USAGE), chunk({}, "stop", usage=USAGE), chunk(usage=USAGE))
    assert [event for event in events if isinstance(event, UsageUpdate)] == [
        UsageUpdate(Usage(input=9, output=5, total=14))
    ]


def test_a_stream_without_usage_has_none():
    assert streamed({"content": "hi"}).usage is None


def test_fields_of_chunks_are_kept_once():
    answer = fold(
        read(
            chunk({"content": "hi"}, system_fingerprint="fp", obfuscation="xxx", databricks_request_id="r"),
            chunk({}, "stop", system_fingerprint="fp", service_tier=None),
        )
    )
    assert answer.extras == {"system_fingerprint": "fp", "databricks_request_id": "r"}


def test_a_first_chunk_without_choices_or_id_begins_nothing():
    first = {"id": "", "model": "", "choices": [], "prompt_filter_results": [1]}
    answer = fold(read(first, chunk({"content": "hi"}, "stop")))
    assert (answer.id, answer.model, answer.extras) == ("cc-1", "m", {"prompt_filter_results": [1]})


@pytest.mark.parametrize("event", [{}, {"trace_id": "t"}, {"choices": None}, {"choices": [None]}, {"choices": [{}]}])
def test_events_that_hold_nothing_known_do_no_harm(event):
    assert fold(read(chunk({"content": "hi"}), event, chunk({}, "stop"))).text == "hi"


def test_a_message_in_the_place_of_a_delta_is_read():
    choice = {"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}
    assert fold(read({"id": "x", "choices": [choice]})).text == "hi"


# ---- completeness


def fed(*chunks, done=False):
    decoder = ChatCompletions().decoder("asked")
    for one in chunks:
        decoder.feed(one)
    if done:
        decoder.sentinel()
    return decoder


@pytest.mark.parametrize(
    ("chunks", "done", "complete"),
    [
        ((), False, False),
        ((), True, False),
        ((chunk({"content": "hi"}),), False, False),
        ((chunk({"content": "hi"}),), True, True),
        (({"choices": [{"index": 0, "delta": {"content": "hi"}}]},), True, True),
        ((chunk({"content": "hi"}, "stop"),), False, True),
        ((chunk({"content": "hi"}, "length"),), False, True),
        ((chunk({"content": "hi"}, ""),), False, False),
        ((chunk(usage=USAGE),), True, False),
        ((chunk({"content": "hi"}, "stop"), {"choices": [{"index": 1, "delta": {}}]}), False, False),
        ((chunk({"content": "hi"}, "stop"), {"choices": [{"index": 1, "delta": {}}]}), True, True),
        (({"delta": {"role": "assistant", "content": "hi"}},), False, False),
        (({"delta": {"role": "assistant", "content": "hi"}},), True, True),
        (({"delta": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"},), False, True),
        (({"messages": [{"role": "assistant", "content": "hi"}]},), False, True),
    ],
)
def test_a_stream_is_complete_when_the_wire_has_proved_it(chunks, done, complete):
    decoder = fed(*chunks, done=done)
    assert (decoder.complete, decoder.done) == (complete, done)
    if complete:
        assert isinstance(decoder.close()[-1], End)
    else:
        with pytest.raises(IncompleteStreamError):
            decoder.close()


def test_a_cut_stream_raises_with_what_had_arrived():
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": 1'}}
    decoder = fed(chunk({"content": "hi"}), chunk({"tool_calls": [call]}, usage=USAGE))
    with pytest.raises(IncompleteStreamError, match="neither a finish_reason nor \\[DONE\\]") as caught:
        decoder.close()
    assert caught.value.partial == decoder.partial()
    assert caught.value.partial.message.parts == (Text("hi"), ToolCall(call_id="a", name="f", arguments='{"x": 1'))
    assert caught.value.partial.usage == Usage(input=9, output=5, total=14)
    assert caught.value.partial.executable_tool_calls == ()


def asks_for(*arguments):
    """The chunks of a stream with a call for each of ``arguments``, in two pieces."""
    for place, text in enumerate(arguments):
        half = len(text) // 2
        opening = {"index": place, "id": f"c{place}", "function": {"name": "f", "arguments": text[:half]}}
        yield chunk({"tool_calls": [opening]})
        yield chunk({"tool_calls": [{"index": place, "function": {"arguments": text[half:]}}]})


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (['{"x":1}'], [True]),
        (['{"x":'], [False]),
        ([""], [False]),
        (["", '{"x":1}'], [True, True]),
        (['{"x":1}', ""], [True, False]),
        (['{"x":', '{"x":1}'], [False, True]),
    ],
)
def test_of_the_calls_before_a_bare_done_those_run_that_are_surely_whole(arguments, runs):
    decoder = fed(chunk({"content": "hi"}))
    events = [event for one in asks_for(*arguments) for event in decoder.feed(one)]
    answer = fold([*events, *decoder.sentinel(), *decoder.close()])
    assert answer.finish == Finish(reason="unknown")
    assert [call in answer.executable_tool_calls for call in answer.tool_calls] == runs


def test_text_after_an_early_finish_reason_still_counts():
    assert fold(read(chunk({}, "stop"), chunk({"content": "hi"}), chunk({}, "length"))).finish.reason == "length"


def test_half_a_call_at_the_length_limit_is_not_executable():
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}}
    answer = streamed({"tool_calls": [call]}, finish="length")
    assert (len(answer.tool_calls), answer.executable_tool_calls) == (1, ())


# ---- agents

ASKS = {
    "role": "assistant",
    "content": "",
    "id": "m1",
    "tool_calls": [{"id": "t", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}],
}
FINDS = {"role": "tool", "content": "4", "tool_call_id": "t", "name": "look_up", "id": "m2"}
SAYS = {"role": "assistant", "content": "It is 4.", "id": "m3"}
AGENT_PARTS = (
    Native(api="chat-completions", payload=ASKS),
    Native(api="chat-completions", payload=FINDS),
    Text("It is 4.", id="m3"),
)


def test_the_answer_of_an_agent_is_its_text_and_what_it_did_is_kept():
    body = {"messages": [ASKS, FINDS, SAYS], "custom_outputs": {"a": 1}, "usage": USAGE}
    assert ChatCompletions().decode(body, "asked") == ChatResponse(
        message=Message(role="assistant", parts=AGENT_PARTS, origin=HERE),
        finish=Finish(reason="stop", raw=None),
        usage=Usage(input=9, output=5, total=14),
        model="asked",
        extras={"custom_outputs": {"a": 1}},
    )


def test_a_streamed_agent_gives_the_same_answer():
    says = [{"delta": {**SAYS, "content": piece}} for piece in ("It ", "is ", "4.")]
    last = {"delta": {**SAYS, "content": ""}, "custom_outputs": {"a": 1}, "usage": USAGE}
    events = read({"delta": ASKS}, {"delta": FINDS}, *says, last)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["It ", "is ", "4."]
    body = {"messages": [ASKS, FINDS, SAYS], "custom_outputs": {"a": 1}, "usage": USAGE}
    assert fold(events) == ChatCompletions().decode(body, "asked")


def test_messages_of_an_agent_are_parts_of_their_own():
    events = read({"delta": {"role": "assistant", "content": "One.", "id": "m1"}}, {"delta": SAYS})
    assert fold(events).message.parts == (Text("One.", id="m1"), Text("It is 4.", id="m3"))


def test_calls_at_the_end_of_an_agents_answer_are_for_the_caller():
    for answer in (
        ChatCompletions().decode({"messages": [ASKS]}, "asked"),
        fold(read({"delta": ASKS})),
    ):
        assert answer.tool_calls == (ToolCall(call_id="t", name="look_up", arguments="{}"),)
        assert answer.finish == Finish(reason="tool_calls", raw=None)


def test_an_agent_may_say_why_it_ended():
    assert fold(read({"delta": SAYS, "finish_reason": "length"})).finish == Finish(reason="length", raw="length")


def test_what_an_agents_message_holds_beside_its_text_is_kept():
    answer = ChatCompletions().decode({"messages": [{**SAYS, "attachments": {"a": 1}}]}, "asked")
    assert answer.extras == {"message": {"attachments": {"a": 1}}}
