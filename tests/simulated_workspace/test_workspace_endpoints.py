"""Agent endpoints and embeddings of the simulated workspace."""

from __future__ import annotations

import base64
import json
import math
import struct

import pytest

SAID = [{"role": "user", "content": "Hello there"}]
CHAT_AGENT = "/serving-endpoints/legacy-agent/invocations"
RESPONSES_AGENT = "/serving-endpoints/support-agent/invocations"
GTE = "databricks-gte-large-en"
INVOCATIONS = f"/serving-endpoints/{GTE}/invocations"


def events(answer):
    blocks = [block.removeprefix("data: ") for block in answer.text.split("\n\n") if block]
    assert blocks[-1] == "[DONE]"
    return [json.loads(block) for block in blocks[:-1]]


def test_a_chat_agent_answers_with_messages_and_gives_its_inputs_back(call):
    answer = call.post(CHAT_AGENT, {"messages": SAID, "custom_inputs": {"session": 7}}).json()
    (message,) = answer["messages"]
    assert (message["role"], message["content"]) == ("assistant", "You said: Hello there")
    assert answer["custom_outputs"] == {"session": 7}
    assert "choices" not in answer


def test_a_chat_agent_streams_deltas_at_the_top_level(call):
    chunks = events(call.post(CHAT_AGENT, {"messages": SAID, "custom_inputs": {"session": 7}, "stream": True}))
    assert "".join(chunk["delta"]["content"] for chunk in chunks) == "You said: Hello there"
    assert chunks[-1]["custom_outputs"] == {"session": 7}
    assert len({chunk["delta"]["id"] for chunk in chunks}) == 1


def test_a_responses_agent_answers_with_items_and_gives_its_inputs_back(call):
    answer = call.post(RESPONSES_AGENT, {"input": SAID, "custom_inputs": {"session": 7}}).json()
    assert answer["output"][-1]["content"][0]["text"] == "You said: Hello there"
    assert answer["custom_outputs"] == {"session": 7}


def test_a_responses_agent_streams_deltas_done_items_and_an_event_without_a_type(call):
    body = {"model": "support-agent", "input": SAID, "custom_inputs": {"session": 7}, "stream": True}
    told = events(call.post("/serving-endpoints/responses", body))
    deltas = [event["delta"] for event in told if event.get("type") == "response.output_text.delta"]
    assert "".join(deltas) == "You said: Hello there"
    done = [event for event in told if event.get("type") == "response.output_item.done"]
    assert done[-1]["item"]["content"][0]["text"] == "You said: Hello there"
    assert done[-1]["custom_outputs"] == {"session": 7}
    assert [list(event) for event in told if "type" not in event] == [["trace_id"]]


def test_an_agent_returns_a_trace_when_asked(call):
    body = {"messages": SAID, "databricks_options": {"return_trace": True}}
    assert "trace" in call.post(CHAT_AGENT, body).json()["databricks_output"]
    assert "databricks_output" not in call.post(CHAT_AGENT, {"messages": SAID}).json()


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": [{"role": "user"}]}])
def test_a_chat_agent_refuses_what_is_no_conversation(call, body):
    assert call.post(CHAT_AGENT, body).status_code == 400


def test_a_chat_agent_takes_a_conversation_with_its_own_tool_calls(call):
    made = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    history = [
        *SAID,
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
        {"role": "assistant", "content": "I saw it."},
        {"role": "user", "content": "And now?"},
    ]
    answer = call.post(CHAT_AGENT, {"messages": history, "context": {"user_id": "ann"}}).json()
    assert answer["messages"][0]["content"] == "You said: And now?"


def test_agents_are_billed(call):
    call.post(CHAT_AGENT, {"messages": SAID})
    call.post(RESPONSES_AGENT, {"input": SAID})
    apis = [(entry.api, entry.billed.input) for entry in call.workspace.ledger.model_calls()]
    assert apis == [("chat-completions", 2), ("responses", 2)]


def vectors(call, texts, **fields):
    answer = call.post(INVOCATIONS, {"input": texts, **fields})
    assert answer.status_code == 200
    return [one["embedding"] for one in answer.json()["data"]]


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("model", [GTE, "databricks-bge-large-en", "databricks-qwen3-embedding-0-6b"])
def test_every_embedding_model_is_served_at_each_of_its_paths(call, model):
    body = {"input": "Hello there"}
    assert call.post(f"/serving-endpoints/{model}/invocations", body).status_code == 200
    for path in ("/serving-endpoints/embeddings", "/ai-gateway/mlflow/v1/embeddings"):
        answer = call.post(path, {**body, "model": model}).json()
        assert answer["usage"] == {"prompt_tokens": 2, "total_tokens": 2}
        assert answer["data"][0]["index"] == 0


def test_a_vector_has_length_one_and_is_the_same_each_time(call):
    (first,), (again,) = vectors(call, ["Hello there"]), vectors(call, "Hello there")
    assert first == again
    assert math.isclose(dot(first, first), 1.0)


def test_texts_that_share_words_are_nearer(call):
    question, near, far = vectors(call, ["how tall is the tower", "the tower is tall", "bread needs yeast"])
    assert dot(question, near) > 0.5 > dot(question, far) + 0.3


def test_an_empty_text_has_a_vector_too(call):
    (vector,) = vectors(call, [""])
    assert math.isclose(dot(vector, vector), 1.0)


def test_base64_holds_the_same_numbers(call):
    (plain,) = vectors(call, ["Hello there"])
    (packed,) = vectors(call, ["Hello there"], encoding_format="base64")
    raw = base64.b64decode(packed)
    assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(plain)


def test_fewer_dimensions_may_be_asked_for(call):
    assert [len(vector) for vector in vectors(call, ["one"], dimensions=64)] == [64]


def test_a_hundred_and_fifty_texts_are_the_most(call):
    assert len(vectors(call, ["text"] * 150)) == 150
    refused = call.post(INVOCATIONS, {"input": ["text"] * 151})
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "Invalid 'input': 151 texts given, the maximum is 150.",
    )


@pytest.mark.parametrize("body", [{}, {"input": []}, {"input": [1]}, {"input": "x", "colour": "red"}])
def test_a_malformed_embeddings_body_is_refused(call, body):
    assert call.post(INVOCATIONS, body).status_code == 400


def test_a_chat_model_embeds_nothing_and_an_embedding_model_does_not_chat(call):
    body = {"model": "databricks-gpt-5-1", "input": "x"}
    assert call.post("/serving-endpoints/embeddings", body).status_code == 400
    assert call.chat(GTE).status_code == 400
