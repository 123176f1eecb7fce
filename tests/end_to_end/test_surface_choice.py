"""Which surface a model is asked on when nobody says."""

from __future__ import annotations

import asyncio
import socket

import pytest
from end_to_end.site import CLAUDE, LLAMA, METADATA, PROBE
from end_to_end.threads import in_threads
from lifecycles.front_ends import FRONT_ENDS, front_end

from dbx_gateway import APIConnectionError, APIError, AuthenticationError, Client, InvalidRequestError

GATEWAY_MESSAGES = "/ai-gateway/anthropic/v1/messages"
SERVING_MESSAGES = "/serving-endpoints/anthropic/v1/messages"


def test_a_workspace_with_a_gateway_is_probed_once_and_asked_on_the_gateway(site):
    client = site.client()
    assert [client.chat("Hello").text for _ in range(3)] == ["You said: Hello"] * 3
    assert [(entry.method, entry.path) for entry in site.asked()] == [
        ("GET", PROBE),
        *[("POST", GATEWAY_MESSAGES)] * 3,
    ]


def test_a_workspace_without_a_gateway_is_probed_once_and_asked_on_model_serving(open_site, warned):
    site = open_site(gateway=False)
    client = site.client()
    assert [client.chat("Hello").text for _ in range(3)] == ["You said: Hello"] * 3
    assert [entry.path for entry in site.asked()] == [PROBE, *[SERVING_MESSAGES] * 3]
    assert warned() == []


@pytest.mark.parametrize("gateway", [True, False])
def test_what_the_probe_found_is_remembered_for_an_hour_for_the_user_who_asked(open_site, seen, clock, gateway):
    site = open_site(gateway=gateway, tokens={"dapi-other": "other"})
    site.client(observations=seen).chat("Hello")
    clock.advance(3599)
    site.client(observations=seen).chat("Hello")
    assert len(site.asked(PROBE)) == 1
    site.client(observations=seen, token="dapi-other").chat("Hello")
    assert [entry.user for entry in site.asked(PROBE)][1:] == ["other"]
    clock.advance(2)
    site.client(observations=seen).chat("Hello")
    assert len(site.asked(PROBE)) == 3


def test_a_credential_that_the_probe_shows_to_be_refused_is_an_authentication_error(site):
    with pytest.raises(AuthenticationError, match="Invalid access token"):
        site.client(token="dapi-wrong").chat("Hello")
    assert [entry.status for entry in site.asked()] == [401]


def test_a_host_that_refuses_the_probes_connection_fails_the_call():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(APIConnectionError, match="could not connect") as caught:
            Client(model=CLAUDE, host=host, token="dapi-x", max_retries=0).chat("Hello")
    assert caught.value.error_code == "connect"


UNCLEAR = {
    "403": {"status": 403},
    "302 to a login page": {"status": 302, "headers": {"Location": "https://login.example.com/"}},
    "302 within the host": {"status": 302, "headers": {"Location": "/login"}},
    "200 with HTML": {"status": 200, "body": "<html><body>Sign in</body></html>"},
    "200 with another object": {"status": 200, "body": {"hello": "world"}},
    "500": {"status": 500},
    "503": {"status": 503},
}


@pytest.mark.parametrize("fault", UNCLEAR.values(), ids=UNCLEAR)
def test_an_unclear_probe_takes_model_serving_for_a_minute_and_warns_once(site, seen, clock, warned, fault):
    site.fail(where="ai-gateway/anthropic/v1/models", times=None, **fault)
    site.fail(where="/login", times=None, status=200, body="<html>Sign in</html>")
    client = site.client(observations=seen)
    client.chat("Hello")
    clock.advance(59)
    client.chat("Hello")
    assert site.paths() == [SERVING_MESSAGES] * 2
    assert len(site.asked(PROBE)) == 1
    clock.advance(2)
    client.chat("Hello")
    assert len(site.asked(PROBE)) == 2
    assert [line for line in warned() if "probe for an AI Gateway" in line] == warned()
    assert len(warned()) == 1


