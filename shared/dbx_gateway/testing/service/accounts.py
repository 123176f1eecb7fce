"""Who may use a simulated workspace: personal access tokens, and OAuth clients whose tokens expire or are revoked."""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs

from dbx_gateway.testing.apis.wire import Refused

__all__ = ["Accounts", "Login"]

_NO_CREDENTIAL = "Credential was not sent or was of an unsupported type for this API."
_INVALID = "Invalid access token."
_EXPIRED = "Access token has expired."


@dataclass(frozen=True)
class Login:
    """An accepted credential: its user, and whether it is an OAuth token."""

    user: str
    oauth: bool


@dataclass
class _Issued:
    user: str
    expires: float
    uses: int = 0
    revoked: bool = False


class Accounts:
    """Checks and issues tokens.

    Args:
        tokens: personal access tokens and their users.
        clients: OAuth client ids and their secrets; a client is its own user.
        token_lifetime: seconds until an OAuth token expires, by ``clock``; also its ``expires_in``.
        revoke_after: revoke an OAuth token after this many uses, expired or not; None never.
        clock: a clock in seconds.
        vendor_headers: also take ``x-api-key`` and ``x-goog-api-key``.
        refused_by: the status of a token that is not taken (docs/wire/errors.md#token-problems).
    """

    def __init__(
        self,
        tokens: Mapping[str, str],
        clients: Mapping[str, str],
        token_lifetime: float,
        revoke_after: int | None,
        clock: Callable[[], float],
        *,
        vendor_headers: bool,
        refused_by: Literal[400, 401, 403] = 401,
    ) -> None:
        self._tokens = dict(tokens)
        self._clients = dict(clients)
        self._lifetime = token_lifetime
        self._revoke_after = revoke_after
        self._clock = clock
        self._vendor_headers = vendor_headers
        self._refused_by = refused_by
        self._issued: dict[str, _Issued] = {}
        self._lock = threading.Lock()

    def check(self, headers: Mapping[str, str]) -> Login:
        """Return the login of a request's credential.

        Raises:
            Refused: 401, the credential is missing, unknown, expired or revoked.
        """
        token = self._token(headers)
        if token is None:
            raise _unauthenticated(_NO_CREDENTIAL)
        with self._lock:
            if token in self._tokens:
                return Login(self._tokens[token], oauth=False)
            issued = self._issued.get(token)
            if issued is None or issued.revoked:
                raise self._refusal(_INVALID)
            if self._clock() >= issued.expires:
                raise self._refusal(_EXPIRED)
            issued.uses += 1
            issued.revoked = self._revoke_after is not None and issued.uses >= self._revoke_after
            return Login(issued.user, oauth=True)

    def _refusal(self, text: str) -> Refused:
        if self._refused_by == 403:
            return Refused(403, text, body={"error_code": 403, "message": text})
        if self._refused_by == 400:
            return Refused(400, text, body={"error_code": "400", "message": "Invalid Token"})
        return _unauthenticated(text)

    def user_of(self, headers: Mapping[str, str]) -> str | None:
        """Return the user of a request's credential, which is not used by that; None for one that is not taken."""
        token = self._token(headers)
        with self._lock:
            issued = self._issued.get(token or "")
            if issued is None:
                return self._tokens.get(token or "")
            return None if issued.revoked or self._clock() >= issued.expires else issued.user

    def _token(self, headers: Mapping[str, str]) -> str | None:
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and value:
            return value.strip()
        if kind.lower() == "basic":
            name, password = _basic(value)
            return password if name == "token" else None
        if self._vendor_headers:
            return headers.get("x-api-key") or headers.get("x-goog-api-key")
        return None

    def issue(self, headers: Mapping[str, str], form: bytes) -> dict[str, object]:
        """Answer a request for an OAuth token: client credentials, by HTTP Basic or in the form.

        Raises:
            Refused: the grant is another, or the client is unknown.
        """
        fields = {name: values[0] for name, values in parse_qs(form.decode()).items()}
        if fields.get("grant_type") != "client_credentials":
            raise _oauth_error(400, "unsupported_grant_type", "only client_credentials is supported")
        kind, _, value = headers.get("authorization", "").partition(" ")
        client, secret = _basic(value) if kind.lower() == "basic" else ("", "")
        client, secret = client or fields.get("client_id", ""), secret or fields.get("client_secret", "")
        if self._clients.get(client) != secret or not secret:
            raise _oauth_error(401, "invalid_client", "Client authentication failed")
        token = self._issue(client)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": max(int(self._lifetime), 1),
            "scope": fields.get("scope", "all-apis"),
        }

    def _issue(self, client: str) -> str:
        with self._lock:
            digest = hashlib.sha256(f"{client} {len(self._issued)}".encode()).hexdigest()
            token = f"oauth-{digest}"
            self._issued[token] = _Issued(client, self._clock() + self._lifetime)
        return token

    def issued(self) -> int:
        """Return how many OAuth tokens were issued."""
        with self._lock:
            return len(self._issued)

    def revoke_all(self) -> None:
        """Revoke every OAuth token issued so far."""
        with self._lock:
            for issued in self._issued.values():
                issued.revoked = True


def _basic(value: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password


def _unauthenticated(text: str) -> Refused:
    return Refused(401, text, code="UNAUTHENTICATED", headers={"www-authenticate": "Bearer"})


def _oauth_error(status: int, code: str, text: str) -> Refused:
    return Refused(status, text, body={"error": code, "error_description": text})
