"""Arguments and structured answers of the simulated workspace fit their schemas."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from typing import Annotated, Literal, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, create_model

from dbx_gateway.testing.model.conversation import pieces
from dbx_gateway.testing.model.schema_values import hints_of, value_for


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(BaseModel):
    label: str
    weight: Annotated[float, Field(gt=0, lt=1)]


class Tree(BaseModel):
    name: str
    children: list[Tree]


PLAIN = st.sampled_from(
    [
        bool,
        int,
        float,
        str,
        Colour,
        Literal["a", "b"],
        Literal[7],
        dt.date,
        dt.datetime,
        uuid.UUID,
        Leaf,
        type(None),
        Annotated[int, Field(ge=10, le=12)],
        Annotated[int, Field(gt=10, lt=12)],
        Annotated[int, Field(multiple_of=7)],
        Annotated[float, Field(ge=-2.5, le=-1.5)],
        Annotated[str, Field(min_length=5)],
        Annotated[str, Field(max_length=3)],
        dict[str, int],
        tuple[int, str],
    ]
)
TYPES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),
        inner.map(lambda kind: kind | None),
        st.tuples(inner, inner).map(lambda kinds: Union[kinds]),  # noqa: UP007  # a tuple of types
        inner.map(lambda kind: Annotated[list[kind], Field(min_length=2, max_length=3)]),
    ),
    max_leaves=4,
)
MODELS = st.lists(st.tuples(TYPES, st.booleans()), min_size=1, max_size=5).map(
    lambda fields: create_model(
        "Made",
        **{f"field_{at}": (kind, ... if required else None) for at, (kind, required) in enumerate(fields)},
    )
)


@settings(max_examples=150, deadline=None)
@given(MODELS, st.text(max_size=60))
def test_pydantic_takes_the_value_made_for_its_schema(model, text):
    model.model_validate(value_for(model.model_json_schema(), hints_of(text)))


@settings(max_examples=50, deadline=None)
@given(MODELS)
def test_a_value_is_the_same_each_time(model):
    schema = model.model_json_schema()
    assert value_for(schema, hints_of("7 'x'")) == value_for(schema, hints_of("7 'x'"))


def test_a_recursive_schema_ends():
    value = value_for(Tree.model_json_schema(), hints_of(""))
    assert Tree.model_validate(value).name == "some name"


def test_geminis_upper_case_types_are_understood():
    schema = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}, "s": {"type": "STRING"}}}
    assert value_for(schema, hints_of("4")) == {"n": 4, "s": "some s"}


def test_parts_of_allof_are_merged():
    one = {"properties": {"a": {"type": "integer"}}, "required": ["a"]}
    other = {"properties": {"b": {"type": "integer"}}, "required": ["b"]}
    assert value_for({"type": "object", "allOf": [one, other]}, hints_of("1 2")) == {"a": 1, "b": 2}


def test_definitions_may_stand_in_either_place():
    for place in ("$defs", "definitions"):
        schema = {
            "type": "object",
            "properties": {"a": {"$ref": f"#/{place}/Number"}},
            place: {"Number": {"type": "integer"}},
        }
        assert value_for(schema, hints_of("9")) == {"a": 9}


@pytest.mark.parametrize(
    ("text", "numbers", "strings"),
    [
        ("add 2 and 3.5, then -4", [2, 3.5, -4], []),
        ("weather in Paris and New York", [], ["Paris", "New York"]),
        ("search \"red shoes\" and 'socks 42' in Paris", [], ["red shoes", "socks 42"]),
        ("it isn't model-3 or v2", [], []),
        ("", [], []),
    ],
)
def test_a_text_gives_its_numbers_and_its_quoted_words_or_names(text, numbers, strings):
    hints = hints_of(text)
    assert (list(hints.numbers), list(hints.strings)) == (numbers, strings)


def test_numbers_fill_an_array_of_numbers():
    schema = TypeAdapter(list[int]).json_schema()
    assert value_for(schema, hints_of("3, 1 and 2")) == [3, 1, 2]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80), st.integers(min_value=1, max_value=20))
def test_pieces_lose_nothing_and_are_never_empty(text, run):
    cut = list(pieces(text, run))
    assert "".join(cut) == text
    assert all(0 < len(piece) <= run for piece in cut)
