"""The generate-content api of Gemini: ``POST .../models/<model>:generateContent`` and ``:streamGenerateContent?alt=sse``.

Source: docs/wire/generate-content.md. The URL names the model and whether to stream.
"""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue
from pydantic_core import to_json

from dbx_gateway.chat import ChatRequest, ChatResponse, JsonObject, ToolSpec
from dbx_gateway.dialects.generate_content.answer import GenerateContentDecoder, decode_answer
from dbx_gateway.dialects.generate_content.prompt import API, write_contents
from dbx_gateway.dialects.generate_content.thinking import thinking_config
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once
from dbx_gateway.surfaces import Api

__all__ = ["GENERATE_CONTENT", "GenerateContent"]

_NO_ARGUMENT_KEYWORDS: Final = frozenset(
    {"$comment", "$defs", "$id", "$schema", "additionalProperties", "definitions", "description", "title", "type"}
)
"""Keywords that declare no argument."""


class GenerateContent:
    """Writes requests and reads answers of the generate-content api."""

    api: Api = API

    def encode(self, request: ChatRequest, profile: Profile) -> JsonObject:
        """Return the body to send, without ``extra_body``. Schemas are sent as the caller set them.

        Raises:
            InvalidRequestError: the request holds something this api cannot carry; the message says what to change.
        """
        _check_fields(request)
        written = write_contents(request, profile)
        body: JsonObject = {
            "systemInstruction": {"parts": written.system} if written.system else {},
            "contents": written.contents,
            "tools": _tools(request.tools),
            "toolConfig": _tool_config(request),
            "generationConfig": _generation_config(request, profile),
            "labels": _labels(request),
            "serviceTier": request.service_tier,
        }
        return {name: value for name, value in body.items() if value is not None and value not in ([], {})}

    def decode(self, body: JsonValue, model: str) -> ChatResponse:
        """Return the answer in ``body``, an object or that object in a list; ``model`` is the requested name.

        Raises:
            InvalidResponseError: the body is not an answer of this api.
        """
        return decode_answer(body, model)

    def decoder(self, model: str) -> GenerateContentDecoder:
        """Return a new reader of one stream; ``model`` is the requested name."""
        return GenerateContentDecoder(model)


GENERATE_CONTENT: Final = GenerateContent()


def _check_fields(request: ChatRequest) -> None:
    """Refuse, or warn about, settings this api has no field for (docs/wire/comparison.md#what-an-api-cannot-carry)."""
    if request.custom_inputs:
        raise InvalidRequestError(
            "custom_inputs are for agent endpoints, and the generate-content api has no field for them; leave them out"
        )
    if request.parallel_tool_calls is False and request.tools:
        _warn_of(request, "parallel_tool_calls=False", "the model may call several tools at once")
    if request.user is not None:
        _warn_of(request, "user", "metadata= is sent as labels, and may carry it")


def _warn_of(request: ChatRequest, what: str, hint: str) -> None:
    warn_once(
        f"{request.model}: {what}",
        f"the generate-content api has no {what}, so it is not sent for {request.model}; {hint}",
    )


def _tools(tools: tuple[ToolSpec, ...]) -> list[JsonValue]:
    """Return the tools: all functions in one entry, each native tool as it is."""
    declarations: list[JsonValue] = [_declaration(tool) for tool in tools if tool.native is None]
    native: list[JsonValue] = [{**tool.native} for tool in tools if tool.native is not None]
    return [{"functionDeclarations": declarations}, *native] if declarations else native


def _declaration(tool: ToolSpec) -> JsonObject:
    declaration: JsonObject = {"name": tool.name}
    if tool.description:
        declaration["description"] = tool.description
    if tool.custom:
        declaration["parameters"] = _wrapped(tool)
    elif _has_arguments(tool.parameters):
        declaration["parameters"] = tool.parameters
    return {**declaration, **tool.extras}


def _has_arguments(parameters: JsonObject) -> bool:
    """Whether a function takes arguments; one that takes none is declared without parameters."""
    if any(parameters.get(key) for key in ("properties", "required")):
        return True
    if parameters.get("additionalProperties", False) is not False:
        return True
    return bool(parameters.keys() - _NO_ARGUMENT_KEYWORDS - {"properties", "required"})


def _wrapped(tool: ToolSpec) -> JsonObject:
    """Return the schema that replaces a free-text tool: one string.

    Source: docs/wire/comparison.md#what-an-api-cannot-carry.
    """
    warn_once(
        f"tool {tool.name}: custom",
        f"the generate-content api has no free-text tools; {tool.name!r} is offered with one string argument 'input' "
        "instead, and its calls arrive as that JSON object",
    )
    return {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def _tool_config(request: ChatRequest) -> JsonObject:
    """Return the tool choice; none where no function is declared, as the api refuses that.

    Source: docs/wire/generate-content.md#request.
    """
    functions = [tool for tool in request.tools if tool.native is None]
    choice = request.tool_choice
    strict = any(tool.strict for tool in functions)
    if not functions or (choice is None and not strict):
        return {}
    config: JsonObject
    match choice.mode if choice is not None else "auto":
        case "none":
            config = {"mode": "NONE"}
        case "required":
            config = {"mode": "ANY"}
            if choice is not None and choice.names:
                config["allowedFunctionNames"] = [*choice.names]
            if strict:
                _warn_of(request, "strict beside a forced call", "VALIDATED, its strict mode, forces no call")
        case "auto":
            config = {"mode": "VALIDATED" if strict else "AUTO"}
    return {"functionCallingConfig": config}


_MOST_STOPS: Final = 5
"""Stop sequences that the format takes (docs/wire/generate-content.md#request); at the others the answer is cut here."""


def _generation_config(request: ChatRequest, profile: Profile) -> JsonObject:
    config: JsonObject = {
        "maxOutputTokens": request.max_tokens,
        "stopSequences": [*request.stop[:_MOST_STOPS]] or None,
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "seed": request.seed,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
        "candidateCount": request.n,
        "responseLogprobs": True if request.logprobs is None and request.top_logprobs is not None else request.logprobs,
        "logprobs": request.top_logprobs,
        "thinkingConfig": thinking_config(request.reasoning, profile) or None,
        **_response_format(request),
    }
    return {name: value for name, value in config.items() if value is not None}


def _response_format(request: ChatRequest) -> JsonObject:
    output = request.output
    if output is None or output.kind == "text":
        return {}
    if output.kind == "json" or output.schema is None:
        return {"responseMimeType": "application/json"}
    schema = output.schema
    if output.description and "description" not in schema:
        schema = {**schema, "description": output.description}
    return {"responseMimeType": "application/json", "responseSchema": schema}


def _labels(request: ChatRequest) -> JsonObject:
    """Return the metadata as labels, which are strings; any other value is sent as JSON text."""
    return {
        name: value if isinstance(value, str) else to_json(value).decode()
        for name, value in (request.metadata or {}).items()
    }
