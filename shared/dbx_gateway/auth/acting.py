"""Calls on behalf of one user: the token of a block counts for the calls that begin within it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace
from typing import Final, NoReturn, Self

from pydantic import SecretStr

from dbx_gateway.auth.credentials import Credentials, Granted, checked_token
from dbx_gateway.errors import ConfigurationError
from dbx_gateway.transport.deadlines import NO_DEADLINE, Deadline

__all__ = ["ActingAs", "acting_as", "credentials_now"]


class ActingAs:
    """A ``with`` block whose calls are sent with a token of its own. It may be entered any number of times.

    Its repr holds neither the token nor the user; it can be neither pickled nor copied into a serialised form.
    """

    __slots__ = ("_token", "_user")

    def __init__(self, token: SecretStr, user: str | None) -> None:
        self._token = token
        self._user = user

    def __enter__(self) -> Self:
        _blocks.set((*_blocks.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        # The context may be another than that of the entry: a generator is closed wherever the collector finds it. There
        # the block is not open, and nothing is to be done. A block that was left out of order leaves the others open.
        opened = list(_blocks.get())
        for index in range(len(opened) - 1, -1, -1):
            if opened[index] is self:
                del opened[index]
                _blocks.set(tuple(opened))
                return

    def credentials(self, own: Credentials) -> Credentials:
        """Return credentials with this block's token, for the host of ``own`` and no other."""
        return _Borrowed(own, self._token, self._user)

    def __repr__(self) -> str:
        return "<acting_as block>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an acting_as block holds a token and cannot be pickled; enter acting_as where the call is made"
        )


_blocks: Final[ContextVar[tuple[ActingAs, ...]]] = ContextVar("dbx_gateway_acting_as", default=())
"""The blocks that are open in this context, the innermost last. Tuples: contexts that are copied share none of it."""


def acting_as(token: str | SecretStr, user: str | None = None) -> ActingAs:
    """Return a ``with`` block whose calls are sent with ``token`` instead of the credentials of the object that is called.

    The innermost block counts. A call takes its token where its first line runs, a stream at its first ``next``, and uses
    it to its end. The token goes to the object's own host only, and is not renewed. Tasks and the executors of LangChain,
    LangGraph and LlamaIndex inherit the block; a plain thread and ``ThreadPoolExecutor.submit`` do not.

    Example:
        >>> with acting_as(request.headers["x-forwarded-access-token"]):  # doctest: +SKIP
        ...     llm.invoke("Which tables may I read?")

    Args:
        token: a personal access token or OAuth token, without ``Bearer``.
        user: a name that stands for its owner, where the token itself does not say who that is: what was learned for the
            user is then used with the user's next token too.

    Raises:
        ConfigurationError: the token is missing, empty or malformed.
    """
    secret = SecretStr(token) if isinstance(token, str) else token
    if not isinstance(secret, SecretStr):  # pyright: ignore[reportUnnecessaryIsInstance]  # a header that was not sent
        raise ConfigurationError(
            f"acting_as got {type(secret).__name__} instead of a token; refuse a request that brings none, or call "
            "outside of the block to use the object's own credentials"
        )
    if user is not None and (not isinstance(user, str) or not user):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError("acting_as takes a name that is not empty as user=; leave it out where there is none")
    return ActingAs(checked_token(secret, "acting_as"), user)


def credentials_now(own: Credentials, *, required: bool) -> Credentials:
    """Return the credentials of a call that begins now: those of the innermost block, else the object's own.

    Args:
        own: the object's.
        required: refuse the call outside of any block.

    Raises:
        ConfigurationError: a block is required, and none is open.
    """
    blocks = _blocks.get()
    if blocks:
        return blocks[-1].credentials(own)
    if required:
        raise ConfigurationError(
            "acting_as_required=True, and this call stands in no acting_as block; make it within "
            "`with dbx_gateway.acting_as(token):`. A plain thread does not inherit the block: enter it there, or run the "
            "work in contextvars.copy_context()"
        )
    return own


class _Borrowed(Credentials):
    """A user's token, for the host of the credentials in whose place it is sent."""

    known_by_token = True
    lent = True

    def __init__(self, own: Credentials, token: SecretStr, user: str | None) -> None:
        super().__init__(own.names, source="acting_as", identity="", explicit="acting_as")
        self.endpoint_url = own.endpoint_url
        self._own = own
        self.user = user
        self.apps = own.apps
        headers = {"Authorization": f"Bearer {token.get_secret_value()}", **own.workspace_headers}
        self._signed = self.remember(Granted(headers, ""))

    def fetch(
        self,
        refused: Granted | None = None,  # noqa: ARG002  # there is no other token
        deadline: Deadline = NO_DEADLINE,
    ) -> Granted:
        """Return the token's header; may block where the host is not known yet."""
        return replace(self._signed, host=self._own.host(deadline))

    async def fetch_async(
        self,
        refused: Granted | None = None,  # noqa: ARG002  # there is no other token
        deadline: Deadline = NO_DEADLINE,
    ) -> Granted:
        """Return what :meth:`fetch` returns without blocking the event loop."""
        return replace(self._signed, host=await self._own.host_async(deadline))

    def cache_place(self) -> str:
        """Return where answers come from: where those to the object's own credentials do."""
        return self._own.cache_place()

    def cache_scope(self) -> str:
        """Return the place, and whom a call counts as that is sent with this token."""
        signed = replace(self._signed, host=self._own.known_host or "")
        return f"{self.cache_place()} {self.caller_identity(signed, {})}"

    def mask(self, text: str) -> str:
        """Return ``text`` without the token, nor what the object's own credentials have given out."""
        return self._own.mask(super().mask(text))

    def mask_body(self, body: bytes) -> bytes:
        """Return the body of a refusal without the same."""
        return self._own.mask_body(super().mask_body(body))
