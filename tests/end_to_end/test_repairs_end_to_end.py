"""A request that the server refuses for one field is repaired, and the repair remembered."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from end_to_end.site import ADD, CLAUDE, GEMINI, GPT, LLAMA
from support.promises import promise

from dbx_gateway import BadRequestError, Message, Text, ToolCall, ToolResult, fold
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing import Served, default_models

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


# --- settings of which a model takes one, limits, and what only a model that reasons takes ------------------------


def test_of_two_settings_that_exclude_each_other_one_is_left_out_and_only_beside_the_other(site, warned):
    both = site.client(CLAUDE, surface="ai-gateway", temperature=0.2, top_p=0.9)
    assert both.chat("Hello").exchange.repairs == ("drop top_p",)
    assert both.chat("Hello").exchange.repairs == ("drop top_p",)
    alone = site.client(CLAUDE, surface="ai-gateway", top_p=0.9).chat("Hello")
    assert alone.exchange.repairs == ()
    sent = [{name: entry.body.get(name) for name in ("temperature", "top_p")} for entry in site.posts()]
    one = {"temperature": 0.2, "top_p": None}
    assert sent == [{"temperature": 0.2, "top_p": 0.9}, one, one, {"temperature": None, "top_p": 0.9}]
    assert ["top_p beside temperature" in line for line in warned()] == [True]


def test_a_setting_that_the_server_says_the_model_does_not_support_is_left_out(site):
    words = "Model us.anthropic.claude-opus-5 does not support the temperature parameter."
    refuse(site, words)
    client = site.client(LLAMA, surface="ai-gateway", temperature=0.2)
    assert client.chat("Hello").exchange.repairs == ("drop temperature",)
    assert ["temperature" in entry.body for entry in site.posts()] == [True, False]


@promise("repairs-harm-nobody")
def test_more_tokens_than_a_model_gives_are_brought_to_its_limit_for_that_call_only(site, warned):
    many = site.client(CLAUDE, surface="ai-gateway", max_tokens=90_000)
    assert many.chat("Hello").exchange.repairs == ("limit max_tokens",)
    few = site.client(CLAUDE, surface="ai-gateway", max_tokens=300)
    assert few.chat("Hello").exchange.repairs == ()
    assert [entry.body["max_tokens"] for entry in site.posts()] == [90_000, 64_000, 300]
    assert ["64000 was sent" in line for line in warned()] == [True]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_model_that_does_not_reason_is_asked_for_no_encrypted_reasoning(open_site, stream):
    plain = replace(profile_of(GPT), model="house-gpt", reasoning=False, efforts=(), sampling=True)
    site = open_site(models=[Served(name="house-gpt", gateway_names=("house-gpt",), profile=plain, origin="external")])
    client = site.client("house-gpt", surface="ai-gateway", family="gpt", logprobs=True)

    def ask():
        return fold(client.stream("Hello")) if stream else client.chat("Hello")

    assert ask().exchange.repairs == ("drop include reasoning.encrypted_content",)
    assert ask().exchange.repairs == ("drop include reasoning.encrypted_content",)
    proof, rest = "reasoning.encrypted_content", "message.output_text.logprobs"
    assert [entry.body["include"] for entry in site.posts()] == [[proof, rest], [rest], [rest]]


@pytest.mark.parametrize("name", ["gpt-4o", "my-gpt-4.1-endpoint"])
def test_an_older_gpt_is_sent_no_include_at_all(open_site, name):
    plain = replace(profile_of(GPT), model=name, reasoning=False, efforts=(), sampling=True)
    site = open_site(models=[Served(name=name, profile=plain, origin="external")])
    site.client(name, surface="model-serving", temperature=0.2).chat("Hello")
    assert site.statuses() == [200]
    assert "include" not in site.posts()[0].body
    assert site.posts()[0].body["temperature"] == 0.2


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (CLAUDE, {"temperature": 0.2, "top_p": 0.9}),
        (CLAUDE, {"max_tokens": 90_000}),
        ("house-gpt", {"family": "gpt"}),
    ],
)
def test_the_workspace_refuses_what_the_repairs_are_for(open_site, model, settings):
    plain = replace(profile_of(GPT), model="house-gpt", reasoning=False, efforts=(), sampling=True)
    site = open_site(models=[*default_models(), Served(name="house-gpt", profile=plain, origin="external")])
    surface = "model-serving" if model == "house-gpt" else "ai-gateway"
    with pytest.raises(BadRequestError):
        site.client(model, surface=surface, disabled_quirks="all", **settings).chat("Hello")


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI])
def test_without_the_repair_a_workspace_refuses_retired_proofs_for_good(site, model, monkeypatch):
    monkeypatch.setattr("dbx_gateway.call.flow.repair_without_proofs", lambda *_: None)
    settings = {CLAUDE: {"thinking": 2048, "max_tokens": 9000}, GPT: {"reasoning_effort": "high"}, GEMINI: {}}[model]
    client = site.client(model, surface="ai-gateway", **settings)
    history = [user("Hello"), client.chat("Hello").message, user("And now?")]
    site.workspace.retire_proofs()
    for _ in range(2):
        with pytest.raises(BadRequestError, match=r"signature|encrypted content"):
            client.chat(history)


# --- proofs of reasoning -----------------------------------------------------------------------------------------


@promise("repairs-harm-nobody")
def test_proofs_that_are_refused_are_left_out_once_and_then_for_that_conversation_only(site, warned):
    client = site.client(CLAUDE, surface="ai-gateway", thinking=2048, max_tokens=9000)
    first, other = [client.chat(question).message for question in ("Hello", "Another")]
    site.workspace.retire_proofs()
    history = [user("Hello"), first, user("And now?")]
    answer = client.chat(history)
    assert answer.exchange.repairs == ("without refused proofs",)
    assert site.statuses()[2:] == [400, 200]
    fresh = client.chat([*history, answer.message, user("And then?")])
    assert fresh.exchange.repairs == ("without refused proofs",)
    assert site.statuses()[4:] == [200]
    last = json.dumps(site.posts()[-1].body["messages"])
    assert last.count('"thinking"') == 2  # the block of the newer answer, and its text
    assert [message["role"] for message in site.posts()[-1].body["messages"]] == ["user", "assistant"] * 2 + ["user"]
    client.chat([user("Another"), other, user("And now?")])
    assert site.statuses()[5:] == [400, 200]
    assert ["takes the proofs of earlier reasoning" in line for line in warned()] == [True]


@promise("repairs-harm-nobody")
def test_proofs_that_one_user_was_refused_are_sent_for_another(open_site):
    site = open_site(tokens={"dapi-other": "other"})
    fields = {"surface": "ai-gateway", "thinking": 2048, "max_tokens": 9000}
    history = [user("Hello"), site.client(CLAUDE, **fields).chat("Hello").message, user("And now?")]
    site.fail(
        where="/messages", status=400, error_message="messages.1.content.0: Invalid `signature` in `thinking` block"
    )
    site.client(CLAUDE, **fields).chat(history)
    answer = site.client(CLAUDE, token="dapi-other", **fields).chat(history)
    assert answer.exchange.repairs == ()
    assert "signature" in json.dumps(site.posts()[-1].body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI])
def test_a_tool_loop_goes_on_without_the_proofs_that_are_refused(site, model, stream):
    settings = {CLAUDE: {"thinking": 2048, "max_tokens": 9000}, GPT: {"reasoning_effort": "high"}, GEMINI: {}}[model]
    client = site.client(model, surface="ai-gateway", **settings)
    asked = client.chat("Add 2 and 3", tools=[ADD]).message
    [call] = [part for part in asked.parts if isinstance(part, ToolCall)]
    site.workspace.retire_proofs()
    result = Message(role="tool", parts=(ToolResult(call_id=call.call_id, content=(Text("5"),)),))
    history = [user("Add 2 and 3"), asked, result]
    answer = fold(client.stream(history, tools=[ADD])) if stream else client.chat(history, tools=[ADD])
    assert answer.exchange.repairs == ("without refused proofs",)
    assert site.statuses() == [200, 400, 200]
    before, after = (entry.body for entry in site.posts()[1:])
    assert before["tools"] == after["tools"]


async def test_proofs_are_left_out_on_event_loops_too(site):
    client = site.async_client(GPT, surface="ai-gateway", reasoning_effort="high")
    first = (await client.chat("Hello")).message
    site.workspace.retire_proofs()
    answer = await client.chat([user("Hello"), first, user("And now?")])
    assert answer.exchange.repairs == ("without refused proofs",)
    assert site.statuses() == [200, 400, 200]


def user(text):
    return Message(role="user", parts=(Text(text),))
