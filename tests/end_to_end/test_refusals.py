"""An answer that was refused or filtered is one thing for the user, whichever api says so, in the core and in both frameworks."""

from __future__ import annotations

import asyncio

import pytest
from langchain.agents import create_agent, middleware
from langchain_core import exceptions
from langchain_core.messages import HumanMessage
from llama_index.core.llms import ChatMessage
from pydantic import BaseModel
from support.promises import promise

from dbx_gateway import AsyncClient, Client
from dbx_gateway.call.message_parts import sendable
from dbx_gateway.chat import ChatRequest, Message, Refusal, Text, user
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.errors import ExtractionError
from dbx_gateway.events import fold
from dbx_gateway.testing import Workspace, serve
from langchain_dbx_gateway import ChatDbxGateway
from llama_index_dbx_gateway import DbxGateway

# Older releases have neither: there an answer that was refused is one that cannot be parsed.
ModelRefusalMiddleware = getattr(middleware, "ModelRefusalMiddleware", None)
ModelRefusalError = getattr(exceptions, "ModelRefusalError", exceptions.OutputParserException)

GPT, CLAUDE, GEMINI, LLAMA = (
    "databricks-gpt-5-2",
    "databricks-claude-sonnet-4-5",
    "databricks-gemini-3-pro",
    "databricks-meta-llama-3-3-70b-instruct",
)
WORDS = "I cannot help with that."
WAYS = [
    # model, api where it is set, the end's name of a refusal and of a filtered answer
    pytest.param(GPT, None, None, "content_filter", id="responses"),
    pytest.param(CLAUDE, None, "refusal", "refusal", id="messages"),
    pytest.param(GEMINI, None, "PROHIBITED_CONTENT", "SAFETY", id="generate-content"),
    pytest.param(LLAMA, None, None, "content_filter", id="chat-completions"),
    pytest.param(CLAUDE, "chat-completions", None, "content_filter", id="claude-chat"),
    pytest.param(GEMINI, "chat-completions", None, "content_filter", id="gemini-chat"),
]
each = pytest.mark.parametrize(("model", "api", "refused", "filtered"), WAYS)


class City(BaseModel):
    """A city."""

    name: str


@pytest.fixture(scope="module")
def place():
    workspace = Workspace()
    with serve(workspace) as server:
        yield {"host": server.url, "token": workspace.token, "surface": "ai-gateway"}


def with_api(place, api):
    return place if api is None else place | {"api": api}


def four_ways(place, model, api, prompt):
    """The answer whole and streamed, from threads and from an event loop."""
    settings = with_api(place, api)

    async def from_a_loop():
        async with AsyncClient(model=model, **settings) as client:
            return [await client.chat([user(prompt)]), fold([event async for event in client.stream([user(prompt)])])]

    with Client(model=model, **settings) as client:
        yield client.chat([user(prompt)])
        yield fold(client.stream([user(prompt)]))
    yield from asyncio.run(from_a_loop())


def of(answer, kind):
    return [part for part in answer.message.parts if isinstance(part, kind)]


@promise("refusals")
@each
def test_a_refused_answer_holds_a_refusal_with_words(place, model, api, refused, filtered):
    for answer in four_ways(place, model, api, "[refuse] Do it"):
        assert answer.finish.reason == "content_filter"
        (refusal,) = of(answer, Refusal)
        if refused is None:
            assert (refusal.text, refusal.notice) == (WORDS, False)
        else:
            assert (refusal.category, refusal.notice) == (refused, True)
            assert refused in refusal.text


@promise("refusals")
@each
def test_text_before_a_filter_stays_text_and_a_refusal_names_the_reason(place, model, api, refused, filtered):
    for answer in four_ways(place, model, api, "[filter] Tell me a long tale"):
        assert answer.finish.reason == "content_filter"
        assert answer.text.startswith("You said")
        (refusal,) = of(answer, Refusal)
        assert refusal == Refusal(f"The answer was stopped: {filtered}.", filtered, notice=True)


@promise("refusals")
@each
@pytest.mark.parametrize("marker", ["refuse", "filter"])
def test_langchain_shows_a_refusal_block_and_its_middleware_raises(place, model, api, refused, filtered, marker):
    llm = ChatDbxGateway(model=model, **with_api(place, api))
    prompt = f"[{marker}] Name a city in Spain"
    whole, streamed = llm.invoke(prompt), None
    for chunk in llm.stream(prompt):
        streamed = chunk if streamed is None else streamed + chunk
    for message in (whole, streamed):
        (block,) = [block for block in message.content_blocks if block["type"] == "refusal"]
        assert block["refusal"]
        assert message.response_metadata["finish_reason"] == "content_filter"
    if ModelRefusalMiddleware is None:
        return
    agent = create_agent(llm, middleware=[ModelRefusalMiddleware()])
    with pytest.raises(ModelRefusalError, match=block["refusal"]):
        agent.invoke({"messages": [HumanMessage(prompt)]})
    with pytest.raises(ModelRefusalError):
        asyncio.run(agent.ainvoke({"messages": [HumanMessage(prompt)]}))


