"""Tool calls that servers write oddly: without arguments in several ways, without a name, with what JSON cannot hold."""

import asyncio
import json

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from support.llama_index_families import AGENT_WARNINGS
from support.odd_answers import APIS, MODELS, answering, call_events, call_whole

from dbx_gateway import Client
from dbx_gateway.chat import Finish, ToolCall, is_executable
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.errors import ExtractionError
from dbx_gateway.events import ToolCallDelta, ToolCallStart, fold
from dbx_gateway.testing import Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway
from llama_index_dbx_gateway import DbxGateway

each_api = pytest.mark.parametrize("api", APIS)


def decoded(api, name, pieces):
    """The answer to a streamed call, and the deltas of its arguments."""
    decoder = DIALECTS[api].decoder("m")
    events = []
    for event in call_events(api, name, pieces):
        events += decoder.sentinel() if event == "[DONE]" else decoder.feed(event)
    events += decoder.close()
    return fold(events), events


def connected(cls, api, whole, events):
    """A front end whose server answers with ``whole`` and ``events``."""
    transport = httpx.MockTransport(answering(whole, events))
    clients = {"http_client": httpx.Client(transport=transport)}
    if cls is not Client:
        clients["http_async_client"] = httpx.AsyncClient(transport=transport)
    return cls(
        model=MODELS[api], host="https://ws.example.com", token="t", surface="ai-gateway", max_retries=0, **clients
    )


def langchains(model):
    """The message of each way to ask LangChain."""
    yield model.invoke("q")
    streamed = None
    for chunk in model.stream("q"):
        streamed = chunk if streamed is None else streamed + chunk
    yield streamed
    yield asyncio.run(model.ainvoke("q"))
    yield model.stream_events("q", version="v3").output


@each_api
@pytest.mark.parametrize("arguments", [None, "", "  ", "null", '"null"', " null\n", '""', {}])
def test_nothing_in_any_spelling_is_no_arguments_in_a_whole_answer(api, arguments):
    answer = DIALECTS[api].decode(call_whole(api, "now", arguments), "m")
    (call,) = answer.executable_tool_calls
    assert (call.arguments, call.parsed()) == ("{}", {})


@each_api
@pytest.mark.parametrize(
    "pieces", [[], [""], ["null"], ["n", "ul", "l"], ['"', "null", '"'], [" ", "\n"], [" nu", "ll "]]
)
def test_nothing_in_any_spelling_is_no_arguments_in_a_stream(api, pieces):
    answer, events = decoded(api, "now", pieces)
    (call,) = answer.executable_tool_calls
    assert call.arguments == "{}"
    assert [event.arguments for event in events if isinstance(event, ToolCallDelta)] == ["{}"]


@pytest.mark.parametrize("pieces", [["nul"], ['"nu'], ["null", "able"], ["nul", '{"a":1}']])
@pytest.mark.parametrize("api", ["chat-completions", "responses", "messages"])
def test_what_only_begins_like_nothing_is_kept_and_not_executable(api, pieces):
    answer, events = decoded(api, "now", pieces)
    assert answer.tool_calls[0].arguments == "".join(pieces)
    assert "".join(event.arguments for event in events if isinstance(event, ToolCallDelta)) == "".join(pieces)
    assert answer.executable_tool_calls == ()


@each_api
@pytest.mark.parametrize("name", [None, "", " \n", 7])
def test_a_call_without_a_name_is_there_and_not_executable(api, name):
    whole = DIALECTS[api].decode(call_whole(api, name, '{"a":1}'), "m")
    streamed, events = decoded(api, name, ['{"a"', ":1}"])
    assert not any(isinstance(event, ToolCallStart | ToolCallDelta) for event in events)
    for answer in (whole, streamed):
        (call,) = answer.tool_calls
        assert (call.call_id, call.name, call.arguments) == ("c1", "", '{"a":1}')
        assert answer.executable_tool_calls == ()


@each_api
@pytest.mark.parametrize(
    "arguments", ["1e999", "-1E+400", "9" * 400 + ".0", "NaN", "Infinity", "1" + "0" * 250 + "e99"]
)
def test_a_number_that_nothing_can_hold_makes_a_call_invalid(api, arguments):
    text = f'{{"a": {{"b": [1, {arguments}]}}}}'
    answer, _ = decoded(api, "f", [text])
    assert (answer.tool_calls[0].arguments, answer.executable_tool_calls) == (text, ())


@pytest.mark.parametrize("number", ["1e99", "1e-999", "9" * 200, '"1e999"', "1.5e+0099", "9" * 1000])
def test_a_number_that_can_be_held_is_taken(number):
    call = ToolCall(call_id="c", name="f", arguments=f'{{"a": {number}}}')
    assert is_executable(call, Finish(reason="tool_calls"))


@pytest.mark.parametrize("arguments", ["[1]", "5", "true", '"x"'])
@pytest.mark.parametrize("api", ["chat-completions", "responses", "generate-content"])
def test_arguments_of_another_type_are_kept_and_not_executable(api, arguments):
    answer = DIALECTS[api].decode(call_whole(api, "f", json.loads(arguments)), "m")
    assert answer.tool_calls[0].arguments == arguments.strip('"')
    assert answer.executable_tool_calls == ()


