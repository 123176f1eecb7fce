import json
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from support.promises import promise
from support.recording_host import answer, wire

from dbx_gateway import Client
from dbx_gateway.error_bodies import RequestTarget, api_error
from dbx_gateway.errors import ConfigurationError, InvalidRequestError
from dbx_gateway.models.families import Family
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.models.routing import (
    SurfaceChoice,
    api_of_url,
    candidates,
    choose_surface,
    embeddings_route,
    endpoint_route,
    is_gateway_host,
    may_try_next,
)
from dbx_gateway.surfaces import Surface

WORKSPACE = "https://ws.example.com"
OWN_HOST = "https://123.ai-gateway.cloud.databricks.com"
GATEWAY = SurfaceChoice("ai-gateway", "because")
SERVING = SurfaceChoice("model-serving", "because")


def routes(family, choice=GATEWAY, host=WORKSPACE, *, model="m", responses_only=False, **more):
    profile = replace(profile_of(model, family), responses_only=responses_only)
    return candidates(model, host, choice, family, profile, **more)


def urls(*args, **more) -> list[tuple[str, str]]:
    return [(route.api, route.url) for route in routes(*args, **more)]


# --- the table ---------------------------------------------------------------------------------------------------

OTHERS = ["gpt-oss", "gemma", "llama", "qwen", "deepseek", "glm", "kimi", "grok", "inkling", "embeddings", "other"]
CHAT = "chat-completions"
GEMINI = "generate-content"

TABLE = {
    ("ai-gateway", "claude"): [("messages", "anthropic/v1/messages"), (CHAT, "mlflow/v1/chat/completions")],
    ("ai-gateway", "gpt"): [
        ("responses", "openai/v1/responses"),
        ("responses", "codex/v1/responses"),
        (CHAT, "mlflow/v1/chat/completions"),
    ],
    ("ai-gateway", "gemini"): [(GEMINI, "gemini/v1beta/models/m:generateContent"), (CHAT, "mlflow/v1/chat/completions")],
    ("model-serving", "claude"): [("messages", "anthropic/v1/messages"), (CHAT, "chat/completions")],
    ("model-serving", "gpt"): [("responses", "responses"), (CHAT, "chat/completions")],
    ("model-serving", "gemini"): [(GEMINI, "gemini/v1beta/models/m:generateContent"), (CHAT, "chat/completions")],
    ("model-serving", "agent"): [("responses", "responses"), ("responses", "m/invocations")],
    **{("ai-gateway", family): [(CHAT, "mlflow/v1/chat/completions")] for family in [*OTHERS, "agent"]},
    **{("model-serving", family): [(CHAT, "chat/completions")] for family in OTHERS},
}  # fmt: skip


def test_the_table_has_every_family_on_every_surface():
    assert TABLE.keys() == set(product(get_args(Surface), get_args(Family)))


@pytest.mark.parametrize(("surface", "family"), TABLE)
def test_every_family_goes_where_the_table_says(surface, family):
    prefix = {"ai-gateway": f"{WORKSPACE}/ai-gateway/", "model-serving": f"{WORKSPACE}/serving-endpoints/"}[surface]
    expected = [(api, prefix + path) for api, path in TABLE[surface, family]]
    assert urls(family, SurfaceChoice(surface, "because")) == expected


@pytest.mark.parametrize("family", [family for surface, family in TABLE if surface == "ai-gateway"])
def test_the_gateways_own_host_has_no_prefix(family):
    expected = [(api, f"{OWN_HOST}/{path}") for api, path in TABLE["ai-gateway", family]]
    assert urls(family, GATEWAY, OWN_HOST) == expected


def test_gemini_streams_at_a_url_of_its_own_and_all_others_at_the_same():
    first, second = routes("gemini")
    assert first.stream_url == f"{WORKSPACE}/ai-gateway/gemini/v1beta/models/m:streamGenerateContent?alt=sse"
    assert second.stream_url == second.url
    assert [route.model_in_body for route in (first, second)] == [False, True]


def test_a_model_that_is_served_on_responses_only_has_no_chat_candidate():
    gateway, serving = f"{WORKSPACE}/ai-gateway", f"{WORKSPACE}/serving-endpoints"
    assert urls("gpt", responses_only=True) == [
        ("responses", f"{gateway}/openai/v1/responses"),
        ("responses", f"{gateway}/codex/v1/responses"),
    ]
    assert urls("gpt", SERVING, responses_only=True) == [("responses", f"{serving}/responses")]
    assert urls("gpt", responses_only=True, api=CHAT) == [(CHAT, f"{gateway}/mlflow/v1/chat/completions")]


