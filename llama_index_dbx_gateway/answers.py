"""The core's answers as LlamaIndex's."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    CitationBlock,
    CompletionResponse,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from dbx_gateway import chat
from dbx_gateway.adapters.part_facts import (
    KEY,
    MessageFacts,
    facts_of,
    facts_of_call,
    hidden_facts,
    reasoning_facts,
    run_facts,
)
from dbx_gateway.chat import Audio, Citation, File, Image, Native, Reasoning, Refusal, Text, ToolCall, Usage, Video
from dbx_gateway.notices import warn_once

__all__ = ["FREE_TEXT", "chat_response", "completion", "first_call_only", "listed_call", "usage_of"]

FREE_TEXT: Final = "input"
"""The argument under which LlamaIndex's default tools take a text."""

_IN_BLOCKS: Final = ("detail", "fps", "title")
"""Facts of images, videos and files for which LlamaIndex's blocks have fields."""


def chat_response(answer: chat.ChatResponse, model: str, *, delta: str | None = None) -> ChatResponse:
    """Return a complete response.

    Args:
        answer: the core's response.
        model: the model's name in the request, used where the server names none.
        delta: the delta of a stream's last response; None for a call that was not streamed.
    """
    usage = usage_of(answer.usage)
    return ChatResponse(
        message=_message(answer),
        delta=delta,
        raw=_raw(answer, model, usage),
        additional_kwargs=_counts(usage),
    )


def completion(response: ChatResponse) -> CompletionResponse:
    """Return a chat's answer as a completion's."""
    return CompletionResponse.model_construct(
        text=response.message.content or "",
        additional_kwargs=response.message.additional_kwargs | response.additional_kwargs,
        raw=response.raw,
        delta=response.delta,
        logprobs=response.logprobs,
    )


def _message(answer: chat.ChatResponse) -> ChatMessage:
    blocks = _Blocks(answer)
    for part in answer.message.parts:
        blocks.add(part)
    blocks.end_run()
    refusal = "".join(part.text for part in answer.message.parts if isinstance(part, Refusal))
    keywords: dict[str, Any] = {"refusal": refusal} if refusal else {}
    listed = [listed_call(call.call_id, call.name, call.arguments) for call in blocks.executable]
    if listed:
        keywords["tool_calls"] = listed
    return ChatMessage(
        role=MessageRole.ASSISTANT, blocks=blocks.made, additional_kwargs=keywords | blocks.facts().keywords()
    )


