"""``extract_json`` against the plainest reader there is: try every bracket."""

from __future__ import annotations

import json

from fuzz.target import Target
from pydantic_core import from_json

from dbx_gateway import extract
from dbx_gateway.errors import ExtractionError
from dbx_gateway.extract import extract_json

__all__ = ["TARGETS", "plainly_extracted"]

_LONGEST = 1500
"""Characters up to which the plain reader is asked: its time grows with their square."""


def _no_constant(name: str) -> None:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=str, parse_float=str)


def plainly_extracted(text: str) -> list[object]:
    """Return a list of the value that ``extract_json`` is to find in ``text``; it is empty where there is none."""
    try:
        return [from_json(text.strip().encode(), allow_inf_nan=False)]
    except ValueError:
        pass
    found: list[object] = []
    at = 0
    while at < len(text):
        end = at
        if text[at] in "[{":
            try:
                _, end = _DECODER.raw_decode(text, at)
                found.append(from_json(text[at:end].encode(), allow_inf_nan=False))
            except (ValueError, RecursionError):
                pass
        at = max(end, at + 1)
    return found[-1:]


def _extract(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    expected = plainly_extracted(text) if len(text) <= _LONGEST else None
    try:
        value = extract_json(text)
    except ExtractionError:
        assert not expected
        raise
    assert expected is None or repr([value]) == repr(expected)


TARGETS = (
    Target(
        name="extract",
        form="text",
        run=_extract,
        read=lambda data: extract_json(data.decode("utf-8", "surrogateescape")),
        raises=(ExtractionError,),
        seeds=(
            b'Sure: {"a": [1, {"b": "}"}]}. Enjoy [this]!',
            b'```json\n{"a": "\\u00e9\\n", "b": -1.5e3, "c": [true, false, null]}\n```',
            b'say "{" then {"a": "\\"} [1]"} and ["\\ud800"]',
            b"null",
        ),
        modules=(extract,),
    ),
)
