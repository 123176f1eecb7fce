import copy
import json
import pickle
import ssl

import httpx
import pytest
from pydantic import SecretStr

from dbx_gateway import AsyncClient, Client
from dbx_gateway.call.observations import Observations
from dbx_gateway.chat import ReasoningConfig, user
from dbx_gateway.errors import ConfigurationError
from dbx_gateway.settings import (
    CALL_OPTIONS,
    PROTECTED_HEADERS,
    Settings,
    SettingsFields,
    canonical_names,
    named_values,
    reasoning_config,
    timeout_of,
    veiled,
)

HOST = "https://ws.example.com"
TOKEN = "dapi-hunter2"
URL = "https://proxy.example.com/v1/chat/completions"


class Given:
    """Stands for a client object; one that cannot be copied or pickled."""

    host = HOST
    config = None

    def authenticate(self):
        return {"Authorization": f"Bearer {TOKEN}"}

    def __reduce__(self):
        raise TypeError("no copy and no pickle of this")


CONFIG = Given()
WORKSPACE_CLIENT = Given()
WORKSPACE_CLIENT.config = CONFIG


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"model_name": "m"}, "model", "m"),
        ({"endpoint": "m"}, "model", "m"),
        ({"model_kwargs": {"a": 1}}, "extra_body", {"a": 1}),
        ({"model_kwargs": {"temperature": 0.5, "a": 1}}, "temperature", 0.5),
        ({"model_kwargs": {"temperature": 0.5, "a": {"b": None}}}, "extra_body", {"a": {"b": None}}),
        ({"model_kwargs": {"stop_sequences": ["x"]}}, "stop", ("x",)),
        ({"model_kwargs": {"a": 1, "extra_body": {"b": 2}}}, "extra_body", {"a": 1, "b": 2}),
        ({"model_kwargs": {"a": 1}, "extra_body": {"b": 2}}, "extra_body", {"a": 1, "b": 2}),
        ({"model_kwargs": {"seed": None}, "seed": 3}, "seed", 3),
        ({"model_kwargs": {"seed": 3}, "seed": None}, "seed", 3),
        ({"model_kwargs": {"tools": [], "streaming": True}}, "extra_body", {"tools": [], "streaming": True}),
        ({"model_kwargs": {}}, "extra_body", {}),
        ({"model_kwargs": None}, "extra_body", {}),
        ({"model_kwargs": {"base_url": f"{HOST}/ai-gateway"}}, "surface", "ai-gateway"),
        ({"stop_sequences": ["x"]}, "stop", ("x",)),
        ({"stop": "x"}, "stop", ("x",)),
        ({"stop": None}, "stop", ()),
        ({"base_url": HOST}, "host", HOST),
        ({"base_url": f"{HOST}/"}, "host", HOST),
        ({"base_url": "ws.example.com"}, "host", HOST),
        ({"base_url": f"{HOST}/serving-endpoints"}, "host", HOST),
        ({"base_url": f"{HOST}/ai-gateway/mlflow/v1"}, "host", HOST),
        ({"base_url": f"{HOST}/serving-endpoints"}, "surface", "model-serving"),
        ({"base_url": "ws.example.com/ai-gateway/codex/v1/"}, "surface", "ai-gateway"),
        ({"base_url": f"{HOST}/AI-Gateway/gemini"}, "surface", "ai-gateway"),
        ({"base_url": "https://1.ai-gateway.cloud.databricks.com/openai/v1/"}, "surface", "ai-gateway"),
        ({"base_url": "https://1.ai-gateway.cloud.databricks.com"}, "surface", "auto"),
        ({"base_url": f"{HOST}/serving-endpoints", "surface": "auto"}, "surface", "model-serving"),
        ({"host": f"{HOST}/serving-endpoints/v1"}, "surface", "model-serving"),
        ({"host": f"{HOST}/serving-endpoints", "endpoint_url": URL}, "surface", "auto"),
        ({"host": HOST}, "surface", "auto"),
        ({"base_url": f"{HOST}/serving-endpoints/m/invocations"}, "endpoint_url", f"{HOST}/serving-endpoints/m/invocations"),
        ({"base_url": URL}, "endpoint_url", URL),
        ({"base_url": "https://proxy.example.com/llm"}, "endpoint_url", "https://proxy.example.com/llm"),
        ({"base_url": None}, "host", None),
        ({"disabled_quirks": "empty-parts, merge-system"}, "disabled_quirks", ("empty-parts", "merge-system")),
        ({"disabled_quirks": None}, "disabled_quirks", ()),
        ({"disabled_quirks": ["all"]}, "disabled_quirks", ("all",)),
        ({"surface": None}, "surface", "auto"),
        ({"max_retries": None}, "max_retries", 2),
        ({"timeout": None}, "timeout", None),
        ({}, "timeout", 600.0),
    ],
)  # fmt: skip
def test_settings_are_known_by_the_names_users_of_other_packages_use(given, name, value):
    assert getattr(Settings.of(given), name) == value


