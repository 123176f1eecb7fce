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
    """Return the content as blocks: strings become texts, and what was told of a text later becomes part of it."""
    if isinstance(message.content, str):
        return listed(with_facts(parts_of(message.content), facts_in(message).get("texts", ())))
    blocks: list[Block] = []
    for item in message.content:
        block: Block = {"type": "text", "text": item} if isinstance(item, str) else item
        is_empty = block.get("type") == "text" and not block.get("text")
        if is_empty and blocks and blocks[-1]["type"] == "text":
            blocks[-1] = blocks[-1] | {key: value for key, value in block.items() if key not in ("text", "index")}
        elif not is_empty or block.keys() - {"type", "text", "index"}:
            blocks.append(block)
    return blocks
