"""One choice of a chat-completions answer: the content of its message or deltas, and its finish reason."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import Audio, Blob, Finish, FinishReason, JsonObject
from dbx_gateway.dialects.chat_completions.content import Content, citation
from dbx_gateway.dialects.chat_completions.tool_calls import ToolCalls
from dbx_gateway.events import Assembly

__all__ = ["FINISH_REASONS", "Choice"]

FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    **dict.fromkeys(
        ("content_filter", "refusal", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
        "content_filter",
    ),
    "error": "error",
}
"""Source: docs/wire/comparison.md#finish-reasons.

``error`` is not a finish reason of OpenAI; other hosts send it for an answer that failed. Of Claude's and Gemini's names for a
refused answer some hosts translate none.
"""

_REASONING: Final = "reasoning"
_DELTA_KEYS: Final = frozenset(
    {
        "role",
        "content",
        "refusal",
        "tool_calls",
        "function_call",
        "annotations",
        "audio",
        "reasoning_content",
        "reasoning",
        "reasoning_details",
    }
)
_CHOICE_KEYS: Final = frozenset({"index", "delta", "message", "finish_reason", "logprobs"})
_AUDIO_KEYS: Final = frozenset({"id", "data", "transcript"})


class Choice:
    """Reads one choice, at once or chunk by chunk.

    Args:
        assembly: where its parts go.
    """

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.content = Content(assembly)
        self.calls = ToolCalls(assembly)
        self.raw: str | None = None
        self.fields: JsonObject = {}
        self.logprobs: JsonObject = {}
        self._details: JsonObject = {}
        self._annotations: list[JsonObject] = []
        self._reasoning_details: list[JsonValue] = []
        self._audio_fields: JsonObject = {}
        self._audio_data: list[str] = []
        self._transcript: list[str] = []

    @property
    def finished(self) -> bool:
        """Whether the choice has a finish reason."""
        return self.raw is not None

    def feed(self, choice: JsonObject) -> None:
        """Read one entry of ``choices``."""
        delta = choice.get("delta", choice.get("message"))
        if isinstance(delta, dict):
            self.feed_delta(delta)
        if isinstance(raw := choice.get("finish_reason"), str) and raw:
            self.raw = raw
        if isinstance(logprobs := choice.get("logprobs"), dict):
            self._add_logprobs(logprobs)
        if choice.keys() - _CHOICE_KEYS:
            _save_unknown(self._details, choice, _CHOICE_KEYS)

    def feed_delta(self, delta: JsonObject) -> None:
        """Read a message, or a fragment of one."""
        self._add_reasoning(delta)
        self.content.feed(delta.get("content"))
        if isinstance(refusal := delta.get("refusal"), str):
            self.assembly.refusal("refusal", refusal)
        if isinstance(calls := delta.get("tool_calls"), list):
            for entry in calls:
                if isinstance(entry, dict):
                    self.calls.feed(entry)
        if isinstance(call := delta.get("function_call"), dict):
            self.calls.feed_legacy(call)
        if isinstance(annotations := delta.get("annotations"), list):
            self._annotations += [one for one in annotations if isinstance(one, dict)]
        if isinstance(audio := delta.get("audio"), dict):
            self._add_audio(audio)
        if delta.keys() - _DELTA_KEYS:
            _save_unknown(self.fields, delta, _DELTA_KEYS)

    def end(self, default: FinishReason = "unknown") -> Finish:
        """End the choice: add what was saved beside its parts, and return why it ended.

        Args:
            default: the finish reason where the server sends none.
        """
        citations = [citation(one) for one in self._annotations]
        if citations and not self.content.cite(citations):
            self.fields["annotations"] = list(self._annotations)
        if self._reasoning_details:
            self.assembly.open(_REASONING, "reasoning", opaque={"reasoning_details": self._reasoning_details})
        self.content.end()
        self.calls.end()
        if self._audio_fields or self._audio_data or self._transcript:
            self.assembly.part("audio", self._audio())
        self.assembly.end_parts()
        stop = self._details.get("stop_reason")
        return Finish(
            reason=self._finish_reason(default),
            raw=self.raw,
            stop_sequence=stop if isinstance(stop, str) else None,
            details=self._details,
        )

    def _add_reasoning(self, delta: JsonObject) -> None:
        """Read reasoning beside the content: the same text under one of two names, or under both."""
        for name in ("reasoning_content", "reasoning"):
            text = delta.get(name)
            if isinstance(text, str) and text:
                self.assembly.reasoning(_REASONING, text)
                break
            if text is not None and not isinstance(text, str):
                self.fields[name] = text
        if isinstance(details := delta.get("reasoning_details"), list):
            self._reasoning_details += details

    def _finish_reason(self, default: FinishReason) -> FinishReason:
        """Return why the choice ended: a refusal is one whatever the server's reason; ``stop`` with calls awaits their results."""
        reason = default if self.raw is None else FINISH_REASONS.get(self.raw, "unknown")
        if self.assembly.has("refusal") and reason in ("stop", "tool_calls", "unknown"):
            return "content_filter"
        return "tool_calls" if reason == "stop" and len(self.calls) else reason

    def _add_logprobs(self, logprobs: JsonObject) -> None:
        for name, value in logprobs.items():
            saved = self.logprobs.get(name)
            if isinstance(value, list):
                if isinstance(saved, list):
                    saved.extend(value)
                else:
                    self.logprobs[name] = list(value)
            elif saved is None:
                self.logprobs[name] = value

    def _add_audio(self, audio: JsonObject) -> None:
        for name, fragments in (("data", self._audio_data), ("transcript", self._transcript)):
            if isinstance(fragment := audio.get(name), str):
                fragments.append(fragment)
        self._audio_fields |= {name: value for name, value in audio.items() if value is not None}

    def _audio(self) -> Audio:
        part_id = self._audio_fields.get("id")
        return Audio(
            blob=Blob(data="".join(self._audio_data)),
            transcript="".join(self._transcript) or None,
            id=part_id if isinstance(part_id, str) else None,
            opaque={name: value for name, value in self._audio_fields.items() if name not in _AUDIO_KEYS},
        )


def _save_unknown(saved: JsonObject, wire: JsonObject, known: frozenset[str]) -> None:
    for name, value in wire.items():
        if name not in known and value is not None:
            saved[name] = value
