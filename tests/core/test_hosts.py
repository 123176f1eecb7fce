import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.promises import promise
from support.recording_host import redirect, wire

from dbx_gateway import APIConnectionError, BadRequestError, Client
from dbx_gateway.errors import ConfigurationError
from dbx_gateway.transport.hosts import normalise_host, origin_of


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("ws.cloud.databricks.com", "https://ws.cloud.databricks.com"),
        ("https://ws.cloud.databricks.com", "https://ws.cloud.databricks.com"),
        (" https://WS.cloud.databricks.com/ ", "https://ws.cloud.databricks.com"),
        ("https://ws.cloud.databricks.com:443", "https://ws.cloud.databricks.com"),
        ("https://ws.cloud.databricks.com:8443/", "https://ws.cloud.databricks.com:8443"),
        ("https://adb-1.2.azuredatabricks.net/?o=123#home", "https://adb-1.2.azuredatabricks.net"),
        ("https://ws.example.com/serving-endpoints", "https://ws.example.com"),
        ("https://ws.example.com/serving-endpoints/", "https://ws.example.com"),
        ("https://ws.example.com/serving-endpoints/v1", "https://ws.example.com"),
        ("https://ws.example.com/serving-endpoints/chat/completions", "https://ws.example.com"),
        ("https://ws.example.com/serving-endpoints/anthropic", "https://ws.example.com"),
        ("https://ws.example.com/serving-endpoints/anthropic/v1/messages", "https://ws.example.com"),
        ("https://ws.example.com/serving-endpoints/gemini/v1beta", "https://ws.example.com"),
        ("https://ws.example.com/ai-gateway/mlflow/v1", "https://ws.example.com"),
        ("https://ws.example.com/ai-gateway/openai/v1/responses", "https://ws.example.com"),
        ("https://1.ai-gateway.cloud.databricks.com/mlflow/v1", "https://1.ai-gateway.cloud.databricks.com"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("https://göod.com", "https://xn--god-sna.com"),
        ("https://GÖOD.com:8443", "https://xn--god-sna.com:8443"),
        ("https://xn--god-sna.com", "https://xn--god-sna.com"),
    ],
)
def test_a_host_is_reduced_to_scheme_name_and_port(given, host):
    assert normalise_host(given) == host


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "has no name"),
        ("https://xn--a", "'https://xn--a' has a name that is none in any language"),
        ("https://xn--a.cloud.databricks.com", "has a name that is none in any language"),
        ("https://\u2603\u200d.example", "has a name that is none in any language"),
        ("https://", "has no name"),
        ("my workspace", "has no name"),
        ("https://ws.example.com/ml/endpoints", "has a path, '/ml/endpoints'; give https://ws.example.com alone"),
        ("https://ws.example.com/serving-endpoints/chat/invocations", "endpoint_url="),
        ("https://ws.example.com/mlflow/v1", "has a path"),
        ("http://ws.example.com", "plain http"),
        ("http://10.0.0.1:8000", "plain http"),
        ("http://localhost.example.com", "plain http"),
        ("ftp://ws.example.com", "not an http URL"),
        ("https://ws.example.com:no", "no URL"),
        ("https://<workspace>.cloud.databricks.com", "cannot hold '<'"),
        ("https://{host}/serving-endpoints", "cannot hold '{'"),
        ("ws%2Eexample.com", "cannot hold '%'"),
        ("^" * 22, "cannot hold '^'"),
        ("https://user:hunter2@ws.example.com", "has a user name or password"),
    ],
)
def test_a_host_that_cannot_be_meant_is_refused_with_what_to_give_instead(given, says):
    with pytest.raises(ConfigurationError) as caught:
        normalise_host(given)
    assert says in caught.value.message
    assert "hunter2" not in caught.value.message


@promise("names")
@pytest.mark.parametrize(
    "fields",
    [
        {"host": "https://xn--a"},
        {"host": "https://xn--a.cloud.databricks.com", "surface": "model-serving"},
        {"endpoint_url": "https://xn--a/chat/completions"},
    ],
)
def test_a_host_that_idna_does_not_know_is_refused_before_anything_is_sent(fields):
    with pytest.raises(ConfigurationError, match="a name that is none in any language"):
        Client(model="databricks-llama-x", token="dapi-x", **fields)


@promise("names")
def test_a_redirect_to_a_host_that_idna_does_not_know_is_not_followed():
    with (
        wire(lambda request: redirect(307, "https://xn--a/x")) as host,
        pytest.raises(APIConnectionError, match="redirects to something that is no URL"),
    ):
        Client(model="databricks-llama-x", host=host.url, token="dapi-x", surface="model-serving").chat("Hello")


def test_a_host_beyond_ascii_is_the_host_of_its_own_token():
    sent = []

    def reply(request: httpx.Request) -> httpx.Response:
        sent.append(str(request.url.raw_host))
        return httpx.Response(400, json={"message": "no"})

    with httpx.Client(transport=httpx.MockTransport(reply)) as client, pytest.raises(BadRequestError):
        Client(
            model="databricks-llama-x",
            host="https://göod.com",
            token="dapi-x",
            surface="model-serving",
            http_client=client,
        ).chat("Hello")
    assert sent == ["b'xn--god-sna.com'"]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_whatever_is_given_becomes_a_host_that_stays_itself_or_a_configuration_error(text):
    try:
        host = normalise_host(text)
    except ConfigurationError:
        return
    assert normalise_host(host) == host


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://ws.example.com/a?b", ("https", "ws.example.com", 443)),
        ("https://WS.example.com:443", ("https", "ws.example.com", 443)),
        ("http://[::1]:8000/x", ("http", "::1", 8000)),
        ("https://göod.com/x", ("https", "xn--god-sna.com", 443)),
        ("https://xn--god-sna.com/x", ("https", "xn--god-sna.com", 443)),
    ],
)
def test_an_origin_is_scheme_name_and_port(url, origin):
    assert origin_of(url) == origin
