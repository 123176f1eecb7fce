"""``n`` on every api: in one request where the api has a field for it, else by as many calls at once."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from end_to_end.raw_host import raw_host
from end_to_end.site import CLAUDE, GEMINI, GPT, LLAMA
from faults.wires import WIRES
from support.promises import promise

import dbx_gateway
from dbx_gateway import (
    APITimeoutError,
    AsyncClient,
    AuthenticationError,
    BadRequestError,
    Client,
    InvalidRequestError,
    PermissionDeniedError,
    fold,
)

BY_CALLS = {
    "responses": (GPT, {"api": "responses"}),
    "messages": (CLAUDE, {"api": "messages"}),
    "claude on chat": (CLAUDE, {"api": "chat-completions"}),
}
IN_ONE = {"generate-content": (GEMINI, {}), "chat-completions": (LLAMA, {})}
WAYS = pytest.mark.parametrize("way", ["sync", "async"])


async def ask(site, way, model=GPT, text="Hello", **fields):
    if way == "async":
        return await site.async_client(model, **fields).chat(text)
    return await asyncio.to_thread(site.client(model, **fields).chat, text)


def answer_threads():
    return [thread for thread in threading.enumerate() if thread.name == "dbx-gateway-answer"]


@promise("n-everywhere")
@WAYS
@pytest.mark.parametrize(("model", "fields"), (BY_CALLS | IN_ONE).values(), ids=BY_CALLS | IN_ONE)
async def test_every_api_gives_as_many_answers_as_are_asked_for(site, model, fields, way):
    answer = await ask(site, way, model, n=3, **fields)
    assert [answer.text, *(other.message.text for other in answer.alternatives)] == ["You said: Hello"] * 3
    billed = [entry.billed for entry in site.posts()]
    assert len(billed) == (3 if (model, fields) in BY_CALLS.values() else 1)
    assert answer.usage is not None
    assert answer.usage.output == sum(counts.output for counts in billed)
    assert len(answer.exchange.attempts) == len(billed)


@WAYS
async def test_one_answer_is_one_request_without_the_field(site, way):
    for n in (None, 1):
        assert (await ask(site, way, n=n)).alternatives == ()
    assert ["n" in entry.body for entry in site.posts()] == [False, False]


@promise("n-everywhere")
@pytest.mark.parametrize(("model", "fields"), BY_CALLS.values(), ids=BY_CALLS)
async def test_a_stream_of_several_answers_is_refused_before_it_is_sent(site, model, fields):
    with pytest.raises(InvalidRequestError, match="a stream is one answer"):
        list(site.client(model, n=2, **fields).stream("Hello"))
    with pytest.raises(InvalidRequestError, match="a stream is one answer"):
        [event async for event in site.async_client(model, n=2, **fields).stream("Hello")]
    assert site.posts() == []
    assert fold(site.client(model, n=1, **fields).stream("Hello")).text == "You said: Hello"


@pytest.mark.parametrize(("model", "fields"), BY_CALLS.values(), ids=BY_CALLS)
def test_the_workspace_refuses_the_field_that_is_not_sent(site, model, fields):
    with pytest.raises(BadRequestError, match=r"Unknown parameter: 'n'|n: Extra inputs|'n' must be '1'"):
        site.client(model, extra_body={"n": 2}, **fields).chat("Hello")


@WAYS
async def test_an_agent_is_not_made_to_act_several_times(site, way):
    with pytest.raises(InvalidRequestError, match="it may be an agent, which would act 2 times"):
        await ask(site, way, "support-agent", n=2)
    assert site.posts() == []


@WAYS
async def test_each_call_is_tried_again_for_itself(site, way):
    site.fail(where="/responses", status=503, headers={"Retry-After": "0"})
    answer = await ask(site, way, n=3)
    assert len(answer.alternatives) == 2
    assert sorted(site.statuses()) == [200, 200, 200, 503]
    assert len(answer.exchange.attempts) == 4


@promise("n-everywhere")
@WAYS
async def test_one_failure_fails_all_without_waiting_for_the_others(open_site, way):
    """The others' answers would take longer than any test may."""
    site = open_site()
    site.fail(where="/responses", status=403)
    site.fail(where="/responses", stall=600, times=None)
    with pytest.raises(PermissionDeniedError):
        await ask(site, way, n=3, surface="model-serving")
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_calls_of_a_task_that_is_cancelled_close_their_connections(site):
    with raw_host(lambda send, left: None) as host:
        client = AsyncClient(
            model=GPT, token="t", endpoint_url=f"{host.url}/serving-endpoints/responses", family="gpt", n=2
        )
        call = asyncio.create_task(client.chat("Hello"))
        assert await asyncio.to_thread(host.asked.wait, 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(host.left.wait, 5)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


def test_no_thread_is_left_after_the_answers(site):
    for _ in range(3):
        site.client(GPT, n=4).chat("Hello")
    for thread in answer_threads():
        thread.join(5)
    assert answer_threads() == []


async def test_an_alternative_that_is_cut_at_the_default_length_is_warned_about(warned):
    wire, ends = next(wire for wire in WIRES if wire.api == "messages"), iter(("end_turn", "max_tokens"))

    def handle(request):
        return httpx.Response(200, json=wire.whole_message([{"type": "text", "text": "Hi"}], next(ends)))

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http_client:
        url = "https://w.example.com/serving-endpoints/anthropic/v1/messages"
        client = AsyncClient(model=CLAUDE, token="t", endpoint_url=url, n=2, http_async_client=http_client)
        answer = await client.chat("Hello")
    assert [answer.finish.reason, answer.alternatives[0].finish.reason] == ["stop", "length"]
    assert ["was cut at max_tokens=" in line for line in warned()] == [True]


@WAYS
async def test_no_more_calls_are_in_flight_than_the_limit(site, way):
    answer = await ask(site, way, n=4, max_in_flight=1)
    assert len(answer.alternatives) == 3


@WAYS
async def test_an_endpoint_that_refuses_the_field_is_asked_by_calls_and_remembered(site, seen, way):
    words = "Unsupported parameter: 'n' is not supported with this model."
    site.fail(where="/chat", status=400, error_message=words)
    fields = {"observations": seen, "surface": "model-serving", "n": 2}
    for number in (3, 5):
        answer = await ask(site, way, LLAMA, **fields)
        assert len(answer.alternatives) == 1
        assert "drop n" in answer.exchange.repairs
        assert len(site.posts()) == number
    assert ["n" in entry.body for entry in site.posts()] == [True, False, False, False, False]


@pytest.mark.parametrize(
    "words", ["Multiple candidates is not enabled for this model", "Only one candidate can be specified"]
)
def test_a_gemini_that_gives_one_candidate_is_asked_by_calls(site, seen, words):
    site.fail(where="generateContent", status=400, error_message=words)
    answer = site.client(GEMINI, observations=seen, n=2).chat("Hello")
    assert len(answer.alternatives) == 1
    assert [entry.status for entry in site.posts()] == [400, 200, 200]


def test_answers_that_a_host_leaves_out_are_asked_for_by_calls():
    wire, sent = next(wire for wire in WIRES if wire.api == "chat-completions"), []

    def handle(request):
        sent.append(json.loads(request.content).get("n"))
        return httpx.Response(200, json=wire.whole(f"answer {len(sent)}"))

    with httpx.Client(transport=httpx.MockTransport(handle)) as http_client:
        url = "https://w.example.com/serving-endpoints/chat/completions"
        client = Client(model=LLAMA, token="t", endpoint_url=url, n=3, http_client=http_client)
        answer = client.chat("Hello")
    assert answer.text == "answer 1"
    assert {other.message.text for other in answer.alternatives} == {"answer 2", "answer 3"}
    assert sent == [3, None, None]
    assert len(answer.exchange.attempts) == 3
    assert answer.usage.total == 3 * wire.usage()["total_tokens"]


def test_an_agent_that_ignores_the_number_is_not_asked_again(site, warned):
    answer = site.client("legacy-agent", n=3).chat("Hello")
    assert answer.alternatives == ()
    assert ["left out 2 of 3 answers; it may be an agent" in line for line in warned()] == [True]
    assert [entry.body["n"] for entry in site.posts()] == [3]


@WAYS
async def test_the_time_of_a_call_is_that_of_all_its_calls(site, way):
    site.fail(where="/responses", stall=600, times=None)
    with pytest.raises(APITimeoutError) as error:
        await ask(site, way, n=2, surface="model-serving", total_timeout=0.2)
    assert error.value.error_code == "total"


def test_a_refusal_of_another_number_is_no_refusal_of_the_field(site, seen):
    site.fail(where="/chat", status=400, error_message="'n' must be '1000' at most")
    with pytest.raises(BadRequestError):
        site.client(LLAMA, observations=seen, n=2).chat("Hello")


# --- who asks ----------------------------------------------------------------------------------------------------

TOKENS = {f"dapi-token-of-{name}": name for name in ("ann", "ben")}


class ByThread:
    """Stands for a ``Config`` that finds its user by the thread it is asked on."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.here = threading.local()

    def authenticate(self) -> dict[str, str]:
        return {"Authorization": f"Bearer dapi-token-of-{self.here.user}"}


@promise("objects-sign-for-the-caller")
def test_the_calls_are_signed_on_the_thread_of_who_asks(open_site):
    site = open_site(tokens=TOKENS)
    shared = ByThread(site.url)
    client = Client(model=GPT, surface="model-serving", sdk_config=shared, n=3)

    def work(name: str) -> None:
        shared.here.user = name
        assert len(client.chat(f"This is {name}.").alternatives) == 2

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, name) for name in ("ann", "ben")]:
            done.result(20)
    assert len(site.posts()) == 6
    assert all(f"This is {entry.user}." in str(entry.body) for entry in site.posts())


@WAYS
async def test_all_calls_are_the_users_of_the_block(open_site, way):
    site = open_site(tokens=TOKENS)
    with dbx_gateway.acting_as("dapi-token-of-ben"):
        await ask(site, way, n=3, acting_as_required=True)
    assert [entry.user for entry in site.posts()] == ["ben"] * 3


@WAYS
async def test_a_token_that_nobody_takes_fails_all_of_them(site, way):
    with pytest.raises(AuthenticationError):
        await ask(site, way, n=3, token="dapi-unknown")