def test_a_token_in_model_kwargs_is_a_secret_too():
    (veiled_token,) = veiled({"model_kwargs": {"api_key": TOKEN, "a": 1}})["model_kwargs"].items() - {("a", 1)}
    assert (veiled_token[0], veiled_token[1].get_secret_value()) == ("api_key", TOKEN)
    assert Client(model="m", model_kwargs={"api_key": TOKEN}).settings.token.get_secret_value() == TOKEN


def test_api_key_is_the_token():
    assert Settings.of({"api_key": TOKEN}).token.get_secret_value() == TOKEN


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"temprature": 0}, "unknown setting 'temprature'; did you mean 'temperature'"),
        ({"base_ur": HOST}, "did you mean 'base_url'"),
        ({"model": "a", "model_name": "b"}, "model is given twice, once as 'model_name'"),
        ({"token": "a", "api_key": "b"}, "token is given twice"),
        ({"seed": 1, "model_kwargs": {"seed": 2}}, "seed is given twice, once in 'model_kwargs'"),
        ({"stop": "a", "model_kwargs": {"stop_sequences": "b"}}, "stop is given twice, once as 'stop_sequences'"),
        ({"extra_body": {"a": 1}, "model_kwargs": {"a": 2}}, "a is given twice, in extra_body and in model_kwargs"),
        ({"extra_body": 5, "model_kwargs": {"a": 2}}, "extra_body is given twice"),
        ({"model_kwargs": 5}, "the setting 'extra_body' does not fit"),
        ({"model_kwargs": {"temperature": "hot"}}, "the setting 'temperature' does not fit"),
        ({"host": HOST, "base_url": HOST}, "host is given twice, once as 'base_url'"),
        ({"base_url": "http://ws.example.com"}, "plain http"),
        ({"host": f"{HOST}/path"}, "has a path"),
        (
            {"base_url": f"{HOST}/ai-gateway/openai/v1", "surface": "model-serving"},
            "the path of the address, '/ai-gateway/openai/v1', is that of 'ai-gateway'; give https://ws.example.com alone",
        ),
        ({"endpoint_url": HOST}, "give the whole URL"),
        ({"endpoint_url": "ws.example.com/x"}, "give the whole URL"),
        ({"endpoint_url": "http://ws.example.com/x"}, "plain http"),
        ({"endpoint_url": "ftp://ws.example.com/x"}, "not an http URL"),
        (
            {"endpoint_url": f"{HOST}/serving-endpoints"},
            "the path of a whole surface, '/serving-endpoints', .* base_url=",
        ),
        ({"endpoint_url": f"{HOST}/serving-endpoints/v1/"}, "the path of a whole surface"),
        ({"endpoint_url": f"{HOST}/ai-gateway/mlflow/v1"}, "the path of a whole surface, '/ai-gateway/mlflow/v1'"),
        ({"surface": "gateway"}, "unknown surface 'gateway'; did you mean 'ai-gateway'"),
        ({"api": "chat"}, "unknown api 'chat'"),
        ({"family": "claud"}, "unknown family 'claud'; did you mean 'claude'"),
        ({"disabled_quirks": ["empty-part"]}, "unknown quirk 'empty-part'; did you mean 'empty-parts'"),
        ({"disabled_quirks": 5}, "the setting 'disabled_quirks' does not fit"),
        ({"disabled_quirks": [5]}, "the setting 'disabled_quirks.0' does not fit"),
        ({"temperature": "hot"}, "the setting 'temperature' does not fit"),
        ({"max_retries": -1}, "the setting 'max_retries' does not fit"),
        ({"timeout": 0}, "timeout is 0.0; give a positive number"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"timeout": -3}, "timeout is -3.0"),
        ({"thinking": "maybe"}, "thinking is 'maybe'"),
    ],
)
def test_what_is_wrong_is_told_with_the_remedy(given, says):
    with pytest.raises(ConfigurationError, match=says):
        Settings.of(given)


