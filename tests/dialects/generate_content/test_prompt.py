"""What the generate-content api is asked, field by field; every body is judged by the vendor's types."""

from __future__ import annotations

import copy
import logging
from dataclasses import replace

import pytest
from google.genai import types
from judges.generate_content_bodies import body_violations

from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    ChatRequest,
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
from dbx_gateway.dialects.generate_content.dialect import GENERATE_CONTENT
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import forget_notices

MODEL = "databricks-gemini-3-test"
LEVEL = Profile(
    model=MODEL,
    family="gemini",
    reasoning=True,
    efforts=("low", "medium", "high"),
    image_tool_results=True,
    signed_tool_calls=True,
)
BUDGET = Profile(
    model="databricks-gemini-2-5-test", family="gemini", reasoning=True, thinking="budget", signed_tool_calls=True
)
PNG = "iVBORw0KGgoAAAANSUhEUg=="
HI = [{"role": "user", "parts": [{"text": "Hi"}]}]
ADD = ToolSpec(name="add", description="Adds.", parameters={"type": "object", "properties": {"x": {"type": "integer"}}})
OWN = Origin("generate-content", MODEL)
FOREIGN = Origin("messages", "databricks-claude-test")


@pytest.fixture(autouse=True)
def _said_nothing_yet():
    forget_notices()
    yield
    forget_notices()


def encode(*messages, profile=LEVEL, **fields):
    request = ChatRequest(model=profile.model, messages=messages or (user("Hi"),), **fields)
    before = copy.deepcopy(request)
    body = GENERATE_CONTENT.encode(request, profile)
    assert request == before
    assert body_violations(body) == []
    return body


def contents(*messages, profile=LEVEL):
    return encode(*messages, profile=profile)["contents"]


def test_the_smallest_request_is_one_content():
    assert encode() == {"contents": HI}


def test_the_first_system_messages_are_joined_in_order_and_a_later_one_is_a_marked_turn_of_the_user(caplog):
    body = encode(system("A"), Message(role="developer", parts=(Text("B"),)), user("Hi"), assistant("Ho"), system("C"))
    assert body["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    assert body["contents"] == [
        *HI,
        {"role": "model", "parts": [{"text": "Ho"}]},
        {"role": "user", "parts": [{"text": "<system>\nC\n</system>"}]},
    ]
    assert "a later one was sent in its place" in caplog.text


def test_an_image_in_a_system_message_is_refused():
    with pytest.raises(InvalidRequestError, match="system message holds Image"):
        encode(Message(role="system", parts=(Image(blob=Blob(data=PNG, mime="image/png")),)), user("Hi"))


def test_neighbours_of_one_role_become_one_content_and_empty_texts_go():
    assert contents(user("a", ""), user("b"), assistant("c"), assistant(Refusal("d")), user("e")) == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [{"text": "c"}, {"text": "d"}]},
        {"role": "user", "parts": [{"text": "e"}]},
    ]


def test_a_content_left_empty_is_filled():
    assert contents(assistant(Reasoning(segments=(Segment("raw", "hm"),))), user("Hi")) == [
        {"role": "model", "parts": [{"text": ""}]},
        *HI,
    ]


def test_a_history_that_starts_with_calls_gets_an_empty_user_text():
    call = ToolCall(call_id="c1", name="add", arguments="{}")
    sent = contents(assistant("Adding.", call), tool_result(call, "3"))
    assert sent[0] == {"role": "user", "parts": [{"text": ""}]}
    assert [content["role"] for content in sent] == ["user", "model", "user"]


def test_a_conversation_of_system_messages_only_still_has_a_content():
    assert encode(system("A")) == {
        "systemInstruction": {"parts": [{"text": "A"}]},
        "contents": [{"role": "user", "parts": [{"text": ""}]}],
    }


def test_a_name_of_a_speaker_is_warned_about_once(caplog):
    contents(replace(user("Hi"), name="ann"), replace(user("Ho"), name="bob"))
    assert caplog.text.count("no field for a message's name") == 1


