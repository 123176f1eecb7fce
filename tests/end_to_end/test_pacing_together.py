"""Calls of one endpoint that wait for each other: threads and event loops in one queue, streams, forks, what gives up."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from end_to_end.site import CLAUDE
from support.pacing import quick_pacing
from support.promises import promise

from dbx_gateway import AsyncClient, Client, DbxGatewayError, Observations
from dbx_gateway.call.observations import shared_observations
from dbx_gateway.call.pacing import PacingRules

LONG = "[long 4000]"


@pytest.fixture
def fields(site):
    return site.fields(surface="ai-gateway")


def only_pacer():
    (pacer,) = shared_observations()._pacers._pacers.values()
    return pacer


def until(fact) -> None:
    """Wait for something that another thread does."""
    ends = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < ends
        time.sleep(0.002)


async def until_waiting(calls: int) -> None:
    """Wait until so many calls wait for their turn."""
    async with asyncio.timeout(20):
        while only_pacer().waiting != calls:  # noqa: ASYNC110  # a queue has no event for who looks at it
            await asyncio.sleep(0.002)


@promise("paced-together")
async def test_threads_and_event_loops_wait_in_one_queue_and_all_succeed(site, fields):
    site.fail(where="/ai-gateway/", status=429, times=30)

    def on_a_loop_of_its_own(number):
        return asyncio.run(AsyncClient(**fields).chat(f"loop {number}"))

    with quick_pacing(0.02), ThreadPoolExecutor(20) as pool:
        loop = asyncio.get_running_loop()
        threads = [loop.run_in_executor(pool, Client(**fields).chat, f"thread {number}") for number in range(10)]
        loops = [loop.run_in_executor(pool, on_a_loop_of_its_own, number) for number in range(10)]
        tasks = [AsyncClient(**fields).chat(f"task {number}") for number in range(10)]
        answers = await asyncio.gather(*threads, *loops, *tasks)
        pacer = only_pacer()
        assert (pacer.in_flight, pacer.waiting) == (0, 0)
    assert len(answers) == 30
    assert sorted(site.statuses()) == [200] * 30 + [429] * 30
    assert any(answer.exchange.paced > 0 for answer in answers)


@promise("paced")
async def test_embeddings_streams_and_chats_take_part(site):
    site.fail(where="/ai-gateway/", status=503, times=3)
    with quick_pacing():
        async_client = AsyncClient(**site.fields(surface="ai-gateway", max_retries=1))
        events = [event async for event in async_client.stream("Hello")]
        site.fail(where="/ai-gateway/", status=503, times=3)
        vectors = await AsyncClient(
            **site.fields("databricks-gte-large-en", surface="ai-gateway", max_retries=1)
        ).embed(["a"])
    assert events
    assert len(vectors.vectors) == 1
    assert site.statuses() == [503, 503, 503, 200] * 2


@promise("in-flight")
@pytest.mark.parametrize("end", ["read", "close", "collect"])
def test_a_stream_of_a_thread_is_in_flight_until_it_ends(fields, end):
    client = Client(**fields, max_in_flight=1)
    stream = client.stream(LONG)
    next(stream)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.chat, "Hello")
        until(lambda: only_pacer().waiting == 1)
        assert only_pacer().in_flight == 1
        match end:
            case "read":
                for _ in stream:
                    pass
            case "close":
                stream.close()
            case _:
                del stream
                gc.collect()
        assert waiting.result(20).text == "You said: Hello"
    assert only_pacer().in_flight == 0


@promise("in-flight")
@pytest.mark.parametrize("end", ["read", "close", "collect"])
async def test_a_stream_of_an_event_loop_is_in_flight_until_it_ends(fields, end):
    client = AsyncClient(**fields, max_in_flight=1)
    stream = client.stream(LONG)
    await anext(stream)
    waiting = asyncio.create_task(client.chat("Hello"))
    await until_waiting(1)
    match end:
        case "read":
            async for _ in stream:
                pass
        case "close":
            await stream.aclose()
        case _:
            del stream
            gc.collect()
    assert (await waiting).text == "You said: Hello"
    assert only_pacer().in_flight == 0


@promise("in-flight")
def test_no_more_threads_are_in_the_workspace_at_once_than_the_limit(site, fields):
    site.fail(where="/ai-gateway/", stall=0.02, times=None)
    most = []
    client = Client(**fields, max_in_flight=3)

    def work(number):
        answer = client.chat(f"{number}")
        most.append(only_pacer().in_flight)
        return answer

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(work, range(24)))
    assert len(answers) == 24
    assert max(most) <= 3


@promise("paced-cancelled")
async def test_a_task_that_is_cancelled_while_it_waits_leaves_nothing(site, fields):
    client = AsyncClient(**fields, max_in_flight=1)
    stream = client.stream(LONG)
    await anext(stream)
    tasks = [asyncio.create_task(client.chat(f"{number}")) for number in range(5)]
    await until_waiting(5)
    for task in tasks[:4]:
        task.cancel()
    await asyncio.gather(*tasks[:4], return_exceptions=True)
    assert only_pacer().waiting == 1
    await stream.aclose()
    assert (await tasks[4]).text == "You said: 4"
    assert (only_pacer().in_flight, only_pacer().waiting) == (0, 0)


@promise("paced-cancelled")
def test_a_thread_that_is_interrupted_while_it_waits_leaves_nothing(fields, monkeypatch):
    client = Client(**fields, max_in_flight=1)
    stream = client.stream(LONG)
    next(stream)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("dbx_gateway.call.drivers._wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.chat("Hello")
    assert only_pacer().waiting == 0
    stream.close()
    assert only_pacer().in_flight == 0


@promise("paced-cancelled")
def test_a_loop_that_stands_still_with_the_next_in_line_holds_nobody_up(fields, monkeypatch):
    monkeypatch.setattr("dbx_gateway.call.pacing._SLEEPER", 0.05)
    client, async_client = Client(**fields, max_in_flight=1), AsyncClient(**fields, max_in_flight=1)
    stream = client.stream(LONG)
    next(stream)
    loop = asyncio.new_event_loop()
    task = loop.create_task(async_client.chat("Hello"))
    loop.run_until_complete(until_waiting(1))  # and now nobody runs the loop
    stream.close()
    assert client.chat("Hello").text == "You said: Hello"
    assert loop.run_until_complete(task).text == "You said: Hello"
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@promise("paced-cancelled")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_waits_for_none_of_its_parents_calls(fields):
    client = Client(**fields, max_in_flight=1)
    stream = client.stream(LONG)
    next(stream)
    waiting = threading.Thread(target=client.chat, args=("Hello",), daemon=True)
    waiting.start()
    until(lambda: only_pacer().waiting == 1)
    child = os.fork()
    if child == 0:
        try:
            right = client.chat("Hello").text == "You said: Hello"
        except DbxGatewayError:
            right = False
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stream.close()
    waiting.join(20)
    assert only_pacer().in_flight == 0


def test_a_client_of_its_own_observations_is_paced_by_itself(site):
    own = Observations(pacing=PacingRules(second=0.001))
    site.fail(where="/ai-gateway/", status=503, times=5)
    answer = Client(**site.fields(CLAUDE, surface="ai-gateway"), observations=own).chat("Hello")
    assert len(answer.exchange.attempts) == 6
    assert not shared_observations()._pacers._pacers


def test_a_line_of_the_log_says_how_long_a_request_waited(site, fields, monkeypatch, caplog):
    monkeypatch.setenv("DBX_GATEWAY_LOG", "requests")
    caplog.set_level("INFO", "dbx_gateway")
    site.fail(where="/ai-gateway/", status=429)
    with quick_pacing(0.02):
        answer = Client(**fields).chat("Hello")
    first, second = [record.getMessage() for record in caplog.records if record.name == "dbx_gateway.requests"]
    assert "paced_ms" not in first
    assert second.endswith(f" paced_ms={answer.exchange.paced * 1000:.0f}")
