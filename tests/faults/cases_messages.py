"""Answers of messages that are oddly shaped but legal, or as real servers write them."""

from __future__ import annotations

from typing import Any

from faults.case import ANSWERED, ANY_ID, CALLED, SAID, Answer, Case, Group, ended, ok
from faults.cases_shapes import CALLS, ID, NAME, SECOND, TWO, USAGE, WRITTEN
from faults.wires import ARGUMENTS, CALL, MESSAGES, TEXTS, Frame, Wire, dumped


def cases(wire: Wire) -> list[Case]:
    """Return the cases of this api; none for another."""
    if wire is not MESSAGES:
        return []
    blocks, usage, calls = Group("blocks", MESSAGES), Group(USAGE, MESSAGES), Group(CALLS, MESSAGES)
    return [*_blocks(blocks), *_messages_usage(usage), *_messages_calls(calls)]


def _text_block(text: str = SAID, index: int = 0) -> list[Frame]:
    return [
        MESSAGES.block({"type": "text", "text": ""}, index),
        MESSAGES.delta({"type": "text_delta", "text": text}, index),
        MESSAGES.stop(index),
    ]


def _blocks(group: Group) -> list[Case]:
    m = MESSAGES
    start, end = m.start(), m.end()
    thinking = [
        m.block({"type": "thinking", "thinking": "", "signature": ""}),
        m.delta({"type": "thinking_delta", "thinking": "Let me "}),
        m.delta({"type": "thinking_delta", "thinking": "think"}),
        m.delta({"type": "signature_delta", "signature": "Eq=="}),
        m.stop(),
    ]
    thought = Answer(reasoning="Let me think")
    wholly = [{"type": "thinking", "thinking": "Let me think", "signature": "Eq=="}, {"type": "text", "text": SAID}]
    redacted = {"type": "redacted_thinking", "data": "xyz"}
    two = [*_text_block(TEXTS[0]), *_text_block(TEXTS[1] + TEXTS[2], 1)]
    parts = [{"type": "text", "text": TEXTS[0]}, {"type": "text", "text": TEXTS[1] + TEXTS[2]}]
    new = {"type": "brand_new", "x": 1}
    stream = m.stream()
    reasons = {
        "stop_sequence": "stop",
        "max_tokens": "length",
        "refusal": "content_filter",
        "pause_turn": "pause",
        "brand_new": "unknown",
    }
    text = [{"type": "text", "text": SAID}]
    return [
        group.odd(
            "thinking_then_text", [start, *thinking, *_text_block(index=1), *end], m.whole_message(wholly), thought
        ),
        group.odd(
            "redacted_thinking_then_text",
            [start, m.block(redacted), m.stop(), *_text_block(index=1), *end],
            m.whole_message([redacted, *text]),
        ),
        group.odd("two_texts", [start, *two, *end], m.whole_message(parts)),
        group.odd(
            "unknown_block", [start, m.block(new), m.stop(), *_text_block(index=1), *end], m.whole_message([new, *text])
        ),
        group.odd("no_content", [start, *end], m.whole_message([]), Answer(text="")),
        *(
            group.odd(
                f"stop_reason_{raw}",
                [start, *_text_block(), *m.end(raw)],
                m.whole_message(text, raw),
                ended(raw, reason),
            )
            for raw, reason in reasons.items()
        ),
        group.frames(
            "text_in_the_start_of_its_block", [start, m.block({"type": "text", "text": SAID}), m.stop(), *end]
        ),
        group.frames(
            "thinking_in_the_start_of_its_block",
            [
                start,
                m.block({"type": "thinking", "thinking": "Let me think", "signature": "Eq"}),
                m.stop(),
                *_text_block(index=1),
                *end,
            ],
            thought,
        ),
        group.frames("block_without_its_start", [start, m.delta({"type": "text_delta", "text": SAID}), m.stop(), *end]),
        group.frames("thinking_without_its_start", [start, *thinking[1:], *_text_block(index=1), *end], thought),
        group.frames("block_without_its_stop", [start, *_text_block()[:-1], *end]),
        group.frames("stop_of_a_block_that_is_not_open", [start, m.stop(7), *_text_block(), m.stop(), *end]),
        group.frames("blocks_not_from_zero", [start, *_text_block(index=5), *end]),
        group.frames("all_blocks_at_index_0", [start, *_text_block(TEXTS[0]), *_text_block(TEXTS[1] + TEXTS[2]), *end]),
        group.frames(
            "index_missing",
            [
                start,
                *(
                    Frame({key: value for key, value in frame.value.items() if key != "index"}, frame.event)
                    for frame in _text_block()
                ),
                *end,
            ],
        ),
        group.frames(
            "unknown_delta", [start, *_text_block()[:2], m.delta({"type": "brand_new_delta", "x": "y"}), m.stop(), *end]
        ),
        group.frames(
            "unknown_event_types",
            [Frame({"type": "brand_new"}, "brand_new"), *stream[:3], Frame({"type": "other"}, "other"), *stream[3:]],
        ),
        group.frames("pings_everywhere", [one for frame in stream for one in (Frame({"type": "ping"}, "ping"), frame)]),
        group.frames("no_message_start", stream[1:], Answer(usage=(0, 7, 7))),
        group.frames("message_start_twice", [stream[0], *stream], ANSWERED),
        group.frames("no_message_stop", stream[:-1]),
        group.frames("no_message_delta", [*stream[:-2], stream[-1]], Answer(reason="unknown", usage=(11, 1, 12))),
        group.frames("message_delta_twice", [*stream[:-1], *stream[-2:]]),
        group.frames(
            "stop_reason_null_first",
            [
                *stream[:-2],
                Frame(
                    {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 3}},
                    "message_delta",
                ),
                *stream[-2:],
            ],
        ),
        group.frames("stop_reason_in_message_start", [m.start(stop_reason="end_turn"), *stream[1:]]),
        group.frames("content_in_message_start", [m.start(content=[{"type": "text", "text": SAID}]), *end]),
        group.frames(
            "whole_answer_in_message_start",
            [
                Frame({"type": "message_start", "message": m.whole()}, "message_start"),
                Frame({"type": "message_stop"}, "message_stop"),
            ],
        ),
        group.frames("names_do_not_match_types", [Frame(frame.value, "message") for frame in stream]),
        group.frames(
            "bedrock_metrics",
            [
                *stream[:-1],
                Frame(
                    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}}, "message_stop"
                ),
            ],
        ),
        group.whole("stop_reason_null", ok(dumped(m.whole_message(text, None))), Answer(reason="unknown")),
        group.whole(
            "type_missing", ok(dumped({key: value for key, value in m.whole().items() if key != "type"})), ANSWERED
        ),
    ]


