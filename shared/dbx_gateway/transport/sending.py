"""The only I/O of the core: sending one request and reading its answer, sync and async.

Connections are shared by all clients of a process, per host's TLS setting and proxy; async ones also per event loop.
Nothing is shared across a fork.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import ssl
import threading
import urllib.request
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx

from dbx_gateway.error_bodies import request_id_of
from dbx_gateway.errors import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    DbxGatewayError,
    InvalidResponseError,
    forget_frames,
)
from dbx_gateway.fork_hooks import in_child_after_fork
from dbx_gateway.transport.deadlines import NO_DEADLINE, Deadline
from dbx_gateway.transport.hosts import origin_of
from dbx_gateway.transport.leases import settle
from dbx_gateway.transport.unpacking import ACCEPTED, unpacked, unpacked_async
from dbx_gateway.transport.watchdogs import Watchdog

__all__ = [
    "AsyncTransport",
    "HttpRequest",
    "HttpResponse",
    "OwnAsyncClients",
    "OwnClient",
    "SyncTransport",
    "Verify",
    "body_of",
    "body_of_async",
    "close_connections",
    "failure",
    "headers_of",
    "new_async_client",
    "new_client",
    "overdue",
    "silent",
]

Verify = str | ssl.SSLContext | bool | None

LIMITS: Final = httpx.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30.0)
"""Kept low for idle connections: the pool walks them at each request (docs/wire/peers.md#connection-pools)."""

CONTROL_TIMEOUT: Final = httpx.Timeout(10.0)
"""For requests that name none of their own."""

MOST_CLIENTS: Final = 4
"""Shared clients at most, one for each setting of TLS and proxies that the environment has had; more only while all are in use."""

_MAX_REDIRECTS: Final = 3
_SAME_REQUEST_ELSEWHERE: Final = (307, 308)
"""Redirects that ask for the same request at another place, which the server has not worked on (RFC 9110, 15.4.8, 15.4.9)."""

_MAX_BODY: Final = 256 * 1024 * 1024
_MAX_ERROR_BODY: Final = 1024 * 1024
"""What a server says when it fails stands at the beginning; no more is read."""

_LOOPBACK: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request, ready to send."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(default=None, repr=False)
    timeout: httpx.Timeout = field(default_factory=lambda: CONTROL_TIMEOUT)
    deadline: Deadline = NO_DEADLINE
    label: str = ""
    """What this is, for errors: ``'model' on surface api url``."""
    may_act: bool = False
    """It asks what may be an agent: it is not sent again after an answer that may come after the work."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole answer: status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    mask: Callable[[bytes], bytes] = field(default=bytes, repr=False, compare=False)
    """Takes credentials out of what is logged of the body."""


class SyncTransport:
    """Sends requests from threads.

    Args:
        auth: puts the credentials on each request.
        client: to send with; None takes the process's shared one.
        verify: TLS setting of the shared client.
    """

    def __init__(self, auth: httpx.Auth, client: httpx.Client | None = None, verify: Verify = None) -> None:
        self._auth = auth
        self._client = client
        self._verify = verify

    def open(self, request: HttpRequest) -> httpx.Response:
        """Send ``request`` and return the response with its body unread; the caller closes it.

        Raises:
            DbxGatewayError: there was no answer; the message says what was asked and what happened.
        """
        settle()
        if request.deadline.passed:
            raise overdue(request)
        if self._client is not None:
            return self._open(self._client, request)
        with _sending(self._verify) as shared:
            response = self._open(shared.client, request)
            shared.reads(response)
            return response

    def _open(self, client: httpx.Client, request: HttpRequest) -> httpx.Response:
        _check_open(client)
        try:
            return self._follow(client, request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failure(error, request) from error
        except UnicodeError as error:
            raise _misnamed(error, request) from error

    def send(self, request: HttpRequest) -> HttpResponse:
        """Send ``request`` and return its whole answer.

        Raises:
            DbxGatewayError: there was no whole answer.
        """
        response = self.open(request)
        watchdog = Watchdog.until(request.deadline, response)
        try:
            return HttpResponse(response.status_code, headers_of(response), body_of(response, request))
        finally:
            watchdog.stop()
            response.close()

    def _follow(self, client: httpx.Client, request: HttpRequest) -> httpx.Response:
        url = request.url
        for _ in range(_MAX_REDIRECTS + 1):
            response = client.send(_built(client, request, url), auth=self._auth, stream=True, follow_redirects=False)
            if not response.has_redirect_location:
                return response
            response.close()
            url = _redirected(response, request, url)
        raise _too_many_redirects(request)


class AsyncTransport:
    """Sends requests from event loops.

    Args:
        auth: puts the credentials on each request.
        client: to send with; None takes the running loop's shared one.
        verify: TLS setting of the shared client.
    """

    def __init__(self, auth: httpx.Auth, client: httpx.AsyncClient | None = None, verify: Verify = None) -> None:
        self._auth = auth
        self._client = client
        self._verify = verify

    async def open(self, request: HttpRequest) -> httpx.Response:
        """Send ``request`` and return the response with its body unread; the caller closes it.

        Raises:
            DbxGatewayError: there was no answer; the message says what was asked and what happened.
        """
        if request.deadline.passed:
            raise overdue(request)
        if self._client is not None:
            return await self._open(self._client, request)
        shared = await _loop_client(self._verify)
        try:
            response = await self._open(shared.client, request)
            shared.reads(response)
            return response
        finally:
            shared.sending -= 1

    async def _open(self, client: httpx.AsyncClient, request: HttpRequest) -> httpx.Response:
        _check_open(client)
        try:
            async with asyncio.timeout(request.deadline.left):
                return await self._follow(client, request)
        except TimeoutError:
            raise overdue(request) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failure(error, request) from error
        except UnicodeError as error:
            raise _misnamed(error, request) from error

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send ``request`` and return its whole answer.

        Raises:
            DbxGatewayError: there was no whole answer.
        """
        response = await self.open(request)
        try:
            return HttpResponse(response.status_code, headers_of(response), await body_of_async(response, request))
        finally:
            await response.aclose()

    async def _follow(self, client: httpx.AsyncClient, request: HttpRequest) -> httpx.Response:
        url = request.url
        for _ in range(_MAX_REDIRECTS + 1):
            built = _built(client, request, url)
            response = await client.send(built, auth=self._auth, stream=True, follow_redirects=False)
            if not response.has_redirect_location:
                return response
            await response.aclose()
            url = _redirected(response, request, url)
        raise _too_many_redirects(request)


def _check_open(client: httpx.Client | httpx.AsyncClient) -> None:
    if client.is_closed:
        raise ConfigurationError("the given http_client= or http_async_client= is closed; give an open one")


def body_of(response: httpx.Response, request: HttpRequest) -> bytes:
    """Read the body of ``response`` and return it; of a failure's, the beginning.

    Raises:
        DbxGatewayError: there is no whole body, or it takes too long or too much memory.
    """
    body = io.BytesIO()  # one buffer: a list of tiny chunks takes many times their bytes
    try:
        for chunk in unpacked(response):
            body.write(chunk)
            if _is_enough(body.tell(), response, request):
                break
    except httpx.HTTPError as error:
        if not _is_cut_refusal(error, response):
            raise failure(error, request, response) from error
    if request.deadline.passed:
        raise overdue(request, response)  # what was read may have ended because time was over
    return body.getvalue()


async def body_of_async(response: httpx.Response, request: HttpRequest) -> bytes:
    """Do as :func:`body_of` does, from an event loop."""
    body = io.BytesIO()
    try:
        async with asyncio.timeout(request.deadline.left):
            async for chunk in unpacked_async(response):
                body.write(chunk)
                if _is_enough(body.tell(), response, request):
                    break
    except TimeoutError:
        raise overdue(request, response) from None
    except httpx.HTTPError as error:
        if not _is_cut_refusal(error, response):
            raise failure(error, request, response) from error
    return body.getvalue()


def _is_cut_refusal(error: httpx.HTTPError, response: httpx.Response) -> bool:
    """Whether ``error`` only costs words of a failure: its status says what to do, whatever its body is packed in."""
    return isinstance(error, httpx.DecodingError) and response.status_code >= 300


def overdue(request: HttpRequest, response: httpx.Response | None = None) -> APITimeoutError:
    """Return the error of a call that has taken all the time it has; ``error_code`` is ``total``."""
    error = APITimeoutError(
        f"{request.label}: not answered within the {request.deadline.total} s that total_timeout= allows.",
        error_code="total",
    )
    return _with_response(error, response)


def silent(request: HttpRequest, response: httpx.Response | None = None) -> APITimeoutError:
    """Return the error of a stream that says nothing, whatever keeps it alive; ``error_code`` is ``idle``."""
    error = APITimeoutError(
        f"{request.label}: no event of the answer for {request.deadline.idle} s. Raise stream_idle_timeout= if the model "
        "thinks longer.",
        error_code="idle",
    )
    return _with_response(error, response)


E = TypeVar("E", bound=DbxGatewayError)


def _with_response(error: E, response: httpx.Response | None) -> E:
    """Return ``error`` with what the server had said before its answer broke off."""
    if response is not None:
        error.status = error.status or response.status_code
        error.request_id = request_id_of(headers_of(response))
    return error


def failure(error: Exception, request: HttpRequest, response: httpx.Response | None = None) -> DbxGatewayError:
    """Return the typed error for a request that got no answer, or whose answer broke off.

    ``error_code`` says at which step: ``connect``, ``pool``, ``read``, ``write`` or ``protocol``; or which limit of the
    call was reached: ``total`` or ``idle``. ``error`` becomes the cause of the typed error and must hold no credential
    and no prompt: its request loses headers and body, and its frames go, in which the HTTP library has both.
    """
    if isinstance(error, httpx.HTTPError):
        error.request = httpx.Request(request.method, request.url)
    forget_frames(error)
    idle, silence = request.deadline.idle, request.timeout.read
    if request.deadline.passed:
        return overdue(request, response)
    if isinstance(error, httpx.ReadTimeout) and idle is not None and (silence is None or idle < silence):
        return silent(request, response)
    return _with_response(_failure(error, request), response)


def _failure(error: Exception, request: HttpRequest) -> DbxGatewayError:
    reason = str(error) or type(error).__name__
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            step = "connect" if isinstance(error, httpx.ConnectTimeout) else "pool"
            wait = request.timeout.connect if step == "connect" else request.timeout.pool
            return APITimeoutError(
                f"{request.label}: no connection within {wait} s. Check the host, the network and the proxy.",
                error_code=step,
            )
        case httpx.WriteTimeout():
            return APITimeoutError(
                f"{request.label}: the server took no byte of the request for {request.timeout.write} s. Check the network "
                "and the proxy, or send less.",
                error_code="write",
            )
        case httpx.TimeoutException():
            return APITimeoutError(
                f"{request.label}: no byte for {request.timeout.read} s. Raise timeout= if the model thinks longer.",
                error_code="read",
            )
        case httpx.ConnectError() | httpx.ProxyError():
            return APIConnectionError(
                f"{request.label}: could not connect: {reason}. Check the host, the network and the proxy.",
                error_code="connect",
            )
        case httpx.LocalProtocolError():  # its words hold the header
            return ConfigurationError(
                f"{request.label}: the request has a header that HTTP cannot carry. Check the credentials and "
                "default_headers=."
            )
        case httpx.DecodingError():
            return InvalidResponseError(f"{request.label}: the answer's compression is broken: {reason}.")
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return ConfigurationError(f"{request.label}: {reason}. Check host= and endpoint_url=.")
        case _:
            return APIConnectionError(f"{request.label}: the connection broke: {reason}.", error_code="protocol")


def new_client(verify: Verify = None, limits: httpx.Limits = LIMITS) -> httpx.Client:
    """Return a client of the caller's own with the TLS and proxy settings that the shared one has; the caller closes it."""
    with _checked_proxies():
        return httpx.Client(**_options(verify, limits))


def new_async_client(verify: Verify = None, limits: httpx.Limits = LIMITS) -> httpx.AsyncClient:
    """Return an async client of the caller's own; see :func:`new_client`."""
    with _checked_proxies():
        return httpx.AsyncClient(**_options(verify, limits))


def _options(verify: Verify, limits: httpx.Limits) -> dict[str, Any]:
    return {
        "verify": _context(verify),
        "limits": limits,
        "mounts": dict.fromkeys(_LOOPBACK),
        "timeout": CONTROL_TIMEOUT,
        # No cookie is kept: users with different credentials share the client.
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=())),
    }


