"""What cannot be sent is a typed error that names the thing and the remedy, before any request."""

from __future__ import annotations

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage, FunctionMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.messages.base import BaseMessage
from pydantic import RootModel

from dbx_gateway.errors import ConfigurationError, DbxGatewayError, InvalidRequestError
from langchain_dbx_gateway import ChatDbxGateway
from langchain_dbx_gateway.messages import to_core

CLAUDE = "databricks-claude-sonnet-4-5"
GPT = "databricks-gpt-5-2"
GEMINI = "databricks-gemini-3-pro"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"

SOUND = {"type": "audio", "base64": "UklGRg==", "mime_type": "audio/wav"}
FILM = {"type": "video", "base64": "AAAA", "mime_type": "video/mp4"}
PICTURE = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
DOCUMENT = {"type": "file", "base64": "JVBERi0xLjQK", "mime_type": "application/pdf"}


def tool_with(**parameters):
    return {"type": "function", "function": {"name": "house", "description": "A house.", "parameters": parameters}}


def with_tools(*tools, **bound):
    return lambda llm: llm.bind_tools([*tools], **bound).invoke("Hello")


def saying(*messages):
    return lambda llm: llm.invoke([*messages])


def answering_in(schema, **asked):
    return lambda llm: llm.with_structured_output(schema, **asked).invoke("Hello")


class OtherMessage(BaseMessage):
    type: str = "other"


CASES = {
    "a tool without a name": (
        CLAUDE,
        with_tools({"type": "function", "function": {"parameters": {}}}),
        "has no name or no schema; give each tool both",
    ),
    "a tool of a blank name": (
        GPT,
        with_tools({"type": "function", "function": {"name": " ", "parameters": {}}}),
        "has no name or no schema; give each tool both",
    ),
    "a tool without a schema": (
        CLAUDE,
        with_tools({"name": "house"}),
        "the tool 'house' has no schema; give it one under",
    ),
    "a tool that is a number": (GEMINI, with_tools(7), "a tool of type int without a name .*; give a LangChain tool"),
    "a tool that is called with a list": (
        GPT,
        with_tools(tool_with(type="array", items={})),
        "the parameters of tool 'house' are of type 'array'.*; put it into a property",
    ),
    "a tool with a default that is no JSON": (
        LLAMA,
        with_tools(tool_with(type="object", properties={"a": {"default": {1, 2}}})),
        r"the parameters of tool 'house'.*\['default'\] is set.*; give plain lists",
    ),
    "two tools of one name": (
        CLAUDE,
        with_tools(tool_with(type="object"), tool_with(type="object")),
        "two tools are called 'house'; give each",
    ),
    "a choice of a tool that is not there": (
        CLAUDE,
        with_tools(tool_with(type="object"), tool_choice="garden"),
        "'garden', which is none of the tools on offer: house; give one of them",
    ),
    "a function message": (
        CLAUDE,
        saying(FunctionMessage("1", name="f")),
        "answers call 'f', which no earlier message makes",
    ),
    "a message that removes one": (GPT, saying(RemoveMessage(id="1")), "RemoveMessage cannot be sent; use system"),
    "a message of a class of the user's own": (
        GEMINI,
        saying(OtherMessage(content="Hello")),
        "OtherMessage cannot be sent; use system",
    ),
    "a block of no known type": (
        LLAMA,
        saying(HumanMessage([{"type": "hologram"}])),
        "type 'hologram' cannot be sent; give text, images",
    ),
    "sound for Claude": (CLAUDE, saying(HumanMessage([SOUND])), "holds audio, and 'databricks-claude.*; leave it out"),
    "film for GPT": (GPT, saying(HumanMessage([FILM])), "holds a video, and 'databricks-gpt-5-2' .*; leave it out"),
    "a picture for Llama": (LLAMA, saying(HumanMessage([PICTURE])), "holds an image, and 'databricks-meta.*; leave"),
    "a document for Llama": (LLAMA, saying(HumanMessage([DOCUMENT])), "holds a PDF document, and .*; leave it out"),
    "arguments of a call that are no JSON": (
        CLAUDE,
        saying(
            AIMessage("", tool_calls=[{"name": "f", "args": {"a": object()}, "id": "1"}]),
            ToolMessage("2", tool_call_id="1"),
        ),
        "the arguments of tool call '1' are no JSON",
    ),
    "a result of a call that nobody made": (
        GPT,
        saying(HumanMessage("Hello"), ToolMessage("2", tool_call_id="1")),
        "answers call '1', which no earlier message makes; keep",
    ),
    "an answer that is a list": (
        CLAUDE,
        answering_in(RootModel[list[int]]),
        "an answer is always an object; put it into a field",
    ),
    "an answer that is a list, by its schema": (
        GPT,
        answering_in({"title": "Numbers", "type": "array", "items": {}}),
        "'Numbers' is of type 'array', and an answer is always an object; put it into a field",
    ),
    "an answer of no schema": (GEMINI, answering_in(7), "a int is no form for an answer .*; give a pydantic class"),
    "an answer with a default that is no JSON": (
        LLAMA,
        answering_in({"title": "House", "type": "object", "properties": {"a": {"default": {1}}}}),
        r"the .* 'House'.*is set, which JSON cannot hold; give plain lists",
    ),
    "a response format of no api": (
        GPT,
        lambda llm: llm.invoke("Hello", response_format={"type": "xml"}),
        "a dict is no form for an answer .*; give a pydantic class",
    ),
    "an unknown method": (
        CLAUDE,
        answering_in({"title": "House", "type": "object", "properties": {}}, method="yaml"),
        "method is 'yaml'; give 'json_schema'",
    ),
    "a stop that is a number": (CLAUDE, lambda llm: llm.invoke("Hello", stop=5), "the setting 'stop' does not fit"),
    "an unknown option": (GPT, lambda llm: llm.invoke("Hello", max_tokns=5), "did you mean 'max_tokens'"),
    "an unknown option that is nearly one of tools": (
        GPT,
        lambda llm: llm.invoke("Hello", tool_choise="any"),
        "did you mean 'tool_choice'",
    ),
    "an unknown argument of bind_tools": (CLAUDE, with_tools(sorted, stict=True), "did you mean 'strict'"),
    "an unknown argument of with_structured_output": (
        CLAUDE,
        answering_in({"title": "House", "type": "object", "properties": {}}, methd="json_mode"),
        "did you mean 'method'",
    ),
    "a place that changes per call": (
        GPT,
        lambda llm: llm.invoke("Hello", endpoint_url="https://w.example.com/x"),
        "endpoint_url cannot change per call; .* make another",
    ),
    "no messages": (GEMINI, saying(), "the conversation is empty; give at least one message"),
}


