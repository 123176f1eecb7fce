"""No input costs out of proportion: time is counted in lines of the package, memory in bytes, and no clock is asked.

What one line copies is not seen by counting lines; where that could grow with every event, a test of its own looks.
"""

from __future__ import annotations

import contextlib
import tracemalloc
from pathlib import Path

import pytest
from fuzz.expensive import FAMILIES, doubling, nested_unions
from fuzz.steps import steps_of
from fuzz.targets import TARGETS
from pydantic_core import from_json, to_json
from support.promises import promise

from dbx_gateway import json_schema
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_schema import LARGEST_SCHEMA, LONGEST_NOTE, inline_refs
from dbx_gateway.quirks.schema_gemini import for_gemini

MOST_BYTES = 150
"""Bytes of memory for each byte that is read, at most, where every few bytes are an object of their own."""

ADAPTERS = ("history-langchain", "history-llama-index")
"""Their messages are the frameworks' objects, whose size is not ours."""


def peak_of(call) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@promise("linear")
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.target}: {family.name}")
def test_time_grows_no_faster_than_the_input(family):
    """Of equal steps in size each costs what the one before did; where time grows with the square, 5/3 of it."""
    target = TARGETS[family.target]
    inputs = [family.of(times * family.size) for times in (1, 2, 3)]
    target.reads(inputs[0])  # what is only made once is made now
    first, second, third = (steps_of(lambda data=data: target.reads(data)) for data in inputs)
    assert third - second <= 1.02 * (second - first) + 25


@promise("linear", "bounded-size")
@pytest.mark.parametrize(
    "family",
    [family for family in FAMILIES if family.target not in ADAPTERS],
    ids=lambda family: f"{family.target}: {family.name}",
)
def test_memory_is_in_proportion_to_the_input(family):
    target, data = TARGETS[family.target], family.of(3 * family.size)
    target.reads(data)
    assert peak_of(lambda: target.reads(data)) <= MOST_BYTES * len(data) + 40_000


def refused(target, data):
    with pytest.raises(InvalidRequestError, match="give a smaller schema"):
        TARGETS[target].read(data)


@promise("linear")
@pytest.mark.parametrize("target", ["schema-gemini", "schema-open-models"])
@pytest.mark.parametrize("depth", [17, 40, 95])
def test_definitions_that_double_cost_what_the_bound_allows_and_no_more(target, depth, monkeypatch):
    monkeypatch.setattr(json_schema, "_MOST_SCHEMAS", 1000)
    data = doubling(depth, {"type": "string"})
    assert steps_of(lambda: refused(target, data)) <= 60 * 1000  # a reference by an inner id is looked for too


@pytest.mark.parametrize("target", ["schema-gemini", "schema-open-models"])
def test_definitions_that_double_take_no_more_memory_than_the_bound_allows(target, monkeypatch):
    """A tenth of the bound is looked at, for counting every allocation takes long."""
    monkeypatch.setattr(json_schema, "_MOST_SCHEMAS", json_schema._MOST_SCHEMAS // 10)
    assert peak_of(lambda: refused(target, doubling(40, {"type": "string"}))) <= 10_000_000


def test_definitions_whose_text_doubles_are_refused_though_they_are_few():
    schema = from_json(doubling(10, {"type": "string", "description": "x" * 10_000}))
    with pytest.raises(InvalidRequestError, match=f"{LARGEST_SCHEMA} characters"):
        inline_refs(schema)


def test_a_union_whose_constraints_go_into_every_branch_is_refused_when_it_grows_too_large():
    values = [f"v{number}" for number in range(1000)]
    with pytest.raises(InvalidRequestError, match=f"{LARGEST_SCHEMA} characters"):
        for_gemini({"type": "string", "enum": values, "anyOf": [{"pattern": value} for value in values]})


def test_unions_in_unions_are_told_in_words_that_do_not_double_with_every_level():
    sizes = [len(to_json(for_gemini(from_json(nested_unions(depth))))) for depth in (10, 20, 30)]
    assert sizes[2] - sizes[1] <= 1.2 * (sizes[1] - sizes[0])
    assert sizes[2] <= 30 * 2 * LONGEST_NOTE


def test_a_schema_as_deep_as_is_read_ends_in_an_answer_or_a_typed_error():
    deepest = '{"anyOf":[' * 99 + '{"type":"string"},{"type":"integer"}' + "]}" * 99
    for target in ("schema-gemini", "schema-messages", "schema-open-models"):
        for data in (deepest, deepest.replace("anyOf", "allOf"), deepest.replace('"anyOf":[', '"items":{"oneOf":[')):
            TARGETS[target].accepts(data.encode())


HERE = (str(Path(__file__).parent),)


def test_lines_are_counted_one_by_one():
    def twice(count):
        for _ in range(count):
            pass

    assert steps_of(lambda: twice(10), folders=HERE) - steps_of(lambda: twice(5), folders=HERE) == 2 * 5


def test_a_call_that_does_not_end_is_stopped_though_it_catches_every_error():
    def endless():
        while True:
            with contextlib.suppress(Exception):
                len(())

    with pytest.raises(AssertionError, match="more than 1,000 lines"):
        steps_of(endless, limit=1000, folders=HERE)


def test_what_is_kept_of_a_stream_is_added_to_and_not_copied_with_every_event():
    messages, chat = DIALECTS["messages"].decoder("m"), DIALECTS["chat-completions"].decoder("m")
    usages, fields = [], []
    for number in range(3):
        messages.feed({"type": "message_delta", "usage": {f"k{number}": 1}})
        usages.append(messages._usage)
        call = {"index": 0, "id": "t", "function": {"name": "f", f"k{number}": 1}}
        chat.feed({"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
        fields.append(chat._choices[0].calls._calls[0].opaque["function"])
    assert usages[0] is usages[2]
    assert usages[2] == {"k0": 1, "k1": 1, "k2": 1}
    assert fields[0] is fields[2]
    assert fields[2] == {"k0": 1, "k1": 1, "k2": 1}


def test_a_text_whose_end_is_repeated_is_joined_once():
    decoder = DIALECTS["responses"].decoder("m")
    decoder.feed({"type": "response.created", "response": {"id": "r"}})
    for _ in range(5):
        decoder.feed({"type": "response.output_text.delta", "output_index": 0, "delta": "ab"})
    for _ in range(2):
        decoder.feed({"type": "response.output_text.done", "output_index": 0, "text": "a"})
    [item] = decoder._items._items
    assert item.runs == {("text", 0): ["ababababab"]}
