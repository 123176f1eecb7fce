"""A structured answer asked for as a tool: the model calls it, and its arguments are the answer.

On the way out ``response_format`` becomes one more tool; on the way in a call of that tool becomes the answer's text.
Two quirks share it: where ``response_format`` and tools exclude each other, and where there is no ``response_format``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import JsonValue

from dbx_gateway.chat import JsonObject
from dbx_gateway.json_values import objects_in, without
from dbx_gateway.parts import wire_id
from dbx_gateway.quirks.body import each, function_name
from dbx_gateway.quirks.quirk import AnswerFix, Context

__all__ = ["answer_tool_name", "read_answer_tool", "with_answer_tool"]

_DESCRIPTION = "Give the final answer by calling this tool, once nothing else is left to do."


def with_answer_tool(body: JsonObject, context: Context) -> JsonObject:
    """Return ``body`` with its ``response_format`` as a tool that the model is made to call.

    With a choice of ``none`` the model may call none of the caller's tools, so the answer's tool is forced. A model that
    cannot be forced (``Profile.forced_tool_choice``), or that thinks (docs/wire/models.md#forced-tool-choice), gets the
    choice ``auto``: only the tool's description then asks for the call.
    """
    name = answer_tool_name(body)
    if name is None:
        return without(body, ("response_format",))
    tools = body.get("tools")
    offered: list[JsonValue] = list(tools) if isinstance(tools, list) else []
    choice = _choice(body.get("tool_choice"), name, alone=not offered)
    if not context.profile.forced_tool_choice or _thinks(body):
        choice = "auto"
    rest = without(body, ("response_format",))
    return {**rest, "tools": [*offered, _tool(body["response_format"], name)], "tool_choice": choice}


def answer_tool_name(body: JsonObject) -> str | None:
    """Return the name of the answer's tool for ``body``, or None where ``body`` asks for no structured answer."""
    response_format = body.get("response_format")
    if not isinstance(response_format, dict) or response_format.get("type") not in ("json_object", "json_schema"):
        return None
    schema = response_format.get("json_schema")
    requested = schema.get("name") if isinstance(schema, dict) else None
    taken = {function_name(tool) for tool in objects_in(body.get("tools"))}
    base = wire_id(requested if isinstance(requested, str) and requested else "answer", 60)
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _choice(choice: JsonValue | None, name: str, *, alone: bool) -> JsonValue:
    if alone or choice == "none":
        return {"type": "function", "function": {"name": name}}
    return choice if isinstance(choice, dict) else "required"


def _thinks(body: JsonObject) -> bool:
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") != "disabled"


def _tool(response_format: JsonValue, name: str) -> JsonObject:
    requested = response_format.get("json_schema") if isinstance(response_format, dict) else None
    function: JsonObject = {"name": name, "description": _DESCRIPTION, "parameters": {"type": "object"}}
    if isinstance(requested, dict):
        if requested.get("description"):
            function["description"] = f"{requested['description']}\n{_DESCRIPTION}"
        if requested.get("schema"):
            function["parameters"] = requested["schema"]
        if requested.get("strict") is not None:
            function["strict"] = requested["strict"]
    return {"type": "function", "function": function}


def read_answer_tool(name: str) -> AnswerFix:
    """Return a fresh fix of one answer in which a call of the tool ``name`` becomes the text of the answer.

    Text before such a call is a preamble and not part of the structured answer, so it is left out. A stream's text is
    held back until the first call, or the end, shows which it is. Of several such calls the first counts. Calls of
    other tools stay calls.
    """
    choices: dict[int, _Choice] = {}

    def fixed(choice: JsonObject) -> JsonObject:
        number = choice.get("index")
        state = choices.setdefault(number if isinstance(number, int) else 0, _Choice(name))
        if isinstance(choice.get("delta"), dict):
            return state.feed(choice)
        return _whole(choice, name)

    return lambda event: each(event, "choices", fixed)


def _whole(choice: JsonObject, name: str) -> JsonObject:
    message = choice.get("message")
    if not isinstance(message, dict):
        return choice
    calls = objects_in(message.get("tool_calls"))
    answers = [call for call in calls if function_name(call) == name]
    if not answers:
        return choice
    others: list[JsonValue] = [call for call in calls if function_name(call) != name]
    parts = _parts(message.get("content"))
    if calls[0] is answers[0]:
        parts = [part for part in parts if not _is_text(part)]
    fixed = _with_content(message, _with_text(parts, _arguments(answers[0]) or "{}"), others)
    return _ended({**choice, "message": fixed}, called=bool(others))


def _with_content(message: JsonObject, content: JsonValue, calls: list[JsonValue]) -> JsonObject:
    """Return a message or delta with ``content`` and ``calls`` in place of its own."""
    fixed = without(message, ("tool_calls",))
    if content is not None or fixed.get("content") is not None:
        fixed = {**fixed, "content": content}
    return {**fixed, "tool_calls": calls} if calls else fixed


def _ended(choice: JsonObject, *, called: bool) -> JsonObject:
    return choice if called or choice.get("finish_reason") != "tool_calls" else {**choice, "finish_reason": "stop"}


def _arguments(call: JsonObject) -> str:
    function = call.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    return arguments if isinstance(arguments, str) else ""


@dataclass(slots=True)
class _Choice:
    """One choice of a stream: which call is the answer's, and the text held back until that is known."""

    name: str
    answer: JsonValue = None
    has_text: bool = False
    repeated: set[int] = field(default_factory=set[int])
    called: bool = False
    withheld: list[JsonValue] = field(default_factory=list[JsonValue])

    def feed(self, choice: JsonObject) -> JsonObject:
        delta = choice["delta"]
        if not isinstance(delta, dict):
            return choice
        content, calls = delta.get("content"), objects_in(delta.get("tool_calls"))
        ended = choice.get("finish_reason") is not None
        if not content and not calls and not ended:
            return choice
        rest = self._withhold(content)
        other_calls, text = self._sort(calls)
        if ended and self.answer is not None and not self.has_text and not text:
            text = "{}"
        self.has_text = self.has_text or bool(text)
        if self.answer is not None:
            self.withheld = []
        elif other_calls or ended:
            rest, self.withheld = [*self.withheld, *rest], []
        fixed = _with_content(delta, _with_text(rest, text), other_calls)
        return _ended({**choice, "delta": fixed}, called=self.called or self.answer is None)

    def _withhold(self, content: JsonValue | None) -> list[JsonValue]:
        """Hold the text of ``content`` back, unless another tool was called before; return the parts to pass on."""
        parts = _parts(content)
        if self.called and self.answer is None:
            return parts
        self.withheld += [part for part in parts if _is_text(part)]
        return [part for part in parts if not _is_text(part)]

    def _sort(self, calls: list[JsonObject]) -> tuple[list[JsonValue], str]:
        """Return the fragments of other tools' calls, and the text in the fragments of the answer's call."""
        other_calls: list[JsonValue] = []
        text: list[str] = []
        for call in calls:
            index = call.get("index")
            place = index if isinstance(index, int) else 0
            if function_name(call) == self.name and place not in self.repeated:
                if self.answer is None:
                    self.answer = place
                elif self.answer != place:
                    self.repeated.add(place)
            if self.answer is not None and place == self.answer:
                text.append(_arguments(call))
            elif place not in self.repeated:
                self.called = True
                other_calls.append(call)
        return other_calls, "".join(text)


def _parts(content: JsonValue | None) -> list[JsonValue]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content) if isinstance(content, list) else []


def _is_text(part: JsonValue) -> bool:
    return isinstance(part, dict) and part.get("type") == "text"


def _with_text(parts: list[JsonValue], text: str) -> JsonValue:
    """Return content of ``parts`` followed by ``text``: a string where all of it is plain text."""
    if not parts:
        return text or None
    plain = [part["text"] for part in parts if isinstance(part, dict) and part.keys() == {"type", "text"}]
    texts = [piece for piece in plain if isinstance(piece, str)]
    if len(texts) == len(parts):
        return "".join(texts) + text
    return [*parts, {"type": "text", "text": text}] if text else parts
