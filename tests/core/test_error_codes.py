"""Every error code that is known, inside an answer of status 200: one class on each api, and as many sends as it is worth."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from support.pacing import noted_pauses
from support.source_words import ROOT

from dbx_gateway import Client, fold, forget
from dbx_gateway.call.pacing import PacingRules
from dbx_gateway.error_bodies import _KIND_OF_CODE, _KINDS, _STATUS_OF_CODE
from dbx_gateway.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextOverflowError,
    DbxGatewayError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)

RETRIES = 2
ONCE = 1
AGAIN = ONCE + RETRIES

MEANS: dict[str, tuple[type[DbxGatewayError], int, int]] = {
    # Anthropic
    "invalid_request_error": (BadRequestError, 400, ONCE),
    "authentication_error": (AuthenticationError, 401, ONCE),
    "billing_error": (PermissionDeniedError, 402, ONCE),
    "permission_error": (PermissionDeniedError, 403, ONCE),
    "not_found_error": (NotFoundError, 404, ONCE),
    "conflict_error": (APIError, 409, AGAIN),
    "request_too_large": (BadRequestError, 413, ONCE),
    "rate_limit_error": (RateLimitError, 429, AGAIN),
    "api_error": (ServerError, 500, AGAIN),
    "timeout_error": (ServerError, 504, AGAIN),
    "overloaded_error": (ServerError, 529, AGAIN),
    # OpenAI
    "server_error": (ServerError, 500, AGAIN),
    "rate_limit_exceeded": (RateLimitError, 429, AGAIN),
    "insufficient_quota": (RateLimitError, 429, AGAIN),
    "invalid_prompt": (BadRequestError, 400, ONCE),
    "context_length_exceeded": (ContextOverflowError, 400, ONCE),
    "content_filter": (ContentFilterError, 400, ONCE),
    "content_policy_violation": (ContentFilterError, 400, ONCE),
    "model_not_found": (NotFoundError, 404, ONCE),
    "vector_store_timeout": (ServerError, 504, AGAIN),
    "data_residency_mismatch": (BadRequestError, 400, ONCE),
    "bio_policy": (BadRequestError, 400, ONCE),
    "misalignment_policy_violation": (BadRequestError, 400, ONCE),
    "invalid_image": (BadRequestError, 400, ONCE),
    "invalid_image_format": (BadRequestError, 400, ONCE),
    "invalid_base64_image": (BadRequestError, 400, ONCE),
    "invalid_image_url": (BadRequestError, 400, ONCE),
    "invalid_image_mode": (BadRequestError, 400, ONCE),
    "image_too_large": (BadRequestError, 400, ONCE),
    "image_too_small": (BadRequestError, 400, ONCE),
    "image_parse_error": (BadRequestError, 400, ONCE),
    "image_content_policy_violation": (ContentFilterError, 400, ONCE),
    "image_file_too_large": (BadRequestError, 400, ONCE),
    "image_file_not_found": (BadRequestError, 400, ONCE),
    "unsupported_image_media_type": (BadRequestError, 400, ONCE),
    "empty_image_file": (BadRequestError, 400, ONCE),
    "failed_to_download_image": (BadRequestError, 400, ONCE),
    # Google
    "INVALID_ARGUMENT": (BadRequestError, 400, ONCE),
    "FAILED_PRECONDITION": (BadRequestError, 400, ONCE),
    "UNAUTHENTICATED": (AuthenticationError, 401, ONCE),
    "NOT_FOUND": (NotFoundError, 404, ONCE),
    "RESOURCE_EXHAUSTED": (RateLimitError, 429, AGAIN),
    "INTERNAL": (ServerError, 500, AGAIN),
    "UNAVAILABLE": (ServerError, 503, AGAIN),
    "DEADLINE_EXCEEDED": (ServerError, 504, AGAIN),
    # Databricks
    "BAD_REQUEST": (BadRequestError, 400, ONCE),
    "INVALID_PARAMETER_VALUE": (BadRequestError, 400, ONCE),
    "PERMISSION_DENIED": (PermissionDeniedError, 403, ONCE),
    "ENDPOINT_NOT_FOUND": (NotFoundError, 404, ONCE),
    "RESOURCE_DOES_NOT_EXIST": (NotFoundError, 404, ONCE),
    "REQUEST_LIMIT_EXCEEDED": (RateLimitError, 429, AGAIN),
    "INTERNAL_ERROR": (ServerError, 500, AGAIN),
    "TEMPORARILY_UNAVAILABLE": (ServerError, 503, AGAIN),
}

WORDS = "no access to table t"


def all_below(kind: type) -> set[type]:
    """A class and those that derive from it, of this package."""
    derived = (below for one in kind.__subclasses__() if one.__module__ == kind.__module__ for below in all_below(one))
    return {kind, *derived}


def databricks(code):
    return {"error_code": code, "message": WORDS}


def openai(code):
    return {"error": {"message": WORDS, "type": "an_error", "param": None, "code": code}}


def anthropic(code):
    return {"type": "error", "error": {"type": code, "message": WORDS}}


def google(code):
    return {"error": {"message": WORDS, "status": code, "details": []}}


def response(code):
    return {
        "id": "r1",
        "object": "response",
        "status": "failed",
        "error": {"code": code, "message": WORDS},
        "output": [],
    }


def response_failed(code):
    return {"type": "response.failed", "response": response(code)}


def response_error(code):
    return {"type": "response.error", "error": {"code": code, "message": WORDS}}


def flat(code):
    return {"type": "error", "code": code, "message": WORDS, "param": None}


FORMS = {
    "chat-completions": ("llama", [openai], [openai]),
    "responses": ("gpt", [response, openai], [response_failed, response_error, flat, openai]),
    "messages": ("claude", [anthropic], [anthropic]),
    "generate-content": ("gemini", [google], [google]),
}
"""For each api a family that speaks it, and the forms of an error in place of a whole answer and in a stream."""


def asked(api: str, family: str, value, *, stream: bool) -> tuple[DbxGatewayError, int]:
    """Return the error that ``value`` in an answer of status 200 is raised as, and how many requests were sent."""
    forget()  # that the endpoint has refused the call before
    sent = []

    def handle(request):
        sent.append(request)
        if stream:
            content = b"data: " + json.dumps(value).encode() + b"\n\n"
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=content)
        return httpx.Response(200, json=value)

    with httpx.Client(transport=httpx.MockTransport(handle)) as http_client:
        client = Client(
            model="a-model",
            host="https://ws.example.com",
            token="t",
            family=family,
            surface="model-serving",
            api=api,
            max_retries=RETRIES,
            http_client=http_client,
        )
        with pytest.raises(APIError) as caught:
            fold(client.stream("Hello")) if stream else client.chat("Hello")
    return caught.value, len(sent)


@pytest.fixture
def quick_retries(monkeypatch):
    """Retries without pauses; who is refused for load has time for as many further sends as others have retries."""
    with noted_pauses(monkeypatch, rules=PacingRules(patience=RETRIES + 0.5, jitter=0.0)):
        yield


def test_every_code_of_the_table_has_a_row_here():
    assert MEANS.keys() == _STATUS_OF_CODE.keys()


def test_every_code_of_a_class_of_its_own_has_a_status_whose_class_is_the_parent():
    assert {code for code in _KIND_OF_CODE if code not in _STATUS_OF_CODE} == set()
    parents = {code: _KINDS.get(_STATUS_OF_CODE[code], ServerError) for code in _KIND_OF_CODE}
    assert {code for code, kind in _KIND_OF_CODE.items() if parents[code] not in kind.__bases__} == set()


def test_every_code_of_databricks_and_google_stands_in_the_pages_of_facts():
    pages = " ".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs/wire").glob("*.md"))
    words = set(re.findall(r"\w+", pages))
    assert {code for code in MEANS if code.isupper()} - words == set(), "docs/wire/errors.md lacks a code"


def test_every_class_that_a_server_can_cause_has_a_code():
    caused = {kind for kind, _, _ in MEANS.values()}
    assert all_below(APIError) - caused == set(), "no code of error_bodies.py leads to a class"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", FORMS)
@pytest.mark.parametrize("code", MEANS)
@pytest.mark.usefixtures("quick_retries")
def test_a_code_means_one_class_on_every_api_and_in_every_form(code, api, stream):
    kind, status, sends = MEANS[code]
    family, whole, streamed = FORMS[api]
    for form in [databricks, *(streamed if stream else whole)]:
        error, sent = asked(api, family, form(code), stream=stream)
        found = (type(error), error.status, error.error_code, sent)
        assert found == (kind, status, code, sends), form.__name__
        assert WORDS in error.message


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.usefixtures("quick_retries")
def test_a_failed_response_of_an_unknown_code_is_a_failure_of_the_server(stream):
    for code in ("something_new", None, ""):
        value = response_failed(code) if stream else response(code)
        error, sent = asked("responses", "gpt", value, stream=stream)
        assert (type(error), error.status, sent) == (ServerError, 500, AGAIN)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.usefixtures("quick_retries")
def test_a_failed_response_that_names_a_status_is_of_its_class(stream):
    for code in (403, "403"):
        value = response_failed(code) if stream else response(code)
        error, sent = asked("responses", "gpt", value, stream=stream)
        assert (type(error), error.status, sent) == (PermissionDeniedError, 403, ONCE)
