import base64
import json
import struct

import pytest
from support.promises import promise

from dbx_gateway.chat import Usage
from dbx_gateway.embeddings import Embeddings, batches, embeddings_body, joined, read_embeddings
from dbx_gateway.error_bodies import RequestTarget
from dbx_gateway.errors import InvalidRequestError, InvalidResponseError, RateLimitError
from dbx_gateway.models.routing import embeddings_route

ASKED = RequestTarget("m", "model-serving embeddings https://ws.example.com/x")
HOST = "https://ws.example.com"


def read(value, count=2) -> Embeddings:
    return read_embeddings(value if isinstance(value, bytes) else json.dumps(value).encode(), count, ASKED)


def rows(*pairs) -> dict:
    return {"data": [{"index": index, "embedding": vector} for index, vector in pairs]}


# --- what is asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "size", "sizes"), [(0, 3, []), (1, 3, [1]), (3, 3, [3]), (7, 3, [3, 3, 1]), (3, 1, [1, 1, 1])]
)
def test_texts_are_grouped_in_order(count, size, sizes):
    texts = [f"text {number}" for number in range(count)]
    groups = list(batches(texts, size))
    assert [len(group) for group in groups] == sizes
    assert [text for group in groups for text in group] == texts


@pytest.mark.parametrize(
    ("texts", "size", "says"),
    [
        (["a", ""], 5, "text number 1 is empty"),
        (["a", " \n"], 5, "text number 1 is empty"),
        (["a", None], 5, "text number 1 is empty or no text"),
        (["a", 7], 1, "text number 1 is empty or no text"),
        (["a", "half \ud83d"], 5, r"the texts\['1'\] is a string with a lone surrogate"),
        ("hello", 5, "a list of texts, not one text"),
        (["a"], 0, "the batch size is 0"),
    ],
)
def test_what_cannot_be_embedded_is_refused_before_anything_is_sent(texts, size, says):
    with pytest.raises(InvalidRequestError, match=says):
        list(batches(texts, size))


def test_the_body_names_the_model_only_where_the_url_does_not():
    gateway = embeddings_route("m", HOST, "ai-gateway")
    serving = embeddings_route("m", HOST, "model-serving")
    assert embeddings_body(gateway, ("a", "b"), None) == {"input": ["a", "b"], "model": "m"}
    assert embeddings_body(serving, ("a",), 256) == {"input": ["a"], "dimensions": 256}


# --- what came back ----------------------------------------------------------------------------------------------


def test_vectors_are_ordered_by_their_index():
    found = read({**rows((1, [3, 4.5]), (0, [1, 2])), "model": "gte", "usage": {"prompt_tokens": 7, "total_tokens": 7}})
    assert found.vectors == ((1.0, 2.0), (3.0, 4.5))
    assert (found.model, found.usage) == ("gte", Usage(input=7, total=7))


def test_vectors_without_an_index_are_in_the_order_they_came_in():
    assert read({"data": [{"embedding": [1]}, {"embedding": [2]}]}).vectors == ((1.0,), (2.0,))


def test_a_vector_may_be_base64_of_32_bit_numbers():
    packed = base64.b64encode(struct.pack("<3f", 1.0, -0.5, 2.25)).decode()
    assert read(rows((0, packed)), 1).vectors == ((1.0, -0.5, 2.25),)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({}, None),
        ("many", None),
        ({"prompt_tokens": None}, None),
        ({"prompt_tokens": 3}, Usage(input=3, total=3)),
        ({"prompt_tokens": 3, "total_tokens": 4}, Usage(input=3, total=4)),
    ],
)
def test_usage_is_what_the_server_says_and_never_costs_the_vectors(usage, expected):
    found = read({**rows((0, [1])), "usage": usage}, 1)
    assert (found.vectors, found.usage) == (((1.0,),), expected)


@promise("one-length")
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (rows((0, [1])), "1 vectors for 2 texts"),
        (rows((0, [1]), (1, [1]), (2, [1])), "3 vectors for 2 texts"),
        ({"data": []}, "0 vectors for 2 texts"),
        ({"data": {}}, "no vectors for 2 texts"),
        ({}, "no vectors"),
        ([], "no vectors"),
        (b"", "no vectors"),
        (b"<html></html>", "no vectors"),
        (b"null", "no vectors"),
        (rows((0, [1]), (0, [2])), "without the index of their text"),
        (rows((0, [1]), (2, [2])), "without the index of their text"),
        (rows((0, [1]), (None, [2])), "without the index of their text"),
        ({"data": [{"index": 0, "embedding": [1]}, "x"]}, "without the index of their text"),
        ({"data": [{"index": 0, "embedding": [1]}, {"embedding": [1]}]}, "without the index of their text"),
        (rows((0, [1]), (1, None)), "no list of numbers"),
        (rows((0, [1]), (1, [])), "no list of numbers"),
        (rows((0, [1]), (1, ["1"])), "no list of numbers"),
        (rows((0, [1]), (1, [True])), "no list of numbers"),
        (rows((0, [1]), (1, "not base64!")), "neither numbers nor base64"),
        (rows((0, [1]), (1, "AAAAAAA=")), "neither numbers nor base64"),
        (rows((0, [1]), (1, "")), "an empty vector"),
        (rows((0, [1, 2]), (1, [1])), "vectors of 1 and 2 numbers, which cannot be compared"),
        (rows((0, [1]), (1, "AAAAAAAAAAA=")), "vectors of 1 and 2 numbers"),
    ],
)
def test_an_answer_that_is_not_one_vector_for_each_text_is_told(value, says):
    with pytest.raises(InvalidResponseError, match=says) as caught:
        read(value)
    assert (caught.value.status, caught.value.model, caught.value.route) == (200, "m", ASKED.route)


def test_an_error_inside_a_200_raises():
    with pytest.raises(RateLimitError, match="slow down"):
        read({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"})


def test_batches_are_joined_in_order_and_their_usage_is_summed():
    first = Embeddings(((1.0,), (2.0,)), "gte", Usage(input=3, total=3))
    second = Embeddings(((3.0,),), None, Usage(input=4, total=5))
    assert joined([first, second]) == Embeddings(((1.0,), (2.0,), (3.0,)), "gte", Usage(input=7, total=8))
    assert joined([]) == Embeddings(())


@promise("one-length")
def test_batches_whose_vectors_differ_in_length_are_refused():
    parts = [Embeddings(((1.0,),), "gte"), Embeddings(((2.0, 3.0),), "gte"), Embeddings(((2.0, 3.0, 4.0),), "gte")]
    with pytest.raises(InvalidResponseError, match="vectors of 1 to 3 numbers, which cannot be compared"):
        joined(parts)


def test_usage_that_some_batches_do_not_tell_is_not_made_up():
    told, untold = Embeddings(((1.0,),), "gte", Usage(input=3, total=3)), Embeddings(((2.0,),), "gte")
    assert joined([told, untold]).usage is None
