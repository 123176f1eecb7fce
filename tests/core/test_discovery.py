import json

import pytest
from support.promises import promise

from dbx_gateway.errors import AuthenticationError
from dbx_gateway.models.discovery import (
    EndpointFacts,
    Get,
    ListedModel,
    MetadataLookup,
    listing_requests,
    probe_request,
    read_listing,
    read_probe,
)

HOST = "https://ws.example.com"


def body_of(value) -> bytes:
    return json.dumps(value).encode()


# --- the probe ----------------------------------------------------------------------------------------------------


def test_the_probe_asks_for_the_gateways_list_of_models_and_waits_five_seconds():
    assert probe_request(HOST) == Get(f"{HOST}/ai-gateway/anthropic/v1/models", 5.0)


@pytest.mark.parametrize(
    ("status", "body", "surface", "conclusive"),
    [
        (200, {"data": []}, "ai-gateway", True),
        (200, {"data": [{"id": "databricks-claude-sonnet-4-5"}]}, "ai-gateway", True),
        (404, {"error_code": "NOT_FOUND"}, "model-serving", True),
        (429, {"error_code": "REQUEST_LIMIT_EXCEEDED"}, "ai-gateway", True),
        (501, {}, "model-serving", True),
        (
            400,
            {"error_code": "FEATURE_DISABLED", "message": "AI Gateway is not available for this workspace."},
            "model-serving",
            True,
        ),
        (403, {"error_code": "FEATURE_DISABLED"}, "model-serving", True),
        (200, {"error_code": "FEATURE_DISABLED"}, "model-serving", True),
        (400, {"error_code": "ENDPOINT_NOT_FOUND"}, "model-serving", True),
        (403, {"message": "You do not have the permission"}, "model-serving", False),
        (200, {"models": []}, "model-serving", False),
        (200, [1], "model-serving", False),
        (302, {}, "model-serving", False),
        (403, {}, "model-serving", False),
        (503, {}, "model-serving", False),
        (None, None, "model-serving", False),
    ],
)
def test_the_answer_to_the_probe_settles_the_surface(status, body, surface, conclusive):
    verdict = read_probe(HOST, status, {}, body_of(body))
    assert (verdict.surface, verdict.conclusive, verdict.warning is None) == (surface, conclusive, conclusive)


def test_a_login_page_is_no_gateway_and_the_warning_says_what_came_and_what_to_set():
    verdict = read_probe(HOST, 200, {"content-type": "text/html"}, b"<!doctype html><title>Sign in</title>")
    assert verdict.surface == "model-serving"
    assert verdict.warning == (
        "the probe for an AI Gateway at https://ws.example.com answered 200 with something other than a list of models; "
        "model serving is used. Set surface= (or DBX_GATEWAY_SURFACE) to choose the surface."
    )


def test_a_probe_that_is_refused_is_an_authentication_error_in_the_servers_words():
    with pytest.raises(AuthenticationError, match="token expired") as caught:
        read_probe(HOST, 401, {"x-request-id": "r1"}, body_of({"error_code": "401", "message": "token expired"}))
    assert (caught.value.status, caught.value.request_id) == (401, "r1")


@pytest.mark.parametrize(("status", "words"), [(403, "Invalid access token."), (400, "Invalid Token")])
def test_a_question_whose_token_is_refused_in_words_is_an_authentication_error(status, words):
    body = body_of({"error_code": status, "message": words})
    with pytest.raises(AuthenticationError):
        read_probe(HOST, status, {}, body)
    with pytest.raises(AuthenticationError):
        look_up("team-chat", (status, {"error_code": status, "message": words}))
    with pytest.raises(AuthenticationError):
        read_listing({"serving endpoints": (status, {}, body)})


# --- metadata of a serving endpoint -------------------------------------------------------------------------------


def look_up(model: str, *answers, surface="model-serving") -> tuple[EndpointFacts, list[str]]:
    """Feed the answers, (status, value) each, and return the facts and the URLs that were asked."""
    lookup = MetadataLookup(HOST, surface, model)
    asked = []
    remaining = iter(answers)
    while lookup.request is not None:
        asked.append(lookup.request.url)
        status, value = next(remaining)
        lookup.feed(status, {}, body_of(value))
    assert next(remaining, None) is None
    return lookup.facts, asked


def endpoint(*entities, **more) -> dict:
    return {"name": "team-chat", "config": {"served_entities": list(entities)}, **more}


