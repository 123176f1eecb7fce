"""What servers refuse with, in their own words: the meaning of each wording, and what only looks like it."""

from __future__ import annotations

import json
import time

import pytest
from support.promises import promise

from dbx_gateway.error_bodies import RequestTarget, api_error, is_token_problem, read_error_body
from dbx_gateway.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextOverflowError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from dbx_gateway.refusals import NOT_IMPLEMENTED, ROWS

ASKED = RequestTarget("team-chat", "model-serving chat-completions https://ws/x")


def failed(status, body) -> APIError:
    if isinstance(body, str):
        body = {"error_code": "BAD_REQUEST", "message": body}
    return api_error(status, {}, json.dumps(body).encode(), ASKED)


def test_each_row_has_a_name_and_a_source_of_its_own():
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.source.startswith("docs/wire/") for row in ROWS)


def test_what_an_error_advises_is_read_as_no_refusal():
    for row in ROWS:
        error = failed(min(row.statuses - {0, 200}), {"message": "no"})
        advised = f"{error.message} {row.advice}"
        others = [other.name for other in ROWS if other is not NOT_IMPLEMENTED and other.words.search(advised)]
        assert others == []


# --- a prompt that is too long -----------------------------------------------------------------------------------

OVERFLOWS = {
    "Anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
    "Anthropic on chat": "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    "OpenAI": "This model's maximum context length is 128000 tokens. However, your messages resulted in 150000 tokens. "
    "Please reduce the length of the messages.",
    "OpenAI Responses": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "OpenAI GPT-5": "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
    "Azure": "This request exceeds the maximum context length of the model",
    "Google": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Google Vertex": "Unable to submit request because the input token count is 32825 but model only supports up to 32768.",
    "xAI": "This model's maximum prompt length is 131072 but the request contains 136973 tokens.",
    "Bedrock": "The model returned the following errors: Input is too long for requested model.",
    "Mistral": "Prompt contains 33000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "Cohere": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000.",
    "Moonshot": "Invalid request: Your request exceeded model token limit: 262144 (requested: 300000)",
    "vLLM": "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    "vLLM, newer": "Input prompt (9000 tokens) is too long and exceeds limit of 8192",
    "TGI": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
    "llama.cpp": "the request exceeds the available context size. try increasing the context size",
    "LM Studio": "tokens to keep from the initial prompt is greater than the context length",
    "Groq": "Please reduce the length of the messages or completion.",
}


@pytest.mark.parametrize("words", OVERFLOWS.values(), ids=OVERFLOWS)
@pytest.mark.parametrize("status", [400, 413, 422, 200])
def test_a_prompt_that_is_too_long_is_an_overflow_in_each_vendors_words(status, words):
    error = failed(status, {"error_code": "BAD_REQUEST", "message": json.dumps({"message": words})})
    assert type(error) is ContextOverflowError
    assert error.retryable is False


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (400, "max_tokens is too large: 32000. This model supports at most 16384 completion tokens.", BadRequestError),
        (
            400,
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 8192 tokens and "
                "your request has 500 input tokens (8192 > 8192 - 500)."
            ),
            BadRequestError,
        ),
        (
            400,
            "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for claude-3-opus-20240229",
            BadRequestError,
        ),
        (413, "Request too large for model on tokens per minute (TPM): Limit 6000, Requested 7000", BadRequestError),
        (429, "prompt is too long for your input tokens per minute limit", RateLimitError),
        (429, "Exceeded the maximum context length of tokens per minute", RateLimitError),
        (400, "The input tokens exceed the limit of 20000 tokens per minute", BadRequestError),
        (400, "tools.0.custom.input is too long", BadRequestError),
        (400, "The context of the conversation is missing", BadRequestError),
        (500, "prompt is too long", ServerError),
    ],
)
def test_what_is_said_of_the_answer_or_of_a_rate_is_no_overflow(status, words, kind):
    assert type(failed(status, words)) is kind


# --- a token that is not taken -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"error_code": 403, "message": "Invalid access token."},
        {"error_code": "400", "message": "Invalid Token"},
        {"message": "Invalid Token"},
        {"message": "Token is expiring"},
        {"message": "Token is expiring within 30 seconds."},
        {"message": "Access token has expired."},
        {"message": "Invalid access token. [ReqId: 0b9a3a0f-1a2b]"},
        {"error_code": "PERMISSION_DENIED", "message": "PERMISSION_DENIED: Invalid access token"},
        {"error": "Expired OAuth token"},
    ],
)
@pytest.mark.parametrize("status", [400, 403])
def test_a_token_problem_by_400_or_403_is_told_by_its_words(status, body):
    error = failed(status, body)
    assert type(error) is AuthenticationError
    assert error.status == status
    assert "Sign in again or renew the token" in error.message
    assert is_token_problem(status, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (403, "You do not have the permission CAN QUERY on the endpoint.", PermissionDeniedError),
        (403, "Source IP address: 1.2.3.4 is blocked by the IP access list", PermissionDeniedError),
        (403, "Invalid access token scope: serving is missing, ask your administrator", PermissionDeniedError),
        (400, "Invalid token in JSON at position 3", BadRequestError),
        (400, "Invalid token: 'temperature'", BadRequestError),
        (400, "stop: invalid token", BadRequestError),
        (400, "Unexpected token < in JSON", BadRequestError),
        (404, "Invalid Token", NotFoundError),
        (500, "Invalid Token", ServerError),
    ],
)
def test_other_words_about_tokens_are_no_token_problem(status, words, kind):
    assert type(failed(status, {"message": words})) is kind
    assert not is_token_problem(status, json.dumps({"message": words}).encode())


