"""Signatures of reasoning and of calls: opaque to a client, checked when they are sent back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

__all__ = ["is_genuine", "is_of", "seal"]

_DIGEST = 32


def seal(secret: bytes, scope: str, text: str) -> str:
    """Return the signature of a text that only this workspace can make, valid within ``scope`` only."""
    content = hashlib.sha256(text.encode()).digest()
    return base64.b64encode(content + _proof(secret, scope, content)).decode()


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