@contextmanager
def _checked_proxies() -> Generator[None]:
    """Say as one of ours what is wrong with the environment's proxies; their URLs may hold a password."""
    try:
        yield
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        if isinstance(error, DbxGatewayError):
            raise
        raise ConfigurationError(
            "the proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY cannot be used; give http://host:port (a SOCKS proxy needs "
            "the package socksio)"
        ) from None


def close_connections() -> None:
    """Close the connections that sync clients of this process share; they are made anew on the next use."""
    settle()
    with _lock:
        clients = list(_clients.values())
        _clients.clear()
    for shared in clients:
        shared.client.close()


class OwnClient:
    """The client of one object that was given an ``ssl.SSLContext`` of its own; it is closed when the object is gone.

    Args:
        verify: the context.
    """

    def __init__(self, verify: ssl.SSLContext) -> None:
        self._verify = verify
        self._lock = threading.Lock()
        self._made: tuple[int, httpx.Client] | None = None

    def client(self) -> httpx.Client:
        """Return the client, in each process another."""
        pid = os.getpid()
        made = self._made
        if made is not None and made[0] == pid:
            return made[1]
        if made is not None:  # a thread of the parent may have held the copied lock
            self._lock, self._made = threading.Lock(), None
        with self._lock:
            if self._made is None:
                client = new_client(self._verify)
                weakref.finalize(self, _close_here, pid, client).atexit = False
                self._made = pid, client
            return self._made[1]


