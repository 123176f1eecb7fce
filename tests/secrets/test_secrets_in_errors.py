"""No error shows a credential, whatever the server repeats: in no text, field, pickle, traceback or frame of the chain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pickle
import socket

import pytest
from support.promises import promise
from support.recording_host import answer, signs_in, wire
from support.secret_finding import chain, frames, holds, told

from dbx_gateway import AsyncClient, Client, DbxGatewayError
from dbx_gateway.chat import user

TOKEN = "s3cret-token-of-no-known-shape"
HEADER = "s3cret-of-a-header"
PROMPT = "the fox asks where the geese sleep"
ANSWER = "the geese sleep on the lake"


def echo(request: bytes) -> str:
    """Return the headers of a request, as debug pages of servers show them; but for the caller's own."""
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return "\r\n".join(line for line in lines if "x-team-key" not in line)


def event(data: dict) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def half_an_answer(request: bytes) -> bytes:
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ANSWER}}]}
    return answer(200, event(chunk), "text/event-stream")


def error_in_a_stream(request: bytes) -> bytes:
    return answer(200, event({"error_code": "INTERNAL_ERROR", "message": echo(request)}), "text/event-stream")


def broken_json(request: bytes) -> bytes:
    return answer(200, b'{"choices": [{"message": {"content": "' + ANSWER.encode())


FAILURES = {
    "a 401 that repeats the credential": lambda request: answer(401, json.dumps({"message": echo(request)}).encode()),
    "a 403 that repeats it as text": lambda request: answer(403, echo(request).encode(), "text/plain"),
    "a 400 that repeats it in its code": lambda request: answer(
        400, json.dumps({"error": {"type": TOKEN, "code": TOKEN, "message": f"bad {TOKEN}"}}).encode()
    ),
    "a 500 that repeats it as a page": lambda request: answer(
        500, f"<html><title>Error</title><body>{echo(request)}</body></html>".encode(), "text/html"
    ),
    "a request id that repeats it": lambda request: answer(429, b"{}", x_request_id=TOKEN, retry_after="1000000"),
    "a 200 that is a text": lambda request: answer(200, f"seen: {TOKEN}".encode(), "text/plain"),
    "a 200 that is broken": broken_json,
    "an error in a stream that repeats it": error_in_a_stream,
    "a stream that ends too early": half_an_answer,
    "an answer that breaks off": lambda request: answer(200, b"{}").replace(b"length: 2", b"length: 99"),
    "no HTTP at all": lambda request: b"\x00\x01\x02\r\n\r\n",
    "a broken compression": lambda request: answer(200, b"no gzip", content_encoding="gzip"),
    "a redirect elsewhere": lambda request: (
        b"HTTP/1.1 307 T\r\nlocation: https://x.example/\r\ncontent-length: 0\r\n\r\n"
    ),
    "a redirect to nowhere": lambda request: b"HTTP/1.1 307 T\r\nlocation: http://[\r\ncontent-length: 0\r\n\r\n",
    "a connection that is closed": lambda request: b"",
}

WAYS = ("whole", "stream", "async whole", "async stream", "vectors", "async vectors")


def fields(url: str, **more) -> dict:
    return {
        "model": "databricks-meta-llama-3-3-70b-instruct",
        "host": url,
        "token": TOKEN,
        "surface": "model-serving",
        "default_headers": {"x-team-key": HEADER},
        "max_retries": 0,
        **more,
    }


async def fail(one, way: str) -> BaseException:
    """Return the error with which a call fails."""

    async def call() -> None:
        match way:
            case "whole":
                one.ask(PROMPT)
            case "stream":
                list(one.stream(PROMPT))
            case "async whole":
                await one.aask(PROMPT)
            case "async stream":
                [_ async for _ in await one.astream(PROMPT)]
            case "vectors":
                one.vectors([PROMPT])
            case _:
                await one.avectors([PROMPT])

    with pytest.raises(DbxGatewayError) as caught:
        await call()
    return caught.value


def check(error: BaseException) -> None:
    """Fail if anything of an error, or of what it hangs on, holds what it must not."""
    secrets = (TOKEN, HEADER)
    assert [(name, secret) for name, data in told(error) for secret in secrets if holds(data, secret)] == []
    assert [(name, secret) for name, data in frames(error) for secret in secrets if holds(data, secret)] == []
    stored = [(name, data) for name, data in told(error) if "traceback" not in name and "held" not in name]
    said = [(name, text) for name, data in stored for text in (PROMPT, ANSWER) if holds(data, text)]
    assert [found for found in said if not found[0].endswith("vars")] == []


@promise("secret-errors")
@pytest.mark.parametrize("failure", FAILURES)
async def test_no_error_of_a_call_shows_a_secret_or_what_was_said(front, failure):
    with wire(FAILURES[failure]) as host:
        one = front(**fields(host.url))
        for way in WAYS:
            check(await fail(one, way))
        assert host.requests[0].count(TOKEN.encode()) == 1


@promise("secret-errors")
async def test_no_error_of_a_connection_shows_a_secret(front):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        silent = front(**fields(url, timeout=0.05))
        for way in WAYS:
            check(await fail(silent, way))
        overdue = front(**fields(url, total_timeout=0.05))
        for way in WAYS:
            check(await fail(overdue, way))
    refused = front(**fields(url))
    for way in WAYS:
        check(await fail(refused, way))


