"""Credentials on requests: put on the way out, renewed once when the server refuses them."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Final

import httpx

from dbx_gateway.auth.credentials import Credentials, Granted, resolve
from dbx_gateway.error_bodies import is_token_problem, read_error_body
from dbx_gateway.errors import AuthenticationError, ConfigurationError
from dbx_gateway.refusals import TOKEN_PROBLEM
from dbx_gateway.transport.deadlines import NO_DEADLINE, Deadline
from dbx_gateway.transport.hosts import is_app, normalise_host, origin_of
from dbx_gateway.transport.log_masks import mask_in_logs
from dbx_gateway.transport.peeking import peeked, peeked_async
from dbx_gateway.transport.unpacking import beginning, beginning_async

__all__ = ["Credentials", "CredentialsAuth", "Granted", "normalise_host", "resolve"]

_LONGEST_REFUSAL: Final = 65_536
"""Bytes of a refusal that are read for its words."""

_NOT_RENEWED: Final = (
    "The token of acting_as is its user's and is not renewed: take the token of the user's next request, and enter acting_as "
    "with it."
)
_PERSONAL: Final = "dapi"
"""How personal access tokens begin."""


class CredentialsAuth(httpx.Auth):
    """Signs each request as ``credentials`` say, and once more when the answer refuses the token.

    That is a 401, and a 400 or 403 whose words say so (docs/wire/errors.md#token-problems).

    All headers that the credentials give are sent, to their own host only. They are asked for per request: a token that
    has expired since the last one is never sent.

    Args:
        credentials: who requests are sent as.
        deadline: of the call; signing in is part of it.
        asked: what the credentials have given already, to find out who calls; each is used for one request.
        may_act: the requests ask what may be an agent. Its words may be about a token of its own, and come after it has begun:
            only a 401 counts then.
    """

    def __init__(
        self,
        credentials: Credentials,
        deadline: Deadline = NO_DEADLINE,
        asked: deque[Granted] | None = None,
        *,
        may_act: bool = False,
    ) -> None:
        self._may_act = may_act
        self._credentials = credentials
        self._deadline = deadline
        self._asked: deque[Granted] = deque() if asked is None else asked
        mask_in_logs(credentials)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign ``request``; where the token is refused sign it with a fresh credential and send it once more.

        Raises:
            ConfigurationError: there are no credentials for the host that the request goes to.
            AuthenticationError: the server refuses the credentials, and there are no others.
        """
        granted = self._given() or self._credentials.fetch(None, self._deadline)
        response = yield _signed(request, granted, self._credentials)
        self._note(response, granted)
        if not (self._credentials.lent or self._credentials.renewable) or not self._refuses_token(response):
            return
        if self._credentials.lent:
            raise _refused(response, beginning(response, _LONGEST_REFUSAL), _NOT_RENEWED)
        renewed = self._credentials.fetch(granted, self._deadline)
        if renewed.headers == granted.headers:
            raise _refused(response, beginning(response, _LONGEST_REFUSAL), self._same_again(request))
        response.stream = _Nothing(response.stream)
        self._note((yield _signed(request, renewed, self._credentials)), renewed)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do as :meth:`sync_auth_flow` does, without blocking the event loop."""
        granted = self._given() or await self._credentials.fetch_async(None, self._deadline)
        response = yield _signed(request, granted, self._credentials)
        self._note(response, granted)
        if not (self._credentials.lent or self._credentials.renewable) or not await self._refuses_token_async(response):
            return
        if self._credentials.lent:
            raise _refused(response, await beginning_async(response, _LONGEST_REFUSAL), _NOT_RENEWED)
        renewed = await self._credentials.fetch_async(granted, self._deadline)
        if renewed.headers == granted.headers:
            raise _refused(response, await beginning_async(response, _LONGEST_REFUSAL), self._same_again(request))
        response.stream = _Nothing(response.stream)
        self._note((yield _signed(request, renewed, self._credentials)), renewed)

    def _refuses_token(self, response: httpx.Response) -> bool:
        """Whether an answer refuses the token: by its status, or by its words, which can be read again."""
        if self._may_act or response.status_code not in TOKEN_PROBLEM.statuses:
            return response.status_code == 401
        return is_token_problem(response.status_code, peeked(response, _LONGEST_REFUSAL, self._deadline))

    async def _refuses_token_async(self, response: httpx.Response) -> bool:
        if self._may_act or response.status_code not in TOKEN_PROBLEM.statuses:
            return response.status_code == 401
        return is_token_problem(response.status_code, await peeked_async(response, _LONGEST_REFUSAL))

    def _given(self) -> Granted | None:
        try:
            return self._asked.popleft()
        except IndexError:
            return None

    def _note(self, response: httpx.Response, granted: Granted) -> None:
        """Note a token that was taken; a page for browsers, such as a proxy's own, shows nothing about it."""
        if response.is_success and "text/html" not in response.headers.get("content-type", ""):
            self._credentials.accepted(granted)

    def _same_again(self, request: httpx.Request) -> str:
        return (
            f"Asked again, {self._credentials.source} gave the same credentials. Sign in anew (`databricks auth login "
            f"--host {_origin(request)}`), renew the token, or give token=."
        )


class _Nothing(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A refusal's body that nobody wants: httpx would read all of it before the request is sent again."""

    def __init__(self, inner: httpx.SyncByteStream | httpx.AsyncByteStream) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        nothing: tuple[bytes, ...] = ()
        for chunk in nothing:
            yield chunk

    def close(self) -> None:
        if isinstance(self._inner, httpx.SyncByteStream):
            self._inner.close()

    async def aclose(self) -> None:
        if isinstance(self._inner, httpx.AsyncByteStream):
            await self._inner.aclose()


def _signed(request: httpx.Request, granted: Granted, credentials: Credentials) -> httpx.Request:
    url = str(request.url)
    if is_app(url):
        request.headers.update(_for_an_app(url, granted, credentials))
        return request
    if origin_of(url) != origin_of(granted.host):
        raise ConfigurationError(
            f"the request goes to {_origin(request)}, but the credentials from {credentials.source} are for "
            f"{granted.host}; give token= for that host"
        )
    request.headers.update(granted.headers)
    return request


def _for_an_app(url: str, granted: Granted, credentials: Credentials) -> dict[str, str]:
    """Return the header that a Databricks App is sent: an OAuth token, and nothing of a cloud's (docs/wire/auth.md#apps).

    Raises:
        ConfigurationError: the credentials are none that an App may be sent.
    """
    remedy = "give an OAuth token as token=, or workspace_client= or sdk_config= that signs in by OAuth"
    is_own = origin_of(url) == origin_of(granted.host)
    if credentials.apps == "none" or (credentials.apps == "own host" and not is_own):
        raise ConfigurationError(
            f"the request goes to a Databricks App, {url}, to which credentials from {credentials.source} are never sent; "
            f"{remedy}"
        )
    kind, _, token = granted.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or token.startswith(_PERSONAL):
        raise ConfigurationError(
            f"the request goes to a Databricks App, {url}, which takes OAuth tokens only; {credentials.source} gives a "
            f"personal access token or a password: {remedy}"
        )
    return {"Authorization": granted.headers["Authorization"]}


def _origin(request: httpx.Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc.decode()}"


def _refused(response: httpx.Response, body: bytes, remedy: str) -> AuthenticationError:
    words = read_error_body(body)
    said = words.message.rstrip(".") or "(the server said nothing)"
    request = response.request
    return AuthenticationError(
        f"{request.method} {request.url} answered {response.status_code}: {said}. {remedy}",
        status=response.status_code,
        error_code=words.code,
        request_id=words.request_id or response.headers.get("x-request-id"),
    )
