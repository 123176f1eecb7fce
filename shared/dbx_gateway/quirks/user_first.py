"""Some hosts refuse a conversation that begins with the assistant: a fixed turn of the user goes before it."""

from __future__ import annotations

import re
from typing import Final

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import APIError
from dbx_gateway.json_values import objects_in
from dbx_gateway.quirks.gates import CHAT_FAMILIES
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import warn_changed

__all__ = ["QUIRK"]

_OPENING: Final = "(The conversation begins.)"


def _request(body: JsonObject, context: Context) -> JsonObject:
    field, answers = ("contents", "model") if context.api == "generate-content" else ("messages", "assistant")
    turns = objects_in(body.get(field))
    first = next((at for at, turn in enumerate(turns) if turn.get("role") not in ("system", "developer")), None)
    if first is None or turns[first].get("role") != answers:
        return body
    warn_changed(
        QUIRK.name,
        field,
        context,
        f"begin with the assistant, which was refused: a user's turn {_OPENING!r} was sent before it. "
        "Begin with what the user said",
    )
    opening: JsonObject = (
        {"role": "user", "parts": [{"text": _OPENING}]}
        if field == "contents"
        else {"role": "user", "content": _OPENING}
    )
    return {**body, field: [*turns[:first], opening, *turns[first:]]}


_REFUSAL: Final = re.compile(
    r"first message must use the .?user|must (?:start|begin) with an? .?user|roles must alternate"
    r"|multiturn requests alternate",
    re.IGNORECASE,
)


def _on_refusal(error: APIError) -> bool:
    return _REFUSAL.search(error.message) is not None


QUIRK = Quirk(
    name="user-first",
    kind="out",
    families=CHAT_FAMILIES - {"gpt", "agent"},
    apis=frozenset({"messages", "chat-completions", "generate-content"}),
    reason='400 `messages: first message must use the "user" role`, or that roles must alternate, or that a conversation '
    "must start with a user message",
    source="docs/wire/quirks.md#user-first: llama_index#12430, lobehub#1601, langchain4j#940, hermes-agent#55427",
    evidence="T",
    delete_when="a conversation that begins with the assistant is accepted on both surfaces",
    on_refusal=_on_refusal,
    request=_request,
)
