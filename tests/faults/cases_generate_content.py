"""Answers of generate-content that are oddly shaped but legal, or as real servers write them."""

from __future__ import annotations

from typing import Any

from faults.case import ANSWERED, ANY_ID, CALLED, SAID, Answer, Case, Group, ended, ok
from faults.cases_shapes import CALLS, ID, NAME, SECOND, TWO, USAGE, WRITTEN
from faults.wires import CALL, GEMINI, TEXTS, Frame, Wire, dumped


def cases(wire: Wire) -> list[Case]:
    """Return the cases of this api; none for another."""
    if wire is not GEMINI:
        return []
    return [
        *_candidates(Group("candidates", GEMINI)),
        *_gemini_usage(Group(USAGE, GEMINI)),
        *_gemini_calls(Group(CALLS, GEMINI)),
    ]


def _candidates(group: Group) -> list[Case]:
    g = GEMINI
    texts, tail = g.texts(), g.tail()
    used = g.usage()
    said = [{"text": text} for text in TEXTS]
    thought = Answer(reasoning="Let me think")
    thinking = {"text": "Let me think", "thought": True}
    reasons = {
        "MAX_TOKENS": "length",
        "SAFETY": "content_filter",
        "RECITATION": "content_filter",
        "MALFORMED_FUNCTION_CALL": "error",
        "FUNCTION_CALL": "unknown",
        "OTHER": "unknown",
    }
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": used}
    other = {"index": 1, "content": {"parts": [{"text": "Also"}]}, "finishReason": "STOP"}
    first = {"index": 0, "content": {"parts": [{"text": SAID}]}, "finishReason": "STOP"}
    two = {"candidates": [other, first], "usageMetadata": used}
    one = g.chunk(said, used, finishReason="STOP")
    return [
        group.odd("parts_in_one_chunk", [one], one.value),
        group.odd("text_and_finish_together", [*texts[:2], g.chunk([said[2]], used, finishReason="STOP")], g.whole()),
        group.odd(
            "thought_then_text",
            [g.chunk([thinking]), *texts, *tail],
            g.chunk([thinking, *said], used, finishReason="STOP").value,
            thought,
        ),
        group.odd(
            "signature_on_an_empty_text",
            [*texts, g.chunk([{"text": "", "thoughtSignature": "CiQ="}], used, finishReason="STOP")],
            g.chunk([*said, {"text": "", "thoughtSignature": "CiQ="}], used, finishReason="STOP").value,
        ),
        *(
            group.odd(
                f"finish_reason_{raw}",
                [*texts, g.chunk(None, used, finishReason=raw)],
                g.chunk(said, used, finishReason=raw).value,
                ended(raw, reason),
            )
            for raw, reason in reasons.items()
        ),
        group.frames(
            "finish_reason_unspecified_first",
            [texts[0], g.chunk([said[1]], None, finishReason="FINISH_REASON_UNSPECIFIED"), texts[2], *tail],
        ),
        group.frames("finish_reason_null_first", [*(g.chunk([part], None, finishReason=None) for part in said), *tail]),
        group.frames("stop_on_an_early_empty_chunk", [g.chunk(None, None, finishReason="STOP"), *texts, *tail]),
        group.frames("finish_without_content", [*texts, g.chunk(None, used, finishReason="STOP")]),
        group.frames(
            "finish_with_empty_content",
            [*texts, Frame({"candidates": [{"content": {}, "finishReason": "STOP"}], "usageMetadata": used})],
        ),
        group.frames(
            "finish_with_parts_null",
            [
                *texts,
                Frame({"candidates": [{"content": {"parts": None}, "finishReason": "STOP"}], "usageMetadata": used}),
            ],
        ),
        group.frames(
            "content_null",
            [*texts, Frame({"candidates": [{"content": None, "finishReason": "STOP"}], "usageMetadata": used})],
        ),
        group.frames("finish_twice", [*texts, *tail, *tail]),
        group.frames("chunk_without_candidates", [Frame({"responseId": "r1", "modelVersion": "m"}), *texts, *tail]),
        group.frames("candidates_empty", [Frame({"candidates": [], "responseId": "r1"}), *texts, *tail]),
        group.frames("candidates_null", [Frame({"candidates": None, "responseId": "r1"}), *texts, *tail]),
        group.frames(
            "index_missing", [Frame({"candidates": [{"content": {"parts": [part]}}]}) for part in said] + tail
        ),
        group.frames(
            "role_missing",
            [Frame({"candidates": [{"index": 0, "content": {"parts": [part]}}]}) for part in said] + tail,
        ),
        group.frames(
            "part_null",
            [Frame({"candidates": [{"index": 0, "content": {"parts": [None, said[0]]}}]}), *texts[1:], *tail],
        ),
        group.frames("part_empty_text", [g.chunk([{"text": ""}]), *texts, *tail]),
        group.frames("feedback_without_a_block", [Frame({"promptFeedback": {"safetyRatings": []}}), *texts, *tail]),
        group.frames(
            "block_reason_unspecified",
            [Frame({"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}}), *texts, *tail],
        ),
        group.odd(
            "blocked_prompt",
            [Frame(blocked)],
            blocked,
            Answer(text="", refusal="No answer was given: SAFETY.", reason="content_filter"),
        ),
        group.odd("two_candidates", [Frame(two)], two, Answer(alternatives=("Also",))),
        group.frames("done_mark_at_the_end", [*texts, *tail, Frame(b"[DONE]")]),
        group.whole("finish_reason_missing", ok(dumped(g.chunk(said, used).value)), Answer(reason="unknown")),
        group.whole("list_of_chunks", ok(dumped([g.chunk(said, used, finishReason="STOP").value])), ANSWERED),
    ]


def _gemini_usage(group: Group) -> list[Case]:
    g = GEMINI
    bare = [g.chunk([{"text": text}]) for text in TEXTS]

    def ended(usage: Any) -> list[Frame]:
        return [*bare, g.chunk([{"text": ""}], usage, finishReason="STOP")]

    thoughts = {"promptTokenCount": 11, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 18}
    tools = {"promptTokenCount": 8, "toolUsePromptTokenCount": 3, "candidatesTokenCount": 7, "totalTokenCount": 18}
    return [
        group.odd("usage_with_thoughts", ended(thoughts), g.whole(usage=thoughts)),
        group.odd("usage_with_tool_use", ended(tools), g.whole(usage=tools)),
        group.odd(
            "usage_without_a_total",
            ended({"promptTokenCount": 11, "candidatesTokenCount": 7}),
            g.whole(usage={"promptTokenCount": 11, "candidatesTokenCount": 7}),
        ),
        group.odd(
            "usage_without_output",
            ended({"promptTokenCount": 11, "totalTokenCount": 11}),
            g.whole(usage={"promptTokenCount": 11, "totalTokenCount": 11}),
            Answer(usage=(11, 0, 11)),
        ),
        group.odd(
            "usage_counts_in_strings",
            ended({"promptTokenCount": "11", "candidatesTokenCount": 7, "totalTokenCount": 7}),
            g.whole(usage={"promptTokenCount": "11", "candidatesTokenCount": 7, "totalTokenCount": 7}),
            Answer(usage=(11, 7, 7)),
        ),
        group.frames("usage_growing_on_each_chunk", g.stream()),
        group.frames("usage_shrinking", [g.chunk([{"text": SAID}], g.usage(20, 9, 29)), *g.tail()]),
        group.frames(
            "usage_after_the_finish",
            [*bare, g.chunk([], None, finishReason="STOP"), Frame({"usageMetadata": g.usage()})],
        ),
        group.frames(
            "usage_first_only", [g.chunk([{"text": SAID}], g.usage()), g.chunk([], None, finishReason="STOP")]
        ),
        group.frames(
            "usage_without_counts_at_the_end",
            [g.chunk([{"text": SAID}], g.usage()), g.chunk([], {"trafficType": "ON_DEMAND"}, finishReason="STOP")],
        ),
    ]


def _gemini_calls(group: Group) -> list[Case]:
    g = GEMINI
    args = {"city": "Zürich", "days": 3}
    call = {"functionCall": {"id": ID, "name": NAME, "args": args}}
    second = {"functionCall": {"id": SECOND[0], "name": SECOND[1], "args": {"zone": "CET"}}}
    nameless = {"functionCall": {"name": NAME, "args": args}}
    unnamed = Answer(text="", calls=((ANY_ID, NAME, WRITTEN),), reason="tool_calls")
    short = Answer(text="", calls=(CALL,), reason="length", executable=0)

    def odd(name: str, *parts: Any, expect: Answer = CALLED, reason: str = "STOP") -> Case:
        used = g.usage()
        frames = [*(g.chunk([part]) for part in parts), g.chunk(None, used, finishReason=reason)]
        return group.odd(name, frames, g.chunk(list(parts), used, finishReason=reason).value, expect)

    no_args = Answer(text="", calls=((ID, NAME, "{}"),), reason="tool_calls")
    return [
        odd("signed_call", {**call, "thoughtSignature": "CiQ="}),
        odd("id_missing", nameless, expect=unnamed),
        odd("id_null", {"functionCall": {"id": None, "name": NAME, "args": args}}, expect=unnamed),
        odd("id_empty", {"functionCall": {"id": "", "name": NAME, "args": args}}, expect=unnamed),
        odd("two_calls", call, second, expect=TWO),
        odd(
            "two_calls_without_ids",
            nameless,
            nameless,
            expect=Answer(text="", calls=((ANY_ID, NAME, WRITTEN),) * 2, reason="tool_calls"),
        ),
        odd("args_an_empty_object", {"functionCall": {"id": ID, "name": NAME, "args": {}}}, expect=no_args),
        odd("args_missing", {"functionCall": {"id": ID, "name": NAME}}, expect=no_args),
        odd("args_null", {"functionCall": {"id": ID, "name": NAME, "args": None}}, expect=no_args),
        odd("cut_by_length", call, expect=short, reason="MAX_TOKENS"),
        odd("call_after_text", {"text": SAID}, call, expect=Answer(calls=(CALL,), reason="tool_calls")),
        odd("text_after_the_call", call, {"text": SAID}, expect=Answer(calls=(CALL,), reason="tool_calls")),
        odd(
            "call_after_a_thought",
            {"text": "Let me think", "thought": True},
            call,
            expect=Answer(text="", reasoning="Let me think", calls=(CALL,), reason="tool_calls"),
        ),
        group.frames("two_calls_in_one_chunk", [g.chunk([call, second]), *g.tail()], TWO),
        group.frames("call_and_finish_together", [g.chunk([call], g.usage(), finishReason="STOP")], CALLED),
        group.frames(
            "finish_before_the_call", [g.chunk(None, None, finishReason="STOP"), g.chunk([call], g.usage())], CALLED
        ),
    ]
