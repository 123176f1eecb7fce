"""The schema of a class: pydantic models of both versions and TypedDicts of every spelling, recursive ones too."""

import typing
from typing import Annotated

import pytest
import typing_extensions as extended
from pydantic import BaseModel, Field, RootModel
from pydantic.v1 import BaseModel as OldBaseModel

from dbx_gateway.schemas.from_classes import is_form, schema_of_class, untitled


class Node(BaseModel):
    """A tree."""

    value: str
    children: list["Node"] = []


class Old(OldBaseModel):
    """Of long ago."""

    a: int


class Point(typing.TypedDict, total=False):
    """A point.

    Args:
        x: to the
            right
        y (int): up

    Not an argument.
    """

    x: typing.Required[int]
    y: int


class Line(extended.TypedDict):
    """A line."""

    name: extended.NotRequired[Annotated[str, ..., "how it is called"]]
    points: list[Point]
    parent: "Line | None"
    model_config: Annotated[str, "thin", "its look"]
    kind: extended.ReadOnly[typing.Literal["a", "b"]]


class Longer(Line, total=False):
    width: int


@pytest.mark.parametrize("form", [Node, Old, Point, Line, Longer])
def test_pydantic_models_and_typed_dicts_are_forms(form):
    assert is_form(form)


@pytest.mark.parametrize("value", [dict, int, "Node", {"type": "object"}, None, len])
def test_nothing_else_is(value):
    assert not is_form(value)


def test_a_class_that_contains_itself_keeps_its_reference():
    schema = schema_of_class(Node)
    assert (schema["title"], schema["description"], schema["required"]) == ("Node", "A tree.", ["value"])
    assert schema["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}


def test_a_root_that_is_a_reference_is_written_out():
    schema = schema_of_class(RootModel[Node])
    assert schema["properties"].keys() == {"value", "children"}


def test_the_first_version_of_pydantic_has_schemas_too():
    assert untitled(schema_of_class(Old)) == {
        "type": "object",
        "description": "Of long ago.",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
    }


def test_a_typed_dict_requires_what_it_says():
    assert schema_of_class(Point)["required"] == ["x"]
    assert schema_of_class(Line)["required"] == ["points", "parent", "kind"]
    assert schema_of_class(Longer)["required"] == ["points", "parent", "kind"]


def test_a_typed_dict_describes_its_keys_by_its_docstring_and_by_annotations():
    point, line = untitled(schema_of_class(Point)), untitled(schema_of_class(Line))
    assert point == {
        "type": "object",
        "description": "A point.",
        "properties": {
            "x": {"type": "integer", "description": "to the right"},
            "y": {"type": "integer", "description": "up"},
        },
        "required": ["x"],
    }
    assert line["properties"]["points"] == {"type": "array", "items": point}
    assert line["properties"]["name"] == {"type": "string", "description": "how it is called"}
    assert line["properties"]["model_config"] == {"type": "string", "default": "thin", "description": "its look"}
    assert line["properties"]["kind"] == {"type": "string", "enum": ["a", "b"]}
    assert line["properties"]["parent"] == {"anyOf": [{"$ref": "#/$defs/Line"}, {"type": "null"}]}


class Bounded(extended.TypedDict):
    size: Annotated[int, Field(ge=1, description="in metres")]


def test_pydantics_own_annotations_count():
    schema = untitled(schema_of_class(Bounded))
    assert schema["properties"] == {"size": {"type": "integer", "minimum": 1, "description": "in metres"}}
    assert "description" not in schema
