"""Streams that their readers leave early, in every way there is: nothing stays open and nothing waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading

import pytest
from lifecycles.front_ends import front_end
from lifecycles.host import LLAMA, TOKEN
from lifecycles.leftovers import descriptors, no_task_left, settled, threads
from support.promises import promise

from dbx_gateway.transport import sending as transport
from dbx_gateway.transport.sending import close_connections

MANY = 200
SOME = 30


@pytest.fixture(
    params=[
        pytest.param(("core", MANY), id=f"core-{MANY}"),
        pytest.param(("langchain", SOME), id=f"langchain-{SOME}"),
        pytest.param(("llama-index", SOME), id=f"llama-index-{SOME}"),
        pytest.param(("langchain", MANY), id=f"langchain-{MANY}", marks=pytest.mark.slow),
        pytest.param(("llama-index", MANY), id=f"llama-index-{MANY}", marks=pytest.mark.slow),
    ]
)
def case(request):
    """A front end, and how many streams to leave; two hundred with each in the full check."""
    return request.param


@pytest.fixture
def one(case, host):
    """The front end of the case, of the host."""
    return front_end(case[0], **host.fields())


@pytest.fixture
def many(case):
    return case[1]


@pytest.fixture
def leaves_nothing(host):
    """What is open before the test is open after it, and nothing else; the host has no stream and no connection left."""
    before, running = descriptors(), threads()
    yield
    host.wait_for("streams", 0)
    host.wait_for("open", 0)
    settled(before, running)


class Cycle:
    """Holds something in a cycle that only the garbage collector can take apart."""

    def __init__(self, held) -> None:
        self.held = held
        self.itself = self


def begun(stream):
    """Read a stream until it says something, and return it."""
    next(stream)
    return stream


async def abegun(stream):
    await anext(stream)
    return stream


# --- threads ---------------------------------------------------------------------------------------------------------


@promise("streams-released")
def test_many_streams_that_are_closed_leave_nothing(one, many, host, leaves_nothing):
    for _ in range(many):
        with contextlib.closing(one.stream("Hello")) as stream:
            next(stream)
    host.wait_for("begun", many)


@promise("streams-released")
def test_many_streams_that_a_loop_breaks_off_leave_nothing(one, many, host, leaves_nothing):
    for _ in range(many):
        for _ in one.stream("Hello"):
            break
    host.wait_for("begun", many)


@promise("streams-released")
def test_many_streams_whose_reader_raises_leave_nothing(one, many, host, leaves_nothing):

    def read():
        for _ in one.stream("Hello"):
            raise KeyError

    for _ in range(many):
        with pytest.raises(KeyError):
            read()
    host.wait_for("begun", many)


@promise("collector-closes")
@pytest.mark.parametrize("total_timeout", [None, 60.0])
def test_many_streams_that_the_collector_finds_are_closed_by_it(case, many, host, total_timeout):
    before, running = descriptors(), threads()
    one = front_end(case[0], **host.fields(total_timeout=total_timeout))
    for number in range(many):
        Cycle(begun(one.stream("Hello")))
        if number % 20 == 0:
            gc.collect()
    gc.collect()
    host.wait_for("streams", 0)
    host.wait_for("begun", many)
    assert one.ask("Hello") == "You said: Hello"
    assert [connection for connection in pooled(host) if not connection.is_idle()] == []
    close_connections()
    host.wait_for("open", 0)
    settled(before, running)


@promise("collector-closes")
def test_streams_that_the_collector_finds_give_their_place_in_a_pool_of_the_callers_own_back(front, host):
    """The pool has room for one connection: the next call could not be made if the place were not given back."""
    import httpx

    with httpx.Client(trust_env=False, limits=httpx.Limits(max_connections=1), timeout=5.0) as own:
        one = front(**host.fields(http_client=own))
        for _ in range(5):
            Cycle(begun(one.stream("Hello")))
            gc.collect()
            assert one.ask("Hello") == "You said: Hello"
        assert not own.is_closed


def test_streams_left_in_many_threads_at_once_leave_nothing(one, many, host, leaves_nothing):
    def leave() -> None:
        for _ in range(many // 8):
            begun(one.stream("Hello")).close()
            Cycle(begun(one.stream("Hello")))
            next(one.stream("Hello"))

    at_work = [threading.Thread(target=leave) for _ in range(8)]
    for thread in at_work:
        thread.start()
    for thread in at_work:
        thread.join(30)
        assert not thread.is_alive()
    gc.collect()
    host.wait_for("begun", many // 8 * 8 * 3)
    close_connections()


AT_THE_WORST_MOMENT = """
import faulthandler, gc, sys
from httpcore import ConnectionPool
from lifecycles.front_ends import front_end

faulthandler.dump_traceback_later(20, exit=True)
url, name, token, many = sys.argv[1:]
assign = ConnectionPool._assign_requests_to_connections

def collecting(pool):
    gc.collect()  # this thread holds the pool's lock
    return assign(pool)

class Cycle:
    def __init__(self, held):
        self.held, self.itself = held, self

