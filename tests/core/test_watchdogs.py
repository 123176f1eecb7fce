"""The total time of a call ends a stream that says nothing, from threads and on event loops."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from lifecycles.host import serving
from support.promises import promise

from dbx_gateway import AsyncClient, Client, IncompleteStreamError
from dbx_gateway.events import TextDelta
from dbx_gateway.transport import watchdogs
from dbx_gateway.transport.deadlines import alarm_in


@pytest.fixture
def host():
    """Its streams begin, and then say nothing."""
    with serving() as running:
        yield running


@pytest.fixture
def alarms(monkeypatch):
    """The alarms that are set, with what they do: the test lets them ring, so that nothing depends on the time."""
    kept = []

    def keep(seconds, act):
        alarm = alarm_in(seconds, act)
        kept.append((seconds, alarm))
        return alarm

    monkeypatch.setattr(watchdogs, "alarm_in", keep)
    return kept


@promise("total-timeout")
def test_the_alarm_of_the_total_ends_a_silent_stream_of_a_thread(host, alarms):
    stream = Client(**host.fields(total_timeout=3600.0)).stream("Hello")
    while not isinstance(next(stream), TextDelta):
        pass
    ((seconds, alarm),) = alarms
    assert 3500 < seconds <= 3600
    alarm.ring()
    with pytest.raises(IncompleteStreamError) as raised:
        list(stream)
    assert raised.value.partial.text == "You said: "


@promise("total-timeout")
async def test_the_alarm_of_the_total_ends_a_silent_stream_of_an_event_loop(host, alarms):
    stream = AsyncClient(**host.fields(total_timeout=3600.0)).stream("Hello")
    async with asyncio.timeout(60):
        while not isinstance(await anext(stream), TextDelta):
            pass
        ((seconds, alarm),) = alarms
        assert 3500 < seconds <= 3600
        asyncio.get_running_loop().call_later(0.01, alarm.ring)  # while the reader waits
        with pytest.raises(IncompleteStreamError) as raised:
            async for _ in stream:
                pass
    assert raised.value.partial.text == "You said: "


def test_a_stream_that_is_left_calls_its_alarm_off(host, alarms):
    with contextlib.closing(Client(**host.fields(total_timeout=3600.0)).stream("Hello")) as stream:
        next(stream)
        ((_, alarm),) = alarms
        assert alarm.is_set
    assert not alarm.is_set


@promise("total-timeout")
async def test_a_stream_of_an_event_loop_that_is_left_calls_its_alarm_off(host, alarms):
    async with contextlib.aclosing(AsyncClient(**host.fields(total_timeout=3600.0)).stream("Hello")) as stream:
        await anext(stream)
        ((_, alarm),) = alarms
        assert alarm.is_set
    assert not alarm.is_set


async def test_a_stream_without_a_total_sets_no_alarm(host, alarms):
    async with contextlib.aclosing(AsyncClient(**host.fields()).stream("Hello")) as stream:
        await anext(stream)
    assert alarms == []
