import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    ],
)
def test_a_host_is_reduced_to_scheme_name_and_port(given, host):
    assert normalise_host(given) == host


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "has no name"),
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
    ],
)
def test_an_origin_is_scheme_name_and_port(url, origin):
    assert origin_of(url) == origin
