"""The clients: chat with a model of a workspace, streamed or not, from threads or from event loops.

A request's life, in this order: route, encode, quirks on the way out, send, frames, quirks on the way in, decode, events.
:mod:`dbx_gateway.call.flow` is that life, to be read from top to bottom; :mod:`dbx_gateway.call.drivers` has the two ways to
wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final, Self

from dbx_gateway.auth.acting import credentials_now
from dbx_gateway.auth.callers_thread import CallersThread
from dbx_gateway.auth.signing import Credentials, resolve
from dbx_gateway.call.actions import Flow
from dbx_gateway.call.drivers import AsyncDriver, SyncDriver, check_event_loop, warn_of_end
from dbx_gateway.call.flow import Call, CallResult
from dbx_gateway.call.observations import Observations, SingleFlight, shared_observations
from dbx_gateway.call.planning import Plan
from dbx_gateway.chat import ChatRequest, ChatResponse, JsonObject, Message, OutputFormat, ToolChoice, ToolSpec, user
from dbx_gateway.embeddings import DEFAULT_BATCH, Embeddings, batches, joined
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.events import Event, is_visible
from dbx_gateway.models.discovery import Listing
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.settings import CREDENTIALS, Lost, Settings, by_name, veiled

__all__ = ["AsyncClient", "Client", "Conversation"]

Conversation = str | Message | Sequence[Message]
"""What to send: a text, one message, or all messages so far."""

_EMBEDDINGS_AT_ONCE: Final = 4
"""Requests of one call for vectors that run at the same time, unless the caller says otherwise."""


class _Base:
    """What both clients share: settings, credentials and the making of calls."""

    def __init__(
        self,
        settings: Settings | None = None,
        /,
        *,
        observations: Observations | None = None,
        product: str = "",
        **fields: Any,
    ) -> None:
        if not isinstance(settings, Settings | None):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers err
            raise by_name(type(self).__name__)
        fields = veiled(fields)
        self.settings = self._original_settings = settings if settings is not None else Settings.of(fields)
        self._observations = observations
        self._product = product
        self._credentials = _credentials_of(self.settings)
        if self._credentials.endpoint_url is not None and self.settings.endpoint_url is None:
            self.settings = self.settings.at_endpoint(self._credentials.endpoint_url)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_loaded, (type(self), self._original_settings, self._observations, self._product))

    @property
    def observations(self) -> Observations:
        """What was observed of hosts and endpoints: this client's own, or what all clients of the process share."""
        return self._observations if self._observations is not None else shared_observations()

    def cache_scope(self) -> str:
        """Return what tells the answers to a call that is made now from others, for the key of a cache; asks nobody.

        Different are: hosts, workspaces, users of ``acting_as``, and client objects of the caller. Not different are two
        tokens (``token=``) of one host.
        """
        scope = credentials_now(self._credentials, required=False).cache_scope()
        return f"{scope} {self._credentials.endpoint_url}" if self._credentials.endpoint_url else scope

    def _flights(self) -> SingleFlight:
        return self.observations.flights

    def _call(self, options: dict[str, Any]) -> Call[Any]:
        return Call(self.settings.with_options(options), self.observations, self._product)

    def _chat(
        self, messages: Conversation, parts: dict[str, Any], options: dict[str, Any], *, stream: bool
    ) -> tuple[Flow[CallResult[Any]], ChatRequest]:
        settings = self.settings.with_options(options)
        request = settings.request(_conversation(messages), stream=stream, **parts)
        return Call[Any](settings, self.observations, self._product).chat(request), request

    def _embedding(
        self, texts: Sequence[str], dimensions: int | None, options: dict[str, Any]
    ) -> tuple[list[Flow[Embeddings]], int]:
        """Return a flow for each batch of ``texts``, and how many of them may run at once."""
        size, at_once = options.pop("batch_size", None), options.pop("max_concurrency", None)
        settings = self.settings.with_options(options)
        if size is None:
            size = profile_of(settings.model, "embeddings").embedding_batch or DEFAULT_BATCH
        if at_once is not None and at_once < 1:
            raise InvalidRequestError(f"max_concurrency is {at_once}; give at least 1")
        groups = batches(texts, size)
        flows = [Call(settings, self.observations, self._product).embed(group, dimensions) for group in groups]
        return flows, at_once or _EMBEDDINGS_AT_ONCE


