"""Failures that come by chance: as often as asked, the same ones every time, each what its name says."""

from __future__ import annotations

import json
from collections import Counter

import httpx
import pytest

from dbx_gateway import (
    AsyncClient,
    Client,
    DbxGatewayError,
    IncompleteStreamError,
    RateLimitError,
    ServerError,
)
from dbx_gateway.cli import main
from dbx_gateway.events import TextDelta
from dbx_gateway.testing import TRANSIENT_FAULTS, Fault, workspace_transport
from dbx_gateway.testing.faults.rates import FaultRates

CHAT = "/serving-endpoints/chat/completions"
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
NAMES = {id(fault): name for name, fault in TRANSIENT_FAULTS.items()}


def drawn(rates, texts, target=CHAT):
    return [NAMES.get(id(rates.draw(target, text.encode()))) for text in texts]


TEXTS = [f"question {number}" for number in range(4000)]


def test_each_fault_comes_as_often_as_the_rate_says():
    counts = Counter(drawn(FaultRates(TRANSIENT_FAULTS, 0.05), TEXTS))
    assert set(counts) == {None, *TRANSIENT_FAULTS}
    assert all(150 < counts[name] < 250 for name in TRANSIENT_FAULTS), counts


def test_what_a_request_meets_depends_neither_on_the_run_nor_on_the_order():
    first = drawn(FaultRates(TRANSIENT_FAULTS, 0.05, 7), TEXTS)
    assert drawn(FaultRates(TRANSIENT_FAULTS, 0.05, 7), TEXTS) == first
    assert drawn(FaultRates(TRANSIENT_FAULTS, 0.05, 7), reversed(TEXTS)) == first[::-1]


def test_another_seed_another_time_and_another_path_meet_something_else():
    rates = FaultRates(TRANSIENT_FAULTS, 0.05, 7)
    first = drawn(rates, TEXTS)
    again = drawn(rates, TEXTS)
    elsewhere = drawn(rates, TEXTS, "/elsewhere")
    other = drawn(FaultRates(TRANSIENT_FAULTS, 0.05, -8), TEXTS)
    assert len({tuple(run) for run in (first, again, elsewhere, other)}) == 4


def test_no_fault_comes_at_a_rate_of_nothing():
    assert set(drawn(FaultRates(TRANSIENT_FAULTS, 0.0), TEXTS)) == {None}


@pytest.mark.parametrize("rate", [-0.1, 0.2])
def test_a_rate_that_cannot_be_is_refused(rate):
    with pytest.raises(ValueError, match="9 kinds of faults cannot each come"):
        FaultRates(TRANSIENT_FAULTS, rate)


def ask(client, text="one two three", **fields):
    return client.post(CHAT, json={"model": LLAMA, "messages": [{"role": "user", "content": text}], **fields})


def test_only_requests_to_models_fail_by_chance(server, socket_client):
    server.workspace.inject_at_rate(1.0, faults={"busy": Fault(status=503)})
    assert ask(socket_client).status_code == 503
    assert socket_client.get("/api/2.0/serving-endpoints").status_code == 200
    server.workspace.clear_faults()
    assert ask(socket_client).status_code == 200


def test_a_fault_that_waits_goes_before_one_that_comes_by_chance(server, socket_client):
    server.workspace.inject_at_rate(1.0, faults={"busy": Fault(status=503)})
    server.workspace.inject(Fault(status=500))
    assert [ask(socket_client).status_code for _ in range(2)] == [500, 503]


def test_the_ledger_says_which_fault_a_request_met(server, socket_client):
    busy = Fault(status=503)
    server.workspace.inject(busy)
    ask(socket_client)
    ask(socket_client)
    assert [entry.fault for entry in server.workspace.ledger.entries()] == [busy, None]


def test_a_reset_is_no_answer_and_is_not_billed(server, socket_client):
    server.workspace.inject(Fault(reset=True))
    with pytest.raises(httpx.ReadError):
        ask(socket_client)
    (entry,) = server.workspace.ledger.entries()
    assert (entry.status, entry.billed.input) == (0, 0)
    assert ask(socket_client).status_code == 200


def test_a_reset_is_the_same_without_a_socket(workspace):
    workspace.inject(Fault(reset=True))
    with httpx.Client(transport=workspace_transport(workspace), base_url="http://workspace.test") as client:
        with pytest.raises(httpx.ReadError):
            ask(client)
        assert client.get("/.well-known/databricks-config").status_code == 200


async def test_a_reset_is_the_same_without_a_socket_on_an_event_loop(workspace):
    workspace.inject(Fault(reset=True))
    async with httpx.AsyncClient(transport=workspace_transport(workspace), base_url="http://workspace.test") as client:
        with pytest.raises(httpx.ReadError):
            await ask(client)
        assert (await client.get("/.well-known/databricks-config")).status_code == 200


ENDS = {
    "rate-limited": RateLimitError,
    "internal-error": ServerError,
    "bad-gateway": ServerError,
    "unavailable": ServerError,
    "cut": IncompleteStreamError,
    "early-end": IncompleteStreamError,
    "late-headers": None,
    "silence": None,
}
LONG = " ".join(f"word{number}" for number in range(60))
MODELS = [LLAMA, "databricks-claude-sonnet-4-5", "databricks-gpt-5-1", "databricks-gemini-3-pro"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ENDS)
async def test_each_fault_ends_a_stream_of_our_own_client_as_it_must(server, model, name):
    server.workspace.inject(TRANSIENT_FAULTS[name], times=None)
    given = {"model": model, "host": server.url, "token": server.workspace.token, "surface": "model-serving"}
    client = AsyncClient(**given, max_retries=0)
    said = ""
    raised = None
    try:
        async for event in client.stream(LONG):
            said += event.text if isinstance(event, TextDelta) else ""
    except DbxGatewayError as error:
        raised = type(error)
    assert raised is ENDS[name]
    assert said == f"You said: {LONG}"[: len(said)]
    assert (said == "") is (raised in (RateLimitError, ServerError))
    assert (len(said) == len(LONG) + 10) is (raised is None)


def test_sim_serves_faults_by_chance(monkeypatch, capsys):
    said = []

    def use(_):
        shown = json.loads(capsys.readouterr().out)
        client = Client(model=LLAMA, host=shown["host"], token=shown["token"], surface="model-serving", max_retries=0)
        for number in range(30):
            try:
                said.append(client.chat(f"Hello {number}").text)
            except DbxGatewayError as error:
                said.append(type(error).__name__)
        raise KeyboardInterrupt

    monkeypatch.setattr("dbx_gateway.cli.commands.time.sleep", use)
    assert main(["sim", "--port", "0", "--json", "--fault-rate", "0.1", "--seed", "3"]) == 0
    assert {"ServerError", "RateLimitError", "You said: Hello 1"} <= set(said)


def test_sim_refuses_a_rate_that_leaves_no_request_whole(capsys):
    with pytest.raises(SystemExit):
        main(["sim", "--fault-rate", "0.5"])
    assert "give a rate from 0 to 0.1" in capsys.readouterr().err
