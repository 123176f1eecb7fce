"""Requests on the messages api: what each part and option becomes, judged by the vendor's own types."""

from __future__ import annotations

import base64
import copy

import pytest
from judges.messages_bodies import EXTENSIONS, body_violations

from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    ChatRequest,
    Citation,
    File,
    Image,
    Message,
    Native,
    Origin,
    OutputFormat,
    Reasoning,
    ReasoningConfig,
    Refusal,
    Segment,
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
from dbx_gateway.dialects.messages.dialect import MESSAGES
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import forget_notices

MODEL = "databricks-claude-test"
PLAIN = Profile(model=MODEL, family="claude", thinking="budget", max_output=64_000, prefill=True)
HERE = Origin("messages", MODEL)
PNG = "iVBORw0KGgoAAAANSUhEUg=="
PDF = "JVBERi0xLjQK"
CALL = ToolCall(call_id="toolu_1", name="add", arguments='{"x":2,"y":3}')
CALLED = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"x": 2, "y": 3}}
ADD = ToolSpec(name="add", description="Adds.", parameters={"type": "object", "properties": {"x": {"type": "integer"}}})
MUL = ToolSpec(name="mul", parameters={"type": "object", "properties": {}})
SUB = ToolSpec(name="sub", parameters={"type": "object", "properties": {}})
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture(autouse=True)
def _say_warnings_anew():
    forget_notices()


def encode(*messages, profile=PLAIN, **fields):
    request = ChatRequest(model=MODEL, messages=messages, **fields)
    before = copy.deepcopy(request)
    body = MESSAGES.encode(request, profile)
    assert request == before
    assert body_violations(body) == []
    return body


def turns(*messages, **fields):
    return encode(*messages, **fields)["messages"]


def text(value, **more):
    return {"type": "text", "text": value, **more}


def from_here(*parts):
    return Message(role="assistant", parts=parts, origin=HERE)


def results(*parts):
    return Message(role="tool", parts=parts)


def test_a_plain_question_holds_what_the_api_demands_and_nothing_else():
    assert encode(user("hello")) == {
        "model": MODEL,
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": [text("hello")]}],
    }


# ---- system


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ((system("be brief"), user("hi")), "be brief"),
        ((Message(role="developer", parts=(Text("be brief"),)), user("hi")), "be brief"),
        ((system("a"), system("b"), user("hi")), [text("a"), text("b")]),
        (
            (Message(role="system", parts=(Text("a", cache=CacheHint("1h")),)), user("hi")),
            [text("a", cache_control={"type": "ephemeral", "ttl": "1h"})],
        ),
    ],
    ids=["one", "developer", "several", "cached"],
)
def test_the_first_system_messages_are_hoisted(messages, expected):
    assert encode(*messages)["system"] == expected


def test_a_later_system_message_stays_in_place_where_the_model_takes_it(caplog):
    profile = Profile(model=MODEL, family="claude", mid_system=True)
    assert turns(user("a"), system("now in French"), user("b"), profile=profile) == [
        {"role": "user", "content": [text("a")]},
        {"role": "system", "content": [text("now in French")]},
        {"role": "user", "content": [text("b")]},
    ]
    assert caplog.messages == []


MARKED = text("<system>\nlate\n</system>")


@pytest.mark.parametrize("mid_system", [False, True])
def test_a_later_system_message_is_a_marked_user_turn_with_a_warning_where_it_may_not_stand(mid_system, caplog):
    profile = Profile(model=MODEL, family="claude", mid_system=mid_system)
    sent = encode(system("first"), user("a"), assistant("b"), system("late"), user("c"), profile=profile)
    assert sent["system"] == "first"
    assert sent["messages"][2:] == [{"role": "user", "content": [MARKED, text("c")]}]
    assert len(caplog.messages) == 1
    assert "system messages only at the start" in caplog.messages[0]


def test_a_later_system_message_between_tool_results_comes_after_them():
    profile = Profile(model=MODEL, family="claude", mid_system=True)
    late = (tool_result(CALL, "5"), system("late"), results(ToolResult(call_id="toolu_1")))
    last = turns(user("a"), from_here(CALL), *late, profile=profile)[-1]["content"]
    assert [block["type"] for block in last] == ["tool_result", "tool_result", "text"]
    assert last[-1] == MARKED