@pytest.mark.parametrize(
    ("surface", "api", "path"),
    [
        ("ai-gateway", CHAT, "/ai-gateway/mlflow/v1/chat/completions"),
        ("ai-gateway", "responses", "/ai-gateway/openai/v1/responses"),
        ("ai-gateway", "messages", "/ai-gateway/anthropic/v1/messages"),
        ("ai-gateway", GEMINI, "/ai-gateway/gemini/v1beta/models/m:generateContent"),
        ("model-serving", CHAT, "/serving-endpoints/chat/completions"),
        ("model-serving", "responses", "/serving-endpoints/responses"),
        ("model-serving", "messages", "/serving-endpoints/anthropic/v1/messages"),
        ("model-serving", GEMINI, "/serving-endpoints/gemini/v1beta/models/m:generateContent"),
    ],
)
@pytest.mark.parametrize("family", ["claude", "gpt", "gemini", "llama", "agent", "other"])
def test_an_api_that_is_set_leaves_its_one_route_whatever_the_family(family, surface, api, path):
    choice = SurfaceChoice(surface, "because", try_gateway_too=surface == "model-serving")
    assert urls(family, choice, api=api) == [(api, WORKSPACE + path)]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (None, [("responses", "responses", True), ("responses", "m/invocations", False)]),
        ("agent/v1/responses", [("responses", "responses", True), ("responses", "m/invocations", False)]),
        ("agent/v9/new", [("responses", "responses", True), ("responses", "m/invocations", False)]),
        ("agent/v2/chat", [(CHAT, "m/invocations", False)]),
        ("agent/v1/chat", [(CHAT, "m/invocations", False)]),
    ],
)
def test_an_agent_goes_where_its_task_says(task, expected):
    found = routes("agent", SERVING, task=task)
    prefix = f"{WORKSPACE}/serving-endpoints/"
    assert [(r.api, r.url.removeprefix(prefix), r.model_in_body) for r in found] == expected


@pytest.mark.parametrize(
    ("model", "quoted"),
    [
        ("system.ai.gemini-3-pro", "system.ai.gemini-3-pro"),
        ("a b", "a%20b"),
        ("a/../b", "a%2F..%2Fb"),
        ("a?x=1#y", "a%3Fx%3D1%23y"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("{model}", "%7Bmodel%7D"),
        ("a:b", "a%3Ab"),
    ],
)
def test_a_model_name_is_quoted_in_urls_and_verbatim_everywhere_else(model, quoted):
    route = routes("gemini", model=model)[0]
    assert route.url == f"{WORKSPACE}/ai-gateway/gemini/v1beta/models/{quoted}:generateContent"
    assert route.model == model
    assert (
        embeddings_route(model, WORKSPACE, "model-serving").url == f"{WORKSPACE}/serving-endpoints/{quoted}/invocations"
    )


def test_a_custom_endpoint_may_be_on_the_gateway_too_and_is_tried_there_once():
    choice = SurfaceChoice("model-serving", "because", try_gateway_too=True)
    assert [(r.surface, r.url) for r in routes("gpt", choice)] == [
        ("model-serving", f"{WORKSPACE}/serving-endpoints/responses"),
        ("model-serving", f"{WORKSPACE}/serving-endpoints/chat/completions"),
        ("ai-gateway", f"{WORKSPACE}/ai-gateway/openai/v1/responses"),
    ]
    assert [r.surface for r in routes("agent", choice)] == ["model-serving", "model-serving"]


def test_embeddings_have_routes_of_their_own():
    gateway = embeddings_route("m", WORKSPACE, "ai-gateway")
    assert (gateway.url, gateway.model_in_body) == (f"{WORKSPACE}/ai-gateway/mlflow/v1/embeddings", True)
    assert str(gateway) == f"ai-gateway embeddings {WORKSPACE}/ai-gateway/mlflow/v1/embeddings"
    assert embeddings_route("m", OWN_HOST, "ai-gateway").url == f"{OWN_HOST}/mlflow/v1/embeddings"
    assert not embeddings_route("m", WORKSPACE, "model-serving").model_in_body


# --- which surface -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "host", "surface", "expected", "try_gateway_too"),
    [
        ("databricks-claude-sonnet-4-5", WORKSPACE, "auto", None, False),
        ("system.ai.claude-sonnet-5", WORKSPACE, "auto", "ai-gateway", False),
        ("main.ai.team_chat", WORKSPACE, "auto", "ai-gateway", False),
        ("team-chat", WORKSPACE, "auto", "model-serving", True),
        ("gemini-2.5", WORKSPACE, "auto", "model-serving", True),
        ("team-chat", WORKSPACE, "ai-gateway", "ai-gateway", False),
        ("databricks-x", WORKSPACE, "ai-gateway", "ai-gateway", False),
        ("databricks-x", WORKSPACE, "model-serving", "model-serving", False),
        ("main.ai.team_chat", WORKSPACE, "model-serving", "model-serving", False),
        ("databricks-x", OWN_HOST, "auto", "ai-gateway", False),
        ("team-chat", OWN_HOST, "auto", "ai-gateway", False),
        ("team-chat", OWN_HOST, "ai-gateway", "ai-gateway", False),
    ],
)
def test_the_surface_is_chosen_by_setting_host_and_name(model, host, surface, expected, try_gateway_too):
    choice = choose_surface(model, host, surface)
    assert (choice.surface, choice.try_gateway_too) == (expected, try_gateway_too)
    assert choice.reason


def test_model_serving_on_the_gateways_own_host_is_a_contradiction():
    with pytest.raises(ConfigurationError, match="gateway's own host; set host= to the workspace"):
        choose_surface("m", OWN_HOST, "model-serving")


