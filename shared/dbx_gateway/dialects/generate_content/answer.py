"""Reads answers of the generate-content api: one that is not streamed is read as a stream of one event.

Sources: docs/wire/generate-content.md; docs/wire/comparison.md#usage, #ends-of-streams.
"""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import ChatResponse, Finish, JsonObject, Origin, Usage
from dbx_gateway.dialects.generate_content.candidate import Candidate
from dbx_gateway.dialects.generate_content.prompt import API
from dbx_gateway.error_bodies import RequestTarget, api_error
from dbx_gateway.errors import IncompleteStreamError, InvalidResponseError
from dbx_gateway.events import Assembly, Event, fold
from dbx_gateway.json_values import count_or_none, has_counts, objects_in, text_or_none

__all__ = ["GenerateContentDecoder", "decode_answer"]

_NO_BLOCK: Final = ("", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED")
_FAILED: Final = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE"})
"""Finish reasons by which the server says that its model failed (docs/wire/errors.md#passing-failures)."""

_ANSWER_KEYS: Final = frozenset({"candidates", "modelVersion", "promptFeedback", "responseId", "usageMetadata"})


def decode_answer(body: JsonValue, model: str) -> ChatResponse:
    """Return the answer in ``body``, an object or objects in a list; ``model`` is the requested name.

    Raises:
        InvalidResponseError: the body is not an answer of this api.
    """
    chunks = body if isinstance(body, list) else [body]
    decoder = GenerateContentDecoder(model)
    events: list[Event] = []
    for chunk in chunks:
        if not isinstance(chunk, dict):
            raise InvalidResponseError(f"{model} answered with {type(chunk).__name__}, not a generateContent answer")
        events += decoder.feed(chunk)
    if not decoder.has_answer and not decoder.is_answer:
        raise InvalidResponseError(
            f"{model} answered with neither candidates nor a block reason, so it is no generateContent answer",
            model=model,
        )
    events += decoder.end()
    return fold(events)


class GenerateContentDecoder:
    """Reads one stream. Each event is an answer with only the new parts, and the usage so far."""

    def __init__(self, model: str) -> None:
        self.complete = False
        self.done = False
        self._model = model
        self._origin = Origin(API, model)
        self._assembly = Assembly(self._origin)
        self._candidates: dict[int, Candidate] = {}
        self._unfinished: set[int] = set()
        self._block: JsonObject | None = None
        self._extras: JsonObject = {}
        self._usage: JsonObject | None = None
        self.is_answer = False
        """Whether what arrived is of this api, even if it answers nothing."""

    @property
    def has_answer(self) -> bool:
        """Whether a candidate has arrived, or the reason why there is none."""
        return bool(self._candidates) or self._block is not None

    def feed(self, event: JsonObject) -> list[Event]:
        """Read one wire event, and return the events it causes: none before the first part, for the server may still fail."""
        if not _ANSWER_KEYS.isdisjoint(event):
            self.is_answer = True
            self._assembly.start(text_or_none(event.get("responseId")), text_or_none(event.get("modelVersion")))
        for position, candidate in enumerate(objects_in(event.get("candidates"))):
            index = candidate.get("index")
            number = index if isinstance(index, int) else position
            if self._candidate(number).feed(candidate):
                self._unfinished.discard(number)
        self._feedback(event.get("promptFeedback"))
        usage = event.get("usageMetadata")
        if isinstance(usage, dict) and ("totalTokenCount" in usage or any(map(_is_count, usage))):
            self._usage = usage  # each event has that of the answer so far: the last is read, once
        for key, value in event.items():
            if key not in _ANSWER_KEYS and value not in (None, {}, []):
                self._extras[key] = value
        self._check_complete()
        return [] if self._assembly.is_empty else self._assembly.drain()

    def sentinel(self) -> list[Event]:
        """Ignore a ``[DONE]`` mark, which is not part of this api."""
        return []

    def close(self) -> list[Event]:
        """Return the last events at the end of the stream, among them the one ``End``.

        Raises:
            IncompleteStreamError: no finish reason and no block reason came; the error carries what had arrived.
            APIError: the server says that it failed, and nothing has been handed out.
        """
        if self.is_answer and not self.has_answer:
            return self.end()
        if not self.complete:
            raise IncompleteStreamError(
                f"the answer of {self._model} ended without a finish reason: it is incomplete. "
                "What had arrived is in .partial; send the request again",
                model=self._model,
                partial=self.partial(),
            )
        return self.end()

    def end(self) -> list[Event]:
        """Return the last events, whether or not there is a finish reason.

        Raises:
            APIError: the server says that it failed, and nothing has been handed out.
        """
        self.done = True
        self._check_failed()
        self._assembly.start(None, None)
        self._assembly.usage(_usage(self._usage))
        primary = self._candidates.get(0)
        alternatives = tuple(self._candidates[index].alternative() for index in sorted(self._candidates) if index != 0)
        if primary is None:
            finish, extras = self._blocked(), self._extras
        else:
            finish, more = primary.ended()
            finish = self._blocked() if self._block is not None and finish.raw is None else finish
            extras = {**self._extras, **more}
        self._assembly.finish(finish, alternatives=alternatives, extras=extras)
        return self._assembly.drain()

    def partial(self) -> ChatResponse:
        """Return what has arrived so far."""
        self._assembly.usage(_usage(self._usage))
        return self._assembly.partial()

    def _candidate(self, index: int) -> Candidate:
        found = self._candidates.get(index)
        if found is None:
            found = self._candidates[index] = Candidate(self._assembly if index == 0 else self._other(index))
            self._unfinished.add(index)
        return found

    def _other(self, index: int) -> Assembly:
        """Return the assembly of a further candidate; its events are not handed out."""
        assembly = Assembly(self._origin)
        first = self._assembly.response_id
        assembly.start(first and f"{first}/{index}", None)
        return assembly

    def _feedback(self, feedback: JsonValue) -> None:
        if not isinstance(feedback, dict) or not feedback:
            return
        if text_or_none(feedback.get("blockReason")) in (None, *_NO_BLOCK):
            self._extras["promptFeedback"] = feedback
        else:
            self._block = feedback

    def _blocked(self) -> Finish:
        block = self._block or {}
        return Finish(
            reason="content_filter" if block else "unknown",
            raw=text_or_none(block.get("blockReason")),
            message=text_or_none(block.get("blockReasonMessage")),
            details={"promptFeedback": block} if block else {},
        )

    def _check_failed(self) -> None:
        """Raise if there is neither a part nor a reason for that but the server's own failure."""
        reasons = [candidate.reason for candidate in self._candidates.values()]
        if not self._assembly.is_empty or self._block is not None or not _FAILED.issuperset(reasons):
            return
        reason = reasons[0] if reasons else None
        words = (self._candidates[min(self._candidates)].message if reasons else None) or (
            "the answer failed with this reason" if reason else "there is neither a candidate nor a block reason"
        )
        error: JsonObject = {"error": {"status": reason or "NO_CANDIDATE", "message": words}}
        raise api_error(None, {}, error, RequestTarget(self._model, API), partial=self.partial(), otherwise=500)

    def _check_complete(self) -> None:
        ended = bool(self._candidates) and not self._unfinished
        self.complete = ended or self._block is not None


def _is_count(key: str) -> bool:
    return key.endswith("TokenCount")


def _usage(record: JsonObject | None) -> Usage | None:
    """Return the counts as this package defines them: thoughts count as output, tool use as input.

    Source: docs/wire/comparison.md#usage.
    """
    if record is None or not has_counts(record, "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"):
        return None
    thoughts = count_or_none(record.get("thoughtsTokenCount"))
    of_tools = count_or_none(record.get("toolUsePromptTokenCount")) or 0
    prompt = (count_or_none(record.get("promptTokenCount")) or 0) + of_tools
    output = (count_or_none(record.get("candidatesTokenCount")) or 0) + (thoughts or 0)
    total = count_or_none(record.get("totalTokenCount"))
    return Usage(
        input=prompt,
        output=output,
        total=prompt + output if total is None else total,
        cache_read=count_or_none(record.get("cachedContentTokenCount")),
        reasoning=thoughts,
        audio_in=_audio(record.get("promptTokensDetails")),
        audio_out=_audio(record.get("candidatesTokensDetails")),
        raw=record,
    )


def _audio(details: JsonValue) -> int | None:
    audio = [entry.get("tokenCount") for entry in objects_in(details) if entry.get("modality") == "AUDIO"]
    return sum(count_or_none(count) or 0 for count in audio) if audio else None
