"""Claude takes no ``response_format`` on chat-completions: a tool's arguments are its structured answer."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.quirks.answer_tool import answer_tool_name, read_answer_tool, with_answer_tool
from dbx_gateway.quirks.quirk import AnswerFix, Context, Quirk

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    return with_answer_tool(body, context) if "response_format" in body else body


def _answer(body: JsonObject, context: Context) -> AnswerFix | None:
    del context
    name = answer_tool_name(body)
    return None if name is None else read_answer_tool(name)


QUIRK = Quirk(
    name="claude-structured-output",
    kind="out",
    families=frozenset({"claude"}),
    apis=frozenset({"chat-completions"}),
    reason="400 `response_format: Extra inputs are not permitted`",
    source="docs/wire/quirks.md#claude-structured-output: litellm",
    evidence="S",
    delete_when="Claude answers to response_format on chat-completions",
    request=_request,
    answer=_answer,
)