def _close_here(pid: int, client: httpx.Client) -> None:
    """Close a client in the process that made it: in a child its lock may be held for ever."""
    if os.getpid() == pid:
        client.close()


class OwnAsyncClients:
    """As :class:`OwnClient`, for event loops: each loop has a client, which it closes when the object is gone.

    Args:
        verify: the context.
    """

    def __init__(self, verify: ssl.SSLContext) -> None:
        self._verify = verify
        self._loops: dict[asyncio.AbstractEventLoop, _LoopClient] = {}
        weakref.finalize(self, _close_in_loops, self._loops).atexit = False

    async def client(self) -> httpx.AsyncClient:
        """Return the running loop's client."""
        loop = asyncio.get_running_loop()
        entry = self._loops.get(loop)
        if entry is None:
            for gone in [other for other in tuple(self._loops) if other.is_closed()]:
                self._loops.pop(gone, None)
            client = new_async_client(self._verify)
            entry = self._loops[loop] = _LoopClient(client=client, keeper=_keep(client, self._loops, loop))
            await anext(entry.keeper)  # does not wait for anything
        return entry.client


def _close_in_loops(loops: dict[asyncio.AbstractEventLoop, _LoopClient]) -> None:
    for loop, entry in tuple(loops.items()):
        if not loop.is_closed():  # else its connections were closed with it
            loop.call_soon_threadsafe(_begin_to_close, loop, entry)


