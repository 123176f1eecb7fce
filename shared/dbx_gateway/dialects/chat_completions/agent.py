"""The answer of a chat agent (``agent/v2/chat``): messages of its own instead of choices.

A whole answer is ``{"messages": [...], "custom_outputs"}``; a stream's events have a ``delta`` at the top, a message or
a fragment of the message with the same ``id`` (docs/wire/chat-completions.md#chat-agents).
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from dbx_gateway.chat import Finish, JsonObject, Native
from dbx_gateway.dialects.chat_completions.choice import Choice
from dbx_gateway.dialects.chat_completions.tool_calls import with_places

__all__ = ["AgentMessages"]


class AgentMessages:
    """Reads what an agent says on its way to an answer.

    Its words to the user are text, one part for each message, so that they can be shown as they come. What it did by
    itself, calls of its own tools with their results, is carried as native data. Calls at the very end, which nothing
    answers, are meant for the caller and are tool calls.

    Args:
        choice: where text and calls go.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._id: JsonValue = None
        self._asking: JsonObject | None = None
        self._count = 0

    def feed(self, event: JsonObject) -> None:
        """Take a stream's event, or a whole answer."""
        for message in _messages(event):
            self._feed(message)
        if isinstance(raw := event.get("finish_reason"), str) and raw:
            self._choice.raw = raw

    def end(self) -> Finish:
        """The answer is whole."""
        if self._asking is not None:
            asking, self._asking = self._asking, None
            self._say(asking)
        return self._choice.end(unsaid="stop")

    def _feed(self, message: JsonObject) -> None:
        if self._asking is not None:
            asking, self._asking = self._asking, None
            self._did(asking)
        if message.get("role") not in (None, "assistant"):
            self._did(message)
        elif message.get("tool_calls"):
            self._asking = message
        else:
            self._say(message)

    def _say(self, message: JsonObject) -> None:
        content, part_id = self._choice.content, message.get("id")
        if part_id is not None and part_id != self._id:
            content.seal()
            self._id = part_id
        said = {name: value for name, value in message.items() if name not in ("id", "name")}
        self._choice.feed_delta(with_places(said))
        if isinstance(part_id, str):
            content.name_text(part_id)

    def _did(self, message: JsonObject) -> None:
        self._choice.content.seal()
        self._choice.assembly.part(("agent", self._count), Native(api="chat-completions", payload=message))
        self._count += 1


def _messages(event: JsonObject) -> Iterator[JsonObject]:
    if isinstance(delta := event.get("delta"), dict):
        yield delta
    if isinstance(messages := event.get("messages"), list):
        yield from (message for message in messages if isinstance(message, dict))
