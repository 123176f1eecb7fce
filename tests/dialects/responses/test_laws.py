"""Laws of the Responses dialect: a stream adds up to the whole answer, and an answer goes back as it came."""

from __future__ import annotations

import json

from dialects.responses.wire import Faults, agent_stream_of, stream_of
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refusals import without_notices

from dbx_gateway.chat import ChatRequest, Message, Reasoning, Text, ToolCall, ToolResult, user
from dbx_gateway.dialects.responses.dialect import Responses
from dbx_gateway.events import (
    End,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    fold,
)
from dbx_gateway.models.profile import Profile

MODEL = "databricks-gpt-5"
GPT = Profile(model=MODEL, family="gpt", reasoning=True, efforts=("low",), sampling=False)
LAWS = settings(max_examples=80, deadline=None)

TEXTS = st.text(min_size=1, max_size=12)
STATUSES = st.sampled_from(["completed", "incomplete"])
ARGUMENTS = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=3).map(json.dumps)
ANNOTATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("url_citation"),
            "url": TEXTS,
            "title": TEXTS,
            "start_index": st.integers(0, 5),
            "end_index": st.integers(6, 9),
        }
    ),
    max_size=2,
)
OUTPUT_TEXT = st.fixed_dictionaries(
    {"type": st.just("output_text"), "text": TEXTS, "annotations": ANNOTATIONS},
    optional={
        "logprobs": st.just([{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]),
        "novel": TEXTS,
    },
)
REFUSAL = st.fixed_dictionaries({"type": st.just("refusal"), "refusal": TEXTS})
UNKNOWN = st.fixed_dictionaries({"type": st.just("output_novelty"), "value": TEXTS})
MESSAGE = st.fixed_dictionaries(
    {
        "type": st.just("message"),
        "role": st.just("assistant"),
        "status": STATUSES,
        "content": st.lists(st.one_of(OUTPUT_TEXT, OUTPUT_TEXT, REFUSAL, UNKNOWN), max_size=3),
    },
    optional={"phase": st.sampled_from(["commentary", "final_answer"]), "novel": TEXTS},
)
REASONING = st.fixed_dictionaries(
    {
        "type": st.just("reasoning"),
        "summary": st.lists(st.fixed_dictionaries({"type": st.just("summary_text"), "text": TEXTS}), max_size=3),
    },
    optional={
        "content": st.lists(
            st.fixed_dictionaries({"type": st.sampled_from(["reasoning_text", "output_text"]), "text": TEXTS}),
            max_size=2,
        ),
        "encrypted_content": TEXTS,
        "status": STATUSES,
    },
)
FUNCTION = st.fixed_dictionaries(
    {
        "type": st.just("function_call"),
        "name": st.sampled_from(["add", "now"]),
        "arguments": ARGUMENTS,
        "status": STATUSES,
    },
    optional={"namespace": TEXTS},
)
CUSTOM = st.fixed_dictionaries({"type": st.just("custom_tool_call"), "name": st.just("sh"), "input": TEXTS})
SEARCH = st.fixed_dictionaries(
    {
        "type": st.just("web_search_call"),
        "status": st.just("completed"),
        "action": st.just({"type": "search", "query": "q"}),
    }
)
USAGE = st.fixed_dictionaries(
    {
        "input_tokens": st.integers(0, 9),
        "output_tokens": st.integers(0, 9),
        "total_tokens": st.integers(0, 18),
        "input_tokens_details": st.fixed_dictionaries({"cached_tokens": st.integers(0, 3)}),
        "output_tokens_details": st.fixed_dictionaries({"reasoning_tokens": st.integers(0, 3)}),
    }
)


def numbered(items):
    """Give each item an id, and each call a call id; ids as long as a workspace makes them."""
    calls = {"function_call", "custom_tool_call"}
    return [
        item
        | {"id": f"item_{number}" + "x" * 180}
        | ({"call_id": f"call_{number}" + "y" * 180} if item["type"] in calls else {})
        for number, item in enumerate(items)
    ]


ITEMS = st.lists(st.one_of(MESSAGE, REASONING, FUNCTION, CUSTOM, SEARCH), max_size=5).map(numbered)


@st.composite
def bodies(draw):
    status = draw(STATUSES)
    reason = (
        draw(st.sampled_from(["max_output_tokens", "content_filter", "steered"])) if status == "incomplete" else None
    )
    return {
        "id": "resp_1",
        "object": "response",
        "model": "gpt-5-2025-08-07",
        "status": status,
        "output": draw(ITEMS),
        "usage": draw(st.none() | USAGE),
        "incomplete_details": {"reason": reason} if reason else None,
        "service_tier": draw(st.sampled_from(["default", "flex"])),
        "temperature": 1.0,
        "error": None,
    }


def texts_of(item):
    """Return the texts of an item, as far as they arrive in deltas."""
    parts = [*item.get("summary", ()), *item.get("content", ())]
    return [part for part in parts if part["type"] != "output_novelty"] or item.get("arguments") or item.get("input")


def hidden_reasoning(item):
    """Whether only its beginning tells that an item's text is reasoning."""
    return item["type"] == "reasoning" and any(part["type"] == "output_text" for part in item.get("content", ()))


@st.composite
def lossless_faults(draw, body):
    """Draw what may go wrong in a stream that still tells everything in order.

    An item may lack its end only where it had a beginning and deltas.
    """
    items = body["output"]
    everywhere = range(len(items))
    told = frozenset(n for n in everywhere if not hidden_reasoning(items[n]))
    growing = frozenset(n for n in everywhere if items[n]["type"] != "web_search_call" and texts_of(items[n]))
    some = st.frozensets(st.sampled_from(everywhere) if items else st.nothing())
    places = st.frozensets(st.integers(0, 60), max_size=12)
    no_deltas, no_added, no_text_done = draw(some), draw(some) & told, draw(some)
    return Faults(
        cuts=draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)),
        item_ids=draw(st.lists(TEXTS, max_size=3).map(tuple)),
        silent_from=draw(st.just(1000) | st.integers(0, 5)),
        no_added=no_added,
        no_deltas=no_deltas,
        no_text_done=no_text_done,
        no_item_done=(draw(some) & growing) - no_added - no_deltas,
        repeated=draw(places),
        swapped=draw(places),
    )


