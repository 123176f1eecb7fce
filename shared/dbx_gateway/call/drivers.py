"""The two ways to wait: what carries out a call's actions, from threads and from event loops.

Both do the same in the same order; each method of one reads like its twin.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Hashable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, Self, TypeVar, cast

import httpx

from dbx_gateway.auth.acting import credentials_now
from dbx_gateway.auth.callers_thread import CallersThread
from dbx_gateway.auth.identities import in_workspace
from dbx_gateway.auth.signing import Credentials, CredentialsAuth, Granted
from dbx_gateway.call.actions import AskCaller, Fetch, Flow, Once, Open, Together, Wait, left_when
from dbx_gateway.call.caller import Caller
from dbx_gateway.call.flow import CallResult
from dbx_gateway.call.observations import NoAnswerError, SingleFlight
from dbx_gateway.call.open_stream import OpenStream
from dbx_gateway.call.transcript import Transcript
from dbx_gateway.chat import Finish
from dbx_gateway.error_bodies import request_id_of
from dbx_gateway.errors import APITimeoutError, ConfigurationError, DbxGatewayError
from dbx_gateway.events import End, Event, Start, shows
from dbx_gateway.notices import addressed_to, warn_once
from dbx_gateway.settings import Settings
from dbx_gateway.transport.async_streams import AsyncStream
from dbx_gateway.transport.leases import AsyncLease, Lease
from dbx_gateway.transport.sending import (
    AsyncTransport,
    HttpRequest,
    HttpResponse,
    OwnAsyncClients,
    OwnClient,
    SyncTransport,
    body_of,
    body_of_async,
    failure,
    headers_of,
    overdue,
)
from dbx_gateway.transport.watchdogs import GRACE, Watchdog

__all__ = ["AsyncDriver", "SyncDriver", "check_event_loop", "warn_of_end"]

T = TypeVar("T")
OwnT = TypeVar("OwnT")

FOLLOWER_PATIENCE: Final = 30.0
"""Seconds that a caller waits for another's answer to the same question before it asks itself."""

LAST_BYTES: Final = 0.1
"""Seconds to wait, after the last event, for the end of the body: a connection can only be used again after that."""

_NORMAL_ENDS: Final = frozenset({"stop", "tool_calls", "unknown"})

LONGEST_UNINTERRUPTED: Final = 1.0
"""Seconds that a thread waits for its turn at a stretch: Windows notices Ctrl-C only in between."""


class _Driver(Generic[OwnT]):
    """What both have, whichever way they wait.

    Args:
        settings: of the client; its http client and ``verify`` are used.
        credentials: that sign each request, and are masked wherever an answer repeats them.
        flights: returns the work that is shared with other callers.
        begun: whether the credentials are those of a call that has begun.
        own: the clients of a TLS context of the object's own, for a call that has begun.
    """

    _own_kind: Callable[[ssl.SSLContext], OwnT]

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        flights: Callable[[], SingleFlight],
        *,
        begun: bool = False,
        own: OwnT | None = None,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._flights = flights
        if own is None and isinstance(settings.verify, ssl.SSLContext):
            own = self._own_kind(settings.verify)
        self._own = own
        self._begun = begun
        self._asked: deque[Granted] = deque()

    def begun(self) -> Self:
        """Return the driver of one call that begins now, with the credentials that count for it to its end."""
        if self._begun:
            return self
        credentials = credentials_now(self._credentials, required=self._settings.acting_as_required)
        return type(self)(self._settings, credentials, self._flights, begun=True, own=self._own)


