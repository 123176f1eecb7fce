"""What fails on the wire: cut streams, errors inside streams, refusals, limits; in all four dialects."""

from __future__ import annotations

import httpx
import pytest
from faults.wires import RESPONSES, WIRES, Frame
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from support.llama_index_families import AGENT_WARNINGS
from support.llama_index_scripts import scripted
from support.pacing import noted_pauses, quick_pacing

from dbx_gateway.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    DbxGatewayError,
    IncompleteStreamError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)

HELLO = [ChatMessage("Hello")]
EACH_WIRE = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.api)


def get_weather(city: str, days: int) -> str:
    """Tells the weather."""
    return f"{city} {days}"


WEATHER = FunctionTool.from_defaults(get_weather)


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch):
    monkeypatch.setattr("dbx_gateway.call.retries._FIRST_PAUSE", 0.001)
    with quick_pacing():
        yield


def refusal(status, message="no", code="BAD_REQUEST", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=headers, json={"error_code": code, "message": message})


async def each_method(llm):
    """The four ways to chat, as coroutines that read to the end."""

    async def chat():
        return llm.chat(HELLO)

    async def stream_chat():
        return list(llm.stream_chat(HELLO))

    async def astream_chat():
        return [response async for response in await llm.astream_chat(HELLO)]

    return {"chat": chat, "stream_chat": stream_chat, "achat": lambda: llm.achat(HELLO), "astream_chat": astream_chat}


METHODS = ("chat", "stream_chat", "achat", "astream_chat")


def handed_out(llm, responses):
    """Every call that may be executed, as the responses come."""
    for response in responses:
        yield from llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)


@EACH_WIRE
def test_a_tool_call_that_is_cut_anywhere_raises_and_is_never_handed_out(wire):
    begun, ended = wire.call_frames()
    frames = [*begun, *ended]
    assert len(frames) > wire.proofs

    for length in range(1, len(frames) - wire.proofs + 1):
        llm, _ = scripted(wire, frames[:length])
        handed = []
        with pytest.raises(IncompleteStreamError):
            handed.extend(handed_out(llm, llm.stream_chat_with_tools([WEATHER], "go")))
        assert handed == []


@AGENT_WARNINGS
@EACH_WIRE
async def test_an_agent_runs_no_tool_of_a_cut_stream(wire):
    ran = []

    def get_weather(city: str, days: int = 1) -> str:
        """Tells the weather."""
        ran.append(city)
        return "sun"

    llm, _ = scripted(wire, wire.call_frames()[0])

    with pytest.raises(IncompleteStreamError):
        await FunctionAgent(llm=llm, tools=[get_weather]).run("go")

    assert ran == []


@EACH_WIRE
def test_a_text_that_is_cut_raises_and_keeps_what_came(wire):
    llm, script = scripted(wire, [*wire.head(), *wire.texts()])
    came = []

    with pytest.raises(IncompleteStreamError) as caught:
        came.extend(llm.stream_chat(HELLO))

    assert "".join(response.delta for response in came) == caught.value.partial.text == "Grüße aus Zürich, 早安 ☕."
    assert len(script.bodies) == 1


@EACH_WIRE
async def test_an_error_inside_a_stream_raises_as_what_it_is(wire):
    frame, status, code = wire.error()
    llm, script = scripted(wire, [*wire.head(), *wire.texts(), frame])

    with pytest.raises(APIError, match="Model is overloaded") as caught:
        list(llm.stream_chat(HELLO))
    with pytest.raises(APIError, match="Model is overloaded"):
        [response async for response in await llm.astream_chat(HELLO)]

    assert (caught.value.status, caught.value.error_code) == (status, code)
    assert caught.value.partial.text == "Grüße aus Zürich, 早安 ☕."
    assert len(script.bodies) == 2


