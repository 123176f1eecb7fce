"""What is refused before anything is sent, in words that say what to change, with nothing of the caller's changed."""

from __future__ import annotations

import asyncio
import copy
import math

import pytest
from end_to_end.site import ADD, CLAUDE, GPT, LLAMA

from dbx_gateway import (
    AsyncClient,
    Blob,
    Client,
    ConfigurationError,
    DbxGatewayError,
    Image,
    InvalidRequestError,
    Message,
    OutputFormat,
    Text,
    ToolCall,
    ToolChoice,
    ToolSpec,
    assistant,
    tool_result,
    user,
)

WAYS = pytest.mark.parametrize("way", ["sync", "async", "sync stream", "async stream"])


async def ask(way: str, fields, messages, options):
    """Make a client and ask it, in one of the four ways."""
    if way == "sync":
        return await asyncio.to_thread(lambda: Client(**fields).chat(messages, **options))
    if way == "sync stream":
        return await asyncio.to_thread(lambda: list(Client(**fields).stream(messages, **options)))
    if way == "async":
        return await AsyncClient(**fields).chat(messages, **options)
    return [event async for event in AsyncClient(**fields).stream(messages, **options)]


def picture(**blob) -> Message:
    return Message(role="user", parts=(Text("What is this?"), Image(blob=Blob(**blob))))


CALL = ToolCall(call_id="call-1", name="add", arguments='{"a": 1, "b": 2}')
NOT_A_NUMBER = {"type": "object", "properties": {"a": {"type": "number", "maximum": math.nan}}}

BAD_SETTINGS = {
    "unknown surface": ({"surface": "ai_gateway"}, "ai-gateway"),
    "unknown api": ({"api": "chat"}, "chat-completions"),
    "unknown family": ({"family": "claud"}, "claude"),
    "unknown quirk": ({"disabled_quirks": "max-token-name"}, "max-tokens-name"),
    "unknown setting": ({"temprature": 0}, "temperature"),
    "setting given twice": ({"model_name": GPT}, "given twice"),
    "host with a path": ({"host": "https://workspace.example.com/some/path"}, "has a path"),
    "plain http": ({"host": "http://workspace.example.com"}, "https://workspace.example.com"),
    "host without a name": ({"host": "https://"}, "no name"),
    "host with a password": ({"host": "https://me:secret@workspace.example.com"}, "token="),
    "endpoint_url without a path": ({"endpoint_url": "https://workspace.example.com"}, "whole URL"),
    "negative timeout": ({"timeout": -1.0}, "positive number"),
    "negative retries": ({"max_retries": -1}, "max_retries"),
    "thinking of no form": ({"thinking": "perhaps"}, "'auto'"),
    "a header of ours": ({"default_headers": {"Authorization": "Bearer x"}}, "Authorization"),
    "a token with blanks": ({"token": "Bearer dapi-x"}, "token"),
    "a profile and a token": ({"config_profile": "DEFAULT"}, "config_profile= .*|token="),
}


@pytest.mark.parametrize(("fields", "says"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_settings_that_do_not_fit_are_refused_by_the_constructor(site, kind, fields, says):
    given = {**site.fields(), **fields}
    before = copy.deepcopy(given)
    with pytest.raises(ConfigurationError, match=says) as caught:
        kind(**given)
    assert isinstance(caught.value, ValueError)
    assert "secret" not in str(caught.value)
    assert given == before
    assert site.asked() == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"surface": "gateway"}, "ai-gateway"),
        ({"api": "response"}, "responses"),
        ({"family": "gemeni"}, "gemini"),
        ({"temprature": 0}, "temperature"),
        ({"token": "dapi-y"}, "token"),
        ({"disabled_quirks": ["nothing-of-the-kind"]}, "nothing-of-the-kind"),
    ],
)
@WAYS
async def test_options_of_a_call_that_do_not_fit_are_refused(site, way, options, says):
    before = copy.deepcopy(options)
    with pytest.raises(ConfigurationError, match=says):
        await ask(way, site.fields(), "Hello", options)
    assert options == before
    assert site.asked() == []


