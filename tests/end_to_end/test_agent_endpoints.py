"""Agent endpoints of both tasks: whole and streamed, with inputs and outputs of their own."""

from __future__ import annotations

import pytest

from dbx_gateway import assistant, fold, user

AGENTS = {
    "support-agent": "/serving-endpoints/responses",
    "legacy-agent": "/serving-endpoints/legacy-agent/invocations",
}


@pytest.mark.parametrize(("agent", "path"), AGENTS.items())
def test_an_agent_is_asked_where_its_task_says(site, agent, path):
    answer = site.client(agent).chat("Hello")
    assert answer.text == "You said: Hello"
    assert answer.exchange.family == "agent"
    assert site.paths() == [path]


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agents_stream_adds_up_to_its_whole_answer(site, agent):
    client = site.client(agent)
    whole = client.chat("Tell me about [long 40]")
    streamed = fold(client.stream("Tell me about [long 40]"))
    assert len(whole.text.split()) == 40
    assert streamed.text == whole.text
    assert streamed.finish.reason == whole.finish.reason
    assert site.posts()[1].stream


@pytest.mark.parametrize("agent", AGENTS)
async def test_an_agent_is_asked_from_an_event_loop(site, agent):
    client = site.async_client(agent)
    assert (await client.chat("Hello")).text == "You said: Hello"
    assert fold([event async for event in client.stream("Hello")]).text == "You said: Hello"


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_custom_inputs_go_in_and_custom_outputs_come_out(site, agent, stream):
    client = site.client(agent)
    inputs = {"customer": "c-17", "limits": {"days": 3}}
    if stream:
        answer = fold(client.stream("Hello", custom_inputs=inputs))
    else:
        answer = client.chat("Hello", custom_inputs=inputs)
    assert site.posts()[0].body["custom_inputs"] == inputs
    assert answer.extras["custom_outputs"] == inputs


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_is_given_the_whole_conversation(site, agent):
    client = site.client(agent)
    first = client.chat("Hello")
    history = [user("Hello"), first.message, user("And again")]
    assert client.chat(history).text == "You said: And again"
    sent = site.posts()[1].body
    assert len(sent.get("input") or sent["messages"]) == 3


@pytest.mark.parametrize("agent", AGENTS)
def test_a_conversation_held_elsewhere_can_be_continued_with_an_agent(site, agent):
    history = [user("Hello"), assistant("Good day"), user("And now?")]
    assert site.client(agent).chat(history).text == "You said: And now?"


def test_the_responses_agent_is_asked_at_its_own_invocations_where_the_shared_path_is_missing(site):
    site.fail(where="/serving-endpoints/responses", times=None, status=404)
    client = site.client("support-agent")
    assert client.chat("Hello").text == "You said: Hello"
    assert fold(client.stream("Hello")).text == "You said: Hello"
    own = "/serving-endpoints/support-agent/invocations"
    assert site.paths() == ["/serving-endpoints/responses", own, own]
    assert "model" not in site.posts()[1].body
