"""Tools: offered, called, answered; streamed and whole; and never executed when the answer was cut."""

from __future__ import annotations

import copy

import pytest
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage, ChatResponse, MessageRole
from llama_index.core.tools import FunctionTool
from pydantic import create_model
from support.llama_index_families import AGENT_WARNINGS, NATIVE

from dbx_gateway.call.reading import replay
from dbx_gateway.chat import Blob, Finish, Image, Native, ToolCall, assistant
from dbx_gateway.chat import ChatResponse as CoreResponse
from dbx_gateway.errors import ExtractionError, IncompleteStreamError, InvalidRequestError
from dbx_gateway.testing import Fault
from llama_index_dbx_gateway import DbxGateway
from llama_index_dbx_gateway.answers import chat_response, first_call_only
from llama_index_dbx_gateway.messages import to_core
from llama_index_dbx_gateway.streaming import Snapshots

SURFACES = ("ai-gateway", "model-serving")


def answered(llm, tool, history, *, streamed):
    if streamed:
        return list(llm.stream_chat_with_tools([tool], chat_history=history, allow_parallel_tool_calls=True))[-1]
    return llm.chat_with_tools([tool], chat_history=history, allow_parallel_tool_calls=True)


def results_of(llm, tool, response):
    calls = llm.get_tool_calls_from_response(response)
    return [
        ChatMessage(
            str(tool(**call.tool_kwargs)), role=MessageRole.TOOL, additional_kwargs={"tool_call_id": call.tool_id}
        )
        for call in calls
    ]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("model", NATIVE)
def test_a_tool_round_trip(make_llm, add_tool, added, model, surface, streamed):
    llm = make_llm(model, surface=surface)
    history = [ChatMessage("add 2 and 3")]

    asked = answered(llm, add_tool, history, streamed=streamed)
    history += [asked.message, *results_of(llm, add_tool, asked)]
    final = answered(llm, add_tool, history, streamed=streamed)

    assert added == [(2, 3)]
    assert final.message.content == "The tools answered: 5"


@pytest.mark.parametrize("model", NATIVE)
def test_a_streamed_answer_makes_the_same_calls_as_a_whole_one(make_llm, add_tool, model):
    llm = make_llm(model, coalesce_deltas=False)
    history = [ChatMessage("add both 2 and 3")]

    whole = answered(llm, add_tool, history, streamed=False)
    streamed = answered(llm, add_tool, history, streamed=True)

    told = [
        [(call.tool_name, call.tool_kwargs) for call in llm.get_tool_calls_from_response(response)]
        for response in (whole, streamed)
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 2
    ids = [call.tool_id for call in llm.get_tool_calls_from_response(streamed)]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("streamed", [False, True])
def test_calls_stand_in_blocks_and_in_additional_kwargs(make_llm, add_tool, streamed):
    message = answered(make_llm(), add_tool, [ChatMessage("add 2 and 3")], streamed=streamed).message

    (block,) = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    (listed,) = message.additional_kwargs["tool_calls"]
    assert block.tool_kwargs == {"a": 2, "b": 3}
    assert listed["id"] == block.tool_call_id
    assert listed["function"]["name"] == block.tool_name == "add"
    assert type(listed) is dict


def test_calls_are_not_handed_out_before_the_stream_has_ended(make_llm, add_tool):
    llm = make_llm(coalesce_deltas=False)

    handed = [
        llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        for response in llm.stream_chat_with_tools([add_tool], "add 2 and 3", allow_parallel_tool_calls=True)
    ]

    assert len(handed) > 2
    assert all(calls == [] for calls in handed[:-1])
    assert handed[-1][0].tool_kwargs == {"a": 2, "b": 3}


def called_in(llm, responses):
    for response in responses:
        yield from llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)


