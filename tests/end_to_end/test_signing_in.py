"""Conversations whose credentials expire, are revoked, are slow to come or belong to several users."""

from __future__ import annotations

import asyncio
import http.server
import itertools
import socket
import threading
import time
from datetime import datetime, timedelta

import httpx
import pytest
from core.sign_in import GivenConfig, bearer
from end_to_end.site import ADD, CLAUDE, GPT, TOKENS, Principal
from end_to_end.threads import in_threads
from support.promises import promise

from dbx_gateway import (
    APIConnectionError,
    APITimeoutError,
    AsyncClient,
    AuthenticationError,
    Client,
    DbxGatewayError,
    Message,
    PermissionDeniedError,
    fold,
    tool_result,
    user,
)


class Conversation:
    """Twenty calls with a model: each is the turn after the one before, tools and streams among them."""

    def __init__(self) -> None:
        self.history: list[Message] = []
        self.answers: list[str] = []

    def next_turn(self, number: int) -> list[Message]:
        if number % 4 == 1:
            self.history.append(user(f"Add {number} and 1 with the tool"))
        elif number % 4 != 2:
            self.history.append(user(f"Turn {number}"))
        return list(self.history)

    def take(self, answer) -> None:
        self.history.append(answer.message)
        self.history += [tool_result(call, "42") for call in answer.executable_tool_calls]
        self.answers.append(answer.text)

    def check(self) -> None:
        spoken = [text for number, text in enumerate(self.answers) if number % 4 != 1]
        assert len(self.answers) == 20
        assert spoken[0] == "You said: Turn 0"
        assert spoken[1] == "The tools answered: 42"
        assert all(spoken)


def hold(client: Client, between=lambda: None) -> Conversation:
    conversation = Conversation()
    for number in range(20):
        turn = conversation.next_turn(number)
        tools = [ADD] if number % 4 in (1, 2) else []
        if number % 2:
            conversation.take(client.chat(turn, tools=tools))
        else:
            conversation.take(fold(client.stream(turn, tools=tools)))
        between()
    conversation.check()
    return conversation


async def hold_async(client: AsyncClient, between=lambda: None) -> Conversation:
    conversation = Conversation()
    for number in range(20):
        turn = conversation.next_turn(number)
        tools = [ADD] if number % 4 in (1, 2) else []
        if number % 2:
            conversation.take(await client.chat(turn, tools=tools))
        else:
            events = [event async for event in client.stream(turn, tools=tools)]
            conversation.take(fold(events))
        between()
    conversation.check()
    return conversation


