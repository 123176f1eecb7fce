"""What can be known to be wrong with a request before anything is sent."""

from __future__ import annotations

import base64
import hashlib
import marshal
import math
from collections import Counter
from typing import Final

from dbx_gateway.chat import (
    Audio,
    Blob,
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Video,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_schema import check_schema
from dbx_gateway.media_types import media_type, type_of_bytes
from dbx_gateway.models.profile import Profile

__all__ = ["MOST_SOUND", "check_last_turn", "check_media", "check_request", "check_tools"]

MOST_SOUND: Final = 1000
"""Sets of tools that are remembered as sound at most; then all are forgotten, and looked at again."""

_sound: dict[bytes, None] = {}
"""Digests of sets of tools without a fault. They are the same for everybody, and say nothing of what the tools are."""

_LOCAL: Final = ("file:", "dbfs:", "blob:", "/", "./", "../", "~/")
"""How URLs and paths begin that name a place that only this machine, workspace or browser can read."""


def check_request(request: ChatRequest) -> None:
    """Check what no server would take, whatever the model and the api.

    Raises:
        InvalidRequestError: the message says what to change.
    """
    if not request.model.strip():
        raise InvalidRequestError(
            "the model name is empty; give model= the name of a serving endpoint or model service"
        )
    if not request.messages:
        raise InvalidRequestError("the conversation is empty; give at least one message")
    if not any(_has_content(part) for message in request.messages for part in message.parts):
        raise InvalidRequestError("no message has any content; give at least one text")
    _check_numbers(request)
    _check_fields(request)
    check_tools(request.tools)
    _check_choice(request)
    _check_results(request.messages)
    for message in request.messages:
        for part in message.parts:
            _check_part(part)


def check_tools(tools: tuple[ToolSpec, ...]) -> None:
    """Check that each tool has a name of its own and a schema of an object that JSON can hold.

    Raises:
        InvalidRequestError: the message names the tool.
    """
    # An agent offers the same tools with each call, and a look at twenty takes as long as all else that is checked.
    digest = _digest(tools) if tools else None
    if digest is not None and digest in _sound:
        return
    _check_each(tools)
    if digest is not None:
        if len(_sound) >= MOST_SOUND:
            _sound.clear()
        _sound[digest] = None


def _digest(tools: tuple[ToolSpec, ...]) -> bytes | None:
    """Return a digest that no other tools have, whatever types their values are of; None where there is none."""
    fields = [(one.name, one.description, one.parameters, one.native, one.extras, one.custom) for one in tools]
    try:
        # It takes plain values only, tells their types apart, and up to this version writes equal ones alike.
        written = marshal.dumps(fields, 2)
    except ValueError:
        return None
    return hashlib.blake2b(written, digest_size=16).digest()


def _check_each(tools: tuple[ToolSpec, ...]) -> None:
    twice = [name for name, count in Counter(tool.name for tool in tools if tool.native is None).items() if count > 1]
    if twice:
        raise InvalidRequestError(f"two tools are called {twice[0]!r}; give each tool a name of its own")
    for tool in tools:
        if tool.native is None:
            if not tool.name.strip():
                raise InvalidRequestError("a tool has no name; give each tool a name")
            _check_text(tool.name, "a tool's name")
            _check_text(tool.description, f"the description of tool {tool.name!r}")
            check_schema(tool.parameters, f"the parameters of tool {tool.name!r}")
            _check_is_of_object(tool)
        check_schema(tool.native or tool.extras, f"tool {tool.name!r}")


def _check_is_of_object(tool: ToolSpec) -> None:
    kind = tool.parameters.get("type", "object")
    if not tool.custom and isinstance(kind, str) and kind.lower() != "object":
        raise InvalidRequestError(
            f"the parameters of tool {tool.name!r} are of type {kind!r}, and what a tool is called with is always an "
            "object; put it into a property of one"
        )


def _check_numbers(request: ChatRequest) -> None:
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty"):
        value = getattr(request, name)
        if value is not None and not math.isfinite(value):
            raise InvalidRequestError(
                f"{name} is {value}, which JSON cannot carry; give a finite number or leave it out"
            )
    if request.max_tokens is not None and request.max_tokens < 1:
        raise InvalidRequestError(f"max_tokens is {request.max_tokens}; give at least 1, or None for the default")
    if request.output is not None and request.output.schema is not None:
        check_schema(request.output.schema, f"the schema of the answer {request.output.name!r}")
    if request.output is not None and request.output.kind == "json_schema" and request.output.schema is None:
        raise InvalidRequestError("output is json_schema but has no schema; give OutputFormat(schema=...)")


def _check_fields(request: ChatRequest) -> None:
    """Check what goes into the body as the caller gave it."""
    check_schema(request.extra_body, "extra_body")
    check_schema(request.custom_inputs or {}, "custom_inputs")
    check_schema(request.metadata or {}, "metadata")
    for word in request.stop:
        _check_text(word, "a stop sequence")


def _check_choice(request: ChatRequest) -> None:
    choice = request.tool_choice
    if choice is None:
        return
    offered = {tool.name for tool in request.tools}
    unknown = [name for name in choice.names if name not in offered]
    if unknown:
        raise InvalidRequestError(
            f"tool_choice names {unknown[0]!r}, which is not among the tools: {', '.join(sorted(offered)) or 'none'}"
        )
    if choice.mode == "required" and not request.tools:
        raise InvalidRequestError("tool_choice requires a call but there are no tools; give tools= or leave it out")


def _check_results(messages: tuple[Message, ...]) -> None:
    called: set[str] = set()
    for message in messages:
        for part in message.parts:
            match part:
                case ToolCall():
                    called.add(part.call_id)
                case ToolResult() if part.call_id not in called:
                    raise InvalidRequestError(
                        f"a tool result answers call {part.call_id!r}, which no earlier message makes; "
                        "keep the assistant message with its tool calls before the results"
                    )
                case _:
                    pass


def _has_content(part: Part) -> bool:
    return not isinstance(part, Text) or part.text != ""


def _check_text(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError(
            f"{what} holds half a character (a lone surrogate), which no request can carry; it was cut or decoded wrongly"
        ) from None


def _check_part(part: Part) -> None:
    match part:
        case Text() | Refusal():
            _check_text(part.text, "a text")
        case ToolCall():
            _check_text(part.arguments, f"the arguments of call {part.call_id!r}")
        case Image():
            _check_blob(part, "image")
            _check_picture(part)
        case Audio() | Video():
            _check_blob(part, type(part).__name__.lower())
        case File() if part.blob is not None:
            _check_blob(part, "file")
        case File() if part.text is None:
            raise InvalidRequestError("a file part has neither bytes nor text; give blob= or text=")
        case File(text=str(text)):
            _check_text(text, "a file's text")
        case ToolResult():
            for inner in part.content:
                _check_part(inner)
        case _:
            pass


def _check_blob(part: Image | Audio | Video | File, what: str) -> None:
    blob = part.blob
    sources = 0 if blob is None else sum(value is not None for value in (blob.data, blob.url, blob.file_id))
    if sources != 1:
        raise InvalidRequestError(f"the {what} has {sources} of data, url and file_id; give exactly one")
    if blob is not None and "" in (blob.data, blob.url, blob.file_id):
        raise InvalidRequestError(f"the {what} is empty; check what was loaded")
    if blob is not None and blob.url is not None and blob.url.lower().startswith(_LOCAL):
        raise InvalidRequestError(
            f"the {what} is named by a place on this machine, which no server can read; load it and give its bytes in base64"
        )


def _check_picture(part: Image) -> None:
    blob = part.blob
    kind = media_type(blob)
    if kind is not None and not kind.startswith("image/"):
        raise InvalidRequestError(f"an image part holds {kind}; use a file part for documents, audio for sound")
    if blob.data is None:
        return
    try:
        base64.b64decode(blob.data[:64], validate=True)
    except ValueError:
        raise InvalidRequestError("an image's data is not base64; encode its bytes, without a 'data:' prefix") from None
    if type_of_bytes(blob.data) is None:
        raise InvalidRequestError(
            "an image's bytes are no picture that models read (PNG, JPEG, GIF, WebP, ...); check what was loaded"
        )


def check_media(request: ChatRequest, profile: Profile) -> None:
    """Check that the model takes the kinds of media in the conversation.

    Only a model with a row of its own is known well enough: any other may take what the nearest does not.

    Raises:
        InvalidRequestError: it does not; the message names the kind.
    """
    if not profile.known:
        return
    for message in request.messages:
        for part in message.parts:
            for medium in part.content if isinstance(part, ToolResult) else (part,):
                name = _capability(medium)
                if name is not None and (why := profile.why_not(name)) is not None:
                    raise InvalidRequestError(
                        f"the conversation holds {_MEDIA_NAMES[name]}, and {request.model!r} takes none ({why}); leave it out "
                        "or choose a model that does"
                    )


_MEDIA_NAMES: Final = {"images": "an image", "audio": "audio", "video": "a video", "pdf": "a PDF document"}


def _capability(part: Part) -> str | None:
    """Return the field of a profile that says whether a model takes ``part``."""
    match part:
        case Image():
            return "images"
        case Audio() if part.blob.data is not None or part.blob.url is not None:
            return "audio"
        case Video():
            return "video"
        case File(blob=Blob(mime="application/pdf")):
            return "pdf"
        case _:
            return None


def _is_sent(message: Message) -> bool:
    """Whether a message is a turn on every api: one of nothing but blank text and reasoning may be left out."""
    return any(
        bool(part.text.strip()) if isinstance(part, Text) else not isinstance(part, Reasoning) for part in message.parts
    )


def check_last_turn(request: ChatRequest, profile: Profile) -> None:
    """Check that the model takes the conversation's last turn.

    Raises:
        InvalidRequestError: it is an assistant's, and the model continues none.
    """
    if profile.prefill:
        return
    last = next((message for message in reversed(request.messages) if _is_sent(message)), request.messages[-1])
    if last.role == "assistant" and any(isinstance(part, Text | Refusal) for part in last.parts):
        raise InvalidRequestError(
            f"the conversation ends with an assistant message, and {request.model!r} does not continue one (no prefill); "
            "end with a user message, or set family= if the model does"
        )