@pytest.mark.parametrize("given", [{"model": "a", "model_name": None}, {"model": None, "model_name": "a"}])
def test_none_says_nothing_and_so_is_not_twice(given):
    assert Settings.of(given).model == "a"


def test_names_of_a_class_that_has_more_fields_are_its_own():
    assert canonical_names({"endpoint": 1, "api_key": 2}, ["endpoint", "token"]) == {"endpoint": 1, "token": 2}
    assert named_values({"callbacks": None, "seed": None}, ["callbacks", "seed"]) == {"callbacks": None}


def test_the_callers_objects_are_neither_changed_nor_shared():
    body, headers, stop = {"a": {"b": [1]}}, {"X-Team": "x"}, ["s"]
    settings = Settings.of({"extra_body": body, "default_headers": headers, "stop": stop})
    settings.extra_body["a"]["b"].append(2)
    settings.default_headers["y"] = "z"
    assert (body, headers, stop) == ({"a": {"b": [1]}}, {"X-Team": "x"}, ["s"])


# --- the environment ---------------------------------------------------------------------------------------------


def test_surface_and_quirks_come_from_the_environment_where_nothing_is_given(monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_SURFACE", "model-serving")
    monkeypatch.setenv("DBX_GATEWAY_DISABLED_QUIRKS", "empty-parts,merge-system")
    assert Settings.of({}).surface == "model-serving"
    assert Settings.of({"surface": None}).surface == "model-serving"
    assert Settings.of({}).disabled_quirks == ("empty-parts", "merge-system")
    given = Settings.of({"surface": "auto", "disabled_quirks": ()})
    assert (given.surface, given.disabled_quirks) == ("auto", ())


def test_the_surface_of_an_address_wins_over_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_SURFACE", "model-serving")
    assert Settings.of({"base_url": f"{HOST}/ai-gateway/mlflow/v1"}).surface == "ai-gateway"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("DBX_GATEWAY_SURFACE", "serving", "unknown surface 'serving'; did you mean 'model-serving'"),
        ("DBX_GATEWAY_DISABLED_QUIRKS", "empty-part", "unknown quirk 'empty-part'"),
    ],
)
def test_a_wrong_name_in_the_environment_is_an_error_too(monkeypatch, variable, value, says):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=says):
        Settings.of({})


