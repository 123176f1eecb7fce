"""Requests on chat-completions: what each part and option becomes, judged by the vendor's own types."""

from __future__ import annotations

import copy
import json
import logging
from dataclasses import replace

import pytest
from judges.chat_bodies import EXTENSIONS, NESTED_EXTENSIONS, body_violations

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
from dbx_gateway.dialects.chat_completions.dialect import ChatCompletions
from dbx_gateway.dialects.chat_completions.thinking import nearest_effort
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.notices import forget_notices

MODEL = "some-model"
OPEN = Profile(model=MODEL, family="llama")
CLAUDE = Profile(
    model=MODEL,
    family="claude",
    thinking="budget",
    prompt_caching=True,
    max_output=64_000,
    forced_tool_choice_while_thinking=False,
)
ADAPTIVE = replace(CLAUDE, thinking="adaptive", efforts=("low", "medium", "high", "xhigh", "max"), max_output=None)
AGENT = profile_of(MODEL, "agent")
HERE = Origin("chat-completions", MODEL)
ELSEWHERE = Origin("messages", MODEL)
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
ADD = ToolSpec(name="add", description="Adds.", parameters=SCHEMA)
NOW = ToolSpec(name="now")
SUB = ToolSpec(name="sub", parameters=SCHEMA)
GRAMMAR = ToolSpec(name="sql", custom=True, parameters={"type": "text"})
CALL = ToolCall(call_id="call_1", name="add", arguments='{"x": 2}')
CALLED = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"x": 2}'}}
PNG = "iVBORw0KGgoAAAANSUhEUg=="
PICTURE = Image(blob=Blob(data=PNG, mime="image/png"))
PICTURED = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
PDF = File(blob=Blob(data="JVBERi0xLjQK", mime="application/pdf"), filename="a.pdf")
PDF_SENT = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQK"}}
HINT = CacheHint()
MARK = {"cache_control": {"type": "ephemeral"}}


@pytest.fixture(autouse=True)
def _say_warnings_anew():
    forget_notices()


def encode(*messages, profile=OPEN, judged=True, **fields):
    request = ChatRequest(model=MODEL, messages=messages or (user("hi"),), **fields)
    before = copy.deepcopy(request)
    body = ChatCompletions().encode(request, profile)
    assert request == before
    if judged:
        assert body_violations(body) == []
    return body


def sent(*messages, **fields):
    return encode(*messages, **fields)["messages"]


def said(*parts, origin=HERE, **fields):
    (message,) = sent(Message(role="assistant", parts=parts, origin=origin), **fields)
    return message


def options(**fields):
    body = encode(**fields)
    return {key: value for key, value in body.items() if key not in ("model", "messages")}


def text(value, **more):
    return {"type": "text", "text": value, **more}


def results(*parts):
    return Message(role="tool", parts=parts)


# ---- the body


def test_several_answers_are_not_asked_for_where_the_model_gives_one():
    claude = profile_of("databricks-claude-sonnet-4-5")
    assert options(profile=claude, n=2) == {}
    assert options(profile=claude, n=1) == {"n": 1}


def test_stop_sequences_that_the_model_or_the_format_does_not_take_are_not_sent():
    assert "stop" not in options(profile=profile_of("databricks-gpt-5-2"), stop=("a",))
    assert options(stop=("a", "b", "c", "d", "e")) == {"stop": ["a", "b", "c", "d"]}


def test_a_plain_question_holds_nothing_that_was_not_asked():
    assert encode(user("hello")) == {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}


