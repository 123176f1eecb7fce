"""Laws of the generate-content api over a wide set of answers: a stream adds up to the whole, an answer goes back as it came.

The writer of streams here knows nothing of the code under test.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from judges.generate_content_bodies import body_violations

from dbx_gateway.chat import ChatRequest, Message, ToolCall, tool_result, user
from dbx_gateway.dialects.generate_content.dialect import GENERATE_CONTENT
from dbx_gateway.events import End, PartEnd, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta, ToolCallEnd, fold
from dbx_gateway.models.profile import Profile

MODEL = "databricks-gemini-3-test"
PROFILE = Profile(
    model=MODEL, family="gemini", reasoning=True, efforts=("low", "high"), prefill=True, signed_tool_calls=True
)

words = st.text(st.characters(codec="utf-8"), max_size=12)
said = words.map(lambda text: f"{text}.")
signatures = st.sampled_from(["c2lnMQ==", "c2lnMg==", "AAEC"])
idents = st.text("abcXYZ019_", min_size=1, max_size=16)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.sampled_from([0.5, -2.25]) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(words, values, max_size=3)


def _unlike_neighbours(parts):
    """Return parts as a server writes a whole answer: unsigned texts of one kind never stand side by side."""
    kept = []
    for part in parts:
        plain = part.keys() <= {"text", "thought"}
        if not (plain and kept and kept[-1].keys() == part.keys()):
            kept.append(part)
    return kept


parts = st.one_of(
    st.fixed_dictionaries({"text": said}),
    st.fixed_dictionaries({"text": said, "thought": st.just(True)}),
    st.fixed_dictionaries({"text": words, "thoughtSignature": signatures}),
    st.fixed_dictionaries({"text": words, "thought": st.just(True), "thoughtSignature": signatures}),
    st.fixed_dictionaries(
        {"functionCall": st.fixed_dictionaries({"name": idents}, optional={"id": idents, "args": objects})},
        optional={"thoughtSignature": signatures},
    ),
    st.fixed_dictionaries(
        {"inlineData": st.just({"mimeType": "image/png", "data": "iVBORw0KGgo="})},
        optional={"thoughtSignature": signatures},
    ),
    st.just({"executableCode": {"language": "PYTHON", "code": "1"}}),
    st.just({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}),
)
contents = st.lists(parts, max_size=6).map(_unlike_neighbours)
grounding = st.just(
    {
        "groundingChunks": [{"web": {"uri": "https://e.com", "title": "E"}}],
        "groundingSupports": [{"segment": {"startIndex": 1, "endIndex": 2}, "groundingChunkIndices": [0]}],
    }
)
candidates = st.fixed_dictionaries(
    {"finishReason": st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "OTHER", "NEW"])},
    optional={
        "content": st.fixed_dictionaries({"role": st.just("model"), "parts": contents}),
        "groundingMetadata": grounding,
        "citationMetadata": st.just({"citations": [{"endIndex": 3, "uri": "https://c"}]}),
        "finishMessage": words,
        "avgLogprobs": st.just(-0.25),
        "safetyRatings": st.just([{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}]),
    },
)
counts = st.fixed_dictionaries(
    {"promptTokenCount": st.integers(0, 99)},
    optional={
        name: st.integers(0, 99)
        for name in ("candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount", "totalTokenCount")
    },
)
answers = st.builds(
    lambda several, usage: {
        "candidates": [{"index": index, **candidate} for index, candidate in enumerate(several)],
        "responseId": "r1",
        "modelVersion": "gemini-x",
        "createTime": "2026-01-01T00:00:00Z",
        **({} if usage is None else {"usageMetadata": usage}),
    },
    st.lists(candidates, min_size=1, max_size=2),
    st.none() | counts,
)


def _pieces(draw, part):
    """Return a part as it may be streamed: unsigned text in pieces with empty ones between, all else whole."""
    if not part.keys() <= {"text", "thought"}:
        return [part]
    text = part["text"]
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    edges = [0, *cuts, len(text)]
    return [{**part, "text": text[start:end]} for start, end in pairwise(edges)]


def _candidate_chunks(draw, candidate):
    rest = {
        key: value
        for key, value in candidate.items()
        if key not in ("content", "index", "finishReason", "finishMessage")
    }
    index = {"index": candidate["index"]} if candidate["index"] else {}
    whole = candidate.get("content", {"parts": []})["parts"]
    pieces = [piece for part in whole for piece in _pieces(draw, part)]
    while pieces:
        count = draw(st.integers(1, len(pieces)))
        yield {**index, "content": {"role": "model", "parts": pieces[:count]}}
        pieces = pieces[count:]
    end = {key: candidate[key] for key in ("finishReason", "finishMessage") if key in candidate}
    if draw(st.booleans()):
        yield {**index, **rest}
        yield {**index, **end}
    else:
        yield {**index, **rest, **end, "content": {"role": "model", "parts": [{"text": ""}]}}


def stream_of(draw, answer):
    """Write ``answer`` as a server streams it."""
    envelope = {key: value for key, value in answer.items() if key not in ("candidates", "usageMetadata")}
    queues = [list(_candidate_chunks(draw, candidate)) for candidate in answer["candidates"]]
    usage = answer.get("usageMetadata")
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        early = {"usageMetadata": {"promptTokenCount": 1}} if usage is not None and draw(st.booleans()) else {}
        yield {"candidates": [queue.pop(0)], **envelope, **early}
    if usage is not None:
        yield {"usageMetadata": usage, **envelope}


def events_of(draw, answer):
    decoder = GENERATE_CONTENT.decoder(MODEL)
    events = [event for chunk in stream_of(draw, answer) for event in decoder.feed(chunk)]
    return events + decoder.close()


@settings(max_examples=100, deadline=None)
@given(answers, st.data())
def test_a_stream_adds_up_to_the_whole_answer(answer, data):
    assert fold(events_of(data.draw, answer)) == GENERATE_CONTENT.decode(answer, MODEL)


@settings(max_examples=60, deadline=None)
@given(answers, st.data())
def test_deltas_add_up_to_the_parts_they_end_in_and_the_end_comes_once(answer, data):
    events = events_of(data.draw, answer)
    deltas: dict[int, str] = {}
    for event in events:
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                deltas[event.index] = deltas.get(event.index, "") + event.text
            case ToolCallDelta():
                deltas[event.index] = deltas.get(event.index, "") + event.arguments
            case ToolCallEnd():
                assert deltas.pop(event.index, "") == event.call.arguments
            case PartEnd():
                assert deltas.pop(event.index, "") == getattr(event.part, "text", "")
    assert deltas == {}
    assert [event for event in events if isinstance(event, End)] == events[-1:]


@settings(max_examples=100, deadline=None)
@given(contents)
def test_an_answer_goes_back_with_each_signature_on_exactly_its_part(content):
    answer = {
        "candidates": [{"content": {"role": "model", "parts": content}, "finishReason": "STOP"}],
        "responseId": "r1",
    }
    message = GENERATE_CONTENT.decode(answer, MODEL).message
    body = GENERATE_CONTENT.encode(ChatRequest(model=MODEL, messages=(user("Go"), *_answered(message))), PROFILE)
    assert body["contents"][1] == {"role": "model", "parts": [_normal(part) for part in content] or [{"text": ""}]}
    assert body_violations(body) == []


def _answered(message: Message):
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    return [message, *(tool_result(call, "done") for call in calls)]


def _normal(part):
    """A call without arguments goes back with an empty object."""
    call = part.get("functionCall")
    return part if call is None else {**part, "functionCall": {**call, "args": call.get("args", {})}}
