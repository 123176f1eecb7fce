"""Words that servers refuse with, and what each means: the class of the error, whether it may pass, what to do.

A status alone does not tell a prompt that is too long from a guardrail's refusal, nor a token that has expired from a missing
permission. Each row is one meaning, in every wording that is known for it; :data:`ROWS` is searched from top to bottom.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from dbx_gateway.errors import (
    APIError,
    AuthenticationError,
    ContentFilterError,
    ContextOverflowError,
    NotFoundError,
)

__all__ = [
    "FEATURE_DISABLED",
    "MODEL_SERVICES_ONLY",
    "NOT_IMPLEMENTED",
    "REFUSED_PROOFS",
    "RESPONSES_ONLY",
    "ROWS",
    "TOKEN_PROBLEM",
    "RefusalRow",
    "refusal_row",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRow:
    """One meaning of a refusal.

    Args:
        name: what it is called.
        statuses: where it counts; a failure inside an answer of status 200 has none, and is written as 0.
        words: the wordings, searched in what the server says.
        unless: wordings that mean something else though ``words`` are found in them.
        codes: the server's own names for it; one of them is enough.
        error: the class, where it is not the status's.
        passes: whether the same request may be taken later; None where the class says it.
        advice: what the user should do; empty where the class says it.
        source: a section of the documentation.
    """

    name: str
    statuses: frozenset[int]
    words: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None
    codes: frozenset[str] = frozenset()
    error: type[APIError] | None = None
    passes: bool | None = None
    advice: str = ""
    source: str

    def means(self, status: int | None, codes: frozenset[str], words: str) -> bool:
        """Whether a refusal of this status, with these codes and words, has this meaning."""
        if (status or 0) not in self.statuses:
            return False
        if codes & self.codes:
            return True
        if self.words is None or self.words.search(words) is None:
            return False
        return self.unless is None or self.unless.search(words) is None


def _any_of(*wordings: str) -> str:
    return "|".join(f"(?:{wording})" for wording in wordings)


_OF_THE_REQUEST: Final = frozenset({0, 200, 400, 413, 422})

CONSIDER_RETRYING: Final = RefusalRow(
    name="consider-retrying",
    statuses=frozenset({400}),
    words=re.compile(_any_of(r"\bconsider retrying\b"), re.IGNORECASE),
    passes=True,
    advice="Try again.",
    source="docs/wire/errors.md#passing-failures",
)
"""A failure of the model, not of the request."""

CONTENT_FILTER: Final = RefusalRow(
    name="content-filter",
    statuses=frozenset({*_OF_THE_REQUEST, 403}),
    words=re.compile(
        _any_of(
            r"\b(?:input|output) guardrail\b",
            r"\bblocked by (?:a |an |the |our )?[\w '\"-]{0,60}\b(?:guardrails?|service polic(?:y|ies)|content filter)",
            r"\bguardrails? (?:has |have )?(?:blocked|triggered|failed)\b",
            r"\bcontent management policy\b",
            r"\bcontent[ _]filter(?:ing)? policy\b",
        ),
        re.IGNORECASE,
    ),
    error=ContentFilterError,
    source="docs/wire/errors.md#guardrails",
)

_COUNT: Final = r"[^.\n]{0,80}?"
_SIZES: Final = r"(?:window|length|size|limit)"

OVERFLOW: Final = RefusalRow(
    name="overflow",
    statuses=_OF_THE_REQUEST,
    words=re.compile(
        _any_of(
            r"(?<![.\w])(?:prompt|input)\b(?: prompt)?(?: \([^()\n]{0,60}\))? (?:is )?too long\b",
            rf"\bexceed(?:s|ed|ing)? (?:the )?(?:[\w-]+(?:'s)? )?(?:maximum |available |model's )?context(?: {_SIZES})?",
            rf"\bcontext[_ ]{_SIZES}[_ ](?:is )?(?:exceeded|overflow)",
            rf"\bcontext {_SIZES} exceeds limit\b",
            r"\bcontext limit\b",
            r"\bmaximum (?:context length|prompt length|model length|input length|context window)\b",
            r"\binput token count (?:(?!input token count | exceeds| but ).)*+ (?:exceeds|but model only supports up to)\b",
            rf"\b(?:input|prompt) tokens?\b{_COUNT}\bexceeds? (?:the )?(?:configured |maximum |model's )*(?:limit|number|context)",
            r"\breduce the length of (?:the|your) (?:messages|prompt|input)\b",
            rf"\bprompt\b{_COUNT}\btoo large for model\b",
            r"\blonger than the (?:maximum model|context|model's context) (?:length|window)\b",
            rf"\bgreater than the context {_SIZES}\b",
            r"`inputs` tokens \+ `max_new_tokens` must be <=",
            r"`inputs` must have less than \d+ tokens",
            r"\btotal number of tokens in the prompt cannot exceed\b",
            r"\bexceeded model token limit\b",
            r"\bmax(?:imum)? tokens allowed in (?:the )?(?:request|prompt)\b|\btokens in request more than max tokens allowed\b",
        ),
        re.IGNORECASE,
    ),
    unless=re.compile(
        _any_of(
            r"\b(?:max_(?:completion_|output_|new_)?tokens|maxOutputTokens)\b\W{0,3}(?:or [`'\"]?max_\w+[`'\"]? )?is too (?:large|high)\b",
            r"\btokens?(?: usage)?[ -]per[ -](?:minute|hour|day|second)\b|\b[IO]?TPM\b|\brate[ _-]?limit",
            r"\bmaximum (?:allowed )?(?:number of )?output tokens\b",
        ),
        re.IGNORECASE,
    ),
    codes=frozenset({"context_window_exceeded", "exceed_context_size_error"}),
    error=ContextOverflowError,
    source="docs/wire/errors.md#overflow",
)
"""Wordings of Anthropic, OpenAI, Google, xAI, Bedrock, Mistral, Cohere, Moonshot, vLLM, TGI and llama.cpp.

