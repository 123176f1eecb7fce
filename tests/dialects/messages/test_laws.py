"""Laws of the messages api over a wide set of answers: a stream adds up to the whole, and an answer goes back unchanged.

The writer of streams here knows nothing of the code under test.
"""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from judges.messages_bodies import body_violations
from support.refusals import without_notices

from dbx_gateway.chat import ChatRequest, user
from dbx_gateway.dialects.messages.dialect import MESSAGES
from dbx_gateway.events import PartEnd, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta, ToolCallEnd, fold
from dbx_gateway.models.profile import Profile

MODEL = "databricks-claude-test"
PROFILE = Profile(model=MODEL, family="claude", prefill=True)

words = st.text(st.characters(codec="utf-8"), max_size=12)
visible = words.map(lambda text: f"{text}.")
tokens = st.text("abcXYZ019+/=", min_size=1, max_size=16)
idents = st.text("abcXYZ019_-", min_size=1, max_size=16)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.sampled_from([0.5, -2.25]) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(words, values, max_size=3)

citations = st.fixed_dictionaries(
    {
        "type": st.just("char_location"),
        "cited_text": words,
        "document_index": st.integers(0, 3),
        "document_title": st.none() | words,
        "start_char_index": st.integers(0, 9),
        "end_char_index": st.integers(0, 99),
    }
)
blocks = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("text"), "text": visible},
        optional={"citations": st.lists(citations, min_size=1, max_size=2)},
    ),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": words, "signature": tokens}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": tokens}),
    st.fixed_dictionaries(
        {"type": st.just("tool_use"), "id": idents, "name": idents, "input": objects},
        optional={"caller": st.just({"type": "direct"})},
    ),
    st.fixed_dictionaries(
        {"type": st.just("server_tool_use"), "id": idents, "name": st.just("web_search"), "input": objects}
    ),
    st.fixed_dictionaries({"type": st.just("container_upload"), "file_id": idents}),
)
ends = st.one_of(
    st.sampled_from(["end_turn", "tool_use", "max_tokens", "pause_turn", "model_context_window_exceeded", "new"]).map(
        lambda reason: {"stop_reason": reason, "stop_sequence": None}
    ),
    words.map(lambda word: {"stop_reason": "stop_sequence", "stop_sequence": f"{word}!"}),
    words.map(
        lambda word: {
            "stop_reason": "refusal",
            "stop_sequence": None,
            "stop_details": {"type": "refusal", "category": None, "explanation": word},
        }
    ),
)
usages = st.fixed_dictionaries(
    {"input_tokens": st.integers(0, 99), "output_tokens": st.integers(1, 99)},
    optional={
        "cache_read_input_tokens": st.integers(0, 99),
        "cache_creation_input_tokens": st.integers(0, 99),
        "output_tokens_details": st.fixed_dictionaries({"thinking_tokens": st.integers(0, 9)}),
        "service_tier": st.just("standard"),
    },
)


@st.composite
def answers(draw):
    return {
        "id": draw(idents),
        "type": "message",
        "role": "assistant",
        "model": "claude-test-1",
        "content": draw(st.lists(blocks, max_size=5)),
        **draw(ends),
        "usage": draw(usages),
        **draw(st.sampled_from([{}, {"container": {"id": "c"}}, {"container": None}])),
    }


def pieces(draw, text):
    """Cut a text into fragments at random; some are empty, as on the wire."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def streamed_block(draw, index, block):
    """Write one block: what the wire always sends whole in its start, the rest there or in deltas."""
    head, deltas = dict(block), []
    match block["type"]:
        case "text":
            at = draw(st.integers(0, len(block["text"])))
            head["text"] = block["text"][:at]
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(draw, block["text"][at:])]
            for citation in head.pop("citations", []):
                deltas.append({"type": "citations_delta", "citation": citation})
        case "thinking":
            head |= {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(draw, block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "tool_use" | "server_tool_use" if draw(st.booleans()):
            head["input"] = {}
            text = json.dumps(block["input"], separators=(",", ":"), ensure_ascii=False) if block["input"] else ""
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(draw, text)]
        case _:
            pass
    yield {"type": "content_block_start", "index": index, "content_block": head}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def streamed(draw, answer):
    """Write an answer as the events of its stream."""
    first = {**answer["usage"], "output_tokens": 1}
    end = {key: answer.get(key) for key in ("stop_reason", "stop_sequence", "stop_details", "container")}
    opening = {key: value for key, value in answer.items() if key not in end}
    opening |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": first}
    yield {"type": "message_start", "message": opening}
    for index, block in enumerate(answer["content"]):
        if draw(st.booleans()):
            yield {"type": "ping"}
        yield from streamed_block(draw, index, block)
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": answer["usage"]["output_tokens"]}}
    yield {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"latency": 1}}


def read(wire):
    decoder = MESSAGES.decoder(MODEL)
    events = [event for one in wire for event in decoder.feed(one)]
    return events + decoder.close()


@settings(max_examples=100, deadline=None)
@given(answer=answers(), data=st.data())
def test_a_stream_adds_up_to_the_whole_answer(answer, data):
    expected = MESSAGES.decode(answer, MODEL)
    response = fold(read(streamed(data.draw, answer)))
    assert response == expected
    assert response.usage.raw == expected.usage.raw


@settings(max_examples=60, deadline=None)
@given(answer=answers(), data=st.data())
def test_the_deltas_of_each_part_add_up_to_the_part(answer, data):
    grown = {}
    for event in read(streamed(data.draw, answer)):
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                grown[event.index] = grown.get(event.index, "") + event.text
            case ToolCallDelta():
                grown[event.index] = grown.get(event.index, "") + event.arguments
            case ToolCallEnd():
                assert grown.pop(event.index, "") == event.call.arguments
            case PartEnd():
                assert grown.pop(event.index, "") == getattr(event.part, "text", "")
            case _:
                pass
    assert grown == {}


@settings(max_examples=100, deadline=None)
@given(answer=answers(), data=st.data())
def test_an_answer_goes_back_as_the_blocks_it_came_in(answer, data):
    message = without_notices(fold(read(streamed(data.draw, answer))).message)
    request = ChatRequest(model=MODEL, messages=(user("go"), message, user("on")))
    body = MESSAGES.encode(request, PROFILE)
    assert body_violations(body) == []
    sent = [turn["content"] for turn in body["messages"] if turn["role"] == "assistant"]
    assert sent == ([answer["content"]] if answer["content"] else [])


@settings(max_examples=60, deadline=None)
@given(answer=answers())
def test_every_part_stands_where_its_block_stood(answer):
    response = MESSAGES.decode(answer, MODEL)
    assert len(without_notices(response.message).parts) == len(answer["content"])
    assert [call.call_id for call in response.tool_calls] == [
        block["id"] for block in answer["content"] if block["type"] == "tool_use"
    ]
    assert response.text == "".join(block["text"] for block in answer["content"] if block["type"] == "text")
