import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbx_gateway.chat import (
    Alternative,
    Exchange,
    Finish,
    Native,
    Origin,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    Usage,
    assistant,
)
from dbx_gateway.events import (
    Assembly,
    End,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    coalesce,
    fold,
    mint_call_id,
    with_exchange,
)

STOP = Finish(reason="stop")
ORIGIN = Origin("messages", "m")


# --- the assembly ------------------------------------------------------------------------------------------------


def test_parts_are_numbered_in_order_of_first_appearance_and_ended_once():
    assembly = Assembly(ORIGIN)
    assembly.start("r", "m")
    assembly.text("b", "Hel")
    assembly.reasoning("a", "hm")
    assembly.text("b", "lo")
    assembly.end("b", id="t1")
    assembly.call("c", "c1", "add")
    assembly.arguments("c", "{}")
    assembly.end("c")
    assembly.end("c")
    assembly.finish(STOP)
    assert assembly.drain() == [
        Start("r", "m", ORIGIN),
        TextDelta(0, "Hel"),
        ReasoningDelta(1, "raw", "hm"),
        TextDelta(0, "lo"),
        PartEnd(0, Text("Hello", id="t1")),
        ToolCallStart(2, "c1", "add"),
        ToolCallDelta(2, "{}"),
        ToolCallEnd(2, ToolCall(call_id="c1", name="add", arguments="{}")),
        PartEnd(1, Reasoning(segments=(Segment("raw", "hm"),))),
        End(STOP),
    ]
    assert assembly.drain() == []


def test_empty_fragments_cause_nothing_and_open_nothing():
    assembly = Assembly()
    assembly.text("t", "")
    assembly.refusal("f", "")
    assembly.reasoning("r", "")
    assembly.call("c", "c1", "add")
    assembly.arguments("c", "")
    assert assembly.drain() == [ToolCallStart(0, "c1", "add")]
    assert not assembly.has("t")
    assert assembly.argument_text("c") == ""


def test_a_second_start_is_not_told_and_usage_is_told_once_as_it_was_at_the_end():
    assembly = Assembly()
    assembly.start("r", "m")
    assembly.start("r2", "m2")
    for written in (1, 2, 2):
        assembly.usage(Usage(input=1, output=written, total=1 + written))
    assert assembly.drain() == [Start("r", "m")]
    assembly.finish(STOP)
    last = Usage(input=1, output=2, total=3)
    assert assembly.drain() == [UsageUpdate(last), End(STOP, last)]


def test_a_new_kind_or_segment_of_reasoning_begins_a_new_run():
    assembly = Assembly()
    assembly.reasoning("r", "a", kind="summary", segment=0)
    assembly.reasoning("r", "b", kind="summary", segment=0)
    assembly.reasoning("r", "c", kind="summary", segment=1)
    assembly.reasoning("r", "d", kind="raw", segment=1)
    assembly.end("r", signature="s")
    segments = (Segment("summary", "ab"), Segment("summary", "c"), Segment("raw", "d"))
    assert assembly.drain() == [
        ReasoningDelta(0, "summary", "a", 0),
        ReasoningDelta(0, "summary", "b", 0),
        ReasoningDelta(0, "summary", "c", 1),
        ReasoningDelta(0, "raw", "d", 2),
        PartEnd(0, Reasoning(segments=segments, signature="s")),
    ]


def test_an_empty_part_can_be_opened_and_its_fields_read_and_changed():
    assembly = Assembly()
    assembly.open("r", "reasoning", signature="s")
    assembly.fields("r")["encrypted"] = "e"
    assembly.open("r", "reasoning", id="i")
    assert assembly.is_open("r")
    assembly.end("r")
    assert (assembly.is_open("r"), assembly.has("r")) == (False, True)
    assert assembly.drain() == [PartEnd(0, Reasoning(signature="s", encrypted="e", id="i"))]


def test_a_call_without_an_id_is_given_one_that_is_marked_and_stays_the_same():
    made = []
    for missing in (None, ""):
        assembly = Assembly()
        assembly.start("r", "m")
        assembly.call("c", missing, "add")
        assembly.end("c")
        made.append(assembly.drain()[-1].call)
    assert made[0] == made[1]
    assert made[0].minted
    assert made[0].call_id == mint_call_id("r", 0, "add")


