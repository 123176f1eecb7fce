"""Requests that go exactly to one URL: endpoint_url=, or the pair of variables."""

from __future__ import annotations

import json

import httpx
import pytest
from end_to_end.site import CLAUDE, GEMINI, GPT, LLAMA
from faults.wires import WIRES

from dbx_gateway import Client, ConfigurationError, fold

FORMS = {
    "chat": (LLAMA, "/ai-gateway/mlflow/v1/chat/completions", "chat-completions", True),
    "responses": (GPT, "/serving-endpoints/responses", "responses", True),
    "messages": (CLAUDE, "/ai-gateway/anthropic/v1/messages", "messages", True),
    "gemini": (GEMINI, f"/ai-gateway/gemini/v1beta/models/{GEMINI}:generateContent", "generate-content", False),
    "invocations": (LLAMA, f"/serving-endpoints/{LLAMA}/invocations", "chat-completions", False),
}


@pytest.mark.parametrize(("model", "path", "api", "named"), FORMS.values(), ids=FORMS)
def test_a_whole_answer_is_asked_for_exactly_there_in_the_api_that_the_path_names(site, model, path, api, named):
    answer = site.client(model, endpoint_url=site.url + path).chat("Hello")
    assert answer.text == "You said: Hello"
    assert answer.exchange.api == api
    assert [entry.path for entry in site.asked()] == [path]
    assert ("model" in site.posts()[0].body) is named


@pytest.mark.parametrize(("model", "path", "api", "named"), FORMS.values(), ids=FORMS)
def test_a_stream_is_asked_for_there_too(site, model, path, api, named):
    assert fold(site.client(model, endpoint_url=site.url + path).stream("Hello")).text == "You said: Hello"
    streamed = path.replace(":generateContent", ":streamGenerateContent?alt=sse")
    assert [(entry.path, entry.stream) for entry in site.asked()] == [(streamed, True)]


SPEAKS = {
    "chat-completions": {"messages"},
    "responses": {"input"},
    "messages": {"messages", "max_tokens"},
    "generate-content": {"contents"},
}
"""What a body of each api holds, and that of no other does."""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("api", SPEAKS)
def test_an_api_that_is_set_wins_over_the_one_that_the_path_names(api, form, stream):
    wire = next(wire for wire in WIRES if wire.api == api)
    _, path, hinted, _ = FORMS[form]
    sent = []

    def handle(request):
        sent.append((str(request.url), json.loads(request.content)))
        return httpx.Response(200, json=wire.whole("Hello to you"))

    with httpx.Client(transport=httpx.MockTransport(handle)) as http_client:
        url = "https://proxy.example.com" + path
        client = Client(model="m", endpoint_url=url, token="t", api=api, http_client=http_client)
        answer = fold(client.stream("Hello")) if stream else client.chat("Hello")

    ((asked, body),) = sent
    streamed = url.replace(":generateContent", ":streamGenerateContent?alt=sse")
    assert answer.text == "Hello to you"
    assert answer.exchange.api == api
    assert asked == (streamed if stream and api == hinted == "generate-content" else url)
    assert body.keys() >= SPEAKS[api]


def test_the_pair_of_variables_names_one_url_and_its_key(site, monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_API_URL", f"{site.url}/serving-endpoints/{LLAMA}/invocations")
    monkeypatch.setenv("DBX_GATEWAY_API_KEY", site.workspace.token)
    monkeypatch.setenv("DATABRICKS_HOST", "https://another.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-another")
    assert Client(model=LLAMA).chat("Hello").text == "You said: Hello"
    assert [(entry.path, entry.user) for entry in site.asked()] == [
        (f"/serving-endpoints/{LLAMA}/invocations", "user@example.com")
    ]


def test_the_pair_may_name_the_model_too(site, monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_API_URL", f"{site.url}/ai-gateway/anthropic/v1/messages")
    monkeypatch.setenv("DBX_GATEWAY_API_KEY", site.workspace.token)
    monkeypatch.setenv("DBX_GATEWAY_MODEL", CLAUDE)
    assert Client().chat("Hello").exchange.api == "messages"


@pytest.mark.parametrize(
    ("chosen", "path"),
    [
        ({"surface": "ai-gateway"}, "/ai-gateway/anthropic/v1/messages"),
        ({"surface": "model-serving"}, "/serving-endpoints/anthropic/v1/messages"),
        ({"api": "messages"}, "/ai-gateway/anthropic/v1/messages"),
        ({"api": "chat-completions"}, "/ai-gateway/mlflow/v1/chat/completions"),
        ({"surface": "model-serving", "api": "auto"}, "/serving-endpoints/anthropic/v1/messages"),
    ],
)
def test_the_pair_is_set_aside_when_a_surface_or_an_api_was_chosen(site, monkeypatch, chosen, path):
    monkeypatch.setenv("DBX_GATEWAY_API_URL", "https://proxy.example.com/serving-endpoints/x/invocations")
    monkeypatch.setenv("DBX_GATEWAY_API_KEY", "key-of-the-proxy")
    monkeypatch.setenv("DATABRICKS_HOST", site.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", site.workspace.token)
    Client(model=CLAUDE, **chosen).chat("Hello")
    assert site.paths() == [path]


def test_the_pair_holds_where_surface_and_api_are_left_open(site, monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_API_URL", f"{site.url}/serving-endpoints/{LLAMA}/invocations")
    monkeypatch.setenv("DBX_GATEWAY_API_KEY", site.workspace.token)
    assert Client(model=LLAMA, surface="auto", api="auto").chat("Hello").text == "You said: Hello"
    assert site.paths() == [f"/serving-endpoints/{LLAMA}/invocations"]


def test_quirks_apply_by_the_family_that_was_set(site):
    url = f"{site.url}/serving-endpoints/team-chat/invocations"
    assert site.client("x", endpoint_url=url, family="claude").chat("Hello").exchange.family == "claude"


def test_an_endpoint_url_at_another_origin_needs_its_own_token(site, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", "https://workspace.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-the-workspace")
    client = Client(model=LLAMA, endpoint_url=f"{site.url}/serving-endpoints/{LLAMA}/invocations")
    with pytest.raises(ConfigurationError, match="token="):
        client.chat("Hello")
    assert site.asked() == []


def test_an_explicit_token_is_for_the_origin_of_the_endpoint_url(site, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", "https://workspace.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-of-the-workspace")
    url = f"{site.url}/serving-endpoints/{LLAMA}/invocations"
    assert Client(model=LLAMA, endpoint_url=url, token=site.workspace.token).chat("Hello").text == "You said: Hello"


def test_a_route_optimised_endpoint_is_asked_at_its_own_url(site, monkeypatch):
    url = f"{site.url}/optimized/fast-model/invocations"
    monkeypatch.setenv("DATABRICKS_HOST", site.url)
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "simulated-client")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "simulated-secret")
    assert Client(model="fast-model", endpoint_url=url, family="llama").chat("Hello").text == "You said: Hello"
    assert site.posts()[0].user == "simulated-client"
