"""Every case of the catalogue through the core: sync and async, streamed and whole."""

from __future__ import annotations

import socket

import pytest
from faults.case import Answer, Case, Fails, calls_of, expected_calls
from faults.catalogue import CASES
from faults.reading import Outcome, ask
from faults.server import FaultServer, Stage

from dbx_gateway import calls
from dbx_gateway.chat import ChatResponse, Refusal

TOKEN = "dapi0123456789abcdef"
LONGEST_PAUSE = 0.01

RUNS = [
    pytest.param(
        case, way, streamed, id=f"{case.wire.api}-{case.group}-{case.name}-{way}-{'stream' if streamed else 'whole'}"
    )
    for case in CASES
    for streamed in (True, False)
    if case.scene(streamed=streamed) is not None
    for way in ("sync", "async")
]


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that are due between sends; what is waited is shorter."""
    due: list[float] = []
    real = calls.Pause

    def noted(seconds):
        due.append(seconds)
        return real(min(seconds, LONGEST_PAUSE))

    monkeypatch.setattr(calls, "Pause", noted)
    return due


@pytest.fixture
def nobody():
    """A port of loopback where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(("case", "way", "streamed"), RUNS)
async def test_a_case_of_the_catalogue(case, way, streamed, faults, pauses, nobody, certificate, monkeypatch):
    scene = case.scene(streamed=streamed)
    for name, size in case.bounds.items():
        monkeypatch.setattr(name, size)
    elsewhere = faults.stage([()])
    stage = faults.stage(_addressed(scene.scripts, faults, elsewhere))
    base = _base(case, stage, faults, nobody)
    outcome = await ask(way, _fields(case, base, certificate), streamed=streamed)
    _check(outcome, scene.expect, streamed=streamed)
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


def _check(outcome: Outcome, expect: Answer | Fails, *, streamed: bool) -> None:
    if isinstance(expect, Answer):
        assert outcome.error is None, outcome.error
        _check_answer(outcome.response, expect)
        if streamed:
            assert outcome.shape == ["Start", "End"]
            assert (outcome.said, outcome.thought) == (expect.text, expect.reasoning.replace("\n\n", ""))
            assert outcome.calls == len(expect.calls)
    else:
        _check_error(outcome, expect, streamed=streamed)


def _check_answer(response: ChatResponse, expect: Answer) -> None:
    usage = response.usage and (response.usage.input, response.usage.output, response.usage.total)
    assert response.text == expect.text
    assert response.message.reasoning == expect.reasoning
    assert calls_of(response, expect.calls) == expected_calls(expect.calls)
    assert response.finish.reason == expect.reason
    assert usage == expect.usage
    assert tuple(other.message.text for other in response.alternatives) == expect.alternatives
    assert "".join(part.text for part in response.message.parts if isinstance(part, Refusal)) == expect.refusal
    executable = len(expect.calls) if expect.executable is None else expect.executable
    assert len(response.executable_tool_calls) == executable


def _check_error(outcome: Outcome, expect: Fails, *, streamed: bool) -> None:
    error = outcome.error
    assert error is not None, outcome.response
    assert type(error) is expect.kind, error
    assert (error.status, error.error_code, error.request_id) == (expect.status, expect.code, expect.request_id), error
    for word in expect.words:
        assert word in str(error)
    assert TOKEN not in repr(error) + str(error)
    assert error.retry_after == expect.retry_after
    assert error.model is not None
    assert error.route is not None
    partial = error.partial
    text = partial.text if partial is not None else ""
    if expect.partial is not ...:
        assert text == expect.partial
    assert outcome.said == (text if streamed else "")
    assert "End" not in outcome.shape
    found = calls_of(partial, expect.calls) if partial is not None else ()
    assert found == expected_calls(expect.calls)
    assert partial is None or partial.executable_tool_calls == ()
