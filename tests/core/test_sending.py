import asyncio
import gc
import http.server
import pickle
import socket
import ssl
import threading
from contextlib import contextmanager

import httpx
import pytest
from lifecycles.leftovers import no_task_left

from dbx_gateway import AsyncClient, Client
from dbx_gateway.errors import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    DbxGatewayError,
    InvalidResponseError,
    NotFoundError,
)
from dbx_gateway.transport import sending, watchdogs
from dbx_gateway.transport.deadlines import Alarm, Deadline
from dbx_gateway.transport.sending import (
    MOST_CLIENTS,
    AsyncTransport,
    HttpRequest,
    HttpResponse,
    SyncTransport,
    Watchdog,
    close_connections,
    failure,
    new_client,
)

URL = "https://ws.example.com/serving-endpoints/chat/completions"
PROMPT = b'{"messages":"hush"}'


class Signed(httpx.Auth):
    """Puts a token on each request."""

    def auth_flow(self, request):
        request.headers["authorization"] = "Bearer hunter2"
        yield request


def asking(url=URL, **more) -> HttpRequest:
    fields = {
        "headers": {"user-agent": "dbx-gateway/1", "x-team": "secret"},
        "content": PROMPT,
        "label": "'m' on a route",
    }
    return HttpRequest(**{"method": "POST", "url": url, **fields, **more})


def send(answer, request=None, *, asynchronous: bool) -> tuple[HttpResponse | Exception, list[httpx.Request]]:
    """Send one request to ``answer``; return what became of it and all requests that were made."""
    made: list[httpx.Request] = []

    def handler(sent: httpx.Request) -> httpx.Response:
        made.append(sent)
        return answer(sent)

    request = request or asking()
    try:
        if asynchronous:
            client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
            return asyncio.run(AsyncTransport(Signed(), client).send(request)), made
        return SyncTransport(Signed(), httpx.Client(transport=httpx.MockTransport(handler))).send(request), made
    except Exception as error:  # noqa: BLE001  # the test looks at it
        return error, made


both = pytest.mark.parametrize("asynchronous", [False, True])


@both
def test_an_answer_is_its_status_headers_in_lower_case_and_body(asynchronous):
    reply, made = send(
        lambda _: httpx.Response(418, headers={"X-Request-Id": "r"}, content=b"tea"), asynchronous=asynchronous
    )
    assert (reply.status, reply.headers["x-request-id"], reply.body) == (418, "r", b"tea")
    (sent,) = made
    assert (sent.method, str(sent.url), sent.content) == ("POST", URL, PROMPT)
    assert (sent.headers["user-agent"], sent.headers["authorization"]) == ("dbx-gateway/1", "Bearer hunter2")


# --- redirects ---------------------------------------------------------------------------------------------------


def redirecting(*locations: str, status: int = 307):
    rest = iter(locations)

    def answer(_):
        location = next(rest, None)
        return (
            httpx.Response(200, content=b"ok")
            if location is None
            else httpx.Response(status, headers={"location": location})
        )

    return answer


@both
@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    "locations",
    [
        ["/moved"],
        ["https://ws.example.com:443/moved"],
        ["https://WS.example.com/moved"],
        ["moved", "./again", "?o=1"],
        ["//ws.example.com/moved"],
    ],
)
def test_redirects_to_the_same_origin_are_followed_with_the_whole_request(asynchronous, status, locations):
    reply, made = send(redirecting(*locations, status=status), asynchronous=asynchronous)
    assert reply.body == b"ok"
    assert len(made) == len(locations) + 1
    assert {(sent.method, sent.content, sent.headers["authorization"]) for sent in made} == {
        ("POST", PROMPT, "Bearer hunter2")
    }


@both
def test_more_than_three_redirects_are_too_many(asynchronous):
    error, made = send(redirecting("/1", "/2", "/3", "/4", "/5"), asynchronous=asynchronous)
    assert isinstance(error, APIConnectionError)
    assert error.error_code == "redirect"
    assert "more than 3 redirects" in error.message
    assert len(made) == 4