def _begin_to_close(loop: asyncio.AbstractEventLoop, entry: _LoopClient) -> None:
    task = loop.create_task(entry.keeper.aclose())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing: set[asyncio.Task[None]] = set()
"""Kept until they are done: a loop does not hold its tasks."""

_lock = threading.Lock()
_clients: dict[tuple[object, ...], _SharedClient] = {}
_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[object, ...], _LoopClient]] = (
    weakref.WeakKeyDictionary()
)


@dataclass(slots=True)
class _Use:
    """Whether a shared client is in use: an idle one may be closed.

    Args:
        sending: requests that have no response yet.
        responses: those that are still being read, and others until they are collected.
    """

    sending: int = 0
    responses: weakref.WeakSet[httpx.Response] = field(default_factory=weakref.WeakSet[httpx.Response])

    def reads(self, response: httpx.Response) -> None:
        """Count as used until ``response`` is closed."""
        with _lock:
            self.responses.add(response)

    def idle(self) -> bool:
        """Whether nobody uses it; ask under the lock."""
        return not self.sending and all(response.is_closed for response in tuple(self.responses))


@dataclass(slots=True, kw_only=True)
class _SharedClient(_Use):
    client: httpx.Client


@dataclass(slots=True, kw_only=True)
class _LoopClient(_Use):
    client: httpx.AsyncClient
    keeper: AsyncGenerator[None]