BAD_REQUESTS = {
    "no model": ({"model": ""}, "Hello", {}, "model name is empty"),
    "a blank model": ({"model": "  "}, "Hello", {}, "model name is empty"),
    "no messages": ({}, [], {}, "at least one message"),
    "messages without content": ({}, [Message(role="user")], {}, "content"),
    "a last turn that Claude does not continue": (
        {"model": "databricks-claude-opus-4-6"},
        [user("Hi"), assistant("I")],
        {},
        "end with a user message",
    ),
    "a tool result without its call": (
        {},
        [user("Add"), tool_result(CALL, "3")],
        {"tools": [ADD]},
        "call 'call-1', which no earlier message makes",
    ),
    "tool calls without results": (
        {},
        [user("Add"), Message(role="assistant", parts=(CALL,))],
        {"tools": [ADD]},
        "add the tools' results",
    ),
    "two tools of one name": ({}, "Add", {"tools": [ADD, ADD]}, "two tools are called 'add'"),
    "a tool without a name": ({}, "Add", {"tools": [ToolSpec(name=" ")]}, "no name"),
    "a choice of no tool": ({}, "Add", {"tools": [ADD], "tool_choice": ToolChoice("required", ("sub",))}, "'sub'"),
    "a call required without tools": ({}, "Add", {"tool_choice": ToolChoice("required")}, "no tools"),
    "an image that is no image": ({}, [picture(data="SGVsbG8sIHdvcmxkIQ==")], {}, "no picture"),
    "an image that is no base64": ({}, [picture(data="<svg/>")], {}, "base64"),
    "an image that is an archive": ({}, [picture(data="UEsDBA==", mime="application/zip")], {}, "file part"),
    "an image without data": ({}, [picture(mime="image/png")], {}, "exactly one"),
    "NaN in a tool's schema": ({}, "Add", {"tools": [ToolSpec(name="t", parameters=NOT_A_NUMBER)]}, "'t'"),
    "NaN in the answer's schema": (
        {},
        "Add",
        {"output": OutputFormat(kind="json_schema", schema=NOT_A_NUMBER)},
        "schema of the answer",
    ),
    "a schema that was forgotten": ({}, "Add", {"output": OutputFormat(kind="json_schema")}, "no schema"),
    "NaN as temperature": ({}, "Hello", {"temperature": math.nan}, "temperature is nan"),
    "infinite top_p": ({}, "Hello", {"top_p": math.inf}, "top_p is inf"),
    "no tokens": ({}, "Hello", {"max_tokens": 0}, "max_tokens"),
}


@pytest.mark.parametrize(("fields", "messages", "options", "says"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
@WAYS
async def test_requests_that_no_server_takes_are_refused(site, way, fields, messages, options, says):
    before = copy.deepcopy((messages, options))
    with pytest.raises(DbxGatewayError, match=says) as caught:
        await ask(way, site.fields(**{"model": CLAUDE, **fields}), messages, options)
    assert isinstance(caught.value, InvalidRequestError)
    assert repr((messages, options)) == repr(before)
    assert site.asked() == []


@WAYS
async def test_a_token_without_a_host_is_refused(way):
    with pytest.raises(ConfigurationError, match="host=") as caught:
        await ask(way, {"model": CLAUDE, "token": "dapi-x"}, "Hello", {})
    assert "dapi-x" not in str(caught.value)


@WAYS
async def test_an_endpoint_url_at_another_origin_without_its_own_token_is_refused(site, monkeypatch, way):
    monkeypatch.setenv("DATABRICKS_HOST", "https://workspace.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-the-workspace")
    fields = {"model": LLAMA, "endpoint_url": f"{site.url}/serving-endpoints/{LLAMA}/invocations"}
    with pytest.raises(ConfigurationError, match=r"give token= for that host|token=") as caught:
        await ask(way, fields, "Hello", {})
    assert "dapi-of-the-workspace" not in str(caught.value)
    assert site.asked() == []


@pytest.mark.parametrize("model", [GPT, LLAMA])
@WAYS
async def test_too_many_tools_for_model_serving_are_refused_with_the_off_switch(site, way, model):
    tools = [ToolSpec(name=f"tool_{number}") for number in range(33)]
    fields = site.fields(model, surface="model-serving")
    with pytest.raises(InvalidRequestError, match=r"32.*tools-cap-32|tools-cap-32.*32"):
        await ask(way, fields, "Hello [no tools]", {"tools": tools})
    assert site.asked() == []
    await ask(way, {**fields, "surface": "ai-gateway"}, "Hello [no tools]", {"tools": tools})
    assert site.statuses() == [200]


@pytest.mark.parametrize("model", [CLAUDE, GPT, "databricks-gemini-3-pro", LLAMA])
@WAYS
async def test_a_tool_name_that_no_wire_carries_is_mapped_and_mapped_back(site, way, model):
    names = ["weather for a city: größe?", "a.b.c", "x" * 80]
    tools = [ToolSpec(name=name, description="Tells.", parameters=ADD.parameters) for name in names]
    before = copy.deepcopy(tools)
    client = Client(**site.fields(model, surface="ai-gateway"))
    for name in names:
        options = {"tools": tools, "tool_choice": ToolChoice("required", (name,))}
        answer = await ask(way, site.fields(model, surface="ai-gateway"), "Tell me", options)
        calls = answer.tool_calls if "stream" not in way else folded(answer).tool_calls
        assert [call.name for call in calls] == [name]
        history = [user("Tell me"), Message(role="assistant", parts=tuple(calls)), tool_result(calls[0], "sunny")]
        assert client.chat(history, tools=tools).text == "The tools answered: sunny"
    assert tools == before
    for entry in site.posts():
        assert "größe" not in str(entry.body)
    assert set(site.statuses()) == {200}


@WAYS
async def test_nothing_of_the_callers_is_changed_by_a_call_that_succeeds(site, way):
    messages = [user("Add 2 and 3")]
    extra = {"logprobs": True, "top_logprobs": 2}
    options = {"tools": [ADD], "tool_choice": ToolChoice("auto"), "max_tokens": 50}
    fields = site.fields(LLAMA, surface="ai-gateway", extra_body=extra, stop=["END"], default_headers={"x-team": "a"})
    before = copy.deepcopy((messages, options, fields))
    await ask(way, fields, messages, options)
    assert (messages, options, fields) == before


def folded(events):
    from dbx_gateway import fold

    return fold(events)
