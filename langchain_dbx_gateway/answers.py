"""The core's answers as LangChain's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from pydantic_core import to_json

from dbx_gateway.adapters.part_facts import MessageFacts, facts_of, filled
from dbx_gateway.chat import (
    Alternative,
    ChatResponse,
    Exchange,
    Finish,
    Message,
    Part,
    Text,
    ToolCall,
    Usage,
    is_executable,
)
from dbx_gateway.notices import warn_once
from langchain_dbx_gateway.blocks import FREE_TEXT, Block, beside_text, listed

__all__ = [
    "PROVIDER",
    "answer_message",
    "answer_messages",
    "call_facts",
    "extras_of",
    "facts_in",
    "finish_of",
    "metadata_of",
    "reason_broken",
    "tell_of_others",
    "text_facts",
    "usage_of",
]

PROVIDER: Final = "databricks"

_CALL: Final = "tool_call"


def facts_in(message: BaseMessage) -> MessageFacts:
    """Return what stands in ``additional_kwargs`` of an answer of ours: facts of its plain texts and its tool calls."""
    return MessageFacts.beside(message.additional_kwargs)


def answer_messages(response: ChatResponse, model: str, *, blocks: bool = False) -> list[AIMessage]:
    """Return a whole answer, and its alternatives where several were asked for.

    Args:
        response: the answer.
        model: the name that was asked.
        blocks: content is a list of standard blocks, also where a plain string would say it all.
    """
    first = answer_message(response, model, blocks=blocks)
    told = metadata_of(model, response.model, response.exchange, response.id)
    others = [_message(other.message, other.finish, told, blocks=blocks) for other in response.alternatives]
    return [first, *others]


def answer_message(response: ChatResponse, model: str, *, blocks: bool = False) -> AIMessage:
    """Return a whole answer as one message; see :func:`answer_messages`."""
    told = metadata_of(model, response.model, response.exchange, response.id)
    told |= extras_of(response.extras, told)
    message = _message(response.message, response.finish, told, blocks=blocks)
    message.id, message.usage_metadata = response.id, usage_of(response.usage)
    return message


def _message(answer: Message, finish: Finish, told: Mapping[str, Any], *, blocks: bool) -> AIMessage:
    calls = answer.tool_calls
    content = _content(answer.parts, finish, blocks=blocks)
    listed = isinstance(content, list)
    texts = [] if listed else text_facts([part for part in answer.parts if isinstance(part, Text)])
    return AIMessage(
        content=content,  # type: ignore[arg-type]  # blocks are typed dicts
        tool_calls=[_listed(call) for call in calls if is_executable(call, finish)],
        invalid_tool_calls=[_broken(call, finish) for call in calls if not is_executable(call, finish)],
        additional_kwargs=MessageFacts(calls=call_facts(calls, finish), texts=texts).keywords(),
        response_metadata=dict(told) | finish_of(finish) | ({"output_version": "v1"} if listed else {}),
    )


def _content(parts: Sequence[Part], finish: Finish, *, blocks: bool) -> str | list[Block]:
    """Return plain text as a string, anything more as blocks; tool calls alone make no list of it."""
    told = [part for part in parts if not isinstance(part, ToolCall)]
    if not blocks and all(isinstance(part, Text) and not part.citations for part in told):
        return "".join(part.text for part in told if isinstance(part, Text))
    broken = {part.call_id: _broken(part, finish) for part in parts if _is_broken(part, finish)}
    return [broken.get(str(block.get("id")), block) if _CALL in block["type"] else block for block in listed(parts)]


def _is_broken(part: Part, finish: Finish) -> TypeGuard[ToolCall]:
    return isinstance(part, ToolCall) and not is_executable(part, finish)


def _listed(call: ToolCall) -> Any:
    args = {FREE_TEXT: call.arguments} if call.custom else call.parsed()
    return {"type": "tool_call", "id": call.call_id, "name": call.name, "args": args}


def _broken(call: ToolCall, finish: Finish) -> Any:
    told = {"id": call.call_id, "name": call.name, "args": call.arguments, "error": reason_broken(finish)}
    return {"type": "invalid_tool_call", **told}


def reason_broken(finish: Finish) -> str:
    """Return why a call of an answer that ended like this must not be run."""
    match finish.reason:
        case "length":
            return "the answer was cut at its length limit; raise max_tokens"
        case "content_filter" | "error":
            return f"the answer was cut ({finish.raw or finish.reason})"
        case _:
            return "the arguments are not one JSON object"


def text_facts(texts: Sequence[Text]) -> list[dict[str, Any]]:
    """Return what texts that are joined to a string say beside it; nothing if they say nothing."""
    facts = [{"length": len(text.text)} | beside_text(text) for text in texts]
    return facts if any(len(fact) > 1 for fact in facts) else []


def call_facts(calls: Sequence[ToolCall], finish: Finish) -> dict[str, Any]:
    """Return what LangChain's tool calls have no field for, by call id.

    The arguments as the model wrote them are among it where LangChain's are not the same text: a prompt that repeats
    them to the letter is found in the server's cache, and a call that was cut is shown as it was.
    """
    facts = {call.call_id: _facts_of_call(call, is_whole=is_executable(call, finish)) for call in calls}
    return {call_id: fact for call_id, fact in facts.items() if fact}


def _facts_of_call(call: ToolCall, *, is_whole: bool) -> dict[str, Any]:
    facts = facts_of(call)
    if is_whole and (call.custom or not call.arguments.strip() or to_json(call.parsed()).decode() == call.arguments):
        return facts
    return facts | {"arguments": call.arguments}


def usage_of(usage: Usage | None) -> UsageMetadata | None:
    """Return ``usage`` as LangChain counts it."""
    if usage is None:
        return None
    told: UsageMetadata = {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    given = _counts(cache_read=usage.cache_read, cache_creation=usage.cache_write, audio=usage.audio_in)
    answered = _counts(reasoning=usage.reasoning, audio=usage.audio_out)
    if given:
        told["input_token_details"] = given  # type: ignore[typeddict-item]  # only known counts are in it
    if answered:
        told["output_token_details"] = answered  # type: ignore[typeddict-item]  # only known counts are in it
    return told


def tell_of_others(model: str, alternatives: Sequence[Alternative]) -> None:
    """Say once that a stream of LangChain's is one answer, where several were asked for."""
    if alternatives:
        warn_once(
            f"{model}: n of a stream",
            f"{model!r} gave {len(alternatives) + 1} answers, and a stream is the first of them; use generate() "
            "without streaming to have them all",
        )


