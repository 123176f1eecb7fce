"""Signatures of reasoning and of calls: opaque to a client, checked when they are sent back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from pydantic_core import to_json

from dbx_gateway.testing.json_values import is_array, is_object

__all__ = ["call_text", "is_genuine", "is_of", "is_of_another_call", "seal"]

_DIGEST = 32


def seal(secret: bytes, scope: str, text: str) -> str:
    """Return the signature of a text that only this workspace can make, valid within ``scope`` only."""
    content = hashlib.sha256(text.encode()).digest()
    return base64.b64encode(content + _proof(secret, scope, content)).decode()


def call_text(name: str, arguments: Any) -> str:
    """Return what the signature of a call is made for: its tool, and its arguments in whatever order."""
    return f"{name} {to_json(_sorted(arguments)).decode()}"


def is_of_another_call(signature: str, name: str, arguments: Any, call_id: str) -> bool:
    """Return whether a signature of :func:`seal` was made for another call than this one.

    One that names the call by its id, as earlier versions made them, is this call's.
    """
    try:
        is_ours = len(base64.b64decode(signature, validate=True)) == 2 * _DIGEST
    except (binascii.Error, ValueError):
        return False
    return is_ours and not (is_of(signature, call_text(name, arguments)) or is_of(signature, name + call_id))


def _sorted(value: Any) -> Any:
    if is_object(value):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if is_array(value) else value


def is_genuine(secret: bytes, scope: str, signature: str) -> bool:
    """Return whether a signature was made by :func:`seal` with this secret and scope and is unaltered."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    content, proof = raw[:_DIGEST], raw[_DIGEST:]
    return hmac.compare_digest(proof, _proof(secret, scope, content))


def is_of(signature: str, text: str) -> bool:
    """Return whether a signature was made for exactly this text; does not check that it is genuine."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    return raw[:_DIGEST] == hashlib.sha256(text.encode()).digest()


def _proof(secret: bytes, scope: str, content: bytes) -> bytes:
    return hmac.new(secret, scope.encode() + b"\0" + content, hashlib.sha256).digest()