@pytest.mark.parametrize(
    ("variables", "given", "model"),
    [
        ({"URL", "KEY", "MODEL"}, {}, "env-model"),
        ({"URL", "KEY", "MODEL"}, {"model": "mine"}, "mine"),
        ({"URL", "MODEL"}, {}, ""),
        ({"KEY", "MODEL"}, {}, ""),
        ({"MODEL"}, {}, ""),
        ({"URL", "KEY", "MODEL"}, {"host": HOST}, ""),
        ({"URL", "KEY", "MODEL"}, {"token": "t"}, ""),
        ({"URL", "KEY", "MODEL"}, {"surface": "ai-gateway"}, ""),
        ({"URL", "KEY", "MODEL"}, {"surface": "auto"}, "env-model"),
        ({"URL", "KEY", "MODEL"}, {"endpoint_url": URL}, ""),
    ],
)
def test_the_model_in_the_environment_belongs_to_the_url_and_the_key(monkeypatch, variables, given, model):
    for name in variables:
        monkeypatch.setenv(f"DBX_GATEWAY_API_{name}" if name != "MODEL" else "DBX_GATEWAY_MODEL", f"env-{name.lower()}")
    assert Settings.of(given).model == model


def test_the_pair_in_the_environment_is_where_requests_go(monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_API_URL", URL)
    monkeypatch.setenv("DBX_GATEWAY_API_KEY", TOKEN)
    assert Client(model="m").settings.endpoint_url == URL
    monkeypatch.setenv("DBX_GATEWAY_API_URL", f"{HOST}/ai-gateway/openai/v1")
    with pytest.raises(ConfigurationError, match="the path of a whole surface"):
        Client(model="m")


# --- options of a call -------------------------------------------------------------------------------------------


def test_an_option_of_a_call_changes_that_call_and_none_keeps_what_is_set():
    settings = Settings.of({"model": "m", "temperature": 0.5, "timeout": 7, "token": TOKEN})
    changed = settings.with_options({"temperature": 0, "top_k": 3, "timeout": None, "model_name": "n"})
    assert (changed.temperature, changed.top_k, changed.timeout, changed.model) == (0, 3, 7, "n")
    assert changed.token.get_secret_value() == TOKEN
    assert (settings.temperature, settings.top_k, settings.model) == (0.5, None, "m")
    assert settings.with_options({"temperature": None, "host": None}) is settings
    mixed = settings.with_options({"model_kwargs": {"temperature": 1, "a": 2}})
    assert (mixed.temperature, mixed.extra_body) == (1, {"a": 2})


@pytest.mark.parametrize(
    "name",
    ["host", "token", "config_profile", "workspace_client", "sdk_config", "endpoint_url", "verify", "http_client",
     "http_async_client", "api_key", "base_url"],
)  # fmt: skip
def test_as_whom_and_through_which_connection_cannot_change_per_call(name):
    with pytest.raises(ConfigurationError, match="cannot change per call; it belongs to the client"):
        Settings.of({"model": "m"}).with_options({name: HOST})


def test_options_of_a_call_are_checked_like_settings():
    settings = Settings.of({"model": "m"})
    with pytest.raises(ConfigurationError, match="did you mean 'temperature'"):
        settings.with_options({"temprature": 1})
    with pytest.raises(ConfigurationError, match="timeout is nan"):
        settings.with_options({"timeout": float("nan")})


def test_all_settings_that_are_no_credential_and_no_connection_are_options_of_a_call():
    fixed = {"host", "token", "config_profile", "workspace_client", "sdk_config", "endpoint_url", "verify"}
    fixed |= {"acting_as_required", "http_client", "http_async_client"}
    assert set(SettingsFields.model_fields) - fixed == CALL_OPTIONS


def test_a_request_has_every_setting_that_shapes_an_answer():
    fields = {"max_tokens": 5, "stop": ("x",), "temperature": 0.1, "top_p": 0.2, "top_k": 3, "seed": 4, "logprobs": True,
              "presence_penalty": 0.5, "frequency_penalty": 0.6, "top_logprobs": 7, "n": 8, "service_tier": "flex",
              "parallel_tool_calls": False, "custom_inputs": {"a": 1}, "extra_body": {"b": 2}}  # fmt: skip
    request = Settings.of({"model": "m", "thinking": 2000, **fields}).request((user("hi"),), stream=True)
    assert {name: getattr(request, name) for name in fields} == fields
    assert (request.model, request.stream) == ("m", True)
    assert request.reasoning == ReasoningConfig(mode="on", budget=2000)


# --- timeouts and thinking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "connect", "read"),
    [(600.0, 10.0, 600.0), (3, 3, 3), (None, 10.0, None), (httpx.Timeout(9, connect=1), 1, 9), (httpx.Timeout(None), None, None)],
)  # fmt: skip
def test_a_timeout_is_the_silence_between_bytes_and_bounds_the_connect(given, connect, read):
    found = timeout_of(Settings.of({"timeout": given}).timeout)
    assert (found.connect, found.read, found.write) == (connect, read, read)