def test_a_later_system_message_keeps_its_cache_mark_and_a_blank_one_is_left_out():
    late = Message(role="system", parts=(Text("a", cache=CacheHint()), Text(" "), Text("b")))
    assert turns(user("x"), late, system(" "), assistant("y"))[0]["content"] == [
        text("x"),
        text("<system>\na\n\nb\n</system>", cache_control={"type": "ephemeral"}),
    ]


def test_a_system_message_with_a_picture_is_refused():
    message = Message(role="system", parts=(Image(blob=Blob(data=PNG)),))
    with pytest.raises(InvalidRequestError, match="a system message holds image"):
        encode(message, user("hi"))


# ---- turns


def test_turns_of_one_role_are_merged():
    assert turns(user("a"), user("b"), assistant("c"), assistant("d"), user("e")) == [
        {"role": "user", "content": [text("a"), text("b")]},
        {"role": "assistant", "content": [text("c"), text("d")]},
        {"role": "user", "content": [text("e")]},
    ]


def test_all_results_of_a_turn_are_one_user_turn_with_the_results_first():
    second = ToolCall(call_id="toolu_2", name="add", arguments="")
    sent = turns(user("go"), from_here(CALL, second), user("wait"), tool_result(CALL, "5"), tool_result(second, "6"))
    assert sent[1]["content"] == [CALLED, {"type": "tool_use", "id": "toolu_2", "name": "add", "input": {}}]
    assert sent[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("5")]},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": [text("6")]},
            text("wait"),
        ],
    }


def test_blank_text_is_never_sent_and_neither_is_a_message_of_nothing_else():
    assert turns(user("a"), assistant(" \n"), user("", "b")) == [{"role": "user", "content": [text("a"), text("b")]}]


def test_the_cache_mark_of_a_blank_text_stands_on_the_part_before():
    sent = turns(user("a", Text(" ", cache=CacheHint())))
    assert sent[0]["content"] == [text("a", cache_control={"type": "ephemeral"})]


def test_a_conversation_of_nothing_but_blank_text_is_refused():
    with pytest.raises(InvalidRequestError, match="no user or assistant message has any content"):
        encode(system("s"), user("  "))


def test_the_last_assistant_text_does_not_end_in_white_space():
    sent = turns(user("a"), assistant("one "), user("b"), assistant("The answer is \n"))
    assert sent[1]["content"] == [text("one ")]
    assert sent[3]["content"] == [text("The answer is")]


def test_names_of_speakers_are_not_sent_and_said_once(caplog):
    named = Message(role="user", parts=(Text("hi"),), name="ann")
    assert turns(named, named)[0] == {"role": "user", "content": [text("hi"), text("hi")]}
    assert len(caplog.messages) == 1
    assert "no field for a message's name" in caplog.messages[0]


