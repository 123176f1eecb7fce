"""What LangChain's caches find an answer by, and what of a call's options traces show."""

from __future__ import annotations

import ssl
from contextlib import ExitStack

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, load
from pydantic import SecretStr
from support.promises import promise

from dbx_gateway import acting_as
from dbx_gateway.errors import ConfigurationError
from dbx_gateway.testing import Workspace, serve
from langchain_dbx_gateway import ChatDbxGateway

SECRET = "s3cret-of-a-header"


def asked(workspace) -> int:
    return len(workspace.ledger.model_calls())


def test_a_setting_that_is_assigned_later_has_an_answer_of_its_own(make_llm, workspace):
    llm = make_llm(cache=InMemoryCache(), max_tokens=100)
    assert llm.invoke("Hello").text == llm.invoke("Hello").text
    assert asked(workspace) == 1
    llm.max_tokens = 101
    llm.invoke("Hello")
    assert asked(workspace) == 2
    llm.max_tokens = 100
    llm.invoke("Hello")
    assert asked(workspace) == 2


def test_a_copy_with_another_setting_has_an_answer_of_its_own(make_llm, workspace):
    llm = make_llm(cache=InMemoryCache(), max_tokens=100)
    llm.invoke("Hello")
    llm.model_copy(update={"max_tokens": 101}).invoke("Hello")
    llm.model_copy().invoke("Hello")
    assert asked(workspace) == 2


@pytest.mark.parametrize(
    "settings",
    [{"timeout": 7}, {"stream_idle_timeout": 7}, {"total_timeout": 70}, {"max_retries": 0}, {"coalesce_deltas": False}],
)
def test_how_long_an_answer_is_waited_for_makes_no_other_answer(settings):
    plain = ChatDbxGateway(model="m", temperature=0)
    assert ChatDbxGateway(model="m", temperature=0, **settings)._get_llm_string() == plain._get_llm_string()
    assert plain._get_llm_string(**settings) == plain._get_llm_string()
    assert plain._get_llm_string(temperature=1) != plain._get_llm_string()


@promise("secret-keys")
def test_headers_are_told_apart_and_not_shown():
    plain = ChatDbxGateway(model="m")
    one, other = ({"x-team": f"{SECRET}-{team}"} for team in ("a", "b"))
    made = [ChatDbxGateway(model="m", default_headers=headers)._get_llm_string() for headers in (one, other, one)]
    called = [plain._get_llm_string(default_headers=headers) for headers in (one, other, one)]
    mixed = [plain._get_llm_string(model_kwargs={"default_headers": headers}) for headers in (one, other, one)]
    for first, second, again in (made, called, mixed):
        assert first == again != second
    assert len({plain._get_llm_string(), *made, *called, *mixed}) == 7
    assert SECRET not in "".join([*made, *called, *mixed])


@promise("secret-traces")
@pytest.mark.parametrize("mixed", [False, True], ids=["itself", "in model_kwargs"])
def test_a_header_of_one_call_is_in_no_trace(make_llm, workspace, mixed):
    heard: list[str] = []

    class Listener(BaseCallbackHandler):
        def on_chat_model_start(self, *args, **kwargs):
            heard.append(repr((args, kwargs)))

    options = {"default_headers": {"x-team": SECRET}, "max_tokens": 77}
    make_llm(callbacks=[Listener()]).invoke("Hello", **({"model_kwargs": options} if mixed else options))
    assert workspace.ledger.model_calls()[0].headers["x-team"] == SECRET
    assert len(heard) == 1
    assert "'max_tokens': 77" in heard[0]
    assert "'default_headers': '***'" in heard[0]
    assert SECRET not in heard[0]


