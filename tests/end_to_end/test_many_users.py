"""What one user meets is that user's alone: two users of one process, with different rights on one workspace."""

from __future__ import annotations

import httpx
import pytest
from support.promises import promise

from dbx_gateway import AsyncClient, Client, NotFoundError, Observations

HOST = "https://ws.example.com"
PROBE = "/ai-gateway/anthropic/v1/models"
NOT_THERE = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "The given endpoint does not exist"}


def answer(text: str) -> httpx.Response:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return httpx.Response(200, json={"id": "1", "object": "chat.completion", "model": "m", "choices": [choice]})


class Host:
    """A workspace on which only Bob may use the endpoint, while a model service of the same name answers everybody."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        user = request.headers["authorization"].rpartition("-")[2]
        self.sent.append((user, request.url.path))
        if request.method == "GET":
            return httpx.Response(404, json=NOT_THERE)
        if request.url.path.startswith("/serving-endpoints"):
            return answer("Bob's endpoint") if user == "bob" else httpx.Response(404, json=NOT_THERE)
        return answer("somebody else's model service")

    def posts_of(self, user: str) -> list[str]:
        return [path for who, path in self.sent if who == user and path.endswith("/completions")]


@pytest.fixture
def host():
    return Host()


@pytest.fixture(params=["sync", "async"])
def ask(request, host):
    seen = Observations()

    async def asked(user: str) -> str:
        fields = {"model": "hr-assistant", "host": HOST, "token": f"dapi-{user}", "observations": seen}
        if request.param == "sync":
            with httpx.Client(transport=httpx.MockTransport(host)) as own:
                return Client(**fields, http_client=own).chat("salaries").text
        async with httpx.AsyncClient(transport=httpx.MockTransport(host)) as own:
            return (await AsyncClient(**fields, http_async_client=own).chat("salaries")).text

    return asked


@promise("facts-are-the-users")
async def test_a_404_of_one_user_moves_nobody_elses_prompts(ask, host):
    assert await ask("bob") == "Bob's endpoint"
    assert await ask("alice") == "somebody else's model service"
    assert await ask("bob") == "Bob's endpoint"
    assert {path.split("/")[1] for path in host.posts_of("bob")} == {"serving-endpoints"}


async def test_the_route_that_worked_is_remembered_for_the_user_it_worked_for(ask, host):
    await ask("alice")
    before = len(host.posts_of("alice"))
    await ask("alice")
    assert host.posts_of("alice")[before:] == ["/ai-gateway/mlflow/v1/chat/completions"]


class Gateway:
    """A workspace whose gateway only Ann may see."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        user = request.headers["authorization"].rpartition("-")[2]
        if request.url.path == PROBE:
            return httpx.Response(200, json={"data": []}) if user == "ann" else httpx.Response(404, json=NOT_THERE)
        if request.url.path.startswith("/ai-gateway") and user != "ann":
            return httpx.Response(404, json=NOT_THERE)
        return answer(request.url.path.split("/")[1])


@promise("facts-are-the-users")
@pytest.mark.parametrize("first", ["ann", "bob"])
def test_a_probe_answers_for_the_user_who_asked_whoever_asked_first(first):
    seen = Observations()
    found = {}
    with httpx.Client(transport=httpx.MockTransport(Gateway())) as own:
        for user in (first, "bob" if first == "ann" else "ann"):
            client = Client(
                model="databricks-meta-llama-3-3-70b-instruct",
                host=HOST,
                token=f"dapi-{user}",
                observations=seen,
                http_client=own,
            )
            try:
                found[user] = client.chat("Hello").text
            except NotFoundError as error:
                found[user] = str(error)
    assert found == {"ann": "ai-gateway", "bob": "serving-endpoints"}
