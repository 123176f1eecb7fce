"""Walks over request bodies and answers that copy only what they change."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import InvalidRequestError

__all__ = [
    "each",
    "each_function",
    "each_message",
    "fixed_parameters",
    "function_name",
    "is_blank",
    "is_blank_part",
    "within",
]


def each(holder: JsonObject, key: str, fix: Callable[[JsonObject], JsonObject | None]) -> JsonObject:
    """Return ``holder`` with ``fix`` applied to each object of the list at ``key``.

    Args:
        holder: the object that holds the list; returned as it is where it holds none.
        key: the list's name.
        fix: returns the object to put in place, the same one where nothing changes, or None to leave it out.

    Returns:
        ``holder`` itself where nothing changed, else a shallow copy with a new list.
    """
    items = holder.get(key)
    if not isinstance(items, list):
        return holder
    fixed: list[JsonValue] = []
    changed = False
    for item in items:
        new = fix(item) if isinstance(item, dict) else item
        changed = changed or new is not item
        if new is not None or item is None:
            fixed.append(new)
    return {**holder, key: fixed} if changed else holder


def each_message(body: JsonObject, fix: Callable[[JsonObject], JsonObject | None]) -> JsonObject:
    """Return ``body`` with ``fix`` applied to each message; ``body`` itself where that would leave no message."""
    fixed = each(body, "messages", fix)
    return fixed if fixed.get("messages") else body


def each_function(body: JsonObject, fix: Callable[[JsonObject], JsonObject]) -> JsonObject:
    """Return ``body`` with ``fix`` applied to the function of each tool of a chat-completions body."""
    return each(body, "tools", lambda tool: within(tool, "function", fix))


def within(holder: JsonObject, key: str, fix: Callable[[JsonObject], JsonObject]) -> JsonObject:
    """Return ``holder`` with ``fix`` applied to the object at ``key``; ``holder`` itself where nothing changed."""
    inner = holder.get(key)
    if not isinstance(inner, dict):
        return holder
    fixed = fix(inner)
    return holder if fixed is inner else {**holder, key: fixed}


def fixed_parameters(function: JsonObject, fix: Callable[[JsonObject], JsonObject]) -> JsonObject:
    """Return a function with ``fix`` applied to its parameters.

    Raises:
        InvalidRequestError: ``fix`` refuses them; the message names the tool.
    """
    try:
        return within(function, "parameters", fix)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"tool {function.get('name')!r}: {error.message}") from None


def is_blank(value: JsonValue | None) -> bool:
    """Whether ``value`` is None, text of white space only, or a list of blank text parts only."""
    match value:
        case None:
            return True
        case str():
            return not value.strip()
        case list():
            return all(is_blank_part(part) for part in value)
        case _:
            return False


def is_blank_part(part: JsonValue) -> bool:
    """Whether ``part`` is a text part without text, with nothing else but perhaps a cache mark."""
    if not isinstance(part, dict) or part.get("type") != "text":
        return False
    text = part.get("text")
    return isinstance(text, str) and not text.strip() and part.keys() <= {"type", "text", "cache_control"}


def function_name(holder: JsonObject) -> str | None:
    """Return the name of the function of a chat-completions tool, tool call or tool choice."""
    function = holder.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None
