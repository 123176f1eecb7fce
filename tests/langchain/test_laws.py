"""Whole, in chunks or in events: an answer is the same message, and comes back as the parts it was made of."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from langchain_core.language_models.chat_model_stream import ChatModelStream
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage, message_to_dict, messages_from_dict
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from dbx_gateway.call.reading import replay
from dbx_gateway.chat import (
    NO_ARGUMENTS,
    Alternative,
    Blob,
    ChatResponse,
    Citation,
    Exchange,
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
    is_executable,
)
from dbx_gateway.events import ReasoningDelta, TextDelta, ToolCallDelta, ToolCallEnd, ToolCallStart
from langchain_dbx_gateway.answers import answer_message, answer_messages
from langchain_dbx_gateway.blocks import blocks_of
from langchain_dbx_gateway.chunks import Chunks
from langchain_dbx_gateway.message_events import MessageEvents
from langchain_dbx_gateway.messages import to_core

MODEL = "databricks-some-model"
EXCHANGE = Exchange(surface="ai-gateway", family="gpt", api="responses", url="https://w/x", request_id="req-1")

A_BLOCK, B_BLOCK = ([{"type": "text", "text": text}] for text in "ab")

words = st.text(alphabet='ab {}[]"\\\n', max_size=8)
spoken = st.text(alphabet='ab {}[]"\\\n', min_size=1, max_size=8)
opaque = st.dictionaries(st.sampled_from(("thoughtSignature", "status")), spoken, max_size=2)
citations = st.builds(
    Citation,
    kind=st.just("url_citation"),
    url=st.just("https://example.com"),
    title=st.none() | spoken,
    cited_text=st.none() | spoken,
    start=st.none() | st.integers(0, 9),
    end=st.none() | st.integers(0, 9),
    source=st.just({"type": "url_citation", "url": "https://example.com"}),
)
texts = st.builds(
    Text, spoken, st.lists(citations, max_size=2).map(tuple), st.sampled_from((None, "commentary")), opaque=opaque
)
segments = st.lists(st.builds(Segment, st.sampled_from(("summary", "raw")), spoken), max_size=3).map(tuple)
thoughts = st.builds(
    Reasoning,
    segments=segments,
    signature=st.none() | spoken,
    encrypted=st.none() | spoken,
    redacted=st.none() | spoken,
    id=st.none() | st.just("rs_1"),
    opaque=opaque,
).filter(lambda part: part != Reasoning())
arguments = st.dictionaries(words, st.integers() | words | st.lists(words, max_size=2), max_size=3).map(json.dumps)
calls = st.builds(
    ToolCall,
    call_id=st.uuids().map(str),
    name=st.just("add"),
    arguments=(
        arguments | arguments.flatmap(lambda text: st.integers(0, len(text)).map(lambda at: text[:at])) | words
    ).map(lambda text: text if text.strip() not in NO_ARGUMENTS else "{}"),  # as the core hands them out
    signature=st.none() | spoken,
    minted=st.booleans(),
    opaque=opaque,
)
free_calls = st.builds(
    ToolCall,
    call_id=st.uuids().map(str),
    name=st.just("run"),
    arguments=words,
    custom=st.just(True),
    minted=st.booleans(),
)
others = st.builds(Refusal, spoken) | st.just(Native(api="responses", payload={"type": "odd", "value": 1}))
pictures = st.just(Image(blob=Blob(data="iVBORw0KGgo=", mime="image/png")))
parts = (
    st.lists(texts | thoughts | calls | free_calls | others | pictures, max_size=5) | st.lists(texts, max_size=4)
).map(tuple)
finishes = st.builds(Finish, reason=st.sampled_from(("stop", "tool_calls", "length")), raw=st.just("end"))


@st.composite
def answers(draw):
    said = draw(parts)
    return ChatResponse(
        message=Message(role="assistant", parts=said, origin=Origin("responses", MODEL)),
        finish=draw(finishes),
        usage=draw(st.none() | st.just(Usage(input=10, output=5, total=15, cache_read=4, reasoning=2))),
        id="resp_1",
        model="some-model-2026",
        extras={"service_tier": "default"},
        exchange=EXCHANGE,
    )


def pieces(response):
    """The events of a stream that gives every text in pieces of three characters."""
    for event in replay(response):
        match event:
            case TextDelta() | ReasoningDelta():
                yield from (replace(event, text=event.text[at : at + 3]) for at in range(0, len(event.text), 3))
            case ToolCallDelta():
                whole = event.arguments
                yield from (ToolCallDelta(event.index, whole[at : at + 3]) for at in range(0, len(whole), 3))
            case _:
                yield event


def streamed(response, *, blocks):
    chunks = Chunks(MODEL, blocks=blocks)
    made = [chunk.message for event in pieces(response) for chunk in chunks.of(event)]
    before = copy.deepcopy(made)
    first, *rest = made
    total = first + rest if rest else first
    assert made == before
    assert made[-1].chunk_position == "last"
    return total


def told(response):
    events = MessageEvents(MODEL)
    return [one for event in pieces(response) for one in events.of(event)]


def v3(response):
    stream = ChatModelStream()
    for event in told(response):
        stream.dispatch(event)
    return stream.output_message


def steps(response, made_of, shown_in):
    """After each event: what text, reasoning and arguments have come by then, and what has been shown of them.

    What opens or closes a call's arguments, or says that they must not be run, is left out. A free text is one JSON string.
    """
    free = set()
    come, shown = dict.fromkeys(("text", "reasoning", "args"), ""), dict.fromkeys(("text", "reasoning", "args"), "")
    for event in pieces(response):
        match event:
            case TextDelta():
                come["text"] += event.text
            case ReasoningDelta():
                come["reasoning"] += event.text
            case ToolCallStart():
                free |= {event.index} if event.custom else set()
            case ToolCallDelta():
                text = event.arguments
                come["args"] += json.dumps(text, ensure_ascii=False)[1:-1] if event.index in free else text
        for kind, text in (one for made in made_of(event) for one in shown_in(made)):
            if kind != "args" or isinstance(event, ToolCallDelta):
                shown[kind] += text
        yield dict(come), dict(shown)


def shown_in_chunk(chunk):
    message = chunk.message
    yield "text", str(message.text)
    yield from (("reasoning", block["reasoning"]) for block in message.content_blocks if block["type"] == "reasoning")
    yield from (("args", piece["args"]) for piece in message.tool_call_chunks)


def shown_in_event(event):
    delta = event.get("delta", {})
    yield from ((kind, delta[kind]) for kind in ("text", "reasoning", "args") if kind in delta)


def plain(blocks):
    """Blocks without what only a stream has: indices, and calls that stay in pieces because they were cut."""
    known = [block["value"] if "refusal" in block.get("value", ()) else block for block in blocks]
    left = [{key: value for key, value in block.items() if key != "index"} for block in known]
    return [block for block in left if "tool_call" not in block["type"]]


def says_nothing(block):
    """Whether a block is reasoning without text."""
    return block["type"] == "reasoning" and not block.get("reasoning")


def gist(message):
    return {
        "text": str(message.text),
        "blocks": plain(message.content_blocks),
        "calls": message.tool_calls,
        "broken": [(call["id"], call["name"]) for call in message.invalid_tool_calls],
        "usage": message.usage_metadata,
        "id": message.id,
        "metadata": {key: value for key, value in message.response_metadata.items() if key != "output_version"},
    }


def replayed(message, calls=()):
    """The parts that a message goes back to a model with, where every call has its result."""
    results = [ToolMessage("done", tool_call_id=call.call_id) for call in calls]
    return to_core([message, *results])[0].parts


def joined(parts):
    """Parts as they may come back: texts that say nothing beside their text are one with what follows them."""
    made = []
    for part in parts:
        last = made[-1] if made else None
        if isinstance(part, Text) and part == Text(part.text) and isinstance(last, Text) and last == Text(last.text):
            made[-1] = Text(last.text + part.text)
        else:
            made.append(replace(part, arguments=part.arguments.strip() or "{}") if isinstance(part, ToolCall) else part)
    return made


@settings(max_examples=150, deadline=None)
@given(answers())
@example(
    ChatResponse(
        message=Message(role="assistant", parts=(ToolCall(call_id="c", name="f"),)), finish=Finish(reason="length")
    )
)
@example(
    ChatResponse(
        message=Message(
            role="assistant",
            parts=(
                Reasoning(redacted="of the call"),
                ToolCall(call_id="c", name="f", arguments="{}"),
                Reasoning(redacted="by itself"),
                Native(api="responses", payload={"type": "odd"}),
            ),
            origin=Origin(api="responses", model=MODEL),
        ),
        finish=Finish(reason="stop"),
    )
)
def test_the_chunks_of_a_stream_add_up_to_the_whole_message(response):
    """Reasoning without text stands beside its call, which a stream whose string has begun shows behind all blocks.

    So does that of an earlier call behind reasoning which stands by itself: what has no text is compared without its order.
    """

    def seen(message):
        blocks = plain(message.content_blocks)
        return gist(message) | {"blocks": sorted(blocks, key=lambda one: str(one) if says_nothing(one) else "")}

    assert seen(streamed(response, blocks=False)) == seen(answer_message(response, MODEL))


@settings(max_examples=100, deadline=None)
@given(answers())
def test_chunks_of_standard_blocks_add_up_to_the_whole_message_in_standard_blocks(response):
    whole = answer_message(response, MODEL, blocks=True)
    total = streamed(response, blocks=True)

    assert gist(total) == gist(whole)
    assert plain(total.content) == plain(whole.content)


@settings(max_examples=100, deadline=None)
@given(answers())
def test_the_events_of_version_3_tell_the_same_story(response):
    whole = answer_message(response, MODEL, blocks=True)
    message = v3(response)

    assert_valid_event_stream(told(response))
    assert gist(message) == gist(whole)
    assert [block["args"] for block in message.invalid_tool_calls] == [
        call["args"] or None for call in whole.invalid_tool_calls
    ]


@settings(max_examples=100, deadline=None)
@given(answers(), st.booleans())
def test_a_message_comes_back_as_the_parts_of_the_answer(response, blocks):
    """A list of blocks keeps the order of all parts; beside a plain text stand its calls, those that may run first."""
    expected = list(response.message.parts)
    message = answer_message(response, MODEL, blocks=blocks)
    back = replayed(message, response.tool_calls)
    if isinstance(message.content, str):  # reasoning without text keeps its place beside its call
        calls = sorted(response.tool_calls, key=lambda call: not is_executable(call, response.finish))
        assert joined(part for part in back if isinstance(part, ToolCall)) == joined(calls)
        expected, back = ([part for part in parts if not isinstance(part, ToolCall)] for parts in (expected, back))

    assert joined(back) == joined(expected)


@settings(max_examples=100, deadline=None)
@given(answers())
def test_a_streamed_message_comes_back_as_the_same_parts_as_the_whole_one(response):
    def but_calls(message):
        return joined(part for part in replayed(message, response.tool_calls) if not isinstance(part, ToolCall))

    def calls(message):
        found = [part for part in joined(replayed(message, response.tool_calls)) if isinstance(part, ToolCall)]
        return sorted(found, key=lambda call: call.call_id)

    whole = answer_message(response, MODEL, blocks=True)
    for message in (streamed(response, blocks=True), v3(response)):
        assert but_calls(message) == but_calls(whole)
        assert calls(message) == calls(whole)


@settings(max_examples=100, deadline=None)
@given(answers(), st.booleans())
def test_no_call_that_was_cut_or_does_not_parse_is_ever_executable(response, blocks):
    may_run = {call.call_id for call in response.tool_calls if is_executable(call, response.finish)}

    for message in (streamed(response, blocks=blocks), answer_message(response, MODEL, blocks=blocks), v3(response)):
        assert {call["id"] for call in message.tool_calls} == may_run
        assert len(message.tool_calls) + len(message.invalid_tool_calls) == len(response.tool_calls)


@settings(max_examples=50, deadline=None)
@given(answers(), st.booleans())
def test_a_message_survives_being_stored(response, blocks):
    message = answer_message(response, MODEL, blocks=blocks)
    (stored,) = messages_from_dict(json.loads(json.dumps([message_to_dict(message)])))

    assert replayed(stored, response.tool_calls) == replayed(message, response.tool_calls)


@settings(max_examples=100, deadline=None)
@given(answers(), st.booleans())
def test_at_every_step_the_chunks_have_shown_what_has_come(response, blocks):
    for come, shown in steps(response, Chunks(MODEL, blocks=blocks).of, shown_in_chunk):
        assert shown == come


@settings(max_examples=100, deadline=None)
@given(answers())
def test_at_every_step_the_events_of_version_3_have_shown_what_has_come(response):
    for come, shown in steps(response, MessageEvents(MODEL).of, shown_in_event):
        assert shown == come


def test_tool_calls_have_integer_indices_that_stay():
    parts = (
        Reasoning(segments=(Segment("raw", "hm"),)),
        *(ToolCall(call_id=c, name="f", arguments="{}") for c in "ab"),
    )
    response = ChatResponse(message=Message(role="assistant", parts=parts), finish=Finish(reason="tool_calls"))
    chunks = Chunks(MODEL)
    made = [chunk.message for event in pieces(response) for chunk in chunks.of(event)]
    pieces_of = [(piece["index"], piece["id"], piece["args"]) for message in made for piece in message.tool_call_chunks]

    assert pieces_of == [(1, "a", ""), (1, None, "{}"), (2, "b", ""), (2, None, "{}")]


def test_runs_of_reasoning_stay_apart():
    part = Reasoning(segments=(Segment("summary", "one"), Segment("summary", "two")), encrypted="sealed")
    response = ChatResponse(message=Message(role="assistant", parts=(part, Text("so"))), finish=Finish(reason="stop"))

    for message in (answer_message(response, MODEL), streamed(response, blocks=False), v3(response)):
        runs = [block["reasoning"] for block in message.content_blocks if block["type"] == "reasoning"]
        assert runs == ["one", "two"]
        assert replayed(message) == (part, Text("so"))


def test_plain_text_is_a_plain_string_and_stays_one_when_it_is_signed():
    part = Text("Hello", opaque={"thoughtSignature": "sig"})
    response = ChatResponse(message=Message(role="assistant", parts=(part,)), finish=Finish(reason="stop"))

    for message in (answer_message(response, MODEL), streamed(response, blocks=False)):
        assert message.content == "Hello"
        assert replayed(message) == (part,)


def test_a_cited_text_streams_as_plain_strings_and_shows_its_citations_in_the_end():
    cited = Text("As they say", (Citation(kind="url_citation", url="https://example.com"),))
    response = ChatResponse(message=Message(role="assistant", parts=(cited,)), finish=Finish(reason="stop"))
    total = streamed(response, blocks=False)

    assert total.content == "As they say"
    (block,) = total.content_blocks
    assert (block["text"], block["annotations"][0]["url"]) == ("As they say", "https://example.com")


def test_each_text_of_a_plain_string_keeps_its_own_facts():
    parts = (
        Text("Let me see. ", phase="commentary"),
        Text("It is 7", opaque={"thoughtSignature": "first"}),
        Text("!", opaque={"thoughtSignature": "second"}),
    )
    response = ChatResponse(message=Message(role="assistant", parts=parts), finish=Finish(reason="stop"))

    for message in (answer_message(response, MODEL), streamed(response, blocks=False)):
        assert message.content == "Let me see. It is 7!"
        assert replayed(message) == parts


def test_each_cited_text_of_a_stream_keeps_its_own_citations():
    parts = tuple(
        Text(f"As {name} says. ", (Citation(kind="url_citation", url=f"https://{name}.example.com"),)) for name in "abc"
    )
    response = ChatResponse(message=Message(role="assistant", parts=parts), finish=Finish(reason="stop"))

    for message in (answer_message(response, MODEL), streamed(response, blocks=False), v3(response)):
        shown = [(block["text"], block["annotations"][0]["url"]) for block in message.content_blocks]
        assert shown == [(f"As {name} says. ", f"https://{name}.example.com") for name in "abc"]
        assert replayed(message) == parts


def test_an_empty_text_that_carries_a_signature_is_kept():
    parts = (Text("So"), Text("", opaque={"thoughtSignature": "sig"}))
    response = ChatResponse(message=Message(role="assistant", parts=parts), finish=Finish(reason="stop"))

    for message in (answer_message(response, MODEL), streamed(response, blocks=False), v3(response)):
        assert replayed(message) == parts


def test_text_before_anything_else_streams_as_plain_strings():
    parts = (Text("Look: "), Native(api="responses", payload={"type": "odd"}), Text("done"))
    response = ChatResponse(message=Message(role="assistant", parts=parts), finish=Finish(reason="stop"))
    chunks = Chunks(MODEL)
    contents = [chunk.message.content for event in replay(response) for chunk in chunks.of(event)]

    assert [type(content) for content in contents] == [str, list, list, list]
    assert str(streamed(response, blocks=False).text) == "Look: done"


def test_a_cut_call_says_in_its_arguments_why_it_cannot_be_run():
    call = ToolCall(call_id="a", name="f", arguments='{"city": "Par')
    response = ChatResponse(message=Message(role="assistant", parts=(call,)), finish=Finish(reason="length"))
    (broken,) = streamed(response, blocks=False).invalid_tool_calls

    assert broken["args"] == '{"city": "Par"] (the answer was cut at its length limit; raise max_tokens)'
    assert replayed(streamed(response, blocks=False), [call]) == (call,)


def test_a_cut_call_without_a_result_is_left_out_of_the_conversation():
    call = ToolCall(call_id="a", name="f", arguments='{"city": "Par')
    response = ChatResponse(message=Message(role="assistant", parts=(Text("I"), call)), finish=Finish(reason="length"))

    assert replayed(answer_message(response, MODEL)) == (Text("I"),)


def test_beside_a_message_stands_nothing_that_its_fields_say_already():
    plain = ToolCall(call_id="a", name="add", arguments='{"a":3}')
    signed = replace(plain, call_id="b", signature="sig")

    def beside(*parts):
        answer = Message(role="assistant", parts=parts)
        response = ChatResponse(message=answer, finish=Finish(reason="tool_calls"))
        kept = [answer_message(response, MODEL).additional_kwargs, streamed(response, blocks=False).additional_kwargs]
        assert kept[0] == kept[1]
        return kept[0]

    assert beside(Text("Hello")) == {}
    assert beside(Text("Hello"), plain) == {}
    stored = beside(plain, signed)["dbx_gateway"]["calls"]
    assert stored == {"b": {"signature": "sig", "proof": stored["b"]["proof"]}}


def test_a_call_that_was_taken_off_the_list_is_not_sent_again():
    calls = (ToolCall(call_id="a", name="f", arguments="{}"), ToolCall(call_id="b", name="g", arguments="{}"))
    response = ChatResponse(message=Message(role="assistant", parts=calls), finish=Finish(reason="tool_calls"))
    message = answer_message(response, MODEL, blocks=True)
    message.tool_calls = message.tool_calls[1:]

    assert replayed(message) == (calls[1],)


def test_arguments_that_were_edited_are_sent_as_edited_without_the_proof_of_what_they_were():
    call = ToolCall(call_id="a", name="f", arguments='{"x": 1}', signature="sig")
    response = ChatResponse(message=Message(role="assistant", parts=(call,)), finish=Finish(reason="tool_calls"))
    message = answer_message(response, MODEL, blocks=True)
    message.tool_calls[0]["args"] = {"x": 2}

    assert replayed(message) == (replace(call, arguments='{"x":2}', signature=""),)


def test_a_free_text_tool_gets_its_text_as_the_one_argument():
    call = ToolCall(call_id="a", name="run", arguments="print(1)", custom=True)
    response = ChatResponse(message=Message(role="assistant", parts=(call,)), finish=Finish(reason="tool_calls"))

    for message in (answer_message(response, MODEL), streamed(response, blocks=False), v3(response)):
        assert [one["args"] for one in message.tool_calls] == [{"__arg1": "print(1)"}]
        assert replayed(message) == (call,)


@pytest.mark.parametrize(("blocks", "contents"), [(False, ["a", "b"]), (True, [A_BLOCK, B_BLOCK])])
def test_every_one_of_several_answers_has_the_form_that_was_asked_for(blocks, contents):
    first, other = (Message(role="assistant", parts=(Text(text),)) for text in "ab")
    finish = Finish(reason="stop")
    response = ChatResponse(message=first, finish=finish, alternatives=(Alternative(message=other, finish=finish),))

    assert [message.content for message in answer_messages(response, MODEL, blocks=blocks)] == contents


@settings(max_examples=30, deadline=None)
@given(answers())
def test_a_block_of_a_chunk_holds_only_what_it_has(response):
    chunks = Chunks(MODEL, blocks=True)
    contents = [chunk.message.content for event in pieces(response) for chunk in chunks.of(event)]

    assert all(isinstance(content, list) for content in contents)
    assert [block for content in contents for block in content if None in block.values()] == []


@settings(max_examples=30, deadline=None)
@given(free_calls, st.booleans())
def test_the_pieces_of_a_free_text_are_the_one_argument_when_the_call_ends(call, blocks):
    response = ChatResponse(message=Message(role="assistant", parts=(call,)), finish=Finish(reason="tool_calls"))
    chunks = Chunks(MODEL, blocks=blocks)
    args = ""
    for event in pieces(response):
        args += "".join(piece["args"] for chunk in chunks.of(event) for piece in chunk.message.tool_call_chunks)
        if isinstance(event, ToolCallEnd):
            assert json.loads(args) == {"__arg1": call.arguments}


def test_the_events_of_a_call_begin_with_its_id_and_name_and_grow_to_its_arguments():
    calls = (
        ToolCall(call_id="a", name="add", arguments='{"a": 3}'),
        ToolCall(call_id="b", name="run", arguments='print("1")', custom=True),
    )
    response = ChatResponse(message=Message(role="assistant", parts=calls), finish=Finish(reason="tool_calls"))
    events = told(response)
    started = [event["content"] for event in events if event["event"] == "content-block-start"]
    grown = [
        "".join(e["delta"]["args"] for e in events if e["event"] == "content-block-delta" and e["index"] == index)
        for index in (0, 1)
    ]

    assert [(block["type"], block["id"], block["name"], block["args"]) for block in started] == [
        ("tool_call_chunk", "a", "add", ""),
        ("tool_call_chunk", "b", "run", ""),
    ]
    assert [json.loads(text) for text in grown] == [{"a": 3}, {"__arg1": 'print("1")'}]


@pytest.mark.parametrize("blocks", [False, True])
def test_a_thought_that_holds_nothing_leaves_nothing(blocks):
    parts = (Reasoning(), Text("ab"), Reasoning())
    response = ChatResponse(message=Message(role="assistant", parts=parts), finish=Finish(reason="stop"))

    for message in (answer_message(response, MODEL, blocks=blocks), streamed(response, blocks=blocks), v3(response)):
        assert [(block["type"], block["text"]) for block in message.content_blocks] == [("text", "ab")]


def test_each_block_starts_with_its_kind_and_nothing_that_is_still_to_come():
    parts = (
        Text("a"),
        Reasoning(segments=(Segment("summary", "b"), Segment("summary", "c"))),
        Refusal("d"),
        ToolCall(call_id="e", name="f", arguments="{}"),
        Native(api="responses", payload={"type": "odd"}),
        Image(blob=Blob(data="iVBORw0KGgo=", mime="image/png")),
    )
    response = ChatResponse(message=Message(role="assistant", parts=parts), finish=Finish(reason="stop"))
    started = [event["content"] for event in told(response) if event["event"] == "content-block-start"]

    assert started == [
        {"type": "text", "text": ""},
        {"type": "reasoning", "reasoning": ""},
        {"type": "reasoning", "reasoning": ""},
        {"type": "non_standard"},
        {"type": "tool_call_chunk", "id": "e", "name": "f", "args": "", "index": 4},
        {"type": "non_standard"},
        {"type": "image", "mime_type": "image/png"},
    ]


def test_a_call_that_cannot_be_run_is_one_block():
    calls = (ToolCall(call_id="a", name="add", arguments='{"a":3}'), ToolCall(call_id="b", name="add", arguments="[3]"))
    response = ChatResponse(message=Message(role="assistant", parts=calls), finish=Finish(reason="tool_calls"))
    whole = [answer_message(response, MODEL, blocks=blocks) for blocks in (False, True)]
    unmarked = answer_message(response, MODEL, blocks=True)
    del unmarked.response_metadata["output_version"]  # as a history that keeps only what it knows gives it back

    for message in (*whole, unmarked, streamed(response, blocks=False), v3(response)):
        blocks = [(block["type"], block["id"]) for block in message.content_blocks]
        assert blocks == [("tool_call", "a"), ("invalid_tool_call", "b")]


def test_what_the_server_itself_ran_is_a_block_that_langchain_knows():
    parts = (
        Native(api="messages", payload={"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
        Native(api="messages", payload={"type": "web_search_tool_result", "tool_use_id": "s", "content": []}),
        Native(api="messages", payload={"type": "hologram"}),
    )
    response = ChatResponse(message=Message(role="assistant", parts=parts), finish=Finish(reason="stop"))

    for message in (answer_message(response, MODEL), streamed(response, blocks=False), v3(response)):
        kinds = [block["type"] for block in message.content_blocks]
        assert kinds == ["server_tool_call", "server_tool_result", "non_standard"]
        assert replayed(message) == parts


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "container_id": "c", "outputs": []},
        {"type": "web_search_call"},
        {"type": "mcp_call"},
    ],
    ids=["a call and its result", "code and what it printed", "no id", "no name"],
)
def test_what_is_no_single_block_of_langchain_stays_as_it_was_received(payload):
    part = Native(api="responses", payload=payload)
    response = ChatResponse(message=Message(role="assistant", parts=(part,)), finish=Finish(reason="stop"))

    for message in (answer_message(response, MODEL), streamed(response, blocks=False), v3(response)):
        assert [block["type"] for block in message.content_blocks] == ["non_standard"]
        assert replayed(message) == (part,)


@pytest.mark.parametrize(
    ("citation", "fields"),
    [
        (Citation(kind="page"), {}),
        (Citation(kind="page", start=0, end=0), {"start_index": 0, "end_index": 0}),
        (Citation(kind="page", url="u", title="t", cited_text="c"), {"url": "u", "title": "t", "cited_text": "c"}),
    ],
)
def test_a_citation_is_langchains_with_those_fields_that_it_has(citation, fields):
    (block,) = blocks_of(Text("a", (citation,)))

    assert block["annotations"] == [{"type": "citation", **fields, "extras": {"kind": "page", "source": {}}}]


def test_the_messages_of_a_stream_are_of_the_kinds_that_langchain_knows():
    response = ChatResponse(message=Message(role="assistant", parts=(Text("a"),)), finish=Finish(reason="stop"))

    assert type(streamed(response, blocks=False)) is AIMessageChunk
    assert type(answer_message(response, MODEL)) is AIMessage