@pytest.mark.filterwarnings("ignore:.*in beta:langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_certificates_that_no_serialised_form_holds_are_asked_for():
    context = ssl.create_default_context()
    written = dumpd(ChatDbxGateway(model="m", host="https://ws.example.com", token="t", verify=context))
    again = load(
        written,
        allowed_objects=[ChatDbxGateway],
        valid_namespaces=["langchain_dbx_gateway"],
        secrets_map={"DATABRICKS_TOKEN": "t"},
    )
    with pytest.raises(ConfigurationError, match="give verify= again"):
        again.invoke("Hello")


LLAMA = "databricks-meta-llama-3-3-70b-instruct"
ANN, BOB = "dapi-s3cret-of-ann", "dapi-s3cret-of-bob"


class Config:
    """A client object of the caller."""

    def __init__(self, host: str, token: str) -> None:
        self.host = host
        self.token = token
        self.asked = 0

    def authenticate(self) -> dict[str, str]:
        self.asked += 1
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def two_sites():
    """Two workspaces with the same users, and the users of all calls to each."""
    with ExitStack() as open_until_the_end:
        servers = [
            open_until_the_end.enter_context(serve(Workspace(tokens={ANN: "ann", BOB: "bob"}))) for _ in range(2)
        ]
        yield servers


def users(server) -> list[str | None]:
    return [entry.user for entry in server.workspace.ledger.model_calls()]


def cached(cache, **fields) -> ChatDbxGateway:
    return ChatDbxGateway(model=LLAMA, surface="model-serving", cache=cache, **fields)


@promise("cache-keys")
def test_no_answer_crosses_hosts_wherever_they_come_from(two_sites, monkeypatch, tmp_path):
    cache = InMemoryCache()
    for server in two_sites:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", ANN)
        for _ in range(2):
            cached(cache).invoke("from the environment")
            cached(cache, host=server.url, token=ANN).invoke("from host=")
            url = f"{server.url}/serving-endpoints/chat/completions"
            ChatDbxGateway(model=LLAMA, endpoint_url=url, token=ANN, cache=cache).invoke("from endpoint_url=")
    monkeypatch.delenv("DATABRICKS_HOST")
    monkeypatch.delenv("DATABRICKS_TOKEN")
    for server in two_sites:
        file = tmp_path / f"{server.url.rpartition(':')[2]}"
        file.write_text(f"[DEFAULT]\nhost = {server.url}\ntoken = {ANN}\n")
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(file))
        for _ in range(2):
            cached(cache).invoke("from a profile")
    assert [len(users(server)) for server in two_sites] == [4, 4]


@promise("cache-keys")
def test_no_answer_crosses_tenants_or_the_callers_objects(two_sites):
    cache, (server, other) = InMemoryCache(), two_sites
    configs = [Config(server.url, ANN), Config(server.url, BOB), Config(other.url, ANN)]
    for _ in range(2):
        for config in configs:
            cached(cache, sdk_config=config).invoke("Hello")
        for tenant in ("a", "b"):
            cached(cache, host=server.url, token=ANN, default_headers={"x-tenant": tenant}).invoke("Hello")
    assert users(server) == ["ann", "bob", "ann", "ann"]
    assert users(other) == ["ann"]
    assert [config.asked for config in configs] == [1, 1, 1]  # a key needs no sign-in


@promise("cache-keys")
@pytest.mark.parametrize("how", ["acting_as", "configurable"])
def test_no_answer_crosses_users_of_acting_as(two_sites, how):
    cache, server = InMemoryCache(), two_sites[0]
    llm = cached(cache, host=server.url, token=server.workspace.token)
    for _ in range(2):
        llm.invoke("Hello")
        for token in (ANN, BOB):
            if how == "acting_as":
                with acting_as(token):
                    llm.invoke("Hello")
            else:
                llm.invoke("Hello", {"configurable": {"dbx_gateway_token": SecretStr(token)}})
    assert users(server) == ["user@example.com", "ann", "bob"]
    assert "s3cret" not in repr(list(cache._cache))


@promise("cache-keys")
@pytest.mark.filterwarnings("ignore:.*in beta:langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_no_streamed_answer_crosses_users_of_acting_as(two_sites):
    server = two_sites[0]
    llm = cached(InMemoryCache(), host=server.url, token=server.workspace.token)
    for token in (ANN, BOB):
        config = {"configurable": {"dbx_gateway_token": SecretStr(token)}}
        llm.invoke("Hello", config)
        list(llm.stream_events("Hello", config, version="v3"))
        list(llm.stream("Hello", config))
    assert "ann" not in users(server)[users(server).index("bob") :]


@promise("cache-keys-tokens")
def test_two_tokens_of_one_host_share_an_answer(two_sites):
    cache, server = InMemoryCache(), two_sites[0]
    for token in (ANN, BOB):
        cached(cache, host=server.url, token=token).invoke("Hello")
    assert users(server) == ["ann"]
