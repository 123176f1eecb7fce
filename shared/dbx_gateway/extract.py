"""JSON from a model's text, which may have prose around it."""

from __future__ import annotations

import re
from typing import Final

from pydantic import JsonValue
from pydantic_core import from_json

from dbx_gateway.errors import ExtractionError

__all__ = ["extract_json"]

_BRACKET: Final = re.compile(r"[\[{]")

_TOKEN: Final = re.compile(
    r"""
    [ \t\n\r]*+
    (?: (?P<mark> [\[\]{},:] )
      | (?P<string> " [^"\\\x00-\x1f]*+ (?: \\ (?: ["\\/bfnrt] | u[0-9a-fA-F]{4} ) [^"\\\x00-\x1f]*+ )*+ " )
      | (?P<scalar> true | false | null | -? (?: 0 | [1-9][0-9]*+ ) (?: \. [0-9]++ )? (?: [eE] [+-]? [0-9]++ )? )
    )
    """,
    re.VERBOSE,
)
"""One token of JSON (RFC 8259). Possessive, so that a failed match costs no more than the text it looked at."""


def extract_json(text: str) -> JsonValue:
    """Return the JSON value in a model's text, whatever prose or code fence is around it.

    If the entire text is JSON, that is the value, of any type: for the text ``null`` it is None. Else it is the last
    outermost object or array that parses: ``'Sure: {"a": 1}. Enjoy!'`` gives ``{"a": 1}``. Brackets and quotes in prose
    do no harm. The time is linear in the length of the text, whatever the text.

    Args:
        text: what a model wrote.

    Raises:
        ExtractionError: there is neither. The message does not quote the text.
    """
    try:
        return _parsed(text.strip())
    except ValueError:
        pass  # not JSON as a whole: most texts
    for start, end in reversed(_candidates(text)):
        try:
            return _parsed(text[start:end])
        except ValueError:
            continue  # well formed, but nested too deeply or with half a surrogate pair
    raise ExtractionError(
        f"no JSON object or array in this text of {len(text):,} characters; ask the model for JSON, or use structured "
        "output"
    )


def _parsed(text: str) -> JsonValue:
    value: JsonValue = from_json(text.encode(), allow_inf_nan=False)  # half a character is a ValueError here
    return value


def _candidates(text: str) -> list[tuple[int, int]]:
    """Return where the outermost well-formed objects and arrays of ``text`` begin and end, in order.

    Each bracket may begin one. Reading from a bracket decides about every other bracket that it reads as one:
    a nested one that closes is well formed, and where reading fails, those still open fail with it. So no bracket is
    tried twice, but one that a failed reading took for part of a string is still to be tried. Two readings that go over
    the same text never agree on what is inside a string (each quote turns both; a backslash outside ends the one that
    meets it), so at most two go over any character, and the whole is linear.
    """
    ends: dict[int, int | None] = {}
    found: list[tuple[int, int]] = []
    after = 0
    for bracket in _BRACKET.finditer(text):
        start = bracket.start()
        if start < after:
            continue
        if start not in ends:
            _read(text, start, ends)
        end = ends[start]
        if end is not None:
            found.append((start, end))
            after = end
    return found


def _read(text: str, start: int, ends: dict[int, int | None]) -> None:
    """Read one JSON value from the bracket at ``start``, and note in ``ends`` where each bracket read is closed.

    A bracket that is still open where the text stops being JSON gets None.
    """
    opened: list[int] = []
    state, at = "value", start
    while token := _TOKEN.match(text, at):
        at = token.end()
        mark = token["mark"] or token.lastgroup or ""
        if mark not in _ALLOWED[state]:
            return
        if mark in _OPENING:
            opened.append(at - 1)
            ends[at - 1] = None
        elif mark in _CLOSING:
            if text[opened[-1]] != _CLOSING[mark]:
                return
            ends[opened.pop()] = at
            if not opened:
                return
        state = _next_state(state, mark, text[opened[-1]])


def _next_state(state: str, mark: str, inside: str) -> str:
    """Return what may follow ``mark``, between brackets of the kind ``inside``."""
    if mark in _OPENING:
        return _OPENING[mark]
    if mark == ":":
        return "value"
    if mark == ",":
        return "key" if inside == "{" else "value"
    return "colon" if mark == "string" and state in ("key", "key or end") else "next"


_OPENING: Final = {"[": "value or end", "{": "key or end"}
_CLOSING: Final = {"]": "[", "}": "{"}
_VALUE: Final = frozenset({"string", "scalar", "[", "{"})
_ALLOWED: Final[dict[str, frozenset[str]]] = {
    "value": _VALUE,
    "value or end": _VALUE | {"]"},
    "key": frozenset({"string"}),
    "key or end": frozenset({"string", "}"}),
    "colon": frozenset({":"}),
    "next": frozenset({",", "]", "}"}),
}
"""The grammar of JSON: the tokens each state allows."""