@promise("secret-errors")
async def test_the_cause_of_an_error_has_no_frames_of_the_http_library(front):
    """Its frames hold the headers and the body of the request, and crash reporters send local variables along."""
    with wire(lambda request: b"") as host:
        error = await fail(front(**fields(host.url)), "whole")
    causes = [one for one in chain(error) if not isinstance(one, DbxGatewayError)]
    assert causes != []
    assert [one.__traceback__ for one in causes] == [None] * len(causes)
    assert [set(one.request.headers) for one in causes if hasattr(one, "_request")] == [{"host", "content-length"}]


@promise("secret-errors")
async def test_a_token_of_an_oauth_sign_in_is_masked_where_the_server_repeats_it(monkeypatch):
    def reply(request: bytes) -> bytes:
        issued = {"access_token": f"issued-{len(host.requests)}-of-no-known-shape", "token_type": "Bearer"}
        found = next((told for path, told in signs_in(host.url).items() if path in request), None)
        if found is not None:
            return answer(200, json.dumps(found or issued | {"expires_in": 3600}).encode())
        return answer(401, json.dumps({"message": echo(request)}).encode())

    with wire(reply) as host:
        monkeypatch.setenv("DATABRICKS_HOST", host.url)
        monkeypatch.setenv("DATABRICKS_CLIENT_ID", "principal")
        monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", TOKEN)
        client = Client(model="databricks-meta-llama-3-3-70b-instruct", surface="model-serving")
        with pytest.raises(DbxGatewayError) as caught:
            client.chat(PROMPT)
        sent = [request for request in host.requests if b"Bearer issued-" in request]
        assert len(sent) == 2
    assert "***" in str(caught.value)
    check(caught.value)
    assert [name for name, data in [*told(caught.value), *frames(caught.value)] if holds(data, "issued-")] == []


BAD_SETTINGS = {
    "a token with a blank in it": {"token": f"{TOKEN} x"},
    "a token under its other name": {"token": None, "api_key": f"{TOKEN} x"},
    "a wrong setting beside it": {"temprature": 1},
    "a wrong value beside it": {"temperature": "warm"},
    "a wrong host beside it": {"host": "http://workspace.example.com"},
    "another credential beside it": {"config_profile": "team"},
    "a header that HTTP cannot carry": {"default_headers": {"x-team-key": f"{HEADER}\n"}},
    "a header that is ours": {"default_headers": {"authorization": HEADER}},
}


@promise("secret-settings")
@pytest.mark.parametrize("wrong", BAD_SETTINGS)
async def test_no_error_of_a_setting_shows_a_secret(front, wrong):
    given = {name: value for name, value in (fields("http://127.0.0.1:9") | BAD_SETTINGS[wrong]).items() if value}
    with pytest.raises(DbxGatewayError) as caught:
        front(**given).ask(PROMPT)
    secrets = (TOKEN, HEADER) if "header" not in wrong else (TOKEN,)
    for secret in secrets:
        assert [name for name, data in told(caught.value) if holds(data, secret)] == []
        seen = [name for name, data in frames(caught.value) if holds(data, secret)]
        assert [name for name in seen if secret == TOKEN] == []


@promise("secret-settings")
def test_no_error_of_the_environment_shows_a_secret(monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", "http://workspace.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    with pytest.raises(DbxGatewayError) as caught:
        Client(model="m").chat("Hello")
    check(caught.value)
    monkeypatch.setenv("DATABRICKS_HOST", "https://workspace.example.com")
    monkeypatch.setenv("DATABRICKS_TOKEN", f"{TOKEN} with blanks")
    with pytest.raises(DbxGatewayError) as caught:
        Client(model="m").chat("Hello")
    check(caught.value)


def test_a_pickled_error_is_the_same_error_without_what_had_arrived():
    with wire(half_an_answer) as host:
        client = Client(**fields(host.url))
        with pytest.raises(DbxGatewayError) as caught:
            list(client.stream(PROMPT))
    assert caught.value.partial.text == ANSWER
    loaded = pickle.loads(pickle.dumps(caught.value))
    assert type(loaded) is type(caught.value)
    assert (str(loaded), loaded.status, loaded.model) == (str(caught.value), 200, caught.value.model)
    assert loaded.partial is None


@pytest.mark.parametrize("part", ["a text", "a role"])
def test_a_conversation_that_is_refused_is_not_repeated(part, monkeypatch):
    messages = [user("")] if part == "a text" else [user(PROMPT), user("")]
    client = Client(**fields("http://127.0.0.1:9"))
    with pytest.raises(DbxGatewayError) as caught:
        client.chat(messages)
    check(caught.value)


async def test_an_error_that_several_callers_share_shows_no_secret_to_any():
    with wire(lambda request: answer(500, echo(request).encode(), "text/plain")) as host:
        client = AsyncClient(**fields(host.url, model="databricks-claude-sonnet-4-5", surface="auto"))
        failed = await asyncio.gather(*(client.chat(PROMPT) for _ in range(5)), return_exceptions=True)
    for error in failed:
        check(error)


def test_a_logged_error_shows_no_secret(caplog):
    import logging

    with wire(FAILURES["a 401 that repeats the credential"]) as host, contextlib.suppress(DbxGatewayError):
        try:
            Client(**fields(host.url)).chat(PROMPT)
        except DbxGatewayError:
            logging.getLogger("an application").exception("the call failed")
            raise
    assert "the call failed" in caplog.text
    assert "401" in caplog.text
    assert TOKEN not in caplog.text
