"""A request that the server refuses for one field is repaired, and the repair remembered."""

from __future__ import annotations

import asyncio

import pytest
from end_to_end.site import ADD, CLAUDE, GPT, LLAMA
from support.promises import promise

from dbx_gateway import BadRequestError, fold

NEW_GPT = "databricks-gpt-5-5"
CHAT = "/ai-gateway/mlflow/v1/chat/completions"


def refuse(site, words, **more):
    site.fail(where="/ai-gateway/", status=400, error_message=words, **more)


def test_a_field_that_the_server_names_is_left_out_once_and_from_then_on(site, warned):
    client = site.client(LLAMA, surface="ai-gateway", top_k=7)
    words = 'json: unknown field "top_k"'
    refuse(site, words)
    answer = client.chat("Hello")
    assert answer.exchange.repairs == ("drop top_k",)
    assert [("top_k" in entry.body) for entry in site.posts()] == [True, False]
    assert site.statuses() == [400, 200]
    client.chat("Hello again")
    assert site.statuses() == [400, 200, 200]
    assert "top_k" not in site.posts()[-1].body
    assert ["refuses top_k" in line for line in warned()] == [True]


@promise("repairs-show")
def test_a_repair_that_was_learned_before_shows_in_the_answer_and_is_warned_about_to_each_user_once(open_site, warned):
    site = open_site(tokens={"dapi-other": "other"})
    refuse(site, 'json: unknown field "top_k"')
    fields = {"surface": "ai-gateway", "top_k": 7}
    for token in (site.workspace.token, "dapi-other", "dapi-other"):
        answer = site.client(LLAMA, token=token, **fields).chat("Hello")
        assert answer.exchange.repairs == ("drop top_k",)
    assert site.client(LLAMA, surface="ai-gateway").chat("Hello").exchange.repairs == ()
    assert ["refuses top_k" in line for line in warned()] == [True, True]


@promise("repairs-harm-nobody")
@pytest.mark.parametrize("words", ["top_k: Input should be less than or equal to 4", "max_tokens: unknown field"])
def test_a_value_that_one_user_sets_too_high_is_that_users_error_and_takes_nothing_from_the_next(open_site, words):
    site = open_site(tokens={"dapi-other": "other"})
    refuse(site, words)
    with pytest.raises(BadRequestError):
        site.client(LLAMA, surface="ai-gateway", top_k=7, max_tokens=90).chat("Hello")
    site.client(LLAMA, surface="ai-gateway", token="dapi-other", top_k=3, max_tokens=10).chat("Hello")
    body = site.posts()[-1].body
    assert (body["top_k"], body["max_tokens"]) == (3, 10)


def test_a_repair_is_forgotten_after_an_hour(site, seen, clock):
    client = site.client(LLAMA, surface="ai-gateway", top_k=7, observations=seen)
    refuse(site, 'json: unknown field "top_k"')
    client.chat("Hello")
    clock.advance(3601)
    client.chat("Hello")
    assert site.posts()[-1].body["top_k"] == 7


def test_a_repair_is_remembered_for_its_endpoint_only(site):
    refuse(site, 'json: unknown field "top_k"')
    site.client(LLAMA, surface="ai-gateway", top_k=7).chat("Hello")
    site.client(LLAMA, surface="model-serving", top_k=7).chat("Hello")
    site.client("databricks-qwen35-122b-a10b", surface="ai-gateway", top_k=7).chat("Hello")
    assert [entry.body["top_k"] for entry in site.posts()[2:]] == [7, 7]


def test_a_repair_that_did_not_help_is_not_remembered(site):
    client = site.client(LLAMA, surface="ai-gateway", top_k=7)
    refuse(site, 'json: unknown field "top_k"', times=2)
    with pytest.raises(BadRequestError, match="unknown field"):
        client.chat("Hello")
    assert site.statuses() == [400, 400]
    client.chat("Hello")
    assert site.posts()[-1].body["top_k"] == 7


@pytest.mark.parametrize("words", ['json: unknown field "messages"', 'unknown field "stream"', "something else"])
def test_what_no_repair_applies_to_is_sent_once(site, words):
    refuse(site, words, times=None)
    with pytest.raises(BadRequestError):
        list(site.client(LLAMA, surface="ai-gateway").stream("Hello"))
    assert site.statuses() == [400]


