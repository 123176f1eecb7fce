"""Signing in by databricks-sdk: service principals, failures, and the other credentials of its chain."""

import asyncio
import json
import os
import socket
import sys
import threading
import types
from datetime import datetime, timedelta

import httpx
import pytest
from core.sign_in import HOST, SECRET, SignIn, bearer, sign_in_server
from databricks.sdk import credentials_provider
from databricks.sdk.core import Config

from dbx_gateway.auth import credentials as credentials_module
from dbx_gateway.auth import sdk_chain
from dbx_gateway.auth.credentials import ObjectCredentials, SdkCredentials
from dbx_gateway.auth.signing import CredentialsAuth, resolve
from dbx_gateway.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    DbxGatewayError,
)
from dbx_gateway.notices import forget_notices


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No credential of the machine that runs the tests."""
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "ARM_", "DBX_GATEWAY_", "GOOGLE_", "IS_IN_DATABRICKS", "IS_IN_DB")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin") + os.pathsep + "/bin" + os.pathsep + "/usr/bin")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    forget_notices()


@pytest.fixture
def server():
    with sign_in_server() as running:
        yield running


@pytest.fixture
def m2m(server, monkeypatch) -> SdkCredentials:
    """A service principal's credentials at the server."""
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "principal")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", SECRET)
    return resolve()


def get(server: SignIn, credentials) -> httpx.Response:
    with httpx.Client(auth=CredentialsAuth(credentials), trust_env=False) as client:
        return client.get(f"{server.url}/thing")


async def aget(client: httpx.AsyncClient, server: SignIn, credentials) -> httpx.Response:
    return await client.get(f"{server.url}/thing", auth=CredentialsAuth(credentials))


# --- a service principal -----------------------------------------------------------------------------------------


def test_a_service_principal_signs_in_at_its_first_request(server, m2m):
    assert server.token_requests == []
    assert get(server, m2m).status_code == 200
    assert [form["grant_type"] for form in server.token_requests] == ["client_credentials"]
    assert server.requests[0]["authorization"] == "Bearer token-1"


def test_the_workspace_id_that_a_host_names_is_sent_where_the_sdk_asks_for_it(server, m2m):
    get(server, m2m)
    asks = hasattr(Config, "discovery_url")  # releases before that one know a host's metadata by no name
    assert server.requests[0].get("x-databricks-workspace-id") == ("4242" if asks else None)


def test_the_workspace_id_of_the_environment_is_sent_with_every_release_of_the_sdk(server, m2m, monkeypatch):
    monkeypatch.setenv("DATABRICKS_WORKSPACE_ID", "77")
    get(server, resolve())
    assert server.requests[0]["x-databricks-workspace-id"] == "77"


async def test_a_hundred_first_calls_make_one_sign_in_and_the_loop_runs_on_meanwhile(server, m2m):
    server.gate.clear()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        calls = [asyncio.create_task(aget(client, server, m2m)) for _ in range(100)]
        await asyncio.to_thread(server.asked.wait, 30)
        # The token endpoint answers only now: had the loop been blocked, nobody would have come here.
        server.gate.set()
        answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}
    assert len(server.token_requests) == 1


