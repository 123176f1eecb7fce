"""``DbxGatewayEmbeddings`` over a socket: order, batches, concurrency, usage, copies, errors."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from langchain_core.exceptions import ModelError
from langchain_core.vectorstores import InMemoryVectorStore

from dbx_gateway.errors import ConfigurationError, InvalidRequestError
from dbx_gateway.testing import Fault, workspace_transport
from langchain_dbx_gateway import DbxGatewayEmbeddings

TEXTS = [f"text number {number}" for number in range(45)]


@pytest.fixture
def make(workspace, url):
    def made(model="databricks-gte-large-en", **settings):
        return DbxGatewayEmbeddings(**{"model": model, "host": url, "token": workspace.token} | settings)

    return made


def embedded(embeddings, texts, way):
    if way == "sync":
        return embeddings.embed_documents(texts)
    return asyncio.run(embeddings.aembed_documents(texts))


def batches_of(workspace):
    return [entry.body["input"] for entry in workspace.ledger.model_calls()]


async def test_sync_and_async_give_one_vector_for_each_text_in_order(make):
    embeddings = make()

    vectors = embeddings.embed_documents(TEXTS)

    assert await embeddings.aembed_documents(TEXTS) == vectors
    assert len(vectors) == 45
    assert vectors[37] == embeddings.embed_query("text number 37") == await embeddings.aembed_query("text number 37")
    assert len({tuple(vector) for vector in vectors}) == 45


def test_texts_go_out_in_batches_of_what_the_model_takes(make, workspace):
    make().embed_documents(TEXTS)

    assert sorted(len(batch) for batch in batches_of(workspace)) == [5, 20, 20]


def test_the_batch_size_can_be_set(make, workspace):
    make(batch_size=40).embed_documents(TEXTS)

    assert sorted(len(batch) for batch in batches_of(workspace)) == [5, 40]


@pytest.mark.parametrize("way", ["sync", "async"])
def test_no_more_requests_run_at_once_than_allowed(workspace, way):
    crowd = _Crowd(workspace)
    settings = {"host": "https://w.cloud.databricks.com", "token": workspace.token, "surface": "model-serving"}
    embeddings = DbxGatewayEmbeddings(
        model="databricks-gte-large-en",
        batch_size=1,
        max_concurrency=3,
        http_client=httpx.Client(transport=crowd),
        http_async_client=httpx.AsyncClient(transport=crowd),
        **settings,
    )

    vectors = embedded(embeddings, TEXTS[:12], way)

    assert len(vectors) == 12
    assert crowd.most == 3


class _Crowd(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Answers from a workspace, three requests at a time, and counts how many are inside at once."""

    def __init__(self, workspace):
        self._inner = workspace_transport(workspace)
        self._lock = threading.Lock()
        self._meeting = threading.Barrier(3, timeout=5)
        self._async_meeting = None
        self._inside = 0
        self.most = 0

    def handle_request(self, request):
        self._enter()
        self._meeting.wait()
        try:
            return self._inner.handle_request(request)
        finally:
            self._inside -= 1

    async def handle_async_request(self, request):
        self._async_meeting = self._async_meeting or asyncio.Barrier(3)
        self._enter()
        async with asyncio.timeout(5):
            await self._async_meeting.wait()
        try:
            return await self._inner.handle_async_request(request)
        finally:
            self._inside -= 1

    def _enter(self):
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)


async def test_usage_is_what_the_workspace_billed(make, workspace):
    embeddings = make(batch_size=10)

    told = embeddings.embed_with_usage(TEXTS)
    assert told.usage.input == workspace.billed().input == 45 * 3

    awaited = await embeddings.aembed_with_usage(TEXTS)
    assert told.usage.input + awaited.usage.input == workspace.billed().input


def test_dimensions_reach_the_model(make):
    assert len(make("databricks-qwen3-embedding-0-6b", dimensions=64).embed_query("a")) == 64


def test_fields_of_the_body_beside_the_known_ones_reach_the_model(make, workspace):
    make(extra_body={"instruction": "Represent the query"}).embed_query("a")

    assert workspace.ledger.model_calls()[0].body["instruction"] == "Represent the query"


def test_no_texts_make_no_request(make, workspace):
    assert make().embed_documents([]) == []
    assert workspace.ledger.model_calls() == []