# Media ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Image(blob=Blob(data=PNG, mime="image/webp")), {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        (Image(blob=Blob(data="AAAA", mime="image/webp")), {"inlineData": {"mimeType": "image/webp", "data": "AAAA"}}),
        (Image(blob=Blob(data=PNG)), {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        (Image(blob=Blob(data="UklGRiQAAABXRUJQVlA4")), {"inlineData": {"mimeType": "image/webp", "data": "UklGRiQAAABXRUJQVlA4"}}),
        (Audio(blob=Blob(data="UklGRiQAAABXQVZFZm10")), {"inlineData": {"mimeType": "audio/wav", "data": "UklGRiQAAABXQVZFZm10"}}),
        (Image(blob=Blob(url=f"data:image/png;base64,{PNG}")), {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        (
            Image(blob=Blob(url="https://example.com/a.JPG?x=1")),
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a.JPG?x=1"}},
        ),
        (Image(blob=Blob(url="gs://bucket/a")), {"fileData": {"fileUri": "gs://bucket/a"}}),
        (File(blob=Blob(file_id="files/abc", mime="application/pdf")), {"fileData": {"mimeType": "application/pdf", "fileUri": "files/abc"}}),
        (File(blob=Blob(data="AAAA"), filename="a.pdf"), {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}}),
        (File(text="body", title="Title", context="From"), {"text": "Title\nFrom\nbody"}),
        (Audio(blob=Blob(data="AAAA", mime="audio/wav")), {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}),
        (
            Video(blob=Blob(url="https://example.com/a.mp4"), fps=2),
            {"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.com/a.mp4"}, "videoMetadata": {"fps": 2}},
        ),
    ],
)  # fmt: skip
def test_media_travel_as_bytes_or_as_a_link(part, expected):
    assert contents(user("See", part)) == [{"role": "user", "parts": [{"text": "See"}, expected]}]


def test_bytes_of_an_unknown_type_are_refused():
    with pytest.raises(InvalidRequestError, match="media type of the audio is not known"):
        encode(user(Audio(blob=Blob(data="AAAA"))))


@pytest.mark.parametrize(
    "part", [Image(blob=Blob(data=PNG), detail="high"), File(blob=Blob(data="JVBERi0x"), citable=True)]
)
def test_a_wish_about_media_without_a_word_on_this_api_is_warned_about(part, caplog):
    encode(user(part))
    assert "the generate-content api has no field for" in caplog.text


def test_cache_marks_cost_nothing_and_say_nothing(caplog):
    assert contents(user(Text("Hi", cache=CacheHint(ttl="1h")))) == HI
    assert caplog.text == ""


# Tools in the history -------------------------------------------------------------------------------------------------


def call(call_id="c1", name="add", arguments='{"x":1}', **fields):
    return ToolCall(call_id=call_id, name=name, arguments=arguments, **fields)


