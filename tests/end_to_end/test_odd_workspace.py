"""A workspace that writes its answers oddly, through every front end, whole and streamed."""

import asyncio
import contextlib

import httpx
import pytest
from langchain_core.messages import HumanMessage
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from support.odd_answers import APIS, MODELS

from dbx_gateway import AsyncClient, Client, ToolSpec
from dbx_gateway.errors import BadRequestError, DbxGatewayError, ExtractionError, ServerError
from dbx_gateway.events import fold
from dbx_gateway.testing import CONSIDER_RETRYING, ODD_ANSWERS, Fault, Workspace, workspace_transport
from langchain_dbx_gateway import ChatDbxGateway
from llama_index_dbx_gateway import DbxGateway

ADD = ToolSpec(
    name="add",
    parameters={"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
)
TOOL = {"name": "add", "description": "", "parameters": ADD.parameters}
each_api = pytest.mark.parametrize("api", APIS)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def odd(asks, api, fault, times=None, **fields):
    """A client or an adapter's object whose workspace answers oddly."""
    workspace = Workspace(without=["gemini-list-content", "reasoning-list-content"])
    workspace.inject(fault, times=times, where=MODELS[api] if api == "generate-content" else "")
    transport = workspace_transport(workspace)
    settings = {"max_retries": 0} | fields
    model = asks(
        model=MODELS[api],
        host="https://ws.example.com",
        token=workspace.token,
        surface="ai-gateway",
        http_client=httpx.Client(transport=transport),
        http_async_client=httpx.AsyncClient(transport=transport),
        **settings,
    )
    return model, workspace


def asked(client, stream, words, **options):
    return fold(client.stream(words, **options)) if stream else client.chat(words, **options)


def sent(workspace):
    return len(workspace.ledger.model_calls())


@both
@each_api
def test_a_call_that_names_no_tool_is_there_and_never_run(api, stream):
    client, _ = odd(Client, api, Fault(odd="nameless-call"))
    answer = asked(client, stream, "add 7", tools=[ADD])
    (call,) = answer.tool_calls
    assert (call.name, call.parsed(), answer.executable_tool_calls) == ("", {"x": 7}, ())
    model, _ = odd(ChatDbxGateway, api, Fault(odd="nameless-call"))
    bound = model.bind_tools([TOOL])
    chunks = [*bound.stream("add 7")]
    message = sum(chunks[1:], chunks[0]) if stream else bound.invoke("add 7")
    assert message.tool_calls == []
    assert [call["name"] or "" for call in message.invalid_tool_calls] == [""]


@both
@each_api
def test_a_number_that_nothing_can_hold_makes_the_call_invalid(api, stream):
    client, _ = odd(Client, api, Fault(odd="infinite-number"))
    answer = asked(client, stream, "add 7", tools=[ADD])
    (call,) = answer.tool_calls
    assert call.name == "add"
    assert call.arguments.replace(" ", "") in ('{"x":1e999}', '{"x":Infinity}')  # as text, and read from a number
    assert answer.executable_tool_calls == ()


@each_api
@pytest.mark.parametrize("kind", ["nameless-call", "infinite-number"])
def test_no_call_is_lost_in_llama_index(api, kind):
    def add(x: int) -> int:
        """Adds."""
        return x

    llm, _ = odd(DbxGateway, api, Fault(odd=kind))
    tools = [FunctionTool.from_defaults(add)]
    for response in (
        llm.chat_with_tools(tools, user_msg="add 7"),
        [*llm.stream_chat_with_tools(tools, user_msg="add 7")][-1],
    ):
        with pytest.raises(ExtractionError, match="1 of 1 tool calls"):
            llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)


@each_api
@pytest.mark.parametrize(
    ("kind", "stream", "text"),
    [
        ("content-as-object", False, "You said: hi"),
        ("content-as-object", True, "You said: hi"),
        ("content-as-number", False, "42"),  # in streams the pieces are numbers, or the last event contradicts them
    ],
)
def test_content_of_another_type_is_read(api, kind, stream, text):
    ways = [
        lambda: asked(odd(Client, api, Fault(odd=kind))[0], stream, "hi").text,
        lambda: asyncio.run(of_loop(odd(AsyncClient, api, Fault(odd=kind))[0], stream)),
        lambda: of_langchain(odd(ChatDbxGateway, api, Fault(odd=kind))[0], stream),
        lambda: of_llama_index(odd(DbxGateway, api, Fault(odd=kind))[0], stream),
    ]
    assert [way() for way in ways] == [text] * 4