def listed_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """Return a tool call in the form of ``additional_kwargs["tool_calls"]``."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


class _Blocks:
    """The blocks of one answer, and the facts beside them.

    Neighbouring texts become one block, because ``ChatMessage.content`` puts a line break between two.
    """

    def __init__(self, answer: chat.ChatResponse) -> None:
        self.made: list[ContentBlock] = []
        self.executable: list[ToolCall] = []
        self._answer = answer
        self._run: list[Text | Refusal] = []
        self._occurrences: Counter[str] = Counter()
        self._calls: dict[str, dict[str, Any]] = {}
        self._withheld: list[str] = []
        self._runs: list[dict[str, Any]] = []
        self._hidden: list[dict[str, Any]] = []
        self._media: list[dict[str, Any]] = []

    def add(self, part: chat.Part) -> None:
        """Add the block of ``part``; what its model did not say is shown where there is nothing else to read."""
        if isinstance(part, Refusal) and part.notice and self._reads():
            return
        if isinstance(part, Text | Refusal):
            self._run.append(part)
            return
        self.end_run()
        match part:
            case ToolCall():
                self._add_call(part)
            case Reasoning():
                facts = reasoning_facts(part)
                self.made.append(ThinkingBlock(content=part.text or None, additional_information=facts))
            case Native():
                self._hidden.append({"at": len(self.made)} | hidden_facts(part))
            case Image() | Audio() | Video() | File():
                self._add_media(part)
            case _:
                pass  # an answer holds no tool results

    def _reads(self) -> bool:
        return any(isinstance(block, TextBlock) for block in self.made) or any(part.text for part in self._run)

    def _add_media(self, part: Image | Audio | Video | File) -> None:
        try:
            block = _media(part)
        except ValueError:
            warn_once(
                "media in an answer",
                "an answer holds an image, audio or file that is neither base64 nor a URL; it gets no block, but the core's "
                "client returns it unchanged",
            )
            return
        if facts := {name: value for name, value in facts_of(part).items() if name not in _IN_BLOCKS}:
            self._media.append({"at": len(self.made)} | facts)
        self.made.append(block)

    def end_run(self) -> None:
        """Join the texts since the last block to one block."""
        run, self._run = self._run, []
        text = "".join(part.text for part in run)
        if not text:
            facts = [hidden_facts(part) for part in run if part.id or part.opaque]
            self._hidden += [{"at": len(self.made)} | told for told in facts]
            return
        if told := run_facts(run, self._occurrences[text]):
            self._runs.append(told)
        self._occurrences[text] += 1
        self.made.append(TextBlock(text=text))
        cited = [citation for part in run if isinstance(part, Text) for citation in part.citations]
        self.made += [_citation(citation) for citation in cited]

    def facts(self) -> MessageFacts:
        """Return the facts beside the blocks."""
        return MessageFacts(
            origin=self._answer.message.origin,
            calls=self._calls,
            withheld=self._withheld,
            runs=self._runs,
            hidden=self._hidden,
            media=self._media,
        )

    def _add_call(self, call: ToolCall) -> None:
        arguments: dict[str, Any] | str = call.arguments
        if not chat.is_executable(call, self._answer.finish):
            self._withheld.append(call.call_id)
        else:
            self.executable.append(call)
            arguments = {FREE_TEXT: call.arguments} if call.custom else call.parsed()
        if facts := facts_of_call(call):
            self._calls[call.call_id] = facts
        self.made.append(ToolCallBlock(tool_call_id=call.call_id, tool_name=call.name, tool_kwargs=arguments))


def _citation(citation: Citation) -> CitationBlock:
    location = {name: value for name, value in citation.source.items() if type(value) is int}
    title = citation.title or ""
    return CitationBlock(
        cited_content=TextBlock(text=citation.cited_text or ""),
        source=citation.url or title or citation.kind,
        title=title,
        additional_location_info=location,
    )


def _media(part: Image | Audio | Video | File) -> ContentBlock:
    blob = part.blob or chat.Blob()
    # In base64: a block reads bytes as base64 wherever they could be, and those of "word" could.
    data = base64.b64encode(base64.b64decode(blob.data)) if blob.data else None
    match part:
        case Image():
            return ImageBlock(image=data, url=blob.url, image_mimetype=blob.mime, detail=part.detail)
        case Audio():
            kind = blob.mime.partition("/")[2] if blob.mime else None
            return AudioBlock(audio=data, url=blob.url, format=kind)
        case Video():
            return VideoBlock(video=data, url=blob.url, video_mimetype=blob.mime, fps=part.fps)
        case File():
            held = data if part.text is None else base64.b64encode(part.text.encode())
            title = part.title or part.filename
            return DocumentBlock(data=held, url=blob.url, title=title, document_mimetype=blob.mime)


def usage_of(usage: Usage | None) -> dict[str, Any] | None:
    """Return ``usage`` under both sets of names, so that every counter and tracer finds its own."""
    if usage is None:
        return None
    input_details = _known(
        cached_tokens=usage.cache_read, cache_creation_tokens=usage.cache_write, audio_tokens=usage.audio_in
    )
    output_details = _known(reasoning_tokens=usage.reasoning, audio_tokens=usage.audio_out)
    counts: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        **_known(cache_read_input_tokens=usage.cache_read, cache_creation_input_tokens=usage.cache_write),
    }
    if input_details:
        counts |= {"prompt_tokens_details": input_details, "input_tokens_details": dict(input_details)}
    if output_details:
        counts |= {"completion_tokens_details": output_details, "output_tokens_details": dict(output_details)}
    return counts


def _counts(usage: dict[str, Any] | None) -> dict[str, int]:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: usage[name] for name in names} if usage is not None else {}


def _raw(answer: chat.ChatResponse, model: str, usage: dict[str, Any] | None) -> dict[str, Any]:
    """Return the rest of a response, beside its message, in the form that tracers read."""
    choices = [_choice(0, answer.message, answer.finish)]
    choices += [_choice(number, other.message, other.finish) for number, other in enumerate(answer.alternatives, 1)]
    raw = {"id": answer.id, "model": answer.model or model, "choices": choices, "usage": usage}
    if answer.exchange is not None:
        exchange = asdict(answer.exchange)
        if not answer.exchange.paced:  # what most calls were not is not said
            del exchange["paced"]
        raw["exchange"] = exchange
    return {**answer.extras, **raw}


def _choice(index: int, message: chat.Message, finish: chat.Finish) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": "assistant", "content": message.text or None}
    if message.reasoning:
        fields["reasoning_content"] = message.reasoning
    choice: dict[str, Any] = {"index": index, "finish_reason": finish.reason, "message": fields}
    details = {"raw_finish_reason": finish.raw, "stop_sequence": finish.stop_sequence, "finish_message": finish.message}
    return choice | {name: value for name, value in details.items() if value is not None}


def first_call_only(response: ChatResponse) -> ChatResponse:
    """Return ``response`` with its first tool call and no other, as a new object if it had others."""
    message = response.message
    calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    listed: Sequence[Any] = message.additional_kwargs.get("tool_calls") or ()
    if len(calls) < 2 and len(listed) < 2:
        return response
    dropped = {id(call) for call in calls[1:]}
    keywords = dict(message.additional_kwargs)
    if listed:
        keywords["tool_calls"] = list(listed[:1])
    if isinstance(keywords.get(KEY), dict):
        keywords[KEY] = _renumbered(keywords[KEY], [id(block) not in dropped for block in message.blocks])
    remaining = [block for block in message.blocks if id(block) not in dropped]
    single = ChatMessage(role=message.role, blocks=remaining, additional_kwargs=keywords)
    return response.model_copy(update={"message": single})


def _renumbered(facts: dict[str, Any], remains: list[bool]) -> dict[str, Any]:
    """Return facts with their places counted among the blocks that remain."""
    moved = {
        name: [{**entry, "at": sum(remains[: entry["at"]])} for entry in facts[name]]
        for name in ("hidden", "media")
        if name in facts
    }
    return facts | moved


def _known(**counts: int | None) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count is not None}
