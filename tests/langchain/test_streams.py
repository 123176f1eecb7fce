"""However an answer is asked for, it says the same, and its usage is what the workspace billed."""

from __future__ import annotations

import asyncio
import json

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import AIMessage
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

CLAUDE, GPT, GEMINI, LLAMA, GPT_OSS = (
    "databricks-claude-sonnet-4-5",
    "databricks-gpt-5-4",
    "databricks-gemini-3-1-pro",
    "databricks-meta-llama-3-3-70b-instruct",
    "databricks-gpt-oss-120b",
)
ROUTES = [(model, "auto") for model in (CLAUDE, GPT, GEMINI, LLAMA, GPT_OSS)]
ROUTES += [(model, "chat-completions") for model in (CLAUDE, GPT, GEMINI)]
WAYS = ("invoke", "stream", "events", "batch", "ainvoke", "astream", "aevents", "abatch")
PER_CALL = ("id", "request_id", "createTime")
"""Metadata that differs from one answer to the next."""


# This is how LangChain marks version 3 of its events.
pytestmark = pytest.mark.filterwarnings("ignore:.*in beta:langchain_core._api.beta_decorator.LangChainBetaWarning")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def answered(llm, prompt, way) -> AIMessage:
    match way:
        case "invoke":
            return llm.invoke(prompt)
        case "ainvoke":
            return await llm.ainvoke(prompt)
        case "batch":
            return llm.batch([prompt])[0]
        case "abatch":
            return (await llm.abatch([prompt]))[0]
        case "stream":
            first, *rest = llm.stream(prompt)
            return first + rest
        case "astream":
            first, *rest = [chunk async for chunk in llm.astream(prompt)]
            return first + rest
        case "events":
            stream = llm.stream_events(prompt, version="v3")
            assert_valid_event_stream(list(stream))
            return stream.output
        case "aevents":
            stream = await llm.astream_events(prompt, version="v3")
            assert_valid_event_stream([event async for event in stream])
            return await stream.output


def gist(message):
    blocks = [
        {name: value for name, value in block.items() if name in ("type", "text", "reasoning", "name", "args")}
        for block in message.content_blocks
    ]
    return str(message.text), blocks, [(call["name"], call["args"]) for call in message.tool_calls]


@pytest.mark.parametrize(("model", "api"), ROUTES)
@pytest.mark.parametrize("prompt", ["Hello, world", "add 3 and 4"])
@pytest.mark.parametrize("blocks", [None, "v1"])
async def test_every_way_to_ask_gives_the_same_answer(make_llm, model, api, prompt, blocks):
    llm = make_llm(model, api=api, reasoning_effort="low", output_version=blocks).bind_tools([add])
    gists = [gist(await answered(llm, prompt, way)) for way in WAYS]

    assert gists == [gists[0]] * len(WAYS)


@pytest.mark.parametrize("blocks", [None, "v1"])
@pytest.mark.parametrize(("model", "api"), ROUTES)
@pytest.mark.parametrize("way", WAYS)
async def test_usage_is_what_was_billed_and_is_told_once(make_llm, workspace, model, api, way, blocks):
    llm = make_llm(model, api=api, reasoning_effort="low", output_version=blocks)
    with get_usage_metadata_callback() as told:
        message = await answered(llm, "Why is the sky blue?", way)
        # Callbacks of an async stream run just behind its last event.
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
    billed = workspace.billed()
    usage = message.usage_metadata

    assert (usage["input_tokens"], usage["output_tokens"]) == (billed.input, billed.output)
    assert usage["total_tokens"] == billed.input + billed.output
    assert told.usage_metadata[model] == usage


@pytest.mark.parametrize(("model", "api"), ROUTES)
@pytest.mark.parametrize("blocks", [None, "v1"])
def test_each_chunk_can_be_read_by_itself(make_llm, model, api, blocks):
    """As a user interface does that shows each chunk's blocks when it comes."""
    llm = make_llm(model, api=api, reasoning_effort="low", output_version=blocks).bind_tools([add])
    shown = {"text": "", "reasoning": "", "args": ""}
    kinds = set()

    for chunk in llm.stream("add 3 and 4"):
        for block in chunk.content_blocks:
            kinds.add(block["type"])
            for name in shown:
                shown[name] += block.get(name) or ""

    answer = llm.invoke("add 3 and 4")
    thoughts = "".join(block["reasoning"] for block in answer.content_blocks if block["type"] == "reasoning")
    assert (shown["text"], shown["reasoning"]) == (str(answer.text), thoughts)
    assert json.loads(shown["args"]) == answer.tool_calls[0]["args"]
    assert kinds <= {"text", "reasoning", "tool_call_chunk"}


@pytest.mark.parametrize(("model", "api"), ROUTES)
@pytest.mark.parametrize("way", ["invoke", "stream", "events"])
async def test_metadata_says_who_answered_how_and_why_it_ended(make_llm, model, api, way):
    told = (await answered(make_llm(model, api=api), "Hello", way)).response_metadata

    assert (told["model_name"], told["model_provider"], told["finish_reason"]) == (model, "databricks", "stop")
    assert told["surface"] == "ai-gateway"
    assert told["request_id"].startswith("req-")
    assert told["url"].startswith("http://127.0.0.1")
    assert api in ("auto", told["api"])


@pytest.mark.parametrize("way", ["stream", "events"])
async def test_calls_are_complete_before_the_end_says_that_they_may_run(make_llm, way):
    message = await answered(make_llm(GPT).bind_tools([add]), "add 3 and 4", way)

    assert message.tool_calls[0]["args"] == {"a": 3, "b": 4}
    assert message.response_metadata["finish_reason"] == "tool_calls"


def test_the_pieces_of_a_call_come_while_it_grows(make_llm):
    stream = make_llm(GPT).bind_tools([add]).stream_events("add 3 and 4", version="v3")
    pieces = [event["delta"]["args"] for event in stream if event["event"] == "content-block-delta"]

    assert len(pieces) > 1
    assert "".join(pieces) == '{"a":3,"b":4}'


def test_a_stream_that_is_left_leaves_no_connection_behind(make_llm):
    stream = make_llm().stream("Hello [long 2000]")
    next(stream)
    stream.close()

    assert make_llm().invoke("Hello").text == "You said: Hello"


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI, LLAMA])
@pytest.mark.parametrize("way", ["invoke", "stream", "events"])
async def test_a_call_that_the_limit_cuts_is_never_run(make_llm, model, way):
    llm = make_llm(model, max_tokens=1).bind_tools([add], tool_choice="any")
    message = await answered(llm, "add 3 and 4", way)

    assert message.tool_calls == [] or message.response_metadata["finish_reason"] != "length"
