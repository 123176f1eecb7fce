"""Streams over a real socket: what they add up to, and every way in which they can end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
import time

import pytest
from end_to_end.raw_host import HEAD, chunk, raw_host
from end_to_end.site import ADD, GPT, NATIVE
from support.promises import promise

from dbx_gateway import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AsyncClient,
    Client,
    DbxGatewayError,
    IncompleteStreamError,
    NotFoundError,
    OutputFormat,
    ServerError,
    fold,
)
from dbx_gateway.events import End, PartEnd, Start, TextDelta, ToolCallEnd
from dbx_gateway.transport import sending as transport

APIS = pytest.mark.parametrize("api", NATIVE)
WAYS = pytest.mark.parametrize("way", ["sync", "async"])
STREAMERS = {**NATIVE, "agent responses": "support-agent", "agent chat": "legacy-agent"}

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["city", "population"],
    "additionalProperties": False,
}
CONVERSATIONS = {
    "text": ("Say something about [long 60]", {}),
    "one call": ("Add 2 and 3", {"tools": [ADD]}),
    "parallel calls": ("Add 2 and 3, and both 4 and 5", {"tools": [ADD]}),
    "structured": ("The largest city", {"output": OutputFormat(kind="json_schema", schema=SCHEMA)}),
    "cut by length": ("[long 60]", {"max_tokens": 20}),
    "refusal": ("[refuse] please", {}),
}


async def read(way: str, fields, text: str, **options):
    """Return the events that came and the error that ended them."""
    events = []

    def from_a_thread():
        events.extend(Client(**fields).stream(text, **options))

    try:
        if way == "sync":
            await asyncio.to_thread(from_a_thread)
        else:
            async for event in AsyncClient(**fields).stream(text, **options):
                events.append(event)  # noqa: PERF401  # what has come stays when the stream fails
    except DbxGatewayError as error:
        return events, error
    return events, None


def said(events) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def comparable(answer):
    """What two answers to the same question have in common: all but the ids that each answer has of its own.

    Neighbouring texts count as one: a streamed signature stands on the last piece of a text only.
    """
    usage = answer.usage and (answer.usage.input, answer.usage.output, answer.usage.reasoning)
    calls = [(call.name, call.parsed()) for call in answer.message.tool_calls]
    kinds = [kind for kind, _ in itertools.groupby(type(part).__name__ for part in answer.message.parts)]
    return answer.text, answer.message.reasoning, calls, kinds, answer.finish.reason, answer.finish.raw, usage


# --- a stream and the whole --------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", ["ai-gateway", "model-serving"])
@pytest.mark.parametrize(("text", "options"), CONVERSATIONS.values(), ids=CONVERSATIONS)
@APIS
async def test_a_stream_adds_up_to_the_whole_answer(site, api, surface, text, options):
    fields = site.fields(NATIVE[api], surface=surface)
    whole = Client(**fields).chat(text, **options)
    assert whole.exchange.api == api
    for way in ("sync", "async"):
        events, error = await read(way, fields, text, **options)
        assert error is None
        assert isinstance(events[0], Start)
        assert isinstance(events[-1], End)
        assert comparable(fold(events)) == comparable(whole)
        assert said(events) == whole.text
        assert fold(events).exchange.status == 200


@APIS
@WAYS
async def test_single_deltas_add_up_to_the_same_as_joined_ones(site, api, way):
    fields = site.fields(NATIVE[api], surface="ai-gateway")
    single, _ = await read(way, fields, "[long 60]", coalesce_deltas=False)
    joined, _ = await read(way, fields, "[long 60]")
    assert comparable(fold(single)) == comparable(fold(joined))
    assert sum(isinstance(event, TextDelta) for event in single) >= sum(
        isinstance(event, TextDelta) for event in joined
    )


@APIS
async def test_reasoning_streams_like_the_whole(site, api):
    model = {"chat-completions": "databricks-gpt-oss-120b"}.get(api, NATIVE[api])
    shown = {"thinking": {"type": "adaptive", "display": "summarized"}} if api != "chat-completions" else {}
    fields = site.fields(model, surface="ai-gateway", **(shown or {"reasoning_effort": "high"}))
    if api == "messages":
        fields["thinking"] = True
    whole = Client(**fields).chat("Think hard")
    events, _ = await read("async", fields, "Think hard")
    assert whole.message.reasoning == "The user wants an answer to: Think hard"
    assert comparable(fold(events)) == comparable(whole)


# --- streams that fail -------------------------------------------------------------------------------------------

LONG = "Say something about [long 200]"


@WAYS
@pytest.mark.parametrize("kind", STREAMERS)
async def test_a_stream_cut_in_the_middle_is_incomplete_and_holds_what_had_arrived(site, kind, way):
    fields = site.fields(STREAMERS[kind], surface="model-serving", max_retries=2)
    whole = Client(**fields).chat(LONG).text
    size = sum(len(piece) for piece in wire_of(site, fields, LONG))
    before = len(site.posts())
    site.fail(where="/serving-endpoints/", cut_after=size * 6 // 10)
    events, error = await read(way, fields, LONG)
    assert type(error) is IncompleteStreamError
    assert said(events)
    assert error.partial.text == said(events)
    assert whole.startswith(error.partial.text)
    assert not any(isinstance(event, End) for event in events)
    assert len(site.posts()) == before + 1


@WAYS
@pytest.mark.parametrize("kind", STREAMERS)
async def test_a_stream_that_ends_without_its_closing_events_is_incomplete(site, kind, way):
    fields = site.fields(STREAMERS[kind], surface="model-serving")
    Client(**fields).chat("Hello")  # the endpoint's metadata is known from here on
    site.fail(where="/serving-endpoints/", end_after=6)
    events, error = await read(way, fields, LONG)
    assert type(error) is IncompleteStreamError
    assert error.partial.text == said(events)
    assert not any(isinstance(event, End) for event in events)


@WAYS
@pytest.mark.parametrize("kind", STREAMERS)
async def test_a_stream_that_falls_silent_is_a_timeout_that_holds_what_had_arrived(site, kind, way):
    fields = site.fields(STREAMERS[kind], surface="model-serving", timeout=0.1)
    Client(**fields).chat("Hello", timeout=5.0)
    before = len(site.posts())
    site.fail(where="/serving-endpoints/", stall_after=6, stall=5.0)
    events, error = await read(way, fields, LONG)
    assert type(error) is APITimeoutError
    assert error.partial.text == said(events) != ""
    assert len(site.posts()) == before + 1


@WAYS
@pytest.mark.parametrize("kind", STREAMERS)
async def test_an_error_inside_a_stream_is_raised_with_what_had_arrived(site, kind, way):
    fields = site.fields(STREAMERS[kind], surface="model-serving")
    Client(**fields).chat("Hello")  # the endpoint's metadata is known from here on
    site.fail(where="/serving-endpoints/", error_after=6, error_message="the model stumbled")
    events, error = await read(way, fields, LONG)
    assert isinstance(error, APIError)
    assert "the model stumbled" in str(error)
    assert error.partial.text == said(events)
    assert not any(isinstance(event, End) for event in events)


@APIS
@WAYS
async def test_a_tool_call_cut_in_its_arguments_is_not_executable(site, api, way):
    fields = site.fields(NATIVE[api], surface="ai-gateway")
    text = 'Add 2 and 3 with "a rather long word in quotes"'
    tool = long_tool()
    pieces = wire_of(site, fields, text, tools=[tool])
    for size in range(len(pieces[0]) + 1, sum(map(len, pieces)), 150):
        site.fail(where="/ai-gateway/", cut_after=size)
        events, error = await read(way, fields, text, tools=[tool])
        if error is None:
            continue  # what was cut off came after the end
        assert type(error) is IncompleteStreamError
        ended = [event.call for event in events if isinstance(event, ToolCallEnd)]
        assert tuple(ended) == error.partial.tool_calls[: len(ended)]
        assert error.partial.executable_tool_calls == ()


@APIS
@WAYS
async def test_a_stream_cut_before_its_first_event_is_no_answer_and_not_asked_for_again(site, api, way):
    site.fail(where="/ai-gateway/", cut_after=10)
    events, error = await read(way, site.fields(NATIVE[api], surface="ai-gateway"), LONG)
    assert events == []
    assert isinstance(error, APIConnectionError | IncompleteStreamError)
    assert error.partial is None or error.partial.text == ""
    assert site.statuses() == [200]


@APIS
@WAYS
async def test_a_clean_end_in_the_middle_of_an_event_is_incomplete(site, api, way):
    pieces = wire_of(site, site.fields(NATIVE[api]), LONG)[:8]
    cut = [*pieces[:-1], pieces[-1][: len(pieces[-1]) * 2 // 3]]

    def end(send, left):
        send_all(send, cut)
        send(b"0\r\n\r\n")

    with raw_host(end) as host:
        events, error = await read(way, at(host, api), LONG)
    assert type(error) is IncompleteStreamError
    assert error.partial.text == said(events) != ""


@WAYS
async def test_a_stream_refused_before_it_begins_raises_at_the_first_event(site, way):
    events, error = await read(way, site.fields("databricks-claude-nobody", surface="ai-gateway"), "Hello")
    assert events == []
    assert type(error) is NotFoundError


# --- streams that are complete but go on -------------------------------------------------------------------------

OPEN_ENDED = ["chat-completions", "messages", "generate-content"]


@promise("grace")
@pytest.mark.parametrize("api", OPEN_ENDED)
@WAYS
async def test_a_stream_that_is_complete_but_never_ends_is_closed_after_the_grace(site, monkeypatch, api, way):
    monkeypatch.setattr("dbx_gateway.call.drivers.GRACE", 0.1)
    pieces = [piece for piece in wire_of(site, site.fields(NATIVE[api]), "Hello") if not is_last(piece)]
    with raw_host(lambda send, left: send_all(send, pieces)) as host:
        events, error = await read(way, at(host, api), "Hello")
        assert host.left.wait(5)
    assert error is None
    assert fold(events).text == "You said: Hello"


@promise("grace-once")
@pytest.mark.parametrize("api", OPEN_ENDED)
@WAYS
async def test_the_grace_is_counted_once_however_much_goes_on_after_the_end(site, monkeypatch, api, way):
    monkeypatch.setattr("dbx_gateway.call.drivers.GRACE", 0.15)
    pieces = [piece for piece in wire_of(site, site.fields(NATIVE[api]), "Hello") if not is_last(piece)]

    def chatter(send, left):
        send_all(send, pieces)
        while not left.wait(0.02):
            send(chunk(b": still here\n\n"))

    with raw_host(chatter) as host:
        events, error = await asyncio.wait_for(read(way, at(host, api), "Hello"), 10)
    assert error is None
    assert fold(events).text == "You said: Hello"


@APIS
@WAYS
async def test_a_connection_cut_after_completeness_does_no_harm(site, api, way):
    pieces = [piece for piece in wire_of(site, site.fields(NATIVE[api]), "Hello") if not is_last(piece)]

    def cut(send, left):
        send_all(send, pieces)
        raise OSError

    with raw_host(cut) as host:
        events, error = await read(way, at(host, api), "Hello")
    assert error is None
    assert fold(events).text == "You said: Hello"


@WAYS
async def test_usage_that_comes_after_completeness_is_waited_for(site, way):
    pieces = wire_of(site, site.fields(GPT, api="chat-completions"), "Hello")
    finish = next(number for number, piece in enumerate(pieces) if b'"finish_reason":"stop"' in piece)
    assert b'"usage":{' in b"".join(pieces[finish + 1 :])

    def late(send, left):
        send_all(send, pieces[: finish + 1])
        left.wait(0.05)
        for piece in pieces[finish + 1 :]:
            send(chunk(piece))
        send(b"0\r\n\r\n")

    with raw_host(late) as host:
        events, error = await read(way, at(host, "chat-completions", GPT), "Hello")
    assert error is None
    assert fold(events).usage.output == 3


@WAYS
async def test_an_error_after_completeness_still_raises(site, way):
    pieces = [piece for piece in wire_of(site, site.fields(NATIVE["chat-completions"]), "Hello") if not is_last(piece)]
    late = b'data: {"error_code":"INTERNAL_ERROR","message":"too late"}\n\n'
    with raw_host(lambda send, left: send_all(send, [*pieces, late])) as host:
        events, error = await read(way, at(host, "chat-completions"), "Hello")
    assert type(error) is ServerError
    assert said(events) == "You said: Hello"


@WAYS
async def test_a_response_that_is_complete_is_not_waited_on(site, way):
    """The api's last event ends the reading at once, whatever the host does after it."""
    pieces = wire_of(site, site.fields(NATIVE["responses"]), "Hello")
    with raw_host(lambda send, left: send_all(send, pieces)) as host:
        events, error = await asyncio.wait_for(read(way, at(host, "responses"), "Hello"), 4)
        assert host.left.wait(4)
    assert error is None
    assert fold(events).text == "You said: Hello"