@pytest.mark.parametrize(
    ("effort", "thinking", "expected"),
    [
        (None, None, None),
        ("low", None, ReasoningConfig(effort="low")),
        (None, True, ReasoningConfig(mode="on")),
        (None, False, ReasoningConfig(mode="off")),
        (None, 0, ReasoningConfig(mode="off")),
        (None, 2048, ReasoningConfig(mode="on", budget=2048)),
        (None, "on", ReasoningConfig(mode="on")),
        (None, "auto", ReasoningConfig(mode="auto")),
        (None, "adaptive", ReasoningConfig(mode="auto")),
        ("high", "off", ReasoningConfig(effort="high", mode="off")),
        (None, {"type": "enabled", "budget_tokens": 5}, ReasoningConfig(mode="on", budget=5)),
        (None, {"type": "adaptive", "display": "summarized"}, ReasoningConfig(mode="auto", show="summary")),
        (None, {"type": "enabled", "display": "omitted"}, ReasoningConfig(mode="on", show="none")),
        (None, {"type": "disabled"}, ReasoningConfig(mode="off")),
    ],
)
def test_thinking_takes_many_forms(effort, thinking, expected):
    assert reasoning_config(effort, thinking) == expected
    assert Settings.of({"thinking": thinking, "reasoning_effort": effort}).request((user("x"),)).reasoning == expected


@pytest.mark.parametrize(
    "thinking",
    [
        -1,
        "sometimes",
        {},
        {"type": "no"},
        {"type": ["enabled"]},
        {"type": "enabled", "budget_tokens": "5"},
        {"type": "enabled", "budget_tokens": True},
        {"type": "enabled", "budget_tokens": 0},
        {"type": "enabled", "display": "loud"},
        {"type": "enabled", "display": {}},
        {"type": "enabled", "more": 1},
    ],
)
def test_other_forms_of_thinking_are_refused(thinking):
    with pytest.raises(ConfigurationError, match="thinking is"):
        Settings.of({"thinking": thinking})


# --- headers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PROTECTED_HEADERS))
def test_headers_of_ours_and_of_the_workspace_cannot_be_set(name):
    with pytest.raises(ConfigurationError, match=f"default_headers sets '{name.title()}', which the transport sets"):
        Settings.of({"default_headers": {name.title(): "x"}})


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", "a\r\nb: hunter2"), ("x", "hunter2é"), ("x", "\0hunter2"), ("a b", "hunter2"), ("", "hunter2")],
)
def test_a_header_that_http_cannot_carry_is_refused_without_its_value(name, value):
    with pytest.raises(ConfigurationError, match="something that HTTP cannot carry") as caught:
        Settings.of({"default_headers": {name: value}})
    assert "hunter2" not in str(caught.value)


def test_header_names_have_no_case():
    assert Settings.of({"default_headers": {"Anthropic-Beta": "B"}}).default_headers == {"anthropic-beta": "B"}


# --- secrets -----------------------------------------------------------------------------------------------------

SECRETS = {"token": TOKEN, "default_headers": {"x-secret": "hunter2"}, "http_client": CONFIG, "verify": False}


