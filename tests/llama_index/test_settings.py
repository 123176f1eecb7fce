"""Settings, metadata, copies and serialised forms of ``DbxGateway``."""

from __future__ import annotations

import copy
import json
import pickle
import socket
import ssl

import httpx
import pytest
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.llms import ChatMessage

from dbx_gateway.errors import ConfigurationError
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding

SECRET = "dapi-very-secret"
HEADER = "header-value-secret"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)


def secretive(**settings):
    return DbxGateway(
        model="databricks-claude-sonnet-4-5",
        host="https://example.cloud.databricks.com",
        token=SECRET,
        default_headers={"x-team": HEADER},
        **settings,
    )


def test_neither_constructor_nor_metadata_need_network_or_credentials(no_network):
    metadata = DbxGateway(model="databricks-claude-sonnet-4-5").metadata

    assert metadata.context_window == 200_000
    assert metadata.is_function_calling_model
    assert metadata.is_chat_model
    assert metadata.model_name == "databricks-claude-sonnet-4-5"
    assert metadata.num_output == 8_192


def test_metadata_follows_the_settings():
    metadata = DbxGateway(model="m", context_window=5000, is_function_calling_model=False, max_tokens=100).metadata

    assert (metadata.context_window, metadata.num_output) == (5000, 100)
    assert not metadata.is_function_calling_model


def test_metadata_of_a_model_nobody_knows_leaves_room_for_prompt_and_answer():
    metadata = DbxGateway(model="team-chat").metadata

    assert metadata.context_window == 128_000
    assert 0 < metadata.num_output < metadata.context_window // 2
    assert metadata.is_function_calling_model


def test_a_model_without_tools_says_so():
    assert not DbxGateway(model="databricks-gemma-3-12b").metadata.is_function_calling_model


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(ConfigurationError, match="unknown setting 'temprature'; did you mean 'temperature'"):
        DbxGateway(model="m", temprature=1)
    with pytest.raises(ConfigurationError, match="did you mean 'system_prompt'"):
        DbxGateway(model="m", system_promt="x")
    with pytest.raises(ConfigurationError, match="did you mean 'temperature'"):
        DbxGateway(model="m", host="https://example.com", token="t").chat([ChatMessage("x")], temprature=1)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("api_base", "write base_url="),
        ("additional_kwargs", "write model_kwargs=, or extra_body="),
        ("is_chat_model", "leave it out"),
    ],
)
def test_a_name_of_another_integration_is_refused_with_what_to_write(name, advice):
    said = f"unknown setting {name!r}; {advice}"
    for kind in (DbxGateway, DbxGatewayEmbedding):
        with pytest.raises(ConfigurationError, match=said):
            kind(model="m", **{name: "x"})
    llm = DbxGateway(model="m", host="https://example.com", token="t")
    with pytest.raises(ConfigurationError, match=said):
        llm.chat([ChatMessage("x")], **{name: "x"})
    with pytest.raises(ConfigurationError, match=said):
        llm.complete("x", **{name: "x"})


@pytest.mark.parametrize("per_call", [True, False], ids=["for a call", "for all calls"])
def test_what_is_a_setting_in_model_kwargs_is_that_setting_and_the_rest_goes_into_the_body(
    make_llm, workspace, per_call
):
    mixed = {"model_kwargs": {"stop": "END", "max_tokens": 2000, "metadata": {"user_id": "u"}}}
    llm = make_llm(**({} if per_call else mixed))

    llm.chat([ChatMessage("Hello")], **(mixed if per_call else {}))

    (call,) = workspace.ledger.model_calls()
    assert {name: call.body[name] for name in ("stop_sequences", "max_tokens", "metadata")} == {
        "stop_sequences": ["END"],
        "max_tokens": 2000,
        "metadata": {"user_id": "u"},
    }


def test_a_value_that_does_not_fit_is_refused():
    with pytest.raises(ConfigurationError, match="max_retries"):
        DbxGateway(model="m", max_retries=-1)


def test_aliases_are_taken():
    llm = DbxGateway(model_name="m", api_key=SECRET, base_url="https://example.com", stop_sequences=["x"])

    assert (llm.model, llm.host, llm.stop) == ("m", "https://example.com", ("x",))
    assert llm.token.get_secret_value() == SECRET


def test_fields_of_llama_index_are_taken():
    llm = DbxGateway(model="m", system_prompt="Be brief.", callback_manager=None, rate_limiter=None)

    assert llm.system_prompt == "Be brief."
    assert llm.callback_manager.handlers == []


