"""What each user meets stays that user's, in whatever order users, models, refusals and hours come.

A machine makes calls of several users against one workspace and holds each to a model of what its user may know: the
requests that it must send, how it must end, and what it may be warned about.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from many_users.shared_host import MODELS, ORIGIN, RIGHTS, SURFACES, Expected, Host, Outcome, Rights, tokens_of
from support.promises import promise

from dbx_gateway import AsyncClient, Client, DbxGatewayError, Observations, acting_as, forget
from dbx_gateway.auth.identities import ProvenTokens
from dbx_gateway.call import flow, planning
from dbx_gateway.call.observations import IdentityFacts

USERS = ("ann", "bob", "cid", "dee")

tokens = st.sampled_from([token for user in USERS for token in tokens_of(user)])
users, models, surfaces = st.sampled_from(USERS), st.sampled_from(MODELS), st.sampled_from(SURFACES)


class Warnings(logging.Handler):
    """Counts the warnings of the package."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


class ManyUsers(RuleBasedStateMachine):
    """Users of one workspace who share a process, and so everything that it has learned."""

    @initialize()
    def begin(self) -> None:
        forget()
        self.now = 1000.0
        self.rights = Rights()
        self.host = Host(self.rights, USERS)
        self.expected = Expected(self.rights, lambda: self.now)
        self.observations = Observations(lambda: self.now)
        self.http_client = httpx.Client(transport=httpx.MockTransport(self.host))
        self.warned = Warnings()
        logging.getLogger("dbx_gateway").addHandler(self.warned)
        self.calls = 0

    def teardown(self) -> None:
        logging.getLogger("dbx_gateway").removeHandler(self.warned)
        self.http_client.close()

    @rule(user=users, right=st.sampled_from(RIGHTS))
    def the_gateway_is_shown_or_not(self, user, right) -> None:
        self.rights.gateway[user] = right

    @rule(user=users, surface=surfaces, model=models, right=st.sampled_from(RIGHTS))
    def a_right_changes(self, user, surface, model, right) -> None:
        self.rights.chat[user, surface, model] = right

    @rule(user=users, model=models)
    def an_endpoint_is_on_the_gateway_only(self, user, model) -> None:
        self.rights.chat[user, "model-serving", model] = "missing"
        self.rights.chat[user, "ai-gateway", model] = "ok"

    @rule(seconds=st.sampled_from([1.0, 59.0, 61.0, 1800.0, 3601.0]))
    def time_goes_by(self, seconds) -> None:
        self.now += seconds

    @rule(token=tokens, model=models, top_k=st.booleans(), too_warm=st.sampled_from([False, False, False, True]))
    def a_thread_asks(self, token, model, top_k, too_warm) -> None:
        self.check(token, model, self.asked, top_k=top_k, too_warm=too_warm)

    @rule(token=tokens, model=models, top_k=st.booleans(), too_warm=st.sampled_from([False, False, False, True]))
    def an_event_loop_asks(self, token, model, top_k, too_warm) -> None:
        self.check(token, model, self.asked_async, top_k=top_k, too_warm=too_warm)

    @rule(model=models, kind=st.integers(0, len(tokens_of("ann")) - 1))
    def everybody_asks(self, model, kind) -> None:
        for user in USERS:
            self.check(tokens_of(user)[kind], model, self.asked, top_k=True, too_warm=False)

    def check(self, token, model, asked, *, top_k, too_warm) -> None:
        """Make a call, and hold it to what it must send, how it must end, and what its user may be warned about."""
        self.calls += 1
        text = f"question {self.calls} of {token.user}"
        known, warned = self.expected.warnings, self.warned.count
        sent, outcome = self.expected.call(token, model, text, top_k=top_k, too_warm=too_warm)
        del self.host.sent[:]
        options = {"temperature": 9.0 if too_warm else 1.0, **({"top_k": 5} if top_k else {})}
        try:
            response = asked(token, model, text, options)
            found = Outcome(response.text, repairs=response.exchange.repairs)
        except DbxGatewayError as error:
            found = Outcome(status=error.status)
        assert (self.host.sent, found) == (sent, outcome)
        assert self.warned.count - warned == self.expected.warnings - known

    def fields(self, token) -> dict:
        """Return the settings of an object: of the token's own, or of one that is shared and would be the app's."""
        own = "dapi-of-the-app" if token.lent else token.value
        return {"model": "m", "host": ORIGIN, "token": own, "observations": self.observations, "max_retries": 0}

    def asked(self, token, model, text, options):
        client = Client(**self.fields(token), http_client=self.http_client)
        with lent(token):
            return client.chat(text, model=model, **options)

    def asked_async(self, token, model, text, options):
        async def ask():
            async with httpx.AsyncClient(transport=httpx.MockTransport(self.host)) as own:
                client = AsyncClient(**self.fields(token), http_async_client=own)
                with lent(token):
                    return await client.chat(text, model=model, **options)

        return asyncio.run(ask())


def lent(token):
    """Return the block in which a call has the token, where it is not its object's own."""
    if not token.lent:
        return contextlib.nullcontext()
    return acting_as(token.value, user=token.user if token.named else None)


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
QUICK = settings(max_examples=30, stateful_step_count=25, deadline=None, derandomize=True, suppress_health_check=CHECKS)
LONG = settings(max_examples=500, stateful_step_count=50, deadline=None, suppress_health_check=CHECKS)


@promise("any-order", "facts-are-the-users", "identities", "repairs-show", "repairs-harm-nobody")
def test_each_call_sends_and_shows_what_its_user_may_know_and_no_more_in_any_order():
    run_state_machine_as_test(ManyUsers, settings=QUICK)


@promise("any-order", "facts-are-the-users", "identities", "repairs-show", "repairs-harm-nobody")
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_each_call_sends_and_shows_what_its_user_may_know_and_no_more_in_very_many_orders():
    run_state_machine_as_test(ManyUsers, settings=LONG)


def test_a_fact_that_crosses_from_one_user_to_another_is_noticed(monkeypatch):
    """What the tests above are worth: facts that are keyed without the caller fail them."""
    nobody = "nobody in particular"
    get, put = IdentityFacts.get, IdentityFacts.put
    monkeypatch.setattr(IdentityFacts, "get", lambda facts, _, name: get(facts, nobody, name))
    monkeypatch.setattr(IdentityFacts, "put", lambda facts, _, *rest: put(facts, nobody, *rest))
    leaks()


def test_what_a_token_says_before_the_workspace_has_taken_it_is_noticed(monkeypatch):
    monkeypatch.setattr(ProvenTokens, "holds", lambda *_: True)
    leaks()


def test_a_warning_that_only_the_first_user_gets_is_noticed(monkeypatch):
    monkeypatch.setattr(planning, "addressed_to", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(flow, "addressed_to", lambda _: contextlib.nullcontext())
    leaks()


def leaks() -> None:
    """Run the machine, and see it fail."""
    with pytest.raises(AssertionError):
        run_state_machine_as_test(ManyUsers, settings=settings(QUICK, phases=[Phase.generate]))
