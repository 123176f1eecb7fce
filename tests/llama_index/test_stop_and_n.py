"""Stop sequences and several answers where the api has no field for them, through LlamaIndex."""

from __future__ import annotations

import pytest
from llama_index.core.base.llms.types import ChatMessage
from support.llama_index_families import CLAUDE, GPT

from dbx_gateway import InvalidRequestError

TEXT, CUT = "say one two three", "You said: say one "


async def last_of(stream):
    return [one async for one in stream][-1]


async def test_every_method_ends_at_a_stop_sequence(make_llm):
    llm, messages = make_llm(GPT, stop=["two"]), [ChatMessage(TEXT)]
    whole = [llm.chat(messages), await llm.achat(messages), llm.complete(TEXT), await llm.acomplete(TEXT)]
    streamed = [
        [*llm.stream_chat(messages)][-1],
        await last_of(await llm.astream_chat(messages)),
        [*llm.stream_complete(TEXT)][-1],
        await last_of(await llm.astream_complete(TEXT)),
    ]
    for response in (*whole, *streamed):
        text = response.message.content if hasattr(response, "message") else response.text
        assert text == CUT
        assert response.raw["choices"][0]["finish_reason"] == "stop"
        assert response.raw["choices"][0]["stop_sequence"] == "two"
    assert all(response.raw["usage"] is not None and "usage_unknown" not in response.raw for response in whole)
    for response in streamed:
        assert response.raw["usage"] is None
        assert "closed at a stop sequence" in response.raw["usage_unknown"]


@pytest.mark.parametrize("model", [GPT, CLAUDE])
async def test_n_answers_are_the_choices_of_the_response(make_llm, workspace, model):
    llm, messages = make_llm(model), [ChatMessage("hello")]
    responses = [llm.chat(messages, n=3), await llm.achat(messages, n=3), llm.complete("hello", n=3)]
    for response in responses:
        said = [choice["message"]["content"] for choice in response.raw["choices"]]
        assert said == ["You said: hello"] * 3
    billed = [entry.billed.output for entry in workspace.ledger.model_calls()]
    assert len(billed) == 9
    assert sum(response.raw["usage"]["completion_tokens"] for response in responses) == sum(billed)
    assert responses[0].message.content == "You said: hello"


async def test_a_stream_of_n_answers_is_refused_before_anything_is_sent(make_llm, workspace):
    llm, messages = make_llm(GPT), [ChatMessage("hello")]
    with pytest.raises(InvalidRequestError, match="a stream is one answer"):
        list(llm.stream_chat(messages, n=2))
    with pytest.raises(InvalidRequestError, match="a stream is one answer"):
        [one async for one in await llm.astream_chat(messages, n=2)]
    assert workspace.ledger.model_calls() == []
