"""What LlamaIndex's own tests and those of its maintained integrations hold an LLM to, in each dialect.

There is no shared suite in LlamaIndex; these are the behaviours its tests check (docs/wire/peers.md#llamaindex), each
against the simulated workspace over a socket, or against a scripted wire where the shape of the wire matters.
"""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from faults.wires import CHAT, GEMINI, MESSAGES, RESPONSES, WIRES
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ImageBlock, TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.program.utils import process_streaming_objects
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, Field
from support.llama_index_families import AGENT_WARNINGS, CLAUDE, GPT, LLAMA, NATIVE
from support.llama_index_families import GEMINI as GEMINI_MODEL
from support.llama_index_scripts import scripted

EACH_MODEL = pytest.mark.parametrize("model", NATIVE)
EACH_WIRE = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.api)
HELLO = [ChatMessage("Hello there")]


class City(BaseModel):
    """A city."""

    name: str
    people: int


class Word(BaseModel):
    """One field."""

    text: str


class Answer(BaseModel):
    """One field, which may stay at its default."""

    text: str = "nothing"


OSAKA = City(name="Osaka", people=19)


# prompts and messages


@EACH_MODEL
async def test_a_prompt_is_taken_by_place_and_by_name_and_only_once(make_llm, model):
    llm = make_llm(model)

    assert llm.complete("a").text == llm.complete(prompt="a").text == "You said: a"
    assert (await llm.acomplete("a")).text == (await llm.acomplete(prompt="a")).text == "You said: a"
    with pytest.raises(TypeError):
        llm.complete("a", prompt="b")
    with pytest.raises(TypeError):
        llm.stream_complete("a", prompt="b")


@EACH_MODEL
def test_an_answers_message_can_be_stored_as_json_and_sent_back(make_llm, model):
    llm = make_llm(model)
    said = llm.chat(HELLO).message

    stored = ChatMessage.model_validate_json(said.model_dump_json())

    assert stored == said
    assert llm.chat([*HELLO, stored, ChatMessage("And you?")]).message.content == "You said: And you?"


@EACH_MODEL
def test_a_system_message_may_stand_anywhere(make_llm, workspace, model):
    llm = make_llm(model)
    system = ChatMessage("Be brief.", role=MessageRole.SYSTEM)

    for messages in ([system, *HELLO], [*HELLO, system], [*HELLO, system, ChatMessage("Bye")]):
        assert llm.chat(messages).message.content.startswith("You said:")

    assert all("Be brief." in str(entry.body) for entry in workspace.ledger.model_calls())


@EACH_MODEL
@pytest.mark.parametrize("arguments", [{"a": 2, "b": 3}, '{"a": 2, "b": 3}'], ids=["object", "text"])
def test_arguments_in_a_history_are_an_object_or_text_and_the_text_beside_a_call_is_kept(
    make_llm, workspace, add_tool, model, arguments
):
    history = [
        ChatMessage("add 2 and 3"),
        ChatMessage(
            role=MessageRole.ASSISTANT,
            blocks=[
                TextBlock(text="Let me see."),
                ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs=arguments),
            ],
        ),
        ChatMessage("5", role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "c1"}),
    ]

    answer = make_llm(model).chat_with_tools([add_tool], chat_history=history)

    assert answer.message.content == "The tools answered: 5"
    assert "Let me see." in str(workspace.ledger.model_calls()[0].body)


@EACH_MODEL
def test_texts_in_several_blocks_are_all_said(make_llm, model):
    message = ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text="Hello "), TextBlock(text="there")])

    said = make_llm(model).chat([message]).message.content

    assert said.replace("\n", "") == "You said: Hello there"


@EACH_MODEL
def test_an_empty_message_among_others_does_no_harm(make_llm, model):
    messages = [ChatMessage("", role=MessageRole.SYSTEM), ChatMessage("Hello there"), ChatMessage("", role="assistant")]

    assert make_llm(model).chat([*messages, ChatMessage("Bye")]).message.content.endswith("Bye")


@pytest.mark.parametrize("model", [CLAUDE, GPT, GEMINI_MODEL, "databricks-llama-4-maverick"])
def test_an_image_reaches_the_model(make_llm, workspace, model, png):
    message = ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text="What is it?"), ImageBlock(image=png[0])])

    assert make_llm(model).chat([message]).message.content == "You said: What is it?"
    assert png[1] in str(workspace.ledger.model_calls()[0].body)


