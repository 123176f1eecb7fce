"""Who a request is sent as: where credentials come from, and the headers they give.

Nothing here is asked for before it is needed: making credentials reads names and variables and does no I/O.
Sources: docs/wire/auth.md.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import itertools
import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from pydantic import SecretStr

from dbx_gateway.auth.cache_scopes import mark_of, mark_of_process
from dbx_gateway.auth.callers_thread import callers_thread
from dbx_gateway.auth.identities import identity_of, in_workspace, proven_tokens
from dbx_gateway.auth.sdk_chain import (
    CREDENTIAL_VARIABLES,
    SIGN_IN,
    SdkConfig,
    explained,
    explained_of_object,
    host_in_config_file,
    open_config,
)
from dbx_gateway.errors import APITimeoutError, ConfigurationError, DbxGatewayError, forget_frames
from dbx_gateway.fork_hooks import in_child_after_fork
from dbx_gateway.notices import warn_once
from dbx_gateway.transport.deadlines import NO_DEADLINE, Deadline
from dbx_gateway.transport.hosts import is_app, normalise_host, origin_of

__all__ = [
    "Credentials",
    "Granted",
    "ObjectCredentials",
    "SdkCredentials",
    "StaticCredentials",
    "UnusableCredentials",
    "checked_token",
    "resolve",
]

PATIENCE: Final = 30.0
"""Seconds to wait for a credential that blocks: a command line tool, or a token endpoint that does not answer."""

_REMEMBERED: Final = 16
"""Secrets that are masked at the same time: those of the latest sign-ins."""

_SECRET_HEADERS: Final = ("authorization", "token", "secret", "key")
"""What a header's name has in it whose value proves who asks; others name a workspace."""

_SHORTEST_SECRET: Final = 6
"""Characters; anything shorter would be masked in the middle of words."""

_SALT: Final = os.urandom(16)


@dataclass(frozen=True, slots=True)
class Granted:
    """Headers that prove who sends a request, and the only host they may be sent to.

    Args:
        headers: all of them, ready to send.
        host: ``https://…`` without a path.
        generation: which sign-in they come from, to tell a refused one from its successor.
    """

    headers: Mapping[str, str] = field(repr=False)
    host: str
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Names:
    """What was given to find credentials by, none of it secret: enough to find them again in another process."""

    host: str | None = None
    config_profile: str | None = None
    endpoint_url: str | None = None
    surface: str | None = None
    api: str | None = None


