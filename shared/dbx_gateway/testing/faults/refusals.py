"""Refusals that are known from vendors, providers and workspaces, in their own words, to be injected as faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dbx_gateway.testing.faults.faults import Fault

__all__ = ["REFUSALS", "KnownRefusal"]


@dataclass(frozen=True, kw_only=True)
class KnownRefusal:
    """One refusal, as it was reported.

    Args:
        name: what it is about, and who says it.
        said_by: the vendor, provider or part of a workspace.
        status: HTTP status.
        words: the message.
        code: ``error_code`` of a body of Databricks; None: the body has none.
        body: all of the body, where it has another form; it holds the words.
        headers: of the answer.
        source: a section of the documentation.
    """

    name: str
    said_by: str
    status: int
    words: str
    code: str | int | None = "BAD_REQUEST"
    body: dict[str, Any] | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    source: str

    @property
    def fault(self) -> Fault:
        """The fault that answers a request in this way."""
        code = {} if self.code is None else {"error_code": self.code}
        return Fault(status=self.status, body=self.body or {**code, "message": self.words}, headers=dict(self.headers))


_OVERFLOW: Final = "docs/wire/errors.md#overflow"
_FIELDS: Final = "docs/wire/errors.md#refused-fields"
_PROOFS: Final = "docs/wire/errors.md#proofs-refused"
_TOKENS: Final = "docs/wire/errors.md#token-problems"
_GUARDS: Final = "docs/wire/errors.md#guardrails"
_ENVELOPE: Final = "docs/wire/errors.md#external-models"
_STATUSES: Final = "docs/wire/errors.md#statuses"
_SURFACES: Final = "docs/wire/surfaces.md#which-surface"
_OTHER_API: Final = "docs/wire/errors.md#another-api"


def _row(name: str, said_by: str, words: str, source: str, status: int = 400, **more: Any) -> KnownRefusal:
    return KnownRefusal(name=name, said_by=said_by, status=status, words=words, source=source, **more)


def _vendors(message: str, **fields: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", **fields}}


def _enveloped(provider: str, inside: object) -> dict[str, Any]:
    return {"error": f"Received error from {provider}", "external_model_message": inside}


_TOO_LONG: Final[Mapping[str, str]] = {
    "Anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
    "Claude on chat": "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    "OpenAI": "This model's maximum context length is 128000 tokens. However, your messages resulted in 150000 tokens.",
    "OpenAI Responses": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "OpenAI GPT-5": "Input tokens exceed the configured limit of 272000 tokens.",
    "Google": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Google Vertex": "Unable to submit request because the input token count is 32825 but model only supports up to 32768.",
    "xAI": "This model's maximum prompt length is 131072 but the request contains 136973 tokens.",
    "Bedrock": "The model returned the following errors: Input is too long for requested model.",
    "Mistral": "Prompt contains 33000 tokens, too large for model with 32768 maximum context length",
    "Cohere": "too many tokens: total number of tokens in the prompt cannot exceed 4081",
    "Moonshot": "Invalid request: Your request exceeded model token limit: 262144",
    "vLLM": "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    "TGI": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
    "llama.cpp": "the request exceeds the available context size. try increasing the context size",
}

_ROWS: Final = (
    *(_row(f"overflow: {vendor}", vendor, words, _OVERFLOW) for vendor, words in _TOO_LONG.items()),
    # --- a field or a value
    _row("unknown field", "Databricks", 'json: unknown field "top_k"', _FIELDS),
    _row("extra input", "Anthropic", "top_k: Extra inputs are not permitted", _FIELDS),
    _row("output_config", "Claude on Vertex or Bedrock", "output_config: Extra inputs are not permitted", _FIELDS),
    _row(
        "unsupported parameter",
        "OpenAI",
        "Unsupported parameter: 'temperature' is not supported with this model.",
        _FIELDS,
    ),
    _row(
        "only the default",
        "OpenAI",
        "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
        _FIELDS,
    ),
    _row("unrecognized argument", "OpenAI", "Unrecognized request argument supplied: reasoning_effort", _FIELDS),
    _row(
        "parameter of Bedrock",
        "Bedrock",
        "Model us.anthropic.claude-opus-5 does not support the temperature parameter.",
        _FIELDS,
    ),
    _row(
        "one of two samplers",
        "Anthropic",
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        _FIELDS,
    ),
    _row("encrypted content", "OpenAI, Azure", "Encrypted content is not supported with this model.", _FIELDS),
    _row(
        "most output: Anthropic",
        "Anthropic",
        "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for claude-3-opus-20240229",
        _FIELDS,
    ),
    _row(
        "most output: OpenAI",
        "OpenAI",
        "max_tokens is too large: 8192. This model supports at most 4096 completion tokens, whereas you provided 8192.",
        _FIELDS,
    ),
    _row(
        "most output: Bedrock",
        "Bedrock",
        "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is lower "
        "than 4096.",
        _FIELDS,
    ),
    _row(
        "effort",
        "OpenAI",
        "Invalid value: 'xhigh'. Supported values are: 'low', 'medium', and 'high'.",
        _FIELDS,
    ),
    _row(
        "unknown name",
        "Google",
        "Invalid JSON payload received. Unknown name \"topK\" at 'generation_config': Cannot find field.",
        _FIELDS,
        code=None,
        body={
            "error": {
                "code": 400,
                "status": "INVALID_ARGUMENT",
                "message": "Invalid JSON payload received. Unknown name \"topK\" at 'generation_config': Cannot find field.",
            }
        },
    ),
    _row("response_format", "Databricks", 'json: unknown field "response_format"', _FIELDS),
    _row("value out of range", "Anthropic", "top_k: Input should be less than or equal to 4", _FIELDS),
    # --- proofs of reasoning
    _row("signature", "Anthropic", "messages.1.content.0: Invalid `signature` in `thinking` block", _PROOFS),
    _row("signature missing", "Anthropic", "messages.1.content.0.thinking.signature: Field required", _PROOFS),
    _row(
        "encrypted reasoning",
        "OpenAI",
        "The encrypted content gAAA...ng== could not be verified.",
        _PROOFS,
        code=None,
        body=_vendors("The encrypted content gAAA...ng== could not be verified.", code="invalid_encrypted_content"),
    ),
    _row("thought signature", "Google", "Corrupted thought signature.", _PROOFS),
    # --- the token
    _row("expired token: 401", "Databricks", "Access token has expired.", _STATUSES, 401, code="UNAUTHENTICATED"),
    _row("expired token: 403", "Databricks", "Invalid access token.", _TOKENS, 403, code=403),
    _row("expired token: 400", "Databricks", "Invalid Token", _TOKENS, 400, code="400"),
    _row("expiring token", "Databricks", "Token is expiring", _TOKENS, 403, code=None),
    _row(
        "no permission",
        "Databricks",
        "You do not have the permission CAN QUERY on the endpoint.",
        _STATUSES,
        403,
        code="PERMISSION_DENIED",
    ),
    # --- the place
    _row(
        "no endpoint",
        "Databricks",
        "The given endpoint does not exist, please retry after checking the specified model and version deployment exists.",
        _STATUSES,
        404,
        code="ENDPOINT_NOT_FOUND",
    ),
    _row(
        "model services (v3)",
        "Databricks",
        "'databricks-x' is no longer available. Use Unity Catalog model services (v3).",
        _SURFACES,
        501,
        code="NOT_IMPLEMENTED",
    ),
    _row("not implemented", "Databricks", "not implemented", _STATUSES, 501, code="NOT_IMPLEMENTED"),
    _row(
        "no gateway",
        "Databricks",
        "AI Gateway is not available for this workspace.",
        _SURFACES,
        400,
        code="FEATURE_DISABLED",
    ),
    _row(
        "Responses only",
        "Databricks",
        "Model m only supports the Responses API. Please use /serving-endpoints/responses instead.",
        _OTHER_API,
    ),
    _row(
        "login page",
        "a custom account URL",
        "See Other",
        "docs/wire/auth.md#login-pages",
        303,
        body="<html><title>See Other</title></html>",
        headers={"location": "/login"},
    ),
    # --- guardrails
    _row("input guardrail", "Databricks", "Request blocked by input guardrail 'no-pii'", _GUARDS),
    _row("output guardrail", "Databricks", "Output guardrail 'no-pii' failed to evaluate: no answer in time", _GUARDS),
    # --- external models
    _row(
        "external model: filtered",
        "Azure OpenAI",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        _ENVELOPE,
        code=None,
        body=_enveloped(
            "openai",
            _vendors(
                "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                code="content_filter",
            ),
        ),
    ),
    _row(
        "external model: overflow",
        "OpenAI",
        "This model's maximum context length is 8192 tokens.",
        _ENVELOPE,
        code=None,
        body=_enveloped(
            "openai", _vendors("This model's maximum context length is 8192 tokens.", code="context_length_exceeded")
        ),
    ),
    _row(
        "external model: field",
        "Bedrock",
        "top_k: Extra inputs are not permitted",
        _ENVELOPE,
        code=None,
        body=_enveloped("amazon-bedrock", {"message": "top_k: Extra inputs are not permitted"}),
    ),
    _row(
        "external model: parameter",
        "Databricks",
        "INVALID_PARAMETER_VALUE: Missing required embeddings parameter: 'input'",
        _ENVELOPE,
        code=None,
        body=_enveloped(
            "databricks-model-serving",
            {
                "error_code": "INVALID_PARAMETER_VALUE",
                "message": "INVALID_PARAMETER_VALUE: Missing required embeddings parameter: 'input'",
            },
        ),
    ),
    _row(
        "external model: key",
        "OpenAI",
        "Incorrect API key provided",
        _ENVELOPE,
        403,
        code=None,
        body=_enveloped("openai", _vendors("Incorrect API key provided", code="invalid_api_key")),
    ),
    # --- load, size, and what passes
    _row(
        "consider retrying",
        "Databricks, Llama",
        "Model response did not respect the required format. Please consider retrying or using a more straightforward prompt.",
        "docs/wire/errors.md#passing-failures",
    ),
    _row("too large", "Databricks", "Request too large", _STATUSES, 413),
    _row(
        "rate limit",
        "Databricks",
        "Exceeded the workspace's limit of tokens per minute.",
        _STATUSES,
        429,
        code="REQUEST_LIMIT_EXCEEDED",
    ),
    _row("internal error", "Databricks", "The server failed.", _STATUSES, 500, code="INTERNAL_ERROR"),
    _row("starting", "Databricks", "The endpoint is scaling up.", _STATUSES, 503, code="TEMPORARILY_UNAVAILABLE"),
    _row(
        "overloaded",
        "Anthropic",
        "Overloaded",
        _STATUSES,
        529,
        code=None,
        body={"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    ),
)

REFUSALS: Final[Mapping[str, KnownRefusal]] = {row.name: row for row in _ROWS}
"""Known refusals by name: ``workspace.inject(REFUSALS["signature"].fault)``."""
