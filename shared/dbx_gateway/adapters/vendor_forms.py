"""Content, tools, tool choices and answer formats as the vendors' own documentation writes them.

People bring such objects along from other libraries. What is read here goes to any api; an object that is none of these
forms gives None, and the caller decides. Sources: docs/wire/chat-completions.md#request;
docs/wire/responses.md#request; docs/wire/messages.md#request; docs/wire/generate-content.md#request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from pydantic_core import PydanticSerializationError, to_json

from dbx_gateway.chat import (
    Audio,
    Blob,
    CacheHint,
    Citation,
    File,
    Image,
    OutputFormat,
    Part,
    Reasoning,
    Refusal,
    Segment,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Video,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.parts import blob_of_url

__all__ = [
    "JSON_FORMAT",
    "cache_hint_of",
    "cache_mark_of",
    "choice_of",
    "format_of",
    "is_citable",
    "is_format",
    "is_one_call_at_a_time",
    "is_record",
    "json_text",
    "part_of",
    "result_part_of",
    "schema_format",
    "schema_tool",
    "tool_of",
    "with_cache_mark",
]

_Object: TypeAlias = Mapping[str, Any]

_OF_SEARCH_RESULT: Final = frozenset(
    {"type", "title", "source", "content", "citations", "cache_control", "id", "index", "extras"}
)
"""Keys of a search result that a model can cite; a hit with others is a tool's own record."""
_OF_LINK: Final = frozenset(
    {
        "type",
        "id",
        "index",
        "extras",
        "metadata",
        "cache_control",
        "citations",
        "source_type",
        "mime_type",
        "detail",
        "fps",
    }
    | {"url", "file_id", "file_uri", "file_url", "image_url", "video_url", "source", "file"}
    | {"filename", "title", "context", "transcript"}
)
"""Keys of the blocks that name a file by its URL or id; what has others is a tool's record about a file."""

_SOUND_TYPES: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_OF_FUNCTION: Final = frozenset({"type", "function", "cache_control"})
_OF_FLAT: Final = frozenset(
    {"type", "name", "description", "parameters", "input_schema", "strict", "cache_control", "format"}
)

_JSON_TYPES: Final = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_NO_TOOLS: Final = frozenset({"properties", "$defs", "toolSpec"})
"""Keys that stand alone in objects which are no tools of Gemini: schemas, and the tools of Bedrock's Converse api."""


def _object(value: Any) -> _Object:
    """Return ``value`` if it is an object, else an empty one."""
    return cast("_Object", value) if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return [*cast("Sequence[Any]", value)] if isinstance(value, list) else []


# Content


def cache_hint_of(block: _Object) -> CacheHint | None:
    """Return the cache mark on a block or a tool, in the Anthropic form; None where there is none."""
    control = block.get("cache_control")
    return CacheHint(_object(control).get("ttl")) if isinstance(control, Mapping) else None


def cache_mark_of(block: _Object) -> dict[str, Any]:
    """Return the cache mark on a block or a tool unchanged, to be put on another form of it."""
    return {"cache_control": block["cache_control"]} if cache_hint_of(block) is not None else {}


def with_cache_mark(block: _Object, ttl: str) -> dict[str, Any]:
    """Return a block or a tool with a mark up to which all is to be cached; one that has a mark keeps that.

    Args:
        block: a content block, a tool, or what stands beside one; it is not changed.
        ttl: how long since its last use: ``"5m"`` or ``"1h"``.
    """
    return {"cache_control": {"type": "ephemeral", "ttl": ttl}, **block}