class Credentials(ABC):
    """Who requests are sent as.

    A copy or deep copy is the same credentials. A pickled one holds names only: loaded, it is resolved anew from those
    and the environment; if the original had been given a token or a client object, its first use raises
    :class:`ConfigurationError`.
    """

    def __init__(self, names: Names, *, source: str, identity: str, explicit: str | None = None) -> None:
        self._secrets: deque[SecretStr] = deque(maxlen=_REMEMBERED)
        self.names = names
        """What was given to find them by."""
        self._explicit = explicit
        self.source = source
        """Where they come from, in words, for people."""
        self.identity = identity
        """Tells one user from another, by names and variables; never holds a token. See :meth:`caller_identity`."""
        self.workspace_headers: Mapping[str, str] = {}
        """The header that says which workspace is meant, where that is known without signing in."""
        self.endpoint_url: str | None = None
        """The one URL that these credentials are for, where the environment names it (DBX_GATEWAY_API_URL)."""

    renewable: bool = False
    """Whether a refused credential may be followed by a fresh one."""

    apps: Literal["none", "own host", "all"] = "none"
    """Which Databricks Apps may be sent them: a profile's and the environment's are for workspaces alone."""

    known_by_token: bool = False
    """Whether only the token itself tells who asks, and not names and variables."""

    lent: bool = False
    """Whether the token was given for single calls, and is never followed by another."""

    user: str | None = None
    """The name that the caller has given for the token's owner."""

    def caller_identity(self, granted: Granted, others: Mapping[str, str]) -> str:
        """Return whom a call counts as that begins now; see :mod:`dbx_gateway.auth.identities`.

        Args:
            granted: what the call is about to be signed with.
            others: the other headers that it will send.
        """
        if not self.known_by_token:
            return in_workspace(self.identity, others)
        proven = proven_tokens().holds(granted.host, granted.headers)
        return identity_of(granted.headers, others, user=self.user, proven=proven)

    known_host: str | None = None
    """``https://…`` of the workspace, where it is known without asking anybody."""

    def cache_place(self) -> str:
        """Return where answers come from, for the keys of caches: host and workspace, or the mark of this process."""
        host = self.known_host or host_in_config_file(self.names.config_profile) or mark_of_process()
        return in_workspace(host, self.workspace_headers)

    def cache_scope(self) -> str:
        """Return what tells the answers to these credentials from those to others, for the keys of caches.

        It holds no secret and is found without asking anybody. Tokens and sign-ins of one host are not told apart.
        """
        return self.cache_place()

    def accepted(self, granted: Granted) -> None:
        """Note that the workspace has taken ``granted``."""
        if self.known_by_token:
            proven_tokens().add(granted.host, granted.headers)

    @abstractmethod
    def fetch(self, refused: Granted | None = None, deadline: Deadline = NO_DEADLINE) -> Granted:
        """Return the headers for a request that is sent now; may block.

        Args:
            refused: what the server has just refused (401): a fresh sign-in is then made.
            deadline: of the call; it ends the wait where the credentials are asked for on another thread.

        Raises:
            ConfigurationError: there are no credentials; the message says what was tried and what to do.
            AuthenticationError: signing in was refused.
            APIConnectionError: signing in failed on the network, or took too long.
        """

    async def fetch_async(self, refused: Granted | None = None, deadline: Deadline = NO_DEADLINE) -> Granted:
        """Return what :meth:`fetch` returns without blocking the event loop."""
        return self.fetch(refused, deadline)

    def host(self, deadline: Deadline = NO_DEADLINE) -> str:
        """Return ``https://…`` of the workspace; may block as :meth:`fetch` does, and raises the same."""
        return self.fetch(None, deadline).host

    async def host_async(self, deadline: Deadline = NO_DEADLINE) -> str:
        """Return what :meth:`host` returns without blocking the event loop."""
        return (await self.fetch_async(None, deadline)).host

    def remember(self, granted: Granted) -> Granted:
        """Return ``granted``, whose secrets are masked from now on wherever a server repeats them."""
        for name, value in granted.headers.items():
            secret = SecretStr(value.rpartition(" ")[2])
            names_a_secret = any(word in name.lower() for word in _SECRET_HEADERS)
            # A copy, as another thread may add one while they are compared.
            if names_a_secret and len(secret) >= _SHORTEST_SECRET and secret not in tuple(self._secrets):
                self._secrets.append(secret)
        return granted

    def mask(self, text: str) -> str:
        """Return ``text`` without the secrets that these credentials have given out."""
        for secret in tuple(self._secrets):
            text = text.replace(secret.get_secret_value(), "***")
        return text

    def mask_body(self, body: bytes) -> bytes:
        """Return the body of a refusal without the secrets that it repeats."""
        for secret in tuple(self._secrets):
            body = body.replace(secret.get_secret_value().encode(), b"***")
        return body

    def mask_error(self, error: DbxGatewayError) -> None:
        """Take out of ``error`` what a server has repeated of these credentials, and the frames that hold its words."""
        forget_frames(error)
        for name, value in vars(error).items():
            if isinstance(value, str):
                setattr(error, name, self.mask(value))
        error.args = tuple(self.mask(value) if isinstance(value, str) else value for value in error.args)

    def __repr__(self) -> str:
        return f"<credentials from {self.source}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[..., Credentials], tuple[object, ...]]:
        return (_loaded, (self.names, self._explicit))


