"""One model object: on many threads and event loops, after fork, pickled, copied, and written down."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from langchain_core.load import dumpd, dumps, load, loads

from dbx_gateway.errors import ConfigurationError
from langchain_dbx_gateway import ChatDbxGateway

HELLO = "You said: Hello"
# This is how LangChain marks load and loads.
pytestmark = pytest.mark.filterwarnings("ignore:.*in beta:langchain_core._api.beta_decorator.LangChainBetaWarning")

SECRET = "dapi-very-secret"


def test_ten_event_loops_one_after_another(make_llm):
    llm = make_llm()

    assert [asyncio.run(llm.ainvoke("Hello")).text for _ in range(10)] == [HELLO] * 10


def test_thirty_two_threads_at_once(make_llm):
    llm = make_llm()
    with ThreadPoolExecutor(32) as pool:
        texts = list(pool.map(lambda number: llm.invoke(f"Hello {number}").text, range(64)))

    assert texts == [f"{HELLO} {number}" for number in range(64)]


async def test_sync_and_async_calls_inside_a_running_loop(make_llm):
    llm = make_llm()

    assert llm.invoke("Hello").text == (await llm.ainvoke("Hello")).text == HELLO
    assert "".join(chunk.text for chunk in llm.stream("Hello")) == HELLO


async def test_many_calls_at_once_on_one_loop(make_llm):
    answers = await make_llm().abatch([f"Hello {number}" for number in range(30)])

    assert [answer.text for answer in answers] == [f"{HELLO} {number}" for number in range(30)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_it_answers_in_a_forked_process_and_still_in_the_first(make_llm):
    llm = make_llm()
    llm.invoke("Hello")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if llm.invoke("Hello").text == HELLO else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert llm.invoke("Hello").text == HELLO


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda llm: llm.model_copy()])
def test_a_copy_has_the_credentials_of_its_original(make_llm, again):
    llm = make_llm()
    llm.invoke("Hello")

    assert again(llm).invoke("Hello").text == HELLO


def test_a_deep_copy_shares_the_callers_http_client(make_llm):
    with httpx.Client() as client:
        llm = copy.deepcopy(make_llm(http_client=client))

        assert llm.http_client is client
        assert llm.invoke("Hello").text == HELLO


def test_a_pickle_of_a_model_with_a_token_says_on_its_first_call_that_it_has_none(make_llm, workspace):
    llm = make_llm()
    llm.invoke("Hello")
    pickled = pickle.dumps(llm)
    again = pickle.loads(pickled)

    assert workspace.token.encode() not in pickled
    with pytest.raises(ConfigurationError, match="token"):
        again.invoke("Hello")
    again.token = workspace.token
    assert again.invoke("Hello").text == HELLO


def test_a_pickle_of_a_model_of_the_environment_signs_in_anew(workspace, url, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    again = pickle.loads(pickle.dumps(ChatDbxGateway(model="databricks-claude-sonnet-4-5")))

    assert again.invoke("Hello").text == HELLO


def test_bound_and_structured_models_can_be_pickled(make_llm, workspace):
    llm = make_llm().with_structured_output({"title": "a", "type": "object", "properties": {"b": {"type": "integer"}}})

    assert pickle.loads(pickle.dumps(llm)).first.bound.model == "databricks-claude-sonnet-4-5"


def test_the_serialised_form_names_the_tokens_variable_and_holds_no_token(workspace, url, monkeypatch):
    llm = ChatDbxGateway(model="databricks-claude-sonnet-4-5", host=url, token=SECRET, temperature=0.5)
    text = dumps(llm)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    again = loads(
        text, allowed_objects=[ChatDbxGateway], valid_namespaces=["langchain_dbx_gateway"], secrets_from_env=True
    )

    assert SECRET not in text
    assert json.loads(text)["kwargs"]["token"]["id"] == ["DATABRICKS_TOKEN"]
    assert (again.temperature, again.invoke("Hello").text) == (0.5, HELLO)


def test_what_no_serialised_form_holds_is_asked_for_on_the_first_call(make_llm):
    with httpx.Client() as client:
        written = dumpd(make_llm(http_client=client, default_headers={"x-team": SECRET}))
    again = load(
        written,
        allowed_objects=[ChatDbxGateway],
        valid_namespaces=["langchain_dbx_gateway"],
        secrets_map={"DATABRICKS_TOKEN": "t"},
    )

    assert SECRET not in json.dumps(written)
    with pytest.raises(ConfigurationError, match="http_client"):
        again.invoke("Hello")


def test_all_stands_for_this_class_too():
    written = dumpd(ChatDbxGateway(model="m"))

    assert load(written, allowed_objects="all", valid_namespaces=["langchain_dbx_gateway"]).model == "m"


def test_no_secret_is_in_any_form_of_it():
    llm = ChatDbxGateway(
        model="m", host="https://workspace.example.com", token=SECRET, default_headers={"x-team": SECRET}
    )

    shown = f"{llm!r} {llm} {llm.model_dump()} {llm.asdict()} {llm._get_llm_string()} {llm.to_json()['kwargs'].keys()}"
    assert SECRET not in shown


def test_two_models_with_different_settings_have_different_keys_in_a_cache():
    one, other = (ChatDbxGateway(model="m", temperature=value) for value in (0, 1))

    assert one._get_llm_string() != other._get_llm_string()
    assert one._get_llm_string() == ChatDbxGateway(model="m", temperature=0)._get_llm_string()


def test_parameters_for_tracing():
    llm = ChatDbxGateway(model="m", temperature=0.5, max_tokens=7, stop=["END"])

    assert llm._get_ls_params() | {} == {
        "ls_provider": "databricks",
        "ls_model_name": "m",
        "ls_model_type": "chat",
        "ls_temperature": 0.5,
        "ls_max_tokens": 7,
        "ls_stop": ["END"],
        **{key: value for key, value in llm._get_ls_params().items() if key == "ls_integration"},
    }
    assert llm._get_ls_params(stop=["OTHER"])["ls_stop"] == ["OTHER"]
    assert "ls_stop" not in ChatDbxGateway(model="m")._get_ls_params()


def test_constructing_needs_neither_network_nor_credentials():
    llm = ChatDbxGateway(model="databricks-claude-sonnet-4-5")

    assert llm._llm_type == "dbx-gateway-chat"
    assert llm.metadata["lc_versions"]["dbx-gateway"]