@both
@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example.com/x",
        "https://ws.example.com.evil.example.com/x",
        "https://ws.example.com:8443/x",
        "http://ws.example.com/x",
        "http://ws.example.com:443/x",
        "//evil.example.com/x",
        "https://ws.example.com@evil.example.com/x",
        "https://evil.example.com/?https://ws.example.com",
        "ftp://ws.example.com/x",
    ],
)
def test_nothing_is_sent_to_another_origin_nor_over_plain_http(asynchronous, location):
    error, made = send(redirecting(location), asynchronous=asynchronous)
    assert isinstance(error, APIConnectionError)
    assert (error.error_code, error.status) == ("redirect", 307)
    assert [str(sent.url) for sent in made] == [URL]


@both
@pytest.mark.parametrize("location", ["https://[broken/x", "https://ws.example.com:port/x", "javascript:alert(1)"])
def test_a_redirect_to_no_url_is_told(asynchronous, location):
    error, made = send(redirecting(location), asynchronous=asynchronous)
    assert isinstance(error, DbxGatewayError)
    assert len(made) == 1


@both
def test_see_other_is_no_answer_to_a_post(asynchronous):
    error, made = send(redirecting("/x", status=303), asynchronous=asynchronous)
    assert isinstance(error, InvalidResponseError)
    assert len(made) == 1


@both
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    ["/login", "/login.html?next=/x", "/sign-in", "https://accounts.example.com/oidc/v1/authorize?client_id=c"],
)
def test_a_redirect_to_a_login_page_is_not_followed_and_says_to_check_the_host(asynchronous, status, location):
    error, made = send(redirecting(location, status=status), asynchronous=asynchronous)
    assert (type(error), error.error_code, error.retryable) == (APIConnectionError, "redirect", False)
    assert "login page" in error.message
    assert "Set host=" in error.message
    assert "client_id" not in error.message
    assert len(made) == 1


@both
@pytest.mark.parametrize("location", ["/api/logins", "/blogin", "/x?next=/login"])
def test_a_place_that_only_looks_like_a_login_page_is_followed(asynchronous, location):
    def moved(request):
        is_there = request.url.path == location.partition("?")[0]
        return httpx.Response(200) if is_there else httpx.Response(307, headers={"location": location})

    reply, made = send(moved, asynchronous=asynchronous)
    assert (reply.status, len(made)) == (200, 2)


@both
def test_a_redirect_without_a_location_is_an_answer(asynchronous):
    reply, _ = send(lambda _: httpx.Response(307), asynchronous=asynchronous)
    assert reply.status == 307


# --- failures ----------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("raised", "kind", "code", "says"),
    [
        (httpx.ConnectError("refused"), APIConnectionError, "connect", "could not connect: refused"),
        (httpx.ProxyError("no"), APIConnectionError, "connect", "Check the host, the network and the proxy"),
        (httpx.ConnectTimeout("x"), APITimeoutError, "connect", "no connection within 3 s"),
        (httpx.PoolTimeout("x"), APITimeoutError, "pool", "no connection within 4 s"),
        (httpx.ReadTimeout("x"), APITimeoutError, "read", "no byte for 5 s. Raise timeout="),
        (httpx.WriteTimeout("x"), APITimeoutError, "write", "took no byte of the request for 6 s"),
        (httpx.ReadError("reset"), APIConnectionError, "protocol", "the connection broke: reset"),
        (httpx.ReadError(""), APIConnectionError, "protocol", "the connection broke: ReadError"),
        (httpx.RemoteProtocolError("gone"), APIConnectionError, "protocol", "the connection broke: gone"),
        (httpx.DecodingError("gzip"), InvalidResponseError, None, "the answer's compression is broken: gzip"),
        (httpx.UnsupportedProtocol("ftp"), ConfigurationError, None, "ftp. Check host= and endpoint_url="),
        (httpx.LocalProtocolError("b'hunter2'"), ConfigurationError, None, "a header that HTTP cannot carry"),
    ],
)
def test_each_failure_has_its_type_its_step_and_a_remedy(asynchronous, raised, kind, code, says):
    def answer(sent):
        raised.request = sent
        raise raised

    request = asking(timeout=httpx.Timeout(connect=3, pool=4, read=5, write=6))
    error, _ = send(answer, request, asynchronous=asynchronous)
    assert (type(error), error.error_code) == (kind, code)
    assert error.message.startswith("'m' on a route: ")
    assert says in error.message


