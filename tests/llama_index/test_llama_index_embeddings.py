"""``DbxGatewayEmbedding`` over a socket."""

from __future__ import annotations

import copy
import pickle

import pytest

from dbx_gateway.errors import ConfigurationError
from llama_index_dbx_gateway import DbxGatewayEmbedding


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