async def of_loop(client, stream):
    if not stream:
        return (await client.chat("hi")).text
    return fold([event async for event in client.stream("hi")]).text


def of_langchain(model, stream):
    asked = [HumanMessage("hi")]
    return "".join(chunk.text for chunk in model.stream(asked)) if stream else model.invoke(asked).text


def of_llama_index(llm, stream):
    asked = [ChatMessage("hi")]
    answer = [*llm.stream_chat(asked)][-1] if stream else llm.chat(asked)
    return answer.message.content


@both
@each_api
@pytest.mark.parametrize("kind", ["counts-as-floats", "counts-as-text"])
def test_counts_are_counted_however_they_are_written(api, kind, stream):
    plain = asked(odd(Client, api, Fault(slow=0.0))[0], stream, "hi").usage
    assert asked(odd(Client, api, Fault(odd=kind))[0], stream, "hi").usage == plain
    assert plain.output > 0


def test_a_completed_answer_without_output_is_what_was_streamed():
    client, _ = odd(Client, "responses", Fault(odd="no-output"))
    assert asked(client, True, "hi").text == "You said: hi"
    assert asked(client, False, "hi").text == ""


@both
def test_a_cancelled_answer_is_an_error_with_what_had_arrived(stream):
    client, _ = odd(Client, "responses", Fault(odd="cancelled"))
    with pytest.raises(ServerError, match="was cancelled") as caught:
        asked(client, stream, "hi")
    assert (caught.value.partial.text if stream else "You said: hi") == "You said: hi"


@both
def test_geminis_malformed_call_is_asked_for_again_and_then_an_error(stream, monkeypatch):
    monkeypatch.setattr("dbx_gateway.call.retries._FIRST_PAUSE", 0.0)
    client, workspace = odd(Client, "generate-content", Fault(odd="malformed-call"), times=1, max_retries=1)
    (call,) = asked(client, stream, "add 7", tools=[ADD]).executable_tool_calls
    assert (call.parsed(), sent(workspace)) == ({"x": 7}, 2)
    client, workspace = odd(Client, "generate-content", Fault(odd="malformed-call"), max_retries=1)
    with pytest.raises(ServerError, match="Malformed function call"):
        asked(client, stream, "add 7", tools=[ADD])
    assert sent(workspace) == 2


@both
def test_a_400_that_says_to_consider_retrying_is_asked_for_again(stream, monkeypatch):
    monkeypatch.setattr("dbx_gateway.call.retries._FIRST_PAUSE", 0.0)
    client, workspace = odd(Client, "chat-completions", CONSIDER_RETRYING, times=1, max_retries=1)
    assert asked(client, stream, "hi").text == "You said: hi"
    client, workspace = odd(Client, "chat-completions", CONSIDER_RETRYING, max_retries=1)
    with pytest.raises(BadRequestError, match="consider retrying"):
        asked(client, stream, "hi")
    assert [entry.status for entry in workspace.ledger.entries() if entry.method == "POST"] == [400, 400]


@both
@pytest.mark.parametrize("kind", ODD_ANSWERS)
def test_every_kind_changes_an_answer_of_some_api(kind, stream):
    plain, oddly = (
        [raw(odd(Client, api, fault)[1], api, stream) for api in APIS] for fault in (Fault(slow=0.0), Fault(odd=kind))
    )
    assert plain != oddly


def raw(workspace, api, stream):
    """The bytes of an answer that calls a tool, and of one that does not."""
    received = []

    def keep(request):
        response = workspace_transport(workspace).handle_request(request)
        response.read()
        received.append(response.content)
        return response

    client = Client(
        model=MODELS[api],
        host="https://ws.example.com",
        token=workspace.token,
        surface="ai-gateway",
        max_retries=0,
        http_client=httpx.Client(transport=httpx.MockTransport(keep)),
    )
    for words in ("add 7", "[no tools]"):
        with contextlib.suppress(DbxGatewayError):
            asked(client, stream, words, tools=[ADD])
    return received
