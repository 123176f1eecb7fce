"""Every logger of the process at DEBUG: no credential in any record, no prompt and no answer in any of ours."""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from contextlib import suppress
from pathlib import Path

import httpcore
import httpx
import pytest
from support.promises import promise
from support.recording_host import answer, redirect, wire
from support.secret_finding import holds, holds_issued_token

from dbx_gateway import AsyncClient, Client, DbxGatewayError, ToolSpec
from dbx_gateway.transport.log_masks import LOGGERS

PROMPT = "the fox asks where the geese sleep"
OURS = ("dbx_gateway", "langchain_dbx_gateway", "llama_index_dbx_gateway")
ADD = ToolSpec(name="add", description="Adds.", parameters={"type": "object", "properties": {"a": {"type": "integer"}}})


class Kept(logging.Handler):
    """Keeps what every record says, its arguments and its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        self.said.append((record.name, f"{record.getMessage()} {record.__dict__!r} {trace}"))


@pytest.fixture
def log():
    """What all loggers say from now on, those included that hold their tongue or keep their words to themselves."""
    kept = Kept()
    root = logging.getLogger()
    loggers = [root, *(one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger))]
    before = [(one, one.level, one.propagate, one.disabled) for one in loggers]
    for one in loggers:
        one.setLevel(logging.DEBUG)
        one.propagate, one.disabled = True, False
    root.addHandler(kept)
    yield kept.said
    root.removeHandler(kept)
    for one, level, propagate, disabled in before:
        one.setLevel(level)
        one.propagate, one.disabled = propagate, disabled


def use(one) -> None:
    """Call everything, with and without success."""
    assert PROMPT in one.ask(PROMPT)
    assert PROMPT in "".join(one.said(item) for item in one.stream(PROMPT))
    one.vectors([PROMPT])

    async def main() -> None:
        await one.aask(PROMPT)
        assert [item async for item in await one.astream(PROMPT)]
        await one.avectors([PROMPT])

    asyncio.run(main(), debug=True)


def use_core(fields) -> None:
    client = Client(**fields)
    client.models()
    client.plan()
    client.chat(PROMPT, tools=[ADD], temperature=0.3, top_k=3)
    Client(**fields | {"model": "team-chat", "surface": "auto"}).chat(PROMPT)
    Client(**fields | {"surface": "auto"}).chat(PROMPT, max_tokens=3)
    with pytest.raises(DbxGatewayError):
        Client(**fields | {"model": "nobody"}).chat(PROMPT)


@promise("secret-logs")
@pytest.mark.parametrize("switch", ["", "requests", "bodies"])
def test_no_logger_tells_a_secret(front, signed_in, log, monkeypatch, switch):
    monkeypatch.setenv("DBX_GATEWAY_LOG", switch)
    use(front(**signed_in.fields))
    use_core(signed_in.fields)
    assert {name.partition(".")[0] for name, _ in log} >= {"httpcore", "httpx"}
    found = [(name, said) for name, said in log for secret in signed_in.secrets if holds(said, secret)]
    found += [(name, said) for name, said in log if holds_issued_token(said)]
    assert found == []


@promise("prompts-in-logs")
@pytest.mark.parametrize("switch", ["", "requests", "bodies"])
def test_our_loggers_tell_a_prompt_or_an_answer_only_if_bodies_are_asked_for(
    front, signed_in, log, monkeypatch, switch
):
    monkeypatch.setenv("DBX_GATEWAY_LOG", switch)
    use(front(**signed_in.fields))
    use_core(signed_in.fields)
    ours = [said for name, said in log if name.startswith(OURS)]
    told = [said for said in ours if holds(said, PROMPT)]
    assert bool(told) == (switch == "bodies")
    assert any("status=200" in said for said in ours) == (switch != "")


@promise("secret-logs")
@pytest.mark.parametrize("switch", ["requests", "bodies"])
def test_what_a_server_repeats_of_a_credential_is_masked_in_the_log(log, monkeypatch, switch):
    monkeypatch.setenv("DBX_GATEWAY_LOG", switch)
    token = "s3cret-token-of-no-known-shape"

    def reply(request: bytes) -> bytes:
        return answer(400, f"refused: {token}".encode(), "text/plain", x_request_id="req-7")

    with wire(reply) as host:
        client = Client(model="databricks-claude-x", host=host.url, token=token, surface="ai-gateway", max_retries=0)
        with pytest.raises(DbxGatewayError):
            client.chat(PROMPT)
        with pytest.raises(DbxGatewayError):
            list(client.stream(PROMPT))
    ours = [said for name, said in log if name.startswith(OURS)]
    assert any("status=400" in said for said in ours)
    assert [said for _, said in log if holds(said, token)] == []


def test_warnings_about_options_tell_no_prompt(signed_in, log):
    client = Client(**signed_in.fields | {"model": "databricks-gpt-5-2"})
    client.chat(PROMPT, temperature=0.1, top_k=5, seed=1, presence_penalty=0.5, reasoning_effort="high", tools=[ADD])
    warned = [said for name, said in log if name.startswith(OURS)]
    assert warned
    assert [said for said in warned if holds(said, PROMPT)] == []


ECHO = "s3cret-token-of-no-known-shape"
CHAT = '{"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "you said %s"}, "finish_reason": "stop"}]}'
STREAMED = 'data: {"choices": [{"index": 0, "delta": {"content": "you said %s"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


def _redirects_once(request: bytes) -> bytes:
    if b"?t=" in request.partition(b"\r\n")[0]:
        return answer(200, CHAT.encode())
    return redirect(307, f"/elsewhere?t={ECHO}")


ECHOES = {
    "a whole answer": lambda request: answer(200, (CHAT % ECHO).encode()),
    "a stream": lambda request: answer(200, (STREAMED % ECHO).encode(), "text/event-stream"),
    "a login page": lambda request: answer(200, f"<html><title>{ECHO}</title></html>".encode(), "text/html"),
    "an error inside a 200": lambda request: answer(
        200, b'{"error_code": "BAD_REQUEST", "message": "%s"}' % ECHO.encode()
    ),
    "a refusal": lambda request: answer(400, b'{"error_code": "BAD_REQUEST", "message": "%s"}' % ECHO.encode()),
    "a header": lambda request: answer(200, CHAT.encode(), x_echo=ECHO, set_cookie=f"s={ECHO}"),
    "a request id": lambda request: answer(200, CHAT.encode(), x_request_id=ECHO),
    "the request id of a stream": lambda request: answer(
        200, STREAMED.encode(), "text/event-stream", x_request_id=ECHO
    ),
    "the request id of a refusal": lambda request: answer(400, b'{"message": "no"}', x_request_id=ECHO),
    "a redirect within the host": _redirects_once,
    "a redirect elsewhere": lambda request: redirect(307, f"https://evil.example/?t={ECHO}"),
    "no HTTP": lambda request: f"{ECHO}\r\n\r\n".encode(),
    "a broken body": lambda request: (
        f"HTTP/1.1 200 T\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{ECHO}\r\n".encode()
    ),
}


@promise("secret-logs")
@pytest.mark.parametrize("switch", ["", "requests", "bodies"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("echo", ECHOES)
def test_no_log_shows_a_token_wherever_a_server_repeats_it(log, monkeypatch, echo, asynchronous, switch):
    monkeypatch.setenv("DBX_GATEWAY_LOG", switch)

    async def ask(fields) -> None:
        one = AsyncClient(**fields)
        with suppress(DbxGatewayError):
            await one.chat(PROMPT)
        with suppress(DbxGatewayError):
            assert [event async for event in one.stream(PROMPT)]

    with wire(ECHOES[echo]) as host:
        fields = {
            "model": "databricks-llama-x",
            "host": host.url,
            "token": ECHO,
            "surface": "model-serving",
            "max_retries": 0,
        }
        if asynchronous:
            asyncio.run(ask(fields))
        else:
            client = Client(**fields)
            with suppress(DbxGatewayError):
                client.chat(PROMPT)
            with suppress(DbxGatewayError):
                list(client.stream(PROMPT))
        assert host.requests
    assert {name.partition(".")[0] for name, _ in log} >= {"httpcore", "httpx"} - (
        {"httpx"} if echo == "no HTTP" else set()
    )
    assert [(name, said) for name, said in log if name != "asyncio" and holds(said, ECHO)] == []


@promise("secret-logs")
def test_every_logger_of_the_http_library_is_masked():
    spoken = {
        found
        for package in (httpcore, httpx)
        for path in Path(package.__file__).parent.rglob("*.py")
        for found in re.findall(r'getLogger\("([\w.]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert spoken == set(LOGGERS)


def test_what_another_program_part_logs_through_httpx_is_left_as_it_is(log):
    logging.getLogger("httpx").info("HTTP Request: %s %s", "GET", "https://elsewhere.example/?t=another")
    assert any("https://elsewhere.example/?t=another" in said for _, said in log)
