"""The page of the documentation that says what becomes of each known refusal, made by playing it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from refusals.played import outcome_of

from dbx_gateway.error_bodies import _STATUS_OF_CODE, RequestTarget, api_error
from dbx_gateway.errors import AuthenticationError
from dbx_gateway.models.discovery import read_probe
from dbx_gateway.testing import REFUSALS, KnownRefusal

PAGE = Path(__file__).parents[2] / "docs" / "refusals.md"

_HEAD = """# What becomes of a refusal

Each row is a refusal that is known from a vendor, a provider or a workspace, in its own words
([docs/wire/errors.md](wire/errors.md)). The simulated workspace refuses in these words (`REFUSALS` in `dbx_gateway.testing`), first
once and then for good: what the client does by itself, and what is raised where that does not help, is what came out. A repair never
takes the schema of an answer, a tool or a message with it, and one that is about a value holds for that call only.

To write this page anew: `python -m refusals.page` in `tests/`.

## Words

| refusal | said by | status | words | the client | then | later? | advice | source |
|---|---|---|---|---|---|---|---|---|
"""

_PROBE = """
## On the probe

What an answer to `GET /ai-gateway/anthropic/v1/models` says about a workspace ([which-surface](wire/surfaces.md#which-surface)). A guess
is asked about again after a minute.

| answer | surface | how sure |
|---|---|---|
"""

_PROBES = {
    "200, a list of models": (200, {"data": []}),
    "404": (404, {"message": "no"}),
    "429": (429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "no"}),
    "501": (501, {"message": "no"}),
    "`FEATURE_DISABLED`, by any status": (400, {"error_code": "FEATURE_DISABLED", "message": "no"}),
    "`ENDPOINT_NOT_FOUND`, by any status": (400, {"error_code": "ENDPOINT_NOT_FOUND", "message": "no"}),
    "401, or 400 and 403 that refuse the token": (403, {"error_code": 403, "message": "Invalid access token."}),
    "403 for another reason": (403, {"message": "no"}),
    "503": (503, {"message": "no"}),
}

_CODES = """
## Codes

What a code means inside an answer of status 200, where no status says it.

| code | stands for | raises | later? |
|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    probes = "".join(_probe(name, status, body) for name, (status, body) in _PROBES.items())
    return (
        _HEAD + "".join(map(_line, REFUSALS.values())) + _PROBE + probes + _CODES + "".join(map(_code, _STATUS_OF_CODE))
    )


def _line(refusal: KnownRefusal) -> str:
    outcome = outcome_of(refusal)
    cells = (
        refusal.name,
        refusal.said_by,
        str(refusal.status),
        f"`{refusal.words}`" if "`" not in refusal.words else f"`` {refusal.words} ``",
        outcome.does,
        f"`{outcome.error}`",
        "yes" if outcome.retryable else "no",
        outcome.advice,
        re.sub(r"\bdocs/(wire/[\w-]+\.md#([\w-]+))", r"[\2](\1)", refusal.source),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _probe(name: str, status: int, body: dict) -> str:
    try:
        verdict = read_probe("https://ws.example.com", status, {}, json.dumps(body).encode())
    except AuthenticationError as error:
        return f"| {name} | `{type(error).__name__}` | – |\n"
    return f"| {name} | {verdict.surface} | {'known' if verdict.conclusive else 'a guess'} |\n"


def _code(code: str) -> str:
    error = api_error(None, {}, {"error": {"message": "no", "code": code}}, RequestTarget("m", "r"))
    return f"| `{code}` | {error.status} | `{type(error).__name__}` | {'yes' if error.retryable else 'no'} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
