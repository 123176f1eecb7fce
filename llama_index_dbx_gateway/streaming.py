"""The core's events as partial responses, and streams that are closed when they are left."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import ContextVar
from functools import wraps
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ContentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from dbx_gateway.adapters.part_facts import MessageFacts
from dbx_gateway.chat import Reasoning, Refusal, Text
from dbx_gateway.events import (
    End,
    Event,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    fold,
)
from dbx_gateway.transport.async_streams import Derived
from llama_index_dbx_gateway.answers import chat_response, first_call_only, listed_call

__all__ = ["Snapshots", "aopened", "closed_when_left", "closed_when_left_async", "opened"]

P = ParamSpec("P")
T = TypeVar("T")

_Kind = type[TextBlock] | type[ThinkingBlock] | type[ToolCallBlock]


class _Growing:
    """A part of an answer as received so far; ``kind`` is None for one that is only in the complete answer."""

    __slots__ = ("call_id", "kind", "name", "text")

    def __init__(self, kind: _Kind | None, call_id: str = "", name: str = "") -> None:
        self.kind = kind
        self.call_id = call_id
        self.name = name
        self.text = ""


class Snapshots:
    """Turns the events of one answer into responses, each of which holds all that was received so far.

    No two responses share an object that can be changed. They are made without validation, which would cost more than
    everything else here: each field is of the declared type by construction.

    Args:
        model: the model's name in the request.
        single: return the first tool call and no other.
    """

    def __init__(self, model: str, *, single: bool = False) -> None:
        self._model = model
        self._single = single
        self._parts: dict[int, _Growing] = {}
        self._ended: list[Event] = []
        self._start = Start(None, None)

    def of(self, event: Event) -> ChatResponse | None:
        """Return the answer so far if ``event`` adds to it."""
        match event:
            case RefusalDelta(notice=True) if self._reads():
                self._parts[event.index] = _Growing(None)
            case TextDelta() | RefusalDelta():
                return self._text(event.index, event.text)
            case ReasoningDelta():
                return self._reasoning(event.index, event.text)
            case ToolCallStart():
                return self._call(event.index, event.call_id, event.name, "")
            case ToolCallDelta():
                return self._arguments(event.index, event.arguments)
            case Start():
                self._start = event
                self._ended.append(event)
            case ToolCallEnd():
                self._ended.append(event)
                if event.index not in self._parts:
                    return self._call(event.index, event.call.call_id, event.call.name, event.call.arguments)
            case PartEnd():
                self._ended.append(event)
                return self._remainder(event)
            case End():
                return self._final(event)
            case _:
                pass
        return None

    def _reads(self) -> bool:
        return any(part.kind is TextBlock and part.text for part in self._parts.values())

    def _text(self, index: int, text: str) -> ChatResponse:
        part = self._parts.get(index)
        gap = ""
        if part is None:
            gap = "\n" if self._starts_later_run(index) else ""
            part = self._parts[index] = _Growing(TextBlock)
        part.text += text
        return self._snapshot(gap + text)

    def _starts_later_run(self, index: int) -> bool:
        """Whether text at ``index`` starts a block after another text: ``content`` puts a line break between them."""
        if not any(part.kind is TextBlock for part in self._parts.values()):
            return False
        before = max((known for known in self._parts if known < index), default=None)
        return before is not None and self._parts[before].kind is not TextBlock

    def _reasoning(self, index: int, text: str) -> ChatResponse:
        part = self._parts.setdefault(index, _Growing(ThinkingBlock))
        part.text += text
        return self._snapshot("", thinking_delta=text)

    def _call(self, index: int, call_id: str, name: str, arguments: str) -> ChatResponse | None:
        if self._single and any(part.kind is ToolCallBlock for part in self._parts.values()):
            return None
        part = self._parts[index] = _Growing(ToolCallBlock, call_id, name)
        part.text = arguments
        return self._snapshot("")

    def _arguments(self, index: int, arguments: str) -> ChatResponse | None:
        part = self._parts.get(index)
        if part is None:
            return None
        part.text += arguments
        return self._snapshot("")

    def _remainder(self, event: PartEnd) -> ChatResponse | None:
        """Return what a part holds at its end and no delta held before."""
        part, known = event.part, self._parts.get(event.index)
        received = known.text if known is not None else ""
        match part:
            case Text() | Refusal() if known is None or known.kind is TextBlock:
                new = len(part.text) > len(received) and part.text.startswith(received)
                return self._text(event.index, part.text[len(received) :]) if new else None
            case Reasoning() if part.text and not received:
                return self._reasoning(event.index, part.text)
            case _:
                self._parts.setdefault(event.index, _Growing(None))
                return None

    def _snapshot(self, delta: str, **keywords: Any) -> ChatResponse:
        blocks: list[ContentBlock] = []
        listed: list[dict[str, Any]] = []
        before: _Growing | None = None
        for index in sorted(self._parts):
            part = self._parts[index]
            if part.kind is TextBlock and before is not None and before.kind is TextBlock:
                assert isinstance(blocks[-1], TextBlock)  # noqa: S101  # made from the part before
                blocks[-1].text += part.text
            elif part.kind is not None:
                blocks.append(_block(part))
            if part.kind is ToolCallBlock:
                listed.append(listed_call(part.call_id, part.name, part.text))
            before = part
        message: dict[str, Any] = {}
        if listed:
            message = {"tool_calls": listed} | MessageFacts(withheld=[call["id"] for call in listed]).keywords()
        return ChatResponse.model_construct(
            message=ChatMessage.model_construct(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=message),
            delta=delta,
            raw=self._raw(),
            additional_kwargs=keywords,
        )

    def _raw(self) -> dict[str, Any]:
        return {
            "id": self._start.response_id,
            "model": self._start.model or self._model,
            "choices": [{"index": 0, "finish_reason": None}],
            "usage": None,
        }

    def _final(self, event: End) -> ChatResponse:
        answer = chat_response(fold([*self._ended, event]), self._model, delta="")
        return first_call_only(answer) if self._single else answer


def _block(part: _Growing) -> ContentBlock:
    if part.kind is TextBlock:
        return TextBlock.model_construct(text=part.text)
    if part.kind is ThinkingBlock:
        return ThinkingBlock.model_construct(content=part.text)
    return ToolCallBlock.model_construct(tool_call_id=part.call_id, tool_name=part.name, tool_kwargs=part.text)


# LlamaIndex's callback decorators wrap a stream in one of their own, which does not close ours when it is left. So the
# streams that a method opens are noted while it runs, and closed with what it returns.

_noted: ContextVar[list[Any] | None] = ContextVar("llama_index_dbx_gateway_streams", default=None)


def opened(stream: Generator[T, None, None]) -> Generator[T, None, None]:
    """Note ``stream`` as opened by the running method, and return it."""
    _note(stream)
    return stream


def aopened(stream: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Note ``stream`` as opened by the running method, and return it."""
    _note(stream)
    return stream


