"""256 users in one process, each with a token and rights of its own: every answer and every error is its user's own."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from lifecycles.front_ends import FrontEnd, front_end
from many_users.shared_host import jwt
from support.promises import promise

from dbx_gateway import acting_as
from dbx_gateway.models import discovery
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.testing import Entry, Fault, Served, Workspace, default_models, serve

USERS = 256
AT_ONCE = 32
"""Users whose calls are under way together, of all threads and of each of two event loops."""

ASSISTANT = "assistant"
"""An endpoint, and a model service of the same name; who may use which, differs."""
LLAMA = "databricks-meta-llama-3-3-70b-instruct"
PROBE = "/ai-gateway/anthropic/v1/models"
CALL = re.compile(r"call (u\d{3}n\d+)\b")
MOST_TOKENS = 400
"""Of a user who signs each request with another: more than requests of one user."""

RIGHTS = ("endpoint", "service", "nothing", "seen only", "gateway", "no gateway")
"""What a user may do: use the endpoint, only the service of its name, neither, or see the endpoint but not query it; the
last two ask for another model, whose surface a probe shows, and only the first of them is shown the gateway."""

STATUSES = {
    "endpoint": {"model-serving": 200},
    "service": {"model-serving": 404, "ai-gateway": 200},
    "nothing": {"model-serving": 404, "ai-gateway": 404},
    "seen only": {"model-serving": 403},
    "gateway": {"ai-gateway": 200},
    "no gateway": {"model-serving": 200},
}
"""What a user's request is answered on each surface, where no fault comes between."""

WAYS = ("core", "langchain", "llama-index", "lent", "lent, by name", "renewing")
"""How a user calls: with an object of its own, or with a token that one object of all gets lent, or with an object that signs
each request with another token."""

FAULTS = {
    "limited": Fault(status=429, error_code="REQUEST_LIMIT_EXCEEDED", error_message="Exceeded the limit."),
    "expired": Fault(status=401, error_code="UNAUTHENTICATED", error_message="Token expired."),
}


