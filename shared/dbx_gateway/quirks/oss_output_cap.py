"""The gateway caps the output of open models, and refuses a higher ``max_tokens``."""

from __future__ import annotations

import re

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import APIError
from dbx_gateway.models.families import OPEN_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["FIELD", "QUIRK", "capped", "named_cap"]

FIELD = "max_tokens"

_CAP = re.compile(r"max_(?:completion_)?tokens\W{0,3}\s*\d+\s*>\s*(?P<cap>\d+)")
_CAP_IN_PROSE = re.compile(
    r"max_(?:completion_)?tokens\b.{0,80}?\b(?:maximum|at most|exceeds?)\b.{0,60}?\b(?P<cap>\d+)"
)


_OF_THE_PROMPT = re.compile(r"\(\d+ > \d+ - \d+\)")
"""What is left of a window depends on the prompt, and is no cap of the model's (docs/wire/errors.md#refused-fields)."""


def named_cap(error: APIError) -> int | None:
    """Return the output cap, in tokens, that the server's message names, or None where it names none."""
    match = _CAP.search(error.message) or _CAP_IN_PROSE.search(error.message)
    return int(match["cap"]) or None if match else None


def capped(body: JsonObject, context: Context, cap: int) -> JsonObject:
    """Return ``body`` with ``max_tokens`` of at most ``cap``."""
    requested = body.get(FIELD)
    if not isinstance(requested, int) or requested <= cap:
        return body
    warn_changed(
        QUIRK.name, FIELD, context, f"{requested} was sent as {cap}, this model's limit. Set no more than that"
    )
    return {**body, FIELD: cap}


def _request(body: JsonObject, context: Context) -> JsonObject:
    cap = context.profile.max_output
    return body if cap is None else capped(body, context, cap)


def _on_refusal(error: APIError) -> bool:
    if _OF_THE_PROMPT.search(error.message):
        return False
    return "max_tokens" in error.message and ("maximum" in error.message or named_cap(error) is not None)


QUIRK = Quirk(
    name="oss-output-cap",
    kind="out",
    surfaces=frozenset({"ai-gateway"}),
    families=OPEN_FAMILIES,
    apis=frozenset({"chat-completions"}),
    reason="400 for max_tokens above a cap of the model; the numbers that clients pin differ",
    source="docs/wire/quirks.md#oss-output-cap: ucode (_MODEL_TOKEN_LIMITS)",
    evidence="O",
    delete_when="the caps are published and the profiles hold them",
    on_refusal=_on_refusal,
    request=_request,
)