def test_no_secret_is_in_any_text_or_dump_of_settings():
    settings = Settings.of({"model": "m", **SECRETS, "timeout": httpx.Timeout(5)})
    shown = [
        repr(settings),
        str(settings),
        repr(settings.model_dump()),
        settings.model_dump_json(),
        repr(settings.token),
    ]
    assert not any("hunter2" in text or "Given" in text for text in shown)
    assert json.loads(settings.model_dump_json())["timeout"]["read"] == 5


def test_a_value_that_does_not_fit_is_not_shown_in_the_error_nor_in_what_caused_it():
    with pytest.raises(ConfigurationError, match="the setting 'token' does not fit") as caught:
        Settings.of({"token": ["hunter2"]})
    assert "hunter2" not in str(caught.value) + str(caught.value.__context__)


def test_a_password_in_an_endpoint_url_is_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        Settings.of({"endpoint_url": "https://user:hunter2@proxy.example.com"})
    assert "hunter2" not in str(caught.value)


# --- copies and pickles ------------------------------------------------------------------------------------------

GIVEN = {
    "token": SecretStr(TOKEN),
    "workspace_client": WORKSPACE_CLIENT,
    "sdk_config": CONFIG,
    "http_client": CONFIG,
    "http_async_client": CONFIG,
    "default_headers": {"x-secret": "hunter2"},
    "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
}


class Adapter(SettingsFields):
    """A class that has the settings as fields and builds the core's from them, as the adapters do."""

    streaming: bool = False

    def settings(self) -> Settings:
        own = {name: getattr(self, name) for name in self.model_fields_set if name in SettingsFields.model_fields}
        return Settings.of(own)


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("kind", [Settings, Adapter])
def test_a_copy_or_deep_copy_keeps_what_was_given(kind, name):
    settings = kind(model="m", host=HOST, **{name: GIVEN[name]})
    for copied in (copy.copy(settings), copy.deepcopy(settings), settings.model_copy(), settings.model_copy(deep=True)):
        assert getattr(copied, name) == GIVEN[name]
        assert copied.lost == ()


def test_a_deep_copy_shares_client_objects_and_nothing_else():
    settings = Settings(model="m", http_client=CONFIG, extra_body={"a": {}})
    copied = copy.deepcopy(settings)
    assert copied.http_client is CONFIG
    assert copied.extra_body is not settings.extra_body
    assert copied.extra_body["a"] is not settings.extra_body["a"]


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("kind", [Settings, Adapter])
@pytest.mark.parametrize("times", [1, 2])
def test_a_pickle_holds_nothing_that_was_given_and_what_is_loaded_says_what_to_give_again(kind, name, times):
    loaded = kind(model="m", host=HOST, temperature=0.5, **{name: GIVEN[name]})
    for _ in range(times):
        pickled = pickle.dumps(loaded)
        assert b"hunter2" not in pickled
        loaded = pickle.loads(pickled)
    assert (loaded.model, loaded.host, loaded.temperature, loaded.lost) == ("m", HOST, 0.5, (name,))
    settings = loaded.settings() if isinstance(loaded, Adapter) else loaded
    for user_of in (settings, settings.with_options({"seed": 1}), copy.deepcopy(settings)):
        client = Client(user_of)
        with pytest.raises(ConfigurationError, match=f"{name}= is never part of a pickle; give {name}= again"):
            client.chat("hi")


def test_the_whole_original_is_left_as_it_was_by_a_pickle():
    settings = Settings(model="m", host=HOST, token=TOKEN, default_headers={"x-secret": "hunter2"})
    pickle.dumps(settings)
    assert settings.token.get_secret_value() == TOKEN
    assert settings.default_headers == {"x-secret": "hunter2"}


def test_what_is_given_again_after_loading_is_used():
    loaded = pickle.loads(pickle.dumps(Adapter(model="m", host=HOST, token=TOKEN)))
    loaded.token = SecretStr("new")
    assert loaded.lost == ()
    assert loaded.settings().token.get_secret_value() == "new"
    assert Client(loaded.settings())._credentials.fetch().headers == {"Authorization": "Bearer new"}