def _start_anew() -> None:
    global _lock, _clients, _loops  # noqa: PLW0603  # what a fork copied belongs to the parent
    _lock = threading.Lock()
    _clients = {}
    _loops = weakref.WeakKeyDictionary()


in_child_after_fork(_start_anew)


@contextmanager
def _sending(verify: Verify) -> Generator[_SharedClient]:
    """Give the client of the environment's settings, which is in use within the block."""
    key = _key(verify)
    spare: list[_SharedClient] = []
    with _lock:
        shared = _clients.pop(key, None)
        if shared is None:
            shared = _SharedClient(client=new_client(verify))
            spare = _taken_out(_clients)
        _clients[key] = shared  # the last is the one used last
        shared.sending += 1
    try:
        for unused in spare:
            unused.client.close()
        yield shared
    finally:
        with _lock:
            shared.sending -= 1


U = TypeVar("U", bound=_Use)
K = TypeVar("K")


def _taken_out(clients: dict[tuple[object, ...], U]) -> list[U]:
    """Take clients that are idle out of ``clients``, so that there is room for another: those first that were used first."""
    idle = [key for key, client in clients.items() if client.idle()]
    return [clients.pop(key) for key in idle[: max(0, len(clients) + 1 - MOST_CLIENTS)]]


async def _loop_client(verify: Verify) -> _LoopClient:
    """Return the running loop's client of the environment's settings, in use by one more who will send with it."""
    loop = asyncio.get_running_loop()
    key = _key(verify)
    with _lock:
        clients = _loops.setdefault(loop, {})
        entry = clients.pop(key, None)
        is_new = entry is None
        if entry is None:
            client = new_async_client(verify)
            entry = _LoopClient(client=client, keeper=_keep(client, clients, key))
            for unused in _taken_out(clients):
                _begin_to_close(loop, unused)
            for gone in [other for other in _loops if other.is_closed()]:
                del _loops[gone]
        clients[key] = entry
        entry.sending += 1
    if is_new:
        await anext(entry.keeper)  # does not wait for anything
    return entry


async def _keep(client: httpx.AsyncClient, clients: dict[K, _LoopClient], key: K) -> AsyncGenerator[None]:
    """Close ``client`` when its loop shuts its async generators down, as every runner does before it closes the loop."""
    try:
        yield
    finally:
        with _lock:
            if (entry := clients.get(key)) is not None and entry.client is client:
                del clients[key]
        await client.aclose()


def _key(verify: Verify) -> tuple[object, ...]:
    tls = id(verify) if isinstance(verify, ssl.SSLContext) else verify is not False and _certificates(verify)
    return (tls, *sorted(urllib.request.getproxies().items()))


@lru_cache(MOST_CLIENTS)
def _context_of(path: str | None, checked: bool) -> ssl.SSLContext:  # noqa: FBT001  # two private cases
    if not checked:
        return httpx.create_ssl_context(verify=False)
    if path is None:
        return httpx.create_ssl_context()
    if not Path(path).exists():
        raise ConfigurationError(f"the certificates at {path!r} do not exist; set verify= or SSL_CERT_FILE to a file")
    try:
        if Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # an SSLError is one
        raise ConfigurationError(f"the certificates at {path!r} cannot be read: {error}; give a PEM file") from None


def _certificates(verify: Verify) -> str | None:
    """Return the path of the certificates to trust; None for httpx's own."""
    path = verify if isinstance(verify, str) else None
    return path or os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE") or None


