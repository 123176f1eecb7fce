"""What the generate-content api answers, and what becomes of it."""

from __future__ import annotations

import pytest

from dbx_gateway.chat import (
    Audio,
    Blob,
    Citation,
    File,
    Finish,
    Image,
    Native,
    Origin,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    Usage,
)
from dbx_gateway.dialects.generate_content.dialect import GENERATE_CONTENT
from dbx_gateway.errors import IncompleteStreamError, InvalidResponseError
from dbx_gateway.events import (
    End,
    PartEnd,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    fold,
)

MODEL = "databricks-gemini-3-test"


def answer(*parts, reason="STOP", **fields):
    candidate = {"index": 0, "content": {"role": "model", "parts": [*parts]}, "finishReason": reason, **fields}
    return {"candidates": [candidate], "responseId": "r1", "modelVersion": "gemini-x"}


def decode(body):
    return GENERATE_CONTENT.decode(body, MODEL)


def parts(*wire):
    return decode(answer(*wire)).message.parts


def chunk(*wire, **fields):
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [*wire]}, **fields}], "responseId": "r1"}


def stream(*chunks):
    decoder = GENERATE_CONTENT.decoder(MODEL)
    events = [event for one in chunks for event in decoder.feed(one)]
    return events + decoder.close()


def test_a_whole_answer():
    response = decode(
        {
            **answer({"text": "Hello"}),
            "usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 1, "totalTokenCount": 3},
        }
    )
    assert (response.text, response.id, response.model) == ("Hello", "r1", "gemini-x")
    assert response.message.origin == Origin("generate-content", MODEL)
    assert response.finish == Finish(reason="stop", raw="STOP")
    assert response.usage == Usage(input=2, output=1, total=3)
    assert response.extras == {}


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ([{"text": "a"}, {"text": "b"}], [Text("ab")]),
        ([{"text": "a", "thought": True}, {"text": "b", "thought": True}, {"text": "c"}],
         [Reasoning(segments=(Segment("summary", "ab"),)), Text("c")]),
        ([{"text": "a", "thoughtSignature": "s"}, {"text": "b"}], [Text("a", opaque={"thoughtSignature": "s"}), Text("b")]),
        ([{"text": "a"}, {"text": "b", "thoughtSignature": "s"}], [Text("a"), Text("b", opaque={"thoughtSignature": "s"})]),
        ([{"text": "a", "thoughtSignature": "s"}, {"text": "b", "thoughtSignature": "t"}],
         [Text("a", opaque={"thoughtSignature": "s"}), Text("b", opaque={"thoughtSignature": "t"})]),
        ([{"text": "a"}, {"text": "", "thoughtSignature": "s"}], [Text("a"), Text("", opaque={"thoughtSignature": "s"})]),
        ([{"text": "a"}, {"text": "", "thoughtSignature": "s"}, {"text": "b"}],
         [Text("a"), Text("", opaque={"thoughtSignature": "s"}), Text("b")]),
        ([{"text": "a", "thought": True, "thoughtSignature": "s"}, {"text": "b", "thought": True}],
         [Reasoning(segments=(Segment("summary", "a"),), signature="s"), Reasoning(segments=(Segment("summary", "b"),))]),
        ([{"text": "a", "thought": True}, {"text": "", "thought": True, "thoughtSignature": "s"}],
         [Reasoning(segments=(Segment("summary", "a"),)), Reasoning(signature="s")]),
        ([{"text": ""}, {"text": "a"}, {"text": ""}, {"text": "b"}], [Text("ab")]),
        ([{"text": "a", "partMetadata": {"k": 1}}, {"text": "b"}], [Text("a", opaque={"partMetadata": {"k": 1}}), Text("b")]),
        ([{"functionCall": {"id": "c1", "name": "add", "args": {"x": [1, "é"]}}, "thoughtSignature": "s"}],
         [ToolCall(call_id="c1", name="add", arguments='{"x":[1,"é"]}', signature="s")]),
        ([{"functionCall": {"id": "c1", "name": "now", "kind": "k"}, "partMetadata": {}}],
         [ToolCall(call_id="c1", name="now", arguments="{}", opaque={"partMetadata": {}, "functionCall": {"kind": "k"}})]),
        ([{"inlineData": {"mimeType": "image/png", "data": "AA=="}, "thoughtSignature": "s"}],
         [Image(blob=Blob(data="AA==", mime="image/png"), opaque={"thoughtSignature": "s"})]),
        ([{"inlineData": {"mimeType": "audio/pcm", "data": "AA=="}}], [Audio(blob=Blob(data="AA==", mime="audio/pcm"))]),
        ([{"fileData": {"mimeType": "application/pdf", "fileUri": "gs://a"}}],
         [File(blob=Blob(url="gs://a", mime="application/pdf"))]),
        ([{"executableCode": {"code": "1"}}], [Native(api="generate-content", payload={"executableCode": {"code": "1"}})]),
        ([{"functionCall": {"name": "add", "partialArgs": [], "willContinue": True}}],
         [Native(api="generate-content", payload={"functionCall": {"name": "add", "partialArgs": [], "willContinue": True}})]),
        ([{"somethingNew": 5}], [Native(api="generate-content", payload={"somethingNew": 5})]),
    ],
)  # fmt: skip
def test_what_each_part_becomes(wire, expected):
    assert parts(*wire) == tuple(expected)


