import copy
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_gateway.call.tool_names import ToolNames
from dbx_gateway.chat import (
    Alternative,
    ChatRequest,
    ChatResponse,
    Finish,
    Message,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    assistant,
    tool_result,
    user,
)
from dbx_gateway.events import End, TextDelta, ToolCallDelta, ToolCallEnd, ToolCallStart

EVERY_API_TAKES = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


def asking(*names: str, **more) -> ChatRequest:
    return ChatRequest(model="m", messages=(user("hi"),), tools=tuple(ToolSpec(name=name) for name in names), **more)


def wire_names(*names: str) -> list[str]:
    request = asking(*names)
    return [tool.name for tool in ToolNames.of(request).outward(request).tools]


@pytest.mark.parametrize("name", ["add", "_add", "Add-2_x", "a" * 64, "A"])
def test_a_name_that_every_api_takes_stays(name):
    request = asking(name)
    assert ToolNames.of(request) == ToolNames()
    assert ToolNames.of(request).outward(request) is request


def test_a_name_outside_the_charset_keeps_a_readable_head_and_gets_a_hash():
    assert wire_names("main.tools.add up") == ["main_tools_add_up_34139bbcb385c6cfcaaf3448300c0ed7"]


@pytest.mark.parametrize(
    "name",
    ["get weather", "a.b", "größe", "2fast", "-x", "a" * 65, "", " ", "工具", "a\ud800", "\n", "x" * 5000, "a:b"],
)
def test_every_other_name_becomes_one_that_every_api_takes(name):
    (wire,) = wire_names(name)
    assert EVERY_API_TAKES.fullmatch(wire)
    assert wire_names(name) == [wire]


def test_a_name_that_begins_with_a_digit_is_none_that_another_tool_has():
    first, second = wire_names("1st", "_1st")
    assert second == "_1st"
    assert first.startswith("_1st_")


def test_a_spelling_that_another_tool_has_already_is_not_taken():
    (taken,) = wire_names("get weather")
    names = wire_names("get weather", taken)
    assert names[1] == taken
    assert names[0] != taken
    request = asking("get weather", taken)
    assert ToolNames.of(request).inward(ToolCallStart(0, "c", taken)).name == taken
    assert ToolNames.of(request).inward(ToolCallStart(0, "c", names[0])).name == "get weather"


@settings(max_examples=100, deadline=None)
@given(st.sets(st.text(max_size=70) | st.from_regex(EVERY_API_TAKES, fullmatch=True), min_size=1, max_size=6))
def test_names_go_out_distinct_and_come_back_as_they_were(names):
    request = asking(*names)
    mapping = ToolNames.of(request)
    wire = [tool.name for tool in mapping.outward(request).tools]
    assert all(EVERY_API_TAKES.fullmatch(name) for name in wire)
    assert len(set(wire)) == len(names)
    assert {mapping.inward(ToolCallStart(0, "c", name)).name for name in wire} == names


def test_tools_choice_and_history_go_out_under_one_spelling_and_nothing_given_changes():
    call = ToolCall(call_id="c", name="a b", arguments="{}")
    request = ChatRequest(
        model="m",
        messages=(user("hi"), assistant("so", call), tool_result(call, "done"), user("and?")),
        tools=(ToolSpec(name="a b"), ToolSpec(name="plain")),
        tool_choice=ToolChoice("required", ("a b",)),
    )
    before = copy.deepcopy(request)
    sent = ToolNames.of(request).outward(request)
    spelled = sent.tools[0].name
    assert EVERY_API_TAKES.fullmatch(spelled)
    assert sent.tools[1].name == "plain"
    assert sent.tool_choice == ToolChoice("required", (spelled,))
    assert sent.messages[1].parts == (Text("so"), ToolCall(call_id="c", name=spelled, arguments="{}"))
    assert sent.messages[2].parts == (ToolResult(call_id="c", name=spelled, content=(Text("done"),)),)
    assert request == before


def test_a_name_that_only_the_history_holds_is_mapped_too():
    call = ToolCall(call_id="c", name="gone tool")
    request = ChatRequest(model="m", messages=(user("hi"), assistant(call), tool_result(call, "x")))
    sent = ToolNames.of(request).outward(request)
    names = {sent.messages[1].parts[0].name, sent.messages[2].parts[0].name}
    assert len(names) == 1
    assert EVERY_API_TAKES.fullmatch(names.pop())


def test_a_server_side_tool_keeps_its_name():
    request = ChatRequest(model="m", messages=(user("hi"),), tools=(ToolSpec(name="web search", native={"type": "x"}),))
    assert ToolNames.of(request) == ToolNames()


def test_names_come_back_in_events():
    request = asking("a b")
    names = ToolNames.of(request)
    spelled = names.to_wire["a b"]
    call = ToolCall(call_id="c", name=spelled, arguments="{}")
    other = Alternative(message=assistant(call), finish=Finish(reason="stop"))
    assert names.inward(ToolCallStart(0, "c", spelled)) == ToolCallStart(0, "c", "a b")
    assert names.inward(ToolCallDelta(0, "{}")) == ToolCallDelta(0, "{}")
    assert names.inward(ToolCallEnd(0, call)).call.name == "a b"
    assert names.inward(TextDelta(0, spelled)) == TextDelta(0, spelled)
    assert names.inward(ToolCallStart(0, "c", "made_up")) == ToolCallStart(0, "c", "made_up")
    end = names.inward(End(Finish(reason="stop"), None, (other,)))
    assert end.alternatives[0].message.tool_calls[0].name == "a b"


def test_names_come_back_in_whole_answers_and_in_their_alternatives():
    request = asking("a b")
    names = ToolNames.of(request)
    call = ToolCall(call_id="c", name=names.to_wire["a b"])
    message = Message(role="assistant", parts=(Text("x"), call))
    finish = Finish(reason="tool_calls")
    plain = ChatResponse(
        message=assistant("x"), finish=finish, alternatives=(Alternative(message=message, finish=finish),)
    )
    assert names.answer(ChatResponse(message=message, finish=finish)).tool_calls[0].name == "a b"
    assert names.answer(plain).alternatives[0].message.tool_calls[0].name == "a b"
    assert names.answer(names.answer(plain)) == names.answer(plain)
