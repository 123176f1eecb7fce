"""Tool calls that share an id are told apart."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_gateway.adapters.tool_call_ids import with_distinct_ids
from dbx_gateway.chat import Message, Text, ToolCall, ToolResult, assistant, user


def call(call_id):
    return ToolCall(call_id=call_id, name="add", arguments="{}")


def result(call_id):
    return Message(role="tool", parts=(ToolResult(call_id=call_id),))


def ids_in(messages):
    """The ids of calls and results, in order."""
    parts = [part for message in messages for part in message.parts]
    return [part.call_id for part in parts if isinstance(part, ToolCall | ToolResult)]


def test_ids_that_differ_are_kept():
    messages = (user("a"), assistant(call("x"), call("y")), result("y"), result("x"))

    assert with_distinct_ids(messages) == messages


def test_calls_of_one_turn_and_their_results_are_paired_in_order():
    messages = (user("a"), assistant(Text("b"), call("x"), call("x")), result("x"), result("x"))

    told = with_distinct_ids(messages)

    assert ids_in(told) == ["x", "x_2", "x", "x_2"]
    assert told[0] == messages[0]
    assert told[1].parts[0] == Text("b")


def test_calls_of_several_turns_get_ids_of_their_own():
    turn = (assistant(call("x")), result("x"))

    assert ids_in(with_distinct_ids((user("a"), *turn, *turn, *turn))) == ["x", "x", "x_2", "x_2", "x_3", "x_3"]


def test_an_id_that_was_given_away_is_told_apart_too():
    messages = (assistant(call("x"), call("x"), call("x_2")), result("x"), result("x"), result("x_2"))

    assert ids_in(with_distinct_ids(messages)) == ["x", "x_2", "x_2_2", "x", "x_2", "x_2_2"]


def test_a_result_too_many_stays_with_the_latest_call_of_its_id():
    messages = (assistant(call("x")), result("x"), assistant(call("x")), *[result("x")] * 2)

    assert ids_in(with_distinct_ids(messages)) == ["x", "x", "x_2", "x_2", "x_2"]


def named(name, call_id=None):
    return Message(role="tool", parts=(ToolResult(call_id=call_id or name, name=name),))


def test_a_result_that_names_a_tool_only_is_that_of_the_tools_first_call_without_one():
    calls = assistant(call("x"), ToolCall(call_id="y", name="sub", arguments="{}"), call("z"))
    results = (named("sub"), named("add"), named("add"))
    assert ids_in(with_distinct_ids((calls, *results))) == ["x", "y", "z", "y", "x", "z"]
    assert ids_in(with_distinct_ids((calls, result("x"), named("add")))) == ["x", "y", "z", "x", "z"]


def test_a_result_of_an_unknown_id_or_tool_stays_as_it_is():
    calls = assistant(call("x"))
    assert ids_in(with_distinct_ids((calls, named("add", "w"), named("sub")))) == ["x", "w", "sub"]


def test_a_call_without_an_id_gets_one_and_so_does_its_result():
    messages = (assistant(call("")), result(""), assistant(call("call"), call("")), result("call"), result(""))

    assert ids_in(with_distinct_ids(messages)) == ["call", "call", "call_2", "call_3", "call_2", "call_3"]


turns = st.lists(st.lists(st.sampled_from(["x", "y", "x_2", "", "call"]), min_size=1, max_size=3), max_size=5)


@settings(max_examples=100, deadline=None)
@given(turns=turns, later=turns)
def test_every_call_has_its_own_id_and_its_result_and_keeps_them_as_the_conversation_goes_on(turns, later):
    def conversation(given):
        for ids in given:
            yield assistant(*map(call, ids))
            yield from map(result, ids)

    told = with_distinct_ids([user("a"), *conversation(turns)])
    calls = [part.call_id for message in told for part in message.parts if isinstance(part, ToolCall)]
    results = [part.call_id for message in told for part in message.parts if isinstance(part, ToolResult)]

    assert len(set(calls)) == len(calls)
    assert results == calls
    assert with_distinct_ids(told) == told
    assert with_distinct_ids([user("a"), *conversation([*turns, *later])])[: len(told)] == told
