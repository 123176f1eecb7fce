"""Answers of responses that are oddly shaped but legal, or as real servers write them."""

from __future__ import annotations

from typing import Any

from faults.case import ANY_ID, CALLED, SAID, Answer, Case, Group, ended
from faults.cases_shapes import CALLS, ID, NAME, SECOND, TWO, WRITTEN
from faults.wires import RESPONSES, TEXTS, Frame, Wire


def cases(wire: Wire) -> list[Case]:
    """Return the cases of this api; none for another."""
    if wire is not RESPONSES:
        return []
    return [
        *_items(Group("items", RESPONSES)),
        *_numbers(Group("sequence numbers", RESPONSES)),
        *_responses_calls(Group(CALLS, RESPONSES)),
    ]


def _items(group: Group) -> list[Case]:
    r = RESPONSES
    stream = r.stream()
    head, texts, tail = r.head(), r.texts(), r.tail()
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Let me think"}]}
    thought = Answer(reasoning="Let me think")
    message = r.item(SAID, "completed")
    new = {"type": "brand_new_call", "id": "bn_1", "status": "completed"}
    done = r.envelope("completed", [message], r.usage())

    def changed(name: str, **fields: Any) -> Case:
        frames = [
            Frame(
                {**frame.value, **{key: value(place) for key, value in fields.items() if key in frame.value}},
                frame.event,
            )
            for place, frame in enumerate(stream)
        ]
        return group.frames(name, frames)

    thinking = [
        r.event("response.created", 0, response=r.envelope("in_progress")),
        r.event("response.output_item.added", 1, output_index=0, item={**reasoning, "summary": []}),
        r.event(
            "response.reasoning_summary_text.delta",
            2,
            item_id="rs_1",
            output_index=0,
            summary_index=0,
            delta="Let me think",
        ),
        r.event("response.output_item.done", 3, output_index=0, item=reasoning),
        r.event("response.output_item.added", 4, output_index=1, item=r.item()),
        *(
            r.event(
                "response.output_text.delta", 5 + place, item_id="msg_1", output_index=1, content_index=0, delta=text
            )
            for place, text in enumerate(TEXTS)
        ),
        r.event("response.output_item.done", 20, output_index=1, item=message),
        r.event("response.completed", 21, response=r.envelope("completed", [reasoning, message], r.usage())),
    ]
    incomplete = {"max_output_tokens": "length", "content_filter": "content_filter", "brand_new": "unknown"}
    refusal = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "refusal", "refusal": "I will not"}],
    }
    refused = [
        head[0],
        r.event("response.refusal.delta", 1, item_id="msg_1", output_index=0, content_index=0, delta="I will not"),
        r.event("response.completed", 2, response=r.envelope("completed", [refusal], r.usage())),
    ]
    return [
        changed("another_item_id_on_each_event", item_id=lambda place: f"msg_{place}"),
        changed("item_ids_null", item_id=lambda _: None),
        changed("item_ids_empty", item_id=lambda _: ""),
        changed("content_index_missing", content_index=lambda _: None),
        group.frames(
            "another_item_id_at_the_end",
            [
                *head,
                *texts,
                tail[0],
                r.event("response.output_item.done", 901, output_index=0, item={**message, "id": "other"}),
                r.event("response.completed", 902, response={**done, "output": [{**message, "id": "third"}]}),
            ],
        ),
        group.frames("text_only_in_completed", [head[0], r.event("response.completed", 1, response=done)]),
        group.frames(
            "text_only_in_item_done",
            [head[0], r.event("response.output_item.done", 1, output_index=0, item=message), tail[2]],
        ),
        group.frames(
            "text_only_in_text_done",
            [*head, tail[0], r.event("response.completed", 902, response=r.envelope("completed", [], r.usage()))],
        ),
        group.frames("last_text_only_in_done", [*head, *texts[:2], *tail]),
        group.frames("no_item_added", [head[0], *texts, *tail]),
        group.frames("no_item_done", [*head, *texts, tail[2]]),
        group.frames(
            "no_done_events_at_all",
            [*head, *texts, r.event("response.completed", 902, response=r.envelope("completed", [], r.usage()))],
        ),
        group.frames(
            "output_null_in_completed",
            [*stream[:-1], r.event("response.completed", 902, response={**done, "output": None})],
        ),
        group.frames("no_created", stream[1:]),
        group.frames(
            "queued_and_in_progress",
            [
                head[0],
                r.event("response.queued", 1, response=r.envelope("queued")),
                r.event("response.in_progress", 2, response=r.envelope("in_progress")),
                *stream[1:],
            ],
        ),
        group.frames(
            "unknown_events",
            [
                one
                for frame in stream
                for one in (Frame({"type": "response.brand_new.delta", "delta": "x"}, "x"), frame)
            ],
        ),
        group.frames(
            "unknown_item",
            [
                head[0],
                r.event("response.output_item.added", 1, output_index=0, item=new),
                r.event("response.output_item.done", 2, output_index=0, item=new),
                r.event("response.completed", 3, response=r.envelope("completed", [new, message], r.usage())),
            ],
        ),
        group.odd("reasoning_then_text", thinking, r.envelope("completed", [reasoning, message], r.usage()), thought),
        group.odd(
            "refusal",
            refused,
            r.envelope("completed", [refusal], r.usage()),
            Answer(text="", refusal="I will not", reason="content_filter"),
        ),
        *(
            group.odd(
                f"incomplete_by_{raw}",
                [
                    *head,
                    *texts,
                    r.event(
                        "response.incomplete",
                        9,
                        response=r.envelope("incomplete", [message], r.usage(), incomplete_details={"reason": raw}),
                    ),
                ],
                r.envelope("incomplete", [message], r.usage(), incomplete_details={"reason": raw}),
                ended(raw, reason),
            )
            for raw, reason in incomplete.items()
        ),
        group.odd(
            "status_missing",
            [*stream[:-1], r.event("response.completed", 902, response={**done, "status": None})],
            {**done, "status": None},
        ),
        group.odd(
            "usage_without_a_total",
            [
                *stream[:-1],
                r.event(
                    "response.completed", 902, response={**done, "usage": {"input_tokens": 11, "output_tokens": 7}}
                ),
            ],
            {**done, "usage": {"input_tokens": 11, "output_tokens": 7}},
        ),
        group.odd(
            "usage_details_null",
            [
                *stream[:-1],
                r.event(
                    "response.completed", 902, response={**done, "usage": {**r.usage(), "input_tokens_details": None}}
                ),
            ],
            {**done, "usage": {**r.usage(), "input_tokens_details": None}},
        ),
        group.odd(
            "content_a_string",
            [*stream[:-1], r.event("response.completed", 902, response=done)],
            {**done, "output": [{**message, "content": SAID}]},
        ),
        group.odd(
            "item_without_a_type",
            [*stream[:-1], tail[2]],
            {**done, "output": [{key: value for key, value in message.items() if key != "type"}]},
        ),
        group.frames("events_after_completed", [*stream, texts[0], *tail]),
        group.frames("completed_twice", [*stream, stream[-1]]),
    ]