def part_of(block: _Object) -> Part | None:
    """Return a content block of the OpenAI, Anthropic or Gemini apis as a part; None where it is no known form.

    So is a block of MCP's tool results. The JSON that the frameworks' tools give as a block (a form of Bedrock's Converse
    api) is its text.
    """
    cache = cache_hint_of(block)
    match block:
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            return Text(text, _citations(block), cache=cache)
        case {"type": "refusal", "refusal": str(text)}:
            return Refusal(text)
        case {"type": "image_url" | "input_image" | "image" | "video_url" | "input_audio" | "media"}:
            return _medium(block, cache)
        case {"type": "audio" | "resource"}:
            return _of_mcp(block, cache)
        case {"type": "file" | "input_file" | "document" | "search_result"}:
            return _document(block, cache)
        case {"type": "thinking" | "redacted_thinking" | "reasoning"}:
            return _reasoning(block)
        case {"type": "tool_use" | "function_call" | "custom_tool_call"}:
            return _call(block)
        case {"type": "tool_result", "tool_use_id": str(call_id)}:
            return _result(block, call_id, cache)
        case {"type": "function_call_output" | "custom_tool_call_output", "call_id": str(call_id)}:
            return ToolResult(call_id=call_id, content=_content(block.get("output")))
        case {"type": "custom_tool_call_output", "output": output}:
            return Text(_text_in(output), cache=cache)
        case {"type": "json", "json": value}:
            return Text(json_text(value), cache=cache)
        case _:
            return None


def result_part_of(block: _Object) -> Part:
    """Return an object in a tool's result as a part; one that is no block of the type it names goes as its JSON."""
    part = None if is_record(block) else part_of(block)
    return Text(json_text(block)) if part is None or isinstance(part, ToolCall | ToolResult) else part


def is_record(block: _Object) -> bool:
    """Whether an object that names a file by its URL or id is a tool's record about the file, such as a folder's entry."""
    by_reference = any(isinstance(block.get(name), str) for name in ("url", "file_id"))
    return by_reference and not block.keys() <= _OF_LINK and not any(name in block for name in ("base64", "data"))


def _medium(block: _Object, cache: CacheHint | None) -> Part | None:
    match block:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return Image(blob=blob_of_url(url), detail=block["image_url"].get("detail"), cache=cache)
        case {"type": "image_url" | "input_image", "image_url": str(url)}:
            return Image(blob=blob_of_url(url), detail=block.get("detail"), cache=cache)
        case {"type": "input_image", "file_id": str(file_id)}:
            return Image(blob=Blob(file_id=file_id), detail=block.get("detail"), cache=cache)
        case {"type": "image", "source": source}:
            blob = _source(_object(source))
            return None if blob is None else Image(blob=blob, cache=cache)
        case {"type": "image"}:
            return _of_mcp(block, cache)
        case {"type": "video_url", "video_url": {"url": str(url)}}:
            return Video(blob=blob_of_url(url), cache=cache)
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(form)}}:
            return Audio(blob=Blob(data=data, mime=_SOUND_TYPES.get(form, f"audio/{form}")), cache=cache)
        case {"type": "media", "mime_type": str(mime)}:
            return _of_mime(mime, block, cache)
        case _:
            return None


def _of_mcp(block: _Object, cache: CacheHint | None) -> Part | None:
    """Return a block of MCP's tool results (Model Context Protocol 2025-06-18, "Tool Result") as a part."""
    mime = _mime_of_mcp(block)
    match block:
        case {"type": "image", "data": str(data)}:
            return Image(
                blob=blob_of_url(data, mime) if data.startswith("data:") else Blob(data=data, mime=mime), cache=cache
            )
        case {"type": "audio", "data": str(data)}:
            return Audio(blob=Blob(data=data, mime=mime), cache=cache)
        case {"type": "resource", "resource": {"text": str(text)}}:
            return Text(text, cache=cache)
        case {"type": "resource", "resource": {"blob": str(data)}}:
            resource = _object(block["resource"])
            return _of_mime(_mime_of_mcp(resource) or "application/octet-stream", {"data": data}, cache)
        case _:
            return None


def _mime_of_mcp(block: _Object) -> str | None:
    mime = block.get("mimeType") or block.get("mime_type")
    return mime if isinstance(mime, str) else None


def _of_mime(mime: str, block: _Object, cache: CacheHint | None) -> Part | None:
    """Return a Gemini blob, which says by its media type what it is."""
    blob = Blob(data=block.get("data"), url=block.get("file_uri"), mime=mime)
    match mime.partition("/")[0]:
        case "image":
            return Image(blob=blob, cache=cache)
        case "audio":
            return Audio(blob=blob, cache=cache)
        case "video":
            return Video(blob=blob, cache=cache)
        case _:
            return File(blob=blob, cache=cache)


