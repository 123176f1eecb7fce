"""The eight ways to ask, over a socket."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import ChatMessage
from support.llama_index_families import NATIVE

from dbx_gateway.errors import IncompleteStreamError, InvalidRequestError
from dbx_gateway.testing import Fault
from llama_index_dbx_gateway import DbxGateway

HELLO = [ChatMessage("Hello there")]


async def every_answer(llm):
    """The last response of each of the eight methods, by name."""
    return {
        "chat": llm.chat(HELLO),
        "stream_chat": list(llm.stream_chat(HELLO))[-1],
        "achat": await llm.achat(HELLO),
        "astream_chat": [response async for response in await llm.astream_chat(HELLO)][-1],
        "complete": llm.complete("Hello there"),
        "stream_complete": list(llm.stream_complete("Hello there"))[-1],
        "acomplete": await llm.acomplete("Hello there"),
        "astream_complete": [response async for response in await llm.astream_complete("Hello there")][-1],
    }


def text_of(response):
    return response.message.content if hasattr(response, "message") else response.text


@pytest.mark.parametrize("model", NATIVE)
async def test_all_eight_methods_say_the_same(make_llm, model):
    answers = await every_answer(make_llm(model))

    assert {name: text_of(answer) for name, answer in answers.items()} == dict.fromkeys(
        answers, "You said: Hello there"
    )


@pytest.mark.parametrize("model", NATIVE)
async def test_all_eight_methods_report_what_the_workspace_billed(make_llm, workspace, model):
    answers = await every_answer(make_llm(model))

    bills = [entry.billed for entry in workspace.ledger.model_calls()]
    reported = [(a.raw["usage"]["input_tokens"], a.raw["usage"]["output_tokens"]) for a in answers.values()]
    assert reported == [(bill.input, bill.output) for bill in bills]
    counts = [
        (a.additional_kwargs["prompt_tokens"], a.additional_kwargs["completion_tokens"]) for a in answers.values()
    ]
    assert counts == reported


async def test_one_call_is_counted_once(make_llm, workspace):
    counter = TokenCountingHandler(tokenizer=str.split)
    await every_answer(make_llm(callback_manager=CallbackManager([counter])))

    billed = [(e.billed.input, e.billed.output) for e in workspace.ledger.model_calls()]
    counted = [(c.prompt_token_count, c.completion_token_count) for c in counter.llm_token_counts]
    assert len(billed) == 8
    assert counted == billed


@pytest.mark.parametrize("model", NATIVE)
def test_the_deltas_add_up_to_the_message_at_every_step(make_llm, model):
    so_far = ""
    responses = []
    for response in make_llm(model, coalesce_deltas=False).stream_chat(HELLO):
        so_far += response.delta
        assert (response.message.content or "") == so_far
        responses.append(response)

    assert so_far == "You said: Hello there"
    assert len(responses) > 2


@pytest.mark.parametrize("model", NATIVE)
async def test_a_sync_and_an_async_stream_are_the_same(make_llm, model):
    llm = make_llm(model, coalesce_deltas=False)

    sync = [(r.delta, r.message.content) for r in llm.stream_chat(HELLO)]
    asynchronous = [(r.delta, r.message.content) async for r in await llm.astream_chat(HELLO)]

    assert sync == asynchronous


def test_snapshots_share_nothing_that_can_be_changed(make_llm, add_tool):
    responses = []
    for response in make_llm(coalesce_deltas=False).stream_chat_with_tools(
        [add_tool], "add 2 and 3", allow_parallel_tool_calls=True
    ):
        kept = response.model_copy(deep=True)
        response.message.blocks.clear()
        response.message.additional_kwargs.clear()
        response.raw.clear()
        responses.append(kept)

    assert responses[-1].message.blocks[-1].tool_kwargs == {"a": 2, "b": 3}


def test_the_last_response_of_a_stream_is_the_whole_answer(make_llm):
    llm = make_llm()

    whole, streamed = llm.chat(HELLO), list(llm.stream_chat(HELLO))[-1]

    assert streamed.message == whole.message
    assert streamed.raw["usage"] == whole.raw["usage"]
    assert streamed.raw["choices"] == whole.raw["choices"]
    assert streamed.additional_kwargs == whole.additional_kwargs


def test_raw_is_what_tracers_read(make_llm):
    raw = make_llm().chat(HELLO).raw

    assert raw["model"] == "databricks-claude-sonnet-4-5"
    assert raw["id"]
    assert raw["choices"][0]["finish_reason"] == "stop"
    assert raw["choices"][0]["message"] == {"role": "assistant", "content": "You said: Hello there"}
    usage = raw["usage"]
    assert usage["prompt_tokens"] == usage["input_tokens"]
    assert usage["completion_tokens"] == usage["output_tokens"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_usage_tells_cached_and_reasoning_tokens(make_llm):
    usage = make_llm("databricks-claude-sonnet-4-5", thinking=1024, max_tokens=4000).chat(HELLO).raw["usage"]

    assert usage["cache_read_input_tokens"] == 0
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0


def test_reasoning_tokens_are_told_where_the_workspace_counts_them(make_llm, workspace):
    usage = make_llm("databricks-gpt-5-2", reasoning_effort="high").chat(HELLO).raw["usage"]

    (entry,) = workspace.ledger.model_calls()
    assert entry.billed.reasoning > 0
    assert usage["completion_tokens_details"]["reasoning_tokens"] == entry.billed.reasoning
    assert usage["output_tokens_details"]["reasoning_tokens"] == entry.billed.reasoning


class Together(httpx.AsyncHTTPTransport):
    """Sends nothing before four requests are there to be sent."""

    def __init__(self):
        super().__init__()
        self.here = 0
        self.all_here = asyncio.Event()

    async def handle_async_request(self, request):
        self.here += 1
        if self.here == 4:
            self.all_here.set()
        await asyncio.wait_for(self.all_here.wait(), 10)
        return await super().handle_async_request(request)


async def test_async_calls_run_side_by_side(make_llm):
    async with httpx.AsyncClient(transport=Together()) as client:
        llm = make_llm(http_async_client=client)

        answers = await asyncio.gather(*(llm.achat(HELLO) for _ in range(4)))

    assert [answer.message.content for answer in answers] == ["You said: Hello there"] * 4


async def test_sync_calls_work_inside_a_running_loop(make_llm):
    llm = make_llm()

    assert llm.complete("Hello there").text == "You said: Hello there"
    assert list(llm.stream_chat(HELLO))[-1].message.content == "You said: Hello there"


def test_one_object_serves_one_event_loop_after_another(make_llm):
    llm = make_llm(max_retries=0)

    first, second = asyncio.run(llm.achat(HELLO)), asyncio.run(llm.achat(HELLO))

    assert first.message.content == second.message.content == "You said: Hello there"


def test_settings_of_one_call_win(make_llm, workspace):
    llm = make_llm(max_tokens=50, temperature=0.1)

    response = llm.chat(HELLO, max_tokens=2, temperature=0.9)

    (entry,) = workspace.ledger.model_calls()
    assert (entry.body["max_tokens"], entry.body["temperature"]) == (2, 0.9)
    assert response.raw["choices"][0]["finish_reason"] == "length"


def test_a_prompt_that_is_not_formatted_goes_through_completion_to_prompt(make_llm):
    llm = make_llm(completion_to_prompt=lambda prompt: f"<{prompt}>")

    assert llm.complete("a").text == "You said: <a>"
    assert llm.complete("a", formatted=True).text == "You said: a"


def test_a_prompt_may_be_given_by_name_and_must_be_given(make_llm):
    llm = make_llm()

    assert llm.complete(prompt="a").text == "You said: a"
    assert list(llm.stream_complete(prompt="a"))[-1].text == "You said: a"
    with pytest.raises(ValueError, match="No prompt"):
        llm.complete()
    with pytest.raises(ValueError, match="No prompt"):
        llm.stream_complete()


def test_a_stream_that_is_cut_raises_and_keeps_what_came(make_llm, workspace):
    workspace.inject(Fault(end_after=4), where="/messages")
    responses = []

    with pytest.raises(IncompleteStreamError) as caught:
        responses.extend(make_llm(coalesce_deltas=False).stream_chat(HELLO))

    assert "".join(response.delta for response in responses) == caught.value.partial.text != ""


@pytest.fixture
def closed(monkeypatch):
    """Grows with each response whose body is closed."""
    noted = []
    close, aclose = httpx.Response.close, httpx.Response.aclose

    def noting_close(response):
        noted.append(response)
        close(response)

    async def noting_aclose(response):
        noted.append(response)
        await aclose(response)

    monkeypatch.setattr(httpx.Response, "close", noting_close)
    monkeypatch.setattr(httpx.Response, "aclose", noting_aclose)
    return noted


@pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
def test_a_stream_that_is_left_is_closed_at_once(make_llm, closed, method):
    llm = make_llm(coalesce_deltas=False)
    stream = getattr(llm, method)(HELLO if method == "stream_chat" else "[long 5000]")
    next(stream)
    held = stream.gi_frame.f_locals["sources"]  # not the garbage collector's doing: someone still holds the source
    before = len(closed)

    stream.close()

    assert held
    assert len(closed) > before


@pytest.mark.parametrize("method", ["astream_chat", "astream_complete"])
async def test_an_async_stream_that_is_left_is_closed_at_once(make_llm, closed, method):
    llm = make_llm(coalesce_deltas=False)
    stream = await getattr(llm, method)(HELLO if method == "astream_chat" else "[long 5000]")
    await anext(stream)
    held = stream._all  # not the garbage collector's doing: someone still holds the source
    before = len(closed)

    await stream.aclose()

    assert held
    assert len(closed) > before


def test_an_empty_conversation_is_refused_before_anything_is_sent(make_llm, workspace):
    with pytest.raises(InvalidRequestError, match="conversation is empty"):
        make_llm().chat([])

    assert workspace.ledger.model_calls() == []


def test_the_model_of_one_call_may_be_another(make_llm, workspace):
    response = make_llm().chat(HELLO, model="databricks-claude-haiku-4-5")

    assert response.raw["model"] == "databricks-claude-haiku-4-5"
    assert isinstance(make_llm(), DbxGateway)
    assert workspace.ledger.model_calls()[0].model == "databricks-claude-haiku-4-5"
