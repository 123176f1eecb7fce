"""The call path of embeddings: where texts go, what is sent again, and how long it may take."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from end_to_end.site import LLAMA
from support.pacing import noted_pauses

from dbx_gateway import (
    APIConnectionError,
    APITimeoutError,
    AsyncClient,
    BadRequestError,
    Client,
    InvalidResponseError,
    NotFoundError,
    RateLimitError,
    ServerError,
)

GTE = "databricks-gte-large-en"
TEXTS = ["a lake", "a house"]
WAYS = pytest.mark.parametrize("way", ["sync", "async"])


async def embed(way, fields, texts=TEXTS, **options):
    """Ask for vectors in one of the two ways."""
    if way == "sync":
        return await asyncio.to_thread(Client(**fields).embed, texts, **options)
    return await AsyncClient(**fields).embed(texts, **options)


@pytest.fixture
def pauses(monkeypatch):
    """The pauses before retries, none of which is waited for."""
    with noted_pauses(monkeypatch) as made:
        yield made


# Where


@WAYS
@pytest.mark.parametrize(
    ("path", "named"),
    [("/ai-gateway/mlflow/v1/embeddings", True), (f"/serving-endpoints/{GTE}/invocations", False)],
    ids=["gateway", "invocations"],
)
async def test_texts_are_sent_exactly_to_the_url_that_was_given(site, way, path, named):
    found = await embed(way, site.fields(GTE, endpoint_url=site.url + path))
    assert found.vectors == site.client(GTE, surface="model-serving").embed(TEXTS).vectors
    first = site.asked()[0]
    assert first.path == path
    assert ("model" in first.body) is named


@WAYS
async def test_the_pair_of_variables_names_the_url_of_embeddings_too(site, monkeypatch, way):
    monkeypatch.setenv("DBX_GATEWAY_API_URL", f"{site.url}/serving-endpoints/{GTE}/invocations")
    monkeypatch.setenv("DBX_GATEWAY_API_KEY", site.workspace.token)
    monkeypatch.setenv("DATABRICKS_HOST", "https://another.example.com")
    assert len((await embed(way, {"model": GTE})).vectors) == 2
    assert [entry.path for entry in site.asked()] == [f"/serving-endpoints/{GTE}/invocations"]


@WAYS
@pytest.mark.parametrize("surface", ["ai-gateway", "model-serving"])
async def test_what_is_set_beside_the_texts_is_sent_with_each_batch(site, way, surface):
    fields = site.fields(GTE, surface=surface, default_headers={"x-team": "blue"}, extra_body={"user": "u1"})
    found = await embed(way, fields, dimensions=8, batch_size=1)
    assert [len(vector) for vector in found.vectors] == [8, 8]
    sent = site.posts()
    assert sorted(entry.body["input"] for entry in sent) == [["a house"], ["a lake"]]
    for entry in sent:
        assert (entry.body["user"], entry.body["dimensions"], entry.headers["x-team"]) == ("u1", 8, "blue")
        assert entry.headers["user-agent"].startswith("dbx-gateway/")


@WAYS
@pytest.mark.parametrize("surface", ["ai-gateway", "model-serving"])
async def test_a_model_that_does_not_exist_is_an_error_that_names_model_and_place(site, way, surface):
    with pytest.raises(NotFoundError, match="'no-such-model' on") as caught:
        await embed(way, site.fields("no-such-model", surface=surface))
    assert caught.value.model == "no-such-model"
    assert caught.value.route.startswith(f"{surface} embeddings {site.url}")
    assert len(site.posts()) == 1


@WAYS
async def test_an_error_names_the_url_that_was_given(site, way):
    url = f"{site.url}/serving-endpoints/no-such-model/invocations"
    with pytest.raises(NotFoundError) as caught:
        await embed(way, site.fields(GTE, endpoint_url=url))
    assert caught.value.route == f"model-serving embeddings {url}"


# Again


@WAYS
async def test_the_servers_word_on_when_to_try_again_is_kept(site, pauses, way):
    site.fail(where="/ai-gateway/mlflow", status=429, headers={"Retry-After": "3"})
    site.fail(where="/ai-gateway/mlflow", status=503, headers={"Retry-After-Ms": "250"})
    await embed(way, site.fields(GTE, surface="ai-gateway"))
    assert pauses == [3.0, 0.25, 0.75]  # then one is sent each second: none was let through in the second before
    assert site.statuses() == [429, 503, 200]


@WAYS
async def test_pauses_without_a_word_of_the_server_grow(site, pauses, way):
    site.fail(where="/ai-gateway/mlflow", status=500, times=3)
    await embed(way, site.fields(GTE, surface="ai-gateway", max_retries=3))
    for pause, most in zip(pauses, [0.5, 1.0, 2.0], strict=True):
        assert most * 0.75 <= pause <= most


@WAYS
@pytest.mark.parametrize("retries", [0, 2])
async def test_a_failure_that_stays_is_raised_after_one_send_and_the_retries(site, pauses, way, retries):
    site.fail(where="/ai-gateway/mlflow", status=500, times=None)
    with pytest.raises(ServerError):
        await embed(way, site.fields(GTE, surface="ai-gateway", max_retries=retries))
    assert site.statuses() == [500] * (1 + retries)
    assert len(pauses) == retries


@WAYS
@pytest.mark.parametrize(("status", "kind"), [(400, BadRequestError), (404, NotFoundError), (413, BadRequestError)])
async def test_a_request_that_is_at_fault_is_sent_once(site, pauses, way, status, kind):
    site.fail(where="/ai-gateway/mlflow", status=status, error_code="BAD_REQUEST", times=None)
    with pytest.raises(kind):
        await embed(way, site.fields(GTE, surface="ai-gateway"))
    assert (site.statuses(), pauses) == ([status], [])


def answering(*replies):
    """Fields of a client that is answered as given, and how often it has asked; the last reply serves all others."""
    sent = []

    def handle(request):
        sent.append(json.loads(request.content))
        reply = replies[min(len(sent), len(replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        return httpx.Response(200, json=reply, headers={"x-request-id": f"req-{len(sent)}"})

    transport = httpx.MockTransport(handle)
    clients = {
        "http_client": httpx.Client(transport=transport),
        "http_async_client": httpx.AsyncClient(transport=transport),
    }
    return {"model": GTE, "host": "https://ws.example.com", "token": "t", "surface": "ai-gateway", **clients}, sent


VECTORS = {"data": [{"index": index, "embedding": [1.0, 2.0]} for index in range(2)]}
LIMIT = {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}


@WAYS
async def test_a_passing_failure_in_place_of_vectors_is_sent_again(pauses, way):
    fields, sent = answering(LIMIT, VECTORS)
    assert len((await embed(way, fields)).vectors) == 2
    assert (len(sent), len(pauses)) == (2, 1)


@WAYS
async def test_a_failure_in_place_of_vectors_that_stays_knows_its_request(pauses, way):
    fields, sent = answering(LIMIT)
    with pytest.raises(RateLimitError, match="slow down") as caught:
        await embed(way, fields, max_retries=1, total_timeout=1.5)
    assert (len(sent), caught.value.request_id, caught.value.model) == (2, "req-2", GTE)


@WAYS
async def test_an_answer_that_is_none_is_not_asked_for_again(pauses, way):
    fields, sent = answering({"data": []})
    with pytest.raises(InvalidResponseError, match="0 vectors for 2 texts") as caught:
        await embed(way, fields)
    assert (len(sent), caught.value.request_id, pauses) == (1, "req-1", [])


@WAYS
async def test_a_connection_that_breaks_is_made_anew(pauses, way):
    fields, sent = answering(httpx.ConnectError("refused"), VECTORS)
    assert len((await embed(way, fields)).vectors) == 2
    assert (len(sent), len(pauses)) == (2, 1)
    fields, sent = answering(httpx.ConnectError("refused"))
    with pytest.raises(APIConnectionError):
        await embed(way, fields, max_retries=0)
    assert len(sent) == 1


# How long


@WAYS
async def test_there_is_no_pause_beyond_the_total_time_of_the_call(site, pauses, way):
    site.fail(where="/ai-gateway/mlflow", status=429, headers={"Retry-After": "60"}, times=None)
    with pytest.raises(RateLimitError) as caught:
        await embed(way, site.fields(GTE, surface="ai-gateway", total_timeout=30.0))
    assert caught.value.retry_after == 60.0
    assert (site.statuses(), pauses) == ([429], [])


@WAYS
async def test_a_pause_within_the_total_time_of_the_call_is_made(site, pauses, way):
    site.fail(where="/ai-gateway/mlflow", status=429, headers={"Retry-After": "20"})
    await embed(way, site.fields(GTE, surface="ai-gateway", total_timeout=30.0))
    assert (site.statuses(), pauses) == ([429, 200], [20.0])


@WAYS
@pytest.mark.parametrize(("limit", "step"), [({"total_timeout": 0.2}, "total"), ({"timeout": 0.2}, "read")])
async def test_vectors_that_do_not_come_in_time_are_asked_for_once(site, pauses, way, limit, step):
    site.fail(where="/ai-gateway/mlflow", stall=5.0, times=None)
    with pytest.raises(APITimeoutError) as caught:
        await embed(way, site.fields(GTE, surface="ai-gateway", **limit))
    site.heal()
    assert caught.value.error_code == step
    assert len(site.posts()) == 1


def test_a_chat_model_has_no_vectors(site):
    with pytest.raises(BadRequestError):
        site.client(LLAMA, surface="model-serving").embed(TEXTS)
