"""Writes a conversation for the Messages api: a system prompt, and turns of blocks.

Source: docs/wire/messages.md#request, #round-trip.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final, assert_never

from pydantic import JsonValue

from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    ChatRequest,
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
from dbx_gateway.json_values import text_or_empty
from dbx_gateway.media_types import media_type
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once
from dbx_gateway.parts import INVALID_JSON, NO_OUTPUT, blob_of_url, system_as_user, warn_not_replayed, wire_id

__all__ = ["Prompt", "cache_control", "write_prompt"]

_IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
_NATIVE: Final = frozenset(
    {"server_tool_use", "mcp_tool_use", "mcp_tool_result", "compaction", "container_upload"}
    | {
        f"{tool}_tool_result"
        for tool in (
            "web_search",
            "web_fetch",
            "code_execution",
            "bash_code_execution",
            "text_editor_code_execution",
            "tool_search",
        )
    }
)
"""Blocks of server-side tools that an assistant's message may hold (docs/wire/messages.md#round-trip)."""
_UNMARKED: Final = frozenset({"thinking", "redacted_thinking"})
"""Blocks that carry no cache mark (docs/wire/messages.md#request)."""


@dataclass(slots=True)
class Prompt:
    """A conversation on the wire: ``system`` blocks, and ``messages``."""

    system: list[JsonObject] = field(default_factory=list[JsonObject])
    messages: list[JsonObject] = field(default_factory=list[JsonObject])

    def add(self, role: str, blocks: list[JsonObject]) -> None:
        """Add blocks to the last turn if it is of ``role``, else as a new turn."""
        if not blocks:
            return
        if self.role == role:
            self.blocks += blocks
        else:
            self.messages.append({"role": role, "content": [*blocks]})

    @property
    def role(self) -> JsonValue:
        """The role of the last turn; None where there is none."""
        return self.messages[-1]["role"] if self.messages else None

    @property
    def blocks(self) -> list[JsonValue]:
        """The blocks of the last turn."""
        content = self.messages[-1]["content"]
        assert isinstance(content, list)  # noqa: S101  # built by add() and nowhere else
        return content

    @blocks.setter
    def blocks(self, blocks: list[JsonValue]) -> None:
        self.messages[-1]["content"] = blocks


def write_prompt(request: ChatRequest, profile: Profile) -> Prompt:
    """Return the conversation of ``request`` on the wire.

    The first system messages move to the system prompt. A later one stays in its place: as itself where the model takes
    that, it follows a user turn and no tool result comes next, else as a marked turn of the user. Turns of one role are merged; tool results come first in their turn. Blank
    texts, and reasoning and native parts of another api or model, are left out, and so is a message of nothing else.

    Raises:
        InvalidRequestError: a part this api cannot carry, or no content to send.
    """
    prompt = Prompt()
    for position, message in enumerate(request.messages):
        _warn_of_name(message, request.model)
        if message.role not in ("system", "developer"):
            role = "assistant" if message.role == "assistant" else "user"
            parts = _replayed(message.parts) if role == "assistant" else message.parts
            prompt.add(role, _blocks(parts, message.origin, request.model))
        elif _stays(prompt, request.messages[position + 1 :], profile):
            prompt.add("system", _system_blocks(message))
        elif prompt.messages:
            prompt.add("user", _blocks(system_as_user(message, request.model).parts, None, request.model))
        else:
            prompt.system += _system_blocks(message)
    for turn in prompt.messages:
        _results_first(turn)
    if prompt.role == "assistant":
        _strip_end(prompt.blocks)
    if not prompt.messages:
        raise InvalidRequestError(
            "no user or assistant message has any content that the messages api can carry; give at least one text"
        )
    return prompt


def cache_control(cache: CacheHint) -> JsonObject:
    """Return the cache mark ``cache`` on the wire."""
    return {"type": "ephemeral"} if cache.ttl is None else {"type": "ephemeral", "ttl": cache.ttl}


def _stays(prompt: Prompt, following: tuple[Message, ...], profile: Profile) -> bool:
    """Whether a system message may stay as it is where it is (docs/wire/messages.md#request)."""
    if not profile.mid_system or prompt.role not in ("user", "system"):
        return False
    after = next((message for message in following if message.role not in ("system", "developer")), None)
    return after is None or not any(isinstance(part, ToolResult) for part in after.parts)