# ---- parts


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Refusal("I will not."), text("I will not.")),
        (
            Image(blob=Blob(data=PNG)),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        ),
        (
            Image(blob=Blob(data="AAAA", mime="image/jpg")),
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
        ),
        (
            Image(blob=Blob(url="https://x.test/a.png")),
            {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        ),
        (
            Image(blob=Blob(url=f"data:image/png;base64,{PNG}")),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        ),
        (Image(blob=Blob(file_id="file_1")), {"type": "image", "source": {"type": "file", "file_id": "file_1"}}),
        (
            File(blob=Blob(data=PDF), filename="a.pdf", context="a report", citable=True),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                "title": "a.pdf",
                "context": "a report",
                "citations": {"enabled": True},
            },
        ),
        (
            File(text="plain words", title="Notes"),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "plain words"},
                "title": "Notes",
            },
        ),
        (
            File(blob=Blob(data=base64.b64encode("grüß".encode()).decode(), mime="text/markdown; charset=utf-8")),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "grüß"}},
        ),
        (
            File(blob=Blob(url="https://x.test/a.pdf")),
            {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}},
        ),
        (File(blob=Blob(file_id="file_2")), {"type": "document", "source": {"type": "file", "file_id": "file_2"}}),
        (
            Native(api="messages", payload={"type": "container_upload", "file_id": "file_3"}),
            {"type": "container_upload", "file_id": "file_3"},
        ),
        (Text("a", cache=CacheHint("5m")), text("a", cache_control={"type": "ephemeral", "ttl": "5m"})),
        (
            Image(blob=Blob(file_id="f"), cache=CacheHint()),
            {"type": "image", "source": {"type": "file", "file_id": "f"}, "cache_control": {"type": "ephemeral"}},
        ),
    ],
)
def test_each_part_becomes_its_block(part, block):
    assert turns(user(part)) == [{"role": "user", "content": [block]}]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Audio(blob=Blob(data="AAAA", mime="audio/wav")), "the messages api takes no audio"),
        (Video(blob=Blob(url="https://x.test/a.mp4")), "the messages api takes no video"),
        (Image(blob=Blob(data="AAAA", mime="image/tiff")), "an image of type image/tiff cannot be sent"),
        (Image(blob=Blob(data="AAAA")), "an image of type unknown cannot be sent"),
        (File(blob=Blob(data="AAAA", mime="application/zip")), "a file of type application/zip cannot be sent"),
        (File(blob=Blob(data="gA==", mime="text/plain")), "no UTF-8 text in base64"),
    ],
)
def test_a_part_that_the_api_cannot_carry_is_refused_by_name(part, words):
    with pytest.raises(InvalidRequestError, match=words):
        encode(user("look", part))


def test_native_parts_of_another_api_are_left_out():
    foreign = Native(api="responses", payload={"type": "web_search_call"})
    assert turns(user("a", foreign)) == [{"role": "user", "content": [text("a")]}]


# ---- what an assistant said


THOUGHT = Reasoning(segments=(Segment("raw", "Add them."),), signature="Eq+x/==")


def test_thoughts_go_back_verbatim_and_in_order_to_the_model_that_had_them():
    hidden = Reasoning(redacted="ZW5j")
    silent = Reasoning(signature="c2ln")
    sent = turns(user("a"), from_here(THOUGHT, hidden, silent, CALL), tool_result(CALL, "5"))
    assert sent[1]["content"] == [
        {"type": "thinking", "thinking": "Add them.", "signature": "Eq+x/=="},
        {"type": "redacted_thinking", "data": "ZW5j"},
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
        CALLED,
    ]


@pytest.mark.parametrize("origin", [None, Origin("messages", "another-model"), Origin("chat-completions", MODEL)])
def test_thoughts_of_another_origin_are_left_out_and_never_sent_as_text(origin):
    said = Message(role="assistant", parts=(THOUGHT, Text("5")), origin=origin)
    assert turns(user("a"), said, user("b"))[1] == {"role": "assistant", "content": [text("5")]}


def test_a_thought_whose_signature_was_cut_is_left_out():
    said = from_here(Reasoning(segments=(Segment("raw", "Add"),)), Text("5"))
    assert turns(user("a"), said, user("b"))[1] == {"role": "assistant", "content": [text("5")]}


def test_a_cache_mark_on_a_thought_stands_on_the_block_before():
    said = from_here(Text("Let me think."), Reasoning(signature="s", cache=CacheHint()), Text("5"))
    sent = turns(user("a"), said, user("b"))[1]["content"]
    assert sent[0] == text("Let me think.", cache_control={"type": "ephemeral"})
    assert sent[1] == {"type": "thinking", "thinking": "", "signature": "s"}


def test_wire_extras_go_back_where_they_came_from_only():
    call = ToolCall(call_id="toolu_1", name="add", arguments="{}", opaque={"caller": {"type": "direct"}})
    here = turns(user("a"), from_here(call), tool_result(call, "5"))
    assert here[1]["content"][0]["caller"] == {"type": "direct"}
    elsewhere = Message(role="assistant", parts=(call,), origin=Origin("responses", MODEL))
    assert "caller" not in turns(user("a"), elsewhere, tool_result(call, "5"))[1]["content"][0]