def test_calls_of_one_turn_share_a_content_and_results_have_one_of_their_own_in_the_order_of_the_calls():
    first, second = call("c1", "add"), call("c2", "now", "")
    history = (
        user("Go"),
        assistant("Sure.", first, second),
        tool_result(second, "noon"),
        tool_result(first, "2"),
        user("So?"),
    )
    assert contents(*history, profile=replace(LEVEL, signed_tool_calls=False)) == [
        {"role": "user", "parts": [{"text": "Go"}]},
        {
            "role": "model",
            "parts": [
                {"text": "Sure."},
                {"functionCall": {"name": "add", "args": {"x": 1}}},
                {"functionCall": {"name": "now", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "add", "response": {"output": "2"}}},
                {"functionResponse": {"name": "now", "response": {"output": "noon"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "So?"}]},
    ]


def test_the_server_s_own_id_is_echoed_and_a_minted_one_is_not():
    given, minted = call("c1", signature="c2ln"), call("c2", minted=True)
    message = Message(role="assistant", parts=(given, minted), origin=OWN)
    written = contents(user("Go"), message, tool_result(given, "1"), tool_result(minted, "2"))
    assert written[1]["parts"] == [
        {"functionCall": {"id": "c1", "name": "add", "args": {"x": 1}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "add", "args": {"x": 1}}},
    ]
    assert [part["functionResponse"].get("id") for part in written[2]["parts"]] == ["c1", None]


def test_an_error_is_told_as_one_and_the_name_comes_from_the_call():
    asked = call()
    result = Message(role="tool", parts=(ToolResult(call_id="c1", content=(Text("no"), Text("way")), is_error=True),))
    assert contents(user("Go"), assistant(asked), result)[2] == {
        "role": "user",
        "parts": [{"functionResponse": {"name": "add", "response": {"error": "no\nway"}}}],
    }


def test_a_result_without_its_call_is_refused():
    with pytest.raises(InvalidRequestError, match="answers call 'x', which no earlier message makes"):
        encode(user("Go"), Message(role="tool", parts=(ToolResult(call_id="x"),)))


def test_a_picture_in_a_result_travels_in_the_response_where_the_model_takes_it_else_behind_it():
    asked = call()
    history = (user("Go"), assistant(asked), tool_result(asked, "seen", Image(blob=Blob(data=PNG))))
    picture = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    response = {"name": "add", "response": {"output": "seen"}}
    assert contents(*history)[2:] == [
        {"role": "user", "parts": [{"functionResponse": {**response, "parts": [picture]}}]}
    ]
    assert contents(*history, profile=BUDGET)[2:] == [
        {"role": "user", "parts": [{"functionResponse": response}]},
        {"role": "user", "parts": [{"text": "From the result of add:"}, picture]},
    ]


@pytest.mark.parametrize(
    ("asked", "args"),
    [
        (call(arguments="free text", custom=True), {"input": "free text"}),
        (call(arguments='{"x":'), {"input": '{"x":'}),
        (call(arguments=" "), {}),
    ],
)
def test_arguments_are_always_an_object(asked, args):
    assert (
        contents(user("Go"), assistant(asked), tool_result(asked, "1"))[1]["parts"][0]["functionCall"]["args"] == args
    )


# Signatures -----------------------------------------------------------------------------------------------------------


def test_opaque_values_of_this_api_go_back_on_their_parts():
    message = Message(
        role="assistant",
        origin=OWN,
        parts=(
            Reasoning(segments=(Segment("summary", "Think"),), signature="czE="),
            Reasoning(signature="czI="),
            Text("So", opaque={"thoughtSignature": "czM=", "partMetadata": {"k": 1}}),
            Text("", opaque={"thoughtSignature": "czQ="}),
            Native(api="generate-content", payload={"executableCode": {"code": "1", "language": "PYTHON"}}),
            Image(blob=Blob(data=PNG, mime="image/png"), opaque={"thoughtSignature": "czU="}),
        ),
    )
    assert contents(user("Go"), message)[1]["parts"] == [
        {"text": "Think", "thought": True, "thoughtSignature": "czE="},
        {"text": "", "thought": True, "thoughtSignature": "czI="},
        {"text": "So", "thoughtSignature": "czM=", "partMetadata": {"k": 1}},
        {"text": "", "thoughtSignature": "czQ="},
        {"executableCode": {"code": "1", "language": "PYTHON"}},
        {"inlineData": {"mimeType": "image/png", "data": PNG}, "thoughtSignature": "czU="},
    ]


@pytest.mark.parametrize("origin", [None, FOREIGN, Origin("generate-content", "databricks-claude-test")])
def test_opaque_values_and_thoughts_of_others_stay_behind(origin):
    message = Message(
        role="assistant",
        origin=origin,
        parts=(
            Reasoning(segments=(Segment("raw", "Think"),), signature="czE="),
            Text("So", opaque={"thoughtSignature": "czM="}),
            Native(api="messages", payload={"type": "server_tool_use"}),
        ),
    )
    assert contents(user("Go"), message)[1]["parts"] == [{"text": "So"}]


def test_the_first_foreign_call_of_each_step_gets_the_word_that_stands_for_a_signature():
    one, two, three = call("1", signature="of another"), call("2"), call("3")
    message = Message(role="assistant", parts=(Text("Two."), one, two), origin=FOREIGN)
    history = (
        user("Go"),
        message,
        tool_result(one, "1"),
        tool_result(two, "2"),
        assistant(three),
        tool_result(three, "3"),
    )
    signatures = [
        part.get("thoughtSignature")
        for content in contents(*history)
        for part in content["parts"]
        if "functionCall" in part
    ]
    assert signatures == ["skip_thought_signature_validator", None, "skip_thought_signature_validator"]


def test_a_call_that_this_model_left_unsigned_stays_so_and_one_of_another_gemini_does_not():
    asked = call()
    for model, expected in ((MODEL, None), ("databricks-gemini-2-5-pro", "skip_thought_signature_validator")):
        message = Message(role="assistant", parts=(asked,), origin=Origin("generate-content", model))
        part = contents(user("Go"), message, tool_result(asked, "1"))[1]["parts"][0]
        assert part.get("thoughtSignature") == expected


def test_a_native_part_of_another_api_in_a_user_message_is_refused():
    with pytest.raises(InvalidRequestError, match="native part of the messages api"):
        encode(user(Native(api="messages", payload={"type": "document"})))


# Tools ----------------------------------------------------------------------------------------------------------------


def test_functions_share_one_entry_and_native_tools_stand_as_given():
    search = ToolSpec(name="search", native={"googleSearch": {}})
    empty = ToolSpec(name="now", parameters={"type": "object", "properties": {}, "additionalProperties": False})
    assert encode(tools=(ADD, search, empty))["tools"] == [
        {
            "functionDeclarations": [
                {"name": "add", "description": "Adds.", "parameters": ADD.parameters},
                {"name": "now"},
            ]
        },
        {"googleSearch": {}},
    ]


def test_schemas_go_as_the_caller_gave_them():
    schema = {
        "$schema": "s",
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/X"}},
        "$defs": {"X": {"const": 1}},
    }
    request = ChatRequest(
        model=MODEL,
        messages=(user("Hi"),),
        tools=(ToolSpec(name="add", parameters=schema),),
        output=OutputFormat(kind="json_schema", schema=schema),
    )
    body = GENERATE_CONTENT.encode(request, LEVEL)
    assert body["tools"] == [{"functionDeclarations": [{"name": "add", "parameters": schema}]}]
    assert body["generationConfig"]["responseSchema"] == schema


def test_a_free_text_tool_is_wrapped_and_said_so(caplog):
    body = encode(tools=(ToolSpec(name="shell", custom=True),))
    assert body["tools"][0]["functionDeclarations"] == [
        {
            "name": "shell",
            "parameters": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
        }
    ]
    assert "one string argument 'input'" in caplog.text


@pytest.mark.parametrize(
    ("choice", "strict", "expected"),
    [
        (ToolChoice("auto"), None, {"mode": "AUTO"}),
        (ToolChoice("none"), None, {"mode": "NONE"}),
        (ToolChoice("required"), None, {"mode": "ANY"}),
        (ToolChoice("required", ("add",)), None, {"mode": "ANY", "allowedFunctionNames": ["add"]}),
        (None, True, {"mode": "VALIDATED"}),
        (ToolChoice("auto"), True, {"mode": "VALIDATED"}),
        (ToolChoice("required"), True, {"mode": "ANY"}),
    ],
)
def test_a_tool_choice_becomes_a_mode(choice, strict, expected, caplog):
    body = encode(tools=(replace(ADD, strict=strict),), tool_choice=choice)
    assert body["toolConfig"] == {"functionCallingConfig": expected}
    assert ("forces no call" in caplog.text) == (strict is True and expected["mode"] == "ANY")


@pytest.mark.parametrize("tools", [(), (ToolSpec(name="search", native={"googleSearch": {}}),)])
def test_a_tool_choice_without_a_function_is_left_out(tools):
    assert "toolConfig" not in encode(tools=tools, tool_choice=ToolChoice("auto"))


def test_no_tool_config_is_sent_unasked():
    assert "toolConfig" not in encode(tools=(ADD,))


# Settings -------------------------------------------------------------------------------------------------------------


def test_every_setting_has_its_field():
    body = encode(
        max_tokens=5, stop=("END",), temperature=0.0, top_p=0.5, top_k=3, seed=7, presence_penalty=0.1,
        frequency_penalty=0.2, n=2, logprobs=True, top_logprobs=4, service_tier="flex", metadata={"team": "a", "n": 1},
        stream=True, cache_key="k",
    )  # fmt: skip
    assert body == {
        "contents": HI,
        "generationConfig": {
            "maxOutputTokens": 5, "stopSequences": ["END"], "temperature": 0.0, "topP": 0.5, "topK": 3, "seed": 7,
            "presencePenalty": 0.1, "frequencyPenalty": 0.2, "candidateCount": 2, "responseLogprobs": True, "logprobs": 4,
        },
        "labels": {"team": "a", "n": "1"},
        "serviceTier": "flex",
    }  # fmt: skip


def test_the_number_of_alternatives_to_tokens_asks_for_their_probabilities():
    assert encode(top_logprobs=2)["generationConfig"] == {"responseLogprobs": True, "logprobs": 2}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (OutputFormat(), None),
        (OutputFormat(kind="json"), {"responseMimeType": "application/json"}),
        (
            OutputFormat(kind="json_schema", schema={"type": "object"}, description="An answer"),
            {"responseMimeType": "application/json", "responseSchema": {"type": "object", "description": "An answer"}},
        ),
    ],
)
def test_the_form_of_the_answer(output, expected):
    assert encode(output=output).get("generationConfig") == expected


