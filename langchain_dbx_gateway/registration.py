"""How ``AIMessage.content_blocks`` reads an answer of ours: registered with langchain-core under our provider's name."""

from __future__ import annotations

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import register_translator

from langchain_dbx_gateway.answers import PROVIDER, facts_in
from langchain_dbx_gateway.blocks import Block, listed, parts_of, with_facts

__all__ = ["register"]


def register() -> None:
    """Register the translator with langchain-core, once for the process."""
    register_translator(PROVIDER, translate_content, translate_content_chunk)  # type: ignore[arg-type]  # blocks are typed dicts


def translate_content(message: AIMessage) -> list[Block]:
    """Return the standard blocks of a whole answer: its content, and its tool calls where the content lacks them."""
    blocks = _content(message)
    told = {block.get("id") for block in blocks if block["type"] in ("tool_call", "invalid_tool_call")}
    calls = [{**call, "type": "tool_call"} for call in message.tool_calls if call["id"] not in told]
    broken = [{**call, "type": "invalid_tool_call"} for call in message.invalid_tool_calls if call["id"] not in told]
    return [*blocks, *calls, *broken]


def translate_content_chunk(message: AIMessageChunk) -> list[Block]:
    """Return the standard blocks of a chunk; of the last one, or of all added up, those of the whole answer."""
    if message.chunk_position == "last":
        return translate_content(message)
    blocks = _content(message)
    if any(block["type"] == "tool_call_chunk" for block in blocks):
        return blocks
    pieces = [
        {"type": "tool_call_chunk", **{key: value for key, value in piece.items() if value is not None}}
        for piece in message.tool_call_chunks
    ]
    return [*blocks, *pieces]


def _content(message: AIMessage) -> list[Block]:
    """Return the content as blocks: a string becomes texts, with what is told of them beside it."""
    items = [message.content] if isinstance(message.content, str) else message.content
    blocks: list[Block] = []
    for position, item in enumerate(items):
        if isinstance(item, str):
            facts = () if position else facts_in(message).get("texts", ())
            blocks += listed(with_facts(parts_of(item), facts))
        else:
            blocks.append(item)
    return blocks
