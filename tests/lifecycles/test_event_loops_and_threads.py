"""One object in one event loop after another, in two at once, and in many threads."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from lifecycles.front_ends import FRONT_ENDS
from lifecycles.leftovers import descriptors, other_tasks, settled, threads
from support.promises import promise

from dbx_gateway.transport.sending import close_connections

TEXTS = ["a", "b", "c"]


async def talk(one, text: str) -> None:
    """Do everything that can be done from an event loop, and check what comes."""
    assert await one.aask(text) == f"You said: {text}"
    assert "".join([one.said(item) async for item in await one.astream(text)]) == f"You said: {text}"
    assert len(await one.avectors(TEXTS)) == 3


@pytest.fixture
def leaves_nothing():
    gc.collect()
    before, running = descriptors(), threads()
    yield
    close_connections()
    settled(before, running)


@promise("many-loops")
def test_one_object_works_in_ten_event_loops_one_after_another(front, fields, leaves_nothing):
    one = front(**fields)

    async def main(number: int) -> None:
        await talk(one, f"Hello {number}")
        assert other_tasks() == set()

    for number in range(10):
        asyncio.run(main(number))


@promise("many-loops")
def test_one_object_works_in_two_event_loops_at_once(front, fields, leaves_nothing):
    one = front(**fields)
    together = threading.Barrier(2)

    async def main(number: int) -> None:
        await asyncio.to_thread(together.wait, 20)
        await asyncio.gather(*(talk(one, f"Hello {number} {turn}") for turn in range(5)))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda number: asyncio.run(main(number)), range(2), timeout=60))


NEVER_SHUT_DOWN = """
import asyncio, json, sys
from lifecycles.front_ends import front_end
from lifecycles.test_event_loops_and_threads import talk

name, fields = sys.argv[1], json.loads(sys.argv[2])
one = front_end(name, **fields)
for number in range(3):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(talk(one, f"Hello {number}"))
    loop.close()
asyncio.run(talk(one, "Hello again"))
print("done")
"""


@promise("many-loops")
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_one_object_works_in_an_event_loop_whose_predecessor_was_never_shut_down(name, fields, run):
    """In a process of its own: what such a loop leaves open is for Python to find and to report, when it likes."""
    done = run(NEVER_SHUT_DOWN, name, json.dumps(fields))
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_a_stream_begun_in_one_loop_can_be_left_while_another_runs(front, host):
    one = front(**host.fields())

    async def begun():
        stream = await one.astream("Hello")
        await anext(stream)
        return stream

    asyncio.run(begun())
    asyncio.run(begun())
    gc.collect()
    host.wait_for("open", 0)
    host.wait_for("begun", 2)


@promise("many-threads")
def test_thirty_two_threads_make_four_calls_each_with_one_object(front, fields, leaves_nothing):
    one = front(**fields)
    together = threading.Barrier(32)

    def work(number: int) -> None:
        together.wait(30)
        text = f"Hello {number}"
        assert one.ask(text) == f"You said: {text}"
        assert "".join(one.said(item) for item in one.stream(text)) == f"You said: {text}"
        assert len(one.vectors([text])) == 1
        asyncio.run(talk(one, text)) if number % 8 == 0 else one.ask(text)

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32), timeout=60))


@promise("many-threads")
async def test_sync_calls_work_inside_a_running_loop_beside_async_ones(front, fields):
    one = front(**fields)
    assert one.ask("Hello") == "You said: Hello"
    await talk(one, "Hello")
    assert "".join(one.said(item) for item in one.stream("Hello")) == "You said: Hello"
    await talk(one, "Hello")
