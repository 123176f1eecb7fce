"""A fork after use: parent and child go on, each with connections of its own."""

from __future__ import annotations

import sys

import pytest
from lifecycles.front_ends import FRONT_ENDS
from lifecycles.host import TOKEN
from support.promises import promise

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")

BEGIN = """
import asyncio, faulthandler, os, sys, threading, traceback, warnings
from lifecycles.front_ends import front_end

faulthandler.dump_traceback_later(40, exit=True)
warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what is tried
url, name, token, model, surface = sys.argv[1:]
front = front_end(name, model=model, host=url, token=token, surface=surface)

def talk(who, times):
    for number in range(times):
        text = f"{who} {number}"
        assert front.ask(text) == f"You said: {text}", text

async def atalk(who, times):
    for number in range(times):
        text = f"{who} {number}"
        assert await front.aask(text) == f"You said: {text}", text

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        sys.stderr.flush()
        os._exit(0)
    return child

def ended(child):
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the child failed"
"""

BOTH_CALL = """
def work():
    talk("child", 15)
    asyncio.run(atalk("child on a loop", 5))

talk("before", 2)
asyncio.run(atalk("before on a loop", 2))
children = [in_child(work) for _ in range(3)]
talk("parent", 15)
asyncio.run(atalk("parent on a loop", 5))
for child in children:
    ended(child)
talk("after", 2)
"""

WITH_A_STREAM = """
stream = front.stream("a story " * 400)
said = front.said(next(stream))

def work():
    global stream
    talk("child", 5)
    stream.close()
    del stream
    talk("child again", 5)

child = in_child(work)
ended(child)
said += "".join(front.said(item) for item in stream)
assert said == "You said: " + "a story " * 400, said[-50:]
"""

BESIDE_THREADS = """
talk("before", 1)
done = threading.Event()

def keep_talking(number):
    while not done.is_set():
        talk(f"thread {number}", 1)

at_work = [threading.Thread(target=keep_talking, args=(number,)) for number in range(4)]
for thread in at_work:
    thread.start()
for _ in range(8):
    ended(in_child(lambda: talk("child", 2)))
done.set()
for thread in at_work:
    thread.join()
"""

COLLECTED_IN_THE_CHILD = """
import gc
from httpcore import ConnectionPool

class Cycle:
    def __init__(self, held):
        self.held, self.itself = held, self

gc.disable()
stream = front.stream("Hello")
next(stream)
Cycle(stream)
pool = None
from dbx_gateway.transport import sending as transport
(shared,) = transport._clients.values()
client = shared.client
inside, forked = threading.Event(), threading.Event()

def hold():
    with client._transport._pool._optional_thread_lock:
        inside.set()
        forked.wait(20)

thread = threading.Thread(target=hold)
thread.start()
assert inside.wait(20)

def work():
    global stream
    del stream
    gc.collect()
    talk("child", 2)

child = in_child(work)
forked.set()
thread.join()
ended(child)
"""


@promise("forks")
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_after_use_and_a_fork_both_sides_get_their_own_answers(name, fields, run):
    assert ran(run, BOTH_CALL, name, fields) == (0, "")


@promise("forked-streams")
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_child_that_leaves_the_parents_stream_does_not_disturb_it(name, fields, run):
    assert ran(run, WITH_A_STREAM, name, fields) == (0, "")


@promise("forks")
def test_a_fork_beside_threads_that_are_calling_leaves_the_child_able_to_call(fields, run):
    assert ran(run, BESIDE_THREADS, "core", fields) == (0, "")


@promise("forked-streams")
def test_a_child_whose_parents_thread_was_in_the_pool_can_drop_the_parents_stream(host, run):
    """The lock of the copied pool is held for ever in the child."""
    fields = host.fields()
    assert ran(run, COLLECTED_IN_THE_CHILD, "core", fields) == (0, "")


def ran(run, program, name, fields):
    done = run(BEGIN + program, fields["host"], name, fields["token"], fields["model"], fields["surface"])
    assert TOKEN not in done.stdout
    return done.returncode, done.stderr