# tools


@EACH_MODEL
async def test_predict_and_call_calls_sync_and_async(make_llm, add_tool, added, model):
    llm = make_llm(model)

    told = llm.predict_and_call([add_tool], "add 2 and 3")
    awaited = await llm.apredict_and_call([add_tool], "add 2 and 3")

    assert (told.response, awaited.response) == ("5", "5")
    assert added == [(2, 3), (2, 3)]


@EACH_MODEL
async def test_predict_and_call_tells_of_a_tool_that_failed_or_raises_if_asked_to(make_llm, model):
    def fails(a: int) -> int:
        """Fails."""
        raise ValueError("never again")

    llm, tools = make_llm(model), [FunctionTool.from_defaults(fails)]

    assert "never again" in llm.predict_and_call(tools, "3 please").response
    with pytest.raises(ValueError, match="never again"):
        llm.predict_and_call(tools, "3 please", error_on_tool_error=True)
    with pytest.raises(ValueError, match="never again"):
        await llm.apredict_and_call(tools, "3 please", error_on_tool_error=True)


@EACH_MODEL
def test_predict_and_call_of_an_answer_without_a_call_raises_unless_told_not_to(make_llm, add_tool, model):
    llm = make_llm(model)

    with pytest.raises(ValueError, match="Expected at least one tool call, but got 0 tool calls"):
        llm.predict_and_call([add_tool], "Hello [no tools]")
    told = llm.predict_and_call([add_tool], "Hello [no tools]", error_on_no_tool_call=False)
    assert told.response in ("", "You said: Hello [no tools]")
    assert told.sources == []


@AGENT_WARNINGS
async def test_predict_and_call_of_a_model_without_tools_asks_in_words(make_llm, add_tool, added):
    llm = make_llm("databricks-gemma-3-12b")

    assert (await llm.apredict_and_call([add_tool], "add 2 and 3")).response == "5"
    assert (await asyncio.to_thread(llm.predict_and_call, [add_tool], "add 4 and 5")).response == "9"
    assert added == [(2, 3), (4, 5)]


@EACH_WIRE
def test_the_names_of_schemas_and_tools_keep_to_what_the_wire_takes(wire):
    def summe(a: int) -> int:
        """Adds."""
        return a

    tool = FunctionTool.from_defaults(summe, name="größte Summe (neu)", description="Adds.")
    llm, script = scripted(wire, wire.whole())

    llm.chat_with_tools([tool], "go")

    sent = json.dumps(script.bodies[0]["tools"], ensure_ascii=False)
    assert "Adds." in sent
    assert "größte Summe (neu)" not in sent


@EACH_MODEL
def test_nothing_is_sent_as_null(make_llm, workspace, add_tool, model):
    llm = make_llm(model)
    llm.chat_with_tools([add_tool], "add 2 and 3", tool_choice=None)
    llm.chat_with_tools([], "Hello", tool_choice=None)
    list(llm.stream_chat(HELLO, temperature=None))

    def nulls(value):
        if isinstance(value, dict):
            return any(nulls(inner) for inner in value.values())
        return any(map(nulls, value)) if isinstance(value, list) else value is None

    assert not any(nulls(entry.body) for entry in workspace.ledger.model_calls())


@EACH_MODEL
def test_what_nobody_asked_for_is_not_sent(make_llm, workspace, add_tool, model):
    make_llm(model).chat_with_tools([add_tool], "add 2 and 3", allow_parallel_tool_calls=True)

    (entry,) = workspace.ledger.model_calls()
    unasked = {"temperature", "top_p", "tool_choice", "tool_config", "toolConfig", "parallel_tool_calls", "seed", "n"}
    assert not unasked & entry.body.keys()


# programs


@EACH_MODEL
async def test_a_program_gives_one_object_or_several_sync_and_async(make_llm, model):
    llm = make_llm(model)
    sentence = 'The city "Osaka" has 19 people.'
    one = FunctionCallingProgram.from_defaults(City, prompt_template_str=sentence, llm=llm)
    several = FunctionCallingProgram.from_defaults(
        City, prompt_template_str=f"Take both. {sentence}", llm=llm, allow_parallel_tool_calls=True
    )

    assert one() == OSAKA
    assert await one.acall() == OSAKA
    assert several()[0] == OSAKA
    assert (await several.acall())[0] == OSAKA


