"""Who may use the simulated workspace."""

from __future__ import annotations

import base64

import pytest

from dbx_gateway.testing import Workspace

MODELS = "/ai-gateway/anthropic/v1/models"
TOKEN = "/oidc/v1/token"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def sign_in(call, name="app", secret="hush"):
    form = {"grant_type": "client_credentials", "scope": "all-apis"}
    return call.client.post(TOKEN, data=form, headers={"authorization": basic(name, secret)})


def test_a_known_token_is_let_in(call):
    assert call.get(MODELS).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Bearer ", "Basic ???", "Digest x"])
def test_a_missing_or_wrong_credential_is_401_in_databricks_words(call, header):
    answer = call.client.get(MODELS, headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_a_token_may_come_as_basic_auth_of_the_user_token(call):
    header = basic("token", call.workspace.token)
    assert call.client.get(MODELS, headers={"authorization": header}).status_code == 200


def test_each_token_has_its_user_in_the_ledger(caller):
    call = caller(Workspace(tokens={"dapi-ann": "ann@example.com"}))
    call.get(MODELS, token="dapi-ann")
    call.get(MODELS)
    assert [entry.user for entry in call.workspace.ledger.entries()] == ["ann@example.com", "user@example.com"]


def test_vendor_headers_count_in_plain_mode_only(call, plain_call):
    for name in ("x-api-key", "x-goog-api-key"):
        plain = plain_call.client.get(MODELS, headers={name: plain_call.workspace.token})
        assert plain.status_code == 200
        strict = call.client.get(MODELS, headers={name: call.workspace.token})
        assert strict.status_code == 401


def test_the_sign_in_documents_need_no_credential_and_lead_to_the_token_endpoint(call):
    config = call.client.get("/.well-known/databricks-config").json()
    assert config["oidc_endpoint"] == "http://workspace.test/oidc"
    assert config["workspace_id"]
    document = call.client.get(config["oidc_endpoint"] + "/.well-known/oauth-authorization-server").json()
    assert document["token_endpoint"] == f"http://workspace.test{TOKEN}"


def test_client_credentials_get_a_token_that_works(caller):
    call = caller(Workspace(clients={"app": "hush"}, token_lifetime=120))
    answer = sign_in(call).json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 120
    assert call.get(MODELS, token=answer["access_token"]).status_code == 200
    assert call.workspace.ledger.entries(MODELS)[0].user == "app"


def test_wrong_client_credentials_are_refused_in_oauth_words(caller):
    answer = sign_in(caller(Workspace(clients={"app": "hush"})), secret="wrong")
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


def test_another_grant_is_refused(call):
    answer = call.client.post(TOKEN, data={"grant_type": "password"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_a_token_expires_by_the_clock(caller):
    clock = Clock()
    call = caller(Workspace(clients={"app": "hush"}, token_lifetime=2, clock=clock))
    token = sign_in(call).json()["access_token"]
    clock.now = 1.9
    assert call.get(MODELS, token=token).status_code == 200
    clock.now = 2.0
    assert call.get(MODELS, token=token).status_code == 401
    assert call.get(MODELS, token=sign_in(call).json()["access_token"]).status_code == 200


def test_a_token_is_revoked_after_so_many_uses_whatever_it_says(caller):
    call = caller(Workspace(clients={"app": "hush"}, revoke_after=3))
    token = sign_in(call).json()["access_token"]
    assert [call.get(MODELS, token=token).status_code for _ in range(4)] == [200, 200, 200, 401]


def test_revoke_all_ends_every_oauth_token_and_no_personal_one(caller):
    call = caller(Workspace(clients={"app": "hush"}))
    token = sign_in(call).json()["access_token"]
    call.workspace.accounts.revoke_all()
    assert call.get(MODELS, token=token).status_code == 401
    assert call.get(MODELS).status_code == 200


def test_databricks_sdk_signs_in_by_itself(caller):
    from databricks.sdk.config import Config

    from dbx_gateway.testing import serve

    workspace = Workspace(clients={"app": "hush"})
    with serve(workspace) as server:
        config = Config(
            host=server.url, client_id="app", client_secret="hush", auth_type="oauth-m2m", retry_timeout_seconds=2
        )
        header = config.authenticate()["Authorization"]
    answer = caller(workspace).client.get(MODELS, headers={"authorization": header})
    assert answer.status_code == 200
    if hasattr(Config, "discovery_url"):  # the releases that ask a host for its metadata
        assert config.workspace_id


def test_an_app_takes_oauth_tokens_only(caller):
    call = caller(Workspace(clients={"app": "hush"}))
    token = sign_in(call).json()["access_token"]
    assert call.get(MODELS, host="my-app.databricksapps.com").status_code == 401
    assert call.get(MODELS, token, host="my-app.databricksapps.com").status_code == 200