def test_an_endpoint_is_asked_for_by_its_name():
    _, asked = look_up("team chat", (404, {}))
    assert asked == [f"{HOST}/api/2.0/serving-endpoints/team%20chat"]


@pytest.mark.parametrize(
    ("entities", "task", "family"),
    [
        ([{"foundation_model": {"name": "databricks-claude-sonnet-4-5"}}], "llm/v1/chat", "claude"),
        ([{"entity_name": "system.ai.llama_v3_3_70b_instruct"}], "llm/v1/chat", "llama"),
        ([{"external_model": {"name": "gemini-2.5-pro", "provider": "google-cloud-vertex-ai"}}], None, "gemini"),
        ([{"external_model": {"name": "o3-mini", "provider": "openai", "task": "llm/v1/chat"}}], None, "gpt"),
        ([{"name": "team-chat-1", "foundation_model": {"api_types": ["anthropic/v1/messages"]}}], None, "claude"),
        ([{"foundation_model": {"name": "glm-5-2", "api_types": ["anthropic/v1/messages"]}}], None, "glm"),
        ([{"entity_name": "main.agents.claude_helper"}], "agent/v1/responses", "agent"),
        ([{"entity_name": "main.agents.helper"}], "agent/v2/chat", "agent"),
        ([{"entity_name": "main.models.qwen_vectors"}], "llm/v1/embeddings", "embeddings"),
        ([{"entity_name": "main.models.house_model"}], "llm/v1/chat", None),
        ([], None, None),
    ],
)
def test_the_family_of_an_endpoint_is_what_its_task_its_names_its_maker_or_its_apis_tell(entities, task, family):
    facts, _ = look_up("team-chat", (200, endpoint(*entities, task=task)))
    assert (facts.found, facts.conclusive, facts.family) == (True, True, family)


def test_all_that_an_endpoint_says_is_read():
    entity = {
        "name": "team-chat-1",
        "entity_name": "system.ai.databricks-gpt-5-1",
        "foundation_model": {
            "name": "system.ai.gpt-5-1",
            "display_name": "GPT 5.1",
            "api_types": ["openai/v1/responses", "mlflow/v1/chat/completions"],
        },
    }
    facts, _ = look_up(
        "team-chat",
        (
            200,
            endpoint(
                entity,
                task="llm/v1/chat",
                capabilities={"function_calling": True},
                route_optimized=True,
                endpoint_url="https://1.serving.example.com/team-chat/invocations",
                state={"ready": "READY", "config_update": "NOT_UPDATING"},
            ),
        ),
    )
    assert facts == EndpointFacts(
        name="team-chat",
        task="llm/v1/chat",
        identities=("system.ai.gpt-5-1", "GPT 5.1", "system.ai.databricks-gpt-5-1", "team-chat-1"),
        api_types=("openai/v1/responses", "mlflow/v1/chat/completions"),
        family="gpt",
        function_calling=True,
        route_optimized=True,
        endpoint_url="https://1.serving.example.com/team-chat/invocations",
        state="READY",
    )


def test_an_api_counts_only_if_every_model_of_the_endpoint_speaks_it():
    first = {"foundation_model": {"api_types": ["anthropic/v1/messages", "mlflow/v1/chat/completions"]}}
    second = {"foundation_model": {"api_types": ["mlflow/v1/chat/completions"]}}
    facts, _ = look_up("team-chat", (200, endpoint(first, second)))
    assert facts.api_types == ("mlflow/v1/chat/completions",)