@both
def test_a_failure_holds_neither_headers_nor_the_prompt(asynchronous):
    def answer(sent):
        raise httpx.ReadError("reset", request=sent)

    error, _ = send(answer, asynchronous=asynchronous)
    cause = error.__cause__
    assert isinstance(cause, httpx.ReadError)
    assert "authorization" not in cause.request.headers
    assert cause.request.content == b""
    assert b"hunter2" not in pickle.dumps(error)


def test_a_url_that_is_none_is_told():
    error, made = send(lambda _: httpx.Response(200), asking("https://ws.example.com:port/"), asynchronous=False)
    assert isinstance(error, ConfigurationError)
    assert made == []


@both
def test_a_closed_client_of_the_users_is_told(asynchronous):
    if asynchronous:
        client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
        asyncio.run(client.aclose())
        call = AsyncTransport(Signed(), client).send
        with pytest.raises(ConfigurationError, match="http_async_client= is closed"):
            asyncio.run(call(asking()))
        return
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    client.close()
    with pytest.raises(ConfigurationError, match=r"http_client= .* is closed"):
        SyncTransport(Signed(), client).send(asking())


def test_an_unknown_error_of_the_http_library_is_a_broken_connection():
    assert failure(httpx.NetworkError("odd"), asking()).error_code == "protocol"


# --- TLS, proxies, cookies ---------------------------------------------------------------------------------------


class Page(http.server.BaseHTTPRequestHandler):
    """Answers every request and tells a cookie; notes what came."""

    def do_POST(self):
        self.server.heard.append(dict(self.headers))
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.send_header("set-cookie", "session=ann; Path=/")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@contextmanager
def page():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.heard = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            close_connections()


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_users_who_share_a_connection_share_no_cookie():
    with page() as server:
        request = asking(f"http://127.0.0.1:{server.server_port}/x")
        for _ in range(2):
            assert SyncTransport(Signed()).send(request).body == b"ok"
        for _ in range(2):
            assert asyncio.run(AsyncTransport(Signed()).send(request)).body == b"ok"
        assert len(server.heard) == 4
        assert not any(name.lower() == "cookie" for headers in server.heard for name in headers)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_loopback_is_reached_without_the_proxy(monkeypatch, name):
    monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    with page() as server:
        for host in ("127.0.0.1", "localhost"):
            request = asking(f"http://{host}:{server.server_port}/x")
            assert SyncTransport(Signed()).send(request).body == b"ok"
            assert asyncio.run(AsyncTransport(Signed()).send(request)).body == b"ok"


