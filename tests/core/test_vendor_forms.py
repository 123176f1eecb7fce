"""Tools, choices and formats as the vendors write them, and media that a model does not take."""

from __future__ import annotations

import json

import pytest
from support.promises import promise

from dbx_gateway.adapters.vendor_forms import (
    cache_mark_of,
    choice_of,
    format_of,
    is_format,
    is_one_call_at_a_time,
    part_of,
    result_part_of,
    schema_format,
    schema_tool,
    tool_of,
    with_cache_mark,
)
from dbx_gateway.call.checks import check_media
from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    ChatRequest,
    File,
    Image,
    OutputFormat,
    Reasoning,
    Segment,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Video,
    user,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profiles import profile_of

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


@pytest.mark.parametrize(
    ("tool", "spec"),
    [
        (
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}},
            ToolSpec(name="f", description="d", parameters=SCHEMA, strict=True),
        ),
        ({"type": "function", "name": "f", "parameters": SCHEMA}, ToolSpec(name="f", parameters=SCHEMA)),
        (
            {"name": "f", "input_schema": SCHEMA, "defer_loading": True, **MARK},
            ToolSpec(name="f", parameters=SCHEMA, cache=CacheHint("1h"), extras={"defer_loading": True}),
        ),
        ({"type": "custom", "custom": {"name": "f"}}, ToolSpec(name="f", custom=True)),
        (
            {"type": "custom", "name": "f", "description": "d", "format": {"type": "text"}},
            ToolSpec(name="f", description="d", parameters={"type": "text"}, custom=True),
        ),
        ({"type": "web_search"}, ToolSpec(name="web_search", native={"type": "web_search"})),
        ({"google_search": {}}, ToolSpec(name="google_search", native={"google_search": {}})),
        (SCHEMA, None),
        ({"properties": {}}, None),
        ({"$defs": {"A": {"type": "string"}}}, None),
        ({"url_context": []}, ToolSpec(name="url_context", native={"url_context": []})),
        ({"google_search": True}, None),
        ({"google_search": {}, "url_context": {}}, None),
        ({"toolSpec": {"name": "f"}}, None),
        ({}, None),
    ],
)
def test_tools(tool, spec):
    assert tool_of(tool) == spec


@pytest.mark.parametrize(
    ("choice", "meant"),
    [
        (None, None),
        (False, None),
        (True, ToolChoice("required")),
        ("any", ToolChoice("required")),
        ("none", ToolChoice("none")),
        ("f", ToolChoice("required", ("f",))),
        ({"type": "tool", "name": "f"}, ToolChoice("required", ("f",))),
        ({"type": "custom", "custom": {"name": "f"}}, ToolChoice("required", ("f",))),
        ({"name": "f"}, ToolChoice("required", ("f",))),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"function": {"name": "g"}}]}},
            ToolChoice("required", ("g",)),
        ),
        (
            {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}},
            ToolChoice("required", ("f", "g")),
        ),
        ({"function_calling_config": {"mode": "AUTO"}}, ToolChoice("auto")),
    ],
)
def test_choices(choice, meant):
    assert choice_of(choice, ["f", "g"]) == meant


@pytest.mark.parametrize(
    "choice",
    [
        "h",
        3.5,
        {"kind": "f"},
        {"function_calling_config": {"mode": "SOMETIMES"}},
        {"type": "allowed_tools", "mode": "required", "tools": ["f"]},
        {"function_calling_config": {"mode": "AUTO", "allowed_function_names": ["f"]}},
    ],
)
def test_choices_that_nothing_understands_are_refused(choice):
    with pytest.raises(InvalidRequestError, match="tool_choice"):
        choice_of(choice, ["f", "g"])


def test_one_call_at_a_time_in_anthropics_words():
    assert is_one_call_at_a_time({"type": "auto", "disable_parallel_tool_use": True})
    assert not is_one_call_at_a_time("auto")


