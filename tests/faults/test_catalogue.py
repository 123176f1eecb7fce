"""Every case of the catalogue through every front end: sync and async, streamed and whole."""

from __future__ import annotations

import socket

import pytest
from faults.case import Answer, Case, Fails, in_full
from faults.cases_statuses import PASSING
from faults.reading import FrontEnd, Given, Outcome, ask, kind_of
from faults.runs import ALWAYS, QUICK, RUNS
from faults.server import FaultServer, Stage
from support.pacing import noted_pauses
from support.promises import promise

from dbx_gateway.call.pacing import PacingRules
from dbx_gateway.chat import ChatResponse
from dbx_gateway.errors import APIConnectionError, IncompleteStreamError, RateLimitError, ServerError

TOKEN = "dapi0123456789abcdef"
LONGEST_PAUSE = 0.01


def pytest_generate_tests(metafunc):
    """Make the runs; those that are left out by their mark are not even made, for there are many."""
    if "run" not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption("markexpr")
    runs = QUICK if asked == "quick" else ALWAYS if "not slow" in asked else RUNS
    marks = {True: [pytest.mark.thorough], False: [pytest.mark.slow]}
    always, quick = set(ALWAYS), set(QUICK)
    metafunc.parametrize(
        "run", [pytest.param(run, id=str(run), marks=[] if run in quick else marks[run in always]) for run in runs]
    )


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that are due between sends; what is waited is shorter."""
    with noted_pauses(monkeypatch, LONGEST_PAUSE, PacingRules()) as due:
        yield due


@pytest.fixture
def nobody():
    """A port of loopback where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@promise("exact-or-typed", "cut-streams", "langchain-kinds")
async def test_a_case_of_the_catalogue(run, faults, pauses, nobody, certificate, monkeypatch):
    case, scene = run.case, run.scene
    for name, size in case.bounds.items():
        monkeypatch.setattr(name, size)
    elsewhere = faults.stage([()])
    stage = faults.stage(_addressed(scene.scripts, faults, elsewhere))
    base = _base(case, stage, faults, nobody)
    front = run.front(_fields(case, base, certificate))
    outcome = await ask(front, run.way, streamed=run.streamed)
    if isinstance(scene.expect, Answer):
        _check_answer(front, outcome, scene.expect, streamed=run.streamed)
    else:
        _check_error(front, outcome, scene.expect)
    front.check(outcome)
    assert len(stage.seen) == scene.sends
    assert elsewhere.seen == []
    assert len(pauses) == len(scene.pauses), pauses
    for pause, (least, most) in zip(pauses, scene.pauses, strict=True):
        assert least <= pause <= most
    faults.leave(stage)
    faults.leave(elsewhere)


def _addressed(scripts, faults: FaultServer, elsewhere: Stage):
    """Return ``scripts`` with the places that redirects name filled in."""
    other = elsewhere.url.replace("127.0.0.1", "localhost").encode()
    places = {b"{other-host}": other, b"{plain}": faults.origin.encode(), b"{elsewhere}": elsewhere.url.encode()}

    def filled(step):
        if isinstance(step, bytes):
            for name, place in places.items():
                step = step.replace(name, place)
        return step

    return [tuple(filled(step) for step in script) for script in scripts]


def _base(case: Case, stage: Stage, faults: FaultServer, nobody: str) -> str:
    match case.place:
        case "refused":
            return nobody
        case "tls":
            return stage.url.replace(faults.origin, f"https://127.0.0.1:{faults.tls_port}")
        case _:
            return stage.url


class SignedIn:
    """What stands for a configuration of the SDK: signs in, each time with a fresh token or always with the same."""

    def __init__(self, host: str, *, renews: bool) -> None:
        self.host = host
        self.renews = renews
        self.asked = 0

    def authenticate(self) -> dict[str, str]:
        self.asked += self.renews
        return {"Authorization": f"Bearer {TOKEN}{self.asked}"}


def _credentials(case: Case, base: str):
    if case.place not in ("renewed", "unchanged"):
        return {"token": TOKEN}
    origin = base.rpartition("/")[0]
    return {"sdk_config": SignedIn(origin, renews=case.place == "renewed")}


def _fields(case: Case, base: str, certificate: str):
    return {
        "model": case.wire.model,
        "endpoint_url": base + case.wire.path,
        "api": case.wire.api,
        **_credentials(case, base),
        "verify": certificate if case.place == "tls" else None,
        "timeout": 3.0,
        **case.settings,
    }


def _check_answer(front: FrontEnd, outcome: Outcome, expect: Answer, *, streamed: bool) -> None:
    assert outcome.error is None, outcome.error
    expect = front.expected(expect, streamed=streamed)
    shown = front.shown(front.sum(outcome.pieces) if streamed else outcome.whole)
    assert len({call_id for call_id, _, _ in shown.calls}) == len(shown.calls)
    assert in_full(shown, expect) == in_full(expect)
    if streamed:
        given = front.given(outcome.pieces)
        assert given.ended
        assert (given.text, given.reasoning) == (expect.text, expect.reasoning.replace("\n\n", ""))
        assert len(given.calls) == len(expect.calls)


def _check_error(front: FrontEnd, outcome: Outcome, expect: Fails) -> None:
    error = outcome.error
    assert error is not None, outcome.whole or outcome.pieces
    assert kind_of(error) is expect.kind, error
    assert (error.status, error.error_code, error.request_id) == (expect.status, expect.code, expect.request_id), error
    for word in expect.words:
        assert word in str(error)
    assert TOKEN not in repr(error) + str(error)
    assert error.retry_after == expect.retry_after
    assert error.retryable == _may_succeed_later(expect)
    assert error.model is not None
    assert error.route is not None
    _check_partial(error.partial, expect, front.given(outcome.pieces) if outcome.pieces else None)


def _may_succeed_later(expect: Fails) -> bool:
    """A redirect comes again, and what a server does not do at all; what passes by its status or by its class does not."""
    passing = (RateLimitError, ServerError, APIConnectionError, IncompleteStreamError)
    for_good = expect.code == "redirect" or expect.status == 501
    return not for_good and (issubclass(expect.kind, passing) or expect.status in PASSING)


def _check_partial(partial: ChatResponse | None, expect: Fails, given: Given | None) -> None:
    """What had arrived is what is expected, may not be executed, and is what was handed out, no more and no less."""
    arrived = Given()
    if partial is not None:
        calls = tuple((call.call_id, call.name, call.arguments) for call in partial.tool_calls)
        arrived = Given(partial.text, partial.message.reasoning.replace("\n\n", ""), calls)
        assert partial.executable_tool_calls == ()
    if expect.partial is not ...:
        assert arrived.text == expect.partial
    assert in_full(Answer(calls=arrived.calls)) == in_full(Answer(calls=expect.calls))
    assert given in (None, arrived)