def test_a_stream_asks_for_its_usage():
    assert options(stream=True) == {"stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"stop": ("a", "b")}, {"stop": ["a", "b"]}),
        ({"temperature": 0.0, "top_p": 0.5, "top_k": 3}, {"temperature": 0.0, "top_p": 0.5, "top_k": 3}),
        (
            {"seed": 1, "presence_penalty": 0.5, "frequency_penalty": 0.25},
            {"seed": 1, "presence_penalty": 0.5, "frequency_penalty": 0.25},
        ),
        ({"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"n": 2}, {"n": 2}),
        ({"service_tier": "priority"}, {"service_tier": "priority"}),
        (
            {"cache_key": "k", "metadata": {"a": "b"}, "user": "u"},
            {"prompt_cache_key": "k", "metadata": {"a": "b"}, "user": "u"},
        ),
        ({"output": OutputFormat()}, {"response_format": {"type": "text"}}),
        ({"output": OutputFormat(kind="json")}, {"response_format": {"type": "json_object"}}),
        (
            {"output": OutputFormat(kind="json_schema", schema=SCHEMA)},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
        ),
        (
            {"output": OutputFormat(kind="json_schema", schema=SCHEMA, name="G[int]", description="d", strict=True)},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "G_int_", "schema": SCHEMA, "description": "d", "strict": True},
                }
            },
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_an_option_becomes_its_field(fields, expected):
    assert options(**fields) == expected


def test_the_name_of_a_schema_is_cut_to_what_the_api_takes():
    output = OutputFormat(kind="json_schema", schema=SCHEMA, name="n" * 70)
    assert options(output=output)["response_format"]["json_schema"]["name"] == "n" * 64


def test_a_json_schema_without_a_schema_is_refused():
    with pytest.raises(InvalidRequestError, match="give OutputFormat"):
        encode(output=OutputFormat(kind="json_schema"))


def test_sampling_is_left_out_with_a_warning_where_the_model_takes_none(caplog):
    profile = Profile(model=MODEL, family="gpt", sampling=False)
    with caplog.at_level(logging.WARNING):
        assert options(profile=profile, temperature=0.5, top_p=0.9, seed=1) == {"seed": 1}
    assert [record.message.split(",")[0] for record in caplog.records] == [
        "some-model takes no temperature",
        "some-model takes no top_p",
    ]


def test_an_agent_gets_the_conversation_and_its_inputs_and_nothing_else():
    assert encode(user("hi"), profile=AGENT, stream=True, custom_inputs={"user": {"id": 1}}) == {
        "model": MODEL,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "custom_inputs": {"user": {"id": 1}},
    }


def test_an_agent_gets_several_texts_as_one_string():
    assert sent(user("a", "b"), profile=AGENT) == [{"role": "user", "content": "a\nb"}]


def test_custom_inputs_for_a_model_that_is_no_agent_are_refused():
    with pytest.raises(InvalidRequestError, match="family='agent'"):
        encode(custom_inputs={})


# ---- system and user


@pytest.mark.parametrize("role", ["system", "developer", "user"])
def test_a_single_text_is_sent_as_a_string(role):
    message = Message(role=role, parts=(Text("hi"),), name="ann")
    assert sent(message) == [{"role": role, "content": "hi", "name": "ann"}]


@pytest.mark.parametrize("role", ["system", "developer", "user"])
def test_several_texts_are_sent_as_a_list(role):
    message = Message(role=role, parts=(Text("a"), Text("b")))
    assert sent(message) == [{"role": role, "content": [text("a"), text("b")]}]


def test_a_system_message_holds_text_only():
    with pytest.raises(InvalidRequestError, match="system message holds Image"):
        sent(Message(role="system", parts=(PICTURE,)), user("hi"))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (PICTURE, PICTURED),
        (
            Image(blob=Blob(url="https://e.org/a.png"), detail="low"),
            {"type": "image_url", "image_url": {"url": "https://e.org/a.png", "detail": "low"}},
        ),
        (
            Audio(blob=Blob(data="UklG", mime="audio/x-wav")),
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        ),
        (
            Audio(blob=Blob(data="SUQz", mime="audio/mpeg")),
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
        ),
        (PDF, PDF_SENT),
        (
            File(blob=Blob(data="QQ==", mime="application/pdf")),
            {
                "type": "file",
                "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,QQ=="},
            },
        ),
        (File(blob=Blob(file_id="file-1")), {"type": "file", "file": {"file_id": "file-1"}}),
        (File(text="body", title="Report"), text("Report:\nbody")),
        (Refusal("no"), text("no")),
        (Native(api="chat-completions", payload=text("raw")), text("raw")),
    ],
    ids=["image", "image-url", "wav", "mp3", "pdf", "pdf-unnamed", "file-id", "text-file", "refusal", "native"],
)
def test_a_part_of_a_user_message_becomes_its_content_part(part, expected):
    assert sent(user("see", part)) == [{"role": "user", "content": [text("see"), expected]}]


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (Video(blob=Blob(data="AA==", mime="video/mp4")), "no video"),
        (Audio(blob=Blob(data="AA==", mime="audio/ogg")), "not audio/ogg"),
        (Audio(blob=Blob(url="https://e.org/a.wav", mime="audio/wav")), "by reference"),
        (File(blob=Blob(url="https://e.org/a.pdf")), "no URL for a file"),
        (Image(blob=Blob(file_id="f")), "no file id for an image"),
        (CALL, "holds ToolCall"),
    ],
    ids=["video", "ogg", "audio-url", "file-url", "image-id", "call"],
)
def test_a_part_the_api_cannot_carry_is_refused(part, says):
    with pytest.raises(InvalidRequestError, match=says):
        sent(user(part))


