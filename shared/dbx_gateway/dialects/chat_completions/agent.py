"""The answer of a chat agent (``agent/v2/chat``): messages of its own instead of choices.

An answer that is not streamed is ``{"messages": [...], "custom_outputs"}``. A stream's events have a ``delta`` at the
top: a message, or a fragment of the message with the same ``id`` (docs/wire/chat-completions.md#chat-agents).
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from dbx_gateway.chat import Finish, JsonObject, Native
from dbx_gateway.dialects.chat_completions.choice import Choice
from dbx_gateway.dialects.chat_completions.tool_calls import with_places

__all__ = ["AgentMessages"]


class AgentMessages:
    """Reads the messages of an agent's answer.

    Its messages to the user are text, one part for each, so that they can be shown as they arrive. Calls of its own
    tools and their results are carried as native data. Calls at the end, without results, are for the caller to run and
    become tool calls.

    Args:
        choice: where text and calls go.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._id: JsonValue = None
        self._pending_calls: JsonObject | None = None
        self._count = 0

    def feed(self, event: JsonObject) -> None:
        """Read a stream's event, or an answer that is not streamed."""
        for message in _messages(event):
            self._feed(message)
        if isinstance(raw := event.get("finish_reason"), str) and raw:
            self._choice.raw = raw

    def end(self) -> Finish:
        """End the answer, and return why it ended."""
        if self._pending_calls is not None:
            pending_calls, self._pending_calls = self._pending_calls, None
            self._add_text(pending_calls)
        return self._choice.end(default="stop")

    def _feed(self, message: JsonObject) -> None:
        if self._pending_calls is not None:
            pending_calls, self._pending_calls = self._pending_calls, None
            self._add_intermediate(pending_calls)
        if message.get("role") not in (None, "assistant"):
            self._add_intermediate(message)
        elif message.get("tool_calls"):
            self._pending_calls = message
        else:
            self._add_text(message)

    def _add_text(self, message: JsonObject) -> None:
        content, part_id = self._choice.content, message.get("id")
        if part_id is not None and part_id != self._id:
            content.seal()
            self._id = part_id
        fields = {name: value for name, value in message.items() if name not in ("id", "name")}
        self._choice.feed_delta(with_places(fields))
        if isinstance(part_id, str):
            content.name_text(part_id)

    def _add_intermediate(self, message: JsonObject) -> None:
        self._choice.content.seal()
        self._choice.assembly.part(("agent", self._count), Native(api="chat-completions", payload=message))
        self._count += 1


def _messages(event: JsonObject) -> Iterator[JsonObject]:
    if isinstance(delta := event.get("delta"), dict):
        yield delta
    if isinstance(messages := event.get("messages"), list):
        yield from (message for message in messages if isinstance(message, dict))
