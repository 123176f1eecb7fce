"""The core's answers as LangChain's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeGuard

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from pydantic_core import to_json

from dbx_gateway.adapters.part_facts import MessageFacts, facts_of_call, filled
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
from langchain_dbx_gateway.silent_parts import SilentParts, is_silent

__all__ = [
    "PROVIDER",
    "answer_message",
    "answer_messages",
    "call_facts",
    "combined_outputs",
    "extras_of",
    "facts_in",
    "finish_of",
    "llm_output",
    "metadata_of",
    "reason_broken",
    "text_facts",
    "usage_of",
    "warn_of_alternatives",
]

PROVIDER: Final = "databricks"

_CALL: Final = "tool_call"


def facts_in(message: BaseMessage) -> MessageFacts:
    """Return what ``additional_kwargs`` of a message of ours holds about its plain texts and its tool calls."""
    return MessageFacts.beside(message.additional_kwargs)


def answer_messages(response: ChatResponse, model: str, *, blocks: bool) -> list[AIMessage]:
    """Return a complete response as messages: the first answer, then its alternatives where several were requested.

    None of them has an id, so that LangChain gives it one: servers repeat theirs, and a thread of LangGraph has one
    message for each id (docs/wire/comparison.md#ids). The server's id is in ``response_metadata``.

    Args:
        response: the response.
        model: the model's name in the request.
        blocks: return the content as standard blocks, also where a plain string would do.
    """
    first = answer_message(response, model, blocks=blocks)
    metadata = metadata_of(model, response.model, response.exchange, response.id)
    others = [_message(other.message, other.finish, metadata, blocks=blocks) for other in response.alternatives]
    return [first, *others]


def answer_message(response: ChatResponse, model: str, *, blocks: bool = False) -> AIMessage:
    """Return a complete response as one message; see :func:`answer_messages`."""
    metadata = metadata_of(model, response.model, response.exchange, response.id)
    metadata |= extras_of(response.extras, metadata)
    message = _message(response.message, response.finish, metadata, blocks=blocks)
    message.usage_metadata = usage_of(response.usage)
    return message


def _message(message: Message, finish: Finish, metadata: Mapping[str, Any], *, blocks: bool) -> AIMessage:
    calls = message.tool_calls
    content = _content(message.parts, finish, blocks=blocks)
    listed = isinstance(content, list)
    facts = MessageFacts() if listed else _facts_of_string(message.parts)
    return AIMessage(
        content=content,  # type: ignore[arg-type]  # blocks are typed dicts
        tool_calls=[_listed(call) for call in calls if is_executable(call, finish)],
        invalid_tool_calls=[_broken(call, finish) for call in calls if not is_executable(call, finish)],
        additional_kwargs=replace(facts, calls=call_facts(calls, finish)).keywords(),
        response_metadata=dict(metadata) | finish_of(finish) | ({"output_version": "v1"} if listed else {}),
    )


def _content(parts: Sequence[Part], finish: Finish, *, blocks: bool) -> str | list[Block]:
    """Return plain text as a string, anything more as blocks; tool calls and silent reasoning do not make it a list."""
    shown = [part for part in parts if not (isinstance(part, ToolCall) or is_silent(part))]
    if not blocks and all(isinstance(part, Text) and not part.citations for part in shown):
        return "".join(part.text for part in shown if isinstance(part, Text))
    broken = {part.call_id: _broken(part, finish) for part in parts if _is_broken(part, finish)}
    return [broken.get(str(block.get("id")), block) if _CALL in block["type"] else block for block in listed(parts)]


def _facts_of_string(parts: Sequence[Part]) -> MessageFacts:
    """Return the facts of an answer whose content is a string: those of its texts, and its silent parts."""
    silent = SilentParts()
    texts: list[Text] = []
    for part in parts:
        if isinstance(part, ToolCall):
            silent.call(part.call_id)
        elif not silent.add(part) and isinstance(part, Text):
            silent.text()
            texts.append(part)
    hidden = silent.end()
    return MessageFacts(texts=text_facts(texts, apart=bool(hidden)), hidden=hidden)


def _is_broken(part: Part, finish: Finish) -> TypeGuard[ToolCall]:
    return isinstance(part, ToolCall) and not is_executable(part, finish)


def _listed(call: ToolCall) -> Any:
    args = {FREE_TEXT: call.arguments} if call.custom else call.parsed()
    return {"type": "tool_call", "id": call.call_id, "name": call.name, "args": args}


def _broken(call: ToolCall, finish: Finish) -> Any:
    fields = {"id": call.call_id, "name": call.name, "args": call.arguments, "error": reason_broken(call, finish)}
    return {"type": "invalid_tool_call", **fields}


def reason_broken(call: ToolCall, finish: Finish) -> str:
    """Return why ``call``, of an answer that ended like this, must not be run."""
    match finish.reason:
        case "length" if finish.window_is_full:
            return "the answer was cut because the context window is full; shorten the conversation"
        case "length":
            return "the answer was cut at its length limit; raise max_tokens"
        case "content_filter" | "error":
            return f"the answer was cut ({finish.raw or finish.reason})"
        case _ if not call.name.strip():
            return "the call names no tool"
        case _ if not call.arguments.strip():
            return "the server did not say that the call is complete, and it has no arguments"
        case _:
            return "the arguments are not one JSON object"


def text_facts(texts: Sequence[Text], *, apart: bool = False) -> list[dict[str, Any]]:
    """Return the metadata of texts that are joined to one string; an empty list where there is none.

    Args:
        texts: in their order.
        apart: whether something may stand between two of them.
    """
    facts = [{"length": len(text.text)} | beside_text(text) for text in texts]
    return facts if any(len(fact) > 1 for fact in facts) or (apart and len(facts) > 1) else []


def call_facts(calls: Sequence[ToolCall], finish: Finish) -> dict[str, Any]:
    """Return what LangChain's tool calls have no field for, by call id.

    That includes the arguments as the model wrote them, where LangChain's are not the same text: a prompt that repeats
    them exactly is found in the server's cache, and a call that was cut is shown as it was.
    """
    facts = {call.call_id: _facts_of_call(call, is_complete=is_executable(call, finish)) for call in calls}
    return {call_id: fact for call_id, fact in facts.items() if fact}


def _facts_of_call(call: ToolCall, *, is_complete: bool) -> dict[str, Any]:
    facts = facts_of_call(call)
    if is_complete and (call.custom or not call.arguments.strip() or to_json(call.parsed()).decode() == call.arguments):
        return facts
    return facts | {"arguments": call.arguments}


def usage_of(usage: Usage | None) -> UsageMetadata | None:
    """Return ``usage`` as LangChain counts it."""
    if usage is None:
        return None
    counted: UsageMetadata = {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    input_details = _counts(cache_read=usage.cache_read, cache_creation=usage.cache_write, audio=usage.audio_in)
    output_details = _counts(reasoning=usage.reasoning, audio=usage.audio_out)
    if input_details:
        counted["input_token_details"] = input_details  # type: ignore[typeddict-item]  # only known counts are in it
    if output_details:
        counted["output_token_details"] = output_details  # type: ignore[typeddict-item]  # only known counts are in it
    return counted


def llm_output(response: ChatResponse, model: str) -> dict[str, Any]:
    """Return what callbacks learn of a complete response beside its messages: the model, the server's id, the tokens.

    Args:
        response: the response.
        model: the model's name in the request.
    """
    tokens = None
    if (usage := response.usage) is not None:
        total = usage.input + usage.output
        tokens = {"prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": total}
    return {"model_name": model, "model_provider": PROVIDER} | filled(id=response.id, token_usage=tokens)


def combined_outputs(outputs: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """Return what :func:`llm_output` says of several responses at once: the model where it is one, and the sum of the tokens.

    Args:
        outputs: one for each response; None for a streamed one, and for one from a cache.
    """
    found = [output for output in outputs if output]
    totals: dict[str, int] = {}
    for name, count in (pair for output in found for pair in output.get("token_usage", {}).items()):
        totals[name] = totals.get(name, 0) + count
    names = {output["model_name"] for output in found}
    model = {"model_name": names.pop(), "model_provider": PROVIDER} if len(names) == 1 else {}
    return model | filled(token_usage=totals or None)


def warn_of_alternatives(model: str, alternatives: Sequence[Alternative]) -> None:
    """Warn once that a stream of LangChain's is one answer, where several were requested."""
    if alternatives:
        warn_once(
            f"{model}: n of a stream",
            f"{model!r} returned {len(alternatives) + 1} answers, and a stream carries only the first; use generate() "
            "without streaming to get all of them",
        )


def metadata_of(model: str, served: str | None, exchange: Exchange | None, answer_id: str | None) -> dict[str, Any]:
    """Return the metadata of an answer, without how it ended.

    Args:
        model: the model's name in the request; a replay of the answer goes by it.
        served: the model as the server names it.
        exchange: how the answer was obtained.
        answer_id: the server's id of the answer.
    """
    metadata: dict[str, Any] = {"model_name": model, "model_provider": PROVIDER}
    metadata |= filled(id=answer_id, served_model=served)
    if exchange is not None:
        metadata |= filled(api=exchange.api, surface=exchange.surface, family=exchange.family, url=exchange.url)
        metadata |= filled(
            request_id=exchange.request_id,
            repairs=list(exchange.repairs),
            attempts=list(exchange.attempts),
            paced=exchange.paced or None,
        )
    return metadata


def extras_of(extras: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response's fields that have no place of their own, without those whose names we use ourselves.

    Args:
        extras: as the server named them.
        metadata: what we report already, under names of our own.
    """
    return {name: value for name, value in extras.items() if name not in metadata and name != "output_version"}


def finish_of(finish: Finish) -> dict[str, Any]:
    """Return how an answer ended."""
    return {"finish_reason": finish.reason} | filled(
        raw_finish_reason=finish.raw, stop_sequence=finish.stop_sequence, finish_message=finish.message
    )


def _counts(**values: int | None) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}