def read(events, sentinel=False):
    decoder = Responses().decoder(MODEL)
    caused = [one for event in events for one in decoder.feed(event)]
    if sentinel:
        caused += decoder.sentinel()
    return caused + decoder.close()


def check_events(events):
    """Check the laws every stream of events keeps: places in order, one end each, deltas that add up, one last End."""
    said, ended, order = {}, {}, []
    for event in events:
        index = getattr(event, "index", None)
        if index is not None and index not in order:
            order.append(index)
        match event:
            case TextDelta() | RefusalDelta():
                said[index] = said.get(index, "") + event.text
            case ReasoningDelta():
                said[index] = said.get(index, "") + event.text
            case ToolCallStart():
                assert event.call_id
                assert event.name
            case ToolCallDelta():
                said[index] = said.get(index, "") + event.arguments
            case PartEnd() | ToolCallEnd():
                assert index not in ended
                ended[index] = event.part if isinstance(event, PartEnd) else event.call
            case _:
                pass
    assert order == list(range(len(order))) == sorted(ended)
    assert isinstance(events[-1], End)
    assert sum(isinstance(event, End) for event in events) == 1
    for index, text in said.items():
        assert text == text_in(ended[index])


def text_in(part):
    match part:
        case Reasoning():
            return "".join(segment.text for segment in part.segments)
        case ToolCall():
            return part.arguments
        case _:
            return part.text


@LAWS
@given(st.data())
def test_a_stream_adds_up_to_the_whole_answer_whatever_a_host_does_to_it(data):
    body = data.draw(bodies())
    events = read(stream_of(body, data.draw(lossless_faults(body))))
    check_events(events)
    assert fold(events) == Responses().decode(body, MODEL)


@LAWS
@given(bodies())
def test_an_answer_given_only_at_the_end_is_whole(body):
    assert fold(read([{"type": f"response.{body['status']}", "response": body}])) == Responses().decode(body, MODEL)


AGENT_ITEMS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "type": st.just("message"),
                "role": st.just("assistant"),
                "content": st.lists(OUTPUT_TEXT, min_size=1, max_size=1),
            }
        ),
        FUNCTION,
    ),
    min_size=1,
    max_size=4,
).map(numbered)


@LAWS
@given(AGENT_ITEMS, st.data())
def test_an_agents_stream_adds_up_to_its_whole_answer(items, data):
    run = [item for item in items if item["type"] == "function_call" and data.draw(st.booleans())]
    results = [
        {"type": "function_call_output", "id": "o" + item["id"], "call_id": item["call_id"], "output": "1"}
        for item in run
    ]
    body = {"object": "response", "output": items + results, "custom_outputs": data.draw(st.none() | st.just({"a": 1}))}
    events = read(agent_stream_of(body, (data.draw(st.integers(1, 5)),)), sentinel=data.draw(st.booleans()))
    check_events(events)
    whole = Responses().decode(body, MODEL)
    assert fold(events) == whole
    pending = {item["call_id"] for item in items if item["type"] == "function_call" and item not in run}
    assert {call.call_id for call in whole.tool_calls} == pending
    assert whole.finish.reason == ("tool_calls" if pending else "stop")


def replayed(item):
    """Return what a wire item should look like when it goes back: without its id and what only answers have."""
    return {name: value for name, value in item.items() if name not in ("id", "logprobs")}


@LAWS
@given(st.lists(bodies(), min_size=1, max_size=3))
def test_several_turns_go_back_with_each_call_once_and_reasoning_as_it_came(turns):
    messages, calls, thoughts = [user("q")], [], []
    for turn, body in enumerate(turns):
        for item in body["output"]:
            if "call_id" in item:
                item["call_id"] += f"_{turn}"
        answer = without_notices(Responses().decode(body, MODEL).message)
        messages.append(answer)
        results = tuple(ToolResult(call_id=call.call_id, content=(Text("1"),)) for call in answer.tool_calls)
        messages.append(Message(role="tool", parts=results) if results else user("on"))
        calls += [call.call_id for call in answer.tool_calls]
        thoughts += [replayed(item) for item in kept_reasoning(body["output"])]
    request = ChatRequest(model=MODEL, messages=tuple(messages))
    items = Responses().encode(request, GPT)["input"]
    asked = [item["call_id"] for item in items if item["type"] in ("function_call", "custom_tool_call")]
    answered = [item["call_id"] for item in items if item["type"].endswith("_output")]
    assert asked == answered == calls
    assert [item for item in items if item["type"] == "reasoning"] == thoughts
    assert all("id" not in item for item in items if item["type"] != "web_search_call")


def kept_reasoning(output):
    """Return the reasoning items that may go back: with their proof, and with something behind them."""
    known = ("output_text", "refusal")  # content of another type does not go back
    said = [
        item for item in output if item["type"] != "message" or any(part["type"] in known for part in item["content"])
    ]
    while said and said[-1]["type"] == "reasoning":
        said.pop()
    kept = [item for item in said if item["type"] == "reasoning" and item.get("encrypted_content")]
    for item in kept:
        if not item.get("content"):
            item.pop("content", None)
        for part in item.get("content", ()):
            part["type"] = "reasoning_text"
    return kept