def _context(verify: Verify) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    if verify is False:
        return _context_of(None, False)  # noqa: FBT003
    return _context_of(_certificates(verify), True)  # noqa: FBT003


def _built(client: httpx.Client | httpx.AsyncClient, request: HttpRequest, url: str) -> httpx.Request:
    headers = httpx.Headers({"accept-encoding": ACCEPTED})
    headers.update(request.headers)  # what the user set wins
    return client.build_request(
        request.method,
        url,
        headers=headers,
        content=request.content,
        timeout=request.deadline.within(request.timeout),
    )


def headers_of(response: httpx.Response) -> dict[str, str]:
    """Return the headers of ``response``, names in lower case."""
    return {name.lower(): value for name, value in response.headers.items()}


_LOGIN: Final = re.compile(
    r"(?:/[^/]*){0,3}/(?:log-?in|sign-?in|sso|auth/login|login\.html|oauth2?/(?:v\d/)?authorize|oidc/(?:v\d/)?authorize)(?:[/.;]|$)",
    re.IGNORECASE,
)
"""Paths of pages on which a person logs in (docs/wire/auth.md#login-pages)."""


def _redirected(response: httpx.Response, request: HttpRequest, url: str) -> str:
    try:
        target = urljoin(url, response.headers["location"])
        there = origin_of(target)
    except ValueError:
        why = "the server redirects to something that is no URL. Check host=."
        raise _not_followed(why, request, response) from None
    if _LOGIN.match(urlsplit(target).path):
        why = (
            f"the server redirects with {response.status_code} to a login page, {target.partition('?')[0]}; nothing was sent there. "
            "Set host= to the workspace's own URL: an account's or a custom one asks browsers to log in, and so does a host without "
            "the right VPN."
        )
        raise _not_followed(why, request, response)
    if there != origin_of(url):
        why = (
            f"the server redirects to {there[0]}://{there[1]}:{there[2]}, another origin; nothing was sent there. "
            "Set host= to the right workspace (a login page here means a wrong host or a missing VPN)."
        )
        raise _not_followed(why, request, response)
    if request.may_act and response.status_code not in _SAME_REQUEST_ELSEWHERE:
        why = (
            f"the server redirects with {response.status_code}, which may come after the agent has acted; nothing was sent "
            f"again. Check host= or endpoint_url= (it points to {target.partition('?')[0]})."
        )
        raise _not_followed(why, request, response)
    if response.status_code == 303 and request.method != "GET":
        raise InvalidResponseError(
            f"{request.label}: the server answered 303, which is no answer to a POST.",
            status=303,
            request_id=request_id_of(headers_of(response)),
        )
    return target


def _misnamed(error: UnicodeError, request: HttpRequest) -> APIConnectionError:
    """Return the error of a redirect to a host that IDNA does not know: httpx looks at it before we do."""
    if isinstance(error, UnicodeEncodeError | UnicodeDecodeError):
        raise error  # of something else
    forget_frames(error)
    return _not_followed("the server redirects to something that is no URL. Check host=.", request)


def _too_many_redirects(request: HttpRequest) -> APIConnectionError:
    return _not_followed(f"more than {_MAX_REDIRECTS} redirects. Check host=.", request)


def _not_followed(why: str, request: HttpRequest, response: httpx.Response | None = None) -> APIConnectionError:
    error = APIConnectionError(
        f"{request.label}: {why}",
        status=None if response is None else response.status_code,
        error_code="redirect",
        request_id=None if response is None else request_id_of(headers_of(response)),
    )
    error.retryable = False  # it would come again
    return error


def _is_enough(size: int, response: httpx.Response, request: HttpRequest) -> bool:
    """Whether no more of a body of which ``size`` bytes are there is to be read."""
    if request.deadline.passed:
        raise overdue(request, response)
    if response.status_code >= 300:
        return size > _MAX_ERROR_BODY
    if size > _MAX_BODY:
        error = InvalidResponseError(
            f"{request.label}: the answer is larger than {_MAX_BODY} bytes; the server may be broken or hostile."
        )
        raise _with_response(error, response)
    return False