def test_citations_go_back_without_the_null_file_id_that_requests_do_not_know():
    source = {
        "type": "char_location",
        "cited_text": "sky",
        "document_index": 0,
        "document_title": None,
        "start_char_index": 0,
        "end_char_index": 3,
    }
    said = Text("blue", citations=(Citation(kind="char_location", source={**source, "file_id": None}),))
    assert turns(user("a"), from_here(said), user("b"))[1]["content"] == [text("blue", citations=[source])]


def test_an_id_the_api_does_not_take_is_replaced_alike_on_call_and_result():
    call = ToolCall(call_id="call|1:2", name="add", arguments="{}")
    sent = turns(user("a"), assistant(call), tool_result(call, "5"))
    used = sent[1]["content"][0]["id"]
    assert used.startswith("call_1_2_")
    assert sent[2]["content"][0]["tool_use_id"] == used


def test_arguments_that_do_not_parse_are_shown_to_the_model_as_they_are():
    call = ToolCall(call_id="toolu_1", name="add", arguments='{"x": 2, "y')
    sent = turns(user("a"), assistant(call), tool_result(call, "not run", is_error=True))
    assert sent[1]["content"][0]["input"] == {"INVALID_JSON": '{"x": 2, "y'}


# ---- tool results


@pytest.mark.parametrize(
    ("result", "block"),
    [
        (tool_result(CALL), {"content": [text("[No output]")]}),
        (tool_result(CALL, "  "), {"content": [text("[No output]")]}),
        (tool_result(CALL, "no", is_error=True), {"content": [text("no")], "is_error": True}),
        (
            tool_result(CALL, "see", Image(blob=Blob(data=PNG)), File(text="t")),
            {
                "content": [
                    text("see"),
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "t"}},
                ]
            },
        ),
        (
            tool_result(CALL, Text("big", cache=CacheHint())),
            {"content": [text("big")], "cache_control": {"type": "ephemeral"}},
        ),
    ],
    ids=["empty", "blank", "error", "media", "cache mark hoisted"],
)
def test_each_tool_result_becomes_its_block(result, block):
    sent = turns(user("a"), from_here(CALL), result)
    assert sent[2]["content"] == [{"type": "tool_result", "tool_use_id": "toolu_1", **block}]


def test_a_tool_result_of_sound_is_refused():
    with pytest.raises(InvalidRequestError, match="takes no audio"):
        encode(user("a"), from_here(CALL), tool_result(CALL, Audio(blob=Blob(data="AA"))))


def test_a_tool_result_that_holds_a_call_is_refused():
    with pytest.raises(InvalidRequestError, match="result of tool call 'toolu_1' holds toolcall"):
        encode(user("a"), from_here(CALL), tool_result(CALL, CALL))


# ---- tools


