"""Names of properties that a model refuses: mapped in the schemas on the way out, mapped back in the arguments.

A name is mapped wherever it stands in a tool's schema, and in the arguments of its calls: the wire's name ends in a
hash, so that it is never a word of anything else. Source: docs/wire/schemas.md#strict-schemas.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from dbx_gateway.call.translation import EventReader
from dbx_gateway.chat import Alternative, ChatRequest, Finish, JsonObject, Message, Part, Text, ToolCall
from dbx_gateway.events import End, Event, PartEnd, TextDelta, ToolCallDelta, ToolCallEnd, ToolCallStart
from dbx_gateway.json_schema import map_children

__all__ = ["PropertyNames"]

_PLAIN: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_ODD_KEY: Final = re.compile(rb'"(?![a-zA-Z0-9_.-]{1,64}":)[^"]*":')
"""A key in JSON text that may be no plain name: a cheap look before the careful one."""

_UNSAFE: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_NAMED: Final = ("properties", "dependentRequired", "dependentSchemas", "dependencies")
"""Keywords that hold something under the names of properties."""

_ANSWER: Final = ""
"""Stands for the answer among the names of tools, none of which is empty."""


@dataclass(frozen=True, slots=True)
class PropertyNames:
    """The names of properties in one request that need another spelling on the wire.

    Args:
        to_wire: of each tool with such names, by its name: the caller's to the wire's. The answer's are under ``""``.
    """

    to_wire: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])

    @classmethod
    def of(cls, request: ChatRequest, taken: Literal["any", "plain"]) -> PropertyNames:
        """Return the mapping for the schemas in ``request``.

        Args:
            request: the request.
            taken: which names the model takes (``Profile.property_names``).
        """
        if taken == "any":
            return cls()
        schemas = {tool.name: tool.parameters for tool in request.tools if tool.native is None and not tool.custom}
        if request.output is not None and request.output.schema is not None:
            schemas[_ANSWER] = request.output.schema
        odd = {of: _spelled([*_properties(schema)]) for of, schema in schemas.items() if _may_be_odd(to_json(schema))}
        return cls({of: names for of, names in odd.items() if names})

    def __bool__(self) -> bool:
        """Whether any name is mapped."""
        return bool(self.to_wire)

    def outward(self, request: ChatRequest) -> ChatRequest:
        """Return ``request`` with the wire's names, in the schemas and in the calls of its history."""
        if not self.to_wire:
            return request
        output = request.output
        if output is not None and output.schema is not None and _ANSWER in self.to_wire:
            output = replace(output, schema=_renamed(output.schema, self.to_wire[_ANSWER]))
        return replace(
            request,
            tools=tuple(
                replace(tool, parameters=_renamed(tool.parameters, self.to_wire[tool.name]))
                if tool.name in self.to_wire
                else tool
                for tool in request.tools
            ),
            output=output,
            messages=tuple(
                replace(message, parts=tuple(self._sent(part) for part in message.parts))
                for message in request.messages
            ),
        )

    def _sent(self, part: Part) -> Part:
        if not isinstance(part, ToolCall) or part.name not in self.to_wire:
            return part
        try:
            arguments: JsonValue = from_json(part.arguments)
        except ValueError:
            return part
        return replace(part, arguments=to_json(_rekeyed(arguments, self.to_wire[part.name])).decode())

    def message(self, message: Message, finish: Finish) -> tuple[Message, Finish]:
        """Return a message with the caller's names in the arguments of its calls, and in its text where that is the answer."""
        return replace(message, parts=tuple(self._received(part) for part in message.parts)), finish

    def _received(self, part: Part) -> Part:
        match part:
            case ToolCall() if part.name in self.to_wire:
                return replace(part, arguments=self._restored(part.arguments, part.name))
            case Text() if _ANSWER in self.to_wire:
                return replace(part, text=self._restored(part.text, _ANSWER))
            case _:
                return part

    def _restored(self, text: str, of: str) -> str:
        """Return JSON, whole or cut, with the caller's names."""
        for name, wire in self.to_wire[of].items():
            text = text.replace(f'"{wire}"', to_json(name).decode())
        return text

    def reader(self) -> EventReader:
        """Return the translation of one stream: what holds such names is handed out when it is complete."""
        return _Reader(self._received, self.to_wire).feed


