"""One model object in many places: event loops, threads, a fork, copies, a pickle; and who it signs in as."""

from __future__ import annotations

import asyncio
import copy
import importlib
import logging
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from support.llama_index_families import AGENT_WARNINGS, NATIVE

from dbx_gateway.errors import ConfigurationError, DbxGatewayError
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

EACH_MODEL = pytest.mark.parametrize("model", NATIVE)


def asked(number):
    return [ChatMessage(f"Number {number}")]


async def both(llm, number):
    """What a call and a stream say."""
    whole = await llm.achat(asked(number))
    streamed = [response async for response in await llm.astream_chat(asked(number))]
    return whole.message.content, streamed[-1].message.content


@EACH_MODEL
def test_one_object_serves_ten_event_loops_one_after_another(make_llm, model):
    llm = make_llm(model, max_retries=0)

    for number in range(10):
        assert asyncio.run(both(llm, number)) == (f"You said: Number {number}",) * 2


@AGENT_WARNINGS
def test_one_object_serves_agents_in_ten_event_loops(make_llm, add_tool, added):
    llm = make_llm(max_retries=0)

    async def run():
        return str(await FunctionAgent(llm=llm, tools=[add_tool]).run("add 2 and 3"))

    assert [asyncio.run(run()) for _ in range(10)] == ["The tools answered: 5"] * 10


@EACH_MODEL
async def test_every_method_works_inside_a_running_loop(make_llm, model):
    llm = make_llm(model)

    assert llm.chat(asked(1)).message.content == "You said: Number 1"
    assert list(llm.stream_chat(asked(2)))[-1].message.content == "You said: Number 2"
    assert llm.complete("Number 3").text == "You said: Number 3"
    assert list(llm.stream_complete("Number 4"))[-1].text == "You said: Number 4"
    assert await both(llm, 5) == ("You said: Number 5",) * 2


@EACH_MODEL
def test_one_object_serves_32_threads_at_once_sync_and_async(make_llm, workspace, model):
    llm = make_llm(model)

    def talk(number):
        said = llm.chat(asked(number)).message.content, list(llm.stream_chat(asked(number)))[-1].message.content
        return [*said, *asyncio.run(both(llm, number))]

    with ThreadPoolExecutor(32) as threads:
        said = list(threads.map(talk, range(32)))

    assert said == [[f"You said: Number {number}"] * 4 for number in range(32)]
    assert len(workspace.ledger.model_calls()) == 128


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@EACH_MODEL
def test_one_object_serves_parent_and_child_of_a_fork(make_llm, workspace, model):
    llm = make_llm(model, max_retries=0)
    llm.chat(asked(0))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            said = [llm.chat(asked(1)).message.content, *asyncio.run(both(llm, 1))]
            status = 0 if said == ["You said: Number 1"] * 3 else 2
        finally:
            os._exit(status)

    assert llm.chat(asked(2)).message.content == "You said: Number 2"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(workspace.ledger.model_calls()) == 5


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
@EACH_MODEL
def test_a_copy_of_an_object_that_was_used_works_beside_it(make_llm, model, copied):
    llm = make_llm(model, max_retries=0)
    asyncio.run(both(llm, 0))
    again = copied(llm)

    assert asyncio.run(both(again, 1)) == asyncio.run(both(llm, 1)) == ("You said: Number 1",) * 2
    assert again.to_dict() == llm.to_dict()


@EACH_MODEL
def test_a_pickle_of_an_object_that_was_used_signs_in_from_the_environment(signed_in, model):
    signed_in()
    llm = DbxGateway(model=model, temperature=0.5)
    asyncio.run(both(llm, 0))

    again = pickle.loads(pickle.dumps(llm))

    assert asyncio.run(both(again, 1)) == ("You said: Number 1",) * 2
    assert again.to_dict() == llm.to_dict()


@AGENT_WARNINGS
def test_an_agent_with_a_model_that_was_used_can_be_copied(make_llm, add_tool):
    llm = make_llm()
    agent = FunctionAgent(llm=llm, tools=[add_tool])

    async def run(one):
        return str(await one.run("add 2 and 3"))

    assert asyncio.run(run(agent)) == asyncio.run(run(copy.deepcopy(agent))) == "The tools answered: 5"


def test_one_embedding_object_serves_threads_and_event_loops(make_embedding):
    embedding = make_embedding(max_retries=0)
    expected = embedding.get_text_embedding("a")

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: embedding.get_text_embedding("a"), range(16)))

    assert found == [expected] * 16
    assert [asyncio.run(embedding.aget_text_embedding("a")) for _ in range(5)] == [expected] * 5


def test_keys_and_addresses_of_other_vendors_are_never_read(monkeypatch, url, workspace):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "sk-of-another-vendor")
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    importlib.import_module("databricks.sdk.core")  # takes long on a busy machine, and counts as time to sign in

    with pytest.raises(DbxGatewayError) as caught:
        DbxGateway(model="databricks-gpt-5-2").chat(asked(1))
    answer = DbxGateway(model="databricks-gpt-5-2", host=url, token=workspace.token).chat(asked(1))

    assert isinstance(caught.value, ConfigurationError)
    assert "sk-of-another-vendor" not in str(caught.value)
    assert answer.message.content == "You said: Number 1"


def test_a_token_of_the_environment_goes_to_no_other_host(signed_in, monkeypatch):
    served = signed_in()

    with pytest.raises(ConfigurationError, match="token"):
        DbxGateway(model="m", endpoint_url="http://127.0.0.1:9/v1/chat/completions").chat(asked(1))

    assert served.ledger.model_calls() == []


@EACH_MODEL
def test_neither_errors_nor_logs_show_a_token(make_llm, caplog, model):
    caplog.set_level(logging.DEBUG)
    llm = make_llm(model, token="dapi-very-secret", max_retries=0)

    with pytest.raises(DbxGatewayError) as caught:
        llm.chat(asked(1))

    assert "dapi-very-secret" not in str(caught.value) + repr(caught.value.__dict__) + caplog.text
    assert b"dapi-very-secret" not in pickle.dumps(caught.value)


def test_an_embedding_signs_in_like_a_model(signed_in):
    signed_in()

    assert len(DbxGatewayEmbedding(model="databricks-gte-large-en").get_query_embedding("a")) > 8
