"""What the vendor of the messages api refuses in a well-shaped request: turns out of order, and what a model does not take.

Sources: docs/wire/messages.md#request, #what-models-refuse, #round-trip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dbx_gateway.models.profiles import version_of
from dbx_gateway.testing.apis.media_labels import labelled_pictures, wrong_label
from dbx_gateway.testing.apis.messages.shapes import alternatives, bad_request
from dbx_gateway.testing.apis.schema_soundness import (
    is_recursive,
    is_sound_schema,
    odd_property,
    open_object,
    root_union,
)
from dbx_gateway.testing.apis.shape import Path
from dbx_gateway.testing.json_values import entries, inside, is_array, is_object
from dbx_gateway.testing.model.signatures import is_of
from dbx_gateway.testing.model.situation import Situation

__all__ = ["blocks_of", "check_conversation", "check_model", "prompt_texts"]

_MAX_CACHE_MARKS = 4
_MIN_BUDGET = 1024
_ONE_SAMPLER_SINCE = (4, 1)
"""The version since which a model takes temperature or top_p, not both (docs/wire/errors.md#refused-fields)."""
_ID = re.compile(r"[a-zA-Z0-9_-]+\Z")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_ONLY_IN: dict[str, str] = {
    "tool_use": "assistant",
    "thinking": "assistant",
    "redacted_thinking": "assistant",
    "tool_result": "user",
}
"""Blocks that only one role may send."""


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the content of a message as blocks, a plain string as one text block."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def prompt_texts(body: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield every text of the prompt that must not be blank, and where it stands."""
    system = body.get("system")
    if is_array(system):
        yield from ((("system", at), block["text"]) for at, block in enumerate(system))
    for at, message in enumerate(body["messages"]):
        for inner, block in enumerate(blocks_of(message)):
            here: Path = ("messages", at, "content", inner)
            if block["type"] == "text":
                yield here, block["text"]
            elif block["type"] == "tool_result" and is_array(block.get("content")):
                for deep, part in enumerate(block["content"]):
                    if part["type"] == "text":
                        yield (*here, "content", deep), part["text"]


def check_conversation(body: dict[str, Any], situation: Situation) -> None:
    """Refuse a conversation whose turns, calls, results, texts or marks are not in the vendor's order.

    Raises:
        Refused: with the vendor's message (docs/wire/messages.md#round-trip).
    """
    messages = body["messages"]
    if not messages:
        raise bad_request("messages: at least one message is required")
    for _, text in () if situation.enforces("empty-parts") else prompt_texts(body):
        if not text:
            raise bad_request("messages: text content blocks must be non-empty")
        if not text.strip():
            raise bad_request("messages: text content blocks must contain non-whitespace text")
    _check_emptiness(messages)
    _check_owners(messages)
    _check_pictures(messages)
    _check_thinking_text(messages)
    _check_system_turns(messages, situation)
    _check_end(messages[-1], situation)
    _check_calls(messages)
    _check_cache_marks(body)


def _check_emptiness(messages: list[dict[str, Any]]) -> None:
    last = len(messages) - 1
    for at, message in enumerate(messages):
        if not message["content"] and not (at == last and message["role"] == "assistant"):
            raise bad_request(
                f"messages.{at}: all messages must have non-empty content except for the optional final assistant message"
            )
        for inner, block in enumerate(blocks_of(message)):
            if block["type"] == "tool_result" and block.get("content") == []:
                raise bad_request(f"messages.{at}.content.{inner}.tool_result.content: must not be an empty list")


def _check_owners(messages: list[dict[str, Any]]) -> None:
    for at, message in enumerate(messages):
        for block in blocks_of(message):
            owner = _ONLY_IN.get(block["type"], message["role"])
            if owner != message["role"]:
                raise bad_request(f"messages.{at}: `{block['type']}` blocks can only be in `{owner}` messages")


def _check_pictures(messages: list[dict[str, Any]]) -> None:
    """Refuse a picture that is not of the type that it is said to be (docs/wire/comparison.md#media-types)."""
    for path, label, data in labelled_pictures(messages, ("messages",)):
        if shown := wrong_label(label, data):
            raise bad_request(
                f"{'.'.join(map(str, path))}: The image was specified using the {label} media type, but the image appears to "
                f"be a {shown} image"
            )


def _check_thinking_text(messages: list[dict[str, Any]]) -> None:
    """A thinking block returns unmodified, or without its text where it came so (docs/wire/messages.md#round-trip)."""
    for at, message in enumerate(messages):
        for inner, block in enumerate(blocks_of(message)):
            if block["type"] != "thinking":
                continue
            if not block["signature"] or (block["thinking"] and not is_of(block["signature"], block["thinking"])):
                raise bad_request(
                    f"messages.{at}.content.{inner}: `thinking` or `redacted_thinking` blocks in the latest assistant message "
                    "cannot be modified. These blocks must remain as they were in the original response."
                )


def _check_system_turns(messages: list[dict[str, Any]], situation: Situation) -> None:
    for at, message in enumerate(messages):
        if message["role"] != "system":
            continue
        if not situation.profile.mid_system:
            raise bad_request(
                f"messages.{at}.role: Input should be 'user' or 'assistant'; this model takes its system prompt in the "
                "top-level `system` parameter"
            )
        if at == 0 or messages[at - 1]["role"] != "user":
            raise bad_request(f"messages.{at}: a system message must follow a user message")


def _check_end(last: dict[str, Any], situation: Situation) -> None:
    if last["role"] != "assistant":
        return
    if not situation.profile.prefill:
        raise bad_request(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    blocks = blocks_of(last)
    if blocks and blocks[-1]["type"] == "text" and blocks[-1]["text"] != blocks[-1]["text"].rstrip():
        raise bad_request("messages: final assistant content cannot end with trailing whitespace")


def _merged(messages: list[dict[str, Any]]) -> list[tuple[int, str, list[dict[str, Any]]]]:
    """Return the turns as the server sees them: neighbours of one role combined, system messages left out."""
    turns: list[tuple[int, str, list[dict[str, Any]]]] = []
    for at, message in enumerate(messages):
        if message["role"] == "system":
            continue
        if turns and turns[-1][1] == message["role"]:
            turns[-1][2].extend(blocks_of(message))
        else:
            turns.append((at, message["role"], list(blocks_of(message))))
    return turns


def _check_calls(messages: list[dict[str, Any]]) -> None:
    pending: list[str] = []
    before = 0
    for at, role, blocks in _merged(messages):
        if role == "user":
            _check_results(at, blocks, pending, before)
            pending = []
            continue
        pending = [block["id"] for block in blocks if block["type"] == "tool_use"]
        before = at
        for block in blocks:
            if block["type"] == "tool_use":
                _check_call(at, block)
    if pending:
        raise bad_request(_unanswered(before, pending))


def _check_call(at: int, block: dict[str, Any]) -> None:
    if not _ID.match(block["id"]):
        raise bad_request(f"messages.{at}.content.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not _TOOL_NAME.match(block["name"]):
        raise bad_request(
            f"messages.{at}.content.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        )


def _check_results(at: int, blocks: list[dict[str, Any]], pending: list[str], before: int) -> None:
    results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    for found in results:
        if found not in pending:
            raise bad_request(
                f"messages.{at}.content: unexpected `tool_use_id` found in `tool_result` blocks: {found}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
    if len(set(results)) != len(results):
        raise bad_request(f"messages.{at}.content: each tool_use must have a single result. Found multiple.")
    missing = [call_id for call_id in pending if call_id not in results]
    leading = [block["type"] for block in blocks[: len(results)]]
    if missing or leading != ["tool_result"] * len(results):
        raise bad_request(_unanswered(before, missing or results))


def _unanswered(at: int, ids: list[str]) -> str:
    return (
        f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(ids)}. "
        "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _check_cache_marks(body: dict[str, Any]) -> None:
    found = sum(1 for _ in _marks({key: body.get(key) for key in ("system", "messages", "tools", "cache_control")}))
    if found > _MAX_CACHE_MARKS:
        raise bad_request(f"A maximum of {_MAX_CACHE_MARKS} blocks with cache_control may be provided. Found {found}.")


def _marks(value: Any) -> Iterator[None]:
    if is_array(value):
        for entry in value:
            yield from _marks(entry)
    elif is_object(value):
        if value.get("cache_control"):
            yield None
        for key in ("system", "messages", "tools", "content"):
            yield from _marks(value.get(key))


def check_model(body: dict[str, Any], situation: Situation) -> None:
    """Refuse what the model does not take, by its profile: sampling, thinking modes, efforts, forced calls.

    Raises:
        Refused: with the vendor's message (docs/wire/messages.md#what-models-refuse;
        docs/wire/models.md#claudes-thinking).
    """
    _check_lengths(body, situation)
    _check_sampling(body, situation)
    _check_thinking(body, situation)
    _check_tools(body, situation)
    if not is_sound_schema(inside(body, "output_config", "format", "schema")):
        raise bad_request("output_config.format.schema: Invalid schema: it must match JSON Schema draft 2020-12")
    _check_answer_form(inside(body, "output_config", "format", "schema"))
    effort = inside(body, "output_config").get("effort")
    efforts = situation.profile.efforts
    if effort is not None and efforts and effort not in efforts:
        raise bad_request(f"output_config.effort: Input should be {alternatives(efforts)}")


def _check_answer_form(schema: Any) -> None:
    """Refuse a schema for the answer that is open or recursive (docs/wire/schemas.md#strict-schemas)."""
    if open_object(schema):
        raise bad_request(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )
    if is_recursive(schema):
        raise bad_request("output_config.format.schema: Circular reference detected in schema definitions")


def _check_lengths(body: dict[str, Any], situation: Situation) -> None:
    most = situation.profile.max_output
    if most is not None and body["max_tokens"] > most:
        raise bad_request(
            f"max_tokens: {body['max_tokens']} > {most}, which is the maximum allowed number of output tokens for "
            f"{situation.model}"
        )
    if body["max_tokens"] < 0:
        raise bad_request("max_tokens: Input should be greater than or equal to 0")
    for at, stop in enumerate(entries(body, "stop_sequences")):
        if not stop.strip():
            raise bad_request(f"stop_sequences.{at}: each stop sequence must contain non-whitespace")


def _check_sampling(body: dict[str, Any], situation: Situation) -> None:
    for name in ("temperature", "top_p", "top_k"):
        if name in body and not situation.profile.sampling:
            raise bad_request(f"`{name}` is not supported on this model.")
    temperature = body.get("temperature")
    if temperature is None:
        return
    if "top_p" in body and version_of(situation.profile.model) >= _ONE_SAMPLER_SINCE:
        raise bad_request("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    if not 0 <= temperature <= 1:
        raise bad_request("temperature: range: 0..1")
    if _thinks(body) and temperature != 1:
        raise bad_request("`temperature` may only be set to 1 when thinking is enabled.")


def _thinks(body: dict[str, Any]) -> bool:
    return inside(body, "thinking").get("type") in ("enabled", "adaptive")


def _check_thinking(body: dict[str, Any], situation: Situation) -> None:
    thinking = inside(body, "thinking")
    kind, modes = thinking.get("type"), situation.profile.thinking
    if kind == "enabled":
        if modes in ("adaptive", "always"):
            raise bad_request(
                '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
                '"output_config.effort" to control thinking behavior.'
            )
        if thinking["budget_tokens"] < _MIN_BUDGET:
            raise bad_request(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_MIN_BUDGET}")
        if thinking["budget_tokens"] >= body["max_tokens"]:
            raise bad_request("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if kind == "adaptive" and modes in ("budget", "none"):
        raise bad_request("adaptive thinking is not supported on this model")
    if kind == "enabled" and modes == "none":
        raise bad_request("thinking is not supported on this model")
    if kind == "disabled" and modes == "always":
        raise bad_request('"thinking.type.disabled" is not supported for this model.')
    if kind == "enabled":
        _check_thinking_first(body["messages"])


def _check_thinking_first(messages: list[dict[str, Any]]) -> None:
    """Refuse a thinking budget where the turn with the latest call does not start with its thinking.

    Source: docs/wire/messages.md#round-trip.
    """
    for at, role, blocks in reversed(_merged(messages)):
        if role == "assistant" and any(block["type"] == "tool_use" for block in blocks):
            first = blocks[0]["type"]
            if first not in ("thinking", "redacted_thinking"):
                raise bad_request(
                    f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. "
                    "When `thinking` is enabled, a final `assistant` message must start with a thinking block "
                    "(preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
                )
            return
        if role == "user" and not any(block["type"] == "tool_result" for block in blocks):
            return


def _check_tools(body: dict[str, Any], situation: Situation) -> None:
    tools = entries(body, "tools")
    choice = inside(body, "tool_choice")
    names = [tool.get("name") for tool in tools]
    for at, name in enumerate(names):
        if isinstance(name, str) and not _TOOL_NAME.match(name):
            raise bad_request(f"tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if len(set(names)) != len(names):
        raise bad_request("tools: Tool names must be unique.")
    for at, tool in enumerate(tools):
        schema = tool.get("input_schema")
        if is_object(schema):
            _check_root(at, schema)
    if choice and not tools:
        raise bad_request("tool_choice: `tool_choice` may only be specified while providing `tools`.")
    if choice.get("type") in ("any", "tool"):
        _check_forced(body, choice, names, situation)


def _check_root(at: int, schema: dict[str, Any]) -> None:
    if not is_sound_schema(schema):
        raise bad_request(
            f"tools.{at}.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12"
        )
    if schema.get("type") != "object":
        raise bad_request(f"tools.{at}.custom.input_schema.type: Field required")
    if root_union(schema) is not None:
        raise bad_request(
            f"tools.{at}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
        )
    if odd_property(schema, _PROPERTY) is not None:
        raise bad_request(
            f"tools.{at}.custom.input_schema.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$'"
        )


def _check_forced(body: dict[str, Any], choice: dict[str, Any], names: list[Any], situation: Situation) -> None:
    if inside(body, "thinking").get("type") == "enabled":
        raise bad_request("Thinking may not be enabled when tool_choice forces tool use.")
    if not situation.profile.forced_tool_choice:
        raise bad_request(f'tool_choice: "{choice["type"]}" is not supported for this model.')
    if choice["type"] == "tool" and choice["name"] not in names:
        raise bad_request(f"Tool '{choice['name']}' not found in provided tools")
