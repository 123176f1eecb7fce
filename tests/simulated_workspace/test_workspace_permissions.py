"""What each user of the simulated workspace may use."""

from __future__ import annotations

import pytest

from dbx_gateway.testing import Fault, Workspace

ANN, BOB = "ann@example.com", "bob@example.com"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
SERVICE = "system.ai.meta-llama-3-3-70b-instruct"
CLAUDES = "/ai-gateway/anthropic/v1/models"


@pytest.fixture
def workspace():
    return Workspace(tokens={"dapi-ann": ANN, "dapi-bob": BOB}, clients={"app": "hush"})


@pytest.fixture
def status(call):
    """The status of a chat of a user, on a surface."""

    def asked(user: str, model: str, surface: str = "model-serving") -> int:
        path = {"model-serving": "/serving-endpoints", "ai-gateway": "/ai-gateway/mlflow/v1"}[surface]
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        return call.post(f"{path}/chat/completions", body, token=f"dapi-{user}").status_code

    return asked


def test_a_user_of_whom_nothing_was_said_may_query_every_model(status):
    assert (status("ann", LLAMA), status("ann", SERVICE, "ai-gateway")) == (200, 200)


def test_what_a_user_may_not_use_does_not_exist_for_that_user_alone(workspace, status, call):
    workspace.allow(ANN, "house-model")
    assert [status("ann", model) for model in ("house-model", LLAMA)] == [200, 404]
    assert status("ann", SERVICE, "ai-gateway") == 404
    assert status("bob", LLAMA) == 200
    assert call.get(f"/api/2.0/serving-endpoints/{LLAMA}", token="dapi-ann").status_code == 404
    assert call.get(f"/api/2.0/serving-endpoints/{LLAMA}", token="dapi-bob").status_code == 200


def test_a_right_may_hold_for_one_surface(workspace, status):
    workspace.allow(ANN, surface="model-serving")
    assert (status("ann", LLAMA), status("ann", LLAMA, "ai-gateway")) == (404, 200)


def test_a_right_to_one_name_is_a_right_to_the_model(workspace, status):
    workspace.allow(ANN, SERVICE)
    assert (status("ann", LLAMA, "ai-gateway"), status("ann", LLAMA)) == (200, 404)


def test_listings_show_what_the_user_may_see(workspace, call):
    workspace.allow(ANN, "databricks-claude-sonnet-4-5")
    workspace.forbid(ANN, "house-model")
    endpoints = call.get("/api/2.0/serving-endpoints", token="dapi-ann").json()["endpoints"]
    assert [endpoint["name"] for endpoint in endpoints] == ["databricks-claude-sonnet-4-5", "house-model"]
    claudes = call.get(CLAUDES, token="dapi-ann").json()["data"]
    assert {claude["id"].removesuffix("-anthropic") for claude in claudes} == {"databricks-claude-sonnet-4-5"}


def test_what_a_user_may_only_see_is_refused_by_403(workspace, status, call):
    workspace.forbid(ANN, LLAMA)
    assert (status("ann", LLAMA), status("bob", LLAMA)) == (403, 200)
    assert call.get(f"/api/2.0/serving-endpoints/{LLAMA}", token="dapi-ann").status_code == 200
    workspace.allow(ANN, LLAMA)
    assert status("ann", LLAMA) == 200


def test_a_model_that_is_not_there_cannot_be_allowed(workspace):
    with pytest.raises(ValueError, match="no-such-model"):
        workspace.allow(ANN, "no-such-model")
    with pytest.raises(ValueError, match="house-model on ai-gateway"):
        workspace.forbid(ANN, "house-model", surface="ai-gateway")


def test_a_fault_may_be_one_users(workspace, status):
    workspace.inject(Fault(status=429), times=None, user=ANN)
    assert [status(user, LLAMA) for user in ("ann", "bob", "ann")] == [429, 200, 429]


def test_the_ledger_has_the_user_and_the_body_of_a_request_that_failed_too(workspace, status):
    workspace.inject(Fault(status=429))
    workspace.forbid(BOB, LLAMA)
    status("ann", LLAMA)
    status("bob", LLAMA)
    status("nobody", LLAMA)
    entries = workspace.ledger.entries()
    assert [(entry.user, entry.status) for entry in entries] == [(ANN, 429), (BOB, 403), (None, 401)]
    assert [entry.body["model"] for entry in entries[:2]] == [LLAMA, LLAMA]