def test_a_part_native_to_another_api_is_not_sent():
    assert sent(user("hi", Native(api="messages", payload={"type": "container_upload"}))) == [
        {"role": "user", "content": "hi"}
    ]


def test_a_file_that_is_to_be_cited_is_sent_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        assert sent(user(File(text="body", citable=True))) == [{"role": "user", "content": "body"}]
    assert "cannot ask for citations" in caplog.text


# ---- cache marks


def test_cache_marks_stand_inside_the_content_part_of_a_model_that_takes_them():
    messages = sent(
        Message(role="system", parts=(Text("rules", cache=CacheHint("1h")),)),
        user(Image(blob=PICTURE.blob, cache=HINT), Text("go", cache=HINT)),
        assistant(CALL),
        results(ToolResult(call_id="call_1", content=(Text("4", cache=HINT),))),
        profile=CLAUDE,
    )
    assert messages[0]["content"] == [text("rules", cache_control={"type": "ephemeral", "ttl": "1h"})]
    assert messages[1]["content"] == [{**PICTURED, **MARK}, text("go", **MARK)]
    assert messages[3]["content"] == [text("4", **MARK)]


def test_a_tool_is_marked_beside_its_function():
    (tool,) = encode(profile=CLAUDE, tools=(ToolSpec(name="now", cache=HINT),))["tools"]
    assert tool == {"type": "function", "function": {"name": "now"}, **MARK}


@pytest.mark.parametrize("profile", [OPEN, profile_of("databricks-deepseek-v4-pro-0813")])
def test_no_other_model_gets_cache_marks(profile):
    body = encode(user(Text("go", cache=HINT)), profile=profile, tools=(ToolSpec(name="now", cache=HINT),))
    assert body["messages"] == [{"role": "user", "content": "go"}]
    assert body["tools"] == [{"type": "function", "function": {"name": "now"}}]


# ---- assistant


def test_an_assistant_with_calls_and_no_text_has_null_content():
    assert said(CALL) == {"role": "assistant", "content": None, "tool_calls": [CALLED]}


def test_an_assistant_that_holds_only_an_empty_text_has_empty_content():
    assert said(Text(""), CALL) == {"role": "assistant", "content": "", "tool_calls": [CALLED]}


@pytest.mark.parametrize("arguments", ["", "  "])
def test_a_call_without_arguments_is_sent_with_an_empty_object(arguments):
    (call,) = said(ToolCall(call_id="c", name="now", arguments=arguments))["tool_calls"]
    assert call["function"] == {"name": "now", "arguments": "{}"}


