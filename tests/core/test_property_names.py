"""Names of properties that Claude refuses: other names on the wire, the caller's own in schemas' place and in answers."""

import json

import httpx
import pytest
from support.promises import promise

from dbx_gateway import Client, Message, OutputFormat, Text, ToolCall, ToolChoice, ToolSpec, tool_result, user
from dbx_gateway.call.property_names import PropertyNames
from dbx_gateway.call.translation import translated_events
from dbx_gateway.chat import ChatRequest, Finish
from dbx_gateway.events import End, PartEnd, TextDelta, ToolCallDelta, ToolCallEnd, ToolCallStart, fold
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing import Workspace
from dbx_gateway.testing.in_process import workspace_transport

CLAUDE = "databricks-claude-sonnet-4-5"
PLAIN = profile_of(CLAUDE).property_names
ODD = {
    "type": "object",
    "properties": {
        "$top": {"type": "integer"},
        "filter[search]": {"type": "object", "properties": {"年": {"type": "string"}}, "required": ["年"]},
        "plain": {"type": "string"},
        'a"b': {"type": "string"},
        "k" * 70: {"type": "string"},
    },
    "required": ["$top", "filter[search]", "plain"],
}
LOOK = ToolSpec(name="look", parameters=ODD)
STOP = Finish(reason="tool_calls")


def request(*messages, **options):
    return ChatRequest(model=CLAUDE, messages=messages or (user("Hi"),), **options)


def names_in(value):
    if isinstance(value, dict):
        return {*value, *(name for item in value.values() for name in names_in(item))}
    return {name for item in value for name in names_in(item)} if isinstance(value, list) else set()


def mapped():
    return PropertyNames.of(request(tools=(LOOK,)), PLAIN)


@pytest.mark.parametrize("model", [CLAUDE, "databricks-claude-opus-5-5", "my-claude-endpoint"])
def test_claude_takes_plain_names_only_whatever_the_model_is_called(model):
    assert profile_of(model, "claude").property_names == "plain"


@pytest.mark.parametrize("name", ["$top", 'a"b', "a\\", "a b", "", "年", "k" * 65])
def test_a_name_that_is_not_plain_is_found_wherever_it_stands(name):
    tool = ToolSpec(name="look", parameters={"type": "object", "properties": {"a": {"properties": {name: {}}}}})
    assert PropertyNames.of(request(tools=(tool,)), PLAIN).to_wire["look"].keys() == {name}


def test_names_that_a_model_takes_are_sent_as_they_are():
    plain = request(tools=(ToolSpec(name="look", parameters={"type": "object", "properties": {"a.b-c_1": {}}}),))
    assert not PropertyNames.of(plain, PLAIN)
    assert not PropertyNames.of(request(tools=(LOOK,)), "any")
    assert PropertyNames().outward(plain) is plain


def test_every_place_of_a_name_has_the_wires():
    names = mapped()
    sent = names.outward(request(tools=(LOOK,))).tools[0].parameters
    wire = names.to_wire["look"]
    assert set(wire) == {"$top", "filter[search]", "年", 'a"b', "k" * 70}
    assert set(sent["properties"]) == {wire["$top"], wire["filter[search]"], "plain", wire['a"b'], wire["k" * 70]}
    assert sent["required"] == [wire["$top"], wire["filter[search]"], "plain"]
    assert sent["properties"][wire["filter[search]"]]["required"] == [wire["年"]]
    assert f"{wire['$top']} stands for $top" in sent["description"]
    assert all(len(name) <= 64 for name in wire.values())
    assert LOOK.parameters == ODD


def test_earlier_calls_are_sent_with_the_wires_names():
    call = ToolCall(call_id="c", name="look", arguments='{"$top":1,"filter[search]":{"年":"x"}}')
    history = (user("Hi"), Message(role="assistant", parts=(call,)), tool_result(call, "ok"))
    names = PropertyNames.of(request(*history, tools=(LOOK,)), PLAIN)
    sent = json.loads(names.outward(request(*history, tools=(LOOK,))).messages[1].tool_calls[0].arguments)
    assert names_in(sent).isdisjoint(names.to_wire["look"])


@pytest.mark.parametrize("cut", [None, 60])
def test_arguments_come_back_with_the_callers_names_when_the_call_ends(cut):
    names = mapped()
    wire = names.to_wire["look"]
    arguments = json.dumps({wire["$top"]: 1, wire["filter[search]"]: {wire["年"]: "x"}})[:cut]
    call = ToolCall(call_id="c", name="look", arguments=arguments)
    pieces = [ToolCallDelta(0, arguments[at : at + 5]) for at in range(0, len(arguments), 5)]
    stream = [ToolCallStart(0, "c", "look"), *pieces, ToolCallEnd(0, call), End(STOP)]
    events = translated_events(stream, [names.reader()])
    message, _ = names.message(Message(role="assistant", parts=(call,)), STOP)
    assert fold(events).message.parts == message.parts
    assert [type(event) for event in events] == [ToolCallStart, ToolCallDelta, ToolCallEnd, End]
    received = message.tool_calls[0].arguments
    assert "$top" in received
    if cut is None:
        assert json.loads(received) == {"$top": 1, "filter[search]": {"年": "x"}}


def test_an_answer_by_schema_comes_back_with_the_callers_names():
    form = OutputFormat(kind="json_schema", schema=ODD)
    names = PropertyNames.of(request(output=form), PLAIN)
    (wire,) = (names.to_wire[""]["$top"],)
    text = json.dumps({wire: 2})
    events = translated_events(
        [TextDelta(0, text[:7]), TextDelta(0, text[7:]), PartEnd(0, Text(text)), End(STOP)], [names.reader()]
    )
    assert events[0] == TextDelta(0, '{"$top": 2}')
    assert fold(events).text == names.message(Message(role="assistant", parts=(Text(text),)), STOP)[0].text


@promise("fitted-schemas")
@pytest.mark.parametrize("api", ["messages", "chat-completions"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_with_such_names_is_called_and_answered(api, stream):
    workspace = Workspace()
    http = httpx.Client(transport=workspace_transport(workspace))
    options = {"host": "https://ws.test", "token": workspace.token, "surface": "ai-gateway", "api": api}
    with http, Client(model=CLAUDE, http_client=http, **options) as llm:
        asked = {"tools": (LOOK,), "tool_choice": ToolChoice("required", ("look",))}
        question = user("Look at the top.")
        first = fold(llm.stream([question], **asked)) if stream else llm.chat([question], **asked)
        (call,) = first.executable_tool_calls
        assert {"$top", "filter[search]", "plain"} <= call.parsed().keys() <= set(ODD["properties"])
        llm.chat([question, first.message, tool_result(call, "ok")], tools=(LOOK,))
    for sent in workspace.ledger.model_calls():
        assert b'"$top"' not in json.dumps(sent.body if isinstance(sent.body, dict) else json.loads(sent.body)).encode()
