"""Parallel calls are sent one after the other: each call is directly followed by its result."""

from __future__ import annotations

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import objects_in
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    del context
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    split: list[JsonValue] = []
    changed = False
    position = 0
    while position < len(messages):
        results = _results_after(messages, position)
        pairs = _pairs(messages[position], results)
        changed = changed or bool(pairs)
        split.extend(pairs or messages[position : position + 1 + len(results)])
        position += 1 + len(results)
    return {**body, "messages": split} if changed else body


def _results_after(messages: list[JsonValue], position: int) -> list[JsonObject]:
    """Return the tool messages that directly follow the assistant turn at ``position``; none for other turns."""
    turn = messages[position]
    results: list[JsonObject] = []
    if isinstance(turn, dict) and turn.get("role") == "assistant":
        for message in messages[position + 1 :]:
            if not isinstance(message, dict) or message.get("role") != "tool":
                break
            results.append(message)
    return results


def _pairs(turn: JsonValue, results: list[JsonObject]) -> list[JsonValue]:
    """Return call, result, call, result; nothing where there is one call only, or calls and results do not match."""
    calls = objects_in(turn.get("tool_calls")) if isinstance(turn, dict) else []
    by_id = {str(result.get("tool_call_id")): result for result in results}
    ids = [str(call.get("id")) for call in calls]
    if len(calls) < 2 or len(by_id) != len(results) or len(set(ids)) != len(ids) or set(ids) != by_id.keys():
        return []
    assert isinstance(turn, dict)  # noqa: S101  # it has calls
    pairs: list[JsonValue] = []
    for number, (call_id, call) in enumerate(zip(ids, calls, strict=True)):
        first: JsonObject = turn if number == 0 else {"role": "assistant", "content": None}
        pairs.append({**first, "tool_calls": [call]})
        pairs.append(by_id[call_id])
    return pairs


QUIRK = Quirk(
    name="split-parallel-tool-results",
    kind="out",
    # A Gemini batch carries its signature on the first call only, so it has to stay together.
    families=CHAT_FAMILIES - {"claude", "gemini"},
    apis=frozenset({"chat-completions"}),
    reason="400 when a tool message follows another: tool messages must follow an assistant message with tool calls",
    source="docs/wire/quirks.md#split-parallel-tool-results: litellm (_split_parallel_tool_calls), instructor #691",
    evidence="S",
    delete_when="llama and qwen accept two tool messages in a row",
    request=_request,
)