@pytest.mark.parametrize("arguments", ['{"a": 1', "[1]", '{"a":1e999}', "x"])
def test_arguments_that_are_no_object_go_back_inside_one(arguments):
    (call,) = said(ToolCall(call_id="c", name="now", arguments=arguments))["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"INVALID_JSON": arguments}


def test_a_custom_call_goes_back_with_its_text():
    (call,) = said(ToolCall(call_id="c", name="sql", arguments="select 1", custom=True))["tool_calls"]
    assert call == {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}


def test_a_minted_id_is_sent_because_the_api_demands_one():
    (call,) = said(ToolCall(call_id="call_x", name="now", minted=True))["tool_calls"]
    assert call["id"] == "call_x"


OPAQUE_CALL = ToolCall(
    call_id="c",
    name="now",
    arguments="{}",
    opaque={"thoughtSignature": "s", "extra_content": {"google": {"thought_signature": "t"}}, "function": {"k": 1}},
)


def test_what_came_with_a_call_goes_back_to_the_level_it_came_from():
    (call,) = said(OPAQUE_CALL, judged=False)["tool_calls"]
    assert call == {
        "id": "c",
        "type": "function",
        "function": {"name": "now", "arguments": "{}", "k": 1},
        "thoughtSignature": "s",
        "extra_content": {"google": {"thought_signature": "t"}},
    }


@pytest.mark.parametrize("origin", [ELSEWHERE, None])
def test_what_came_with_a_call_of_another_api_stays_here(origin):
    (call,) = said(OPAQUE_CALL, origin=origin)["tool_calls"]
    assert call == {"id": "c", "type": "function", "function": {"name": "now", "arguments": "{}"}}


def test_a_signature_goes_back_on_its_text_part():
    part = Text("hi", opaque={"thoughtSignature": "s"})
    assert said(part)["content"] == [text("hi", thoughtSignature="s")]
    assert said(part, origin=ELSEWHERE)["content"] == "hi"


def test_an_empty_text_with_a_signature_goes_back():
    assert said(Text("", opaque={"thoughtSignature": "s"}))["content"] == [text("", thoughtSignature="s")]


def test_reasoning_and_citations_are_never_sent():
    thoughts = Reasoning(segments=(Segment("summary", "hm"),), signature="s")
    assert said(thoughts, Text("hi", citations=(Citation(kind="url_citation"),))) == {
        "role": "assistant",
        "content": "hi",
    }


def test_a_refusal_goes_back_as_one_beside_content_where_it_came_from_and_else_as_text():
    assert said(Text("a"), Refusal("no")) == {"role": "assistant", "content": "a", "refusal": "no"}
    assert said(Refusal("no")) == {"role": "assistant", "content": "no"}
    assert said(Refusal("no"), origin=ELSEWHERE) == {"role": "assistant", "content": "no"}


def test_sound_goes_back_by_its_id_where_it_came_from_and_as_its_transcript_elsewhere():
    sound = Audio(blob=Blob(data="AA=="), id="audio_1", transcript="hello")
    assert said(sound) == {"role": "assistant", "content": None, "audio": {"id": "audio_1"}}
    assert said(sound, origin=ELSEWHERE) == {"role": "assistant", "content": "hello"}


def test_a_picture_of_the_assistant_goes_back_only_where_it_came_from():
    assert said(PICTURE, judged=False)["content"] == [PICTURED]
    with pytest.raises(InvalidRequestError, match="user messages only"):
        said(PICTURE, origin=ELSEWHERE)


def test_a_native_part_goes_back_in_its_place():
    native = Native(api="chat-completions", payload={"type": "refusal", "refusal": "no"})
    assert said(Text("a"), native, Text("b"))["content"] == [
        text("a"),
        {"type": "refusal", "refusal": "no"},
        text("b"),
    ]


ASKED = {"role": "assistant", "content": "", "tool_calls": [CALLED], "id": "m1"}
DONE = {"role": "tool", "content": "4", "tool_call_id": "call_1", "id": "m2"}
AGENT_TURN = (
    Text("Let me see."),
    Native(api="chat-completions", payload=ASKED),
    Native(api="chat-completions", payload=DONE),
    Text("It is 4."),
)


def test_what_an_agent_did_goes_back_to_an_agent_in_its_place():
    turn = Message(role="assistant", parts=AGENT_TURN, origin=HERE)
    assert sent(user("2+2"), turn, user("sure?"), profile=AGENT, judged=False) == [
        {"role": "user", "content": "2+2"},
        {"role": "assistant", "content": "Let me see."},
        ASKED,
        DONE,
        {"role": "assistant", "content": "It is 4."},
        {"role": "user", "content": "sure?"},
    ]


def test_what_an_agent_did_does_not_go_to_a_model():
    assert said(*AGENT_TURN)["content"] == [text("Let me see."), text("It is 4.")]


# ---- tool results


@pytest.mark.parametrize(
    ("result", "content"),
    [
        (ToolResult(call_id="call_1", content=(Text("4"),)), "4"),
        (ToolResult(call_id="call_1", content=(Text("a"), Text("b"))), "a\nb"),
        (ToolResult(call_id="call_1"), ""),
        (ToolResult(call_id="call_1", content=(File(text="body"),)), "body"),
        (ToolResult(call_id="call_1", content=(Text("no such x"),), is_error=True), "Error: no such x"),
        (ToolResult(call_id="call_1", is_error=True), "Error"),
    ],
    ids=["text", "texts", "empty", "text-file", "error", "empty-error"],
)
def test_a_tool_result_is_text(result, content):
    assert sent(user("hi"), assistant(CALL), results(result))[2] == {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": content,
    }


def test_pictures_and_files_of_results_follow_behind_all_results_of_the_turn():
    second = ToolCall(call_id="call_2", name="sub", arguments="{}")
    messages = sent(
        user("draw"),
        assistant(CALL, second),
        tool_result(CALL, "done", PICTURE, PDF),
        tool_result(second, "5"),
        assistant("fine"),
    )
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "user", "assistant"]
    assert messages[2]["content"] == (
        "done\n"
        "[Image 1 of this result: see the user message that follows]\n"
        "[File 2 of this result: see the user message that follows]"
    )
    assert messages[3]["content"] == "5"
    assert messages[4]["content"] == [text("From the result of add (call call_1):"), PICTURED, PDF_SENT]


