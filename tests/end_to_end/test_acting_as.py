"""Calls within ``acting_as``: whose token each request of a call is sent with, through the core's clients."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import json
import threading
from contextlib import aclosing, closing

import httpx
import pytest
from end_to_end.site import LLAMA, PROBE
from support.promises import promise

from dbx_gateway import (
    AsyncClient,
    AuthenticationError,
    Client,
    ConfigurationError,
    Observations,
    ServerError,
    acting_as,
    fold,
)
from dbx_gateway.testing import Fault

ANN, BOB = "dapi-ann", "dapi-bob"


@pytest.fixture
def shared(open_site):
    """A workspace with two users beside its own."""
    return open_site(tokens={ANN: "ann", BOB: "bob"})


def senders(site) -> list[str | None]:
    """The users of all requests so far, in order, probes included; None where the token was refused."""
    return [entry.user for entry in site.workspace.ledger.entries()]


def post_senders(site) -> list[str | None]:
    return [entry.user for entry in site.workspace.ledger.entries() if entry.method == "POST"]


async def ask(site, front: str, **fields) -> None:
    """Make one call of each kind."""
    client = site.client(**{"model": LLAMA, "surface": "ai-gateway"} | fields)
    match front:
        case "sync":
            client.chat("Hello")
        case "async":
            await site.async_client(**{"model": LLAMA, "surface": "ai-gateway"} | fields).chat("Hello")
        case "stream":
            list(client.stream("Hello"))
        case "async stream":
            await _all(site.async_client(**{"model": LLAMA, "surface": "ai-gateway"} | fields).stream("Hello"))
        case "embed":
            client.embed(["a"])
        case "models":
            client.models()
        case _:
            client.plan()


@promise("acting-as")
@pytest.mark.parametrize("front", ["sync", "async"])
async def test_a_call_and_all_that_it_asks_is_the_users_of_the_block(shared, front):
    with acting_as(ANN):
        if front == "sync":
            shared.client(LLAMA, observations=Observations()).chat("Hello")
        else:
            await shared.async_client(LLAMA, observations=Observations()).chat("Hello")
    assert len(senders(shared)) == 2  # the question which surface serves it, and the call
    assert set(senders(shared)) == {"ann"}


@promise("acting-as")
def test_retries_are_the_users_of_the_block(quick_retries):
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return httpx.Response(500, json={"error_code": "INTERNAL_ERROR", "message": "later"})

    with httpx.Client(transport=httpx.MockTransport(answer)) as own:
        client = Client(
            model=LLAMA,
            host="https://ws.example.com",
            token="own",
            surface="ai-gateway",
            max_retries=2,
            http_client=own,
        )
        with acting_as(ANN), pytest.raises(ServerError):
            client.chat("Hello")
    assert sent == [f"Bearer {ANN}"] * 3


@promise("acting-as")
def test_a_stream_takes_the_block_of_its_first_item_whoever_reads_on(shared):
    client = shared.client(LLAMA, surface="ai-gateway")
    with acting_as(BOB):
        events = client.stream("Hello")
    with acting_as(ANN):
        first = next(events)
    read = []
    thread = threading.Thread(target=contextvars.Context().run, args=(lambda: read.extend(events),))
    thread.start()
    thread.join()
    assert fold([first, *read]).text
    assert post_senders(shared) == ["ann"]


@promise("acting-as")
async def test_an_async_stream_takes_the_block_of_its_first_item_whoever_reads_on(shared):
    client = shared.async_client(LLAMA, surface="ai-gateway")
    with acting_as(BOB):
        events = client.stream("Hello")
    with acting_as(ANN):
        first = await anext(events)
    with acting_as(BOB):
        async with aclosing(events):
            rest = await asyncio.create_task(_all(events))
    assert fold([first, *rest]).text
    assert post_senders(shared) == ["ann"]


async def _all(events):
    return [event async for event in events]


@promise("acting-as")
@pytest.mark.parametrize("front", ["sync", "async"])
async def test_all_batches_of_texts_are_the_users_of_the_block_on_whatever_threads(shared, front):
    fields = shared.fields("databricks-gte-large-en", surface="model-serving")
    with acting_as(ANN):
        if front == "sync":
            Client(**fields).embed(["a", "b", "c"], batch_size=1, max_concurrency=3)
        else:
            await AsyncClient(**fields).embed(["a", "b", "c"], batch_size=1, max_concurrency=3)
    assert senders(shared) == ["ann"] * 3


@promise("acting-as")
@pytest.mark.parametrize("front", ["sync", "async", "stream", "async stream"])
async def test_a_401_within_a_block_is_not_renewed_and_says_so(shared, front):
    said = pytest.raises(AuthenticationError, match=r"401: .*token of acting_as .* is not renewed")
    with acting_as("dapi-of-nobody"), said as caught:
        await ask(shared, front)
    assert caught.value.status == 401
    assert "dapi-of-nobody" not in str(caught.value)
    assert post_senders(shared) == [None]


@promise("acting-as")
def test_the_users_token_goes_to_the_objects_own_host_only(shared, open_site):
    elsewhere = open_site()
    shared.workspace.inject(
        Fault(status=307, headers={"location": f"{elsewhere.url}/ai-gateway/mlflow/v1/chat/completions"}), times=None
    )
    with acting_as(ANN), pytest.raises(Exception, match="redirect"):
        shared.client(LLAMA, surface="ai-gateway").chat("Hello")
    assert elsewhere.workspace.ledger.entries() == []


def test_an_object_that_cannot_sign_in_by_itself_needs_no_more_than_a_host(shared):
    client = Client(model=LLAMA, host=shared.url, surface="ai-gateway")
    with acting_as(ANN):
        assert client.chat("Hello").text
    assert senders(shared) == ["ann"]


@promise("acting-as-required")
@pytest.mark.parametrize("front", ["sync", "async", "stream", "async stream", "embed", "models", "plan"])
async def test_a_call_outside_of_any_block_sends_nothing_where_one_is_required(shared, front):
    with pytest.raises(ConfigurationError, match="acting_as_required=True"):
        await ask(shared, front, acting_as_required=True)
    assert senders(shared) == []


@promise("acting-as-required")
def test_one_call_cannot_take_the_requirement_away(shared):
    with pytest.raises(ConfigurationError, match="acting_as_required cannot change per call"):
        shared.client(LLAMA, acting_as_required=True).chat("Hello", acting_as_required=False)
    assert senders(shared) == []


@promise("acting-as-yield")
def test_a_block_held_open_across_a_yield_changes_its_consumers_user_and_an_object_of_the_request_does_not(shared):
    client = shared.client(LLAMA, surface="ai-gateway")

    def held():
        with acting_as(ANN), closing(client.stream("Hello")) as events:
            yield from events

    def of_the_request():
        with closing(shared.client(LLAMA, surface="ai-gateway", token=ANN).stream("Hello")) as events:
            yield from events

    for stream in (held, of_the_request):
        with closing(stream()) as events:
            next(events)
            client.chat("the consumer's own call")
    assert post_senders(shared) == ["ann", "ann", "ann", "user@example.com"]


@promise("identities")
def test_each_user_of_a_block_asks_the_workspace_for_itself(shared):
    seen = Observations()
    client = shared.client(LLAMA, observations=seen)
    for token in (ANN, BOB, ANN, BOB):
        with acting_as(token):
            client.chat("Hello")
    asked = [entry for entry in shared.workspace.ledger.entries() if entry.path == PROBE]
    assert [entry.user for entry in asked] == ["ann", "bob"]


def jwt(subject: str, number: int, signature: str = "signed") -> str:
    def packed(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return ".".join([packed({"alg": "RS256"}), packed({"iss": "https://l", "sub": subject, "jti": number}), signature])


class Gateway:
    """A workspace that takes signed tokens only; it counts who asks which surface it has."""

    def __init__(self) -> None:
        self.probes: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        if not token.endswith("signed"):
            return httpx.Response(401, json={"error_code": "UNAUTHENTICATED", "message": "Invalid token"})
        if request.method == "GET":
            self.probes.append(token)
            return httpx.Response(200, json={"data": []})
        choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
        return httpx.Response(200, json={"id": "1", "object": "chat.completion", "model": "m", "choices": [choice]})


@promise("identities")
def test_a_renewed_token_has_its_owners_facts_once_it_is_proven_and_a_forged_one_never():
    host = Gateway()
    first, second, forged = jwt("ann", 1), jwt("ann", 2), jwt("ann", 3, "forged")
    with httpx.Client(transport=httpx.MockTransport(host)) as own:
        client = Client(
            model=LLAMA, host="https://ws.example.com", http_client=own, observations=Observations(), max_retries=0
        )
        for token in (first, first, first, second, second, second):
            with acting_as(token):
                client.chat("Hello")
        # Each token is asked for once before it is proven; its owner once, by the first of the owner's tokens.
        assert host.probes == [first, first, second]
        with acting_as(forged), pytest.raises(AuthenticationError):
            client.chat("Hello")


class Shared:
    """A client object that users share: it signs for whoever calls, and counts how often it is asked."""

    host = "https://ws.example.com"

    def __init__(self, *tokens: str) -> None:
        self.asked = 0
        self.tokens = list(tokens)

    def authenticate(self) -> dict[str, str]:
        self.asked += 1
        return {"Authorization": f"Bearer {self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]}"}


@promise("identities")
@pytest.mark.parametrize("front", ["sync", "async"])
async def test_the_users_of_one_shared_object_are_known_by_their_tokens_and_it_is_asked_once_for_each_request(front):
    host, seen = Gateway(), Observations()
    ann, bob = jwt("ann", 1), jwt("bob", 1)
    shared = Shared(*[ann] * 4, *[bob] * 4)
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return host(request)

    fields = {"model": LLAMA, "sdk_config": shared, "observations": seen}
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as own:
        with httpx.Client(transport=httpx.MockTransport(answer)) as own_sync:
            for _ in range(4):
                if front == "sync":
                    Client(**fields, http_client=own_sync).chat("Hello")
                else:
                    await AsyncClient(**fields, http_async_client=own).chat("Hello")
    assert host.probes == [ann, ann, bob, bob]  # unproven, then as its owner: each user for itself
    assert shared.asked == len(sent) == 8


@promise("identities")
def test_whom_a_call_counts_as_is_kept_whatever_a_401_renews():
    """The second call is refused once; what it learns belongs to the token that it began with."""
    host, seen = Gateway(), Observations()
    expired, renewed = jwt("ann", 1, "expired"), jwt("ann", 2)
    with httpx.Client(transport=httpx.MockTransport(host)) as own:
        client = Client(
            model=LLAMA, sdk_config=Shared(expired, renewed), observations=seen, http_client=own, max_retries=0
        )
        client.chat("Hello")  # begins with the expired one: its probe and its call are signed with the other
        client.chat("Hello")  # begins with the other, which is proven: asks as ann
        client.chat("Hello")
    assert host.probes == [renewed, renewed]