def test_other_hosts_are_reached_through_the_proxy(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(APIConnectionError, match="could not connect") as caught:
        SyncTransport(Signed()).send(asking())
    assert caught.value.error_code == "connect"


@pytest.mark.parametrize("proxy", ["gopher://user:hunter2@127.0.0.1:1", "http://user:hunter2@127.0.0.1:port"])
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="the proxy in HTTP_PROXY") as caught:
        SyncTransport(Signed()).send(asking())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("variable", [None, "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_do_not_exist_or_are_none_are_told(monkeypatch, tmp_path, variable):
    for path, says in ((tmp_path / "missing.pem", "do not exist"), (tmp_path / "text.pem", "cannot be read")):
        if says == "cannot be read":
            path.write_text("no certificate")
        if variable is not None:
            monkeypatch.setenv(variable, str(path))
        with pytest.raises(ConfigurationError, match=says):
            SyncTransport(Signed(), verify=None if variable else str(path)).send(asking())


def test_the_variable_is_read_when_a_connection_is_needed_not_once_for_ever(monkeypatch, tmp_path):
    with page() as server:
        request = asking(f"http://127.0.0.1:{server.server_port}/x")
        assert SyncTransport(Signed()).send(request).status == 200
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
        with pytest.raises(ConfigurationError, match="do not exist"):
            SyncTransport(Signed()).send(request)
        assert SyncTransport(Signed(), verify=False).send(request).status == 200


@pytest.mark.parametrize("verify", [False, ssl.create_default_context()])
def test_verification_may_be_off_or_a_context_of_the_users(verify):
    with new_client(verify) as client:
        assert isinstance(client, httpx.Client)


def test_proxies_that_change_leave_no_more_clients_than_the_bound(monkeypatch):
    with page() as server:
        request = asking(f"http://127.0.0.1:{server.server_port}/x")
        for number in range(5 * MOST_CLIENTS):
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{20000 + number}")
            assert SyncTransport(Signed()).send(request).body == b"ok"
        assert len(sending._clients) == MOST_CLIENTS


async def test_proxies_that_change_leave_a_loop_no_more_clients_than_the_bound(monkeypatch):
    with page() as server:
        request = asking(f"http://127.0.0.1:{server.server_port}/x")
        for number in range(5 * MOST_CLIENTS):
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{20000 + number}")
            assert (await AsyncTransport(Signed()).send(request)).body == b"ok"
        assert len(sending._loops[asyncio.get_running_loop()]) == MOST_CLIENTS


@both
async def test_a_client_that_is_being_read_from_is_not_closed_for_those_that_come_later(monkeypatch, asynchronous):
    with page() as server:
        request = asking(f"http://127.0.0.1:{server.server_port}/x")
        transport = (AsyncTransport if asynchronous else SyncTransport)(Signed())
        begun = await transport.open(request) if asynchronous else transport.open(request)
        for number in range(2 * MOST_CLIENTS):
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{20000 + number}")
            await AsyncTransport(Signed()).send(request) if asynchronous else SyncTransport(Signed()).send(request)
        assert (await begun.aread() if asynchronous else begun.read()) == b"ok"
        await begun.aclose() if asynchronous else begun.close()


def test_a_tls_context_of_the_callers_own_has_a_client_that_is_closed_when_the_object_is_gone():
    with page() as server:
        objects = [Client(model="m", host=f"http://127.0.0.1:{server.server_port}", token="dapi-x", verify=own_tls())]
        with pytest.raises(DbxGatewayError):
            objects[0].chat("Hello", surface="model-serving")
        assert not sending._clients
        client = objects[0]._driver._own.client()
        assert not client.is_closed
        objects.clear()
        gc.collect()
        assert client.is_closed


async def test_a_tls_context_of_the_callers_own_has_a_client_in_a_loop_that_is_closed_when_the_object_is_gone():
    with page() as server:
        address = f"http://127.0.0.1:{server.server_port}"
        objects = [AsyncClient(model="m", host=address, token="dapi-x", verify=own_tls())]
        with pytest.raises(DbxGatewayError):
            await objects[0].chat("Hello", surface="model-serving")
        client = await objects[0]._driver._own.client()
        assert not client.is_closed
        objects.clear()
        gc.collect()
        await asyncio.sleep(0)  # the loop begins to close it
        await no_task_left()
        assert client.is_closed


def own_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def test_every_request_of_a_client_says_who_sends_it():
    heard: list[httpx.Request] = []

    def answer(sent):
        heard.append(sent)
        return httpx.Response(404)

    given = httpx.Client(transport=httpx.MockTransport(answer))
    client = Client(model="databricks-x", host="https://ws.example.com", token="t", http_client=given, product="p/2")
    with pytest.raises(NotFoundError):
        client.chat("hi")
    assert len(heard) > 1
    assert all(sent.headers["user-agent"].startswith("dbx-gateway/") for sent in heard)
    assert all("p/2" in sent.headers["user-agent"] for sent in heard)


class _Socket:
    """A socket that notes whether it was shut down."""

    def __init__(self):
        self.shut = False

    def get_extra_info(self, _):
        return self

    def shutdown(self, _):
        self.shut = True


def watched():
    line = _Socket()
    response = httpx.Response(200, stream=httpx.ByteStream(b"x"), extensions={"network_stream": line})
    watchdog = Watchdog(response, 60)
    watchdog.start()
    return line, response, watchdog


def test_a_watchdog_shuts_down_the_socket_of_an_answer_that_is_still_open():
    line, response, watchdog = watched()
    watchdog._shut()
    assert line.shut
    response.close()


def test_a_watchdog_never_touches_a_connection_that_was_given_back():
    line, response, watchdog = watched()
    assert b"".join(response.iter_bytes()) == b"x"  # read to its end, which gives the connection back
    watchdog._shut()  # a timer that was late
    assert not line.shut


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer in two pieces, the second of which may fail; notes that it was closed."""

    def __init__(self, failure=None):
        self.failure = failure
        self.closed = 0

    def pieces(self):
        yield b"half"
        if self.failure is not None:
            raise self.failure
        yield b" whole"

    def __iter__(self):
        return self.pieces()

    async def __aiter__(self):
        for piece in self.pieces():
            yield piece

    def close(self):
        self.closed += 1

    async def aclose(self):
        self.closed += 1


@pytest.fixture
def alarms(monkeypatch):
    """All alarms that are set; none rings."""
    made = []

    def noted(seconds, act):
        made.append(Alarm(seconds, act))
        return made[-1]

    monkeypatch.setattr(watchdogs, "alarm_in", noted)
    return made


@both
@pytest.mark.parametrize("status", [200, 503])
def test_after_a_whole_answer_its_connection_is_given_back_and_no_alarm_is_set(alarms, asynchronous, status):
    body, line = Body(), _Socket()
    answer = httpx.Response(status, stream=body, extensions={"network_stream": line})
    reply, _ = send(lambda _: answer, asking(deadline=Deadline.from_now(60.0)), asynchronous=asynchronous)
    assert reply == HttpResponse(status, {}, b"half whole")
    assert body.closed
    assert [alarm.is_set for alarm in alarms] == [False] * (not asynchronous)
    assert not line.shut


@both
@pytest.mark.parametrize("failure", [httpx.ReadError("reset"), httpx.ReadTimeout("silent"), KeyboardInterrupt()])
def test_a_body_that_fails_gives_its_connection_back_and_leaves_no_alarm(alarms, asynchronous, failure):
    body, line = Body(failure), _Socket()
    answer = httpx.Response(200, stream=body, extensions={"network_stream": line})
    try:
        error, _ = send(lambda _: answer, asking(deadline=Deadline.from_now(60.0)), asynchronous=asynchronous)
    except KeyboardInterrupt as interrupt:
        error = interrupt
    assert isinstance(error, KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else APIConnectionError)
    assert body.closed
    assert [alarm.is_set for alarm in alarms] == [False] * (not asynchronous)


@both
def test_without_a_deadline_no_alarm_is_set(alarms, asynchronous):
    answer = httpx.Response(200, stream=Body(), extensions={"network_stream": _Socket()})
    reply, _ = send(lambda _: answer, asynchronous=asynchronous)
    assert reply.body == b"half whole"
    assert alarms == []