def test_pictures_of_the_last_result_end_the_conversation():
    messages = sent(user("draw"), assistant(CALL), results(ToolResult(call_id="call_1", content=(PICTURE,))))
    assert messages[3] == {"role": "user", "content": [text("From the result of call call_1:"), PICTURED]}


def test_results_inside_a_user_message_come_before_what_the_user_says():
    messages = sent(user("hi"), assistant(CALL), user(Text("and?"), ToolResult(call_id="call_1", content=(Text("4"),))))
    assert messages[2:] == [
        {"role": "tool", "tool_call_id": "call_1", "content": "4"},
        {"role": "user", "content": "and?"},
    ]


def test_a_tool_message_that_holds_something_else_is_refused():
    with pytest.raises(InvalidRequestError, match="other than tool results"):
        sent(results(Text("4")))


# ---- tools


def test_tools_become_functions():
    assert options(tools=(ADD, NOW)) == {
        "tools": [
            {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": SCHEMA}},
            {"type": "function", "function": {"name": "now"}},
        ]
    }


def test_strict_is_sent_when_it_is_set():
    (tool,) = options(tools=(ToolSpec(name="add", parameters=SCHEMA, strict=False),))["tools"]
    assert tool["function"]["strict"] is False


def test_a_custom_tool_has_a_format():
    (tool,) = options(tools=(GRAMMAR,))["tools"]
    assert tool == {"type": "custom", "custom": {"name": "sql", "format": {"type": "text"}}}


def test_a_native_tool_is_sent_as_it_is_and_extras_beside_the_function():
    tools = (
        ToolSpec(name="search", native={"type": "web_search"}),
        ToolSpec(name="now", extras={"defer_loading": True}),
    )
    assert encode(tools=tools, judged=False)["tools"] == [
        {"type": "web_search"},
        {"type": "function", "function": {"name": "now"}, "defer_loading": True},
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("required", ("add",)), {"type": "function", "function": {"name": "add"}}),
        (ToolChoice("required", ("sql",)), {"type": "custom", "custom": {"name": "sql"}}),
    ],
    ids=["auto", "none", "required", "named", "custom"],
)
def test_a_tool_choice_becomes_its_field(choice, expected):
    body = options(tools=(ADD, NOW, GRAMMAR), tool_choice=choice)
    assert body["tool_choice"] == expected
    assert len(body["tools"]) == 3


