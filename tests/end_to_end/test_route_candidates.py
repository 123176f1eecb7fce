"""Which route of a surface is taken, when the next is tried, and what is remembered of it."""

from __future__ import annotations

import asyncio

import pytest
from end_to_end.site import ADD, CLAUDE, GEMINI, GPT, LLAMA, METADATA, PROBE

from dbx_gateway import APIError, BadRequestError, ConfigurationError, NotFoundError, ServerError
from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing import Served

GATEWAY = "/ai-gateway"
SERVING = "/serving-endpoints"
MESSAGES = f"{GATEWAY}/anthropic/v1/messages"
RESPONSES = f"{GATEWAY}/openai/v1/responses"
CODEX = f"{GATEWAY}/codex/v1/responses"
CHAT = f"{GATEWAY}/mlflow/v1/chat/completions"


def own(name, *, gateway=(), family="claude", model=None, **more):
    """An endpoint of a team's own."""
    profile = Profile(model=name, family=family, known=False) if model is None else profile_of(model)
    return Served(name=name, gateway_names=gateway, profile=profile, **more)


@pytest.mark.parametrize(
    ("model", "surface", "path"),
    [
        (CLAUDE, "ai-gateway", MESSAGES),
        (CLAUDE, "model-serving", f"{SERVING}/anthropic/v1/messages"),
        (GPT, "ai-gateway", RESPONSES),
        (GPT, "model-serving", f"{SERVING}/responses"),
        (GEMINI, "ai-gateway", f"{GATEWAY}/gemini/v1beta/models/{GEMINI}:generateContent"),
        (GEMINI, "model-serving", f"{SERVING}/gemini/v1beta/models/{GEMINI}:generateContent"),
        (LLAMA, "ai-gateway", CHAT),
        (LLAMA, "model-serving", f"{SERVING}/chat/completions"),
    ],
)
def test_each_family_is_asked_where_it_speaks_its_own_api(site, model, surface, path):
    assert site.client(model, surface=surface).chat("Hello").text == "You said: Hello"
    assert site.paths() == [path]


def test_a_gemini_stream_has_a_path_of_its_own(site):
    list(site.client(GEMINI, surface="ai-gateway").stream("Hello"))
    assert site.paths() == [f"{GATEWAY}/gemini/v1beta/models/{GEMINI}:streamGenerateContent?alt=sse"]


@pytest.mark.parametrize("model", ["team-chat", "main.ai.team_chat"])
def test_a_family_that_only_the_metadata_tells_is_looked_up_once(site, model):
    client = site.client(model)
    for _ in range(3):
        answer = client.chat("Hello")
    assert answer.exchange.family == "claude"
    assert {entry.api for entry in site.posts()} == {"messages"}
    assert len(site.asked(METADATA)) == 1
    assert site.asked(PROBE) == []


def test_metadata_is_read_anew_after_an_hour(site, seen, clock):
    client = site.client("team-chat", observations=seen)
    client.chat("Hello")
    clock.advance(3601)
    client.chat("Hello")
    assert len(site.asked(METADATA)) == 2


def test_metadata_that_cannot_be_read_leaves_the_family_open_for_a_minute(site, seen, clock):
    site.fail(where=METADATA, status=403)
    client = site.client("team-chat", observations=seen)
    assert client.chat("Hello").exchange.family == "other"
    clock.advance(61)
    assert client.chat("Hello").exchange.family == "claude"


def test_a_family_that_was_set_asks_for_no_metadata(site):
    site.client("team-chat", family="claude").chat("Hello")
    assert [entry.path for entry in site.asked()] == [f"{SERVING}/anthropic/v1/messages"]


# --- the next candidate ------------------------------------------------------------------------------------------

NOT_HERE = {
    "404": {"status": 404},
    "404 with HTML": {"status": 404, "body": "<html>Not found</html>"},
    "501": {"status": 501},
    "400 ENDPOINT_NOT_FOUND": {"status": 400, "error_code": "ENDPOINT_NOT_FOUND"},
    "400 RESOURCE_DOES_NOT_EXIST": {"status": 400, "error_code": "RESOURCE_DOES_NOT_EXIST"},
}


@pytest.mark.parametrize("fault", NOT_HERE.values(), ids=NOT_HERE)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_next_candidate_is_tried_when_this_one_does_not_serve_the_model(site, fault, stream):
    site.fail(where=RESPONSES, times=None, **fault)
    client = site.client(GPT, surface="ai-gateway")
    answer = folded(client, "Hello") if stream else client.chat("Hello")
    assert answer.text == "You said: Hello"
    assert site.paths() == [RESPONSES, CODEX]
    assert [line.split()[-1] for line in answer.exchange.attempts] == [str(fault["status"]), "200"]
    assert answer.exchange.url == f"{site.url}{CODEX}"


async def test_the_next_candidate_is_tried_from_an_event_loop_too(site):
    site.fail(where=MESSAGES, times=None, status=404)
    assert (await site.async_client(surface="ai-gateway").chat("Hello")).exchange.api == "chat-completions"
    assert site.paths() == [MESSAGES, CHAT]


