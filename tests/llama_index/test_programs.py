"""Programs as people run them in production: paused and resumed, remembered, cancelled, many at once, and traced."""

import asyncio
import json
from typing import Annotated, Literal

import pytest
from llama_index.core import Document, SummaryIndex, VectorStoreIndex
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.core.evaluation import FaithfulnessEvaluator, RelevancyEvaluator
from llama_index.core.indices.property_graph import SchemaLLMPathExtractor
from llama_index.core.llms import ChatMessage, MessageRole
from llama_index.core.memory import ChatSummaryMemoryBuffer, FactExtractionMemoryBlock, Memory, StaticMemoryBlock
from llama_index.core.objects import ObjectIndex
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import TextNode
from llama_index.core.selectors import PydanticMultiSelector, PydanticSingleSelector
from llama_index.core.tools import FunctionTool, QueryEngineTool
from llama_index.core.workflow import Context, HumanResponseEvent, InputRequiredEvent, JsonSerializer
from pydantic import BaseModel, Field
from support.llama_index_families import AGENT_WARNINGS, CLAUDE, LLAMA, NATIVE

from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.testing import Fault
from llama_index_dbx_gateway import DbxGateway

pytestmark = AGENT_WARNINGS

EACH_MODEL = pytest.mark.parametrize("model", NATIVE)
THINKING = {CLAUDE: {"thinking": 1024, "max_tokens": 4000}}


class City(BaseModel):
    """A city."""

    name: str
    people: int | None = None


def stored(value):
    """What comes back of ``value`` from a file or a database."""
    return json.loads(json.dumps(value))


# --- agents that pause --------------------------------------------------------------------------------------------


@EACH_MODEL
async def test_an_agent_is_resumed_from_what_was_stored_of_it(make_llm, add_tool, added, workspace, model):
    """LlamaIndex leaves the memory out of a stored context, and says so: it is stored beside it, and given again."""
    agent = FunctionAgent(llm=make_llm(model), tools=[add_tool])
    before, memory = Context(agent), Memory.from_defaults(session_id="sums")
    await agent.run("add 2 and 3", ctx=before, memory=memory)

    after = Context.from_dict(agent, stored(before.to_dict(JsonSerializer())), JsonSerializer())
    messages = stored([message.model_dump(mode="json") for message in await memory.aget_all()])
    again = Memory.from_defaults(session_id="sums", chat_history=[ChatMessage.model_validate(one) for one in messages])
    answer = await agent.run("add 4 and 5", ctx=after, memory=again)

    assert (str(answer), added) == ("The tools answered: 9", [(2, 3), (4, 5)])
    assert "The tools answered: 5" in str(workspace.ledger.model_calls()[2].body)


async def delete(ctx: Context) -> str:
    """Deletes everything, if a human agrees."""
    question = InputRequiredEvent(prefix="Really?")
    told = await ctx.wait_for_event(HumanResponseEvent, waiter_id="really", waiter_event=question)
    return f"The human said {told.response}."


@EACH_MODEL
async def test_an_agent_waits_for_a_human(make_llm, model):
    run = FunctionAgent(llm=make_llm(model), tools=[delete]).run("Delete it")
    async for event in run.stream_events():
        if isinstance(event, InputRequiredEvent):
            run.ctx.send_event(HumanResponseEvent(response="yes"))

    assert str(await run) == "The tools answered: The human said yes."


@EACH_MODEL
async def test_an_agent_that_waits_for_a_human_can_be_stored_until_the_human_comes(make_llm, workspace, model):
    agent = FunctionAgent(llm=make_llm(model), tools=[delete])
    memory = Memory.from_defaults(session_id="human")
    run = agent.run("Delete it", memory=memory)
    async for event in run.stream_events():
        if isinstance(event, InputRequiredEvent):
            kept = stored(run.ctx.to_dict(JsonSerializer()))
            await run.cancel_run()
            break

    context = Context.from_dict(agent, kept, JsonSerializer())
    run = agent.run(ctx=context)
    await run.ctx.store.set("memory", memory)  # LlamaIndex does not store it, and says so
    run.ctx.send_event(HumanResponseEvent(response="no"))

    assert str(await run) == "The tools answered: The human said no."
    assert [entry.status for entry in workspace.ledger.model_calls()] == [200, 200]