@promise("refusals")
@each
def test_structured_answers_that_are_refused_raise_langchains_error(place, model, api, refused, filtered):
    asked = ChatDbxGateway(model=model, **with_api(place, api)).with_structured_output(City)
    match = refused if refused == "PROHIBITED_CONTENT" else WORDS
    with pytest.raises(ModelRefusalError, match=match):
        asked.invoke("[refuse] Name a city")
    with pytest.raises(ModelRefusalError, match=match):
        list(asked.stream("[refuse] Name a city"))

    async def streamed():
        return [one async for one in asked.astream("[refuse] Name a city")]

    with pytest.raises(ModelRefusalError, match=match):
        asyncio.run(streamed())


@promise("refusals")
@each
def test_llama_index_shows_the_words_of_a_refusal(place, model, api, refused, filtered):
    llm = DbxGateway(model=model, **with_api(place, api))
    asked = [ChatMessage(role="user", content="[refuse] Do it")]
    *_, last = llm.stream_chat(asked)
    for response in (llm.chat(asked), last, asyncio.run(llm.achat(asked))):
        assert response.message.content
        assert response.message.additional_kwargs["refusal"]
        assert response.raw["choices"][0]["finish_reason"] == "content_filter"
    if refused == "PROHIBITED_CONTENT":
        assert "PROHIBITED_CONTENT" in response.message.content
    else:
        assert response.message.content == WORDS
    asked = [ChatMessage(role="user", content="[filter] Tell me a long tale")]
    responses = list(llm.stream_chat(asked))
    for response in (llm.chat(asked), responses[-1]):
        assert response.message.content.startswith("You said")
        assert "stopped" not in response.message.content
        assert filtered in response.message.additional_kwargs["refusal"]
    assert "".join(one.delta or "" for one in responses) == responses[-1].message.content


@promise("refusals")
@each
@pytest.mark.parametrize("notice", [True, False])
def test_a_turn_that_is_only_a_refusal_goes_back_on_every_api(place, model, api, refused, filtered, notice):
    with Client(model=model, **with_api(place, api)) as client:
        declined = client.chat([user("[refuse] Do it")]).message
        assert client.chat([user("[refuse] Do it"), declined, user("Hello")]).text
        made = Message(role="assistant", parts=(Refusal("No answer was given: SAFETY.", "SAFETY", notice=notice),))
        assert client.chat([user("Do it"), made, user("Hello")]).text


@promise("refusals")
def test_a_notice_beside_text_is_not_sent_as_the_models_words():
    notice = Refusal("The answer was stopped: SAFETY.", "SAFETY", notice=True)
    turns = (user("a"), Message(role="assistant", parts=(Text("b"), notice)), user("c"))
    sent = sendable(ChatRequest(model="m", messages=turns))
    assert sent.messages[1].parts == (Text("b"),)
    alone = sendable(
        ChatRequest(model="m", messages=(user("a"), Message(role="assistant", parts=(notice,)), user("c")))
    )
    assert alone.messages[1].parts == (Text(notice.text),)


@promise("refusals")
def test_an_explanation_and_a_category_are_the_words_of_the_refusal():
    said = {"type": "refusal", "category": "bio", "explanation": "Not about this."}
    body = {
        "id": "a",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": "refusal",
        "stop_details": said,
    }
    answer = DIALECTS["messages"].decode(body, "m")
    assert answer.message.parts == (Refusal("Not about this.", "bio", notice=True),)


@promise("refusals")
def test_a_refusal_without_words_names_its_kind():
    item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "refusal", "refusal": ""}]}
    answer = DIALECTS["responses"].decode({"id": "a", "status": "completed", "output": [item]}, "m")
    assert answer.finish.reason == "content_filter"
    assert [part.text for part in answer.message.parts if isinstance(part, Refusal)] == [
        "No answer was given: refusal."
    ]


@promise("refusals")
@pytest.mark.parametrize("raw", ["refusal", "SAFETY", "content_filter"])
def test_a_host_may_pass_the_models_own_name_for_a_refusal_through(raw):
    choice = {"index": 0, "message": {"role": "assistant", "content": "half"}, "finish_reason": raw}
    answer = DIALECTS["chat-completions"].decode({"id": "a", "choices": [choice, {**choice, "index": 1}]}, "m")
    for message in (answer.message, answer.alternatives[0].message):
        assert message.parts == (Text("half"), Refusal(f"The answer was stopped: {raw}.", raw, notice=True))


@promise("refusals")
def test_llama_indexs_error_for_an_object_has_the_words_of_the_refusal(place):
    llm = DbxGateway(model=GEMINI, **place).as_structured_llm(City)
    with pytest.raises(ExtractionError, match="PROHIBITED_CONTENT"):
        llm.complete("[refuse] Name a city")


@promise("refusals")
@each
@pytest.mark.parametrize("marker", ["refuse", "filter"])
def test_a_refused_turn_goes_back_through_both_frameworks(place, model, api, refused, filtered, marker):
    first = f"[{marker}] Tell me a long tale"
    theirs = ChatDbxGateway(model=model, **with_api(place, api))
    declined = theirs.invoke(first)
    again = theirs.invoke([HumanMessage(first), declined, HumanMessage("Hello")])
    assert "Hello" in again.text
    ours = DbxGateway(model=model, **with_api(place, api))
    asked = ChatMessage(role="user", content=first)
    response = ours.chat([asked])
    answer = ours.chat([asked, response.message, ChatMessage(role="user", content="Hello")])
    assert "Hello" in answer.message.content