def test_another_credential_than_the_one_before_can_be_given_after_loading():
    loaded = pickle.loads(pickle.dumps(Adapter(model="m", host=HOST, token=TOKEN, verify=GIVEN["verify"])))
    assert loaded.lost == ("token", "verify")
    loaded.workspace_client = WORKSPACE_CLIENT
    assert loaded.lost == ("verify",)
    loaded.verify = None
    assert loaded.lost == ()
    assert Client(loaded.settings())._credentials.fetch().headers == {"Authorization": f"Bearer {TOKEN}"}


def test_settings_without_credentials_sign_in_from_the_environment_they_are_loaded_in(monkeypatch):
    pickled = pickle.dumps(Settings(model="m", verify="/certs.pem", timeout=httpx.Timeout(3)))
    monkeypatch.setenv("DATABRICKS_HOST", "other.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "other")
    loaded = pickle.loads(pickled)
    assert (loaded.lost, loaded.verify, loaded.timeout) == ((), "/certs.pem", httpx.Timeout(3))
    assert Client(loaded)._credentials.fetch().headers == {"Authorization": "Bearer other"}


def test_a_loaded_lost_value_shows_nothing_and_dumps_to_nothing():
    loaded = pickle.loads(pickle.dumps(Settings(model="m", token=TOKEN, http_client=CONFIG)))
    assert "hunter2" not in repr(loaded) + loaded.model_dump_json()
    assert "token" not in loaded.model_dump()


@pytest.mark.parametrize("kind", [Settings, Adapter])
def test_a_setting_that_is_newer_than_a_pickle_has_its_default(kind):
    function, arguments, state = kind(model="m", max_retries=5).__reduce_ex__(4)[:3]
    for name in ("coalesce_deltas", "extra_body", "max_retries"):
        del state["__dict__"][name]
    loaded = function(*arguments)
    loaded.__setstate__(state)
    assert (loaded.model, loaded.coalesce_deltas, loaded.extra_body, loaded.max_retries) == ("m", True, {}, 2)
    assert loaded.extra_body is not kind(model="m").extra_body


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_is_copied_with_its_credentials_and_pickled_without(kind):
    client = kind(model="m", host=HOST, token=TOKEN, product="p/1", observations=Observations())
    for copied in (copy.copy(client), copy.deepcopy([client])[0]):
        assert copied._credentials.fetch().headers == {"Authorization": f"Bearer {TOKEN}"}
    pickled = pickle.dumps(client)
    assert b"hunter2" not in pickled
    loaded = pickle.loads(pickle.dumps(pickle.loads(pickled)))
    assert type(loaded) is kind
    assert (loaded.settings.model, loaded._product) == ("m", "p/1")
    with pytest.raises(ConfigurationError, match="give token= again"):
        loaded._credentials.fetch()


async def test_a_loaded_async_client_says_what_to_give_again_at_its_first_call():
    loaded = pickle.loads(pickle.dumps(AsyncClient(model="m", host=HOST, token=TOKEN)))
    with pytest.raises(ConfigurationError, match="give token= again"):
        await loaded.chat("hi")


def test_a_client_of_the_pair_in_the_environment_finds_it_again_where_it_is_loaded(monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_API_URL", URL)
    monkeypatch.setenv("DBX_GATEWAY_API_KEY", TOKEN)
    pickled = pickle.dumps(Client(model="m"))
    assert b"hunter2" not in pickled
    monkeypatch.setenv("DBX_GATEWAY_API_URL", "https://second.example.com/responses")
    loaded = pickle.loads(pickled)
    assert loaded.settings.endpoint_url == "https://second.example.com/responses"
    assert loaded._credentials.fetch().host == "https://second.example.com"