@pytest.mark.parametrize(
    ("tool", "wire"),
    [
        (ADD, {"name": "add", "description": "Adds.", "input_schema": ADD.parameters}),
        (ToolSpec(name="now"), {"name": "now", "input_schema": {"type": "object", "properties": {}}}),
        (
            ToolSpec(name="s", parameters=SCHEMA, strict=True),
            {"name": "s", "input_schema": {**SCHEMA, "additionalProperties": False}, "strict": True},
        ),
        (ToolSpec(name="s", parameters=SCHEMA, strict=False), {"name": "s", "input_schema": SCHEMA, "strict": False}),
        (
            ToolSpec(name="s", parameters=SCHEMA, cache=CacheHint("1h")),
            {"name": "s", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ),
        (
            ToolSpec(name="s", parameters=SCHEMA, extras={"eager_input_streaming": True, "input_examples": [{"n": 1}]}),
            {"name": "s", "input_schema": SCHEMA, "eager_input_streaming": True, "input_examples": [{"n": 1}]},
        ),
        (
            ToolSpec(name="web_search", native={"type": "web_search_20250305", "name": "web_search", "max_uses": 2}),
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
        ),
    ],
)
def test_each_tool_is_offered_as_given(tool, wire):
    assert encode(user("a"), tools=(tool,))["tools"] == [wire]


def test_a_free_text_tool_is_offered_with_one_string_and_a_warning(caplog):
    tool = ToolSpec(name="sql", custom=True)
    body = encode(
        user("a"),
        assistant(ToolCall(call_id="c1", name="sql", arguments="select 1", custom=True)),
        results(ToolResult(call_id="c1", content=(Text("1"),))),
        tools=(tool,),
    )
    assert body["tools"][0]["input_schema"] == {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
    }
    assert body["messages"][1]["content"][0]["input"] == {"input": "select 1"}
    assert "no free-text tools" in caplog.messages[0]


ALONE = {"disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("choice", "parallel", "wire", "offered"),
    [
        (None, None, None, ["add", "mul", "sub"]),
        (None, True, None, ["add", "mul", "sub"]),
        (None, False, {"type": "auto", **ALONE}, ["add", "mul", "sub"]),
        (ToolChoice("auto"), None, {"type": "auto"}, ["add", "mul", "sub"]),
        (ToolChoice("none"), False, {"type": "none"}, ["add", "mul", "sub"]),
        (ToolChoice("required"), None, {"type": "any"}, ["add", "mul", "sub"]),
        (ToolChoice("required"), False, {"type": "any", **ALONE}, ["add", "mul", "sub"]),
        (ToolChoice("required", ("mul",)), None, {"type": "tool", "name": "mul"}, ["add", "mul", "sub"]),
        (ToolChoice("required", ("mul",)), False, {"type": "tool", "name": "mul", **ALONE}, ["add", "mul", "sub"]),
        (ToolChoice("required", ("add", "sub")), None, {"type": "any"}, ["add", "sub"]),
    ],
)
def test_each_tool_choice(choice, parallel, wire, offered):
    body = encode(user("a"), tools=(ADD, MUL, SUB), tool_choice=choice, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == wire
    assert [tool["name"] for tool in body["tools"]] == offered


def test_a_tool_choice_without_tools_is_not_sent():
    body = encode(user("a"), tool_choice=ToolChoice("none"), parallel_tool_calls=False)
    assert "tool_choice" not in body


def test_a_model_that_cannot_be_forced_is_offered_the_tools_asked_for_with_a_warning(caplog):
    profile = Profile(model=MODEL, family="claude", forced_tool_choice=False)
    body = encode(user("a"), tools=(ADD, MUL), tool_choice=ToolChoice("required", ("mul",)), profile=profile)
    assert body["tool_choice"] == {"type": "auto"}
    assert [tool["name"] for tool in body["tools"]] == ["mul"]
    assert "cannot be forced to call a tool" in caplog.messages[0]


def test_a_forced_choice_beside_a_thinking_budget_is_refused_with_the_remedy():
    with pytest.raises(InvalidRequestError, match="ask for output json_schema instead of a tool"):
        encode(
            user("a"),
            tools=(ADD,),
            tool_choice=ToolChoice("required"),
            reasoning=ReasoningConfig(budget=2048),
        )


def test_a_forced_choice_that_matters_more_than_thinking_goes_without_it_and_says_so(caplog):
    body = encode(
        user("a"),
        tools=(ADD,),
        tool_choice=ToolChoice("required", outranks_thinking=True),
        reasoning=ReasoningConfig(budget=2000),
        profile=Profile(model=MODEL, family="claude", thinking="budget"),
    )
    assert body["tool_choice"] == {"type": "any"}
    assert "thinking" not in body
    assert "for a call that a program forces, thinking is off" in caplog.text


def test_a_choice_that_forces_nothing_leaves_thinking_as_it_is():
    body = encode(
        user("a"),
        tools=(ADD,),
        tool_choice=ToolChoice("auto", outranks_thinking=True),
        reasoning=ReasoningConfig(budget=2000),
        profile=Profile(model=MODEL, family="claude", thinking="budget"),
    )
    assert body["thinking"]["budget_tokens"] == 2000


# ---- output


def test_a_schema_is_sent_as_output_format():
    output = OutputFormat(kind="json_schema", schema=SCHEMA, name="count", description="A count.")
    assert encode(user("a"), output=output)["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {"description": "A count.", **SCHEMA, "additionalProperties": False},
        }
    }


def test_any_json_is_asked_for_in_the_system_prompt():
    body = encode(system("be brief"), user("a"), output=OutputFormat(kind="json"))
    assert body["system"] == [text("be brief"), text("Answer with one JSON object and nothing else.")]
    assert "output_config" not in body


def test_a_model_without_schemas_is_told_the_schema_with_a_warning(caplog):
    profile = Profile(model=MODEL, family="claude", structured_output=False)
    body = encode(user("a"), output=OutputFormat(kind="json_schema", schema={"type": "object"}), profile=profile)
    assert body["system"] == (
        'Answer with one JSON object and nothing else. It must match this JSON Schema:\n{"type":"object"}'
    )
    assert "does not enforce a schema" in caplog.messages[0]


def test_text_is_the_default_output():
    assert "output_config" not in encode(user("a"), output=OutputFormat(kind="text"))


# ---- options


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"stop": ("END", "\n\nHuman:", "\n\n", " ")}, {"stop_sequences": ["END", "\n\nHuman:"]}),
        ({"temperature": 0.0, "top_p": 0.9, "top_k": 5}, {"temperature": 0.0, "top_p": 0.9, "top_k": 5}),
        ({"user": "u1"}, {"metadata": {"user_id": "u1"}}),
        ({"metadata": {"user_id": "u2"}, "user": "u1"}, {"metadata": {"user_id": "u2"}}),
        ({"service_tier": "standard_only"}, {"service_tier": "standard_only"}),
        ({"stream": True}, {"stream": True}),
        ({"cache_key": "k"}, {}),
        ({"n": 1, "logprobs": False, "presence_penalty": 0.0}, {}),
    ],
)
def test_each_option_becomes_its_field(fields, expected, caplog):
    assert encode(user("a"), **fields) == {
        "model": MODEL,
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": [text("a")]}],
        **expected,
    }
    assert caplog.messages == []


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": 0},
        {"presence_penalty": 0.5},
        {"frequency_penalty": -1.0},
        {"logprobs": True},
        {"top_logprobs": 3},
    ],
)
def test_an_option_without_a_home_is_left_out_and_named_once(fields, caplog):
    assert encode(user("a"), **fields) == encode(user("a"))
    assert len(caplog.messages) == 1
    assert next(iter(fields)) in caplog.messages[0]