@pytest.mark.parametrize("model", NATIVE)
def test_a_stream_cut_anywhere_raises_and_hands_out_no_call(make_llm, workspace, add_tool, model):
    llm = make_llm(model, coalesce_deltas=False)
    for events in range(1, 7):
        workspace.inject(Fault(end_after=events))
        handed = []
        with pytest.raises(IncompleteStreamError):
            handed += called_in(llm, llm.stream_chat_with_tools([add_tool], "add 2 and 3"))
        assert handed == []


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_of_an_answer_that_ended_early_is_never_handed_out(streamed):
    core = CoreResponse(
        message=assistant(ToolCall(call_id="c1", name="add", arguments='{"a":1,"b":2}')), finish=Finish(reason="length")
    )
    snapshots = Snapshots("m")
    response = [s for e in replay(core) if (s := snapshots.of(e))][-1] if streamed else chat_response(core, "m")
    llm = DbxGateway(model="m")

    with pytest.raises(ExtractionError, match=r"1 of 1 tool calls .* must not be run: .*finish reason length"):
        llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    assert "tool_calls" not in response.message.additional_kwargs
    assert response.message.blocks[0].tool_kwargs == '{"a":1,"b":2}'
    message = ChatResponse(message=response.message)  # what does not say that it has ended
    assert llm.get_tool_calls_from_response(message, error_on_no_tool_call=False) == []
    with pytest.raises(ValueError, match="got 0 tool calls; 1 cut or malformed"):
        llm.get_tool_calls_from_response(message)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    ("arguments", "handed"),
    [
        ("", [{}]),
        (" \n", [{}]),
        ("{}", [{}]),
        ('{"a":1}', [{"a": 1}]),
        ("NaN", []),
        ('{"a":NaN}', []),
        ('{"a":Infinity}', []),
        ("[1]", []),
        ("null", [{}]),
        ('{"a":1', []),
    ],
)
def test_arguments_in_words_are_handed_out_only_if_they_are_one_json_object_or_none(arguments, handed, listed):
    block = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs=arguments)
    beside = {"tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": arguments}}]}
    message = ChatMessage(role="assistant", additional_kwargs=beside) if listed else ChatMessage(blocks=[block])

    calls = DbxGateway(model="m").get_tool_calls_from_response(
        ChatResponse(message=message), error_on_no_tool_call=False
    )

    assert [call.tool_kwargs for call in calls] == handed


@pytest.mark.parametrize(("call_id", "handed"), [("c1", "c1"), ("", "add"), (None, "add")])
def test_a_call_without_an_id_goes_by_its_name(call_id, handed):
    block = ToolCallBlock(tool_call_id=call_id, tool_name="add", tool_kwargs={"a": 1})

    (call,) = DbxGateway(model="m").get_tool_calls_from_response(ChatResponse(message=ChatMessage(blocks=[block])))

    assert (call.tool_id, call.tool_name, call.tool_kwargs) == (handed, "add", {"a": 1})


def test_an_unanswered_call_of_a_cut_answer_is_not_sent_back():
    call = ToolCall(call_id="c1", name="add", arguments='{"a":1,"b"')
    core = CoreResponse(message=assistant("Let me add.", call), finish=Finish(reason="length"))
    message = chat_response(core, "m").message
    result = ChatMessage("no", role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "c1"})

    assert [part.text for part in to_core([message])[0].parts] == ["Let me add."]
    assert to_core([message, result])[0].tool_calls == (call,)


def test_one_call_at_a_time_is_the_default_and_holds_for_streams_too(make_llm, add_tool):
    llm = make_llm(coalesce_deltas=False)

    whole = llm.chat_with_tools([add_tool], "add both 2 and 3")
    streamed = list(llm.stream_chat_with_tools([add_tool], "add both 2 and 3"))

    assert len(llm.get_tool_calls_from_response(whole)) == 1
    assert len(llm.get_tool_calls_from_response(streamed[-1])) == 1
    assert {len(r.message.additional_kwargs.get("tool_calls", ())) for r in streamed} <= {0, 1}


@pytest.mark.parametrize(("several", "calls"), [(False, 1), (True, 2)])
async def test_each_way_to_chat_returns_one_call_or_all(make_llm, add_tool, several, calls):
    llm = make_llm(coalesce_deltas=False)
    options = {"tools": [add_tool], "allow_parallel_tool_calls": several}
    asked = [ChatMessage("add both 2 and 3, and 4 and 5")]
    streamed = list(llm.stream_chat(asked, **options))
    streamed_async = [response async for response in await llm.astream_chat(asked, **options)]

    for last in (llm.chat(asked, **options), await llm.achat(asked, **options), streamed[-1], streamed_async[-1]):
        assert sum(isinstance(block, ToolCallBlock) for block in last.message.blocks) == calls
        assert len(last.message.additional_kwargs["tool_calls"]) == calls


def test_a_program_that_says_nothing_of_several_calls_gets_one(add_tool):
    prepare = DbxGateway(model="m")._prepare_chat_with_tools

    assert prepare([add_tool])["allow_parallel_tool_calls"] is False
    assert "allow_parallel_tool_calls" not in prepare([add_tool], allow_parallel_tool_calls=True)
    assert "tool_required" not in prepare([add_tool])
    assert prepare([add_tool], tool_required=True)["tool_required"] is True