def test_an_endpoint_that_does_not_exist_is_not_found_and_that_is_conclusive():
    facts, _ = look_up("team-chat", (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"}))
    assert (facts.found, facts.conclusive) == (False, True)


@pytest.mark.parametrize("status", [None, 403, 500])
def test_metadata_that_cannot_be_had_is_not_found_and_not_conclusive(status):
    facts, _ = look_up("team-chat", (status, {}))
    assert (facts.found, facts.conclusive, facts.family) == (False, False, None)


@pytest.mark.parametrize("value", [None, [], "text", {"endpoints": 3}, {"name": 1, "config": [], "state": "x"}])
def test_metadata_of_an_unknown_shape_tells_nothing_and_breaks_nothing(value):
    facts, _ = look_up("team-chat", (200, value))
    assert (facts.family, facts.api_types, facts.identities) == (None, (), ())


def test_metadata_that_is_refused_is_an_authentication_error():
    with pytest.raises(AuthenticationError):
        look_up("team-chat", (401, {"message": "no"}))


# --- metadata of a model service ----------------------------------------------------------------------------------

SERVICES = f"{HOST}/api/2.1/unity-catalog/model-services?parent=schemas/main.ai&page_size=100&view=FULL"


def service(name: str, **target) -> dict:
    return {
        "name": f"model-services/{name}",
        "config": {"routing": {"destinations": [{"name": "d", "external_model_config": {"target": target}}]}},
    }


def test_a_model_service_is_looked_for_page_by_page_in_its_schema():
    facts, asked = look_up(
        "main.ai.team_chat",
        (200, {"model_services": [service("main.ai.other", model="gpt-5")], "next_page_token": "p 2"}),
        (200, {"model_services": [service("main.ai.team_chat", model="claude-sonnet-4-5")], "next_page_token": "p3"}),
        surface="ai-gateway",
    )
    assert asked == [SERVICES, f"{SERVICES}&page_token=p%202"]
    assert (facts.found, facts.family, facts.identities) == (True, "claude", ("claude-sonnet-4-5", "d"))


def test_a_model_service_is_known_by_the_external_model_it_names():
    destination = {"external_model_config": {"name": "system.ai.llama_v3_3_70b_instruct", "target": {}}}
    found = {"name": "model-services/main.ai.team_chat", "config": {"routing": {"destinations": [destination]}}}
    facts, _ = look_up("main.ai.team_chat", (200, {"model_services": [found]}), surface="ai-gateway")
    assert (facts.family, facts.identities) == ("llama", ("system.ai.llama_v3_3_70b_instruct",))


def test_a_model_service_whose_names_tell_nothing_is_known_by_its_apis():
    facts, _ = look_up(
        "main.ai.team_chat",
        (200, {"model_services": [service("main.ai.team_chat", native_api_types=["gemini/v1/generateContent"])]}),
        surface="ai-gateway",
    )
    assert (facts.family, facts.api_types) == ("gemini", ("gemini/v1/generateContent",))


def test_the_search_ends_at_a_page_token_that_was_seen_before():
    facts, asked = look_up(
        "main.ai.team_chat",
        (200, {"model_services": [], "next_page_token": "p2"}),
        (200, {"model_services": [], "next_page_token": "p3"}),
        (200, {"model_services": [], "next_page_token": "p2"}),
        surface="ai-gateway",
    )
    assert len(asked) == 3
    assert (facts.found, facts.conclusive) == (False, True)


@promise("bounded-pages")
def test_no_more_pages_are_asked_for_than_fifty():
    pages = [(200, {"model_services": [], "next_page_token": f"p{number}"}) for number in range(50)]
    facts, asked = look_up("main.ai.team_chat", *pages, surface="ai-gateway")
    assert len(asked) == 50
    assert (facts.found, facts.conclusive) == (False, False)


@promise("bounded-pages")
@pytest.mark.parametrize("answer", [b'{"model_services": [], "next_page_token": "p%d"}', b"%d"], ids=["pages", "504"])
def test_no_page_is_asked_for_after_a_minute(answer):
    now = iter(range(0, 10_000, 25))
    lookup = MetadataLookup(HOST, "ai-gateway", "main.ai.team_chat", clock=lambda: float(next(now)))
    sends = 0
    while lookup.request is not None:
        sends += 1
        lookup.feed(200 if answer.startswith(b"{") else 504, {}, answer % sends)
    assert sends == 3
    assert (lookup.facts.found, lookup.facts.conclusive) == (False, False)


def test_a_page_that_answers_499_or_504_is_asked_for_again():
    facts, asked = look_up(
        "main.ai.team_chat",
        (499, None),
        (504, None),
        (200, {"model_services": [service("main.ai.team_chat", model="qwen3")]}),
        surface="ai-gateway",
    )
    assert asked == [SERVICES] * 3
    assert facts.family == "qwen"


def test_a_page_that_keeps_answering_499_is_given_up_after_four_sends():
    facts, asked = look_up("main.ai.team_chat", *[(499, None)] * 4, surface="ai-gateway")
    assert asked == [SERVICES] * 4
    assert (facts.found, facts.conclusive) == (False, False)


def test_a_schema_that_does_not_exist_has_no_such_service():
    facts, _ = look_up("main.ai.team_chat", (404, {}), surface="ai-gateway")
    assert (facts.found, facts.conclusive) == (False, True)


# --- the list of models -------------------------------------------------------------------------------------------


def test_the_list_of_models_is_put_together_from_three_listings():
    answers = {
        "serving endpoints": {
            "endpoints": [
                {"name": "team-chat", "task": "llm/v1/chat", "state": {"ready": "NOT_READY"}},
                {"name": "support", "task": "agent/v1/responses"},
                {"name": "databricks-claude-sonnet-4-5", "task": "llm/v1/chat", "state": {"ready": "READY"}},
            ]
        },
        "foundation models": {
            "endpoints": [
                {
                    "name": "databricks-claude-sonnet-4-5",
                    "config": {
                        "served_entities": [
                            {
                                "foundation_model": {
                                    "ai_gateway_v2_supported": True,
                                    "api_types": ["anthropic/v1/messages"],
                                }
                            }
                        ]
                    },
                }
            ]
        },
        "gateway models": {
            "data": [{"id": "databricks-claude-opus-5"}, {"id": "databricks-claude-opus-5-anthropic"}, {"id": 3}]
        },
    }
    assert list(listing_requests(HOST)) == list(answers)
    listing = read_listing({what: (200, {}, body_of(value)) for what, value in answers.items()})
    assert listing.problems == ()
    assert listing.models == (
        ListedModel(name="databricks-claude-opus-5", family="claude", surfaces=("ai-gateway",)),
        ListedModel(
            name="databricks-claude-sonnet-4-5",
            family="claude",
            surfaces=("ai-gateway", "model-serving"),
            task="llm/v1/chat",
            state="READY",
            api_types=("anthropic/v1/messages",),
        ),
        ListedModel(name="support", family="agent", surfaces=("model-serving",), task="agent/v1/responses"),
        ListedModel(
            name="team-chat", family="other", surfaces=("model-serving",), task="llm/v1/chat", state="NOT_READY"
        ),
    )


@pytest.mark.parametrize("told_first", [True, False])
def test_of_two_listings_that_differ_each_fact_is_taken_from_the_one_that_knows_it(told_first):
    knows = {"name": "team-chat", "task": "agent/v1/responses", "state": {"ready": "READY"}}
    other = {"name": "team-chat"}
    first, second = (knows, other) if told_first else (other, knows)
    listing = read_listing(
        {
            "serving endpoints": (200, {}, body_of({"endpoints": [first]})),
            "foundation models": (200, {}, body_of({"endpoints": [second]})),
            "gateway models": (200, {}, body_of({"data": [{"id": "team-chat"}]})),
        }
    )
    assert listing.models == (
        ListedModel(
            name="team-chat",
            family="agent",
            surfaces=("ai-gateway", "model-serving"),
            task="agent/v1/responses",
            state="READY",
        ),
    )


def test_of_two_listings_that_contradict_each_other_the_first_counts():
    ready = {"name": "team-chat", "task": "agent/v1/responses", "state": {"ready": "READY"}}
    late = {"name": "team-chat", "task": "llm/v1/embeddings", "state": {"ready": "NOT_READY"}}
    listing = read_listing(
        {
            "serving endpoints": (200, {}, body_of({"endpoints": [ready]})),
            "foundation models": (200, {}, body_of({"endpoints": [late]})),
        }
    )
    (model,) = listing.models
    assert (model.family, model.task, model.state) == ("agent", "agent/v1/responses", "READY")


def test_a_listing_that_fails_is_a_problem_named_beside_the_models_of_the_others():
    listing = read_listing(
        {
            "serving endpoints": (200, {}, body_of({"endpoints": [{"name": "team-chat"}]})),
            "foundation models": (403, {}, b""),
            "gateway models": (None, {}, b""),
        }
    )
    assert [model.name for model in listing.models] == ["team-chat"]
    assert listing.problems == (
        "foundation models could not be listed: HTTP 403",
        "gateway models could not be listed: no answer",
    )


def test_a_workspace_without_a_gateway_is_no_problem():
    assert read_listing({"gateway models": (404, {}, b"")}).problems == ()


def test_a_listing_that_is_refused_is_an_authentication_error():
    with pytest.raises(AuthenticationError):
        read_listing({"serving endpoints": (401, {}, b"")})
