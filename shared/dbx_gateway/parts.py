"""What dialects, quirks and tool names share about parts: data URLs, ids, the text of a result, later system messages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from pydantic_core import to_json

from dbx_gateway.chat import NO_ARGUMENTS, Blob, Message, Part, Text, ToolCall, ToolResult
from dbx_gateway.media_types import media_type
from dbx_gateway.notices import warn_once

__all__ = [
    "INVALID_JSON",
    "NO_OUTPUT",
    "blob_of_url",
    "data_url",
    "name_of_call",
    "object_arguments",
    "plain_arguments",
    "result_text",
    "system_as_user",
    "warn_not_replayed",
    "wire_id",
]

INVALID_JSON = "INVALID_JSON"
"""Key under which arguments that are no JSON object are shown to the model, as Anthropic's documentation of fine-grained
tool streaming advises."""

NO_OUTPUT = "[No output]"
"""Stands for the result of a tool that returned nothing, where the wire wants text."""

_DATA_URL = re.compile(r"data:(?P<mime>[^;,]*)(?:;[^,]*)?;base64,(?P<data>.*)", re.DOTALL)
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")


def data_url(blob: Blob, default_mime: str = "application/octet-stream") -> str:
    """Return ``blob`` as one URL: its own, or its bytes as a ``data:`` URL of the type that they are."""
    held = blob if blob.url is None else blob_of_url(blob.url, blob.mime)
    if held.url is not None:
        return held.url
    return f"data:{media_type(held) or default_mime};base64,{held.data or ''}"


def blob_of_url(url: str, mime: str | None = None) -> Blob:
    """Return what ``url`` points at; a base64 ``data:`` URL is taken apart."""
    match = _DATA_URL.fullmatch(url)
    if match is None:
        return Blob(url=url, mime=mime)
    return Blob(data=match["data"], mime=match["mime"] or mime)


def wire_id(value: str, longest: int = 64) -> str:
    """Return ``value`` as an id the wire can carry: ``[a-zA-Z0-9_-]``, at most ``longest`` characters.

    A value that fits is returned as it is. Any other gets a readable head and 32 hexadecimal digits of its hash, so
    that the same value always becomes the same id, on a call and on its result, and two values never the same one.
    """
    if value and len(value) <= longest and _UNSAFE.search(value) is None:
        return value
    head = _UNSAFE.sub("_", value)[: min(20, longest - 33)].rstrip("_-")
    return (
        f"{head}_{hashlib.sha256(value.encode()).hexdigest()[:32]}"
        if head
        else ("id_" + hashlib.sha256(value.encode()).hexdigest()[: longest - 3][:32])
    )


def plain_arguments(call: ToolCall) -> str:
    """Return the arguments as the model wrote them, and ``{}`` where it wrote none."""
    return "{}" if call.arguments.strip() in NO_ARGUMENTS else call.arguments


def object_arguments(call: ToolCall) -> str:
    """Return the arguments as the model wrote them, if they are an object; else an object that holds their text.

    So the model still reads what it wrote, where a server takes only objects.
    """
    try:
        call.parsed()
    except ValueError:
        return to_json({INVALID_JSON: call.arguments}).decode()
    return plain_arguments(call)


def result_text(result: ToolResult) -> str:
    """Return the text of a tool's result, its text parts joined by a line break."""
    return "\n".join(part.text for part in result.content if isinstance(part, Text))


def warn_not_replayed(api: str, kind: str) -> None:
    """Warn that an object which a server sent is left out of the next request, whose api has no such thing.

    Args:
        api: of the request.
        kind: what the server called it.
    """
    warn_once(
        f"{api}: {kind} not replayed",
        f"a {kind!r} in an answer is not sent back: requests of the {api} api have no such thing, and are refused with it",
    )


def name_of_call(call_id: str, parts: Iterable[Part]) -> str | None:
    """Return the name of the tool that the call ``call_id`` among ``parts`` asked for."""
    for part in parts:
        if isinstance(part, ToolCall) and part.call_id == call_id:
            return part.name
    return None


def system_as_user(message: Message, model: str) -> Message:
    """Return a later system message as a user's turn that is marked as the system's.

    For a model that takes system messages at the start only (docs/wire/comparison.md#order-of-turns): at the start it
    would speak of what had not happened yet. A warning says so, once for each model.
    """
    warn_once(
        f"{model}: later system message",
        f"{model} takes system messages only at the start; a later one was sent in its place as a user's turn, marked "
        "<system>. Put it first if it holds for the whole conversation",
    )
    texts = [part for part in message.parts if isinstance(part, Text)]
    others = [part for part in message.parts if not isinstance(part, Text)]
    cache = next((part.cache for part in reversed(texts) if part.cache is not None), None)
    text = "\n\n".join(part.text for part in texts if part.text.strip())
    marked = [Text(f"<system>\n{text}\n</system>", cache=cache)] if text else []
    return Message(role="user", parts=(*marked, *others), name=message.name)
