"""Credentials go to their own host only: those of the environment, of a profile, and what a Databricks App may be sent."""

from __future__ import annotations

import json
import pickle

import httpx
import pytest
from core.sign_in import GivenConfig, bearer
from support.promises import promise
from support.recording_host import answer, wire

from dbx_gateway import AsyncClient, Client, ConfigurationError
from dbx_gateway.testing import Workspace, workspace_transport

TOKEN = "s3cret-token-of-the-environment"
PROMPT = "the fox asks where the geese sleep"
MODEL = "databricks-meta-llama-3-3-70b-instruct"
PERSONAL = "dapi0123456789abcdef"
APP = "https://my-app-1234.aws.databricksapps.com"


@pytest.fixture
def elsewhere():
    """A host that the environment does not name."""
    with wire(lambda request: answer(200, b"{}")) as host:
        yield host


@pytest.fixture(params=["token", "service principal", "password", "profile"])
def environment(request, monkeypatch, tmp_path):
    """An environment that signs in to a host of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    if request.param != "profile":
        monkeypatch.setenv("DATABRICKS_HOST", "https://own.example.com")
    match request.param:
        case "token":
            monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
        case "service principal":
            monkeypatch.setenv("DATABRICKS_CLIENT_ID", "someone")
            monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", TOKEN)
        case "password":
            monkeypatch.setenv("DATABRICKS_USERNAME", "someone")
            monkeypatch.setenv("DATABRICKS_PASSWORD", TOKEN)
        case _:
            (tmp_path / ".databrickscfg").write_text(f"[team]\nhost = https://own.example.com\ntoken = {TOKEN}\n")
            monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "team")
    return request.param


REFUSED = r"give token= or config_profile="


@promise("environment-token")
@pytest.mark.usefixtures("environment")
async def test_credentials_of_the_environment_are_not_sent_to_another_host(front, elsewhere):
    one = front(model=MODEL, host=elsewhere.url, surface="model-serving")
    with pytest.raises(ConfigurationError, match=REFUSED):
        one.ask(PROMPT)
    with pytest.raises(ConfigurationError, match=REFUSED):
        await one.aask(PROMPT)
    with pytest.raises(ConfigurationError, match=REFUSED):
        one.vectors([PROMPT])
    assert elsewhere.requests == []


@promise("environment-token")
@pytest.mark.filterwarnings("ignore:.*in beta:langchain_core._api.beta_decorator.LangChainBetaWarning")
@pytest.mark.usefixtures("environment")
def test_a_host_in_a_serialised_form_does_not_get_the_credentials_of_the_environment(elsewhere):
    from langchain_core.load import load
    from llama_index.core.base.llms.types import ChatMessage

    from langchain_dbx_gateway import ChatDbxGateway
    from llama_index_dbx_gateway import DbxGateway

    kwargs = {"model": MODEL, "host": elsewhere.url, "surface": "model-serving"}
    form = {"lc": 1, "type": "constructor", "id": ChatDbxGateway.lc_id(), "kwargs": kwargs}
    loaded = load(
        json.loads(json.dumps(form)), allowed_objects=[ChatDbxGateway], valid_namespaces=["langchain_dbx_gateway"]
    )
    of_llama = DbxGateway.from_dict(DbxGateway(**kwargs).to_dict())
    of_pickle = pickle.loads(pickle.dumps(Client(**kwargs)))
    calls = (
        lambda: loaded.invoke(PROMPT),
        lambda: of_llama.chat([ChatMessage(PROMPT)]),
        lambda: of_pickle.chat(PROMPT),
    )
    for call in calls:
        with pytest.raises(ConfigurationError, match=REFUSED):
            call()
    assert elsewhere.requests == []


@promise("profile-token")
async def test_credentials_of_a_profile_are_not_sent_to_another_host(front, elsewhere, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".databrickscfg").write_text(f"[team]\nhost = https://own.example.com\ntoken = {TOKEN}\n")
    one = front(model=MODEL, host=elsewhere.url, config_profile="team", surface="model-serving")
    with pytest.raises(ConfigurationError, match="leave host= out, or give token="):
        one.ask(PROMPT)
    with pytest.raises(ConfigurationError, match="leave host= out, or give token="):
        await one.aask(PROMPT)
    assert elsewhere.requests == []


@promise("profile-token")
def test_a_profile_signs_in_to_its_own_host_whatever_the_environment_names(server, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATABRICKS_HOST", "https://own.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    (tmp_path / ".databrickscfg").write_text(f"[team]\nhost = {server.url}\ntoken = {server.workspace.token}\n")
    answered = Client(model=MODEL, config_profile="team", surface="model-serving").chat("Hello")
    assert answered.text == "You said: Hello"


# --- Databricks Apps ---------------------------------------------------------------------------------------------


class Sent(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A workspace and its Apps, and the headers of what they were sent."""

    def __init__(self) -> None:
        self.workspace = Workspace(tokens={PERSONAL: "ann"}, clients={"app": "hush"})
        self.headers: list[httpx.Headers] = []
        self._inner = workspace_transport(self.workspace)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(request.headers)
        return self._inner.handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(request.headers)
        return await self._inner.handle_async_request(request)

    def oauth(self) -> str:
        """Return an OAuth token."""
        form = b"grant_type=client_credentials&client_id=app&client_secret=hush"
        reply = self.workspace.handle("POST", "/oidc/v1/token", {}, form)
        assert isinstance(reply.body, bytes)
        return str(json.loads(reply.body)["access_token"])


