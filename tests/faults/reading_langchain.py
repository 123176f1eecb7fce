"""Reads what LangChain hands out, with nothing but langchain-core's own names."""

from __future__ import annotations

import json
import operator
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import reduce
from typing import Any

from faults.case import Answer
from faults.reading import FrontEnd, Given, Outcome, kind_of, with_objects
from langchain_core import exceptions
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import InvalidToolCall
from langchain_core.outputs import LLMResult

from dbx_gateway import errors
from langchain_dbx_gateway import ChatDbxGateway

KINDS = {
    errors.BadRequestError: "ModelInvalidRequestError",
    errors.ContextOverflowError: "ContextOverflowError",
    errors.ContentFilterError: "ModelInvalidRequestError",
    errors.AuthenticationError: "ModelAuthenticationError",
    errors.PermissionDeniedError: "ModelPermissionDeniedError",
    errors.NotFoundError: "ModelNotFoundError",
    errors.RateLimitError: "ModelRateLimitError",
    errors.ServerError: "ModelAPIError",
    errors.APIError: "ModelError",
    errors.InvalidResponseError: "ModelError",
    errors.APIConnectionError: "ModelConnectionError",
    errors.APITimeoutError: "ModelTimeoutError",
    errors.IncompleteStreamError: "ModelConnectionError",
}
"""What langchain-core calls each error, by what its documentation says of each kind."""


class Heard(BaseCallbackHandler):
    """What LangChain tells its callbacks of one call."""

    run_inline = True

    def __init__(self) -> None:
        self.results: list[LLMResult] = []
        self.errors: list[BaseException] = []

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        self.results.append(response)

    def on_llm_error(self, error: BaseException, **_: Any) -> None:
        self.errors.append(error)


class LangChain(FrontEnd):
    """``ChatDbxGateway`` through ``invoke``, ``ainvoke``, ``stream`` and ``astream``."""

    name = "ChatDbxGateway"

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.heard = Heard()
        self.llm = ChatDbxGateway(**fields, callbacks=[self.heard])

    def whole(self) -> AIMessage:
        return self.llm.invoke("Hello")

    async def awhole(self) -> AIMessage:
        return await self.llm.ainvoke("Hello")

    def stream(self) -> Iterator[AIMessageChunk]:
        return self.llm.stream("Hello")

    async def astream(self) -> AsyncIterator[AIMessageChunk]:
        return self.llm.astream("Hello")

    def sum(self, pieces: list[AIMessageChunk]) -> AIMessageChunk:
        return reduce(operator.add, pieces)

    def given(self, pieces: list[AIMessageChunk]) -> Given:
        last = [place for place, piece in enumerate(pieces, 1) if piece.chunk_position == "last"]
        assert last in ([], [len(pieces)])
        calls = self.sum(pieces).tool_call_chunks if pieces else []
        return Given(
            text="".join(piece.text for piece in pieces),
            reasoning="".join(thought for piece in pieces for thought in _said(piece, "reasoning")),
            calls=tuple((call["id"], call["name"], call["args"]) for call in calls),
            ended=bool(last),
        )

    def shown(self, answer: AIMessage) -> Answer:
        told, usage = answer.response_metadata, answer.usage_metadata
        [first, *others] = self.heard.results[0].generations[0]
        assert first.message.content == answer.content
        runnable = tuple((call["id"], call["name"], json.dumps(call["args"])) for call in answer.tool_calls)
        return Answer(
            text=answer.text,
            reasoning="\n\n".join(_said(answer, "reasoning")),
            refusal="".join(_said(answer, "refusal")),
            calls=runnable + tuple(_cut(answer, call) for call in answer.invalid_tool_calls),
            executable=len(runnable),
            reason=told["finish_reason"],
            usage=usage and (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]),
            alternatives=tuple(other.message.text for other in others),
        )

    def expected(self, answer: Answer, *, streamed: bool) -> Answer:
        """LangChain's total is the sum of its two counts; a stream of its has one answer and no place for another."""
        usage = answer.usage and (*answer.usage[:2], sum(answer.usage[:2]))
        return replace(with_objects(answer), usage=usage, alternatives=() if streamed else answer.alternatives)

    def check(self, outcome: Outcome) -> None:
        """The callbacks are told of the answer or of the very error, once; the error is also langchain-core's kind."""
        error = outcome.error
        assert (len(self.heard.results), self.heard.errors) == ((1, []) if error is None else (0, [error]))
        if error is None:
            return
        theirs = getattr(exceptions, KINDS[kind_of(error)], None)
        if theirs is not None:  # langchain-core has had these kinds since 1.6
            assert next(kind for kind in type(error).__mro__ if kind.__module__ == exceptions.__name__) is theirs
            assert error.is_retryable == error.retryable


def _said(message: AIMessage, kind: str) -> list[str]:
    """Return the texts of the content blocks of one kind."""
    blocks = message.content if isinstance(message.content, list) else []
    return [block[kind] for block in blocks if isinstance(block, dict) and block["type"] == kind]


def _cut(message: AIMessage, call: InvalidToolCall) -> tuple[str | None, str | None, str]:
    """Return a call that must not be run, as the model wrote it; in a stream, behind that stands why."""
    written = message.additional_kwargs["dbx_gateway"]["calls"][call["id"]]["arguments"]
    assert (call["args"] or "").startswith(written)
    return call["id"], call["name"], written
