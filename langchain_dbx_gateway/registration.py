"""What is registered with langchain-core: how it reads content blocks of ours, and which classes of ours it may load.

langchain-core has a table of the classes of LangChain's own packages, which ``load(..., allowed_objects="all")`` reads, and
has no hook for other packages. That table is not documented: where a release has none, "all" does not cover this
package, and the class has to be named:
``load(..., allowed_objects=[ChatDbxGateway], valid_namespaces=["langchain_dbx_gateway"])``, which always works.
"""

from __future__ import annotations

from importlib import import_module

from langchain_core.load.serializable import Serializable
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import register_translator

from dbx_gateway.adapters.part_facts import MessageFacts
from langchain_dbx_gateway.answers import PROVIDER, facts_in
from langchain_dbx_gateway.blocks import Block, listed, parts_of, texts_apart
from langchain_dbx_gateway.silent_parts import with_silent_blocks, with_silent_texts

__all__ = ["allow_loading", "register"]


def register() -> None:
    """Register the translator with langchain-core, once for the process."""
    register_translator(PROVIDER, translate_content, translate_content_chunk)  # type: ignore[arg-type]  # blocks are typed dicts


def allow_loading(kind: type[Serializable]) -> None:
    """Count ``kind`` among the classes that "all" stands for. An import from its namespace still has to be allowed."""
    table = getattr(import_module("langchain_core.load.load"), "ALL_SERIALIZABLE_MAPPINGS", None)
    if isinstance(table, dict):
        path = tuple(kind.lc_id())
        table.setdefault(path, path)


def translate_content(message: AIMessage) -> list[Block]:
    """Return the standard blocks of a complete answer: its content, and its tool calls where the content lacks them."""
    blocks = _content(message)
    listed_ids = {block.get("id") for block in blocks if block["type"] in ("tool_call", "invalid_tool_call")}
    calls = [{**call, "type": "tool_call"} for call in message.tool_calls if call["id"] not in listed_ids]
    broken = [
        {**call, "type": "invalid_tool_call"} for call in message.invalid_tool_calls if call["id"] not in listed_ids
    ]
    return with_silent_blocks([*blocks, *calls, *broken], facts_in(message).hidden)


def translate_content_chunk(message: AIMessageChunk) -> list[Block]:
    """Return the standard blocks of a chunk; of the last one, or of all added up, those of the complete answer."""
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
    """Return the content as blocks: a string becomes texts, each with its metadata."""
    items = [message.content] if isinstance(message.content, str) else message.content
    blocks: list[Block] = []
    for position, item in enumerate(items):
        if isinstance(item, str):
            facts = MessageFacts() if position else facts_in(message)
            blocks += listed(with_silent_texts(texts_apart(parts_of(item), facts.texts), facts.hidden))
        else:
            blocks.append(item)
    return blocks