What is said about the tokens of the answer, or about tokens a minute, is another matter: a shorter prompt does not help there.
"""

TOKEN_PROBLEM: Final = RefusalRow(
    name="token-problem",
    statuses=frozenset({400, 403}),
    words=re.compile(
        _any_of(
            # The whole of what is said: the words stand in other sentences too, about JSON, stop tokens or permissions.
            r"^\W*(?:(?:error|\d{3}|(?-i:[A-Z_]{5,40})): )?(?:the )?(?:provided )?(?:"
            r"(?:invalid|expired|unknown|revoked) (?:oauth |access |bearer |authentication |auth )?token(?: \*{3})?"
            r"|(?:oauth |access |bearer |authentication |auth )?token(?: \*{3})? (?:(?:is|was|has been|has)(?: already)? )?"
            r"(?:expiring|expired|invalid|revoked|not valid)(?: (?:soon|(?:with)?in \d+ ?s(?:ec(?:ond)?s?)?))?"
            r")\s*[.!]?\s*(?:\[[^\]\n]{0,200}\]\W*)?$",
        ),
        re.IGNORECASE,
    ),
    error=AuthenticationError,
    source="docs/wire/errors.md#token-problems",
)
"""What other servers answer with 401."""

MODEL_SERVICES_ONLY: Final = RefusalRow(
    name="model-services-only",
    statuses=frozenset({501}),
    words=re.compile(_any_of(r"\bmodel services \(v3\)", r"\buse unity catalog model services\b"), re.IGNORECASE),
    error=NotFoundError,
    advice="This workspace serves models under the names of their model services only (system.ai.…): list them with "
    "`dbx-gateway models`, and give that name as model=.",
    source="docs/wire/surfaces.md#which-surface",
)
"""The name of an endpoint where the workspace enforces model services; it does not pass."""

NOT_IMPLEMENTED: Final = RefusalRow(
    name="not-implemented",
    statuses=frozenset({501}),
    words=re.compile(_any_of(r""), re.IGNORECASE),
    passes=False,
    advice="The server does not do this at all: choose another surface= or api=, or another model.",
    source="docs/wire/errors.md#statuses",
)

FEATURE_DISABLED: Final = RefusalRow(
    name="gateway-disabled",
    statuses=frozenset({0, 200, 400, 403, 404, 501, 503}),
    words=re.compile(_any_of(r"\bAI Gateway is not (?:available|enabled) for this workspace\b"), re.IGNORECASE),
    codes=frozenset({"FEATURE_DISABLED"}),
    error=NotFoundError,
    advice="This workspace has no AI Gateway: leave surface= at 'auto', or set surface='model-serving'.",
    source="docs/wire/surfaces.md#which-surface",
)

RESPONSES_ONLY: Final = RefusalRow(
    name="responses-only",
    statuses=frozenset({400, 404, 422}),
    words=re.compile(
        _any_of(
            r"\bonly supports? the responses api\b",
            r"\bonly supported in v1/responses\b",
            r"\buse /?(?:[\w-]+/){0,3}responses instead\b",
        ),
        re.IGNORECASE,
    ),
    advice="Leave api= at 'auto', or set api='responses'.",
    source="docs/wire/errors.md#another-api",
)

MEDIUM_BY_URL: Final = RefusalRow(
    name="medium-by-url",
    statuses=frozenset({400, 413, 422}),
    words=re.compile(
        _any_of(
            r"\bURL sources are not supported\b",
            r"\bexternal image URLs are not supported\b",
            r"\bunsupported file uri\b",
        ),
        re.IGNORECASE,
    ),
    advice="Give the bytes of the picture or file in base64 instead of its URL.",
    source="docs/wire/comparison.md#media-by-url",
)

REFUSED_PROOFS: Final = RefusalRow(
    name="refused-proofs",
    statuses=frozenset({400, 422}),
    words=re.compile(
        _any_of(
            r"\binvalid `?signature`? in `?thinking`? block",
            r"\bthinking\.signature`?: field required\b",
            r"\binvalid `?data`? in `?redacted_thinking`?",
            r"\bthe encrypted content\b[^\n]{0,200}?\bcould not be (?:verified|decrypted|decoded)\b",
            r"\b(?:corrupted|invalid) thought[_ ]signature\b|\bthought[_ ]signature is not valid\b",
        ),
        re.IGNORECASE,
    ),
    codes=frozenset({"invalid_encrypted_content"}),
    advice="Leave the reasoning of earlier answers out of the conversation.",
    source="docs/wire/errors.md#proofs-refused",
)
"""What proves a model's earlier reasoning is not taken any more, and never will be."""

ROWS: Final[tuple[RefusalRow, ...]] = (
    CONSIDER_RETRYING,
    CONTENT_FILTER,
    REFUSED_PROOFS,
    OVERFLOW,
    TOKEN_PROBLEM,
    MODEL_SERVICES_ONLY,
    FEATURE_DISABLED,
    RESPONSES_ONLY,
    MEDIUM_BY_URL,
    NOT_IMPLEMENTED,
)


def refusal_row(status: int | None, codes: frozenset[str], words: str) -> RefusalRow | None:
    """Return what a refusal means beyond its status; None where no row knows it.

    Args:
        status: the HTTP status that the refusal stands for; None where nothing names one.
        codes: the server's own names for the failure.
        words: what it says.
    """
    return next((row for row in ROWS if row.means(status, codes, words)), None)