def test_a_part_that_has_ended_cannot_begin_again():
    assembly = Assembly()
    assembly.part("x", Native(api="messages", payload={}))
    with pytest.raises(KeyError, match="has ended already"):
        assembly.text("x", "more")
    with pytest.raises(KeyError, match="has ended already"):
        assembly.part("x", Text("y"))


def test_what_has_arrived_is_there_at_any_moment_ended_or_not():
    assembly = Assembly(ORIGIN)
    assembly.start("r", "m")
    assembly.text("a", "Hel")
    assembly.part("b", ToolCall(call_id="c", name="add"))
    assembly.call("d", "e", "sub")
    assembly.arguments("d", '{"x"')
    assembly.usage(Usage(input=1))
    partial = assembly.partial()
    assert partial.message.parts == (
        Text("Hel"),
        ToolCall(call_id="c", name="add"),
        ToolCall(call_id="e", name="sub", arguments='{"x"'),
    )
    assert (partial.id, partial.model, partial.usage, partial.finish.reason) == ("r", "m", Usage(input=1), "error")
    assert partial.executable_tool_calls == ()
    assert assembly.calls == 2
    assert assembly.partial(Finish(reason="length")).finish.reason == "length"


KEYS = st.sampled_from("abc")
PIECES = st.text(max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), KEYS, PIECES),
        st.tuples(st.just("refusal"), KEYS, PIECES),
        st.tuples(st.just("reasoning"), KEYS, PIECES),
        st.tuples(st.just("call"), KEYS, PIECES),
        st.tuples(st.just("end"), KEYS, PIECES),
    ),
    max_size=25,
)


def assembled(steps) -> list:
    """The events of a decoder that does these steps; each key has one kind, as on the wire."""
    assembly = Assembly(ORIGIN)
    assembly.start("r", "m")
    for kind, name, piece in steps:
        key = (kind, name)
        if kind == "end":
            for other in ("text", "refusal", "reasoning", "call"):
                assembly.end((other, name))
        elif kind == "call":
            if not assembly.has(key):
                assembly.call(key, f"id-{name}", name)
            if assembly.is_open(key):
                assembly.arguments(key, piece)
        elif assembly.is_open(key) or not assembly.has(key):
            getattr(assembly, kind)(key, piece)
    assembly.finish(STOP)
    return assembly.drain()


def grown(events) -> dict:
    """What the deltas before its end say that each index holds."""
    texts: dict = {}
    for event in events:
        if isinstance(event, TextDelta | RefusalDelta | ReasoningDelta):
            texts[event.index] = texts.get(event.index, "") + event.text
        elif isinstance(event, ToolCallDelta):
            texts[event.index] = texts.get(event.index, "") + event.arguments
    return texts


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_the_laws_of_a_stream_hold_whatever_a_decoder_does(steps):
    events = assembled(steps)
    ends = [event for event in events if isinstance(event, PartEnd | ToolCallEnd)]
    first_seen = list(dict.fromkeys(event.index for event in events if hasattr(event, "index")))
    assert first_seen == list(range(len(first_seen)))
    assert sorted(event.index for event in ends) == first_seen
    assert isinstance(events[0], Start)
    assert [event for event in events if isinstance(event, End)] == [events[-1]]
    for event in ends:
        part = event.call if isinstance(event, ToolCallEnd) else event.part
        held = part.arguments if isinstance(part, ToolCall) else part.text
        assert held == grown(events).get(event.index, "")
    assert fold(events).message.parts == tuple(
        getattr(event, "call", None) or event.part for event in sorted(ends, key=lambda event: event.index)
    )


# --- joining deltas ----------------------------------------------------------------------------------------------


