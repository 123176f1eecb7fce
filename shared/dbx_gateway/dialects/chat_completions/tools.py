"""Tools and tool choice as chat-completions writes them (docs/wire/chat-completions.md#request)."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import JsonValue

from dbx_gateway.chat import CacheHint, ChatRequest, JsonObject, ToolChoice, ToolSpec
from dbx_gateway.errors import InvalidRequestError
from dbx_gateway.models.profile import Profile
from dbx_gateway.notices import warn_once

__all__ = ["cache_mark", "tool_fields"]


def cache_mark(cache: CacheHint | None, profile: Profile) -> JsonObject:
    """Return the fields that mark a part or a tool for caching; none where the model takes no marks.

    Source: docs/wire/chat-completions.md#claude, ``cache_control``.
    """
    if cache is None or not profile.prompt_caching:
        return {}
    mark: JsonObject = {"type": "ephemeral"}
    if cache.ttl is not None:
        mark["ttl"] = cache.ttl
    return {"cache_control": mark}


def tool_fields(request: ChatRequest, profile: Profile, *, thinking: bool) -> JsonObject:
    """Return ``tools``, ``tool_choice`` and ``parallel_tool_calls``; nothing where there are no tools.

    For a choice among several named tools, only those tools are sent: that works on every host, while
    ``allowed_tools`` is known to work on OpenAI's own only.

    Args:
        request: the request.
        profile: of the model.
        thinking: thinking is on; some models then refuse a forced call
            (``Profile.forced_tool_choice_while_thinking``).

    Raises:
        InvalidRequestError: the choice requires a call, but there is no such tool.
    """
    choice = request.tool_choice
    if not request.tools:
        if choice is not None and (choice.mode == "required" or choice.names):
            raise InvalidRequestError("tool_choice requires a call but there are no tools; give tools= or leave it out")
        return {}
    tools = _chosen(request.tools, choice)
    fields: JsonObject = {"tools": [_tool(tool, profile) for tool in tools]}
    if choice is not None:
        fields["tool_choice"] = _choice(choice, tools, profile, thinking=thinking)
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    return fields


def _chosen(tools: tuple[ToolSpec, ...], choice: ToolChoice | None) -> tuple[ToolSpec, ...]:
    if choice is None:
        return tools
    offered = {tool.name for tool in tools}
    for name in choice.names:
        if name not in offered:
            raise InvalidRequestError(
                f"tool_choice names {name!r}, which is not among the tools: {', '.join(sorted(offered))}"
            )
    if len(choice.names) < 2:
        return tools
    return tuple(tool for tool in tools if tool.name in choice.names)


def _tool(tool: ToolSpec, profile: Profile) -> JsonObject:
    if tool.native is not None:
        return tool.native
    described: JsonObject = {"name": tool.name}
    if tool.description:
        described["description"] = tool.description
    if tool.custom:
        if tool.parameters:
            described["format"] = tool.parameters
        return {"type": "custom", "custom": described, **tool.extras, **cache_mark(tool.cache, profile)}
    if tool.parameters:
        described["parameters"] = tool.parameters
    if tool.strict is not None:
        described["strict"] = tool.strict
    return {"type": "function", "function": described, **tool.extras, **cache_mark(tool.cache, profile)}


def _choice(choice: ToolChoice, tools: Iterable[ToolSpec], profile: Profile, *, thinking: bool) -> JsonValue:
    if choice.mode != "required":
        return choice.mode
    if not profile.forced_tool_choice or (thinking and not profile.forced_tool_choice_while_thinking):
        warn_once(
            f"{profile.model}: tool_choice",
            f"{profile.model} cannot be forced to call a tool{' while it thinks' if thinking else ''}, so tool_choice is "
            "sent as 'auto'; ask for the call in the prompt",
        )
        return "auto"
    if len(choice.names) != 1:
        return "required"
    name = choice.names[0]
    if any(tool.custom for tool in tools if tool.name == name):
        return {"type": "custom", "custom": {"name": name}}
    return {"type": "function", "function": {"name": name}}