def _document(block: _Object, cache: CacheHint | None) -> File | None:
    match block:
        case {"type": "file" | "input_file"}:
            file = _object(block.get("file")) or block
            blob = _file_blob(file)
            return None if blob is None else File(blob=blob, filename=file.get("filename"), cache=cache)
        case {"type": "document", "source": source}:
            return _cited_document(block, _object(source), cache)
        case {"type": "search_result", "content": content} if block.keys() <= _OF_SEARCH_RESULT:
            return File(text=_text_in(content), title=block.get("title"), citable=is_citable(block), cache=cache)
        case _:
            return None


def _cited_document(block: _Object, source: _Object, cache: CacheHint | None) -> File | None:
    citable = is_citable(block)
    title, context = block.get("title"), block.get("context")
    match source:
        case {"type": "text", "data": str(text)}:
            return File(text=text, title=title, context=context, citable=citable, cache=cache)
        case {"type": "content", "content": content}:
            return File(text=_text_in(content), title=title, context=context, citable=citable, cache=cache)
        case _:
            blob = _source(source)
            if blob is None:
                return None
            return File(blob=blob, title=title, context=context, citable=citable, cache=cache)


def is_citable(block: _Object) -> bool:
    """Whether a document may be cited, in the Anthropic form."""
    return _object(block.get("citations")).get("enabled") is True


def _file_blob(file: _Object) -> Blob | None:
    match file:
        case {"file_data": str(data)}:
            blob = blob_of_url(data)
            return blob if blob.data is not None else Blob(data=data)
        case {"file_id": str(file_id)}:
            return Blob(file_id=file_id)
        case {"file_url": str(url)}:
            return blob_of_url(url)
        case _:
            return None


def _source(source: _Object) -> Blob | None:
    match source:
        case {"type": "base64", "data": str(data)}:
            return Blob(data=data, mime=source.get("media_type"))
        case {"type": "url", "url": str(url)}:
            return blob_of_url(url)
        case {"type": "file", "file_id": str(file_id)}:
            return Blob(file_id=file_id)
        case _:
            return None


def _reasoning(block: _Object) -> Reasoning | None:
    match block:
        case {"type": "thinking", "thinking": str(text)}:
            return Reasoning(segments=_segments("raw", [text]), signature=block.get("signature"))
        case {"type": "redacted_thinking", "data": str(data)}:
            return Reasoning(redacted=data)
        case {"type": "reasoning", "summary": summary}:
            runs = [_object(run) for run in _list(summary)]
            return Reasoning(
                segments=_segments("summary", [str(run.get("text") or "") for run in runs]),
                signature=next((str(run["signature"]) for run in runs if run.get("signature")), None),
                encrypted=block.get("encrypted_content"),
                id=block.get("id"),
            )
        case _:
            return None


def _segments(kind: Any, texts: Sequence[str]) -> tuple[Segment, ...]:
    return tuple(Segment(kind, text) for text in texts if text)


def _call(block: _Object) -> ToolCall | None:
    match block:
        case {"type": "tool_use", "id": str(call_id), "name": str(name)}:
            return ToolCall(call_id=call_id, name=name, arguments=to_json(block.get("input") or {}).decode())
        case {"type": "function_call", "call_id": str(call_id), "name": str(name), "arguments": str(text)}:
            return ToolCall(call_id=call_id, name=name, arguments=text)
        case {"type": "custom_tool_call", "call_id": str(call_id), "name": str(name), "input": str(text)}:
            return ToolCall(call_id=call_id, name=name, arguments=text, custom=True)
        case _:
            return None


def _result(block: _Object, call_id: str, cache: CacheHint | None) -> ToolResult:
    content = _content(block.get("content"))
    return ToolResult(call_id=call_id, content=content, is_error=block.get("is_error") is True, cache=cache)


def _content(content: Any) -> tuple[Part, ...]:
    """Return the content of a result: a text, or blocks."""
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(result_part_of(_object(block)) for block in _list(content))


def _text_in(content: Any) -> str:
    return "\n".join(part.text for part in _content(content) if isinstance(part, Text))


def json_text(value: Any) -> str:
    """Return a value as JSON.

    Raises:
        InvalidRequestError: it holds what JSON cannot.
    """
    try:
        return to_json(value).decode()
    except PydanticSerializationError as error:
        raise InvalidRequestError(f"a block of type 'json' holds what is no JSON: {error}") from None