@pytest.mark.parametrize(
    ("profile", "config", "expected"),
    [
        (LEVEL, ReasoningConfig(), None),
        (LEVEL, ReasoningConfig(effort="high"), {"thinkingLevel": "HIGH"}),
        (LEVEL, ReasoningConfig(effort="max", show="summary"), {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (LEVEL, ReasoningConfig(effort="minimal"), {"thinkingLevel": "LOW"}),
        pytest.param(
            replace(LEVEL, efforts=()),
            ReasoningConfig(effort="xhigh"),
            {"thinkingLevel": "XHIGH"},
            marks=pytest.mark.skipif(
                not hasattr(types.ThinkingLevel, "XHIGH"),
                reason="this google-genai, the judge, is older than the level",
            ),
        ),
        (LEVEL, ReasoningConfig(mode="off"), {"thinkingLevel": "LOW"}),
        (LEVEL, ReasoningConfig(effort="none"), {"thinkingLevel": "LOW"}),
        (LEVEL, ReasoningConfig(mode="on", show="none"), {"includeThoughts": False}),
        (LEVEL, ReasoningConfig(budget=100), {"thinkingBudget": 100}),
        (LEVEL, ReasoningConfig(budget=100, effort="low"), {"thinkingLevel": "LOW"}),
        (BUDGET, ReasoningConfig(mode="off", effort="high"), {"thinkingBudget": 0}),
        (BUDGET, ReasoningConfig(mode="auto"), {"thinkingBudget": -1}),
        (BUDGET, ReasoningConfig(budget=512, show="full"), {"thinkingBudget": 512, "includeThoughts": True}),
        (BUDGET, ReasoningConfig(effort="none"), {"thinkingBudget": 0}),
        (BUDGET, ReasoningConfig(effort="medium"), {"thinkingBudget": 8192}),
        (BUDGET, ReasoningConfig(show="summary"), {"includeThoughts": True}),
    ],
)
def test_reasoning_is_a_level_or_a_budget_as_the_model_takes_it(profile, config, expected):
    assert encode(profile=profile, reasoning=config).get("generationConfig", {}).get("thinkingConfig") == expected


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reasoning": ReasoningConfig(mode="off")}, "cannot switch thinking off"),
        ({"reasoning": ReasoningConfig(effort="max")}, "'high' is sent for 'max'"),
        ({"reasoning": ReasoningConfig(effort="low", budget=5)}, "not both"),
        ({"parallel_tool_calls": False, "tools": (ADD,)}, "no parallel_tool_calls=False"),
        ({"user": "ann"}, "no user"),
    ],
)
def test_what_cannot_be_honoured_is_said_once(fields, said, caplog):
    with caplog.at_level(logging.WARNING, logger="dbx_gateway"):
        encode(**fields)
        encode(**fields)
    assert caplog.text.count(said) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"custom_inputs": {"a": 1}}, "custom_inputs are for agent endpoints"),
        ({"reasoning": ReasoningConfig(effort="huge")}, "unknown reasoning effort 'huge'"),
        ({"reasoning": ReasoningConfig(budget=-5)}, "a thinking budget of -5 tokens"),
    ],
)
def test_what_this_api_cannot_carry_is_refused(fields, message):
    with pytest.raises(InvalidRequestError, match=message):
        encode(**fields)
