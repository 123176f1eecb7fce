"""A day's worth of calls in one process: what is open, what runs and what is in memory is flat."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import ssl
import sys
from contextlib import aclosing, closing
from dataclasses import dataclass

import pytest
from lifecycles.leftovers import descriptors, settled, threads
from load.rounds import Memory
from load.soak_host import ANSWER, soak_hosts
from support.promises import promise

from dbx_gateway import AsyncClient, Client, NotFoundError, Observations, notices
from dbx_gateway.auth.identities import proven_tokens
from dbx_gateway.transport.sending import close_connections

CALLS = int(os.environ.get("SOAK_CALLS", "20000"))
"""How many calls the long test makes; read before the tests take the machine's variables away."""

DAY = 86_400.0
ROUNDS = 10
"""Parts of the day, after each of which is measured."""
WARM = 3
"""Parts of the day after which everything that has a bound has reached it."""
HOSTS = 12
BLOCK = 20
"""Calls that one user makes, the half of them from an event loop."""

SPARE_MEMORY = 4 * 1024 * 1024
"""Bytes by which the resident memory of a busy process goes up and down by itself."""
SPARE_OBJECTS = 400
"""Objects that come and go by themselves; one that each user leaves behind would be more."""
SPARE_BLOCKS = 2000
"""Pieces of memory that come and go by themselves: texts and numbers are no objects of the collector's."""


@dataclass(frozen=True, slots=True)
class Load:
    """What there is after a part of the day.

    Args:
        objects: that the collector knows.
        blocks: of memory that Python's objects have.
        resident: bytes.
        sockets: that are open.
        threads: that run.
    """

    objects: int
    blocks: int
    resident: int
    sockets: int
    threads: int

    @classmethod
    def now(cls) -> Load:
        memory = Memory.now()
        open_now, running = sum(descriptors().values()), len(threads())
        return cls(len(gc.get_objects()), sys.getallocatedblocks(), memory.resident, open_now, running)


class Day:
    """Makes the calls of a day: users who come and go, each with a token and clients of their own.

    Args:
        hosts: of the workspaces.
        calls: in the whole day.
    """

    def __init__(self, hosts: list[str], calls: int) -> None:
        self.calls = 0
        self._hosts = hosts
        self._length = DAY / calls
        self._observations = Observations(lambda: self.calls * self._length)

    def fields(self, user: int) -> dict:
        model = ("databricks-llama-{}", "team-{}", "picky-{}", "gone-{}")[user % 4].format(user % 97)
        fields = {
            "model": model,
            "host": self._hosts[user % len(self._hosts)],
            "token": f"dapi-soak-{user:08d}",
            "observations": self._observations,
            "top_k": 5,
        }
        if user % 25 == 0:  # a caller's own TLS settings, another object each time
            fields["verify"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return fields

    def block(self, user: int) -> None:
        """Make the calls of one user."""
        if user % 10 == 0:  # the proxy changes; loopback is never asked for through one
            os.environ["HTTPS_PROXY"] = f"http://127.0.0.1:{20000 + user % 20000}"
        self._from_threads(user)
        asyncio.run(self._from_a_loop(user))

    def _from_threads(self, user: int) -> None:
        client = Client(**self.fields(user))
        for number in range(BLOCK // 2):
            self.calls += 1
            try:
                if number == 0:
                    with closing(client.stream("Hello")) as stream:
                        next(stream)  # and no more of it
                elif number == 1:
                    for _ in client.stream("Hello"):
                        pass
                else:
                    assert client.chat("Hello").text == ANSWER
            except NotFoundError:
                assert user % 4 == 3

    async def _from_a_loop(self, user: int) -> None:
        client = AsyncClient(**self.fields(user))
        for number in range(BLOCK // 2):
            self.calls += 1
            try:
                if number == 0:
                    async with aclosing(client.stream("Hello")) as stream:
                        await anext(stream)
                elif number == 1:
                    async for _ in client.stream("Hello"):
                        pass
                else:
                    assert (await client.chat("Hello")).text == ANSWER
            except NotFoundError:
                assert user % 4 == 3


def live_a_day(calls: int) -> list[Load]:
    """Make the calls of a day, and return what there was after each part of it."""
    loads = []
    with soak_hosts(HOSTS) as hosts:
        day = Day(hosts, calls)
        users = calls // BLOCK
        for part in range(ROUNDS):
            for user in range(part * users // ROUNDS, (part + 1) * users // ROUNDS):
                day.block(user)
            loads.append(Load.now())
        close_connections()
    assert day.calls >= calls - BLOCK
    return loads


def check_flat(loads: list[Load]) -> None:
    warm, last = loads[WARM], loads[-1]
    assert last.objects - warm.objects < SPARE_OBJECTS, loads
    assert last.blocks - warm.blocks < SPARE_BLOCKS, loads
    assert last.resident - warm.resident < SPARE_MEMORY, loads
    assert last.sockets - warm.sockets <= HOSTS, loads
    assert last.threads <= warm.threads, loads


@pytest.fixture(autouse=True)
def _bounds_that_are_reached_early(monkeypatch, caplog):
    """What is bounded by number and not by time grows until then."""
    monkeypatch.setattr(notices, "MOST_REMEMBERED", 20)
    monkeypatch.setattr(proven_tokens(), "_most", 20)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # is put back at the end
    caplog.set_level(logging.CRITICAL)


@promise("soak-flat")
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_days_worth_of_calls_leaves_memory_descriptors_and_threads_flat():
    before, running = descriptors(), threads()
    loads = live_a_day(CALLS)
    check_flat(loads)
    settled(before, running)
