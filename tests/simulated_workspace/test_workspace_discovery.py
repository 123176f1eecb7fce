"""What the simulated workspace says of its models."""

from __future__ import annotations

import pytest

from dbx_gateway.models.profiles import known_models
from dbx_gateway.testing import Workspace

SERVICES = "/api/2.1/unity-catalog/model-services"


def test_the_gateway_lists_claude_models_as_anthropic_does(call):
    listed = call.get("/ai-gateway/anthropic/v1/models").json()
    ids = [model["id"] for model in listed["data"]]
    assert "databricks-claude-sonnet-4-5" in ids
    assert "databricks-gpt-5" not in ids
    assert ids[-1] == ids[0] + "-anthropic"
    assert listed["last_id"] == ids[-1]


def test_every_known_model_has_an_endpoint(call):
    names = {endpoint["name"] for endpoint in call.get("/api/2.0/serving-endpoints").json()["endpoints"]}
    assert names >= {
        "databricks-" + row.model.removeprefix("system.ai.").removeprefix("databricks-") for row in known_models()
    }
    assert names >= {"team-chat", "house-model", "support-agent", "legacy-agent", "fast-model"}


def test_only_the_metadata_tells_that_team_chat_is_claude(call):
    endpoint = call.get("/api/2.0/serving-endpoints/team-chat").json()
    (entity,) = endpoint["config"]["served_entities"]
    assert entity["external_model"] == {"name": "claude-sonnet-4-5", "provider": "anthropic", "task": "llm/v1/chat"}


def test_a_foundation_model_says_what_it_speaks(call):
    endpoint = call.get("/api/2.0/serving-endpoints/databricks-gpt-5-3-codex").json()
    model = endpoint["config"]["served_entities"][0]["foundation_model"]
    assert model["api_types"] == ["openai/v1/responses"]
    assert model["ai_gateway_v2_supported"] is True
    assert endpoint["capabilities"] == {"function_calling": True}


@pytest.mark.parametrize(("name", "task"), [("support-agent", "agent/v1/responses"), ("legacy-agent", "agent/v2/chat")])
def test_an_agent_is_known_by_its_task(call, name, task):
    assert call.get(f"/api/2.0/serving-endpoints/{name}").json()["task"] == task


def test_a_route_optimized_endpoint_names_its_own_url(call):
    endpoint = call.get("/api/2.0/serving-endpoints/fast-model").json()
    assert endpoint["route_optimized"] is True
    assert endpoint["endpoint_url"] == "http://workspace.test/optimized/fast-model/invocations"


def test_an_endpoint_that_does_not_exist_is_not_found(call):
    answer = call.get("/api/2.0/serving-endpoints/nobody")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_foundation_models_are_listed_apart(call):
    endpoints = call.get("/api/2.0/serving-endpoints:foundation-models").json()["endpoints"]
    names = {endpoint["name"] for endpoint in endpoints}
    assert "databricks-gte-large-en" in names
    assert "team-chat" not in names


@pytest.mark.parametrize("query", ["", "?page_size=0", "?page_size=1000"])
def test_model_services_answer_499_without_a_sound_page_size(call, query):
    answer = call.get(SERVICES + query)
    assert (answer.status_code, answer.content) == (499, b"")


def test_model_services_come_in_pages_that_end(call):
    names, token = [], ""
    while True:
        page = call.get(f"{SERVICES}?parent=schemas/system.ai&page_size=40&page_token={token}").json()
        names += [service["name"] for service in page["model_services"]]
        token = page.get("next_page_token")
        if token is None:
            break
    assert len(names) == len(set(names)) == len(known_models())
    assert "model-services/system.ai.claude-sonnet-4-5" in names


def test_a_full_view_of_a_service_says_what_it_speaks(call):
    page = call.get(f"{SERVICES}?parent=schemas/main.ai&page_size=10&view=FULL").json()
    (service,) = page["model_services"]
    assert service["name"] == "model-services/main.ai.team_chat"
    (destination,) = service["config"]["routing"]["destinations"]
    assert destination["external_model_config"]["name"] == "claude-sonnet-4-5"
    assert "anthropic/v1/messages" in destination["external_model_config"]["target"]["native_api_types"]


def test_a_schema_without_services_is_not_found(call):
    assert call.get(f"{SERVICES}?parent=schemas/main.none&page_size=10").status_code == 404


def test_the_gateway_lists_and_describes_its_endpoints(call):
    page = call.get("/api/ai-gateway/v2/endpoints?page_size=2").json()
    assert len(page["endpoints"]) == 2
    assert page["next_page_token"] == "2"
    one = call.get("/api/ai-gateway/v2/endpoints/main.ai.team_chat").json()
    assert one["config"]["destinations"][0]["type"] == "DESTINATION_TYPE_EXTERNAL_FOUNDATION_MODEL"