def _system_blocks(message: Message) -> list[JsonObject]:
    odd = next((part for part in message.parts if not isinstance(part, Text)), None)
    if odd is not None:
        raise InvalidRequestError(
            f"a {message.role} message holds {_name(odd)}; the messages api takes text there: move it to a user message"
        )
    return _blocks(message.parts, message.origin, "")


def _warn_of_name(message: Message, model: str) -> None:
    if message.name and message.role != "tool":
        warn_once(
            f"{model}: message name",
            "the messages api has no field for a message's name, so it is not sent; put it into the text if the "
            "model should know it",
        )


def _results_first(turn: JsonObject) -> None:
    """Move tool results to the start of the turn that follows the calls (docs/wire/messages.md#round-trip)."""
    content = turn["content"]
    if turn["role"] == "user" and isinstance(content, list):
        content.sort(key=lambda block: not isinstance(block, dict) or block.get("type") != "tool_result")


def _strip_end(blocks: list[JsonValue]) -> None:
    """Remove white space at the end of a final assistant text, which the api refuses (docs/wire/messages.md#round-trip)."""
    last = blocks[-1]
    if isinstance(last, dict) and last.get("type") == "text" and isinstance(text := last["text"], str):
        last["text"] = text.rstrip()


def _replayed(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return the parts of an assistant without blocks that requests do not have, and what belongs to these."""
    own = [part for part in parts if isinstance(part, Native) and part.api == "messages"]
    unknown = [part for part in own if text_or_empty(part.payload.get("type")) not in _NATIVE]
    if not unknown:
        return parts
    lost = {_server_call(part) for part in unknown} - {None}
    for part in unknown:
        warn_not_replayed("messages", str(part.payload.get("type")))
    return tuple(
        part
        for part in parts
        if not isinstance(part, Native) or (part not in unknown and _server_call(part) not in lost)
    )


def _server_call(part: Native) -> str | None:
    """Return the id of the server's own call that a block is, or is the result of."""
    call_id = part.payload.get("tool_use_id") or part.payload.get("id")
    return call_id if isinstance(call_id, str) else None


def _blocks(parts: tuple[Part, ...], origin: Origin | None, model: str) -> list[JsonObject]:
    blocks: list[JsonObject] = []
    for part in parts:
        block = _block(part, origin, model)
        if block is not None:
            blocks.append(block)
        if part.cache is not None:
            _mark(blocks, part.cache)
    return blocks


def _mark(blocks: list[JsonObject], cache: CacheHint) -> None:
    """Set the cache mark on the last block that can carry one."""
    for block in reversed(blocks):
        if block.get("type") not in _UNMARKED:
            block["cache_control"] = cache_control(cache)
            return


def _block(part: Part, origin: Origin | None, model: str) -> JsonObject | None:
    """Return ``part`` as a new block, or None where it is not sent."""
    block: JsonObject | None
    match part:
        case Text():
            block = _text(part, origin)
        case Refusal():
            block = _text(Text(part.text), None)
        case Reasoning():
            block = _reasoning(part, origin, model)
        case ToolCall():
            block = _tool_use(part, origin)
        case ToolResult():
            block = _tool_result(part, origin)
        case Image():
            block = {"type": "image", "source": _image_source(part), **opaque_for(part, origin, "messages")}
        case File():
            block = {**_document(part), **opaque_for(part, origin, "messages")}
        case Native():
            block = {**part.payload} if part.api == "messages" else None
        case Audio() | Video():
            raise InvalidRequestError(
                f"the messages api takes no {_name(part)}; send it to a model of another api, or give its transcript"
            )
        case _:
            assert_never(part)
    return block


def _text(part: Text, origin: Origin | None) -> JsonObject | None:
    if not part.text.strip():
        return None
    block: JsonObject = {"type": "text", "text": part.text}
    if part.citations and origin is not None and origin.api == "messages":
        block["citations"] = [_without_null_file(citation.source) for citation in part.citations]
    return {**block, **opaque_for(part, origin, "messages")}


def _without_null_file(source: JsonObject) -> JsonObject:
    """Return a citation without a null ``file_id``: answers have that field, and requests refuse it."""
    return {name: value for name, value in source.items() if name != "file_id" or value is not None}


def _reasoning(part: Reasoning, origin: Origin | None, model: str) -> JsonObject | None:
    """Return reasoning unchanged, for the model that produced it and no other.

    Source: docs/wire/comparison.md#opaque-values.
    """
    if origin != Origin("messages", model):
        return None
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted, **part.opaque}
    if part.signature is None:
        return None
    text = "".join(segment.text for segment in part.segments)
    return {"type": "thinking", "thinking": text, "signature": part.signature, **part.opaque}


