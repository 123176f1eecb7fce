"""Stop sequences that no server applies: where the text is cut, whole and in pieces, and what else of the answer stays."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbx_gateway.call.reading import replay
from dbx_gateway.call.stop_sequences import StopReader, StopSequences, TextCut, unsent
from dbx_gateway.call.translation import translated
from dbx_gateway.chat import (
    Alternative,
    ChatResponse,
    Citation,
    Finish,
    Message,
    Native,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    Usage,
)
from dbx_gateway.events import End, PartEnd, Start, TextDelta, ToolCallDelta, ToolCallEnd, ToolCallStart, fold

STOP = ("\nObservation:", "END")
LETTERS = st.text("ab\n", max_size=12)
WORDS = st.lists(st.text("ab\n", min_size=1, max_size=4), min_size=1, max_size=3)


def cut(words, pieces):
    cutting = TextCut(words)
    return "".join([*(cutting.feed(piece) for piece in pieces), cutting.close()]), cutting.found


def first_match(words, text):
    found = [(at, word) for word in words if (at := text.find(word)) >= 0]
    at, word = min(found, key=lambda one: (one[0], len(one[1])), default=(len(text), None))
    return text[:at], word


@given(WORDS, st.lists(LETTERS, max_size=6))
@example(["abab", "b"], ["aba", "a"])
@example(["aab"], ["a", "a", "a", "b"])
def test_any_pieces_are_cut_where_the_whole_text_is(words, pieces):
    text = "".join(pieces)
    assert cut(words, pieces) == cut(words, [text]) == first_match(words, text)


@given(WORDS, st.lists(LETTERS, max_size=6))
def test_nothing_but_a_possible_beginning_is_held_back(words, pieces):
    cutting, shown, fed = TextCut(words), "", ""
    for piece in pieces:
        fed += piece
        shown += cutting.feed(piece)
        if cutting.found is None:
            held = fed.removeprefix(shown)
            assert len(held) < max(map(len, words))
            assert not held or any(word.startswith(held) for word in words)


def answer(*parts, reason="stop", raw="completed", **more):
    message = Message(role="assistant", parts=parts)
    return ChatResponse(
        message=message, finish=Finish(reason=reason, raw=raw), usage=Usage(input=3, output=4, total=7), **more
    )


def whole(response, stop=STOP):
    return translated(response, (StopSequences(stop),))


def streamed(response, *, closes=True, stop=STOP):
    reader = StopReader(StopSequences(stop), closes=closes)
    return [new for event in replay(response) for new in reader.feed(event)]


THOUGHT = Reasoning(segments=(Segment("summary", "Look it up."),))
CALL = ToolCall(call_id="c", name="look", arguments='{"a":1}')
BEFORE = "Action: look\nObservation: 4"


@pytest.mark.parametrize("closes", [True, False])
def test_what_comes_after_the_cut_is_dropped_and_what_came_before_stays(closes):
    full = answer(
        THOUGHT, Text(BEFORE), THOUGHT, Refusal("No."), CALL, Text("more"), Native(api="responses", payload={})
    )
    expected = (THOUGHT, Text("Action: look"))
    assert whole(full).message.parts == fold(streamed(full, closes=closes)).message.parts == expected


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter", "unknown"])
def test_the_answer_ends_as_one_does_that_a_server_has_stopped(reason):
    full = answer(Text(BEFORE), reason=reason, raw="so")
    finish = whole(full).finish
    assert (finish.reason, finish.stop_sequence) == ("stop", "\nObservation:")
    assert finish.raw == ("so" if reason == "stop" else None)
    assert fold(streamed(full)).finish == Finish(reason="stop", stop_sequence="\nObservation:")


def test_a_call_before_the_cut_is_still_to_be_run():
    full = answer(CALL, Text("so END"), reason="length")
    assert whole(full).executable_tool_calls == fold(streamed(full)).executable_tool_calls == (CALL,)
    assert whole(full).finish.reason == fold(streamed(full)).finish.reason == "tool_calls"


def test_a_call_without_a_name_before_the_cut_is_none_to_be_run():
    full = answer(ToolCall(call_id="c", name="", arguments="{}"), Text("so END"))
    assert whole(full).finish.reason == fold(streamed(full)).finish.reason == "stop"


def test_a_refusal_before_the_cut_is_still_one():
    full = answer(Refusal("No."), Text("so END"), reason="content_filter")
    assert whole(full).finish.reason == fold(streamed(full)).finish.reason == "content_filter"
    assert whole(full).message.parts == (Refusal("No."), Text("so "))


def test_an_answer_that_failed_does_not_become_a_good_one():
    assert whole(answer(Text("so END"), reason="error")).finish.reason == "error"


def test_without_a_match_everything_is_as_it_was():
    full = answer(THOUGHT, Text("\nObser"), CALL, Text(""), Text("EN", citations=(Citation(kind="k", start=0),)))
    assert whole(full) == fold(streamed(full)) == full


def test_a_whole_answer_keeps_its_usage_and_a_stream_that_is_closed_says_that_it_has_none():
    full = answer(Text("so END"), extras={"a": 1})
    assert (whole(full).usage, whole(full).extras) == (full.usage, full.extras)
    closed, read_on = fold(streamed(full)), fold(streamed(full, closes=False))
    assert closed.usage is None
    assert "usage_unknown" in closed.extras
    assert (read_on.usage, read_on.extras) == (full.usage, full.extras)


def test_a_text_of_which_nothing_is_left_is_no_part():
    full = answer(THOUGHT, Text("END of it"))
    assert whole(full).message.parts == fold(streamed(full)).message.parts == (THOUGHT,)


def test_text_that_only_begins_like_a_stop_sequence_is_handed_out_at_its_end():
    assert [event for event in streamed(answer(Text("so EN"))) if isinstance(event, TextDelta)] == [
        TextDelta(0, "so "),
        TextDelta(0, "EN"),
    ]


def test_citations_of_what_is_gone_go_too():
    kept, gone, placeless = (Citation(kind="k", start=start) for start in (2, 3, None))
    full = answer(Text("so END", citations=(kept, gone, placeless)))
    assert whole(full).message.parts == (Text("so ", citations=(kept, placeless)),)


def test_each_alternative_is_cut_for_itself():
    other = Alternative(message=Message(role="assistant", parts=(Text("b END c"),)), finish=Finish(reason="length"))
    full = answer(Text("no stop"), alternatives=(other,))
    (cut_other,) = whole(full).alternatives
    assert (cut_other.message.text, cut_other.finish.reason) == ("b ", "stop")
    assert fold(streamed(full)).alternatives == (cut_other,)


def test_parts_that_had_begun_are_ended_before_the_stream_is():
    reader = StopReader(StopSequences(STOP), closes=True)
    events = [
        Start("r", "m"),
        ToolCallStart(0, "c", "look"),
        TextDelta(1, "so EN"),
        TextDelta(1, "D and"),
        TextDelta(1, " on"),
        ToolCallDelta(0, '{"a":1}'),
        ToolCallEnd(0, CALL),
        PartEnd(1, Text("so END and on")),
        End(Finish(reason="stop")),
    ]
    handed = [new for event in events for new in reader.feed(event)]
    assert fold(handed).message.parts == (CALL, Text("so "))
    assert sum(isinstance(event, End) for event in handed) == 1
    assert handed.index(next(event for event in handed if isinstance(event, ToolCallEnd))) == len(handed) - 2


@pytest.mark.parametrize(
    ("api", "body", "expected"),
    [
        ("chat-completions", {"stop": ["a", "b"]}, ()),
        ("chat-completions", {"stop": "a"}, ("a", "b")),
        ("chat-completions", {}, ("a", "b")),
        ("messages", {"stop_sequences": ["b", "a", "c"]}, ()),
        ("messages", {"stop": ["a", "b"]}, ("a", "b")),
        ("generate-content", {"generationConfig": {"stopSequences": ["a", "b"]}}, ()),
        ("generate-content", {"generationConfig": None}, ("a", "b")),
        ("responses", {"stop": ["a", "b"]}, ("a", "b")),
    ],
)
def test_what_the_request_does_not_hold_is_cut_here(api, body, expected):
    assert unsent(("a", "b"), body, api) == expected


def test_an_empty_stop_sequence_stops_nothing():
    assert unsent(("", "a"), {}, "responses") == ("a",)
    assert unsent((), {}, "responses") == unsent(("",), {}, "responses") == ()