def _numbers(group: Group) -> list[Case]:
    stream = RESPONSES.stream()

    def numbered(name: str, frames: list[Frame]) -> Case:
        return group.frames(name, frames)

    def renumbered(numbers: list[Any]) -> list[Frame]:
        return [
            Frame({**frame.value, "sequence_number": number}, frame.event)
            for frame, number in zip(stream, numbers, strict=True)
        ]

    count = len(stream)
    swapped = [*stream[:4], stream[5], stream[4], *stream[6:]]
    tail_swapped = [*renumbered([*range(count)])]
    tail_swapped[-3], tail_swapped[-2] = tail_swapped[-2], tail_swapped[-3]
    return [
        numbered("each_event_twice", [one for frame in stream for one in (frame, frame)]),
        numbered("one_event_twice", [*stream[:5], stream[4], *stream[5:]]),
        numbered("an_event_repeated_later", [*stream[:6], stream[3], *stream[6:]]),
        numbered("two_events_swapped", swapped),
        numbered("last_events_swapped", tail_swapped),
        numbered("all_zero", renumbered([0] * count)),
        numbered(
            "missing",
            [
                Frame({key: value for key, value in frame.value.items() if key != "sequence_number"}, frame.event)
                for frame in stream
            ],
        ),
        numbered("null", renumbered([None] * count)),
        numbered("strings", renumbered([str(number) for number in range(count)])),
        numbered("from_one", renumbered([*range(1, count + 1)])),
        numbered("with_gaps", renumbered([number * 10 for number in range(count)])),
        numbered("negative", renumbered([*range(-count, 0)])),
        numbered("only_on_some", renumbered([number if number % 2 else None for number in range(count)])),
        numbered("huge", renumbered([number + 2**62 for number in range(count)])),
    ]