class StaticCredentials(Credentials):
    """A bearer token that is used as it is, for one host; databricks-sdk is not imported."""

    known_by_token = True

    def __init__(
        self,
        host: str,
        token: SecretStr,
        names: Names,
        *,
        source: str,
        explicit: str | None = None,
        workspace_id: str | None = None,
    ) -> None:
        identity = f"bearer:{_fingerprint(token.get_secret_value().strip())}"
        super().__init__(names, source=source, identity=identity, explicit=explicit)
        self.apps = "none" if explicit is None else "own host"
        authorization = {"Authorization": f"Bearer {checked_token(token, source).get_secret_value()}"}
        self.remember(Granted(authorization, host))
        self.workspace_headers = _workspace_header(workspace_id)
        self._granted = Granted({**authorization, **self.workspace_headers}, host)
        self.known_host = host

    def fetch(
        self,
        refused: Granted | None = None,  # noqa: ARG002  # nothing else can be granted
        deadline: Deadline = NO_DEADLINE,  # noqa: ARG002  # it takes no time
    ) -> Granted:
        """Return the token's header."""
        return self._granted


class UnusableCredentials(Credentials):
    """Credentials that cannot be used; using them says why.

    Args:
        problem: what is wrong, and what to do.
        source: where they come from, in words.
        host: ``https://…`` of the workspace, where it is known.
    """

    def __init__(
        self, problem: str, names: Names, *, source: str, explicit: str | None = None, host: str | None = None
    ) -> None:
        super().__init__(names, source=source, identity="none", explicit=explicit)
        self._problem = problem
        self._host = self.known_host = host

    def fetch(
        self,
        refused: Granted | None = None,  # noqa: ARG002  # there is nothing to grant
        deadline: Deadline = NO_DEADLINE,  # noqa: ARG002  # it takes no time
    ) -> Granted:
        """Raise the problem.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(self._problem)

    def host(self, deadline: Deadline = NO_DEADLINE) -> str:
        """Return the host where it is known, for a token of somebody else; nothing is sent there without one."""
        return self._host or super().host(deadline)

    async def host_async(self, deadline: Deadline = NO_DEADLINE) -> str:
        """Return what :meth:`host` returns."""
        return self.host(deadline)


@dataclass(slots=True)
class _SignIn:
    """A sign-in under way or done. Replaced as a whole when its thread does not come back."""

    generation: int
    config: SdkConfig | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)


class SdkCredentials(Credentials):
    """Credentials that a ``Config`` of our own gives, asked for anew for every request.

    The SDK blocks: it runs on a thread of its own, one at a time, and all who ask meanwhile share the result.

    Args:
        open_config: returns the ``Config``; called on the thread, and again to sign in afresh.
        host: ``https://…`` where it is known without a ``Config``.
    """

    renewable = True

    def __init__(
        self, open_config: Callable[[], SdkConfig], names: Names, host: str | None = None, **more: Any
    ) -> None:
        super().__init__(names, **more)
        self._open = open_config
        self._host = self.known_host = host
        self.start_anew()
        _live.add(self)

    def fetch(self, refused: Granted | None = None, deadline: Deadline = NO_DEADLINE) -> Granted:
        """Return the headers that the SDK gives now."""
        flight = self._flight(refused)
        try:
            return flight.result(_patience(deadline))
        except TimeoutError:
            raise _late(self.source, deadline) or self._give_up(flight) from None

    async def fetch_async(self, refused: Granted | None = None, deadline: Deadline = NO_DEADLINE) -> Granted:
        """Return what :meth:`fetch` returns without blocking the event loop."""
        flight = self._flight(refused)
        try:
            async with asyncio.timeout(_patience(deadline)):
                return await asyncio.wrap_future(flight)
        except TimeoutError:
            raise _late(self.source, deadline) or self._give_up(flight) from None

    def host(self, deadline: Deadline = NO_DEADLINE) -> str:
        """Return the workspace's host, at once where it was given."""
        return self._host or super().host(deadline)

    async def host_async(self, deadline: Deadline = NO_DEADLINE) -> str:
        """Return what :meth:`host` returns without blocking the event loop."""
        return self._host or await super().host_async(deadline)

    def start_anew(self) -> None:
        """Forget sign-ins made and under way (after a fork: locks and threads of the parent are of no use)."""
        self._lock = threading.Lock()
        self._flights: dict[int | None, Future[Granted]] = {}
        self._sign_in = _SignIn(next(_generations))

    def _flight(self, refused: Granted | None) -> Future[Granted]:
        """Return the fetch under way, or a new one on a thread of its own."""
        with self._lock:
            sign_in = self._sign_in
            stale = refused is not None and refused.generation == sign_in.generation
            key = sign_in.generation if stale else None
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = Future()
                flight.set_running_or_notify_cancel()  # a waiter that is cancelled must not cancel it for the others
                # A daemon: the SDK sets no timeout when it asks for a token, and must not keep the process alive.
                work = threading.Thread(target=self._work, args=(key, flight, sign_in), daemon=True)
                work.name = "dbx-gateway-sign-in"
                work.start()
            return flight

    def _work(self, stale: int | None, flight: Future[Granted], sign_in: _SignIn) -> None:
        failure: DbxGatewayError | None = None
        granted: Granted | None = None
        try:
            with sign_in.turn:
                if sign_in.config is None or sign_in.generation == stale:
                    sign_in.config = self._open()
                    sign_in.generation = next(_generations)
                granted = self.remember(_granted(sign_in.config, sign_in.generation))
        except DbxGatewayError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  # whatever the SDK raises is told to the caller as one of ours
            failure = explained(error, self.source)
        with self._lock:
            if self._flights.get(stale) is flight:
                del self._flights[stale]
        if granted is not None:
            flight.set_result(granted)
        else:
            flight.set_exception(failure or ConfigurationError(f"{self.source} gave nothing. {SIGN_IN}"))

    def _give_up(self, flight: Future[Granted]) -> APITimeoutError:
        """Leave a sign-in that does not come back to its thread, so that the next caller starts another."""
        with self._lock:
            if flight in self._flights.values():
                self._flights = {}
                self._sign_in = _SignIn(next(_generations))
        return _too_slow(self.source)


