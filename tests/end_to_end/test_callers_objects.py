"""One client object of databricks-sdk for many users: each request is signed as the one who makes it."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
import time

import pytest
from end_to_end.site import LLAMA, PROBE
from end_to_end.threads import in_threads
from support.promises import promise

from dbx_gateway import AsyncClient, Client, fold
from dbx_gateway.errors import APITimeoutError, AuthenticationError

GTE = "databricks-gte-large-en"
USERS = ("ann", "ben", "cem", "dee")
TOKENS = {f"dapi-token-of-{name}": name for name in (*USERS, "app")}

by_context = contextvars.ContextVar("user", default="app")
by_thread = threading.local()


class Shared:
    """Stands for a ``Config`` that all users share: whom it signs for depends on where it is asked.

    Args:
        host: of the workspace.
        user: returns the name of the user it is asked for.
    """

    def __init__(self, host: str, user) -> None:
        self.host = host
        self.user = user
        self.renewed = itertools.count()

    def authenticate(self) -> dict[str, str]:
        user = self.user()
        time.sleep(0.005)  # others ask meanwhile
        return {"Authorization": f"Bearer dapi-token-of-{user}"}


class Renewed(Shared):
    """Gives each user a token that has expired, and at the second question one that has not."""

    def __init__(self, host: str, user) -> None:
        super().__init__(host, user)
        self.asked: dict[str, int] = dict.fromkeys((*USERS, "app"), 0)

    def authenticate(self) -> dict[str, str]:
        user = self.user()
        self.asked[user] += 1
        return {"Authorization": f"Bearer dapi-token-of-{user}" if self.asked[user] % 2 == 0 else f"expired-{user}"}


def context_user() -> str:
    return by_context.get()


def thread_user() -> str:
    return by_thread.user


@pytest.fixture
def shared_site(open_site):
    return open_site(tokens=TOKENS)


def each_got_their_own(site, count: int) -> bool:
    accepted = [entry for entry in site.posts() if entry.status == 200]
    return len(accepted) == count and all(f"This is {entry.user}." in str(entry.body) for entry in accepted)


def fields(config) -> dict:
    return {"model": LLAMA, "surface": "model-serving", "sdk_config": config}


@promise("objects-sign-for-the-caller")
@pytest.mark.parametrize("kind", [Shared, Renewed])
async def test_async_callers_of_one_object_are_each_signed_in_by_their_own_context(shared_site, kind):
    client = AsyncClient(**fields(kind(shared_site.url, context_user)))

    async def ask(user: str) -> None:
        by_context.set(user)
        await client.chat(f"This is {user}.")
        async for _ in client.stream(f"This is {user}."):
            pass

    for _ in range(3):
        await asyncio.gather(*(ask(user) for user in USERS))
    assert each_got_their_own(shared_site, 24)


@promise("objects-sign-for-the-caller")
@pytest.mark.parametrize("kind", [Shared, Renewed])
@pytest.mark.parametrize("by", ["context variable", "thread-local"])
def test_sync_callers_of_one_object_are_each_signed_in_on_their_own_thread(shared_site, kind, by):
    client = Client(**fields(kind(shared_site.url, context_user if by == "context variable" else thread_user)))

    def ask(number: int) -> None:
        user = USERS[number]
        by_context.set(user)
        by_thread.user = user
        client.chat(f"This is {user}.")
        fold(client.stream(f"This is {user}."))

    for _ in range(3):
        in_threads(4, ask)
    assert each_got_their_own(shared_site, 24)


@promise("objects-sign-for-the-caller")
def test_an_object_of_databricks_sdk_is_asked_on_the_thread_of_the_call(shared_site):
    from databricks.sdk import WorkspaceClient, credentials_provider
    from databricks.sdk.core import Config

    old = not hasattr(credentials_provider, "CredentialsStrategy")  # the names of older releases
    base = credentials_provider.CredentialsProvider if old else credentials_provider.CredentialsStrategy

    class OnBehalfOf(base):
        def auth_type(self):
            return "obo"

        def __call__(self, _):
            return lambda: {"Authorization": f"Bearer dapi-token-of-{thread_user()}"}

    setting = "credentials_provider" if old else "credentials_strategy"
    config = Config(host=shared_site.url, **{setting: OnBehalfOf()})
    client = Client(model=LLAMA, surface="model-serving", workspace_client=WorkspaceClient(config=config))

    def ask(number: int) -> None:
        by_thread.user = USERS[number]
        client.chat(f"This is {USERS[number]}.")

    in_threads(4, ask)
    assert each_got_their_own(shared_site, 4)


@promise("objects-sign-for-the-caller")
def test_the_batches_of_one_call_are_signed_on_the_callers_thread_though_a_pool_sends_them(shared_site):
    client = Client(**{**fields(Shared(shared_site.url, thread_user)), "model": GTE})

    def ask(number: int) -> None:
        by_thread.user = USERS[number]
        client.embed([f"This is {USERS[number]}. {text}" for text in range(8)], batch_size=1)

    in_threads(4, ask)
    assert each_got_their_own(shared_site, 32)


async def test_the_batches_of_one_async_call_are_signed_in_its_context(shared_site):
    client = AsyncClient(**{**fields(Shared(shared_site.url, context_user)), "model": GTE})

    async def ask(user: str) -> None:
        by_context.set(user)
        await client.embed([f"This is {user}. {text}" for text in range(4)], batch_size=1)

    await asyncio.gather(*(ask(user) for user in USERS))
    assert each_got_their_own(shared_site, 16)


def test_questions_about_the_workspace_are_signed_as_the_caller_too(shared_site):
    client = Client(model="databricks-claude-sonnet-4-5", sdk_config=Shared(shared_site.url, thread_user))
    by_thread.user = "ben"
    client.chat("This is ben.")
    assert [entry.user for entry in shared_site.asked(PROBE)] == ["ben"]


@promise("objects-that-cannot-tell")
async def test_an_object_that_finds_no_user_on_a_fresh_thread_is_an_error_that_names_the_way_out(shared_site):
    by_thread.user = "ann"
    with pytest.raises(AuthenticationError) as caught:
        await AsyncClient(**fields(Shared(shared_site.url, thread_user))).chat("Hello")
    assert "sdk_config= gave no credentials" in caught.value.message
    assert "thread-locals" in caught.value.message
    assert "with dbx_gateway.acting_as(token):" in caught.value.message
    assert shared_site.asked() == []


@promise("objects-that-cannot-tell")
def test_an_object_that_finds_no_user_on_the_callers_thread_is_an_error_that_names_the_way_out(shared_site):
    client = Client(**fields(Shared(shared_site.url, thread_user)))

    def ask(_: int) -> str:
        with pytest.raises(AuthenticationError) as caught:
            client.chat("Hello")
        return caught.value.message

    (message,) = in_threads(1, ask)
    assert "with dbx_gateway.acting_as(token):" in message
    assert shared_site.asked() == []


# --- how long it may take ----------------------------------------------------------------------------------------


class Slow:
    """Stands for a ``Config`` that signs in only when the test lets it."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.go = threading.Event()
        self.thread: threading.Thread | None = None

    def authenticate(self) -> dict[str, str]:
        self.thread = threading.current_thread()
        self.go.wait(20)
        return {"Authorization": "Bearer dapi-token-of-ann"}


