"""Every shape in which tool calls are known to stream gives the calls that the whole answer gives."""

from __future__ import annotations

import json

import pytest
from faults.wires import CHAT, DONE, GEMINI, MESSAGES, RESPONSES
from llama_index.core.tools import FunctionTool
from support.llama_index_scripts import scripted


def add(a: int = 0, b: int = 0) -> int:
    """Adds two numbers."""
    return a + b


def now() -> str:
    """Tells the time."""
    return "noon"


TOOLS = [FunctionTool.from_defaults(add), FunctionTool.from_defaults(now)]
FIRST = ("call_1", "add", '{"a": 1, "b": 2}')
SECOND = ("call_2", "add", '{"a": 3, "b": 4}')
TWIN = ("call_2", "add", '{"a": 1, "b": 2}')
EMPTY = ("call_1", "now", "")


def fragments(text):
    """A text in three pieces, none of which is JSON."""
    return text[:3], text[3:9], text[9:]


# chat-completions


def chat_call(index, call_id=None, name=None, arguments=None):
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    told = {"index": index, "id": call_id, "type": "function" if name else None, "function": function}
    return {key: value for key, value in told.items() if value is not None}


def chat_stream(*deltas):
    return [
        *CHAT.head(),
        *(CHAT.delta({"tool_calls": list(calls)}) for calls in deltas),
        *CHAT.tail(reason="tool_calls"),
    ]


def chat_whole(*calls):
    told = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call_id, name, arguments in calls
    ]
    return CHAT.whole_message({"role": "assistant", "content": None, "tool_calls": told}, "tool_calls")


def fragmented_chat(*calls, indices=None):
    for place, (call_id, name, arguments) in enumerate(calls):
        index = place if indices is None else indices[place]
        yield [chat_call(index, call_id, name, "")]
        for fragment in fragments(arguments):
            yield [chat_call(index, arguments=fragment)]


def interleaved_chat():
    yield [chat_call(0, FIRST[0], FIRST[1], "")]
    yield [chat_call(1, SECOND[0], SECOND[1], "")]
    for one, two in zip(fragments(FIRST[2]), fragments(SECOND[2]), strict=True):
        yield [chat_call(0, arguments=one)]
        yield [chat_call(1, arguments=two)]


CHAT_SHAPES = {
    "fragments of one call": ([FIRST], list(fragmented_chat(FIRST))),
    "fragments of two calls": ([FIRST, SECOND], list(fragmented_chat(FIRST, SECOND))),
    "a whole call in one chunk": ([FIRST], [[chat_call(0, *FIRST)]]),
    "two whole calls in one chunk": ([FIRST, SECOND], [[chat_call(0, *FIRST), chat_call(1, *SECOND)]]),
    "two whole calls in two chunks": ([FIRST, SECOND], [[chat_call(0, *FIRST)], [chat_call(1, *SECOND)]]),
    "two whole calls with the same index": ([FIRST, SECOND], [[chat_call(0, *FIRST)], [chat_call(0, *SECOND)]]),
    "two whole calls with the same index in one chunk": (
        [FIRST, SECOND],
        [[chat_call(0, *FIRST), chat_call(0, *SECOND)]],
    ),
    "fragments of two calls with the same index": (
        [FIRST, SECOND],
        list(fragmented_chat(FIRST, SECOND, indices=[0, 0])),
    ),
    "fragments of two calls interleaved": ([FIRST, SECOND], list(interleaved_chat())),
    "two whole calls without an index": ([FIRST, SECOND], [[chat_call(None, *FIRST)], [chat_call(None, *SECOND)]]),
    "fragments without an index": ([FIRST], list(fragmented_chat(FIRST, indices=[None]))),
    "id and name repeated in each fragment": (
        [FIRST],
        [[chat_call(0, FIRST[0], FIRST[1], fragment)] for fragment in fragments(FIRST[2])],
    ),
    "no arguments at all": ([EMPTY], [[chat_call(0, "call_1", "now")]]),
    "arguments that are empty": ([EMPTY], [[chat_call(0, "call_1", "now", "")]]),
    "an index that begins with one": ([FIRST, SECOND], list(fragmented_chat(FIRST, SECOND, indices=[1, 2]))),
}

# messages