class SyncDriver(_Driver[OwnClient]):
    """Carries out flows from threads."""

    _own_kind = OwnClient

    def run(self, flow: Flow[T]) -> T:
        """Return the result of ``flow``, in a call that begins now unless this driver is one's that has begun.

        The flow is over then, whatever happened.
        """
        if not self._begun:
            return self.begun().run(flow)
        try:
            while True:
                try:
                    action = next(flow)
                except StopIteration as end:
                    result: T = end.value
                    return result
                except DbxGatewayError as error:
                    self._credentials.mask_error(error)
                    raise
                match action:
                    case AskCaller():
                        action.outcome = self._caller(action)
                    case Fetch():
                        action.outcome = self._fetch(action)
                    case Open():
                        action.outcome = self._open(action)
                    case Wait():
                        _wait(action)
                    case Once():
                        action.outcome = self._once(action)
                    case Together():
                        action.outcome = self._together(action)
        finally:
            flow.close()  # whoever is interrupted gives up its place among the callers of the endpoint

    def events(self, flow: Flow[CallResult[Lease]], model: str) -> Generator[Event]:
        """Yield the events of the streamed answer that ``flow`` asks for; the connection is given back at the end.

        The call begins when the first is asked for.
        """
        if not self._begun:
            yield from self.begun().events(flow, model)
            return
        result = self.run(flow)
        stream = _stream_of(result)
        lease = stream.handle
        watchdog = Watchdog(lease.response, GRACE)
        lease.stops.append(watchdog.stop)
        try:
            yield from _completed(stream.first, result, model)
            stream.first = []
            while not stream.ended:
                if stream.stream.complete:
                    watchdog.start()
                yield from _completed(self._read(stream), result, model)
            watchdog.stop()
            self._read_to_end(stream)
        finally:
            stream.leave()
            lease.release()
            if stream.transcript is not None:
                stream.transcript.write()
        broken = stream.failure
        if broken is not None:
            self._credentials.mask_error(broken)
            raise broken

    def _caller(self, action: AskCaller) -> Caller:
        credentials = self._credentials
        if not credentials.known_by_token:
            return Caller(credentials.host(action.deadline), in_workspace(credentials.identity, action.headers))
        granted = credentials.fetch(None, action.deadline)
        self._asked.append(granted)
        return Caller(granted.host, credentials.caller_identity(granted, action.headers))

    def _transport(self, request: HttpRequest) -> SyncTransport:
        auth = CredentialsAuth(self._credentials, request.deadline, self._asked, may_act=request.may_act)
        client = self._settings.http_client
        if client is None and self._own is not None:
            client = self._own.client()
        return SyncTransport(auth, client, self._settings.verify)

    def _fetch(self, action: Fetch) -> HttpResponse | DbxGatewayError:
        try:
            return _masked(self._transport(action.request).send(action.request), self._credentials)
        except DbxGatewayError as error:
            return error

    def _open(self, action: Open[Lease]) -> OpenStream[Lease] | HttpResponse | DbxGatewayError:
        request = action.request
        try:
            response = self._transport(request).open(request)
        except DbxGatewayError as error:
            return error
        lease = Lease(response, Watchdog.until(request.deadline, response).stop)
        try:
            headers = headers_of(response)
            if response.status_code >= 300:
                refusal = HttpResponse(response.status_code, headers, body_of(response, request))
                lease.release()
                return _masked(refusal, self._credentials)
            headers = _masked_headers(headers, self._credentials)
            stream = _new_stream(action, lease, response.status_code, headers, self._credentials)
            while not stream.first and not stream.ended:
                stream.first = self._read(stream)
        except DbxGatewayError as error:
            lease.release()
            return error
        except BaseException:
            lease.release()
            raise
        if stream.stream.failure is not None:
            lease.release()
        return stream

    def _read(self, stream: OpenStream[Lease]) -> list[Event]:
        stream.wait_begins()
        try:
            chunk = next(stream.handle.chunks)
        except StopIteration:
            late = stream.request.deadline.passed  # and then this end may be the watchdog's work
            return stream.end(overdue(stream.request, stream.handle.response) if late else None)
        except httpx.HTTPError as error:
            return stream.end(stream.late() or failure(error, stream.request, stream.handle.response))
        return stream.take(chunk)

    def _read_to_end(self, stream: OpenStream[Lease]) -> None:
        """Wait a moment for the end of the body, so that the connection can be used again."""
        if not stream.may_reuse:
            return
        watchdog = Watchdog(stream.handle.response, LAST_BYTES)
        watchdog.start()
        try:
            next(stream.handle.chunks, None)
        except httpx.HTTPError:
            return  # the answer is complete; only its connection is lost
        finally:
            watchdog.stop()

    def _once(self, once: Once[T]) -> T:
        flights, key, until = self._flights(), (once.key, id(self._settings.http_client)), _patient_until(once)
        while (patience := until - time.monotonic()) > 0:
            flight, leads = flights.join(key)
            if leads:
                with _leading(flights, key, flight):
                    result = self.run(once.flow)
                flights.land(key, flight, result)
                return result
            try:
                shared: T = flight.result(patience)
            except TimeoutError:
                flights.leave(key, flight)
            except NoAnswerError as none:
                if none.failed:
                    break
            else:
                return shared
        return self.run(once.flow)

    def _together(self, together: Together[T]) -> list[T] | DbxGatewayError:
        """Run the flows on a thread each, which serve the caller's thread; what is left ends with its request."""
        thread = CallersThread()
        results: list[Future[T]] = [Future() for _ in together.flows]

        def work(flow: Flow[T | DbxGatewayError], result: Future[T]) -> None:
            try:
                outcome = self.run(left_when(result.cancelled, flow))
            except BaseException as error:  # noqa: BLE001  # it is raised on the caller's thread
                if result.set_running_or_notify_cancel():
                    result.set_exception(error)
                return
            if not result.set_running_or_notify_cancel():
                return
            if isinstance(outcome, DbxGatewayError):
                result.set_exception(outcome)
            else:
                result.set_result(cast("T", outcome))

        try:
            for flow, result in zip(together.flows, results, strict=True):
                threading.Thread(
                    target=thread.context().run, args=(work, flow, result), name="dbx-gateway-answer", daemon=True
                ).start()
            thread.serve(until=results)
            failed = next((one for one in results if not one.cancelled() and one.exception() is not None), None)
            return [one.result() for one in results] if failed is None else _failure_of(failed)
        finally:
            for one in results:
                one.cancel()
            thread.serve(until=())  # a thread that still asks for something is refused


