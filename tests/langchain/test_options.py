"""Every setting holds as a field, as an option of one call, and bound; the call wins."""

from __future__ import annotations

import httpx
import pytest
from langchain_core.runnables import ConfigurableField

from dbx_gateway.errors import APITimeoutError, ConfigurationError, ServerError
from dbx_gateway.testing import Fault

LLAMA = "databricks-meta-llama-3-3-70b-instruct"
GPT = "databricks-gpt-5-2"
CLAUDE = "databricks-claude-sonnet-4-5"

WAYS = {
    "field": lambda make, other, given: make(**given).invoke("Hello"),
    "call": lambda make, other, given: make(**other).invoke("Hello", **given),
    "bound": lambda make, other, given: make(**other).bind(**given).invoke("Hello"),
    "stream": lambda make, other, given: list(make(**other).stream("Hello", **given)),
    "configured": lambda make, other, given: (
        make(**other)
        .configurable_fields(**{name: ConfigurableField(id=name) for name in given})
        .invoke("Hello", config={"configurable": given})
    ),
}
"""Ways to give a setting; where an object has the ``other`` value of it, the given one has to win."""

IN_THE_BODY = [
    # model, what an object may have, what is given, where it stands in the body, its value there
    (LLAMA, {"temperature": 1.0}, {"temperature": 0.5}, "temperature", 0.5),
    (LLAMA, {"max_tokens": 9}, {"max_tokens": 7}, "max_tokens", 7),
    (LLAMA, {"top_p": 0.1}, {"top_p": 0.9}, "top_p", 0.9),
    (LLAMA, {"stop": ["ONE"]}, {"stop": ["TWO"]}, "stop", ["TWO"]),
    (LLAMA, {"extra_body": {"top_k": 3}}, {"extra_body": {"top_k": 4}}, "top_k", 4),
    (LLAMA, {"n": 1}, {"n": 2}, "n", 2),
    (GPT, {"reasoning_effort": "high"}, {"reasoning_effort": "low"}, "reasoning", {"effort": "low"}),
    (GPT, {"max_tokens": 99}, {"max_tokens": 77}, "max_output_tokens", 77),
    (
        CLAUDE,
        {"thinking": 2048, "max_tokens": 5000},
        {"thinking": 1024},
        "thinking",
        {"type": "enabled", "budget_tokens": 1024},
    ),
    (CLAUDE, {"top_k": 3}, {"top_k": 5}, "top_k", 5),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("model", "other", "given", "key", "value"), IN_THE_BODY)
def test_an_option_reaches_the_body_by_every_way_and_the_call_wins(
    make_llm, workspace, way, model, other, given, key, value
):
    def make(**settings):
        return make_llm(model, **settings)

    WAYS[way](make, other, given)

    assert [call.body[key] for call in workspace.ledger.model_calls()] == [value]


@pytest.mark.parametrize("way", sorted(WAYS.keys() - {"configured"}))
def test_what_is_a_setting_in_model_kwargs_is_that_setting_and_the_rest_goes_into_the_body(make_llm, workspace, way):
    def make(**settings):
        return make_llm(CLAUDE, **settings)

    WAYS[way](
        make, {}, {"model_kwargs": {"stop": "END", "thinking": 1024, "max_tokens": 2000, "metadata": {"user_id": "u"}}}
    )

    (call,) = workspace.ledger.model_calls()
    assert call.body["stop_sequences"] == ["END"]
    assert call.body["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert call.body["max_tokens"] == 2000
    assert call.body["metadata"] == {"user_id": "u"}


@pytest.mark.parametrize("way", WAYS)
def test_the_model_can_be_given_by_every_way(make_llm, workspace, way):
    WAYS[way](lambda **settings: make_llm(settings.pop("model", LLAMA), **settings), {"model": LLAMA}, {"model": GPT})

    assert [call.model for call in workspace.ledger.model_calls()] == [GPT]


@pytest.mark.parametrize("way", WAYS)
def test_headers_can_be_given_by_every_way(make_llm, workspace, way):
    WAYS[way](make_llm, {"default_headers": {"x-team": "red"}}, {"default_headers": {"x-team": "blue"}})

    assert [call.headers["x-team"] for call in workspace.ledger.model_calls()] == ["blue"]


@pytest.mark.parametrize("way", WAYS)
def test_the_number_of_retries_can_be_given_by_every_way(make_llm, workspace, way):
    workspace.inject(
        Fault(status=500, error_code="INTERNAL_ERROR", headers={"Retry-After": "0"}), times=None, where="messages"
    )

    with pytest.raises(ServerError):
        WAYS[way](make_llm, {"max_retries": 0}, {"max_retries": 1})

    assert len(workspace.ledger.entries("messages")) == 2


@pytest.mark.parametrize("way", WAYS)
def test_the_timeout_can_be_given_by_every_way(make_llm, workspace, way):
    workspace.inject(Fault(stall=0.5), times=None, where="messages")

    with pytest.raises(APITimeoutError):
        WAYS[way](make_llm, {"timeout": 60}, {"timeout": 0.05})


async def test_http_clients_of_the_callers_own_are_used_and_stay_open(make_llm):
    seen = []

    async def see(request):
        seen.append(request)

    async with httpx.AsyncClient(event_hooks={"request": [see]}) as theirs:
        llm = make_llm(http_async_client=theirs)
        assert (await llm.ainvoke("Hello")).text == "You said: Hello"
        assert "".join([chunk.text async for chunk in llm.astream("Hello")]) == "You said: Hello"
        assert not theirs.is_closed

    assert len(seen) == 2


@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_what_a_server_says_beside_the_answer_is_in_the_metadata(make_llm, way):
    llm = make_llm(GPT, api="chat-completions", logprobs=True, top_logprobs=2)

    if way == "whole":
        answer = llm.invoke("Hello")
    else:
        first, *others = llm.stream("Hello")
        answer = sum(others, first)

    assert [one["token"] for one in answer.response_metadata["logprobs"]["content"]] == ["You", " said:", " Hello"]


def test_options_of_one_call_leave_the_object_as_it_was(make_llm, workspace):
    llm = make_llm(LLAMA, temperature=1.0)
    before = llm.model_dump()

    llm.invoke("Hello", temperature=0, stop=["x"], max_tokens=3, extra_body={"top_k": 4})
    llm.invoke("Hello")

    assert llm.model_dump() == before
    assert "top_k" not in workspace.ledger.model_calls()[1].body


@pytest.mark.parametrize(("name", "advice"), [("stream_usage", "leave it out"), ("user", "write extra_body=")])
def test_another_packages_name_for_an_option_of_a_call_is_refused_with_what_to_write(make_llm, name, advice):
    llm = make_llm()
    with pytest.raises(ConfigurationError, match=advice):
        llm.invoke("Hello", **{name: True})
    with pytest.raises(ConfigurationError, match=advice):
        llm.bind_tools([], **{name: True})
