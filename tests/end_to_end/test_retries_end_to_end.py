"""What is sent again after which failure, and how often."""

from __future__ import annotations

import asyncio

import pytest
from end_to_end.raw_host import raw_host
from end_to_end.site import CLAUDE, GPT, NATIVE
from support.pacing import noted_pauses
from support.promises import promise

from dbx_gateway import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AsyncClient,
    AuthenticationError,
    BadRequestError,
    Client,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    fold,
)

WAYS = pytest.mark.parametrize("way", ["sync", "async"])
FORMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
pytestmark = pytest.mark.usefixtures("quick_retries")


async def ask(way, fields, *, stream=False):
    """Ask for an answer in one of the four ways."""

    def from_a_thread():
        client = Client(**fields)
        return fold(client.stream("Hello")) if stream else client.chat("Hello")

    if way == "sync":
        return await asyncio.to_thread(from_a_thread)
    client = AsyncClient(**fields)
    if stream:
        return fold([event async for event in client.stream("Hello")])
    return await client.chat("Hello")


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that a client makes, none of which is waited for."""
    with noted_pauses(monkeypatch) as made:
        yield made


@FORMS
@WAYS
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
async def test_a_passing_failure_is_sent_again_until_it_passes(site, status, way, stream):
    site.fail(where="/ai-gateway/", status=status, times=2)
    answer = await ask(way, site.fields(surface="ai-gateway"), stream=stream)
    assert answer.text == "You said: Hello"
    assert site.statuses() == [status, status, 200]
    assert len(answer.exchange.attempts) == 3


@FORMS
@WAYS
async def test_a_failure_that_stays_is_raised_after_one_send_and_the_retries(site, way, stream):
    site.fail(where="/ai-gateway/", status=500, times=None)
    with pytest.raises(ServerError) as caught:
        await ask(way, site.fields(surface="ai-gateway", max_retries=3), stream=stream)
    assert caught.value.status == 500
    assert site.statuses() == [500] * 4


@FORMS
@WAYS
@pytest.mark.parametrize(("status", "kind"), [(429, RateLimitError), (503, ServerError)])
async def test_a_refusal_for_load_counts_as_no_retry_and_is_raised_when_the_time_is_over(
    site, pauses, way, stream, status, kind
):
    site.fail(where="/ai-gateway/", status=status, times=None)
    with pytest.raises(kind) as caught:
        await ask(way, site.fields(surface="ai-gateway", max_retries=1, total_timeout=5.5), stream=stream)
    assert caught.value.status == status
    assert site.statuses() == [status] * 6
    assert [round(pause, 1) for pause in pauses] == [1.0] * 5 + [0.5]


@WAYS
async def test_without_a_total_timeout_a_refused_call_waits_two_minutes(site, pauses, way):
    site.fail(where="/ai-gateway/", status=429, headers={"Retry-After": "50"}, times=None)
    with pytest.raises(RateLimitError) as caught:
        await ask(way, site.fields(surface="ai-gateway"))
    assert caught.value.retry_after == 50.0
    assert site.statuses() == [429] * 3
    assert pauses == [50.0, 50.0]


@FORMS
@WAYS
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "BAD_REQUEST", BadRequestError),
        (401, "UNAUTHENTICATED", AuthenticationError),
        (403, "PERMISSION_DENIED", PermissionDeniedError),
        (404, "model_not_found", NotFoundError),
    ],
)
@pytest.mark.parametrize("api", NATIVE)
async def test_a_refusal_inside_an_answer_is_raised_as_what_it_means_and_not_sent_again(
    site, api, status, code, kind, way, stream
):
    for begun in (0, 1):
        site.fail(where="/serving-endpoints/", error_after=begun, error_status=status, error_code=code)
        with pytest.raises(kind) as caught:
            await ask(way, site.fields(NATIVE[api], surface="model-serving", api=api), stream=stream)
        assert (type(caught.value), caught.value.status) == (kind, status)
    assert len(site.posts()) == 2


@FORMS
@WAYS
@pytest.mark.parametrize(("status", "code"), [(429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL_ERROR")])
@pytest.mark.parametrize("api", NATIVE)
async def test_a_passing_failure_in_place_of_an_answer_is_sent_again(site, api, status, code, way, stream):
    site.fail(where="/serving-endpoints/", error_after=0, error_status=status, error_code=code, times=2)
    answer = await ask(way, site.fields(NATIVE[api], surface="model-serving", api=api), stream=stream)
    assert answer.text == "You said: Hello"
    assert len(site.posts()) == 3


@WAYS
async def test_without_retries_a_request_is_sent_once(site, way):
    site.fail(where="/ai-gateway/", status=503)
    with pytest.raises(ServerError):
        await ask(way, site.fields(surface="ai-gateway", max_retries=0))
    assert site.statuses() == [503]


def test_retries_may_be_set_for_one_call(site):
    site.fail(where="/ai-gateway/", status=503)
    with pytest.raises(ServerError):
        site.client(surface="ai-gateway").chat("Hello", max_retries=0)
    assert site.statuses() == [503]


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After-Ms": "250"}, 0.25),
        ({"Retry-After": "7", "Retry-After-Ms": "1500"}, 1.5),
        ({"Retry-After": "120"}, 120.0),
    ],
)
def test_the_servers_word_on_when_to_try_again_is_kept(site, pauses, headers, pause):
    site.fail(where="/ai-gateway/", status=429, headers=headers)
    site.client(surface="ai-gateway").chat("Hello")
    assert pauses == [pause]
    assert site.statuses() == [429, 200]


def test_a_date_on_which_to_try_again_is_kept(site, pauses):
    site.fail(where="/ai-gateway/", status=503, headers={"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"})
    site.client(surface="ai-gateway").chat("Hello")
    assert pauses == []
    assert site.statuses() == [503, 200]


async def test_an_event_loop_keeps_the_servers_word_too(site):
    site.fail(where="/ai-gateway/", status=429, headers={"Retry-After-Ms": "60"})
    loop = asyncio.get_running_loop()
    began = loop.time()
    await site.async_client(surface="ai-gateway").chat("Hello")
    assert loop.time() - began >= 0.06
    assert site.statuses() == [429, 200]


@promise("long-waits")
def test_a_server_that_asks_for_more_than_two_minutes_gets_no_retry(site, pauses):
    site.fail(where="/ai-gateway/", status=429, headers={"Retry-After": "3600"})
    with pytest.raises(RateLimitError) as caught:
        site.client(surface="ai-gateway").chat("Hello")
    assert caught.value.retry_after == 3600.0
    assert pauses == []
    assert site.statuses() == [429]


def test_pauses_without_a_word_of_the_server_grow(site, pauses, monkeypatch):
    monkeypatch.setattr("dbx_gateway.call.retries._FIRST_PAUSE", 0.5)
    site.fail(where="/ai-gateway/", status=500, times=3)
    site.client(surface="ai-gateway", max_retries=3).chat("Hello")
    for pause, most in zip(pauses, [0.5, 1.0, 2.0], strict=True):
        assert most * 0.75 <= pause <= most


@FORMS
@WAYS
@pytest.mark.parametrize(("status", "kind"), [(400, BadRequestError), (403, APIError), (413, BadRequestError)])
async def test_a_request_that_is_at_fault_is_sent_once(site, status, kind, way, stream):
    site.fail(where="/ai-gateway/", status=status, error_code="BAD_REQUEST", times=None)
    with pytest.raises(kind):
        await ask(way, site.fields(surface="ai-gateway"), stream=stream)
    assert site.statuses() == [status]


@FORMS
@WAYS
async def test_a_request_that_is_not_answered_in_time_is_sent_once(site, way, stream):
    site.fail(where="/ai-gateway/", stall=5.0, times=None)
    with pytest.raises(APITimeoutError, match="no byte for"):
        await ask(way, site.fields(surface="ai-gateway", timeout=0.15), stream=stream)
    site.heal()
    assert len(site.posts()) == 1


@WAYS
async def test_a_transient_code_counts_whatever_the_status(site, way):
    site.fail(where="/ai-gateway/", status=403, error_code="REQUEST_LIMIT_EXCEEDED")
    await ask(way, site.fields(surface="ai-gateway"))
    assert site.statuses() == [403, 200]


@WAYS
async def test_each_candidate_has_its_own_retries(site, way):
    site.fail(where="/openai/", status=503, times=2)
    site.fail(where="/openai/", status=404, times=None)
    site.fail(where="/codex/", status=503, times=2)
    answer = await ask(way, site.fields(GPT, surface="ai-gateway"))
    assert site.statuses() == [503, 503, 404, 503, 503, 200]
    assert len(answer.exchange.attempts) == 6


@WAYS
async def test_a_connection_that_breaks_before_the_answer_is_made_anew(way):
    answered = b'{"type":"message","id":"m","role":"assistant","model":"x","content":[{"type":"text","text":"Hi"}],'
    answered += b'"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answered)
    sends = []

    def breaks_once(send, left):
        sends.append(1)
        if len(sends) == 1:
            raise ConnectionResetError
        send(head + answered)

    with raw_host(breaks_once) as host:
        url = f"{host.url}/ai-gateway/anthropic/v1/messages"
        answer = await ask(way, {"model": CLAUDE, "endpoint_url": url, "token": "dapi-x"})
    assert answer.text == "Hi"
    assert len(sends) == 2


@WAYS
async def test_an_answer_that_breaks_off_in_its_middle_is_not_asked_for_again(site, way):
    site.fail(where="/ai-gateway/", cut_after=100)
    with pytest.raises(APIConnectionError, match="connection broke") as caught:
        await ask(way, site.fields(surface="ai-gateway"))
    assert not isinstance(caught.value, APITimeoutError)
    assert site.statuses() == [200]


@WAYS
async def test_a_connection_that_is_refused_is_tried_as_often_as_allowed(way, monkeypatch):
    import socket

    tries = []
    real = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: (tries.append(address), real(self, address))[1])
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        host = f"http://127.0.0.1:{port}"
        with pytest.raises(APIConnectionError):
            await ask(way, {"model": CLAUDE, "host": host, "token": "t", "surface": "ai-gateway", "max_retries": 3})
    assert [address for address in tries if address[1] == port] == [("127.0.0.1", port)] * 4
