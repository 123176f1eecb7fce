"""The Responses api: OpenAI's models, and Databricks agent endpoints of task ``agent/v1/responses``.

Source: docs/wire/responses.md; docs/wire/comparison.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from dbx_gateway.chat import ChatRequest, ChatResponse, JsonObject, OutputFormat, ToolChoice, ToolSpec
from dbx_gateway.dialects.responses.answer import ResponsesDecoder
from dbx_gateway.dialects.responses.prompt import input_items
from dbx_gateway.errors import InvalidRequestError, InvalidResponseError
from dbx_gateway.events import fold
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once
from dbx_gateway.parts import wire_id
from dbx_gateway.surfaces import Api

__all__ = ["Responses"]

_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_SUMMARIES: Final[dict[str, str]] = {"summary": "auto", "full": "detailed"}
_NOT_CARRIED: Final = ("top_k", "seed", "presence_penalty", "frequency_penalty")
"""Request fields this api has no field for (docs/wire/responses.md#request, row sampling).

It has none for stop sequences and several answers either, which the client makes good for
(:mod:`dbx_gateway.call.stop_sequences`, :mod:`dbx_gateway.call.several_answers`).
"""


class Responses:
    """Writes Responses requests and reads their answers, whole and streamed."""

    api: Api = "responses"

    def encode(self, request: ChatRequest, profile: Profile) -> JsonObject:
        """Return the body to send, without ``extra_body``.

        The server is asked not to store the answer (``store: false``; it stores it by default). A reasoning model is asked
        for its encrypted reasoning instead (``include``), which the next turn sends back. An agent gets only the fields
        that are set (``Profile.client_defaults``).

        Raises:
            InvalidRequestError: the request holds something this api cannot carry; the message says what to change.
        """
        if request.custom_inputs is not None and not profile.custom_inputs:
            raise InvalidRequestError(
                f"custom_inputs go to agent endpoints only, and {request.model!r} is of family {profile.family!r}; "
                "leave them out, or set family='agent' if it is an agent"
            )
        reasoning = _reasoning(request, profile)
        body: JsonObject = {"model": request.model, "input": input_items(request, profile)}
        if profile.client_defaults:
            body["store"] = False
        if request.stream:
            body["stream"] = True
        body |= _tools(request)
        if reasoning:
            body["reasoning"] = reasoning
        if request.output is not None and request.output.kind != "text":
            body["text"] = {"format": _format(request.output)}
        body |= _sampling(request, profile, effort=reasoning.get("effort"))
        body |= _includes(request, profile)
        body |= _passed_on(request)
        _warn_of_what_is_not_carried(request)
        return body

    def decode(self, body: JsonObject, model: str) -> ChatResponse:
        """Return the answer in ``body``; ``model`` is the requested name.

        Raises:
            InvalidResponseError: the body is not an answer of this api.
            APIError: the body reports that the answer failed; its class is the one for the server's code.
        """
        if not isinstance(body.get("output"), list) and not isinstance(body.get("status"), str):
            raise InvalidResponseError(
                f"the answer of {model!r} is not a Responses answer: it has neither output nor status; "
                "set api= to what the endpoint speaks",
                model=model,
            )
        return fold(ResponsesDecoder(model).whole(body))

    def decoder(self, model: str) -> ResponsesDecoder:
        """Return a new reader of one stream; ``model`` is the requested name."""
        return ResponsesDecoder(model)


def _tools(request: ChatRequest) -> JsonObject:
    """Return the fields about tools; none without tools, as the api refuses a tool choice then."""
    if not request.tools:
        return {}
    fields: JsonObject = {"tools": [_tool(tool) for tool in request.tools]}
    if request.tool_choice is not None:
        fields["tool_choice"] = _choice(request.tool_choice, request.tools)
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    return fields


def _tool(tool: ToolSpec) -> JsonObject:
    """Return one tool, flat; ``parameters`` and ``strict`` are required keys of a function here."""
    if tool.native is not None:
        return tool.native
    fields: JsonObject = {"type": "custom" if tool.custom else "function", "name": tool.name}
    if tool.description:
        fields["description"] = tool.description
    if tool.custom:
        if tool.parameters:
            fields["format"] = tool.parameters
    else:
        fields["parameters"] = tool.parameters or {"type": "object", "properties": {}}
        fields["strict"] = bool(tool.strict)
    return fields | tool.extras


def _choice(choice: ToolChoice, tools: tuple[ToolSpec, ...]) -> JsonValue:
    if choice.mode == "none" or not choice.names:
        return choice.mode
    known = {tool.name: tool for tool in tools}
    named: list[JsonValue] = [_reference(name, known.get(name)) for name in choice.names]
    if choice.mode == "required" and len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "mode": choice.mode, "tools": named}


def _reference(name: str, tool: ToolSpec | None) -> JsonObject:
    if tool is not None and tool.native is not None:
        kind = tool.native.get("type")
        return {"type": kind} if kind not in ("function", "custom") else {"type": kind, "name": name}
    return {"type": "custom" if tool is not None and tool.custom else "function", "name": name}


def _format(output: OutputFormat) -> JsonObject:
    if output.kind == "json":
        return {"type": "json_object"}
    form: JsonObject = {"type": "json_schema", "name": wire_id(output.name), "schema": output.schema or {}}
    if output.description is not None:
        form["description"] = output.description
    if output.strict is not None:
        form["strict"] = output.strict
    return form


_EFFORT_OF_MODE: Final[Mapping[str | None, str]] = {"off": "none", "on": "medium"}
"""The effort that switches thinking off or on; for some models the default is none.

Source: docs/wire/models.md#efforts.
"""


def _reasoning(request: ChatRequest, profile: Profile) -> JsonObject:
    config = request.reasoning
    if config is None:
        return {}
    if config.budget is not None:
        warn_once(
            f"{request.model}: reasoning budget",
            f"The responses api counts no reasoning tokens; the budget was left out for {request.model!r}. "
            "Use reasoning_effort.",
        )
    fields: JsonObject = {}
    effort = config.effort or _EFFORT_OF_MODE.get(config.mode)
    if effort is not None:
        fields["effort"] = _nearest_effort(effort, request.model, profile)
    if config.show in _SUMMARIES:
        fields["summary"] = _SUMMARIES[config.show]
    if fields and profile.known and not profile.reasoning:
        warn_once(
            f"{request.model}: reasoning", f"{request.model!r} does not reason; the reasoning settings were left out."
        )
        return {}
    return fields


def _nearest_effort(effort: str, model: str, profile: Profile) -> str:
    """Return ``effort`` if the model takes it, else the nearest one it takes; an unknown effort is left to the server."""
    ranked = [one for one in _EFFORTS if one in profile.efforts]
    if not ranked or effort in profile.efforts or effort not in _EFFORTS:
        return effort
    included = _EFFORTS.index(effort)
    nearest = min(ranked, key=lambda one: abs(_EFFORTS.index(one) - included))
    warn_once(
        f"{model}: reasoning effort {effort}",
        f"{model!r} takes reasoning effort {', '.join(ranked)}; {nearest!r} was sent for {effort!r}.",
    )
    return nearest


def _sampling(request: ChatRequest, profile: Profile, *, effort: JsonValue) -> JsonObject:
    """Return temperature and top_p where the model takes them: a reasoning model does only with reasoning off."""
    fields: JsonObject = {"temperature": request.temperature, "top_p": request.top_p}
    fields = {name: value for name, value in fields.items() if value is not None}
    if profile.sampling or effort == "none":
        return fields
    for name in fields:
        warn_once(
            f"{request.model}: {name}",
            f"{request.model!r} takes no {name} while it reasons; it was left out. "
            "With reasoning_effort='none' it is sent, where the model takes that.",
        )
    return {}


def _includes(request: ChatRequest, profile: Profile) -> JsonObject:
    included: list[JsonValue] = []
    fields: JsonObject = {}
    if profile.reasoning and profile.client_defaults:
        included.append("reasoning.encrypted_content")
    if request.logprobs or (request.logprobs is None and request.top_logprobs is not None):
        included.append("message.output_text.logprobs")
        if request.top_logprobs is not None:
            fields["top_logprobs"] = request.top_logprobs
    return {"include": included, **fields} if included else fields


def _passed_on(request: ChatRequest) -> JsonObject:
    fields: JsonObject = {
        "max_output_tokens": request.max_tokens,
        "service_tier": request.service_tier,
        "metadata": request.metadata,
        "user": request.user,
        "prompt_cache_key": request.cache_key,
        "custom_inputs": request.custom_inputs,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _warn_of_what_is_not_carried(request: ChatRequest) -> None:
    for name in _NOT_CARRIED:
        value = getattr(request, name)
        if value is None:
            continue
        warn_once(
            f"{request.model}: {name}",
            f"The responses api has no {name}; it was left out for {request.model!r}. "
            "Where the model is served on it, api='chat-completions' may carry it.",
        )
