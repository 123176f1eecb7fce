"""Requests and answers of a chat, in one form for all four wire formats.

A message is a tuple of parts. Nothing a server sent is lost: what a part has no field for travels in its ``opaque``
under the wire's own name, and what is no known part at all travels as :class:`Native`. Both go back unchanged to the
api they came from and to no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final, Literal, TypeAlias

from pydantic import JsonValue
from pydantic_core import from_json

from dbx_gateway.surfaces import Api

__all__ = [
    "NO_ARGUMENTS",
    "Alternative",
    "Audio",
    "Blob",
    "CacheHint",
    "ChatRequest",
    "ChatResponse",
    "Citation",
    "Exchange",
    "File",
    "Finish",
    "FinishReason",
    "Image",
    "JsonObject",
    "Message",
    "Native",
    "Origin",
    "OutputFormat",
    "Part",
    "Reasoning",
    "ReasoningConfig",
    "Refusal",
    "Role",
    "Segment",
    "Text",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "ToolSpec",
    "Usage",
    "Video",
    "assistant",
    "is_executable",
    "opaque_for",
    "system",
    "tool_result",
    "user",
]

JsonObject: TypeAlias = dict[str, JsonValue]

Role = Literal["system", "developer", "user", "assistant", "tool"]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "pause", "error", "unknown"]
"""Why an answer ended. ``unknown`` covers every value this package has not met; the raw one stands beside it."""


NO_ARGUMENTS: Final = frozenset({"", "null", '"null"', '""'})
"""What models write for the arguments of a call that has none, beside ``{}``."""

_MAY_BE_TOO_LARGE: Final = re.compile(r"(?<!\d)\d{200}|[eE]\+?\d{3}")
"""What a number has in it that no floating-point number can hold."""


def _nothing() -> JsonObject:
    return {}


@dataclass(frozen=True, slots=True)
class CacheHint:
    """A mark that the prompt up to and including this part is worth caching.

    Args:
        ttl: how long, in the vendor's own words (``"5m"``, ``"1h"``); None leaves it to the vendor.
    """

    ttl: str | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes of an image, a file or a sound: exactly one of ``data``, ``url`` and ``file_id``.

    Args:
        data: the bytes in base64 (no ``data:`` prefix).
        url: where the server can fetch them.
        file_id: the vendor's id of an uploaded file.
        mime: media type, for example ``"image/png"``.
    """

    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    mime: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who produced a message: signatures and native data only ever go back there."""

    api: Api
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A source that a text refers to.

    Args:
        kind: the wire's own name of the form, for example ``"url_citation"`` or ``"page_location"``.
        start: first position in the text the citation supports, where the wire gives one (unit as on the wire).
        end: position after the last one.
        source: the wire object, untouched.
    """

    kind: str
    cited_text: str | None = None
    url: str | None = None
    title: str | None = None
    start: int | None = None
    end: int | None = None
    source: JsonObject = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    id: str | None = None
    cache: CacheHint | None = None
    opaque: JsonObject = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class Text(_Common):
    """Visible text. ``phase`` is the Responses mark ``commentary`` or ``final_answer``."""

    text: str
    citations: tuple[Citation, ...] = ()
    phase: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal(_Common):
    """The model declined, or a filter stopped the answer.

    Args:
        text: the model's own words. Of a ``notice`` the server's words about the reason, or a sentence that names it.
        category: what the refusal is about; of a notice without one the server's name for the end, as ``SAFETY``.
        notice: the model did not say this: the answer's end says that it was refused or filtered.
    """

    text: str
    category: str | None = None
    notice: bool = False

    def __setstate__(self, state: Sequence[object]) -> None:
        """Restore the values of a pickle; a field that is newer than the pickle gets its default."""
        for number, one in enumerate(fields(self)):
            object.__setattr__(self, one.name, state[number] if number < len(state) else one.default)


