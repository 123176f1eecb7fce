"""An answer of plain text or of calls alone has a plain string as its content, whatever reasoning only the server can read.

That reasoning is beside the content, each part with its place, and goes back where it was: before what it led to.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import HumanMessage, ToolMessage, message_to_dict, messages_from_dict
from langchain_core.tools import tool
from support.promises import promise

from dbx_gateway.call.reading import replay
from dbx_gateway.chat import ChatResponse, Exchange, Finish, Message, Origin, Reasoning, Segment, Text, ToolCall
from dbx_gateway.events import fold
from langchain_dbx_gateway.answers import answer_message
from langchain_dbx_gateway.chunks import Chunks
from langchain_dbx_gateway.messages import to_core

MODEL = "databricks-gpt-5-2"

ONE = Reasoning(encrypted="b25l", id="rs_1", opaque={"status": "completed"})
TWO = Reasoning(encrypted="dHdv", id="rs_2")
READ = Reasoning(segments=(Segment("summary", "Hm."),), encrypted="cmVhZA==", id="rs_3")
FIRST = Text("Let me see. ", phase="commentary", id="msg_1")
LAST = Text("Yes.", phase="final_answer", id="msg_2")
PLAIN = Text("Plain.")
ADD = ToolCall(call_id="call_1", name="add", arguments='{"a":1}', id="fc_1")
SUB = ToolCall(call_id="call_2", name="sub", arguments='{"a": 2}')
NAMELESS = ToolCall(call_id="call_0", name="", arguments="{}")
SIGNED = Text("", opaque={"thoughtSignature": "c2ln"})

STRINGS = {
    "text": (ONE, LAST),
    "two texts": (ONE, FIRST, TWO, LAST),
    "texts without facts": (ONE, PLAIN, TWO, PLAIN),
    "calls": (ONE, ADD, TWO, SUB),
    "a call": (ONE, TWO, ADD),
    "text and calls": (ONE, FIRST, TWO, ADD, SUB),
    "a signature behind a call": (ADD, SIGNED),
    "nothing else": (ONE,),
    "a signature alone": (SIGNED,),
    "a signature behind a text": (PLAIN, SIGNED),
    "a signature and calls": (SIGNED, ADD),
    "reasoning at the end": (ONE, ADD, TWO),
    "no reasoning": (FIRST, ADD),
}
"""Answers whose content is a string: their parts in order."""

LISTS = {
    "read after silent": (ONE, READ, ADD, TWO, SUB),
    "silent after read": (READ, ONE, LAST),
    "read behind a text": (FIRST, ONE, READ, TWO, ADD, ONE),
    "text behind it": (PLAIN, READ, ONE, LAST),
}
"""Answers that need blocks."""


def answer_of(parts, reason="stop"):
    return ChatResponse(
        message=Message(role="assistant", parts=parts, origin=Origin("responses", MODEL)),
        finish=Finish(reason=reason),
        exchange=Exchange(surface="ai-gateway", family="gpt", api="responses", url="https://example.com"),
    )


def whole(parts, *, blocks=False):
    return answer_message(answer_of(parts), MODEL, blocks=blocks)


def streamed(parts, *, blocks=False):
    chunks = Chunks(MODEL, blocks=blocks)
    first, *others = [chunk.message for event in replay(answer_of(parts)) for chunk in chunks.of(event)]
    return first.__add__(others)


def bare(blocks):
    """Blocks without their numbers in a stream."""
    return [{name: value for name, value in block.items() if name != "index"} for block in blocks]


def stored(message):
    (again,) = messages_from_dict(json.loads(json.dumps([message_to_dict(message)])))
    return again


FORMS = {"whole": whole, "streamed": streamed}


@promise("plain-content")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", STRINGS)
def test_the_content_is_a_string(form, name):
    message = FORMS[form](STRINGS[name])
    assert message.content == "".join(part.text for part in STRINGS[name] if isinstance(part, Text))
    assert "output_version" not in message.response_metadata


@promise("plain-content")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", {**STRINGS, **LISTS})
def test_it_goes_back_as_it_came(form, name):
    parts = {**STRINGS, **LISTS}[name]
    for blocks in (False, True):
        message = FORMS[form](parts, blocks=blocks)
        for one in (message, stored(message)):
            (sent,) = to_core([one])
            assert merged(sent.parts) == merged(parts)


def merged(parts):
    """Parts with the neighbouring texts that have nothing but text as one."""
    joined = []
    for part in parts:
        if (
            isinstance(part, Text)
            and joined
            and part == Text(part.text)
            and joined[-1] == Text(getattr(joined[-1], "text", None))
        ):
            joined[-1] = Text(joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", STRINGS)
def test_the_blocks_show_it_in_its_place(form, name):
    blocks = bare(FORMS[form](STRINGS[name]).content_blocks)
    assert blocks == bare(whole(STRINGS[name], blocks=True).content_blocks)


@pytest.mark.parametrize("name", {**STRINGS, **LISTS})
def test_reasoning_is_never_joined_with_other_reasoning(name):
    text = str(streamed({**STRINGS, **LISTS}[name]).model_dump())
    assert "b25ldHdv" not in text
    assert "rs_1rs_2" not in text


@given(st.lists(st.integers(0, 7), max_size=6, unique=True))
def test_a_stream_adds_up_to_what_the_whole_answer_holds(numbers):
    parts = tuple((ONE, TWO, READ, FIRST, LAST, PLAIN, ADD, SUB)[number] for number in numbers)
    assert bare(streamed(parts, blocks=True).content_blocks) == bare(whole(parts, blocks=True).content_blocks)
    has_text = [isinstance(part, Text) for part in parts]
    has_call = [isinstance(part, ToolCall) for part in parts]
    in_order = True not in has_text[has_call.index(True) :] if True in has_call else True
    if in_order and READ not in parts:  # a string has its calls behind it
        assert merged(to_core([streamed(parts)])[0].parts) == merged(parts)
        assert merged(to_core([whole(parts)])[0].parts) == merged(parts)
        assert isinstance(streamed(parts).content, str)


@pytest.mark.parametrize("name", ["calls", "two texts", "a signature behind a text"])
def test_whoever_makes_blocks_of_a_string_has_each_part_once(name):
    message = whole(STRINGS[name])
    listed = message.model_copy(
        update={
            "content": message.content_blocks,
            "response_metadata": {**message.response_metadata, "output_version": "v1"},
        }
    )
    assert to_core([listed])[0].parts == STRINGS[name]


def test_a_call_that_is_taken_out_leaves_the_reasoning_of_the_other_before_it():
    message = whole(STRINGS["calls"])
    left = message.model_copy(update={"tool_calls": message.tool_calls[1:]})
    assert to_core([left])[0].parts == (TWO, SUB, ONE)


def test_a_text_that_is_written_anew_keeps_the_reasoning_before_it():
    message = whole(STRINGS["two texts"]).model_copy(update={"content": "No."})
    assert to_core([message])[0].parts == (ONE, Text("No."), TWO)


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@promise("plain-content")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [MODEL, "databricks-claude-fable-5"])
def test_a_thread_of_strings_goes_on_with_its_reasoning(make_llm, workspace, model, stream):
    settings = (
        {"reasoning_effort": "low"} if model == MODEL else {"thinking": {"type": "enabled", "display": "omitted"}}
    )
    llm = make_llm(model, **settings).bind_tools([add])

    def asked(messages):
        if not stream:
            return llm.invoke(messages)
        first, *others = llm.stream(messages)
        return first.__add__(others)

    thread = [HumanMessage("add 2 and 3")]
    called = asked(thread)
    (call,) = called.tool_calls
    thread += [called, ToolMessage("5", tool_call_id=call["id"])]
    answer = asked(thread)
    assert called.content == ""
    assert answer.content == "The tools answered: 5"
    assert [block["type"] for block in called.content_blocks] == ["reasoning", "tool_call"]
    again = asked([*thread, answer, HumanMessage("Thank you, [no tools]")])
    assert isinstance(again.content, str)
    sent = [to_core([one])[0].parts[0] for one in (called, answer)]
    assert all(isinstance(part, Reasoning) and not part.text for part in sent)


@pytest.mark.parametrize("form", FORMS)
def test_reasoning_before_a_call_that_must_not_run_stays_before_it(form):
    message = FORMS[form]((ONE, NAMELESS, TWO, ADD))
    kinds = [(block["type"], block["id"]) for block in message.content_blocks]
    assert kinds == [
        ("reasoning", "rs_2"),
        ("tool_call", "call_1"),
        ("reasoning", "rs_1"),
        ("invalid_tool_call", "call_0"),
    ]
    assert to_core([message])[0].parts == (TWO, ADD, ONE)


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sun in {city}"


BOTH = HumanMessage("the weather in both 'Rome' and 'Lima'")


def called_twice(llm, stream):
    """The answer of a model that calls the tool twice, and the results."""
    if stream:
        first, *others = llm.stream([BOTH])
        called = first.__add__(others)
    else:
        called = llm.invoke([BOTH])
    return called, [ToolMessage("sun", tool_call_id=call["id"]) for call in called.tool_calls]


@pytest.mark.parametrize("stream", [False, True])
def test_each_call_goes_back_behind_its_own_reasoning(make_llm, stream):
    llm = make_llm(MODEL, reasoning_effort="low").bind_tools([weather])
    called, results = called_twice(llm, stream)
    assert called.content == ""
    assert [block["type"] for block in called.content_blocks] == ["reasoning", "tool_call"] * 2
    assert llm.invoke([BOTH, called, *results]).content == "The tools answered: sun; sun"


def test_the_workspace_refuses_a_call_behind_the_reasoning_of_another(make_llm):
    llm = make_llm(MODEL, reasoning_effort="low").bind_tools([weather])
    called, results = called_twice(llm, stream=False)
    facts = called.additional_kwargs["dbx_gateway"]
    before = [fact["before"] for fact in facts["hidden"]]
    for fact, call_id in zip(facts["hidden"], reversed(before), strict=True):
        fact["before"] = call_id
    with pytest.raises(ModelInvalidRequestError, match="without its required following item"):
        llm.invoke([BOTH, called, *results])


def test_the_core_has_no_other_order():
    assert fold(replay(answer_of(STRINGS["calls"]))).message.parts == STRINGS["calls"]
