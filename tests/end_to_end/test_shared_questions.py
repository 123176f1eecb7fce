"""Callers that ask a workspace the same thing at once share the answer, and nothing else of the one who asks."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest
from support.promises import promise

from dbx_gateway import APIConnectionError, APITimeoutError, AsyncClient, Client, Observations, user
from dbx_gateway.call.observations import SingleFlight

FIELDS = {"model": "databricks-claude-sonnet-4-5", "host": "https://w.example.com", "token": "dapi-x", "max_retries": 0}
PROBE = "/ai-gateway/anthropic/v1/models"
ANSWER = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


class Flights(SingleFlight):
    """Lets a test wait until a number of callers have come."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Semaphore(0)

    def join(self, key):
        joined = super().join(key)
        self.came.release()
        return joined

    def wait_for(self, callers: int) -> None:
        for _ in range(callers):
            assert self.came.acquire(timeout=10)


class Workspace:
    """A workspace behind a client of the tests, whose first probe is answered when a test says so."""

    def __init__(self) -> None:
        self.seen = Observations()
        self.flights = self.seen.flights = Flights()
        self.first_probe = threading.Event()
        self.probes = 0
        self._lock = threading.Lock()
        self.broken = False

    def client(self, **fields) -> Client:
        return Client(**FIELDS, observations=self.seen, **fields)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != PROBE:
            return httpx.Response(200, json=ANSWER)
        with self._lock:
            self.probes += 1
            first = self.probes == 1
        if first:
            assert self.first_probe.wait(10)
            if self.broken:
                raise httpx.ConnectError("broken")
        return httpx.Response(404)


class Caller(threading.Thread):
    """A call on a thread of its own."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client
        self.outcome: object = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self._client.chat("hi").text
        except Exception as error:  # noqa: BLE001  # it is the outcome
            self.outcome = error

    def ended(self) -> object:
        self.join(20)
        assert not self.is_alive()
        return self.outcome


@pytest.fixture
def workspace():
    return Workspace()


@pytest.fixture
def http(workspace):
    with httpx.Client(transport=httpx.MockTransport(workspace.answer)) as client:
        yield client


@promise("own-limits")
def test_who_waits_for_a_probe_has_an_answer_whatever_limit_the_one_who_asks_has(workspace, http):
    first = Caller(workspace.client(http_client=http, total_timeout=0.3))
    workspace.flights.wait_for(1)
    others = [Caller(workspace.client(http_client=http)) for _ in range(3)]
    workspace.flights.wait_for(3)
    threading.Event().wait(0.35)
    workspace.first_probe.set()
    assert isinstance(first.ended(), APITimeoutError)
    assert [other.ended() for other in others] == ["hello"] * 3
    assert workspace.probes <= 2  # the first one's, where it came to that, and one for the three


@promise("own-limits")
def test_the_failure_of_the_one_who_asks_is_nobody_elses(workspace, http):
    workspace.broken = True
    first = Caller(workspace.client(http_client=http))
    workspace.flights.wait_for(1)
    other = Caller(workspace.client(http_client=http))
    workspace.flights.wait_for(1)
    workspace.first_probe.set()
    assert isinstance(first.ended(), APIConnectionError)
    assert other.ended() == "hello"


@promise("own-limits")
def test_nobody_waits_for_a_question_that_goes_through_anothers_http_client(workspace, http):
    first = Caller(workspace.client(http_client=http))
    workspace.flights.wait_for(1)
    with httpx.Client(transport=httpx.MockTransport(workspace.answer)) as own:
        assert Caller(workspace.client(http_client=own)).ended() == "hello"
    workspace.first_probe.set()
    assert first.ended() == "hello"


@promise("own-limits")
def test_total_timeout_bounds_the_waiting_for_anothers_probe(workspace, http):
    first = Caller(workspace.client(http_client=http))
    workspace.flights.wait_for(1)
    late = Caller(workspace.client(http_client=http, total_timeout=0.05)).ended()
    assert isinstance(late, APITimeoutError)
    assert late.error_code == "total"
    assert workspace.probes == 1  # nothing was sent when time was over
    workspace.first_probe.set()
    assert first.ended() == "hello"


@promise("own-limits")
async def test_a_sync_call_inside_a_loop_does_not_wait_for_a_probe_of_that_loop(workspace, http):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == PROBE:
            begun.set()
            await go_on.wait()
            return httpx.Response(404)
        return httpx.Response(200, json=ANSWER)

    workspace.first_probe.set()
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as own:
        client = AsyncClient(**FIELDS, observations=workspace.seen, http_async_client=own)
        call = asyncio.create_task(client.chat("hi"))
        await begun.wait()
        sync = workspace.client(http_client=http)
        in_the_loop = sync.chat([user("hi")]).text  # the loop stands still meanwhile
        on_a_thread = Caller(workspace.client(http_client=http)).ended()
        go_on.set()
        assert [in_the_loop, on_a_thread, (await call).text] == ["hello"] * 3


async def test_the_waiting_of_many_tasks_for_a_cancelled_one_ends_with_one_more_probe(workspace):
    begun, go_on = asyncio.Event(), asyncio.Event()
    probes = []

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == PROBE:
            probes.append(request)
            begun.set()
            await go_on.wait()
            return httpx.Response(404)
        return httpx.Response(200, json=ANSWER)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as own:
        client = AsyncClient(**FIELDS, observations=workspace.seen, http_async_client=own)
        first = asyncio.create_task(client.chat("hi"))
        await begun.wait()
        others = [asyncio.create_task(client.chat("hi")) for _ in range(20)]
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        go_on.set()
        assert [answered.text for answered in await asyncio.gather(*others)] == ["hello"] * 20
    assert len(probes) == 2
