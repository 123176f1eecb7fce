"""The core's parts as LangChain's standard content blocks, and blocks of any origin as parts.

What a standard block has no key for is in its ``extras``, so that every part of an answer can be restored exactly.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage
from pydantic_core import PydanticSerializationError, to_json

from dbx_gateway.adapters.part_facts import cut, facts_of, fields_of, filled, native_facts, native_of
from dbx_gateway.adapters.vendor_forms import cache_hint_of, is_citable, part_of
from dbx_gateway.chat import (
    Audio,
    Blob,
    Citation,
    File,
    Image,
    Native,
    Part,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    Video,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.notices import warn_once
from dbx_gateway.parts import blob_of_url
from dbx_gateway.surfaces import Api

__all__ = [
    "FREE_CLOSES",
    "FREE_OPENS",
    "FREE_TEXT",
    "Block",
    "behind_text",
    "beside_text",
    "blocks_of",
    "free_text",
    "joins_run",
    "listed",
    "parts_of",
    "text_block",
    "texts_apart",
]

Block: TypeAlias = dict[str, Any]

FREE_TEXT: Final = "__arg1"
"""The argument under which LangChain's single-input tools take a text."""

FREE_OPENS: Final = f'{{"{FREE_TEXT}":"'
FREE_CLOSES: Final = '"}'
"""What surrounds the text of a free-text tool's call, as the JSON of that one argument."""

_TAIL: Final = "tail"
"""Key in a text's ``extras``: how many characters at its end the other fields are about, where that is not all of it."""

_BEHIND: Final = "behind"
"""Key in a text's ``extras``: the fields of a text without a character that follows it, for example its signature."""

_TRANSLATED_BY: Final[Mapping[Api, str]] = {"messages": "anthropic", "responses": "openai"}
"""Whose translator of langchain-core knows an api's own objects."""

_SERVER_SIDE: Final = ("server_tool_call", "server_tool_result")
_NAMING: Final = ("filename", "title", "context", "detail")
"""Fields of files and images that are also in the block itself."""

_MEDIA: Final[Mapping[str, type[Image | Audio | Video | File]]] = {
    "image": Image,
    "audio": Audio,
    "video": Video,
    "file": File,
}


# Parts to blocks


def listed(parts: Iterable[Part]) -> list[Block]:
    """Return the parts of an answer as standard content blocks, in order.

    Texts that follow each other are one block, up to the first that has more than its text, and a text without a
    character behind that.
    """
    blocks: list[Block] = []
    run: list[Text] = []
    for part in parts:
        if isinstance(part, Text):
            if not joins_run(part, run):
                blocks += _text_blocks(run)
                run = []
            run.append(part)
            continue
        blocks += _text_blocks(run) + ([] if part == Reasoning() else blocks_of(part))
        run = []
    return blocks + _text_blocks(run)


def _text_blocks(run: Sequence[Text]) -> list[Block]:
    return [text_block(run)] if any(text.text or beside_text(text) for text in run) else []


def joins_run(text: Text, run: Sequence[Text]) -> bool:
    """Whether a text belongs to the block of the texts before it; ``run`` holds them, and is empty where there is none."""
    if not run or not beside_text(run[-1]):
        return True
    return not text.text and bool(run[-1].text)


def text_block(run: Sequence[Text]) -> Block:
    """Return texts that belong to one block as that block; see :func:`joins_run`."""
    *before, last = run
    behind: Block = {}
    if before and not last.text and beside_text(before[-1]):
        behind = behind_text(last)["extras"]
        *before, last = before
    facts = beside_text(last)
    extras = {_TAIL: len(last.text)} if facts and any(text.text for text in before) else {}
    facts |= filled(extras=facts.get("extras", {}) | extras | behind)
    return {"type": "text", "text": "".join(text.text for text in (*before, last))} | facts


def behind_text(text: Text) -> Block:
    """Return what a text without a character, which follows one that has more than its text, adds to that one's block."""
    return {"type": "text", "text": "", "extras": filled(**{_BEHIND: beside_text(text)})}


