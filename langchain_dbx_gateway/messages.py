"""LangChain's messages as the core's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any, Final, get_args

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from pydantic_core import PydanticSerializationError, from_json, to_json

from dbx_gateway.adapters.part_facts import MessageFacts
from dbx_gateway.adapters.tool_call_ids import with_distinct_ids
from dbx_gateway.chat import Message, Origin, Part, Role, Text, ToolCall, ToolResult
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.surfaces import Api
from langchain_dbx_gateway.answers import PROVIDER, facts_in
from langchain_dbx_gateway.blocks import FREE_TEXT, parts_of, texts_apart
from langchain_dbx_gateway.result_blocks import result_parts_of
from langchain_dbx_gateway.silent_parts import with_silent_parts, with_silent_texts

__all__ = ["PROVIDER", "to_core"]

_ROLES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
}


def to_core(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """Return ``messages`` as the core's; none of them is changed.

    Calls without an id, or with the id of another call, get ids of their own; results follow their calls in order.

    Raises:
        InvalidRequestError: a message or block is of a kind that no model accepts.
    """
    ids_with_result = frozenset(message.tool_call_id for message in messages if isinstance(message, ToolMessage))
    return with_distinct_ids([_message(message, ids_with_result) for message in messages])


def _message(message: BaseMessage, ids_with_result: frozenset[str]) -> Message:
    match message:
        case ToolMessage():
            result = ToolResult(
                call_id=message.tool_call_id,
                name=message.name,
                content=tuple(result_parts_of(message.content)),
                is_error=message.status == "error",
            )
            return Message(role="tool", parts=(result,))
        case FunctionMessage() | ChatMessage(role="function" | "tool"):
            return _named_result(message)
        case AIMessage():
            return _assistant(message, ids_with_result)
        case SystemMessage():
            is_developer = message.additional_kwargs.get("__openai_role__") == "developer"
            return _content_message("developer" if is_developer else "system", message)
        case HumanMessage():
            return _content_message("user", message)
        case ChatMessage() if message.role in _ROLES:
            return _content_message(_ROLES[message.role], message)
        case ChatMessage():
            roles = ", ".join((*_ROLES, "tool", "function"))
            raise InvalidRequestError(f"a ChatMessage of role {message.role!r} cannot be sent; its role may be {roles}")
        case _:
            raise InvalidRequestError(
                f"a {type(message).__name__} cannot be sent; use system, human, AI and tool messages"
            )


def _named_result(message: BaseMessage) -> Message:
    """Return the result of a call in its older form, which names the tool and has no id."""
    call_id = message.additional_kwargs.get("tool_call_id") or message.name
    if not call_id:
        raise InvalidRequestError(
            f"a {type(message).__name__} names no call that it is the result of; give a ToolMessage with tool_call_id="
        )
    result = ToolResult(call_id=str(call_id), name=message.name, content=tuple(result_parts_of(message.content)))
    return Message(role="tool", parts=(result,))


def _content_message(role: Role, message: BaseMessage) -> Message:
    return Message(role=role, parts=tuple(parts_of(message.content)), name=message.name)


def _assistant(message: AIMessage, ids_with_result: frozenset[str]) -> Message:
    provider = message.response_metadata.get("model_provider")
    own = provider == PROVIDER
    # Another provider's content is read by that provider's translator.
    content: Any = message.content if own or provider is None else message.content_blocks
    facts = facts_in(message)
    if message.response_metadata.get("output_version") == "v1":
        # The blocks hold all that the facts of a string do, where somebody has made them of one.
        facts = replace(facts, texts=(), hidden=())
    parts = texts_apart(parts_of(content), facts.texts)
    hidden = facts.hidden
    if hidden:
        texts = sum(1 for _ in takewhile(lambda part: isinstance(part, Text), parts))
        parts = [*with_silent_texts(parts[:texts], hidden), *parts[texts:]]
    calls = _calls(message, facts, ids_with_result)
    if not (own or calls or message.tool_calls or message.invalid_tool_calls):
        return Message(role="assistant", parts=tuple(parts), name=message.name)
    return Message(
        role="assistant",
        parts=tuple(with_silent_parts(_merged(parts, calls), hidden)),
        name=message.name,
        origin=_origin(message) if own else None,
    )


def _merged(parts: Sequence[Part], calls: list[ToolCall]) -> list[Part]:
    """Return the parts with the calls that the message lists: each where the content has it, the others at the end."""
    left = list(calls)
    merged: list[Part] = []
    for part in parts:
        if not isinstance(part, ToolCall):
            merged.append(part)
            continue
        found = next((call for call in left if call.call_id == part.call_id), None)
        if found is not None:
            left.remove(found)
            merged.append(found)
    return [*merged, *left]


def _calls(message: AIMessage, facts: MessageFacts, ids_with_result: frozenset[str]) -> list[ToolCall]:
    """Return the calls that the message lists; of the invalid ones only those that have a result.

    A message that lists none may have one in its older form, which has no id and is named by its tool.
    """
    older = message.additional_kwargs.get("function_call")
    if isinstance(older, Mapping) and not (message.tool_calls or message.invalid_tool_calls):
        name, arguments = str(older.get("name") or ""), older.get("arguments") or ""
        text = arguments if isinstance(arguments, str) else to_json(arguments).decode()
        return [ToolCall(call_id=name, name=name, arguments=text)]
    calls = [_call(call, facts) for call in message.tool_calls]
    for broken in message.invalid_tool_calls:
        if broken["id"] in ids_with_result:
            text = facts.calls.get(broken["id"], {}).get("arguments", broken["args"] or "")
            calls.append(facts.call(ToolCall(call_id=broken["id"], name=broken["name"] or "", arguments=text)))
    return calls


def _call(call: Mapping[str, Any], facts: MessageFacts) -> ToolCall:
    text = _text_of(call, facts.calls.get(call["id"], {}))
    return facts.call(ToolCall(call_id=call["id"] or "", name=call["name"], arguments=text))


def _text_of(call: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return the arguments as the model wrote them, unless they were changed since."""
    args, original = call["args"], facts.get("arguments")
    if facts.get("custom"):
        return str(args.get(FREE_TEXT, ""))
    if isinstance(original, str) and _is_json_of(original, args):
        return original
    try:
        return to_json(args).decode()
    except PydanticSerializationError as error:
        raise InvalidRequestError(f"the arguments of tool call {call['id']!r} are no JSON: {error}") from None


def _is_json_of(text: str, args: object) -> bool:
    """Whether a text is the JSON of ``args``; where two calls share an id, it may be the other call's."""
    try:
        return bool(from_json(text) == args)
    except ValueError:
        return False


def _origin(message: AIMessage) -> Origin | None:
    metadata = message.response_metadata
    api = next((api for api in get_args(Api) if api == metadata.get("api")), None)
    return Origin(api, str(metadata.get("model_name"))) if api is not None else None
