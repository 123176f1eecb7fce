"""Writes a conversation for the generate-content api: a system instruction, and contents of parts.

Source: docs/wire/generate-content.md#request, #round-trip; docs/wire/comparison.md#opaque-values,
#what-an-api-cannot-carry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, assert_never
from urllib.parse import urlsplit

from pydantic import JsonValue

from dbx_gateway.chat import (
    Audio,
    Blob,
    ChatRequest,
    File,
    Image,
    JsonObject,
    Message,
    Native,
    Origin,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.media_types import media_type, type_of_name
from dbx_gateway.models.families import family_of
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once
from dbx_gateway.parts import blob_of_url, system_as_user, warn_not_replayed
from dbx_gateway.surfaces import Api

__all__ = ["API", "SKIP_SIGNATURE", "Contents", "write_contents"]

API: Final[Api] = "generate-content"

SKIP_SIGNATURE: Final = "skip_thought_signature_validator"
"""Replaces the signature of a call that no Gemini model made; newer models refuse an unsigned one.

The vendor documents the value; it is sent as it is, not in base64 (docs/wire/generate-content.md#round-trip).
"""

_NATIVE: Final = frozenset(
    {"executableCode", "codeExecutionResult", "toolCall", "toolResponse", "inlineData", "fileData"}
)
"""What a part of an answer that has no field here may hold to be one of a request (docs/wire/generate-content.md#request)."""

_EMPTY: Final[JsonObject] = {"text": ""}
"""The part of a content that would otherwise have none.

Source: docs/wire/generate-content.md#round-trip.
"""

_Kind = Literal["turn", "results"]


@dataclass(slots=True)
class Contents:
    """A conversation on the wire: parts of the system instruction, and contents."""

    system: list[JsonValue] = field(default_factory=list[JsonValue])
    contents: list[JsonValue] = field(default_factory=list[JsonValue])


def write_contents(request: ChatRequest, profile: Profile) -> Contents:
    """Return the conversation of ``request`` on the wire.

    The first system messages move to the system instruction, and a later one is a marked turn of the user; neighbours of one role are merged. Tool results have contents of
    their own, in the order of their calls. A signature goes back on the part it came with, to the family that made it.
    Thoughts and native parts of other families are left out.

    Raises:
        InvalidRequestError: a part that this api cannot carry.
    """
    return _Writer(request, profile).written()


class _Writer:
    """Writes one conversation, content by content."""

    def __init__(self, request: ChatRequest, profile: Profile) -> None:
        self._request = request
        self._profile = profile
        self._result = Contents()
        self._calls: dict[str, tuple[int, ToolCall, bool]] = {}
        self._role = ""
        self._kind: _Kind = "turn"
        self._parts: list[JsonValue] = []
        self._results: list[tuple[int, JsonObject]] = []
        self._media: list[JsonObject] = []

    def written(self) -> Contents:
        for message in self._request.messages:
            self._message(message)
        self._close()
        contents = self._result.contents
        if not contents or _has_call(contents[0]):  # a turn of calls follows a user's (#round-trip)
            contents.insert(0, {"role": "user", "parts": [dict(_EMPTY)]})
        return self._result

    def _message(self, message: Message) -> None:
        if message.name and message.role != "tool":
            warn_once(
                f"{API}: message name",
                "the generate-content api has no field for a message's name, so it is not sent; put it into the "
                "text if the model should know it",
            )
        if message.role in ("system", "developer"):
            if not (self._result.contents or self._parts or self._results):
                self._system(message)
                return
            message = system_as_user(message, self._request.model)
        own = self._is_own(message.origin)
        role = "model" if message.role == "assistant" else "user"
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._tool_result(part)
            else:
                self._add(role, self._part(part, message, own=own))
        if not message.parts:
            self._add(role, None)

    def _system(self, message: Message) -> None:
        for part in message.parts:
            if not isinstance(part, Text):
                raise InvalidRequestError(
                    f"a {message.role} message holds {type(part).__name__}; the generate-content api takes text there: "
                    "move it to a user message"
                )
            if part.text:
                self._result.system.append({"text": part.text})

    def _is_own(self, origin: Origin | None) -> bool:
        """Whether a message came from this api and the requested family: only then may its opaque values go back."""
        if origin is None or origin.api != API:
            return False
        return family_of(origin.model) in (None, self._profile.family)

    def _add(self, role: str, part: JsonObject | None) -> None:
        """Add a part to the open content if it is of ``role``, else to a new one."""
        if (self._role, self._kind) != (role, "turn"):
            self._open(role, "turn")
        if part is not None:
            self._parts.append(part)

    def _open(self, role: str, kind: _Kind) -> None:
        self._close()
        self._role, self._kind = role, kind

    def _close(self) -> None:
        """Write the open content, with results in the order of their calls."""
        if self._results:
            self._results.sort(key=lambda result: result[0])
            self._write("user", [part for _, part in self._results])
            if self._media:
                self._write("user", [*self._media])
        elif self._role:
            self._write(self._role, self._parts or [dict(_EMPTY)])
        self._parts, self._results, self._media, self._role = [], [], [], ""

    def _write(self, role: str, parts: list[JsonValue]) -> None:
        self._result.contents.append({"role": role, "parts": parts})

    def _part(self, part: Part, message: Message, *, own: bool) -> JsonObject | None:
        """Return ``part`` on the wire, or None where it is not sent."""
        extras: JsonObject = {**part.opaque} if own else {}
        wire: JsonObject | None
        match part:
            case Text() | Refusal():
                wire = {"text": part.text, **extras} if part.text or extras else None
            case Reasoning():
                wire = _thought(part, extras) if own else None
            case ToolCall():
                wire = self._function_call(part, extras, message.origin, own=own)
            case Native():
                wire = _native(part, message)
            case Image() | File() | Audio() | Video():
                wire = {**_media(part), **extras}
            case ToolResult():
                wire = None  # written by _tool_result, in a content of its own
            case _:
                assert_never(part)
        return wire

    def _function_call(self, call: ToolCall, extras: JsonObject, origin: Origin | None, *, own: bool) -> JsonObject:
        """Return a tool call; its id and its signature only where this api's server made them."""
        from_server = own and not call.minted
        self._calls[call.call_id] = (len(self._calls), call, from_server)
        inner = extras.pop("functionCall", None)
        function: JsonObject = {"id": call.call_id} if from_server else {}
        function |= {"name": call.name, "args": _arguments(call), **(inner if isinstance(inner, dict) else {})}
        part: JsonObject = {"functionCall": function, **extras}
        if own and call.signature:
            part["thoughtSignature"] = call.signature
        elif self._needs_signature(origin, own=own and call.signature is None):
            part["thoughtSignature"] = SKIP_SIGNATURE
        return part

    def _needs_signature(self, origin: Origin | None, *, own: bool) -> bool:
        """Whether an unsigned call is the first of its step, and this model would refuse it unsigned.

        A call of this same model is sent as it was, signed or not, unless it was edited since.
        """
        if not self._profile.signed_tool_calls or (own and origin is not None and origin.model == self._request.model):
            return False
        parts_so_far = self._parts if (self._role, self._kind) == ("model", "turn") else []
        return not any(isinstance(part, dict) and "functionCall" in part for part in parts_so_far)

    def _tool_result(self, result: ToolResult) -> None:
        place, call, from_server = self._calls.get(result.call_id, (len(self._calls), None, False))
        name = call.name if call is not None else result.name
        if name is None:
            raise InvalidRequestError(
                f"a tool result answers call {result.call_id!r}, which no earlier message makes; "
                "keep the assistant message with its tool calls before the results"
            )
        if (self._role, self._kind) != ("user", "results"):
            self._open("user", "results")
        texts, media = _result_content(result)
        response: JsonObject = {"id": result.call_id} if from_server else {}
        response |= {"name": name, "response": {"error" if result.is_error else "output": "\n".join(texts)}}
        if media and self._profile.image_tool_results:
            response["parts"] = [*media]
        elif media:
            self._media.append({"text": f"From the result of {name}:"})
            self._media += media
        self._results.append((place, {"functionResponse": response}))


def _has_call(content: JsonValue) -> bool:
    parts = content.get("parts") if isinstance(content, dict) else None
    return isinstance(parts, list) and any(isinstance(part, dict) and "functionCall" in part for part in parts)


def _thought(part: Reasoning, extras: JsonObject) -> JsonObject | None:
    if not part.text and part.signature is None:
        return None
    thought: JsonObject = {"text": "".join(segment.text for segment in part.segments), "thought": True, **extras}
    if part.signature is not None:
        thought["thoughtSignature"] = part.signature
    return thought


def _native(part: Native, message: Message) -> JsonObject | None:
    if part.api == API and message.role == "assistant" and not part.payload.keys() & _NATIVE:
        warn_not_replayed(API, ", ".join(part.payload))
        return None
    if part.api == API:
        return {**part.payload}
    if message.role == "assistant":
        return None
    raise InvalidRequestError(
        f"a {message.role} message holds a native part of the {part.api} api, which the generate-content api cannot "
        "carry; give it as text, an image or a file"
    )


def _arguments(call: ToolCall) -> JsonObject:
    """Return the arguments as an object, as the api requires; other text is sent as its field ``input``."""
    if call.custom:
        return {"input": call.arguments}
    try:
        return call.parsed()
    except ValueError:
        warn_once(
            f"{API}: arguments that do not parse",
            "the history holds a tool call whose arguments are no JSON object; the generate-content api takes only "
            "objects, so their text is sent as {'input': text}",
        )
        return {"input": call.arguments}


def _result_content(result: ToolResult) -> tuple[list[str], list[JsonObject]]:
    """Return the texts and the media of a tool's result."""
    texts: list[str] = []
    media: list[JsonObject] = []
    for part in result.content:
        match part:
            case Text() | Refusal():
                texts.append(part.text)
            case File(blob=None):
                texts.append(_file_text(part))
            case Image() | File() | Audio() | Video():
                media.append(_media(part))
            case Native() if part.api == API:
                media.append({**part.payload})
            case _:
                raise InvalidRequestError(
                    f"the result of tool call {result.call_id!r} holds {type(part).__name__}; give text, images, files, "
                    "audio or video"
                )
    return texts, media


def _media(part: Image | File | Audio | Video) -> JsonObject:
    match part:
        case Image():
            if part.detail in ("low", "high"):
                _warn_of(f"image detail {part.detail!r}")
            return _blob(part.blob, "image")
        case File():
            if part.citable:
                _warn_of("a citable file")
            return {"text": _file_text(part)} if part.blob is None else _blob(part.blob, "file", part.filename)
        case Audio():
            return _blob(part.blob, "audio")
        case Video():
            return {**_blob(part.blob, "video"), **({} if part.fps is None else {"videoMetadata": {"fps": part.fps}})}


def _warn_of(what: str) -> None:
    warn_once(f"{API}: {what}", f"the generate-content api has no field for {what}; the part is sent without it")


def _file_text(file: File) -> str:
    return "\n".join(text for text in (file.title, file.context, file.text) if text)


def _blob(source: Blob, what: str, filename: str | None = None) -> JsonObject:
    """Return bytes as ``inlineData``, a URL or file id as ``fileData``."""
    blob = blob_of_url(source.url, source.mime) if source.url is not None else source
    if blob.data is None:
        uri = blob.url or blob.file_id or ""
        mime = media_type(blob, urlsplit(uri).path) or type_of_name(filename)
        return {"fileData": {**({} if mime is None else {"mimeType": mime}), "fileUri": uri}}
    mime = media_type(blob, filename)
    if mime is None:
        raise InvalidRequestError(f"the media type of the {what} is not known; give it as Blob(data=..., mime=...)")
    return {"inlineData": {"mimeType": mime, "data": blob.data}}