@each_api
@pytest.mark.parametrize(("name", "arguments"), [(None, '{"a":1}'), (" ", "{}"), ("f", '{"a":1e999}'), ("f", "[1]")])
def test_a_call_that_must_not_run_is_invalid_in_langchain_however_it_is_asked(api, name, arguments):
    model = connected(ChatDbxGateway, api, call_whole(api, name, arguments), call_events(api, name, [arguments]))
    for message in langchains(model):
        assert message.tool_calls == []
        (invalid,) = message.invalid_tool_calls
        assert (invalid["id"], invalid["name"] or "") == ("c1", (name or "").strip())
        assert invalid["args"].startswith(arguments)


@each_api
@pytest.mark.parametrize("arguments", ["[1]", "x", '{"a":1}}', "5"])
def test_arguments_that_are_no_object_keep_their_text_in_streams_too(api, arguments):
    model = connected(ChatDbxGateway, api, call_whole(api, "f", arguments), call_events(api, "f", [arguments]))
    for message in langchains(model):
        assert [(call["name"], call["args"]) for call in message.invalid_tool_calls] == [("f", arguments)]
        assert message.tool_calls == []


@pytest.mark.parametrize("asks", [Client, ChatDbxGateway, DbxGateway])
@pytest.mark.parametrize("stream", [False, True])
def test_a_full_context_window_is_named_and_a_larger_max_tokens_is_not_advised(asks, stream, caplog):
    whole = call_whole("messages", "f", {}) | {"stop_reason": "model_context_window_exceeded"}
    events = call_events("messages", "f", ['{"a": "b'])
    events[-2] = {"type": "message_delta", "delta": {"stop_reason": "model_context_window_exceeded"}}
    model = connected(asks, "messages", whole, events)
    if asks is Client:
        answer = fold(model.stream("q")) if stream else model.chat("q")
        assert (answer.finish.reason, answer.finish.window_is_full, answer.executable_tool_calls) == (
            "length",
            True,
            (),
        )
    elif asks is ChatDbxGateway:
        message = [*model.stream("q")][-1] if stream else model.invoke("q")
        assert message.response_metadata["finish_reason"] == "length"
        assert "max_tokens" not in str(message)
    else:
        [*model.stream_chat([ChatMessage("q")])] if stream else model.chat([ChatMessage("q")])
    assert "its context window is full" in caplog.text
    assert "max_tokens" not in caplog.text


@each_api
def test_a_call_that_begins_with_null_in_pieces_runs_in_every_front_end(api):
    whole, events = call_whole(api, "now", "null"), call_events(api, "now", ["nu", "ll"])
    for message in langchains(connected(ChatDbxGateway, api, whole, events)):
        assert [call["args"] for call in message.tool_calls] == [{}]
    llm = connected(DbxGateway, api, whole, events)
    for response in (llm.chat([ChatMessage("q")]), [*llm.stream_chat([ChatMessage("q")])][-1]):
        assert [call.tool_kwargs for call in llm.get_tool_calls_from_response(response)] == [{}]


@each_api
@pytest.mark.parametrize(("name", "arguments"), [(None, '{"a":1}'), ("f", "[1]"), ("f", '{"a":1e999}')])
def test_a_call_that_must_not_run_is_an_error_in_llama_index_once_the_answer_has_ended(api, name, arguments):
    llm = connected(DbxGateway, api, call_whole(api, name, arguments), call_events(api, name, [arguments]))
    *growing, last = llm.stream_chat([ChatMessage("q")])
    for response in growing:
        assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
    for response in (llm.chat([ChatMessage("q")]), last):
        assert len(response.message.blocks) == 1
        with pytest.raises(ExtractionError, match="1 of 1 tool calls"):
            llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)


@AGENT_WARNINGS
@pytest.mark.parametrize("streaming", [False, True])
def test_no_agent_of_llama_index_ends_with_nothing_because_a_call_was_lost(streaming):
    def now() -> str:
        """Tell the time."""
        return "noon"

    whole = call_whole("chat-completions", "now", '{"a')
    whole["choices"][0]["finish_reason"] = "length"
    events = call_events("chat-completions", "now", ['{"a'])
    events[-2]["choices"][0]["finish_reason"] = "length"
    llm = connected(DbxGateway, "chat-completions", whole, events)
    agent = FunctionAgent(llm=llm, tools=[FunctionTool.from_defaults(now)], streaming=streaming)

    async def ask():
        return await agent.run("What time is it?")

    with pytest.raises(ExtractionError, match="must not be run"):
        asyncio.run(ask())


@pytest.mark.parametrize("surface", ["model-serving", "ai-gateway"])
@pytest.mark.parametrize("family", ["qwen3-next-80b-a3b-instruct", "meta-llama-3-3-70b-instruct", "gpt-oss-120b"])
def test_an_invalid_call_goes_back_to_open_models_as_an_object(family, surface):
    workspace = Workspace()
    model = ChatDbxGateway(
        model=f"databricks-{family}",
        host="https://ws.example.com",
        token=workspace.token,
        surface=surface,
        http_client=httpx.Client(transport=workspace_transport(workspace)),
    )
    broken = {"name": "w", "args": '{"city": "Pa', "id": "c1", "error": "cut", "type": "invalid_tool_call"}
    unnamed = broken | {"name": "", "id": "c2", "args": "{}"}
    history = [
        HumanMessage("q"),
        AIMessage("", invalid_tool_calls=[broken, unnamed]),
        ToolMessage("not valid JSON", tool_call_id="c1", status="error"),
        ToolMessage("no such tool", tool_call_id="c2", status="error"),
        HumanMessage("again"),
    ]
    assert model.invoke(history).text == "You said: again"