def blocks_of(part: Part) -> list[Block]:
    """Return ``part`` of an answer as standard content blocks: one, but for reasoning in several runs."""
    match part:
        case Text():
            return [{"type": "text", "text": part.text} | beside_text(part)]
        case Refusal():
            return [{"type": "refusal", "refusal": part.text} | beside_text(part)]
        case Reasoning():
            return _reasoning_blocks(part)
        case ToolCall():
            return [_call_block(part)]
        case Native():
            return [_native_block(part)]
        case Image() | Audio() | Video() | File():
            return [_media_block(part)]
        case _:
            return []


def beside_text(part: Text | Refusal | Reasoning) -> Block:
    """Return the fields of a block beside the text of ``part``."""
    facts = facts_of(part)
    notes = [_annotation(citation) for citation in part.citations] if isinstance(part, Text) else []
    part_id, _ = facts.pop("id", None), facts.pop("citations", None)
    return filled(annotations=notes, id=part_id, extras=facts)


def _reasoning_blocks(part: Reasoning) -> list[Block]:
    """Return one block for each run; what is about all of them is on the first."""
    facts = beside_text(part)
    first, *others = part.segments or (Segment("raw", ""),)
    head = {"type": "reasoning", "reasoning": first.text} | facts
    if part.segments:
        head["extras"] = {"kind": first.kind} | facts.get("extras", {})
    return [head, *(_continuation(segment) for segment in others)]


def _continuation(segment: Segment) -> Block:
    return {"type": "reasoning", "reasoning": segment.text, "extras": {"kind": segment.kind, "continues": True}}


def free_text(text: str) -> str:
    """Return a piece of a free-text tool's text as it stands inside a JSON string."""
    return to_json(text).decode()[1:-1]


def _call_block(call: ToolCall) -> Block:
    if call.custom:
        return {"type": "tool_call", "id": call.call_id, "name": call.name, "args": {FREE_TEXT: call.arguments}}
    try:
        return {"type": "tool_call", "id": call.call_id, "name": call.name, "args": call.parsed()}
    except ValueError as error:
        fields = {"id": call.call_id, "name": call.name, "args": call.arguments, "error": str(error)}
        return {"type": "invalid_tool_call"} | fields


def _native_block(part: Native) -> Block:
    """Return a server-side tool's call or result as its standard block, anything else as it was received."""
    own = native_facts(part)
    provider = _TRANSLATED_BY.get(part.api)
    if provider is not None:
        translated = _translated(part.payload, provider)
        if len(translated) == 1 and translated[0]["type"] in _SERVER_SIDE:
            return {**translated[0], "extras": {"native": own}}
    return {"type": "non_standard", "value": {"native": own}}


def _translated(payload: Block, provider: str) -> list[Any]:
    """Return an api's own object as langchain-core translates it; nothing where it is not of the vendor's shape."""
    try:
        return AIMessage(content=[payload], response_metadata={"model_provider": provider}).content_blocks
    except (AttributeError, KeyError, TypeError, ValueError):  # the translators trust the server
        return []


def _media_block(part: Image | Audio | Video | File) -> Block:
    blob = part.blob or Blob()
    where = filled(base64=blob.data, url=blob.url, file_id=blob.file_id, mime_type=blob.mime)
    facts = facts_of(part)
    part_id = facts.pop("id", None)
    return {"type": type(part).__name__.lower(), **where} | filled(id=part_id, extras=facts)


def _annotation(citation: Citation) -> Block:
    fields = filled(url=citation.url, title=citation.title, cited_text=citation.cited_text)
    if citation.start is not None:
        fields["start_index"] = citation.start
    if citation.end is not None:
        fields["end_index"] = citation.end
    return {"type": "citation", **fields, "extras": {"kind": citation.kind, "source": citation.source}}


# Blocks to parts


