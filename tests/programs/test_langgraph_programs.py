"""Programs on LangGraph: deep agents, a supervisor, trustcall's extractor, langmem's memories."""

from __future__ import annotations

from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.store.memory import InMemoryStore
from langgraph_supervisor import create_supervisor
from langmem import create_manage_memory_tool, create_memory_manager, create_search_memory_tool
from pydantic import BaseModel
from trustcall import create_extractor

from langchain_dbx_gateway.middleware import DbxPromptCachingMiddleware

LIMIT = {"recursion_limit": 60}


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def asked(text):
    return {"messages": [HumanMessage(text)]}


def test_a_deep_agent_answers_with_the_result_of_its_tool(chat, sent):
    agent = create_deep_agent(model=chat, tools=[add], middleware=[DbxPromptCachingMiddleware(unsupported="ignore")])

    state = agent.invoke(asked("add 2 and 3"), LIMIT)

    assert state["messages"][-1].text == "The tools answered: 5"
    assert len(sent()) == 2
    assert all("write_file" in body and "Adds two numbers" in body for body in sent())


def test_what_a_deep_agent_says_again_is_marked_for_the_cache_where_the_model_takes_marks(model, chat, sent):
    agent = create_deep_agent(model=chat, tools=[add], middleware=[DbxPromptCachingMiddleware(unsupported="ignore")])

    agent.invoke(asked("add 2 and 3"), LIMIT)

    assert all(("cache_control" in body) == ("claude" in model) for body in sent())


def test_a_deep_agent_writes_a_file(chat, sent):
    agent = create_deep_agent(model=chat, tools=[])

    state = agent.invoke(asked("write_file '/notes.txt' 'the lake'"), LIMIT)

    assert "/notes.txt" in state["files"]
    assert len(sent()) == 2


def test_a_supervisor_hands_over_to_its_agent_and_closes(chat, sent):
    adder = create_agent(chat, [add], name="adder")
    graph = create_supervisor([adder], model=chat, prompt="You supervise.").compile()

    state = graph.invoke(asked("transfer_to_adder, then add 2 and 3"), LIMIT)

    names = {message.name for message in state["messages"] if message.name}
    assert {"supervisor", "adder"} <= names
    assert any("5" in message.text for message in state["messages"] if message.name in ("adder", "add"))
    assert len(sent()) >= 3


def test_an_extractor_fills_a_class(chat, sent):
    extractor = create_extractor(chat, tools=[Person], tool_choice="Person")

    found = extractor.invoke("'Ann' is 41")

    assert found["responses"] == [Person(name="Ann", age=41)]
    assert len(sent()) == 1


def test_an_extractor_patches_what_it_extracted_before(chat, sent):
    extractor = create_extractor(chat, tools=[Person], tool_choice="Person")

    found = extractor.invoke(
        {
            "messages": [("user", "'Person' 'set the age' '/name' 'Bea'")],
            "existing": {"Person": {"name": "Ann", "age": 41}},
        }
    )

    assert "Ann" in sent()[0]
    assert "PatchDoc" in sent()[0]
    assert found["responses"] == [Person(name="Bea", age=41)]


def test_memories_are_made_of_a_conversation(chat, sent):
    manager = create_memory_manager(chat, schemas=[Person], enable_inserts=True)

    memories = manager.invoke({"messages": [{"role": "user", "content": "'Ann' is 41"}]})

    assert any(isinstance(memory.content, Person) for memory in memories)
    assert sent()


def test_an_agent_keeps_and_searches_memories(chat, embeddings, sent):
    store = InMemoryStore(index={"embed": embeddings, "dims": len(embeddings.embed_query("a"))})
    tools = [create_manage_memory_tool(namespace=("memories",)), create_search_memory_tool(namespace=("memories",))]
    agent = create_agent(chat, tools, store=store)
    store.put(("memories",), "one", {"content": "the lake opens at nine"})

    state = agent.invoke(asked("search_memory 'when does the lake open'"), LIMIT)

    assert "the lake opens at nine" in state["messages"][-1].text
    assert len(sent()) == 2
