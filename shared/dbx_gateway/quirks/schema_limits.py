"""A tool whose schema a model does not take fails every request that offers it."""

from __future__ import annotations

from dbx_gateway.chat import JsonObject
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.quirks.quirk import Context, Quirk
from dbx_gateway.quirks.warning import off_switch
from dbx_gateway.schemas.limits import beyond_limits

__all__ = ["QUIRK"]


def _request(body: JsonObject, context: Context) -> JsonObject:
    fault = beyond_limits(body, context.family, context.api)
    if fault is not None:
        msg = f"{fault} ({context.model}, {context.api}). To send it all the same: {off_switch(QUIRK.name)}"
        raise InvalidRequestError(msg, model=context.model)
    return body


QUIRK = Quirk(
    name="schema-limits",
    kind="guard",
    families=frozenset({"claude", "gpt"}),
    apis=frozenset({"chat-completions", "responses", "messages"}),
    reason="one tool whose schema the vendor does not take (a reference to nothing; free keys, recursion or too much of "
    "everything under strict), or too many tools, fails the whole request",
    source="docs/wire/quirks.md#schema-limits: openai-python, OpenAI's page on structured outputs",
    evidence="O",
    delete_when="a tool that refers to a definition which it does not have is accepted",
    request=_request,
)