def test_what_stands_around_a_call_that_is_left_out_keeps_its_place():
    first, second = (ToolCall(call_id=call_id, name="add", arguments="{}") for call_id in "ab")
    others = [Native(api="messages", payload={"type": "odd", "number": number}) for number in (1, 2, 3)]
    picture = Image(blob=Blob(data="iVBORw0KGgo=", mime="image/png"), id="i1")
    parts = (others[0], first, others[1], second, others[2], picture)
    answer = CoreResponse(message=assistant(*parts), finish=Finish(reason="tool_calls"))

    single = first_call_only(chat_response(answer, "m")).message
    result = ChatMessage("3", role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "a"})

    assert to_core([single, result])[0].parts == (others[0], first, others[1], others[2], picture)


def test_one_call_at_a_time_is_asked_of_the_model_only_where_the_setting_says_so(make_llm, workspace, add_tool):
    make_llm().chat_with_tools([add_tool], "add both 2 and 3")
    make_llm(parallel_tool_calls=False).chat_with_tools([add_tool], "add both 2 and 3")

    silent, told = [entry.body for entry in workspace.ledger.model_calls()]
    assert "tool_choice" not in silent
    assert told["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def sent_choice(llm, workspace, tools, **options):
    llm.chat_with_tools(tools, "add 2 and 3 [no tools]", **options)
    return workspace.ledger.model_calls()[-1].body.get("tool_choice")


def test_every_spelling_of_a_tool_choice(make_llm, workspace, add_tool):
    llm = make_llm()

    assert sent_choice(llm, workspace, [add_tool]) is None
    assert sent_choice(llm, workspace, [add_tool], tool_choice=None) is None
    assert sent_choice(llm, workspace, [add_tool], tool_choice="auto") == {"type": "auto"}
    assert sent_choice(llm, workspace, [add_tool], tool_choice="none") == {"type": "none"}
    assert sent_choice(llm, workspace, [add_tool], tool_choice="any") == {"type": "any"}
    assert sent_choice(llm, workspace, [add_tool], tool_choice="required") == {"type": "any"}
    assert sent_choice(llm, workspace, [add_tool], tool_required=True) == {"type": "any"}
    assert sent_choice(llm, workspace, [add_tool], tool_required=True, tool_choice=None) == {"type": "any"}
    named = {"type": "tool", "name": "add"}
    assert sent_choice(llm, workspace, [add_tool], tool_choice="add") == named
    assert (
        sent_choice(llm, workspace, [add_tool], tool_choice={"type": "function", "function": {"name": "add"}}) == named
    )
    assert sent_choice(llm, workspace, [add_tool], tool_choice={"type": "tool", "name": "add"}) == named


def test_a_choice_of_a_tool_that_is_not_offered_is_refused(make_llm, add_tool):
    with pytest.raises(InvalidRequestError, match="tool_choice is 'ad', which is none of the tools on offer: add"):
        make_llm().chat_with_tools([add_tool], "add 2 and 3", tool_choice="ad")


def test_without_tools_nothing_about_tools_is_sent(make_llm, workspace):
    make_llm().chat_with_tools([], "Hello", tool_required=True)

    assert not {"tools", "tool_choice"} & set(workspace.ledger.model_calls()[0].body)


def test_the_callers_history_and_message_are_not_changed(make_llm, add_tool):
    llm = make_llm()
    history = [ChatMessage("add 2 and 3")]
    asked = llm.chat_with_tools([add_tool], chat_history=history)
    history += [asked.message, *results_of(llm, add_tool, asked)]
    user = ChatMessage("And now?")
    before = copy.deepcopy((history, user))

    llm.chat_with_tools([add_tool], user_msg=user, chat_history=history)
    list(llm.stream_chat_with_tools([add_tool], user_msg=user, chat_history=history))

    assert (history, user) == before


def test_a_user_message_is_taken_as_text_and_as_message(make_llm, workspace, add_tool):
    llm = make_llm()

    llm.chat_with_tools([add_tool], "add 2 and 3")
    llm.chat_with_tools([add_tool], ChatMessage("add 2 and 3"))

    first, second = workspace.ledger.model_calls()
    assert first.body["messages"] == second.body["messages"]


def test_a_tool_whose_name_the_wire_cannot_carry_keeps_its_name(make_llm, added):
    tool = FunctionTool.from_defaults(
        lambda a, b: a + b, name="sums.add it", fn_schema=create_model("S", a=(int, ...), b=(int, ...))
    )

    (call,) = make_llm().get_tool_calls_from_response(make_llm().chat_with_tools([tool], "2 and 3", tool_required=True))

    assert (call.tool_name, call.tool_kwargs) == ("sums.add it", {"a": 2, "b": 3})


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("databricks-claude-sonnet-4-5", {"thinking": 1024, "max_tokens": 4000}),
        ("databricks-gpt-5-2", {"reasoning_effort": "high"}),
        ("databricks-gemini-3-pro", {"thinking": True}),
    ],
)
def test_thoughts_and_their_proofs_go_back_exactly(make_llm, workspace, add_tool, model, settings, streamed):
    """The workspace refuses a proof that was altered, and signs the ones it replays."""
    llm = make_llm(model, **settings)
    history = [ChatMessage("add 2 and 3")]

    asked = answered(llm, add_tool, history, streamed=streamed)
    stored = ChatMessage.model_validate_json(asked.message.model_dump_json())
    history += [stored, *results_of(llm, add_tool, asked)]
    final = answered(llm, add_tool, history, streamed=streamed)

    assert final.message.content == "The tools answered: 5"
    thoughts = [block for block in asked.message.blocks if isinstance(block, ThinkingBlock)]
    proofs = [
        value
        for t in thoughts
        for n, value in t.additional_information.items()
        if n in ("signature", "encrypted_content")
    ]
    proofs += [
        facts["signature"]
        for facts in asked.message.additional_kwargs["dbx_gateway"].get("calls", {}).values()
        if "signature" in facts
    ]
    assert proofs
    replayed = str(workspace.ledger.model_calls()[-1].body)
    assert all(proof in replayed for proof in proofs)


