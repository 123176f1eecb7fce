"""A streamed tool call of Claude begins with arguments ``{}`` that are not part of it."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.quirks.body import each, within
from dbx_gateway.quirks.quirk import AnswerFix, Context, Quirk

__all__ = ["QUIRK"]


def _answer(body: JsonObject, context: Context) -> AnswerFix | None:
    del body
    if not context.stream:
        return None
    started: set[tuple[int | None, int | None]] = set()

    def emptied(choice: int | None, fragment: JsonObject) -> JsonObject:
        function = fragment.get("function")
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if not arguments:
            return fragment
        index = fragment.get("index")
        key = (choice, index if isinstance(index, int) else None)
        first = key not in started
        started.add(key)
        if first and arguments == "{}":
            return within(fragment, "function", lambda function: {**function, "arguments": ""})
        return fragment

    def fixed(choice: JsonObject) -> JsonObject:
        index = choice.get("index")
        number = index if isinstance(index, int) else None
        return within(
            choice, "delta", lambda delta: each(delta, "tool_calls", lambda fragment: emptied(number, fragment))
        )

    return lambda event: each(event, "choices", fixed)


QUIRK = Quirk(
    name="claude-empty-args-delta",
    kind="in",
    families=frozenset({"claude"}),
    apis=frozenset({"chat-completions"}),
    reason='the first arguments of a streamed tool call are "{}", then come the real ones: `{}{"a":1}`',
    source="docs/wire/quirks.md#claude-empty-args-delta: litellm (chunk_parser)",
    evidence="S",
    delete_when="no stream of a tool call begins with it",
    answer=_answer,
)
