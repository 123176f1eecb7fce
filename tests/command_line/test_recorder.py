"""What ``--record`` writes: each exchange once, readable, and without a secret."""

import asyncio
import gzip
import json
import threading
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from support.promises import promise

from dbx_gateway.chat import ChatResponse
from dbx_gateway.cli import main
from dbx_gateway.cli.recorder import recording
from dbx_gateway.client import AsyncClient, Client
from dbx_gateway.errors import ConfigurationError, NotFoundError
from dbx_gateway.testing import Fault

CLAUDE = "databricks-claude-sonnet-4-5"
TOKEN = "dapi0123456789abcdef0123456789abcdef"


@pytest.fixture
def fields(server, workspace):
    return {"host": server.url, "token": workspace.token, "model": CLAUDE, "surface": "model-serving"}


def records_in(folder):
    return [json.loads(file.read_text("utf-8")) for file in sorted(folder.iterdir())]


class Answers(BaseHTTPRequestHandler):
    """Answers every GET with ``body``."""

    body, headers_to_send = b"{}", ()

    def do_GET(self):
        self.send_response(200)
        for name, value in (*self.headers_to_send, ("content-length", str(len(self.body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def answering():
    """Serves one answer: `answering(body, (header, value), ...)` returns its address."""
    servers = []

    def start(body, *headers):
        handler = type("Handler", (Answers,), {"body": body, "headers_to_send": headers})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_whole_answer_is_written_with_its_request(fields, tmp_path):
    with recording(tmp_path) as clients:
        Client(**fields, **clients).chat("Hello")
    (record,) = records_in(tmp_path)
    assert (record["method"], record["path"]) == ("POST", "/serving-endpoints/anthropic/v1/messages")
    assert record["request"]["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert record["status"] == 200
    assert record["answer"]["content"] == [{"type": "text", "text": "You said: Hello"}]
    assert record["answer_headers"]["content-type"] == "application/json"


def test_a_stream_is_written_as_the_text_that_came(fields, tmp_path):
    with recording(tmp_path) as clients:
        list(Client(**fields, **clients).stream("Hello"))
    (record,) = records_in(tmp_path)
    assert record["answer"].startswith("event: message_start\n")
    assert "\nevent: message_stop\n" in record["answer"]


def test_a_stream_that_is_left_is_written_as_far_as_it_was_read(fields, tmp_path):
    with recording(tmp_path) as clients:
        events = Client(**fields, **clients).stream("[long 5000]")
        next(events)
        events.close()
    (record,) = records_in(tmp_path)
    assert record["answer"].startswith("event: message_start\n")
    assert "message_stop" not in record["answer"]


def test_a_refusal_and_the_request_that_follows_it_are_two_files(fields, workspace, tmp_path):
    workspace.inject(Fault(status=503))
    with recording(tmp_path) as clients:
        Client(**fields, **clients).chat("Hello")
    assert [record["status"] for record in records_in(tmp_path)] == [503, 200]


def test_async_clients_are_recorded_in_one_event_loop_after_another(fields, tmp_path):
    async def whole(client) -> ChatResponse:
        return await client.chat("Hello")

    async def streamed(client):
        async with aclosing(client.stream("Hello")) as events:
            return [event async for event in events]

    with recording(tmp_path) as clients:
        client = AsyncClient(**fields, **clients)
        assert asyncio.run(whole(client)).text == "You said: Hello"
        assert asyncio.run(streamed(client))
        assert asyncio.run(whole(client)).text == "You said: Hello"
    assert [isinstance(record["answer"], str) for record in records_in(tmp_path)] == [False, True, False]


def test_the_clients_are_closed_at_the_end(tmp_path):
    with recording(tmp_path) as clients:
        assert not clients["http_client"].is_closed
    assert clients["http_client"].is_closed
    assert clients["http_async_client"].is_closed


def test_the_credential_of_a_request_is_nowhere_in_its_record(answering, tmp_path):
    host = answering(b'{"token": "not-like-a-token"}')
    with recording(tmp_path) as clients:
        headers = {"authorization": "Bearer not-like-a-token", "x-other": "private"}
        clients["http_client"].get(f"{host}/who?token=not-like-a-token", headers=headers)
    (file,) = tmp_path.iterdir()
    assert "not-like-a-token" not in file.read_text("utf-8")
    assert "private" not in file.read_text("utf-8")
    assert json.loads(file.read_text("utf-8"))["path"] == "/who?token=***"


def test_whatever_looks_like_a_credential_is_masked_in_url_request_and_answer(answering, tmp_path):
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"
    host = answering(json.dumps({"pat": TOKEN, "said": f"Authorization: Bearer {jwt}"}).encode())
    with recording(tmp_path) as clients:
        clients["http_client"].request("GET", f"{host}/{TOKEN}", json={"mine": TOKEN})
    (record,) = records_in(tmp_path)
    assert record["path"] == "/***"
    assert record["request"] == {"mine": "***"}
    assert record["answer"] == {"pat": "***", "said": "Authorization: Bearer ***"}


def test_a_compressed_answer_is_written_as_text(answering, tmp_path):
    host = answering(gzip.compress(b'{"a": 1}'), ("content-encoding", "gzip"))
    with recording(tmp_path) as clients:
        assert clients["http_client"].get(host).json() == {"a": 1}
    assert records_in(tmp_path)[0]["answer"] == {"a": 1}


def test_half_a_character_is_written_as_the_escape_that_came_and_lines_end_the_same_everywhere(answering, tmp_path):
    host = answering(rb'{"said": "\ud83d and \u2013"}')
    with recording(tmp_path) as clients:
        clients["http_client"].get(host)
    (file,) = tmp_path.iterdir()
    assert '"said": "\\ud83d and \u2013"\n'.encode() in file.read_bytes()
    assert records_in(tmp_path)[0]["answer"] == {"said": "\ud83d and \u2013"}


def test_a_second_recording_keeps_the_files_of_the_first(fields, tmp_path):
    for text in ("One", "Two"):
        with recording(tmp_path) as clients:
            Client(**fields, **clients).chat(text)
    answers = [record["answer"]["content"][0]["text"] for record in records_in(tmp_path)]
    assert answers == ["You said: One", "You said: Two"]


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_sent(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="give another folder"), recording(tmp_path / "file"):
        pass


def test_requests_go_through_the_proxy_that_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with recording(tmp_path) as clients:
        client = clients["http_client"]
        assert client._transport_for_url(httpx.URL("https://workspace.example.com")) is not client._transport
        assert client._transport_for_url(httpx.URL("http://127.0.0.1:1")) is client._transport


def test_check_records_what_every_front_end_says(signed_in, tmp_path, capsys):
    arguments = ["check", "--json", "--surface", "model-serving", "--front-end", "core", CLAUDE]
    assert main([*arguments, "--record", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    records = records_in(tmp_path)
    assert {record["status"] for record in records} == {200}
    assert any("tools" in record["request"] for record in records)


@promise("workspace-bounds")
def test_a_recording_follows_no_link_out_of_its_folder_and_writes_over_nothing(fields, tmp_path):
    outside, folder = tmp_path / "outside.json", tmp_path / "said"
    folder.mkdir()
    with recording(folder) as clients:  # the links come after the numbers have been taken
        (folder / "0001.json").symlink_to(outside)
        (folder / "0002.json").write_text("mine", encoding="utf-8")
        with pytest.raises(NotFoundError):
            Client(**{**fields, "model": "../../x"}, **clients, family="llama").chat("../../y")
    assert not outside.exists()
    assert (folder / "0002.json").read_text("utf-8") == "mine"
    assert sorted(file.name for file in folder.iterdir()) == ["0001.json", "0002.json", "0003.json"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["said"]