class AsyncDriver(_Driver[OwnAsyncClients]):
    """Carries out flows from event loops; see :class:`SyncDriver`. No action blocks the loop."""

    _own_kind = OwnAsyncClients

    async def run(self, flow: Flow[T]) -> T:
        """Return the result of ``flow``, in a call that begins now unless this driver is one's that has begun.

        The flow is over then, whatever happened.

        Raises:
            ConfigurationError: this is not an event loop of asyncio.
            DbxGatewayError: the call failed.
        """
        check_event_loop()
        if not self._begun:
            return await self.begun().run(flow)
        try:
            while True:
                try:
                    action = next(flow)
                except StopIteration as end:
                    result: T = end.value
                    return result
                except DbxGatewayError as error:
                    self._credentials.mask_error(error)
                    raise
                match action:
                    case AskCaller():
                        action.outcome = await self._caller(action)
                    case Fetch():
                        action.outcome = await self._fetch(action)
                    case Open():
                        action.outcome = await self._open(action)
                    case Wait():
                        await _wait_async(action)
                    case Once():
                        action.outcome = await self._once(action)
                    case Together():
                        action.outcome = await self._together(action)
        finally:
            flow.close()

    def events(self, flow: Flow[CallResult[AsyncLease]], model: str) -> AsyncGenerator[Event]:
        """Return the events of the streamed answer that ``flow`` asks for, to be read with ``async for``."""
        return _AsyncEvents(self, flow, model)

    async def _caller(self, action: AskCaller) -> Caller:
        credentials = self._credentials
        if not credentials.known_by_token:
            host = await credentials.host_async(action.deadline)
            return Caller(host, in_workspace(credentials.identity, action.headers))
        granted = await credentials.fetch_async(None, action.deadline)
        self._asked.append(granted)
        return Caller(granted.host, credentials.caller_identity(granted, action.headers))

    async def _transport(self, request: HttpRequest) -> AsyncTransport:
        auth = CredentialsAuth(self._credentials, request.deadline, self._asked, may_act=request.may_act)
        client = self._settings.http_async_client
        if client is None and self._own is not None:
            client = await self._own.client()
        return AsyncTransport(auth, client, self._settings.verify)

    async def _fetch(self, action: Fetch) -> HttpResponse | DbxGatewayError:
        try:
            transport = await self._transport(action.request)
            return _masked(await transport.send(action.request), self._credentials)
        except DbxGatewayError as error:
            return error

    async def _open(self, action: Open[AsyncLease]) -> OpenStream[AsyncLease] | HttpResponse | DbxGatewayError:
        request = action.request
        try:
            transport = await self._transport(request)
            response = await transport.open(request)
        except DbxGatewayError as error:
            return error
        lease = AsyncLease(response)
        try:
            headers = headers_of(response)
            if response.status_code >= 300:
                refusal = HttpResponse(response.status_code, headers, await body_of_async(response, request))
                await lease.release()
                return _masked(refusal, self._credentials)
            headers = _masked_headers(headers, self._credentials)
            stream = _new_stream(action, lease, response.status_code, headers, self._credentials)
            # One watchdog costs less than a timer for each read; connections of HTTP/2 carry answers of others too.
            if response.http_version.startswith("HTTP/1"):
                stream.watched = Watchdog.until(request.deadline, response).watches
            while not stream.first and not stream.ended:
                stream.first = await self.read(stream)
        except DbxGatewayError as error:
            await lease.release()
            return error
        except BaseException:
            await lease.release()
            raise
        if stream.stream.failure is not None:
            await lease.release()
        return stream

    async def read(self, stream: OpenStream[AsyncLease]) -> list[Event]:
        """Return the events of the next bytes of ``stream``."""
        if stream.stream.complete and stream.grace_ends is None:
            stream.grace_ends = time.monotonic() + GRACE
        patience = stream.patience()
        stream.wait_begins()
        try:
            if patience is None:  # the most common case, without what a timer costs
                chunk = await anext(stream.handle.chunks)
            else:
                async with asyncio.timeout(patience):
                    chunk = await anext(stream.handle.chunks)
        except (StopAsyncIteration, TimeoutError):
            return stream.end(stream.late())
        except httpx.HTTPError as error:
            return stream.end(stream.late() or failure(error, stream.request, stream.handle.response))
        return stream.take(chunk)

    async def read_to_end(self, stream: OpenStream[AsyncLease]) -> None:
        """Wait a moment for the end of the body, so that the connection can be used again."""
        if not stream.may_reuse:
            return
        try:
            async with asyncio.timeout(LAST_BYTES):
                await anext(stream.handle.chunks, None)
        except (TimeoutError, httpx.HTTPError):
            return  # the answer is complete; only its connection is lost

    def mask(self, error: DbxGatewayError) -> None:
        """Take the credentials out of ``error``."""
        self._credentials.mask_error(error)

    async def _once(self, once: Once[T]) -> T:
        # Apart from threads and from other loops: whoever waits for a loop that is blocked, waits until it is not.
        loop = asyncio.get_running_loop()
        key = (once.key, id(self._settings.http_async_client), id(loop))
        flights, until = self._flights(), _patient_until(once)
        while (patience := until - time.monotonic()) > 0:
            flight, leads = flights.join(key)
            if leads:
                with _leading(flights, key, flight):
                    result = await self.run(once.flow)
                flights.land(key, flight, result)
                return result
            try:
                async with asyncio.timeout(patience):
                    shared: T = await asyncio.wrap_future(flight)
            except TimeoutError:
                flights.leave(key, flight)
            except NoAnswerError as none:
                if none.failed:
                    break
            else:
                return shared
        return await self.run(once.flow)

    async def _together(self, together: Together[T]) -> list[T] | DbxGatewayError:
        async def one(flow: Flow[T | DbxGatewayError]) -> T:
            outcome = await self.run(flow)
            if isinstance(outcome, DbxGatewayError):
                raise outcome
            return outcome

        tasks = [asyncio.create_task(one(flow)) for flow in together.flows]
        try:
            return list(await asyncio.gather(*tasks))
        except DbxGatewayError as error:
            return error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def check_event_loop() -> None:
    """See that asyncio runs the caller.

    Raises:
        ConfigurationError: it does not: trio does, or anyio on trio, or nothing.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "async calls need an event loop of asyncio, and none is running here (trio, and anyio on trio, have others). "
            "Run them with asyncio.run(…) or anyio.run(…, backend='asyncio'), or make the sync call on a thread: "
            "await anyio.to_thread.run_sync(…)."
        ) from None


class _AsyncEvents(AsyncStream[Event]):
    """The events of one streamed answer; the call is made when the first is asked for.

    Args:
        driver: carries out the call and reads on.
        flow: asks for the answer.
        model: that is asked, for warnings.
    """

    def __init__(self, driver: AsyncDriver, flow: Flow[CallResult[AsyncLease]], model: str) -> None:
        super().__init__()
        self._driver = driver
        self._flow = flow
        self._model = model
        self._result: CallResult[AsyncLease] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def _read(self) -> list[Event] | None:
        if self._result is None:
            self._driver = self._driver.begun()
            result = self._result = await self._driver.run(self._flow)
            self._loop = asyncio.get_running_loop()
            stream = _stream_of(result)
            first, stream.first = stream.first, []
            return list(_completed(first, result, self._model))
        stream = _stream_of(self._result)
        if not stream.ended:
            return list(_completed(await self._driver.read(stream), self._result, self._model))
        await self._driver.read_to_end(stream)
        await self.aclose()
        broken = stream.failure
        if broken is not None:
            self._driver.mask(broken)
            raise broken
        return None

    async def _close(self) -> None:
        if self._result is not None:
            stream = _stream_of(self._result)
            stream.leave()
            await stream.handle.release()
            if stream.transcript is not None:
                stream.transcript.write()

    def __del__(self) -> None:
        if self._loop is not None and not self._over and self._result is not None:
            stream = _stream_of(self._result)
            stream.leave()
            stream.handle.release_later(self._loop)


def _failure_of(failed: Future[Any]) -> DbxGatewayError:
    """Return the failure of a flow, or raise what is none of a call's."""
    error = failed.exception()
    if isinstance(error, DbxGatewayError):
        return error
    assert error is not None  # noqa: S101  # it has failed
    raise error


