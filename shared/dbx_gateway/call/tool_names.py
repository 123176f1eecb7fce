"""Tool names the wire cannot carry: mapped on the way out, mapped back on the way in.

One rule for all apis, which each of them takes: ``[a-zA-Z0-9_-]``, at most 64 characters, the first a letter or ``_``
(docs/wire/chat-completions.md#request, #tools-on-a-workspace; docs/wire/generate-content.md#request).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from dbx_gateway.chat import Alternative, ChatRequest, ChatResponse, Message, Part, ToolCall, ToolResult
from dbx_gateway.events import End, Event, ToolCallEnd, ToolCallStart

__all__ = ["ToolNames", "undemanding_tools"]

_ALLOWED = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class ToolNames:
    """The tool names of one request that need another spelling on the wire.

    Args:
        to_wire: the caller's name to the wire's; holds only names that differ.
        from_wire: the reverse.
    """

    to_wire: Mapping[str, str] = field(default_factory=dict[str, str])
    from_wire: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, request: ChatRequest) -> ToolNames:
        """Return the mapping for all tool names in ``request``: its tools, its choice and its history."""
        names = frozenset(_names(request))
        if all(_ALLOWED.fullmatch(name) for name in names):
            return cls()
        to_wire = {name: _spelled(name, names) for name in names if _ALLOWED.fullmatch(name) is None}
        return cls(to_wire, {wire: name for name, wire in to_wire.items()})

    def outward(self, request: ChatRequest) -> ChatRequest:
        """Return ``request`` with the wire's names."""
        if not self.to_wire:
            return request
        choice = request.tool_choice
        return replace(
            request,
            tools=tuple(replace(tool, name=self._wire(tool.name)) for tool in request.tools),
            tool_choice=choice and replace(choice, names=tuple(self._wire(name) for name in choice.names)),
            messages=tuple(self._message(message) for message in request.messages),
        )

    def inward(self, event: Event) -> Event:
        """Return ``event`` with the caller's names."""
        match event:
            case ToolCallStart() if event.name in self.from_wire:
                return replace(event, name=self.from_wire[event.name])
            case ToolCallEnd() if event.call.name in self.from_wire:
                return ToolCallEnd(event.index, replace(event.call, name=self.from_wire[event.call.name]))
            case End() if event.alternatives and self.from_wire:
                return replace(event, alternatives=tuple(map(self._alternative, event.alternatives)))
            case _:
                return event

    def answer(self, response: ChatResponse) -> ChatResponse:
        """Return ``response`` with the caller's names."""
        if not self.from_wire:
            return response
        alternatives = tuple(map(self._alternative, response.alternatives))
        return replace(response, message=self._callers(response.message), alternatives=alternatives)

    def _alternative(self, other: Alternative) -> Alternative:
        return replace(other, message=self._callers(other.message))

    def _callers(self, message: Message) -> Message:
        parts = tuple(
            replace(part, name=self.from_wire[part.name])
            if isinstance(part, ToolCall) and part.name in self.from_wire
            else part
            for part in message.parts
        )
        return replace(message, parts=parts)

    def _wire(self, name: str) -> str:
        return self.to_wire.get(name, name)

    def _message(self, message: Message) -> Message:
        return replace(message, parts=tuple(self._part(part) for part in message.parts))

    def _part(self, part: Part) -> Part:
        match part:
            case ToolCall() if part.name in self.to_wire:
                return replace(part, name=self.to_wire[part.name])
            case ToolResult(name=str(name)) if name in self.to_wire:
                return replace(part, name=self.to_wire[name])
            case _:
                return part


def undemanding_tools(request: ChatRequest) -> frozenset[str]:
    """Return the names of the tools of ``request`` that can be called without arguments, as their schemas require none."""
    return frozenset(
        tool.name
        for tool in request.tools
        if tool.native is None and not tool.custom and not tool.parameters.get("required")
    )


def _spelled(name: str, taken: Collection[str]) -> str:
    """Return the wire's spelling of ``name``: a readable head and a hash, and none of the names that are ``taken``."""
    head = _UNSAFE.sub("_", name)[:30]
    head = head if _ALLOWED.match(head) else f"_{head}"
    salted = name.encode("utf-8", "surrogatepass")
    while True:
        spelled = f"{head}_{hashlib.sha256(salted).hexdigest()[:32]}"
        if spelled not in taken:
            return spelled
        salted += b"\0"


def _names(request: ChatRequest) -> Iterable[str]:
    yield from (tool.name for tool in request.tools if tool.native is None)
    if request.tool_choice is not None:
        yield from request.tool_choice.names
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCall) or (isinstance(part, ToolResult) and part.name):
                yield part.name or ""