@pytest.fixture
def sent():
    return Sent()


@pytest.fixture(params=["sync", "async"])
def ask(request, sent):
    """Asks an App, by the credentials that are given."""

    async def asked(**fields) -> str:
        fields = {"model": MODEL, "endpoint_url": f"{APP}/serving-endpoints/chat/completions", **fields}
        if request.param == "sync":
            with httpx.Client(transport=sent) as own:
                return Client(**fields, http_client=own).chat("Hello").text
        async with httpx.AsyncClient(transport=sent) as own:
            return (await AsyncClient(**fields, http_async_client=own).chat("Hello")).text

    return asked


@promise("apps")
async def test_an_app_takes_an_oauth_token(ask, sent):
    assert await ask(token=sent.oauth()) == "You said: Hello"


@promise("apps")
async def test_an_app_takes_the_oauth_token_of_an_object_that_signs_in_at_the_workspace_and_no_other_header(ask, sent):
    more = {"X-Databricks-GCP-SA-Access-Token": "s3cret-of-a-cloud", "X-Databricks-Workspace-Id": "7"}
    config = GivenConfig("https://ws.example.com", {**bearer(sent.oauth()), **more})
    assert await ask(sdk_config=config) == "You said: Hello"
    assert not {name.lower() for name in more} & set(sent.headers[0])


@promise("apps")
async def test_a_personal_access_token_is_never_sent_to_an_app(ask, sent):
    basic = {"Authorization": "Basic dG9rZW46aHVzaA=="}
    for given in (
        {"token": PERSONAL},
        {"sdk_config": GivenConfig("https://ws.example.com", bearer(PERSONAL))},
        {"sdk_config": GivenConfig("https://ws.example.com", basic)},
    ):
        with pytest.raises(ConfigurationError, match="which takes OAuth tokens only"):
            await ask(**given)
    assert sent.headers == []


@promise("apps")
async def test_credentials_of_the_environment_or_a_profile_are_never_sent_to_an_app(ask, sent, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".databrickscfg").write_text(f"[app]\nhost = {APP}\ntoken = {sent.oauth()}\n")
    remedy = "give an OAuth token as token=, or workspace_client= or sdk_config="
    with pytest.raises(ConfigurationError, match=remedy):
        await ask(config_profile="app")
    monkeypatch.setenv("DATABRICKS_HOST", APP)
    monkeypatch.setenv("DATABRICKS_TOKEN", sent.oauth())
    with pytest.raises(ConfigurationError, match=remedy):
        await ask()
    assert sent.headers == []


@promise("apps")
@pytest.mark.parametrize(
    "url",
    [
        "https://my-app.databricksapps.com.evil.example/x",
        "https://databricksapps.com.evil.example/x",
        "https://evil-databricksapps.com/x",
        "https://my-app.databricksapps.com:8443/x",
        "https://ws2.example.com/x",
    ],
)
async def test_what_only_looks_like_an_app_gets_no_token_of_an_object(ask, sent, url):
    config = GivenConfig("https://ws.example.com", bearer(sent.oauth()))
    with pytest.raises(ConfigurationError, match=r"are for https://ws\.example\.com; give token="):
        await ask(sdk_config=config, endpoint_url=url)
    assert sent.headers == []