def test_a_call_without_an_id_gets_one_that_is_the_same_whole_and_streamed():
    call = {"functionCall": {"name": "add", "args": {}}}
    (whole,) = parts(call)
    streamed = fold(stream(chunk(call), chunk(finishReason="STOP"))).tool_calls
    assert whole.minted
    assert whole.call_id.startswith("call_")
    assert streamed == (whole,)


def test_two_calls_of_one_name_without_ids_get_two_ids():
    call = {"functionCall": {"name": "add", "args": {}}}
    first, second = parts(call, call)
    assert first.call_id != second.call_id


@pytest.mark.parametrize(
    ("raw", "reason"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("MODEL_ARMOR", "content_filter"),
     ("CONTINUATION", "pause"), ("MALFORMED_FUNCTION_CALL", "error"), ("MISSING_THOUGHT_SIGNATURE", "error"),
     ("OTHER", "unknown"), ("NEW_ONE", "unknown")],
)  # fmt: skip
def test_finish_reasons(raw, reason):
    assert decode(answer({"text": "a"}, reason=raw)).finish == Finish(reason=reason, raw=raw)


@pytest.mark.parametrize(
    ("raw", "reason"), [("STOP", "tool_calls"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter")]
)
def test_a_stop_with_calls_is_a_request_to_run_them_and_no_other_end_is(raw, reason):
    body = answer({"functionCall": {"name": "add", "args": {}}}, reason=raw)
    assert decode(body).finish.reason == reason


def test_what_is_said_about_the_end_is_kept():
    body = answer({"text": "a"}, finishMessage="why", safetyRatings=[{"category": "X"}], continuationToken="dG9r")
    assert decode(body).finish == Finish(
        reason="stop",
        raw="STOP",
        message="why",
        details={"safetyRatings": [{"category": "X"}], "continuationToken": "dG9r"},
    )


def test_a_blocked_prompt_is_a_filtered_answer_whose_refusal_has_the_servers_words():
    feedback = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no"}
    body = {
        "promptFeedback": feedback,
        "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4},
        "responseId": "r1",
    }
    response = decode(body)
    assert response.message.parts == (Refusal("no", category="PROHIBITED_CONTENT", notice=True),)
    assert response.finish == Finish(
        reason="content_filter", raw="PROHIBITED_CONTENT", message="no", details={"promptFeedback": feedback}
    )
    assert fold(stream(body)) == response


def test_usage_counts_thoughts_as_output_and_tool_use_as_input():
    record = {
        "promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 20, "thoughtsTokenCount": 30,
        "toolUsePromptTokenCount": 5, "totalTokenCount": 155,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 90}, {"modality": "AUDIO", "tokenCount": 10}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 7}],
    }  # fmt: skip
    usage = decode({**answer({"text": "a"}), "usageMetadata": record}).usage
    assert usage == Usage(input=105, output=50, total=155, cache_read=40, reasoning=30, audio_in=10, audio_out=7)
    assert usage.raw == record


def test_a_total_that_is_missing_is_the_sum():
    body = {**answer({"text": "a"}), "usageMetadata": {"promptTokenCount": 2, "thoughtsTokenCount": 3}}
    assert decode(body).usage == Usage(input=2, output=3, total=5, reasoning=3)