def parts_of(content: str | Iterable[str | Mapping[str, Any]]) -> list[Part]:
    """Return a message's content as parts.

    Takes the standard blocks, those of LangChain before 1.0, and those of the OpenAI, Anthropic and Gemini apis. Calls of
    tools are among them; the caller decides which of them still belong to the message.

    Raises:
        InvalidRequestError: a block is of no known form; the message names its type.
    """
    parts: list[Part] = []
    for block in [content] if isinstance(content, str) else content:
        if isinstance(block, str):
            parts += [Text(block)] if block else []
        else:
            _add(parts, block)
    return parts


def _add(parts: list[Part], block: Mapping[str, Any]) -> None:
    part = _part(block)
    last = parts[-1] if parts else None
    tail, behind = _extras(block).get(_TAIL), _extras(block).get(_BEHIND)
    if isinstance(part, Text) and isinstance(behind, Mapping):
        whole = {name: value for name, value in block["extras"].items() if name != _BEHIND}
        _add(parts, {**block, "extras": whole})
        parts.append(_text({"text": "", **behind}))
        return
    match part:
        case Text() if isinstance(tail, int):
            head = len(part.text) - tail
            parts += [Text(part.text[:head]), replace(part, text=part.text[head:])]
        case None:
            return
        case Reasoning() if isinstance(last, Reasoning) and _extras(block).get("continues"):
            parts[-1] = replace(last, segments=last.segments + part.segments)
        case _:
            parts.append(part)


def _part(block: Mapping[str, Any]) -> Part | None:
    """Return one block as a part; None if there is nothing in it to send."""
    kind = block.get("type")
    if native := _native(block):
        return native
    match kind:
        case "text":
            return _text(block)
        case "reasoning" if part_of(block) is None:
            return _reasoning(block)
        case "refusal":
            return Refusal(str(block.get("refusal") or ""), **_fields(Refusal, block))
        case "image" | "audio" | "video" | "file" if (blob := _blob(block)) is not None:
            return _media(str(kind), block, blob)
        case "text-plain":
            return _plain_text(block)
        case "tool_call" | "tool_call_chunk" | "invalid_tool_call":
            return _call(block)
        case "non_standard":
            return _non_standard(block.get("value"))
        case "server_tool_call" | "server_tool_call_chunk" | "server_tool_result":
            _warn_left_out(str(kind))
            return None
        case _:
            return _foreign(block)


def _foreign(block: Mapping[str, Any]) -> Part:
    part = part_of(block)
    if part is None:
        raise InvalidRequestError(
            f"a content block of type {block.get('type')!r} cannot be sent; give text, images, files, audio or the other "
            "standard blocks of langchain_core.messages.content"
        )
    return part


def _non_standard(value: Any) -> Part | None:
    part = part_of(value) if isinstance(value, Mapping) else None
    if part is None:
        _warn_left_out(f"non_standard: {value.get('type') if isinstance(value, Mapping) else type(value).__name__}")
    return part


def _warn_left_out(kind: str) -> None:
    warn_once(
        f"content block: {kind}",
        f"a content block of another provider ({kind}) is left out of the conversation; only that provider can read it",
    )


def _native(block: Mapping[str, Any]) -> Native | None:
    value = block.get("value")
    return native_of((value if isinstance(value, Mapping) else _extras(block)).get("native"))