def _wait(action: Wait) -> None:
    """Wait on a thread."""
    if action.wakeup is None:
        time.sleep(action.seconds)
        return
    woken: SimpleQueue[None] = SimpleQueue()  # takes no lock that the garbage collector could meet
    action.wakeup.on_wake(lambda: woken.put(None))
    try:
        woken.get(timeout=min(action.seconds, LONGEST_UNINTERRUPTED))
    except Empty:
        return


async def _wait_async(action: Wait) -> None:
    """Wait on an event loop."""
    if action.wakeup is None:
        await asyncio.sleep(action.seconds)
        return
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_finish, woken)

    action.wakeup.on_wake(wake)
    await asyncio.wait((woken,), timeout=action.seconds if action.seconds < math.inf else None)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _patient_until(once: Once[Any]) -> float:
    """Return until when a caller waits for another's answer, by ``time.monotonic``."""
    left = once.deadline.left
    return time.monotonic() + (FOLLOWER_PATIENCE if left is None else min(FOLLOWER_PATIENCE, left))


@contextmanager
def _leading(flights: SingleFlight, key: Hashable, flight: Future[Any]) -> Generator[None]:
    """Let those who wait for the work that is done here ask themselves where it comes to nothing."""
    try:
        yield
    except BaseException as error:
        out_of_time = isinstance(error, APITimeoutError) and error.error_code == "total"
        flights.give_up(key, flight, failed=isinstance(error, DbxGatewayError) and not out_of_time)
        raise