@pytest.mark.parametrize(
    ("wanted", "output"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, OutputFormat(kind="json")),
        (
            {"type": "json_schema", "json_schema": {"name": "N", "schema": SCHEMA, "strict": True}},
            OutputFormat(kind="json_schema", name="N", schema=SCHEMA, strict=True),
        ),
        (
            {"type": "json_schema", "schema": {"title": "T", **SCHEMA}},
            OutputFormat(kind="json_schema", name="T", schema={"title": "T", **SCHEMA}),
        ),
    ],
)
def test_formats(wanted, output):
    assert format_of(wanted) == output


@pytest.mark.parametrize("strict", [None, True])
def test_a_schema_becomes_a_format_or_a_tool_and_is_read_back(strict):
    titled = {"title": "T", "description": "d", **SCHEMA}

    assert is_format(schema_format(titled, strict))
    assert format_of(schema_format(titled, strict)) == OutputFormat(
        kind="json_schema", name="T", schema=titled, strict=strict
    )
    assert tool_of(schema_tool(titled, strict)) == ToolSpec(name="T", description="d", parameters=SCHEMA, strict=strict)


def test_a_format_that_nothing_understands_is_refused():
    with pytest.raises(InvalidRequestError, match="response_format"):
        format_of({"type": "yaml"})


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            Reasoning(segments=(Segment("raw", "hm"),), signature="s"),
        ),
        ({"type": "redacted_thinking", "data": "x"}, Reasoning(redacted="x")),
        (
            {"type": "reasoning", "id": "rs", "summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "e"},
            Reasoning(segments=(Segment("summary", "a"), Segment("summary", "b")), encrypted="e", id="rs"),
        ),
        (
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            ToolCall(call_id="a", name="f", arguments='{"x":1}'),
        ),
        (
            {"type": "custom_tool_call", "call_id": "a", "name": "f", "input": "t"},
            ToolCall(call_id="a", name="f", arguments="t", custom=True),
        ),
        (
            {"type": "function_call_output", "call_id": "a", "output": "3"},
            ToolResult(call_id="a", content=(Text("3"),)),
        ),
        (
            {"type": "custom_tool_call_output", "call_id": "a", "output": "3"},
            ToolResult(call_id="a", content=(Text("3"),)),
        ),
        ({"type": "custom_tool_call_output", "output": "3"}, Text("3")),
        ({"type": "custom_tool_call_output", "output": [{"type": "input_text", "text": "3"}]}, Text("3")),
        ({"type": "json", "json": {"a": [1]}}, Text('{"a":[1]}')),
        ({"type": "json", "json": None}, Text("null")),
        (
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "no"}], "is_error": True},
            ToolResult(call_id="a", content=(Text("no"),), is_error=True),
        ),
        (
            {
                "type": "search_result",
                "title": "T",
                "content": [{"type": "text", "text": "w"}],
                "citations": {"enabled": True},
            },
            File(text="w", title="T", citable=True),
        ),
        (
            {"type": "media", "mime_type": "video/mp4", "file_uri": "gs://v"},
            Video(blob=Blob(url="gs://v", mime="video/mp4")),
        ),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, Image(blob=Blob(file_id="f"))),
        ({"type": "image"}, None),
        ({"type": "file"}, None),
        ({"type": "never seen"}, None),
        ({}, None),
    ],
)
def test_content(block, part):
    assert part_of(block) == part


def test_what_is_no_block_inside_a_result_goes_as_its_json():
    odd = {"type": "never seen", "a": 1}

    part = part_of({"type": "tool_result", "tool_use_id": "a", "content": [odd, {"type": "text", "text": "b"}]})

    assert part == ToolResult(call_id="a", content=(Text('{"type":"never seen","a":1}'), Text("b")))


