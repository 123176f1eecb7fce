"""Several answers to one request where the api has no field for them: as many calls, made at once, and one response.

Responses and Messages have none, some models on chat-completions take one answer only, and an endpoint may refuse the field
(docs/wire/comparison.md#several-answers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import Alternative, ChatRequest, ChatResponse, JsonObject, Usage
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.surfaces import Api

__all__ = ["check_calls", "combined", "missing", "needs_calls"]

_FIELDS: Final[Mapping[Api, tuple[str, ...]]] = {
    # Where a body has the number of answers; an api without a row has no field for it.
    "chat-completions": ("n",),  # docs/wire/chat-completions.md#request
    "generate-content": ("generationConfig", "candidateCount"),  # docs/wire/generate-content.md#request
}


def needs_calls(request: ChatRequest, body: JsonObject, api: Api) -> bool:
    """Return whether ``request`` is for several answers, and ``body``, which is sent for it, for one only."""
    if request.n is None or request.n < 2:
        return False
    value: JsonValue = body if api in _FIELDS else None
    for key in _FIELDS.get(api, ()):
        value = value.get(key) if isinstance(value, dict) else None
    return value is None


def missing(request: ChatRequest, response: ChatResponse | None) -> int:
    """Return how many answers a server left out of a whole ``response`` to a request for several; hosts may ignore the number."""
    if request.n is None or response is None:
        return 0
    return max(0, request.n - 1 - len(response.alternatives))


def check_calls(request: ChatRequest, *, may_act: bool) -> None:
    """See that several answers can be had by several calls.

    Raises:
        InvalidRequestError: the answer is to be streamed, or comes of an agent, which would do its work several times.
    """
    number = f"n is {request.n}, and {request.model!r} gives one answer to a request"
    if request.stream:
        raise InvalidRequestError(
            f"{number}; a stream is one answer: leave n out of it, or ask without streaming, which makes {request.n} calls"
        )
    if may_act:
        raise InvalidRequestError(f"{number}; it may be an agent, which would act {request.n} times: leave n out")


def combined(responses: Sequence[ChatResponse]) -> ChatResponse:
    """Return the answers of several calls as one response: the first, with all others as its alternatives.

    The tokens are those of all calls; unknown where one call's are.
    """
    first = responses[0]
    others = tuple(
        other
        for one in responses[1:]
        for other in (Alternative(message=one.message, finish=one.finish), *one.alternatives)
    )
    return replace(
        first,
        alternatives=(*first.alternatives, *others),
        usage=_summed([one.usage for one in responses]),
    )


def _summed(usages: Sequence[Usage | None]) -> Usage | None:
    known = [usage for usage in usages if usage is not None]
    if len(known) < len(usages):
        return None
    raws: list[JsonValue] = [usage.raw for usage in known]
    return Usage(
        input=sum(usage.input for usage in known),
        output=sum(usage.output for usage in known),
        total=sum(usage.total for usage in known),
        cache_read=_total([usage.cache_read for usage in known]),
        cache_write=_total([usage.cache_write for usage in known]),
        reasoning=_total([usage.reasoning for usage in known]),
        audio_in=_total([usage.audio_in for usage in known]),
        audio_out=_total([usage.audio_out for usage in known]),
        raw={"answers": raws},
    )


def _total(counts: Sequence[int | None]) -> int | None:
    """Return the sum of what the server counted; None where it counted nothing."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
