"""What a tool gave back, as the core's parts: content blocks, and records that only look like some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dbx_gateway.adapters.vendor_forms import is_record, json_text
from dbx_gateway.chat import Part, Text, ToolCall, ToolResult
from dbx_gateway.errors import InvalidRequestError
from langchain_dbx_gateway.blocks import parts_of

__all__ = ["result_parts_of"]


def result_parts_of(content: str | Iterable[str | Mapping[str, Any]]) -> list[Part]:
    """Return the content of a tool's result as parts.

    LangChain hands over a tool's list of records as blocks where they have a ``type`` of a block, such as the files of a
    folder. What is no block of the type it names goes as its JSON.
    """
    return [part for block in ([content] if isinstance(content, str) else content) for part in _parts_of(block)]


def _parts_of(block: str | Mapping[str, Any]) -> list[Part]:
    if isinstance(block, str):
        return parts_of(block)
    parts = None if _is_record(block) else _read(block)
    if parts is None or any(isinstance(part, ToolCall | ToolResult) for part in parts):
        return [Text(json_text(block))]
    return parts


def _is_record(block: Mapping[str, Any]) -> bool:
    return is_record(block) or (block.get("type") == "text" and not isinstance(block.get("text"), str))


def _read(block: Mapping[str, Any]) -> list[Part] | None:
    """Return what is in a block; None where it is of no known form, which in a result is no error."""
    try:
        return parts_of([block])
    except InvalidRequestError:
        return None