def block_start(index, call, **given):
    call_id, name, _ = call
    return MESSAGES.block({"type": "tool_use", "id": call_id, "name": name, "input": {}, **given}, index)


def block_delta(index, text):
    return MESSAGES.delta({"type": "input_json_delta", "partial_json": text}, index)


def messages_stream(*frames):
    return [MESSAGES.start(), *frames, *MESSAGES.end("tool_use")]


def messages_whole(*calls):
    content = [
        {"type": "tool_use", "id": call_id, "name": name, "input": json.loads(arguments or "{}")}
        for call_id, name, arguments in calls
    ]
    return MESSAGES.whole_message(content, "tool_use")


def one_block(index, call):
    return [
        block_start(index, call),
        *(block_delta(index, text) for text in fragments(call[2])),
        MESSAGES.stop(index),
    ]


MESSAGES_SHAPES = {
    "fragments of one call": ([FIRST], one_block(0, FIRST)),
    "fragments of two calls": ([FIRST, SECOND], [*one_block(0, FIRST), *one_block(1, SECOND)]),
    "a whole call in one delta": ([FIRST], [block_start(0, FIRST), block_delta(0, FIRST[2]), MESSAGES.stop(0)]),
    "a whole call at the start of its block": (
        [FIRST],
        [block_start(0, FIRST, input={"a": 1, "b": 2}), MESSAGES.stop(0)],
    ),
    "fragments of two calls interleaved": (
        [FIRST, SECOND],
        [
            block_start(0, FIRST),
            block_start(1, SECOND),
            *(
                frame
                for one, two in zip(fragments(FIRST[2]), fragments(SECOND[2]), strict=True)
                for frame in (block_delta(0, one), block_delta(1, two))
            ),
            MESSAGES.stop(0),
            MESSAGES.stop(1),
        ],
    ),
    "no arguments at all": ([EMPTY], [block_start(0, EMPTY), MESSAGES.stop(0)]),
    "arguments that are empty": ([EMPTY], [block_start(0, EMPTY), block_delta(0, ""), MESSAGES.stop(0)]),
    "an index that begins with one": ([FIRST], one_block(1, FIRST)),
}

# responses


def item_of(place, call, arguments=None, status="completed"):
    call_id, name, whole = call
    return {
        "type": "function_call",
        "id": f"fc_{place}",
        "call_id": call_id,
        "name": name,
        "arguments": whole if arguments is None else arguments,
        "status": status,
    }


def item_added(place, call):
    item = item_of(place, call, "", "in_progress")
    return RESPONSES.event("response.output_item.added", 1, output_index=place, item=item)


def item_delta(place, text):
    return RESPONSES.event(
        "response.function_call_arguments.delta", 2, item_id=f"fc_{place}", output_index=place, delta=text
    )


def item_done(place, call):
    return RESPONSES.event("response.output_item.done", 3, output_index=place, item=item_of(place, call))


def arguments_done(place, call):
    return RESPONSES.event(
        "response.function_call_arguments.done", 3, item_id=f"fc_{place}", output_index=place, arguments=call[2]
    )


def responses_stream(*frames, calls):
    whole = responses_whole(*calls)
    return [
        RESPONSES.event("response.created", 0, response=RESPONSES.envelope("in_progress")),
        *frames,
        RESPONSES.event("response.completed", 9, response=whole),
    ]


def responses_whole(*calls):
    return RESPONSES.envelope(
        "completed", [item_of(place, call) for place, call in enumerate(calls)], RESPONSES.usage()
    )


def one_item(place, call):
    return [
        item_added(place, call),
        *(item_delta(place, text) for text in fragments(call[2])),
        arguments_done(place, call),
        item_done(place, call),
    ]


RESPONSES_SHAPES = {
    "fragments of one call": ([FIRST], one_item(0, FIRST)),
    "fragments of two calls": ([FIRST, SECOND], [*one_item(0, FIRST), *one_item(1, SECOND)]),
    "a whole call without a delta": ([FIRST], [item_added(0, FIRST), arguments_done(0, FIRST), item_done(0, FIRST)]),
    "a whole call in its item alone": ([FIRST], [item_added(0, FIRST), item_done(0, FIRST)]),
    "fragments of two calls interleaved": (
        [FIRST, SECOND],
        [
            item_added(0, FIRST),
            item_added(1, SECOND),
            *(
                frame
                for one, two in zip(fragments(FIRST[2]), fragments(SECOND[2]), strict=True)
                for frame in (item_delta(0, one), item_delta(1, two))
            ),
            item_done(0, FIRST),
            item_done(1, SECOND),
        ],
    ),
    "no arguments at all": ([EMPTY], [item_added(0, EMPTY), item_done(0, EMPTY)]),
}

