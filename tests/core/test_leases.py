"""The connection of an answer that is being read: closed at once, and later only where closing now could wait for ever."""

from __future__ import annotations

import asyncio
import gc
import os
import threading

import httpx
import pytest

from dbx_gateway.transport import leases
from dbx_gateway.transport.leases import AsyncLease, Lease, settle


class Socket:
    """Stands for the socket under an answer."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def lease():
    """A lease on an answer of two chunks, over a socket that says whether it is closed."""
    response = httpx.Response(200, content=iter([b"one", b"two"]), extensions={"network_stream": Socket()})
    held = Lease(response, lambda: None)
    yield held
    leases._held.discard(held)
    leases._left.clear()


@pytest.fixture
def collecting():
    """This thread is inside the garbage collector, as far as the package knows; the real one does not run meanwhile."""
    gc.disable()
    leases._note_collection("start", {})
    yield
    leases._note_collection("stop", {})
    gc.enable()


def test_a_lease_that_is_given_back_closes_its_answer_and_ends_what_watches_over_it_once(lease):
    ended = []
    lease.stops += [lambda: ended.append("watchdog"), lambda: ended.append("log")]
    assert next(lease.chunks) == b"one"
    lease.release()
    lease.release()
    assert lease.response.is_closed
    assert ended == ["watchdog", "log"]


@pytest.mark.usefixtures("collecting")
def test_in_the_collector_only_the_socket_is_closed_and_the_rest_on_the_next_use(lease):
    lease.release()
    assert lease.response.extensions["network_stream"].closed
    assert not lease.response.is_closed
    leases._note_collection("stop", {})
    settle()
    assert lease.response.is_closed
    settle()


@pytest.mark.usefixtures("collecting")
def test_a_thread_beside_the_one_that_collects_closes_at_once(lease):
    other = threading.Thread(target=lease.release)
    other.start()
    other.join()
    assert lease.response.is_closed


def test_a_real_collection_is_noticed():
    found = []

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            found.append(threading.get_ident() in leases._collecting)

    Cycle()
    gc.collect()
    assert found == [True]
    assert threading.get_ident() not in leases._collecting


def test_in_a_child_of_the_process_only_the_socket_is_closed(lease, monkeypatch):
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    lease.release()
    assert lease.response.extensions["network_stream"].closed
    assert not lease.response.is_closed


def test_nothing_is_closed_when_the_process_ends(lease, monkeypatch):
    monkeypatch.setattr(Lease, "_ending", False)
    Lease.leave_open()
    lease.release()
    assert not lease.response.is_closed
    assert not lease.response.extensions["network_stream"].closed


async def body():
    yield b"one"


async def test_an_async_lease_closes_its_answer_at_once():
    held = AsyncLease(httpx.Response(200, content=body()))
    assert await anext(held.chunks) == b"one"
    await held.release()
    assert held.response.is_closed


async def test_an_async_lease_may_be_given_back_from_another_thread():
    held = AsyncLease(httpx.Response(200, content=body()))
    await asyncio.to_thread(held.release_later, asyncio.get_running_loop())
    await asyncio.gather(*leases._closing)
    assert held.response.is_closed


def test_a_loop_that_is_closed_has_closed_its_answers_with_it():
    loop = asyncio.new_event_loop()
    loop.close()
    held = AsyncLease(httpx.Response(200, content=body()))
    held.release_later(loop)
    assert not held.response.is_closed
