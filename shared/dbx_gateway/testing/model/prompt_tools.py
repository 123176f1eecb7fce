"""Tools that a prompt offers in words only, as agents of plain-text models do.

Two forms, both LlamaIndex's. ``ReActAgent``: ``> Tool Name``, ``Tool Args``, then ``Action`` and ``Action Input``, and an
``Observation`` comes back. ``CodeActAgent``: the heads of Python functions, to be called in code between ``<execute>``
tags, whose output comes back.
"""

from __future__ import annotations

import re
from itertools import takewhile

from pydantic_core import from_json, to_json

from dbx_gateway.testing.json_values import is_object
from dbx_gateway.testing.model.conversation import Ask, AskedTool

__all__ = [
    "action",
    "closing",
    "code",
    "functions",
    "observations",
    "outputs",
    "question",
    "spoken_tools",
]

_TOOL = re.compile(r"> Tool Name: (\S+)\n(?:(?!> Tool Name:).*\n)*?Tool Args: (\{.*\})")
_OBSERVATION = "Observation:"
_FUNCTION = re.compile(r"^def (\w+)\((.*)\)(?: -> .*)?:$", re.MULTILINE)
_OFFERED = "you can use the following functions:"
_OUTPUT = "Result of executing the code given:"
_TYPES = {"int": "integer", "float": "number", "bool": "boolean", "str": "string"}


def spoken_tools(ask: Ask) -> tuple[AskedTool, ...]:
    """Return the tools that the system turns describe and ask to be called in words."""
    system = "\n".join(turn.text for turn in ask.turns if turn.role == "system")
    if "Action Input:" not in system:
        return ()
    return tuple(AskedTool(name, _schema(arguments)) for name, arguments in _TOOL.findall(system))


def _schema(arguments: str) -> dict[str, object]:
    try:
        found = from_json(arguments)
    except ValueError:
        return {}
    return found if is_object(found) else {}


def functions(ask: Ask) -> tuple[AskedTool, ...]:
    """Return the Python functions that the system turns describe and ask to be called in code."""
    system = "\n".join(turn.text for turn in ask.turns if turn.role == "system")
    if "<execute>" not in system:
        return ()
    _, _, offered = system.partition(_OFFERED)
    return tuple(AskedTool(name, _signature(parameters)) for name, parameters in _FUNCTION.findall(offered))


def _signature(parameters: str) -> dict[str, object]:
    parts = [part.partition(":") for part in parameters.split(", ") if part]
    properties = {name: {"type": _TYPES.get(kind.partition("=")[0].strip(" '"), "string")} for name, _, kind in parts}
    required = [name for name, _, kind in parts if "=" not in kind]
    return {"type": "object", "properties": properties, "required": required}


def observations(ask: Ask) -> list[str]:
    """Return what the tools have answered since the user last spoke."""
    return _came_back(ask, _OBSERVATION)


def outputs(ask: Ask) -> list[str]:
    """Return what the code has put out since the user last spoke."""
    return _came_back(ask, _OUTPUT)


def _came_back(ask: Ask, opening: str) -> list[str]:
    told = takewhile(lambda turn: turn.role == "assistant" or turn.text.startswith(opening), reversed(ask.turns))
    return [turn.text.removeprefix(opening).strip() for turn in told if turn.text.startswith(opening)][::-1]


def question(ask: Ask) -> str:
    """Return what the user asked last."""
    asked = (turn.text for turn in reversed(ask.turns) if turn.role == "user")
    return next((text for text in asked if not text.startswith((_OBSERVATION, _OUTPUT))), "")


def action(name: str, arguments: dict[str, object]) -> str:
    """Return the call of a tool, in words."""
    return f"Thought: I need a tool to answer.\nAction: {name}\nAction Input: {to_json(arguments).decode()}"


def code(name: str, arguments: dict[str, object]) -> str:
    """Return the call of a function, in code that prints what it returns."""
    given = ", ".join(f"{argument}={value!r}" for argument, value in arguments.items())
    return f"<execute>\nprint({name}({given}))\n</execute>"


def closing(text: str) -> str:
    """Return a final answer, in words."""
    return f"Thought: I can answer without using any more tools.\nAnswer: {text}"