@pytest.mark.parametrize("way", ["invoke", "stream"])
@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_sent_is_named_with_its_remedy_and_nothing_is_sent(make_llm, workspace, case, way):
    model, ask, told = CASES[case]
    llm = make_llm(model, streaming=way == "stream")

    with pytest.raises(ModelInvalidRequestError, match=told) as caught:
        ask(llm)

    assert isinstance(caught.value, InvalidRequestError | ConfigurationError)
    assert caught.value.is_retryable is False
    assert workspace.ledger.entries() == []


def test_contradictory_settings_name_both_and_the_remedy():
    with pytest.raises(
        ConfigurationError, match=r"endpoint_url and surface='ai-gateway' both say where requests go; give one of them"
    ):
        ChatDbxGateway(
            model="m", endpoint_url="https://w.example.com/serving-endpoints/m/invocations", surface="ai-gateway"
        )


def test_what_is_assigned_later_is_checked_at_once_and_holds_from_then_on(make_llm, workspace):
    llm = make_llm()

    with pytest.raises(ConfigurationError, match="the setting 'temperature' does not fit"):
        llm.temperature = "warm"
    llm.stop = "said"

    assert (llm.temperature, llm.stop) == (None, ("said",))
    assert llm.invoke("Hello").text.strip() == "You"


def test_a_token_that_is_assigned_later_is_shown_nowhere():
    llm = ChatDbxGateway(model="m")
    llm.token = "dapi-very-secret"

    assert "dapi-very-secret" not in f"{llm!r} {llm.__dict__} {llm.model_dump()}"


def test_a_stop_of_one_text_is_one_stop(make_llm):
    assert make_llm().invoke("dare to stop", stop="to").text.strip() == "You said: dare"


def test_what_the_caller_gives_is_never_changed(make_llm):
    tool = {"name": "house", "description": "A house.", "input_schema": {"type": "object", "properties": {"a": {}}}}
    choice = {"type": "tool", "name": "house", "disable_parallel_tool_use": True}
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}}
    body = {"metadata": {"user_id": "1"}}
    given = (tool, choice, schema, body)
    before = copy.deepcopy(given)

    for model in (CLAUDE, GPT, GEMINI, LLAMA):
        llm = make_llm(model)
        llm.bind_tools([tool], tool_choice=choice, strict=True).invoke("Hello")
        llm.with_structured_output(schema, strict=True).invoke("Hello")
        llm.with_structured_output(schema, method="function_calling", tools=[tool]).invoke("Hello")
    make_llm(CLAUDE, extra_body=body).invoke("Hello", extra_body=body)

    assert given == before


KEYS = (
    *("text", "reasoning", "refusal", "base64", "url", "file_id", "data", "source_type", "source", "mime_type", "id"),
    *("extras", "value", "annotations", "summary", "args", "name", "input", "image_url", "file", "content", "index"),
    *("native", "api", "payload", "tail", "kind", "opaque", "cache_control"),
)
KINDS = (
    *("text", "reasoning", "refusal", "image", "audio", "video", "file", "text-plain", "tool_call", "non_standard"),
    *("image_url", "input_image", "input_audio", "document", "search_result", "thinking", "tool_use", "tool_result"),
    *("function_call", "function_call_output", "server_tool_call", "media", "hologram"),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "a", "messages", "https://x.example/y"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=5,
)
blocks = st.builds(
    lambda kind, said: {"type": kind} | said,
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(KEYS), values, max_size=4),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(block=blocks, by_tool=st.booleans())
def test_a_block_of_any_content_is_read_or_refused_and_stays_as_it_is(block, by_tool):
    message = ToolMessage([block], tool_call_id="1") if by_tool else HumanMessage([block])
    before = copy.deepcopy(message)

    try:
        read = to_core([message])
    except DbxGatewayError as error:
        read = error

    assert isinstance(read, tuple | InvalidRequestError)
    assert message == before
