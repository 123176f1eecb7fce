"""What is sent again after which failure: each row of the table in the documentation, for models and for agents."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from faults.cases_statuses import KINDS
from support.promises import promise
from support.sent_again import ROWS, STATUSES_SENT_AGAIN, Row

from dbx_gateway import AsyncClient, Client, DbxGatewayError, Observations, fold
from dbx_gateway.call.pacing import PacingRules

HOST = "https://w.example.com"
CHAT = {
    "id": "c1",
    "object": "chat.completion",
    "model": "m",
    "created": 1,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
}
MESSAGE = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
RESPONSE = {
    "id": "r1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "i1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": []}],
        }
    ],
}

MODEL = {"model": "databricks-claude-sonnet-4-5", "surface": "model-serving", "temperature": 0.5}
AGENTS: dict[str, dict[str, Any]] = {
    "by its family": {"model": "my-helper", "family": "agent", "surface": "model-serving", "temperature": 0.5},
    "by its task": {"model": "my-helper", "surface": "model-serving", "temperature": 0.5},
    "by the URL of an App": {"model": "my-helper", "endpoint_url": "https://a-1.aws.databricksapps.com/responses"},
    "perhaps, at a URL": {"model": "my-helper", "endpoint_url": f"{HOST}/serving-endpoints/my-helper/invocations"},
    "perhaps, for nothing is known": {"model": "dark", "surface": "model-serving", "temperature": 0.5},
}


def answer(request: httpx.Request) -> httpx.Response:
    """Answer as a workspace in which all is well."""
    if request.method == "GET":
        known = request.url.path.endswith("/my-helper")
        return (
            httpx.Response(200, json={"name": "my-helper", "task": "agent/v1/responses"})
            if known
            else httpx.Response(500)
        )
    if request.url.path.endswith("/messages"):
        return httpx.Response(200, json=MESSAGE)
    return httpx.Response(200, json=RESPONSE if request.url.path.endswith("/responses") else CHAT)


class Breaks(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"id": '
        msg = "broken"
        raise httpx.RemoteProtocolError(msg)

    async def __aiter__(self):
        for chunk in self:
            yield chunk


def status(number: int, code: str = "SOME_CODE", message: str = "no", **headers: str) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(number, json={"error_code": code, "message": message}, headers=headers)


def raises(error: httpx.HTTPError) -> Callable[[], httpx.Response]:
    def fail() -> httpx.Response:
        raise error

    return fail


def refusal_that_breaks_off() -> httpx.Response:
    return httpx.Response(502, stream=Breaks(), headers={"content-length": "100"})


FAULTS: dict[str, tuple[Callable[[], httpx.Response], ...]] = {
    "no connection": (
        raises(httpx.ConnectError("no")),
        raises(httpx.ConnectTimeout("no")),
        raises(httpx.PoolTimeout("no")),
    ),
    "429": (status(429), status(429, **{"retry-after": "0"})),
    "503 with a wait": (status(503, **{"retry-after": "0"}),),
    "503": (status(503),),
    **{str(number): (status(number), status(number, **{"retry-after": "0"})) for number in STATUSES_SENT_AGAIN},
    "502": (status(502), refusal_that_breaks_off),
    "broken before the headers": (raises(httpx.RemoteProtocolError("gone")), raises(httpx.ReadError("reset"))),
    "a limit inside an answer": (
        lambda: httpx.Response(200, json={"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "of my own model"}),
    ),
    "401": (status(401),),
    "token by words": (status(403, "403", "Invalid access token."), status(400, "400", "Invalid Token")),
    "400 of a model's failure": (status(400, "BAD_REQUEST", "Wrong format. Please consider retrying, or ask simply."),),
    "400 of a field": (
        status(400, "BAD_REQUEST", "temperature: Extra inputs are not permitted"),
        status(422, "BAD_REQUEST", "temperature: Extra inputs are not permitted"),
    ),
    "404": (status(404, "NOT_FOUND"),),
    "501": (status(501), status(400, "RESOURCE_DOES_NOT_EXIST")),
    "307": (status(307, location="/other/responses"), status(308, location="/other/responses")),
    "302": (status(302, location="/other/responses"), status(301, location="/other/responses")),
    "silence": (raises(httpx.ReadTimeout("silent")), raises(httpx.WriteTimeout("slow"))),
    "broken after the headers": (
        lambda: httpx.Response(200, stream=Breaks()),
        lambda: httpx.Response(200, text="<html>"),
    ),
    "any other": tuple(
        status(number)
        for number in (*KINDS, 425, 505, 507, 599)
        if number not in (*STATUSES_SENT_AGAIN, 401, 404, 429, 501, 503)
    ),
}


class Renewed:
    """An object with a token that is another one each time."""

    host = HOST

    def __init__(self) -> None:
        self._tokens = itertools.count()

    def authenticate(self) -> dict[str, str]:
        return {"Authorization": f"Bearer token-{next(self._tokens)}"}


def credentials(url: str | None) -> dict[str, Any]:
    """Return credentials that give something new each time they are asked, where the host may have them."""
    if url is not None and "databricksapps" in url:
        return {"token": "oauth-token"}
    return {"sdk_config": Renewed()}


async def sent(fields: dict[str, Any], fault: Callable[[], httpx.Response], way: str) -> tuple[int, object]:
    """Return how many requests were sent for one call whose first is met by ``fault``, and how the call ended."""
    posts = 0

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal posts
        posts += request.method == "POST"
        return fault() if posts == 1 and request.method == "POST" else answer(request)

    async def handle_async(request: httpx.Request) -> httpx.Response:
        return handle(request)

    fields = {
        **fields,
        **credentials(fields.get("endpoint_url")),
        "observations": Observations(pacing=QUICK),
        "max_retries": 1,
    }
    outcome: object
    try:
        if way == "sync":
            with httpx.Client(transport=httpx.MockTransport(handle)) as http:
                outcome = Client(**fields, http_client=http).chat("hi")
        else:
            async with httpx.AsyncClient(transport=httpx.MockTransport(handle_async)) as http:
                client = AsyncClient(**fields, http_async_client=http)
                outcome = (
                    await client.chat("hi") if way == "async" else fold([event async for event in client.stream("hi")])
                )
    except DbxGatewayError as error:
        outcome = error
    return posts, outcome


QUICK = PacingRules(second=0.001)
EACH_ROW = pytest.mark.parametrize("row", ROWS, ids=[row.key for row in ROWS])
pytestmark = pytest.mark.usefixtures("quick_retries")


def test_every_row_of_the_table_has_its_faults():
    assert {row.key for row in ROWS} == set(FAULTS)


@promise("sent-once")
@EACH_ROW
@pytest.mark.parametrize("way", ["sync", "async", "streamed"])
async def test_a_models_request_is_sent_as_the_table_says(row: Row, way: str):
    for fault in FAULTS[row.key]:
        posts, outcome = await sent(MODEL, fault, way)
        assert posts == (1 if row.model == "once" else 2), outcome


@promise("agents-once")
@EACH_ROW
@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("way", ["sync", "streamed"])
async def test_an_agents_request_is_sent_as_the_table_says(row: Row, agent: str, way: str):
    fields = AGENTS[agent]
    alone = row.agent == "on the next route" and agent.startswith(("by the URL", "perhaps"))  # they have no other
    alone = alone or (row.agent == "once more" and "databricksapps" in str(fields.get("endpoint_url")))  # one token
    for fault in FAULTS[row.key]:
        posts, outcome = await sent(fields, fault, way)
        assert posts == (1 if row.agent == "once" or alone else 2), outcome
        if row.agent == "once":
            assert isinstance(outcome, DbxGatewayError)
            assert not outcome.retryable  # frameworks make calls again by this
