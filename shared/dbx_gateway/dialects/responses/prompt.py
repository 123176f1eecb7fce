"""The input items of a Responses request, made from the messages of a conversation.

Source: docs/wire/responses.md#request, #round-trip; docs/wire/comparison.md#what-an-api-cannot-carry. The package
always sends ``store: false``, so item ids are left out: an id would make the server look for an item it did not store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    ChatRequest,
    Citation,
    File,
    Image,
    JsonObject,
    Message,
    Native,
    Origin,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Video,
    opaque_for,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.events import with_late_proofs
from dbx_gateway.json_values import objects_in, text_or_empty
from dbx_gateway.media_types import media_type
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once
from dbx_gateway.parts import (
    NO_OUTPUT,
    data_url,
    plain_arguments,
    result_text,
    system_as_user,
    warn_not_replayed,
    wire_id,
)
from dbx_gateway.surfaces import Api

__all__ = ["input_items"]

_API: Final[Api] = "responses"
_ERROR: Final = "Error: "
_MARK: Final = "prompt_cache_breakpoint"
_ITEMS: Final = frozenset(
    {f"{tool}_call" for tool in ("file_search", "computer", "web_search", "tool_search", "image_generation")}
    | {
        f"{tool}_call"
        for tool in ("code_interpreter", "local_shell", "shell", "apply_patch", "mcp", "custom_tool", "function")
    }
    | {f"{tool}_call_output" for tool in ("computer", "local_shell", "shell", "apply_patch", "custom_tool", "function")}
    | {
        "tool_search_output",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "program",
        "program_output",
    }
    | {"additional_tools", "configuration_update", "compaction", "compaction_trigger", "item_reference"}
)
"""Items of an answer that may be input too, beside messages and reasoning (docs/wire/responses.md#round-trip)."""
_OUTPUT_TYPES: Final = frozenset({"output_text", "refusal"})
_CACHE_TTLS: Final = frozenset({"30m", "12h"})


@dataclass(frozen=True, slots=True)
class _Conversation:
    """What the items of a message depend on beside the message itself."""

    model: str
    custom_calls: frozenset[str]
    cache_marks: bool
    any_item: bool
    """Whether the server takes back whatever it sent: an agent's does."""


def input_items(request: ChatRequest, profile: Profile) -> list[JsonValue]:
    """Return the conversation as flat input items.

    Every message keeps its place and its role: system and developer messages become items of that role, not
    ``instructions``, which have neither role nor place. A later one is a marked turn of the user where the model takes none
    there. The ``content`` of a message of one plain text is a string.

    Raises:
        InvalidRequestError: a part cannot be carried by this api.
    """
    custom = frozenset(call.call_id for message in request.messages for call in message.tool_calls if call.custom)
    conversation = _Conversation(request.model, custom, profile.prompt_caching, any_item=not profile.client_defaults)
    items: list[JsonValue] = []
    begun = False
    for message in request.messages:
        if message.role not in ("system", "developer"):
            begun = True
        elif begun and not profile.mid_system:
            message = system_as_user(message, request.model)  # noqa: PLW2901  # it is this message that is sent
        if message.name is not None:
            warn_once("responses: name", "The responses api has no name on messages; it was left out.")
        if message.role == "assistant":
            items += _answer_items(message, conversation)
        else:
            items += _caller_items(message, conversation)
    return items


def _caller_items(message: Message, conversation: _Conversation) -> list[JsonObject]:
    """Return the items of a message that the caller wrote: system, developer, user and tool."""
    role = "user" if message.role == "tool" else message.role
    items: list[JsonObject] = []
    content: list[JsonObject] = []
    for part in message.parts:
        if isinstance(part, Native) and part.api != _API:
            continue
        item = _own_item(part, conversation)
        if item is None:
            content.append(_content(part, conversation))
            continue
        if content:
            items.append(_caller_message(role, content))
            content = []
        items.append(item)
    return [*items, _caller_message(role, content)] if content else items


def _own_item(part: Part, conversation: _Conversation) -> JsonObject | None:
    """Return ``part`` as an item beside the message's own; None for what is content of the message."""
    match part:
        case ToolResult():
            return _result_item(part, conversation)
        case Native() if not str(part.payload.get("type")).startswith("input_"):
            return part.payload
        case _:
            return None


def _without_blanks(content: list[JsonObject]) -> list[JsonObject]:
    """Return content without blank texts, where there is other content; a blank one's cache mark moves to what is before."""
    full: list[JsonObject] = []
    for part in content:
        if part.get("type") != "input_text" or str(part["text"]).strip():
            full.append(part)
        elif full and _MARK in part:
            full[-1] = {_MARK: part[_MARK], **full[-1]}
    return full or content


def _caller_message(role: str, content: list[JsonObject]) -> JsonObject:
    content = _without_blanks(content)
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        return {"type": "message", "role": role, "content": content[0]["text"]}
    return {"type": "message", "role": role, "content": list[JsonValue](content)}


def _content(part: Part, conversation: _Conversation) -> JsonObject:
    match part:
        case Text():
            content: JsonObject = {"type": "input_text", "text": part.text}
        case Image():
            content = {"type": "input_image", "detail": part.detail or "auto", **_image_source(part.blob)}
        case File():
            content = _file(part)
        case Native():
            return part.payload
        case Audio() | Video():
            kind = type(part).__name__.lower()
            raise InvalidRequestError(
                f"the responses api takes no {kind}; take the part out, or ask a model whose api takes {kind} "
                "(gemini: api='generate-content')"
            )
        case Refusal() | Reasoning() | ToolCall() | ToolResult():
            kind = type(part).__name__
            raise InvalidRequestError(
                f"the responses api takes no {kind} part here; put {kind} parts into assistant messages"
            )
    return content | _cache_mark(part.cache, conversation)


def _cache_mark(cache: CacheHint | None, conversation: _Conversation) -> JsonObject:
    if cache is None or not conversation.cache_marks:
        return {}
    mark: JsonObject = {"mode": "explicit"}
    if cache.ttl in _CACHE_TTLS:
        mark["ttl"] = cache.ttl
    return {_MARK: mark}


def _image_source(blob: Blob) -> JsonObject:
    return {"file_id": blob.file_id} if blob.file_id is not None else {"image_url": data_url(blob, "image/png")}


def _file(part: File) -> JsonObject:
    blob = part.blob
    if blob is None:
        heads = (part.title or part.filename, part.context, part.text)
        return {"type": "input_text", "text": "\n\n".join(text for text in heads if text)}
    if part.context is not None:
        warn_once("responses: file context", "The responses api has no context on files; it was left out.")
    if blob.file_id is not None:
        return {"type": "input_file", "file_id": blob.file_id}
    if blob.url is not None and not blob.url.startswith("data:"):
        return {"type": "input_file", "file_url": blob.url}
    pdf = media_type(blob) in (None, "application/pdf")
    return {
        "type": "input_file",
        "filename": part.filename or part.title or ("document.pdf" if pdf else "document"),
        "file_data": data_url(blob, "application/pdf"),
    }


def _result_item(result: ToolResult, conversation: _Conversation) -> JsonObject:
    custom = result.call_id in conversation.custom_calls
    return {
        "type": "custom_tool_call_output" if custom else "function_call_output",
        "call_id": _call_id(result.call_id),
        "output": _output(result, conversation),
    }


def _output(result: ToolResult, conversation: _Conversation) -> JsonValue:
    """Return a tool's result for the api: never empty, and with a failure marked in its text."""
    if all(isinstance(part, Text) for part in result.content):
        text = result_text(result)
        return (_ERROR if result.is_error else "") + (text if text.strip() else NO_OUTPUT)
    failed: list[JsonObject] = [{"type": "input_text", "text": _ERROR.strip()}] if result.is_error else []
    content = [
        _content(part, conversation) for part in result.content if not (isinstance(part, Native) and part.api != _API)
    ]
    return list[JsonValue](failed + _without_blanks(content))


def _answer_items(message: Message, conversation: _Conversation) -> list[JsonObject]:
    """Return the items of an assistant message, in order.

    Reasoning goes back only to the model it came from, encrypted, and only before another item: the server refuses a
    reasoning item that no item follows (docs/wire/responses.md#round-trip).
    """
    items: list[JsonObject] = []
    texts: list[Text | Refusal] = []
    for part in with_late_proofs(message.parts):
        if isinstance(part, Text | Refusal):
            if texts and not _same_item(texts[-1], part):
                items += _message_item(texts, message.origin)
                texts = []
            texts.append(part)
        else:
            items += _message_item(texts, message.origin)
            texts = []
            items += _answer_item(part, message.origin, conversation)
    items += _message_item(texts, message.origin)
    while items and items[-1].get("type") == "reasoning":
        items.pop()
    return items


def _answer_item(part: Part, origin: Origin | None, conversation: _Conversation) -> list[JsonObject]:
    match part:
        case Reasoning():
            return _reasoning_item(part, origin, conversation)
        case ToolCall():
            return [_call_item(part, origin)]
        case ToolResult():
            return [_result_item(part, conversation)]
        case Native():
            return _native_item(part, conversation)
        case _:
            kind = type(part).__name__.lower()
            warn_once(
                f"responses: {kind} of the assistant",
                f"The responses api takes no {kind} in assistant messages; it was left out. "
                "Put it into a user message if the model should see it.",
            )
            return []


def _native_item(part: Native, conversation: _Conversation) -> list[JsonObject]:
    """Return an item that has no part of its own, where requests know its type."""
    if part.api != _API:
        return []
    unknown = _unknown_type(part.payload)
    if unknown is not None and not conversation.any_item:
        warn_not_replayed(_API, unknown)
        return []
    return [part.payload]


def _unknown_type(item: JsonObject) -> str | None:
    """Return the type of an item, or of a message's content, that requests do not know; None where they know it."""
    kind = item.get("type")
    if kind != "message":
        return None if text_or_empty(kind) in _ITEMS else str(kind)
    types = [content.get("type") for content in objects_in(item.get("content"))]
    return next((str(one) for one in types if text_or_empty(one) not in _OUTPUT_TYPES), None)


def _same_item(part: Text | Refusal, following: Text | Refusal) -> bool:
    return part.id == following.id and _phase(part) == _phase(following)


def _phase(part: Text | Refusal) -> JsonValue:
    if isinstance(part, Text):
        return part.phase
    wrapper = part.opaque.get("message")
    return wrapper.get("phase") if isinstance(wrapper, dict) else None


def _message_item(parts: list[Text | Refusal], origin: Origin | None) -> list[JsonObject]:
    """Return the one message item of ``parts``; nothing for empty text."""
    nonempty = [part for part in parts if part.text or (isinstance(part, Text) and part.citations)]
    if not nonempty:
        return []
    wrapper = opaque_for(parts[0], origin, _API).get("message")
    extras = wrapper if isinstance(wrapper, dict) else {}
    contents = [_content_part(part, origin) for part in nonempty]
    item: JsonObject = {"type": "message", "role": "assistant", **extras}
    plain = len(contents) == 1 and not extras and contents[0].keys() == {"type", "text", "annotations"}
    if plain and not contents[0]["annotations"]:
        item["content"] = contents[0]["text"]
    else:
        item["content"] = list[JsonValue](contents)
    phase = _phase(nonempty[0])
    return [item | {"phase": phase}] if phase else [item]


def _content_part(part: Text | Refusal, origin: Origin | None) -> JsonObject:
    extras = {name: value for name, value in opaque_for(part, origin, _API).items() if name != "message"}
    if isinstance(part, Refusal):
        return {**extras, "type": "refusal", "refusal": part.text}
    own = origin is not None and origin.api == _API
    annotations: list[JsonValue] = [_annotation(citation) for citation in part.citations] if own else []
    return {**extras, "type": "output_text", "text": part.text, "annotations": annotations}


def _annotation(citation: Citation) -> JsonObject:
    return citation.source or {"type": citation.kind}


def _reasoning_item(part: Reasoning, origin: Origin | None, conversation: _Conversation) -> list[JsonObject]:
    if origin != Origin(_API, conversation.model) or not part.encrypted:
        return []
    summary: list[JsonValue] = [
        {"type": "summary_text", "text": segment.text} for segment in part.segments if segment.kind == "summary"
    ]
    thoughts: list[JsonValue] = [
        {"type": "reasoning_text", "text": segment.text} for segment in part.segments if segment.kind == "raw"
    ]
    item: JsonObject = {**part.opaque, "type": "reasoning", "summary": summary}
    if thoughts:
        item["content"] = thoughts
    item["encrypted_content"] = part.encrypted
    return [item]


def _call_item(call: ToolCall, origin: Origin | None) -> JsonObject:
    item: JsonObject = {
        **opaque_for(call, origin, _API),
        "type": "custom_tool_call" if call.custom else "function_call",
        "call_id": _call_id(call.call_id),
        "name": call.name,
    }
    if call.custom:
        return item | {"input": call.arguments}
    return item | {"arguments": plain_arguments(call)}


def _call_id(call_id: str) -> str:
    """Return ``call_id`` with the characters that the api allows, at its own length (docs/wire/responses.md#round-trip).

    The api's cap of 64 is not enforced here: a workspace itself hands out longer ones, and the quirk ``resp-id-64``
    shortens them.
    """
    return wire_id(call_id, max(64, len(call_id)))