class ObjectCredentials(Credentials):
    """Credentials of a client object that the caller gave, which may sign for whoever is calling.

    So it is asked for every request, for each caller by itself, where it can see who that is: a sync call asks on its own
    thread, an async one on a fresh thread that has a copy of the caller's context variables. What runs on the caller's
    thread cannot be left early: whether the call is late is looked at when the object returns.

    Args:
        config: the object, or the ``Config`` in it.
        host: ``https://…`` of the workspace that it signs in to.
        source: the setting that it was given as.
    """

    renewable = True
    known_by_token = True
    apps = "all"

    def __init__(self, config: SdkConfig, host: str, names: Names, *, source: str) -> None:
        super().__init__(names, source=source, identity=mark_of(config), explicit=source)
        self.workspace_headers = _workspace_header(getattr(config, "workspace_id", None))
        self._config = config
        self._host = self.known_host = host

    def cache_scope(self) -> str:
        """Return the place and the object's own mark: whoever it signs for, another object's answers are not taken."""
        return f"{self.cache_place()} {mark_of(self._config)}"

    def fetch(self, refused: Granted | None = None, deadline: Deadline = NO_DEADLINE) -> Granted:  # noqa: ARG002  # each is fresh
        """Return the headers that the object gives to this thread now."""
        thread = callers_thread()
        granted = self._ask() if thread is None else thread.have_done(self._ask)
        if (late := _late(self.source, deadline)) is not None:
            raise late
        return granted

    async def fetch_async(
        self,
        refused: Granted | None = None,  # noqa: ARG002  # each is fresh
        deadline: Deadline = NO_DEADLINE,
    ) -> Granted:
        """Return the headers that the object gives in a copy of this context now."""
        answer: Future[Granted] = Future()
        answer.set_running_or_notify_cancel()  # a caller that leaves must not cancel what its thread will say
        work = threading.Thread(target=contextvars.copy_context().run, args=(self._answer, answer), daemon=True)
        work.name = "dbx-gateway-sign-in"
        work.start()
        try:
            async with asyncio.timeout(_patience(deadline)):
                return await asyncio.wrap_future(answer)
        except TimeoutError:
            raise _late(self.source, deadline) or _too_slow(self.source) from None

    def host(self, deadline: Deadline = NO_DEADLINE) -> str:  # noqa: ARG002  # it takes no time
        """Return the host that the object names."""
        return self._host

    async def host_async(self, deadline: Deadline = NO_DEADLINE) -> str:  # noqa: ARG002  # it takes no time
        """Return the host that the object names."""
        return self._host

    def _ask(self, *, elsewhere: bool = False) -> Granted:
        failure: DbxGatewayError
        try:
            return self.remember(_granted(self._config, next(_generations)))
        except DbxGatewayError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  # whatever it raises is told to the caller as one of ours
            failure = explained_of_object(error, self.source, elsewhere=elsewhere)
        raise failure  # outside the handlers: the SDK's own errors hold requests, and those hold secrets

    def _answer(self, answer: Future[Granted]) -> None:
        try:
            answer.set_result(self._ask(elsewhere=True))
        except DbxGatewayError as error:
            answer.set_exception(error)