H = TypeVar("H")


def _new_stream(
    action: Open[H], handle: H, status: int, headers: dict[str, str], credentials: Credentials
) -> OpenStream[H]:
    action.stream.expect(headers.get("content-type", ""), request_id_of(headers), status)
    stream = OpenStream(status, headers, action.stream, handle, action.request)
    stream.transcript = Transcript.if_enabled(credentials.mask_body)
    return stream


def _masked(response: HttpResponse, credentials: Credentials) -> HttpResponse:
    """Return ``response`` without the credentials that its headers or a refusal repeat; an answer is left as it is."""
    body = response.body if response.status < 300 else credentials.mask_body(response.body)
    headers = _masked_headers(response.headers, credentials)
    return HttpResponse(response.status, headers, body, credentials.mask_body)


def _masked_headers(headers: Mapping[str, str], credentials: Credentials) -> dict[str, str]:
    """Return ``headers`` without the credentials that they repeat: request ids go into logs, errors and traces."""
    return {name: credentials.mask(value) for name, value in headers.items()}


def _stream_of(result: CallResult[H]) -> OpenStream[H]:
    assert result.stream is not None  # noqa: S101  # a call that is streamed ends with a stream
    return result.stream


def _completed(events: list[Event], result: CallResult[Any], model: str) -> Iterator[Event]:
    """Yield ``events`` with what the call knows about them: the exchange at the start, a warning at an end that needs one."""
    stream = _stream_of(result)
    if not stream.shows:
        stream.shows = any(map(shows, events))
    for event in events:
        if isinstance(event, Start):
            event.exchange = result.exchange
        elif isinstance(event, End):
            warn_of_end(result, event.finish, model, is_empty=not stream.shows)
        yield event


def warn_of_end(result: CallResult[Any], finish: Finish, model: str, *, is_empty: bool) -> None:
    """Warn the user, once, of an answer that ended at a limit that the user did not set, or normally and without a word."""
    if finish.window_is_full:
        with addressed_to(result.identity):
            warn_once(
                f"{model}: full window",
                f"an answer of {model!r} was cut because its context window is full; shorten the conversation",
            )
    elif finish.reason == "length" and result.default_max_tokens is not None:
        with addressed_to(result.identity):
            warn_once(
                f"{model}: default max_tokens",
                f"the answer of {model!r} was cut at max_tokens={result.default_max_tokens}, the default where none is set; "
                "set max_tokens= for longer answers",
            )
    elif is_empty and finish.reason in _NORMAL_ENDS and finish.stop_sequence is None:
        with addressed_to(result.identity):
            warn_once(
                f"{model}: empty answer",
                f"an answer of {model!r} is empty: it has neither text nor a tool call, and ended normally "
                f"({finish.raw or finish.reason}); it is handed on as it is. Ask again, or in other words",
            )