def test_a_choice_among_several_tools_sends_those_tools_only():
    body = options(tools=(ADD, NOW, SUB), tool_choice=ToolChoice("required", ("sub", "add")))
    assert body["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in body["tools"]] == ["add", "sub"]


def test_a_choice_without_tools_is_not_sent():
    assert options(tool_choice=ToolChoice("none"), parallel_tool_calls=True) == {}


def test_a_choice_that_asks_for_a_call_without_tools_is_refused():
    with pytest.raises(InvalidRequestError, match="no tools"):
        encode(tool_choice=ToolChoice("required"))


def test_a_choice_of_an_unknown_tool_is_refused():
    with pytest.raises(InvalidRequestError, match="'mul', which is not among the tools: add, now"):
        encode(tools=(ADD, NOW), tool_choice=ToolChoice("required", ("mul",)))


def test_parallel_calls_are_sent_with_tools():
    assert options(tools=(NOW,), parallel_tool_calls=False)["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("profile", "fields"),
    [
        (Profile(model=MODEL, family="claude", forced_tool_choice=False), {}),
        (ADAPTIVE, {"reasoning": ReasoningConfig(effort="high")}),
    ],
    ids=["never", "while-thinking"],
)
@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("required", ("now",))], ids=["any", "named"])
def test_a_model_that_cannot_be_forced_is_asked_with_a_warning(profile, fields, choice, caplog):
    with caplog.at_level(logging.WARNING):
        body = options(profile=profile, tools=(NOW,), tool_choice=choice, **fields)
    assert body["tool_choice"] == "auto"
    assert "cannot be forced to call a tool" in caplog.text


NAMED = {"type": "function", "function": {"name": "now"}}
THINKS = ReasoningConfig(effort="high")
COUNTED_THOUGHTS = ReasoningConfig(budget=1000)


@pytest.mark.parametrize(("names", "sent"), [((), "required"), (("now",), NAMED)], ids=["any", "named"])
@pytest.mark.parametrize(
    ("profile", "fields"),
    [
        (CLAUDE, {}),
        (ADAPTIVE, {}),
        (CLAUDE, {"reasoning": ReasoningConfig(mode="off")}),
        (Profile(model=MODEL, family="gpt", reasoning=True), {"reasoning": THINKS}),
        (
            Profile(model=MODEL, family="gemini", thinking="budget", reasoning=True, max_thinking_budget=24_576),
            {"reasoning": COUNTED_THOUGHTS},
        ),
    ],
    ids=["claude", "adaptive-claude", "claude-told-not-to-think", "thinking-gpt", "thinking-gemini"],
)
def test_a_claude_that_does_not_think_and_others_that_do_are_forced(profile, fields, names, sent, caplog):
    body = options(profile=profile, tools=(ADD, NOW), tool_choice=ToolChoice("required", names), **fields)
    assert body["tool_choice"] == sent
    assert "tool_choice" not in caplog.text


# ---- reasoning

EFFORTS = Profile(model=MODEL, family="gpt", reasoning=True, efforts=("low", "high", "max"))
REASONS = Profile(model=MODEL, family="qwen", reasoning=True)
ALWAYS = Profile(model=MODEL, family="claude", thinking="always", efforts=("low", "medium", "high"))
COUNTED = Profile(model=MODEL, family="gemini", thinking="budget", reasoning=True, max_thinking_budget=24_576)


