"""The simulated workspace's ledger adds up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from dbx_gateway.testing import Counts, Fault, Ledger, Workspace, serve

CHAT = "/serving-endpoints/chat/completions"


def test_an_entry_says_all_about_a_request(call):
    call.chat("databricks-gpt-5-1", "Hello there", stream=True)
    (entry,) = call.workspace.ledger.entries()
    assert (entry.method, entry.path, entry.user, entry.status) == ("POST", CHAT, "user@example.com", 200)
    assert (entry.surface, entry.api, entry.model) == ("model-serving", "chat-completions", "databricks-gpt-5-1")
    assert entry.stream is True
    assert entry.billed == Counts(input=2, output=4)
    assert entry.body is not None
    assert entry.body["messages"] == [{"role": "user", "content": "Hello there"}]


def test_an_entry_holds_no_credential(call):
    call.chat("databricks-gpt-5-1")
    assert call.workspace.token not in repr(call.workspace.ledger.entries())


def test_the_bill_is_the_usage_that_was_answered(call):
    usages = [call.chat("databricks-gpt-5-1", "word " * count + "end").json()["usage"] for count in range(1, 5)]
    billed = call.workspace.billed()
    assert billed.input == sum(usage["prompt_tokens"] for usage in usages) == 2 + 3 + 4 + 5
    assert billed.output == sum(usage["completion_tokens"] for usage in usages)


def test_each_user_has_a_bill(caller):
    call = caller(Workspace(tokens={"dapi-ann": "ann@example.com"}))
    body = {"model": "databricks-gpt-5-1", "messages": [{"role": "user", "content": "Hello there"}]}
    call.post(CHAT, body, token="dapi-ann")
    call.post(CHAT, body)
    call.post(CHAT, body)
    assert call.workspace.billed("ann@example.com") == Counts(2, 4)
    assert call.workspace.billed("user@example.com") == Counts(4, 8)
    assert call.workspace.billed() == Counts(6, 12)


def test_a_stream_is_billed_in_full_even_when_it_broke(call):
    call.workspace.inject(Fault(cut_after=10))
    with pytest.raises(httpx.RemoteProtocolError):
        call.chat("databricks-gpt-5-1", stream=True)
    assert call.workspace.billed() == Counts(2, 4)


def test_refusals_and_probes_are_entries_without_a_bill(call):
    call.get("/ai-gateway/anthropic/v1/models")
    call.get("/ai-gateway/anthropic/v1/models", token="wrong")
    call.chat("nobody")
    statuses = [(entry.status, entry.user) for entry in call.workspace.ledger.entries()]
    assert statuses == [(200, "user@example.com"), (401, None), (404, "user@example.com")]
    assert call.workspace.billed() == Counts(0, 0)
    assert len(call.workspace.ledger.entries("/ai-gateway")) == 2
    assert [entry.model for entry in call.workspace.ledger.model_calls()] == ["nobody"]


def test_the_request_id_is_that_of_the_answer(call):
    answer = call.chat("databricks-gpt-5-1")
    assert call.workspace.ledger.entries()[-1].id == answer.headers["x-request-id"]


def test_a_ledger_can_be_emptied():
    ledger = Ledger()
    assert len(ledger) == 0
    workspace = Workspace()
    workspace.handle("GET", "/nowhere", {})
    assert len(workspace.ledger) == 1
    workspace.ledger.clear()
    assert workspace.ledger.entries() == []


def test_many_clients_at_once_lose_no_entry():
    workspace = Workspace()
    body = {"model": "databricks-gpt-5-1", "messages": [{"role": "user", "content": "Hello there"}]}
    headers = {"authorization": f"Bearer {workspace.token}"}
    with (
        serve(workspace) as server,
        httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = list(pool.map(lambda _: client.post(CHAT, json=body), range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 40
    assert workspace.billed() == Counts(80, 160)