@promise("signing-in-takes-time-too")
async def test_an_async_call_leaves_a_slow_object_when_its_time_is_over(shared_site):
    slow = Slow(shared_site.url)
    with pytest.raises(APITimeoutError) as caught:
        await AsyncClient(**fields(slow), total_timeout=0.1, max_retries=0).chat("Hello")
    assert not slow.go.is_set()
    assert caught.value.error_code == "total"
    slow.go.set()
    assert slow.thread is not None
    slow.thread.join(20)
    assert shared_site.posts() == []


@promise("signing-in-takes-time-too")
def test_a_sync_call_whose_time_is_over_when_its_object_returns_sends_nothing(shared_site):
    slow = Slow(shared_site.url)
    timer = threading.Timer(0.3, slow.go.set)
    timer.start()
    with pytest.raises(APITimeoutError, match="nothing was sent") as caught:
        Client(**fields(slow), total_timeout=0.1).chat("Hello")
    timer.join()
    assert slow.thread is threading.current_thread()
    assert caught.value.error_code == "total"
    assert shared_site.posts() == []


@promise("signing-in-takes-time-too")
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_a_call_leaves_a_sign_in_of_our_own_when_its_time_is_over(shared_site, monkeypatch, way):
    slow = Slow(shared_site.url)
    monkeypatch.setattr("dbx_gateway.auth.credentials.open_config", lambda *_, **__: slow)
    given = {"model": LLAMA, "host": shared_site.url, "surface": "model-serving", "total_timeout": 0.1}
    call = asyncio.to_thread(Client(**given).chat, "Hello") if way == "sync" else AsyncClient(**given).chat("Hello")
    with pytest.raises(APITimeoutError) as caught:
        await call
    assert not slow.go.is_set()
    assert caught.value.error_code == "total"
    slow.go.set()
    assert shared_site.posts() == []


async def test_a_caller_without_a_limit_still_gets_the_sign_in_that_another_left(shared_site, monkeypatch):
    slow = Slow(shared_site.url)
    monkeypatch.setattr("dbx_gateway.auth.credentials.open_config", lambda *_, **__: slow)
    client = AsyncClient(model=LLAMA, host=shared_site.url, surface="model-serving")
    patient = asyncio.create_task(client.chat("Hello"))
    with pytest.raises(APITimeoutError):
        await client.chat("Hello", total_timeout=0.1)
    slow.go.set()
    assert (await patient).text == "You said: Hello"
