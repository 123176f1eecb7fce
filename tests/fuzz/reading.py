"""Answers of the four apis, whole and streamed, from bytes to events and back into the next request."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from faults.wires import CHAT, GEMINI, MESSAGES, RESPONSES, Wire, dumped, sse
from fuzz import seeds
from fuzz.framing import cut
from fuzz.target import Target
from pydantic_core import to_json

from dbx_gateway import embeddings
from dbx_gateway.call import reading as answers
from dbx_gateway.call.reading import AnswerStream, Reading, read_answer
from dbx_gateway.call.tool_names import ToolNames
from dbx_gateway.chat import ChatRequest, ChatResponse, JsonObject, Message, Text, ToolCall, ToolResult, user
from dbx_gateway.dialects.catalogue import DIALECTS
from dbx_gateway.dialects.chat_completions import agent as chat_completions_agent
from dbx_gateway.dialects.chat_completions import answer as chat_completions_stream
from dbx_gateway.dialects.chat_completions import choice as chat_completions_choice
from dbx_gateway.dialects.chat_completions import content as chat_completions_content
from dbx_gateway.dialects.chat_completions import tool_calls as chat_completions_calls
from dbx_gateway.dialects.generate_content import answer as generate_content_stream
from dbx_gateway.dialects.generate_content import candidate as generate_content_candidate
from dbx_gateway.dialects.messages import answer as messages_answer
from dbx_gateway.dialects.responses import answer as responses_stream
from dbx_gateway.dialects.responses import event_order
from dbx_gateway.dialects.responses import fields as responses_output
from dbx_gateway.dialects.responses import items as responses_items
from dbx_gateway.embeddings import read_embeddings
from dbx_gateway.error_bodies import RequestTarget
from dbx_gateway.errors import DbxGatewayError, InvalidRequestError
from dbx_gateway.events import (
    End,
    Event,
    PartEnd,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    coalesce,
    fold,
)
from dbx_gateway.models.families import Family
from dbx_gateway.models.profiles import profile_of
from dbx_gateway.quirks.catalogue import answer_fixes, applicable
from dbx_gateway.quirks.quirk import Context
from dbx_gateway.surfaces import Api

__all__ = ["TARGETS", "asked", "goes_back", "reading_of", "streamed"]

_NAMES = ToolNames({"weather now": "get_weather"}, {"get_weather": "weather now"})
_STRUCTURED: JsonObject = {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {}}}}
_EVENTS = "text/event-stream"
_BYTE_BY_BYTE = 600
"""Bytes of a stream up to which it is also read byte by byte."""


@dataclass(frozen=True)
class _Asker:
    """Who is asked what: it decides which quirks fix the answer."""

    api: Api
    model: str
    family: Family
    body: JsonObject = field(default_factory=dict)
    names: ToolNames = field(default_factory=ToolNames)


_ASKERS: dict[Api, tuple[_Asker, ...]] = {
    "chat-completions": (
        _Asker("chat-completions", "databricks-llama-4-maverick", "llama"),
        _Asker("chat-completions", "databricks-claude-sonnet-4-5", "claude", _STRUCTURED, _NAMES),
    ),
    "responses": (_Asker("responses", "databricks-gpt-5-2", "gpt", {}, _NAMES),),
    "messages": (_Asker("messages", "databricks-claude-sonnet-4-5", "claude"),),
    "generate-content": (_Asker("generate-content", "databricks-gemini-2-5-pro", "gemini"),),
}


def asked(asker: _Asker) -> RequestTarget:
    """Return the words of an error about ``asker``."""
    return RequestTarget(asker.model, f"ai-gateway {asker.api} https://w/x")


def reading_of(asker: _Asker, *, stream: bool, joined: bool = False) -> Reading:
    """Return how the client reads an answer to ``asker``."""
    context = Context(
        model=asker.model,
        surface="ai-gateway",
        family=asker.family,
        api=asker.api,
        stream=stream,
        profile=profile_of(asker.model, asker.family),
    )
    fix = answer_fixes(asker.body, context, applicable(context))
    return Reading(DIALECTS[asker.api], fix, asker.names, asked(asker), joined=joined)


_MINTED = re.compile(r"call_[0-9a-f]{24}")


def _told(value: object) -> str:
    """Return ``value`` in words that compare: not-a-number is itself, and ids made up here count from 0."""
    known: dict[str, str] = {}
    return _MINTED.sub(lambda found: known.setdefault(found[0], f"call-{len(known)}"), repr(value))


def streamed(
    pieces: Sequence[bytes], asker: _Asker, content_type: str = _EVENTS, *, joined: bool = False
) -> tuple[list[Event], DbxGatewayError | None]:
    """Return the events of a stream that comes in ``pieces``, and how it failed, if it did."""
    stream = AnswerStream(reading_of(asker, stream=True, joined=joined))
    stream.expect(content_type, "req-1")
    events: list[Event] = []
    for piece in pieces:
        events += stream.feed(piece)
    events += stream.close()
    assert stream.failure is not None or stream.complete or stream.done
    assert stream.feed(b"data: {}\n\n") == []
    return events, stream.failure


def _outcome(events: list[Event], failure: DbxGatewayError | None) -> str:
    said = (type(failure), str(failure), failure and failure.status, failure and failure.partial)
    return _told((events, said))


def _check_events(events: list[Event], *, ended: bool) -> None:
    """Each part ends once; what its deltas said is what it is; the end is the last event and comes once."""
    grown: dict[int, list[str]] = {}
    over: set[int] = set()
    for event in events:
        match event:
            case TextDelta() | ReasoningDelta():
                grown.setdefault(event.index, []).append(event.text)
            case ToolCallDelta():
                grown.setdefault(event.index, []).append(event.arguments)
            case ToolCallEnd(call=ToolCall(name="")) if event.index not in grown:
                pass  # nobody can run it, so it need not come in pieces
            case ToolCallEnd():
                assert "".join(grown.pop(event.index, [])) == event.call.arguments
            case PartEnd(part=Text() as part):
                assert "".join(grown.pop(event.index, [])) == part.text
            case PartEnd():
                grown.pop(event.index, None)
            case _:
                continue
        assert event.index not in over
        if isinstance(event, ToolCallEnd | PartEnd):
            over.add(event.index)
    assert [isinstance(event, End) for event in events] == [False] * (len(events) - ended) + [True] * ended
    assert not (ended and grown)


def goes_back(message: Message, api: Api) -> JsonObject | None:
    """Return the request that goes on after ``message``; None where it is refused for what the message holds."""
    asker = _ASKERS[api][-1]
    results = tuple(ToolResult(call_id=call.call_id, content=(Text("ok"),)) for call in message.tool_calls)
    after = (Message(role="tool", parts=results),) if results else ()
    request = ChatRequest(model=asker.model, messages=(user("a"), message, *after, user("b")))
    before = repr(request)
    try:
        body = DIALECTS[api].encode(request, profile_of(asker.model, asker.family))
    except InvalidRequestError:
        return None
    finally:
        assert repr(request) == before
    assert isinstance(json.loads(to_json(body)), dict)  # a little deeper than what pydantic reads
    return body


def _whole(data: bytes, asker: _Asker) -> ChatResponse:
    response = read_answer(data, "application/json", reading_of(asker, stream=False))
    goes_back(response.message, asker.api)
    return response


def _whole_target(api: Api, data: bytes) -> None:
    refused: DbxGatewayError | None = None
    for asker in _ASKERS[api]:
        try:
            response = _whole(data, asker)
        except DbxGatewayError as error:
            refused = error
            continue
        events, failure = streamed(cut(data), asker, "application/json")
        assert failure is None or asker.names.from_wire or asker.body
        if failure is None:
            _check_events(events, ended=True)
            assert asker.body or _told(fold(events)) == _told(response)
    if refused is not None:
        assert refused.model in [asker.model for asker in _ASKERS[api]]
        raise refused


def _stream_target(api: Api, data: bytes) -> None:
    refused: DbxGatewayError | None = None
    for asker in _ASKERS[api]:
        events, failure = streamed([data], asker)
        _check_events(events, ended=failure is None)
        assert _outcome(*streamed(cut(data), asker)) == _outcome(events, failure)
        if len(data) <= _BYTE_BY_BYTE:
            pieces = [data[at : at + 1] for at in range(len(data))]
            assert _outcome(*streamed(pieces, asker)) == _outcome(events, failure)
        fewer, same = streamed([data], asker, joined=True)
        assert _outcome(coalesce(fewer), same) == _outcome(coalesce(events), failure)
        if failure is not None:
            refused = failure
            continue
        whole = fold(events)
        goes_back(whole.message, api)
        assert _told(read_answer(data, _EVENTS, reading_of(asker, stream=True))) == _told(whole)
    if refused is not None:
        raise refused


_EMBEDDINGS = RequestTarget("m", "ai-gateway embeddings https://w/x")


def _embeddings(data: bytes) -> None:
    for count in (1, 2):
        try:
            found = read_embeddings(data, count, _EMBEDDINGS)
        except DbxGatewayError:
            if count == 2:
                raise
            continue
        assert len(found.vectors) == count
        assert all(
            vector and all(type(number) is float and math.isfinite(number) for number in vector)
            for vector in found.vectors
        )
        return


_MODULES = {
    "chat-completions": (
        chat_completions_agent,
        chat_completions_calls,
        chat_completions_choice,
        chat_completions_content,
        chat_completions_stream,
    ),
    "responses": (responses_items, responses_output, responses_stream, event_order),
    "messages": (messages_answer,),
    "generate-content": (generate_content_candidate, generate_content_stream),
}
_WIRES: dict[Api, Wire] = {
    "chat-completions": CHAT,
    "responses": RESPONSES,
    "messages": MESSAGES,
    "generate-content": GEMINI,
}


def _streams(wire: Wire) -> list[bytes]:
    before, after = wire.call_frames()
    error = wire.error()[0]
    return [sse(wire.stream()), sse([*before, *after]), sse([*wire.head(), *wire.texts(), error])]


def _target_pair(api: Api) -> tuple[Target, Target]:
    wire = _WIRES[api]
    bodies = [dumped(wire.whole()), dumped(wire.whole_call()), *map(dumped, seeds.WHOLE[api])]
    streams = [*_streams(wire), *map(seeds.as_stream, seeds.STREAMS[api])]
    modules = (answers, *_MODULES[api])
    return (
        Target(
            name=f"{api}-whole",
            form="json",
            run=lambda data: _whole_target(api, data),
            read=lambda data: read_answer(data, "application/json", reading_of(_ASKERS[api][-1], stream=False)),
            raises=(DbxGatewayError,),
            seeds=tuple(bodies),
            modules=modules,
        ),
        Target(
            name=f"{api}-stream",
            form="events",
            run=lambda data: _stream_target(api, data),
            read=lambda data: streamed([data], _ASKERS[api][-1]),
            raises=(DbxGatewayError,),
            seeds=tuple(streams),
            modules=modules,
        ),
    )


TARGETS = (
    *(target for api in DIALECTS for target in _target_pair(api)),
    Target(
        name="embeddings",
        form="json",
        run=_embeddings,
        read=lambda data: read_embeddings(data, 1, _EMBEDDINGS),
        raises=(DbxGatewayError,),
        seeds=(
            b'{"data": [{"index": 1, "embedding": [0.5, 1]}, {"index": 0, "embedding": "AACAPwAAAEA="}], "model": "m"}',
            b'{"data": [{"embedding": [1]}], "usage": {"prompt_tokens": 2, "total_tokens": 2}}',
            b'{"data": [{"embedding": [0.5, -1e-3]}]}',
            b'{"error_code": "BAD_REQUEST", "message": "no"}',
        ),
        modules=(embeddings,),
    ),
)