@pytest.mark.parametrize(
    "path", ["/ai-gateway/anthropic/v1/models", "/api/ai-gateway/v2/endpoints", SERVICES + "?page_size=10"]
)
def test_a_workspace_without_a_gateway_knows_none_of_its_paths(caller, path):
    answer = caller(Workspace(gateway=False)).get(path)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_a_workspace_without_a_gateway_still_serves_models(caller):
    call = caller(Workspace(gateway=False))
    assert call.chat("databricks-glm-5-3").status_code == 200
    assert call.chat("databricks-glm-5-3", surface="ai-gateway").status_code == 404


def test_a_workspace_without_a_gateway_says_of_no_model_that_it_is_there(caller):
    call = caller(Workspace(gateway=False))
    listed = call.get("/api/2.0/serving-endpoints:foundation-models").json()["endpoints"]
    entities = [entity for endpoint in listed for entity in endpoint["config"]["served_entities"]]
    supported = {entity["foundation_model"]["ai_gateway_v2_supported"] for entity in entities}
    assert supported == {False}


def test_the_gateways_own_host_needs_no_prefix(call):
    body = {"model": "system.ai.glm-5-3", "messages": [{"role": "user", "content": "Hi"}]}
    url = "https://1234567890123456.ai-gateway.cloud.databricks.com/mlflow/v1/chat/completions"
    answer = call.client.post(url, json=body, headers={"authorization": f"Bearer {call.workspace.token}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("surface", "model", "status"),
    [
        ("ai-gateway", "system.ai.glm-5-3", 200),
        ("ai-gateway", "databricks-glm-5-3", 200),
        ("ai-gateway", "main.ai.team_chat", 200),
        ("ai-gateway", "team-chat", 404),
        ("ai-gateway", "glm-5-3", 404),
        ("ai-gateway", "house-model", 404),
        ("serving-endpoints", "databricks-glm-5-3", 200),
        ("serving-endpoints", "team-chat", 200),
        ("serving-endpoints", "house-model", 200),
        ("serving-endpoints", "system.ai.glm-5-3", 404),
        ("serving-endpoints", "databricks-glm-9", 404),
    ],
)
def test_each_surface_knows_its_own_names(call, surface, model, status):
    answer = call.chat(model, surface=surface)
    assert answer.status_code == status
    if status == 404:
        assert answer.json()["error_code"] == "ENDPOINT_NOT_FOUND"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/ai-gateway/anthropic/v1/messages", "databricks-glm-5-3"),
        ("/serving-endpoints/anthropic/v1/messages", "databricks-gpt-5"),
        ("/ai-gateway/openai/v1/responses", "databricks-claude-sonnet-4-5"),
        ("/serving-endpoints/responses", "databricks-meta-llama-3-3-70b-instruct"),
        ("/ai-gateway/gemini/v1beta/models/databricks-gemma-3-12b:generateContent", None),
    ],
)
def test_a_native_path_does_not_know_other_families(call, path, model):
    answer = call.post(path, {"model": model} if model else {})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_a_responses_only_model_refuses_chat(call):
    answer = call.chat("databricks-gpt-5-3-codex")
    assert answer.status_code == 400
    assert "only supported in v1/responses" in answer.json()["message"]


def test_a_named_path_takes_no_model_in_its_body(call):
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    path = "/serving-endpoints/house-model/invocations"
    assert call.post(path, body).status_code == 200
    refused = call.post(path, {**body, "model": "house-model"})
    assert (refused.status_code, refused.json()["message"]) == (400, 'json: unknown field "model"')


def test_a_route_optimized_endpoint_takes_oauth_at_its_own_url_only(caller):
    call = caller(Workspace(clients={"app": "hush"}))
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "hush"}
    token = call.client.post("/oidc/v1/token", data=form).json()["access_token"]
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    assert call.post("/serving-endpoints/fast-model/invocations", body).status_code == 400
    assert call.post("/optimized/fast-model/invocations", body).status_code == 403
    assert call.post("/optimized/fast-model/invocations", body, token=token).status_code == 200


def test_an_unknown_path_names_the_method_and_the_path(call):
    answer = call.post("/serving-endpoints/v1/chat/completions/none", {})
    assert answer.status_code == 404
    assert "POST /serving-endpoints/v1/chat/completions/none" in answer.json()["message"]


def test_a_body_that_is_no_json_object_is_refused(call):
    for content in (b"{", b"[]"):
        answer = call.client.post(
            "/serving-endpoints/chat/completions",
            content=content,
            headers={"authorization": f"Bearer {call.workspace.token}"},
        )
        assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


def test_every_answer_carries_a_request_id_of_its_own(call):
    ids = {call.get("/api/2.0/serving-endpoints").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