@EACH_MODEL
def test_a_program_streams_objects_that_grow(make_llm, model):
    llm = make_llm(model, coalesce_deltas=False)
    program = FunctionCallingProgram.from_defaults(City, prompt_template_str='The city "Osaka" has 19 people.', llm=llm)

    assert list(program.stream_call())[-1] == OSAKA


@EACH_MODEL
def test_an_object_with_a_single_field_is_not_silently_empty(make_llm, model):
    llm = make_llm(model)
    program = FunctionCallingProgram.from_defaults(Word, prompt_template_str='Say "blue".', llm=llm)

    assert program() == Word(text="blue")
    assert llm.structured_predict(Answer, PromptTemplate('Say "blue".')) == Answer(text="blue")


@EACH_MODEL
def test_a_program_of_a_model_that_calls_nothing_says_so(model):
    wire = {LLAMA: CHAT, CLAUDE: MESSAGES, GPT: RESPONSES, GEMINI_MODEL: GEMINI}[model]
    llm, _ = scripted(wire, wire.whole("I would rather not."))
    program = FunctionCallingProgram.from_defaults(City, prompt_template_str="Osaka", llm=llm)

    with pytest.raises(ValueError, match="0 tool calls"):
        program()


@EACH_MODEL
def test_the_tool_choice_of_a_program_reaches_the_wire(make_llm, workspace, model):
    program = FunctionCallingProgram.from_defaults(
        City, prompt_template_str='The city "Osaka" has 19 people.', llm=make_llm(model), tool_choice="City"
    )

    program()

    told = {name: value for name, value in workspace.ledger.model_calls()[0].body.items() if name != "tools"}
    assert '"City"' in json.dumps(told)


@EACH_WIRE
def test_cores_own_reading_of_streamed_objects_grows_ours(wire):
    begun, ended = wire.call_frames()

    class Weather(BaseModel):
        """The weather."""

        city: str = ""
        days: int = 0

    llm, _ = scripted(wire, [*begun, *ended])
    found = None
    cities = []
    for response in llm.stream_chat_with_tools([get_function_tool(Weather)], "go"):
        if not response.message.additional_kwargs.get("tool_calls"):
            continue
        found = process_streaming_objects(response, Weather, cur_objects=found, llm=llm)
        cities.append(found.city)

    assert found == Weather(city="Zürich", days=3)
    assert cities[-1] == "Zürich"


# streams, thoughts, usage


SHOWN = {"type": "adaptive", "display": "summarized"}
THINKING = {
    CLAUDE: {"thinking": 1024, "max_tokens": 4000},
    GPT: {"thinking": SHOWN, "reasoning_effort": "high"},
    GEMINI_MODEL: {"thinking": SHOWN},
    "databricks-gpt-oss-120b": {"reasoning_effort": "high"},
}


@pytest.mark.parametrize("model", THINKING)
async def test_thoughts_come_as_thinking_deltas_and_stay_in_their_block(make_llm, model):
    llm = make_llm(model, coalesce_deltas=False, **THINKING[model])

    responses = list(llm.stream_chat(HELLO))

    deltas = [r.additional_kwargs["thinking_delta"] for r in responses if "thinking_delta" in r.additional_kwargs]
    (block,) = [block for block in responses[-1].message.blocks if isinstance(block, ThinkingBlock)]
    assert "".join(deltas) == block.content == "The user wants an answer to: Hello there"
    assert len(deltas) > 1
    assert "".join(r.delta for r in responses) == responses[-1].message.content == "You said: Hello there"
    assert responses[-1].additional_kwargs["completion_tokens"] > 0


@AGENT_WARNINGS
@pytest.mark.parametrize("model", THINKING)
async def test_an_agents_stream_events_carry_thoughts_and_none_where_there_are_none(make_llm, add_tool, model):
    agent = FunctionAgent(llm=make_llm(model, coalesce_deltas=False, **THINKING[model]), tools=[add_tool])

    run = agent.run("Hello [no tools]")
    events = [event async for event in run.stream_events() if isinstance(event, AgentStream)]
    await run

    assert "".join(e.thinking_delta or "" for e in events) == "The user wants an answer to: Hello [no tools]"
    assert any(event.thinking_delta is None for event in events)
    assert not any(event.thinking_delta and event.delta for event in events)