def test_several_answers_are_neither_asked_for_nor_warned_about(caplog):
    assert encode(user("a"), n=2) == encode(user("a"))
    assert caplog.messages == []


def test_metadata_other_than_the_user_id_is_named_once(caplog):
    assert encode(user("a"), metadata={"team": "x", "user_id": "u"})["metadata"] == {"user_id": "u"}
    assert ["'team' is not sent" in message for message in caplog.messages] == [True]


def test_sampling_is_left_out_with_a_warning_where_the_model_takes_none(caplog):
    profile = Profile(model=MODEL, family="claude", sampling=False)
    body = encode(user("a"), temperature=0.2, top_k=3, profile=profile)
    assert not {"temperature", "top_k"} & body.keys()
    assert ["temperature" in caplog.messages[0], "top_k" in caplog.messages[1]] == [True, True]


def test_sampling_is_left_out_while_the_model_thinks_and_the_default_temperature_without_a_word(caplog):
    thinking = ReasoningConfig(budget=2048)
    assert "temperature" not in encode(user("a"), temperature=1.0, reasoning=thinking)
    assert caplog.messages == []
    assert "top_p" not in encode(user("a"), top_p=0.5, reasoning=thinking)
    assert "takes no top_p while it thinks" in caplog.messages[0]


def test_custom_inputs_are_refused():
    with pytest.raises(InvalidRequestError, match="custom_inputs are for agent endpoints"):
        encode(user("a"), custom_inputs={"k": 1})


def test_four_cache_marks_are_sent_and_five_are_refused():
    mark = CacheHint()
    tools = (ToolSpec(name="t", cache=mark),)
    head = Message(role="system", parts=(Text("s", cache=mark),))
    encode(head, user(Text("a", cache=mark), Text("b", cache=mark)), tools=tools)
    with pytest.raises(InvalidRequestError, match="holds 5 cache marks, and the messages api takes 4"):
        encode(head, user(*(Text(word, cache=mark) for word in "abc")), tools=tools)


def test_every_extension_to_the_vendors_types_is_needed():
    body = encode(user("a"), temperature=0.5, top_p=0.5, top_k=5)
    assert EXTENSIONS.keys() - body.keys() == set()
