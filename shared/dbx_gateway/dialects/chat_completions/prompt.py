"""Messages as chat-completions writes them.

Source: docs/wire/chat-completions.md#request, #round-trip; docs/wire/comparison.md#what-an-api-cannot-carry.
"""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import (
    Audio,
    CacheHint,
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
    opaque_for,
)
from dbx_gateway.dialects.chat_completions.tools import cache_mark
from dbx_gateway.dialects.generate_content.prompt import SKIP_SIGNATURE
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_values import text_or_empty
from dbx_gateway.media_types import media_type
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once
from dbx_gateway.parts import data_url, object_arguments, system_as_user, warn_not_replayed

__all__ = ["encode_messages"]

_API: Final = "chat-completions"

_AUDIO_FORMATS: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}
"""Media types of the two sound formats the api takes (docs/wire/chat-completions.md#request)."""

_CONTENT: Final = frozenset({"text", "refusal", "image_url", "input_audio", "file"})
"""Types of content that requests know; an agent takes back whatever it sent (docs/wire/chat-completions.md#request)."""

_FILE_NAMES: Final = {"application/pdf": "document.pdf", "text/plain": "document.txt"}


def encode_messages(messages: tuple[Message, ...], profile: Profile) -> list[JsonValue]:
    """Return ``messages`` in the form of the api.

    Tool results become one ``tool`` message each. Such a message holds text only, so other parts of a result move to a
    user message after *all* results of the turn: no other message may come between results
    (docs/wire/chat-completions.md#messages-on-a-workspace, rules for Claude). Reasoning is never sent: the api has no
    field for it, and workspaces refuse it.

    Raises:
        InvalidRequestError: a part this api cannot carry; the message says what to change.
    """
    conversation = _Conversation(profile)
    for message in messages:
        conversation.add(message)
    return conversation.finish()