async def test_a_model_may_stand_in_a_stored_context_which_then_holds_no_secret(make_llm, add_tool, workspace):
    agent = FunctionAgent(llm=make_llm(temperature=0.5), tools=[add_tool])
    context = Context(agent)
    await context.store.set("critic", agent.llm)

    text = json.dumps(context.to_dict(JsonSerializer()))
    again = Context.from_dict(agent, json.loads(text), JsonSerializer())

    critic = await again.store.get("critic")
    assert workspace.token not in text
    assert (type(critic), critic.model, critic.temperature) == (DbxGateway, CLAUDE, 0.5)


@EACH_MODEL
async def test_an_agent_that_is_cancelled_leaves_its_stream_at_once(make_llm, workspace, add_tool, model):
    """The answer would take for ever; a model that is used by many goes on."""
    llm = make_llm(model, coalesce_deltas=False)
    workspace.inject(Fault(stall=30.0, stall_after=4))
    run = FunctionAgent(llm=llm, tools=[add_tool]).run("Hello [long 50]")
    async for event in run.stream_events():
        if isinstance(event, AgentStream):
            await run.cancel_run()
            break

    assert (await llm.acomplete("Hello")).text == "You said: Hello"


@EACH_MODEL
async def test_thirty_agents_at_once_share_one_model(make_llm, add_tool, workspace, model):
    agent = FunctionAgent(llm=make_llm(model), tools=[add_tool])

    answers = await asyncio.gather(*(agent.run(f"add {number} and 1") for number in range(30)))

    assert [str(answer) for answer in answers] == [f"The tools answered: {number + 1}" for number in range(30)]
    assert len(workspace.ledger.model_calls()) == 60


# --- memory -------------------------------------------------------------------------------------------------------


@EACH_MODEL
async def test_a_memory_with_blocks_lets_a_model_remember(make_llm, add_tool, workspace, model):
    llm = make_llm(model)
    facts = FactExtractionMemoryBlock(name="facts", llm=llm, max_facts=5)
    memory = Memory.from_defaults(
        session_id="blocks",
        token_limit=400,
        chat_history_token_ratio=0.3,
        token_flush_size=60,
        memory_blocks=[StaticMemoryBlock(name="who", static_content="I am Ada."), facts],
    )
    agent = FunctionAgent(llm=llm, tools=[add_tool])

    answers = [str(await agent.run(f"add {number} and 3 {'please ' * 30}", memory=memory)) for number in range(5)]

    assert answers == [f"The tools answered: {number + 3}" for number in range(5)]
    assert "I am Ada." in str(workspace.ledger.model_calls()[-1].body)
    assert {entry.status for entry in workspace.ledger.model_calls()} == {200}


@EACH_MODEL
async def test_a_memory_that_sums_up_asks_the_model_and_goes_on(make_llm, add_tool, model):
    memory = ChatSummaryMemoryBuffer.from_defaults(llm=make_llm(model), token_limit=80)
    agent = FunctionAgent(llm=make_llm(model), tools=[add_tool])

    answers = [str(await agent.run(f"add {number} and 3 {'please ' * 30}", memory=memory)) for number in range(3)]

    assert answers == [f"The tools answered: {number + 3}" for number in range(3)]


# --- thoughts, pictures and tools ---------------------------------------------------------------------------------