def _messages_usage(group: Group) -> list[Case]:
    m = MESSAGES
    text = _text_block()
    cached = {"input_tokens": 4, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 7}
    return [
        group.odd(
            "usage_with_cache", [m.start({**cached, "output_tokens": 1}), *text, *m.end()], m.whole(usage=cached)
        ),
        group.frames(
            "usage_input_only_at_the_end",
            [m.start({"output_tokens": 1}), *text, *m.end(usage={"input_tokens": 11, "output_tokens": 7})],
        ),
        group.frames(
            "usage_all_at_the_end", [m.start(None), *text, *m.end(usage={"input_tokens": 11, "output_tokens": 7})]
        ),
        group.frames(
            "usage_growing",
            [m.start(), *text, m.end(None, {"output_tokens": 3})[0], m.end(None, {"output_tokens": 5})[0], *m.end()],
        ),
        group.frames(
            "usage_input_repeated", [m.start(), *text, *m.end(usage={"input_tokens": 11, "output_tokens": 7})]
        ),
        group.frames(
            "usage_input_null_at_the_end", [m.start(), *text, *m.end(usage={"input_tokens": None, "output_tokens": 7})]
        ),
        group.frames(
            "usage_none_at_the_end", [m.start({"input_tokens": 11, "output_tokens": 7}), *text, *m.end(usage=None)]
        ),
        group.frames(
            "usage_input_zero_at_the_start",
            [
                m.start({"input_tokens": 0, "output_tokens": 0}),
                *text,
                *m.end(usage={"input_tokens": 11, "output_tokens": 7}),
            ],
        ),
        group.odd(
            "usage_counts_in_strings",
            [m.start({"input_tokens": "11", "output_tokens": 1}), *text, *m.end()],
            m.whole(usage={"input_tokens": "11", "output_tokens": 7}),
            Answer(usage=(11, 7, 18)),
        ),
        group.odd(
            "usage_with_unknown_counts",
            [
                m.start(),
                *text,
                *m.end(usage={"output_tokens": 7, "server_tool_use": {"web_search_requests": 1}, "new": 3}),
            ],
            m.whole(usage={**m.usage(), "new": 3}),
        ),
    ]


