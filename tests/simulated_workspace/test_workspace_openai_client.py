"""OpenAI's own client works against the simulated workspace in plain mode, over a real socket."""

from __future__ import annotations

import json

import openai
import pytest
from pydantic import BaseModel

from dbx_gateway.testing import Fault, Workspace, serve

MODEL = "databricks-gpt-5-1"
USER = {"role": "user", "content": "What is 17 plus 25?"}


@pytest.fixture(scope="module")
def served():
    with serve(Workspace("plain")) as server:
        yield server


@pytest.fixture(params=["/serving-endpoints", "/ai-gateway/mlflow/v1"])
def client(served, request):
    import httpx2

    http = httpx2.Client(trust_env=False)
    with openai.OpenAI(
        base_url=served.url + request.param, api_key=served.workspace.token, max_retries=0, http_client=http
    ) as made:
        yield made


def test_a_chat(client):
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello there"}])
    assert answer.choices[0].message.content == "You said: Hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 6


def test_a_stream_with_usage(client):
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Hello there"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == "You said: Hello there"
    assert chunks[-1].usage.total_tokens == 6
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_tool_round_trip(client, add_tool):
    first = client.chat.completions.create(model=MODEL, messages=[USER], tools=[add_tool])
    message = first.choices[0].message
    (made,) = message.tool_calls
    arguments = json.loads(made.function.arguments)
    result = {"role": "tool", "tool_call_id": made.id, "content": str(arguments["a"] + arguments["b"])}
    history = [USER, message.model_dump(exclude_none=True), result]
    second = client.chat.completions.create(model=MODEL, messages=history, tools=[add_tool])
    assert second.choices[0].message.content == "The tools answered: 42"


def test_its_own_accumulator_folds_a_stream_into_the_whole_answer(client, add_tool):
    with client.chat.completions.stream(model=MODEL, messages=[USER], tools=[add_tool]) as stream:
        folded = stream.get_final_completion()
    whole = client.chat.completions.create(model=MODEL, messages=[USER], tools=[add_tool])
    made, expected = folded.choices[0].message.tool_calls[0], whole.choices[0].message.tool_calls[0]
    assert (made.function.name, made.function.arguments) == (expected.function.name, expected.function.arguments)
    assert folded.choices[0].finish_reason == "tool_calls"


def test_structured_output_is_parsed_by_it(client):
    class Person(BaseModel):
        name: str
        ages: list[int]

    said = {"role": "user", "content": "'Ada' was 3 and 36"}
    answer = client.chat.completions.parse(model=MODEL, messages=[said], response_format=Person)
    assert answer.choices[0].message.parsed == Person(name="Ada", ages=[3, 36])


def test_a_refusal_is_a_refusal_to_it(client):
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "[refuse]"}])
    assert answer.choices[0].message.refusal == "I cannot help with that."


def test_embeddings_come_in_its_favourite_encoding(client):
    answer = client.embeddings.create(model="databricks-gte-large-en", input=["one text", "another"])
    assert [len(one.embedding) for one in answer.data] == [1024, 1024]


def test_errors_are_its_own_kinds(served, client):
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model=MODEL, messages=[USER], extra_body={"top_banana": 1})
    assert bad.value.code == "unknown_parameter"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobody", messages=[USER])
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").chat.completions.create(model=MODEL, messages=[USER])
    served.workspace.inject(Fault(error_after=2, error_message="it broke"))
    with pytest.raises(openai.APIError, match="it broke"):
        list(client.chat.completions.create(model=MODEL, messages=[USER], stream=True))
