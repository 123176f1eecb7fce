"""A request that the server refuses for one field is repaired, and the repair remembered."""

from __future__ import annotations

import asyncio

import pytest
from end_to_end.site import ADD, CLAUDE, GPT, LLAMA

from dbx_gateway import BadRequestError, fold

CHAT = "/ai-gateway/mlflow/v1/chat/completions"


def refuse(site, words, **more):
    site.fail(where="/ai-gateway/", status=400, error_message=words, **more)


def test_a_field_that_the_server_names_is_left_out_once_and_from_then_on(site, warned):
    client = site.client(LLAMA, surface="ai-gateway", seed=7)
    words = 'json: unknown field "seed"'
    refuse(site, words)
    answer = client.chat("Hello")
    assert answer.exchange.repairs == ("drop seed",)
    assert [("seed" in entry.body) for entry in site.posts() if entry.body] == [False]
    assert site.statuses() == [400, 200]
    client.chat("Hello again")
    assert site.statuses() == [400, 200, 200]
    assert "seed" not in site.posts()[-1].body
    assert ["refuses seed" in line for line in warned()] == [True]


def test_a_repair_is_forgotten_after_an_hour(site, seen, clock):
    client = site.client(LLAMA, surface="ai-gateway", seed=7, observations=seen)
    refuse(site, 'json: unknown field "seed"')
    client.chat("Hello")
    clock.advance(3601)
    client.chat("Hello")
    assert site.posts()[-1].body["seed"] == 7


def test_a_repair_is_remembered_for_its_endpoint_only(site):
    refuse(site, 'json: unknown field "seed"')
    site.client(LLAMA, surface="ai-gateway", seed=7).chat("Hello")
    site.client(LLAMA, surface="model-serving", seed=7).chat("Hello")
    site.client("databricks-qwen35-122b-a10b", surface="ai-gateway", seed=7).chat("Hello")
    assert [entry.body["seed"] for entry in site.posts()[2:]] == [7, 7]


def test_a_repair_that_did_not_help_is_not_remembered(site):
    client = site.client(LLAMA, surface="ai-gateway", seed=7)
    refuse(site, 'json: unknown field "seed"', times=2)
    with pytest.raises(BadRequestError, match="unknown field"):
        client.chat("Hello")
    assert site.statuses() == [400, 400]
    client.chat("Hello")
    assert site.posts()[-1].body["seed"] == 7


@pytest.mark.parametrize("words", ['json: unknown field "messages"', 'unknown field "stream"', "something else"])
def test_what_no_repair_applies_to_is_sent_once(site, words):
    refuse(site, words, times=None)
    with pytest.raises(BadRequestError):
        list(site.client(LLAMA, surface="ai-gateway").stream("Hello"))
    assert site.statuses() == [400]


def test_with_all_quirks_disabled_nothing_is_repaired(site):
    refuse(site, 'json: unknown field "seed"')
    with pytest.raises(BadRequestError):
        site.client(LLAMA, surface="ai-gateway", seed=7, disabled_quirks="all").chat("Hello")
    assert site.statuses() == [400]


def test_an_extra_body_is_sent_as_given_though_the_server_names_its_field(site):
    client = site.client(LLAMA, surface="ai-gateway", extra_body={"seed": 7})
    refuse(site, 'json: unknown field "seed"', times=None)
    with pytest.raises(BadRequestError):
        client.chat("Hello")
    assert site.statuses() == [400]


def test_a_repaired_request_carries_its_extra_body_untouched(site):
    extra = {"top_logprobs": 2, "metadata": {"team": "a"}, "logprobs": True}
    before = {"top_logprobs": 2, "metadata": {"team": "a"}, "logprobs": True}
    client = site.client(LLAMA, surface="ai-gateway", seed=7, extra_body=extra)
    refuse(site, 'json: unknown field "seed"')
    client.chat("Hello")
    sent = site.posts()[-1].body
    assert {name: sent[name] for name in before} == before
    assert "seed" not in sent
    assert extra == before


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_gpt_on_chat_with_tools_and_max_tokens_is_repaired_and_then_sent_once(site, warned, stream):
    client = site.client(GPT, surface="ai-gateway", api="chat-completions", max_tokens=500, reasoning_effort="high")

    def ask():
        if stream:
            return fold(client.stream("Add 2 and 3", tools=[ADD]))
        return client.chat("Add 2 and 3", tools=[ADD])

    first = ask()
    assert [call.parsed() for call in first.executable_tool_calls] == [{"a": 2, "b": 3}]
    sends = len(site.posts())
    assert site.statuses()[-1] == 200
    lines = warned()
    ask()
    assert len(site.posts()) == sends + 1
    assert warned() == lines
    assert set(site.paths()) == {CHAT}
    assert site.posts()[-1].body["max_completion_tokens"] == 500
    assert "max_tokens" not in site.posts()[-1].body


def test_the_workspaces_own_refusal_of_an_effort_with_tools_is_repaired_once(open_site, warned):
    site = open_site()
    client = site.client("databricks-gpt-5-5", api="chat-completions", surface="ai-gateway", reasoning_effort="high")
    answer = client.chat("Add 2 and 3", tools=[ADD])
    assert answer.executable_tool_calls
    assert site.statuses()[-1] == 200
    client.chat("Add 2 and 3", tools=[ADD])
    assert site.statuses()[-1] == 200
    assert len(site.posts()) <= 3


async def test_concurrent_first_calls_all_come_through_their_repairs(site):
    refuse(site, 'json: unknown field "seed"', times=10)
    client = site.async_client(LLAMA, surface="ai-gateway", seed=7)
    answers = await asyncio.gather(*(client.chat("Hello") for _ in range(10)))
    assert {answer.text for answer in answers} == {"You said: Hello"}
    await client.chat("Hello")
    assert "seed" not in site.posts()[-1].body


def test_a_clamped_effort_is_the_nearest_that_the_server_names(site, warned):
    refuse(site, "Invalid value: 'max'. Supported values are: 'low', 'medium', and 'high'.")
    client = site.client(LLAMA, surface="ai-gateway", extra_body={}, reasoning_effort="max", family="gpt-oss")
    client.chat("Hello")
    assert site.posts()[-1].body["reasoning_effort"] == "high"
    assert len(warned()) >= 1


def test_a_repair_beside_a_retry_and_another_candidate(site, quick_retries):
    """Each of the three happens at most once per call beside the others."""
    site.fail(where="/anthropic/v1/messages", status=404)
    site.fail(where=CHAT, status=503)
    site.fail(where=CHAT, status=400, error_message='json: unknown field "metadata"')
    answer = site.client(CLAUDE, surface="ai-gateway").chat("Hello", metadata={"user_id": "u-1"})
    assert site.statuses() == [404, 503, 400, 200]
    assert len(answer.exchange.attempts) == 4
