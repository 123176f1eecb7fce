"""Errors are ours and langchain-core's at once, and LangChain's middleware makes the right of them."""

from __future__ import annotations

import pickle
from contextlib import suppress

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core import exceptions
from langchain_core.exceptions import ModelError
from langchain_core.messages import HumanMessage
from support.promises import promise

from dbx_gateway import errors
from dbx_gateway.testing import REFUSALS, Fault
from langchain_dbx_gateway import ChatDbxGateway
from langchain_dbx_gateway.errors import _KINDS, translated

CASES = [
    (400, "BAD_REQUEST", errors.BadRequestError, exceptions.ModelInvalidRequestError),
    (401, "UNAUTHENTICATED", errors.AuthenticationError, exceptions.ModelAuthenticationError),
    (403, "PERMISSION_DENIED", errors.PermissionDeniedError, exceptions.ModelPermissionDeniedError),
    (429, "REQUEST_LIMIT_EXCEEDED", errors.RateLimitError, exceptions.ModelRateLimitError),
    (503, "TEMPORARILY_UNAVAILABLE", errors.ServerError, exceptions.ModelAPIError),
]


@pytest.mark.parametrize(("status", "code", "ours", "theirs"), CASES)
@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_an_error_is_ours_and_langchains(make_llm, workspace, status, code, ours, theirs, way):
    workspace.inject(Fault(status=status, error_code=code), times=None, where="messages")
    llm = make_llm(max_retries=0)

    with pytest.raises(ours) as caught:
        list(llm.stream("Hello")) if way == "stream" else llm.invoke("Hello")

    assert isinstance(caught.value, theirs)
    assert caught.value.status == caught.value.status_code == status
    assert caught.value.is_retryable == (status in (429, 503))


REFUSED = {
    "expired token: 403": exceptions.ModelAuthenticationError,
    "expired token: 400": exceptions.ModelAuthenticationError,
    "model services (v3)": exceptions.ModelNotFoundError,
    "not implemented": exceptions.ModelAPIError,
    "no gateway": exceptions.ModelNotFoundError,
    "overflow: Bedrock": exceptions.ContextOverflowError,
    "external model: overflow": exceptions.ContextOverflowError,
    "external model: filtered": exceptions.ModelInvalidRequestError,
    "input guardrail": exceptions.ModelInvalidRequestError,
}


@pytest.mark.parametrize(("name", "kind"), REFUSED.items(), ids=REFUSED)
@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_a_refusal_is_what_it_means_in_langchain_too_and_none_of_these_is_tried_again(
    make_llm, workspace, name, kind, way
):
    workspace.inject(REFUSALS[name].fault, times=None, where="/ai-gateway/")
    llm = make_llm(max_retries=2)

    with pytest.raises(kind) as caught:
        list(llm.stream("Hello")) if way == "stream" else llm.invoke("Hello")

    assert caught.value.is_retryable is False


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_a_thread_whose_proofs_of_reasoning_are_refused_goes_on(make_llm, workspace, version):
    llm = make_llm(thinking=2048, max_tokens=9000, output_version=version)
    thread = [HumanMessage("Hello"), llm.invoke("Hello"), HumanMessage("And now?")]
    workspace.retire_proofs()
    answers = [llm.invoke(thread), llm.invoke(thread)]

    assert [answer.text for answer in answers] == ["You said: And now?"] * 2
    posts = [entry.status for entry in workspace.ledger.entries("messages") if entry.method == "POST"]
    assert posts == [200, 400, 200, 200]


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.__name__)
def test_both_say_the_same_about_trying_again(kind):
    assert issubclass(kind, ModelError)
    assert issubclass(kind, errors.DbxGatewayError)
    assert kind.is_retryable == kind.retryable


KIND_OF = {
    errors.ConfigurationError: (exceptions.ModelInvalidRequestError, False),
    errors.InvalidRequestError: (exceptions.ModelInvalidRequestError, False),
    errors.APIError: (ModelError, False),
    errors.BadRequestError: (exceptions.ModelInvalidRequestError, False),
    errors.ContextOverflowError: (exceptions.ContextOverflowError, False),
    errors.ContentFilterError: (exceptions.ModelInvalidRequestError, False),
    errors.AuthenticationError: (exceptions.ModelAuthenticationError, False),
    errors.PermissionDeniedError: (exceptions.ModelPermissionDeniedError, False),
    errors.NotFoundError: (exceptions.ModelNotFoundError, False),
    errors.RateLimitError: (exceptions.ModelRateLimitError, True),
    errors.ServerError: (exceptions.ModelAPIError, True),
    errors.InvalidResponseError: (ModelError, False),
    errors.APIConnectionError: (exceptions.ModelConnectionError, True),
    errors.APITimeoutError: (exceptions.ModelTimeoutError, True),
    errors.IncompleteStreamError: (exceptions.ModelConnectionError, True),
}
"""Each error of the core: langchain-core's kind for it, and whether the same call may be made again.

What is no answer is no failure of a connection and none that the server reports: langchain-core has no kind for it but
the base of them all, which is not tried again, for the answer was billed.
"""
NO_CALL_RAISES = {errors.DbxGatewayError, errors.ExtractionError}
"""The base, and what ``with_structured_output`` turns into an OutputParserException."""