front = front_end(name, model="databricks-meta-llama-3-3-70b-instruct", host=url, token=token, surface="model-serving")
next(front.stream("Hello"))
gc.disable()
gc.freeze()  # what is there by now is not looked at again and again
ConnectionPool._assign_requests_to_connections = collecting
for number in range(int(many)):
    stream = front.stream("Hello")
    next(stream)
    Cycle(stream)
    del stream
    if number % 20 == 0:
        assert front.ask("Hello") == "You said: Hello"
print("done")
"""


@promise("collector-safe")
def test_streams_that_the_collector_finds_while_it_is_in_the_pool_do_not_stop_the_process(case, many, host, run):
    """The failure of others: closing an answer takes a lock that this very thread holds, for ever."""
    done = run(AT_THE_WORST_MOMENT, host.url, case[0], TOKEN, str(many))
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "done", "")
    host.wait_for("begun", many + 1)
    host.wait_for("open", 0)


# --- event loops -----------------------------------------------------------------------------------------------------


@promise("streams-released-async")
async def test_many_async_streams_that_are_closed_leave_nothing(one, many, host, leaves_nothing):
    for _ in range(many):
        async with contextlib.aclosing(await one.astream("Hello")) as stream:
            await anext(stream)
    await no_task_left()
    host.wait_for("begun", many)


@promise("streams-released-async")
async def test_many_async_streams_that_a_loop_breaks_off_leave_nothing(one, many, host, leaves_nothing):
    for _ in range(many):
        async for _ in await one.astream("Hello"):
            break
    await no_task_left()
    host.wait_for("begun", many)
    await asyncio.to_thread(host.wait_for, "streams", 0)


@promise("collector-closes")
async def test_many_async_streams_that_the_collector_finds_leave_nothing(one, many, host, leaves_nothing):
    for number in range(many):
        Cycle(await abegun(await one.astream("Hello")))
        if number % 20 == 0:
            gc.collect()
            await asyncio.sleep(0)
    gc.collect()
    await no_task_left()
    await asyncio.to_thread(host.wait_for, "streams", 0)
    host.wait_for("begun", many)
    assert await one.aask("Hello") == "You said: Hello"


async def test_an_async_stream_of_a_transport_of_the_callers_own_is_closed_when_the_collector_finds_it(front):
    """The transports that httpx brings close themselves then; others need not."""
    import httpx

    class Endless(httpx.AsyncByteStream):
        closed = 0

        def __aiter__(self):
            return self

        async def __anext__(self):
            return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "and "}}]}).encode() + b"\n\n"

        async def aclose(self):
            Endless.closed += 1

    class Own(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Endless())

    async with httpx.AsyncClient(transport=Own()) as own:
        settings = {"model": LLAMA, "host": "http://127.0.0.1:9", "token": TOKEN, "surface": "model-serving"}
        one = front(**settings, http_async_client=own)
        for _ in range(5):
            Cycle(await abegun(await one.astream("Hello")))
        gc.collect()
        for _ in range(20):
            await asyncio.sleep(0)
        assert Endless.closed == 5


@promise("cancelled")
async def test_many_cancelled_readers_of_streams_leave_nothing(one, many, host, leaves_nothing):

    async def read() -> None:
        async for _ in await one.astream("Hello"):
            pass

    for _ in range(5):
        reading = [asyncio.create_task(read()) for _ in range(many // 5)]
        await asyncio.to_thread(host.wait_for, "streams", many // 5)
        for task in reading:
            assert task.cancel()
        ended = await asyncio.gather(*reading, return_exceptions=True)
        assert {type(end) for end in ended} == {asyncio.CancelledError}
        await asyncio.to_thread(host.wait_for, "streams", 0)
    await no_task_left()
    host.wait_for("begun", many)


@promise("cancelled")
async def test_many_cancelled_calls_leave_nothing(one, many, host, leaves_nothing):
    for _ in range(5):
        asking = [asyncio.create_task(one.aask("Please wait")) for _ in range(many // 5)]
        await asyncio.to_thread(host.wait_for, "held", many // 5)
        for task in asking:
            assert task.cancel()
        ended = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(end) for end in ended} == {asyncio.CancelledError}
        await asyncio.to_thread(host.wait_for, "held", 0)
    await no_task_left()


@promise("cancelled")
async def test_calls_cancelled_at_every_step_of_their_way_leave_nothing(front, host, leaves_nothing):
    """One more turn of the loop each time, so that every place where a call waits is once the place where it ends."""
    one = front(**host.fields())

    async def read() -> None:
        async for _ in await one.astream("Hello"):
            pass

    for turns in range(60):
        reading = asyncio.create_task(read())
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    await no_task_left()
    await asyncio.to_thread(host.wait_for, "streams", 0)
    assert await one.aask("Hello") == "You said: Hello"


def pooled(host):
    """The connections to a host that sync clients of the process hold."""
    clients = [shared.client for shared in transport._clients.values()]
    return [one for client in clients for one in client._transport._pool.connections if host.url in repr(one)]
