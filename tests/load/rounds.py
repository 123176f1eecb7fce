"""Many calls at once, on an event loop or from threads, and what is left in memory after each round of them."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path

import httpx
from lifecycles.front_ends import FrontEnd
from load.endings import Ending
from load.simulator import CALL

PAGE = 4096
_MEMORY = Path("/proc/self/statm")


def question(call: str) -> str:
    """Return a prompt that no other call has; its answer repeats it."""
    return f"call {call} " + " ".join(f"{call}w{number}" for number in range(60))


def answer(call: str) -> str:
    """Return the whole right answer."""
    return f"You said: {question(call)}"


def calls(number: int, many: int) -> list[str]:
    """Return the names of the calls of round ``number``."""
    return [f"r{number}n{call}" for call in range(many)]


class Network:
    """What our own clients have sent and received, counted where httpx hands it to the network and takes it from there.

    Attributes:
        sent: how many requests, for each call.
        received: how many bytes of answers.
    """

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.received = 0
        self._lock = threading.Lock()

    def watch(self, monkeypatch) -> Network:
        """Count from now on."""
        plain, waiting = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request
        chunks, waiting_chunks = httpx.Response.iter_raw, httpx.Response.aiter_raw

        def handle_request(transport, request):
            self._note(request)
            return plain(transport, request)

        async def handle_async_request(transport, request):
            self._note(request)
            return await waiting(transport, request)

        def iter_raw(response, chunk_size=None):
            return self._counted(chunks(response, chunk_size))

        async def aiter_raw(response, chunk_size=None):
            async with aclosing(waiting_chunks(response, chunk_size)) as inner:
                async for chunk in inner:
                    self.received += len(chunk)
                    yield chunk

        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle_request)
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async_request)
        monkeypatch.setattr(httpx.Response, "iter_raw", iter_raw)
        monkeypatch.setattr(httpx.Response, "aiter_raw", aiter_raw)
        return self

    def taken(self) -> tuple[dict[str, int], int]:
        """Return both counts since the last time."""
        sent, received = dict(self.sent), self.received
        self.sent.clear()
        self.received = 0
        return sent, received

    def _note(self, request: httpx.Request) -> None:
        if (call := CALL.search(request.content)) is not None:
            with self._lock:
                self.sent[call[1].decode()] += 1

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            with self._lock:
                self.received += len(chunk)
            yield chunk


class Crowd:
    """Lets no stream go on before all of them have begun or failed, so that they are all open at once.

    Args:
        size: how many there are.

    Attributes:
        open: how many were open at once.
    """

    def __init__(self, size: int) -> None:
        self.open = 0
        self._missing = size
        self._all_here = asyncio.Event()

    async def begun(self) -> None:
        """One more has begun: wait for the others."""
        self.open += 1
        self.arrived()
        await self._all_here.wait()

    def arrived(self) -> None:
        """One more has begun, or has failed before."""
        self._missing -= 1
        if not self._missing:
            self._all_here.set()


async def read_all(fronts: list[FrontEnd], names: list[str]) -> tuple[dict[str, Ending], int]:
    """Read a stream for each of the calls, all of them open at the same time; return their endings, and how many were."""
    crowd = Crowd(len(names))

    async def read(front: FrontEnd, call: str) -> Ending:
        said: list[str] = []
        waited = False
        try:
            async with aclosing(await front.astream(question(call))) as stream:
                async for item in stream:
                    said.append(front.said(item))
                    if not waited and said[-1]:
                        waited = True
                        await crowd.begun()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is judged
            return Ending.of("".join(said), error)
        finally:
            if not waited:
                crowd.arrived()
        return Ending("".join(said))

    reading = [read(fronts[number % len(fronts)], call) for number, call in enumerate(names)]
    return dict(zip(names, await asyncio.gather(*reading), strict=True)), crowd.open


def read_in_threads(fronts: list[FrontEnd], names: list[str], threads: int) -> dict[str, Ending]:
    """Read a stream for each of the calls, in many threads that begin together, and return their endings."""
    start = threading.Barrier(threads)

    def read(front: FrontEnd, call: str) -> Ending:
        said: list[str] = []
        try:
            with closing(front.stream(question(call))) as stream:
                for item in stream:
                    said.append(front.said(item))  # noqa: PERF401  # what came before an error is kept
        except Exception as error:  # noqa: BLE001  # whatever it is, it is judged
            return Ending.of("".join(said), error)
        return Ending("".join(said))

    def read_share(first: int) -> Iterable[tuple[str, Ending]]:
        start.wait()
        share = range(first, len(names), threads)
        return [(names[number], read(fronts[number % len(fronts)], names[number])) for number in share]

    with ThreadPoolExecutor(threads, "reader") as pool:
        return dict(pair for pairs in pool.map(read_share, range(threads)) for pair in pairs)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is held after a round, in bytes.

    Args:
        traced: by Python's objects.
        resident: by the process.
    """

    traced: int
    resident: int

    @classmethod
    def now(cls) -> Memory:
        """Measure, after all that can be collected is gone and the C library has given back what it keeps for later."""
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
        resident = int(_MEMORY.read_text(encoding="ascii").split()[1]) * PAGE if _MEMORY.exists() else 0
        return cls(tracemalloc.get_traced_memory()[0], resident)
