"""LlamaIndex's messages as the core's, from histories of any integration."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from io import IOBase
from pathlib import Path
from typing import Any, Final

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from dbx_gateway.adapters.part_facts import MessageFacts, hidden_part, reasoning_of, with_facts
from dbx_gateway.adapters.tool_call_ids import with_distinct_ids
from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    File,
    Image,
    Message,
    Part,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.notices import warn_once
from llama_index_dbx_gateway.answers import FREE_TEXT

__all__ = ["ListedCall", "listed_calls", "to_core"]

_ROLES: Final[Mapping[MessageRole, Role]] = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "developer",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}


def to_core(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Return ``messages`` as the core's; none of them is changed.

    Tool results get the name of their tool from their call. A call that must not be executed and has no result (its
    answer was cut) is left out: no model accepts a call without its result.

    Raises:
        InvalidRequestError: a message or block is of a kind that cannot be sent.
    """
    ids_with_result = {
        str(message.additional_kwargs.get("tool_call_id")) for message in messages if _is_result(message)
    }
    names: dict[str, str] = {}
    converted: list[Message] = []
    for message in messages:
        if _is_result(message):
            converted.append(_result(message, names))
            continue
        own = _message(message, ids_with_result)
        names |= {call.call_id: call.name for call in own.tool_calls}
        converted.append(own)
    return with_distinct_ids(converted)


def _is_result(message: ChatMessage) -> bool:
    return _ROLES[message.role] == "tool"


def _result(message: ChatMessage, names: Mapping[str, str]) -> Message:
    keywords = message.additional_kwargs
    call_id = keywords.get("tool_call_id") or keywords.get("name")
    if not call_id:
        raise InvalidRequestError(
            "a tool message names no call that it is the result of; give additional_kwargs={'tool_call_id': ...}"
        )
    parts = _parts(message, MessageFacts())
    result = ToolResult(
        call_id=str(call_id),
        name=names.get(str(call_id)) or keywords.get("name"),
        content=parts,
        is_error=bool(keywords.get("is_error")),
    )
    return Message(role="tool", parts=(result,))


def _message(message: ChatMessage, ids_with_result: set[str]) -> Message:
    role = _ROLES[message.role]
    name = message.additional_kwargs.get("name")
    author = name if isinstance(name, str) else None
    if role != "assistant":
        return Message(role=role, parts=_parts(message, MessageFacts()), name=author)
    facts = MessageFacts.beside(message.additional_kwargs)
    parts = _parts(message, facts)
    if not any(isinstance(part, ToolCall) for part in parts):
        calls = (_listed_as_part(call, facts) for call in listed_calls(message))
        parts = (*parts, *calls)
    unanswered = set(facts.withheld) - ids_with_result
    sent = tuple(part for part in parts if not (isinstance(part, ToolCall) and part.call_id in unanswered))
    return Message(role="assistant", parts=sent, name=author, origin=facts.origin)


def _parts(message: ChatMessage, facts: MessageFacts) -> tuple[Part, ...]:
    """Return the parts of the blocks of ``message``, with the parts that have no block in their places."""
    arguments = {call.call_id: call.arguments for call in listed_calls(message)}
    hidden: dict[int, list[Part]] = {}
    for part_facts in facts.hidden:
        if (part := hidden_part(part_facts)) is not None:
            hidden.setdefault(min(part_facts["at"], len(message.blocks)), []).append(part)
    media = {part_facts["at"]: part_facts for part_facts in facts.media}
    parts: list[Part] = []
    occurrences: Counter[str] = Counter()
    for position, block in enumerate(message.blocks):
        parts += hidden.get(position, ())
        match block:
            case TextBlock():
                parts += facts.pieces(block.text, occurrences[block.text])
                occurrences[block.text] += 1
            case ToolCallBlock():
                parts.append(_call(block, arguments, facts))
            case CachePoint():
                _mark(parts, block)
            case CitationBlock() if _ROLES[message.role] == "assistant":
                pass  # the text it belongs to carries its citations
            case _:
                parts += [with_facts(part, media.get(position, {})) for part in _block(block)]
    parts += hidden.get(len(message.blocks), ())
    return tuple(parts)


def _block(block: Any) -> Iterator[Part]:
    match block:
        case TextBlock():
            if block.text:
                yield Text(block.text)
        case ThinkingBlock():
            yield reasoning_of(block.content, block.additional_information)
        case ImageBlock():
            yield Image(blob=_blob(block, block.image, block.image_mimetype), detail=block.detail)
        case AudioBlock():
            yield Audio(blob=_blob(block, block.audio, f"audio/{block.format}" if block.format else None))
        case VideoBlock():
            yield Video(blob=_blob(block, block.video, block.video_mimetype), fps=block.fps)
        case DocumentBlock():
            yield _document(block)
        case CitableBlock():
            yield from _citable(block)
        case CitationBlock():
            yield from _block(block.cited_content)
        case _:
            raise InvalidRequestError(
                f"a {type(block).__name__} cannot be sent; leave it out of the message, or put its content into a TextBlock"
            )