class Client(_Base):
    """Chat with a model of a Databricks workspace.

    Constructing one needs no network and no credentials. It may be used from many threads.

    Example:
        >>> client = Client(model="databricks-claude-sonnet-4-5")  # doctest: +SKIP
        >>> client.chat("What is a lakehouse?").text  # doctest: +SKIP

    Args:
        settings: ready settings; or give them as keywords: ``model``, ``host``, ``token``, ... (see :class:`Settings`).
        observations: facts to learn and use apart from the process's shared ones.
        product: ``name/version`` of what uses this client, for the User-Agent.

    Raises:
        ConfigurationError: a setting is unknown or does not fit.
    """

    @cached_property
    def _driver(self) -> SyncDriver:
        return SyncDriver(self.settings, self._credentials, self._flights)

    def chat(
        self,
        messages: Conversation,
        *,
        tools: Sequence[ToolSpec] = (),
        tool_choice: ToolChoice | None = None,
        output: OutputFormat | None = None,
        metadata: JsonObject | None = None,
        **options: Any,
    ) -> ChatResponse:
        """Return the model's answer.

        Args:
            messages: a text, one message, or all messages so far.
            tools: what the model may call.
            tool_choice: whether and which tool it must call; None lets it decide.
            output: the form of the answer, for example a JSON schema.
            metadata: labels for the server's records, where the api takes them.
            **options: settings for this call only, for example ``temperature=0``.

        Raises:
            InvalidRequestError: the request is invalid; nothing was sent.
            DbxGatewayError: the call failed.
        """
        flow, request = self._chat(messages, _parts(tools, tool_choice, output, metadata), options, stream=False)
        return _response(self._driver.run(flow), request)

    def stream(
        self,
        messages: Conversation,
        *,
        tools: Sequence[ToolSpec] = (),
        tool_choice: ToolChoice | None = None,
        output: OutputFormat | None = None,
        metadata: JsonObject | None = None,
        **options: Any,
    ) -> Generator[Event]:
        """Yield the model's answer as it arrives; ``fold`` adds the events up. Arguments and errors are those of ``chat``.

        The connection is closed when the generator is: at its end, or when it is left.
        """
        flow, request = self._chat(messages, _parts(tools, tool_choice, output, metadata), options, stream=True)
        return self._driver.events(flow, request.model)

    def embed(self, texts: Sequence[str], *, dimensions: int | None = None, **options: Any) -> Embeddings:
        """Return one vector for each text, in order, a few batches at once.

        Args:
            texts: none of them empty.
            dimensions: length of the vectors, for models that offer several.
            **options: settings for this call only; also ``batch_size``, texts per request, and ``max_concurrency``,
                requests at once.

        Raises:
            DbxGatewayError: the call failed; the batches that were not sent yet are not sent any more.
        """
        flows, at_once = self._embedding(texts, dimensions, options)
        run = self._driver.begun().run  # one call, on whatever threads
        if len(flows) < 2 or at_once == 1:
            return joined(run(flow) for flow in flows)
        thread = CallersThread()
        with ThreadPoolExecutor(min(at_once, len(flows)), "dbx-gateway-embed") as pool:
            sent = [pool.submit(thread.context().run, run, flow) for flow in flows]
            try:
                thread.serve(until=sent)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            failed = (batch for batch in sent if not batch.cancelled() and batch.exception() is not None)
            return joined(batch.result() for batch in (*failed, *sent))

    def plan(self, **options: Any) -> Plan:
        """Return where a chat would go and why, with requests to the workspace for what the name does not show."""
        return self._driver.run(self._call(options).plan())

    def models(self) -> Listing:
        """Return the models that the workspace serves to this user."""
        return self._driver.run(self._call({}).listing())

    def close(self) -> None:
        """Nothing to do: connections belong to the process and are shared. For symmetry with other clients."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(_Base):
    """Chat with a model of a Databricks workspace from an event loop; the same as :class:`Client`, to be awaited.

    One client may be used from one event loop after another. No call blocks the loop: credentials that need the network
    are fetched in a thread.
    """

    @cached_property
    def _driver(self) -> AsyncDriver:
        return AsyncDriver(self.settings, self._credentials, self._flights)

    async def chat(
        self,
        messages: Conversation,
        *,
        tools: Sequence[ToolSpec] = (),
        tool_choice: ToolChoice | None = None,
        output: OutputFormat | None = None,
        metadata: JsonObject | None = None,
        **options: Any,
    ) -> ChatResponse:
        """Return the model's answer; see :meth:`Client.chat`."""
        flow, request = self._chat(messages, _parts(tools, tool_choice, output, metadata), options, stream=False)
        return _response(await self._driver.run(flow), request)

    def stream(
        self,
        messages: Conversation,
        *,
        tools: Sequence[ToolSpec] = (),
        tool_choice: ToolChoice | None = None,
        output: OutputFormat | None = None,
        metadata: JsonObject | None = None,
        **options: Any,
    ) -> AsyncGenerator[Event]:
        """Yield the model's answer as it arrives; see :meth:`Client.stream`. Close it (``aclosing``) when leaving early."""
        flow, request = self._chat(messages, _parts(tools, tool_choice, output, metadata), options, stream=True)
        return self._driver.events(flow, request.model)

    async def embed(self, texts: Sequence[str], *, dimensions: int | None = None, **options: Any) -> Embeddings:
        """Return one vector for each text, in order, a few batches at once; see :meth:`Client.embed`."""
        check_event_loop()
        flows, at_once = self._embedding(texts, dimensions, options)
        gate = asyncio.Semaphore(at_once)
        driver = self._driver.begun()

        async def one(flow: Flow[Embeddings]) -> Embeddings:
            async with gate:
                return await driver.run(flow)

        tasks = [asyncio.create_task(one(flow)) for flow in flows]
        try:
            return joined(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def plan(self, **options: Any) -> Plan:
        """Return where a chat would go and why; see :meth:`Client.plan`."""
        return await self._driver.run(self._call(options).plan())

    async def models(self) -> Listing:
        """Return the models that the workspace serves to this user."""
        return await self._driver.run(self._call({}).listing())

    async def aclose(self) -> None:
        """Nothing to do: connections belong to the event loop and are shared. For symmetry with other clients."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _credentials_of(settings: Settings) -> Credentials:
    values = {name: getattr(settings, name) for name in CREDENTIALS}
    credentials: dict[str, Any] = {name: value for name, value in values.items() if not isinstance(value, Lost)}
    if settings.lost:
        credentials = {"lost": settings.lost[0]}
    return resolve(
        host=settings.host,
        config_profile=settings.config_profile,
        endpoint_url=settings.endpoint_url,
        surface=settings.surface,
        api=settings.api,
        **credentials,
    )


def _loaded(kind: type[_Base], settings: Settings, observations: Observations | None, product: str) -> _Base:
    """Return the client of a pickle."""
    return kind(settings, observations=observations, product=product)


def _response(result: CallResult[Any], request: ChatRequest) -> ChatResponse:
    response = result.response
    assert response is not None  # noqa: S101  # a call that is not streamed ends with a response
    others = [(other.message, other.finish) for other in response.alternatives]
    for message, finish in ((response.message, response.finish), *others):
        is_empty = not any(map(is_visible, message.parts))
        warn_of_end(result, finish, request.model, is_empty=is_empty)
    return response


def _conversation(messages: Conversation) -> tuple[Message, ...]:
    if isinstance(messages, str):
        return (user(messages),)
    return (messages,) if isinstance(messages, Message) else tuple(messages)


def _parts(
    tools: Sequence[ToolSpec], tool_choice: ToolChoice | None, output: OutputFormat | None, metadata: JsonObject | None
) -> dict[str, Any]:
    return {"tools": tuple(tools), "tool_choice": tool_choice, "output": output, "metadata": metadata}
