"""The events with which one item of a Responses stream arrives (docs/wire/responses.md#stream)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dbx_gateway.testing.model.conversation import pieces

__all__ = ["item_events", "spread"]

_FRAGMENT = 7
"""Characters of call arguments per event."""


def spread(events: Iterator[dict[str, Any]], output_index: int) -> Iterator[dict[str, Any]]:
    """Yield the events of an item with its place in the output, and their full type."""
    for event in events:
        yield {**event, "type": f"response.{event['type']}", "output_index": output_index}


def item_events(item: dict[str, Any], announced_id: str) -> Iterator[dict[str, Any]]:
    """Yield an item's events, types without their common ``response.``.

    Args:
        item: the finished item.
        announced_id: the id under which it is announced; the events after that carry the item's own.
    """
    yield {"type": "output_item.added", "item": {**_announced(item), "id": announced_id}}
    own = {"item_id": item["id"]}
    match item["type"]:
        case "reasoning":
            for index, part in enumerate(item["summary"]):
                yield from _summary_events({**own, "summary_index": index}, part)
        case "function_call":
            yield from _argument_events(own, item)
        case _:
            for index, part in enumerate(item["content"]):
                yield from _part_events({**own, "content_index": index}, part)
    yield {"type": "output_item.done", "item": item}


def _announced(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as its first event shows it: what deltas send is empty, and encrypted content is incomplete."""
    match item["type"]:
        case "reasoning":
            sealed = item["encrypted_content"] or ""
            return {**item, "summary": [], "encrypted_content": sealed[: len(sealed) // 2]}
        case "function_call":
            return {**item, "arguments": "", "status": "in_progress"}
        case _:
            return {**item, "content": [], "status": "in_progress"}


def _summary_events(at: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "reasoning_summary_part.added", **at, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "reasoning_summary_text.delta", **at, "delta": piece}
    yield {"type": "reasoning_summary_text.done", **at, "text": part["text"]}
    yield {"type": "reasoning_summary_part.done", **at, "part": part}


def _argument_events(at: dict[str, Any], item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    arguments = item["arguments"]
    for start in range(0, len(arguments), _FRAGMENT):
        yield {"type": "function_call_arguments.delta", **at, "delta": arguments[start : start + _FRAGMENT]}
    yield {"type": "function_call_arguments.done", **at, "arguments": arguments}


def _part_events(at: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if part["type"] == "refusal":
        yield from _refusal_events(at, part)
        return
    yield {"type": "content_part.added", **at, "part": {**part, "text": "", "annotations": [], "logprobs": []}}
    logprobs = [{key: one[key] for key in ("token", "logprob", "top_logprobs")} for one in part["logprobs"]]
    for number, piece in enumerate(pieces(part["text"])):
        yield {"type": "output_text.delta", **at, "delta": piece, "logprobs": logprobs[number : number + 1]}
    for number, annotation in enumerate(part["annotations"]):
        yield {"type": "output_text.annotation.added", **at, "annotation_index": number, "annotation": annotation}
    yield {"type": "output_text.done", **at, "text": part["text"], "logprobs": logprobs}
    yield {"type": "content_part.done", **at, "part": part}


def _refusal_events(at: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "content_part.added", **at, "part": {**part, "refusal": ""}}
    for piece in pieces(part["refusal"]):
        yield {"type": "refusal.delta", **at, "delta": piece}
    yield {"type": "refusal.done", **at, "refusal": part["refusal"]}
    yield {"type": "content_part.done", **at, "part": part}
