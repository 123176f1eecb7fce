"""LlamaIndex's messages as the core's, and the core's answers as LlamaIndex's: nothing is lost on the way."""

from __future__ import annotations

import base64
import copy
import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms.llm import ToolSelection

from dbx_gateway.call.reading import replay
from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    Citation,
    File,
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
    ToolResult,
    Usage,
    Video,
)
from dbx_gateway.chat import ChatResponse as CoreResponse
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.events import (
    End,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from dbx_gateway.notices import forget_notices
from llama_index_dbx_gateway.answers import chat_response
from llama_index_dbx_gateway.messages import to_core
from llama_index_dbx_gateway.streaming import Snapshots

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PNG_TEXT = base64.b64encode(PNG).decode()
PDF = b"%PDF-1.4 tiny"


def parts_of(*blocks, role="user", **told):
    return to_core([ChatMessage(role=role, blocks=list(blocks), additional_kwargs=told)])[0].parts


def test_roles():
    roles = [MessageRole.SYSTEM, MessageRole.DEVELOPER, MessageRole.USER, MessageRole.CHATBOT, MessageRole.MODEL]

    assert [m.role for m in to_core([ChatMessage("x", role=role) for role in roles])] == [
        "system",
        "developer",
        "user",
        "assistant",
        "assistant",
    ]


def test_an_image_in_bytes_by_file_and_by_address(tmp_path):
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)
    handle = io.BytesIO(PNG)
    handle.seek(3)

    parts = parts_of(
        ImageBlock(image=PNG, detail="low"),
        ImageBlock(path=path),
        ImageBlock(image=handle, image_mimetype="image/png"),
        ImageBlock(url="https://example.com/dot.png"),
    )

    held = Blob(data=PNG_TEXT, mime="image/png")
    assert parts == (
        Image(blob=held, detail="low"),
        Image(blob=held),
        Image(blob=held),
        Image(blob=Blob(url="https://example.com/dot.png", mime="image/png")),
    )
    assert handle.tell() == 3


def test_documents_sounds_and_films():
    parts = parts_of(
        DocumentBlock(data=PDF, title="Report", document_mimetype="application/pdf"),
        DocumentBlock(data=b"plain words"),
        AudioBlock(audio=b"RIFF....WAVE", format="wav"),
        VideoBlock(url="https://example.com/a.mp4", fps=2),
    )

    report, words, sound, film = parts
    assert report == File(blob=Blob(data=base64.b64encode(PDF).decode(), mime="application/pdf"), title="Report")
    assert isinstance(words, File)
    assert (words.blob.mime, words.title) == ("text/plain", None)
    assert isinstance(sound, Audio)
    assert sound.blob.mime == "audio/wav"
    assert film == Video(blob=Blob(url="https://example.com/a.mp4", mime="video/mp4"), fps=2)


def test_a_document_of_no_known_type_is_plain_text_only_where_its_bytes_are(tmp_path):
    (tmp_path / "notes").write_bytes(b"words")
    documents = parts_of(
        DocumentBlock(data=b"words"),
        DocumentBlock(data=b"\x00\xff"),
        DocumentBlock(data=io.BytesIO(b"words")),
        DocumentBlock(path=tmp_path / "notes"),
        DocumentBlock(url="https://example.com/notes"),
    )

    assert [document.blob.mime for document in documents] == ["text/plain", None, None, None, None]


def test_a_cache_point_marks_what_stands_before_it():
    point = CachePoint(cache_control=CacheControl(type="ephemeral", ttl="1h"))

    assert parts_of(TextBlock(text="a"), point, TextBlock(text="b")) == (Text("a", cache=CacheHint("1h")), Text("b"))


def test_a_cache_point_at_the_front_marks_nothing_and_says_so(caplog):
    point = CachePoint(cache_control=CacheControl(type="ephemeral"))

    assert parts_of(point, TextBlock(text="b")) == (Text("b"),)
    assert "at the start of a message" in caplog.text


def test_a_citable_block_is_a_file_to_cite():
    block = CitableBlock(title="T", source="S", content=[TextBlock(text="a"), TextBlock(text="b")])

    assert parts_of(block) == (File(text="a\nb", title="T", context="S", citable=True),)


def test_a_citation_of_an_answer_is_not_repeated_and_of_a_user_is_said():
    cited = CitationBlock(cited_content="words", source="s", title="t", additional_location_info={})

    assert parts_of(TextBlock(text="a"), cited, role="assistant") == (Text("a"),)
    assert parts_of(cited) == (Text("words"),)