@pytest.mark.parametrize("kind", KIND_OF, ids=lambda kind: kind.__name__)
def test_each_error_of_the_core_is_raised_as_langchains_kind(kind):
    theirs, retryable = KIND_OF[kind]
    with pytest.raises(kind) as caught, translated():
        raise kind("no", status=400, request_id="1")

    kinds = [one for one in type(caught.value).__mro__ if one.__module__ == exceptions.__name__]
    assert kinds[0] is theirs
    assert caught.value.is_retryable is retryable
    assert (caught.value.message, caught.value.status, caught.value.request_id) == ("no", 400, "1")


def test_what_a_filter_blocked_is_caught_where_refusals_of_models_are():
    with pytest.raises(getattr(exceptions, "ModelRefusalError", ModelError)) as caught, translated():
        raise errors.ContentFilterError("blocked by a filter", status=400)
    assert (str(caught.value), caught.value.raw_message) == (
        str(errors.ContentFilterError("blocked by a filter", status=400)),
        None,
    )


@promise("langchain-kinds")
def test_every_error_of_the_core_that_a_call_can_raise_has_a_kind():
    kinds = {kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)}

    assert kinds - NO_CALL_RAISES == set(KIND_OF)


@pytest.mark.parametrize("kind", sorted(NO_CALL_RAISES, key=str), ids=lambda kind: kind.__name__)
def test_an_error_that_langchain_has_no_kind_for_stays_what_it_is(kind):
    error = kind("no")
    with pytest.raises(kind) as caught, translated():
        raise error

    assert caught.value is error


def test_an_error_is_translated_once_however_many_doors_it_leaves_by():
    with pytest.raises(errors.RateLimitError) as inner, translated():
        raise errors.RateLimitError("slow down", status=429)
    with pytest.raises(errors.RateLimitError) as outer, translated(), translated():
        raise inner.value

    assert outer.value is inner.value
    assert type(outer.value.__cause__) is errors.RateLimitError


def test_an_error_keeps_what_it_knows_and_can_be_pickled(make_llm, workspace):
    workspace.inject(Fault(status=400, error_code="BAD_REQUEST"), where="messages")
    with pytest.raises(errors.BadRequestError) as caught:
        make_llm().invoke("Hello")
    again = pickle.loads(pickle.dumps(caught.value))

    assert type(again) is type(caught.value)
    assert (again.status, again.error_code, again.request_id) == (400, "BAD_REQUEST", caught.value.request_id)
    assert str(again) == str(caught.value)


@pytest.mark.parametrize(
    ("status", "sends"), [(400, 1), (401, 1), (403, 1), (413, 1), (422, 1), (429, 3), (500, 3), (503, 3), (529, 3)]
)
def test_the_retry_middleware_sends_again_only_what_may_succeed(make_llm, workspace, status, sends):
    workspace.inject(Fault(status=status, error_code="SOME"), times=None, where="messages")
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="continue")
    agent = create_agent(make_llm(max_retries=0), [], middleware=[retry])
    with suppress(errors.APIError):
        agent.invoke({"messages": [("user", "Hello")]})

    assert len(workspace.ledger.entries("/messages")) == sends


def test_an_unknown_option_of_a_call_is_refused_with_the_nearest(make_llm, workspace):
    with pytest.raises(exceptions.ModelInvalidRequestError, match="did you mean 'temperature'"):
        make_llm().invoke("Hello", temprature=0)
    assert workspace.ledger.model_calls() == []


def test_an_unknown_field_is_refused_with_the_nearest():
    with pytest.raises(errors.ConfigurationError, match="did you mean 'temperature'"):
        ChatDbxGateway(model="m", temprature=0)


def test_a_profile_of_the_config_file_is_told_from_a_profile_of_the_model():
    with pytest.raises(errors.ConfigurationError, match="config_profile='DEFAULT'"):
        ChatDbxGateway(model="m", profile="DEFAULT")


def test_contradictory_settings_are_refused_before_any_request():
    url = "https://workspace.example.com/serving-endpoints/m/invocations"

    with pytest.raises(
        errors.ConfigurationError, match="endpoint_url and surface='ai-gateway' both say where requests go"
    ):
        ChatDbxGateway(model="m", endpoint_url=url, surface="ai-gateway", token="t")


def test_a_stream_that_breaks_off_raises_and_carries_what_had_come(make_llm, workspace):
    workspace.inject(Fault(cut_after=4000), where="messages")

    with pytest.raises(errors.IncompleteStreamError) as caught:
        list(make_llm(max_retries=0).stream("Hello [long 200]"))

    assert isinstance(caught.value, exceptions.ModelConnectionError)
    assert caught.value.partial.text.startswith("word1")
