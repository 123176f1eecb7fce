"""Reads what LlamaIndex hands out, with nothing but its own names."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from faults.case import Answer
from faults.reading import FrontEnd, Given, with_objects
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from dbx_gateway.errors import ExtractionError
from llama_index_dbx_gateway import DbxGateway
from llama_index_dbx_gateway.tools import executable_calls

ASKED = [ChatMessage(role=MessageRole.USER, content="Hello")]
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


class LlamaIndex(FrontEnd):
    """``DbxGateway`` through ``chat``, ``achat``, ``stream_chat`` and ``astream_chat``."""

    name = "DbxGateway"

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.llm = DbxGateway(**fields)

    def whole(self) -> ChatResponse:
        return self.llm.chat(ASKED)

    async def awhole(self) -> ChatResponse:
        return await self.llm.achat(ASKED)

    def stream(self) -> Iterator[ChatResponse]:
        return self.llm.stream_chat(ASKED)

    async def astream(self) -> AsyncIterator[ChatResponse]:
        return await self.llm.astream_chat(ASKED)

    def sum(self, pieces: list[ChatResponse]) -> ChatResponse:
        return pieces[-1]

    def given(self, pieces: list[ChatResponse]) -> Given:
        if not pieces:
            return Given()
        ended = [piece.raw["choices"][0]["finish_reason"] is not None for piece in pieces]
        assert not any(ended[:-1])
        growing = pieces[:-1] if ended[-1] else pieces
        assert [self._runnable(piece) for piece in growing] == [[]] * len(growing)
        contents = [piece.message.content or "" for piece in pieces]
        assert all(later.startswith(earlier) for earlier, later in pairwise(contents))
        assert "".join(piece.delta or "" for piece in pieces) == contents[-1]
        last = pieces[-1].message.blocks
        return Given(
            text="".join(block.text for block in last if isinstance(block, TextBlock)),
            reasoning="".join(piece.additional_kwargs.get("thinking_delta", "") for piece in pieces),
            calls=tuple(
                (block.tool_call_id or "", block.tool_name, block.tool_kwargs)
                for block in last
                if isinstance(block, ToolCallBlock)
            ),
            ended=ended[-1],
        )

    def shown(self, answer: ChatResponse) -> Answer:
        message = answer.message
        first, *others = answer.raw["choices"]
        runnable = self._runnable(answer)
        ids = [call_id for call_id, _, _ in runnable]
        assert [call["id"] for call in message.additional_kwargs.get("tool_calls", [])] == ids
        blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
        cut = [block for block in blocks if block.tool_call_id not in ids]
        assert len(blocks) == len(runnable) + len(cut)
        return Answer(
            text="".join(block.text for block in message.blocks if isinstance(block, TextBlock)),
            reasoning="\n\n".join(block.content or "" for block in message.blocks if isinstance(block, ThinkingBlock)),
            refusal=message.additional_kwargs.get("refusal", ""),
            calls=(*runnable, *((block.tool_call_id or "", block.tool_name, str(block.tool_kwargs)) for block in cut)),
            executable=len(runnable),
            reason=first["finish_reason"],
            usage=_usage(answer),
            alternatives=tuple(other["message"]["content"] for other in others),
        )

    def expected(self, answer: Answer, *, streamed: bool) -> Answer:
        """LlamaIndex has no block for a refusal: it is marked as one beside the text, and the text where there is no other."""
        return replace(with_objects(answer), text=answer.text or answer.refusal)

    def _runnable(self, answer: ChatResponse) -> list[tuple[str, str, str]]:
        """Return the calls that an agent would run."""
        try:
            found = self.llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False)
        except ExtractionError:  # an answer that has ended with a call which must not be run
            found, others = executable_calls(answer.message)
            assert others
        return [(call.tool_id, call.tool_name, json.dumps(call.tool_kwargs)) for call in found]


def _usage(answer: ChatResponse) -> tuple[int, int, int] | None:
    """Return the counts of an answer, which must be the same wherever LlamaIndex's readers look for them."""
    usage = answer.raw["usage"]
    if usage is None:
        assert not set(COUNTS) & set(answer.additional_kwargs)
        return None
    assert (usage["input_tokens"], usage["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert {name: answer.additional_kwargs[name] for name in COUNTS} == {name: usage[name] for name in COUNTS}
    given, answered, total = (usage[name] for name in COUNTS)
    return given, answered, total
