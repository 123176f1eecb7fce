"""Tool calls of a stream, in every shape that servers give them: each shape holds the same calls."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_gateway.chat import ToolCall
from dbx_gateway.dialects.chat_completions.answer import ChatStream, decode_answer
from dbx_gateway.events import ToolCallDelta, ToolCallEnd, ToolCallStart, fold, mint_call_id

A, B = '{"city": "Zürich"}', '{"days": 3}'
ID = "chatcmpl-1"


def entry(index="absent", *, name=None, arguments=None, **fields):
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    placed = {} if index == "absent" else {"index": index}
    return {**placed, **fields, **({"function": function} if function else {})}


def events(*deltas, end="tool_calls"):
    stream = ChatStream("m")
    seen = []
    for delta in deltas:
        calls = delta if isinstance(delta, dict) else {"tool_calls": delta}
        seen += stream.feed({"id": ID, "choices": [{"index": 0, "delta": calls, "finish_reason": None}]})
    seen += stream.feed({"id": ID, "choices": [{"index": 0, "delta": {}, "finish_reason": end}]})
    return seen + stream.close()


def calls(*deltas):
    return fold(events(*deltas)).tool_calls


TWO = (ToolCall(call_id="a", name="weather", arguments=A), ToolCall(call_id="b", name="trip", arguments=B))

SHAPES = {
    "as defined": (
        [entry(0, id="a", type="function", name="weather", arguments="")],
        [entry(0, arguments=A[:5])],
        [entry(0, arguments=A[5:])],
        [entry(1, id="b", type="function", name="trip", arguments="")],
        [entry(1, arguments=B)],
    ),
    "each whole in one chunk": (
        [entry(0, id="a", name="weather", arguments=A)],
        [entry(1, id="b", name="trip", arguments=B)],
    ),
    "both whole in one chunk": (
        [entry(0, id="a", name="weather", arguments=A), entry(1, id="b", name="trip", arguments=B)],
    ),
    "both whole, both with index 0": (
        [entry(0, id="a", name="weather", arguments=A), entry(0, id="b", name="trip", arguments=B)],
    ),
    "a new id under a used index": (
        [entry(0, id="a", name="weather", arguments="")],
        [entry(0, arguments=A)],
        [entry(0, id="b", name="trip", arguments="")],
        [entry(0, arguments=B)],
    ),
    "fragments of both under index 0, told apart by ids": (
        [entry(0, id="a", name="weather", arguments=A[:5])],
        [entry(0, id="b", name="trip", arguments=B[:5])],
        [entry(0, id="a", arguments=A[5:])],
        [entry(0, id="b", arguments=B[5:])],
    ),
    "id and name on each fragment": (
        [entry(0, id="a", name="weather", arguments=A[:5])],
        [entry(0, id="a", name="weather", arguments=A[5:])],
        [entry(1, id="b", name="trip", arguments=B[:5])],
        [entry(1, id="b", name="trip", arguments=B[5:])],
    ),
    "a fresh id on each fragment": (
        [entry(0, id="a", name="weather", arguments="")],
        [entry(0, id="x1", arguments=A[:5])],
        [entry(0, id="x2", arguments=A[5:])],
        [entry(1, id="b", name="trip", arguments="")],
        [entry(1, id="x3", arguments=B)],
    ),
    "interleaved": (
        [entry(0, id="a", name="weather", arguments="")],
        [entry(1, id="b", name="trip", arguments="")],
        [entry(0, arguments=A[:5])],
        [entry(1, arguments=B[:5])],
        [entry(0, arguments=A[5:])],
        [entry(1, arguments=B[5:])],
    ),
    "several fragments of one index in one chunk": (
        [entry(0, id="a", name="weather", arguments=A[:5]), entry(0, arguments=A[5:9]), entry(0, arguments=A[9:])],
        [entry(1, id="b", name="trip"), entry(1, arguments=B[:3]), entry(1, arguments=B[3:])],
    ),
    "no index": (
        [entry(id="a", name="weather", arguments="")],
        [entry(arguments=A)],
        [entry(id="b", name="trip", arguments="")],
        [entry(arguments=B)],
    ),
    "null index": (
        [entry(None, id="a", name="weather", arguments=A[:5])],
        [entry(None, arguments=A[5:])],
        [entry(None, id="b", name="trip", arguments=B[:5])],
        [entry(None, arguments=B[5:])],
    ),
    "no index, interleaved by ids": (
        [entry(id="a", name="weather"), entry(id="b", name="trip")],
        [entry(id="a", arguments=A[:5]), entry(id="b", arguments=B[:5])],
        [entry(id="a", arguments=A[5:]), entry(id="b", arguments=B[5:])],
    ),
    "index on the first fragment only": (
        [entry(0, id="a", name="weather", arguments="")],
        [entry(arguments=A)],
        [entry(1, id="b", name="trip", arguments="")],
        [entry(arguments=B)],
    ),
    "index on the later fragments only": (
        [entry(id="a", name="weather", arguments="")],
        [entry(0, id="a", arguments=A[:5])],
        [entry(0, arguments=A[5:])],
        [entry(id="b", name="trip", arguments="")],
        [entry(1, arguments=B)],
    ),
    "the name arrives late": (
        [entry(0, id="a", arguments=A[:5])],
        [entry(0, name="weather", arguments=A[5:])],
        [entry(1, id="b")],
        [entry(1, name="trip")],
        [entry(1, arguments=B)],
    ),
    "the id arrives after the name": (
        [entry(0, name="weather", arguments="")],
        [entry(0, id="a", name="weather", arguments=A)],
        [entry(1, name="trip")],
        [entry(1, id="b", arguments=B)],
    ),
    "new id first, then its name": (
        [entry(0, id="a", name="weather", arguments=A)],
        [entry(0, id="b")],
        [entry(0, name="trip")],
        [entry(0, arguments=B)],
    ),
    "empty id and name on later fragments": (
        [entry(0, id="a", name="weather", arguments="")],
        [entry(0, id="", name="", arguments=A)],
        [entry(1, id="b", name="trip", arguments="")],
        [entry(1, id=None, type=None, arguments=B)],
    ),
    "entries that say nothing in between": (
        [entry(0)],
        [entry(0, id="a", name="weather", arguments=A), "?", None],
        [entry(1, id="b", name="trip", arguments=B), entry(1), entry()],
    ),
    "arguments as objects": (
        [entry(0, id="a", name="weather", arguments={"city": "Zürich"})],
        [entry(1, id="b", name="trip", arguments={"days": 3})],
    ),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_every_shape_holds_the_same_calls(shape):
    expected = TWO
    if "objects" in next(name for name, value in SHAPES.items() if value is shape):
        expected = tuple(
            ToolCall(call_id=call.call_id, name=call.name, arguments=call.arguments.replace(": ", ":")) for call in TWO
        )
    assert calls(*shape) == expected


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_in_every_shape_a_call_starts_with_id_and_name_before_its_arguments(shape):
    started = {}
    for event in events(*shape):
        match event:
            case ToolCallStart():
                assert event.call_id
                assert event.name
                started[event.index] = ""
            case ToolCallDelta():
                started[event.index] += event.arguments
            case ToolCallEnd():
                assert started.pop(event.index) == event.call.arguments
    assert started == {}


def test_calls_without_ids_get_one_that_is_the_same_whole_and_streamed():
    deltas = ([entry(0, name="weather", arguments=A)], [entry(1, name="weather", arguments=B)])
    streamed = calls(*deltas)
    message = {"role": "assistant", "content": None, "tool_calls": [delta[0] for delta in deltas]}
    whole = decode_answer({"id": ID, "choices": [{"message": message, "finish_reason": "tool_calls"}]}, "m")
    assert streamed == whole.tool_calls
    assert [call.call_id for call in streamed] == [mint_call_id(ID, 0, "weather"), mint_call_id(ID, 1, "weather")]
    assert all(call.minted for call in streamed)


@pytest.mark.parametrize("index", ["absent", None, 0])
def test_whole_calls_without_ids_are_told_apart_by_name_or_by_the_end_of_the_object(index):
    found = calls(
        [entry(index, name="weather", arguments=A), entry(index, name="trip", arguments=B)],
        [entry(index, name="trip", arguments="{}")],
    )
    assert [(call.name, call.arguments) for call in found] == [("weather", A), ("trip", B), ("trip", "{}")]


def test_an_id_that_is_repeated_is_not_taken_for_the_next_calls():
    found = calls(
        [entry(0, name="weather")],
        [entry(id="a")],
        [entry(0, id="a", arguments=A[:5])],
        [entry(0, id="a", arguments=A[5:])],
        [entry(0, name="trip", arguments=B)],
    )
    assert [(call.name, call.arguments, call.minted) for call in found] == [("weather", A, False), ("trip", B, True)]
    assert found[0].call_id == "a"


def test_whole_calls_of_a_whole_answer_stay_apart_even_with_one_id():
    message = {"tool_calls": [entry(id="a", name="f", arguments=A), entry(id="a", name="f", arguments=B)]}
    answer = decode_answer({"choices": [{"message": message, "finish_reason": "tool_calls"}]}, "m")
    assert [call.arguments for call in answer.tool_calls] == [A, B]


@pytest.mark.parametrize("arguments", [None, "", "{}"])
def test_a_call_without_arguments_has_an_empty_object_whole_and_streamed(arguments):
    wire = entry(0, id="a", name="now", arguments=arguments)
    whole = decode_answer({"choices": [{"message": {"tool_calls": [wire]}, "finish_reason": "tool_calls"}]}, "m")
    assert whole.tool_calls == calls([wire]) == (ToolCall(call_id="a", name="now", arguments="{}"),)


def test_a_custom_call_without_input_stays_without():
    (call,) = calls([{"index": 0, "id": "a", "custom": {"name": "sql", "input": ""}}])
    assert call.arguments == ""


def test_the_one_call_of_the_first_form_of_the_api_is_a_call():
    (call,) = calls(
        {"function_call": {"name": "weather", "arguments": ""}},
        {"function_call": {"arguments": A[:5]}},
        {"function_call": {"arguments": A[5:]}},
    )
    assert (call.name, call.arguments, call.minted) == ("weather", A, True)


def test_a_custom_tool_has_its_input_as_arguments():
    found = calls(
        [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "sql", "input": "select"}}],
        [{"index": 0, "custom": {"input": " 1"}}],
    )
    assert found == (ToolCall(call_id="a", name="sql", arguments="select 1", custom=True),)


def test_what_a_call_has_no_field_for_is_kept_at_its_level():
    (call,) = calls(
        [{"index": 0, "id": "a", "type": "function", "thoughtSignature": "s", "function": {"name": "f", "k": 1}}],
        [{"index": 0, "extra_content": {"google": 1}, "function": {"arguments": "{}", "strict": None, "j": 2}}],
    )
    assert call.opaque == {"thoughtSignature": "s", "extra_content": {"google": 1}, "function": {"k": 1, "j": 2}}


def test_a_call_that_never_gets_a_name_is_told_at_its_end_only():
    seen = events([entry(0, id="a", arguments="{}")])
    assert [type(event) for event in seen if isinstance(event, ToolCallStart | ToolCallDelta | ToolCallEnd)] == [
        ToolCallEnd
    ]
    assert fold(seen).tool_calls == (ToolCall(call_id="a", name="", arguments="{}"),)


def next_of(queues, random):
    waiting = [queue for queue in queues if queue]
    return [random.choice(waiting).pop(0)] if waiting else []


names = st.sampled_from(["f", "g"])
fragmented = st.lists(st.sampled_from(['{"a":', " 1", ",", '"b"', "}", "é"]), max_size=6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(names, fragmented), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_interleaving_in_any_order_changes_no_call(wanted, random):
    queues = []
    for place, (name, fragments) in enumerate(wanted):
        first = entry(place, id=f"id{place}", name=name, arguments="")
        queues.append([first, *(entry(place, arguments=fragment) for fragment in fragments)])
    # Calls begin in order, as servers have them; what follows comes in any.
    deltas, rest = [], [queue[1:] for queue in queues]
    for place, queue in enumerate(queues):
        deltas.append(queue[0])
        for _ in range(random.randrange(3)):
            deltas += next_of(rest[: place + 1], random)
    while any(rest):
        deltas += next_of(rest, random)
    chunks = []
    while deltas:
        size = random.randint(1, 3)
        chunks.append(deltas[:size])
        deltas = deltas[size:]
    assert [(call.call_id, call.name, call.arguments) for call in calls(*chunks)] == [
        (f"id{place}", name, "".join(fragments) or "{}") for place, (name, fragments) in enumerate(wanted)
    ]