def _document(block: DocumentBlock) -> File:
    title = None if block.title == "input_document" else block.title
    mime = block.document_mimetype or mimetypes.guess_type(str(block.path or block.url or block.title))[0]
    return File(blob=_blob(block, block.data, mime or ("text/plain" if _is_text(block.data) else None)), title=title)


def _is_text(data: bytes | IOBase | None) -> bool:
    """Whether the bytes of a document of no known type are plain text."""
    if not isinstance(data, bytes):
        return False
    try:
        base64.b64decode(data).decode()
    except ValueError:
        return False
    return True


def _citable(block: CitableBlock) -> Iterator[Part]:
    texts = [inner.text for inner in block.content if isinstance(inner, TextBlock)]
    if texts:
        yield File(text="\n".join(texts), title=block.title, context=block.source, citable=True)
    for inner in block.content:
        match inner:
            case DocumentBlock():
                yield replace(_document(inner), title=block.title, context=block.source, citable=True)
            case ImageBlock():
                yield from _block(inner)
            case _:
                pass  # its text is in the file above


def _blob(
    block: ImageBlock | AudioBlock | VideoBlock | DocumentBlock, held: bytes | IOBase | None, mime: str | None
) -> Blob:
    """Return the bytes or the place of a block; nothing is fetched from the network. Blocks hold bytes in base64."""
    if isinstance(held, bytes) and held:
        return Blob(data=held.decode("ascii"), mime=mime)
    if isinstance(held, IOBase):
        return Blob(data=base64.b64encode(_read(held)).decode("ascii"), mime=mime)
    if block.path is not None:
        return Blob(data=base64.b64encode(Path(block.path).read_bytes()).decode("ascii"), mime=mime)
    return Blob(url=str(block.url) if block.url else None, mime=mime)


def _read(held: Any) -> bytes:
    """Read all of a file-like object and restore its position."""
    before = held.tell()
    held.seek(0)
    data: bytes = held.read()
    held.seek(before)
    return data


def _mark(parts: list[Part], point: CachePoint) -> None:
    if not parts:
        warn_once(
            "llama-index: cache point",
            "a CachePoint at the start of a message marks nothing and was left out; put it after the block to cache up to",
        )
        return
    parts[-1] = replace(parts[-1], cache=CacheHint(point.cache_control.ttl))


def _call(block: ToolCallBlock, arguments: Mapping[str, str], facts: MessageFacts) -> ToolCall:
    call_id = block.tool_call_id or block.tool_name
    listed = arguments.get(call_id)
    if isinstance(block.tool_kwargs, str):
        text = block.tool_kwargs
    elif facts.calls.get(call_id, {}).get("custom"):
        text = str(block.tool_kwargs.get(FREE_TEXT, ""))
    elif listed is not None and _is_json_of(listed, block.tool_kwargs):
        text = listed
    else:
        text = _json(block.tool_kwargs)
    return facts.call(ToolCall(call_id=call_id, name=block.tool_name, arguments=text))


def _is_json_of(text: str, arguments: Mapping[str, Any]) -> bool:
    """Whether ``text`` is the JSON of ``arguments``, so that the caller has not changed them."""
    try:
        return bool((json.loads(text) if text.strip() else {}) == arguments)
    except ValueError:
        return False


def _json(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"), default=str)


class ListedCall:
    """A tool call of ``additional_kwargs["tool_calls"]``, in any integration's form.

    Args:
        call: a plain object, a vendor's object, or a ``ToolSelection``.
    """

    __slots__ = ("arguments", "call_id", "name")

    def __init__(self, call: Any) -> None:
        function = _of(call, "function")
        inner = call if function is None else function
        self.name = str(_of(inner, "name") or _of(call, "tool_name") or "")
        self.call_id = str(_of(call, "id") or _of(call, "tool_id") or self.name)
        found = next((f for n in ("arguments", "tool_kwargs", "input") if (f := _of(inner, n)) is not None), "")
        self.arguments = found if isinstance(found, str) else _json(found)


def listed_calls(message: ChatMessage) -> list[ListedCall]:
    """Return the calls in ``message.additional_kwargs["tool_calls"]``, else the one in its older ``"function_call"``."""
    listed = message.additional_kwargs.get("tool_calls")
    if isinstance(listed, list | tuple) and listed:
        return [ListedCall(call) for call in listed]
    older = message.additional_kwargs.get("function_call")
    return [ListedCall(older)] if _of(older, "name") else []


def _listed_as_part(call: ListedCall, facts: MessageFacts) -> ToolCall:
    return facts.call(ToolCall(call_id=call.call_id, name=call.name, arguments=call.arguments))


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