class ShiftedDatetime(datetime):
    """The SDK's clock, moved forward by the test."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + cls.ahead

    @classmethod
    def seconds(cls) -> float:
        return cls.ahead.total_seconds()


@pytest.fixture
def sdk_clock(monkeypatch):
    monkeypatch.setattr("databricks.sdk.oauth.datetime", ShiftedDatetime)
    monkeypatch.setattr(ShiftedDatetime, "ahead", timedelta())
    return ShiftedDatetime


@pytest.fixture
def principal(open_site, monkeypatch):
    """Serves a workspace with the given settings and signs a service principal in to it."""

    def signed_in(**settings):
        site = open_site(**settings)
        Principal.sign_in(monkeypatch, site)
        return site

    return signed_in


async def either(way: str, client_settings, between=lambda: None) -> None:
    """Hold the conversation from a thread or from the event loop, as ``way`` says."""
    if way == "sync":
        await asyncio.to_thread(hold, Client(**client_settings), between)
    else:
        await hold_async(AsyncClient(**client_settings), between)


WAYS = pytest.mark.parametrize("way", ["sync", "async"])


@WAYS
@pytest.mark.parametrize("model", [CLAUDE, GPT])
async def test_twenty_calls_with_tokens_that_live_two_seconds(principal, sdk_clock, way, model):
    site = principal(token_lifetime=2, clock=sdk_clock.seconds)

    def three_seconds():
        sdk_clock.ahead += timedelta(seconds=3)

    await either(way, {"model": model}, three_seconds)
    assert site.statuses() == [200] * 20
    assert len(site.asked(TOKENS)) >= 20


@WAYS
async def test_twenty_calls_with_tokens_that_live_ninety_seconds(principal, sdk_clock, way):
    site = principal(token_lifetime=90, clock=sdk_clock.seconds)

    def twenty_four_seconds():  # meets tokens that are fresh, stale and expired
        sdk_clock.ahead += timedelta(seconds=24)

    await either(way, {"model": CLAUDE}, twenty_four_seconds)
    assert site.statuses() == [200] * 20
    # Some releases of the SDK, 0.57 among them, renew at each call a token that is no longer fresh.
    assert 1 < len(site.asked(TOKENS)) <= 20


@WAYS
async def test_twenty_calls_though_each_token_is_revoked_after_its_third_use(principal, way):
    site = principal(revoke_after=3)
    await either(way, {"model": CLAUDE})
    statuses = site.statuses()
    assert statuses.count(200) == 20
    assert statuses.count(401) == len(statuses) - 20 > 5
    assert (401, 401) not in itertools.pairwise(statuses)


@promise("token-words")
@WAYS
@pytest.mark.parametrize("status", [400, 403])
async def test_a_token_that_is_refused_in_words_is_renewed_as_after_a_401(principal, way, status):
    site = principal(revoke_after=3, tokens_refused_by=status)
    await either(way, {"model": CLAUDE})
    statuses = site.statuses()
    assert statuses.count(200) == 20
    assert statuses.count(status) == len(statuses) - 20 > 5
    assert (status, status) not in itertools.pairwise(statuses)


@promise("token-words")
@pytest.mark.parametrize("status", [400, 403])
def test_a_token_that_is_refused_in_words_for_good_is_an_authentication_error_after_one_renewal(open_site, status):
    site = open_site(tokens_refused_by=status)
    config = GivenConfig(site.url, bearer("one"), bearer("two"), bearer("three"))
    with pytest.raises(AuthenticationError) as caught:
        Client(model=CLAUDE, surface="ai-gateway", sdk_config=config).chat("Hello")
    assert caught.value.status == status
    assert site.statuses() == [status, status]


def test_a_missing_permission_renews_nothing(open_site):
    site = open_site()
    site.workspace.forbid("user@example.com", CLAUDE)
    config = GivenConfig(site.url, bearer(site.workspace.token), bearer("another"))
    with pytest.raises(PermissionDeniedError, match="does not have the permission"):
        Client(model=CLAUDE, surface="ai-gateway", sdk_config=config).chat("Hello")
    assert site.statuses() == [403]


async def test_a_token_revoked_under_fifty_concurrent_calls_is_renewed_without_a_failed_call(principal):
    site = principal()
    client = AsyncClient(model=CLAUDE)
    await client.chat("Hello")
    site.workspace.accounts.revoke_all()
    answers = await asyncio.gather(*(client.chat("Hello") for _ in range(50)))
    assert {answer.text for answer in answers} == {"You said: Hello"}
    assert len(site.asked(TOKENS)) == 2


def test_a_credential_that_is_refused_for_good_is_an_authentication_error(site):
    with pytest.raises(AuthenticationError) as caught:
        site.client(token="dapi-wrong", surface="ai-gateway").chat("Hello")
    assert caught.value.status == 401
    assert "dapi-wrong" not in str(caught.value)
    assert site.statuses() == [401]


async def test_the_event_loop_runs_on_while_a_token_is_fetched(principal):
    site = principal()
    site.fail(where=TOKENS, stall=1.0)
    ticks: list[int] = []

    async def tick():
        while True:
            ticks.append(len(ticks))
            await asyncio.sleep(0.005)

    ticking = asyncio.create_task(tick())
    await AsyncClient(model=CLAUDE).chat("Hello")
    ticking.cancel()
    assert len(site.asked(TOKENS)) == 1
    assert len(ticks) >= 20  # a second has room for two hundred, on a busy machine for a tenth of them


async def test_two_users_credentials_never_mix(open_site):
    site = open_site(tokens={f"dapi-{name}": name for name in ("ann", "ben", "cem", "dee")})
    names = ["ann", "ben", "cem", "dee"] * 25
    clients = {name: site.async_client(token=f"dapi-{name}") for name in names}

    async def ask(name: str, number: int) -> None:
        answer = await clients[name].chat(f"This is {name} with number {number}")
        assert answer.text == f"You said: This is {name} with number {number}"

    await asyncio.gather(*(ask(name, number) for number, name in enumerate(names)))
    for entry in site.posts():
        assert f"This is {entry.user} with" in str(entry.body)
    assert len(site.posts()) == 100


def test_two_service_principals_in_threads_never_mix(open_site):
    from databricks.sdk.core import Config

    secrets = {"first-client": "first-secret", "second-client": "second-secret"}
    site = open_site(clients=secrets)

    def talk(number: int) -> None:
        name = sorted(secrets)[number % 2]
        config = Config(host=site.url, client_id=name, client_secret=secrets[name])
        client = Client(model=CLAUDE, sdk_config=config, surface="ai-gateway")
        for turn in range(10):
            assert client.chat(f"{name} {turn}").text == f"You said: {name} {turn}"

    in_threads(8, talk)
    assert len(site.posts()) == 80
    for entry in site.posts():
        assert f"{entry.user} " in str(entry.body)


# --- hosts that do not answer ------------------------------------------------------------------------------------


@pytest.fixture
def refusing():
    """A host that refuses connections."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}"