def _messages_calls(group: Group) -> list[Case]:
    m = MESSAGES
    start, end = m.start(), m.end("tool_use")
    block = {"type": "tool_use", "id": ID, "name": NAME, "input": {}}
    second = {"type": "tool_use", "id": SECOND[0], "name": SECOND[1], "input": {"zone": "CET"}}
    deltas = [m.delta({"type": "input_json_delta", "partial_json": one}) for one in ARGUMENTS]
    given = {"city": "Zürich", "days": 3}
    unnamed = Answer(text="", calls=((ANY_ID, NAME, WRITTEN),), reason="tool_calls")
    empty = Answer(text="", calls=((ID, NAME, "{}"),), reason="tool_calls")
    invalid = Answer(text="", calls=((ID, NAME, '{"city": "Zü'),), reason="tool_calls", executable=0)
    short = Answer(text="", calls=((ID, NAME, '{"city": "Zü'),), reason="length", executable=0)

    def calling(
        name: str, opening: Any, fragments: list[Frame], expect: Answer = CALLED, tail: list[Frame] | None = None
    ) -> Case:
        return group.frames(
            name, [start, m.block(opening), *fragments, m.stop(), *(end if tail is None else tail)], expect
        )

    def whole(name: str, *content: Any, expect: Answer = CALLED, reason: str = "tool_use") -> Case:
        return group.whole(f"{name}_whole", ok(dumped(m.whole_message(list(content), reason))), expect)

    def at(index: int, fragment: str) -> Frame:
        return m.delta({"type": "input_json_delta", "partial_json": fragment}, index)

    return [
        calling("input_in_the_start_of_the_block", {**block, "input": given}, []),
        calling("input_in_the_start_and_in_deltas", {**block, "input": {"city": "?"}}, deltas),
        calling("input_missing_at_the_start", {key: block[key] for key in ("type", "id", "name")}, deltas),
        calling("input_null_at_the_start", {**block, "input": None}, deltas),
        calling("input_empty", block, [], empty),
        calling("input_an_empty_delta", block, [at(0, "")], empty),
        calling("input_an_empty_delta_first", block, [at(0, ""), *deltas]),
        calling("input_that_does_not_parse", block, deltas[:1], invalid),
        calling("input_cut_by_length", block, deltas[:1], short, m.end("max_tokens")),
        calling("id_missing", {key: block[key] for key in ("type", "name", "input")}, deltas, unnamed),
        calling("id_null", {**block, "id": None}, deltas, unnamed),
        calling("id_empty", {**block, "id": ""}, deltas, unnamed),
        group.frames("two_calls", [start, m.block(block), *deltas, m.stop(), m.block(second, 1), m.stop(1), *end], TWO),
        group.frames(
            "two_calls_interleaved",
            [
                start,
                m.block(block),
                m.block({**second, "input": {}}, 1),
                deltas[0],
                at(1, SECOND[2]),
                *deltas[1:],
                m.stop(),
                m.stop(1),
                *end,
            ],
            TWO,
        ),
        group.frames(
            "two_calls_at_index_0", [start, m.block(block), *deltas, m.stop(), m.block(second), m.stop(), *end], TWO
        ),
        group.frames("call_without_its_stop", [start, m.block(block), *deltas, *end], CALLED),
        group.frames(
            "call_after_text",
            [start, *_text_block(), m.block(block, 1), *(at(1, one) for one in ARGUMENTS), m.stop(1), *end],
            Answer(calls=(CALL,), reason="tool_calls"),
        ),
        group.frames(
            "call_cut_by_length_without_its_stop", [start, m.block(block), deltas[0], *m.end("max_tokens")], short
        ),
        whole("two_calls", {**block, "input": given}, second, expect=TWO),
        whole("id_missing", {"type": "tool_use", "name": NAME, "input": given}, expect=unnamed),
        whole("input_null", {**block, "input": None}, expect=empty),
        whole("input_a_string", {**block, "input": WRITTEN}),
        whole(
            "cut_by_length",
            {**block, "input": {}},
            expect=Answer(text="", calls=((ID, NAME, "{}"),), reason="length", executable=0),
            reason="max_tokens",
        ),
    ]