def _note(stream: object) -> None:
    noted = _noted.get()
    if noted is not None:
        noted.append(stream)


def closed_when_left(method: Callable[P, Generator[T, None, None]]) -> Callable[P, Generator[T, None, None]]:
    """Decorate a method so that leaving its stream closes at once what it opened."""

    @wraps(method)
    def called(*args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        sources: list[Generator[Any, None, None]] = []
        token = _noted.set(sources)
        try:
            stream = method(*args, **kwargs)
        finally:
            _noted.reset(token)
        return _read(stream, sources)

    return called


def closed_when_left_async(
    method: Callable[P, Coroutine[Any, Any, AsyncGenerator[T, None]]],
) -> Callable[P, Coroutine[Any, Any, AsyncGenerator[T, None]]]:
    """Decorate a coroutine method so that leaving its stream closes at once what it opened."""

    @wraps(method)
    async def called(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        sources: list[AsyncGenerator[Any, None]] = []
        token = _noted.set(sources)
        try:
            stream = await method(*args, **kwargs)
        finally:
            _noted.reset(token)
        return _Closing(stream, sources)

    return called


def _read(stream: Generator[T, None, None], sources: list[Generator[Any, None, None]]) -> Generator[T, None, None]:
    try:
        yield from stream
    finally:
        for source in (stream, *sources):
            source.close()


class _Closing(Derived[T, T]):
    """A stream that closes the one it reads and the sources behind that.

    It is no generator, but has the attributes by which tracers see whether a generator is still open.
    """

    def __init__(self, stream: AsyncGenerator[T, None], sources: list[AsyncGenerator[Any, None]]) -> None:
        super().__init__(lambda: stream, lambda item: [item])
        self._stream: Any = stream
        self._all = (stream, *sources)

    @property
    def ag_frame(self) -> FrameType | None:
        """The frame at which the stream is suspended; None once it has ended."""
        frame: FrameType | None = self._stream.ag_frame
        return frame

    @property
    def ag_running(self) -> bool:
        """Whether the stream is being read right now."""
        return bool(self._stream.ag_running)

    async def _close(self) -> None:
        for stream in self._all:
            await stream.aclose()
