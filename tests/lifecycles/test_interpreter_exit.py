"""Programs that end while streams are open: their exit status is theirs, and nothing is printed behind their back."""

from __future__ import annotations

import pytest
from lifecycles.front_ends import FRONT_ENDS
from lifecycles.host import TOKEN
from support.promises import promise

BEGIN = """
import asyncio, gc, sys, threading
from lifecycles.front_ends import front_end

url, name, token = sys.argv[1:]
front = front_end(name, model="databricks-meta-llama-3-3-70b-instruct", host=url, token=token, surface="model-serving")

class Cycle:
    def __init__(self, held):
        self.held, self.itself = held, self

def begun():
    stream = front.stream("Hello")
    next(stream)
    return stream

async def abegun():
    stream = await front.astream("Hello")
    await anext(stream)
    return stream
"""

ENDINGS = {
    "a stream in a variable of the program": "stream = begun()",
    "many streams in variables": "streams = [begun() for _ in range(20)]",
    "a stream in a cycle": "gc.disable(); Cycle(begun())",
    "a stream that a total deadline watches": """
front.fields["total_timeout"] = 300.0
front = front_end(name, **front.fields)
stream = begun()
""",
    "a stream that a background thread reads": """
reading = threading.Event()

def read():
    stream = front.stream("Hello")
    next(stream)
    reading.set()
    for _ in stream:
        pass

thread = threading.Thread(target=read, daemon=True)
thread.start()
assert reading.wait(20)
# Until it waits for bytes: a thread that the end of the program stops inside of pydantic may crash it, whoever called.
while "httpcore" not in sys._current_frames()[thread.ident].f_code.co_filename:
    threading.Event().wait(0.01)
""",
    "a stream of an event loop that has ended": """
async def main():
    global stream
    stream = await abegun()

asyncio.run(main())
""",
    "streams of an event loop that nobody holds": """
async def main():
    for _ in range(20):
        await abegun()

asyncio.run(main())
""",
    "streams of an event loop in cycles": """
async def main():
    gc.disable()
    for _ in range(20):
        Cycle(await abegun())

asyncio.run(main())
""",
    "tasks of an event loop that still read": """
async def read():
    async for _ in await front.astream("Hello"):
        pass

async def main():
    global tasks
    tasks = [asyncio.create_task(read()) for _ in range(5)]
    await abegun()

asyncio.run(main())
""",
    "a stream of an event loop that was closed without its generators": """
loop = asyncio.new_event_loop()
stream = loop.run_until_complete(abegun())
loop.close()
""",
    "a thread that ended with its stream": """
kept = threading.local()

def read():
    kept.stream = begun()

thread = threading.Thread(target=read)
thread.start()
thread.join()
""",
}


SOON = {
    "core": set(ENDINGS),
    "langchain": {"a stream of an event loop that has ended", "streams of an event loop in cycles"},
    "llama-index": {"streams of an event loop in cycles"},
}
"""What is not left to the full check: for the adapters, where they have something of their own to close."""

RUNS = [
    pytest.param(case, ending, marks=() if ending in SOON[case] else pytest.mark.slow)
    for case in FRONT_ENDS
    for ending in ENDINGS
]


@promise("quiet-exit")
@pytest.mark.parametrize(("case", "ending"), RUNS)
def test_a_program_ends_quietly_and_at_once_with_streams_open(case, ending, host, run):
    status = list(ENDINGS).index(ending) % 3
    done = run(f"{BEGIN}\n{ENDINGS[ending]}\nprint('done', flush=True)\nsys.exit({status})", host.url, case, TOKEN)
    assert (done.returncode, done.stdout, done.stderr) == (status, "done\n", "")
    assert host.begun >= 1
    host.wait_for("open", 0)
