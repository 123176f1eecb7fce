"""A message's identity is LangChain's own: a server's answers may all have one id, and threads stay whole."""

from __future__ import annotations

import asyncio

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from support.promises import promise

from dbx_gateway.chat import ChatResponse, Finish, Message, Text
from langchain_dbx_gateway.answers import answer_messages

MODELS = {
    "chat-completions": "databricks-meta-llama-3-3-70b-instruct",
    "messages": "databricks-claude-sonnet-4-5",
    "responses": "databricks-gpt-5-2",
    "generate-content": "databricks-gemini-2-5-pro",
}
"""A model for each api."""


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sun in {city}"


def taken(agent, way, text, config):
    """Take a turn of the thread in one way, and return the thread's messages."""
    turn = {"messages": [("user", text)]}
    if way == "invoke":
        agent.invoke(turn, config)
    elif way == "ainvoke":
        asyncio.run(agent.ainvoke(turn, config))
    elif way == "stream":
        list(agent.stream(turn, config, stream_mode="messages"))
    else:

        async def read():
            async for _ in agent.astream(turn, config, stream_mode="messages"):
                pass

        asyncio.run(read())
    return agent.get_state(config).values["messages"]


@promise("own-message-ids")
@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("api", MODELS)
def test_a_thread_whose_answers_share_one_id_stays_whole(make_llm, api, way):
    agent = create_agent(make_llm(MODELS[api]), [weather], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    taken(agent, way, "the weather in 'Oslo'", config)
    thread = taken(agent, way, "the weather in 'Rome'", config)
    assert [message.type for message in thread] == ["human", "ai", "tool", "ai"] * 2
    answers = [message for message in thread if isinstance(message, AIMessage)]
    assert len({answer.id for answer in answers}) == len(answers)
    (shared,) = {answer.response_metadata["id"] for answer in answers}
    assert shared
    assert all(answer.id.startswith("lc_run-") for answer in answers)


@pytest.mark.parametrize("api", MODELS)
def test_the_events_of_a_stream_name_the_message_that_they_add_up_to(make_llm, api):
    stream = make_llm(MODELS[api]).stream_events("Hello", version="v3")
    started = next(event for event in stream if event["event"] == "message-start")
    message = stream.output
    assert message.id == started["id"]
    assert message.id.startswith("lc_run-")
    assert message.id != message.response_metadata["id"]


def test_each_of_several_answers_has_an_id_of_its_own(make_llm):
    (answers,) = make_llm(MODELS["chat-completions"], n=3).generate([[HumanMessage("Hello")]]).generations
    assert len({answer.message.id for answer in answers}) == 3


@promise("own-message-ids")
@pytest.mark.parametrize("answer_id", ["", None, "chatcmpl-1"])
def test_whatever_id_a_server_sends_none_is_the_messages(answer_id):
    answer = Message(role="assistant", parts=(Text("ok"),))
    (message,) = answer_messages(
        ChatResponse(message=answer, finish=Finish(reason="stop"), id=answer_id), "a-model", blocks=False
    )
    assert message.id is None
    assert message.response_metadata.get("id") == (answer_id or None)