@pytest.mark.parametrize(
    ("status", "kind"), [(400, BadRequestError), (403, APIError), (422, BadRequestError), (500, ServerError)]
)
def test_any_other_failure_is_raised_and_no_other_candidate_tried(site, status, kind):
    site.fail(where=RESPONSES, status=status)
    with pytest.raises(kind):
        site.client(GPT, surface="ai-gateway", max_retries=0).chat("Hello")
    assert site.paths() == [RESPONSES]


def test_a_candidate_that_succeeded_is_taken_first_for_an_hour(site, seen, clock):
    site.fail(where=RESPONSES, times=None, status=404)
    client = site.client(GPT, surface="ai-gateway", observations=seen)
    client.chat("Hello")
    clock.advance(3599)
    client.chat("Hello")
    assert site.paths() == [RESPONSES, CODEX, CODEX]
    clock.advance(2)
    client.chat("Hello")
    assert site.paths()[3:] == [RESPONSES, CODEX]


def test_a_candidate_is_remembered_only_after_it_succeeded(site, seen):
    site.fail(where=RESPONSES, status=404)
    site.fail(where=CODEX, status=500)
    client = site.client(GPT, surface="ai-gateway", observations=seen, max_retries=0)
    with pytest.raises(ServerError):
        client.chat("Hello")
    client.chat("Hello")
    assert site.paths() == [RESPONSES, CODEX, RESPONSES]


def test_a_remembered_candidate_that_is_gone_gives_way_to_the_others(site, seen):
    site.fail(where=RESPONSES, status=404)
    client = site.client(GPT, surface="ai-gateway", observations=seen)
    client.chat("Hello")
    site.fail(where=CODEX, times=None, status=404)
    client.chat("Hello")
    client.chat("Hello")
    assert site.paths() == [RESPONSES, CODEX, CODEX, RESPONSES, RESPONSES]


def test_of_several_candidates_that_fail_the_first_error_is_raised(site):
    site.fail(where=MESSAGES, times=None, status=404, error_message="no such thing as messages")
    site.fail(where=CHAT, times=None, status=404, error_message="nor chat")
    with pytest.raises(NotFoundError, match="no such thing as messages"):
        site.client(surface="ai-gateway").chat("Hello")
    assert site.paths() == [MESSAGES, CHAT]


def test_a_model_that_only_takes_responses_is_never_asked_on_chat(site):
    site.fail(where="responses", times=None, status=404)
    with pytest.raises(NotFoundError):
        site.client("databricks-gpt-5-3-codex", surface="ai-gateway").chat("Hello")
    assert site.paths() == [RESPONSES, CODEX]


@pytest.mark.parametrize(
    ("model", "paths"),
    [
        ("databricks-claude-sonet-4-5", [MESSAGES, CHAT]),
        ("system.ai.claude-sonet-4-5", [MESSAGES, CHAT]),
        ("team-chatt", [f"{SERVING}/chat/completions", CHAT]),
    ],
)
def test_a_misspelt_model_is_not_found_once_and_downgrades_nothing(site, model, paths):
    with pytest.raises(NotFoundError, match=model) as caught:
        site.client(model).chat("Hello")
    assert caught.value.status == 404
    assert site.paths() == paths
    for good in (CLAUDE, GPT, "system.ai.claude-sonnet-4-5", "team-chat"):
        assert site.client(good).chat("Hello").exchange.api in ("messages", "responses")
    assert [entry.status for entry in site.posts()[len(paths) :]] == [200] * 4


# --- names that may be on either surface -------------------------------------------------------------------------


def test_a_name_that_model_serving_does_not_know_is_tried_once_on_the_gateway_and_remembered(open_site, seen, clock):
    site = open_site(models=[own(None, gateway=("gateway-only",), family="other")])
    client = site.client("gateway-only", observations=seen)
    client.chat("Hello")
    clock.advance(1800)
    answer = client.chat("Hello")
    assert answer.exchange.surface == "ai-gateway"
    assert site.paths() == [f"{SERVING}/chat/completions", CHAT, CHAT]


def test_a_name_that_model_serving_knows_is_never_asked_on_the_gateway(site):
    site.client("house-model").chat("Hello")
    assert site.paths() == [f"{SERVING}/chat/completions"]


@pytest.mark.parametrize("api", ["chat-completions", "messages"])
def test_an_api_that_was_set_never_falls_back(site, api):
    path = f"{SERVING}/chat/completions" if api == "chat-completions" else f"{SERVING}/anthropic/v1/messages"
    site.fail(where=path, times=None, status=404)
    for model in (CLAUDE, "team-chat"):
        with pytest.raises(NotFoundError):
            site.client(model, api=api, surface="model-serving" if model == CLAUDE else "auto").chat("Hello")
    assert site.paths() == [path, path]


def test_an_endpoint_url_never_falls_back(site):
    with pytest.raises(NotFoundError):
        site.client("nobody", endpoint_url=f"{site.url}/serving-endpoints/nobody/invocations").chat("Hello")
    assert [entry.path for entry in site.asked()] == ["/serving-endpoints/nobody/invocations"]


