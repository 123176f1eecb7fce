"""What callers of one workspace ask once for all, step by step: a caller that comes late finds the answer there."""

from __future__ import annotations

import pytest
from end_to_end.site import CLAUDE

from dbx_gateway import Observations, Settings
from dbx_gateway.call.actions import AskCaller, Fetch, Once
from dbx_gateway.call.caller import Caller
from dbx_gateway.call.flow import Call
from dbx_gateway.models.discovery import EndpointFacts

CALLER = Caller("https://workspace.example.com", "bearer:someone")


def learn_surface(seen: Observations) -> None:
    seen.learn_surface(CALLER, "ai-gateway", "it has one", conclusive=True)


def learn_endpoint(seen: Observations) -> None:
    seen.learn_endpoint(CALLER, "team-chat", EndpointFacts(name="team-chat", family="claude"))


def question(model: str, seen: Observations):
    """Return the shared question that a first call comes to."""
    flow = Call(Settings(model=model), seen).plan()
    ask = next(flow)
    assert isinstance(ask, AskCaller)
    ask.outcome = CALLER
    once = next(flow)
    assert isinstance(once, Once)
    return once


@pytest.mark.parametrize(("model", "learn"), [(CLAUDE, learn_surface), ("team-chat", learn_endpoint)])
def test_a_caller_that_leads_after_another_has_landed_asks_nothing(model, learn):
    seen = Observations()
    once = question(model, seen)
    learn(seen)
    with pytest.raises(StopIteration) as ended:
        next(once.flow)
    assert ended.value.value is not None


@pytest.mark.parametrize("model", [CLAUDE, "team-chat"])
def test_a_first_caller_asks(model):
    assert isinstance(next(question(model, Observations()).flow), Fetch)


def test_callers_of_one_host_and_identity_share_a_question_and_others_do_not():
    seen = Observations()
    assert question(CLAUDE, seen).key == question("databricks-gpt-5-2", seen).key
    assert question("team-chat", seen).key != question("house-model", seen).key