@pytest.mark.parametrize("texts", [["a", " "], ["a", 3], "a text"], ids=["empty", "no text", "not a list"])
def test_what_is_no_list_of_texts_is_refused_before_any_request(make, workspace, texts):
    with pytest.raises(InvalidRequestError, match="text"):
        make().embed_documents(texts)

    assert workspace.ledger.model_calls() == []


@pytest.mark.parametrize("way", ["sync", "async"])
def test_after_a_failure_the_batches_that_wait_are_not_sent(make, workspace, way):
    workspace.inject(Fault(status=403, error_code="PERMISSION_DENIED"), times=None)
    embeddings = make(batch_size=1, max_concurrency=2, surface="model-serving")

    with pytest.raises(ModelError) as raised:
        embedded(embeddings, TEXTS, way)

    assert raised.value.is_retryable is False
    assert len(workspace.ledger.entries()) < 45


def test_a_passing_failure_is_tried_again(make, workspace):
    workspace.inject(Fault(status=503, headers={"Retry-After": "0"}), times=1, where="gte")

    assert len(make(surface="model-serving").embed_documents(["a"])) == 1
    assert [entry.status for entry in workspace.ledger.entries("gte")] == [503, 200]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dimension": 3}, "did you mean 'dimensions'"),
        ({"batch_size": 0}, "'batch_size' does not fit"),
        ({"max_concurrency": 0}, "'max_concurrency' does not fit"),
        ({"surface": "gateway"}, "did you mean 'ai-gateway'"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_by_name(settings, said):
    with pytest.raises(ConfigurationError, match=said):
        DbxGatewayEmbeddings(model="m", **settings)


def test_a_setting_that_is_changed_later_holds_for_the_next_call(make, workspace):
    embeddings = make(batch_size=1)
    embeddings.embed_query("a")

    embeddings.model = "databricks-bge-large-en"
    embeddings.embed_query("b")

    assert [entry.model for entry in workspace.ledger.model_calls()] == [
        "databricks-gte-large-en",
        "databricks-bge-large-en",
    ]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda embeddings: embeddings.model_copy()])
def test_a_copy_keeps_the_credentials(make, copied):
    embeddings = make()

    assert copied(embeddings).embed_query("a") == embeddings.embed_query("a")


@pytest.mark.parametrize("deep", [False, True])
def test_a_copy_with_other_settings_uses_them(make, workspace, deep):
    embeddings = make()
    embeddings.embed_query("a")

    embeddings.model_copy(update={"model": "databricks-bge-large-en"}, deep=deep).embed_query("b")

    assert workspace.ledger.model_calls()[-1].model == "databricks-bge-large-en"


def test_a_pickle_holds_no_secret_and_says_what_is_missing():
    embeddings = DbxGatewayEmbeddings(
        model="m", host="https://w.cloud.databricks.com", token="dapi-very-secret", dimensions=3
    )

    pickled = pickle.dumps(embeddings)
    again = pickle.loads(pickled)

    assert b"dapi-very-secret" not in pickled
    assert "dapi-very-secret" not in repr(embeddings) + str(embeddings.model_dump()) + embeddings.model_dump_json()
    assert (again.model, again.dimensions) == ("m", 3)
    with pytest.raises(ConfigurationError, match="token"):
        again.embed_query("a")


def test_a_pickle_works_again_where_the_environment_has_the_credentials(workspace, url, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    embeddings = DbxGatewayEmbeddings(model="databricks-gte-large-en")
    vector = embeddings.embed_query("a")

    assert pickle.loads(pickle.dumps(embeddings)).embed_query("a") == vector


def test_one_object_serves_many_event_loops_and_threads(make):
    embeddings = make()
    vector = embeddings.embed_query("a")

    assert [asyncio.run(embeddings.aembed_query("a")) for _ in range(3)] == [vector] * 3
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(embeddings.embed_query, ["a"] * 16)) == [vector] * 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_embeddings_go_on_in_a_forked_process_and_in_the_first(make):
    embeddings = make()
    vector = embeddings.embed_query("Hello")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            again = embeddings.embed_query("Hello"), asyncio.run(embeddings.aembed_query("Hello"))
            status = 0 if again == (vector, vector) else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert embeddings.embed_query("Hello") == vector


def test_a_vector_store_finds_the_text_that_shares_words(make):
    store = InMemoryVectorStore(make())
    store.add_texts(["cats sleep all day", "tables hold rows", "rivers run to the sea"])

    assert store.similarity_search("rows of tables", k=1)[0].page_content == "tables hold rows"
