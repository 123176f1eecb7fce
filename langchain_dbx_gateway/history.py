"""Conversation histories that store no files: an attached file is sent in full once and stored as a note.

A note names the file, its media type and its size, so that the model can still refer to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, HumanMessage

__all__ = ["LightChatMessageHistory", "without_attachments"]

M = TypeVar("M", bound=BaseMessage)

_FILES: Final = frozenset({"image", "audio", "video", "file", "text-plain"})
"""LangChain's standard blocks that carry or name a file."""


def without_attachments(messages: Sequence[M]) -> list[M]:
    """Return ``messages`` with each attached file replaced by a text block that names it and its size.

    A message without files is returned as the same object; none is changed in place.

    Example:
        >>> from langchain_core.messages import HumanMessage
        >>> image = {"type": "image", "base64": "aGVsbG8=", "mime_type": "image/png", "extras": {"filename": "a.png"}}
        >>> without_attachments([HumanMessage([image])])[0].content
        [{'type': 'text', 'text': '[attached image: a.png, image/png, 5 bytes]'}]
    """
    return [_light(message) for message in messages]


def _light(message: M) -> M:
    if isinstance(message.content, str):
        return message
    blocks = [_light_block(block) for block in message.content]
    if all(light is heavy for light, heavy in zip(blocks, message.content, strict=True)):
        return message
    return message.model_copy(update={"content": blocks})


def _light_block(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    standard: Mapping[str, Any] = next(iter(HumanMessage([block]).content_blocks), block)
    if standard.get("type") not in _FILES:
        return block
    # LangChain's reading of its older blocks puts their extras one level down.
    return _note(standard, _name(standard) or _name(block))


def _note(block: Mapping[str, Any], name: str | None) -> dict[str, Any]:
    kind = "file" if block["type"] == "text-plain" else block["type"]
    description = ", ".join(fact for fact in (name, block.get("mime_type"), _size(block)) if fact)
    note = {"type": "text", "text": f"[attached {kind}: {description}]" if description else f"[attached {kind}]"}
    return note | ({"index": block["index"]} if "index" in block else {})


def _name(block: Mapping[str, Any]) -> str | None:
    extras = block.get("extras")
    for place in (block, extras if isinstance(extras, Mapping) else {}):
        for key in ("filename", "name", "title", "url", "file_id"):
            if isinstance(place.get(key), str):
                return str(place[key])
    return None


def _size(block: Mapping[str, Any]) -> str | None:
    data, text = block.get("base64"), block.get("text")
    if isinstance(data, str):
        return f"{len(data) * 3 // 4 - data[-2:].count('='):,} bytes"
    return f"{len(text.encode()):,} bytes" if isinstance(text, str) else None


class LightChatMessageHistory(BaseChatMessageHistory):
    """Stores a conversation in another history, without the files in it.

    For ``RunnableWithMessageHistory``: the turn that brings a file sends it in full, and what is stored, and sent with
    every later turn, is a note of its name, media type and size.

    Example:
        >>> RunnableWithMessageHistory(llm, lambda session: LightChatMessageHistory(stored(session)))  # doctest: +SKIP

    Args:
        inner: where the messages are stored; any history of LangChain or your own.
    """

    def __init__(self, inner: BaseChatMessageHistory) -> None:
        self.inner = inner

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain's own histories make it a property too
        """The messages so far."""
        return self.inner.messages

    async def aget_messages(self) -> list[BaseMessage]:
        """Return the messages so far."""
        return await self.inner.aget_messages()

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Store messages, with notes in place of files."""
        self.inner.add_messages(without_attachments(messages))

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Store messages, with notes in place of files."""
        await self.inner.aadd_messages(without_attachments(messages))

    def clear(self) -> None:
        """Delete the conversation."""
        self.inner.clear()

    async def aclear(self) -> None:
        """Delete the conversation."""
        await self.inner.aclear()
