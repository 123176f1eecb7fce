"""Answers as servers write them oddly: each kind changes the objects of a good answer, whole or streamed, on its api.

That servers do so is in docs/wire (chat-completions, responses, generate-content and errors). The client reads each rightly or says
what is wrong, and never loses anything in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

from pydantic_core import from_json, to_json

from dbx_gateway.testing.json_values import is_array, is_object

__all__ = ["ODD_ANSWERS", "OddAnswer", "odd_body", "odd_event"]

OddAnswer: TypeAlias = Literal[
    "nameless-call",
    "infinite-number",
    "content-as-object",
    "content-as-number",
    "counts-as-floats",
    "counts-as-text",
    "no-output",
    "cancelled",
    "malformed-call",
]
"""What is odd about an answer; a kind that an api does not have changes nothing there.

``nameless-call``: calls name no tool. ``infinite-number``: their arguments hold a number that JSON cannot
(``{"x": 1e999}``). ``content-as-object``, ``content-as-number``: one object or a number where a list or text belongs.
``counts-as-floats``, ``counts-as-text``: the counts of tokens. ``no-output``: a completed Responses answer whose output
is null. ``cancelled``: one that ends as cancelled. ``malformed-call``: Gemini's answer of nothing but that reason.
"""

ODD_ANSWERS: Final[tuple[OddAnswer, ...]] = get_args(OddAnswer)

_Object: TypeAlias = dict[str, Any]

_ARGUMENTS: Final = '{"x":1e999}'
_INFINITE: Final = "\x00infinite"
"""Stands for the number until the object is text: no JSON writer writes it as a number."""


def odd_body(body: bytes, kind: OddAnswer) -> bytes:
    """Return a whole answer, changed."""
    return _written(_changed(from_json(body), kind))


def odd_event(event: bytes, kind: OddAnswer) -> bytes:
    """Return one event of a stream, changed; nothing where the odd answer has no such event."""
    head, mark, data = event.partition(b"data: ")
    if not mark or not data.startswith(b"{"):
        return event
    value = from_json(data)
    if kind == "malformed-call" and not any("finishReason" in one for one in value.get("candidates", ())):
        return b""
    changed = _changed(value, kind)
    if kind == "cancelled" and changed.get("type") == "response.cancelled":
        head = b"event: response.cancelled\n"
    return head + mark + _written(changed) + b"\n\n"


def _written(value: Any) -> bytes:
    return to_json(value).replace(to_json(_INFINITE), b"1e999")


def _changed(value: Any, kind: OddAnswer) -> Any:
    """Return a copy of a wire object in which each object has been changed."""
    if is_array(value):
        return [_changed(one, kind) for one in value]
    if not is_object(value):
        return value
    changed = {key: _changed(one, kind) for key, one in value.items()}
    _CHANGES[kind](changed)
    return changed


def _calls(node: _Object) -> Iterator[_Object]:
    """Yield the object of a call that holds its name, where ``node`` is one or holds one."""
    if node.get("type") in ("function_call", "tool_use"):
        yield node
    for key in ("function", "functionCall"):
        if is_object(node.get(key)) and node.get("type") in (None, "function"):
            yield node[key]


def _nameless(node: _Object) -> None:
    for call in _calls(node):
        call.pop("name", None)


def _infinite(node: _Object) -> None:
    for call in _calls(node):
        if call.get("input") or call.get("args"):
            call["input" if "input" in call else "args"] = {"x": _INFINITE}
        elif isinstance(call.get("arguments"), str):
            opens = "name" in call and node.get("status") != "in_progress"
            call["arguments"] = _ARGUMENTS if opens else ""
    if node.get("type") == "response.function_call_arguments.delta":
        node["delta"] = ""
    elif node.get("type") == "response.function_call_arguments.done":
        node["arguments"] = _ARGUMENTS
    elif node.get("type") == "input_json_delta":  # the first one is empty
        node["partial_json"] = "" if node["partial_json"] else _ARGUMENTS


def _texts(node: _Object) -> Iterator[tuple[str, _Object]]:
    """Yield the field of a message that holds its text and no call, and the part that is the text."""
    for key in ("content", "parts"):
        held = node.get(key)
        if isinstance(held, str) and held:
            yield key, {"type": "text", "text": held}
        elif is_array(held) and all(is_object(part) and "text" in part for part in held):
            said = [part for part in held if part["text"]]
            if len(said) == 1:
                yield key, said[0]


def _as_object(node: _Object) -> None:
    for key, part in _texts(node):
        node[key] = part


def _as_number(node: _Object) -> None:
    for key, _ in _texts(node):
        node[key] = 42


def _counts(write: Callable[[int], Any]) -> Callable[[_Object], None]:
    def count(node: _Object) -> None:
        for key in ("usage", "usageMetadata"):
            if is_object(node.get(key)):
                node[key] = _counted(node[key], write)

    return count


def _counted(value: Any, write: Callable[[int], Any]) -> Any:
    if is_object(value):
        return {key: _counted(one, write) for key, one in value.items()}
    return write(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _no_output(node: _Object) -> None:
    if node.get("status") == "completed" and is_array(node.get("output")):
        node["output"] = None


def _cancelled(node: _Object) -> None:
    if node.get("object") == "response" and node.get("status") == "completed":
        node["status"] = "cancelled"
    if node.get("type") == "response.completed":
        node["type"] = "response.cancelled"


def _malformed(node: _Object) -> None:
    if "finishReason" in node:
        node.pop("content", None)
        node |= {"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed function call: print(add(1))"}


_CHANGES: Final[Mapping[OddAnswer, Callable[[_Object], None]]] = {
    "nameless-call": _nameless,
    "infinite-number": _infinite,
    "content-as-object": _as_object,
    "content-as-number": _as_number,
    "counts-as-floats": _counts(float),
    "counts-as-text": _counts(str),
    "no-output": _no_output,
    "cancelled": _cancelled,
    "malformed-call": _malformed,
}