@pytest.mark.parametrize("record", [None, {}, {"trafficType": "ON_DEMAND"}])
def test_no_usage_is_none(record):
    assert decode({**answer({"text": "a"}), "usageMetadata": record}).usage is None


def test_several_candidates_become_alternatives():
    body = answer({"text": "a"})
    body["candidates"].append(
        {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "MAX_TOKENS", "avgLogprobs": -1.5}
    )
    response = decode(body)
    assert response.text == "a"
    (other,) = response.alternatives
    assert other.message.text == "b"
    assert other.finish == Finish(reason="length", raw="MAX_TOKENS", details={"avgLogprobs": -1.5})


GROUNDING = {
    "groundingChunks": [
        {"web": {"uri": "https://e.com", "title": "E"}},
        {"retrievedContext": {"uri": "gs://d", "text": "src"}},
    ],
    "groundingSupports": [{"segment": {"endIndex": 2, "text": "Hi"}, "groundingChunkIndices": [0, 1, 9]}],
    "searchEntryPoint": {"renderedContent": "<b>"},
}


@pytest.mark.parametrize("tail", [[], [{"text": "", "thoughtSignature": "s"}]])
def test_grounding_becomes_citations_of_the_one_text_and_stays_whole_in_the_extras(tail):
    response = decode(answer({"text": "Hi"}, *tail, groundingMetadata=GROUNDING))
    support = GROUNDING["groundingSupports"][0]
    assert response.message.parts[0] == Text(
        "Hi",
        citations=(
            Citation(
                kind="grounding", url="https://e.com", title="E", start=0, end=2,
                source={"groundingChunk": GROUNDING["groundingChunks"][0], "groundingSupport": support},
            ),
            Citation(
                kind="grounding", url="gs://d", cited_text="src", start=0, end=2,
                source={"groundingChunk": GROUNDING["groundingChunks"][1], "groundingSupport": support},
            ),
        ),
    )  # fmt: skip
    assert response.extras == {"groundingMetadata": GROUNDING}


def test_citations_of_several_texts_are_told_in_the_extras_only():
    call = {"functionCall": {"name": "add", "args": {}}}
    response = decode(answer({"text": "Hi"}, call, {"text": "Ho"}, groundingMetadata=GROUNDING))
    assert all(part.citations == () for part in response.message.parts if isinstance(part, Text))
    assert response.extras == {"groundingMetadata": GROUNDING}


def test_recitations_of_a_stream_add_up_and_repeats_count_once():
    one, two = {"endIndex": 1, "uri": "https://a"}, {"startIndex": 1, "endIndex": 2, "title": "B"}
    response = fold(
        stream(
            chunk({"text": "a"}, citationMetadata={"citations": [one]}),
            chunk({"text": "b"}, citationMetadata={"citations": [one, two]}, finishReason="STOP"),
        )
    )
    assert response.message.parts[0].citations == (
        Citation(kind="citation", url="https://a", start=0, end=1, source=one),
        Citation(kind="citation", title="B", start=1, end=2, source=two),
    )
    assert response.extras == {"citationMetadata": {"citations": [one, two]}}


def test_log_probabilities_of_a_stream_add_up():
    response = fold(
        stream(
            chunk({"text": "a"}, logprobsResult={"chosenCandidates": [{"token": "a"}], "logProbabilitySum": -1}),
            chunk(
                {"text": "b"},
                logprobsResult={"chosenCandidates": [{"token": "b"}], "logProbabilitySum": -2},
                finishReason="STOP",
            ),
        )
    )
    assert response.extras == {
        "logprobsResult": {"logProbabilitySum": -2, "chosenCandidates": [{"token": "a"}, {"token": "b"}]}
    }


def test_other_fields_of_the_answer_are_kept():
    body = {**answer({"text": "a"}, avgLogprobs=-0.5), "createTime": "2026", "modelStatus": {"modelStage": "STABLE"}}
    assert decode(body).extras == {"createTime": "2026", "modelStatus": {"modelStage": "STABLE"}, "avgLogprobs": -0.5}


# Bodies that are no answer --------------------------------------------------------------------------------------------


def test_a_body_in_a_list_of_one_is_read():
    assert decode([answer({"text": "a"})]) == decode(answer({"text": "a"}))


