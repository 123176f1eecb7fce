"""Tools that only the text of a prompt describes, as agents do for models without tool calls.

Two forms, both LlamaIndex's. ``ReActAgent``: ``> Tool Name``, ``Tool Args``, then ``Action`` and ``Action Input``; the
result is an ``Observation``. ``CodeActAgent``: the signatures of Python functions, to be called in code between
``<execute>`` tags; the result is its output.
"""

from __future__ import annotations

import re
from itertools import takewhile

from pydantic_core import from_json, to_json

from dbx_gateway.testing.json_values import is_object
from dbx_gateway.testing.model.conversation import OfferedTool, ParsedRequest

__all__ = [
    "action",
    "closing",
    "code",
    "functions",
    "observations",
    "outputs",
    "question",
    "react_tools",
]

_TOOL = re.compile(r"> Tool Name: (\S+)\n(?:(?!> Tool Name:).*\n)*?Tool Args: (\{.*\})")
_OBSERVATION = "Observation:"
_FUNCTION = re.compile(r"^def (\w+)\((.*)\)(?: -> .*)?:$", re.MULTILINE)
_OFFERED = "you can use the following functions:"
_OUTPUT = "Result of executing the code given:"
_TYPES = {"int": "integer", "float": "number", "bool": "boolean", "str": "string"}


def react_tools(request: ParsedRequest) -> tuple[OfferedTool, ...]:
    """Return the tools that the system turns describe for calls in text."""
    system = "\n".join(turn.text for turn in request.turns if turn.role == "system")
    if "Action Input:" not in system:
        return ()
    return tuple(OfferedTool(name, _schema(arguments)) for name, arguments in _TOOL.findall(system))


def _schema(arguments: str) -> dict[str, object]:
    try:
        found = from_json(arguments)
    except ValueError:
        return {}
    return found if is_object(found) else {}


def functions(request: ParsedRequest) -> tuple[OfferedTool, ...]:
    """Return the Python functions that the system turns describe for calls in code."""
    system = "\n".join(turn.text for turn in request.turns if turn.role == "system")
    if "<execute>" not in system:
        return ()
    _, _, offered = system.partition(_OFFERED)
    return tuple(OfferedTool(name, _signature(parameters)) for name, parameters in _FUNCTION.findall(offered))


def _signature(parameters: str) -> dict[str, object]:
    parts = [part.partition(":") for part in parameters.split(", ") if part]
    properties = {name: {"type": _TYPES.get(kind.partition("=")[0].strip(" '"), "string")} for name, _, kind in parts}
    required = [name for name, _, kind in parts if "=" not in kind]
    return {"type": "object", "properties": properties, "required": required}


def observations(request: ParsedRequest) -> list[str]:
    """Return the tools' results since the last user message."""
    return _outputs_since_user(request, _OBSERVATION)


def outputs(request: ParsedRequest) -> list[str]:
    """Return the code's outputs since the last user message."""
    return _outputs_since_user(request, _OUTPUT)


def _outputs_since_user(request: ParsedRequest, opening: str) -> list[str]:
    recent = takewhile(lambda turn: turn.role == "assistant" or turn.text.startswith(opening), reversed(request.turns))
    return [turn.text.removeprefix(opening).strip() for turn in recent if turn.text.startswith(opening)][::-1]


def question(request: ParsedRequest) -> str:
    """Return the last text of the user that is not a tool's result."""
    user_texts = (turn.text for turn in reversed(request.turns) if turn.role == "user")
    return next((text for text in user_texts if not text.startswith((_OBSERVATION, _OUTPUT))), "")


def action(name: str, arguments: dict[str, object]) -> str:
    """Return the call of a tool, as text."""
    return f"Thought: I need a tool to answer.\nAction: {name}\nAction Input: {to_json(arguments).decode()}"


def code(name: str, arguments: dict[str, object]) -> str:
    """Return the call of a function, as code that prints its result."""
    keywords = ", ".join(f"{argument}={value!r}" for argument, value in arguments.items())
    return f"<execute>\nprint({name}({keywords}))\n</execute>"


def closing(text: str) -> str:
    """Return a final answer, as text."""
    return f"Thought: I can answer without using any more tools.\nAnswer: {text}"