@pytest.mark.parametrize(
    ("profile", "config", "expected"),
    [
        (EFFORTS, ReasoningConfig(), {}),
        (EFFORTS, ReasoningConfig(effort="high"), {"reasoning_effort": "high"}),
        (EFFORTS, ReasoningConfig(effort="medium"), {"reasoning_effort": "high"}),
        (EFFORTS, ReasoningConfig(effort="minimal"), {"reasoning_effort": "low"}),
        (EFFORTS, ReasoningConfig(mode="off"), {"reasoning_effort": "low"}),
        (EFFORTS, ReasoningConfig(mode="on"), {"reasoning_effort": "high"}),
        (EFFORTS, ReasoningConfig(mode="auto"), {}),
        (EFFORTS, ReasoningConfig(budget=1500), {"reasoning_effort": "low"}),
        (REASONS, ReasoningConfig(effort="xhigh"), {"reasoning_effort": "xhigh"}),
        (REASONS, ReasoningConfig(mode="off"), {"reasoning_effort": "none"}),
        (REASONS, ReasoningConfig(mode="on"), {}),
        (OPEN, ReasoningConfig(mode="off"), {}),
        (CLAUDE, ReasoningConfig(budget=2048), {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (CLAUDE, ReasoningConfig(effort="low"), {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (CLAUDE, ReasoningConfig(mode="off"), {"thinking": {"type": "disabled"}}),
        (
            ADAPTIVE,
            ReasoningConfig(effort="low"),
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ),
        (ADAPTIVE, ReasoningConfig(mode="on"), {"thinking": {"type": "adaptive"}}),
        (ALWAYS, ReasoningConfig(mode="off"), {"output_config": {"effort": "low"}}),
        (COUNTED, ReasoningConfig(budget=512), {"thinking": {"type": "enabled", "budget_tokens": 512}}),
        (COUNTED, ReasoningConfig(effort="max"), {"thinking": {"type": "enabled", "budget_tokens": 24576}}),
        (COUNTED, ReasoningConfig(mode="on"), {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        (COUNTED, ReasoningConfig(mode="off"), {"thinking": {"type": "disabled", "budget_tokens": 0}}),
        (COUNTED, ReasoningConfig(mode="auto"), {}),
    ],
)
def test_reasoning_is_asked_for_in_the_words_of_the_model(profile, config, expected):
    assert options(profile=profile, reasoning=config) == expected


@pytest.mark.parametrize(
    ("profile", "config", "says"),
    [
        (EFFORTS, ReasoningConfig(effort="medium"), "'high' is sent for 'medium'"),
        (EFFORTS, ReasoningConfig(budget=2048), "takes no thinking budget"),
        (EFFORTS, ReasoningConfig(show="full"), "show= is not sent"),
    ],
)
def test_what_cannot_be_asked_as_it_is_meant_is_warned_about(profile, config, says, caplog):
    with caplog.at_level(logging.WARNING):
        options(profile=profile, reasoning=config)
    assert says in caplog.text


@pytest.mark.parametrize(
    ("profile", "config", "says"),
    [
        (EFFORTS, ReasoningConfig(effort="hgih"), "unknown reasoning effort 'hgih'"),
        (COUNTED, ReasoningConfig(budget=30_000), "0 to 24576"),
    ],
)
def test_reasoning_that_cannot_be_is_refused(profile, config, says):
    with pytest.raises(InvalidRequestError, match=says):
        options(profile=profile, reasoning=config)


def test_of_two_equally_near_efforts_the_greater_is_taken():
    assert nearest_effort("medium", ("low", "high")) == "high"


def test_every_extension_of_the_judge_is_used():
    used = set()
    for profile, fields in (
        (CLAUDE, {"reasoning": ReasoningConfig(budget=2048), "top_k": 1}),
        (ADAPTIVE, {"reasoning": ReasoningConfig(effort="low")}),
        (AGENT, {"custom_inputs": {}}),
    ):
        used |= options(profile=profile, **fields).keys() & EXTENSIONS.keys()
    (call,) = said(OPAQUE_CALL, judged=False)["tool_calls"]
    (part,) = sent(user(Text("a", cache=HINT)), profile=CLAUDE)[0]["content"]
    used |= (call.keys() | part.keys()) & NESTED_EXTENSIONS.keys()
    assert used == EXTENSIONS.keys() | NESTED_EXTENSIONS.keys()


@pytest.mark.parametrize(("mid_system", "role"), [(True, "system"), (False, "user")])
def test_a_later_system_message_stays_where_it_stands_and_is_marked_where_the_model_takes_none(mid_system, role):
    profile = replace(OPEN, mid_system=mid_system)
    *_, late, last = sent(system("a"), user("b"), system("c"), user("d"), profile=profile)
    assert late == {"role": role, "content": "c" if mid_system else "<system>\nc\n</system>"}
    assert last == {"role": "user", "content": "d"}