def test_neighbouring_deltas_of_one_part_are_joined_and_nothing_else():
    call = ToolCall(call_id="c", name="add", arguments='{"x":1}')
    events = [
        Start("r", "m"),
        TextDelta(0, "a"),
        TextDelta(0, "b"),
        TextDelta(1, "c"),
        TextDelta(0, "d"),
        ReasoningDelta(2, "raw", "e"),
        ReasoningDelta(2, "raw", "f"),
        ReasoningDelta(2, "summary", "g", 1),
        RefusalDelta(3, "h"),
        RefusalDelta(3, "i"),
        ToolCallStart(4, "c", "add"),
        ToolCallDelta(4, '{"x"'),
        ToolCallDelta(4, ":1}"),
        ToolCallEnd(4, call),
        TextDelta(0, "j"),
        UsageUpdate(Usage(input=1, output=1, total=2)),
        TextDelta(0, "k"),
        TextDelta(0, "l"),
    ]
    assert coalesce(events) == [
        Start("r", "m"),
        TextDelta(0, "ab"),
        TextDelta(1, "c"),
        TextDelta(0, "d"),
        ReasoningDelta(2, "raw", "ef"),
        ReasoningDelta(2, "summary", "g", 1),
        RefusalDelta(3, "h"),
        RefusalDelta(3, "i"),
        ToolCallStart(4, "c", "add"),
        ToolCallDelta(4, '{"x":1}'),
        ToolCallEnd(4, call),
        TextDelta(0, "j"),
        UsageUpdate(Usage(input=1, output=1, total=2)),
        TextDelta(0, "kl"),
    ]


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_joining_changes_neither_what_is_said_nor_the_answer(steps):
    events = assembled(steps)
    before = [repr(event) for event in events]
    joined = coalesce(list(events))
    assert fold(joined) == fold(events)
    assert grown(joined) == grown(events)
    assert coalesce(list(joined)) == joined
    assert [repr(event) for event in events] == before
    kept = (Start, PartEnd, ToolCallStart, ToolCallEnd, RefusalDelta, End)
    assert [e for e in joined if isinstance(e, kept)] == [e for e in events if isinstance(e, kept)]


# --- the whole ---------------------------------------------------------------------------------------------------


def test_events_add_up_to_the_answer_they_end_with():
    usage = Usage(input=1, output=2, total=3)
    other = Alternative(message=assistant("other"), finish=STOP)
    exchange = Exchange(surface="s", family="f", api="a", url="u")
    response = fold(
        [
            Start("r", "m", ORIGIN, exchange),
            TextDelta(1, "ignored: the end says what a part holds"),
            PartEnd(1, Text("second")),
            PartEnd(0, Refusal("first")),
            UsageUpdate(Usage(input=9)),
            End(STOP, usage, (other,), {"x": 1}),
            PartEnd(2, Text("after the end")),
        ]
    )
    assert response.message.parts == (Refusal("first"), Text("second"))
    assert (response.id, response.model, response.message.origin, response.exchange) == ("r", "m", ORIGIN, exchange)
    assert (response.usage, response.alternatives, response.extras) == (usage, (other,), {"x": 1})


@pytest.mark.parametrize("events", [[], [Start("r", "m"), TextDelta(0, "x"), PartEnd(0, Text("x"))]])
def test_events_without_an_end_are_no_answer(events):
    with pytest.raises(ValueError, match="without an End"):
        fold(events)


def test_an_end_alone_is_an_empty_answer():
    response = fold([End(STOP)])
    assert (response.message.parts, response.id, response.message.origin) == ((), None, None)


def test_minted_ids_depend_on_answer_place_and_name_only():
    assert mint_call_id("r", 0, "add") == mint_call_id("r", 0, "add")
    ids = {mint_call_id(r, i, n) for r in ("r", "s") for i in (0, 1) for n in ("add", "sub")}
    assert len(ids) == 8
    assert all(len(made) == 29 and made.startswith("call_") for made in ids)
    assert mint_call_id(None, 0, "add") != mint_call_id(None, 0, "add")


def test_the_exchange_is_put_on_the_start_and_on_nothing_else():
    exchange = Exchange(surface="s", family="f", api="a", url="u")
    assert with_exchange(Start("r", "m"), exchange).exchange is exchange
    delta = TextDelta(0, "x")
    assert with_exchange(delta, exchange) is delta