def _citations(block: _Object) -> tuple[Citation, ...]:
    notes = [_object(note) for note in _list(block.get("citations")) or _list(block.get("annotations"))]
    return tuple(
        Citation(
            kind=str(note.get("type") or "citation"),
            cited_text=note.get("cited_text"),
            url=note.get("url"),
            title=note.get("title") or note.get("document_title"),
            start=note.get("start_index"),
            end=note.get("end_index"),
            source=dict(note),
        )
        for note in notes
    )


# Tools


def tool_of(tool: _Object) -> ToolSpec | None:
    """Return a tool of the OpenAI, Anthropic or Gemini apis; None where it is no known form.

    A server-side tool stays the object it is.
    """
    cache = cache_hint_of(tool)
    match tool:
        case {"type": "function", "function": {"name": str(name)}}:
            extras = {key: value for key, value in tool.items() if key not in _OF_FUNCTION}
            function = _object(tool["function"])
            return _function(name, function, function.get("parameters"), cache, extras)
        case {"type": "function", "name": str(name)}:
            return _function(name, tool, tool.get("parameters"), cache, _beside(tool))
        case {"name": str(name), "input_schema": schema}:
            return _function(name, tool, schema, cache, _beside(tool))
        case {"type": "custom"}:
            return _custom(_object(tool.get("custom")) or tool)
        case {"type": str(kind)} if kind != "function" and kind not in _JSON_TYPES:
            return ToolSpec(name=str(tool.get("name") or kind), native=dict(tool))
        case _:
            return _by_its_one_key(tool)


def _custom(tool: _Object) -> ToolSpec:
    return ToolSpec(
        name=str(tool.get("name") or ""),
        description=str(tool.get("description") or ""),
        parameters=dict(_object(tool.get("format"))),
        custom=True,
    )


def _by_its_one_key(tool: _Object) -> ToolSpec | None:
    """Return a server-side tool of Gemini, whose one key names it."""
    keys = list(tool)
    if len(keys) != 1 or keys[0] in _NO_TOOLS or not isinstance(tool[keys[0]], Mapping | list):
        return None
    return ToolSpec(name=str(keys[0]), native=dict(tool))


def _beside(tool: _Object) -> dict[str, Any]:
    return {key: value for key, value in tool.items() if key not in _OF_FLAT}


def _function(name: str, definition: _Object, schema: Any, cache: CacheHint | None, extras: dict[str, Any]) -> ToolSpec:
    return ToolSpec(
        name=name,
        description=str(definition.get("description") or ""),
        parameters=dict(_object(schema)),
        strict=definition.get("strict"),
        cache=cache,
        extras=extras,
    )


# Tool choice


def choice_of(choice: Any, names: Sequence[str]) -> ToolChoice | None:
    """Return a tool choice in any of its spellings; None and False leave the choice to the model.

    Args:
        choice: ``auto``, ``none``, ``any``, ``required``, True, a tool's name, or the object of the OpenAI, Anthropic or
            Gemini apis.
        names: of the tools on offer.

    Raises:
        InvalidRequestError: it names no tool on offer, or is of no known form.
    """
    match choice:
        case ToolChoice():
            return choice
        case None | False:
            return None
        case "auto" | "none":
            return ToolChoice(choice)
        case "any" | "required" | True:
            return ToolChoice("required")
        case str():
            return _forced([choice], names)
        case Mapping():
            return _choice_of_object(_object(choice), names)
        case _:
            raise _no_choice(choice)


def is_one_call_at_a_time(choice: Any) -> bool:
    """Whether a tool choice is an Anthropic object that also forbids several calls at once."""
    return _object(choice).get("disable_parallel_tool_use") is True


