"""Conversations without the proofs of reasoning that a server takes no more.

A model's reasoning goes back to it with an opaque proof. Where the server that made a proof has changed its keys, every later
turn of the conversation is refused, for good. Such a turn is sent once more without the proofs, and their digests are
remembered: no other conversation's proofs are left out (docs/wire/errors.md#proofs-refused).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from dbx_gateway.call.repairs import Repair
from dbx_gateway.chat import ChatRequest, JsonObject, Message, Part, Reasoning, ToolCall
from dbx_gateway.errors import APIError, BadRequestError
from dbx_gateway.refusals import REFUSED_PROOFS

__all__ = ["proofs_in", "repair_without_proofs", "without", "without_proofs"]

_SIGNATURE: Final = "thoughtSignature"
"""Gemini's, on parts other than reasoning and calls (docs/wire/generate-content.md#round-trip)."""


_CONVERSATION: Final = frozenset({"messages", "input", "contents"})


def repair_without_proofs(
    error: APIError, request: ChatRequest, body: JsonObject, protected: frozenset[str]
) -> Repair | None:
    """Return the repair of a conversation whose proofs are refused; None where ``error`` says something else.

    Args:
        error: the refusal.
        request: what was asked.
        body: as what it was sent: only the proofs that are in there are meant.
        protected: the top-level keys of the caller's ``extra_body``: they are sent as given.
    """
    codes = frozenset({error.error_code} if error.error_code else ())
    if not isinstance(error, BadRequestError) or protected & _CONVERSATION:
        return None
    if not REFUSED_PROOFS.means(error.status, codes, error.message):
        return None
    sent = set(_texts(body))
    refused = frozenset(_digest(proof) for message in request.messages for proof in _proofs(message) if proof in sent)
    return without(refused, request.model) if refused else None


def without(refused: frozenset[str], model: str) -> Repair:
    """Return the repair that leaves the proofs of these digests out."""
    note = (
        f"{model} takes the proofs of earlier reasoning in this conversation no more: it was sent without that reasoning, and so "
        "will its later turns be"
    )
    return Repair(name="without refused proofs", kind="proofs", proofs=refused, note=note)


def proofs_in(request: ChatRequest) -> frozenset[str]:
    """Return the digests of all proofs in ``request``."""
    return frozenset(_digest(proof) for message in request.messages for proof in _proofs(message))


def without_proofs(request: ChatRequest, refused: frozenset[str]) -> ChatRequest:
    """Return ``request`` without what is proved by ``refused``; ``request`` itself where it has nothing of that.

    Reasoning goes with its proof: it would be refused without. A call stays, and counts as one of another model's.
    """
    if not refused:
        return request
    messages = tuple(_message_without(message, refused) for message in request.messages)
    changed = any(one is not other for one, other in zip(messages, request.messages, strict=True))
    return replace(request, messages=messages) if changed else request


def _message_without(message: Message, refused: frozenset[str]) -> Message:
    if not any(_digest(proof) in refused for proof in _proofs(message)):
        return message
    parts = [_part_without(part, refused) for part in message.parts]
    return replace(message, parts=tuple(part for part in parts if part is not None))


def _part_without(part: Part, refused: frozenset[str]) -> Part | None:
    if not any(_digest(proof) in refused for proof in _proofs_of(part)):
        return part
    if isinstance(part, Reasoning):
        return None
    opaque = {name: value for name, value in part.opaque.items() if name != _SIGNATURE}
    return replace(part, opaque=opaque, signature="") if isinstance(part, ToolCall) else replace(part, opaque=opaque)


def _proofs(message: Message) -> Iterator[str]:
    for part in message.parts if message.role == "assistant" else ():
        yield from _proofs_of(part)


def _proofs_of(part: Part) -> Iterator[str]:
    if isinstance(part, Reasoning):
        yield from (proof for proof in (part.signature, part.encrypted, part.redacted) if proof)
    elif isinstance(part, ToolCall) and part.signature:
        yield part.signature
    signature = part.opaque.get(_SIGNATURE)
    if isinstance(signature, str) and signature:
        yield signature


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _digest(proof: str) -> str:
    return hashlib.sha256(proof.encode("utf-8", "surrogatepass")).hexdigest()
