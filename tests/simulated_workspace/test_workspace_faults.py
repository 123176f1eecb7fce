"""Failures on request, over a real socket."""

from __future__ import annotations

import httpx
import pytest

from dbx_gateway.testing import Fault, Workspace, serve, workspace_transport

CHAT = "/serving-endpoints/chat/completions"
MESSAGES = "/serving-endpoints/anthropic/v1/messages"
RESPONSES = "/serving-endpoints/responses"
DENIED = {"error_status": 403, "error_code": "PERMISSION_DENIED", "error_message": "not for you"}


def body(**fields):
    return {"model": "databricks-gpt-5-1", "messages": [{"role": "user", "content": "one two three four"}], **fields}


def responses_body(**fields):
    return {"model": "databricks-gpt-5-1", "input": "one two three four", **fields}


def events(response):
    return [block for block in response.text.split("\n\n") if block]


def read_until(error, response):
    """The bytes of a body that breaks with ``error``."""
    seen = []
    with pytest.raises(error):
        seen.extend(response.iter_raw())
    return b"".join(seen)


def test_a_status_fault_answers_instead_of_the_model_and_is_not_billed(server, socket_client):
    server.workspace.inject(Fault(status=429, headers={"Retry-After": "7"}, error_code="REQUEST_LIMIT_EXCEEDED"))
    answer = socket_client.post(CHAT, json=body())
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert server.workspace.billed().input == 0
    assert socket_client.post(CHAT, json=body()).status_code == 200


def test_a_status_fault_may_have_any_body(server, socket_client):
    server.workspace.inject(Fault(status=502, body="<html>bad gateway</html>"))
    server.workspace.inject(Fault(status=503, body={"message": "busy"}))
    html = socket_client.post(CHAT, json=body())
    assert (html.status_code, html.text, html.headers["content-type"]) == (502, "<html>bad gateway</html>", "text/html")
    assert socket_client.post(CHAT, json=body()).json() == {"message": "busy"}


def test_a_fault_waits_for_its_path_and_happens_as_often_as_asked(server, socket_client):
    server.workspace.inject(Fault(status=500), times=2, where="/chat/")
    assert socket_client.get("/api/2.0/serving-endpoints").status_code == 200
    assert [socket_client.post(CHAT, json=body()).status_code for _ in range(3)] == [500, 500, 200]


def test_a_fault_without_end_lasts_until_it_is_cleared(server, socket_client):
    server.workspace.inject(Fault(status=500), times=None)
    assert {socket_client.post(CHAT, json=body()).status_code for _ in range(4)} == {500}
    server.workspace.clear_faults()
    assert socket_client.post(CHAT, json=body()).status_code == 200


def test_a_stall_keeps_the_headers_back(server, socket_client):
    server.workspace.inject(Fault(stall=5))
    with pytest.raises(httpx.ReadTimeout):
        socket_client.post(CHAT, json=body(), timeout=0.1)


def test_a_stall_inside_a_stream_comes_after_its_events(server, socket_client):
    server.workspace.inject(Fault(stall=5, stall_after=2))
    with socket_client.stream("POST", CHAT, json=body(stream=True), timeout=0.2) as answer:
        seen = read_until(httpx.ReadTimeout, answer)
    assert seen.count(b"data: ") == 2


def test_a_cut_breaks_the_connection_of_a_stream(server, socket_client):
    server.workspace.inject(Fault(cut_after=300))
    with socket_client.stream("POST", CHAT, json=body(stream=True)) as answer:
        assert len(read_until(httpx.RemoteProtocolError, answer)) == 300


def test_a_cut_breaks_the_connection_of_a_whole_answer(server, socket_client):
    server.workspace.inject(Fault(cut_after=20))
    with pytest.raises(httpx.RemoteProtocolError):
        socket_client.post(CHAT, json=body())


@pytest.mark.parametrize("size", [0, 1])
def test_a_cut_may_come_at_once(server, socket_client, size):
    server.workspace.inject(Fault(cut_after=size))
    with pytest.raises(httpx.RemoteProtocolError):
        socket_client.post(CHAT, json=body(stream=True))


def test_an_early_end_is_clean_and_lacks_the_closing_events(server, socket_client):
    server.workspace.inject(Fault(end_after=3))
    answer = socket_client.post(CHAT, json=body(stream=True))
    assert len(events(answer)) == 3
    assert "[DONE]" not in answer.text
    assert '"finish_reason":"' not in answer.text


def test_an_early_end_never_lets_a_closing_event_through(server, socket_client):
    server.workspace.inject(Fault(end_after=1000), times=None)
    chat = socket_client.post(CHAT, json=body(stream=True))
    assert '"finish_reason":"' not in chat.text
    assert "three" in chat.text
    claude = {**body(stream=True), "model": "databricks-claude-sonnet-4-5", "max_tokens": 50}
    messages = socket_client.post(MESSAGES, json=claude)
    assert "three" in messages.text
    assert "message_stop" not in messages.text
    assert "message_delta" not in messages.text


@pytest.mark.parametrize("name", ["support-agent", "legacy-agent"])
def test_an_early_end_of_an_agents_stream_keeps_its_deltas(server, socket_client, name):
    server.workspace.inject(Fault(end_after=1000))
    said = [{"role": "user", "content": "one two three"}]
    asked = {"input": said} if name == "support-agent" else {"messages": said}
    answer = socket_client.post(f"/serving-endpoints/{name}/invocations", json={**asked, "stream": True})
    assert "three" in answer.text
    assert "[DONE]" not in answer.text