# --- streams that are left ---------------------------------------------------------------------------------------


@APIS
def test_leaving_a_stream_closes_its_connection_at_once(site, api):
    pieces = wire_of(site, site.fields(NATIVE[api]), LONG)[:8]
    with raw_host(lambda send, left: send_all(send, pieces)) as host:
        events = Client(**at(host, api)).stream(LONG)
        assert isinstance(next(events), Start)
        assert not host.left.is_set()
        events.close()
        assert host.left.wait(5)
    assert connections(host.url) == []


@APIS
async def test_leaving_a_stream_on_an_event_loop_closes_its_connection_at_once(site, api):
    pieces = wire_of(site, site.fields(NATIVE[api]), LONG)[:8]
    with raw_host(lambda send, left: send_all(send, pieces)) as host:
        async with contextlib.aclosing(AsyncClient(**at(host, api)).stream(LONG)) as events:
            assert isinstance(await anext(events), Start)
            assert not host.left.is_set()
        assert await asyncio.to_thread(host.left.wait, 5)


async def test_a_cancelled_reader_closes_its_connection_at_once(site):
    pieces = wire_of(site, site.fields(NATIVE["messages"]), LONG)[:8]
    with raw_host(lambda send, left: send_all(send, pieces)) as host:
        begun = asyncio.Event()

        async def read_on():
            async for _ in AsyncClient(**at(host, "messages")).stream(LONG):
                begun.set()

        reading = asyncio.create_task(read_on())
        await begun.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await asyncio.to_thread(host.left.wait, 5)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_call_cancelled_before_its_answer_begins_closes_its_connection_at_once(stream):
    with raw_host(lambda send, left: None) as host:
        client = AsyncClient(**at(host, "messages"))
        asked = anext(client.stream("Hello")) if stream else client.chat("Hello")
        call = asyncio.ensure_future(asked)
        assert await asyncio.to_thread(host.asked.wait, 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(host.left.wait, 5)


async def test_a_timeout_around_a_call_closes_its_connection():
    with raw_host(lambda send, left: None) as host:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await AsyncClient(**at(host, "messages")).chat("Hello")
        assert await asyncio.to_thread(host.left.wait, 5)


@APIS
def test_streams_that_were_read_to_the_end_leave_their_connections_for_the_next(site, api):
    client = site.client(NATIVE[api], surface="ai-gateway")
    for _ in range(5):
        list(client.stream("Hello"))
    assert [connection.info().split(", ")[-1] for connection in connections(site.url)] == ["Request Count: 5"]


@APIS
async def test_streams_that_were_read_to_the_end_leave_their_connections_to_an_event_loop_too(site, api):
    client = site.async_client(NATIVE[api], surface="ai-gateway")
    for _ in range(5):
        fold([event async for event in client.stream("Hello")])
    (kept,) = transport._loops[asyncio.get_running_loop()].values()
    (connection,) = kept.client._transport._pool.connections
    assert connection.info().endswith("Request Count: 5")


def test_a_failed_stream_leaves_no_connection_in_use(site):
    client = site.client(surface="ai-gateway")
    site.fail(where="/ai-gateway/", cut_after=500)
    with pytest.raises(IncompleteStreamError):
        list(client.stream(LONG))
    assert [connection for connection in connections(site.url) if not connection.is_idle()] == []


def test_a_watchdogs_thread_ends_with_its_stream(site):
    list(site.client(GPT, api="chat-completions", surface="ai-gateway").stream("Hello"))
    patience = time.monotonic() + 10
    while "dbx-gateway-alarms" in {thread.name for thread in threading.enumerate()}:
        assert time.monotonic() < patience
        time.sleep(0.01)


@WAYS
async def test_a_host_that_answers_a_stream_with_one_whole_body_is_read_all_the_same(site, way):
    fields = site.fields(NATIVE["messages"], surface="ai-gateway")
    Client(**fields).chat("Hello")
    entry = site.posts()[0]
    body = site.workspace.handle("POST", entry.path, headers(site), json.dumps(entry.body).encode()).body
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    with raw_host(lambda send, left: send(answer)) as host:
        events, error = await read(way, at(host, "messages"), "Hello")
    assert error is None
    assert fold(events).text == "You said: Hello"
    assert any(isinstance(event, PartEnd) for event in events)


# --- the wire ----------------------------------------------------------------------------------------------------

PATHS = {
    "chat-completions": "/ai-gateway/mlflow/v1/chat/completions",
    "responses": "/ai-gateway/openai/v1/responses",
    "messages": "/ai-gateway/anthropic/v1/messages",
    "generate-content": "/ai-gateway/gemini/v1beta/models/m:generateContent",
}


def at(host, api, model=None):
    model = model or NATIVE[api]
    return {"model": model, "endpoint_url": host.url + PATHS[api], "token": "dapi-x", "family": family(model)}


def family(model):
    from dbx_gateway.models.families import family_of

    return family_of(model)


def headers(site):
    return {"authorization": f"Bearer {site.workspace.token}", "host": "127.0.0.1"}


def wire_of(site, fields, text, **options) -> list[bytes]:
    """Return the pieces of the stream with which the workspace answers."""
    list(Client(**fields).stream(text, **options))
    entry = site.posts()[-1]
    reply = site.workspace.handle("POST", entry.path, headers(site), json.dumps(entry.body).encode())
    return [piece for piece in reply.body if isinstance(piece, bytes)]


def is_last(piece: bytes) -> bool:
    return b"[DONE]" in piece or b"message_stop" in piece


def send_all(send, pieces) -> None:
    send(HEAD)
    for piece in pieces:
        send(chunk(piece))


def connections(url):
    """The connections to a host that sync clients hold."""
    clients = [shared.client for shared in transport._clients.values()]
    return [one for client in clients for one in client._transport._pool.connections if url in repr(one)]


def long_tool():
    from dataclasses import replace

    parameters = {**ADD.parameters, "properties": {**ADD.parameters["properties"], "note": {"type": "string"}}}
    return replace(ADD, parameters=parameters | {"required": ["a", "b", "note"]})
