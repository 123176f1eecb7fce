"""The clients: chat with a model of a workspace, whole or streamed, from threads or from event loops.

A request's life, in this order: route, encode, quirks on the way out, send, frames, quirks on the way in, decode, events.
The order and every decision in it is :mod:`dbx_gateway.call.flow`; here stand only the two ways to wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Final, Self, TypeVar

import httpx

from dbx_gateway.auth.signing import Credentials, CredentialsAuth, resolve
from dbx_gateway.call.actions import AskPlace, Fetch, Flow, Once, Pause, Place, Send
from dbx_gateway.call.flow import Answered, Call, Plan, get_of
from dbx_gateway.call.observations import Observations, shared_observations
from dbx_gateway.call.open_stream import Live
from dbx_gateway.call.reading import AnswerStream
from dbx_gateway.call.transcript import Transcript
from dbx_gateway.chat import ChatRequest, ChatResponse, JsonObject, Message, OutputFormat, ToolChoice, ToolSpec, user
from dbx_gateway.embeddings import DEFAULT_BATCH, Embeddings, batches, joined
from dbx_gateway.error_bodies import request_id_of
from dbx_gateway.errors import DbxGatewayError, InvalidRequestError
from dbx_gateway.events import End, Event, Start
from dbx_gateway.models.discovery import Listing, listing_requests, read_listing
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.notices import warn_once
from dbx_gateway.settings import Lost, Settings, veiled
from dbx_gateway.transport.async_streams import AsyncStream, close_later
from dbx_gateway.transport.leases import Lease
from dbx_gateway.transport.sending import (
    AsyncTransport,
    Outgoing,
    Reply,
    SyncTransport,
    body_of,
    body_of_async,
    failure,
    overdue,
)
from dbx_gateway.transport.watchdogs import GRACE, Watchdog

__all__ = ["AsyncClient", "Client", "Conversation"]

T = TypeVar("T")

Conversation = str | Message | Sequence[Message]
"""What to say: a text, one message, or all messages so far."""

_FOLLOWER_PATIENCE: Final = 30.0

LAST_BYTES: Final = 0.1
"""Seconds to wait, after the last event, for the end of the body: a connection can only be used again after that."""

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
        fields = veiled(fields)
        self.settings = self._given = settings if settings is not None else Settings.of(fields)
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
        return (_loaded, (type(self), self._given, self._observations, self._product))

    @property
    def observations(self) -> Observations:
        """What was learned about hosts and endpoints: this client's own, or what all clients of the process share."""
        return self._observations if self._observations is not None else shared_observations()

    def _call(self, options: dict[str, Any]) -> tuple[Call, Settings]:
        settings = self.settings.with_options(options)
        return Call(settings, self.observations, self._product), settings

    def _chat(
        self, messages: Conversation, parts: dict[str, Any], options: dict[str, Any], *, stream: bool
    ) -> tuple[Call, ChatRequest]:
        call, settings = self._call(options)
        return call, settings.request(_conversation(messages), stream=stream, **parts)

    def _masked(self, reply: Reply) -> Reply:
        """Return ``reply`` without the credentials that a refusal repeats."""
        if reply.status < 300:
            return reply
        return Reply(reply.status, reply.headers, self._credentials.mask_body(reply.body))

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
            InvalidRequestError: the request cannot be sent; nothing was.
            DbxGatewayError: the call failed.
        """
        call, request = self._chat(messages, _parts(tools, tool_choice, output, metadata), options, stream=False)
        answered = self._drive(call.chat(request))
        assert answered.response is not None  # noqa: S101  # a call that is not streamed ends with a response
        _tell_if_cut(answered, answered.response.finish.reason, request.model)
        return answered.response

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
        """Yield the model's answer as it comes; ``fold`` adds the events up. Arguments and errors are those of ``chat``.

        The connection is closed when the generator is: at its end, or when it is left.
        """
        call, request = self._chat(messages, _parts(tools, tool_choice, output, metadata), options, stream=True)
        return self._events(call, request)

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
        if len(flows) < 2 or at_once == 1:
            return joined(self._drive(flow) for flow in flows)

        def drive(flow: Flow[Embeddings]) -> Embeddings:
            return self._drive(flow)

        with ThreadPoolExecutor(min(at_once, len(flows)), "dbx-gateway-embed") as pool:
            try:
                return joined(pool.map(drive, flows))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def plan(self, **options: Any) -> Plan:
        """Return where a chat would go and why, asking the workspace what the name leaves open."""
        call, _ = self._call(options)
        return self._drive(call.plan())

    def models(self) -> Listing:
        """Return the models that the workspace serves to this user."""
        requests = listing_requests(self._place().host)
        answers = {what: self._fetch(get_of(get, self.settings, self._product)) for what, get in requests.items()}
        return read_listing({what: _as_answer(reply) for what, reply in answers.items()})

    def close(self) -> None:
        """Nothing to do: connections belong to the process and are shared. For symmetry with other clients."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the sync way to wait ------------------------------------------------------------------------------------

    def _transport(self) -> SyncTransport:
        return SyncTransport(CredentialsAuth(self._credentials), self.settings.http_client, self.settings.verify)

    def _place(self) -> Place:
        return Place(self._credentials.host(), self._credentials.identity)

    def _fetch(self, request: Outgoing) -> Reply | DbxGatewayError:
        try:
            return self._masked(self._transport().send(request))
        except DbxGatewayError as error:
            return error

    def _drive(self, flow: Flow[T]) -> T:
        outcome: Any = None
        while True:
            try:
                action = flow.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            except DbxGatewayError as error:
                self._credentials.mask_error(error)
                raise
            match action:
                case AskPlace():
                    outcome = self._place()
                case Fetch():
                    outcome = self._fetch(action.request)
                case Send():
                    outcome = self._send(action)
                case Pause():
                    time.sleep(action.seconds)
                    outcome = None
                case Once():
                    outcome = self._once(action)

    def _once(self, once: Once[T]) -> T:
        flights = self.observations.flights
        flight, leads = flights.join(once.key)
        if not leads:
            try:
                shared: T = flight.result(_FOLLOWER_PATIENCE)
            except (TimeoutError, _Abandoned):
                return self._drive(once.flow)
            return shared
        try:
            result = self._drive(once.flow)
        except DbxGatewayError as error:
            flights.land(once.key, flight, None, error)
            raise
        except BaseException:
            flights.land(once.key, flight, None, _Abandoned())
            raise
        flights.land(once.key, flight, result)
        return result

    def _send(self, action: Send) -> Reply | Live | DbxGatewayError:
        if action.stream is None:
            return self._fetch(action.request)
        try:
            response = self._transport().open(action.request)
        except DbxGatewayError as error:
            return error
        return self._begin(response, action.request, action.stream)

    def _begin(
        self, response: httpx.Response, request: Outgoing, stream: AnswerStream
    ) -> Reply | Live | DbxGatewayError:
        lease = Lease(response, Watchdog.until(request.deadline, response).stop)
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if response.status_code >= 300:
                reply = Reply(response.status_code, headers, body_of(response, request))
                lease.release()
                return self._masked(reply)
            stream.expect(headers.get("content-type", ""), request_id_of(headers), response.status_code)
            live = Live(response.status_code, headers, stream, (lease, request))
            live.transcript = Transcript.if_wanted(self._credentials.mask_body)
            while not live.first and not live.ended:
                live.first = self._read(live)
        except DbxGatewayError as error:
            lease.release()
            return error
        except BaseException:
            lease.release()
            raise
        if live.stream.failure is not None:
            lease.release()
        return live

    def _read(self, live: Live) -> list[Event]:
        lease, request = live.source
        live.wait_begins()
        try:
            chunk = next(lease.chunks)
        except StopIteration:
            live.ended = True
            late = request.deadline.passed  # and then this end may be the watchdog's work
            return live.stream.broke(overdue(request, lease.response)) if late else live.stream.close()
        except httpx.HTTPError as error:
            live.ended = True
            return live.stream.broke(live.late(request) or failure(error, request, lease.response))
        return live.take(chunk, request)

    def _events(self, call: Call, request: ChatRequest) -> Generator[Event]:
        answered = self._drive(call.chat(request))
        live = answered.live
        assert live is not None  # noqa: S101  # a call that is streamed ends with a stream
        lease: Lease = live.source[0]
        watchdog = Watchdog(lease.response, GRACE)
        lease.stops.append(watchdog.stop)
        try:
            yield from _told(live.first, answered, request)
            live.first = []
            while not live.ended:
                if live.stream.complete:
                    watchdog.start()
                yield from _told(self._read(live), answered, request)
            watchdog.stop()
            _let_end(live)
        finally:
            lease.release()
            if live.transcript is not None:
                live.transcript.tell()
        if live.stream.failure is not None:
            self._credentials.mask_error(live.stream.failure)
            raise live.stream.failure


