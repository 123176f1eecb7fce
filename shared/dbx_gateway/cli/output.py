"""Output for any encoding: a character that a terminal or pipe cannot show is replaced by a similar one."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata
from collections.abc import Callable
from typing import Final

__all__ = ["accept_all_characters", "plain"]

_PLAIN: Final = {
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{FIGURE DASH}": "-",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{HORIZONTAL BAR}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{SINGLE LOW-9 QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{DOUBLE LOW-9 QUOTATION MARK}": '"',
    "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}": '"',
    "\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}": '"',
    "\N{BULLET}": "*",
    "\N{MIDDLE DOT}": "*",
    "\N{FRACTION SLASH}": "/",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{DIVISION SIGN}": "/",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{LEFTWARDS ARROW}": "<-",
    "\N{RIGHTWARDS DOUBLE ARROW}": "=>",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{NOT EQUAL TO}": "!=",
    "\N{ALMOST EQUAL TO}": "~",
    "\N{CHECK MARK}": "ok",
    "\N{HEAVY CHECK MARK}": "ok",
    "\N{BALLOT X}": "x",
    "\N{HEAVY BALLOT X}": "x",
    "\N{EURO SIGN}": "EUR",
    "\N{LATIN SMALL LETTER SHARP S}": "ss",
    "\N{LATIN SMALL LETTER AE}": "ae",
    "\N{LATIN CAPITAL LETTER AE}": "AE",
    "\N{LATIN SMALL LIGATURE OE}": "oe",
    "\N{LATIN CAPITAL LIGATURE OE}": "OE",
    "\N{LATIN SMALL LETTER O WITH STROKE}": "o",
    "\N{LATIN CAPITAL LETTER O WITH STROKE}": "O",
    "\N{LATIN SMALL LETTER L WITH STROKE}": "l",
    "\N{LATIN CAPITAL LETTER L WITH STROKE}": "L",
}
"""Characters with a plain form that is not their Unicode decomposition."""

_REPLACED_ANYWAY: Final = ("strict", "surrogateescape", "backslashreplace")
"""Python's default error handlers, which are replaced; any other was set by the user and stays."""


def accept_all_characters(*, as_json: bool = False) -> None:
    """Make the standard output and error of this process accept any text, whatever their encoding.

    Args:
        as_json: the output is JSON, so a JSON escape can replace a character.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in (*_REPLACED_ANYWAY, _AS_PLAIN, _AS_JSON):
            stream.reconfigure(errors=_AS_JSON if as_json and stream is sys.stdout else _AS_PLAIN)


def plain(character: str, encoding: str) -> str:
    """Return the replacement of ``character`` where ``encoding`` lacks it: similar letters or signs, else an escape."""
    for form in (_PLAIN.get(character), unicodedata.normalize("NFKD", character)):
        if form is None or form == character:
            continue
        replacement = "".join(_PLAIN.get(one, one) for one in form if not unicodedata.combining(one))
        if replacement and _fits(replacement, encoding):
            return replacement
    return _escaped(character)


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _escaped(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")


def _json_escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _handler(replaced: Callable[[str, str], str]) -> Callable[[UnicodeError], tuple[str, int]]:
    def handle(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        lacking = error.object[error.start : error.end]
        return "".join(replaced(character, error.encoding) for character in lacking), error.end

    return handle


_AS_PLAIN: Final = "dbx_gateway.plain"
_AS_JSON: Final = "dbx_gateway.json"
codecs.register_error(_AS_PLAIN, _handler(plain))
codecs.register_error(_AS_JSON, _handler(lambda character, _: _json_escaped(character)))
