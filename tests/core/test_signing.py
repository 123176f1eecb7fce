"""Which headers a request is signed with, and what follows where they are refused."""

import pickle
from contextlib import nullcontext

import httpx
import pytest
from core.sign_in import HOST, GivenConfig, bearer

from dbx_gateway.auth.signing import CredentialsAuth, resolve
from dbx_gateway.errors import (
    AuthenticationError,
    ConfigurationError,
)


def sent_by(auth: CredentialsAuth, url: str, *statuses: int) -> tuple[httpx.Response, list[httpx.Request]]:
    """Send one GET that is answered with ``statuses``, and return the response and what was sent."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(httpx.Request(request.method, request.url, headers=dict(request.headers)))
        return httpx.Response(statuses[len(sent) - 1], json={"message": "go away"}, headers={"x-request-id": "r1"})

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        return client.get(url, auth=auth), sent


def test_all_headers_that_the_sdk_gives_are_sent():
    headers = {**bearer("a"), "X-Databricks-GCP-SA-Access-Token": "b"}
    _, sent = sent_by(CredentialsAuth(resolve(sdk_config=GivenConfig(HOST, headers))), f"{HOST}/x", 200)
    assert sent[0].headers["authorization"] == "Bearer a"
    assert sent[0].headers["x-databricks-gcp-sa-access-token"] == "b"


def test_headers_are_asked_for_anew_for_every_request():
    auth = CredentialsAuth(resolve(sdk_config=GivenConfig(HOST, bearer("a"), bearer("b"))))
    tokens = [sent_by(auth, f"{HOST}/x", 200)[1][0].headers["authorization"] for _ in range(3)]
    assert tokens == ["Bearer a", "Bearer b", "Bearer b"]


def test_the_workspace_id_of_the_environment_goes_with_a_static_token():
    environ = {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": "t", "DATABRICKS_WORKSPACE_ID": "77"}
    auth = CredentialsAuth(resolve(environ=environ))
    _, sent = sent_by(auth, f"{HOST}/x", 200)
    assert sent[0].headers["x-databricks-workspace-id"] == "77"


@pytest.mark.parametrize(
    "url", ["https://evil.example.com/x", "https://ws.example.com:8443/x", "http://ws.example.com/x"]
)
def test_nothing_is_sent_to_an_origin_the_credentials_are_not_for(url):
    with pytest.raises(ConfigurationError, match=r"are for https://ws\.example\.com; give token= for that host"):
        sent_by(CredentialsAuth(resolve(token="t", host=HOST)), url, 200)


def test_a_config_whose_host_is_plain_http_is_refused():
    with pytest.raises(ConfigurationError, match="plain http"):
        resolve(sdk_config=GivenConfig("http://ws.example.com", bearer("t")))


def test_a_refused_static_token_is_sent_once_and_the_answer_is_left_to_the_client():
    response, sent = sent_by(CredentialsAuth(resolve(token="t", host=HOST)), f"{HOST}/x", 401)
    assert (response.status_code, len(sent)) == (401, 1)


def test_a_refused_config_of_the_caller_is_asked_again_and_its_new_token_sent_once():
    config = GivenConfig(HOST, bearer("old"), bearer("new"))
    response, sent = sent_by(CredentialsAuth(resolve(sdk_config=config)), f"{HOST}/x", 401, 200)
    assert response.status_code == 200
    assert [request.headers["authorization"] for request in sent] == ["Bearer old", "Bearer new"]


def test_a_fresh_token_that_is_refused_too_ends_it():
    config = GivenConfig(HOST, bearer("1"), bearer("2"), bearer("3"))
    response, sent = sent_by(CredentialsAuth(resolve(sdk_config=config)), f"{HOST}/x", 401, 401)
    assert (response.status_code, len(sent), config.asked) == (401, 2, 2)


def test_a_config_that_gives_the_refused_token_again_is_an_authentication_error_that_says_so():
    auth = CredentialsAuth(resolve(sdk_config=GivenConfig(HOST, bearer("hunter2"))))
    with pytest.raises(AuthenticationError) as caught:
        sent_by(auth, f"{HOST}/x", 401)
    assert caught.value.message == (
        "GET https://ws.example.com/x answered 401: go away. Asked again, sdk_config= gave the same credentials. Sign in "
        "anew (`databricks auth login --host https://ws.example.com`), renew the token, or give token=."
    )
    assert (caught.value.status, caught.value.request_id) == (401, "r1")
    assert b"hunter2" not in pickle.dumps(caught.value)


async def test_the_async_flow_renews_a_refused_token_too():
    config = GivenConfig(HOST, bearer("old"), bearer("new"), bearer("new"))
    statuses = iter([401, 200])
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return httpx.Response(next(statuses))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        response = await client.get(f"{HOST}/x", auth=CredentialsAuth(resolve(sdk_config=config)))
    assert (response.status_code, sent) == (200, ["Bearer old", "Bearer new"])


class Endless(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body without end, that counts what is read of it and knows whether it was closed."""

    def __init__(self) -> None:
        self.read = 0
        self.closed = False

    def __iter__(self):
        while True:
            self.read += 1
            yield b"no " * 1000

    async def __aiter__(self):
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("tokens", "chunks"), [(("old", "new"), 0), (("old",), 22)], ids=["renewed", "the same"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_no_more_of_a_refusal_is_read_than_its_words(tokens, chunks, asynchronous):
    auth = CredentialsAuth(resolve(sdk_config=GivenConfig(HOST, *map(bearer, tokens))))
    body = Endless()

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200) if "new" in request.headers["authorization"] else httpx.Response(401, stream=body)

    transport = httpx.MockTransport(answer)
    with pytest.raises(AuthenticationError, match="answered 401: no no") if len(tokens) == 1 else nullcontext():
        if asynchronous:
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get(f"{HOST}/x", auth=auth)
        else:
            with httpx.Client(transport=transport) as client:
                client.get(f"{HOST}/x", auth=auth)
    assert body.read == chunks
    assert body.closed


async def test_the_async_flow_raises_when_nothing_new_can_be_had():
    auth = CredentialsAuth(resolve(sdk_config=GivenConfig(HOST, bearer("t"))))
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(401))) as client:
        with pytest.raises(AuthenticationError, match="gave the same credentials"):
            await client.get(f"{HOST}/x", auth=auth)
