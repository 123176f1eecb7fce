"""The Messages api: ``POST .../v1/messages``.

Sources: docs/wire/messages.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydantic import JsonValue
from pydantic_core import to_json

from dbx_gateway.chat import ChatRequest, ChatResponse, JsonObject, OutputFormat, ToolChoice, ToolSpec
from dbx_gateway.dialects.messages.answer import MessagesDecoder, decode_message
from dbx_gateway.dialects.messages.prompt import cache_control, write_prompt
from dbx_gateway.dialects.messages.schema import for_anthropic_output
from dbx_gateway.dialects.messages.thinking import (
    ThinkingPlan,
    default_max_tokens,
    plan_beside_choice,
    plan_thinking,
    plan_within_turn,
)
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.json_values import objects_in
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once
from dbx_gateway.surfaces import Api

__all__ = ["MESSAGES", "Messages", "default_max_tokens"]

_MOST_CACHE_MARKS: Final = 4
"""The vendor's limit per request (docs/wire/messages.md#request)."""

_NOT_CARRIED: Final = (
    # Request fields this api has no field for, and the value that has no effect
    # (docs/wire/comparison.md#what-an-api-cannot-carry).
    ("seed", None),
    ("presence_penalty", 0),
    ("frequency_penalty", 0),
    ("logprobs", False),
    ("top_logprobs", 0),
)

_JSON_ONLY: Final = "Answer with one JSON object and nothing else."


class Messages:
    """Writes requests and reads answers of the Messages api."""

    api: Api = "messages"

    def encode(self, request: ChatRequest, profile: Profile) -> JsonObject:
        """Return the body to send, without ``extra_body``.

        ``max_tokens`` is always sent, as the api requires it; :func:`default_max_tokens` is the default.

        Raises:
            InvalidRequestError: the request holds something this api cannot carry; the message says what to change.
        """
        _check_fields(request)
        prompt = write_prompt(request, profile)
        plan = plan_beside_choice(plan_thinking(request, profile), request.tool_choice, request.model)
        plan = plan_within_turn(plan, prompt.messages, request.model)
        output, instruction = _output(request, profile, plan)
        if instruction:
            prompt.system.append({"type": "text", "text": instruction})
        choice, offered = _choice(request, profile, plan)
        body: JsonObject = {
            "model": request.model,
            "max_tokens": default_max_tokens(request, profile) if request.max_tokens is None else request.max_tokens,
            "system": _system(prompt.system),
            "messages": [*prompt.messages],
            "tools": [_tool(tool) for tool in offered],
            "tool_choice": choice,
            "thinking": plan.thinking,
            "output_config": output,
            "stop_sequences": [word for word in request.stop if word.strip()],
            **_sampling(request, profile, plan),
            "metadata": _metadata(request),
            "service_tier": request.service_tier,
            "stream": True if request.stream else None,
        }
        body = {name: value for name, value in body.items() if value is not None and value not in ([], {})}
        _check_marks(body)
        return body

    def decode(self, body: JsonObject, model: str) -> ChatResponse:
        """Return the answer in ``body``; ``model`` is the requested name.

        Raises:
            InvalidResponseError: the body is no message.
        """
        return decode_message(body, model)

    def decoder(self, model: str) -> MessagesDecoder:
        """Return a new reader of one stream; ``model`` is the requested name."""
        return MessagesDecoder(model)


MESSAGES: Final = Messages()


def _check_fields(request: ChatRequest) -> None:
    """Refuse, or warn about, settings this api has no field for."""
    if request.custom_inputs:
        raise InvalidRequestError(
            "custom_inputs are for agent endpoints, and the messages api has no field for them; leave them out"
        )
    for name, neutral in _NOT_CARRIED:
        if getattr(request, name) not in (None, neutral):
            warn_once(
                f"{request.model}: {name}",
                f"the messages api has no {name}, so it is not sent for {request.model}; "
                "leave it out, or choose another api",
            )


def _system(blocks: list[JsonObject]) -> JsonValue:
    """Return the system prompt: one plain text as a string, anything more as blocks."""
    match blocks:
        case [{"type": "text", "text": text, **rest}] if not rest:
            return text
        case _:
            return [*blocks]


def _tool(tool: ToolSpec) -> JsonObject:
    """Return one tool on the wire; a native one as it is."""
    if tool.native is not None:
        return {**tool.native}
    schema: JsonObject = {"type": "object", "properties": {}, **tool.parameters}
    if tool.custom:
        schema = _wrapped(tool)
    wire: JsonObject = {"name": tool.name}
    if tool.description:
        wire["description"] = tool.description
    wire["input_schema"] = for_anthropic_output(schema) if tool.strict else schema
    if tool.strict is not None:
        wire["strict"] = tool.strict
    if tool.cache is not None:
        wire["cache_control"] = cache_control(tool.cache)
    return {**wire, **tool.extras}