@EACH_MODEL
async def test_an_agent_that_thinks_keeps_its_thoughts_from_step_to_step(make_llm, add_tool, added, workspace, model):
    """The workspace refuses a turn whose thoughts were left out or altered."""
    llm = make_llm(model, **THINKING.get(model, {"reasoning_effort": "low"}))

    answer = await FunctionAgent(llm=llm, tools=[add_tool]).run("add 1 and 2, then add 3 and 4")

    assert (str(answer), added) == ("The tools answered: 7", [(1, 2), (3, 4)])
    assert [entry.status for entry in workspace.ledger.model_calls()] == [200, 200, 200]


class Person(BaseModel):
    name: str
    friends: list["Person"] = Field(default_factory=list)


def greets(who: Person, times: Annotated[int, "how often"] = 2, tone: Literal["warm", "cold"] = "warm") -> Person:
    """Greets a person."""
    return who if isinstance(who, Person) else Person(**who)


async def counts(number: int) -> dict[str, list[int]]:
    """Counts."""
    return {"é": [number]}


def does_nothing() -> None:
    """Does nothing."""


def multiplies(a: int, b: int) -> int:
    """Multiplies."""
    return a * b


@EACH_MODEL
@pytest.mark.parametrize(
    ("tool", "told"),
    [
        (FunctionTool.from_defaults(greets), "name='some name' friends=[]"),
        (counts, "{'é': [5]}"),
        (does_nothing, "None"),
        (FunctionTool.from_defaults(multiplies, partial_params={"b": 7}), "35"),
    ],
    ids=["nested", "async", "nothing", "partly given"],
)
async def test_an_agent_calls_tools_of_every_form(make_llm, model, tool, told):
    answer = await FunctionAgent(llm=make_llm(model), tools=[tool]).run("5 please")

    assert str(answer) == f"The tools answered: {told}"


@EACH_MODEL
async def test_an_agent_asks_an_index_and_finds_its_tools_in_one(make_llm, make_embedding, add_tool, added, model):
    llm, embedding = make_llm(model), make_embedding()
    index = VectorStoreIndex.from_documents([Document(text="Tables hold rows.")], embed_model=embedding)
    about = QueryEngineTool.from_defaults(index.as_query_engine(llm=llm), name="tables", description="About tables.")
    tools = ObjectIndex.from_objects([about, add_tool], index_cls=VectorStoreIndex, embed_model=embedding)
    agent = FunctionAgent(llm=llm, tool_retriever=tools.as_retriever(similarity_top_k=2))

    asked = await FunctionAgent(llm=llm, tools=[about]).run("What about 'tables'?")
    summed = await agent.run("add 2 and 3")

    assert "Tables hold rows." in str(asked)
    assert (str(summed), added) == ("The tools answered: 5", [(2, 3)])


async def test_a_picture_out_of_a_tool_is_refused_by_name_where_the_model_sees_none(make_llm, workspace, png):
    """Leaving it out in silence would let the model make it up."""

    def photo() -> ImageBlock:
        """Takes a photo."""
        return ImageBlock(image=png[0], image_mimetype="image/png")

    with pytest.raises(
        InvalidRequestError, match=f"holds an image, and '{LLAMA}' takes none .*; leave it out or choose"
    ):
        await FunctionAgent(llm=make_llm(LLAMA), tools=[photo]).run("Take one")

    assert len(workspace.ledger.model_calls()) == 1


@pytest.mark.parametrize("model", NATIVE[:3])
async def test_a_picture_in_the_question_reaches_the_model_through_an_agent(make_llm, add_tool, workspace, png, model):
    question = ChatMessage(
        role=MessageRole.USER, blocks=[TextBlock(text="add 2 and 3"), ImageBlock(image=png[0])]
    )  # of no said type

    answer = await FunctionAgent(llm=make_llm(model), tools=[add_tool]).run(question)

    assert str(answer) == "The tools answered: 5"
    assert [png[1] in str(entry.body) for entry in workspace.ledger.model_calls()] == [True, True]


