"""What a workspace refuses in the messages of a chat-completions request (docs/wire/quirks.md)."""

from __future__ import annotations

from itertools import pairwise

from pydantic_core import from_json

from dbx_gateway.testing.apis.chat_completions.bodies import (
    Body,
    Verdict,
    bad,
    google,
    has_blank_part,
    messages_of,
    parts_of,
)
from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.json_values import entries, is_array
from dbx_gateway.testing.model.signatures import is_of_another_call
from dbx_gateway.testing.model.situation import Situation

__all__ = [
    "alternating_roles",
    "alternating_turns",
    "bare_assistant",
    "call_signature",
    "empty_assistant_content",
    "empty_parts",
    "empty_tool_result",
    "late_system",
    "long_ids",
    "one_system_message",
    "replayed_reasoning",
    "trailing_assistant",
    "user_first",
]

_ALTERNATE = (
    "Chat message input roles must alternate (user -> assistant -> u -> a -> ...) with an optional system at the start. "
    "Tool messages are optional and must follow a preceding assistant message containing tool calls."
)

_NO_SIGNATURE = ("gemini-2-5", "gemini-2.5")
"""Gemini before 3 does not ask for its signatures back (row gemini-signature)."""


def _empty() -> Refused:
    text = "messages: text content blocks must be non-empty"
    return Refused(400, text, body={"error_code": "BAD_REQUEST", "message": f'{{"message":"{text}"}}'})


def empty_assistant_content(body: Body, _situation: Situation) -> Verdict:
    """Refuse a turn with tool calls and a blank text (row empty-assistant-content)."""
    called = (message for message in messages_of(body, "assistant") if message.get("tool_calls"))
    return _empty() if any(_is_hollow(message) for message in called) else None


def _is_hollow(message: Body) -> bool:
    content = message.get("content")
    if isinstance(content, str):
        return not content.strip()
    return is_array(content) and all(part["type"] == "text" and not part["text"].strip() for part in content)


def empty_parts(body: Body, _situation: Situation) -> Verdict:
    """Refuse blank text anywhere else (row empty-parts)."""
    for message in messages_of(body, "system", "developer", "user", "assistant"):
        hollow_opener = bool(message.get("tool_calls")) and _is_hollow(message)
        if (has_blank_part(message) and not hollow_opener) or message.get("content") == []:
            return _empty()
    return None


def empty_tool_result(body: Body, _situation: Situation) -> Verdict:
    """Refuse a tool result without text (row empty-tool-result)."""
    empty = (not message.get("content") or has_blank_part(message) for message in messages_of(body, "tool"))
    return _empty() if any(empty) else None


def bare_assistant(body: Body, _situation: Situation) -> Verdict:
    """Refuse an assistant turn without content (row bare-assistant)."""
    for number, message in enumerate(messages_of(body)):
        if message["role"] == "assistant" and message.get("content") is None and not message.get("tool_calls"):
            return bad(f"messages.{number}: an assistant message must have content or tool_calls")
    return None


def alternating_roles(body: Body, _situation: Situation) -> Verdict:
    """Refuse two tool results in a row (row split-parallel-tool-results)."""
    roles = [message["role"] for message in messages_of(body)]
    if not any(one == other == "tool" for one, other in pairwise(roles)):
        return None
    return bad(_ALTERNATE)


def late_system(body: Body, _situation: Situation) -> Verdict:
    """Refuse a system message after one of another role (row late-system)."""
    roles = ["system" if message["role"] == "developer" else message["role"] for message in messages_of(body)]
    begun = next((at for at, role in enumerate(roles) if role != "system"), len(roles))
    return bad(_ALTERNATE) if "system" in roles[begun:] else None


def user_first(body: Body, situation: Situation) -> Verdict:
    """Refuse a conversation that begins with the assistant (row user-first)."""
    first = next((message["role"] for message in messages_of(body, "user", "assistant")), "user")
    if first == "user":
        return None
    return bad(situation.behaviour.not_first or _ALTERNATE)


def alternating_turns(body: Body, _situation: Situation) -> Verdict:
    """Refuse two messages of the user, or of the assistant, in a row (row merge-turns)."""
    roles = [message["role"] for message in messages_of(body)]
    return bad(_ALTERNATE) if any(one == other in ("user", "assistant") for one, other in pairwise(roles)) else None


def one_system_message(body: Body, _situation: Situation) -> Verdict:
    """Refuse two system messages in a row (row merge-system)."""
    system = [message["role"] in ("system", "developer") for message in messages_of(body)]
    if any(one and other for one, other in pairwise(system)):
        return bad("Chat message input may have one system message only.")
    return None


def trailing_assistant(body: Body, situation: Situation) -> Verdict:
    """Refuse a conversation that ends with the assistant, where the model takes none (row trailing-assistant)."""
    last = body["messages"][-1]
    if situation.profile.prefill or last["role"] != "assistant" or last.get("tool_calls"):
        return None
    return bad("This model does not support assistant message prefill. The conversation must end with a user message.")


def replayed_reasoning(body: Body, _situation: Situation) -> Verdict:
    """Refuse reasoning that is sent back (row reasoning-replay)."""
    for number, message in enumerate(messages_of(body)):
        if any(part["type"] == "reasoning" for part in parts_of(message)):
            return bad(f"messages.{number}: Invalid data in redacted_thinking")
    return None


def long_ids(body: Body, _situation: Situation) -> Verdict:
    """Refuse an id of a call that is longer than 64 characters (row resp-id-64)."""
    for number, message in enumerate(messages_of(body)):
        ids = [(f"tool_calls[{at}].id", call["id"]) for at, call in enumerate(entries(message, "tool_calls"))]
        ids += [("tool_call_id", message["tool_call_id"])] if "tool_call_id" in message else []
        for where, call_id in ids:
            if len(call_id) > 64:
                return bad(
                    f"Invalid 'messages[{number}].{where}': string too long. Expected a string with maximum length 64, "
                    f"but got a string with length {len(call_id)} instead."
                )
    return None


def _is_of_another(call: Body) -> bool:
    function = call["function"]
    arguments = from_json(function["arguments"] or "{}")
    return is_of_another_call(call.get("thoughtSignature") or "", function["name"], arguments, call["id"])


def call_signature(body: Body, situation: Situation) -> Verdict:
    """Refuse a call with the signature of another, and the first call of a batch since the last user turn without one.

    Row gemini-signature.
    """
    if any(_is_of_another(call) for message in messages_of(body) for call in entries(message, "tool_calls")):
        return google("Corrupted thought signature.")
    if any(marker in situation.model for marker in _NO_SIGNATURE):
        return None
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            return None
        calls = entries(message, "tool_calls")
        if calls and not calls[0].get("thoughtSignature"):
            return google(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                "work correctly, and missing thought_signature may lead to degraded model performance."
            )
    return None
