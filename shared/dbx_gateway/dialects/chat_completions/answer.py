"""Reads answers of chat-completions, streamed or not, with one reader for both (docs/wire/chat-completions.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import Alternative, ChatResponse, JsonObject, Origin, Usage
from dbx_gateway.dialects.chat_completions.agent import AgentMessages
from dbx_gateway.dialects.chat_completions.choice import Choice
from dbx_gateway.dialects.chat_completions.tool_calls import with_places
from dbx_gateway.errors import IncompleteStreamError, InvalidResponseError
from dbx_gateway.events import Assembly, Event, fold
from dbx_gateway.json_values import (
    count_or_none,
    has_counts,
    integer_or_none,
    nonempty_text,
    object_or_empty,
    text_or_none,
)

__all__ = ["ChatStream", "decode_answer", "read_usage"]

_READ_KEYS: Final = frozenset(
    {
        "id",
        "model",
        "choices",
        "usage",
        # The same in every answer, or meaningless to a reader.
        "object",
        "created",
        "obfuscation",
        # An agent's.
        "delta",
        "messages",
        "finish_reason",
    }
)


class ChatStream:
    """Reads one stream of chat-completions, or of a chat agent.

    It is complete once every choice in it has a finish reason, and at ``[DONE]``: several models send no finish reason
    (docs/wire/quirks.md#done-without-finish), so theirs is ``unknown``. The parts end with the stream, as servers return
    to a part after others have started.

    Args:
        model: the name that was asked.
    """

    def __init__(self, model: str) -> None:
        self.complete = False
        self.done = False
        self._model = model
        self._assembly = Assembly(Origin("chat-completions", model))
        self._choices: dict[int, Choice] = {}
        self._unfinished: set[int] = set()
        self._agent: AgentMessages | None = None
        self._usage: JsonValue = None
        self._extras: JsonObject = {}

    def feed(self, event: JsonObject) -> list[Event]:
        """Read one chunk, and return the events it causes."""
        choices = event.get("choices")
        is_agents = "delta" in event or "messages" in event
        if event.get("id") or choices or is_agents:
            self._start(event)
        if isinstance(choices, list):
            for position, choice in enumerate(choices):
                if isinstance(choice, dict):
                    self._feed_choice(choice, position)
            self.complete = bool(self._choices) and not self._unfinished
        if is_agents:
            self._feed_agent(event)
        usage = event.get("usage")
        if usage and isinstance(usage, dict) and usage != self._usage:
            self._usage = usage
            self._assembly.usage(read_usage(usage))
        if event.keys() - _READ_KEYS:
            self._extras |= {
                name: value for name, value in event.items() if name not in _READ_KEYS and value is not None
            }
        return self._assembly.drain()

    def sentinel(self) -> list[Event]:
        """Read ``[DONE]``."""
        self.done = True
        self.complete = self.complete or bool(self._choices)
        return []

    def close(self) -> list[Event]:
        """Return the last events at the end of the stream.

        Raises:
            IncompleteStreamError: there was no choice, or one without a finish reason and no ``[DONE]``.
        """
        if not self.complete:
            missing = "with neither a finish_reason nor [DONE]" if self._choices else "before its first choice"
            raise IncompleteStreamError(
                f"the stream of {self._model!r} ended {missing}; what had arrived is in .partial, and the call may be "
                "made again",
                model=self._model,
                partial=self.partial(),
            )
        return self.end()

    def end(self) -> list[Event]:
        """Return the last events, whether or not the stream has shown a normal end."""
        self._start({})
        if self.done and self._agent is None:
            for number in self._unfinished:
                self._choices[number].calls.leave_last_open()
        first, *others = [choice for _, choice in sorted(self._choices.items())]
        finish = first.end() if self._agent is None else self._agent.end()
        if first.assembly is not self._assembly:
            for place, part in enumerate(first.assembly.partial().message.parts):
                self._assembly.part(("first", place), part)
        extras = dict(self._extras)
        if first.logprobs:
            extras["logprobs"] = first.logprobs
        if first.fields:
            extras["message"] = first.fields
        self._assembly.finish(finish, alternatives=tuple(_alternative(choice) for choice in others), extras=extras)
        return self._assembly.drain()

    def partial(self) -> ChatResponse:
        """Return what has arrived so far."""
        return self._assembly.partial()

    def _start(self, event: JsonObject) -> None:
        if not self._assembly.started:
            self._assembly.start(nonempty_text(event.get("id")), text_or_none(event.get("model")) or self._model)

    def _feed_choice(self, wire: JsonObject, position: int) -> None:
        index = integer_or_none(wire.get("index"))
        number = position if index is None else index
        choice = self._choice(number)
        choice.feed(wire)
        if choice.finished:
            self._unfinished.discard(number)
        if choice.assembly is not self._assembly:
            choice.assembly.drain()

    def _choice(self, number: int) -> Choice:
        """Return the choice of that number; the parts of all but the first are handed out only at the end."""
        choice = self._choices.get(number)
        if choice is None:
            assembly = self._assembly
            if number != 0:
                assembly = Assembly(self._assembly.origin)
                assembly.start(self._assembly.response_id, self._assembly.model)
            choice = self._choices[number] = Choice(assembly)
            self._unfinished.add(number)
        return choice

    def _feed_agent(self, event: JsonObject) -> None:
        if self._agent is None:
            self._agent = AgentMessages(self._choice(0))
        self._agent.feed(event)
        if self._choices[0].finished:
            self._unfinished.discard(0)
        if self._choices[0].finished or "messages" in event:
            self.complete = True


def _alternative(choice: Choice) -> Alternative:
    """Return a further choice; its log probabilities, which have no field of their own, are details of its finish."""
    finish = choice.end()
    if choice.logprobs:
        finish = replace(finish, details={**finish.details, "logprobs": choice.logprobs})
    choice.assembly.explain(finish)
    return Alternative(message=choice.assembly.partial().message, finish=finish)


def decode_answer(body: JsonObject, model: str) -> ChatResponse:
    """Return the answer in ``body``.

    A body without a finish reason is complete all the same; its finish reason is then ``unknown``.

    Args:
        body: an answer with ``choices``, or an agent's with ``messages``.
        model: the name that was asked.

    Raises:
        InvalidResponseError: the body holds neither.
    """
    choices, messages = body.get("choices"), body.get("messages")
    stream = ChatStream(model)
    if isinstance(choices, list) and choices:
        chunk: JsonObject = {**body, "choices": [_chunk(choice, model, body) for choice in choices]}
        return fold([*stream.feed(chunk), *stream.end()])
    if isinstance(messages, list) and messages and all(isinstance(message, dict) for message in messages):
        return fold([*stream.feed(body), *stream.end()])
    raise _no_answer(model, body)


def _chunk(choice: JsonValue, model: str, body: JsonObject) -> JsonObject:
    """Return a complete choice as one chunk: each of its calls gets its position as index."""
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise _no_answer(model, body)
    rest = {name: value for name, value in choice.items() if name != "message"}
    return {**rest, "delta": with_places(message)}


def _no_answer(model: str, body: JsonObject) -> InvalidResponseError:
    return InvalidResponseError(
        f"{model!r} answered with something other than a chat completion: fields {sorted(body)}, and neither choices with "
        "a message nor an agent's messages; check that the endpoint speaks chat-completions, or choose another with "
        "api=",
        model=model,
    )


def read_usage(wire: JsonObject) -> Usage | None:
    """Return the tokens in a ``usage`` record; cached ones are inside the prompt's (docs/wire/comparison.md#usage).

    None where a count is no number: a bad record neither makes the answer fail nor becomes a false count.
    """
    if not has_counts(wire, "prompt_tokens", "input_tokens", "completion_tokens", "output_tokens"):
        return None
    input_tokens = _count(wire, "prompt_tokens", "input_tokens") or 0
    output_tokens = _count(wire, "completion_tokens", "output_tokens") or 0
    total = _count(wire, "total_tokens")
    prompt = object_or_empty(wire.get("prompt_tokens_details"))
    completion = object_or_empty(wire.get("completion_tokens_details"))
    return Usage(
        input=input_tokens,
        output=output_tokens,
        total=input_tokens + output_tokens if total is None else total,
        cache_read=_count(prompt, "cached_tokens"),
        cache_write=_count(prompt, "cache_write_tokens"),
        reasoning=_count(completion, "reasoning_tokens"),
        audio_in=_count(prompt, "audio_tokens"),
        audio_out=_count(completion, "audio_tokens"),
        raw=wire,
    )


def _count(record: JsonObject, *names: str) -> int | None:
    return next((count for name in names if (count := count_or_none(record.get(name))) is not None), None)
