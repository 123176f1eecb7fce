import base64
import copy
import math

import pytest
from pydantic_core import from_json, to_json

from dbx_gateway.call import checks
from dbx_gateway.call.checks import check_last_turn, check_request, check_tools
from dbx_gateway.chat import (
    Audio,
    Blob,
    ChatRequest,
    File,
    Image,
    Native,
    OutputFormat,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Video,
    assistant,
    system,
    tool_result,
    user,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile

CALL = ToolCall(call_id="c1", name="add", arguments="{}")
ADD = ToolSpec(name="add", parameters={"type": "object"})
HALF = "half a character: \ud83d"


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def request(*messages, **more) -> ChatRequest:
    return ChatRequest(**{"model": "m", "messages": messages or (user("hi"),), **more})


def saying(part) -> ChatRequest:
    return request(user(part))


PNG = b64(b"\x89PNG\r\n\x1a\n" + bytes(60))

REFUSED = {
    "an empty model": (request(model=""), "the model name is empty"),
    "a blank model": (request(model="  "), "the model name is empty"),
    "no messages": (request(messages=()), "the conversation is empty"),
    "no parts": (request(user(), system("")), "no message has any content"),
    "only empty text": (request(user("")), "no message has any content"),
    "a result without its call": (request(tool_result(CALL, "3")), "'c1', which no earlier message makes"),
    "a result before its call": (
        request(user("x"), tool_result(CALL, "3"), assistant(CALL), tool_result(CALL, "3")),
        "'c1', which no earlier message makes",
    ),
    "two tools of one name": (request(tools=(ADD, ADD)), "two tools are called 'add'"),
    "a tool without a name": (request(tools=(ToolSpec(name=" "),)), "a tool has no name"),
    "NaN in a schema": (
        request(tools=(ToolSpec(name="add", parameters={"properties": {"x": {"maximum": math.nan}}}),)),
        "the parameters of tool 'add'\\['properties'\\]\\['x'\\]\\['maximum'\\] is nan",
    ),
    "NaN in the answer's schema": (
        request(output=OutputFormat(kind="json_schema", schema={"minimum": math.inf})),
        "the schema of the answer 'answer'\\['minimum'\\] is inf",
    ),
    "NaN in extra_body": (request(extra_body={"x": [math.nan]}), "extra_body\\['x'\\]\\[0\\] is nan"),
    "NaN in custom_inputs": (request(custom_inputs={"x": math.nan}), "custom_inputs\\['x'\\] is nan"),
    "NaN in metadata": (request(metadata={"x": math.nan}), "metadata\\['x'\\] is nan"),
    "NaN in a server's tool": (
        request(tools=(ToolSpec(name="search", native={"x": math.nan}),)),
        "tool 'search'\\['x'\\] is nan",
    ),
    "NaN in a tool's extras": (
        request(tools=(ToolSpec(name="add", extras={"x": math.nan}),)),
        "tool 'add'\\['x'\\] is nan",
    ),
    "an object in a schema": (
        request(tools=(ToolSpec(name="add", parameters={"default": {1}}),)),
        "\\['default'\\] is set, which JSON cannot hold",
    ),
    "a json_schema without a schema": (request(output=OutputFormat(kind="json_schema")), "has no schema"),
    "NaN as temperature": (request(temperature=math.nan), "temperature is nan"),
    "an infinite top_p": (request(top_p=math.inf), "top_p is inf"),
    "no tokens": (request(max_tokens=0), "max_tokens is 0; give at least 1"),
    "a choice of no tool": (
        request(tools=(ADD,), tool_choice=ToolChoice("required", ("sub",))),
        "'sub', which is not among the tools: add",
    ),
    "a choice without tools": (request(tool_choice=ToolChoice("required")), "there are no tools"),
    "an image that is text": (saying(Image(blob=Blob(data=b64(b"hello, world")))), "no picture that models read"),
    "an image that is a page": (saying(Image(blob=Blob(data=b64(b"<!DOCTYPE html><svg>")))), "no picture"),
    "an image that is a sound": (saying(Image(blob=Blob(data=b64(b"RIFF\0\0\0\0WAVEfmt ")))), "holds audio/wav"),
    "an image that is a film": (saying(Image(blob=Blob(data=b64(b"\0\0\0\x20ftypisom0000")))), "no picture"),
    "an image that begins like a bitmap": (saying(Image(blob=Blob(data=b64(b"BMW is a car maker")))), "no picture"),
    "an image of another type": (
        saying(Image(blob=Blob(data="QQ==", mime="application/zip"))),
        "an image part holds application/zip; use a file part",
    ),
    "an image that is no base64": (saying(Image(blob=Blob(data="not base64!"))), "is not base64"),
    "an image with the prefix of a URL": (saying(Image(blob=Blob(data=f"data:image/png;base64,{PNG}"))), "without a 'data:'"),
    "an image that is a document": (saying(Image(blob=Blob(data=b64(b"%PDF-1.4")))), "holds application/pdf"),
    "an image with letters of no base64": (saying(Image(blob=Blob(data="größe"))), "is not base64"),
    "an image of this machine": (saying(Image(blob=Blob(url="file:///a.png"))), "the image is named by a place on this"),
    "a file of a volume": (saying(File(blob=Blob(url="/Volumes/a/b.pdf"))), "the file is named by a place on this"),
    "a film of a page": (saying(Video(blob=Blob(url="blob:https://e.com/1"))), "no server can read; load it"),
    "a sound of a workspace": (saying(Audio(blob=Blob(url="DBFS:/a.wav"))), "the audio is named by a place"),
    "an empty image": (saying(Image(blob=Blob(data=""))), "the image is empty"),
    "an image of nothing": (saying(Image(blob=Blob())), "the image has 0 of data, url and file_id"),
    "an image of two sources": (saying(Image(blob=Blob(data=PNG, url="https://x/y"))), "the image has 2 of data"),
    "an image inside a tool's result": (
        request(user("x"), assistant(CALL), tool_result(CALL, Image(blob=Blob(data=b64(b"hello, world"))))),
        "no picture that models read",
    ),
    "a sound of nothing": (saying(Audio(blob=Blob())), "the audio has 0 of"),
    "a film of nothing": (saying(Video(blob=Blob(url=""))), "the video is empty"),
    "a file of nothing": (saying(File()), "neither bytes nor text"),
    "an empty file": (saying(File(blob=Blob(data=""))), "the file is empty"),
    "half a character in a text": (saying(Text(HALF)), "a text holds half a character"),
    "half a character in a result": (
        request(user("x"), assistant(CALL), tool_result(CALL, HALF)),
        "a text holds half a character",
    ),
    "half a character in arguments": (
        request(user("x"), assistant(ToolCall(call_id="c", name="add", arguments=HALF)), user("y")),
        "the arguments of call 'c' holds half",
    ),
    "half a character in a file": (saying(File(text=HALF)), "a file's text holds half"),
    "half a character in a description": (
        request(tools=(ToolSpec(name="add", description=HALF),)),
        "the description of tool 'add' holds half",
    ),
    "half a character in a stop sequence": (request(stop=(HALF,)), "a stop sequence holds half"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_server_would_take_is_refused_and_left_as_it_was(what):
    asked, says = REFUSED[what]
    before = copy.deepcopy(asked)
    with pytest.raises(InvalidRequestError, match=says):
        check_request(asked)
    assert repr(asked) == repr(before)


@pytest.mark.parametrize(
    "head",
    [
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"GIF87a",
        b"GIF89a",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        b"BM\x10\0\0\0\0\0\0\0",
        b"II*\0",
        b"MM\0*",
        b"\0\0\0\x18ftypheic",
        b"\0\0\0\x18ftypavif",
        b'<?xml version="1.0"?><svg>',
        b"<svg xmlns='x'>",
    ],
)
def test_pictures_are_known_by_how_they_begin(head):
    check_request(saying(Image(blob=Blob(data=b64(head + bytes(100)), mime="image/png"))))


@pytest.mark.parametrize(
    "asked",
    [
        request(),
        request(user("x"), assistant(CALL), tool_result(CALL, "3")),
        request(user("x"), assistant(CALL), tool_result(CALL, "3"), assistant("3"), user("y")),
        request(user("x"), assistant(CALL), tool_result(CALL)),
        request(user("x", ""), assistant(Reasoning(signature="s"), CALL), tool_result(CALL, "")),
        saying(Image(blob=Blob(url="https://example.com/a.png"))),
        saying(File(text="")),
        saying(File(blob=Blob(file_id="file-1"))),
        saying(Native(api="messages", payload={"type": "x"})),
        request(tools=(ADD, ToolSpec(name="search", native={"type": "a"}), ToolSpec(name="search", native={"type": "b"}))),
        request(tools=(ADD,), tool_choice=ToolChoice("required", ("add",))),
        request(tools=(ToolSpec(name="any name at all ☺"),)),
        request(temperature=0.0, top_p=1, max_tokens=1),
        request(user("emoji 😀, controls \x00 and \u2028")),
    ],
)  # fmt: skip
def test_what_a_server_may_take_is_let_through(asked):
    check_request(asked)


def test_tools_are_checked_on_their_own_too():
    with pytest.raises(InvalidRequestError, match="two tools are called 'add'"):
        check_tools((ADD, ADD))
    check_tools(())


# --- a trailing assistant turn -----------------------------------------------------------------------------------


@pytest.mark.parametrize("prefill", [True, False])
def test_a_trailing_assistant_turn_is_refused_where_the_model_continues_none(prefill):
    asked = request(user("x"), assistant("The answer is"))
    profile = Profile(model="m", family="claude", prefill=prefill)
    if prefill:
        check_last_turn(asked, profile)
        return
    with pytest.raises(InvalidRequestError, match="'m' does not continue one"):
        check_last_turn(asked, profile)


@pytest.mark.parametrize(
    "messages",
    [
        (user("x"),),
        (user("x"), assistant(CALL), tool_result(CALL, "3")),
        (user("x"), assistant(Reasoning(signature="s"), Native(api="messages", payload={}))),
    ],
)
def test_other_last_turns_need_no_prefill(messages):
    check_last_turn(request(*messages), Profile(model="m", family="claude"))


def test_a_result_of_a_call_in_the_same_message_is_no_orphan():
    check_request(request(user("x"), assistant(CALL, ToolResult(call_id="c1", content=(Text("3"),))), user("y")))


def test_tools_that_were_sound_are_looked_at_again_once_they_change():
    tools = (ToolSpec(name="look", parameters={"type": "object", "properties": {"limit": {"type": "number"}}}),)
    check_tools(tools)
    tools[0].parameters["properties"]["limit"]["maximum"] = math.nan
    with pytest.raises(InvalidRequestError, match="nan"):
        check_tools(tools)


@pytest.mark.parametrize("parameters", [{"properties": {1: {}}}, {"enum": ("a", "b")}], ids=["number", "tuple"])
def test_tools_with_equal_json_are_not_taken_for_sound_ones(parameters):
    check_tools((ToolSpec(name="look", parameters=from_json(to_json(parameters))),))
    with pytest.raises(InvalidRequestError):
        check_tools((ToolSpec(name="look", parameters=parameters),))


def test_tools_that_nothing_can_tell_apart_are_looked_at_each_time():
    parameters = {"enum": [object()]}
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match="object"):
            check_tools((ToolSpec(name="look", parameters=parameters),))


def test_a_bounded_number_of_tools_is_remembered(monkeypatch):
    monkeypatch.setattr(checks, "_sound", {})
    for number in range(checks.MOST_SOUND + 10):
        check_tools((ToolSpec(name=f"look_{number}"),))
    assert len(checks._sound) == 10
