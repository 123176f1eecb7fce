"""Stop sequences and several answers where the api has no field for them, as chains and agents of LangChain use them."""

import json
import re

import httpx
import pytest
from faults.wires import WIRES, sse
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import HumanMessage
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableLambda

from dbx_gateway import InvalidRequestError
from langchain_dbx_gateway import ChatDbxGateway

CLAUDE = "databricks-claude-sonnet-4-5"
GPT = "databricks-gpt-5-2"
RESPONSES = next(wire for wire in WIRES if wire.api == "responses")
PROMPT = PromptTemplate.from_template(
    "Answer with Thought, Action, Action Input. You are told the Observation.\nQuestion: {question}\n{scratchpad}"
)


def react_host(request):
    """A model that makes up what its tool answers and goes on, unless it is stopped."""
    body = json.loads(request.content)
    assert "stop" not in body
    told = "Observation: 5" in json.dumps(body["input"])
    text = (
        "Thought: I know it.\nFinal Answer: 5"
        if told
        else "Action: add\nAction Input: 2, 3\nObservation: 6\nThought: I know it.\nFinal Answer: 6"
    )
    if body.get("stream"):
        pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
        return httpx.Response(200, content=sse(RESPONSES.stream(pieces)), headers={"content-type": "text/event-stream"})
    return httpx.Response(200, json=RESPONSES.whole(text))


def parsed(message):
    """What LangChain's text agents make of an answer: an action and a final answer in one are an error."""
    action = re.search(r"Action: (\w+)\nAction Input: (\d+), (\d+)", message.text)
    final = re.search(r"Final Answer: (.*)", message.text)
    assert (action is None) != (final is None), message.text
    return action, final


def run_agent(llm, *, stream):
    """The loop of a classic ReAct agent."""

    def asked(prompt):
        bound = llm.bind(stop=["\nObservation:"])
        if not stream:
            return bound.invoke(prompt)
        chunks = list(bound.stream(prompt))
        return sum(chunks[1:], chunks[0])

    chain = PROMPT | RunnableLambda(asked)
    scratchpad = ""
    for _ in range(3):
        message = chain.invoke({"question": "What is 2 + 3?", "scratchpad": scratchpad})
        action, final = parsed(message)
        if final:
            return final[1]
        scratchpad += f"{message.text}\nObservation: {int(action[2]) + int(action[3])}\n"
    raise AssertionError("the agent came to no end")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_classic_react_agent_works_on_a_model_whose_api_has_no_stop(stream):
    with httpx.Client(transport=httpx.MockTransport(react_host)) as http_client:
        llm = ChatDbxGateway(
            model=GPT,
            token="t",
            endpoint_url="https://w.example.com/serving-endpoints/responses",
            http_client=http_client,
        )
        assert run_agent(llm, stream=stream) == "5"


async def test_the_stop_of_a_call_ends_gpts_answer_by_every_way(make_llm):
    llm = make_llm(GPT, stop=["never"])
    messages = [
        llm.invoke("say one two three", stop=["two"]),
        await llm.ainvoke("say one two three", stop=["two"]),
        sum((chunks := list(llm.stream("say one two three", stop=["two"])))[1:], chunks[0]),
        sum((chunks := [one async for one in llm.astream("say one two three", stop=["two"])])[1:], chunks[0]),
        llm.stream_events("say one two three", stop=["two"], version="v3").output,
    ]
    for message in messages:
        assert message.text == "You said: say one "
        assert message.response_metadata["finish_reason"] == "stop"
        assert message.response_metadata["stop_sequence"] == "two"


def test_a_stream_that_was_cut_says_in_its_metadata_why_a_tally_has_no_tokens_of_it(make_llm):
    llm, usage = make_llm(GPT), UsageMetadataCallbackHandler()
    whole = llm.invoke("one two", stop=["two"], config={"callbacks": [usage]})
    assert whole.usage_metadata is not None
    counted = usage.usage_metadata
    chunks = list(llm.stream("one two", stop=["two"], config={"callbacks": [usage]}))
    message = sum(chunks[1:], chunks[0])
    assert message.usage_metadata is None
    assert "closed at a stop sequence" in message.response_metadata["usage_unknown"]
    assert "usage_unknown" not in whole.response_metadata
    assert usage.usage_metadata == counted


@pytest.mark.parametrize("model", [GPT, CLAUDE])
async def test_generate_gives_n_answers_where_the_api_gives_one(make_llm, workspace, model):
    llm, usage = make_llm(model, n=3), UsageMetadataCallbackHandler()
    results = [
        llm.generate([[HumanMessage("hello")]], callbacks=[usage]),
        await llm.agenerate([[HumanMessage("hello")]], callbacks=[usage]),
    ]
    for result in results:
        assert [generation.text for generation in result.generations[0]] == ["You said: hello"] * 3
        assert len({generation.message.id for generation in result.generations[0]}) == 3
    billed = [entry.billed for entry in workspace.ledger.model_calls()]
    assert len(billed) == 6
    counted = next(iter(usage.usage_metadata.values()))
    assert counted["output_tokens"] == sum(counts.output for counts in billed)


async def test_invoke_gives_the_first_answer_with_the_tokens_of_all(make_llm, workspace):
    llm = make_llm(GPT)
    for message in (llm.invoke("hello", n=2), await llm.ainvoke("hello", n=2)):
        assert message.text == "You said: hello"
        billed = [entry.billed.output for entry in workspace.ledger.model_calls()][-2:]
        assert message.usage_metadata["output_tokens"] == sum(billed)
    assert len(workspace.ledger.model_calls()) == 4


async def test_a_stream_of_n_answers_is_refused_before_anything_is_sent(make_llm, workspace):
    llm = make_llm(GPT, n=2)
    for error in (InvalidRequestError, ModelInvalidRequestError):
        with pytest.raises(error, match="a stream is one answer"):
            list(llm.stream("hello"))
        with pytest.raises(error, match="a stream is one answer"):
            [chunk async for chunk in llm.astream("hello")]
    assert workspace.ledger.model_calls() == []
