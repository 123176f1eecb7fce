"""A text's signature that comes in a last part without text is on that text's one block, in every form."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from support.promises import promise

from dbx_gateway import Client
from dbx_gateway.call.reading import replay
from dbx_gateway.dialects.generate_content.answer import GenerateContentDecoder, decode_answer
from langchain_dbx_gateway import ChatDbxGateway
from langchain_dbx_gateway.answers import answer_message
from langchain_dbx_gateway.chunks import Chunks
from langchain_dbx_gateway.messages import to_core

SIGNED = {"text": "", "thoughtSignature": "c2ln"}
CITED = {"groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://x.example", "title": "X"}}],
                               "groundingSupports": [{"segment": {"endIndex": 5}, "groundingChunkIndices": [0]}]}}  # fmt: skip
THOUGHT = {"text": "Hm.", "thought": True}
CALL = {"functionCall": {"id": "c1", "name": "add", "args": {"a": 1}}, "thoughtSignature": "Zmly"}

ANSWERS = {
    "a text": ([{"text": "Hello "}, {"text": "world"}, SIGNED], {}),
    "a text with citations": ([{"text": "Hello "}, {"text": "world"}, SIGNED], CITED),
    "a thought and a text": ([THOUGHT, {"text": "Hello "}, {"text": "world"}, SIGNED], {}),
    "a signed text": ([{"text": "Hello world", "thoughtSignature": "b25l"}, SIGNED], {}),
    "a text and a call": ([{"text": "Hello "}, {"text": "world"}, SIGNED, CALL], {}),
}
"""The parts of an answer in the order in which they come, and what comes with its end."""


def wire(parts, rest):
    """The events of the stream of an answer: the last part comes with the end."""
    events = [{"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]} for part in parts]
    events[-1]["candidates"][0] |= {"finishReason": "STOP", **rest}
    return [{"responseId": "r", "modelVersion": "m", **event} for event in events]


def added(events, *, blocks):
    chunks = Chunks("databricks-gemini-3-pro", blocks=blocks)
    first, *others = [chunk.message for event in events for chunk in chunks.of(event)]
    return first.__add__(others)


def streamed(parts, rest, *, blocks):
    decoder = GenerateContentDecoder("databricks-gemini-3-pro")
    events = [event for one in wire(parts, rest) for event in decoder.feed(one)]
    return added([*events, *decoder.close()], blocks=blocks)


def answer_of(parts, rest):
    content = {"role": "model", "parts": parts}
    body = {"candidates": [{"content": content, "finishReason": "STOP", **rest}], "responseId": "r"}
    return decode_answer(body, "databricks-gemini-3-pro")


FORMS = {
    "whole": lambda answer: answer_message(answer_of(*answer), "databricks-gemini-3-pro"),
    "whole, v1": lambda answer: answer_message(answer_of(*answer), "databricks-gemini-3-pro", blocks=True),
    "streamed": lambda answer: streamed(*answer, blocks=False),
    "streamed, v1": lambda answer: streamed(*answer, blocks=True),
    "replayed, v1": lambda answer: added(replay(answer_of(*answer)), blocks=True),
}


def bare(block):
    """A block without its number in a stream."""
    return {name: value for name, value in block.items() if name != "index"}


@promise("signed-ends")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_signature_behind_a_text_is_on_its_one_block(form, answer):
    message = FORMS[form](ANSWERS[answer])
    blocks = [bare(block) for block in message.content_blocks]
    (text,) = (block for block in blocks if block["type"] == "text")
    assert text["text"] == message.text == "Hello world"
    assert "c2ln" in str(text["extras"])
    assert blocks == FORMS["whole, v1"](ANSWERS[answer]).content_blocks


@promise("signed-ends")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_signature_behind_a_text_goes_back_as_it_came(form, answer):
    (message,) = to_core([FORMS[form](ANSWERS[answer])])
    assert message.parts == answer_of(*ANSWERS[answer]).message.parts


def test_a_signature_without_a_text_before_it_is_a_block_of_its_own():
    message = streamed([THOUGHT, SIGNED], {}, blocks=True)
    assert [block["type"] for block in message.content] == ["reasoning", "text"]
    assert to_core([message])[0].parts == answer_of([THOUGHT, SIGNED], {}).message.parts


def served(answer):
    """What a model whose streams are this answer takes, and the bodies it was sent."""
    sent = []

    def reply(request):
        sent.append(request.read().decode())
        lines = [f"data: {httpx.Response(200, json=event).text}\r\n\r\n" for event in wire(*answer)]
        return httpx.Response(200, text="".join(lines), headers={"content-type": "text/event-stream"})

    transport = httpx.MockTransport(reply)
    settings = {"model": "databricks-gemini-3-pro", "host": "https://signed.example.com", "token": "t",
                "surface": "model-serving", "http_client": httpx.Client(transport=transport),
                "http_async_client": httpx.AsyncClient(transport=transport)}  # fmt: skip
    return settings, sent


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_events_of_a_stream_finish_that_block_once(answer):
    settings, sent = served(ANSWERS[answer])
    llm = ChatDbxGateway(**settings)
    stream = llm.stream_events("hi", version="v3")
    texts = [event["content"]["text"] for event in stream
             if event["event"] == "content-block-finish" and event["content"]["type"] == "text"]  # fmt: skip
    assert texts == ["Hello world"]
    results = [ToolMessage("3", tool_call_id=call["id"]) for call in stream.output.tool_calls]
    list(llm.stream([HumanMessage("hi"), stream.output, *results, HumanMessage("again")]))
    assert '"thoughtSignature":"c2ln"' in sent[-1].replace(" ", "")


def test_sync_and_async_streams_hold_the_same_block():
    settings, _ = served(ANSWERS["a text"])
    llm = ChatDbxGateway(**settings)

    async def read():
        return [chunk async for chunk in llm.astream("hi")]

    first, *others = asyncio.run(read())
    one, *more = llm.stream("hi")
    assert first.__add__(others).content_blocks == one.__add__(more).content_blocks
    core = Client(**{name: value for name, value in settings.items() if name != "http_async_client"})
    assert "".join(event.text for event in core.stream("hi") if hasattr(event, "text")) == "Hello world"