def test_with_all_quirks_disabled_nothing_is_repaired(site):
    refuse(site, 'json: unknown field "top_k"')
    with pytest.raises(BadRequestError):
        site.client(LLAMA, surface="ai-gateway", top_k=7, disabled_quirks="all").chat("Hello")
    assert site.statuses() == [400]


def test_an_extra_body_is_sent_as_given_though_the_server_names_its_field(site):
    client = site.client(LLAMA, surface="ai-gateway", extra_body={"top_k": 7})
    refuse(site, 'json: unknown field "top_k"', times=None)
    with pytest.raises(BadRequestError):
        client.chat("Hello")
    assert site.statuses() == [400]


def test_a_repaired_request_carries_its_extra_body_untouched(site):
    extra = {"top_logprobs": 2, "stop": ["END"], "logprobs": True}
    before = {"top_logprobs": 2, "stop": ["END"], "logprobs": True}
    client = site.client(LLAMA, surface="ai-gateway", top_k=7, extra_body=extra)
    refuse(site, 'json: unknown field "top_k"')
    client.chat("Hello")
    sent = site.posts()[-1].body
    assert {name: sent[name] for name in before} == before
    assert "top_k" not in sent
    assert extra == before


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_gpt_on_chat_with_tools_and_max_tokens_is_repaired_and_from_then_on_sent_once(site, warned, stream):
    settings = {"surface": "ai-gateway", "api": "chat-completions", "max_tokens": 500, "reasoning_effort": "high"}
    client = site.client(NEW_GPT, **settings)

    def ask():
        if stream:
            return fold(client.stream("Add 2 and 3", tools=[ADD]))
        return client.chat("Add 2 and 3", tools=[ADD])

    first = ask()
    assert [call.parsed() for call in first.executable_tool_calls] == [{"a": 2, "b": 3}]
    assert first.exchange.repairs == ("max-tokens-name", "gpt-tools-effort")
    assert site.statuses() == [400, 400, 200]
    ask()
    site.client(NEW_GPT, **settings).chat("Add 4 and 5", tools=[ADD])
    assert site.statuses() == [400, 400, 200, 200, 200]
    assert ['reasoning_effort was sent as "none"' in line for line in warned()] == [True]
    assert set(site.paths()) == {CHAT}
    for entry in site.posts()[2:]:
        assert (entry.body["max_completion_tokens"], entry.body["reasoning_effort"]) == (500, "none")
        assert "max_tokens" not in entry.body


def test_an_extra_body_keeps_a_repair_from_its_field(site):
    client = site.client(NEW_GPT, surface="ai-gateway", api="chat-completions", extra_body={"reasoning_effort": "high"})
    with pytest.raises(BadRequestError, match="Function tools with reasoning_effort are not supported"):
        client.chat("Add 2 and 3", tools=[ADD])
    assert site.statuses() == [400]
    assert site.posts()[0].body["reasoning_effort"] == "high"


async def test_concurrent_first_calls_all_come_through_their_repairs(site):
    refuse(site, 'json: unknown field "top_k"', times=10)
    client = site.async_client(LLAMA, surface="ai-gateway", top_k=7)
    answers = await asyncio.gather(*(client.chat("Hello") for _ in range(10)))
    assert {answer.text for answer in answers} == {"You said: Hello"}
    await client.chat("Hello")
    assert "top_k" not in site.posts()[-1].body


def test_a_clamped_effort_is_the_nearest_that_the_server_names_for_that_call_only(site, warned):
    words = "Invalid value: 'xhigh'. Supported values are: 'low', 'medium', and 'high'."
    site.fail(where="/openai/v1/responses", status=400, error_message=words)
    client = site.client(GPT, surface="ai-gateway", reasoning_effort="xhigh")
    assert client.chat("Hello").exchange.repairs == ("clamp reasoning.effort",)
    assert client.chat("Hello").exchange.repairs == ()
    assert [entry.body["reasoning"]["effort"] for entry in site.posts()] == ["xhigh", "high", "xhigh"]
    assert ["'high' was sent" in line for line in warned()] == [True]


def test_a_repair_beside_a_retry_and_another_candidate(site, quick_retries):
    site.fail(where="/anthropic/v1/messages", status=404)
    site.fail(where=CHAT, status=503)
    site.fail(where=CHAT, status=400, error_message='json: unknown field "top_k"')
    answer = site.client(CLAUDE, surface="ai-gateway", top_k=7).chat("Hello")
    assert site.statuses() == [404, 503, 400, 200]
    assert len(answer.exchange.attempts) == 4