@dataclass(frozen=True)
class User:
    """One of the users, all of whose habits follow from the number."""

    number: int

    @property
    def name(self) -> str:
        return f"u{self.number:03d}"

    @property
    def rights(self) -> str:
        return RIGHTS[self.number % len(RIGHTS)]

    @property
    def way(self) -> str:
        return WAYS[self.number // len(RIGHTS) % len(WAYS)]

    @property
    def on_a_loop(self) -> bool:
        return bool(self.number // (len(RIGHTS) * len(WAYS)) % 2)

    @property
    def says_who(self) -> bool:
        """Whether the token or the caller says who it is."""
        return self.number % 4 == 0 or self.way == "lent, by name"

    @property
    def retries(self) -> int:
        return self.number % 2 * 2

    @property
    def model(self) -> str:
        return LLAMA if "gateway" in self.rights else ASSISTANT

    def token(self, number: int = 0) -> str:
        """Return one of the user's tokens: the half are JWTs, which say whose they are."""
        return jwt(self.name, f"s{number}") if self.number % 4 == 0 else f"dapi-{self.name}-{number}"

    def question(self, number: int) -> str:
        return f"call {self.name}n{number} of a user whose secret is {self.name * 3}"


@dataclass(frozen=True)
class Ending:
    """How a call ended: the answer's text, or the error's status and request id."""

    text: str | None = None
    status: int | None = None
    request_id: str | None = None


class Renewing:
    """What a caller gives as ``sdk_config``: each time it is asked, it has another token."""

    def __init__(self, host: str, user: User) -> None:
        self.host = host
        self._user = user
        self._numbers = itertools.count()

    def authenticate(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._user.token(next(self._numbers) % MOST_TOKENS)}"}


def open_workspace(users: list[User], rate: float) -> Workspace:
    tokens = {user.token(number): user.name for user in users for number in range(MOST_TOKENS)}
    assistant = Served(name=ASSISTANT, gateway_names=(ASSISTANT,), profile=profile_of(ASSISTANT))
    workspace = Workspace(models=[*default_models(), assistant], tokens=tokens)
    for user in users:
        match user.rights:
            case "service":
                workspace.allow(user.name, ASSISTANT, surface="ai-gateway")
                workspace.allow(user.name, surface="model-serving")
            case "nothing":
                workspace.allow(user.name)
            case "seen only":
                workspace.forbid(user.name, ASSISTANT, surface="model-serving")
            case "no gateway":
                workspace.inject(Fault(status=404), times=None, where=PROBE, user=user.name)
    workspace.inject_at_rate(rate, seed=256, faults=FAULTS)
    return workspace


class Callers:
    """Makes the calls of the users, each in the user's own way.

    Args:
        url: of the workspace.
        calls: of each user, one after another.
    """

    def __init__(self, url: str, calls: int) -> None:
        self._url = url
        self._calls = calls
        self.endings: dict[str, Ending] = {}
        shared = {"host": url, "token": "dapi-of-the-app", "acting_as_required": True}
        self._shared = {
            (model, retries): front_end("core", model=model, max_retries=retries, **shared)
            for model in (ASSISTANT, LLAMA)
            for retries in (0, 2)
        }

    def run(self, users: list[User]) -> None:
        """Make all calls: a part of the users from many threads, the others from two event loops."""
        waiting = [user for user in users if user.on_a_loop]
        loops = [threading.Thread(target=self._on_a_loop, args=(waiting[half::2],)) for half in (0, 1)]
        for loop in loops:
            loop.start()
        with ThreadPoolExecutor(AT_ONCE, "user") as pool:
            for done in [pool.submit(self._in_a_thread, user) for user in users if not user.on_a_loop]:
                done.result()
        for loop in loops:
            loop.join()

    def _front(self, user: User) -> FrontEnd:
        if user.way.startswith("lent"):
            return self._shared[user.model, user.retries]
        fields = {"model": user.model, "max_retries": user.retries}
        if user.way == "renewing":
            return front_end("core", sdk_config=Renewing(self._url, user), **fields)
        return front_end(user.way, host=self._url, token=user.token(), **fields)

    def _in_a_thread(self, user: User) -> None:
        front = self._front(user)
        for number in range(self._calls):
            try:
                if user.way.startswith("lent"):
                    with acting_as(user.token(), user=user.name if "name" in user.way else None):
                        text = front.ask(user.question(number))
                else:
                    text = front.ask(user.question(number))
                self._note(user, number, Ending(text))
            except Exception as error:  # noqa: BLE001  # whatever it is, it is judged
                self._note(user, number, failed(error))

    def _on_a_loop(self, users: list[User]) -> None:
        async def call(user: User) -> None:
            front = self._front(user)
            for number in range(self._calls):
                try:
                    if user.way.startswith("lent"):
                        with acting_as(user.token(), user=user.name if "name" in user.way else None):
                            text = await front.aask(user.question(number))
                    else:
                        text = await front.aask(user.question(number))
                    self._note(user, number, Ending(text))
                except Exception as error:  # noqa: BLE001  # whatever it is, it is judged
                    self._note(user, number, failed(error))

        async def call_all() -> None:
            gate = asyncio.Semaphore(AT_ONCE)

            async def call_in_turn(user: User) -> None:
                async with gate:
                    await call(user)

            await asyncio.gather(*(call_in_turn(user) for user in users))

        asyncio.run(call_all())

    def _note(self, user: User, number: int, ending: Ending) -> None:
        self.endings[f"{user.name}n{number}"] = ending


def failed(error: Exception) -> Ending:
    status = getattr(error, "status", None)
    return Ending(repr(error) if status is None else None, status, getattr(error, "request_id", None))


def check(users: list[User], calls: int, endings: dict[str, Ending], workspace: Workspace) -> None:
    """Hold each call to what the workspace has in its ledger: who sent it, where, and how it was answered."""
    sent = defaultdict(list)
    for entry in workspace.ledger.entries():
        assert entry.user is not None, entry  # no token but those of users is ever sent, not that of the shared object
        if entry.method == "POST":
            sent[called(entry)].append(entry)
    assert sent.keys() == endings.keys() == {f"{user.name}n{number}" for user in users for number in range(calls)}
    for user in users:
        knows: set[str] = set()  # what it counts as that has found the service
        counts_as = "its token"
        for number in range(calls):
            call = f"{user.name}n{number}"
            entries, ending = sent[call], endings[call]
            assert {entry.user for entry in entries} == {user.name}
            statuses = STATUSES[user.rights]
            assert all(entry.fault or entry.status == statuses.get(surface_of(entry)) for entry in entries), entries
            if user.way != "renewing":
                assert surface_of(entries[0]) == ("ai-gateway" if counts_as in knows else next(iter(statuses))), (
                    user,
                    entries,
                )
            due = walked(user, entries)
            if due.status == 200:
                assert ending == Ending(f"You said: {user.question(number)}"), (user, ending)
                if user.rights == "service":
                    knows.add(counts_as)
                if user.says_who:  # which counts from the next call on, now that the workspace has taken the token
                    counts_as = "its name"
            else:
                assert (ending.text, ending.status) == (None, due.status), (user, ending, entries)
                assert ending.request_id in {entry.id for entry in entries}
        good = sum(endings[f"{user.name}n{number}"].status is None for number in range(calls))
        assert workspace.billed(user.name).output > 0 if good else workspace.billed(user.name).output == 0


def called(entry: Entry) -> str:
    """Return which call a request belongs to."""
    found = CALL.search(str(entry.body))
    assert found is not None, entry
    return found[1]


def surface_of(entry: Entry) -> str:
    return "ai-gateway" if entry.path.startswith("/ai-gateway") else "model-serving"


def walked(user: User, entries: list[Entry]) -> Entry:
    """Return the last request of a call, after having held each to the one before: why it was sent at all."""
    renewals = 1 if user.way == "renewing" else 0
    for before, after in itertools.pairwise(entries):
        match before.status:
            case 429 if user.retries:
                assert surface_of(before) == surface_of(after)
            case 401 if renewals:
                renewals -= 1
                assert surface_of(before) == surface_of(after)
            case 404:
                assert surface_of(before) != surface_of(after)
            case _:
                pytest.fail(f"{user} is sent again after {before.status}: {entries}")
    return entries[-1]


@promise("many-at-once", "facts-are-the-users")
@pytest.mark.parametrize(
    ("calls", "rate"),
    [
        pytest.param(2, 0.04, id="a-few-calls"),
        pytest.param(20, 0.04, id="many-calls", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_each_answer_and_each_error_of_256_users_is_its_users_own(calls, rate, monkeypatch):
    monkeypatch.setattr(discovery, "PROBE_SECONDS", 120.0)  # a busy machine may need long for so many at once
    users = [User(number) for number in range(USERS)]
    workspace = open_workspace(users, rate)
    with serve(workspace) as server:
        callers = Callers(server.url, calls)
        callers.run(users)
    check(users, calls, callers.endings, workspace)
    met = [entry.fault for entry in workspace.ledger.entries()]
    assert all(any(fault is one for one in met) for fault in FAULTS.values())