def test_an_answer_that_stayed_in_the_thoughts_can_be_found():
    message = {"role": "assistant", "content": None, "reasoning_content": "It is 42."}
    llm, _ = scripted(CHAT, CHAT.whole_message(message))

    response = llm.chat(HELLO)

    assert response.message.content in (None, "")
    assert response.message.blocks[0].content == "It is 42."
    assert response.raw["choices"][0]["message"]["reasoning_content"] == "It is 42."


def test_content_in_parts_is_read_whole_and_streamed():
    """Databricks streams the thoughts and texts of some open models as arrays.

    Source: docs/wire/chat-completions.md#content-as-a-list.
    """
    parts = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "text", "text": "Hello."},
    ]
    frames = [*CHAT.head(), *(CHAT.delta({"content": [part]}) for part in parts), *CHAT.tail()]
    llm, _ = scripted(CHAT, CHAT.whole_message({"role": "assistant", "content": parts}), frames)

    whole, streamed = llm.chat(HELLO), list(llm.stream_chat(HELLO))[-1]

    for response in (whole, streamed):
        assert response.message.content == "Hello."
        assert response.message.blocks[0].content == "hm"


@EACH_WIRE
def test_why_an_answer_ended_is_told(wire):
    llm, _ = scripted(wire, wire.whole(reason="length"), wire.stream(reason="length"))

    whole, streamed = llm.chat(HELLO), list(llm.stream_chat(HELLO))[-1]

    assert whole.raw["choices"][0]["finish_reason"] == streamed.raw["choices"][0]["finish_reason"] == "length"


@EACH_WIRE
def test_usage_is_none_where_none_comes_and_never_made_up(wire):
    llm, _ = scripted(wire, wire.stream()[:-1] + wire.tail(usage=None)[-1:])
    stream = [*wire.head(), *wire.texts(), *wire.tail(usage=None)]
    if wire is MESSAGES:
        stream[0] = wire.start(usage=None)
    if wire is GEMINI:
        stream = [wire.chunk([{"text": "a"}]), *wire.tail(usage=None)]
    llm, _ = scripted(wire, stream)

    last = list(llm.stream_chat(HELLO))[-1]

    assert last.raw["usage"] is None
    assert last.additional_kwargs == {}