# --- guardrails --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"error_code": "BAD_REQUEST", "message": "Request blocked by input guardrail 'no-pii'"},
        {"error_code": "BAD_REQUEST", "message": "Output guardrail 'no-pii' failed to evaluate: timeout"},
        {"message": "The request was blocked by a service policy"},
        {"error": {"code": "content_filter", "message": "The response was filtered"}},
        {"error": {"code": "content_policy_violation", "message": "no"}},
        {"error": {"message": "The prompt triggered Azure OpenAI's content management policy."}},
    ],
)
def test_what_a_guardrail_blocks_has_a_class_of_its_own_that_says_where_the_block_stays(body):
    error = failed(400, body)
    assert type(error) is ContentFilterError
    assert isinstance(error, BadRequestError)
    assert "every later call is blocked" in error.message


# --- what does not pass ------------------------------------------------------------------------------------------


def test_a_workspace_that_enforces_model_services_knows_no_endpoint_of_that_name():
    error = failed(
        501,
        {
            "error_code": "NOT_IMPLEMENTED",
            "message": "'m' is no longer available. Use Unity Catalog model services (v3).",
        },
    )
    assert (type(error), error.retryable) == (NotFoundError, False)
    assert "system.ai" in error.message


def test_what_a_server_does_not_implement_does_not_pass():
    error = failed(501, {"message": "no"})
    assert (type(error), error.retryable) == (ServerError, False)


@pytest.mark.parametrize("status", [400, 403, 404, 501])
def test_a_workspace_without_the_gateway_says_so_by_its_code(status):
    body = {"error_code": "FEATURE_DISABLED", "message": "AI Gateway is not available for this workspace."}
    error = failed(status, body)
    assert (type(error), error.retryable, error.error_code) == (NotFoundError, False, "FEATURE_DISABLED")
    assert "model-serving" in error.message


# --- the envelope of external models -----------------------------------------------------------------------------


def enveloped(inside, **more):
    return {"error": "Received error from openai", "external_model_message": inside, **more}


@pytest.mark.parametrize(
    ("inside", "words", "code"),
    [
        ({"error": {"message": "no", "type": "invalid_request_error", "code": "some_code"}}, "no", "some_code"),
        ({"error": {"message": "no", "code": 400, "status": "INVALID_ARGUMENT"}}, "no", "INVALID_ARGUMENT"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, "no", "overloaded_error"),
        ({"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}, "no", "INVALID_PARAMETER_VALUE"),
        ({"message": "no"}, "no", None),
        ([{"error": {"message": "no", "code": "some_code"}}], "no", "some_code"),
        ("no", "no", None),
        ('{"message": "no"}', "no", None),
        (json.dumps({"error": {"message": json.dumps({"error": {"message": "no", "code": "x_y"}})}}), "no", "x_y"),
        ({"external_model_message": {"message": "no"}}, "no", None),
        ({"something": "else"}, '{"something":"else"}', None),
        ({"Message": 3}, '{"Message":3}', None),
    ],
)
def test_the_envelope_of_an_external_model_is_read_whatever_stands_in_it(inside, words, code):
    for body in (
        enveloped(inside),
        {"error_code": "BAD_REQUEST", "message": json.dumps(enveloped(inside))},
        {"error": enveloped(inside)},
        {"message": json.dumps({"external_model_provider": "openai", "external_model_error": inside})},
    ):
        read = read_error_body(json.dumps(body).encode())
        assert read.message == f"openai: {words}"
        assert read.provider == "openai"
        if code is not None:
            assert code in read.codes


@pytest.mark.parametrize(
    ("inside", "kind"),
    [
        ({"message": "Input is too long for requested model."}, ContextOverflowError),
        ({"error": {"message": "no", "code": "context_length_exceeded"}}, ContextOverflowError),
        ({"error": {"code": "content_filter", "message": "filtered"}}, ContentFilterError),
        ({"message": "The provided model identifier is invalid."}, BadRequestError),
        ({"message": "Invalid Token"}, BadRequestError),
    ],
)
def test_what_stands_in_the_envelope_decides_the_class(inside, kind):
    assert type(failed(400, enveloped(inside))) is kind
    wrapped = {"error_code": "BAD_REQUEST", "message": json.dumps(inside)}
    if kind is not BadRequestError:
        assert type(failed(400, wrapped)) is kind


@pytest.mark.parametrize("status", [401, 403, 404])
def test_where_the_provider_refuses_the_endpoint_the_caller_is_not_told_to_sign_in(status):
    error = failed(status, enveloped({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}))
    assert "openai that refuses the endpoint" in error.message
    assert "renew the token" not in error.message


def test_an_envelope_without_end_is_read_only_so_far():
    body = {"message": "no"}
    for _ in range(100):
        body = {"external_model_message": body}
    assert "external_model_message" in read_error_body(body).message


@promise("linear")
@pytest.mark.parametrize(
    "piece",
    ["prompt ", "input token count ", "context ", "the encrypted content ", "blocked by a ", "token ", "exceeds the "],
)
def test_hostile_words_are_read_in_time_in_proportion_to_their_length(piece):
    def cost(size: int) -> float:
        words = (piece * size)[:size]
        times = []
        for _ in range(3):
            began = time.thread_time()
            for row in ROWS:
                for pattern in (row.words, row.unless):
                    if pattern is not None:
                        pattern.search(words)
            times.append(time.thread_time() - began)
        return min(times)

    assert cost(32_000) < 40 * cost(4_000) + 0.01
