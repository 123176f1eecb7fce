"""Who a call counts as: what one identity has learned about a workspace, no other identity uses.

An identity is a short text that holds no credential and no name, only digests. It is made of the headers that a call is
about to send. No signature is verified here. So what a token says of itself counts only once the workspace has taken that
token; until then the token stands for itself alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import threading
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue
from pydantic_core import from_json

from dbx_gateway.fork_hooks import in_child_after_fork

__all__ = ["MOST_PROVEN", "ProvenTokens", "identity_of", "in_workspace", "proven_tokens"]

MOST_PROVEN: Final = 4096
"""Tokens that are remembered as taken by a workspace; the one that was used longest ago is forgotten first."""

_WORKSPACE_HEADERS: Final = ("x-databricks-org-id", "x-databricks-workspace-id")
"""Headers by which a host that serves several workspaces knows which one is meant (docs/wire/auth.md#headers-of-a-request)."""

_CLIENT_CLAIMS: Final = ("azp", "client_id", "appid")
"""Claims that name the application that a token was issued to."""

_SCOPE_CLAIMS: Final = ("scp", "scope")
"""Claims that hold what a token allows: a list, or words in one text."""

_LONGEST_TOKEN: Final = 65_536
"""Characters; no server takes a longer header."""


def identity_of(
    signed: Mapping[str, str], others: Mapping[str, str], *, user: str | None = None, proven: bool = False
) -> str:
    """Return whom a request with these headers counts as.

    Args:
        signed: headers that prove who asks, their names in any case.
        others: further headers that it will send; a workspace can be named among them.
        user: the name that the caller has given for the token's owner.
        proven: whether the workspace has taken this token before. Until then only the token itself counts.
    """
    held = _lowered(signed)
    workspace = _workspace(_lowered(others) | held)
    if proven and user is not None:
        return _digest("user", user, workspace)
    claims = _claims(held.get("authorization", "")) if proven else None
    if claims is not None:
        return _digest("jwt", claims, workspace)
    secrets: JsonValue = [[name, held[name]] for name in sorted(held) if name not in _WORKSPACE_HEADERS]
    return _digest("token", secrets, workspace)


def in_workspace(identity: str, headers: Mapping[str, str]) -> str:
    """Return ``identity`` in the workspace that ``headers`` name; as it is where they name none."""
    workspace = _workspace(_lowered(headers))
    return f"{identity}@{_digest('workspace', workspace)}" if workspace else identity


class ProvenTokens:
    """The tokens that a workspace has taken, by digest and host; from any number of threads.

    Args:
        most: how many are remembered.
    """

    def __init__(self, most: int = MOST_PROVEN) -> None:
        self._most = most
        self._taken: dict[str, None] = {}
        self.start_anew()

    def add(self, host: str, headers: Mapping[str, str]) -> None:
        """Remember that ``host`` has taken the token of ``headers``."""
        key = _key(host, headers)
        with self._lock:
            self._taken.pop(key, None)
            self._taken[key] = None
            while len(self._taken) > self._most:
                del self._taken[next(iter(self._taken))]

    def holds(self, host: str, headers: Mapping[str, str]) -> bool:
        """Return whether ``host`` has taken the token of ``headers``."""
        key = _key(host, headers)
        with self._lock:
            return key in self._taken

    def forget(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._taken.clear()

    def start_anew(self) -> None:
        """Take a lock that no thread holds (after a fork)."""
        self._lock = threading.Lock()


_proven: Final = ProvenTokens()


def proven_tokens() -> ProvenTokens:
    """Return the tokens that workspaces have taken from this process."""
    return _proven


in_child_after_fork(_proven.start_anew)


def _key(host: str, headers: Mapping[str, str]) -> str:
    """Return what stands for a token at one host: what another host takes proves nothing here."""
    return _digest("proven", host, _lowered(headers).get("authorization", ""))


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _workspace(held: Mapping[str, str]) -> JsonValue:
    return [[name, held[name]] for name in _WORKSPACE_HEADERS if held.get(name)]


def _claims(authorization: str) -> JsonValue:
    """Return what a JWT says of its owner, client and rights; None where the header holds no such token."""
    kind, _, token = authorization.partition(" ")
    parts = token.strip().split(".")
    if kind.lower() != "bearer" or len(parts) != 3 or len(token) > _LONGEST_TOKEN:
        return None
    try:
        raw = base64.b64decode(parts[1] + "=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True)
        said: JsonValue = from_json(raw, allow_inf_nan=False)
    except (ValueError, binascii.Error):
        return None
    if not isinstance(said, dict) or not all(isinstance(said.get(name), str) and said[name] for name in ("iss", "sub")):
        return None
    client: list[JsonValue] = [said.get(name) for name in _CLIENT_CLAIMS]
    scopes: list[JsonValue] = [_words(said.get(name)) for name in _SCOPE_CLAIMS]
    return [said["iss"], said["sub"], _set_of(said.get("aud")), client, scopes]


def _words(value: JsonValue) -> JsonValue:
    return _set_of([*value.split()] if isinstance(value, str) else value)


def _set_of(value: JsonValue) -> JsonValue:
    """Return a claim that may be one text or a list in any order, always the same way."""
    if isinstance(value, str):
        value = [value]
    return [*sorted({_written(one) for one in value})] if isinstance(value, list) else value


def _written(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)


def _digest(space: str, *parts: JsonValue) -> str:
    text = _written([space, *parts])
    return f"{space}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