@EACH_WIRE
def test_usage_has_both_sets_of_names_whole_and_streamed(wire):
    llm, _ = scripted(wire, wire.whole(), wire.stream())

    for response in (llm.chat(HELLO), list(llm.stream_chat(HELLO))[-1]):
        usage = response.raw["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (11, 7, 18)
        assert (usage["input_tokens"], usage["output_tokens"]) == (11, 7)
        counts = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        assert response.additional_kwargs == counts


def test_cached_written_and_reasoning_tokens_are_told():
    usage = {
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_input_tokens": 300,
        "cache_creation_input_tokens": 40,
    }
    llm, _ = scripted(MESSAGES, MESSAGES.whole(usage=usage))
    thought = RESPONSES.usage() | {"output_tokens_details": {"reasoning_tokens": 5}}
    thinker, _ = scripted(RESPONSES, RESPONSES.whole(usage=thought))

    told, reasoned = llm.chat(HELLO).raw["usage"], thinker.chat(HELLO).raw["usage"]

    assert (told["cache_read_input_tokens"], told["cache_creation_input_tokens"]) == (300, 40)
    assert told["prompt_tokens_details"]["cached_tokens"] == 300
    assert told["prompt_tokens"] == 350
    assert reasoned["completion_tokens_details"]["reasoning_tokens"] == 5


# events


class Recorder(BaseEventHandler):
    """Keeps the kinds of LLM events and what they carried."""

    seen: list = Field(default_factory=list)

    def handle(self, event, **_):
        if type(event).__module__.endswith("events.llm"):
            self.seen.append(event)


@pytest.fixture
def recorded():
    """Every event of LLMs that LlamaIndex hands out while the test runs."""
    recorder, dispatcher = Recorder(), get_dispatcher()
    dispatcher.add_event_handler(recorder)
    yield recorder.seen
    dispatcher.event_handlers.remove(recorder)


CHAT_EVENTS = (LLMChatStartEvent, LLMChatInProgressEvent, LLMChatEndEvent)
COMPLETION_EVENTS = (LLMCompletionStartEvent, LLMCompletionInProgressEvent, LLMCompletionEndEvent)


def shown(events):
    """Events as kind, delta and text, so that those of two calls can be compared."""
    return [
        (type(event).__name__, getattr(getattr(event, "response", None), "delta", None), _text(event))
        for event in events
    ]


def _text(event):
    response = getattr(event, "response", None)
    return response.message.content if hasattr(response, "message") else getattr(response, "text", None)


@EACH_MODEL
async def test_the_events_of_a_call_come_once_and_are_the_same_sync_and_async(make_llm, recorded, model):
    llm = make_llm(model, coalesce_deltas=False)
    taken = {}

    def take(name):
        taken[name] = list(recorded)
        recorded.clear()

    llm.chat(HELLO)
    take("chat")
    await llm.achat(HELLO)
    take("achat")
    list(llm.stream_chat(HELLO))
    take("stream_chat")
    [_ async for _ in await llm.astream_chat(HELLO)]
    take("astream_chat")
    llm.complete("Hello there")
    take("complete")
    await llm.acomplete("Hello there")
    take("acomplete")
    list(llm.stream_complete("Hello there"))
    take("stream_complete")
    [_ async for _ in await llm.astream_complete("Hello there")]
    take("astream_complete")

    for name in ("chat", "stream_chat", "complete", "stream_complete"):
        assert shown(taken[name]) == shown(taken["a" + name])
        start, progress, end = COMPLETION_EVENTS if "complete" in name else CHAT_EVENTS
        kinds = [type(event) for event in taken[name]]
        assert kinds[0] is start
        assert kinds[-1] is end
        assert set(kinds[1:-1]) <= {progress}
        assert [kinds.count(start), kinds.count(end)] == [1, 1]


@EACH_MODEL
def test_events_do_not_change_the_answer_and_carry_its_usage(make_llm, recorded, model):
    responses = list(make_llm(model).stream_chat(HELLO))

    assert recorded[-1].response == responses[-1]
    assert recorded[-1].response.raw["usage"]["total_tokens"] > 0
    assert type(responses[-1].raw) is dict


@EACH_MODEL
def test_neither_events_nor_callbacks_show_the_token(make_llm, workspace, recorded, caplog, model):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    llm = make_llm(model, callback_manager=CallbackManager([debug]), default_headers={"x-team": "team-secret"})

    llm.chat(HELLO)

    payloads = [pair[0].payload for pair in debug.get_llm_inputs_outputs()]
    serialized = payloads[0][EventPayload.SERIALIZED]
    assert serialized["model"] == model
    assert "temperature" in serialized
    everything = str(payloads) + str([event.model_dump() for event in recorded]) + caplog.text
    assert workspace.token not in everything
    assert "team-secret" not in everything
    assert len(debug.get_event_pairs(CBEventType.LLM)) == 1


# clients


@EACH_MODEL
async def test_a_client_of_the_users_own_carries_the_request(make_llm, workspace, model):
    marker = {"x-marker": "mine"}
    with httpx.Client(headers=marker) as client:
        async with httpx.AsyncClient(headers=marker) as async_client:
            llm = make_llm(model, http_client=client, http_async_client=async_client)
            llm.chat(HELLO)
            list(llm.stream_chat(HELLO))
            await llm.achat(HELLO)
            [_ async for _ in await llm.astream_chat(HELLO)]

    assert [entry.headers.get("x-marker") for entry in workspace.ledger.model_calls()] == ["mine"] * 4


# agents


@AGENT_WARNINGS
@EACH_MODEL
async def test_a_tool_without_arguments_runs(make_llm, model):
    ran = []

    def now() -> str:
        """Tells the time."""
        ran.append(True)
        return "noon"

    answer = await FunctionAgent(llm=make_llm(model), tools=[now]).run("What time is it?")

    assert str(answer) == "The tools answered: noon"
    assert ran == [True]


@AGENT_WARNINGS
@EACH_WIRE
async def test_an_agent_survives_an_empty_answer(wire):
    llm, script = scripted(wire, [*wire.head(), *wire.tail("")])

    answer = await FunctionAgent(llm=llm, tools=[]).run("Hello")

    assert str(answer) == ""
    assert len(script.bodies) == 1


@AGENT_WARNINGS
@EACH_MODEL
async def test_an_agent_stops_at_its_last_step(make_llm, add_tool, model):
    workflow = AgentWorkflow.from_tools_or_functions([add_tool], llm=make_llm(model))

    with pytest.raises(Exception, match="Max iterations"):
        await workflow.run("add 1 and 2, then add 3 and 4, then add 5 and 6", max_iterations=2)