def _fields(kind: type, block: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a part of ``kind`` that a block holds beside its content."""
    beside = {"id": block.get("id")}
    if cache := cache_hint_of(block):
        beside["cache"] = cache
    return fields_of(kind, _extras(block)) | beside


def _extras(block: Mapping[str, Any]) -> Mapping[str, Any]:
    extras = block.get("extras")
    return extras if isinstance(extras, Mapping) else {}


def _text(block: Mapping[str, Any]) -> Text:
    plain = part_of(block)
    if "annotations" not in block and isinstance(plain, Text):
        citations = plain.citations
    else:
        citations = tuple(_citation(note) for note in _notes(block.get("annotations") or ()))
    return Text(str(block.get("text") or ""), **_fields(Text, block) | {"citations": citations})


def _notes(annotations: Any) -> Iterable[Any]:
    if not isinstance(annotations, list | tuple):
        raise InvalidRequestError(f"the annotations of a text are a {type(annotations).__name__}; give a list of them")
    return annotations


def _citation(note: Any) -> Citation:
    if not isinstance(note, Mapping):
        raise InvalidRequestError(
            f"the annotations of a text hold a {type(note).__name__}; each is an object with a type"
        )
    extras = _extras(note)
    return Citation(
        kind=extras.get("kind") or note.get("type") or "citation",
        cited_text=note.get("cited_text"),
        url=note.get("url"),
        title=note.get("title"),
        start=note.get("start_index"),
        end=note.get("end_index"),
        source=extras.get("source") or {},
    )


def _reasoning(block: Mapping[str, Any]) -> Reasoning:
    extras = _extras(block)
    text = block.get("reasoning") or ""
    kind = "summary" if extras.get("kind") == "summary" else "raw"
    segments = (Segment(kind, text),) if text or "kind" in extras else ()  # type: ignore[arg-type]  # both are kinds
    return Reasoning(segments=segments, **{"encrypted": block.get("encrypted_content"), **_fields(Reasoning, block)})


def _media(kind: str, block: Mapping[str, Any], blob: Blob) -> Part:
    made = _MEDIA[kind]
    fields = _fields(made, block) | fields_of(made, {name: block.get(name) or None for name in _NAMING})
    if "source_type" in block:
        fields["id"] = None  # it may name the file, not the block
    if kind == "file" and (is_citable(block) or is_citable(_extras(block))):
        fields["citable"] = True
    return made(blob=blob, **fields)


def _plain_text(block: Mapping[str, Any]) -> File:
    named: dict[str, Any] = {"title": block.get("title"), "context": block.get("context")}
    cache = cache_hint_of(block) or cache_hint_of(_extras(block))
    blob = _blob(block)
    if blob is not None:
        return File(blob=replace(blob, mime=blob.mime or "text/plain"), cache=cache, **named)
    text = block.get("text")
    if not isinstance(text, str):
        raise InvalidRequestError("a content block of type 'text-plain' holds no text; give 'text', 'url' or 'base64'")
    return File(text=text, cache=cache, **named)


def _blob(block: Mapping[str, Any]) -> Blob | None:
    """Return the bytes of a standard block, or of one from before LangChain 1.0; None where it is of another form."""
    media_type = block.get("mime_type")
    mime = media_type if isinstance(media_type, str) else None
    match block:
        case {"base64": data} | {"source_type": "base64", "data": data}:
            text = base64.b64encode(data).decode() if isinstance(data, bytes) else str(data)
            return blob_of_url(text) if text.startswith("data:") else Blob(data=text, mime=mime)
        case {"url": str(url)}:
            return blob_of_url(url, mime)
        case {"file_id": str(file_id)} | {"source_type": "id", "id": str(file_id)}:
            return Blob(file_id=file_id, mime=mime)
        case _:
            return None


def _call(block: Mapping[str, Any]) -> ToolCall:
    args = block.get("args")
    try:
        text = args if isinstance(args, str) else to_json(args or {}).decode()
    except PydanticSerializationError as error:
        raise InvalidRequestError(f"the arguments of tool call {block.get('id')!r} are no JSON: {error}") from None
    return ToolCall(call_id=str(block.get("id") or ""), name=str(block.get("name") or ""), arguments=text)


def texts_apart(parts: Sequence[Part], facts: Sequence[Mapping[str, Any]]) -> list[Part]:
    """Return parts with the first, a plain text, split into the texts it was joined from, each with its metadata.

    Texts without a character, which a string cannot show, are before the parts where there is no such text.

    Args:
        parts: what the content holds.
        facts: for each text, its ``length`` in characters and the other fields of its block.
    """
    joined = parts[0].text if parts and isinstance(parts[0], Text) else ""
    pieces = cut(joined, (fact["length"] for fact in facts)) if facts else []
    if not pieces:
        return list(parts)  # somebody has changed the text since
    texts = (_text({"text": piece, **fact}) for piece, fact in zip(pieces, facts, strict=True))
    return [*texts, *(parts[1:] if joined else parts)]