def metadata_of(model: str, served: str | None, exchange: Exchange | None, answer_id: str | None) -> dict[str, Any]:
    """Return what is to know about an answer beside its content and its end.

    Args:
        model: the name that was asked; it is what a replay of the answer goes by.
        served: the model as the server names it.
        exchange: how the answer was obtained.
        answer_id: the server's id of the answer.
    """
    told: dict[str, Any] = {"model_name": model, "model_provider": PROVIDER}
    told |= filled(id=answer_id, served_model=served)
    if exchange is not None:
        told |= filled(api=exchange.api, surface=exchange.surface, family=exchange.family, url=exchange.url)
        told |= filled(request_id=exchange.request_id, repairs=list(exchange.repairs), attempts=list(exchange.attempts))
    return told


def extras_of(extras: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an answer that have no place of their own, without those that would pass for ours.

    Args:
        extras: as the server named them.
        told: what is said already, under names of our own.
    """
    return {name: value for name, value in extras.items() if name not in told and name != "output_version"}


def finish_of(finish: Finish) -> dict[str, Any]:
    """Return how an answer ended."""
    return {"finish_reason": finish.reason} | filled(
        raw_finish_reason=finish.raw, stop_sequence=finish.stop_sequence, finish_message=finish.message
    )


def _counts(**values: int | None) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}
