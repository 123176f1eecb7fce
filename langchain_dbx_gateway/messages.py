"""LangChain's messages as the core's, and the core's answers as LangChain's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata

from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    ChatResponse,
    Citation,
    Exchange,
    File,
    Finish,
    Image,
    Message,
    Native,
    Origin,
    Part,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    Video,
    is_executable,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.surfaces import Api

__all__ = ["PROVIDER", "answer_message", "block_of", "call_facts", "metadata_of", "to_core", "usage_of"]

PROVIDER: Final = "databricks"
_FACTS: Final = "dbx_gateway"


def to_core(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """Return ``messages`` as the core's; none of them is changed.

    Raises:
        InvalidRequestError: a message or block is of a kind that no model takes.
    """
    return tuple(_message(message) for message in messages)


def _message(message: BaseMessage) -> Message:
    match message:
        case ToolMessage():
            result = ToolResult(
                call_id=message.tool_call_id,
                name=message.name,
                content=_parts(message),
                is_error=message.status == "error",
            )
            return Message(role="tool", parts=(result,))
        case AIMessage():
            return _assistant(message)
        case SystemMessage():
            role = "developer" if message.additional_kwargs.get("__openai_role__") == "developer" else "system"
            return Message(role=role, parts=_parts(message), name=message.name)  # type: ignore[arg-type]  # both are roles
        case HumanMessage():
            return Message(role="user", parts=_parts(message), name=message.name)
        case ChatMessage(role="system" | "developer" | "user" | "assistant" as role):
            return Message(role=role, parts=_parts(message), name=message.name)
        case _:
            raise InvalidRequestError(
                f"a {type(message).__name__} cannot be sent; use system, human, AI and tool messages"
            )


def _assistant(message: AIMessage) -> Message:
    facts = message.additional_kwargs.get(_FACTS, {}).get("calls", {})
    parts = [part for part in _parts(message) if not isinstance(part, ToolCall)]
    calls = [_call(call, facts) for call in message.tool_calls]
    calls += [
        ToolCall(call_id=call["id"] or "", name=call["name"] or "", arguments=call["args"] or "")
        for call in message.invalid_tool_calls
    ]
    return Message(role="assistant", parts=(*parts, *calls), name=message.name, origin=_origin(message))


def _call(call: Mapping[str, Any], facts: Mapping[str, Any]) -> ToolCall:
    kept = facts.get(call["id"], {})
    return ToolCall(
        call_id=call["id"] or "",
        name=call["name"],
        arguments=kept.get("arguments") or json.dumps(call["args"], ensure_ascii=False, separators=(",", ":")),
        signature=kept.get("signature"),
        minted=kept.get("minted", False),
        custom=kept.get("custom", False),
        opaque=kept.get("opaque", {}),
    )


def _origin(message: AIMessage) -> Origin | None:
    said = message.response_metadata
    if said.get("model_provider") != PROVIDER:
        return None
    api = next((api for api in get_args(Api) if api == said.get("api")), None)
    return Origin(api, str(said.get("model_name"))) if api is not None else None


def _parts(message: BaseMessage) -> tuple[Part, ...]:
    if isinstance(message.content, str):
        return (Text(message.content),) if message.content else ()
    return tuple(part for block in message.content_blocks if (part := _part(block)) is not None)


def _part(block: Mapping[str, Any]) -> Part | None:
    extras = block.get("extras") or {}
    cache = _cache(block.get("cache_control") or extras.get("cache_control"))
    match block.get("type"):
        case "text":
            opaque = extras.get("opaque") or {}
            citations = tuple(_citation(note) for note in block.get("annotations") or ())
            return Text(block["text"], citations, extras.get("phase"), cache=cache, opaque=opaque)
        case "refusal":
            return Refusal(block["refusal"])
        case "reasoning":
            return _reasoning(block, extras)
        case "image":
            return Image(blob=_blob(block), detail=extras.get("detail"), cache=cache)
        case "audio":
            return Audio(blob=_blob(block))
        case "video":
            return Video(blob=_blob(block))
        case "file":
            name = extras.get("filename") or block.get("filename")
            return File(blob=_blob(block), filename=name, title=extras.get("title"), cache=cache)
        case "text-plain":
            return File(text=block.get("text"), title=block.get("title"), context=block.get("context"), cache=cache)
        case "non_standard":
            return _native(block.get("value"))
        case "tool_call" | "tool_call_chunk" | "invalid_tool_call":
            return None  # the message's own list of calls says it
        case kind:
            raise InvalidRequestError(f"a content block of type {kind!r} cannot be sent; leave it out of the history")


def _reasoning(block: Mapping[str, Any], extras: Mapping[str, Any]) -> Reasoning:
    text = block.get("reasoning")
    kind = "summary" if extras.get("kind") == "summary" else "raw"
    return Reasoning(
        segments=(Segment(kind, text),) if text else (),  # type: ignore[arg-type]  # both are kinds
        signature=extras.get("signature"),
        encrypted=extras.get("encrypted_content") or block.get("encrypted_content"),
        redacted=extras.get("redacted"),
        opaque=extras.get("opaque") or {},
    )


def _native(value: Any) -> Native | None:
    if not isinstance(value, dict) or "dbx_api" not in value:
        return None  # another provider's own data goes back to nobody else
    return Native(api=value["dbx_api"], payload=value["payload"])


def _blob(block: Mapping[str, Any]) -> Blob:
    return Blob(
        data=block.get("base64"), url=block.get("url"), file_id=block.get("file_id"), mime=block.get("mime_type")
    )


def _cache(control: Any) -> CacheHint | None:
    return CacheHint(control.get("ttl")) if isinstance(control, dict) else None


def _citation(note: Mapping[str, Any]) -> Citation:
    extras = note.get("extras") or {}
    return Citation(
        kind=extras.get("kind", "citation"),
        cited_text=note.get("cited_text"),
        url=note.get("url"),
        title=note.get("title"),
        start=note.get("start_index"),
        end=note.get("end_index"),
        source=extras.get("source", {}),
    )


def answer_message(response: ChatResponse, model: str, *, blocks: bool = False) -> AIMessage:
    """Return a whole answer as LangChain's message.

    Args:
        response: the answer.
        model: the name that was asked.
        blocks: content is a list of standard blocks, also where a plain string would say it all.
    """
    finish = response.finish
    valid = [call for call in response.tool_calls if is_executable(call, finish) and not call.custom]
    broken = [call for call in response.tool_calls if call not in valid]
    return AIMessage(
        content=_content(response.message.parts, blocks=blocks),  # type: ignore[arg-type]  # blocks are typed dicts
        id=response.id,
        tool_calls=[
            {"type": "tool_call", "id": call.call_id, "name": call.name, "args": call.parsed()} for call in valid
        ],
        invalid_tool_calls=[
            {
                "type": "invalid_tool_call",
                "id": call.call_id,
                "name": call.name,
                "args": call.arguments,
                "error": finish.raw,
            }
            for call in broken
        ],
        additional_kwargs=call_facts(response.tool_calls),
        usage_metadata=usage_of(response.usage),
        response_metadata=metadata_of(model, response.exchange, finish, response.extras, response.id)
        | ({"output_version": "v1"} if blocks else {}),
    )


def _content(parts: Sequence[Part], *, blocks: bool) -> str | list[dict[str, Any]]:
    told = [part for part in parts if not isinstance(part, ToolCall)]
    if not blocks and all(isinstance(part, Text) and not part.citations and not part.opaque for part in told):
        return "".join(part.text for part in told if isinstance(part, Text))
    listed = [block for part in told for block in block_of(part)]
    if blocks:
        listed += [block for part in parts if isinstance(part, ToolCall) for block in block_of(part)]
    return listed


def block_of(part: Part) -> list[dict[str, Any]]:
    """Return ``part`` of an answer as standard content blocks."""
    match part:
        case Text():
            block: dict[str, Any] = {"type": "text", "text": part.text}
            if part.citations:
                block["annotations"] = [_annotation(citation) for citation in part.citations]
            extras = _set(opaque=part.opaque, phase=part.phase)
            return [block | ({"extras": extras} if extras else {})]
        case Refusal():
            return [{"type": "refusal", "refusal": part.text}]
        case Reasoning():
            return [{"type": "reasoning", "reasoning": part.text, "extras": _reasoning_extras(part)}]
        case ToolCall():
            try:
                args = part.parsed()
            except ValueError:
                return [{"type": "invalid_tool_call", "id": part.call_id, "name": part.name, "args": part.arguments}]
            return [{"type": "tool_call", "id": part.call_id, "name": part.name, "args": args}]
        case Native():
            return [{"type": "non_standard", "value": {"dbx_api": part.api, "payload": part.payload}}]
        case Image() | Audio() | Video() | File():
            return [_media(part)]
        case _:
            return []


def _media(part: Image | Audio | Video | File) -> dict[str, Any]:
    blob = part.blob or Blob()
    where = _set(base64=blob.data, url=blob.url, file_id=blob.file_id, mime_type=blob.mime)
    return {"type": type(part).__name__.lower(), **where}


def _reasoning_extras(part: Reasoning) -> dict[str, Any]:
    kind = part.segments[0].kind if part.segments else None
    return _set(
        signature=part.signature,
        encrypted_content=part.encrypted,
        redacted=part.redacted,
        kind=kind,
        opaque=part.opaque,
    )


def _annotation(citation: Citation) -> dict[str, Any]:
    told = _set(
        url=citation.url,
        title=citation.title,
        start_index=citation.start,
        end_index=citation.end,
        cited_text=citation.cited_text,
    )
    return {"type": "citation", **told, "extras": {"kind": citation.kind, "source": citation.source}}


def call_facts(calls: Sequence[ToolCall]) -> dict[str, Any]:
    """Return what LangChain's tool calls have no field for, by call id, for ``additional_kwargs``."""
    facts = {
        call.call_id: kept
        for call in calls
        if (
            kept := _set(
                signature=call.signature,
                opaque=call.opaque,
                minted=call.minted or None,
                custom=call.custom or None,
            )
        )
    }
    return {_FACTS: {"calls": facts}} if facts else {}