def test_a_tool_result_gets_its_name_from_the_history():
    call = ToolCallBlock(tool_call_id="c1", tool_name="look", tool_kwargs={"a": 1})
    result = ChatMessage(
        role="tool", blocks=[TextBlock(text="seen"), ImageBlock(image=PNG)], additional_kwargs={"tool_call_id": "c1"}
    )

    _, told = to_core([ChatMessage(role="assistant", blocks=[call]), result])

    content = (Text("seen"), Image(blob=Blob(data=PNG_TEXT, mime="image/png")))
    assert told == Message(role="tool", parts=(ToolResult(call_id="c1", name="look", content=content),))


def test_a_result_that_names_no_id_answers_the_call_of_its_name():
    call = ToolCallBlock(tool_name="add", tool_kwargs={})
    history = [
        ChatMessage(role="assistant", blocks=[call]),
        ChatMessage("5", role=MessageRole.FUNCTION, additional_kwargs={"name": "add"}),
    ]

    asked, answered = to_core(history)

    assert asked.tool_calls[0].call_id == "add"
    assert answered.parts == (ToolResult(call_id="add", name="add", content=(Text("5"),)),)


def test_a_tool_result_without_its_call_is_refused_with_the_remedy():
    with pytest.raises(InvalidRequestError, match="tool_call_id"):
        to_core([ChatMessage("seen", role="tool")])


def test_an_assistant_message_may_carry_the_id_of_a_tool_call():
    (told,) = to_core([ChatMessage("done", role="assistant", additional_kwargs={"tool_call_id": "c1"})])

    assert told == Message(role="assistant", parts=(Text("done"),))


class VendorFunction:
    name = "add"
    arguments = '{"a": 1}'


class VendorCall:
    id = "c1"
    function = VendorFunction()


@pytest.mark.parametrize(
    "call",
    [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"id": "c1", "name": "add", "input": {"a": 1}},
        VendorCall(),
        ToolSelection(tool_id="c1", tool_name="add", tool_kwargs={"a": 1}),
    ],
)
def test_calls_of_other_integrations_are_read(call):
    (told,) = to_core([ChatMessage("", role="assistant", additional_kwargs={"tool_calls": [call]})])

    (read,) = told.tool_calls
    assert (read.call_id, read.name, read.parsed()) == ("c1", "add", {"a": 1})


@pytest.mark.parametrize("arguments", [{"a": 1}, '{"a": 1}'])
def test_a_call_block_holds_an_object_or_text(arguments):
    block = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs=arguments)

    (call,) = parts_of(TextBlock(text="Wait."), block, role="assistant")[1:]

    assert call.parsed() == {"a": 1}


