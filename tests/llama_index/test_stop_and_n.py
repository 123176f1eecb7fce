"""Stop sequences and several answers where the api has no field for them, through LlamaIndex."""

from __future__ import annotations

from llama_index.core.base.llms.types import ChatMessage
from support.llama_index_families import GPT

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
