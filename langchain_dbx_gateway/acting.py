"""The user's token in LangChain's ``configurable``: a call with it is made as if it stood in ``acting_as``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Self, TypeAlias, TypeVar

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from pydantic import PrivateAttr, SecretStr

from dbx_gateway.auth.acting import acting_as
from dbx_gateway.errors import ConfigurationError
from dbx_gateway.transport.async_streams import Derived
from langchain_dbx_gateway.errors import translated

__all__ = ["CONFIGURABLE_TOKEN", "NO_BLOCK", "ActingChatModel", "Block", "block_of", "each_within", "each_within_async"]

CONFIGURABLE_TOKEN: Final = "dbx_gateway_token"  # noqa: S105  # the name of a key
"""The one key of ``configurable`` that is read."""

Block: TypeAlias = AbstractContextManager[Any]
"""What a call is made in: an ``acting_as`` block, or one that changes nothing; it may be entered any number of times."""

NO_BLOCK: Final[Block] = nullcontext()
"""What changes nothing."""

ItemT = TypeVar("ItemT")


def block_of(config: RunnableConfig | None) -> Block:
    """Return the block that a call with ``config`` is made in; what LangChain has in its context counts too.

    Raises:
        ConfigurationError: the token is not a ``SecretStr``.
    """
    configurable = ensure_config(config).get("configurable", {})
    if CONFIGURABLE_TOKEN not in configurable:
        return NO_BLOCK
    token = configurable[CONFIGURABLE_TOKEN]
    if not isinstance(token, SecretStr):
        raise ConfigurationError(
            f"{CONFIGURABLE_TOKEN} in configurable is a {type(token).__name__}; give pydantic.SecretStr(token), for what is "
            "plain there is written into checkpoints, traces and cache keys. Refuse a request that brings no token"
        )
    return acting_as(token)


class ActingChatModel(BaseChatModel):
    """A chat model whose calls with ``dbx_gateway_token`` in ``configurable`` are made with that token."""

    _block: Block = PrivateAttr(default=NO_BLOCK)

    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's own argument
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Return the model's answer; ``dbx_gateway_token`` in ``configurable`` is the user's token for this call."""
        with self._block_of(config):
            return super().invoke(input, config, stop=stop, **kwargs)

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's own argument
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Return the model's answer without blocking the event loop; see :meth:`invoke`."""
        with self._block_of(config):
            return await super().ainvoke(input, config, stop=stop, **kwargs)

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's own argument
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Yield the model's answer as it arrives; ``configurable`` is read as by :meth:`invoke`."""
        block = self._block_of(config)
        chunks = super().stream(input, config, stop=stop, **kwargs)
        return chunks if block is NO_BLOCK else each_within(chunks, block)

    def astream(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's own argument
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Yield the model's answer without blocking the event loop; see :meth:`stream`."""
        block = self._block_of(config)
        chunks = super().astream(input, config, stop=stop, **kwargs)
        return chunks if block is NO_BLOCK else each_within_async(chunks, block)

    def stream_events(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's own argument
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the events of an answer; ``configurable`` is read as by :meth:`invoke`."""
        return super(ActingChatModel, self._within(config, kwargs)).stream_events(input, config, **kwargs)

    def astream_events(
        self,
        input: LanguageModelInput,  # noqa: A002  # LangChain's own argument
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the events of an answer without blocking the event loop; see :meth:`stream_events`."""
        return super(ActingChatModel, self._within(config, kwargs)).astream_events(input, config, **kwargs)

    def _within(self, config: RunnableConfig | None, kwargs: Mapping[str, Any]) -> Self:
        """Return what makes a call whose events are asked for later: this object, or a copy with the call's block.

        Version 3 makes the call when its stream is read, and asks this class for the events by name, without ``config``.
        The older versions come through :meth:`stream`.
        """
        block = self._block_of(config)
        if block is NO_BLOCK or kwargs.get("version") != "v3":
            return self
        acting = self.model_copy()
        acting._block = block  # noqa: SLF001  # of a copy of this object
        return acting

    def _block_of(self, config: RunnableConfig | None) -> Block:
        with translated():
            return block_of(config)


def each_within(items: Iterator[ItemT], block: Block) -> Generator[ItemT]:
    """Yield ``items``, asking for each within ``block``, which is left before the consumer goes on."""
    try:
        while True:
            with block:
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item
    finally:
        if isinstance(items, Generator):
            items.close()


def each_within_async(items: AsyncIterator[ItemT], block: Block) -> AsyncGenerator[ItemT, None]:
    """Yield ``items`` of an async generator, asking for each within ``block``; see :func:`each_within`."""
    assert isinstance(items, AsyncGenerator)  # noqa: S101  # LangChain's streams are
    return Derived(lambda: items, lambda item: [item], lambda: block)
