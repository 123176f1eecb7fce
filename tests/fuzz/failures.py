"""What a server says when it fails, and hosts as they are pasted."""

from __future__ import annotations

import math
import pickle
import re

import httpx
from fuzz.target import Target
from pydantic_core import from_json, to_json

from dbx_gateway import error_bodies
from dbx_gateway.call.retries import is_transient
from dbx_gateway.error_bodies import (
    TOKEN_PATTERN,
    RequestTarget,
    api_error,
    error_event,
    read_error_body,
    request_id_of,
    retry_after_of,
)
from dbx_gateway.errors import APIError, ConfigurationError
from dbx_gateway.transport import hosts
from dbx_gateway.transport.hosts import is_loopback, normalise_host, origin_of

__all__ = ["TARGETS"]

_ASKED = RequestTarget("m", "model-serving chat-completions https://w/serving-endpoints/chat/completions")
_CREDENTIAL = re.compile(TOKEN_PATTERN)


def _error_body(data: bytes) -> None:
    words = read_error_body(data)
    assert len(words.message) <= 2002
    assert len(words.code or "") <= 2000
    assert words.message.isprintable()
    assert _CREDENTIAL.search(words.message) is None
    assert words.retry_after is None or 0 <= words.retry_after < math.inf
    for status in (None, 200, 302, 400, 401, 429, 503):
        error = api_error(status, {}, data, _ASKED)
        assert isinstance(error, APIError)
        assert error.status is None or 100 <= error.status < 600
        assert str(error).isprintable()
        assert is_transient(error) in (True, False)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
    try:
        value = from_json(data)
    except ValueError:
        return
    assert read_error_body(value) == words
    if isinstance(value, dict):
        assert error_event(value) in (True, False)
        assert error_event(value, "error") in (True, False)
    assert read_error_body(to_json({"error": value})).message.isprintable()


def _retry_after(data: bytes) -> None:
    text = data.decode("latin-1")
    for name in ("retry-after", "retry-after-ms"):
        wait = retry_after_of({name: text})
        assert wait is None or 0 <= wait < math.inf
    assert request_id_of({"x-request-id": text}) == text
    body = to_json({"message": "x", "retry_after": text})
    wait = read_error_body(body).retry_after
    assert wait is None or 0 <= wait < math.inf


def _host(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    host = normalise_host(text)
    assert normalise_host(host) == host
    scheme, name, port = origin_of(host)
    assert scheme == "https" or is_loopback(name)
    try:
        sent = httpx.URL(f"{host}/serving-endpoints/m/invocations")
    except httpx.InvalidURL:
        return  # what the transport reports as a setting that is wrong
    assert (sent.scheme, {"https": 443, "http": 80}[scheme] if sent.port is None else sent.port) == (scheme, port)
    assert sent.raw_host.decode("ascii").encode("idna")  # what looks the name up does this
    assert sent.path == "/serving-endpoints/m/invocations"
    assert not sent.userinfo


TARGETS = (
    Target(
        name="error-body",
        form="json",
        run=_error_body,
        read=lambda data: api_error(500, {}, data, _ASKED),
        seeds=(
            b'{"error_code": "BAD_REQUEST", "message": "no", "request_id": "r", "details": []}',
            b'{"error": {"message": "no", "type": "invalid_request_error", "code": null, "param": "x"}}',
            b'{"type": "error", "error": {"type": "overloaded_error", "message": "no"}, "request_id": "r"}',
            b'[{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "no", "retry_after": "3"}}]',
            b'{"error_code": "X", "message": "{\\"error\\": {\\"message\\": \\"{\\\\\\"detail\\\\\\": \\\\\\"no\\\\\\"}\\"}}"}',
            b'{"detail": [{"loc": ["body"], "msg": "no"}], "http_status_code": "422"}',
            b"<html><head><title>502</title></head><body><pre>no &lt;x&gt;</pre></body></html>",
            b"REQUEST_LIMIT_EXCEEDED: slow down, Bearer dapi0123456789abcdef eyJhbGci.eyJzdWI.sig",
            b'"no"',
        ),
        modules=(error_bodies,),
    ),
    Target(
        name="retry-after",
        form="text",
        run=_retry_after,
        read=lambda data: retry_after_of({"retry-after": data.decode("latin-1")}),
        seeds=(b"3", b"0.5", b"Wed, 21 Oct 2015 07:28:00 GMT", b"Sun Nov  6 08:49:37 1994", b"21 Oct 2015 07:28 -0800"),
    ),
    Target(
        name="host",
        form="text",
        run=_host,
        read=lambda data: normalise_host(data.decode("utf-8", "replace")),
        raises=(ConfigurationError,),
        seeds=(
            b"adb-1.2.azuredatabricks.net",
            b"https://w.cloud.databricks.com/?o=123#x",
            b"https://1.ai-gateway.cloud.databricks.com/anthropic/v1/messages",
            b"http://localhost:8080/serving-endpoints",
            b"https://user:secret@w.example/ai-gateway/mlflow/v1",
            b"http://[::1]:80/",
            b"https://127.0.0.1:443/serving-endpoints/chat/completions",
        ),
        modules=(hosts,),
    ),
)