@pytest.fixture
def silent():
    """A host that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def deaf():
    """A host that does not even take connections: its backlog is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"
        for filler in fillers:
            filler.close()


PATIENCE = 10.0
"""Far above any bound below, far below a hang."""


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("surface", ["auto", "ai-gateway"])
@WAYS
async def test_a_host_that_refuses_connections_gives_a_typed_error_at_once(refusing, surface, way):
    fields = {"model": CLAUDE, "host": refusing, "token": "dapi-x", "surface": surface}
    began = time.monotonic()
    with pytest.raises(APIConnectionError, match="could not connect") as caught:
        await asked(way, fields)
    assert time.monotonic() - began < PATIENCE
    assert caught.value.error_code == "connect"


@pytest.mark.usefixtures("quick_retries")
@WAYS
async def test_a_host_that_never_takes_the_connection_gives_a_typed_error_within_the_bound(deaf, way):
    fields = {"model": CLAUDE, "host": deaf, "token": "dapi-x", "surface": "ai-gateway", "max_retries": 2}
    began = time.monotonic()
    with pytest.raises(APITimeoutError, match=r"no connection within 0\.1 s"):
        await asked(way, {**fields, "timeout": httpx.Timeout(5.0, connect=0.1)})
    assert 0.3 <= time.monotonic() - began < PATIENCE


@WAYS
async def test_a_host_that_never_answers_gives_a_typed_error_after_one_silence(silent, way):
    fields = {"model": CLAUDE, "host": silent, "token": "dapi-x", "surface": "ai-gateway"}
    began = time.monotonic()
    with pytest.raises(APITimeoutError, match=r"no byte for 0\.1 s") as caught:
        await asked(way, {**fields, "timeout": 0.1})
    assert caught.value.error_code == "read"
    assert time.monotonic() - began < PATIENCE


@WAYS
async def test_a_token_endpoint_that_never_answers_gives_a_typed_error_in_time(silent, monkeypatch, way):
    monkeypatch.setenv("DATABRICKS_HOST", silent)
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "someone")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "secret")
    monkeypatch.setattr("dbx_gateway.auth.credentials.PATIENCE", 0.2)
    began = time.monotonic()
    with pytest.raises(DbxGatewayError):
        await asked(way, {"model": CLAUDE})
    assert time.monotonic() - began < PATIENCE


async def asked(way: str, fields) -> None:
    if way == "sync":
        await asyncio.to_thread(Client(**fields).chat, "Hello")
    else:
        await AsyncClient(**fields).chat("Hello")


def test_constructing_a_client_opens_no_socket_and_waits_for_nobody(monkeypatch):
    def never(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", never)
    monkeypatch.setattr(socket, "create_connection", never)
    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "someone")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "secret")
    for fields in (
        {"host": "https://workspace.example.com"},
        {"host": "https://workspace.example.com", "token": "dapi-x"},
        {"config_profile": "NOWHERE"},
        {"endpoint_url": "https://workspace.example.com/serving-endpoints/x/invocations", "token": "dapi-x"},
        {},
    ):
        assert Client(model=CLAUDE, **fields).settings.model == CLAUDE
        assert AsyncClient(model=CLAUDE, **fields).settings.model == CLAUDE


def test_a_token_is_never_sent_across_a_redirect_to_another_origin(site):
    got: list[str] = []

    class Other(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        elsewhere = f"http://127.0.0.1:{other.server_address[1]}/steal"
        site.fail(where="/ai-gateway/anthropic/v1/messages", status=307, headers={"Location": elsewhere})
        with pytest.raises(APIConnectionError, match="another origin"):
            site.client(surface="ai-gateway").chat("Hello")
        other.shutdown()
        thread.join()
    assert got == []
    assert site.statuses() == [307]
