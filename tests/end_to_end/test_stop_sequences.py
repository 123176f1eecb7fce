"""Stop sequences on every api, sent or cut here: one text, one finish reason, and the connection given back."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from end_to_end.raw_host import HEAD, chunk, raw_host
from end_to_end.site import ADD, CLAUDE, GEMINI, GPT, LLAMA
from faults.wires import WIRES, sse
from support.promises import promise

from dbx_gateway import AsyncClient, BadRequestError, Client, fold
from dbx_gateway.events import TextDelta

ROUTES = {
    "responses": (GPT, {"api": "responses"}),
    "gpt on chat": (GPT, {"api": "chat-completions"}),
    "messages": (CLAUDE, {"api": "messages"}),
    "claude on chat": (CLAUDE, {"api": "chat-completions"}),
    "generate-content": (GEMINI, {"api": "generate-content"}),
    "chat-completions": (LLAMA, {"api": "chat-completions"}),
}
AGENTS = ("support-agent", "legacy-agent")
STOP = ("\nObservation:", "word7 word8")
"""The second is longer than what any simulated server sends in one piece."""

OFFLINE = {"model": GPT, "token": "t", "endpoint_url": "https://w.example.com/serving-endpoints/responses"}
TEXT = "Say [long 40]"
CUT = " ".join(f"word{number}" for number in range(1, 7)) + " "


async def both(site, model, **fields):
    """The whole answer and the stream, from a thread and from an event loop."""
    client, aclient = site.client(model, **fields), site.async_client(model, **fields)
    whole = [client.chat(TEXT), await aclient.chat(TEXT)]
    return whole, [list(client.stream(TEXT)), [event async for event in aclient.stream(TEXT)]]


@promise("stop-everywhere")
@pytest.mark.parametrize("surface", ["ai-gateway", "model-serving"])
@pytest.mark.parametrize(("model", "fields"), ROUTES.values(), ids=ROUTES)
async def test_every_api_ends_at_a_stop_sequence_whole_and_streamed(site, model, fields, surface):
    whole, streams = await both(site, model, surface=surface, stop=STOP, **fields)
    for answer in [*whole, *map(fold, streams)]:
        assert (answer.text, answer.finish.reason) == (CUT, "stop")
    assert site.statuses() == [200] * 4
    for answer in whole:
        assert answer.usage is not None
    for events in streams:
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == CUT


@pytest.mark.parametrize("name", ["responses", "gpt on chat"])
def test_the_workspace_refuses_the_field_that_is_not_sent(site, name):
    model, fields = ROUTES[name]
    with pytest.raises(BadRequestError, match=r"(Unknown|Unsupported) parameter: 'stop'"):
        site.client(model, extra_body={"stop": ["END"]}, **fields).chat("Hello")


@pytest.mark.parametrize("model", AGENTS)
async def test_an_agents_text_is_cut_and_the_agent_is_heard_to_its_end(site, model):
    whole, streams = await both(site, model, stop=STOP)
    for answer in [*whole, *map(fold, streams)]:
        assert (answer.text, answer.finish.reason) == (CUT, "stop")
        assert "usage_unknown" not in answer.extras


@pytest.mark.parametrize(("model", "fields"), [ROUTES["responses"], ROUTES["gpt on chat"]], ids=["responses", "chat"])
async def test_a_stream_that_is_cut_here_has_no_usage_and_says_why(site, model, fields):
    _, streams = await both(site, model, stop=STOP, **fields)
    for answer in map(fold, streams):
        assert answer.usage is None
        assert answer.extras["usage_unknown"].startswith("the stream was closed at a stop sequence")
        assert answer.finish.stop_sequence == STOP[1]


def test_more_stop_sequences_than_an_api_takes_are_cut_here(site):
    many = ("a!", "b!", "c!", "d!", "e!", STOP[1])
    for name in ("chat-completions", "generate-content"):
        model, fields = ROUTES[name]
        assert site.client(model, stop=many, **fields).chat(TEXT).text == CUT
    assert [entry.status for entry in site.posts()] == [200, 200]


def test_a_blank_stop_sequence_which_claude_refuses_is_cut_here(site):
    answer = site.client(CLAUDE, stop=["\n", " ", "never"]).chat(TEXT)
    assert (answer.text, answer.finish.stop_sequence) == ("word1", " ")
    assert site.posts()[0].body["stop_sequences"] == ["never"]


def test_an_endpoint_that_refuses_the_field_is_asked_without_it_and_cut_here(site, seen):
    refusal = "Unsupported parameter: 'stop' is not supported with this model."
    site.fail(where="/chat", status=400, error_message=refusal)
    client = site.client(LLAMA, observations=seen, surface="model-serving", stop=STOP)
    assert [client.chat(TEXT).text for _ in range(2)] == [CUT, CUT]
    assert ["stop" in entry.body for entry in site.posts()] == [True, False, False]


@pytest.mark.parametrize("model", [GPT, CLAUDE])
def test_an_answer_that_begins_with_a_stop_sequence_is_empty_without_a_warning(site, warned, model):
    client = site.client(model, stop=["You"])
    for answer in (client.chat("Hello"), fold(client.stream("Hello"))):
        assert (answer.text, answer.finish.stop_sequence) == ("", "You")
    assert warned() == []


def test_calls_of_tools_are_not_cut(site):
    answer = site.client(GPT, stop=["2"]).chat("Add 2 and 3", tools=[ADD])
    assert [call.parsed() for call in answer.executable_tool_calls] == [{"a": 2, "b": 3}]
    assert answer.finish.reason == "tool_calls"


RESPONSES = next(wire for wire in WIRES if wire.api == "responses")


def frames_of(*texts):
    """The start of an answer's stream, without its end: one event for each text."""
    return [*RESPONSES.head(), *map(RESPONSES.text, texts)]


def sends(frames):
    def script(send, _left):
        send(HEAD)
        for frame in frames:
            send(chunk(sse([frame])))

    return script


@promise("stop-everywhere")
@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_connection_is_closed_at_the_cut_while_the_server_still_writes(way):
    with raw_host(sends(frames_of("Action: look\nObs", "ervation: 4", " and so on"))) as host:
        fields = {"model": GPT, "token": "t", "endpoint_url": f"{host.url}/serving-endpoints/responses", "stop": STOP}

        async def read():
            return [event async for event in AsyncClient(**fields).stream("Hello")]

        events = list(Client(**fields).stream("Hello")) if way == "sync" else asyncio.run(read())
        assert host.left.wait(5)
    assert fold(events).text == "Action: look"


def answered(body):
    """A client whose requests are all answered with these events."""

    def handle(request):
        assert "stop" not in json.loads(request.content)
        return httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})

    return httpx.Client(transport=httpx.MockTransport(handle))


def test_what_breaks_behind_the_cut_in_the_same_bytes_breaks_nothing():
    with answered(sse(frames_of("so END")) + b"data: {broken\n\n") as http_client:
        client = Client(**OFFLINE, stop="END", http_client=http_client)
        assert fold(list(client.stream("Hello"))).text == "so "  # read to the end, where a failure would be raised


def test_a_stream_that_a_host_sends_for_a_whole_answer_keeps_its_usage():
    with answered(sse(RESPONSES.stream(["so EN", "D of it"]))) as http_client:
        answer = Client(**OFFLINE, stop="END", http_client=http_client).chat("Hello")
    assert (answer.text, answer.usage is not None) == ("so ", True)
