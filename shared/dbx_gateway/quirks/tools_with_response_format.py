"""Beside tools, a structured answer is requested as one more tool."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.quirks.answer_tool import answer_tool_name, read_answer_tool, with_answer_tool
from dbx_gateway.quirks.gates import ALL_BUT_CLAUDE
from dbx_gateway.quirks.quirk import AnswerFix, Context, Quirk

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    return with_answer_tool(body, context) if body.get("tools") and "response_format" in body else body


def _answer(body: JsonObject, context: Context) -> AnswerFix | None:
    del context
    name = answer_tool_name(body) if body.get("tools") else None
    return None if name is None else read_answer_tool(name)


QUIRK = Quirk(
    name="tools-with-response-format",
    kind="out",
    families=ALL_BUT_CLAUDE,
    apis=frozenset({"chat-completions"}),
    reason="400 `Cannot specify both response_format and tools in the same request`",
    source="docs/wire/quirks.md#tools-with-response-format: dbx-tools teams/conversation.ts",
    evidence="S",
    delete_when="a request with both is accepted for gpt, gemini and llama",
    request=_request,
    answer=_answer,
)
