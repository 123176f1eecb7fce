"""The messages api as the simulated workspace reads and writes it (docs/wire/messages.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic_core import to_json

from dbx_gateway.testing.apis.messages.shapes import check_shape, error
from dbx_gateway.testing.apis.messages.vendor_rules import blocks_of, check_conversation, check_model
from dbx_gateway.testing.apis.messages.workspace_rules import RULES
from dbx_gateway.testing.apis.wire import sse
from dbx_gateway.testing.json_values import entries, inside, is_array
from dbx_gateway.testing.model.conversation import (
    Answer,
    CalledTool,
    Counts,
    OfferedTool,
    ParsedRequest,
    TextItem,
    Turn,
    pieces,
)
from dbx_gateway.testing.model.situation import Situation

__all__ = [
    "RULES",
    "MessagesRequest",
    "Source",
    "error",
    "error_event",
    "failed",
    "is_terminal",
    "read",
    "stream",
    "whole",
]

_STOP_REASONS = {"stop": "end_turn", "calls": "tool_use", "length": "max_tokens"}
_MEDIA = {"image": "image", "document": "pdf"}
_TERMINAL = (b"event: message_delta\n", b"event: message_stop\n")
_REDACTED = "[redacted]"
_FRAGMENT = 7
"""Characters of tool arguments per event."""


@dataclass(frozen=True)
class Source:
    """A document of the prompt that may be cited.

    Args:
        kind: ``text``, ``pdf`` or ``blocks``: how its places are counted.
        title: its title.
        text: what of it can be quoted.
    """

    kind: str
    title: str | None
    text: str


@dataclass(frozen=True)
class MessagesRequest(ParsedRequest):
    """A parsed messages request, with the fields that only this api has.

    Args:
        sources: the documents that may be cited, in the order in which citations number them.
        hide_thinking: the request asks for thinking without its text (``display: omitted``).
        redact: the user's text requests redacted thinking.
    """

    sources: tuple[Source | None, ...] = ()
    hide_thinking: bool = False
    redact: bool = False


def read(body: dict[str, Any], situation: Situation, model_from_path: str | None) -> MessagesRequest:
    """Parse a messages request.

    Args:
        body: the decoded body; never changed.
        situation: where it arrived.
        model_from_path: a model that the path names stands in for the body's.

    Raises:
        Refused: as the vendor refuses it.
    """
    if model_from_path is not None:
        body = {"model": model_from_path, **body}
    check_shape(body)
    check_conversation(body, situation)
    check_model(body, situation)
    choice = inside(body, "tool_choice")
    thinking = inside(body, "thinking")
    turns = list(_turns(body))
    if body.get("cache_control"):
        turns[-1] = replace(turns[-1], cached=True)
    return MessagesRequest(
        model=body["model"],
        turns=tuple(turns),
        tools=tuple(
            OfferedTool(tool["name"], tool["input_schema"], tool.get("description") or "") for tool in _own_tools(body)
        ),
        choice={"any": "required", "tool": "required", "none": "none"}.get(choice.get("type", ""), "auto"),  # type: ignore[arg-type]  # the three words of the literal
        forced=choice.get("name"),
        parallel=not choice.get("disable_parallel_tool_use", False),
        schema=inside(body, "output_config", "format").get("schema"),
        reasoning=thinking.get("type") in ("enabled", "adaptive") or situation.profile.thinking == "always",
        max_tokens=body["max_tokens"],
        stop=tuple(entries(body, "stop_sequences")),
        stream=bool(body.get("stream")),
        include_usage=True,
        sources=tuple(_sources(body)),
        hide_thinking=thinking.get("display") == "omitted",
        redact=any(turn.role == "user" and _REDACTED in turn.text for turn in turns),
    )


def _own_tools(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (tool for tool in entries(body, "tools") if tool.get("type") in (None, "custom"))


def _turns(body: dict[str, Any]) -> Iterator[Turn]:
    if _is_marked(entries(body, "tools")):
        yield Turn("system", cached=True)
    system = body.get("system")
    if isinstance(system, str):
        yield Turn("system", system)
    elif system:
        yield _message_turn("system", system)
    for message in body["messages"]:
        blocks = blocks_of(message)
        results = [block for block in blocks if block["type"] == "tool_result"]
        if results:
            yield _result_turn(results)
        if len(results) < len(blocks) or not blocks:
            yield _message_turn(message["role"], [block for block in blocks if block["type"] != "tool_result"])


def _result_turn(results: list[dict[str, Any]]) -> Turn:
    contents = tuple((block["tool_use_id"], _result_text(block)) for block in results)
    return Turn("tool", media=tuple(_media(results)), results=contents, cached=_is_marked(results))


def _message_turn(role: Literal["user", "assistant", "system"], blocks: list[dict[str, Any]]) -> Turn:
    return Turn(
        role,
        "\n".join(block["text"] for block in blocks if block["type"] == "text"),
        tuple(_media(blocks)),
        tuple((block["id"], block["name"]) for block in blocks if block["type"] == "tool_use"),
        signatures=tuple(_proofs(blocks)),
        cached=_is_marked(blocks),
    )


def _is_marked(blocks: Iterable[dict[str, Any]]) -> bool:
    return any(block.get("cache_control") for block in blocks)


def _proofs(blocks: Iterable[dict[str, Any]]) -> Iterator[str]:
    for block in blocks:
        if block["type"] == "thinking":
            yield block["signature"]
        elif block["type"] == "redacted_thinking":
            yield block["data"]


def _media(blocks: Iterable[dict[str, Any]]) -> Iterator[str]:
    for block in blocks:
        if block["type"] in _MEDIA and block["source"]["type"] not in ("text", "content"):
            yield _MEDIA[block["type"]]
        elif block["type"] == "tool_result" and is_array(block.get("content")):
            yield from _media(block["content"])


def _result_text(block: dict[str, Any]) -> str:
    content = block.get("content") or ""
    if not isinstance(content, str):
        content = "\n".join(_quotable(part) for part in content)
    return f"Error: {content}" if block.get("is_error") else content


def _quotable(part: dict[str, Any]) -> str:
    match part["type"]:
        case "text":
            return str(part["text"])
        case "search_result":
            return "\n".join(inner["text"] for inner in part["content"])
        case "document" if part["source"]["type"] == "text":
            return str(part["source"]["data"])
        case kind:
            return f"[{kind}]"


def _sources(body: dict[str, Any]) -> Iterator[Source | None]:
    """Yield one entry per document, because citations number all of them; None for one that may not be cited."""
    for message in body["messages"]:
        for block in blocks_of(message):
            if block["type"] == "document":
                yield _source(block) if inside(block, "citations").get("enabled") else None


def _source(block: dict[str, Any]) -> Source:
    source, title = block["source"], block.get("title")
    match source["type"]:
        case "text":
            return Source("text", title, source["data"])
        case "content":
            content = source["content"]
            first = content if isinstance(content, str) else next((one["text"] for one in content if "text" in one), "")
            return Source("blocks", title, first)
        case _:
            return Source("pdf", title, title or "the document")


def whole(answer: Answer, request: ParsedRequest, situation: Situation) -> dict[str, Any]:
    """Write an answer as one message object."""
    del situation
    cut = answer.extras.get("stop_sequence")
    refused = answer.end == "filter" or any(
        isinstance(item, TextItem) and item.kind == "refusal" for item in answer.items
    )
    reason = "refusal" if refused else "stop_sequence" if cut else _STOP_REASONS[answer.end]
    return {
        "id": _prefixed("msg_", answer.shown_id),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": list(_blocks(answer, request)),
        "stop_reason": reason,
        "stop_sequence": cut,
        "stop_details": {"type": "refusal", "category": None, "explanation": None} if refused else None,
        "usage": _usage(answer.counts),
    }


def _prefixed(prefix: str, name: str) -> str:
    return name if name.startswith(prefix) else prefix + name


def _blocks(answer: Answer, request: ParsedRequest) -> Iterator[dict[str, Any]]:
    citations = list(_citations(request))
    for item in answer.items:
        match item:
            case TextItem("reasoning"):
                yield _thinking(item, request)
            case TextItem() if item.text:
                cited = [*map(_result_citation, item.citations), *citations]
                yield {"type": "text", "text": item.text, **({"citations": cited} if cited else {})}
                citations = []
            case CalledTool():
                call_id = "toolu_" + item.id.removeprefix("call_")
                yield {"type": "tool_use", "id": call_id, "name": item.name, "input": item.arguments}
            case _:
                pass  # this vendor sends no empty text


def _thinking(saying: TextItem, request: ParsedRequest) -> dict[str, Any]:
    signature = saying.signature or ""
    if isinstance(request, MessagesRequest) and request.redact:
        return {"type": "redacted_thinking", "data": signature}
    hidden = isinstance(request, MessagesRequest) and request.hide_thinking
    return {"type": "thinking", "thinking": "" if hidden else saying.text, "signature": signature}


def _result_citation(citation: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "search_result_location",
        "cited_text": citation["cited_text"],
        "search_result_index": 0,
        "source": citation["url"],
        "title": citation["title"],
        "start_block_index": 0,
        "end_block_index": 1,
    }


def _citations(request: ParsedRequest) -> Iterator[dict[str, Any]]:
    for at, source in enumerate(request.sources if isinstance(request, MessagesRequest) else ()):
        if source is not None:
            quote = source.text.split(". ")[0]
            yield {"cited_text": quote, "document_index": at, "document_title": source.title, **_place(source, quote)}


def _place(source: Source, quote: str) -> dict[str, Any]:
    match source.kind:
        case "text":
            return {"type": "char_location", "start_char_index": 0, "end_char_index": len(quote)}
        case "pdf":
            return {"type": "page_location", "start_page_number": 1, "end_page_number": 2}
        case _:
            return {"type": "content_block_location", "start_block_index": 0, "end_block_index": 1}


def _usage(counts: Counts) -> dict[str, Any]:
    """Return the counts in this vendor's arithmetic: ``input_tokens`` leaves cache out.

    Source: docs/wire/messages.md#usage.
    """
    return {
        "input_tokens": counts.input - counts.cache_read - counts.cache_write,
        "cache_creation_input_tokens": counts.cache_write,
        "cache_read_input_tokens": counts.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": counts.cache_write, "ephemeral_1h_input_tokens": 0},
        "output_tokens": counts.output,
        "output_tokens_details": {"thinking_tokens": counts.reasoning},
        "service_tier": "standard",
    }


def stream(answer: Answer, request: ParsedRequest, situation: Situation) -> Iterator[bytes]:
    """Write an answer as the vendor's stream (docs/wire/messages.md#stream).

    It is made from the whole body, so that both say the same.
    """
    message = whole(answer, request, situation)
    usage = message["usage"]
    empty: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    started = {**usage, "output_tokens": 1, "output_tokens_details": None}
    yield _event({"type": "message_start", "message": {**message, **empty, "usage": started}})
    yield _event({"type": "ping"})
    for index, block in enumerate(message["content"]):
        yield from _block_events(index, block)
    end = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    counted = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    total = {key: usage[key] for key in (*counted, "output_tokens_details")}
    yield _event({"type": "message_delta", "delta": end, "usage": total})
    metrics = {"inputTokenCount": usage["input_tokens"], "outputTokenCount": usage["output_tokens"]}
    extra = {"amazon-bedrock-invocationMetrics": metrics} if situation.shows("anth-bedrock-metrics") else {}
    yield _event({"type": "message_stop", **extra})


def _event(data: dict[str, Any]) -> bytes:
    return sse(data, data["type"])


def _block_events(index: int, block: dict[str, Any]) -> Iterator[bytes]:
    start, deltas = _opened(block)
    yield _event({"type": "content_block_start", "index": index, "content_block": start})
    for delta in deltas:
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield _event({"type": "content_block_stop", "index": index})


def _opened(block: dict[str, Any]) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """Return a block as it starts, and what is then added to it."""
    match block["type"]:
        case "text":
            start: dict[str, Any] = {"type": "text", "text": "", **({"citations": []} if "citations" in block else {})}
            return start, _text_deltas(block)
        case "thinking":
            return {**block, "thinking": "", "signature": ""}, _thinking_deltas(block)
        case "tool_use":
            return {**block, "input": {}}, _input_deltas(block["input"])
        case _:
            return block, iter(())


def _text_deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for piece in pieces(block["text"]):
        yield {"type": "text_delta", "text": piece}
    for citation in block.get("citations", ()):
        yield {"type": "citations_delta", "citation": citation}


def _thinking_deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for piece in pieces(block["thinking"]):
        yield {"type": "thinking_delta", "thinking": piece}
    yield {"type": "signature_delta", "signature": block["signature"]}


def _input_deltas(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the arguments as text in several fragments, an empty one first; nothing where there are no arguments."""
    if arguments:
        text = to_json(arguments).decode()
        for start in range(-_FRAGMENT, len(text), _FRAGMENT):
            yield {"type": "input_json_delta", "partial_json": text[max(start, 0) : start + _FRAGMENT]}


def failed(status: int, code: str, message: str) -> dict[str, Any]:
    """Write the error that replaces an answer under status 200."""
    return error(status, code, message)


def error_event(status: int, code: str, message: str, *, started: bool) -> bytes:
    """Write an error inside a stream, at any position (docs/wire/messages.md#errors)."""
    del started
    return _event(error(status, code, message))


def is_terminal(event: bytes) -> bool:
    """Return whether an event is part of the end: ``message_delta`` with its stop reason, or ``message_stop``."""
    return event.startswith(_TERMINAL)