@EACH_WIRE
def test_databricks_own_error_inside_a_stream_raises_as_what_it_is(wire):
    error = Frame({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Too many tokens"})
    llm, _ = scripted(wire, [*wire.head(), *wire.texts(), error])

    with pytest.raises(RateLimitError, match="Too many tokens") as caught:
        list(llm.stream_chat(HELLO))

    assert caught.value.error_code == "REQUEST_LIMIT_EXCEEDED"


def test_an_answer_that_failed_raises():
    failed = RESPONSES.envelope("failed") | {"error": {"code": "server_error", "message": "The backend died"}}
    frames = [*RESPONSES.head(), *RESPONSES.texts(), RESPONSES.event("response.failed", 90, response=failed)]
    llm, _ = scripted(RESPONSES, failed, frames)

    with pytest.raises(APIError, match="The backend died"):
        llm.chat(HELLO)
    with pytest.raises(APIError, match="The backend died"):
        list(llm.stream_chat(HELLO))


@EACH_WIRE
@pytest.mark.parametrize("method", METHODS)
async def test_a_failure_is_asked_again_max_retries_times_and_no_more(wire, method):
    llm, script = scripted(wire, refusal(502, "It broke", "INTERNAL_ERROR"), max_retries=3)

    with pytest.raises(ServerError, match="It broke"):
        await (await each_method(llm))[method]()

    assert len(script.bodies) == 4


@EACH_WIRE
@pytest.mark.parametrize("method", METHODS)
async def test_a_limit_is_asked_again_until_the_time_is_over(wire, method, monkeypatch):
    llm, script = scripted(wire, refusal(429, "Slow down", "REQUEST_LIMIT_EXCEEDED"), max_retries=1, total_timeout=4.5)

    with noted_pauses(monkeypatch), pytest.raises(RateLimitError, match="Slow down"):
        await (await each_method(llm))[method]()

    assert len(script.bodies) == 5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("wait", ["0", "-3", "0.01", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", None])
async def test_a_passing_limit_is_passed_with_whatever_the_server_says_of_waiting(wait, method):
    wire = WIRES[0]
    answer = wire.stream() if "stream" in method else wire.whole()
    headers = {} if wait is None else {"retry_after": wait}
    llm, script = scripted(wire, refusal(429, "Slow down", "REQUEST_LIMIT_EXCEEDED", **headers), answer)

    await (await each_method(llm))[method]()

    assert len(script.bodies) == 2


def test_a_wait_that_is_too_long_is_an_error_that_says_how_long():
    llm, script = scripted(WIRES[0], refusal(429, "Slow down", "REQUEST_LIMIT_EXCEEDED", retry_after="500"))

    with pytest.raises(RateLimitError) as caught:
        llm.chat(HELLO)

    assert caught.value.retry_after == 500
    assert len(script.bodies) == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal(400, "temperature must be lower"), BadRequestError),
        (refusal(400, "prompt is too long: 300000 tokens > 200000 maximum"), ContextOverflowError),
        (refusal(401, "Credential was not sent", "UNAUTHENTICATED"), AuthenticationError),
        (refusal(403, "Not yours", "PERMISSION_DENIED"), PermissionDeniedError),
        (refusal(404, "No such endpoint", "RESOURCE_DOES_NOT_EXIST"), NotFoundError),
        (refusal(500, "Oh", "INTERNAL_ERROR"), ServerError),
    ],
)
@pytest.mark.parametrize("method", METHODS)
async def test_an_error_has_a_type_a_status_and_the_servers_own_code(reply, error, method):
    llm, _ = scripted(WIRES[1], reply, max_retries=0)

    with pytest.raises(error) as caught:
        await (await each_method(llm))[method]()

    assert type(caught.value) is error
    assert caught.value.status == reply.status_code
    assert caught.value.error_code == reply.json()["error_code"]
    assert isinstance(caught.value, DbxGatewayError)


@EACH_WIRE
def test_an_answer_that_is_none_is_a_typed_error(wire):
    llm, _ = scripted(wire, {"hello": "world"})

    with pytest.raises(InvalidResponseError):
        llm.chat(HELLO)
