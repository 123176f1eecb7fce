"""Answers of chat-completions that are oddly shaped but legal, or as real servers write them."""

from __future__ import annotations

from typing import Any

from faults.case import ANY_ID, CALLED, SAID, Answer, Case, Group, ended, ok
from faults.cases_shapes import CALLS, CHUNKS, ID, NAME, SECOND, TWO, USAGE, WRITTEN
from faults.wires import ARGUMENTS, CALL, CHAT, TEXTS, Frame, Wire, dumped


def cases(wire: Wire) -> list[Case]:
    """Return the cases of this api; none for another."""
    if wire is not CHAT:
        return []
    return [*_chat_chunks(), *_chat_usage(), *_chat_calls()]


def _spoken(*deltas: Any, tail: list[Frame] | None = None) -> list[Frame]:
    return [*CHAT.head(), *(CHAT.delta(delta) for delta in deltas), *(CHAT.tail() if tail is None else tail)]


def _chat_chunks() -> list[Case]:
    group = Group(CHUNKS, CHAT)
    message = CHAT.whole_message
    whole = CHAT.whole()
    parts = [{"type": "text", "text": TEXTS[0]}, {"type": "text", "text": TEXTS[1] + TEXTS[2]}]
    thought = Answer(reasoning="Let me think")
    text = {"content": SAID}
    summary = [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Let me think"}]}]
    spoken = {"role": "assistant", "content": SAID}
    return [
        group.odd("no_role", [CHAT.delta(text), *CHAT.tail()], message({"content": SAID})),
        group.odd("role_on_each_delta", _spoken(*({"role": "assistant", "content": one} for one in TEXTS)), whole),
        group.odd("role_null", _spoken({"role": None, "content": SAID}), message({"role": None, "content": SAID})),
        group.odd("content_null_beside_text", _spoken({"content": None}, text, {"content": None}), whole),
        group.odd(
            "content_a_list_of_parts", _spoken({"content": parts}), message({"role": "assistant", "content": parts})
        ),
        group.odd(
            "content_a_list_of_strings", _spoken({"content": [SAID]}), message({"role": "assistant", "content": [SAID]})
        ),
        group.odd("content_an_empty_list", _spoken({"content": []}, text), message({**spoken, "refusal": None})),
        group.odd(
            "content_a_number",
            _spoken({"content": 7}, text),
            message({**spoken, "content": f"7{SAID}"}),
            Answer(text=f"7{SAID}"),
        ),
        group.odd(
            "reasoning_in_parts",
            _spoken({"content": summary}, text),
            message({"role": "assistant", "content": [*summary, {"type": "text", "text": SAID}]}),
            thought,
        ),
        group.odd(
            "reasoning_content",
            _spoken({"reasoning_content": "Let me think"}, text),
            message({**spoken, "reasoning_content": "Let me think"}),
            thought,
        ),
        group.odd(
            "reasoning",
            _spoken({"reasoning": "Let me think"}, text),
            message({**spoken, "reasoning": "Let me think"}),
            thought,
        ),
        group.odd(
            "reasoning_under_both_names",
            _spoken({"reasoning": "Let me think", "reasoning_content": "Let me think"}, text),
            message({**spoken, "reasoning": "Let me think", "reasoning_content": "Let me think"}),
            thought,
        ),
        group.odd(
            "refusal",
            _spoken({"refusal": "I will "}, {"refusal": "not"}),
            message({"role": "assistant", "content": None, "refusal": "I will not"}),
            Answer(text="", refusal="I will not", reason="content_filter"),
        ),
        group.frames("no_choices_key", [Frame({"id": "cc-1"}), *CHAT.stream()]),
        group.frames("choices_empty_first", [CHAT.usage_chunk(None), *CHAT.stream()]),
        group.frames("choices_null", [Frame({"id": "cc-1", "choices": None}), *CHAT.stream()]),
        group.frames(
            "prompt_filter_results_first",
            [Frame({"id": "", "choices": [], "prompt_filter_results": [{}]}), *CHAT.stream()],
        ),
        group.frames("choice_null", [Frame({"id": "cc-1", "choices": [None]}), *CHAT.stream()]),
        group.frames("delta_null", [*CHAT.head(), CHAT.delta(None), *CHAT.stream()[1:]]),
        group.frames("delta_missing", [Frame({"id": "cc-1", "choices": [{"index": 0}]}), *CHAT.stream()]),
        group.frames("finish_reason_empty", [*CHAT.head(), CHAT.delta(text, ""), *CHAT.tail()]),
        group.frames("finish_reason_with_the_last_text", [*CHAT.head(), CHAT.delta(text, "stop"), *CHAT.tail()[1:]]),
        group.frames("finish_reason_twice", [*CHAT.head(), CHAT.delta(text, "stop"), *CHAT.tail()]),
        group.frames(
            "text_after_the_finish_reason",
            [
                *CHAT.head(),
                CHAT.delta({"content": TEXTS[0]}, "stop"),
                CHAT.delta({"content": TEXTS[1] + TEXTS[2]}),
                *CHAT.tail(),
            ],
        ),
        group.odd(
            "finish_reason_unknown",
            [*CHAT.head(), CHAT.delta(text, "bored"), *CHAT.tail()[1:]],
            message(spoken, "bored"),
            Answer(reason="unknown"),
        ),
        group.odd(
            "finish_reason_content_filter",
            [*CHAT.head(), CHAT.delta(text, "content_filter"), *CHAT.tail()[1:]],
            message(spoken, "content_filter"),
            ended("content_filter", "content_filter"),
        ),
        group.frames("no_done", CHAT.stream()[:-1]),
        group.frames(
            "message_in_place_of_delta",
            [
                Frame({"id": "cc-1", "choices": [{"index": 0, "message": spoken, "finish_reason": "stop"}]}),
                *CHAT.tail()[1:],
            ],
        ),
        group.frames(
            "message_beside_delta",
            [
                *CHAT.head(),
                Frame(
                    {"id": "cc-1", "choices": [{"index": 0, "delta": text, "message": spoken, "finish_reason": "stop"}]}
                ),
                *CHAT.tail()[1:],
            ],
        ),
        group.frames("error_null_on_each_chunk", [_with(frame, error=None) for frame in CHAT.stream()]),
        group.frames(
            "another_id_on_each_chunk", [_with(frame, id=f"cc-{place}") for place, frame in enumerate(CHAT.stream())]
        ),
        group.frames("ids_missing", [_with(frame, id=None, model=None) for frame in CHAT.stream()]),
        group.frames("obfuscation", [_with(frame, obfuscation="aB3") for frame in CHAT.stream()]),
        group.frames(
            "index_missing", [Frame({"choices": [{"delta": {"content": one}}]}) for one in TEXTS] + CHAT.tail()
        ),
        group.frames(
            "index_null",
            [Frame({"choices": [{"index": None, "delta": {"content": one}}]}) for one in TEXTS] + CHAT.tail(),
        ),
        _two_choices(group),
    ]


def _with(frame: Frame, **fields: Any) -> Frame:
    return Frame({**frame.value, **fields}) if isinstance(frame.value, dict) else frame


def _two_choices(group: Group) -> Case:
    def choice(index: int, text: str) -> Any:
        return {"index": index, "delta": {"content": text}, "finish_reason": None}

    ends = [{"index": index, "delta": {}, "finish_reason": "stop"} for index in (0, 1)]
    frames = [Frame({"id": "cc-1", "choices": [choice(1, "Also "), choice(0, one)]}) for one in TEXTS]
    frames = [*frames, Frame({"id": "cc-1", "choices": ends}), *CHAT.tail()[1:]]
    messages = [{"role": "assistant", "content": "Also " * 3}, {"role": "assistant", "content": SAID}]
    choices = [{"index": index, "message": messages[1 - index], "finish_reason": "stop"} for index in (1, 0)]
    return group.odd("two_choices", frames, {**CHAT.whole(), "choices": choices}, Answer(alternatives=("Also " * 3,)))


def _chat_usage() -> list[Case]:
    group = Group(USAGE, CHAT)
    used, said = CHAT.usage(), [*CHAT.head(), *CHAT.texts()]
    end, counted, done = CHAT.tail()
    details = {
        **used,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    return [
        group.frames("usage_in_the_finish_chunk", [*said, _with(end, usage=used), done]),
        group.frames("usage_twice", [*said, _with(end, usage=used), counted, done]),
        group.frames(
            "usage_growing_on_each_chunk",
            [_with(frame, usage=CHAT.usage(11, place, 11 + place)) for place, frame in enumerate(said)]
            + [end, counted, done],
        ),
        group.frames("usage_after_done", [*said, end, done, counted], Answer(usage=None)),
        group.frames("usage_before_the_finish", [*said, counted, end, done]),
        group.frames("usage_null_everywhere", [*(_with(frame, usage=None) for frame in said), end, counted, done]),
        group.frames("usage_beside_a_choice", [*said, end, _with(CHAT.delta({}), usage=used), done]),
        group.odd(
            "usage_without_a_total",
            [*said, end, CHAT.usage_chunk({"prompt_tokens": 11, "completion_tokens": 7}), done],
            CHAT.whole(usage={"prompt_tokens": 11, "completion_tokens": 7}),
        ),
        group.odd(
            "usage_under_other_names",
            [*said, end, CHAT.usage_chunk({"input_tokens": 11, "output_tokens": 7}), done],
            CHAT.whole(usage={"input_tokens": 11, "output_tokens": 7}),
        ),
        group.odd(
            "usage_counts_in_strings",
            [*said, end, CHAT.usage_chunk({"prompt_tokens": "11", "completion_tokens": 7, "total_tokens": 7}), done],
            CHAT.whole(usage={"prompt_tokens": "11", "completion_tokens": 7, "total_tokens": 7}),
            Answer(usage=(11, 7, 7)),
        ),
        group.odd(
            "usage_counts_null",
            [
                *said,
                end,
                CHAT.usage_chunk({"prompt_tokens": None, "completion_tokens": None, "total_tokens": 18}),
                done,
            ],
            CHAT.whole(usage={"prompt_tokens": None, "completion_tokens": None, "total_tokens": 18}),
            Answer(usage=(0, 0, 18)),
        ),
        group.odd("usage_with_details", [*said, end, CHAT.usage_chunk(details), done], CHAT.whole(usage=details)),
        group.odd(
            "usage_details_null",
            [*said, end, CHAT.usage_chunk({**used, "prompt_tokens_details": None}), done],
            CHAT.whole(usage={**used, "prompt_tokens_details": None}),
        ),
        group.odd(
            "usage_details_a_number",
            [*said, end, CHAT.usage_chunk({**used, "prompt_tokens_details": 3}), done],
            CHAT.whole(usage={**used, "prompt_tokens_details": 3}),
        ),
    ]


def _entry(index: Any = 0, call_id: Any = ..., name: Any = ..., arguments: Any = ..., **more: Any) -> Any:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not ...}
    entry = {key: value for key, value in (("index", index), ("id", call_id)) if value is not ...}
    return {"tool_calls": [{**entry, "type": "function", "function": function, **more}]}


def _chat_calls() -> list[Case]:
    group = Group(CALLS, CHAT)
    end = CHAT.tail(reason="tool_calls")
    opening = _entry(0, ID, NAME, "")
    fragments = [_entry(0, arguments=one) for one in ARGUMENTS]
    unnamed = Answer(text="", calls=((ANY_ID, NAME, WRITTEN),), reason="tool_calls")

    def calling(name: str, *deltas: Any, expect: Answer = CALLED, tail: list[Frame] | None = None) -> Case:
        return group.frames(name, [*CHAT.head(), *(CHAT.delta(delta) for delta in deltas), *(tail or end)], expect)

    def whole(name: str, *calls: Any, expect: Answer = CALLED, reason: str | None = "tool_calls") -> Case:
        message = {"role": "assistant", "content": None, "tool_calls": list(calls)}
        return group.whole(f"{name}_whole", ok(dumped(CHAT.whole_message(message, reason))), expect)

    def given(call_id: Any = ID, name: Any = NAME, arguments: Any = WRITTEN) -> Any:
        return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}

    second = [_entry(1, SECOND[0], SECOND[1], ""), _entry(1, arguments=SECOND[2])]
    both = {"tool_calls": [given() | {"index": 0}, given(*SECOND) | {"index": 1}]}
    zero = {"tool_calls": [given() | {"index": 0}, given(*SECOND) | {"index": 0}]}
    bare = {"tool_calls": [given(), given(*SECOND)]}
    invalid = Answer(text="", calls=((ID, NAME, '{"city": "Zü'),), reason="tool_calls", executable=0)
    short = Answer(text="", calls=((ID, NAME, '{"city": "Zü'),), reason="length", executable=0)
    empty = Answer(text="", calls=((ID, NAME, "{}"),), reason="tool_calls")
    return [
        calling("call_in_one_delta", _entry(0, ID, NAME, WRITTEN)),
        calling("id_on_each_fragment", opening, *(_entry(0, ID, arguments=one) for one in ARGUMENTS)),
        calling("name_on_each_fragment", opening, *(_entry(0, ..., NAME, one) for one in ARGUMENTS)),
        calling("id_and_name_on_each_fragment", *(_entry(0, ID, NAME, one) for one in ARGUMENTS)),
        calling("id_empty_on_later_fragments", opening, *(_entry(0, "", arguments=one) for one in ARGUMENTS)),
        calling("id_null_on_later_fragments", opening, *(_entry(0, None, None, one) for one in ARGUMENTS)),
        calling("name_empty_on_later_fragments", opening, *(_entry(0, ..., "", one) for one in ARGUMENTS)),
        calling(
            "another_id_on_each_fragment",
            opening,
            *(_entry(0, f"x{place}", arguments=one) for place, one in enumerate(ARGUMENTS)),
        ),
        calling("id_missing", _entry(0, ..., NAME, ""), *fragments, expect=unnamed),
        calling("id_null", _entry(0, None, NAME, ""), *fragments, expect=unnamed),
        calling("id_empty", _entry(0, "", NAME, ""), *fragments, expect=unnamed),
        calling("id_after_the_name", _entry(0, ..., NAME), _entry(0, ID), *fragments),
        calling("name_after_the_id", _entry(0, ID), _entry(0, ..., NAME), *fragments),
        calling("index_missing", _entry(..., ID, NAME, ""), *(_entry(..., arguments=one) for one in ARGUMENTS)),
        calling("index_null", _entry(None, ID, NAME, ""), *(_entry(None, arguments=one) for one in ARGUMENTS)),
        calling("index_from_one", _entry(1, ID, NAME, ""), *(_entry(1, arguments=one) for one in ARGUMENTS)),
        calling("index_a_string", _entry("0", ID, NAME, ""), *(_entry("0", arguments=one) for one in ARGUMENTS)),
        calling("two_calls", opening, *fragments, *second, expect=TWO),
        calling("two_calls_interleaved", opening, second[0], fragments[0], second[1], *fragments[1:], expect=TWO),
        calling("two_calls_in_one_delta", both, expect=TWO),
        calling("two_calls_under_index_0", zero, expect=TWO),
        calling("two_calls_without_index", bare, expect=TWO),
        calling(
            "two_calls_one_after_the_other_under_index_0", _entry(0, ID, NAME, WRITTEN), _entry(0, *SECOND), expect=TWO
        ),
        calling("arguments_an_object", _entry(0, ID, NAME, {"city": "Zürich", "days": 3})),
        calling("arguments_null_first", _entry(0, ID, NAME, None), *fragments),
        calling("arguments_empty", opening, expect=empty),
        calling("arguments_missing", _entry(0, ID, NAME), expect=empty),
        calling("arguments_that_do_not_parse", opening, fragments[0], expect=invalid),
        calling("arguments_cut_by_length", opening, fragments[0], expect=short, tail=CHAT.tail(reason="length")),
        calling("finish_reason_stop", opening, *fragments, tail=CHAT.tail()),
        calling(
            "type_missing", {"tool_calls": [{"index": 0, "id": ID, "function": {"name": NAME, "arguments": WRITTEN}}]}
        ),
        calling("entries_that_are_no_objects", {"tool_calls": [None, 7]}, opening, *fragments),
        calling("tool_calls_null", {"tool_calls": None}, opening, *fragments),
        calling(
            "function_call",
            {"function_call": {"name": NAME, "arguments": ""}},
            *({"function_call": {"arguments": one}} for one in ARGUMENTS),
            expect=unnamed,
            tail=[CHAT.delta({}, "function_call"), *CHAT.tail()[1:]],
        ),
        calling(
            "text_before_the_call",
            {"content": SAID},
            opening,
            *fragments,
            expect=Answer(calls=(CALL,), reason="tool_calls"),
        ),
        whole("two_calls", given(), given(*SECOND), expect=TWO),
        whole("id_missing", {"type": "function", "function": {"name": NAME, "arguments": WRITTEN}}, expect=unnamed),
        whole("id_null", given(None), expect=unnamed),
        whole("id_empty", given(""), expect=unnamed),
        whole("arguments_an_object", given(arguments={"city": "Zürich", "days": 3})),
        whole("arguments_empty", given(arguments=""), expect=empty),
        whole("arguments_null", given(arguments=None), expect=empty),
        whole("arguments_that_do_not_parse", given(arguments='{"city": "Zü'), expect=invalid),
        whole("finish_reason_stop", given(), reason="stop"),
    ]