def test_an_error_event_is_worded_as_its_api_words_errors(server, socket_client):
    fault = Fault(error_after=2, error_code="INTERNAL_ERROR", error_message="the model broke")
    server.workspace.inject(fault, times=2)
    chat = socket_client.post(CHAT, json=body(stream=True))
    assert len(events(chat)) == 3
    assert '"error":{"message":"the model broke"' in events(chat)[-1]
    claude = {**body(stream=True), "model": "databricks-claude-sonnet-4-5", "max_tokens": 50}
    messages = socket_client.post(MESSAGES, json=claude)
    assert events(messages)[-1].startswith("event: error\n")


@pytest.mark.parametrize(
    ("path", "asked", "error"),
    [
        (
            CHAT,
            body(),
            {"message": "not for you", "type": "permission_error", "param": None, "code": "PERMISSION_DENIED"},
        ),
        (RESPONSES, responses_body(), {"code": "PERMISSION_DENIED", "message": "not for you"}),
        (
            MESSAGES,
            {**body(max_tokens=50), "model": "databricks-claude-sonnet-4-5"},
            {"type": "permission_error", "message": "not for you"},
        ),
        (
            "/serving-endpoints/gemini/v1beta/models/databricks-gemini-3-pro:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": "one two"}]}]},
            {"code": 403, "message": "not for you", "status": "PERMISSION_DENIED"},
        ),
    ],
    ids=["chat-completions", "responses", "messages", "generate-content"],
)
def test_a_whole_answer_gives_way_to_the_error_that_would_have_ended_its_stream(
    server, socket_client, path, asked, error
):
    server.workspace.inject(Fault(error_after=3, **DENIED))
    answer = socket_client.post(path, json=asked)
    assert (answer.status_code, answer.json()["error"]) == (200, error)
    assert socket_client.post(path, json=asked).json().get("error") is None


def test_a_response_that_has_begun_fails_with_the_code_of_the_fault(server, socket_client):
    server.workspace.inject(Fault(error_after=2, **DENIED))
    server.workspace.inject(Fault(error_after=0, **DENIED))
    started, at_once = (events(socket_client.post(RESPONSES, json=responses_body(stream=True))) for _ in range(2))
    assert len(started) == 3
    assert started[-1].startswith("event: response.failed\n")
    assert '"status":"failed","error":{"code":"PERMISSION_DENIED"' in started[-1]
    assert len(at_once) == 1
    assert at_once[0].startswith("event: error\n")
    assert '"code":"PERMISSION_DENIED"' in at_once[0]


def test_a_listing_is_not_touched_by_an_error_inside_an_answer(server, socket_client):
    server.workspace.inject(Fault(error_after=0))
    assert "endpoints" in socket_client.get("/api/2.0/serving-endpoints").json()


def test_a_slow_stream_loses_nothing(server, socket_client):
    server.workspace.inject(Fault(slow=0.005))
    slow = socket_client.post(CHAT, json=body(stream=True))
    assert "four" in slow.text
    assert events(slow)[-1] == "data: [DONE]"


def test_events_arrive_one_by_one(server, socket_client):
    server.workspace.inject(Fault(slow=0.02))
    with socket_client.stream("POST", CHAT, json=body(stream=True)) as answer:
        reads = [data for data in answer.iter_raw() if data]
    assert len(reads) >= 5


def test_the_connection_is_kept_between_requests(server, socket_client):
    first = socket_client.post(CHAT, json=body())
    second = socket_client.post(CHAT, json=body(stream=True))
    third = socket_client.post(CHAT, json=body())
    streams = {answer.extensions["network_stream"].get_extra_info("client_addr") for answer in (first, second, third)}
    assert len(streams) == 1


def test_a_client_that_leaves_does_not_keep_the_server_from_stopping():
    workspace = Workspace()
    workspace.inject(Fault(stall=30))
    with serve(workspace) as server, pytest.raises(httpx.ReadTimeout):
        httpx.post(
            server.url + CHAT,
            json=body(),
            headers={"authorization": f"Bearer {workspace.token}"},
            timeout=0.1,
            trust_env=False,
        )


def test_faults_are_the_same_without_a_socket(workspace):
    headers = {"authorization": f"Bearer {workspace.token}"}
    with httpx.Client(
        transport=workspace_transport(workspace), base_url="http://workspace.test", headers=headers
    ) as client:
        workspace.inject(Fault(cut_after=100))
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(CHAT, json=body(stream=True))
        workspace.inject(Fault(stall=60))
        with pytest.raises(httpx.ReadTimeout):
            client.post(CHAT, json=body(), timeout=1)
        workspace.inject(Fault(stall=60, stall_after=1))
        with pytest.raises(httpx.ReadTimeout):
            client.post(CHAT, json=body(stream=True), timeout=1)


async def test_an_asynchronous_client_needs_no_socket_either(workspace):
    headers = {"authorization": f"Bearer {workspace.token}"}
    async with httpx.AsyncClient(
        transport=workspace_transport(workspace), base_url="http://workspace.test", headers=headers
    ) as client:
        answer = await client.post(CHAT, json=body(stream=True))
        assert answer.text.endswith("data: [DONE]\n\n")
        workspace.inject(Fault(cut_after=100))
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(CHAT, json=body(stream=True))