def _tool_use(call: ToolCall, origin: Origin | None) -> JsonObject:
    return {
        "type": "tool_use",
        "id": wire_id(call.call_id),
        "name": call.name,
        "input": _input(call),
        **opaque_for(call, origin, "messages"),
    }


def _input(call: ToolCall) -> JsonObject:
    """Return the arguments as an object, as the api requires; the model can still read incomplete or malformed ones."""
    if call.custom:
        return {"input": call.arguments}
    try:
        return call.parsed()
    except ValueError:
        return {INVALID_JSON: call.arguments}


def _tool_result(result: ToolResult, origin: Origin | None) -> JsonObject:
    content: list[JsonValue] = []
    cache = result.cache
    for part in result.content:
        if not isinstance(part, Text | Refusal | Image | File | Native | Audio | Video):
            raise InvalidRequestError(
                f"the result of tool call {result.call_id!r} holds {_name(part)}; "
                "give text, images or documents as a tool's result"
            )
        cache = part.cache or cache
        block = _block(part, origin, "")
        if block is not None:
            content.append(block)
    wire: JsonObject = {
        "type": "tool_result",
        "tool_use_id": wire_id(result.call_id),
        "content": content or [{"type": "text", "text": NO_OUTPUT}],
    }
    if result.is_error:
        wire["is_error"] = True
    if cache is not None:
        wire["cache_control"] = cache_control(cache)
    return {**wire, **opaque_for(result, origin, "messages")}


def _image_source(part: Image) -> JsonObject:
    blob = part.blob if part.blob.url is None else blob_of_url(part.blob.url, part.blob.mime)
    if part.detail not in (None, "auto"):
        warn_once("messages: image detail", "the messages api has no image detail, so none is sent")
    if blob.data is None:
        return _remote(blob)
    mime = media_type(blob)
    if mime not in _IMAGE_TYPES:
        raise InvalidRequestError(
            f"an image of type {mime or 'unknown'} cannot be sent; the messages api takes {', '.join(_IMAGE_TYPES)}: "
            "convert it, or give its media type in Blob(mime=...)"
        )
    return {"type": "base64", "media_type": mime, "data": blob.data}


def _document(part: File) -> JsonObject:
    block: JsonObject = {"type": "document", "source": _document_source(part)}
    if title := part.title or part.filename:
        block["title"] = title
    if part.context:
        block["context"] = part.context
    if part.citable:
        block["citations"] = {"enabled": True}
    return block


def _document_source(part: File) -> JsonObject:
    if part.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": part.text}
    if part.blob is None:
        raise InvalidRequestError("a file part has neither bytes nor text; give blob= or text=")
    blob = part.blob if part.blob.url is None else blob_of_url(part.blob.url, part.blob.mime)
    if blob.data is None:
        return _remote(blob)
    mime = media_type(blob, part.filename)
    if mime == "application/pdf":
        return {"type": "base64", "media_type": mime, "data": blob.data}
    if mime is not None and (mime.startswith("text/") or mime == "application/json"):
        return {"type": "text", "media_type": "text/plain", "data": _decoded(blob.data, mime)}
    raise InvalidRequestError(
        f"a file of type {mime or 'unknown'} cannot be sent; the messages api takes PDF and plain text: "
        "convert it, give its text in File(text=...), or its media type in Blob(mime=...)"
    )


def _remote(blob: Blob) -> JsonObject:
    if blob.file_id is not None:
        return {"type": "file", "file_id": blob.file_id}
    return {"type": "url", "url": blob.url}


def _decoded(data: str, mime: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidRequestError(
            f"the bytes of a {mime} file are no UTF-8 text in base64 ({type(error).__name__}); give File(text=...)"
        ) from None


def _name(part: Part) -> str:
    return type(part).__name__.lower()