def test_thoughts_stream_as_thinking_deltas(make_llm):
    llm = make_llm(thinking=1024, max_tokens=4000, coalesce_deltas=False)

    responses = list(llm.stream_chat([ChatMessage("Hello")]))

    thought = "".join(response.additional_kwargs.get("thinking_delta", "") for response in responses)
    assert thought == "The user wants an answer to: Hello"
    assert responses[-1].message.blocks[0].content == thought
    assert "".join(response.delta for response in responses) == "You said: Hello"


@AGENT_WARNINGS
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("model", NATIVE)
async def test_a_function_agent_runs_a_tool_and_answers(make_llm, add_tool, added, model, streaming):
    agent = FunctionAgent(llm=make_llm(model), tools=[add_tool], streaming=streaming)

    answer = await agent.run("add 2 and 3")

    assert str(answer) == "The tools answered: 5"
    assert added == [(2, 3)]


@AGENT_WARNINGS
async def test_a_workflow_of_tools_takes_function_calling_by_itself(make_llm, add_tool, added):
    workflow = AgentWorkflow.from_tools_or_functions([add_tool], llm=make_llm())

    answer = await workflow.run("add 2 and 3")

    assert [type(agent) for agent in workflow.agents.values()] == [FunctionAgent]
    assert str(answer) == "The tools answered: 5"
    assert added == [(2, 3)]


@AGENT_WARNINGS
async def test_an_agent_shows_thoughts_as_they_come(make_llm, add_tool):
    agent = FunctionAgent(llm=make_llm(thinking=1024, max_tokens=4000), tools=[add_tool])

    run = agent.run("Hello [no tools]")
    events = [event async for event in run.stream_events() if isinstance(event, AgentStream)]
    await run

    assert "".join(event.thinking_delta or "" for event in events) == "The user wants an answer to: Hello [no tools]"
    assert "".join(event.delta for event in events) == events[-1].response


@AGENT_WARNINGS
async def test_an_agent_executes_nothing_when_the_stream_is_cut(make_llm, workspace, add_tool, added):
    workspace.inject(Fault(end_after=4), times=None, where="/messages")
    agent = FunctionAgent(llm=make_llm(coalesce_deltas=False), tools=[add_tool])

    with pytest.raises(IncompleteStreamError):
        await agent.run("add 2 and 3")

    assert added == []


def test_predict_and_call_runs_the_tool(make_llm, add_tool):
    response = make_llm().predict_and_call([add_tool], "add 2 and 3")

    assert response.response == "5"


def test_validation_keeps_the_first_of_several_calls(make_llm, add_tool):
    blocks = [TextBlock(text="x"), *(ToolCallBlock(tool_call_id=i, tool_name="add", tool_kwargs={}) for i in "ab")]
    response = ChatResponse(message=ChatMessage(role="assistant", blocks=blocks))
    llm = make_llm()

    single = llm._validate_chat_with_tools_response(response, [add_tool])
    both = llm._validate_chat_with_tools_response(response, [add_tool], allow_parallel_tool_calls=True)

    assert [call.tool_id for call in llm.get_tool_calls_from_response(single)] == ["a"]
    assert [call.tool_id for call in llm.get_tool_calls_from_response(both)] == ["a", "b"]
    assert len(response.message.blocks) == 3