class AsyncClient(_Base):
    """Chat with a model of a Databricks workspace from an event loop; the same as :class:`Client`, to be awaited.

    One client may be used from one event loop after another. No call blocks the loop: credentials that need the network
    are asked for in a thread.
    """

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
        call, request = self._chat(messages, _parts(tools, tool_choice, output, metadata), options, stream=False)
        answered = await self._drive(call.chat(request))
        assert answered.response is not None  # noqa: S101  # a call that is not streamed ends with a response
        _tell_if_cut(answered, answered.response.finish.reason, request.model)
        return answered.response

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
        """Yield the model's answer as it comes; see :meth:`Client.stream`. Close it (``aclosing``) when leaving early."""
        call, request = self._chat(messages, _parts(tools, tool_choice, output, metadata), options, stream=True)
        mask = self._credentials.mask_error
        return _AsyncEvents(lambda: self._drive(call.chat(request)), self._read, mask, request)

    async def embed(self, texts: Sequence[str], *, dimensions: int | None = None, **options: Any) -> Embeddings:
        """Return one vector for each text, in order, a few batches at once; see :meth:`Client.embed`."""
        flows, at_once = self._embedding(texts, dimensions, options)
        gate = asyncio.Semaphore(at_once)

        async def one(flow: Flow[Embeddings]) -> Embeddings:
            async with gate:
                return await self._drive(flow)

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
        call, _ = self._call(options)
        return await self._drive(call.plan())

    async def aclose(self) -> None:
        """Nothing to do: connections belong to the event loop and are shared. For symmetry with other clients."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # --- the async way to wait -----------------------------------------------------------------------------------

    def _transport(self) -> AsyncTransport:
        return AsyncTransport(CredentialsAuth(self._credentials), self.settings.http_async_client, self.settings.verify)

    async def _fetch(self, request: Outgoing) -> Reply | DbxGatewayError:
        try:
            return self._masked(await self._transport().send(request))
        except DbxGatewayError as error:
            return error

    async def _drive(self, flow: Flow[T]) -> T:
        outcome: Any = None
        while True:
            try:
                action = flow.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            except DbxGatewayError as error:
                self._credentials.mask_error(error)
                raise
            match action:
                case AskPlace():
                    outcome = Place(await self._credentials.host_async(), self._credentials.identity)
                case Fetch():
                    outcome = await self._fetch(action.request)
                case Send():
                    outcome = await self._send(action)
                case Pause():
                    await asyncio.sleep(action.seconds)
                    outcome = None
                case Once():
                    outcome = await self._once(action)

    async def _once(self, once: Once[T]) -> T:
        flights = self.observations.flights
        flight, leads = flights.join(once.key)
        if not leads:
            try:
                async with asyncio.timeout(_FOLLOWER_PATIENCE):
                    shared: T = await asyncio.wrap_future(flight)
            except (TimeoutError, _Abandoned):
                return await self._drive(once.flow)
            return shared
        try:
            result = await self._drive(once.flow)
        except DbxGatewayError as error:
            flights.land(once.key, flight, None, error)
            raise
        except BaseException:
            flights.land(once.key, flight, None, _Abandoned())
            raise
        flights.land(once.key, flight, result)
        return result

    async def _send(self, action: Send) -> Reply | Live | DbxGatewayError:
        if action.stream is None:
            return await self._fetch(action.request)
        try:
            response = await self._transport().open(action.request)
        except DbxGatewayError as error:
            return error
        return await self._begin(response, action.request, action.stream)

    async def _begin(
        self, response: httpx.Response, request: Outgoing, stream: AnswerStream
    ) -> Reply | Live | DbxGatewayError:
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if response.status_code >= 300:
                reply = Reply(response.status_code, headers, await body_of_async(response, request))
                await response.aclose()
                return self._masked(reply)
            stream.expect(headers.get("content-type", ""), request_id_of(headers), response.status_code)
            live = Live(response.status_code, headers, stream, (response, response.aiter_bytes(), request))
            # One watchdog costs less than a timer for each read; connections of HTTP/2 carry answers of others too.
            if response.http_version.startswith("HTTP/1"):
                live.watched = Watchdog.until(request.deadline, response).watches
            live.transcript = Transcript.if_wanted(self._credentials.mask_body)
            while not live.first and not live.ended:
                live.first = await self._read(live)
        except DbxGatewayError as error:
            await response.aclose()
            return error
        except BaseException:
            await response.aclose()
            raise
        if live.stream.failure is not None:
            await response.aclose()
        return live

    async def _read(self, live: Live) -> list[Event]:
        response, chunks, request = live.source
        if live.stream.complete and live.patience_ends is None:
            live.patience_ends = monotonic() + GRACE
        patience = live.patience(request.deadline)
        live.wait_begins()
        try:
            if patience is None:  # the most common case, without what a timer costs
                chunk = await anext(chunks)
            else:
                async with asyncio.timeout(patience):
                    chunk = await anext(chunks)
        except (StopAsyncIteration, TimeoutError):
            live.ended = True
            late = live.late(request)
            return live.stream.close() if late is None else live.stream.broke(late)
        except httpx.HTTPError as error:
            live.ended = True
            return live.stream.broke(live.late(request) or failure(error, request, response))
        return live.take(chunk, request)


class _AsyncEvents(AsyncStream[Event]):
    """The events of one streamed answer.

    Args:
        begin: makes the call; awaited when the first event is asked for.
        read: reads on in a stream that has begun.
        mask: takes credentials out of an error.
        request: what is asked.
    """

    def __init__(
        self,
        begin: Callable[[], Awaitable[Answered]],
        read: Callable[[Live], Awaitable[list[Event]]],
        mask: Callable[[DbxGatewayError], None],
        request: ChatRequest,
    ) -> None:
        super().__init__()
        self._begin = begin
        self._read_on = read
        self._mask = mask
        self._request = request
        self._answered: Answered | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def _read(self) -> list[Event] | None:
        if self._answered is None:
            self._answered = await self._begin()
            self._loop = asyncio.get_running_loop()
            live = self._live()
            first, live.first = live.first, []
            return list(_told(first, self._answered, self._request))
        live = self._live()
        if not live.ended:
            return list(_told(await self._read_on(live), self._answered, self._request))
        await _let_end_async(live)
        await self.aclose()
        if live.stream.failure is not None:
            self._mask(live.stream.failure)
            raise live.stream.failure
        return None

    async def _close(self) -> None:
        if self._answered is not None:
            live = self._live()
            await live.source[0].aclose()
            if live.transcript is not None:
                live.transcript.tell()

    def _live(self) -> Live:
        live = self._answered.live if self._answered is not None else None
        assert live is not None  # noqa: S101  # a call that is streamed ends with a stream
        return live

    def __del__(self) -> None:
        if self._loop is not None and not self._over:
            close_later(self._live().source[0], self._loop)


def _credentials_of(settings: Settings) -> Credentials:
    said = {name: getattr(settings, name) for name in ("token", "workspace_client", "sdk_config")}
    given: dict[str, Any] = {name: value for name, value in said.items() if not isinstance(value, Lost)}
    if settings.lost:
        given = {"lost": settings.lost[0]}
    return resolve(
        host=settings.host,
        config_profile=settings.config_profile,
        endpoint_url=settings.endpoint_url,
        surface=settings.surface,
        api=settings.api,
        **given,
    )


def _loaded(kind: type[_Base], settings: Settings, observations: Observations | None, product: str) -> _Base:
    """Return the client of a pickle."""
    return kind(settings, observations=observations, product=product)


class _Abandoned(Exception):  # noqa: N818  # not an error: the one who was to do the work has gone
    """The caller that was to do a shared piece of work was cancelled."""


def _let_end(live: Live) -> None:
    lease: Lease = live.source[0]
    if not live.stream.done or live.stream.failure is not None:
        return
    watchdog = Watchdog(lease.response, LAST_BYTES)
    watchdog.start()
    try:
        next(lease.chunks, None)
    except httpx.HTTPError:
        return  # the answer is complete; only its connection is lost
    finally:
        watchdog.stop()


async def _let_end_async(live: Live) -> None:
    if not live.stream.done or live.stream.failure is not None:
        return
    try:
        async with asyncio.timeout(LAST_BYTES):
            await anext(live.source[1], None)
    except (TimeoutError, httpx.HTTPError):
        return  # the answer is complete; only its connection is lost


def _told(events: list[Event], answered: Answered, request: ChatRequest) -> Iterator[Event]:
    """Yield ``events`` with what the call knows about them: the exchange at the start, a warning at a cut end."""
    for event in events:
        if isinstance(event, Start):
            event.exchange = answered.exchange
        elif isinstance(event, End):
            _tell_if_cut(answered, event.finish.reason, request.model)
        yield event


def _tell_if_cut(answered: Answered, reason: str, model: str) -> None:
    if reason == "length" and answered.default_max_tokens is not None:
        warn_once(
            f"{model}: default max_tokens",
            f"the answer of {model!r} was cut at max_tokens={answered.default_max_tokens}, the default where none is set; "
            "set max_tokens= for longer answers",
        )


def _conversation(messages: Conversation) -> tuple[Message, ...]:
    if isinstance(messages, str):
        return (user(messages),)
    return (messages,) if isinstance(messages, Message) else tuple(messages)


def _parts(
    tools: Sequence[ToolSpec], tool_choice: ToolChoice | None, output: OutputFormat | None, metadata: JsonObject | None
) -> dict[str, Any]:
    return {"tools": tuple(tools), "tool_choice": tool_choice, "output": output, "metadata": metadata}


def _as_answer(reply: Reply | DbxGatewayError) -> tuple[int | None, dict[str, str], bytes]:
    if isinstance(reply, DbxGatewayError):
        return reply.status, {}, b""
    return reply.status, dict(reply.headers), reply.body