def test_the_payload_of_traces_names_model_and_temperature():
    payload = secretive(temperature=0.5).to_payload()

    assert (payload["model"], payload["temperature"], payload["class_name"]) == (
        "databricks-claude-sonnet-4-5",
        0.5,
        "DbxGateway",
    )
    assert SECRET not in str(payload)


@pytest.mark.parametrize(
    "form", [repr, str, lambda llm: json.dumps(llm.to_dict()), lambda llm: llm.to_json(), pickle.dumps]
)
def test_no_form_shows_a_secret(form):
    shown = form(secretive())

    for secret in (SECRET, HEADER):
        assert (secret if isinstance(shown, str) else secret.encode()) not in shown


def test_a_serialised_object_can_be_read_again():
    llm = secretive(temperature=0.5, max_tokens=10, stop=["x"], extra_body={"a": 1})

    again = DbxGateway.from_dict(json.loads(llm.to_json()))

    assert again.to_dict() == llm.to_dict()
    assert (again.model, again.temperature, again.stop) == (llm.model, 0.5, ("x",))


def test_pickling_leaves_the_original_as_it_is(make_llm):
    llm = make_llm(temperature=0.5)
    llm.complete("Hello")

    pickle.dumps(llm)

    assert llm.complete("Hello").text == "You said: Hello"


def test_a_pickled_object_asks_for_its_token_again(make_llm, workspace):
    llm = make_llm(temperature=0.5)
    llm.complete("Hello")

    again = pickle.loads(pickle.dumps(llm))

    assert (again.model, again.host, again.temperature) == (llm.model, llm.host, 0.5)
    with pytest.raises(ConfigurationError, match="token= is never part of a pickle; give token= again"):
        again.complete("Hello")
    twice = pickle.loads(pickle.dumps(again))
    with pytest.raises(ConfigurationError, match="give token= again"):
        twice.complete("Hello")
    twice.token = workspace.token
    assert twice.complete("Hello").text == "You said: Hello"


def test_a_pickled_object_finds_its_credentials_in_the_environment(url, workspace, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    llm = DbxGateway(model="databricks-claude-sonnet-4-5")
    llm.complete("Hello")

    again = pickle.loads(pickle.dumps(llm))

    assert again.complete("Hello").text == "You said: Hello"


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        lambda llm: llm.model_copy(update={"max_tokens": 2}),
        lambda llm: llm.model_copy(update={"max_tokens": 2}, deep=True),
    ],
)
def test_a_copy_keeps_the_credentials(make_llm, copied):
    llm = make_llm()
    llm.complete("Hello")

    assert copied(llm).complete("Hello").text.startswith("You said")


def test_a_copy_has_its_own_settings(make_llm):
    llm = make_llm()
    llm.complete("Hello there you")

    short = llm.model_copy(update={"max_tokens": 1})

    assert short.complete("Hello there you").text != llm.complete("Hello there you").text
    assert llm.complete("Hello there you").text == "You said: Hello there you"


class Passing:
    """A rate limiter that lets everything pass."""

    def acquire(self, num_tokens=0):
        """Do not wait."""


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda llm: llm.model_copy(deep=True)])
def test_a_deep_copy_shares_what_stands_for_something_outside(make_llm, copied):
    with httpx.Client() as client:
        llm = make_llm(http_client=client, callback_manager=CallbackManager([LlamaDebugHandler()]), stop=["x"])
        llm.complete("Hello")
        llm.__dict__["rate_limiter"] = Passing()

        again = copied(llm)

        assert again.http_client is client
        assert again.callback_manager is llm.callback_manager
        assert again.rate_limiter is llm.rate_limiter
        assert again.complete("Hello").text == "You said: Hello"
        again.extra_body = {"a": 1}
        assert llm.extra_body != {"a": 1}


def test_a_setting_that_is_changed_holds_from_the_next_call(make_llm, workspace):
    llm = make_llm()
    llm.complete("Hello")

    llm.max_tokens = 9
    llm.complete("Hello")

    assert [entry.body["max_tokens"] for entry in workspace.ledger.model_calls()][1] == 9


def test_llama_index_is_named_in_the_user_agent(make_llm, workspace):
    make_llm().complete("Hello")

    assert "llama-index-core/" in workspace.ledger.model_calls()[0].headers["user-agent"]


def test_a_pickle_keeps_a_certificate_file_and_gives_up_a_context():
    by_file = pickle.loads(pickle.dumps(DbxGateway(model="m", host="https://example.com", verify="/certs.pem")))
    by_context = DbxGateway(model="m", host="https://example.com", verify=ssl.create_default_context())

    again = pickle.loads(pickle.dumps(by_context))

    assert by_file.verify == "/certs.pem"
    with pytest.raises(ConfigurationError, match="verify= is never part of a pickle; give verify= again"):
        again.complete("Hello")