@pytest.mark.parametrize("surface", ["auto", "ai-gateway", "model-serving"])
def test_an_app_is_refused_with_the_remedy(surface):
    with pytest.raises(InvalidRequestError, match=r"Databricks App.*give its URL as endpoint_url="):
        choose_surface("apps/my-agent", WORKSPACE, surface)


def test_a_route_optimised_host_is_refused_with_the_remedy():
    with pytest.raises(ConfigurationError, match="route-optimised endpoint; give its whole URL as endpoint_url="):
        choose_surface("m", "https://abc.serving.cloud.databricks.com")


@pytest.mark.parametrize("model", ["", "  "])
def test_an_empty_name_is_refused(model):
    with pytest.raises(InvalidRequestError, match="the model name is empty"):
        choose_surface(model, WORKSPACE)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (OWN_HOST, True),
        ("https://1.ai-gateway.example.org:8443", True),
        (WORKSPACE, False),
        ("https://ai-gateway.example.com", False),
        ("https://ws.example.com/.ai-gateway.", False),
    ],
)
def test_the_gateways_own_host_is_known_by_its_name(host, expected):
    assert is_gateway_host(host) is expected


# --- full-URL mode -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "api", "model_in_body", "surface"),
    [
        (f"{WORKSPACE}/serving-endpoints/m/invocations", CHAT, False, "model-serving"),
        (f"{WORKSPACE}/serving-endpoints/chat/completions", CHAT, True, "model-serving"),
        (f"{WORKSPACE}/serving-endpoints/responses", "responses", True, "model-serving"),
        (f"{WORKSPACE}/serving-endpoints/open-responses", CHAT, True, "model-serving"),
        (f"{WORKSPACE}/ai-gateway/anthropic/v1/messages", "messages", True, "ai-gateway"),
        (f"{WORKSPACE}/ai-gateway/anthropic/v1/messages?beta=true", "messages", True, "ai-gateway"),
        (f"{OWN_HOST}/mlflow/v1/chat/completions", CHAT, True, "ai-gateway"),
        (f"{WORKSPACE}/ai-gateway/gemini/v1beta/models/m:generateContent", GEMINI, False, "ai-gateway"),
        ("https://proxy.example.com/anything", CHAT, True, "model-serving"),
        ("https://proxy.example.com/messages", CHAT, True, "model-serving"),
    ],
)
def test_a_full_url_is_used_as_it_is_and_its_path_names_the_api(url, api, model_in_body, surface):
    route = endpoint_route(url, "m", "other")
    assert (route.url, route.api, route.model_in_body, route.surface) == (url, api, model_in_body, surface)
    assert api_of_url(url) == api
    if api != GEMINI:
        assert route.stream_url == url


@pytest.mark.parametrize(
    ("query", "streamed"),
    [("", "?alt=sse"), ("?key=1", "?key=1&alt=sse"), ("?alt=sse", "?alt=sse"), ("?key=1&alt=json", "?key=1&alt=json")],
)
def test_a_full_gemini_url_keeps_its_query_when_streaming(query, streamed):
    url = "https://x.example.com/a:generateContent/m:generateContent"
    route = endpoint_route(url + query, "m", "gemini")
    assert route.stream_url == url.removesuffix(":generateContent") + ":streamGenerateContent" + streamed


def test_a_route_says_surface_api_and_url():
    assert str(routes("claude")[0]) == f"ai-gateway messages {WORKSPACE}/ai-gateway/anthropic/v1/messages"


# --- the next candidate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "next_one"),
    [
        (404, b"", True),
        (404, b"<html>nginx</html>", True),
        (404, {"error_code": "ANYTHING", "message": "no"}, True),
        (501, b"", True),
        (400, {"error_code": "ENDPOINT_NOT_FOUND", "message": "no"}, True),
        (403, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}, True),
        (400, {"error_code": "BAD_REQUEST", "message": "no"}, False),
        (401, b"", False),
        (403, b"", False),
        (405, b"", False),
        (429, b"", False),
        (500, {"error_code": "INTERNAL_ERROR", "message": "no"}, False),
        (503, b"", False),
    ],
)
def test_only_an_answer_that_means_not_served_here_lets_the_next_candidate_be_tried(status, body, next_one):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert may_try_next(api_error(status, {}, raw, RequestTarget("m", "a route"))) is next_one


@promise("names")
@pytest.mark.parametrize("model", [".", ".."])
@pytest.mark.parametrize("family", ["gemini", "agent", None])
@pytest.mark.parametrize("surface", ["ai-gateway", "model-serving", "auto"])
def test_a_model_that_a_url_cannot_name_is_refused_before_anything_is_sent(model, family, surface):
    with wire(lambda request: answer(200, b"{}")) as host:
        client = Client(model=model, host=host.url, token="dapi-x", surface=surface, family=family)
        for call in (
            lambda: client.chat("Hello"),
            lambda: list(client.stream("Hello")),
            lambda: client.embed(["Hello"]),
        ):
            with pytest.raises(InvalidRequestError, match="in a URL means another folder"):
                call()
    assert host.requests == []