def test_after_an_unclear_probe_the_gateway_is_found_a_minute_later(site, seen, clock):
    site.fail(where=PROBE, status=503)
    client = site.client(observations=seen)
    client.chat("Hello")
    clock.advance(61)
    client.chat("Hello")
    assert site.paths() == [SERVING_MESSAGES, GATEWAY_MESSAGES]


def test_a_probe_that_is_not_answered_in_time_takes_model_serving(site, monkeypatch, warned):
    monkeypatch.setattr("dbx_gateway.models.discovery.PROBE_SECONDS", 0.05)
    site.fail(where=PROBE, stall=30.0)
    assert site.client().chat("Hello").text == "You said: Hello"
    assert site.paths() == [SERVING_MESSAGES]
    assert ["did not answer within 0.05 s" in line for line in warned()] == [True]


def test_an_unclear_probe_is_one_users_alone(open_site):
    site = open_site(tokens={"dapi-other": "other"})
    site.fail(where=PROBE, status=403)
    site.client().chat("Hello")
    site.client(token="dapi-other").chat("Hello")
    assert [(entry.path, entry.user) for entry in site.posts()] == [
        (SERVING_MESSAGES, "user@example.com"),
        (GATEWAY_MESSAGES, "other"),
    ]


async def test_a_hundred_concurrent_first_calls_on_one_loop_make_one_probe(site):
    clients = [site.async_client() for _ in range(100)]
    answers = await asyncio.gather(*(client.chat("Hello") for client in clients))
    assert {answer.text for answer in answers} == {"You said: Hello"}
    assert len(site.asked(PROBE)) == 1
    assert site.paths() == [GATEWAY_MESSAGES] * 100


async def test_a_hundred_concurrent_first_calls_read_an_endpoints_metadata_once(site):
    client = site.async_client("team-chat")
    await asyncio.gather(*(client.chat("Hello") for _ in range(100)))
    assert len(site.asked(METADATA)) == 1
    assert site.paths() == [SERVING_MESSAGES] * 100


@pytest.mark.parametrize(("model", "question"), [(CLAUDE, PROBE), ("team-chat", METADATA)])
def test_first_calls_from_thirty_two_threads_ask_the_workspace_once(site, model, question):
    client = site.client(model)
    said = in_threads(32, lambda _: client.chat("Hello").text)
    assert said == ["You said: Hello"] * 32
    assert len(site.asked(question)) == 1


async def test_the_first_callers_that_wait_for_a_probe_that_fails_ask_themselves(site):
    clients = [site.async_client(token="dapi-wrong") for _ in range(10)]
    answers = await asyncio.gather(*(client.chat("Hello") for client in clients), return_exceptions=True)
    assert {type(answer) for answer in answers} == {AuthenticationError}
    assert len({id(answer) for answer in answers}) == len(site.asked(PROBE)) == 10


async def test_a_first_caller_that_is_cancelled_leaves_the_probe_to_the_others(site):
    site.fail(where=PROBE, stall=0.15)
    client = site.async_client()
    first = asyncio.create_task(client.chat("Hello"))
    await asyncio.sleep(0.03)
    second = asyncio.create_task(client.chat("Hello"))
    await asyncio.sleep(0.03)
    first.cancel()
    assert (await second).text == "You said: Hello"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert site.paths() == [GATEWAY_MESSAGES]


def test_a_name_of_three_parts_is_asked_on_the_gateway_without_a_probe(site):
    assert site.client("system.ai.claude-sonnet-4-5").chat("Hello").text == "You said: Hello"
    assert [entry.path for entry in site.asked()] == [GATEWAY_MESSAGES]


@pytest.mark.parametrize(("surface", "path"), [("ai-gateway", GATEWAY_MESSAGES), ("model-serving", SERVING_MESSAGES)])
def test_a_surface_that_was_set_is_taken_without_a_probe(site, surface, path):
    site.client(surface=surface).chat("Hello")
    assert [entry.path for entry in site.asked()] == [path]


