"""What stands in messages, made fit to send whatever the api: parts of their role, and media of the kind that they are."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Final

from dbx_gateway.chat import (
    Audio,
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolResult,
    Video,
)
from dbx_gateway.events import is_visible
from dbx_gateway.media_types import media_type, type_of_bytes
from dbx_gateway.notices import warn_once

__all__ = ["sendable", "warn_of_parts_by_role"]


def sendable(request: ChatRequest) -> ChatRequest:
    """Return ``request`` with media of the type that they are, and reasoning and refusals in assistant's messages only.

    Programs copy a model's answer into a system prompt, a user's turn or a tool's result (an agent as a tool). What it
    thought or declined is no one else's, and no api has a place for it there (docs/wire/comparison.md#parts-by-role). A
    message that holds nothing else is left out; the result of a tool stays.
    """
    messages = [_sendable(message) for message in request.messages]
    if all(map(operator.is_, messages, request.messages)):
        return request
    return replace(request, messages=tuple(message for message in messages if message is not None))


def warn_of_parts_by_role(request: ChatRequest) -> None:
    """Warn where :func:`sendable` leaves reasoning or refusals of ``request`` out."""
    for message in request.messages:
        parts = [inner for part in message.parts if isinstance(part, ToolResult) for inner in part.content]
        if message.role != "assistant":
            parts += message.parts
        if any(type(part) in _OF_A_MODEL for part in parts):
            warn_once(
                "parts by role",
                "reasoning or a refusal in a system, user or tool message is not sent: only an assistant's message holds "
                "them; put its words into a text if the model should read them",
            )
            return


_MEDIA: Final = frozenset({Image, File, Audio, Video})
_OF_A_MODEL: Final = frozenset({Reasoning, Refusal})
"""Kinds of parts that only a model writes."""


def _sendable(message: Message) -> Message | None:
    for part in message.parts:  # most messages have nothing that could change: they cost one look at each part
        kind = type(part)
        if kind in _MEDIA or (kind in _OF_A_MODEL and message.role != "assistant"):
            return _fit(message)
        if isinstance(part, Refusal) and part.notice:
            return _fit(message)
        if isinstance(part, ToolResult) and any(type(inner) is not Text for inner in part.content):
            return _fit(message)
    return message


def _fit(message: Message) -> Message | None:
    parts = tuple(_with_content(part) for part in message.parts)
    parts = _of_no_model(parts) if message.role != "assistant" else _without_notices(parts)
    if len(parts) == len(message.parts) and all(map(operator.is_, parts, message.parts)):
        return message
    return replace(message, parts=parts) if parts else None


def _with_content(part: Part) -> Part:
    if isinstance(part, Image | File | Audio | Video):
        return _typed(part)
    if not isinstance(part, ToolResult):
        return part
    content = tuple(_with_content(inner) for inner in _of_no_model(part.content))
    same = len(content) == len(part.content) and all(map(operator.is_, content, part.content))
    return part if same else replace(part, content=content)


def _typed(part: Image | File | Audio | Video) -> Part:
    """Return a medium with the type of its bytes, as the kind of part that it then is."""
    blob = part.blob
    if blob is None or (blob.data is None and blob.mime is None):
        return part
    kind = media_type(blob, part.filename if isinstance(part, File) else None)
    typed = blob if kind == blob.mime else replace(blob, mime=kind)
    match type_of_bytes(blob.data, kind), part:
        case str(shown), File() if shown.startswith("image/"):
            return Image(blob=typed, id=part.id, cache=part.cache, opaque=part.opaque)
        case str(shown), File() | Video() if shown.startswith("audio/"):
            return Audio(blob=typed, id=part.id, cache=part.cache, opaque=part.opaque)
        case "application/pdf", Image() | Audio() | Video():
            return File(blob=typed, id=part.id, cache=part.cache, opaque=part.opaque)
        case _:
            return part if typed is blob else replace(part, blob=typed)


def _without_notices(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return an assistant's ``parts`` without what its model did not say.

    Where nothing else is to be seen, what it did not say is its text: apis refuse a turn without content.
    """
    others = tuple(part for part in parts if not (isinstance(part, Refusal) and part.notice))
    if len(others) == len(parts):
        return parts
    if any(map(is_visible, others)):
        return others
    return tuple(Text(part.text) if isinstance(part, Refusal) and part.notice else part for part in parts)


def _of_no_model(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return ``parts`` without those that only a model writes."""
    return tuple(part for part in parts if type(part) not in _OF_A_MODEL)
