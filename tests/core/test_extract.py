import contextlib
import json
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dbx_gateway import extract
from dbx_gateway.errors import ExtractionError
from dbx_gateway.extract import extract_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("  [1, 2]\n", [1, 2]),
        ("null", None),
        ("42", 42),
        ('"yes"', "yes"),
        ("true", True),
        ('"a [1] b"', "a [1] b"),
    ],
)
def test_a_text_that_is_json_is_the_value(text, value):
    assert extract_json(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('Sure: {"a": 1}. Enjoy!', {"a": 1}),
        ('```json\n{"a": "`"}\n```', {"a": "`"}),
        ('```\n{"a": 1}\n```\nor rather\n```\n{"a": 2}\n```', {"a": 2}),
        ('{"a": 1} and {"b": [{}]} x', {"b": [{}]}),
        ('It\'s "so": {"it\'s": "don\'t"}, isn\'t it?', {"it's": "don't"}),
        ('Say "{" to begin: {"a": 1}', {"a": 1}),
        ("Use { to open and } to close. [1]", [1]),
        ('a {b: 1} c {"d": 2} e {f}', {"d": 2}),
        ('[as {"a": 1} shows]', {"a": 1}),
        ('["see {"a": 1}', {"a": 1}),
        ('quote " then {"a": "}"}', {"a": "}"}),
        (r'x {"a": "\"}\\"} y', {"a": '"}\\'}),
        ('x {"a": {"b": [1, {"c": null}]}} y', {"a": {"b": [1, {"c": None}]}}),
        ("x [] y", []),
        ("x {} y", {}),
        ("[1, 2,] [3] [4", [3]),
        ("[[1], 2", [1]),
        ('{"a": 1} {"a": NaN} {"a": 01} {"a": "\n"} {a: 1} {"a" 1} [1}', {"a": 1}),
        ("x [-0.5e+3, 10, 0, true, false] y", [-500.0, 10, 0, True, False]),
    ],
)
def test_the_last_outermost_value_that_parses_is_found_in_prose(text, value):
    assert extract_json(text) == value


@pytest.mark.parametrize(
    "text", ["", "   ", "no json here", "the answer is 42", "{", "[1, 2", '{"a": ', "nullish", "{a}"]
)
def test_a_text_without_json_raises(text):
    with pytest.raises(ExtractionError, match="no JSON object or array"):
        extract_json(text)


def test_the_error_does_not_quote_the_text():
    with pytest.raises(ExtractionError) as caught:
        extract_json("my secret {")
    assert "secret" not in str(caught.value)


def test_a_value_with_half_a_surrogate_pair_gives_way_to_the_one_before():
    assert extract_json('[1] then ["\\ud800"]') == [1]


def test_a_value_nested_too_deeply_to_parse_gives_way_to_the_one_before():
    assert extract_json("[1] then " + "[" * 5000 + "]" * 5000) == [1]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
documents = st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4)
prose = st.text(st.characters(exclude_characters="{[", exclude_categories=["Cs"]))
layout = st.sampled_from([None, 2])


@settings(max_examples=100, deadline=None)
@given(values, layout, st.booleans())
def test_any_value_alone_is_found(value, indent, ascii_only):
    assert extract_json(json.dumps(value, indent=indent, ensure_ascii=ascii_only)) == value


@settings(max_examples=100, deadline=None)
@given(documents, prose, prose, layout, st.booleans())
def test_any_object_or_array_in_prose_is_found(value, before, after, indent, ascii_only):
    text = f"{before} : {json.dumps(value, indent=indent, ensure_ascii=ascii_only)} . {after}"
    assume(not (before.lstrip().startswith('"') and after.rstrip().endswith('"')))  # it may be one JSON string
    assert extract_json(text) == value


@settings(max_examples=100, deadline=None)
@given(st.lists(documents, min_size=1, max_size=4), st.sampled_from([" ", ", then ", "\n```\n", ' "and" ', " it's "]))
def test_of_several_values_the_last_is_found(several, between):
    assert extract_json("so: " + between.join(map(json.dumps, several)) + " .") == several[-1]


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from('[]{}",:1 \\a'), max_size=24))
def test_it_finds_what_trying_every_bracket_finds(text):
    def tried(text):
        found, at, decoder = [], 0, json.JSONDecoder(parse_constant=lambda name: 1 / 0)
        while (match := re.compile(r"[\[{]").search(text, at)) is not None:
            try:
                value, at = decoder.raw_decode(text, match.start())
                found.append(value)
            except ValueError:
                at = match.end()
        return found

    try:
        expected = json.loads(text.strip())
    except ValueError:
        found = tried(text)
        if not found:
            with pytest.raises(ExtractionError):
                extract_json(text)
            return
        expected = found[-1]
    assert extract_json(text) == expected


class CountingTokens:
    """Counts the characters that matches of the token pattern go over, those of a failed match included."""

    def __init__(self, pattern):
        self.pattern = pattern
        self.characters = 0

    def match(self, text, at):
        token = self.pattern.match(text, at)
        self.characters += token.end() - at if token else looked_at(text, at)
        return token


def looked_at(text, at):
    """How far a failed match looks: over blanks, and to the end of a string that does not end well."""
    seen = re.compile(r'[ \t\n\r]*(?:"(?:[^"\\\x00-\x1f]|\\.)*)?', re.DOTALL).match(text, at)
    return seen.end() - at + 1


@pytest.mark.parametrize(
    "unit",
    [
        "[",
        "{",
        '{"',
        '["',
        '"[',
        '{"a":',
        '["[",',
        '["{",[',
        '{"{":[',
        '[\\"',
        '["\\"[",',
        "[ ",
        "[1,",
        "[[]",
        "[{}}",
        "[]{}",
        '["\\u00',
        '{"a":"[{',
        "it's [",
        '"{" ',
    ],
)
def test_the_work_is_linear_in_the_text_however_hostile(unit, monkeypatch):
    counting = CountingTokens(extract._TOKEN)
    monkeypatch.setattr(extract, "_TOKEN", counting)
    text = unit * (30_000 // len(unit))
    with contextlib.suppress(ExtractionError):
        extract_json(text)
    assert counting.characters <= 3 * len(text) + 10