@dataclass(frozen=True, slots=True)
class Segment:
    """One run of reasoning: a summary written for readers, or the raw thoughts."""

    kind: Literal["summary", "raw"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning(_Common):
    """What the model thought, and the opaque proof that lets it continue from there.

    Args:
        segments: readable runs; may be empty while a signature is there.
        signature: Messages ``signature`` or Gemini ``thoughtSignature``, unread.
        encrypted: Responses ``encrypted_content``, unread.
        redacted: Messages ``redacted_thinking`` data, unread.
    """

    segments: tuple[Segment, ...] = ()
    signature: str | None = None
    encrypted: str | None = None
    redacted: str | None = None

    @property
    def text(self) -> str:
        """All readable runs, joined by a blank line."""
        return "\n\n".join(segment.text for segment in self.segments if segment.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(_Common):
    """The model asks for a tool to be run.

    Args:
        call_id: pairs the call with its result.
        name: the tool's name as the caller gave it.
        arguments: the arguments as the model wrote them, JSON text (plain text for a custom tool).
        custom: a free-text tool of the OpenAI apis.
        signature: Gemini ``thoughtSignature`` that rides on this call, unread; empty where the call was edited since and
            its signature is for what it was.
        minted: the id was made here because the wire gave none, and is not sent back.
    """

    call_id: str
    name: str
    arguments: str = ""
    custom: bool = False
    signature: str | None = None
    minted: bool = False

    def parsed(self) -> JsonObject:
        """Return the arguments as an object; blank text and ``null`` mean no arguments.

        Raises:
            ValueError: they are not one JSON object (cut, malformed, of another type, or with a number that is too
                large). Never execute such a call.
        """
        if self.arguments.strip() in NO_ARGUMENTS:
            return {}
        value: JsonValue = from_json(self.arguments.encode(), allow_inf_nan=False)
        if _MAY_BE_TOO_LARGE.search(self.arguments):
            json.dumps(value, allow_nan=False)  # raises for a number that became infinite
        if not isinstance(value, dict):
            msg = f"arguments of tool call {self.call_id} are {type(value).__name__}, not an object"
            raise ValueError(msg)  # noqa: TRY004  # one exception type for every way arguments can be wrong
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(_Common):
    """A picture. ``detail`` is the OpenAI resolution hint (``auto``, ``low``, ``high``)."""

    blob: Blob
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class File(_Common):
    """A document (PDF, or plain text in ``text``).

    Args:
        blob: the bytes, or None where ``text`` holds the content.
        citable: ask the model to cite it, where the api can.
    """

    blob: Blob | None = None
    text: str | None = None
    filename: str | None = None
    title: str | None = None
    context: str | None = None
    citable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio(_Common):
    """A sound."""

    blob: Blob
    transcript: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Video(_Common):
    """A film. ``fps`` is the rate at which the model samples it, frames per second."""

    blob: Blob
    fps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult(_Common):
    """What a tool gave back, for the call of the same ``call_id``."""

    call_id: str
    content: tuple[Part, ...] = ()
    name: str | None = None
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Native(_Common):
    """A wire object this package has no part for; it returns unchanged to the api it came from."""

    api: Api
    payload: JsonObject


Part: TypeAlias = Text | Refusal | Reasoning | ToolCall | ToolResult | Image | File | Audio | Video | Native


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn: who speaks, and the parts of what is said in order."""

    role: Role
    parts: tuple[Part, ...] = ()
    name: str | None = None
    id: str | None = None
    origin: Origin | None = None

    @property
    def text(self) -> str:
        """The visible text, all text parts joined without anything between them."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def reasoning(self) -> str:
        """The readable reasoning, parts joined by a blank line."""
        return "\n\n".join(part.text for part in self.parts if isinstance(part, Reasoning) and part.text)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool the model may call.

    Args:
        name: any text; a name the wire cannot carry is mapped on the way out and back on the way in.
        parameters: JSON Schema of the arguments; an empty one means no arguments.
        strict: have the server hold the model to the schema, where it can; None leaves it to the server.
        custom: a free-text tool of the OpenAI apis (``parameters`` is then its ``format``).
        native: a server-side tool, the wire object itself; all other fields but ``name`` are then ignored.
        extras: wire fields to send beside the known ones.
    """

    name: str
    description: str = ""
    parameters: JsonObject = field(default_factory=_nothing)
    strict: bool | None = None
    cache: CacheHint | None = None
    custom: bool = False
    native: JsonObject | None = None
    extras: JsonObject = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which tools the model may or must call.

    Args:
        mode: ``auto`` (it decides), ``none``, or ``required`` (it must call one).
        names: with ``required``, only these; one name forces that tool.
        outranks_thinking: a model that cannot be forced while it thinks is asked without thinking, where such a request
            would otherwise be refused. For frameworks, whose programs force a call of their own accord.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] = ()
    outranks_thinking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """The form of the answer.

    Args:
        kind: ``text``, ``json`` (any JSON object) or ``json_schema``.
        schema: with ``json_schema``, the schema of the object.
        name: a name for the schema.
    """

    kind: Literal["text", "json", "json_schema"] = "text"
    schema: JsonObject | None = None
    name: str = "answer"
    description: str | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningConfig:
    """How much the model thinks before it answers.

    Args:
        effort: ``none``, ``minimal``, ``low``, ``medium``, ``high``, ``xhigh`` or ``max``; not every model takes each.
        budget: tokens of thought at most, for models that count.
        mode: ``off``, ``auto`` (the model decides) or ``on``; None leaves it to the model.
        show: ``none`` hides the thoughts, ``summary`` or ``full`` asks for them; None leaves it to the server.
    """

    effort: str | None = None
    budget: int | None = None
    mode: Literal["off", "auto", "on"] | None = None
    show: Literal["none", "summary", "full"] | None = None

    @property
    def is_off(self) -> bool:
        """Whether it says not to think."""
        return self.mode == "off" or (self.mode is None and self.effort == "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What to ask of a model. Every field but ``model`` and ``messages`` may stay at its default."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    output: OutputFormat | None = None
    reasoning: ReasoningConfig | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int | None = None
    service_tier: str | None = None
    cache_key: str | None = None
    metadata: JsonObject | None = None
    user: str | None = None
    custom_inputs: JsonObject | None = None
    stream: bool = False
    extra_body: JsonObject = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that an answer cost, in one arithmetic for all apis.

    Args:
        input: all tokens of the prompt, cached ones included.
        output: all tokens of the answer, reasoning included.
        total: ``input + output``.
        cache_read: tokens of the prompt that came from a cache; None where the server does not say.
        cache_write: tokens of the prompt that were written to a cache.
        reasoning: tokens of thought within ``output``.
        audio_in: tokens of sound within ``input``.
        audio_out: tokens of sound within ``output``.
        raw: the server's own record, untouched.
    """

    input: int = 0
    output: int = 0
    total: int = 0
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    audio_in: int | None = None
    audio_out: int | None = None
    raw: JsonObject = field(default_factory=_nothing, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Why and how an answer ended.

    Args:
        raw: the wire's own word.
        stop_sequence: the stop text that was met, where the wire tells.
        details: other wire fields about the end, untouched.
    """

    reason: FinishReason
    raw: str | None = None
    stop_sequence: str | None = None
    message: str | None = None
    details: JsonObject = field(default_factory=_nothing)

    @property
    def window_is_full(self) -> bool:
        """Whether the answer was cut because the context window is full: a larger ``max_tokens`` would not help."""
        return self.raw == "model_context_window_exceeded"  # docs/wire/messages.md#answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A further answer of the same request (``n`` > 1)."""

    message: Message
    finish: Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """How an answer was obtained: the route taken, what was tried, what was repaired.

    Args:
        attempts: one line for each request that was sent, in order: ``<api> <url> <status or failure>``.
        repairs: names of what was taken out of or changed in the request after the server refused it.
        paced: seconds that the call waited for its turn, because the endpoint had refused calls for load or because of
            ``max_in_flight``.
    """

    surface: str
    family: str
    api: str
    url: str
    status: int | None = None
    request_id: str | None = None
    attempts: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    paced: float = 0.0

    def __setstate__(self, state: Sequence[object]) -> None:
        """Restore the values of a pickle; a field that is newer than the pickle gets its default."""
        for number, one in enumerate(fields(self)):
            object.__setattr__(self, one.name, state[number] if number < len(state) else one.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatResponse:
    """A whole answer.

    Args:
        model: the model as the server names it.
        usage: None where the server reports none; never an estimate.
        alternatives: the second and further answers where ``n`` > 1 was asked for.
        extras: other fields of the wire answer (``system_fingerprint``, ``custom_outputs``, ``logprobs``, ...).
        exchange: how the answer was obtained; not part of its value.
    """

    message: Message
    finish: Finish
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    alternatives: tuple[Alternative, ...] = ()
    extras: JsonObject = field(default_factory=_nothing)
    exchange: Exchange | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """The visible text of the answer."""
        return self.message.text

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls of the answer in order, whether or not they may be executed."""
        return self.message.tool_calls

    @property
    def executable_tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls that may be executed: the answer was not cut and their arguments are one JSON object."""
        return tuple(call for call in self.tool_calls if is_executable(call, self.finish))


def is_executable(call: ToolCall, finish: Finish) -> bool:
    """Whether ``call`` may be executed: its answer ended whole, it names a tool, and its arguments parse.

    An answer that was cut (``length``), filtered or failed may lack a sibling call or the end of this one, so nothing
    in it is executable, even where the arguments happen to parse. Nor is a call without any arguments where the server
    did not say how the answer ended (``finish.raw`` is None): they may not have been written yet.
    """
    if finish.reason in ("length", "content_filter", "error") or not call.name.strip():
        return False
    if finish.reason == "unknown" and finish.raw is None and not call.arguments.strip():
        return False
    if call.custom:
        return True
    try:
        call.parsed()
    except ValueError:
        return False
    return True


def system(text: str) -> Message:
    """Return a system message that says ``text``."""
    return Message(role="system", parts=(Text(text),))


def user(*content: str | Part) -> Message:
    """Return a user message of texts and parts in order."""
    return Message(role="user", parts=_parts(content))


def assistant(*content: str | Part) -> Message:
    """Return an assistant message of texts and parts in order."""
    return Message(role="assistant", parts=_parts(content))


def tool_result(call: ToolCall, *content: str | Part, is_error: bool = False) -> Message:
    """Return the message that answers ``call``."""
    result = ToolResult(call_id=call.call_id, name=call.name, content=_parts(content), is_error=is_error)
    return Message(role="tool", parts=(result,))


def _parts(content: Iterable[str | Part]) -> tuple[Part, ...]:
    return tuple(Text(item) if isinstance(item, str) else item for item in content)


def opaque_for(part: Part, origin: Origin | None, api: Api) -> Mapping[str, JsonValue]:
    """Return the wire extras of ``part`` if they may go to ``api``: only where they came from, else nothing."""
    return part.opaque if origin is not None and origin.api == api else {}