async def test_a_workflow_hands_a_state_from_tool_to_tool(make_llm):
    async def rename(ctx: Context) -> str:
        """Sets the name."""
        async with ctx.store.edit_state() as state:
            state["state"]["name"] = "Ada"
        return "Done"

    workflow = AgentWorkflow.from_tools_or_functions(
        [rename], llm=make_llm(), system_prompt="You name things.", initial_state={"name": "unset"}
    )
    context = Context(workflow)

    answer = await workflow.run("Call it Ada", ctx=context)

    assert str(answer) == "The tools answered: Done"
    assert (await context.store.get("state"))["name"] == "Ada"


# --- retrieval ----------------------------------------------------------------------------------------------------


@EACH_MODEL
@pytest.mark.parametrize(
    "mode",
    [
        ResponseMode.REFINE,
        ResponseMode.COMPACT,
        ResponseMode.TREE_SUMMARIZE,
        ResponseMode.ACCUMULATE,
        ResponseMode.COMPACT_ACCUMULATE,
        ResponseMode.SIMPLE_SUMMARIZE,
    ],
)
async def test_every_mode_of_a_query_engine_answers(make_llm, model, mode):
    index = SummaryIndex.from_documents([Document(text=f"Fact {number}.") for number in range(4)])
    engine = index.as_query_engine(llm=make_llm(model), response_mode=mode)

    answer, awaited = engine.query("Which facts?"), await engine.aquery("Which facts?")

    assert "Fact 3." in str(answer)
    assert str(awaited) == str(answer)


@pytest.mark.parametrize("selector", [PydanticSingleSelector, PydanticMultiSelector])
@pytest.mark.parametrize("settings", [{}, {"thinking": 1024, "max_tokens": 4000}], ids=["plain", "thinking"])
async def test_a_router_chooses_between_query_engines(make_llm, selector, settings):
    llm = make_llm(**settings)
    engine = SummaryIndex.from_documents([Document(text="Tables hold rows.")]).as_query_engine(llm=llm)
    tools = [QueryEngineTool.from_defaults(engine, name=name, description=name) for name in ("tables", "cats")]
    router = RouterQueryEngine(selector=selector.from_defaults(llm=llm), query_engine_tools=tools, llm=llm)

    assert "Tables hold rows." in str(router.query("What about tables?"))
    assert "Tables hold rows." in str(await router.aquery("What about tables?"))


@EACH_MODEL
async def test_a_structured_model_in_a_query_engine_answers_in_objects(make_llm, model):
    index = SummaryIndex.from_documents([Document(text="Osaka lies on a bay.")])
    engine = index.as_query_engine(llm=make_llm(model).as_structured_llm(City))

    assert isinstance(engine.query("Which city?").response, City)
    assert isinstance((await engine.aquery("Which city?")).response, City)


@EACH_MODEL
async def test_evaluators_and_extractors_get_their_verdicts_and_triples(make_llm, model):
    llm = make_llm(model)
    asked = {"query": "Is it so? YES", "response": "YES", "contexts": ["YES"]}

    faithful = await FaithfulnessEvaluator(llm=llm).aevaluate(**asked)
    relevant = await RelevancyEvaluator(llm=llm).aevaluate(**asked)
    (node,) = await SchemaLLMPathExtractor(llm=llm).acall([TextNode(text="Ada knows Bob.")])

    assert (faithful.passing, relevant.passing) == (True, True)
    assert {"nodes", "relations"} <= set(node.metadata)


# --- tracers ------------------------------------------------------------------------------------------------------


@EACH_MODEL
async def test_an_async_stream_shows_tracers_whether_it_is_open(make_llm, model):
    """As an async generator does: tracers keep a call's record open until its stream has ended."""
    stream = await make_llm(model).astream_chat([ChatMessage("Hello")])

    fresh = stream.ag_frame
    first = await anext(stream)
    between = (stream.ag_frame, stream.ag_running)
    rest = [response async for response in stream]

    assert fresh is not None
    assert between == (fresh, False)
    assert (first.message.role, rest[-1].message.content) == (MessageRole.ASSISTANT, "You said: Hello")
    assert stream.ag_frame is None