def usage_of(usage: Usage | None) -> UsageMetadata | None:
    """Return ``usage`` as LangChain counts it."""
    if usage is None:
        return None
    told: UsageMetadata = {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    given = _counts(cache_read=usage.cache_read, cache_creation=usage.cache_write, audio=usage.audio_in)
    answered = _counts(reasoning=usage.reasoning, audio=usage.audio_out)
    if given:
        told["input_token_details"] = given  # type: ignore[typeddict-item]  # only known counts are in it
    if answered:
        told["output_token_details"] = answered  # type: ignore[typeddict-item]  # only known counts are in it
    return told


def metadata_of(
    model: str,
    exchange: Exchange | None,
    finish: Finish | None,
    extras: Mapping[str, Any],
    answer_id: str | None = None,
) -> dict[str, Any]:
    """Return what is to know about an answer beside its content."""
    told: dict[str, Any] = {"model_name": model, "model_provider": PROVIDER}
    if answer_id is not None:
        told["id"] = answer_id
    if exchange is not None:
        told |= _set(api=exchange.api, surface=exchange.surface, url=exchange.url, request_id=exchange.request_id)
        told |= _set(repairs=list(exchange.repairs), attempts=list(exchange.attempts))
    if finish is not None:
        told |= finish_of(finish)
    return told | dict(extras)


def finish_of(finish: Finish) -> dict[str, Any]:
    """Return how an answer ended."""
    return {"finish_reason": finish.reason} | _set(raw_finish_reason=finish.raw, stop_sequence=finish.stop_sequence)


def _set(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {}, [], "")}


def _counts(**values: int | None) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}