def _patience(deadline: Deadline) -> float:
    return PATIENCE if deadline.left is None else min(PATIENCE, deadline.left)


def _late(source: str, deadline: Deadline) -> APITimeoutError | None:
    """Return the error of a call whose time was over before it was signed; None where there is some left."""
    if not deadline.passed:
        return None
    return APITimeoutError(
        f"{source} gave no credentials within the {deadline.total} s that total_timeout= allows; nothing was sent.",
        error_code="total",
    )


def _too_slow(source: str) -> APITimeoutError:
    return APITimeoutError(
        f"{source} gave no credentials within {PATIENCE:g} s. Check the host, the network and the proxy, or give token=.",
        error_code="auth",
    )


_generations = itertools.count(1)
_live: weakref.WeakSet[SdkCredentials] = weakref.WeakSet()


def _after_fork() -> None:
    for credentials in list(_live):
        credentials.start_anew()


in_child_after_fork(_after_fork)


def resolve(  # noqa: PLR0913  # one argument for each way to say who you are
    *,
    host: str | None = None,
    token: str | SecretStr | None = None,
    config_profile: str | None = None,
    workspace_client: Any = None,
    sdk_config: Any = None,
    endpoint_url: str | None = None,
    surface: str | None = None,
    api: str | None = None,
    lost: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Credentials:
    """Return the credentials that settings and environment mean, without asking anybody for anything.

    The first that applies: a client object; ``token``; ``config_profile``, for its own host; ``host`` through databricks-sdk,
    with the environment's credentials only where that names the same host or none; DBX_GATEWAY_API_URL with DBX_GATEWAY_API_KEY unless surface, api or endpoint_url is set; DATABRICKS_HOST with
    DATABRICKS_TOKEN and no other credential variable; databricks-sdk's whole chain.

    Args:
        host: of the workspace.
        token: a bearer token.
        config_profile: a section of the Databricks config file.
        workspace_client: a ``databricks.sdk.WorkspaceClient``.
        sdk_config: a ``databricks.sdk.core.Config``.
        endpoint_url: the one URL that requests go to; ``token`` is then for its origin.
        surface: the setting; None and ``"auto"`` are no choice.
        api: the setting; None and ``"auto"`` are no choice.
        lost: a setting that a pickle left out: the credentials then cannot be used, and say that it has to be given again.
        environ: variables; None takes the process's.

    Raises:
        ConfigurationError: two credentials contradict each other, or a host or token is malformed.
    """
    variables = _Variables(os.environ if environ is None else environ)
    token = SecretStr(token) if isinstance(token, str) else token  # so that no frame of an error shows it
    names = Names(None if host is None else normalise_host(host), config_profile, endpoint_url, surface, api)
    if names.host is not None and is_app(names.host):
        raise ConfigurationError(
            f"host= is a Databricks App, {names.host}, which is no workspace; give the whole URL that requests go to as "
            "endpoint_url=, with an OAuth token as token=, workspace_client= or sdk_config="
        )
    if lost is not None:
        return _loaded(names, f"{lost}=")
    _refuse_contradictions(
        token=token, config_profile=config_profile, workspace_client=workspace_client, sdk_config=sdk_config
    )
    if workspace_client is not None:
        return _of_object(workspace_client.config, "workspace_client=", names)
    if sdk_config is not None:
        return _of_object(sdk_config, "sdk_config=", names)
    if token is not None:
        return _of_token(token, names, variables)
    if config_profile is not None:
        return _of_chain(names, names.host, variables)
    if names.host is not None:
        return _of_host(names, names.host, variables)
    return _of_environment(names, variables)


def _refuse_contradictions(**explicit: object) -> None:
    found = [f"{name}=" for name, value in explicit.items() if value is not None]
    if len(found) > 1:
        raise ConfigurationError(f"{' and '.join(found)} each say who to sign in as; give one of them")


def _of_object(config: SdkConfig, what: str, names: Names) -> Credentials:
    host = normalise_host(config.host or "")
    if names.host is not None and names.host != host:
        raise ConfigurationError(f"host= is {names.host}, but {what} signs in at {host}; leave host= out")
    return ObjectCredentials(config, host, names, source=what)


def _of_token(token: SecretStr, names: Names, variables: Mapping[str, str]) -> Credentials:
    host = _origin_host(names.endpoint_url) or names.host or _environment_host(variables)
    if host is None:
        problem = "token= was given without a host; give host=, or set DATABRICKS_HOST"
        return UnusableCredentials(problem, names, source="token=", explicit="token=")
    return StaticCredentials(host, token, names, source="token=", explicit="token=")


def _of_host(names: Names, host: str, variables: Mapping[str, str]) -> Credentials:
    """Return the credentials for a host that was given: the environment's only where it names the same host, or none."""
    named = variables.get("DATABRICKS_HOST")
    if not named or _is_host(named, host):
        return _of_chain(names, host, variables)
    found = [name for name in ("DATABRICKS_TOKEN", *CREDENTIAL_VARIABLES) if variables.get(name)]
    if not found:
        return _of_chain(names, host, variables, environment=False)
    problem = (
        f"the credentials of the environment ({', '.join(found)}) are for its own host only, DATABRICKS_HOST, and host= is "
        f"{host}; give token= or config_profile= for {host}, or leave host= out"
    )
    return UnusableCredentials(problem, names, source="the environment", host=host)


def _of_chain(
    names: Names, host: str | None, variables: Mapping[str, str], *, environment: bool = True
) -> SdkCredentials:
    profile = names.config_profile
    about = ", ".join(f"{name} {value}" for name, value in (("host", host), ("profile", profile)) if value is not None)
    fingerprint = _fingerprint(*(variables.get(name, "") for name in ("DATABRICKS_TOKEN", *CREDENTIAL_VARIABLES)))
    credentials = SdkCredentials(
        lambda: open_config(host, profile, environment=environment),
        names,
        host,
        source=f"databricks-sdk ({about})" if about else "databricks-sdk",
        identity=f"sdk:{profile or ''}:{fingerprint}",
    )
    if environment and profile is None:
        credentials.workspace_headers = _workspace_header(variables.get("DATABRICKS_WORKSPACE_ID"))
    return credentials


def _of_environment(names: Names, variables: Mapping[str, str]) -> Credentials:
    url, key = variables.get("DBX_GATEWAY_API_URL"), _secret(variables, "DBX_GATEWAY_API_KEY")
    chosen = [name for name in (names.surface, names.api, names.endpoint_url) if name not in (None, "auto")]
    if url and key and not chosen:
        origin = _origin_host(url) or ""
        credentials = StaticCredentials(origin, key, names, source="DBX_GATEWAY_API_URL and DBX_GATEWAY_API_KEY")
        credentials.endpoint_url = url
        return credentials
    if bool(url) != bool(key):
        there, missing = ("URL", "KEY") if url else ("KEY", "URL")
        warn_once(
            "DBX_GATEWAY_API pair",
            f"DBX_GATEWAY_API_{there} is set without DBX_GATEWAY_API_{missing} and is not used; set both or neither",
        )
    host, token = _environment_host(variables), _secret(variables, "DATABRICKS_TOKEN")
    if host is not None and token and not any(variables.get(name) for name in CREDENTIAL_VARIABLES):
        return StaticCredentials(
            host,
            token,
            names,
            source="DATABRICKS_HOST and DATABRICKS_TOKEN",
            workspace_id=variables.get("DATABRICKS_WORKSPACE_ID"),
        )
    return _of_chain(names, host, variables)


def _environment_host(variables: Mapping[str, str]) -> str | None:
    host = variables.get("DATABRICKS_HOST")
    return normalise_host(host) if host else None


def _is_host(text: str, host: str) -> bool:
    try:
        return normalise_host(text) == host
    except ConfigurationError:  # malformed, and so no name of this host
        return False


def _origin_host(url: str | None) -> str | None:
    if url is None:
        return None
    scheme, name, port = origin_of(url)
    return normalise_host(f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}")


def _granted(config: SdkConfig, generation: int) -> Granted:
    workspace_id: object = getattr(config, "workspace_id", None)
    headers = _workspace_header(workspace_id) | config.authenticate()
    return Granted(headers, normalise_host(config.host or ""), generation)


def _workspace_header(workspace_id: object) -> dict[str, str]:
    """Return the header that a host which serves several workspaces needs (docs/wire/auth.md#headers-of-a-request)."""
    return {"X-Databricks-Workspace-Id": workspace_id} if isinstance(workspace_id, str) and workspace_id else {}


class _Variables(Mapping[str, str]):
    """Variables of the environment, which no frame of an error shows."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _secret(variables: Mapping[str, str], name: str) -> SecretStr | None:
    """Return a variable's value so that no frame of an error shows it; None where it is empty."""
    return SecretStr(variables[name]) if variables.get(name) else None


def checked_token(token: SecretStr, source: str) -> SecretStr:
    """Return a token without blanks around it; a malformed one would end up in the error of the HTTP library.

    Raises:
        ConfigurationError: it is empty, or holds what no token does.
    """
    stripped = SecretStr(token.get_secret_value().strip())
    if not _is_token(stripped.get_secret_value()):
        raise ConfigurationError(
            f"the token from {source} is empty or holds blanks or characters no token has; give the token alone, "
            "without 'Bearer'"
        )
    return stripped


def _is_token(text: str) -> bool:
    return text.isascii() and text.isprintable() and text != "" and not any(one.isspace() for one in text)


def _fingerprint(*secrets: str) -> str:
    """Return what tells one secret from another in this process and says nothing about it elsewhere."""
    return hashlib.blake2b("\0".join(secrets).encode(), key=_SALT, digest_size=8).hexdigest()


def _loaded(names: Names, explicit: str | None) -> Credentials:
    """Return the credentials of a pickle."""
    if explicit is None:
        return resolve(
            host=names.host,
            config_profile=names.config_profile,
            endpoint_url=names.endpoint_url,
            surface=names.surface,
            api=names.api,
        )
    problem = (
        f"this object was pickled, and {explicit} is never part of a pickle; give {explicit} again after loading, or build "
        "the object without it so that it signs in from the environment"
    )
    return UnusableCredentials(problem, names, source=explicit, explicit=explicit)