def _responses_calls(group: Group) -> list[Case]:
    r = RESPONSES
    called, rest = r.call_frames()
    created, added, *deltas = called
    item = r.call_item(WRITTEN, "completed")
    second = r.call_item(SECOND[2], "completed", id="fc_2", call_id=SECOND[0], name=SECOND[1])
    completed = rest[-1]
    invalid = Answer(text="", calls=((ID, NAME, '{"city": "Zü'),), reason="tool_calls", executable=0)
    short = Answer(text="", calls=((ID, NAME, '{"city": "Zü'),), reason="length", executable=0)
    empty = Answer(text="", calls=((ID, NAME, "{}"),), reason="tool_calls")
    unnamed = Answer(text="", calls=((ANY_ID, NAME, WRITTEN),), reason="tool_calls")

    def ended(*items: Any, **more: Any) -> Frame:
        return r.event("response.completed", 902, response=r.envelope("completed", items, r.usage(), **more))

    def done(one: Any, index: int = 0) -> Frame:
        return r.event("response.output_item.done", 901, output_index=index, item=one)

    half = r.call_item('{"city": "Zü', "incomplete")
    cut = r.envelope("incomplete", [half], r.usage(), incomplete_details={"reason": "max_output_tokens"})
    broken = r.call_item('{"city": "Zü', "completed")
    two = r.envelope("completed", [item, second], r.usage())
    later = r.event("response.output_item.added", 11, output_index=1, item={**second, "arguments": ""})
    its = r.event("response.function_call_arguments.delta", 12, item_id="fc_2", output_index=1, delta=SECOND[2])
    return [
        group.frames("no_arguments_done", [*called, *rest[1:]], CALLED),
        group.frames("no_item_done", [*called, completed], CALLED),
        group.frames("call_only_in_completed", [created, ended(item)], CALLED),
        group.frames("call_only_in_item_done", [created, done(item), ended(item)], CALLED),
        group.frames("call_only_in_item_done_and_nothing_in_completed", [created, done(item), ended()], CALLED),
        group.frames("last_fragment_only_in_done", [created, added, *deltas[:2], *rest], CALLED),
        group.frames(
            "another_item_id_on_each_fragment",
            [
                created,
                added,
                *(Frame({**frame.value, "item_id": f"fc_{place}"}, frame.event) for place, frame in enumerate(deltas)),
                *rest,
            ],
            CALLED,
        ),
        group.odd("two_calls", [*called, later, its, done(item), done(second, 1), ended(item, second)], two, TWO),
        group.frames(
            "two_calls_interleaved",
            [created, added, later, deltas[0], its, *deltas[1:], done(item), done(second, 1), ended(item, second)],
            TWO,
        ),
        group.odd(
            "arguments_an_empty_object",
            [created, added, done(r.call_item("{}")), ended(r.call_item("{}"))],
            r.envelope("completed", [r.call_item("{}")], r.usage()),
            empty,
        ),
        group.odd(
            "arguments_that_do_not_parse",
            [created, added, deltas[0], done(broken), ended(broken)],
            r.envelope("completed", [broken], r.usage()),
            invalid,
        ),
        group.odd(
            "cut_by_length", [created, added, deltas[0], r.event("response.incomplete", 902, response=cut)], cut, short
        ),
        group.odd(
            "arguments_an_object",
            [
                created,
                done({**item, "arguments": {"city": "Zürich", "days": 3}}),
                ended({**item, "arguments": {"city": "Zürich", "days": 3}}),
            ],
            r.envelope("completed", [{**item, "arguments": {"city": "Zürich", "days": 3}}], r.usage()),
            CALLED,
        ),
        group.odd(
            "call_id_missing",
            [created, done({**item, "call_id": None}), ended({**item, "call_id": None})],
            r.envelope("completed", [{**item, "call_id": None}], r.usage()),
            unnamed,
        ),
        group.odd(
            "call_id_empty",
            [created, done({**item, "call_id": ""}), ended({**item, "call_id": ""})],
            r.envelope("completed", [{**item, "call_id": ""}], r.usage()),
            unnamed,
        ),
        group.frames(
            "call_id_only_at_the_end",
            [
                created,
                r.event("response.output_item.added", 1, output_index=0, item={**r.call_item(), "call_id": ""}),
                *deltas,
                *rest,
            ],
            CALLED,
        ),
        group.frames(
            "call_after_text",
            [
                *r.head(),
                *r.texts(),
                later,
                its,
                done(r.item(SAID, "completed")),
                done(second, 1),
                ended(r.item(SAID, "completed"), second),
            ],
            Answer(calls=(SECOND,), reason="tool_calls"),
        ),
    ]