ADDRESSES = {
    "/serving-endpoints": SERVING_MESSAGES,
    "/serving-endpoints/": SERVING_MESSAGES,
    "/serving-endpoints/v1": SERVING_MESSAGES,
    "/serving-endpoints/anthropic": SERVING_MESSAGES,
    "/ai-gateway": GATEWAY_MESSAGES,
    "/ai-gateway/mlflow/v1/": GATEWAY_MESSAGES,
    "/ai-gateway/anthropic": GATEWAY_MESSAGES,
    "/ai-gateway/openai/v1": GATEWAY_MESSAGES,
    "/ai-gateway/codex/v1": GATEWAY_MESSAGES,
    "/ai-gateway/gemini": GATEWAY_MESSAGES,
}


@pytest.mark.parametrize("setting", ["base_url", "host"])
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_an_address_whose_path_is_a_surfaces_means_that_surface_and_nothing_else(site, name, setting):
    site.fail(where=PROBE, times=None, status=403)
    for path, goes_to in ADDRESSES.items():
        before = len(site.asked())
        made = front_end(name, model=CLAUDE, token=site.workspace.token, **{setting: site.url + path})
        assert made.ask("Hello") == "You said: Hello"
        assert [entry.path for entry in site.asked()[before:]] == [goes_to], path


@pytest.mark.parametrize(("path", "missing"), [("/ai-gateway/mlflow/v1", "gateway"), ("/serving-endpoints", "serving")])
def test_a_model_that_the_surface_of_the_address_lacks_is_not_asked_for_on_the_other(open_site, path, missing):
    site = open_site(gateway=missing != "gateway")
    model = CLAUDE if missing == "gateway" else "system.ai.claude-sonnet-4-5"
    with pytest.raises(APIError):
        site.client(model, host=site.url + path).chat("Hello")
    assert {entry.path.split("/")[1] for entry in site.asked()} == {path.split("/")[1]}


def test_the_surface_may_come_from_the_environment(site, monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_SURFACE", "model-serving")
    site.client().chat("Hello")
    assert [entry.path for entry in site.asked()] == [SERVING_MESSAGES]


def test_the_surface_may_be_chosen_for_one_call(site):
    client = site.client(LLAMA, surface="ai-gateway")
    client.chat("Hello", surface="model-serving")
    client.chat("Hello")
    assert site.paths() == ["/serving-endpoints/chat/completions", "/ai-gateway/mlflow/v1/chat/completions"]


def test_the_plan_says_why_a_surface_was_taken(site):
    assert site.client().plan().choice.reason == f"{site.url} has an AI Gateway"


def test_a_databricks_app_is_refused_with_the_remedy(site):
    with pytest.raises(InvalidRequestError, match="endpoint_url="):
        site.client("apps/my-agent").chat("Hello")
    assert site.asked() == []


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ({"status": 429, "error_code": "REQUEST_LIMIT_EXCEEDED"}, GATEWAY_MESSAGES),
        ({"status": 501, "error_code": "NOT_IMPLEMENTED"}, SERVING_MESSAGES),
        ({"status": 400, "error_code": "FEATURE_DISABLED"}, SERVING_MESSAGES),
        ({"status": 403, "error_code": "FEATURE_DISABLED"}, SERVING_MESSAGES),
        ({"status": 400, "error_code": "ENDPOINT_NOT_FOUND"}, SERVING_MESSAGES),
    ],
)
async def test_a_refused_probe_that_says_whether_there_is_a_gateway_settles_it_for_an_hour(
    site, warned, seen, clock, answer, path
):
    site.fail(where=PROBE, **answer)
    client = site.client(observations=seen)
    client.chat("Hello")
    clock.advance(3500)
    await site.async_client(observations=seen).chat("Hello")
    assert len(site.asked(PROBE)) == 1
    assert site.paths() == [path, path]
    assert warned() == []


@pytest.mark.parametrize(("status", "words"), [(403, "Invalid access token."), (400, "Invalid Token")])
def test_a_probe_whose_token_is_refused_in_words_is_an_authentication_error(site, status, words):
    site.fail(where=PROBE, times=None, status=status, body={"error_code": status, "message": words})
    with pytest.raises(AuthenticationError):
        site.client().chat("Hello")
    assert site.posts() == []
