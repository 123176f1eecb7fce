"""What is said about an answer beside what its model said."""

from __future__ import annotations

from dataclasses import replace

from dbx_gateway.chat import Message, Refusal

__all__ = ["without_notices"]


def without_notices(message: Message) -> Message:
    """Return an answer as it is sent back: without the refusals that its model did not write."""
    said = tuple(part for part in message.parts if not (isinstance(part, Refusal) and part.notice))
    return replace(message, parts=said)