@pytest.mark.parametrize("body", [{}, [], [5], "text", {"choices": []}, {"error": {}}, None])
def test_a_body_that_is_no_answer_is_refused(body):
    with pytest.raises(InvalidResponseError, match=MODEL):
        decode(body)


@pytest.mark.parametrize(
    "candidate",
    [
        {"finishReason": "STOP"},
        {"finishReason": "STOP", "content": {}},
        {"finishReason": "STOP", "content": {"parts": None}},
    ],
)
def test_an_answer_without_content_is_an_empty_one(candidate):
    assert decode({"candidates": [candidate]}).message.parts == ()


def test_a_whole_body_without_a_finish_reason_is_not_cut():
    assert decode({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}).finish == Finish(reason="unknown")


# Streams --------------------------------------------------------------------------------------------------------------


def test_the_events_of_a_stream():
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 6, "thoughtsTokenCount": 12, "totalTokenCount": 27}
    call = {"functionCall": {"id": "c1", "name": "add", "args": {"x": 2}}, "thoughtSignature": "s"}
    events = stream(
        {**chunk({"text": "Add", "thought": True}), "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}},
        chunk({"text": " them.", "thought": True}, {"text": "Now"}),
        chunk(call),
        {**chunk({"text": ""}, finishReason="STOP"), "usageMetadata": usage},
    )
    thought = Reasoning(segments=(Segment("summary", "Add them."),))
    total = Usage(input=9, output=18, total=27, reasoning=12)
    assert events == [
        Start("r1", None, Origin("generate-content", MODEL)),
        ReasoningDelta(0, "summary", "Add"),
        ReasoningDelta(0, "summary", " them."),
        PartEnd(0, thought),
        TextDelta(1, "Now"),
        PartEnd(1, Text("Now")),
        ToolCallStart(2, "c1", "add"),
        ToolCallDelta(2, '{"x":2}'),
        ToolCallEnd(2, ToolCall(call_id="c1", name="add", arguments='{"x":2}', signature="s")),
        UsageUpdate(total),
        End(Finish(reason="tool_calls", raw="STOP"), total),
    ]


def test_reading_goes_on_after_the_first_finish_reason_and_the_last_usage_counts():
    decoder = GENERATE_CONTENT.decoder(MODEL)
    decoder.feed({**chunk(finishReason="STOP"), "usageMetadata": {"promptTokenCount": 9}})
    assert (decoder.complete, decoder.done) == (True, False)
    decoder.feed({**chunk({"text": "late"}, finishReason="MAX_TOKENS")})
    decoder.feed({"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 1}})
    end = decoder.close()[-1]
    assert end == End(Finish(reason="length", raw="MAX_TOKENS"), Usage(input=7, output=1, total=8))


@pytest.mark.parametrize("reason", [None, "", "FINISH_REASON_UNSPECIFIED"])
def test_a_stream_that_ends_without_a_finish_reason_raises_with_what_had_arrived(reason):
    decoder = GENERATE_CONTENT.decoder(MODEL)
    decoder.feed({**chunk({"text": "Hel"}, finishReason=reason), "usageMetadata": {"promptTokenCount": 3}})
    decoder.feed(chunk({"text": "lo"}))
    assert not decoder.complete
    with pytest.raises(IncompleteStreamError, match="it is incomplete") as caught:
        decoder.close()
    assert caught.value.partial.text == "Hello"
    assert caught.value.partial.finish.reason == "error"
    assert caught.value.partial.usage == Usage(input=3, output=0, total=3)


def test_an_empty_stream_raises():
    with pytest.raises(IncompleteStreamError):
        stream()


def test_a_stream_is_not_complete_while_one_candidate_is_open():
    decoder = GENERATE_CONTENT.decoder(MODEL)
    decoder.feed(
        {"candidates": [{"content": {"parts": [{"text": "a"}]}}, {"index": 1, "content": {"parts": [{"text": "b"}]}}]}
    )
    decoder.feed({"candidates": [{"finishReason": "STOP"}]})
    assert not decoder.complete
    decoder.feed({"candidates": [{"index": 1, "finishReason": "STOP"}]})
    assert decoder.complete


def test_events_that_say_nothing_are_borne():
    events = stream(
        {}, {"candidates": None}, {"candidates": [None, 5]}, chunk(None, {"text": "a"}, finishReason="STOP")
    )
    assert fold(events).text == "a"