class _Reader:
    def __init__(self, received: Callable[[Part], Part], held: Collection[str]) -> None:
        self._received = received
        self._held = held
        self._calls: set[int] = set()

    def feed(self, event: Event) -> Iterator[Event]:
        """Yield what there is to hand on after ``event``."""
        match event:
            case ToolCallStart(index=index, name=name) if name in self._held:
                self._calls.add(index)
            case ToolCallDelta(index=index) if index in self._calls:
                return
            case TextDelta() if _ANSWER in self._held:
                return
            case ToolCallEnd(index=index, call=call) if call.name in self._held:
                self._calls.discard(index)
                restored = self._received(call)
                if isinstance(restored, ToolCall):
                    if restored.arguments:
                        yield ToolCallDelta(index, restored.arguments)
                    yield ToolCallEnd(index, restored)
                return
            case PartEnd(index=index, part=Text() as text) if _ANSWER in self._held:
                restored = self._received(text)
                if isinstance(restored, Text) and restored.text:
                    yield TextDelta(index, restored.text)
                yield PartEnd(index, restored)
                return
            case End() if event.alternatives:
                yield replace(event, alternatives=tuple(map(self._other, event.alternatives)))
                return
            case _:
                pass
        yield event

    def _other(self, other: Alternative) -> Alternative:
        parts = tuple(map(self._received, other.message.parts))
        return replace(other, message=replace(other.message, parts=parts))


def _may_be_odd(text: bytes) -> bool:
    return b"\\" in text or _ODD_KEY.search(text) is not None  # an escape may be a quote within a key


def _spelled(names: list[str]) -> dict[str, str]:
    """Return the wire's spelling of each name that the model does not take: a readable head and a hash."""
    return {
        name: f"{_UNSAFE.sub('_', name)[:30]}_{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"
        for name in names
        if _PLAIN.fullmatch(name) is None
    }


def _properties(value: JsonValue) -> Iterator[str]:
    """Yield the names of all properties in a schema."""
    if not isinstance(value, dict):
        return
    for keyword in _NAMED:
        if isinstance(named := value.get(keyword), dict):
            yield from named
    children: list[JsonValue] = []

    def note(child: JsonValue) -> JsonValue:
        children.append(child)
        return child

    map_children(value, note)
    for child in children:
        yield from _properties(child)


def _renamed(schema: JsonObject, names: Mapping[str, str]) -> JsonObject:
    """Return a schema with its properties under other names."""

    def rename(value: JsonValue) -> JsonValue:
        if not isinstance(value, dict):
            return value
        node = map_children(value, rename)
        for keyword in _NAMED:
            if isinstance(named := node.get(keyword), dict):
                node[keyword] = {names.get(name, name): _listed(item, names) for name, item in named.items()}
        node |= {key: _listed(node[key], names) for key in ("required", "propertyOrdering") if key in node}
        return {**node, **({"description": _told(node, names)} if _has_renamed(value, names) else {})}

    renamed = rename(schema)
    return renamed if isinstance(renamed, dict) else schema


def _has_renamed(value: JsonObject, names: Mapping[str, str]) -> bool:
    properties = value.get("properties")
    return isinstance(properties, dict) and not names.keys().isdisjoint(properties)


def _told(node: JsonObject, names: Mapping[str, str]) -> str:
    """Return the description with the caller's names in it, for the model to know what a prompt means by them."""
    properties = node.get("properties")
    there = properties.keys() if isinstance(properties, dict) else ()
    note = "; ".join(f"{wire} stands for {name}" for name, wire in names.items() if wire in there)
    description = node.get("description")
    return f"{description}\n{note}" if isinstance(description, str) and description else note


def _listed(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    if not isinstance(value, list):
        return value
    return [names.get(item, item) if isinstance(item, str) else item for item in value]


def _rekeyed(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    if isinstance(value, dict):
        return {names.get(key, key): _rekeyed(item, names) for key, item in value.items()}
    return [_rekeyed(item, names) for item in value] if isinstance(value, list) else value