def _choice_of_object(choice: _Object, names: Sequence[str]) -> ToolChoice | None:
    match choice:
        case {"type": "function" | "custom" | "tool", "name": str(name)}:
            return _forced([name], names)
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}}:
            return _forced([name], names)
        case {"type": "allowed_tools"}:
            allowed = _object(choice.get("allowed_tools")) or choice
            return _allowed(str(allowed.get("mode")), [_name_in(tool) for tool in _list(allowed.get("tools"))], names)
        case {"type": "auto" | "any" | "none" | "required" as word}:
            return choice_of(word, names)
        case {"function_calling_config": config} | {"functionCallingConfig": config}:
            config = _object(config)
            chosen = _list(config.get("allowed_function_names")) or _list(config.get("allowedFunctionNames"))
            return _allowed(str(config.get("mode") or "auto").lower(), chosen, names)
        case {"name": str(name)}:
            return _forced([name], names)
        case _:
            raise _no_choice(dict(choice))


def _name_in(tool: Any) -> str:
    match tool:
        case {"name": str(name)} | {"function": {"name": str(name)}} | {"custom": {"name": str(name)}}:
            return name
        case _:
            raise _no_choice(tool)


def _allowed(mode: str, allowed: Sequence[str], names: Sequence[str]) -> ToolChoice | None:
    if mode in ("any", "required") and allowed:
        return _forced(allowed, names)
    if mode == "auto" and allowed:
        raise InvalidRequestError(
            "tool_choice leaves the choice among some of the tools; offer only those, with tool_choice='auto'"
        )
    if mode not in ("auto", "any", "none", "required"):
        raise _no_choice(mode)
    return choice_of(mode, names)


def _forced(chosen: Sequence[str], names: Sequence[str]) -> ToolChoice:
    for name in chosen:
        if name not in names:
            raise InvalidRequestError(
                f"tool_choice is {name!r}, which is none of the tools on offer: {', '.join(names) or 'there are none'}; "
                "give one of them, or 'auto', 'any' or 'none'"
            )
    return ToolChoice("required", tuple(chosen))


def _no_choice(choice: Any) -> InvalidRequestError:
    return InvalidRequestError(f"tool_choice is {choice!r}; give 'auto', 'any', 'none' or a tool's name")


# Answer format

JSON_FORMAT: Final[Mapping[str, str]] = {"type": "json_object"}
"""The ``response_format`` that asks for any JSON object."""


def format_of(response_format: Any) -> OutputFormat | None:
    """Return a ``response_format`` of the OpenAI or Anthropic apis; None for plain text.

    Raises:
        InvalidRequestError: it is of no known form.
    """
    match response_format:
        case OutputFormat():
            return response_format
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return OutputFormat(kind="json")
        case {"type": "json_schema", "json_schema": {"schema": Mapping()}}:
            return _schema_format(_object(response_format["json_schema"]))
        case {"type": "json_schema", "schema": Mapping()}:
            return _schema_format(_object(response_format))
        case _:
            raise InvalidRequestError(
                "response_format takes {'type': 'json_object'} or {'type': 'json_schema', 'json_schema': {...}}"
            )


def is_format(value: _Object) -> bool:
    """Whether an object is a ``response_format``, and not a schema."""
    return value.get("type") in ("text", "json_object", "json_schema")


def schema_format(schema: _Object, strict: bool | None = None) -> dict[str, Any]:  # noqa: FBT001  # a setting of the api
    """Return the ``response_format`` that asks for objects of ``schema``, under its title."""
    named: dict[str, Any] = {"name": _title_of(schema), "schema": dict(schema)}
    return {"type": "json_schema", "json_schema": named | ({} if strict is None else {"strict": strict})}


def schema_tool(schema: _Object, strict: bool | None = None) -> dict[str, Any]:  # noqa: FBT001  # a setting of the api
    """Return the tool whose arguments are an object of ``schema``, under its title."""
    function: dict[str, Any] = {
        "name": _title_of(schema),
        "description": str(schema.get("description") or ""),
        "parameters": {name: value for name, value in schema.items() if name not in ("title", "description")},
    }
    return {"type": "function", "function": function | ({} if strict is None else {"strict": strict})}


def _title_of(schema: _Object) -> str:
    return str(schema.get("title") or "answer")


def _schema_format(named: _Object) -> OutputFormat:
    schema = dict(_object(named["schema"]))
    return OutputFormat(
        kind="json_schema",
        schema=schema,
        name=str(named.get("name") or _title_of(schema)),
        description=named.get("description"),
        strict=named.get("strict"),
    )