def test_a_route_optimised_endpoint_is_refused_with_the_remedy(site):
    with pytest.raises(ConfigurationError, match=rf"endpoint_url=.*OAuth|{site.url}/optimized/fast-model/invocations"):
        site.client("fast-model").chat("Hello")
    assert site.posts() == []


async def test_routes_learned_on_one_loop_hold_on_the_next(site):
    site.fail(where=RESPONSES, times=None, status=404)
    await site.async_client(GPT, surface="ai-gateway").chat("Hello")
    await asyncio.to_thread(site.client(GPT, surface="ai-gateway").chat, "Hello")
    assert site.paths() == [RESPONSES, CODEX, CODEX]


def test_a_tool_conversation_stays_on_the_candidate_that_works(site):
    site.fail(where=MESSAGES, times=None, status=404)
    client = site.client(surface="ai-gateway")
    first = client.chat("Add 2 and 3", tools=[ADD])
    assert [call.name for call in first.executable_tool_calls] == ["add"]
    assert site.paths() == [MESSAGES, CHAT]
    client.chat("Add 2 and 3", tools=[ADD])
    assert site.paths()[2:] == [CHAT]


def folded(client, text, **options):
    from dbx_gateway import fold

    return fold(client.stream(text, **options))


# --- what only a refusal says ------------------------------------------------------------------------------------

ONLY_RESPONSES = (
    "Model house-model only supports the Responses API. Please use /serving-endpoints/responses instead.",
    "This model is only supported in v1/responses and not in v1/chat/completions.",
)


@pytest.mark.parametrize("words", ONLY_RESPONSES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_model_that_is_on_the_responses_api_only_is_asked_there_once_the_server_says_so(
    open_site, seen, words, stream
):
    site = open_site(models=[own("house-model", model=GPT)])
    site.fail(where=f"{SERVING}/chat/completions", status=400, error_message=words)
    client = site.client("house-model", family="other", observations=seen)

    def ask():
        return folded(client, "Hello") if stream else client.chat("Hello")

    assert ask().exchange.api == "responses"
    assert ask().exchange.api == "responses"
    assert site.paths() == [f"{SERVING}/chat/completions", f"{SERVING}/responses", f"{SERVING}/responses"]


def test_an_api_that_was_set_is_kept_and_the_error_says_what_to_set(site):
    site.fail(where=SERVING, status=400, error_message=ONLY_RESPONSES[0])
    with pytest.raises(BadRequestError, match="set api='responses'"):
        site.client("house-model", family="other", api="chat-completions").chat("Hello")
    assert len(site.posts()) == 1


def test_a_second_such_refusal_is_raised(site):
    site.fail(where=SERVING, status=400, error_message=ONLY_RESPONSES[0], times=None)
    with pytest.raises(BadRequestError, match="only supports the Responses API"):
        site.client("house-model", family="other").chat("Hello")
    assert site.paths() == [f"{SERVING}/chat/completions", f"{SERVING}/responses"]


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI, LLAMA])
def test_a_workspace_that_enforces_model_services_is_asked_on_the_gateway_and_the_error_names_the_service(
    open_site, model
):
    site = open_site(enforces_model_services=True)
    service = f"system.ai.{model.removeprefix('databricks-')}"
    with pytest.raises(NotFoundError) as caught:
        site.client(model, max_retries=3).chat("Hello")
    assert (caught.value.status, caught.value.retryable) == (501, False)
    assert f"Its model service is '{service}'." in caught.value.message
    assert len(site.paths()) == len(set(site.paths()))
    assert site.client(service).chat("Hello").text == "You said: Hello"


def test_model_serving_that_knows_only_model_services_leads_to_the_gateway(site, seen):
    site.fail(where=PROBE, status=503)
    site.fail(where=SERVING, times=None, status=501, error_message="Use Unity Catalog model services (v3)")
    client = site.client(CLAUDE, observations=seen)
    assert client.chat("Hello").exchange.surface == "ai-gateway"
    assert client.chat("Hello").exchange.surface == "ai-gateway"
    assert site.paths()[-2:] == [MESSAGES, MESSAGES]


def test_a_surface_that_was_set_is_kept_and_a_name_that_is_not_listed_is_said_to_be_a_guess(open_site):
    site = open_site(models=[own("databricks-house-9", model=CLAUDE)], enforces_model_services=True)
    with pytest.raises(NotFoundError, match=r"probably 'system\.ai\.house-9'"):
        site.client("databricks-house-9", surface="model-serving", family="claude").chat("Hello")
    assert all(path.startswith(SERVING) for path in site.paths())


def test_an_embedding_model_is_named_as_its_service_too(open_site):
    site = open_site(enforces_model_services=True)
    with pytest.raises(NotFoundError, match=r"'system\.ai\.gte-large-en'"):
        site.client("databricks-gte-large-en", surface="model-serving").embed(["Hello"])