class _Conversation:
    """The messages so far, and the parts that move after the tool results."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._messages: list[JsonValue] = []
        self._moved: list[JsonObject] = []
        self._begun = False
        """Whether there was a message of another role than the system's."""

    def add(self, message: Message) -> None:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        others: list[Part] = [part for part in message.parts if not isinstance(part, ToolResult)]
        for result in results:
            self._messages.append(self._result(result))
        if results and not others:
            return
        self._add_moved()
        if message.role in ("system", "developer"):
            if self._begun and not self._profile.mid_system:
                message = system_as_user(message, self._profile.model)
                others = list(message.parts)
        else:
            self._begun = True
        match message.role:
            case "assistant":
                self._assistant(message, others)
            case "tool":
                raise InvalidRequestError(
                    "a tool message holds something other than tool results; put text for the model into a user "
                    "message, or into the result's content"
                )
            case "user":
                self._messages.append(
                    self._message(message, [self._user_part(part, message.origin) for part in others])
                )
            case "system" | "developer":
                self._messages.append(self._message(message, [self._system_part(part, message) for part in others]))

    def finish(self) -> list[JsonValue]:
        self._add_moved()
        return self._messages

    def _message(self, message: Message, parts: list[JsonObject | None]) -> JsonObject:
        content = self._content([part for part in parts if part is not None], "")
        wire: JsonObject = {"role": message.role, "content": content}
        return _with_name(wire, message)

    # System and user

    def _system_part(self, part: Part, message: Message) -> JsonObject:
        if isinstance(part, Text):
            return self._text(part, message.origin)
        raise InvalidRequestError(
            f"a {message.role} message holds {type(part).__name__}; chat-completions takes text there, so move it to a "
            "user message"
        )

    def _user_part(self, part: Part, origin: Origin | None) -> JsonObject | None:
        wire: JsonObject | None
        match part:
            case Text():
                wire = self._text(part, origin)
            case Refusal():
                wire = self._marked({"type": "text", "text": part.text}, part.cache)
            case Image():
                wire = self._image(part)
            case Audio():
                wire = self._audio(part)
            case File():
                wire = self._file(part)
            case Native():
                wire = part.payload if part.api == _API and "role" not in part.payload else None
            case Reasoning():
                wire = None
            case Video():
                raise InvalidRequestError(
                    "chat-completions carries no video; use a Gemini model with api='generate-content', or images"
                )
            case ToolCall() | ToolResult():
                raise InvalidRequestError(
                    f"a user message or tool result holds {type(part).__name__}; put tool calls into assistant "
                    "messages and tool results into messages of their own"
                )
        return wire

    def _text(self, part: Text, origin: Origin | None) -> JsonObject:
        return self._marked({**opaque_for(part, origin, _API), "type": "text", "text": part.text}, part.cache)

    def _image(self, part: Image) -> JsonObject:
        if part.blob.file_id is not None:
            raise InvalidRequestError("chat-completions takes no file id for an image; give its bytes or a URL")
        image: JsonObject = {"url": data_url(part.blob, "image/png")}
        if part.detail is not None:
            image["detail"] = part.detail
        return self._marked({"type": "image_url", "image_url": image}, part.cache)

    def _audio(self, part: Audio) -> JsonObject:
        form = _AUDIO_FORMATS.get(media_type(part.blob) or "")
        if form is None or part.blob.data is None:
            raise InvalidRequestError(
                f"chat-completions takes the bytes of WAV and MP3 sound, not {part.blob.mime or 'sound of no type'}"
                f"{'' if part.blob.data is not None else ' by reference'}; convert it and set mime='audio/wav' or "
                "'audio/mpeg', or use a Gemini model with api='generate-content'"
            )
        return self._marked(
            {"type": "input_audio", "input_audio": {"data": part.blob.data, "format": form}}, part.cache
        )

    def _file(self, part: File) -> JsonObject:
        if part.citable or part.context is not None:
            warn_once(
                f"{self._profile.model}: citable files",
                "chat-completions has no field for a file's context and cannot ask for citations, so neither is sent; "
                "api='messages' can, where the model is served there",
            )
        if part.blob is None:
            title = part.title or part.filename
            text = part.text or ""
            return self._marked({"type": "text", "text": f"{title}:\n{text}" if title else text}, part.cache)
        if part.blob.url is not None:
            raise InvalidRequestError("chat-completions takes no URL for a file; give its bytes")
        if part.blob.file_id is not None:
            return self._marked({"type": "file", "file": {"file_id": part.blob.file_id}}, part.cache)
        name = part.filename or part.title or _FILE_NAMES.get(media_type(part.blob) or "", "document")
        return self._marked(
            {"type": "file", "file": {"filename": name, "file_data": data_url(part.blob, "application/pdf")}},
            part.cache,
        )

    def _marked(self, part: JsonObject, cache: CacheHint | None) -> JsonObject:
        return {**part, **cache_mark(cache, self._profile)}

    def _content(self, parts: list[JsonObject], if_empty: str | None) -> JsonValue:
        """Return the content of a message: a single plain text as a string, more as a list of parts.

        The message of a chat agent has a string and no list (docs/wire/chat-completions.md#chat-agents), so its texts
        are joined.
        """
        texts = [part["text"] for part in parts if part.keys() == {"type", "text"}]
        if len(texts) < len(parts) or (len(texts) > 1 and self._profile.content_lists):
            return list(parts)
        return "\n".join(text for text in texts if isinstance(text, str)) if texts else if_empty

    # Tool results

    def _result(self, result: ToolResult) -> JsonObject:
        texts: list[str] = []
        moved: list[JsonObject] = []
        cache = result.cache
        for part in result.content:
            cache = part.cache or cache
            if isinstance(part, Text) or (isinstance(part, File) and part.blob is None):
                texts.append(part.text or "")
                continue
            media = self._user_part(part, None)
            if media is not None:
                moved.append(media)
                texts.append(f"[{type(part).__name__} {len(moved)} of this result: see the user message that follows]")
        if moved:
            self._moved.append({"type": "text", "text": f"From the result of {_call_of(result)}:"})
            self._moved += moved
        text = "\n".join(texts)
        if result.is_error:
            text = f"Error: {text}" if text else "Error"
        content = self._content([self._marked({"type": "text", "text": text}, cache)], "")
        return {"role": "tool", "tool_call_id": result.call_id, "content": content}

    def _add_moved(self) -> None:
        if self._moved:
            self._messages.append({"role": "user", "content": list(self._moved)})
            self._moved = []

    # Assistant

    def _assistant(self, message: Message, parts: list[Part]) -> None:
        """Write an assistant's turn; an agent's intermediate messages keep their places in it."""
        turn: list[Part] = []
        for part in parts:
            if isinstance(part, Native) and part.api == _API and "role" in part.payload:
                if self._profile.intermediate_messages:
                    self._turn(message, turn)
                    self._messages.append(part.payload)
                    turn = []
                continue
            turn.append(part)
        if turn or not parts:
            self._turn(message, turn)

    def _turn(self, message: Message, parts: list[Part]) -> None:
        if not parts and message.parts:
            return
        wire: JsonObject = {"role": "assistant", "content": None}
        content: list[JsonObject] = []
        calls: list[JsonValue] = []
        for part in parts:
            match part:
                case ToolCall():
                    origin = message.origin if part.signature is None else None  # it was edited: it is no model's
                    calls.append(self._signed(_call(part, message.origin), origin, first=not calls))
                case Refusal() if _is_ours(message.origin):
                    wire["refusal"] = part.text
                case Audio(id=str(audio_id)) if _is_ours(message.origin):
                    wire["audio"] = {"id": audio_id}
                case _:
                    content += self._assistant_part(part, message.origin)
        if not content and not calls and (refusal := wire.pop("refusal", None)):
            content = [{"type": "text", "text": refusal}]  # a turn needs content or calls
        wire["content"] = self._content(content, None)
        if calls:
            wire["tool_calls"] = calls
        self._messages.append(_with_name(wire, message))

    def _signed(self, call: JsonObject, origin: Origin | None, *, first: bool) -> JsonObject:
        """Sign the first call of a turn if another model made it: some models refuse it unsigned.

        A call of this same model is sent as it was, signed or not, unless it was edited since.
        Sources: docs/wire/quirks.md#gemini-signature; docs/wire/generate-content.md#round-trip.
        """
        own = origin is not None and origin == Origin(_API, self._profile.model)
        if not self._profile.signed_tool_calls or own or not first or "thoughtSignature" in call:
            return call
        return {**call, "thoughtSignature": SKIP_SIGNATURE}

    def _assistant_part(self, part: Part, origin: Origin | None) -> list[JsonObject]:
        match part:
            case Audio(transcript=str(transcript)):
                return [self._marked({"type": "text", "text": transcript}, part.cache)]
            case Image() if _is_ours(origin):
                return [self._image(part)]
            case Image() | Audio() | File() | Video():
                raise InvalidRequestError(
                    f"an assistant message holds {type(part).__name__}, which chat-completions takes in user messages "
                    "only; move it there or leave it out"
                )
            case Native(api="chat-completions", payload=payload) if not self._is_replayed(payload):
                warn_not_replayed(_API, str(payload.get("type")))
                return []
            case _:
                wire = self._user_part(part, origin)
                return [] if wire is None else [wire]

    def _is_replayed(self, payload: JsonObject) -> bool:
        return self._profile.intermediate_messages or text_or_empty(payload.get("type")) in _CONTENT


def _with_name(wire: JsonObject, message: Message) -> JsonObject:
    return wire if message.name is None else {**wire, "name": message.name}


def _is_ours(origin: Origin | None) -> bool:
    return origin is not None and origin.api == _API


def _call(call: ToolCall, origin: Origin | None) -> JsonObject:
    """Write a tool call; its unknown fields go back to the level they came from."""
    opaque = opaque_for(call, origin, _API)
    level = "custom" if call.custom else "function"
    inner = opaque.get(level)
    extras = inner if isinstance(inner, dict) else {}
    inner_fields: JsonObject = (
        {**extras, "name": call.name, "input": call.arguments}
        if call.custom
        else {**extras, "name": call.name, "arguments": object_arguments(call)}
    )
    return {"type": level, **opaque, "id": call.call_id, level: inner_fields}


def _call_of(result: ToolResult) -> str:
    return f"{result.name} (call {result.call_id})" if result.name else f"call {result.call_id}"
