"""What LangChain's caches find an answer by, and what of a call's options traces show."""

from __future__ import annotations

import ssl

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, load
from support.promises import promise

from dbx_gateway.errors import ConfigurationError
from langchain_dbx_gateway import ChatDbxGateway

SECRET = "s3cret-of-a-header"


def asked(workspace) -> int:
    return len(workspace.ledger.model_calls())


def test_a_setting_that_is_assigned_later_has_an_answer_of_its_own(make_llm, workspace):
    llm = make_llm(cache=InMemoryCache(), max_tokens=100)
    assert llm.invoke("Hello").text == llm.invoke("Hello").text
    assert asked(workspace) == 1
    llm.max_tokens = 101
    llm.invoke("Hello")
    assert asked(workspace) == 2
    llm.max_tokens = 100
    llm.invoke("Hello")
    assert asked(workspace) == 2


def test_a_copy_with_another_setting_has_an_answer_of_its_own(make_llm, workspace):
    llm = make_llm(cache=InMemoryCache(), max_tokens=100)
    llm.invoke("Hello")
    llm.model_copy(update={"max_tokens": 101}).invoke("Hello")
    llm.model_copy().invoke("Hello")
    assert asked(workspace) == 2


@pytest.mark.parametrize(
    "settings",
    [{"timeout": 7}, {"stream_idle_timeout": 7}, {"total_timeout": 70}, {"max_retries": 0}, {"coalesce_deltas": False}],
)
def test_how_long_an_answer_is_waited_for_makes_no_other_answer(settings):
    plain = ChatDbxGateway(model="m", temperature=0)
    assert ChatDbxGateway(model="m", temperature=0, **settings)._get_llm_string() == plain._get_llm_string()
    assert plain._get_llm_string(**settings) == plain._get_llm_string()
    assert plain._get_llm_string(temperature=1) != plain._get_llm_string()


@promise("secret-keys")
def test_headers_are_told_apart_and_not_shown():
    plain = ChatDbxGateway(model="m")
    one, other = ({"x-team": f"{SECRET}-{team}"} for team in ("a", "b"))
    made = [ChatDbxGateway(model="m", default_headers=headers)._get_llm_string() for headers in (one, other, one)]
    called = [plain._get_llm_string(default_headers=headers) for headers in (one, other, one)]
    for first, second, again in (made, called):
        assert first == again != second
    assert len({plain._get_llm_string(), *made, *called}) == 5
    assert SECRET not in "".join([*made, *called])


@promise("secret-traces")
def test_a_header_of_one_call_is_in_no_trace(make_llm, workspace):
    heard: list[str] = []

    class Listener(BaseCallbackHandler):
        def on_chat_model_start(self, *args, **kwargs):
            heard.append(repr((args, kwargs)))

    make_llm(callbacks=[Listener()]).invoke("Hello", default_headers={"x-team": SECRET}, max_tokens=77)
    assert workspace.ledger.model_calls()[0].headers["x-team"] == SECRET
    assert len(heard) == 1
    assert "'max_tokens': 77" in heard[0]
    assert "'default_headers': '***'" in heard[0]
    assert SECRET not in heard[0]


@pytest.mark.filterwarnings("ignore:.*in beta:langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_certificates_that_no_serialised_form_holds_are_asked_for():
    context = ssl.create_default_context()
    written = dumpd(ChatDbxGateway(model="m", host="https://ws.example.com", token="t", verify=context))
    again = load(
        written,
        allowed_objects=[ChatDbxGateway],
        valid_namespaces=["langchain_dbx_gateway"],
        secrets_map={"DATABRICKS_TOKEN": "t"},
    )
    with pytest.raises(ConfigurationError, match="give verify= again"):
        again.invoke("Hello")