def test_another_integrations_thoughts_have_no_origin():
    (told,) = to_core(
        [ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm", additional_information={"signature": "s"})])]
    )

    assert told.origin is None
    assert told.parts == (Reasoning(segments=(Segment("raw", "hm"),), signature="s"),)


ANSWER = Message(
    role="assistant",
    origin=Origin("messages", "m"),
    parts=(
        Reasoning(segments=(Segment("raw", "think"),), signature="sig", opaque={"x": 1}),
        Reasoning(redacted="blob"),
        Reasoning(segments=(Segment("summary", "one"), Segment("summary", "two")), encrypted="enc", id="rs_1"),
        Text("Sure", id="t1", phase="commentary"),
        Text(" thing", (Citation(kind="page", cited_text="q", start=0, end=4, source={"page": 3, "type": "page"}),)),
        Native(api="messages", payload={"type": "server_tool_use", "id": "s1"}),
        Text("after"),
        Refusal("no", category="c"),
        Text("", opaque={"thoughtSignature": "z"}),
        Image(blob=Blob(data=PNG_TEXT, mime="image/png"), opaque={"sig": "i"}),
        ToolCall(call_id="c1", name="f", arguments='{ "a":1 }', signature="sg", id="fc_1", opaque={"k": []}),
        ToolCall(call_id="c2", name="g", arguments="", minted=True),
    ),
)
WHOLE = CoreResponse(message=ANSWER, finish=Finish(reason="tool_calls"), usage=Usage(input=3, output=2, total=5))


def test_an_answer_sent_back_is_exactly_what_came():
    message = chat_response(WHOLE, "m").message

    assert to_core([message]) == (ANSWER,)


def test_an_answer_that_was_stored_as_json_is_exactly_what_came():
    message = chat_response(WHOLE, "m").message

    assert to_core([ChatMessage.model_validate_json(message.model_dump_json())]) == (ANSWER,)


def test_a_streamed_answer_ends_as_the_whole_one():
    snapshots = Snapshots("m")
    responses = [response for event in replay(WHOLE) if (response := snapshots.of(event)) is not None]

    assert responses[-1] == chat_response(WHOLE, "m", delta="")
    assert "".join(response.delta for response in responses) == responses[-1].message.content
    assert responses[-1].message.content == "Sure thing\nafterno"


def test_citations_stand_behind_the_text_they_belong_to():
    blocks = chat_response(WHOLE, "m").message.blocks

    place = next(number for number, block in enumerate(blocks) if isinstance(block, CitationBlock))
    assert blocks[place - 1] == TextBlock(text="Sure thing")
    assert blocks[place].cited_content == TextBlock(text="q")
    assert blocks[place].additional_location_info == {"page": 3}


def test_a_refusal_is_told_as_such():
    response = chat_response(
        CoreResponse(message=Message(role="assistant", parts=(Refusal("I will not."),)), finish=Finish(reason="stop")),
        "m",
    )

    assert response.message.content == "I will not."
    assert response.message.additional_kwargs["refusal"] == "I will not."


def test_arguments_that_the_caller_changed_are_the_callers():
    message = chat_response(WHOLE, "m").message
    call = next(block for block in message.blocks if isinstance(block, ToolCallBlock))
    call.tool_kwargs = {"a": 2}

    assert to_core([message])[0].tool_calls[0].arguments == '{"a":2}'


@pytest.mark.parametrize("text", ["ls -l", 'say "hi"', "", '{"input": "x"}', "[1]"])
def test_the_free_text_of_a_call_goes_back_as_the_model_wrote_it(text):
    call = ToolCall(call_id="c1", name="shell", arguments=text, custom=True)
    answer = Message(role="assistant", parts=(call,))
    message = chat_response(CoreResponse(message=answer, finish=Finish(reason="tool_calls")), "m").message

    assert message.blocks[0].tool_kwargs == {"input": text}
    assert to_core([ChatMessage.model_validate_json(message.model_dump_json())]) == (answer,)


def test_a_free_text_that_the_caller_changed_is_the_callers():
    call = ToolCall(call_id="c1", name="shell", arguments="rm", custom=True)
    answer = CoreResponse(message=Message(role="assistant", parts=(call,)), finish=Finish(reason="tool_calls"))
    message = chat_response(answer, "m").message
    message.blocks[0].tool_kwargs = {"input": "ls"}

    assert to_core([message])[0].tool_calls[0].arguments == "ls"


MEDIA = (
    Image(blob=Blob(data=PNG_TEXT, mime="image/png"), detail="low", id="i1", opaque={"k": 1}),
    Video(blob=Blob(url="https://example.com/v.mp4", mime="video/mp4"), fps=2, opaque={"k": 2}),
    File(blob=Blob(data=base64.b64encode(PDF).decode(), mime="application/pdf"), title="Report", opaque={"k": 3}),
    Audio(blob=Blob(data="UklGRg==", mime="audio/wav"), transcript="hello", opaque={"k": 4}),
)


def test_media_of_an_answer_come_back_with_all_that_was_told_of_them():
    answer = Message(role="assistant", parts=MEDIA)
    message = chat_response(CoreResponse(message=answer, finish=Finish(reason="stop")), "m").message

    assert to_core([ChatMessage.model_validate_json(message.model_dump_json())])[0].parts == MEDIA


@pytest.mark.parametrize(
    ("part", "back"),
    [
        (Text(""), ()),
        (Text("", id="t1"), (Text("", id="t1"),)),
        (Text("", opaque={"k": 1}), (Text("", opaque={"k": 1}),)),
        (Text("", id="t1", opaque={"k": 1}), (Text("", id="t1", opaque={"k": 1}),)),
    ],
    ids=["nothing", "an id", "what we do not know", "both"],
)
def test_a_text_without_words_comes_back_where_it_holds_more(part, back):
    thought = Reasoning(segments=(Segment("raw", "hm"),))
    answer = CoreResponse(message=Message(role="assistant", parts=(thought, part)), finish=Finish(reason="stop"))
    message = chat_response(answer, "m").message

    assert [type(block) for block in message.blocks] == [ThinkingBlock]
    assert to_core([message])[0].parts == (thought, *back)


def test_media_that_no_block_can_hold_are_left_out_and_it_is_said(caplog):
    parts = (Text("a"), Image(blob=Blob(url="no url")), Audio(blob=Blob(url="no url")))
    answer = CoreResponse(message=Message(role="assistant", parts=parts), finish=Finish(reason="stop"))
    forget_notices()

    assert [type(block) for block in chat_response(answer, "m").message.blocks] == [TextBlock]
    assert sum("it gets no block" in record.message for record in caplog.records) == 1


def test_media_that_the_caller_changed_are_the_callers():
    answer = Message(role="assistant", parts=MEDIA)
    message = chat_response(CoreResponse(message=answer, finish=Finish(reason="stop")), "m").message
    picture, film, file, _ = message.blocks
    picture.detail, film.fps, file.title = "high", 5, "Draft"

    picture, film, file, _ = to_core([message])[0].parts

    assert (picture.detail, picture.id, picture.opaque) == ("high", "i1", {"k": 1})
    assert (film.fps, film.opaque) == (5, {"k": 2})
    assert (file.title, file.opaque) == ("Draft", {"k": 3})


def test_a_text_that_the_caller_changed_is_the_callers():
    message = chat_response(WHOLE, "m").message
    next(block for block in message.blocks if isinstance(block, TextBlock)).text = "Mine"

    assert Text("Mine") in to_core([message])[0].parts


texts = st.text(max_size=6)
answers = st.lists(
    st.one_of(
        texts.map(Text),
        st.builds(Text, texts, phase=st.sampled_from(["commentary", "final_answer"])),
        texts.filter(bool).map(Refusal),
        st.builds(
            Reasoning,
            segments=st.lists(
                st.builds(Segment, st.sampled_from(["raw", "summary"]), texts.filter(bool)), max_size=3
            ).map(tuple),
            signature=st.none() | texts.filter(bool),
        ),
        st.builds(
            ToolCall,
            call_id=st.uuids().map(str),
            name=st.just("f"),
            arguments=st.sampled_from(["", "{}", '{"a": 1.0}', "[1", "[]"]),
        ),
        st.just(Native(api="responses", payload={"type": "web_search_call"})),
    ),
    max_size=6,
)


def plain(parts):
    """Parts without empty texts, and with neighbouring plain texts as one, as they mean the same."""
    joined = []
    for part in parts:
        if part == Text(""):
            continue
        if (
            isinstance(part, Text)
            and joined
            and isinstance(joined[-1], Text)
            and {part.phase, joined[-1].phase} == {None}
        ):
            joined[-1] = Text(joined[-1].text + part.text)
        elif not (isinstance(part, Text) and not part.text and not part.opaque):
            joined.append(part)
    return joined


@settings(max_examples=80, deadline=None)
@given(parts=answers)
def test_any_answer_survives_the_round_trip(parts):
    answer = Message(role="assistant", parts=tuple(parts), origin=Origin("responses", "m"))
    message = chat_response(CoreResponse(message=answer, finish=Finish(reason="stop")), "m").message
    ids = [part.call_id for part in parts if isinstance(part, ToolCall)]
    results = [ChatMessage("r", role="tool", additional_kwargs={"tool_call_id": call_id}) for call_id in ids]

    told, *_ = to_core([message, *results])

    assert plain(told.parts) == plain(parts)
    assert told.origin == answer.origin


def by_two(answer):
    """The events of a stream that gives all in pieces of two characters."""
    for event in replay(answer):
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                yield from (replace(event, text=event.text[at : at + 2]) for at in range(0, len(event.text), 2))
            case ToolCallDelta():
                whole = event.arguments
                yield from (replace(event, arguments=whole[at : at + 2]) for at in range(0, len(whole), 2))
            case _:
                yield event


@settings(max_examples=80, deadline=None)
@given(parts=answers)
def test_at_every_step_of_any_answer_what_came_adds_up_to_what_is_shown(parts):
    answer = CoreResponse(message=Message(role="assistant", parts=tuple(parts)), finish=Finish(reason="stop"))
    snapshots = Snapshots("m")
    so_far, thoughts, before = "", "", None
    come = {part.call_id: "" for part in parts if isinstance(part, ToolCall)}
    for event in by_two(answer):
        if isinstance(event, ToolCallStart):
            latest = event.call_id
        if isinstance(event, ToolCallDelta):
            come[latest] += event.arguments
        response = snapshots.of(event)
        if response is None or isinstance(event, End):
            continue
        so_far += response.delta
        thoughts += response.additional_kwargs.get("thinking_delta", "")
        assert response.message != before
        assert response.additional_kwargs.get("thinking_delta") != ""
        before = response.message
        blocks = before.blocks
        calls = [block for block in blocks if isinstance(block, ToolCallBlock)]
        listed = before.additional_kwargs.get("tool_calls", [])
        assert (before.content or "") == so_far
        assert "".join(block.content for block in blocks if isinstance(block, ThinkingBlock)) == thoughts
        assert [block.tool_kwargs for block in calls] == [come[block.tool_call_id] for block in calls]
        assert [call["function"]["arguments"] for call in listed] == [block.tool_kwargs for block in calls]

    assert response == chat_response(answer, "m", delta="")


def test_each_step_shows_every_block_as_it_is_by_then():
    call = ToolCall(call_id="c1", name="add", arguments='{"a": 1}')
    events = [
        ReasoningDelta(0, "raw", "hm"),
        TextDelta(1, "a"),
        TextDelta(2, "b"),
        ToolCallStart(3, "c1", "add"),
        ToolCallDelta(3, '{"a"'),
        ToolCallDelta(3, ": 1}"),
        ToolCallEnd(3, call),
        ToolCallEnd(4, replace(call, call_id="c2")),
    ]
    snapshots = Snapshots("m")
    steps = [response.message.blocks for event in events if (response := snapshots.of(event)) is not None]

    thought, text, both = ThinkingBlock(content="hm"), TextBlock(text="a"), TextBlock(text="ab")
    calls = [
        ToolCallBlock(tool_call_id=call_id, tool_name="add", tool_kwargs=kwargs)
        for call_id, kwargs in (("c1", ""), ("c1", '{"a"'), ("c1", '{"a": 1}'), ("c2", '{"a": 1}'))
    ]
    assert steps == [
        [thought],
        [thought, text],
        [thought, both],
        *([thought, both, call] for call in calls[:3]),
        [thought, both, *calls[2:]],
    ]


def test_what_no_delta_said_comes_with_the_end_of_its_part():
    events = [
        TextDelta(0, "Hel"),
        PartEnd(0, Text("Hello")),
        PartEnd(1, Text(", all")),
        PartEnd(2, Reasoning(segments=(Segment("raw", "hm"),))),
        RefusalDelta(3, "I wi"),
        PartEnd(3, Refusal("I will not")),
        ToolCallEnd(4, ToolCall(call_id="c1", name="f", arguments="{}")),
    ]
    snapshots = Snapshots("m")
    responses = [response for event in events if (response := snapshots.of(event)) is not None]
    thoughts = [response.additional_kwargs.get("thinking_delta", "") for response in responses]

    assert [response.delta for response in responses] == ["Hel", "lo", ", all", "", "\nI wi", "ll not", ""]
    assert thoughts == ["", "", "", "hm", "", "", ""]
    assert responses[-1].message.content == "Hello, all\nI will not"
    assert responses[-1].message.blocks[-1].tool_name == "f"


@pytest.mark.parametrize("held", [b"word", b"RIFF....", b"\x00\x01"])
def test_bytes_of_no_known_type_are_the_same_bytes_in_a_block(held):
    """LlamaIndex reads bytes as base64 where they could be."""
    blob = Blob(data=base64.b64encode(held).decode())
    parts = (Audio(blob=blob), File(blob=blob))
    answer = CoreResponse(message=Message(role="assistant", parts=parts), finish=Finish(reason="stop"))

    message = chat_response(answer, "m").message
    sound, document = message.blocks

    assert (sound.resolve_audio().read(), sound.format) == (held, None)
    assert document.resolve_document().read() == held
    assert [part.blob.data for part in to_core([message])[0].parts] == [blob.data, blob.data]


def test_a_text_document_of_an_answer_is_the_same_text_in_a_block():
    answer = CoreResponse(
        message=Message(role="assistant", parts=(File(text="word", title="T"),)), finish=Finish(reason="stop")
    )

    (block,) = chat_response(answer, "m").message.blocks

    assert (block.resolve_document().read(), block.title) == (b"word", "T")


def test_nothing_of_the_callers_is_changed():
    messages = [
        ChatMessage(role="user", blocks=[TextBlock(text="a"), ImageBlock(image=PNG)]),
        chat_response(WHOLE, "m").message,
        ChatMessage("r", role="tool", additional_kwargs={"tool_call_id": "c1"}),
    ]
    before = copy.deepcopy(messages)

    to_core(messages)

    assert messages == before