# generate-content


def function_call(call, **left_out):
    call_id, name, arguments = call
    told = {"id": call_id, "name": name, "args": json.loads(arguments or "{}")}
    return {"functionCall": {key: value for key, value in told.items() if key not in left_out}}


def gemini_stream(*chunks):
    return [*(GEMINI.chunk(list(parts)) for parts in chunks), *GEMINI.tail()]


def gemini_whole(*calls):
    return GEMINI.chunk([function_call(call) for call in calls], GEMINI.usage(), finishReason="STOP").value


GEMINI_SHAPES = {
    "a whole call": ([FIRST], [[function_call(FIRST)]]),
    "two whole calls in one chunk": ([FIRST, SECOND], [[function_call(FIRST), function_call(SECOND)]]),
    "two whole calls in two chunks": ([FIRST, SECOND], [[function_call(FIRST)], [function_call(SECOND)]]),
    "calls without ids": ([FIRST, SECOND], [[function_call(FIRST, id=0)], [function_call(SECOND, id=0)]]),
    "the same call twice without ids": ([FIRST, TWIN], [[function_call(FIRST, id=0), function_call(TWIN, id=0)]]),
    "no arguments at all": ([EMPTY], [[function_call(EMPTY, args=0)]]),
    "arguments that are empty": ([EMPTY], [[function_call(EMPTY)]]),
}

CASES = [
    *(pytest.param(CHAT, calls, chat_stream(*shape), chat_whole(*calls), id=f"chat-completions: {name}")
      for name, (calls, shape) in CHAT_SHAPES.items()),
    *(pytest.param(MESSAGES, calls, messages_stream(*shape), messages_whole(*calls), id=f"messages: {name}")
      for name, (calls, shape) in MESSAGES_SHAPES.items()),
    *(pytest.param(RESPONSES, calls, responses_stream(*shape, calls=calls), responses_whole(*calls),
                   id=f"responses: {name}")
      for name, (calls, shape) in RESPONSES_SHAPES.items()),
    *(pytest.param(GEMINI, calls, gemini_stream(*shape), gemini_whole(*calls), id=f"generate-content: {name}")
      for name, (calls, shape) in GEMINI_SHAPES.items()),
]  # fmt: skip


def selected(llm, response):
    """What may be executed of an answer."""
    calls = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    assert len({call.tool_id for call in calls}) == len(calls)
    return [(call.tool_name, call.tool_kwargs) for call in calls]


@pytest.mark.parametrize(("wire", "calls", "frames", "whole"), CASES)
async def test_a_streamed_tool_call_of_any_shape_is_the_whole_answers(wire, calls, frames, whole):
    llm, _ = scripted(wire, whole, frames, frames)
    options = {"tools": TOOLS, "user_msg": "go", "allow_parallel_tool_calls": True}

    answer = llm.chat_with_tools(**options)
    stream = list(llm.stream_chat_with_tools(**options))
    awaited = [response async for response in await llm.astream_chat_with_tools(**options)]

    expected = [(name, json.loads(arguments or "{}")) for _, name, arguments in calls]
    assert selected(llm, answer) == expected
    assert selected(llm, stream[-1]) == expected
    assert selected(llm, awaited[-1]) == expected
    assert [selected(llm, response) for response in stream[:-1]] == [[]] * (len(stream) - 1)
    listed = stream[-1].message.additional_kwargs["tool_calls"]
    assert [call["function"]["name"] for call in listed] == [name for _, name, _ in calls]


def test_the_end_of_a_chat_stream_that_says_nothing_of_tool_calls_keeps_them():
    frames = [*CHAT.head(), CHAT.delta({"tool_calls": [chat_call(0, *FIRST)]}), CHAT.delta({}, "stop"), DONE]
    llm, _ = scripted(CHAT, frames)

    (*_, last) = llm.stream_chat_with_tools(TOOLS, "go")

    assert selected(llm, last) == [("add", {"a": 1, "b": 2})]