@pytest.mark.parametrize(
    "record",
    [
        {"type": "file", "name": "a.txt", "size": 3},
        {"type": "file", "file_id": "17", "name": "a.txt"},
        {"type": "image", "url": "https://e.com/a.png", "alt": "a picture"},
        {"type": "image", "src": "https://e.com/a.png"},
        {"type": "search_result", "title": "T", "url": "https://e.com", "content": "words"},
        {"type": "search_result", "title": "T", "snippet": "words"},
        {"type": "document", "title": "T", "source": "https://e.com"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {},
    ],
    ids=str,
)
def test_a_record_that_names_a_type_is_no_block(record):
    assert result_part_of(record) == Text(json.dumps(record, separators=(",", ":")))


@promise("mcp-blocks")
@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "image", "data": "aaaa", "mimeType": "image/png"}, Image(blob=Blob(data="aaaa", mime="image/png"))),
        (
            {"type": "image", "data": "aaaa", "mimeType": "image/png", "annotations": None, "_meta": None},
            Image(blob=Blob(data="aaaa", mime="image/png")),
        ),
        ({"type": "image", "data": "aaaa", **MARK}, Image(blob=Blob(data="aaaa"), cache=CacheHint("1h"))),
        (
            {"type": "image", "data": "data:image/gif;base64,aaaa", "mimeType": "image/png"},
            Image(blob=Blob(data="aaaa", mime="image/gif")),
        ),
        ({"type": "audio", "data": "aaaa", "mimeType": "audio/wav"}, Audio(blob=Blob(data="aaaa", mime="audio/wav"))),
        ({"type": "resource", "resource": {"uri": "file:///a", "text": "words"}}, Text("words")),
        (
            {"type": "resource", "resource": {"uri": "file:///a", "blob": "aaaa", "mimeType": "image/png"}},
            Image(blob=Blob(data="aaaa", mime="image/png")),
        ),
        (
            {"type": "resource", "resource": {"uri": "file:///a", "blob": "aaaa"}},
            File(blob=Blob(data="aaaa", mime="application/octet-stream")),
        ),
        ({"type": "resource", "resource": {"uri": "file:///a"}}, None),
        ({"type": "audio"}, None),
    ],
    ids=str,
)
def test_blocks_of_mcp(block, part):
    assert part_of(block) == part


def test_a_block_of_json_that_is_none_is_refused():
    with pytest.raises(InvalidRequestError, match="holds what is no JSON"):
        part_of({"type": "json", "json": object()})


def test_a_cache_mark_can_be_put_on_anything_and_stays_where_there_is_one():
    block = {"type": "text", "text": "a"}

    assert with_cache_mark(block, "1h") == block | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert with_cache_mark(with_cache_mark(block, "5m"), "1h") == with_cache_mark(block, "5m")
    assert block == {"type": "text", "text": "a"}


def test_a_cache_mark_is_taken_along_as_it_stands():
    assert cache_mark_of({"type": "text", **MARK}) == MARK
    assert cache_mark_of({"type": "text"}) == {}


LLAMA, CLAUDE, GEMINI = (
    "databricks-meta-llama-3-3-70b-instruct",
    "databricks-claude-sonnet-4-5",
    "databricks-gemini-3-1-pro",
)
PICTURE, SOUND = Image(blob=Blob(url="https://example.com/a.png")), Audio(blob=Blob(data="UklG", mime="audio/wav"))
FILM, PAPER = (
    Video(blob=Blob(url="https://example.com/a.mp4")),
    File(blob=Blob(data="JVBERi0=", mime="application/pdf")),
)


@pytest.mark.parametrize(
    ("model", "part", "what"),
    [
        (LLAMA, PICTURE, "an image"),
        (LLAMA, PAPER, "a PDF document"),
        (CLAUDE, SOUND, "audio"),
        (CLAUDE, FILM, "a video"),
        (LLAMA, ToolResult(call_id="a", content=(PICTURE,)), "an image"),
    ],
)
def test_media_that_a_known_model_does_not_take_are_refused(model, part, what):
    with pytest.raises(InvalidRequestError, match=what):
        check_media(ChatRequest(model=model, messages=(user(part),)), profile_of(model))


@pytest.mark.parametrize("part", [PICTURE, SOUND, FILM, PAPER])
@pytest.mark.parametrize("model", [GEMINI, "my-own-llama", "llama-of-tomorrow"])
def test_media_go_to_a_model_that_takes_them_or_that_is_not_known(model, part):
    check_media(
        ChatRequest(model=model, messages=(user(part),)), profile_of(model, None if model == GEMINI else "llama")
    )