def test_a_hundred_threads_make_one_sign_in(server, m2m):
    granted = []
    threads = [threading.Thread(target=lambda: granted.append(m2m.fetch())) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {found.headers["Authorization"] for found in granted} == {"Bearer token-1"}
    assert len(granted) == 100
    assert len(server.token_requests) == 1


def test_one_set_of_credentials_works_in_one_event_loop_after_another(server, m2m):
    async def call() -> int:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return (await aget(client, server, m2m)).status_code

    assert [asyncio.run(call()) for _ in range(3)] == [200, 200, 200]


async def test_a_caller_that_is_cancelled_takes_nothing_from_the_others(server, m2m):
    server.gate.clear()
    first = asyncio.create_task(m2m.fetch_async())
    second = asyncio.create_task(m2m.fetch_async())
    await asyncio.to_thread(server.asked.wait, 30)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    server.gate.set()
    assert (await second).headers["Authorization"] == "Bearer token-1"


def test_twenty_calls_with_tokens_that_live_two_seconds_all_succeed(server, m2m):
    server.lives = 2
    clock = iter(range(10_000))
    server.now = lambda: next(clock)  # a second goes by at each look
    assert [get(server, m2m).status_code for _ in range(20)] == [200] * 20
    assert server.statuses == [200] * 20


class ShiftedDatetime(datetime):
    """The SDK's clock, moved forward by the test."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + cls.ahead


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr("databricks.sdk.oauth.datetime", ShiftedDatetime)
    monkeypatch.setattr(ShiftedDatetime, "ahead", timedelta())
    return ShiftedDatetime


def test_twenty_calls_with_tokens_that_live_ninety_seconds_all_succeed(server, m2m, clock):
    server.lives = 90
    server.now = lambda: clock.ahead.total_seconds()  # noqa: PLW0108  # ``ahead`` is replaced as time goes by
    for _ in range(20):
        assert get(server, m2m).status_code == 200
        clock.ahead += timedelta(seconds=24)  # meets tokens that are fresh, stale and expired
    assert server.statuses == [200] * 20
    assert len(server.token_requests) > 1


def test_twenty_calls_succeed_though_each_token_is_revoked_after_its_third_use(server, m2m):
    server.uses = 3
    assert [get(server, m2m).status_code for _ in range(20)] == [200] * 20
    assert len(server.token_requests) == 7
    assert server.statuses.count(401) == 6


async def test_twenty_async_calls_succeed_though_each_token_is_revoked_after_its_third_use(server, m2m):
    server.uses = 3
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        assert [(await aget(client, server, m2m)).status_code for _ in range(20)] == [200] * 20
    assert len(server.token_requests) == 7


async def test_a_token_that_is_revoked_for_all_is_renewed_once_for_all(server, m2m):
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        await aget(client, server, m2m)
        server.tokens.clear()
        answers = await asyncio.gather(*[aget(client, server, m2m) for _ in range(50)])
    assert {answer.status_code for answer in answers} == {200}
    assert len(server.token_requests) == 2


def test_a_service_principal_that_is_refused_for_good_is_sent_twice_and_no_more(server, m2m):
    server.uses = 0
    assert get(server, m2m).status_code == 401
    assert server.statuses == [401, 401]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_after_a_fork_credentials_sign_in_anew(server, m2m):
    before = m2m.fetch()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, m2m.fetch().headers["Authorization"].encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert before.headers["Authorization"] == "Bearer token-1"
    assert os.read(reading, 100) == b"Bearer token-2"
    os.close(reading)
    os.close(writing)


# --- when signing in fails ---------------------------------------------------------------------------------------


def failure_of(found) -> DbxGatewayError:
    with pytest.raises(DbxGatewayError) as caught:
        found.fetch()
    # The SDK's own errors hold requests, and those hold secrets.
    assert caught.value.__cause__ is None
    assert type(caught.value.__context__) in (type(None), TimeoutError)
    return caught.value


def test_no_credentials_at_all_is_a_configuration_error_that_says_what_to_do():
    error = failure_of(resolve())
    assert isinstance(error, ConfigurationError)
    assert "databricks-sdk gave no credentials" in error.message
    assert "No credential variable is set." in error.message
    assert "databricks auth login --host" in error.message


def test_two_credentials_at_once_are_a_configuration_error_that_names_them_without_secrets(server, m2m, monkeypatch):
    monkeypatch.setenv("DATABRICKS_TOKEN", "hunter2")
    error = failure_of(m2m)
    assert isinstance(error, ConfigurationError)
    assert "more than one authorization method" in error.message
    assert "Set in the environment: DATABRICKS_HOST, DATABRICKS_TOKEN, DATABRICKS_CLIENT_ID" in error.message
    assert "Set DATABRICKS_AUTH_TYPE" in error.message
    assert "hunter2" not in error.message
    assert SECRET not in error.message


def test_a_profile_that_does_not_exist_is_a_configuration_error(tmp_path):
    (tmp_path / ".databrickscfg").write_text("[DEFAULT]\nhost = https://ws.example.com\n")
    error = failure_of(resolve(config_profile="team"))
    assert isinstance(error, ConfigurationError)
    assert "has no team profile configured" in error.message


def test_a_wrong_secret_is_an_authentication_error_in_the_servers_words(server, m2m):
    server.refuse_secret = True
    error = failure_of(m2m)
    assert isinstance(error, AuthenticationError)
    assert "invalid_client: Client authentication failed" in error.message
    assert SECRET not in error.message


def test_a_failed_sign_in_is_tried_again_by_the_next_call(server, m2m):
    server.refuse_secret = True
    failure_of(m2m)
    server.refuse_secret = False
    assert get(server, m2m).status_code == 200


def test_a_host_that_does_not_say_where_to_sign_in_is_a_connection_error_with_the_remedy(server, m2m):
    server.metadata = False
    error = failure_of(m2m)
    assert isinstance(error, APIConnectionError)
    assert "The host did not say where to sign in" in error.message
    assert ("DATABRICKS_DISCOVERY_URL" in error.message) == hasattr(Config, "discovery_url")


def test_a_host_that_refuses_connections_is_a_connection_error(m2m, monkeypatch):
    monkeypatch.setattr(sdk_chain, "_RETRY_SECONDS", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("DATABRICKS_HOST", f"http://127.0.0.1:{taken.getsockname()[1]}")
        error = failure_of(resolve())
    assert isinstance(error, APIConnectionError)


def test_a_token_endpoint_that_never_answers_is_a_timeout_and_the_next_call_starts_anew(server, m2m, monkeypatch):
    m2m.host()
    server.gate.clear()
    monkeypatch.setattr(credentials_module, "PATIENCE", 0.2)
    error = failure_of(m2m)
    assert isinstance(error, APITimeoutError)
    assert "gave no credentials within 0.2 s" in error.message
    server.gate.set()
    monkeypatch.setattr(credentials_module, "PATIENCE", 20.0)
    assert get(server, m2m).status_code == 200


async def test_a_token_endpoint_that_never_answers_is_a_timeout_on_an_event_loop_too(server, m2m, monkeypatch):
    server.gate.clear()
    monkeypatch.setattr(credentials_module, "PATIENCE", 0.2)
    with pytest.raises(APITimeoutError):
        await m2m.fetch_async()


# --- the other credentials of the chain --------------------------------------------------------------------------


def test_a_profile_of_the_config_file(server, tmp_path):
    (tmp_path / ".databrickscfg").write_text(f"[DEFAULT]\n\n[team]\nhost = {server.url}/?o=1\ntoken = from-file\n")
    found = resolve(config_profile="team")
    assert found.host() == server.url
    assert found.fetch().headers["Authorization"] == "Bearer from-file"


@pytest.fixture
def profiles(server, tmp_path):
    """A config file with profiles of two hosts, of no host, and one without a credential."""
    text = f"""
[DEFAULT]
host = https://default.example.com
token = of-default

[team]
host = {server.url}
token = of-team

[other]
host = https://other.example.com
token = of-other

[anywhere]
token = of-anywhere

[place]
host = https://place.example.com
workspace_id = 7
"""
    (tmp_path / ".databrickscfg").write_text(text)
    return server


def test_a_profile_that_is_given_is_read_alone_whatever_the_environment_holds(profiles, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", "https://env.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "of-the-environment")
    monkeypatch.setenv("DATABRICKS_WORKSPACE_ID", "77")
    found = resolve(config_profile="team")
    granted = found.fetch()
    assert (granted.host, granted.headers["Authorization"]) == (profiles.url, "Bearer of-team")
    assert granted.headers.get("X-Databricks-Workspace-Id") != "77"
    assert found.host() == profiles.url


def test_a_config_file_that_a_variable_names_is_read_for_a_profile_that_is_given(profiles, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").write_text(f"[team]\nhost = {profiles.url}\ntoken = from-elsewhere\n")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "elsewhere"))
    assert resolve(config_profile="team").fetch().headers["Authorization"] == "Bearer from-elsewhere"


@pytest.mark.parametrize(
    ("given", "environ", "says"),
    [
        (
            {"config_profile": "team", "host": "https://evil.example.com"},
            {},
            "host= is https://evil.example.com, but the profile 'team' is for http",
        ),
        ({"config_profile": "anywhere"}, {}, "the profile 'anywhere' names no host; give host="),
        (
            {"config_profile": "anywhere"},
            {"DATABRICKS_HOST": "https://env.example.com"},
            "the profile 'anywhere' names no host; give host=",
        ),
        (
            {"host": "https://evil.example.com"},
            {"DATABRICKS_CONFIG_PROFILE": "other"},
            "the credentials of the profile 'other' (DATABRICKS_CONFIG_PROFILE) are for https://other.example.com",
        ),
        (
            {"host": "https://evil.example.com"},
            {"DATABRICKS_CONFIG_PROFILE": "other", "DATABRICKS_TOKEN": "of-the-environment"},
            "the credentials of the profile 'other' (DATABRICKS_CONFIG_PROFILE) are for https://other.example.com",
        ),
        (
            {},
            {"DATABRICKS_CONFIG_PROFILE": "other", "DATABRICKS_HOST": "https://env.example.com"},
            "and the request goes to https://env.example.com; give token= or config_profile=",
        ),
        (
            {},
            {
                "DATABRICKS_CONFIG_PROFILE": "other",
                "DATABRICKS_HOST": "https://env.example.com",
                "DATABRICKS_CLIENT_ID": "c",
                "DATABRICKS_CLIENT_SECRET": "s",
            },
            "and the request goes to https://env.example.com; give token= or config_profile=",
        ),
    ],
)
@pytest.mark.usefixtures("profiles")
def test_credentials_of_a_profile_are_refused_for_another_host(given, environ, says, monkeypatch):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    error = failure_of(resolve(**given))
    assert isinstance(error, ConfigurationError)
    assert says in error.message
    assert "of-" not in error.message


def test_a_profile_without_a_host_takes_the_host_that_is_given(profiles):
    granted = resolve(config_profile="anywhere", host=profiles.url).fetch()
    assert (granted.host, granted.headers["Authorization"]) == (profiles.url, "Bearer of-anywhere")


@pytest.mark.parametrize("profile", ["place", "other"])
def test_where_variables_say_all_of_it_a_profile_of_the_environment_is_left_out(profiles, monkeypatch, profile):
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", profile)
    monkeypatch.setenv("DATABRICKS_HOST", profiles.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", "of-the-environment")
    granted = resolve().fetch()
    assert (granted.host, granted.headers["Authorization"]) == (profiles.url, "Bearer of-the-environment")


def test_a_host_that_is_not_the_environments_is_signed_in_to_without_its_variables(server, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", "https://env.example.com")
    monkeypatch.setenv("GOOGLE_CREDENTIALS", '{"private_key": "s3cret"}')
    error = failure_of(resolve(host=server.url))
    assert isinstance(error, ConfigurationError)
    assert "gave no credentials" in error.message


def test_a_release_of_the_sdk_that_cannot_be_kept_from_variables_is_not_used_for_a_profile(profiles, monkeypatch):
    monkeypatch.delattr(Config, "_load_from_env")
    assert "cannot be kept from mixing" in failure_of(resolve(config_profile="team")).message


async def test_the_host_of_a_profile_is_read_without_blocking_the_loop(server, tmp_path):
    (tmp_path / ".databrickscfg").write_text(f"[team]\nhost = {server.url}\ntoken = from-file\n")
    assert await resolve(config_profile="team").host_async() == server.url


def test_a_notebooks_token_is_read_anew_for_every_request(server, monkeypatch):
    context = types.SimpleNamespace(workspaceUrl="ws.example.com", apiToken="first")
    module = types.ModuleType("dbruntime.databricks_repl_context")
    module.get_context = lambda: context
    monkeypatch.setitem(sys.modules, "dbruntime", types.ModuleType("dbruntime"))
    monkeypatch.setitem(sys.modules, "dbruntime.databricks_repl_context", module)
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "15.4")
    found = resolve()
    assert found.fetch().headers == bearer("first")
    context.apiToken = "second"
    assert found.fetch().headers == bearer("second")
    assert found.host() == HOST


def executable(path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + text + "\n" + "#" * (1024 * 1024))  # the SDK takes a smaller file for the old CLI
    path.chmod(0o755)


def test_a_login_of_the_databricks_cli(server, tmp_path, monkeypatch):
    token = {"access_token": "from-cli", "token_type": "Bearer", "expiry": "2099-01-01T00:00:00Z"}
    version = {"Major": 1, "Minor": 0, "Patch": 0}
    executable(
        tmp_path / "bin" / "databricks",
        f"if [ \"$1\" = version ]; then echo '{json.dumps(version)}'; exit; fi\n"
        f"echo \"$@\" >> {tmp_path}/asked\necho '{json.dumps(token)}'\nexit",
    )
    found = resolve(host=server.url)
    assert found.fetch().headers["Authorization"] == "Bearer from-cli"
    (asked,) = (tmp_path / "asked").read_text().splitlines()
    assert asked.removesuffix(" --force-refresh") == f"auth token --host {server.url}"


def test_a_databricks_cli_that_is_not_logged_in_names_the_command(server, tmp_path, monkeypatch):
    executable(tmp_path / "bin" / "databricks", 'echo "cache: not found" >&2; exit 1')
    monkeypatch.setenv("DATABRICKS_AUTH_TYPE", "databricks-cli")
    error = failure_of(resolve(host=server.url))
    assert isinstance(error, AuthenticationError)
    assert "cache: not found" in error.message
    assert "Run `databricks auth login --host https://<workspace>`." in error.message


@pytest.fixture
def azure(server):
    """The server as a workspace on Azure, its own directory of users."""
    from databricks.sdk import environments

    here = environments.AzureEnvironment(
        name="HERE",
        service_management_endpoint="https://management.example.com/",
        resource_manager_endpoint="https://resources.example.com/",
        active_directory_endpoint=f"{server.url}/",
    )
    added = environments.DatabricksEnvironment(
        environments.Cloud.AZURE,
        server.url.removeprefix("http://"),
        azure_application_id="application",
        azure_environment=here,
    )
    environments.ALL_ENVS.insert(0, added)
    yield server
    environments.ALL_ENVS.remove(added)


def test_an_azure_service_principal_sends_its_management_token_too(azure, monkeypatch):
    monkeypatch.setenv("ARM_CLIENT_ID", "principal")
    monkeypatch.setenv("ARM_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("ARM_TENANT_ID", "tenant")
    assert get(azure, resolve(host=azure.url)).status_code == 200
    assert [form["resource"] for form in azure.token_requests] == ["application", "https://management.example.com/"]
    assert azure.requests[0]["authorization"] == "Bearer token-1"
    assert azure.requests[0]["x-databricks-azure-sp-management-token"] == "token-2"


def test_a_login_of_the_azure_cli(azure, tmp_path, monkeypatch):
    token = {"accessToken": "from-az", "tokenType": "Bearer", "expiresOn": "2099-01-01 00:00:00.000000"}
    executable(tmp_path / "bin" / "az", f"echo '{json.dumps(token)}'\nexit")
    monkeypatch.setenv("DATABRICKS_AUTH_TYPE", "azure-cli")
    headers = resolve(host=azure.url).fetch().headers
    assert headers["Authorization"] == "Bearer from-az"


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """Model serving, which mounts a token as a file."""
    file = tmp_path / "model-dependencies-oauth-token"
    file.write_text(json.dumps({"OAUTH_TOKEN": [{"oauthTokenValue": "mounted"}]}))
    if hasattr(credentials_provider, "ModelServingAuthProvider"):
        # Where older releases of databricks-sdk look, which have no variable for it.
        provider = credentials_provider.ModelServingAuthProvider
        monkeypatch.setattr(provider, "_MODEL_DEPENDENCY_OAUTH_TOKEN_FILE_PATH", str(file))
    monkeypatch.setenv("IS_IN_DATABRICKS_MODEL_SERVING_ENV", "true")
    monkeypatch.setenv("SERVING_CREDENTIALS_DIR", str(tmp_path))
    monkeypatch.setenv("DATABRICKS_MODEL_SERVING_HOST_URL", HOST)
    return file


@pytest.fixture
def old_sdk(monkeypatch):
    """A release of databricks-sdk that knows nothing of model serving, as before 0.33."""
    monkeypatch.setattr(sdk_chain, "_sdk_reads_serving_tokens", lambda: False)


def test_inside_model_serving_the_mounted_token_is_used(mounted):
    found = resolve()
    assert (found.fetch().headers, found.host()) == (bearer("mounted"), HOST)


def test_the_mounted_token_goes_to_its_own_host_only(mounted, server):
    with pytest.raises(ConfigurationError, match="give token= or config_profile= for that host"):
        resolve(host=server.url).fetch()


@pytest.mark.usefixtures("old_sdk")
def test_with_an_sdk_that_does_not_know_model_serving_the_mounted_token_is_used_too_as_it_is_now(mounted):
    found = resolve()
    assert (found.fetch().headers, found.host()) == (bearer("mounted"), HOST)
    mounted.write_text(json.dumps({"OAUTH_TOKEN": [{"oauthTokenValue": "next"}]}))
    assert found.fetch().headers == bearer("next")
    with pytest.raises(ConfigurationError, match="the token that model serving mounts is for"):
        resolve(host="https://other.example.com").fetch()


@pytest.mark.usefixtures("old_sdk")
def test_with_an_sdk_that_does_not_know_model_serving_any_other_credential_comes_first(
    mounted, m2m, tmp_path, monkeypatch
):
    assert m2m.fetch().headers["Authorization"] == "Bearer token-1"
    (tmp_path / ".databrickscfg").write_text(f"[team]\nhost = {m2m.host()}\ntoken = from-file\n")
    for name in ("DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    assert resolve(config_profile="team").fetch().headers["Authorization"] == "Bearer from-file"


@pytest.mark.usefixtures("mounted")
@pytest.mark.parametrize("missing", ["IS_IN_DATABRICKS_MODEL_SERVING_ENV", "DATABRICKS_MODEL_SERVING_HOST_URL"])
def test_a_token_that_lies_there_by_chance_is_not_used(monkeypatch, missing):
    assert sdk_chain._serving_token(None) is not None
    monkeypatch.delenv(missing)
    assert sdk_chain._serving_token(None) is None


@pytest.mark.usefixtures("old_sdk")
def test_a_mounted_file_without_a_token_is_an_authentication_error(mounted):
    mounted.write_text("{}")
    assert isinstance(failure_of(resolve()), AuthenticationError)


def test_a_config_and_a_workspace_client_of_the_caller(server):
    from databricks.sdk import WorkspaceClient

    config = Config(host=server.url, token="t")
    for found in (resolve(sdk_config=config), resolve(workspace_client=WorkspaceClient(config=config))):
        assert isinstance(found, ObjectCredentials)
        assert found.host() == server.url
        assert found.fetch().headers["Authorization"] == "Bearer t"
