"""Nothing goes to another origin or over plain http: no header, no prompt, no secret, wherever a server points."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.promises import promise
from support.recording_host import answer, redirect, signs_in, wire

from dbx_gateway import Client, ConfigurationError, DbxGatewayError

TOKEN = "s3cret-token-of-no-known-shape"
HEADER = "s3cret-of-a-header"
PROMPT = "the fox asks where the geese sleep"
STATUSES = (301, 302, 303, 307, 308)


def fields(url: str, **more) -> dict:
    return {
        "model": "databricks-claude-sonnet-4-5",
        "host": url,
        "token": TOKEN,
        "default_headers": {"x-team-key": HEADER},
        "max_retries": 1,
        "timeout": 5.0,
        **more,
    }


async def everything(one) -> list[BaseException]:
    """Return the errors of every kind of call."""
    failed: list[BaseException] = []
    for call in (one.ask, lambda text: list(one.stream(text)), lambda text: one.vectors([text])):
        with pytest.raises(DbxGatewayError) as caught:
            call(PROMPT)
        failed.append(caught.value)

    async def astream(text: str) -> None:
        [_ async for _ in await one.astream(text)]

    for acall in (one.aask, astream, lambda text: one.avectors([text])):
        with pytest.raises(DbxGatewayError) as caught:
            await acall(PROMPT)
        failed.append(caught.value)
    return failed


@pytest.fixture
def elsewhere():
    """Another origin, which would take anything."""
    with wire(lambda request: answer(200, b"{}")) as host:
        yield host


def places(here, there) -> dict[str, str]:
    """Return ways to name another origin: another port, another name, another scheme, a name with a password before it."""
    return {
        "port": there.url,
        "name": here.url.replace("127.0.0.1", "localhost"),
        "no scheme": there.url.partition(":")[2],
        "scheme": here.url.replace("http:", "https:"),
        "user": there.url.replace("//", f"//127.0.0.1:{here.port}@"),
    }


@promise("redirects")
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("place", ["port", "name", "no scheme", "scheme", "user"])
async def test_no_redirect_leads_to_another_origin(front, status, place, elsewhere):
    with wire(lambda request: redirect(status, places(here, elsewhere)[place] + "/x")) as here:
        failed = await everything(front(**fields(here.url, surface="model-serving")))
        assert {error.error_code for error in failed} == {"redirect"}
        assert len(here.requests) == here.connections == 6
        assert [request for request in here.requests if b"localhost" in request.lower()] == []
    assert elsewhere.connections == 0


@promise("redirects")
@pytest.mark.parametrize("status", STATUSES)
async def test_no_question_about_the_workspace_leads_to_another_origin(status, elsewhere):
    """The probe for a gateway, the metadata of an endpoint, the list of models."""

    def reply(request: bytes) -> bytes:
        return redirect(status, elsewhere.url + "/x") if request.startswith(b"GET") else answer(404, b"{}")

    with wire(reply) as here:
        with pytest.raises(DbxGatewayError):
            Client(**fields(here.url)).chat(PROMPT)
        with pytest.raises(DbxGatewayError):
            Client(**fields(here.url, model="team-chat")).chat(PROMPT)
        assert Client(**fields(here.url)).models().models == ()
        assert sum(request.startswith(b"GET") for request in here.requests) >= 4
    assert elsewhere.connections == 0


@promise("redirects")
@pytest.mark.parametrize("status", STATUSES)
async def test_tls_is_never_left_for_plain_http(front, status, tls, certificate, elsewhere):
    targets = {"elsewhere": lambda: elsewhere.url, "here": lambda: here.url.replace("https:", "http:")}
    for target in targets.values():
        with wire(lambda request, target=target: redirect(status, target() + "/x"), tls) as here:
            failed = await everything(front(**fields(here.url, surface="model-serving", verify=certificate)))
            assert {error.error_code for error in failed} == {"redirect"}
            assert here.connections == 6
    assert elsewhere.connections == 0


async def test_a_loop_of_redirects_ends(front):
    with wire(lambda request: redirect(307, here.url + "/again")) as here:
        failed = await everything(front(**fields(here.url, surface="model-serving")))
        assert {error.error_code for error in failed} == {"redirect"}
        assert len(here.requests) == 6 * 4


@promise("redirects")
@pytest.mark.parametrize(
    "status", [302, 307, *(pytest.param(status, marks=pytest.mark.slow) for status in (301, 303, 308))]
)
@pytest.mark.parametrize("where", ["databricks-config", "oauth-authorization-server", "/oidc/v1/token"])
def test_no_secret_of_a_sign_in_follows_a_redirect(monkeypatch, status, where, elsewhere):
    """databricks-sdk follows redirects; what it carries to another origin must prove nothing."""

    def reply(request: bytes) -> bytes:
        if where.encode() in request:
            return redirect(status, f"{elsewhere.url}/x")
        found = next((told for path, told in signs_in(here.url).items() if path in request), {})
        return answer(200, json.dumps(found).encode())

    with wire(reply) as here:
        monkeypatch.setenv("DATABRICKS_HOST", here.url)
        monkeypatch.setenv("DATABRICKS_CLIENT_ID", "principal")
        monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", TOKEN)
        with pytest.raises(DbxGatewayError):
            Client(model="databricks-claude-sonnet-4-5", surface="ai-gateway").chat(PROMPT)
    went = b"".join(elsewhere.requests)
    assert TOKEN.encode() not in went
    assert b"authorization" not in went.lower()
    assert PROMPT.encode() not in went


PLAIN = (
    "http://workspace.example.com",
    "HTTP://workspace.example.com",
    "http://10.0.0.1",
    "http://127.0.0.1.example.com",
)


@promise("plain-http")
@pytest.mark.parametrize("url", PLAIN)
async def test_plain_http_to_another_machine_is_refused_before_anything_is_sent(front, url, monkeypatch):
    for given in (
        {"host": url},
        {"endpoint_url": f"{url}/serving-endpoints/chat/completions"},
        {"base_url": f"{url}/serving-endpoints"},
    ):
        with pytest.raises(ConfigurationError, match="plain http"):
            front(**fields("") | {"host": None} | given).ask(PROMPT)
    monkeypatch.setenv("DATABRICKS_HOST", url)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    with pytest.raises(ConfigurationError, match="plain http"):
        front(model="databricks-claude-sonnet-4-5").ask(PROMPT)


@promise("environment-token")
async def test_a_token_of_the_environment_is_not_sent_to_an_endpoint_elsewhere(front, monkeypatch, elsewhere):
    with wire(lambda request: answer(404, b"{}")) as here:
        monkeypatch.setenv("DATABRICKS_HOST", here.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
        one = front(model="databricks-claude-sonnet-4-5", endpoint_url=f"{elsewhere.url}/chat/completions")
        with pytest.raises(ConfigurationError, match="give token="):
            one.ask(PROMPT)
        with pytest.raises(ConfigurationError, match="give token="):
            await one.aask(PROMPT)
    assert elsewhere.requests == []


@promise("environment-token")
async def test_no_cookie_of_one_user_reaches_another(front):
    with wire(lambda request: answer(200, b"{}", set_cookie="session=s3cret; Path=/")) as here:
        await everything(front(**fields(here.url, surface="model-serving")))
        await everything(front(**fields(here.url, surface="model-serving", token="another-token")))
        assert [request for request in here.requests if b"cookie" in request.lower()] == []


def test_a_proxy_gets_no_request_that_is_for_this_machine(monkeypatch, elsewhere):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, elsewhere.url)
    with wire(lambda request: answer(404, b"{}")) as here:
        with pytest.raises(DbxGatewayError):
            Client(**fields(here.url, surface="model-serving")).chat(PROMPT)
        assert here.requests != []
    assert elsewhere.connections == 0


async def test_what_is_sent_to_the_workspace_has_one_credential_and_goes_there_alone(front, elsewhere):
    with wire(lambda request: answer(404, b"{}")) as here:
        await everything(front(**fields(here.url, surface="model-serving")))
        for request in here.requests:
            assert request.lower().count(b"\r\nauthorization:") == 1
            assert request.count(TOKEN.encode()) == 1
            assert b"x-api-key" not in request.lower()
            assert b"x-goog-api-key" not in request.lower()
            assert TOKEN.encode() not in request.split(b"\r\n", 1)[0]
    assert elsewhere.connections == 0
    await asyncio.sleep(0)