def _wrapped(tool: ToolSpec) -> JsonObject:
    """Return the schema that replaces a free-text tool: one string.

    Source: docs/wire/comparison.md#what-an-api-cannot-carry.
    """
    warn_once(
        f"tool {tool.name}: custom",
        f"the messages api has no free-text tools; {tool.name!r} is offered with one string argument 'input' instead, "
        "and its calls arrive as that JSON object",
    )
    return {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def _choice(
    request: ChatRequest, profile: Profile, plan: ThinkingPlan
) -> tuple[JsonObject | None, tuple[ToolSpec, ...]]:
    """Return the ``tool_choice`` and the tools to offer.

    The api can force any tool or one named tool, not one of several: for that, only those tools are offered.
    """
    tools, choice = request.tools, request.tool_choice
    if not tools:
        return None, ()
    if choice is None and request.parallel_tool_calls is not False:
        return None, tools
    choice = _allowed_choice(choice or ToolChoice(), request, profile, plan)
    if choice.mode == "none":
        return {"type": "none"}, tools
    one_at_a_time: JsonObject = {"disable_parallel_tool_use": True} if request.parallel_tool_calls is False else {}
    if choice.mode == "required" and len(choice.names) == 1:
        return {"type": "tool", "name": choice.names[0], **one_at_a_time}, tools
    if choice.names:
        tools = tuple(tool for tool in tools if tool.name in choice.names)
    return {"type": "any" if choice.mode == "required" else "auto", **one_at_a_time}, tools


def _allowed_choice(choice: ToolChoice, request: ChatRequest, profile: Profile, plan: ThinkingPlan) -> ToolChoice:
    """Return a choice that the model takes: some models take no forced one, and none does with a thinking budget."""
    if choice.mode != "required":
        return replace(choice, names=())
    if not profile.forced_tool_choice:
        warn_once(
            f"{request.model}: forced tool choice",
            f"{request.model} cannot be forced to call a tool; the tools are offered, and the model decides. "
            "For an answer of a fixed form ask for output json_schema",
        )
        return replace(choice, mode="auto")
    if plan.budget:
        raise InvalidRequestError(
            "a thinking budget and a tool choice that forces a call exclude each other on the messages api; "
            "switch reasoning off for this call, use tool_choice auto, or ask for output json_schema instead of a tool"
        )
    return choice


def _output(request: ChatRequest, profile: Profile, plan: ThinkingPlan) -> tuple[JsonObject, str | None]:
    """Return ``output_config``, and an instruction for the system prompt where the api has no field for the format.

    The api has no mode for "any JSON object", so the instruction asks for one. For a model that takes no schema, the
    instruction holds the schema.
    """
    config: JsonObject = {} if plan.effort is None else {"effort": plan.effort}
    output = request.output
    if output is None or output.kind == "text":
        return config, None
    if output.kind == "json" or output.schema is None:
        return config, _JSON_ONLY
    if not profile.structured_output:
        warn_once(
            f"{request.model}: output schema",
            f"{request.model} does not enforce a schema; the schema is sent in the system prompt instead",
        )
        return config, f"{_JSON_ONLY} It must match this JSON Schema:\n{to_json(output.schema).decode()}"
    if output.strict is False:
        warn_once(
            "messages: output not strict",
            "the messages api always enforces the schema of an answer; strict=False is not sent",
        )
    config["format"] = {"type": "json_schema", "schema": for_anthropic_output(_described(output, output.schema))}
    return config, None


def _described(output: OutputFormat, schema: JsonObject) -> JsonObject:
    """Return ``schema`` with the description inside: the api has no field for it beside the schema."""
    return {"description": output.description, **schema} if output.description else schema


def _sampling(request: ChatRequest, profile: Profile, plan: ThinkingPlan) -> JsonObject:
    """Return the sampling fields that are set and that the model takes.

    While thinking is on, only the default temperature, 1, is taken (docs/wire/models.md#claudes-thinking).
    """
    fields: JsonObject = {
        name: value
        for name, value in (
            ("temperature", request.temperature),
            ("top_p", request.top_p),
            ("top_k", request.top_k),
        )
        if value is not None
    }
    if profile.sampling and not plan.on:
        return fields
    when = "while it thinks" if profile.sampling else "at all"
    for name, value in fields.items():
        if (name, value) != ("temperature", 1):
            warn_once(
                f"{request.model}: {name}",
                f"{request.model} takes no {name} {when}, so it is not sent; leave it out or choose another model",
            )
    return {}


def _metadata(request: ChatRequest) -> JsonObject:
    """Return ``metadata``, which has one field, ``user_id`` (docs/wire/messages.md#request)."""
    metadata = request.metadata or {}
    for name in metadata.keys() - {"user_id"}:
        warn_once(f"messages: metadata {name}", f"the messages api has no metadata but user_id; {name!r} is not sent")
    user_id = metadata.get("user_id", request.user)
    return {} if user_id is None else {"user_id": user_id}


def _check_marks(body: JsonObject) -> None:
    turns = [turn.get("content") for turn in objects_in(body["messages"])]
    marks = sum(
        "cache_control" in block for run in (body.get("system"), body.get("tools"), *turns) for block in objects_in(run)
    )
    if marks > _MOST_CACHE_MARKS:
        raise InvalidRequestError(
            f"the request holds {marks} cache marks, and the messages api takes {_MOST_CACHE_MARKS}; "
            "keep those at the ends of the longest parts that stay the same"
        )
