"""What a stream adds up to is what the whole answer holds, however the server cuts it and wherever usage stands."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_gateway.chat import ChatRequest, user
from dbx_gateway.dialects.chat_completions.dialect import ChatCompletions
from dbx_gateway.events import (
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    fold,
)
from dbx_gateway.models.profile import Profile

# ---- answers, as a server has them in mind


@dataclass
class Answer:
    """One choice: ``content`` is None, a string or a list of wire parts."""

    content: object = None
    beside: dict = field(default_factory=dict)
    refusal: str = ""
    calls: list = field(default_factory=list)
    annotations: list = field(default_factory=list)
    finish: str = "stop"


words = st.text(st.sampled_from('ab é\n"{𝄞'), max_size=8)
some_words = words.filter(bool)
signatures = st.text(st.sampled_from("xyz="), min_size=1, max_size=4)


@st.composite
def text_parts(draw):
    part = {"type": "text", "text": draw(words)}
    if draw(st.booleans()):
        part["thoughtSignature"] = draw(signatures)
    if draw(st.booleans()):
        part["citations"] = draw(
            st.lists(st.fixed_dictionaries({"type": st.just("char_location"), "cited_text": words}), max_size=2)
        )
    return part


@st.composite
def reasoning_parts(draw):
    if draw(st.integers(0, 4)) == 0:
        return {"type": "reasoning", "summary": [{"type": "summary_encrypted_text", "data": draw(signatures)}]}
    summary = {"type": "summary_text", "text": draw(words)}
    if draw(st.booleans()):
        summary["signature"] = draw(signatures)
    return {"type": "reasoning", "summary": [summary]}


native_parts = st.fixed_dictionaries({"type": st.just("widget"), "value": st.integers(0, 3)})
contents = st.none() | words | st.lists(text_parts() | reasoning_parts() | native_parts, max_size=5)
arguments = st.sampled_from(["", "{}", '{"a": 1}', '{"a": {"b": [1, "}{"]}}', '{"cut": "he'])


@st.composite
def calls(draw):
    made = []
    for place in range(draw(st.integers(0, 3))):
        call = {"type": "function", "function": {"name": draw(st.sampled_from("fgh")), "arguments": draw(arguments)}}
        if draw(st.booleans()):
            call["id"] = f"id{place}"
        if draw(st.booleans()):
            call["thoughtSignature"] = draw(signatures)
        made.append(call)
    return made


answers = st.builds(
    Answer,
    content=contents,
    beside=st.sampled_from([{}, {"reasoning_content": "I think"}, {"reasoning": "so I am"}]),
    refusal=st.sampled_from(["", "", "", "I cannot"]),
    calls=calls(),
    annotations=st.lists(st.fixed_dictionaries({"type": st.just("url_citation"), "url": words}), max_size=2),
    finish=st.sampled_from(["stop", "length", "tool_calls", "content_filter", "odd"]),
)
usages = st.none() | st.fixed_dictionaries(
    {
        "prompt_tokens": st.integers(0, 9),
        "completion_tokens": st.integers(0, 9),
        "prompt_tokens_details": st.none() | st.just({"cached_tokens": 2}),
    }
)


# ---- the two ways to write one


def whole_choice(index, answer):
    message = {"role": "assistant", "content": answer.content, "refusal": answer.refusal or None, **answer.beside}
    if answer.calls:
        message["tool_calls"] = answer.calls
    if answer.annotations:
        message["annotations"] = answer.annotations
    return {"index": index, "message": message, "finish_reason": answer.finish, "logprobs": None}


def cut(text, random):
    """Cut ``text`` anywhere, empty pieces included."""
    pieces = []
    while text and random.random() > 0.2:
        size = random.randint(0, len(text))
        pieces.append(text[:size])
        text = text[size:]
    return [*pieces, text]


def split_text_part(part, random):
    """Write a text part as fragments; what ends it rides on the last one, or on one without text, or comes later."""
    *pieces, last = cut(part["text"], random)
    fragments = [{"type": "text", "text": piece} for piece in pieces]
    signed = {key: part[key] for key in ("thoughtSignature",) if key in part}
    cited = part.get("citations", [])
    if signed and random.random() < 0.5:
        fragments.append({"type": "text", "text": last})
        last = ""
    if signed or random.random() < 0.5:
        return [*fragments, {"type": "text", "text": last, **signed, "citations": cited}]
    return [*fragments, {"type": "text", "text": last}, *({"type": "text", "citations": [one]} for one in cited)]


def split_reasoning_part(part, random):
    (summary,) = part["summary"]
    if "text" not in summary:
        return [part]
    *pieces, last = cut(summary["text"], random)
    fragments = [{"type": "summary_text", "text": piece} for piece in pieces]
    signed = {key: summary[key] for key in ("signature",) if key in summary}
    if signed and random.random() < 0.5:
        fragments.append({"type": "summary_text", "text": last})
        last = ""
    fragments.append({"type": "summary_text", "text": last, **signed})
    return [{"type": "reasoning", "summary": [fragment]} for fragment in fragments]


def content_deltas(content, random):
    if content is None:
        return []
    if isinstance(content, str):
        return [{"content": piece} for piece in cut(content, random)]
    fragments = []
    for part in content:
        match part["type"]:
            case "text":
                fragments += split_text_part(part, random)
            case "reasoning":
                fragments += split_reasoning_part(part, random)
            case _:
                fragments.append(part)
    deltas = []
    while fragments:
        size = random.randint(1, 3)
        deltas.append({"content": fragments[:size]})
        fragments = fragments[size:]
    return deltas


def call_deltas(answer, random):
    """Write the calls one after another or all at once; ids, once there, may be repeated."""
    entries = []
    for place, call in enumerate(answer.calls):
        name, text = call["function"]["name"], call["function"]["arguments"]
        rest = {key: value for key, value in call.items() if key != "function"}
        if random.random() < 0.3:
            entries.append({"index": place, **rest, "function": {"name": name, "arguments": text}})
            continue
        entries.append({"index": place, **rest, "function": {"name": name, "arguments": ""}})
        again = {"id": call["id"]} if "id" in call and random.random() < 0.3 else {}
        entries += [{"index": place, **again, "function": {"arguments": piece}} for piece in cut(text, random)]
    deltas = []
    while entries:
        size = random.randint(1, 3)
        deltas.append({"tool_calls": entries[:size]})
        entries = entries[size:]
    return deltas


def deltas_of(answer, random):
    yield {"role": "assistant", "content": ""}
    for key, text in answer.beside.items():
        yield from ({key: piece} for piece in cut(text, random))
    yield from content_deltas(answer.content, random)
    yield from ({"refusal": piece} for piece in cut(answer.refusal, random))
    yield from call_deltas(answer, random)
    yield from ({"annotations": [one]} for one in answer.annotations)


def stream_of(several, usage, head, random):
    """Write chunks of all answers, interleaved; usage is on each chunk, on the last or on one of its own."""
    queues = [
        [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas_of(answer, random)]
        + [{"index": index, "delta": {}, "finish_reason": answer.finish}]
        for index, answer in enumerate(several)
    ]
    chunks = []
    while waiting := [queue for queue in queues if queue]:
        chunks.append({**head, "choices": [random.choice(waiting).pop(0)]})
    if usage is None:
        return chunks
    place = random.choice(["each", "last", "own"])
    if place == "each":
        for number, chunk in enumerate(chunks[:-1]):
            chunk["usage"] = {**usage, "completion_tokens": number}
    if place == "own":
        return [*chunks, {**head, "choices": [], "usage": usage}]
    chunks[-1]["usage"] = usage
    return chunks


def read(chunks):
    decoder = ChatCompletions().decoder("asked")
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return [*events, *decoder.sentinel(), *decoder.close()]


HEAD = {"id": "cc-1", "model": "m", "system_fingerprint": "fp"}


@settings(max_examples=200, deadline=None)
@given(st.lists(answers, min_size=1, max_size=2), usages, st.randoms(use_true_random=False))
def test_a_folded_stream_is_the_whole_answer(several, usage, random):
    body = {**HEAD, "choices": [whole_choice(index, answer) for index, answer in enumerate(several)], "usage": usage}
    folded = fold(read(stream_of(several, usage, HEAD, random)))
    decoded = ChatCompletions().decode(body, "asked")
    assert folded == decoded
    assert (folded.usage and folded.usage.raw) == (decoded.usage and decoded.usage.raw)


@settings(max_examples=100, deadline=None)
@given(answers, st.randoms(use_true_random=False))
def test_each_part_ends_once_and_its_deltas_add_up_to_it(answer, random):
    said, ended, begun = {}, {}, set()
    for event in read(stream_of([answer], None, HEAD, random)):
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                said[event.index] = said.get(event.index, "") + event.text
            case ToolCallStart():
                begun.add(event.index)
            case ToolCallDelta():
                assert event.index in begun
                said[event.index] = said.get(event.index, "") + event.arguments
            case ToolCallEnd():
                assert event.index not in ended
                ended[event.index] = event.call.arguments
            case PartEnd():
                assert event.index not in ended
                segments = getattr(event.part, "segments", None)
                ended[event.index] = (
                    "".join(segment.text for segment in segments)
                    if segments is not None
                    else getattr(event.part, "text", "")
                )
    assert sorted(ended) == list(range(len(ended)))
    assert {index: text for index, text in ended.items() if text} == said


@settings(max_examples=100, deadline=None)
@given(answers, st.randoms(use_true_random=False))
def test_what_was_answered_goes_back_to_where_it_came_from(answer, random):
    message = fold(read(stream_of([answer], None, HEAD, random))).message
    request = ChatRequest(model="asked", messages=(user("hi"), message))
    sent = ChatCompletions().encode(request, Profile(model="asked", family="gemini"))["messages"][1]
    listed = answer.content if isinstance(answer.content, list) else []
    signed = [part["thoughtSignature"] for part in listed if "thoughtSignature" in part]
    back = sent["content"] if isinstance(sent["content"], list) else []
    assert [part["thoughtSignature"] for part in back if "thoughtSignature" in part] == signed
    assert [call.get("thoughtSignature") for call in sent.get("tool_calls", ())] == [
        call.get("thoughtSignature") for call in answer.calls
    ]


agent_messages = st.lists(
    st.one_of(
        st.builds(lambda text: {"role": "assistant", "content": text}, some_words),
        st.builds(lambda text: {"role": "tool", "content": text, "tool_call_id": "t"}, words),
        st.just(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            }
        ),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=100, deadline=None)
@given(agent_messages, usages, st.randoms(use_true_random=False))
def test_a_folded_stream_of_an_agent_is_its_whole_answer(messages, usage, random):
    named = [{**message, "id": f"m{number}"} for number, message in enumerate(messages)]
    end = {"finish_reason": "stop", "custom_outputs": {"a": 1}, "usage": usage}
    chunks = []
    for message in named:
        if message["role"] == "assistant" and not message.get("tool_calls"):
            chunks += [{"delta": {**message, "content": piece}} for piece in cut(message["content"], random)]
        else:
            chunks.append({"delta": message})
    chunks[-1] |= end
    assert fold(read(chunks)) == ChatCompletions().decode({"messages": named, **end}, "asked")
