"""``DbxGatewayEmbedding`` over a socket."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.storage.kvstore import SimpleKVStore
from pydantic import TypeAdapter, ValidationError

from dbx_gateway.errors import ConfigurationError
from llama_index_dbx_gateway import DbxGateway, DbxGatewayEmbedding


def inputs_of(workspace):
    return [entry.body["input"] for entry in workspace.ledger.model_calls()]


async def test_a_query_and_texts_sync_and_async(make_embedding):
    embedding = make_embedding()

    query = embedding.get_query_embedding("tables")

    assert query == await embedding.aget_query_embedding("tables")
    assert query == embedding.get_text_embedding("tables")
    assert query == await embedding.aget_text_embedding("tables")
    assert len(query) > 8
    assert all(isinstance(number, float) for number in query)


async def test_a_batch_keeps_the_order_of_its_texts(make_embedding, workspace):
    texts = [f"text number {number}" for number in range(45)]
    embedding = make_embedding(embed_batch_size=10)

    vectors = embedding.get_text_embedding_batch(texts)
    awaited = await embedding.aget_text_embedding_batch(texts)

    assert vectors == awaited
    assert vectors[37] == embedding.get_text_embedding("text number 37")
    assert len({tuple(vector) for vector in vectors}) == 45
    assert max(len(given) for given in inputs_of(workspace)) == 10


def test_a_batch_larger_than_the_model_takes_is_parted(make_embedding, workspace):
    embedding = make_embedding(embed_batch_size=100)

    vectors = embedding.get_text_embedding_batch([f"text {number}" for number in range(50)])

    assert len(vectors) == 50
    assert max(len(given) for given in inputs_of(workspace)) <= 20


def test_instructions_stand_in_front(make_embedding, workspace):
    embedding = make_embedding(query_instruction="Query:", text_instruction="Document:\n")

    embedding.get_query_embedding("a")
    embedding.get_text_embedding("b")

    assert inputs_of(workspace) == [["Query: a"], ["Document:\nb"]]


def test_dimensions_are_asked_for(make_embedding, workspace):
    make_embedding("databricks-qwen3-embedding-0-6b", dimensions=64).get_query_embedding("a")

    assert workspace.ledger.model_calls()[0].body["dimensions"] == 64


@pytest.mark.parametrize(
    "names",
    [
        {"model": "m"},
        {"model_name": "m"},
        {"endpoint": "m"},
        {"model": "m", "model_name": "m"},
        {"endpoint": "m", "model": "m"},
        {"model": "m", "model_name": ""},
    ],
    ids=str,
)
def test_the_model_goes_by_any_of_its_names(names):
    embedding = DbxGatewayEmbedding(**names)

    assert (embedding.model, embedding.model_name) == ("m", "m")


def test_the_model_of_the_environment_goes_by_both_names(monkeypatch):
    monkeypatch.setenv("DBX_GATEWAY_API_URL", "https://example.com/serving-endpoints")
    monkeypatch.setenv("DBX_GATEWAY_API_KEY", "t")
    monkeypatch.setenv("DBX_GATEWAY_MODEL", "m")
    embedding = DbxGatewayEmbedding()

    assert (embedding.model, embedding.model_name) == ("m", "m")


def test_a_pickle_of_embeddings_counts_for_itself_and_gives_nothing_up(make_embedding, caplog):
    embedding = make_embedding()
    embedding.get_query_embedding("a")
    again = pickle.loads(pickle.dumps(embedding))

    assert embedding.tokens_used > 0
    assert again.tokens_used == 0
    assert [record.message for record in caplog.records if "unpickleable" in record.message] == []


@pytest.mark.parametrize("kind", [DbxGateway, DbxGatewayEmbedding])
def test_an_object_is_a_valid_field_of_another_model(kind):
    one = kind(model="m")

    assert TypeAdapter(kind).validate_python(one) is one
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(7)


@pytest.mark.parametrize("names", [{"model": "m", "endpoint": "n"}, {"endpoint": "m", "model_name": "n"}], ids=str)
def test_two_names_of_the_model_that_differ_are_refused(names):
    with pytest.raises(ConfigurationError, match="model is given twice, as m and n"):
        DbxGatewayEmbedding(**names)


def test_the_model_has_two_names_that_are_one():
    by_model, by_name = DbxGatewayEmbedding(model="m"), DbxGatewayEmbedding(model_name="m")

    assert (by_model.model, by_model.model_name) == (by_name.model, by_name.model_name) == ("m", "m")
    by_model.model_name = "n"
    assert by_model.model == "n"
    with pytest.raises(ConfigurationError, match="given twice"):
        DbxGatewayEmbedding(model="m", model_name="n")


def test_an_unknown_setting_of_embeddings_is_refused():
    with pytest.raises(ConfigurationError, match="did you mean 'dimensions'"):
        DbxGatewayEmbedding(model="m", dimension=3)


def test_embeddings_show_no_secret_and_can_be_read_again():
    embedding = DbxGatewayEmbedding(model="m", token="dapi-very-secret", dimensions=3)

    again = DbxGatewayEmbedding.from_dict(embedding.to_dict())

    assert "dapi-very-secret" not in str(embedding.to_dict()) + repr(embedding) + embedding.to_json()
    assert b"dapi-very-secret" not in pickle.dumps(embedding)
    assert (again.model, again.model_name, again.dimensions) == ("m", "m", 3)


def test_a_copy_of_embeddings_keeps_the_credentials(make_embedding):
    embedding = make_embedding()

    assert copy.deepcopy(embedding).get_query_embedding("a") == embedding.get_query_embedding("a")


async def test_the_tokens_of_embeddings_are_what_the_workspace_billed(make_embedding, workspace):
    embedding = make_embedding(embed_batch_size=2)

    whole = embedding.embed_with_usage(["one two three", "four"])
    awaited = await embedding.aembed_with_usage(["five"])
    index = VectorStoreIndex.from_documents(
        [Document(text=f"Text {number}.") for number in range(5)], embed_model=embedding
    )
    await index.as_retriever().aretrieve("Which text?")
    index.as_retriever().retrieve("Which text?")

    bills = [entry.billed.input for entry in workspace.ledger.model_calls()]
    assert (whole.usage.input, awaited.usage.input) == (bills[0], bills[1])
    assert len(bills) > 5
    assert embedding.tokens_used == sum(bills) > 0


def test_tokens_are_counted_right_from_many_threads_and_anew_in_a_copy(make_embedding, workspace):
    embedding = make_embedding()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(embedding.get_text_embedding, ["a text of words"] * 40))

    assert embedding.tokens_used == sum(entry.billed.input for entry in workspace.ledger.model_calls())
    assert (copy.copy(embedding).tokens_used, copy.deepcopy(embedding).tokens_used) == (0, 0)
    assert pickle.loads(pickle.dumps(embedding)).tokens_used == 0


async def test_an_ingestion_embeds_once_and_takes_the_rest_from_its_cache(make_embedding, workspace):
    embedding = make_embedding()
    pipeline = IngestionPipeline(
        transformations=[TokenTextSplitter(chunk_size=20, chunk_overlap=0, tokenizer=str.split), embedding],
        cache=IngestionCache(),
    )
    documents = [Document(text="Tables hold rows. " * 30)]

    first = await pipeline.arun(documents=documents)
    spent = embedding.tokens_used
    again = pipeline.run(documents=documents)

    assert [node.embedding for node in again] == [node.embedding for node in first]
    assert len(first[0].embedding) > 8
    assert embedding.tokens_used == spent == sum(entry.billed.input for entry in workspace.ledger.model_calls())


async def test_what_is_in_an_embeddings_cache_is_not_asked_again(make_embedding, workspace):
    embedding = make_embedding(embeddings_cache=SimpleKVStore())
    texts = ["one", "two", "three"]

    first = embedding.get_text_embedding_batch(texts)
    again = await embedding.aget_text_embedding_batch([*texts, "four"])

    assert again[:3] == first
    assert inputs_of(workspace) == [texts, ["four"]]
