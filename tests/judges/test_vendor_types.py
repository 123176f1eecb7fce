"""The judge of request bodies is itself judged: it accepts what the vendors accept and names what they would not."""

from __future__ import annotations

from typing import Literal, NotRequired, Required, TypedDict

import pytest
from anthropic.types import MessageCreateParams
from judges.vendor_types import violations
from openai.types.chat import CompletionCreateParams
from openai.types.responses import ResponseCreateParams

HELLO = {"role": "user", "content": "hello"}


def test_a_plain_request_of_each_vendor_passes():
    assert violations({"model": "m", "max_tokens": 5, "messages": [HELLO]}, MessageCreateParams) == []
    assert violations({"model": "m", "messages": [HELLO]}, CompletionCreateParams) == []
    assert violations({"model": "m", "input": [{"type": "message", **HELLO}]}, ResponseCreateParams) == []


def test_an_unknown_key_is_named_with_its_place():
    block = {"type": "text", "text": "x", "colour": "red"}
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": [block]}]}
    assert violations(body, MessageCreateParams) == ["body.messages[0].content[0].colour: unknown to TextBlockParam"]


def test_an_unknown_key_at_the_top_is_named():
    found = violations({"model": "m", "messages": [HELLO], "top_k": 3}, CompletionCreateParams)
    assert found == ["body.top_k: unknown to CompletionCreateParamsNonStreaming"]


def test_a_missing_key_is_named_although_annotations_are_postponed():
    found = violations({"model": "m", "messages": [HELLO]}, MessageCreateParams)
    assert found == ["body: lacks 'max_tokens' of MessageCreateParamsNonStreaming"]


def test_the_streaming_type_demands_stream_true():
    body = {"model": "m", "max_tokens": 5, "messages": [HELLO]}
    assert violations({**body, "stream": True}, MessageCreateParams) == []
    assert violations({**body, "stream": "yes"}, MessageCreateParams) != []


@pytest.mark.parametrize(
    ("value", "annotation", "found"),
    [
        (True, int, ["body: bool where int is due"]),
        (1, float, []),
        (True, float, ["body: bool where float is due"]),
        ("5m", Literal["5m", "1h"], []),
        (1, Literal[True], ["body: 1 is none of True"]),
        ({"a": 1}, dict[str, str], ["body.a: int where str is due"]),
        (["a", 1], list[str], ["body[1]: int where str is due"]),
        ({"a": 1}, list[str], ["body: dict where an array is due"]),
        (None, str | None, []),
        (None, str, ["body: null where str is due"]),
        ({"any": [1, None]}, object, []),
    ],
)
def test_values_are_compared_as_json_types(value, annotation, found):
    assert violations(value, annotation) == found


class Parent(TypedDict, total=False):
    needed: Required[int]
    spare: str


class Child(Parent):
    own: NotRequired[bool]
    due: str


def test_required_and_optional_keys_are_inherited():
    assert violations({"needed": 1, "due": "x"}, Child) == []
    assert violations({}, Child) == ["body: lacks 'due' of Child", "body: lacks 'needed' of Child"]
