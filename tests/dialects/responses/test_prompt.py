"""What a conversation and its settings become in a Responses request body."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from judges.responses_bodies import DATABRICKS_FIELDS, responses_violations

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
from dbx_gateway.dialects.responses.dialect import Responses
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.notices import forget_notices

MODEL = "databricks-gpt-5"
GPT = Profile(model=MODEL, family="gpt", reasoning=True, efforts=("minimal", "low", "medium", "high"), sampling=False)
PLAIN = Profile(model=MODEL, family="gpt")
AGENT = profile_of("my-agent", "agent")
ORIGIN = Origin("responses", MODEL)
PNG = "iVBORw0KGgo="


@pytest.fixture(autouse=True)
def _fresh_notices():
    forget_notices()


def encode(*messages, profile=GPT, judged=True, **fields):
    request = ChatRequest(model=MODEL, messages=messages or (user("hi"),), **fields)
    before = copy.deepcopy(request)
    body = Responses().encode(request, profile)
    assert request == before
    if judged:
        assert responses_violations(body) == []
    return body


def items(*messages, **fields):
    return encode(*messages, **fields)["input"]


def said(*parts, origin=ORIGIN):
    return Message(role="assistant", parts=parts, origin=origin)


def test_a_plain_question_asks_for_no_storage_and_for_the_proof_of_reasoning():
    assert encode(user("hi")) == {
        "model": MODEL,
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


def test_a_model_that_does_not_reason_is_asked_for_no_proof():
    assert "include" not in encode(user("hi"), profile=PLAIN)


def test_system_and_developer_messages_keep_their_role_and_place():
    developer = Message(role="developer", parts=(Text("be brief"),))
    profile = replace(GPT, mid_system=True)
    assert items(system("one"), system("two"), user("hi"), developer, profile=profile) == [
        {"type": "message", "role": "system", "content": "one"},
        {"type": "message", "role": "system", "content": "two"},
        {"type": "message", "role": "user", "content": "hi"},
        {"type": "message", "role": "developer", "content": "be brief"},
    ]


def test_a_later_system_message_is_a_marked_turn_of_the_user_where_the_model_takes_none_there(caplog):
    assert items(system("one"), user("hi"), system("be brief"), user("so?"))[2:] == [
        {"type": "message", "role": "user", "content": "<system>\nbe brief\n</system>"},
        {"type": "message", "role": "user", "content": "so?"},
    ]
    assert "system messages only at the start" in caplog.text


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (Text("a"), {"type": "input_text", "text": "a"}),
        (
            Image(blob=Blob(data=PNG, mime="image/png")),
            {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PNG}"},
        ),
        (
            Image(blob=Blob(url="https://x/y.png"), detail="low"),
            {"type": "input_image", "detail": "low", "image_url": "https://x/y.png"},
        ),
        (Image(blob=Blob(file_id="f1")), {"type": "input_image", "detail": "auto", "file_id": "f1"}),
        (
            File(blob=Blob(data="JVBERi0=", mime="application/pdf")),
            {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        ),
        (
            File(blob=Blob(data="YQ==", mime="text/csv"), filename="a.csv"),
            {"type": "input_file", "filename": "a.csv", "file_data": "data:text/csv;base64,YQ=="},
        ),
        (File(blob=Blob(url="https://x/y.pdf")), {"type": "input_file", "file_url": "https://x/y.pdf"}),
        (File(blob=Blob(file_id="f2")), {"type": "input_file", "file_id": "f2"}),
        (File(text="body", title="Title", context="ctx"), {"type": "input_text", "text": "Title\n\nctx\n\nbody"}),
        (
            Native(api="responses", payload={"type": "input_file", "file_id": "f3"}),
            {"type": "input_file", "file_id": "f3"},
        ),
    ],
)
def test_each_user_part_has_its_wire_form(part, content):
    assert items(user("look", part)) == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "look"}, content]}
    ]


@pytest.mark.parametrize(
    ("part", "kind"), [(Audio(blob=Blob(data="x")), "audio"), (Video(blob=Blob(data="x")), "video")]
)
def test_sound_and_film_are_refused_by_name(part, kind):
    with pytest.raises(InvalidRequestError, match=f"the responses api takes no {kind}"):
        encode(user("hear", part))


def test_a_call_in_a_user_message_is_refused():
    with pytest.raises(InvalidRequestError, match="takes no ToolCall part here"):
        encode(user(ToolCall(call_id="c", name="f")))


@pytest.mark.parametrize(
    ("ttl", "mark"),
    [("12h", {"mode": "explicit", "ttl": "12h"}), ("5m", {"mode": "explicit"}), (None, {"mode": "explicit"})],
)
def test_a_cache_mark_is_sent_where_the_model_takes_it(ttl, mark):
    message = user(Text("long", cache=CacheHint(ttl)))
    assert items(message, profile=replace(GPT, prompt_caching=True)) == [
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "long", "prompt_cache_breakpoint": mark}],
        }
    ]
    assert items(message) == [{"type": "message", "role": "user", "content": "long"}]
    blank = user("long", Text(" ", cache=CacheHint(ttl)))
    assert items(blank, profile=replace(GPT, prompt_caching=True)) == items(
        message, profile=replace(GPT, prompt_caching=True)
    )


def test_an_assistant_text_of_another_api_is_sent_plain_and_without_its_citations():
    text = Text("it is", citations=(Citation(kind="page_location"),), opaque={"x": 1})
    assert items(user("a"), said(text, origin=Origin("messages", "claude"))) == [
        {"type": "message", "role": "user", "content": "a"},
        {"type": "message", "role": "assistant", "content": "it is"},
    ]


def test_an_assistant_text_of_this_api_keeps_citations_phase_and_wire_extras():
    source = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 2}
    text = Text(
        "it is",
        id="msg_1",
        phase="final_answer",
        citations=(Citation(kind="url_citation", source=source),),
        opaque={"message": {"status": "completed"}},
    )
    assert items(user("a"), said(text))[1] == {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "it is", "annotations": [source]}],
        "phase": "final_answer",
    }


def test_texts_of_one_item_stay_one_item_and_of_two_items_two():
    message = said(Text("a", id="m1"), Text("b", id="m1"), Refusal("no", id="m2"))
    output_text = {"type": "output_text", "annotations": []}
    assert items(user("q"), message)[1:] == [
        {"type": "message", "role": "assistant", "content": [output_text | {"text": "a"}, output_text | {"text": "b"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ]


def test_an_empty_assistant_text_is_no_item():
    assert items(user("q"), assistant(""), user("again")) == [
        {"type": "message", "role": "user", "content": "q"},
        {"type": "message", "role": "user", "content": "again"},
    ]


def test_an_assistant_picture_is_left_out_with_a_warning(caplog):
    assert items(user("draw"), assistant("here", Image(blob=Blob(url="u"))), user("nice"))[1] == {
        "type": "message",
        "role": "assistant",
        "content": "here",
    }
    assert "takes no image in assistant messages" in caplog.text


THOUGHT = Reasoning(
    id="rs_1",
    segments=(Segment("summary", "one"), Segment("summary", "two"), Segment("raw", "hm")),
    encrypted="gAAA",
    opaque={"status": "completed"},
)
CALL = ToolCall(id="fc_1", call_id="call_a", name="add", arguments='{"x": 2}', opaque={"namespace": "n"})


def test_reasoning_goes_back_unchanged_before_the_call_it_led_to():
    assert items(user("q"), said(THOUGHT, CALL), tool_result(CALL, "4"))[1:] == [
        {
            "type": "reasoning",
            "status": "completed",
            "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}],
            "content": [{"type": "reasoning_text", "text": "hm"}],
            "encrypted_content": "gAAA",
        },
        {"type": "function_call", "namespace": "n", "call_id": "call_a", "name": "add", "arguments": '{"x": 2}'},
        {"type": "function_call_output", "call_id": "call_a", "output": "4"},
    ]


@pytest.mark.parametrize(
    "message",
    [
        said(THOUGHT, Text("x"), origin=Origin("messages", MODEL)),
        said(THOUGHT, Text("x"), origin=Origin("responses", "another")),
        said(THOUGHT, Text("x"), origin=None),
        said(replace(THOUGHT, encrypted=None), Text("x")),
        said(Text("x"), THOUGHT),
        said(Text("x"), THOUGHT, Text("")),
    ],
)
def test_reasoning_is_dropped_when_foreign_unproved_or_followed_by_nothing(message):
    assert [item["type"] for item in items(user("q"), message)] == ["message", "message"]


def test_wire_extras_of_another_api_stay_at_home():
    assert items(user("q"), said(CALL, origin=Origin("chat-completions", MODEL)), tool_result(CALL, "4"))[1] == {
        "type": "function_call",
        "call_id": "call_a",
        "name": "add",
        "arguments": '{"x": 2}',
    }


@pytest.mark.parametrize("arguments", ["", "  "])
def test_a_call_without_arguments_has_an_empty_object(arguments):
    call = ToolCall(call_id="c", name="now", arguments=arguments)
    assert items(user("q"), assistant(call), tool_result(call, "x"))[1]["arguments"] == "{}"


def test_a_custom_call_and_its_result_have_their_own_items():
    call = ToolCall(call_id="c", name="sh", arguments="ls -l", custom=True)
    assert items(user("q"), assistant(call), tool_result(call, "x"))[1:] == [
        {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls -l"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "x"},
    ]


def test_a_call_id_outside_the_charset_is_mapped_alike_on_both_sides_and_a_long_one_kept():
    odd, long = ToolCall(call_id="a/b", name="f"), ToolCall(call_id="c" * 192, name="f")
    calls = items(user("q"), assistant(odd, long), tool_result(odd, "1"), tool_result(long, "2"))[1:]
    ids = [item["call_id"] for item in calls]
    assert ids[0] == ids[2] != "a/b"
    assert ids[1] == ids[3] == "c" * 192


@pytest.mark.parametrize(
    ("content", "is_error", "output"),
    [
        ((Text("a"), Text("b")), False, "a\nb"),
        ((), False, "[No output]"),
        ((Text(" "),), False, "[No output]"),
        ((Text("boom"),), True, "Error: boom"),
        ((), True, "Error: [No output]"),
        (
            (Text("see"), Image(blob=Blob(url="https://x/y.png"))),
            False,
            [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "detail": "auto", "image_url": "https://x/y.png"},
            ],
        ),
        (
            (Image(blob=Blob(file_id="f")),),
            True,
            [{"type": "input_text", "text": "Error:"}, {"type": "input_image", "detail": "auto", "file_id": "f"}],
        ),
    ],
)
def test_a_tool_result_is_text_or_a_list_and_never_empty(content, is_error, output):
    call = ToolCall(call_id="c", name="f", arguments="{}")
    result = Message(role="tool", parts=(ToolResult(call_id="c", content=content, is_error=is_error),))
    assert items(user("q"), assistant(call), result)[2]["output"] == output


def test_native_items_of_this_api_go_back_unchanged_and_others_nowhere():
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    message = said(
        Native(api="responses", payload=search), Native(api="messages", payload={"type": "server_tool_use"}), Text("a")
    )
    assert items(user("q"), message)[1:] == [
        search,
        {"type": "message", "role": "assistant", "content": "a"},
    ]


def test_a_name_on_a_message_is_left_out_with_a_warning(caplog):
    assert items(replace(user("hi"), name="ann")) == [{"type": "message", "role": "user", "content": "hi"}]
    assert "no name on messages" in caplog.text


ADD = ToolSpec(name="add", description="Adds.", parameters={"type": "object", "properties": {"x": {"type": "integer"}}})


def test_tools_are_flat_and_say_whether_they_are_strict():
    search = ToolSpec(name="web_search", native={"type": "web_search"})
    shell = ToolSpec(name="sh", custom=True, parameters={"type": "text"})
    now = ToolSpec(name="now", strict=True, extras={"defer_loading": True})
    assert encode(tools=(ADD, now, shell, search))["tools"] == [
        {"type": "function", "name": "add", "description": "Adds.", "parameters": ADD.parameters, "strict": False},
        {
            "type": "function",
            "name": "now",
            "parameters": {"type": "object", "properties": {}},
            "strict": True,
            "defer_loading": True,
        },
        {"type": "custom", "name": "sh", "format": {"type": "text"}},
        {"type": "web_search"},
    ]


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none", ("add",)), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("required", ("add",)), {"type": "function", "name": "add"}),
        (ToolChoice("required", ("sh",)), {"type": "custom", "name": "sh"}),
        (ToolChoice("required", ("web",)), {"type": "web_search_preview"}),
        (
            ToolChoice("required", ("add", "sh")),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "add"}, {"type": "custom", "name": "sh"}],
            },
        ),
        (
            ToolChoice("auto", ("add",)),
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "add"}]},
        ),
    ],
)
def test_each_tool_choice_has_its_wire_form(choice, wire):
    tools = (ADD, ToolSpec(name="sh", custom=True), ToolSpec(name="web", native={"type": "web_search_preview"}))
    assert encode(tools=tools, tool_choice=choice)["tool_choice"] == wire


def test_a_tool_choice_without_tools_is_no_field():
    body = encode(tool_choice=ToolChoice("auto"), parallel_tool_calls=False)
    assert "tool_choice" not in body
    assert "parallel_tool_calls" not in body


def test_parallel_calls_are_spoken_of_only_when_set():
    assert "parallel_tool_calls" not in encode(tools=(ADD,))
    assert encode(tools=(ADD,), parallel_tool_calls=False)["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("output", "form"),
    [
        (OutputFormat(kind="json"), {"type": "json_object"}),
        (
            OutputFormat(kind="json_schema", schema={"type": "object"}),
            {"type": "json_schema", "name": "answer", "schema": {"type": "object"}},
        ),
        (
            OutputFormat(kind="json_schema", schema={"type": "object"}, name="form", strict=True, description="d"),
            {"type": "json_schema", "name": "form", "schema": {"type": "object"}, "description": "d", "strict": True},
        ),
    ],
)
def test_the_form_of_the_answer_is_flat(output, form):
    assert encode(output=output)["text"] == {"format": form}


def test_a_schema_name_outside_the_charset_is_mapped():
    output = OutputFormat(kind="json_schema", schema={"type": "object"}, name="my form")
    assert encode(output=output)["text"]["format"]["name"].startswith("my_form_")


def test_plain_text_asks_for_no_form():
    assert "text" not in encode(output=OutputFormat())


@pytest.mark.parametrize(
    ("config", "wire"),
    [
        (ReasoningConfig(effort="high"), {"effort": "high"}),
        (ReasoningConfig(effort="high", show="summary"), {"effort": "high", "summary": "auto"}),
        (ReasoningConfig(show="full"), {"summary": "detailed"}),
        (ReasoningConfig(effort="xhigh"), {"effort": "high"}),
        (ReasoningConfig(effort="none"), {"effort": "minimal"}),
        (ReasoningConfig(mode="off"), {"effort": "minimal"}),
        (ReasoningConfig(mode="on"), {"effort": "medium"}),
        (ReasoningConfig(effort="vast"), {"effort": "vast"}),
    ],
)
def test_reasoning_settings_become_effort_and_summary(config, wire):
    assert encode(reasoning=config, judged=config.effort != "vast")["reasoning"] == wire


@pytest.mark.parametrize("config", [ReasoningConfig(show="none"), ReasoningConfig(mode="auto")])
def test_reasoning_settings_that_say_nothing_new_are_no_field(config):
    assert "reasoning" not in encode(reasoning=config)


def test_a_replaced_effort_is_named_once(caplog):
    encode(reasoning=ReasoningConfig(effort="max"))
    encode(reasoning=ReasoningConfig(effort="max"))
    assert caplog.text.count("'high' was sent for 'max'") == 1


def test_a_token_budget_and_reasoning_of_a_model_without_it_are_warned_about(caplog):
    encode(reasoning=ReasoningConfig(budget=1024, effort="low"))
    assert "counts no reasoning tokens" in caplog.text
    assert "reasoning" not in encode(reasoning=ReasoningConfig(effort="low"), profile=PLAIN)
    assert "does not reason" in caplog.text


def test_sampling_is_sent_where_the_model_takes_it_or_does_not_reason():
    asked = {"temperature": 0.0, "top_p": 0.5}
    assert asked.items() <= encode(profile=PLAIN, **asked).items()
    none = replace(GPT, efforts=("none", "low"))
    assert asked.items() <= encode(profile=none, reasoning=ReasoningConfig(effort="none"), **asked).items()


def test_sampling_of_a_reasoning_model_is_left_out_with_a_warning(caplog):
    assert "temperature" not in encode(temperature=0.0)
    assert "takes no temperature while it reasons" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("top_k", 3), ("seed", 1), ("presence_penalty", 0.0), ("frequency_penalty", 0.1)],
)
def test_what_the_api_has_no_place_for_is_warned_about_once(name, value, caplog):
    for _ in range(2):
        assert name not in encode(**{name: value})
    assert caplog.text.count(f"The responses api has no {name}; it was left out for 'databricks-gpt-5'") == 1


def test_what_the_client_makes_good_for_is_neither_sent_nor_warned_about(caplog):
    assert not {"stop", "n"} & set(encode(stop=("x",), n=2))
    assert caplog.text == ""


def test_defaults_cause_no_warning(caplog):
    encode(n=1)
    assert caplog.text == ""


def test_log_probabilities_are_included():
    body = encode(logprobs=True, top_logprobs=3, profile=PLAIN)
    assert body["include"] == ["message.output_text.logprobs"]
    assert body["top_logprobs"] == 3
    assert encode(logprobs=True)["include"] == ["reasoning.encrypted_content", "message.output_text.logprobs"]
    assert "top_logprobs" not in encode(logprobs=False, top_logprobs=3)


def test_the_other_settings_go_as_given():
    wanted = {
        "max_output_tokens": 9,
        "service_tier": "flex",
        "metadata": {"a": "b"},
        "user": "u",
        "prompt_cache_key": "k",
    }
    body = encode(max_tokens=9, service_tier="flex", metadata={"a": "b"}, user="u", cache_key="k", stream=True)
    assert wanted.items() <= body.items()
    assert body["stream"] is True


def test_an_agent_gets_only_what_is_set():
    assert encode(user("hi"), profile=AGENT, custom_inputs={"session": 1}, stream=True) == {
        "model": MODEL,
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "stream": True,
        "custom_inputs": {"session": 1},
    }


def test_each_field_that_only_databricks_knows_is_in_use():
    assert DATABRICKS_FIELDS.keys() <= encode(profile=AGENT, custom_inputs={"a": 1}).keys()


def test_custom_inputs_for_a_model_are_refused():
    with pytest.raises(InvalidRequestError, match="custom_inputs go to agent endpoints only"):
        encode(custom_inputs={"a": 1})
