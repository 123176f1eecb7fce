"""One client used from many threads, from one event loop after another, and after a fork."""

from __future__ import annotations

import asyncio
import copy
import os

import pytest
from end_to_end.site import ADD, CLAUDE, NATIVE, PROBE
from end_to_end.threads import in_threads

from dbx_gateway import Client, fold


def test_one_async_client_works_in_ten_event_loops_one_after_another(site):
    client = site.async_client()

    async def talk(number: int) -> list[str]:
        whole = await client.chat(f"Hello {number}")
        streamed = fold([event async for event in client.stream(f"Hello again {number}")])
        return [whole.text, streamed.text]

    for number in range(10):
        said = asyncio.run(talk(number))
        assert said == [f"You said: Hello {number}", f"You said: Hello again {number}"]
    assert len(site.asked(PROBE)) == 1
    assert len(site.posts()) == 20


def test_async_clients_work_in_several_loops_at_once(site):
    client = site.async_client()

    async def talk(number: int) -> None:
        answers = await asyncio.gather(*(client.chat(f"{number} {turn}") for turn in range(8)))
        assert [answer.text for answer in answers] == [f"You said: {number} {turn}" for turn in range(8)]

    in_threads(4, lambda number: asyncio.run(talk(number)))
    assert len(site.posts()) == 32


@pytest.mark.parametrize("model", NATIVE.values())
def test_one_client_works_from_thirty_two_threads(site, model):
    client = site.client(model)

    def talk(number: int) -> None:
        assert client.chat(f"Hello {number}").text == f"You said: Hello {number}"
        assert fold(client.stream(f"Hello {number}")).text == f"You said: Hello {number}"
        answer = client.chat(f"Add {number} and 1", tools=[ADD])
        assert [call.parsed() for call in answer.executable_tool_calls] == [{"a": number, "b": 1}]

    in_threads(32, talk)
    assert len(site.posts()) == 96
    assert set(site.statuses()) == {200}


async def test_a_sync_client_works_inside_a_running_event_loop(site):
    client = site.client()
    assert client.chat("Hello").text == "You said: Hello"
    assert fold(client.stream("Hello")).text == "You said: Hello"


async def test_sync_and_async_clients_share_what_was_learned(site):
    site.client().chat("Hello")
    await site.async_client().chat("Hello")
    assert len(site.asked(PROBE)) == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_client_works_after_a_fork_in_parent_and_child(site):
    client = site.client()
    client.chat("Before")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            said = [client.chat("In the child").text, fold(client.stream("In the child")).text]
            said.append(asyncio.run(site.async_client().chat("In the child")).text)
            status = 0 if said == ["You said: In the child"] * 3 else 2
        finally:
            os._exit(status)
    assert client.chat("In the parent").text == "You said: In the parent"
    _, ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended) == 0
    assert client.chat("After").text == "You said: After"
    assert len(site.posts()) == 6


def test_a_copy_of_a_client_still_signs_in(site):
    assert copy.deepcopy(site.client()).chat("Hello").text == "You said: Hello"
    assert copy.copy(site.client()).chat("Hello").text == "You said: Hello"


def test_a_client_of_the_callers_own_is_used_and_left_open(site):
    import httpx

    with httpx.Client(trust_env=False) as own:
        client = Client(**site.fields(CLAUDE, http_client=own))
        client.chat("Hello")
        client.close()
        assert not own.is_closed
        list(client.stream("Hello"))
    assert len(site.posts()) == 2


async def test_an_async_client_of_the_callers_own_is_used_and_left_open(site):
    import httpx

    async with httpx.AsyncClient(trust_env=False) as own:
        client = site.async_client(http_async_client=own)
        async with client:
            await client.chat("Hello")
        assert not own.is_closed
        assert [event async for event in client.stream("Hello")]


def test_proxies_of_the_environment_are_not_used_for_loopback(site, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert site.client().chat("Hello").text == "You said: Hello"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_every_request_says_what_sends_it(site, stream):
    client = Client(product="my-agent/1.2", **site.fields(default_headers={"x-team": "blue"}))
    list(client.stream("Hello")) if stream else client.chat("Hello")
    for entry in site.asked():
        assert entry.headers["user-agent"].startswith("dbx-gateway/")
        assert "my-agent/1.2" in entry.headers["user-agent"]
        assert entry.headers["x-team"] == "blue"


def test_vectors_come_in_the_order_of_their_texts_whatever_the_batches(site):
    client = site.client("databricks-gte-large-en")
    texts = [f"text number {number}" for number in range(7)]
    whole = client.embed(texts)
    split = client.embed(texts, batch_size=2)
    assert whole.vectors == split.vectors
    assert len(set(whole.vectors)) == 7
    assert len([entry for entry in site.posts() if entry.api == "embeddings"]) == 1 + 4


@pytest.mark.parametrize("surface", ["ai-gateway", "model-serving"])
async def test_vectors_are_the_same_from_an_event_loop_and_on_both_surfaces(site, surface):
    texts = ["a", "b", "c"]
    said = await site.async_client("databricks-gte-large-en", surface=surface).embed(texts, batch_size=1)
    assert said.vectors == site.client("databricks-gte-large-en").embed(texts).vectors
    assert said.usage.input == 3


def test_a_hundred_first_embeddings_calls_probe_once(site):
    client = site.client("databricks-gte-large-en")
    in_threads(16, lambda number: client.embed([f"text {number}"]))
    assert len(site.asked(PROBE)) == 1


def test_the_list_of_models_names_both_surfaces(site):
    listing = site.client("").models()
    known = {model.name: model for model in listing.models}
    assert listing.problems == ()
    assert known[CLAUDE].surfaces == ("ai-gateway", "model-serving")
    assert known["team-chat"].surfaces == ("model-serving",)
    assert known["team-chat"].family == "claude"


async def test_both_clients_list_the_same_models(site):
    assert await site.async_client("").models() == site.client("").models()
